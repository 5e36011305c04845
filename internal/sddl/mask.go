package sddl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// rights are the names of single rights, in the order in which Windows prints them.
// [MS-DTYP] 2.5.1.1.
var rights = [...]struct {
	name string
	mask Mask
}{
	{"CC", CreateChild}, {"DC", DeleteChild}, {"LC", ListContents}, {"SW", WriteSelf},
	{"RP", ReadProperty}, {"WP", WriteProperty}, {"DT", DeleteTree}, {"LO", ListObject},
	{"CR", ControlAccess},
	{"SD", Delete}, {"RC", ReadControl}, {"WD", WriteDACL}, {"WO", WriteOwner},
	{"GA", GenericAll}, {"GX", GenericExecute}, {"GW", GenericWrite}, {"GR", GenericRead},
}

// wholeMasks are the names that Windows prints for exactly these masks before it looks
// at single rights, also on a directory object. KX is read but is the same as KR.
// [MS-DTYP] 2.5.1.1; values of FILE_ALL_ACCESS, KEY_ALL_ACCESS, ...
var wholeMasks = [...]struct {
	name string
	mask Mask
}{
	{"FA", 0x1f01ff}, {"FR", 0x120089}, {"FW", 0x120116}, {"FX", 0x1200a0},
	{"KA", 0x0f003f}, {"KR", 0x020019}, {"KW", 0x020006}, {"KX", 0x020019},
}

// labelRights are the names of the bits of a mandatory label. [MS-DTYP] 2.4.4.13.
var labelRights = [...]struct {
	name string
	mask Mask
}{{"NW", 1}, {"NR", 2}, {"NX", 4}}

// String is the mask in SDDL, as Windows prints it: a name of the whole mask, else the
// names of its rights, else hex; of the empty mask, nothing. [MS-DTYP] 2.5.1.1.
func (m Mask) String() string { return string(m.AppendText(nil)) }

// AppendText appends the mask in SDDL to dst.
func (m Mask) AppendText(dst []byte) []byte {
	for i := range wholeMasks {
		if wholeMasks[i].mask == m {
			return append(dst, wholeMasks[i].name...)
		}
	}
	start, rest := len(dst), m
	for i := range rights {
		if rest&rights[i].mask != 0 {
			dst = append(dst, rights[i].name...)
			rest &^= rights[i].mask
		}
	}
	if rest != 0 {
		return appendHex(dst[:start], uint32(m))
	}
	return dst
}

// appendLabelMask appends the mask of a mandatory label, whose low bits have other names.
func appendLabelMask(dst []byte, m Mask) []byte {
	start, rest := len(dst), m
	for i := range labelRights {
		if rest&labelRights[i].mask != 0 {
			dst = append(dst, labelRights[i].name...)
			rest &^= labelRights[i].mask
		}
	}
	if rest != 0 {
		return appendHex(dst[:start], uint32(m))
	}
	return dst
}

func appendHex(dst []byte, n uint32) []byte {
	return strconv.AppendUint(append(dst, "0x"...), uint64(n), 16)
}

// mask reads the rights field of an ACE, which is token and begins here: names in any
// order, or one number, hexadecimal after 0x, octal after 0, else decimal. Windows takes
// a number of more than 32 bits for all rights, and counts a negative one back from there.
func (p *textParser) mask(token string, label bool) (Mask, error) {
	if token != "" && (token[0] >= '0' && token[0] <= '9' || p.lenient && token[0] == '-') {
		return p.numericMask(token)
	}
	var m Mask
	for i := 0; i < len(token); i += 2 {
		for i < len(token) && p.lenient && isSpace(token[i]) {
			i++
		}
		name := token[i:min(i+2, len(token))]
		one, ok := p.right(name, label)
		if !ok {
			p.at += i
			return 0, &SyntaxError{Offset: p.at, Found: name, Want: "the two letters of a right, such as RP or GA"}
		}
		m |= one
	}
	return m, nil
}

func (p *textParser) numericMask(token string) (Mask, error) {
	digits, negative := strings.CutPrefix(token, "-")
	base := 10
	switch {
	case len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x':
		base, digits = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base, digits = 8, digits[1:]
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if p.lenient && errors.Is(err, strconv.ErrRange) {
		return 0xffffffff, nil
	}
	if err != nil {
		return 0, &SyntaxError{Offset: p.at, Found: token, Want: "a number of at most 32 bits"}
	}
	if negative {
		return -Mask(n), nil
	}
	return Mask(n), nil
}

// right is the mask of a name. Those of a mandatory label mean nothing elsewhere.
func (p *textParser) right(name string, label bool) (Mask, bool) {
	for i := range rights {
		if p.is(name, rights[i].name) {
			return rights[i].mask, true
		}
	}
	for i := range wholeMasks {
		if p.is(name, wholeMasks[i].name) {
			return wholeMasks[i].mask, true
		}
	}
	for i := range labelRights {
		if label && p.is(name, labelRights[i].name) {
			return labelRights[i].mask, true
		}
	}
	return 0, false
}

// SyntaxError says where a text is not SDDL.
type SyntaxError struct {
	Offset int    // in bytes
	Found  string // what stands there; empty at the end of the text
	Want   string // what could stand there
	Why    string // instead of Want: why what stands there is refused

	Lacks Authority // whose SID Aliases lacks for the alias that stands there; else zero
}

func (e *SyntaxError) Error() string {
	switch {
	case e.Why != "":
		return fmt.Sprintf("SDDL, byte %d: %s", e.Offset, e.Why)
	case e.Found == "":
		return fmt.Sprintf("SDDL, byte %d: want %s", e.Offset, e.Want)
	}
	return fmt.Sprintf("SDDL, byte %d: want %s, found %q", e.Offset, e.Want, e.Found)
}
