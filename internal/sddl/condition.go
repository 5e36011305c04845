package sddl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// TokenCode says what a token of a condition is. [MS-DTYP] 2.4.4.17.4.
type TokenCode byte

// Literals. [MS-DTYP] 2.4.4.17.5.
const (
	TokenPadding   TokenCode = 0x00
	TokenInt8      TokenCode = 0x01
	TokenInt16     TokenCode = 0x02
	TokenInt32     TokenCode = 0x03
	TokenInt64     TokenCode = 0x04
	TokenString    TokenCode = 0x10
	TokenOctets    TokenCode = 0x18
	TokenComposite TokenCode = 0x50
	TokenSID       TokenCode = 0x51
)

// Relational operators. [MS-DTYP] 2.4.4.17.6.
const (
	TokenEqual                TokenCode = 0x80
	TokenNotEqual             TokenCode = 0x81
	TokenLess                 TokenCode = 0x82
	TokenLessOrEqual          TokenCode = 0x83
	TokenGreater              TokenCode = 0x84
	TokenGreaterOrEqual       TokenCode = 0x85
	TokenContains             TokenCode = 0x86
	TokenAnyOf                TokenCode = 0x88
	TokenMemberOf             TokenCode = 0x89
	TokenDeviceMemberOf       TokenCode = 0x8a
	TokenMemberOfAny          TokenCode = 0x8b
	TokenDeviceMemberOfAny    TokenCode = 0x8c
	TokenNotContains          TokenCode = 0x8e
	TokenNotAnyOf             TokenCode = 0x8f
	TokenNotMemberOf          TokenCode = 0x90
	TokenNotDeviceMemberOf    TokenCode = 0x91
	TokenNotMemberOfAny       TokenCode = 0x92
	TokenNotDeviceMemberOfAny TokenCode = 0x93
)

// Logical operators. [MS-DTYP] 2.4.4.17.7.
const (
	TokenExists    TokenCode = 0x87
	TokenNotExists TokenCode = 0x8d
	TokenAnd       TokenCode = 0xa0
	TokenOr        TokenCode = 0xa1
	TokenNot       TokenCode = 0xa2
)

// Attributes: of the environment, of the user, of the resource, of the device.
// [MS-DTYP] 2.4.4.17.8.
const (
	TokenLocalAttribute    TokenCode = 0xf8
	TokenUserAttribute     TokenCode = 0xf9
	TokenResourceAttribute TokenCode = 0xfa
	TokenDeviceAttribute   TokenCode = 0xfb
)

// IsInt says whether the token is an integer. All four widths hold 64 bits.
func (t TokenCode) IsInt() bool { return t >= TokenInt8 && t <= TokenInt64 }

// IsAttribute says whether the token is the name of an attribute.
func (t TokenCode) IsAttribute() bool {
	return t >= TokenLocalAttribute && t <= TokenDeviceAttribute
}

// IsMemberOf says whether the token asks for membership of groups.
func (t TokenCode) IsMemberOf() bool {
	return t >= TokenMemberOf && t <= TokenDeviceMemberOfAny || t >= TokenNotMemberOf && t <= TokenNotDeviceMemberOfAny
}

// Operands is how many operands an operator takes; 0 of what is no operator.
func (t TokenCode) Operands() int {
	switch {
	case t.IsMemberOf(), t == TokenExists, t == TokenNotExists, t == TokenNot:
		return 1
	case t >= TokenEqual && t <= TokenContains, t == TokenAnyOf, t == TokenNotContains, t == TokenNotAnyOf,
		t == TokenAnd, t == TokenOr:
		return 2
	}
	return 0
}

// How an integer of a condition was written, so that it is printed that way again.
// [MS-DTYP] 2.4.4.17.5.
const (
	SignPlus  byte = 1
	SignMinus byte = 2
	SignNone  byte = 3

	BaseOctal   byte = 1
	BaseDecimal byte = 2
	BaseHex     byte = 3
)

// Token is one token of a condition: an operator, a literal or the name of an attribute.
// [MS-DTYP] 2.4.4.17.4.
type Token struct {
	Code   TokenCode
	Int    int64   // of an integer; an unsigned claim has its 64 bits here
	Sign   byte    // of an integer: SignPlus and so on
	Base   byte    // of an integer: BaseOctal and so on
	Text   string  // of a string or an attribute: UTF-16, little-endian, as it is stored
	Octets string  // of an octet string
	SID    SID     // of a SID
	List   []Token // of a composite: its literals, none of them a composite
}

// Condition is the expression of a conditional ACE in postfix order, as it is stored:
// operands before their operator. One that this package returned is always one whole
// expression; the empty one is what an ACE without an expression has. [MS-DTYP] 2.4.4.17.
type Condition []Token

// conditionSignature begins the application data of a conditional ACE. [MS-DTYP] 2.4.4.17.4.
const conditionSignature = "artx"

// Condition is the expression of a conditional ACE, and an error where the ACE is none
// or its application data is not a well-formed expression.
func (a ACE) Condition() (Condition, error) {
	if !a.Type.IsCallback() {
		return nil, fmt.Errorf("ACE of type 0x%02x has no condition", byte(a.Type))
	}
	return DecodeCondition(a.Data)
}

// DecodeCondition reads the application data of a conditional ACE. Strings of the result
// are parts of data. [MS-DTYP] 2.4.4.17.4.
func DecodeCondition(data string) (Condition, error) {
	if len(data) < len(conditionSignature) || data[:len(conditionSignature)] != conditionSignature {
		return nil, errors.New("application data is not a condition: it does not begin with artx")
	}
	var c Condition
	depth := 0
	for rest := data[len(conditionSignature):]; rest != ""; {
		if TokenCode(rest[0]) == TokenPadding {
			for i := range len(rest) {
				if rest[i] != 0 {
					return nil, fmt.Errorf("condition goes on after its padding with 0x%02x", rest[i])
				}
			}
			break
		}
		token, n, err := decodeToken(rest, false)
		if err != nil {
			return nil, err
		}
		if depth < token.Code.Operands() {
			return nil, fmt.Errorf("condition has too few operands for its operator 0x%02x", byte(token.Code))
		}
		depth += 1 - token.Code.Operands()
		c, rest = append(c, token), rest[n:]
	}
	if depth > 1 {
		return nil, fmt.Errorf("condition leaves %d values where it should leave one", depth)
	}
	return c, nil
}

// decodeToken cuts the token that s, which is not empty, begins with, and says how long it is.
func decodeToken(s string, inComposite bool) (Token, int, error) {
	t := Token{Code: TokenCode(s[0])}
	fail := func(why string) (Token, int, error) {
		return Token{}, 0, fmt.Errorf("condition's token 0x%02x %s", s[0], why)
	}
	switch {
	case t.Code.IsInt():
		if len(s) < 11 {
			return fail("is cut off")
		}
		t.Int, t.Sign, t.Base = int64(le64(s, 1)), s[9], s[10]
		if t.Sign < SignPlus || t.Sign > SignNone || t.Base < BaseOctal || t.Base > BaseHex {
			return fail(fmt.Sprintf("has sign %d and base %d, which are none", t.Sign, t.Base))
		}
		return t, 11, nil
	case t.Code.Operands() > 0 && !inComposite:
		return t, 1, nil
	case t.Code == TokenString, t.Code == TokenOctets, t.Code == TokenSID,
		t.Code == TokenComposite && !inComposite, t.Code.IsAttribute() && !inComposite:
	default:
		return fail("is unknown or out of place")
	}
	if len(s) < 5 || uint64(le32(s, 1)) > uint64(len(s)-5) {
		return fail("is longer than the condition")
	}
	n := 5 + int(le32(s, 1))
	body := s[5:n]
	switch t.Code {
	case TokenOctets:
		t.Octets = body
	case TokenSID:
		sid, used, err := sidPrefix(body)
		if err != nil {
			return fail(err.Error())
		}
		if used != len(body) {
			return fail("is longer than its SID")
		}
		t.SID = sid
	case TokenComposite:
		for rest := body; rest != ""; {
			member, used, err := decodeToken(rest, true)
			if err != nil {
				return Token{}, 0, err
			}
			t.List, rest = append(t.List, member), rest[used:]
		}
	default:
		if len(body)%2 != 0 {
			return fail("is no UTF-16: its length is odd")
		}
		if t.Code.IsAttribute() && body == "" {
			return fail("has no name")
		}
		t.Text = body
	}
	return t, n, nil
}

// Append appends the application data of a conditional ACE to dst, padded with zeros so
// that the ACE's size is a multiple of four. [MS-DTYP] 2.4.4.17.4.
func (c Condition) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, conditionSignature...)
	for i := range c {
		dst = c[i].append(dst)
	}
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

func (t *Token) append(dst []byte) []byte {
	dst = append(dst, byte(t.Code))
	if t.Code.IsInt() {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(t.Int))
		return append(dst, t.Sign, t.Base)
	}
	if t.Code.Operands() > 0 {
		return dst
	}
	size := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch t.Code {
	case TokenOctets:
		dst = append(dst, t.Octets...)
	case TokenSID:
		dst = append(dst, t.SID.b...)
	case TokenComposite:
		for i := range t.List {
			dst = t.List[i].append(dst)
		}
	default:
		dst = append(dst, t.Text...)
	}
	binary.LittleEndian.PutUint32(dst[size:], uint32(len(dst)-size-4))
	return dst
}
