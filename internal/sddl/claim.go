package sddl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ClaimType is the type of a claim's values. [MS-DTYP] 2.4.10.1.
type ClaimType uint16

// The types of claims. [MS-DTYP] 2.4.10.1.
const (
	ClaimInt64  ClaimType = 0x01
	ClaimUint64 ClaimType = 0x02
	ClaimString ClaimType = 0x03
	ClaimSID    ClaimType = 0x05
	ClaimBool   ClaimType = 0x06
	ClaimOctets ClaimType = 0x10
)

// claimTypes are the names of the types in SDDL. [MS-DTYP] 2.5.1.1.
var claimTypes = [...]struct {
	name string
	t    ClaimType
}{
	{"TI", ClaimInt64}, {"TU", ClaimUint64}, {"TS", ClaimString},
	{"TD", ClaimSID}, {"TX", ClaimOctets}, {"TB", ClaimBool},
}

// String is the name of the type in SDDL; of an unknown one, its number.
func (t ClaimType) String() string {
	for i := range claimTypes {
		if claimTypes[i].t == t {
			return claimTypes[i].name
		}
	}
	return fmt.Sprintf("0x%02x", uint16(t))
}

// The flags of claims that matter to who compares them. [MS-DTYP] 2.4.10.1.
const (
	ClaimCaseSensitive  uint32 = 0x02
	ClaimUseForDenyOnly uint32 = 0x04
	ClaimDisabled       uint32 = 0x10
)

// reservedClaimFlags mean nothing yet. [MS-DTYP] 2.4.10.1.
const reservedClaimFlags uint32 = 0xff00

// Claim is a named, typed attribute of a user, a device or a resource. Its values are
// literals: integers of code TokenInt64 for the three integer types, else of the code of
// the type. [MS-DTYP] 2.4.10.1.
type Claim struct {
	Name   string // UTF-16, little-endian, without the terminating zero
	Type   ClaimType
	Flags  uint32
	Values []Token
}

// Claim is the attribute that a resource attribute ACE gives its object, and an error
// where the ACE is none or is not well-formed. [MS-DTYP] 2.4.4.15.
func (a ACE) Claim() (Claim, error) {
	if a.Type != ResourceAttribute {
		return Claim{}, fmt.Errorf("ACE of type 0x%02x has no resource attribute", byte(a.Type))
	}
	return DecodeClaim(a.Data)
}

// claimHeader is the size of a claim before the offsets of its values. [MS-DTYP] 2.4.10.1.
const claimHeader = 16

// DecodeClaim reads a CLAIM_SECURITY_ATTRIBUTE_RELATIVE_V1. Offsets may point anywhere
// within data. A SID may be stored as text, as the specification says, or in bytes.
// [MS-DTYP] 2.4.10.1.
func DecodeClaim(data string) (Claim, error) {
	if len(data) < claimHeader {
		return Claim{}, fmt.Errorf("claim has %d bytes, its header alone has %d", len(data), claimHeader)
	}
	c := Claim{Type: ClaimType(le16(data, 4)), Flags: le32(data, 8)}
	count := le32(data, 12)
	if uint64(count)*4 > uint64(len(data)-claimHeader) {
		return Claim{}, fmt.Errorf("claim of %d bytes cannot hold %d values", len(data), count)
	}
	var err error
	if c.Name, err = wideAt(data, le32(data, 0)); err != nil {
		return Claim{}, fmt.Errorf("claim's name: %w", err)
	}
	if c.Name == "" {
		return Claim{}, errors.New("claim has no name")
	}
	c.Values = make([]Token, count)
	// Offsets may be the same, so that short data could say much more than it is. A SID is
	// about three times as long in text.
	size := 0
	for i := range c.Values {
		if c.Values[i], err = claimValue(data, le32(data, claimHeader+4*i), c.Type); err != nil {
			return Claim{}, fmt.Errorf("claim's value %d: %w", i, err)
		}
		if size += 8 + len(c.Values[i].Text) + len(c.Values[i].Octets) + 3*c.Values[i].SID.Len(); size > MaxACL {
			return Claim{}, errors.New("claim's values are longer than an ACL can be")
		}
	}
	return c, nil
}

func claimValue(data string, offset uint32, t ClaimType) (Token, error) {
	switch t {
	case ClaimInt64, ClaimUint64, ClaimBool:
		if uint64(offset)+8 > uint64(len(data)) {
			return Token{}, errOutside
		}
		value := Token{Code: TokenInt64, Int: int64(le64(data, int(offset))), Sign: SignNone, Base: BaseDecimal}
		if t == ClaimInt64 && value.Int < 0 {
			value.Sign = SignMinus
		}
		return value, nil
	case ClaimString:
		text, err := wideAt(data, offset)
		return Token{Code: TokenString, Text: text}, err
	case ClaimOctets:
		octets, err := octetsAt(data, offset)
		return Token{Code: TokenOctets, Octets: octets}, err
	case ClaimSID:
		octets, err := octetsAt(data, offset)
		if err != nil {
			return Token{}, err
		}
		sid, n, err := sidPrefix(octets)
		if err != nil || n != len(octets) {
			sid, err = ParseSID(strings.TrimSuffix(octets, "\x00"))
		}
		return Token{Code: TokenSID, SID: sid}, err
	}
	return Token{}, fmt.Errorf("its type 0x%x is unknown", uint16(t))
}

var errOutside = errors.New("its offset is outside of the claim")

// wideAt is the UTF-16 at offset up to its terminating zero.
func wideAt(data string, offset uint32) (string, error) {
	for i := uint64(offset); i+2 <= uint64(len(data)); i += 2 {
		if le16(data, int(i)) == 0 {
			return data[offset:i], nil
		}
	}
	return "", errors.New("its text is outside of the claim, or does not end in it")
}

func octetsAt(data string, offset uint32) (string, error) {
	if uint64(offset)+4 > uint64(len(data)) {
		return "", errOutside
	}
	rest := data[offset+4:]
	if n := le32(data, int(offset)); uint64(n) <= uint64(len(rest)) {
		return rest[:n], nil
	}
	return "", errors.New("it is longer than the claim")
}

// Append appends the data of a resource attribute ACE to dst: header, offsets, name and
// values, one right after the other, and zeros so that the ACE's size is a multiple of
// four. SIDs are stored as text. [MS-DTYP] 2.4.10.1.
func (c Claim) Append(dst []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(claimHeader+4*len(c.Values)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(c.Type))
	dst = append(dst, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, c.Flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(c.Values)))
	offsets := len(dst)
	dst = append(dst, make([]byte, 4*len(c.Values))...)
	dst = append(append(dst, c.Name...), 0, 0)
	for i, value := range c.Values {
		binary.LittleEndian.PutUint32(dst[offsets+4*i:], uint32(len(dst)-start))
		switch value.Code {
		case TokenString:
			dst = append(append(dst, value.Text...), 0, 0)
		case TokenOctets:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value.Octets)))
			dst = append(dst, value.Octets...)
		case TokenSID:
			text := value.SID.String()
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
			dst = append(dst, text...)
		default:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(value.Int))
		}
	}
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// Text is the claim in SDDL with its parentheses, as Windows prints it: ("name",TI,0x0,1).
// There is an error for what SDDL has no words for: unknown types, no values, truth values
// other than 0 and 1, empty octet strings, and strings with a quotation mark or half a character.
// [MS-DTYP] 2.5.1.1.
func (c Claim) Text(ctx Aliases) (string, error) {
	b, err := c.appendText(nil, ctx)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

func (c Claim) appendText(dst []byte, ctx Aliases) ([]byte, error) {
	known := false
	for i := range claimTypes {
		known = known || claimTypes[i].t == c.Type
	}
	switch {
	case !known:
		return dst, fmt.Errorf("SDDL cannot say a claim of type 0x%x", uint16(c.Type))
	case len(c.Values) == 0:
		return dst, errors.New("SDDL cannot say a claim without values")
	}
	dst, err := appendName(append(dst, `("`...), c.Name)
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, `",`...), c.Type.String()...)
	dst = appendHex(append(dst, ','), c.Flags)
	for _, value := range c.Values {
		dst = append(dst, ',')
		switch {
		case value.Code == TokenString:
			dst, err = appendQuoted(dst, value.Text)
		case value.Code == TokenSID:
			dst = ctx.appendSID(dst, value.SID)
		case value.Code == TokenOctets && value.Octets == "":
			err = errors.New("SDDL cannot say an empty octet string")
		case value.Code == TokenOctets:
			dst = appendHexBytes(dst, value.Octets)
		case c.Type == ClaimInt64:
			dst = strconv.AppendInt(dst, value.Int, 10)
		case c.Type == ClaimBool && uint64(value.Int) > 1:
			err = fmt.Errorf("SDDL cannot say the truth value %d", value.Int)
		default:
			dst = strconv.AppendUint(dst, uint64(value.Int), 10)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

// ParseClaimText reads a claim in SDDL with its parentheses. Aliases and errors are those
// of [ParseText]. [MS-DTYP] 2.5.1.1.
func ParseClaimText(s string, ctx Aliases) (Claim, error) {
	p := textParser{s: s, ctx: ctx}
	c, err := p.claim()
	if err != nil {
		return Claim{}, err
	}
	return c, p.end()
}

// claim reads a claim with the blanks around it.
func (p *textParser) claim() (Claim, error) {
	fail := func(err error) (Claim, error) { return Claim{}, err }
	p.skipSpace()
	if !p.atByte('(') {
		return fail(p.want(`a resource attribute, which begins with ("`))
	}
	p.at++
	p.skipSpace()
	if err := p.next('"'); err != nil {
		return fail(err)
	}
	var c Claim
	var err error
	if c.Name, err = p.escapedName(); err != nil {
		return fail(err)
	}
	if err = p.next('"'); err != nil {
		return fail(err)
	}
	if err = p.comma(); err != nil {
		return fail(err)
	}
	for i := range claimTypes {
		if p.has(claimTypes[i].name) {
			c.Type = claimTypes[i].t
		}
	}
	if c.Type == 0 {
		return fail(p.want("a type: TI, TU, TS, TD, TX or TB"))
	}
	p.at += 2
	if err = p.comma(); err != nil {
		return fail(err)
	}
	start := p.at
	flags, err := p.integer()
	if err != nil {
		return fail(err)
	}
	c.Flags = uint32(flags.Int)
	if int64(c.Flags) != flags.Int || c.Flags&reservedClaimFlags != 0 {
		p.at = start
		return fail(p.refuse("the flags are not 32 bits, or reserved ones (0xff00) are among them"))
	}
	size := 0
	for p.skipSpace(); p.atByte(','); p.skipSpace() {
		if err = p.comma(); err != nil {
			return fail(err)
		}
		value, err := p.claimValue(c.Type)
		if err != nil {
			return fail(err)
		}
		if size += 8 + len(value.Text) + len(value.Octets); size > MaxACL {
			return fail(p.refuse("the resource attribute is longer than an ACL can be"))
		}
		c.Values = append(c.Values, value)
	}
	if len(c.Values) == 0 {
		return fail(p.want("a comma and a value"))
	}
	if err = p.next(')'); err != nil {
		return fail(err)
	}
	p.skipSpace()
	return c, nil
}

func (p *textParser) comma() error {
	p.skipSpace()
	if err := p.next(','); err != nil {
		return err
	}
	p.skipSpace()
	return nil
}

func (p *textParser) claimValue(t ClaimType) (Token, error) {
	start := p.at
	switch t {
	case ClaimString:
		text, err := p.quoted()
		return Token{Code: TokenString, Text: text}, err
	case ClaimSID:
		end := strings.IndexAny(p.s[p.at:], ",)")
		if end < 0 {
			return Token{}, p.want("a SID and )")
		}
		token := strings.TrimRight(p.s[p.at:p.at+end], " \t\n\v\f\r")
		sid, err := p.sid(token)
		p.at += len(token)
		return Token{Code: TokenSID, SID: sid}, err
	case ClaimOctets:
		// Unlike in a condition, # is a digit here too, and an odd digit comes first.
		digits := p.hexToken()
		if digits == "" {
			return Token{}, p.want("the hexadecimal digits of an octet string")
		}
		p.at += len(digits)
		return Token{Code: TokenOctets, Octets: decodeOctets(digits)}, nil
	}
	value, err := p.integer()
	// What begins with 0 is not decimal: 089 is no number, and not 89.
	if err != nil && t == ClaimUint64 && !p.atByte('0') {
		value, err = p.unsigned()
	}
	if err != nil {
		return Token{}, err
	}
	switch {
	case t == ClaimInt64 && value.Sign == SignNone && value.Int < 0:
		p.at = start
		return Token{}, p.refuse("an integer has at most 64 bits, one of them for the sign")
	case t == ClaimBool && uint64(value.Int) > 1:
		p.at = start
		return Token{}, p.want("0 or 1")
	case t == ClaimUint64 && value.Sign == SignMinus && value.Int != 0:
		p.at = start
		return Token{}, p.refuse("an unsigned integer cannot be negative")
	}
	return Token{Code: TokenInt64, Int: value.Int, Sign: SignNone, Base: BaseDecimal}, nil
}

// unsigned reads a decimal integer that needs all 64 bits.
func (p *textParser) unsigned() (Token, error) {
	end := p.at
	for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(p.s[p.at:end], 10, 64)
	if err != nil {
		return Token{}, p.want("an unsigned integer of 64 bits")
	}
	p.at = end
	return Token{Code: TokenInt64, Int: int64(n)}, nil
}
