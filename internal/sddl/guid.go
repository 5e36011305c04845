package sddl

import (
	"encoding/hex"
	"fmt"
)

// GUID is a GUID in its wire form, the first three fields little-endian, as
// schemaIDGUID and ACEs hold it. The zero value is no GUID. [MS-DTYP] 2.3.4.2.
type GUID [16]byte

// textOrder is where each wire byte stands in the text form.
var textOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// ParseGUID reads the text form without braces, in either case, as rightsGuid and SDDL have it.
func ParseGUID(text string) (GUID, error) {
	var g GUID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return GUID{}, fmt.Errorf("GUID %q: want xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", shortened(text))
	}
	var b [16]byte
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return GUID{}, fmt.Errorf("GUID %q: %w", text, err)
	}
	for i, j := range textOrder {
		g[i] = b[j]
	}
	return g, nil
}

// MustParseGUID is ParseGUID for a GUID that stands in the program, and panics where it is none.
func MustParseGUID(text string) GUID {
	g, err := ParseGUID(text)
	if err != nil {
		panic(err)
	}
	return g
}

// ParseGUIDBytes reads the 16-byte wire form.
func ParseGUIDBytes(b []byte) (GUID, error) {
	if len(b) != 16 {
		return GUID{}, fmt.Errorf("GUID has %d bytes, want 16", len(b))
	}
	return GUID(b), nil
}

// IsZero says whether g is the zero GUID.
func (g GUID) IsZero() bool { return g == GUID{} }

// String is the text form in lower case.
func (g GUID) String() string { return string(g.AppendText(nil)) }

// AppendText appends the text form to dst.
func (g GUID) AppendText(dst []byte) []byte {
	const digits = "0123456789abcdef"
	for i, j := range textOrder {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[g[j]>>4], digits[g[j]&15])
	}
	return dst
}
