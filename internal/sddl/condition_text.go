package sddl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// operators are the names of the operators as Windows prints them: with a small a in
// Member_of_any only. They are read in either case. [MS-DTYP] 2.5.1.1.
var operators = [...]struct {
	code TokenCode
	name string
}{
	{TokenEqual, "=="}, {TokenNotEqual, "!="}, {TokenLessOrEqual, "<="}, {TokenLess, "<"},
	{TokenGreaterOrEqual, ">="}, {TokenGreater, ">"}, {TokenAnd, "&&"}, {TokenOr, "||"}, {TokenNot, "!"},
	{TokenContains, "Contains"}, {TokenNotContains, "Not_Contains"},
	{TokenAnyOf, "Any_of"}, {TokenNotAnyOf, "Not_Any_of"},
	{TokenExists, "Exists"}, {TokenNotExists, "Not_Exists"},
	{TokenMemberOf, "Member_of"}, {TokenNotMemberOf, "Not_Member_of"},
	{TokenMemberOfAny, "Member_of_any"}, {TokenNotMemberOfAny, "Not_Member_of_Any"},
	{TokenDeviceMemberOf, "Device_Member_of"}, {TokenNotDeviceMemberOf, "Not_Device_Member_of"},
	{TokenDeviceMemberOfAny, "Device_Member_of_Any"}, {TokenNotDeviceMemberOfAny, "Not_Device_Member_of_Any"},
}

// String is the name of an operator in SDDL; of anything else, its number.
func (t TokenCode) String() string {
	for i := range operators {
		if operators[i].code == t {
			return operators[i].name
		}
	}
	return fmt.Sprintf("0x%02x", byte(t))
}

// attributePrefixes are how the three kinds of attributes that do not belong to the
// environment begin. Windows prints them in capitals; they are read in either case.
// [MS-DTYP] 2.5.1.1; sddl.h of the Windows SDK.
var attributePrefixes = [...]struct {
	code   TokenCode
	prefix string
}{
	{TokenUserAttribute, "@USER."}, {TokenDeviceAttribute, "@DEVICE."}, {TokenResourceAttribute, "@RESOURCE."},
}

// isLogic says whether the operator joins truth values, so that Windows prints parentheses
// around each of them.
func (t TokenCode) isLogic() bool { return t == TokenAnd || t == TokenOr || t == TokenNot }

// wantsParentheses says whether Windows prints parentheses around the expression wherever
// it stands.
func (t TokenCode) wantsParentheses() bool { return t.Operands() == 2 || t.IsMemberOf() }

// Text is the condition in SDDL with its parentheses, as Windows prints it. There is an
// error for what SDDL has no words for, such as strings with a quotation mark, names of
// local attributes with other characters than letters, digits and :./_@, or a literal
// where only an attribute can stand: what is printed is never read as another condition,
// though some of it may not be read at all. [MS-DTYP] 2.5.1.1.
func (c Condition) Text(ctx Aliases) (string, error) {
	b, err := c.appendText(nil, ctx)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// appendText appends the condition to dst, or returns dst as it was and an error.
func (c Condition) appendText(dst []byte, ctx Aliases) ([]byte, error) {
	before := len(dst)
	dst, err := c.appendWords(dst, ctx, parenthesised)
	if err != nil {
		return dst[:before], err
	}
	// Words alone do not say what they are: 5 is a number here and an attribute there.
	if again, err := ParseConditionText(string(dst[before:]), ctx); err == nil && !sameTokens(again, c) {
		return dst[:before], fmt.Errorf("SDDL cannot say the condition: %q would be another one", dst[before:])
	}
	return dst, nil
}

// sameTokens says whether two lists of tokens mean the same. How an integer was written,
// and in how many bits, means nothing.
func sameTokens(a, b []Token) bool {
	return slices.EqualFunc(a, b, func(x, y Token) bool {
		if x.Code.IsInt() && y.Code.IsInt() {
			return x.Int == y.Int
		}
		return x.Code == y.Code && x.Text == y.Text && x.Octets == y.Octets && x.SID == y.SID && sameTokens(x.List, y.List)
	})
}

// parenthesised says whether Windows prints parentheses around an operand. Of a relation
// with a truth value Windows has nothing to say; without them it would be another one.
func parenthesised(operator, operand TokenCode) bool {
	return operator.isLogic() || operand.wantsParentheses() || operator.Operands() == 2 && operand.Operands() > 0
}

// appendWords appends the words of the tokens in the order of SDDL.
func (c Condition) appendWords(dst []byte, ctx Aliases, parenthesised func(operator, operand TokenCode) bool) ([]byte, error) {
	if len(c) == 0 {
		return append(dst, "()"...), nil
	}
	// In postfix order the tokens of an operand stand together: the last operand ends just
	// before its operator, the first one where the last one begins.
	first := make([]int, len(c))
	for i := range c {
		first[i] = i
		for range c[i].Code.Operands() {
			if first[i] == 0 {
				return dst, errors.New("condition has too few operands")
			}
			first[i] = first[first[i]-1]
		}
	}
	if first[len(c)-1] != 0 {
		return dst, errors.New("condition is more than one expression")
	}
	// What is still to be printed, last first: a token, or text where it is negative.
	type piece struct {
		token int
		text  string
	}
	var stack []piece
	open := func(token int, parentheses bool) {
		if parentheses {
			stack = append(stack, piece{-1, ")"})
		}
		stack = append(stack, piece{token: token})
		if parentheses {
			stack = append(stack, piece{-1, "("})
		}
	}
	open(len(c)-1, true)
	for len(stack) > 0 {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if next.token < 0 {
			dst = append(dst, next.text...)
			continue
		}
		t := &c[next.token]
		operand := func(i int) { open(i, parenthesised(t.Code, c[i].Code)) }
		switch right := next.token - 1; t.Code.Operands() {
		case 2:
			operand(right)
			stack = append(stack, piece{-1, " "}, piece{-1, t.Code.String()}, piece{-1, " "})
			operand(first[right] - 1)
		case 1:
			operand(right)
			if t.Code != TokenNot {
				stack = append(stack, piece{-1, " "})
			}
			stack = append(stack, piece{-1, t.Code.String()})
		default:
			// After Exists stands a name, also one that is an operator elsewhere.
			named := next.token+1 < len(c) && (c[next.token+1].Code == TokenExists || c[next.token+1].Code == TokenNotExists)
			if t.Code == TokenLocalAttribute && !named {
				if name, _ := DecodeWide(t.Text); unaryOperator(name) != 0 {
					return dst, fmt.Errorf("SDDL cannot name the attribute %q, which is an operator", name)
				}
			}
			var err error
			if dst, err = t.appendText(dst, ctx); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

// appendText appends a literal or the name of an attribute.
func (t *Token) appendText(dst []byte, ctx Aliases) ([]byte, error) {
	switch {
	case t.Code.IsInt():
		return t.appendInt(dst)
	case t.Code == TokenString:
		return appendQuoted(dst, t.Text)
	case t.Code == TokenOctets:
		return appendHexBytes(append(dst, '#'), t.Octets), nil
	case t.Code == TokenSID:
		return append(ctx.appendSID(append(dst, "SID("...), t.SID), ')'), nil
	case t.Code == TokenLocalAttribute:
		name, valid := DecodeWide(t.Text)
		if !valid || !isLocalName(name) {
			return dst, fmt.Errorf("SDDL cannot name the attribute %q", name)
		}
		return append(dst, name...), nil
	case t.Code.IsAttribute():
		for i := range attributePrefixes {
			if attributePrefixes[i].code == t.Code {
				dst = append(dst, attributePrefixes[i].prefix...)
			}
		}
		return appendName(dst, t.Text)
	case t.Code == TokenComposite:
		dst = append(dst, '{')
		for i := range t.List {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			var err error
			if dst, err = t.List[i].appendText(dst, ctx); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return dst, fmt.Errorf("SDDL has no words for the token 0x%02x", byte(t.Code))
}

// appendInt appends an integer as it was written: with its sign and in its base.
func (t *Token) appendInt(dst []byte) ([]byte, error) {
	magnitude := uint64(t.Int)
	switch {
	case t.Sign == SignPlus && t.Int >= 0:
		dst = append(dst, '+')
	case t.Sign == SignMinus && t.Int <= 0:
		dst, magnitude = append(dst, '-'), -magnitude
	case t.Sign == SignNone && t.Int < 0 && t.Base == BaseDecimal:
		dst, magnitude = append(dst, '-'), -magnitude
	case t.Sign == SignNone:
	default:
		return dst, fmt.Errorf("SDDL cannot say an integer of value %d with sign %d", t.Int, t.Sign)
	}
	switch t.Base {
	case BaseOctal:
		dst = strconv.AppendUint(append(dst, '0'), magnitude, 8)
	case BaseDecimal:
		dst = strconv.AppendUint(dst, magnitude, 10)
	default:
		dst = strconv.AppendUint(append(dst, "0x"...), magnitude, 16)
	}
	return dst, nil
}

// appendQuoted appends a string. SDDL has no escapes in strings.
func appendQuoted(dst []byte, wide string) ([]byte, error) {
	text, valid := DecodeWide(wide)
	if !valid || strings.ContainsAny(text, "\"\x00") {
		return dst, fmt.Errorf("SDDL cannot say the string %q", text)
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"'), nil
}

// appendName appends the name of a claim, in which everything that is not ASCII, and
// what would end the name, is escaped as %XXXX. [MS-DTYP] 2.5.1.1.
func appendName(dst []byte, wide string) ([]byte, error) {
	for i := 0; i+1 < len(wide); i += 2 {
		unit := le16(wide, i)
		switch {
		case unit == 0:
			return dst, errors.New("SDDL cannot say a name with a zero character")
		case unit <= ' ' || unit > '~' || unit == '%' || endsName(byte(unit)):
			dst = append(dst, '%', hexDigits[unit>>12], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
		default:
			dst = append(dst, byte(unit))
		}
	}
	return dst, nil
}

func appendHexBytes(dst []byte, octets string) []byte {
	for i := range len(octets) {
		dst = append(dst, hexDigits[octets[i]>>4], hexDigits[octets[i]&15])
	}
	return dst
}

// endsName says whether c cannot stand for itself in the name of a claim, so that a name
// ends before it. [MS-DTYP] 2.5.1.1.
func endsName(c byte) bool { return strings.IndexByte("!&()><=| \"", c) >= 0 || isSpace(c) }

// isSpace says whether c is wspace. [MS-DTYP] 2.5.1.1.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isNameChar says whether c is attr-char1: part of the name of a local attribute, of a
// word operator or of a number. [MS-DTYP] 2.5.1.1.
func isNameChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(":./_", c) >= 0
}

// isLocalName says whether name is attr-name1. [MS-DTYP] 2.5.1.1.
func isLocalName(name string) bool {
	for i := range len(name) {
		if !isNameChar(name[i]) && (name[i] != '@' || i == 0) {
			return false
		}
	}
	return name != ""
}

// unaryOperator is the operator of one operand that the word is; 0 for none.
func unaryOperator(word string) TokenCode { return wordOperator(word, 1) }

func wordOperator(word string, operands int) TokenCode {
	for i := range operators {
		if operators[i].code.Operands() == operands && strings.EqualFold(operators[i].name, word) {
			return operators[i].code
		}
	}
	return 0
}

// ParseConditionText reads a condition in SDDL with its parentheses. Aliases and errors
// are those of [ParseText]. [MS-DTYP] 2.5.1.1.
func ParseConditionText(s string, ctx Aliases) (Condition, error) {
	p := textParser{s: s, ctx: ctx}
	c, err := p.condition()
	if err != nil {
		return nil, err
	}
	return c, p.end()
}

// What may stand next in a condition.
type conditionState byte

const (
	wantTerm     conditionState = iota // an attribute, a unary operator or (
	wantNegated                        // after !: ( or an attribute with @
	wantName                           // after Exists: an attribute
	wantOperand                        // after == and the like: a literal, perhaps in parentheses, or an attribute with @
	wantList                           // after Contains and the like: a literal or an attribute with @
	wantSIDs                           // after Member_of and the like: a SID or a list of SIDs, perhaps in parentheses
	afterOperand                       // after an attribute or ): any operator of two operands or )
	afterTerm                          // after a literal, or what ends with one: && || or )
)

// openParenthesis stands on the operator stack for what it is.
const openParenthesis TokenCode = 0

// conditionParser turns a condition into postfix with a stack of the operators that wait
// for their last operand, so that depth costs a byte and not a stack frame. Precedence is
// that of [MS-DTYP] 2.5.1.1: relations, then !, then &&, then ||; equals go from left to
// right.
type conditionParser struct {
	*textParser
	out     Condition
	size    int         // of out in bytes
	waiting []TokenCode // !, &&, || and openParenthesis
}

// condition reads a condition from its first parenthesis, before which there may be
// blanks, to its last, and the blanks after it.
func (p *textParser) condition() (Condition, error) {
	p.skipSpace()
	if !p.atByte('(') {
		return nil, p.want("a condition, which begins with (")
	}
	c := conditionParser{textParser: p}
	state := wantTerm
	for {
		p.skipSpace()
		if p.at >= len(p.s) {
			return nil, p.want("the rest of the condition")
		}
		var err error
		if state, err = c.step(state); err != nil {
			return nil, err
		}
		if c.size > MaxACL {
			return nil, p.refuse("the condition is longer than an ACL can be")
		}
		if len(c.waiting) == 0 {
			p.skipSpace()
			return c.out, nil
		}
	}
}

// step reads one token or one relation's right side.
func (c *conditionParser) step(state conditionState) (conditionState, error) {
	switch b := c.s[c.at]; state {
	case wantTerm:
		switch {
		case b == '(':
			return c.open()
		case b == '@':
			return afterOperand, c.claimName()
		case b == '!':
			c.at++
			c.waiting = append(c.waiting, TokenNot)
			return wantNegated, nil
		case isNameChar(b):
			return c.word()
		}
		return 0, c.want("an attribute, an operator such as Exists or Member_of, ! or (")
	case wantNegated:
		switch b {
		case '(':
			return c.open()
		case '@':
			return afterOperand, c.claimName()
		}
		return 0, c.want("( or an attribute that begins with @")
	case afterOperand, afterTerm:
		return c.operator(state)
	}
	return 0, c.want("a condition")
}

func (c *conditionParser) open() (conditionState, error) {
	c.at++
	c.waiting = append(c.waiting, openParenthesis)
	return wantTerm, nil
}

// emit appends a token to the expression.
func (c *conditionParser) emit(t Token) {
	// The size that append would give it, but for the members of a composite.
	c.size += 1 + len(t.Text) + len(t.Octets) + t.SID.Len()
	if t.Code.Operands() == 0 {
		c.size += 4
	}
	for i := range t.List {
		c.size += 5 + len(t.List[i].Text) + len(t.List[i].Octets) + t.List[i].SID.Len()
	}
	c.out = append(c.out, t)
}

// word reads a local attribute, or a unary operator with its operand.
func (c *conditionParser) word() (conditionState, error) {
	word := c.nameToken()
	switch code := unaryOperator(word); {
	case code == TokenExists || code == TokenNotExists:
		c.at += len(word)
		c.skipSpace()
		var err error
		if c.atByte('@') {
			err = c.claimName()
		} else {
			err = c.localName()
		}
		c.emit(Token{Code: code})
		return afterTerm, err
	case code != 0:
		c.at += len(word)
		c.skipSpace()
		start := c.at
		t, err := c.literal(true)
		if err != nil {
			return 0, err
		}
		if !areSIDs(t) {
			c.at = start
			return 0, c.want("SID(...) or a list of them in { }")
		}
		c.emit(t)
		c.emit(Token{Code: code})
		return afterTerm, nil
	}
	return afterOperand, c.localName()
}

func areSIDs(t Token) bool {
	for i := range t.List {
		if t.List[i].Code != TokenSID {
			return false
		}
	}
	return t.Code == TokenSID || t.Code == TokenComposite
}

// nameToken is the longest name that stands here; it is not skipped. An @ may be within a
// name, but where the name of a claim begins another one ends.
func (c *conditionParser) nameToken() string {
	end := c.at
	for end < len(c.s) && (isNameChar(c.s[end]) || c.s[end] == '@' && end > c.at && claimPrefix(c.s[end:]) < 0) {
		end++
	}
	return c.s[c.at:end]
}

// claimPrefix is which of attributePrefixes the text begins with; negative for none.
func claimPrefix(text string) int {
	for i := range attributePrefixes {
		prefix := attributePrefixes[i].prefix
		if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			return i
		}
	}
	return -1
}

func (c *conditionParser) localName() error {
	name := c.nameToken()
	if name == "" {
		return c.want("the name of an attribute")
	}
	c.at += len(name)
	c.emit(Token{Code: TokenLocalAttribute, Text: EncodeWide(name)})
	return nil
}

// claimName reads an attribute that begins with @.
func (c *conditionParser) claimName() error {
	i := claimPrefix(c.s[c.at:])
	if i < 0 {
		return c.want("@User., @Device. or @Resource.")
	}
	c.at += len(attributePrefixes[i].prefix)
	name, err := c.escapedName()
	c.emit(Token{Code: attributePrefixes[i].code, Text: name})
	return err
}

// escapedName reads the name of a claim up to what ends it, and returns its UTF-16.
// [MS-DTYP] 2.5.1.1, attr-char2.
func (p *textParser) escapedName() (string, error) {
	var wide []byte
	for p.at < len(p.s) && !endsName(p.s[p.at]) {
		if p.s[p.at] != '%' {
			r, n := utf8.DecodeRuneInString(p.s[p.at:])
			if r == utf8.RuneError && n == 1 {
				return "", p.refuse("this is not UTF-8")
			}
			if r == 0 {
				return "", p.refuse("a name cannot have a zero character")
			}
			wide = appendWide(wide, p.s[p.at:p.at+n])
			p.at += n
			continue
		}
		if len(p.s)-p.at < 5 {
			return "", p.want("% and four hexadecimal digits")
		}
		unit, err := strconv.ParseUint(p.s[p.at+1:p.at+5], 16, 16)
		if err != nil {
			return "", p.want("% and four hexadecimal digits")
		}
		if unit == 0 {
			return "", p.refuse("a name cannot have a zero character")
		}
		if unit > ' ' && unit <= '~' && unit != '%' && unit != ',' && !endsName(byte(unit)) {
			return "", p.refuse("'" + string(rune(unit)) + "' must stand for itself in a name, without %")
		}
		wide = binary.LittleEndian.AppendUint16(wide, uint16(unit))
		p.at += 5
	}
	if len(wide) == 0 {
		return "", p.want("the name of an attribute")
	}
	return string(wide), nil
}

// operator reads what may follow a complete operand.
func (c *conditionParser) operator(state conditionState) (conditionState, error) {
	rest := c.s[c.at:]
	switch {
	case rest[0] == ')':
		c.at++
		c.flush(TokenOr)
		c.waiting = c.waiting[:len(c.waiting)-1]
		return afterOperand, nil
	case strings.HasPrefix(rest, "&&"):
		c.at += 2
		c.flush(TokenAnd)
		c.waiting = append(c.waiting, TokenAnd)
		return wantTerm, nil
	case strings.HasPrefix(rest, "||"):
		c.at += 2
		c.flush(TokenOr)
		c.waiting = append(c.waiting, TokenOr)
		return wantTerm, nil
	}
	if state == afterTerm {
		return 0, c.want("&&, || or )")
	}
	code := TokenCode(0)
	length := 0
	if isNameChar(rest[0]) {
		word := c.nameToken()
		code, length = wordOperator(word, 2), len(word)
	} else {
		for i := range operators {
			if operators[i].code.Operands() == 2 && strings.HasPrefix(rest, operators[i].name) {
				code, length = operators[i].code, len(operators[i].name)
				break
			}
		}
	}
	if code == 0 {
		return 0, c.want("an operator or )")
	}
	c.at += length
	c.skipSpace()
	if c.atByte('@') {
		err := c.claimName()
		c.emit(Token{Code: code})
		return afterOperand, err
	}
	t, err := c.literal(code >= TokenEqual && code <= TokenGreaterOrEqual)
	if err != nil {
		return 0, err
	}
	c.emit(t)
	c.emit(Token{Code: code})
	return afterTerm, nil
}

// flush moves the waiting operators that bind at least as closely as next to the
// expression, back to the last open parenthesis.
func (c *conditionParser) flush(next TokenCode) {
	for len(c.waiting) > 0 {
		top := c.waiting[len(c.waiting)-1]
		if top == openParenthesis || top == TokenOr && next == TokenAnd {
			return
		}
		c.emit(Token{Code: top})
		c.waiting = c.waiting[:len(c.waiting)-1]
	}
}

// literal reads a literal or a list of them.
func (c *conditionParser) literal(parentheses bool) (Token, error) {
	if parentheses && c.atByte('(') {
		c.at++
		c.skipSpace()
		t, err := c.literal(false)
		if err != nil {
			return Token{}, err
		}
		c.skipSpace()
		return t, c.next(')')
	}
	if !c.atByte('{') {
		return c.scalar()
	}
	c.at++
	t := Token{Code: TokenComposite}
	size := 0
	for {
		c.skipSpace()
		if len(t.List) == 0 && c.atByte('}') {
			c.at++
			return t, nil
		}
		member, err := c.scalar()
		if err != nil {
			return Token{}, err
		}
		if size += 5 + len(member.Text) + len(member.Octets) + member.SID.Len(); size > MaxACL {
			return Token{}, c.refuse("the condition is longer than an ACL can be")
		}
		t.List = append(t.List, member)
		c.skipSpace()
		if c.atByte('}') {
			c.at++
			return t, nil
		}
		if err := c.next(','); err != nil {
			return Token{}, err
		}
	}
}

// scalar reads one literal.
func (c *conditionParser) scalar() (Token, error) {
	rest := c.s[c.at:]
	switch {
	case rest == "":
	case rest[0] == '"':
		text, err := c.quoted()
		return Token{Code: TokenString, Text: text}, err
	case rest[0] == '#':
		c.at++
		digits := c.hexToken()
		if len(digits)%2 != 0 && !c.lenient {
			return Token{}, c.refuse("an octet string has an even number of digits")
		}
		c.at += len(digits)
		return Token{Code: TokenOctets, Octets: decodeOctets(digits)}, nil
	case strings.HasPrefix(rest, "SID(") || c.lenient && len(rest) > 4 && strings.EqualFold(rest[:4], "SID("):
		c.at += 4
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return Token{}, c.want("a SID and )")
		}
		token := c.trimmed(rest[4:end])
		sid, err := c.sid(token)
		if err != nil {
			return Token{}, err
		}
		c.at += len(token)
		c.skipBlanks()
		return Token{Code: TokenSID, SID: sid}, c.next(')')
	case rest[0] == '+' || rest[0] == '-' || rest[0] >= '0' && rest[0] <= '9':
		t, err := c.integer()
		if err == nil && c.at < len(c.s) && isNameChar(c.s[c.at]) {
			err = c.want("the end of the number")
		}
		return t, err
	}
	return Token{}, c.want(`a number, "string", #octets, SID(...), {list} or an attribute that begins with @`)
}

// quoted reads a string in quotation marks and returns its UTF-16.
func (p *textParser) quoted() (string, error) {
	if !p.atByte('"') {
		return "", p.want(`a string in "`)
	}
	end := strings.IndexByte(p.s[p.at+1:], '"')
	if end < 0 {
		return "", p.refuse("the string does not end")
	}
	text := p.s[p.at+1 : p.at+1+end]
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return "", p.refuse("the string is not UTF-8, or has a zero character")
	}
	p.at += end + 2
	return EncodeWide(text), nil
}

// hexToken is the run of digits of an octet string, in which # is another 0. [MS-DTYP] 2.5.1.1.
func (p *textParser) hexToken() string {
	end := p.at
	for end < len(p.s) && (p.s[end] == '#' || hexValue(p.s[end]) < 16) {
		end++
	}
	return p.s[p.at:end]
}

// decodeOctets is what the digits of a hexToken say; an odd one comes first.
func decodeOctets(digits string) string {
	if len(digits)%2 != 0 {
		digits = "0" + digits
	}
	b := make([]byte, len(digits)/2)
	for i := range b {
		b[i] = octetDigit(digits[2*i])<<4 | octetDigit(digits[2*i+1])
	}
	return string(b)
}

func octetDigit(c byte) byte {
	if c == '#' {
		return 0
	}
	return hexValue(c)
}

// hexValue is the value of a hexadecimal digit; 16 and more for what is none.
func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// integer reads an integer of 64 bits with an optional sign, hexadecimal after 0x, octal
// after 0. Without a sign, hexadecimal and octal may use all 64 bits. [MS-DTYP] 2.5.1.1.
func (p *textParser) integer() (Token, error) {
	t := Token{Code: TokenInt64, Sign: SignNone, Base: BaseDecimal}
	start, base := p.at, 10
	switch {
	case p.atByte('+'):
		t.Sign = SignPlus
		p.at++
	case p.atByte('-'):
		t.Sign = SignMinus
		p.at++
	}
	rest := p.s[p.at:]
	switch {
	case len(rest) > 2 && rest[0] == '0' && rest[1]|0x20 == 'x' && hexValue(rest[2]) < 16:
		t.Base, base = BaseHex, 16
		p.at += 2
	case len(rest) > 1 && rest[0] == '0' && rest[1] >= '0' && rest[1] <= '9':
		t.Base, base = BaseOctal, 8
		p.at++
	}
	end := p.at
	for end < len(p.s) && int(hexValue(p.s[end])) < max(base, 10) {
		end++
	}
	n, err := strconv.ParseUint(p.s[p.at:end], base, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		p.at = start
		return Token{}, p.want("an integer")
	case err != nil,
		t.Sign == SignMinus && n > 1<<63,
		t.Sign != SignMinus && n > 1<<63-1 && (t.Sign != SignNone || t.Base == BaseDecimal):
		p.at = start
		return Token{}, p.refuse("an integer has at most 64 bits, one of them for the sign")
	}
	p.at = end
	if t.Int = int64(n); t.Sign == SignMinus {
		t.Int = -t.Int
	}
	return t, nil
}
