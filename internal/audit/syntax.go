package audit

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// syntax is how values of an attribute are written in policies, and compared: its attributeSyntax. [MS-ADTS] 3.1.1.2.2.2.
type syntax string

// The syntaxes whose values are more than text. The zero value is one that the schema does not show.
const (
	syntaxDN           syntax = "2.5.5.1"
	syntaxBoolean      syntax = "2.5.5.8"
	syntaxInteger      syntax = "2.5.5.9"
	syntaxOctets       syntax = "2.5.5.10"
	syntaxDescriptor   syntax = "2.5.5.15"
	syntaxLargeInteger syntax = "2.5.5.16"
	syntaxSID          syntax = "2.5.5.17"
)

func (j *Judge) syntax(attr string) syntax {
	if a := j.s.Schema.Attribute(attr); a != nil {
		return syntax(a.Syntax)
	}
	return ""
}

// text is a value as policies write it: SIDs and GUIDs as text, other octets in hexadecimal.
func (s syntax) text(v []byte) string {
	switch s {
	case syntaxSID:
		if sid, err := sddl.ParseSIDBytes(v); err == nil {
			return sid.String()
		}
		return hex.EncodeToString(v)
	case syntaxOctets, syntaxDescriptor:
		if g, err := sddl.ParseGUIDBytes(v); err == nil && s == syntaxOctets {
			return g.String()
		}
		return hex.EncodeToString(v)
	case "":
		if slices.ContainsFunc(v, func(b byte) bool { return b < ' ' || b >= 0x7f }) {
			return hex.EncodeToString(v)
		}
	}
	return string(v)
}

// takes says whether a text can be a value: nothing equals one that cannot, which must not pass for a value that is not there.
func (s syntax) takes(text string) bool {
	switch s {
	case "":
		return false
	case syntaxDN:
		return directory.LooksLikeDN(text)
	case syntaxBoolean:
		return strings.EqualFold(text, "TRUE") || strings.EqualFold(text, "FALSE")
	case syntaxInteger:
		n, ok := number(text)
		return ok && n >= math.MinInt32 && n <= math.MaxUint32
	case syntaxLargeInteger:
		_, ok := number(text)
		return ok
	case syntaxOctets, syntaxDescriptor:
		return len(octets(text)) > 0
	case syntaxSID:
		_, err := sddl.ParseSID(strings.ToUpper(text))
		return err == nil
	}
	return true
}

// same says whether a value is the one that a text stands for.
func (s syntax) same(v []byte, text string) bool {
	switch s {
	case syntaxDN:
		return directory.SameDN(string(v), text)
	case syntaxInteger, syntaxLargeInteger:
		have, err := strconv.ParseInt(string(v), 10, 64)
		want, ok := number(text)
		if s == syntaxInteger {
			return err == nil && ok && uint32(have) == uint32(want)
		}
		return err == nil && ok && have == want
	case syntaxOctets, syntaxDescriptor:
		return slices.ContainsFunc(octets(text), func(b []byte) bool { return bytes.Equal(v, b) })
	case syntaxSID:
		sid, err := sddl.ParseSID(strings.ToUpper(text))
		return err == nil && bytes.Equal(v, sid.Bytes())
	}
	return strings.EqualFold(string(v), text)
}

// number reads a decimal number, or 0x with hexadecimal digits.
func number(text string) (int64, bool) {
	if digits, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		n, err := strconv.ParseUint(digits, 16, 64)
		return int64(n), err == nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// octets are the values that a text may stand for: a GUID or SID as text, or hexadecimal digits.
func octets(text string) [][]byte {
	var out [][]byte
	if g, err := sddl.ParseGUID(text); err == nil {
		out = append(out, g[:])
	}
	if sid, err := sddl.ParseSID(strings.ToUpper(text)); err == nil {
		out = append(out, sid.Bytes())
	}
	if b, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(text), "0x")); err == nil && len(b) > 0 {
		out = append(out, b)
	}
	return out
}
