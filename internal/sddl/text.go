package sddl

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// aceTypes are the names of ACE types in SDDL. [MS-DTYP] 2.5.1.1, where the numbers of XU
// and ZA contradict 2.4.4.1, which is right; sddl.h of the Windows SDK for TL.
var aceTypes = [...]struct {
	name string
	t    ACEType
}{
	{"A", Allow}, {"D", Deny}, {"AU", Audit}, {"AL", Alarm},
	{"OA", AllowObject}, {"OD", DenyObject}, {"OU", AuditObject}, {"OL", AlarmObject},
	{"XA", AllowCallback}, {"XD", DenyCallback}, {"ZA", AllowCallbackObject}, {"XU", AuditCallback},
	{"ML", MandatoryLabel}, {"RA", ResourceAttribute}, {"SP", ScopedPolicyID}, {"TL", ProcessTrustLabel},
}

// aceFlags are the names of ACE flags, in the order in which Windows prints them. [MS-DTYP] 2.5.1.1.
var aceFlags = [...]struct {
	name string
	flag ACEFlags
}{
	{"OI", ObjectInherit}, {"CI", ContainerInherit}, {"NP", NoPropagate}, {"IO", InheritOnly},
	{"ID", Inherited}, {"SA", SuccessfulAccess}, {"FA", FailedAccess},
}

// aclFlags are the names of the control bits of the DACL, in the order in which Windows
// prints them; those of the SACL are one bit further left. [MS-DTYP] 2.5.1.1.
var aclFlags = [...]struct {
	name string
	bit  Control
}{{"P", DACLProtected}, {"AR", DACLAutoInheritReq}, {"AI", DACLAutoInherited}}

// nullACL is the flag of an ACL that is present and nothing, which grants everybody
// everything. [MS-DTYP] 2.5.1.1.
const nullACL = "NO_ACCESS_CONTROL"

// Text is d in SDDL, as Windows prints it. SDDL is lossy and no form to write from: it
// leaves out whether parts were defaulted, control bits of an absent ACL, the resource
// manager control byte, revisions and slack. What an ACE has and SDDL has no letters for
// stands there in hex; see [ACE.Text]. [MS-DTYP] 2.5.1.
func (d *Descriptor) Text(ctx Aliases) string {
	// Most ACEs in AD have a SID of the domain and one GUID.
	size := 128
	for _, acl := range [...]*ACL{d.SACL, d.DACL} {
		if acl != nil {
			size += 128 * len(acl.ACEs)
		}
	}
	return string(d.AppendText(make([]byte, 0, size), ctx))
}

// AppendText appends d in SDDL to dst.
func (d *Descriptor) AppendText(dst []byte, ctx Aliases) []byte {
	if !d.Owner.IsZero() {
		dst = ctx.appendSID(append(dst, "O:"...), d.Owner)
	}
	if !d.Group.IsZero() {
		dst = ctx.appendSID(append(dst, "G:"...), d.Group)
	}
	if d.DACL != nil || d.Control.Has(DACLPresent) {
		dst = appendACLText(append(dst, "D:"...), d.DACL, d.Control, ctx)
	}
	if d.SACL != nil || d.Control.Has(SACLPresent) {
		dst = appendACLText(append(dst, "S:"...), d.SACL, d.Control>>1, ctx)
	}
	return dst
}

func appendACLText(dst []byte, acl *ACL, control Control, ctx Aliases) []byte {
	for i := range aclFlags {
		if control.Has(aclFlags[i].bit) {
			dst = append(dst, aclFlags[i].name...)
		}
	}
	if acl == nil {
		return append(dst, nullACL...)
	}
	for i := range acl.ACEs {
		dst = acl.ACEs[i].AppendText(dst, ctx)
	}
	return dst
}

// String is the entry in SDDL with no alias that needs to know the domain.
func (a ACE) String() string { return a.Text(Aliases{}) }

// Text is the entry in SDDL, as Windows prints it. What SDDL has no letters for stands
// there in hex, in a form that nothing reads back as something else: an unknown type as
// (0x15;;;;;;#BODY), flags of which one is unknown as (A;0x22;...), unknown object flags
// as (OA:0x5;...), and what follows the SID - padding, or a condition or claim that is not
// well-formed - as a seventh field (A;;RP;;;WD;#BYTES). [MS-DTYP] 2.5.1.
func (a ACE) Text(ctx Aliases) string { return string(a.AppendText(nil, ctx)) }

// AppendText appends the entry in SDDL to dst.
func (a ACE) AppendText(dst []byte, ctx Aliases) []byte {
	dst = appendACEType(append(dst, '('), &a)
	dst = appendACEFlags(append(dst, ';'), a.Flags)
	dst = append(dst, ';')
	switch {
	case a.IsOpaque():
		dst = append(dst, ";;;"...)
	default:
		if a.Type == MandatoryLabel {
			dst = appendLabelMask(dst, a.Mask)
		} else {
			dst = a.Mask.AppendText(dst)
		}
		dst = append(dst, ';')
		if a.Type.IsObject() && a.HasObjectType() {
			dst = a.ObjectType.AppendText(dst)
		}
		dst = append(dst, ';')
		if a.Type.IsObject() && a.HasInheritedObjectType() {
			dst = a.InheritedObjectType.AppendText(dst)
		}
		dst = ctx.appendSID(append(dst, ';'), a.SID)
	}
	// A callback without a condition is not the same as one of the plain type.
	if a.Data != "" || a.IsOpaque() || a.Type.IsCallback() || a.Type == ResourceAttribute {
		dst = appendData(append(dst, ';'), &a, ctx)
	}
	return append(dst, ')')
}

// appendData appends what follows the SID of an entry, or the body of an opaque one.
func appendData(dst []byte, a *ACE, ctx Aliases) []byte {
	before := len(dst)
	switch {
	case a.Type.IsCallback():
		if c, err := DecodeCondition(a.Data); err == nil {
			if dst, err = c.appendText(dst, ctx); err == nil {
				return dst
			}
		}
	case a.Type == ResourceAttribute:
		if c, err := DecodeClaim(a.Data); err == nil {
			if dst, err = c.appendText(dst, ctx); err == nil {
				return dst
			}
		}
	}
	return appendHexBytes(append(dst[:before], '#'), a.Data)
}

const hexDigits = "0123456789abcdef"

func appendACEType(dst []byte, a *ACE) []byte {
	name := ""
	for i := range aceTypes {
		if aceTypes[i].t == a.Type {
			name = aceTypes[i].name
			break
		}
	}
	if name != "" {
		dst = append(dst, name...)
	} else {
		dst = append(dst, '0', 'x', hexDigits[a.Type>>4], hexDigits[a.Type&15])
	}
	if a.Type.IsObject() && a.ObjectFlags&^(ObjectTypePresent|InheritedObjectTypePresent) != 0 {
		dst = appendHex(append(dst, ':'), a.ObjectFlags)
	}
	return dst
}

func appendACEFlags(dst []byte, flags ACEFlags) []byte {
	start, rest := len(dst), flags
	for i := range aceFlags {
		if rest&aceFlags[i].flag != 0 {
			dst = append(dst, aceFlags[i].name...)
			rest &^= aceFlags[i].flag
		}
	}
	if rest != 0 {
		return appendHex(dst[:start], uint32(flags))
	}
	return dst
}

// ParseText reads a descriptor in SDDL, strictly: upper case, blanks only around the
// entries and within conditions and claims, each part at most once, each type of entry in
// the list it belongs to, numbers in their range. An alias whose SID ctx does not have is
// an error. A text without D: has no DACL, which grants everybody everything, as
// D:NO_ACCESS_CONTROL does; D: alone is the empty DACL. The error is a *SyntaxError.
// [MS-DTYP] 2.5.1.
func ParseText(s string, ctx Aliases) (*Descriptor, error) {
	p := textParser{s: s, ctx: ctx}
	return p.descriptor()
}

// ParseTextLenient reads a descriptor in SDDL as Windows does: like [ParseText], but in
// either case, with blanks anywhere between its words, with masks that are negative, with
// SIDs whose numbers are hexadecimal or octal, and with masks and sub-authorities of more
// than 32 bits, which become the largest number there is: of a mask, all rights.
func ParseTextLenient(s string, ctx Aliases) (*Descriptor, error) {
	p := textParser{s: s, ctx: ctx, lenient: true}
	return p.descriptor()
}

// ParseACEText reads one entry in SDDL, with its parentheses, as strictly as [ParseText].
func ParseACEText(s string, ctx Aliases) (ACE, error) {
	p := textParser{s: s, ctx: ctx}
	ace, err := p.ace()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return ACE{}, err
	}
	return ace.AsStored(), nil
}

// AsStored is the entry with the plain type where it has no GUID: so Windows stores an OA
// or OD of a text without one. Both grant the same.
func (a ACE) AsStored() ACE {
	if a.ObjectFlags == 0 {
		switch a.Type {
		case AllowObject:
			a.Type = Allow
		case DenyObject:
			a.Type = Deny
		case AuditObject:
			a.Type = Audit
		case AlarmObject:
			a.Type = Alarm
		}
	}
	return a
}

type textParser struct {
	s       string
	at      int
	ctx     Aliases
	lenient bool
}

// want is the error that what stands here is not what could stand here.
func (p *textParser) want(what string) error {
	found := p.s[p.at:]
	if len(found) > 12 {
		found = found[:12]
		for !utf8.ValidString(found) && len(found) > 8 {
			found = found[:len(found)-1]
		}
	}
	return &SyntaxError{Offset: p.at, Found: found, Want: what}
}

// refuse is the error that what stands here is refused though it is SDDL.
func (p *textParser) refuse(why string) error { return &SyntaxError{Offset: p.at, Why: why} }

func (p *textParser) end() error {
	if p.at < len(p.s) {
		return p.want("the end of the text")
	}
	return nil
}

func (p *textParser) atByte(c byte) bool { return p.at < len(p.s) && p.s[p.at] == c }

func (p *textParser) next(c byte) error {
	if !p.atByte(c) {
		return p.want("'" + string(rune(c)) + "'")
	}
	p.at++
	return nil
}

// skipSpace skips blanks where the grammar has them: within conditions and claims.
func (p *textParser) skipSpace() {
	for p.at < len(p.s) && isSpace(p.s[p.at]) {
		p.at++
	}
}

// skipBlanks skips blanks that only Windows takes.
func (p *textParser) skipBlanks() {
	if p.lenient {
		p.skipSpace()
	}
}

// skipGap skips blanks within an ACL but outside of its entries, where some classes of
// AD's schema have them in their default descriptors.
func (p *textParser) skipGap() {
	for p.atByte(' ') || p.lenient && p.at < len(p.s) && isSpace(p.s[p.at]) {
		p.at++
	}
}

// trimmed is a token that begins here without the blanks that only Windows takes; those
// before it are skipped.
func (p *textParser) trimmed(token string) string {
	if !p.lenient {
		return token
	}
	for token != "" && isSpace(token[0]) {
		token = token[1:]
		p.at++
	}
	for token != "" && isSpace(token[len(token)-1]) {
		token = token[:len(token)-1]
	}
	return token
}

// is says whether the word in the text is the word of the grammar. The lengths keep out
// the letters beyond ASCII that fold to one within.
func (p *textParser) is(inText, word string) bool {
	return inText == word || p.lenient && len(inText) == len(word) && strings.EqualFold(inText, word)
}

func (p *textParser) has(word string) bool {
	return len(p.s)-p.at >= len(word) && p.is(p.s[p.at:p.at+len(word)], word)
}

func (p *textParser) descriptor() (*Descriptor, error) {
	d := &Descriptor{Revision: 1, Control: SelfRelative}
	var seen [4]bool
	for p.skipBlanks(); p.at < len(p.s) || seen == [4]bool{}; p.skipBlanks() {
		part := p.part()
		if part < 0 {
			return nil, p.want("O:, G:, D: or S:")
		}
		if seen[part] {
			return nil, p.refuse("there are two parts " + parts[part])
		}
		seen[part] = true
		p.at += len(parts[part])
		var err error
		switch parts[part] {
		case "O:":
			d.Owner, err = p.partSID()
		case "G:":
			d.Group, err = p.partSID()
		case "D:":
			var control Control
			d.DACL, control, err = p.acl(true)
			d.Control |= control | DACLPresent
		case "S:":
			var control Control
			d.SACL, control, err = p.acl(false)
			d.Control |= control<<1 | SACLPresent
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

var parts = [4]string{"O:", "G:", "D:", "S:"}

// part is which of parts begins here; negative for none.
func (p *textParser) part() int {
	for i := range parts {
		if p.has(parts[i]) {
			return i
		}
	}
	return -1
}

// partSID reads the SID of O: or G:, which goes on to the letter before the next colon.
func (p *textParser) partSID() (SID, error) {
	end := len(p.s)
	if colon := strings.IndexByte(p.s[p.at:], ':'); colon > 0 {
		end = p.at + colon - 1
	}
	token := p.trimmed(p.s[p.at:end])
	sid, err := p.sid(token)
	p.at += len(token)
	return sid, err
}

// sid reads the SID or alias that token, which begins here, is.
func (p *textParser) sid(token string) (SID, error) {
	if len(token) > 2 && p.is(token[:2], "S-") {
		sid, err := parseSID(token, p.lenient)
		if err != nil {
			return SID{}, p.refuse(err.Error())
		}
		return sid, nil
	}
	for i := range wellKnown {
		if p.is(token, wellKnown[i].name) {
			return wellKnown[i].sid, nil
		}
	}
	for i := range relative {
		if p.is(token, relative[i].name) {
			base := p.ctx.sid(relative[i].of)
			sid := base.WithRID(relative[i].rid)
			if sid.IsZero() {
				of := relative[i].of
				return SID{}, &SyntaxError{Offset: p.at, Lacks: of, Why: "the alias " + token + " needs the SID of the " + of.String() + ", which is not given"}
			}
			return sid, nil
		}
	}
	return SID{}, p.want("a SID (S-1-...) or the two letters of one")
}

// acl reads the flags and entries of a part; a nil ACL is the null one.
func (p *textParser) acl(isDACL bool) (*ACL, Control, error) {
	var control Control
	p.skipGap()
flags:
	for {
		if p.has(nullACL) {
			p.at += len(nullACL)
			p.skipGap()
			return nil, control, nil
		}
		for i := range aclFlags {
			if p.has(aclFlags[i].name) {
				control |= aclFlags[i].bit
				p.at += len(aclFlags[i].name)
				p.skipBlanks()
				continue flags
			}
		}
		break
	}
	p.skipGap()
	acl := &ACL{Revision: 2}
	if n := strings.Count(p.s[p.at:], "("); n > 0 {
		// A smaller ACE than one of 16 bytes there is not in text.
		acl.ACEs = make([]ACE, 0, min(n, MaxACL/16))
	}
	size, slack := aclHeader, 0
	for p.atByte('(') {
		start := p.at
		ace, err := p.ace()
		if err != nil {
			return nil, 0, err
		}
		if ace.Type.inDACL() != isDACL {
			p.at = start
			if isDACL {
				return nil, 0, p.refuse("ACEs of this type belong in the SACL")
			}
			return nil, 0, p.refuse("ACEs of this type belong in the DACL")
		}
		// Windows goes by the types in the text, also of those that it stores as plain
		// ones: it even leaves the room for the object flags that those do not have.
		stored := ace.AsStored()
		if ace.Type.IsObject() {
			acl.Revision = 4
			if stored.Type != ace.Type {
				slack += ace.Len() - stored.Len()
			}
		}
		if size += ace.Len(); size > MaxACL {
			p.at = start
			return nil, 0, p.refuse("with this ACE the ACL would have " + strconv.Itoa(size) + " bytes, at most " + strconv.Itoa(MaxACL) + " fit")
		}
		acl.ACEs = append(acl.ACEs, stored)
		p.skipGap()
	}
	acl.Slack = string(make([]byte, slack))
	if p.at < len(p.s) && p.part() < 0 {
		return nil, 0, p.want("an ACE, the next part or the end of the text")
	}
	return acl, control, nil
}

// inDACL says whether entries of the type belong in a DACL and not in a SACL.
func (t ACEType) inDACL() bool { return t.IsAllow() || t.IsDeny() }

// ace reads one entry as it is written; see AsStored.
func (p *textParser) ace() (ACE, error) {
	if !p.atByte('(') {
		return ACE{}, p.want("an ACE, which begins with (")
	}
	p.at++
	var a ACE
	var err error
	if a.Type, err = p.aceType(p.token()); err != nil {
		return ACE{}, err
	}
	if err = p.next(';'); err != nil {
		return ACE{}, err
	}
	if a.Flags, err = p.aceFlags(p.token()); err != nil {
		return ACE{}, err
	}
	if err = p.next(';'); err != nil {
		return ACE{}, err
	}
	token := p.trimmed(p.token())
	if a.Mask, err = p.mask(token, a.Type == MandatoryLabel); err != nil {
		return ACE{}, err
	}
	p.at += len(token)
	for _, g := range [...]struct {
		bit uint32
		at  *GUID
	}{{ObjectTypePresent, &a.ObjectType}, {InheritedObjectTypePresent, &a.InheritedObjectType}} {
		if p.skipBlanks(); p.next(';') != nil {
			return ACE{}, p.want("';'")
		}
		token = p.trimmed(p.token())
		if token == "" {
			continue
		}
		if !a.Type.IsObject() {
			return ACE{}, p.refuse("an ACE of a type without GUIDs has one")
		}
		if *g.at, err = ParseGUID(token); err != nil {
			return ACE{}, p.refuse(err.Error())
		}
		a.ObjectFlags |= g.bit
		p.at += len(token)
	}
	if p.skipBlanks(); p.next(';') != nil {
		return ACE{}, p.want("';'")
	}
	token = p.trimmed(p.token())
	if a.SID, err = p.sid(token); err != nil {
		return ACE{}, err
	}
	sidAt := p.at
	p.at += len(token)
	p.skipBlanks()
	switch {
	case a.Type.IsCallback():
		if err = p.next(';'); err != nil {
			return ACE{}, p.want("';' and a condition in parentheses")
		}
		c, err := p.condition()
		if err != nil {
			return ACE{}, err
		}
		a.Data = string(c.Append(nil))
	case a.Type == ResourceAttribute:
		if a.SID != world {
			p.at = sidAt
			return ACE{}, p.refuse("a resource attribute is for WD, everyone")
		}
		if err = p.next(';'); err != nil {
			return ACE{}, p.want("';' and a resource attribute in parentheses")
		}
		c, err := p.claim()
		if err != nil {
			return ACE{}, err
		}
		a.Data = string(c.Append(nil))
	case p.atByte(';'):
		return ACE{}, p.refuse("an ACE of this type ends with its SID")
	}
	return a, p.next(')')
}

// world is the SID that resource attributes are for. [MS-DTYP] 2.4.4.15.
var world = newSID(1, 0)

// token is what stands from here to the next separator within this ACE; it is not skipped.
func (p *textParser) token() string {
	rest := p.s[p.at:]
	for i := range len(rest) {
		switch rest[i] {
		case ';', '(', ')':
			return rest[:i]
		}
	}
	return rest
}

func (p *textParser) aceType(token string) (ACEType, error) {
	token = p.trimmed(token)
	for i := range aceTypes {
		if p.is(token, aceTypes[i].name) {
			p.at += len(token)
			p.skipBlanks()
			return aceTypes[i].t, nil
		}
	}
	return 0, p.want("an ACE type, such as A, D, OA, OD, AU or XA")
}

func (p *textParser) aceFlags(token string) (ACEFlags, error) {
	token = p.trimmed(token)
	var flags ACEFlags
	for len(token) > 0 {
		found := false
		for i := range aceFlags {
			if len(token) >= 2 && p.is(token[:2], aceFlags[i].name) {
				flags |= aceFlags[i].flag
				p.at, found = p.at+2, true
				token = p.trimmed(token[2:])
				break
			}
		}
		if !found {
			return 0, p.want("an ACE flag: OI, CI, NP, IO, ID, SA or FA")
		}
	}
	p.skipBlanks()
	return flags, nil
}
