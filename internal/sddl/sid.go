package sddl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxSubAuthorities is the most sub-authorities a SID may have. [MS-DTYP] 2.4.2.
const maxSubAuthorities = 15

// SID is a security identifier. The zero value is no SID. It is comparable: two
// SIDs are equal exactly when their bytes are. [MS-DTYP] 2.4.2.2.
type SID struct {
	b string // the binary form; a view into the parsed descriptor, so that parsing allocates nothing per SID
}

// ParseSIDBytes reads one binary SID that fills b. [MS-DTYP] 2.4.2.2.
func ParseSIDBytes(b []byte) (SID, error) {
	sid, n, err := sidPrefix(string(b))
	if err != nil {
		return SID{}, err
	}
	if n != len(b) {
		return SID{}, fmt.Errorf("SID of %d bytes is followed by %d more", n, len(b)-n)
	}
	return sid, nil
}

// sidPrefix cuts the SID that s begins with and says how long it is.
func sidPrefix(s string) (SID, int, error) {
	if len(s) < 8 {
		return SID{}, 0, errors.New("SID is shorter than its 8-byte header")
	}
	if s[0] != 1 {
		return SID{}, 0, fmt.Errorf("SID revision is %d, want 1", s[0])
	}
	count := int(s[1])
	if count > maxSubAuthorities {
		return SID{}, 0, fmt.Errorf("SID has %d sub-authorities, at most %d are allowed", count, maxSubAuthorities)
	}
	n := 8 + 4*count
	if len(s) < n {
		return SID{}, 0, fmt.Errorf("SID of %d sub-authorities needs %d bytes, has %d", count, n, len(s))
	}
	return SID{s[:n]}, n, nil
}

// ParseSID reads the text form S-1-authority-sub-sub..., in which only an authority may
// be hexadecimal and no number begins with a 0 that others might take for octal. The
// aliases of SDDL (BA, DA, ...) are not SIDs; see ParseText. [MS-DTYP] 2.4.2.1.
func ParseSID(text string) (SID, error) { return parseSID(text, false) }

// MustParseSID is ParseSID for a SID that stands in the program, and panics where it is none.
func MustParseSID(text string) SID {
	s, err := ParseSID(text)
	if err != nil {
		panic(err)
	}
	return s
}

// parseSID reads the text form; leniently as Windows does, in either case, with every
// number hexadecimal after 0x and octal after 0, and with too large sub-authorities cut.
func parseSID(text string, lenient bool) (SID, error) {
	fail := func(why string) (SID, error) { return SID{}, fmt.Errorf("SID %q: %s", shortened(text), why) }
	rest, ok := strings.CutPrefix(text, "S-")
	if !ok && lenient {
		rest, ok = strings.CutPrefix(text, "s-")
	}
	revision, rest, more := strings.Cut(rest, "-")
	if n, err := sidNumber(revision, 8, false, lenient); !ok || !more || err != nil || n != 1 {
		return fail("want S-1-authority-...")
	}
	digits, rest, more := strings.Cut(rest, "-")
	authority, err := sidNumber(digits, 48, true, lenient)
	if err != nil {
		return fail("authority is not a 48-bit number")
	}
	var numbers [maxSubAuthorities]uint32
	count := 0
	for more {
		if count == maxSubAuthorities {
			return fail("too many sub-authorities")
		}
		digits, rest, more = strings.Cut(rest, "-")
		n, err := sidNumber(digits, 32, false, lenient)
		if err != nil {
			return fail("sub-authority is not a 32-bit number")
		}
		numbers[count] = uint32(n)
		count++
	}
	return newSID(authority, numbers[:count]...), nil
}

// shortened is text that an error can quote, whatever its length.
func shortened(text string) string {
	const most = 200 // a SID has 184 characters at most
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// sidNumber reads one number of a SID.
func sidNumber(digits string, bits int, mayBeHex, lenient bool) (uint64, error) {
	base := 10
	switch {
	case (mayBeHex || lenient) && len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x':
		base, digits = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0' && lenient:
		base, digits = 8, digits[1:]
	case len(digits) > 1 && digits[0] == '0':
		return 0, errors.New("begins with 0")
	}
	n, err := strconv.ParseUint(digits, base, bits)
	if lenient && bits == 32 && errors.Is(err, strconv.ErrRange) {
		return 1<<32 - 1, nil
	}
	return n, err
}

// newSID is the SID of an authority of 48 bits and of sub-authorities.
func newSID(authority uint64, subs ...uint32) SID {
	b := binary.BigEndian.AppendUint64(nil, authority)
	b[0], b[1] = 1, byte(len(subs))
	for _, sub := range subs {
		b = binary.LittleEndian.AppendUint32(b, sub)
	}
	return SID{string(b)}
}

// IsZero says whether s is no SID at all.
func (s SID) IsZero() bool { return s.b == "" }

// Bytes is a copy of the binary form; nil for the zero SID.
func (s SID) Bytes() []byte {
	if s.b == "" {
		return nil
	}
	return []byte(s.b)
}

// Len is the number of bytes of the binary form.
func (s SID) Len() int { return len(s.b) }

// String is the text form, as Windows prints it: an authority of 2^32 or more in hex,
// without the leading zeros that [MS-DTYP] 2.4.2.1 asks for.
// The zero SID is the empty string.
func (s SID) String() string { return string(s.AppendText(nil)) }

// AppendText appends the text form to dst.
func (s SID) AppendText(dst []byte) []byte {
	if s.b == "" {
		return dst
	}
	dst = append(dst, "S-1-"...)
	var authority uint64
	for i := 2; i < 8; i++ {
		authority = authority<<8 | uint64(s.b[i])
	}
	if authority >= 1<<32 {
		dst = append(dst, fmt.Sprintf("0x%X", authority)...)
	} else {
		dst = strconv.AppendUint(dst, authority, 10)
	}
	for i := 8; i < len(s.b); i += 4 {
		dst = append(dst, '-')
		dst = strconv.AppendUint(dst, uint64(le32(s.b, i)), 10)
	}
	return dst
}

// RID is the last sub-authority; false for a SID without one.
func (s SID) RID() (uint32, bool) {
	if len(s.b) < 12 {
		return 0, false
	}
	return le32(s.b, len(s.b)-4), true
}

// Domain is s without its last sub-authority: the SID of the domain that issued it.
// The zero SID when there is none.
func (s SID) Domain() SID {
	if len(s.b) < 12 {
		return SID{}
	}
	b := []byte(s.b[:len(s.b)-4])
	b[1]--
	return SID{string(b)}
}

// WithRID is s with one more sub-authority; the zero SID when s is zero or full.
func (s SID) WithRID(rid uint32) SID {
	if s.b == "" || int(s.b[1]) >= maxSubAuthorities {
		return SID{}
	}
	b := binary.LittleEndian.AppendUint32([]byte(s.b), rid)
	b[1]++
	return SID{string(b)}
}

func le32(s string, i int) uint32 {
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

func le64(s string, i int) uint64 { return uint64(le32(s, i)) | uint64(le32(s, i+4))<<32 }

func le16(s string, i int) uint16 { return uint16(s[i]) | uint16(s[i+1])<<8 }
