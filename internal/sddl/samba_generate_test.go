package sddl

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// generator makes descriptors for the comparison with Samba. As text it makes each one
// twice, as this package and as Samba should read it: they differ only by sambaRules.
type generator struct {
	*rand.Rand
	ours, samba strings.Builder
	rules       []string // of what differs
	index       int
	small       bool // for texts so short that a change matters
}

func (g *generator) both(text string) {
	g.ours.WriteString(text)
	g.samba.WriteString(text)
}

func (g *generator) differ(rule, ours, samba string) {
	g.ours.WriteString(ours)
	g.samba.WriteString(samba)
	g.rules = append(g.rules, rule)
}

// one in n.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func (g *generator) oneOf(texts ...string) string { return texts[g.IntN(len(texts))] }

// number has any number of bits, so that small ones are as likely as large ones.
func (g *generator) number(bits int) uint64 {
	return g.Uint64() >> (64 - bits) >> g.IntN(bits)
}

// texts is a descriptor as ParseText should read it and as Samba should, and the rules by
// which they differ.
func (g *generator) texts() (ours, samba string, rules []string) {
	g.ours.Reset()
	g.samba.Reset()
	g.rules = nil
	parts := []func(){}
	if g.one(3) {
		parts = append(parts, func() { g.both("O:"); g.sid(g.sidText(true)) })
	}
	if g.one(3) {
		parts = append(parts, func() { g.both("G:"); g.sid(g.sidText(true)) })
	}
	if !g.one(5) {
		parts = append(parts, func() { g.acl("D:", "A", "A", "D", "OA", "OA", "OD", "XA", "XA", "XD", "ZA") })
	}
	if g.one(3) || len(parts) == 0 {
		parts = append(parts, func() { g.acl("S:", "AU", "OU", "AL", "OL", "XU", "RA", "RA", "RA", "ML", "SP", "TL") })
	}
	g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, part := range parts {
		part()
	}
	return g.ours.String(), g.samba.String(), g.rules
}

func (g *generator) acl(part string, types ...string) {
	if g.one(40) {
		flags := ""
		if g.one(2) {
			flags = "P"
		}
		g.differ("no null ACL", part+flags+nullACL, "")
		return
	}
	g.both(part)
	if g.one(20) {
		g.both(" ")
	}
	for _, i := range g.Perm(len(aclFlags)) {
		if g.one(4) {
			g.both(aclFlags[i].name)
		}
	}
	most := 4
	if g.small {
		most = 2
	}
	for i := range g.IntN(most + 1) {
		if i > 0 && g.one(20) {
			g.differ("blanks between ACEs", " ", "")
		}
		g.ace(g.oneOf(types...))
	}
}

func (g *generator) ace(kind string) {
	g.both("(")
	switch kind {
	case "ML", "SP", "TL":
		g.differ("no ML, SP and TL", kind, "AU")
	default:
		g.both(kind)
	}
	g.both(";")
	for _, i := range g.Perm(len(aceFlags)) {
		if g.one(5) {
			g.both(aceFlags[i].name)
		}
	}
	g.both(";")
	g.mask(kind == "ML")
	g.both(";")
	if kind[0] == 'O' || kind == "ZA" {
		g.both(g.guidText() + ";" + g.guidText())
	} else {
		g.both(";")
	}
	g.both(";")
	switch kind {
	case "RA":
		g.both(g.oneOf("WD", "S-1-1-0", "S-1-0x1-0") + ";")
		g.claim()
	case "XA", "XD", "ZA", "XU":
		g.sid(g.sidText(true))
		g.both(";")
		if g.one(20) {
			g.differ("no blank before a condition", " ", "")
		}
		g.both("(")
		if g.small {
			g.expression(1)
		} else {
			g.expression(3)
		}
		g.both(")")
		g.blank()
	default:
		g.sid(g.sidText(true))
	}
	g.both(")")
}

func (g *generator) mask(label bool) {
	switch g.IntN(6) {
	case 0:
		g.both(fmt.Sprintf("0x%x", g.number(32)))
	case 1:
		g.both(fmt.Sprintf("0X%08X", g.number(32)))
	case 2:
		g.both(fmt.Sprintf("0%o", g.number(32)))
	case 3:
		g.both(fmt.Sprint(g.number(32)))
	case 4:
		mask := uint32(wholeMasks[g.IntN(len(wholeMasks))].mask)
		g.both(g.oneOf(fmt.Sprintf("0x%x", mask), fmt.Sprint(mask)))
	default:
		for range g.IntN(8) {
			switch i := g.IntN(len(rights) + 3); {
			case i < len(rights):
				g.both(rights[i].name)
			case i == len(rights) && label:
				right := labelRights[g.IntN(len(labelRights))]
				g.differ("no names of a label's rights", right.name, rightsOf(right.mask))
			case i == len(rights):
				g.both(g.oneOf("FA", "FR", "FW", "FX"))
			case i == len(rights)+1:
				right := wholeMasks[4+g.IntN(4)]
				g.differ("no KA, KR, KW and KX", right.name, rightsOf(right.mask))
			}
		}
	}
}

// rightsOf is a mask in letters, but for names of whole masks.
func rightsOf(m Mask) string {
	var b strings.Builder
	for i := range rights {
		if m&rights[i].mask != 0 {
			b.WriteString(rights[i].name)
		}
	}
	return b.String()
}

func (g *generator) guid() GUID {
	var guid GUID
	if !g.one(6) {
		binary.LittleEndian.PutUint64(guid[:], g.Uint64())
		binary.LittleEndian.PutUint64(guid[8:], g.Uint64())
	}
	return guid
}

func (g *generator) guidText() string {
	switch g.IntN(4) {
	case 0, 1:
		return ""
	case 2:
		return strings.ToUpper(g.guid().String())
	}
	return g.guid().String()
}

// sidText is a SID or an alias; with ofDomain it may be one of corp's.
func (g *generator) sidText(ofDomain bool) string {
	switch g.IntN(7) {
	case 0, 1:
		return wellKnown[g.IntN(len(wellKnown))].name
	case 2:
		return wellKnown[g.IntN(len(wellKnown))].sid.String()
	case 3:
		if ofDomain {
			return relative[g.IntN(len(relative))].name
		}
		return "SY"
	case 4:
		authority := g.number(48)
		text := fmt.Sprintf(g.oneOf("S-1-%d", "S-1-0x%x", "S-1-0X%X", "S-1-0x%012x"), authority)
		for range g.IntN(5) {
			text += fmt.Sprintf("-%d", g.number(32))
		}
		return text
	}
	return g.binarySID().String()
}

func (g *generator) binarySID() SID {
	switch g.IntN(5) {
	case 0:
		return wellKnown[g.IntN(len(wellKnown))].sid
	case 1:
		return [...]SID{corp.Domain, child.Domain}[g.IntN(2)].WithRID(relative[g.IntN(len(relative))].rid)
	case 2:
		return corp.Domain.WithRID(uint32(g.number(32)))
	}
	var subs []uint32
	for range g.IntN(maxSubAuthorities + 1) {
		subs = append(subs, uint32(g.number(32)))
	}
	return newSID(g.number(48), subs...)
}

// sid writes a SID outside of conditions and claims.
func (g *generator) sid(text string) {
	if text == "HO" {
		g.differ("no alias HO", text, "S-1-5-32-584")
		return
	}
	g.both(text)
}

// innerSID writes a SID of a condition or claim.
func (g *generator) innerSID() {
	text := g.sidText(true)
	for i := range relative {
		if relative[i].name == text {
			g.differ("no domain within conditions and claims", text, corp.Domain.WithRID(relative[i].rid).String())
			return
		}
	}
	g.sid(text)
}

func (g *generator) blank() {
	if g.one(4) {
		g.both(g.oneOf(" ", "  ", "\t", "\n", "\r\n", "\v\f "))
	}
}

func (g *generator) innerBlank(rule string) {
	if g.one(12) {
		g.differ(rule, g.oneOf(" ", "\t "), "")
	}
}

// anyCase is word with some letters of the other case.
func (g *generator) anyCase(word string) string {
	switch g.IntN(6) {
	case 0:
		return strings.ToUpper(word)
	case 1:
		return strings.ToLower(word)
	case 2:
		b := []byte(word)
		for i := range b {
			if g.one(3) && (b[i]|0x20 >= 'a' && b[i]|0x20 <= 'z') {
				b[i] ^= 0x20
			}
		}
		return string(b)
	}
	return word
}

func (g *generator) expression(depth int) {
	g.blank()
	g.term(depth)
	for g.one(3) && depth > 0 {
		g.blank()
		g.both(g.oneOf("&&", "||"))
		g.blank()
		g.term(depth - 1)
	}
	g.blank()
}

func (g *generator) term(depth int) {
	kind := g.IntN(9)
	if depth == 0 {
		kind = g.IntN(5)
	}
	switch kind {
	case 0:
		g.attribute()
	case 1:
		g.both(g.anyCase(g.oneOf("Exists", "Not_Exists")) + " ")
		g.blank()
		if g.one(8) {
			g.both(g.oneOf("Member_of", "EXISTS", "Not_Device_Member_of_Any"))
			return
		}
		g.attribute()
	case 2:
		g.both(g.anyCase(g.oneOf("Member_of", "Not_Member_of", "Member_of_Any", "Not_Member_of_Any",
			"Device_Member_of", "Not_Device_Member_of", "Device_Member_of_Any", "Not_Device_Member_of_Any")))
		switch g.IntN(4) {
		case 0:
			g.both(" ")
			g.blank()
			g.literal(TokenSID)
		case 1:
			g.blank()
			g.parenthesised(func() { g.literal(TokenSID) })
		case 2:
			g.blank()
			g.parenthesised(func() { g.list(TokenSID) })
		default:
			g.blank()
			g.list(TokenSID)
		}
	case 3, 4:
		g.attribute()
		g.relation()
	case 5:
		g.both("(")
		g.expression(depth - 1)
		g.both(")")
		g.blank()
		if g.one(4) {
			g.relation()
		}
	case 6:
		g.both("!")
		g.blank()
		g.both("(")
		g.expression(depth - 1)
		g.both(")")
	case 7:
		g.both("!")
		g.blank()
		g.claimAttribute()
		if g.one(2) {
			g.relation()
		}
	default:
		g.both("(")
		g.expression(depth - 1)
		g.both(")")
	}
}

// relation writes an operator of two operands and the second one.
func (g *generator) relation() {
	if g.one(3) {
		g.both(" ")
		g.blank()
		g.both(g.anyCase(g.oneOf("Contains", "Not_Contains", "Any_of", "Not_Any_of")) + " ")
		g.blank()
		switch g.IntN(3) {
		case 0:
			g.claimAttribute()
		case 1:
			g.literal(0)
		default:
			g.list(0)
		}
		return
	}
	g.blank()
	g.both(g.oneOf("==", "!=", "<", "<=", ">", ">="))
	g.blank()
	switch g.IntN(5) {
	case 0:
		g.claimAttribute()
		if g.one(6) {
			g.relation()
		}
	case 1:
		g.list(0)
	case 2:
		g.parenthesised(func() { g.literal(0) })
	default:
		g.literal(0)
	}
}

func (g *generator) parenthesised(literal func()) {
	g.both("(")
	g.innerBlank("no blanks between parentheses and a literal")
	literal()
	g.innerBlank("no blanks between parentheses and a literal")
	g.both(")")
}

func (g *generator) list(code TokenCode) {
	g.both("{")
	for i := range g.IntN(4) {
		if i > 0 {
			g.both(",")
		}
		g.blank()
		g.literal(code)
		g.blank()
	}
	g.both("}")
}

// literal writes one of the given kind; of any, if it is 0.
func (g *generator) literal(code TokenCode) {
	if code == 0 {
		code = [...]TokenCode{TokenInt64, TokenInt64, TokenString, TokenOctets, TokenSID}[g.IntN(5)]
	}
	switch code {
	case TokenInt64:
		g.both(g.integerText(63))
	case TokenString:
		g.both(`"` + g.stringText() + `"`)
	case TokenOctets:
		g.both("#")
		for range g.IntN(5) {
			g.both(g.octetText())
		}
	default:
		g.both("SID(")
		g.innerSID()
		g.both(")")
	}
}

func (g *generator) octetText() string {
	const digits = "0123456789abcdefABCDEF#"
	return string([]byte{digits[g.IntN(len(digits))], digits[g.IntN(len(digits))]})
}

// integerText is an integer of at most so many bits, and a sign.
func (g *generator) integerText(bits int) string {
	n := g.number(bits)
	return g.oneOf("", "", "", "+", "-") + fmt.Sprintf(g.oneOf("%d", "%d", "0x%x", "0X%X", "0%o", "00%o"), n)
}

func (g *generator) stringText() string {
	var b strings.Builder
	for range g.IntN(6) {
		b.WriteString(g.oneOf("a", "B", "7", " ", "'", ")", "(", ";", ",", "%0041", "\\", "\t", "\n", "\x01", "ä", "ﬀ", "日", "😀", "\u0085", "\ufeff", "\uffff", "#", "}"))
	}
	return b.String()
}

func (g *generator) attribute() {
	if g.one(2) {
		g.claimAttribute()
		return
	}
	g.both(g.oneOf("a", "Title", "17", "017", "0x1f", "WIN://SYSAPPID", ":", "./_", "Contains", "Not_Any_of", "Exists2", "Member", "_", "SID", "x.y:z/"))
}

func (g *generator) claimAttribute() {
	g.both("@" + g.anyCase(g.oneOf("User.", "Device.", "Resource.")) + g.nameText())
}

// nameText is the name of a claim, spelled in one of many ways.
func (g *generator) nameText() string {
	var b strings.Builder
	for range 1 + g.IntN(6) {
		switch g.IntN(4) {
		case 0:
			b.WriteString(g.oneOf("%0020", "%0025", "%002c", "%0022", "%0028", "%003D", "%0009", "%007f", "%00e4", "%FFFF", "%d83d%DE00", "%2028"))
		case 1:
			b.WriteString(g.oneOf("#", "$", "'", "*", "+", "-", ";", "?", "@", "[", "\\", "]", "^", "_", "`", "{", "}", "~", ":", "/", ".", ","))
		case 2:
			b.WriteString(g.oneOf("ä", "日", "😀", "\u00a0", "\x01", "\x7f", "\u2028"))
		default:
			b.WriteString(g.oneOf("a", "Q", "0", "9", "name"))
		}
	}
	return b.String()
}

func (g *generator) claim() {
	const blanks = "no blanks within claims"
	g.blank()
	g.both("(")
	g.innerBlank(blanks)
	g.both(`"` + g.nameText() + `"`)
	g.innerBlank(blanks)
	g.both(",")
	g.innerBlank(blanks)
	kind := claimTypes[g.IntN(len(claimTypes))]
	g.both(kind.name)
	g.innerBlank(blanks)
	g.both(",")
	g.innerBlank(blanks)
	g.both(fmt.Sprintf(g.oneOf("0x%x", "%d", "0%o", "+%d"), g.number(32)&^uint64(reservedClaimFlags)))
	g.innerBlank(blanks)
	for range 1 + g.IntN(3) {
		g.both(",")
		g.blank()
		switch kind.t {
		case ClaimInt64:
			g.both(g.integerText(63))
		case ClaimUint64:
			g.both(strings.TrimPrefix(g.integerText(63), "-"))
		case ClaimString:
			g.both(`"` + g.stringText() + `"`)
		case ClaimSID:
			g.innerSID()
		case ClaimBool:
			g.both(g.oneOf("0", "1", "+1", "0x0", "01"))
		case ClaimOctets:
			for range 1 + g.IntN(4) {
				g.both(g.octetText())
			}
			if g.one(8) {
				// The digit in front of which there is a zero is the first.
				ours, samba := g.ours.String(), g.samba.String()
				digits := len(ours) - strings.LastIndexFunc(ours, func(r rune) bool { return r == ',' || r == ' ' || r >= '\t' && r <= '\r' }) - 1
				g.ours.Reset()
				g.samba.Reset()
				g.ours.WriteString(ours[:len(ours)-digits])
				g.samba.WriteString(samba[:len(samba)-digits])
				g.differ("no odd number of digits in claims", ours[len(ours)-digits:]+"7", "0"+samba[len(samba)-digits:]+"7")
			}
		}
		g.blank()
	}
	g.both(")")
	g.innerBlank(blanks)
}

// bytes is a descriptor in any layout, of ACEs that nobody would write in text.
func (g *generator) bytes() []byte {
	control := Control(g.Uint32())&^(DACLPresent|SACLPresent) | SelfRelative
	b := []byte{1, 0}
	if control.Has(RMControlValid) {
		b[1] = byte(g.Uint32())
	}
	b = append(b, make([]byte, descriptorHeader-2)...)
	place := func(field int, part []byte) {
		if g.one(30) {
			b = append(b, make([]byte, 4*(1+g.IntN(3)))...)
		}
		binary.LittleEndian.PutUint32(b[field:], uint32(len(b)))
		b = append(b, part...)
	}
	order := g.Perm(4)
	for _, i := range order {
		switch i {
		case 0, 1:
			if !g.one(3) {
				place(ownerOffset+4*i, g.binarySID().Bytes())
			}
		case 2:
			if g.one(2) {
				control |= SACLPresent
				place(saclOffset, g.rawACL(Audit, Alarm, AuditObject, AlarmObject, AuditCallback, ResourceAttribute, ResourceAttribute))
			}
		case 3:
			if !g.one(4) {
				control |= DACLPresent
				place(daclOffset, g.rawACL(Allow, Deny, AllowObject, DenyObject, AllowCallback, DenyCallback, AllowCallbackObject))
			}
		}
	}
	copyOffset := func(to, from int) { copy(b[to:to+4], b[from:from+4]) }
	switch g.IntN(40) {
	case 0: // one SID for both
		copyOffset(groupOffset, ownerOffset)
	case 1: // one ACL for both
		copyOffset(saclOffset, daclOffset)
		if control.Has(DACLPresent) {
			control |= SACLPresent
		}
	case 2: // a SID that is part of the first ACE of an ACL
		if acl := int(binary.LittleEndian.Uint32(b[daclOffset:])); acl > 0 && len(b) > acl+16 && b[acl+4] > 0 && b[acl+8] < 2 {
			binary.LittleEndian.PutUint32(b[ownerOffset:], uint32(acl+16))
		}
	case 3: // an ACL that is present and null
		control |= []Control{DACLPresent, SACLPresent}[g.IntN(2)]
	case 4: // an ACL that is there and not present
		control &^= []Control{DACLPresent, SACLPresent}[g.IntN(2)]
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(control))
	return b
}

func (g *generator) rawACL(types ...ACEType) []byte {
	var aces []byte
	count := g.IntN(4)
	for range count {
		t := types[g.IntN(len(types))]
		if g.one(8) {
			t = ACEType(g.IntN(0x24))
		}
		aces = append(aces, g.rawACE(t)...)
	}
	acl := []byte{[]byte{2, 4, 4, byte(g.Uint32())}[g.IntN(4)], 0}
	if g.one(60) {
		acl[1] = byte(g.Uint32())
	}
	if g.one(60) {
		aces = append(aces, make([]byte, 4*(1+g.IntN(2)))...)
	}
	acl = binary.LittleEndian.AppendUint16(acl, uint16(aclHeader+len(aces)))
	acl = binary.LittleEndian.AppendUint16(acl, uint16(count))
	acl = binary.LittleEndian.AppendUint16(acl, uint16(g.number(16)*uint64(g.IntN(60)/59)))
	return append(acl, aces...)
}

func (g *generator) rawACE(t ACEType) []byte {
	a := ACE{Type: t, Mask: Mask(g.number(32)), SID: g.binarySID()}
	if g.one(4) {
		a.Mask = wholeMasks[g.IntN(len(wholeMasks))].mask
	}
	for i := range aceFlags {
		if g.one(5) {
			a.Flags |= aceFlags[i].flag
		}
	}
	if g.one(60) {
		a.Flags |= 0x20
	}
	if t.IsObject() {
		a.ObjectFlags = uint32(g.IntN(4))
		if g.one(30) {
			a.ObjectFlags |= uint32(g.number(32))
		}
		if a.HasObjectType() {
			a.ObjectType = g.guid()
		}
		if a.HasInheritedObjectType() {
			a.InheritedObjectType = g.guid()
		}
	}
	switch {
	case t.IsCallback():
		a.Data = g.rawCondition()
	case t == ResourceAttribute:
		if !g.one(10) {
			a.SID = world
		}
		a.Data = g.rawClaim()
	case g.one(30):
		a.Data = "pad4pad8"[:4*(1+g.IntN(2))]
	}
	if t.isOpaque() {
		body := a
		body.Type = Allow
		raw := body.Append(nil)
		raw[0] = byte(t)
		return raw
	}
	return a.Append(nil)
}

func (g *generator) rawCondition() string {
	if g.one(40) {
		return g.oneOf("", "artx", "arty", "artx\x00\x00\x00\x00", "0000")
	}
	var c Condition
	depth := 0
	for len(c) < 12 && (depth != 1 || len(c) < 2 || !g.one(3)) {
		if depth > 0 && g.one(2) {
			op := operators[g.IntN(len(operators))].code
			if op.Operands() <= depth {
				depth += 1 - op.Operands()
				c = append(c, Token{Code: op})
			}
			continue
		}
		depth++
		c = append(c, g.rawToken(false))
	}
	for ; depth > 1 && !g.one(50); depth-- {
		c = append(c, Token{Code: []TokenCode{TokenAnd, TokenOr, TokenEqual}[g.IntN(3)]})
	}
	data := c.Append(nil)
	switch g.IntN(40) {
	case 0:
		data[g.IntN(len(data))] ^= 1 << g.IntN(8)
	case 1:
		data = append(data, 0, 0, 0, 0)
	case 2:
		data = data[:4*g.IntN(len(data)/4+1)]
	}
	return string(data)
}

func (g *generator) rawToken(inList bool) Token {
	kind := g.IntN(7)
	if inList {
		kind = g.IntN(4)
	}
	switch kind {
	case 0:
		t := Token{Code: TokenInt64, Int: int64(g.number(64)), Sign: byte(1 + g.IntN(3)), Base: byte(1 + g.IntN(3))}
		switch {
		case t.Sign == SignPlus && t.Int < 0, t.Sign == SignMinus && t.Int > 0:
			if !g.one(10) {
				t.Int = -t.Int
			}
		}
		if g.one(8) {
			t.Code = TokenCode(1 + g.IntN(3))
			if !g.one(4) {
				t.Int = int64(int8(t.Int))
				t.Sign = SignNone
			}
		}
		return t
	case 1:
		return Token{Code: TokenString, Text: g.rawText(0)}
	case 2:
		return Token{Code: TokenOctets, Octets: string(binary.LittleEndian.AppendUint64(nil, g.Uint64())[:g.IntN(8)])}
	case 3:
		return Token{Code: TokenSID, SID: g.binarySID()}
	case 4:
		t := Token{Code: TokenComposite}
		for range g.IntN(4) {
			t.List = append(t.List, g.rawToken(true))
		}
		return t
	case 5:
		name := EncodeWide(g.oneOf("a", "Title", "17", "a@b", "Contains", "WIN://x", "_"))
		if g.one(20) {
			name = g.rawText(1)
		}
		if g.one(40) {
			name = EncodeWide("member_OF")
		}
		return Token{Code: TokenLocalAttribute, Text: name}
	}
	return Token{Code: TokenUserAttribute + TokenCode(g.IntN(3)), Text: g.rawText(1)}
}

// rawText is UTF-16 of at least so many characters, hardly ever with what text cannot have.
func (g *generator) rawText(least int) string {
	text := ""
	for range least + g.IntN(5) {
		text += EncodeWide(g.oneOf("a", "B", " ", "ä", "😀", "%", "=", "(", "~", "\x7f", "\u2028", "\n"))
	}
	if g.one(60) {
		text += g.oneOf("\x00\xd8", "\x00\xdc", "\"\x00", "\x00\x00", "\xff\xff")
	}
	return text
}

func (g *generator) rawClaim() string {
	c := Claim{Name: g.rawText(1), Type: claimTypes[g.IntN(len(claimTypes))].t, Flags: uint32(g.number(32))}
	if g.one(300) {
		c.Name = ""
	}
	values := 1 + g.IntN(3)
	if g.one(200) {
		values = 0
	}
	for range values {
		var value Token
		switch c.Type {
		case ClaimInt64:
			value = Token{Code: TokenInt64, Int: int64(g.Uint64()) >> g.IntN(64)}
		case ClaimUint64:
			value = Token{Code: TokenInt64, Int: int64(g.number(63))}
			if g.one(20) {
				value.Int = int64(g.number(64))
			}
		case ClaimBool:
			value = Token{Code: TokenInt64, Int: int64(g.IntN(2))}
			if g.one(20) {
				value.Int = int64(g.number(64))
			}
		case ClaimString:
			value = Token{Code: TokenString, Text: g.rawText(0)}
		case ClaimSID:
			value = Token{Code: TokenSID, SID: g.binarySID()}
		case ClaimOctets:
			value = Token{Code: TokenOctets, Octets: string(binary.LittleEndian.AppendUint64(nil, g.Uint64())[:1+g.IntN(7)])}
			if g.one(30) {
				value.Octets = ""
			}
		}
		c.Values = append(c.Values, value)
	}
	data := c.Append(nil)
	switch g.IntN(60) {
	case 0:
		data[g.IntN(len(data))] ^= 1 << g.IntN(8)
	case 1:
		data = data[:4*g.IntN(len(data)/4+1)]
	case 2: // the values one after the other but in the other order, and the same
		if n := len(c.Values); n > 1 {
			copy(data[claimHeader:claimHeader+4], data[claimHeader+4*(n-1):])
		}
	case 3: // after a gap
		data = append(data, 0, 0, 0, 0)
	case 4: // a SID in bytes
		if c.Type == ClaimSID && len(c.Values) > 0 {
			offset := binary.LittleEndian.Uint32(data[claimHeader:])
			sid := c.Values[0].SID.Bytes()
			if int(offset)+4+len(sid) <= len(data) {
				binary.LittleEndian.PutUint32(data[offset:], uint32(len(sid)))
				copy(data[offset+4:], sid)
			}
		}
	}
	return string(data)
}

// shortText is one that Samba reads too, so short that a change matters.
func (g *generator) shortText() string {
	g.small = true
	_, text, _ := g.texts()
	return text
}

// mutate changes a text in up to three places.
func (g *generator) mutate(text string) string {
	for range 1 + g.IntN(3) {
		i := g.boundary(text)
		j := min(len(text), i+1+g.IntN(1+g.IntN(8)))
		for j < len(text) && !utf8.RuneStart(text[j]) {
			j++
		}
		k := g.boundary(text)
		switch g.IntN(7) {
		case 0: // left out
			text = text[:i] + text[j:]
		case 1: // doubled
			text = text[:j] + text[i:]
		case 2: // copied elsewhere
			text = text[:k] + text[i:j] + text[k:]
		case 3: // in the other case
			text = text[:i] + g.anyCase(text[i:j]) + text[j:]
		case 4: // something in its place
			text = text[:i] + g.snippet() + text[j:]
		case 5: // swapped with what follows
			if j < len(text) {
				_, n := utf8.DecodeRuneInString(text[j:])
				text = text[:i] + text[j:j+n] + text[i:j] + text[j+n:]
			}
		default: // put between
			text = text[:i] + g.snippet() + text[i:]
		}
	}
	return text
}

// boundary is where a character begins, or the end.
func (g *generator) boundary(text string) int {
	i := g.IntN(len(text) + 1)
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	return i
}

func (g *generator) snippet() string {
	return g.oneOf(" ", " ", "\t", "\n", ";", ";", "(", ")", "{", "}", "\"", "#", ",", "@", "%", "%0041", "%d800", "!", "&", "&&", "|", "||", "=", "==", "<", ">",
		"0", "1", "7", "9", "0x", "-", "+", "-1", "99999999999", "18446744073709551615", "9223372036854775808", "0xffffffffffffffff", "S-", "S-1-5-", "s-1-5-32-544", "SID(", "SID(BA)", "BA", "DA", "KA", "GA", "RP", "NW",
		"FA", "CI", "P", "AI", "D:", "S:", "O:", "G:", "A", "OA", "XA", "AU", "ML", "(A;;RP;;;WD)", "(AU;SA;RP;;;WD)", "NO_ACCESS_CONTROL", "Member_of ", "Exists ", "@User.a", "TI", "TX", "TU",
		"bf967aba-0de6-11d0-a285-00aa003049e2", "{bf967aba-0de6-11d0-a285-00aa003049e2}", "ä", "😀", "x", "d", "Z")
}
