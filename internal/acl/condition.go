package acl

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Truth is what a condition comes to. The zero value is Undecided: nothing was proven.
// An entry that allows does not count then, one that denies does. [MS-DTYP] 2.4.4.17.3.
type Truth byte

// The values of a condition.
const (
	Undecided Truth = iota
	False
	True
)

// String is the word of reports.
func (t Truth) String() string {
	switch t {
	case False:
		return "false"
	case True:
		return "true"
	}
	return "unknown"
}

// not, and and or are the logical operators. [MS-DTYP] 2.4.4.17.7.
func (t Truth) not() Truth {
	switch t {
	case False:
		return True
	case True:
		return False
	}
	return Undecided
}

func (t Truth) and(u Truth) Truth {
	switch {
	case t == False || u == False:
		return False
	case t == Undecided || u == Undecided:
		return Undecided
	}
	return True
}

func (t Truth) or(u Truth) Truth { return t.not().and(u.not()).not() }

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Claims is what a condition may ask about. A directory shows hardly any of it: the zero
// value knows nothing. [MS-DTYP] 2.5.2.
type Claims struct {
	// The attributes of each class. nil: not known; empty: known that there are none.
	User, Device, Resource, Local []sddl.Claim

	// Whose SIDs the user and the device have. All of them count as enabled: that a group
	// is for denying only shows in tokens, not in directories.
	Groups, DeviceGroups Token
}

// Evaluate says what the condition of an entry comes to; deny says that the entry denies,
// for which claims count that are for that only. [MS-DTYP] 2.4.4.17, 2.5.3.1.5.
//
// True and False are proven: they hold whatever is not known may be. Where the text is
// silent, or would have it otherwise than Windows was seen to, the outcome is Undecided;
// but Any_of, and != of sets, are as Windows has them, the text contradicting itself.
// What Windows was seen to do is in Samba's python/samba/tests/krb5/conditional_ace_tests.py.
// An error in any part, such as comparing a number with a string, makes the whole
// Undecided, even if that part does not matter. [MS-DTYP] 2.4.4.17.6.
func Evaluate(c sddl.Condition, claims Claims, deny bool) Truth {
	e := evaluation{claims: &claims, deny: deny, steps: maxSteps}
	for i := range c {
		if !e.do(&c[i]) {
			return Undecided
		}
	}
	if len(e.stack) != 1 {
		return Undecided
	}
	t, _ := e.stack[0].logical()
	return t
}

// maxSteps bounds what one evaluation may do: about one step for each byte looked at.
// An ACE has at most 64 KB, but may name a large attribute thousands of times.
const maxSteps = 1 << 22

// evaluation is a condition at work. Its functions that answer with a second value say
// by false that the text calls it an error.
type evaluation struct {
	claims *Claims
	deny   bool
	steps  int
	stack  []operand
}

// operand is an element of the stack. [MS-DTYP] 2.5.3.1.5.
type operand struct {
	code   sddl.TokenCode // of a literal or an attribute; zero: a result
	truth  Truth          // of a result
	known  bool           // of an attribute: it is known whether there is one, and what it is
	claim  *sddl.Claim    // of an attribute; nil: there is none
	values []sddl.Token   // of a literal or an attribute
	types  sddl.ClaimType // of an attribute
	flags  uint32         // of an attribute
}

// do pushes an operand, or replaces those of an operator by its result.
func (e *evaluation) do(t *sddl.Token) bool {
	n := t.Code.Operands()
	if n > len(e.stack) {
		return false
	}
	below := len(e.stack) - n
	args := e.stack[below:]
	if n == 0 {
		o, ok := e.operand(t)
		e.stack = append(e.stack, o)
		return ok
	}
	op, inverse := inverseOf(t.Code)
	result, ok := Undecided, false
	switch {
	case op.IsMemberOf():
		result, ok = e.memberOf(op, &args[0])
	case op == sddl.TokenExists:
		result, ok = args[0].exists()
	case op == sddl.TokenNot:
		result, ok = args[0].logical()
		result = result.not()
		// Windows was seen to leave a && !b and a || !a undecided where a and b are attributes.
		if args[0].code.IsAttribute() && slices.ContainsFunc(e.stack[:below], func(o operand) bool { return o.code.IsAttribute() }) {
			ok = false
		}
	case op == sddl.TokenAnd, op == sddl.TokenOr:
		l, lok := args[0].logical()
		r, rok := args[1].logical()
		if result, ok = l.and(r), lok && rok; op == sddl.TokenOr {
			result = l.or(r)
		}
	default:
		result, ok = e.relation(op, &args[0], &args[1])
	}
	if inverse {
		result = result.not()
	}
	e.stack = append(e.stack[:below], operand{truth: result})
	return ok
}

// inverseOf says which operator the operator is the inverse of, if it is one that is
// defined so; else it is the operator itself. [MS-DTYP] 2.4.4.17.6, 2.4.4.17.7.
func inverseOf(op sddl.TokenCode) (sddl.TokenCode, bool) {
	switch op {
	case sddl.TokenNotEqual:
		return sddl.TokenEqual, true
	case sddl.TokenNotContains:
		return sddl.TokenContains, true
	case sddl.TokenNotAnyOf:
		return sddl.TokenAnyOf, true
	case sddl.TokenNotExists:
		return sddl.TokenExists, true
	case sddl.TokenNotMemberOf:
		return sddl.TokenMemberOf, true
	case sddl.TokenNotMemberOfAny:
		return sddl.TokenMemberOfAny, true
	case sddl.TokenNotDeviceMemberOf:
		return sddl.TokenDeviceMemberOf, true
	case sddl.TokenNotDeviceMemberOfAny:
		return sddl.TokenDeviceMemberOfAny, true
	}
	return op, false
}

func (e *evaluation) operand(t *sddl.Token) (operand, bool) {
	switch {
	case t.Code.IsAttribute():
		return e.attribute(t)
	case t.Code == sddl.TokenComposite:
		return operand{code: t.Code, values: t.List}, true
	}
	return operand{code: t.Code, values: []sddl.Token{*t}}, t.Code.IsInt() || t.Code == sddl.TokenString ||
		t.Code == sddl.TokenOctets || t.Code == sddl.TokenSID
}

// attribute looks up an attribute. Of two with one name the text does not say which
// counts, nor what one without values, or with a value twice, is worth: unknown.
func (e *evaluation) attribute(t *sddl.Token) (operand, bool) {
	claims := e.claims.Local
	switch t.Code {
	case sddl.TokenUserAttribute:
		claims = e.claims.User
	case sddl.TokenResourceAttribute:
		claims = e.claims.Resource
	case sddl.TokenDeviceAttribute:
		claims = e.claims.Device
	}
	o := operand{code: t.Code, known: claims != nil}
	for i := range claims {
		c := &claims[i]
		if e.steps--; e.steps < 0 {
			return o, false
		}
		if c.Flags&sddl.ClaimDisabled != 0 || c.Flags&sddl.ClaimUseForDenyOnly != 0 && !e.deny || len(c.Name) != len(t.Text) {
			continue
		}
		same, ok := e.sameText(c.Name, t.Text)
		if !ok {
			return o, false
		}
		if same == False {
			continue
		}
		o.known = o.known && same == True && o.claim == nil
		o.claim = c
	}
	if o.claim == nil || !o.known {
		return o, true
	}
	o.values, o.types, o.flags = o.claim.Values, o.claim.Type, o.claim.Flags
	foldings := o.foldings()
	set, ok := e.set(&o, foldings[len(foldings)-1])
	o.known = ok && o.types != 0 && len(set.values) == len(o.values) && len(o.values) > 0
	return o, e.steps >= 0
}

// sameText compares names.
func (e *evaluation) sameText(a, b string) (Truth, bool) {
	var same [2]bool
	for i, f := range [...]folding{sureLetters, allLetters} {
		l, lok := e.fold(a, f)
		r, rok := e.fold(b, f)
		if !lok || !rok {
			return Undecided, false
		}
		same[i] = l == r
	}
	if same[0] != same[1] {
		return Undecided, true
	}
	return truth(same[0]), true
}

// logical is the value of an operand of a logical operator. [MS-DTYP] 2.4.4.17.7.
func (o *operand) logical() (Truth, bool) {
	switch {
	case o.code == 0:
		return o.truth, true
	case !o.code.IsAttribute():
		return Undecided, false
	case !o.known || len(o.values) != 1: // of several values the text says nothing
		return Undecided, true
	}
	switch v := &o.values[0]; v.Code {
	case sddl.TokenString:
		return truth(v.Text != ""), true
	case sddl.TokenOctets, sddl.TokenSID:
		return Undecided, true
	default:
		return truth(v.Int != 0), true
	}
}

// exists says whether there is the attribute. The specification has it for attributes of
// the resource and local ones only, though Windows documents it for those of the client
// too ("Security Descriptor Definition Language for Conditional ACEs").
// [MS-DTYP] 2.4.4.17.7.
func (o *operand) exists() (Truth, bool) {
	switch {
	case !o.code.IsAttribute():
		return Undecided, false
	case !o.known:
		return Undecided, true
	}
	return truth(o.claim != nil), true
}

// memberOf says whether the user or the device has all of the SIDs, or any. Of no SIDs
// at all the text says nothing. [MS-DTYP] 2.4.4.17.6.
func (e *evaluation) memberOf(op sddl.TokenCode, o *operand) (Truth, bool) {
	if o.code != sddl.TokenSID && o.code != sddl.TokenComposite || len(o.values) == 0 {
		return Undecided, false
	}
	token := &e.claims.Groups
	if op == sddl.TokenDeviceMemberOf || op == sddl.TokenDeviceMemberOfAny {
		token = &e.claims.DeviceGroups
	}
	all := op == sddl.TokenMemberOf || op == sddl.TokenDeviceMemberOf
	result := truth(all)
	for i := range o.values {
		if o.values[i].Code != sddl.TokenSID {
			return Undecided, false
		}
		if has := token.has(o.values[i].SID); all {
			result = result.and(has)
		} else {
			result = result.or(has)
		}
	}
	return result, true
}

// has says whether the token has the SID. A complete one has all groups of the directory;
// NETWORK and the like come and go with how somebody logs on, which nobody sees there.
func (t *Token) has(sid sddl.SID) Truth {
	if t.Via(sid) != NotHeld {
		return True
	}
	s := sid.String()
	ofDomain := strings.HasPrefix(s, "S-1-5-21-") && !strings.HasPrefix(s, "S-1-5-21-0-0-0-")
	if t.Complete && (ofDomain || strings.HasPrefix(s, "S-1-5-32-")) {
		return False
	}
	return Undecided
}

// relation evaluates an operator that compares an attribute with an attribute or with
// literals. An attribute that nobody knows may be of any type, so that comparing it may
// be an error. [MS-DTYP] 2.4.4.17.6.
func (e *evaluation) relation(op sddl.TokenCode, l, r *operand) (Truth, bool) {
	switch {
	case !l.code.IsAttribute() || !l.known, r.code == 0, r.code.IsAttribute() && !r.known:
		return Undecided, false
	case l.claim == nil, r.code.IsAttribute() && r.claim == nil:
		return Undecided, true
	}
	// Whether a single literal will do for Any_of, the text and Windows disagree.
	if op == sddl.TokenAnyOf && !r.code.IsAttribute() && r.code != sddl.TokenComposite {
		return Undecided, false
	}
	foldings := l.foldings()
	if r.code.IsAttribute() && r.types == sddl.ClaimString {
		// Whose flag counts the text does not say.
		foldings = append(foldings, r.foldings()...)
		slices.Sort(foldings)
		foldings = slices.Compact(foldings)
	}
	var result Truth
	for i, f := range foldings {
		t, ok := e.compare(op, l, r, f)
		if !ok || i > 0 && t != result {
			return Undecided, false
		}
		result = t
	}
	return result, true
}

// compare evaluates a relation with one way of folding letters. Values are sets, and a
// single one is a set of one, but for the operators that ask for an order.
func (e *evaluation) compare(op sddl.TokenCode, l, r *operand, f folding) (Truth, bool) {
	if l.types == sddl.ClaimBool && r.code.IsInt() && op == sddl.TokenEqual {
		// Zero and one are the only literals for a boolean.
		literal := *r
		literal.types, r = sddl.ClaimBool, &literal
	}
	left, lok := e.set(l, f)
	right, rok := e.set(r, f)
	if !lok || !rok {
		return Undecided, false
	}
	if len(right.values) > 0 && left.kind != right.kind {
		return Undecided, false
	}
	common := 0
	for v := range right.values {
		if _, ok := left.values[v]; ok {
			common++
		}
	}
	nl, nr := len(left.values), len(right.values)
	switch op {
	case sddl.TokenEqual:
		if nr != len(r.values) {
			return Undecided, false // {a, b} == {a, b, b} is true by the text; Windows was seen to say false
		}
		return truth(common == nl && common == nr), true
	case sddl.TokenContains:
		// That everything contains nothing is logic; Windows was seen to say it does not.
		return truth(common == nr), nr > 0
	case sddl.TokenAnyOf:
		// The text asks for all of the left; the name, and Windows, for any.
		return truth(common > 0), nr > 0
	}
	if nl != 1 || nr != 1 || r.code == sddl.TokenComposite {
		return Undecided, false
	}
	order, ok := left.last.compare(right.last)
	if !ok {
		return Undecided, false
	}
	switch op {
	case sddl.TokenLess:
		return truth(order < 0), true
	case sddl.TokenLessOrEqual:
		return truth(order <= 0), true
	case sddl.TokenGreater:
		return truth(order > 0), true
	case sddl.TokenGreaterOrEqual:
		return truth(order >= 0), true
	}
	return Undecided, false
}

// value is a value in a form in which equal ones are ==.
type value struct {
	kind  sddl.ClaimType // of the two integer types, ClaimInt64
	minus bool
	n     uint64 // of a number, its 64 bits
	s     string // of a string, folded; of octets
	sid   sddl.SID
}

// compare says which of two values of one kind is less; false where they have no order.
func (v value) compare(w value) (int, bool) {
	switch v.kind {
	case sddl.ClaimInt64:
		switch {
		case v == w:
			return 0, true
		case v.minus && !w.minus, v.minus == w.minus && v.n < w.n:
			return -1, true
		}
		return 1, true
	case sddl.ClaimString:
		return strings.Compare(v.s, w.s), true
	case sddl.ClaimOctets:
		// Whether the shorter or the first smaller byte is less, the text does not say.
		order := strings.Compare(v.s, w.s)
		return order, len(v.s) == len(w.s) || (len(v.s) < len(w.s)) == (order < 0)
	}
	return 0, false
}

// set is values of one kind, each once.
type set struct {
	kind   sddl.ClaimType // zero: it has none
	values map[value]struct{}
	last   value // one of them
}

// set is the set of the operand's values; false where one is not what it should be.
func (e *evaluation) set(o *operand, f folding) (set, bool) {
	s := set{values: make(map[value]struct{}, len(o.values))}
	for i := range o.values {
		v, ok := e.value(&o.values[i], o.types, f)
		if !ok || i > 0 && v.kind != s.kind {
			return set{}, false
		}
		s.values[v] = struct{}{}
		s.kind, s.last = v.kind, v
	}
	return s, true
}

// value is a value of a claim of the type, zero for a literal.
func (e *evaluation) value(t *sddl.Token, of sddl.ClaimType, f folding) (value, bool) {
	if e.steps -= 4; e.steps < 0 {
		return value{}, false
	}
	switch is := func(types ...sddl.ClaimType) bool { return of == 0 || slices.Contains(types, of) }; {
	case t.Code.IsInt() && of == sddl.ClaimBool:
		return value{kind: of, n: uint64(t.Int)}, t.Int == 0 || t.Int == 1
	case t.Code.IsInt() && of == 0 && t.Int < 0 && t.Sign == sddl.SignNone && t.Base != sddl.BaseDecimal:
		return value{}, false // all 64 bits, of which nobody says whether one is the sign
	case t.Code.IsInt() && is(sddl.ClaimInt64, sddl.ClaimUint64):
		return value{kind: sddl.ClaimInt64, minus: t.Int < 0 && of != sddl.ClaimUint64, n: uint64(t.Int)}, true
	case t.Code == sddl.TokenString && is(sddl.ClaimString):
		s, ok := e.fold(t.Text, f)
		return value{kind: sddl.ClaimString, s: s}, ok
	case t.Code == sddl.TokenOctets && is(sddl.ClaimOctets):
		e.steps -= len(t.Octets)
		return value{kind: sddl.ClaimOctets, s: t.Octets}, e.steps >= 0
	case t.Code == sddl.TokenSID && is(sddl.ClaimSID):
		return value{kind: sddl.ClaimSID, sid: t.SID}, !t.SID.IsZero()
	}
	return value{}, false
}

// folding is which letters have their case taken away.
type folding byte

const (
	noLetters folding = iota
	sureLetters
	allLetters
)

// foldings are the ways to fold the operand's values that must come to the same. Windows
// puts each UTF-16 unit into upper case by a table of its own, which was seen to be older
// than Unicode 5.2 and is not Unicode's everywhere.
func (o *operand) foldings() []folding {
	switch {
	case o.types != sddl.ClaimString, o.flags&sddl.ClaimCaseSensitive != 0:
		return []folding{noLetters}
	}
	return []folding{sureLetters, allLetters}
}

// fold is text, UTF-16, with the high byte of a unit first, so that bytes have the order of the units.
func (e *evaluation) fold(text string, f folding) (string, bool) {
	if e.steps -= len(text); e.steps < 0 || len(text)%2 != 0 {
		return "", false
	}
	folded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i += 2 {
		unit := uint16(text[i]) | uint16(text[i+1])<<8
		switch {
		case f == noLetters:
		case unit < 0x80:
			if 'a' <= unit && unit <= 'z' {
				unit -= 'a' - 'A'
			}
		case f == allLetters || !unicode.Is(doubtful, rune(unit)):
			if up := unicode.ToUpper(rune(unit)); up <= 0xffff {
				unit = uint16(up)
			}
		}
		folded = binary.BigEndian.AppendUint16(folded, unit)
	}
	return string(folded), true
}

// doubtful has the lower-case letters whose upper case came with Unicode 5.2 or later, or
// is also that of another letter, and some of their neighbours.
var doubtful = &unicode.RangeTable{LatinOffset: 1, R16: []unicode.Range16{
	{Lo: 0x00b5, Hi: 0x00b5, Stride: 1},
	{Lo: 0x0131, Hi: 0x0131, Stride: 1},
	{Lo: 0x017f, Hi: 0x017f, Stride: 1},
	{Lo: 0x01c4, Hi: 0x01cc, Stride: 1},
	{Lo: 0x01f1, Hi: 0x01f3, Stride: 1},
	{Lo: 0x023f, Hi: 0x02af, Stride: 1},
	{Lo: 0x0345, Hi: 0x0345, Stride: 1},
	{Lo: 0x03c2, Hi: 0x03c2, Stride: 1},
	{Lo: 0x03d0, Hi: 0x03f5, Stride: 1},
	{Lo: 0x0524, Hi: 0x052f, Stride: 1},
	{Lo: 0x10d0, Hi: 0x10ff, Stride: 1},
	{Lo: 0x13f8, Hi: 0x13fd, Stride: 1},
	{Lo: 0x1c80, Hi: 0x1c8f, Stride: 1},
	{Lo: 0x1d79, Hi: 0x1d8e, Stride: 1},
	{Lo: 0x1e9b, Hi: 0x1e9b, Stride: 1},
	{Lo: 0x1fbe, Hi: 0x1fbe, Stride: 1},
	{Lo: 0x2c5f, Hi: 0x2c5f, Stride: 1},
	{Lo: 0x2ce4, Hi: 0x2d2d, Stride: 1},
	{Lo: 0xa660, Hi: 0xa661, Stride: 1},
	{Lo: 0xa698, Hi: 0xa7ff, Stride: 1},
	{Lo: 0xab53, Hi: 0xabbf, Stride: 1},
}}
