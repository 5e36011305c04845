package sddl

import (
	"strconv"
	"strings"
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

// Text is the entry in SDDL, as Windows prints it. What SDDL has no letters for, or this
// package cannot say in them, stands there in hex, in a form that nothing reads back as
// something else: an unknown type as (0x15;;;;;;#BODY), flags of which one is unknown as
// (A;0x22;...), unknown object flags as (OA:0x5;...), and what follows the SID - a
// condition, a claim, padding - as a seventh field (XA;;RP;;;WD;#BYTES). [MS-DTYP] 2.5.1.
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
	if a.Data != "" || a.IsOpaque() || a.Type.IsCallback() {
		dst = append(dst, ";#"...)
		for i := range len(a.Data) {
			dst = append(dst, hexDigits[a.Data[i]>>4], hexDigits[a.Data[i]&15])
		}
	}
	return append(dst, ')')
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
// entries, each part at most once, allow and deny entries in the DACL and audit entries
// in the SACL. An alias whose SID ctx does not have is an error, and so is a type whose
// entries carry more than a mask, GUIDs and a SID. A text without D: has no DACL, which
// grants everybody everything, as D:NO_ACCESS_CONTROL does; D: alone is the empty DACL.
// The error is a *SyntaxError. [MS-DTYP] 2.5.1.
func ParseText(s string, ctx Aliases) (*Descriptor, error) {
	p := textParser{s: s, ctx: ctx}
	d := &Descriptor{Revision: 1, Control: SelfRelative}
	const wantPart = "O:, G:, D: or S:"
	if s == "" {
		return nil, p.want(wantPart)
	}
	seen := ""
	for p.at < len(s) {
		part := s[p.at]
		if p.at+1 >= len(s) || s[p.at+1] != ':' || strings.IndexByte("OGDS", part) < 0 {
			return nil, p.want(wantPart)
		}
		if strings.IndexByte(seen, part) >= 0 {
			return nil, p.refuse("there are two parts " + s[p.at:p.at+2])
		}
		seen += string(part)
		p.at += 2
		var err error
		switch part {
		case 'O':
			d.Owner, err = p.partSID()
		case 'G':
			d.Group, err = p.partSID()
		case 'D':
			var control Control
			d.DACL, control, err = p.acl(part)
			d.Control |= control | DACLPresent
		case 'S':
			var control Control
			d.SACL, control, err = p.acl(part)
			d.Control |= control<<1 | SACLPresent
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// ParseACEText reads one entry in SDDL, with its parentheses, as strictly as [ParseText].
func ParseACEText(s string, ctx Aliases) (ACE, error) {
	p := textParser{s: s, ctx: ctx}
	ace, err := p.ace()
	if err == nil && p.at < len(s) {
		err = p.want("the end of the text")
	}
	if err != nil {
		return ACE{}, err
	}
	return ace.asStored(), nil
}

// asStored is a with the plain type where it has no GUID: so Windows stores an OA or OD
// without one.
func (a ACE) asStored() ACE {
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
	s   string
	at  int
	ctx Aliases
}

// want is the error that what stands here is not what could stand here.
func (p *textParser) want(what string) error {
	found := p.s[p.at:]
	if len(found) > 12 {
		found = found[:12]
	}
	return &SyntaxError{Offset: p.at, Found: found, Want: what}
}

// refuse is the error that what stands here is refused though it is SDDL.
func (p *textParser) refuse(why string) error { return &SyntaxError{Offset: p.at, Why: why} }

// partSID reads the SID of O: or G:, which goes on to the letter before the next colon.
func (p *textParser) partSID() (SID, error) {
	end := len(p.s)
	if colon := strings.IndexByte(p.s[p.at:], ':'); colon > 0 {
		end = p.at + colon - 1
	}
	sid, err := p.sid(p.s[p.at:end])
	p.at = end
	return sid, err
}

// sid reads the SID or alias that token, which begins here, is.
func (p *textParser) sid(token string) (SID, error) {
	if strings.HasPrefix(token, "S-") {
		sid, err := ParseSID(token)
		if err != nil {
			return SID{}, p.refuse(err.Error())
		}
		return sid, nil
	}
	for i := range wellKnown {
		if wellKnown[i].name == token {
			return wellKnown[i].sid, nil
		}
	}
	for i := range relative {
		if relative[i].name == token {
			base := p.ctx.sid(relative[i].of)
			sid := base.WithRID(relative[i].rid)
			if sid.IsZero() {
				return SID{}, p.refuse("the alias " + token + " needs the SID of the " + relative[i].of.String() + ", which is not given")
			}
			return sid, nil
		}
	}
	return SID{}, p.want("a SID (S-1-...) or the two letters of one")
}

// acl reads the flags and entries of part 'D' or 'S'; a nil ACL is the null one.
func (p *textParser) acl(part byte) (*ACL, Control, error) {
	var control Control
	p.skipBlanks()
flags:
	for {
		rest := p.s[p.at:]
		if strings.HasPrefix(rest, nullACL) {
			p.at += len(nullACL)
			p.skipBlanks()
			return nil, control, nil
		}
		for i := range aclFlags {
			if strings.HasPrefix(rest, aclFlags[i].name) {
				control |= aclFlags[i].bit
				p.at += len(aclFlags[i].name)
				continue flags
			}
		}
		break
	}
	p.skipBlanks()
	acl := &ACL{Revision: 2}
	if n := strings.Count(p.s[p.at:], "("); n > 0 {
		acl.ACEs = make([]ACE, 0, n)
	}
	for p.at < len(p.s) && p.s[p.at] == '(' {
		start := p.at
		ace, err := p.ace()
		if err != nil {
			return nil, 0, err
		}
		if inDACL := ace.Type.IsAllow() || ace.Type.IsDeny(); inDACL != (part == 'D') {
			p.at = start
			if inDACL {
				return nil, 0, p.refuse("allow and deny ACEs belong in the DACL")
			}
			return nil, 0, p.refuse("audit ACEs belong in the SACL")
		}
		// Windows goes by the types in the text, also of those that it stores as plain ones.
		if ace.Type.IsObject() {
			acl.Revision = 4
		}
		acl.ACEs = append(acl.ACEs, ace.asStored())
		p.skipBlanks()
	}
	if p.at < len(p.s) && !p.atPart() {
		return nil, 0, p.want("an ACE, the next part or the end of the text")
	}
	if size := acl.Len(); size > MaxACL {
		return nil, 0, p.refuse("the ACL would have " + strconv.Itoa(size) + " bytes, at most " + strconv.Itoa(MaxACL) + " fit")
	}
	return acl, control, nil
}

// skipBlanks skips blanks within an ACL but outside of its entries. Windows takes them in
// more places; here some classes of AD's schema have them in their default descriptors.
func (p *textParser) skipBlanks() {
	for p.at < len(p.s) && p.s[p.at] == ' ' {
		p.at++
	}
}

func (p *textParser) atPart() bool {
	return p.at+1 < len(p.s) && p.s[p.at+1] == ':'
}

// ace reads one entry as it is written; see asStored.
func (p *textParser) ace() (ACE, error) {
	if !strings.HasPrefix(p.s[p.at:], "(") {
		return ACE{}, p.want("an ACE, which begins with (")
	}
	p.at++
	var a ACE
	var err error
	if a.Type, err = p.aceType(p.token(';')); err != nil {
		return ACE{}, err
	}
	if err = p.next(';'); err != nil {
		return ACE{}, err
	}
	if a.Flags, err = p.aceFlags(p.token(';')); err != nil {
		return ACE{}, err
	}
	if err = p.next(';'); err != nil {
		return ACE{}, err
	}
	token := p.token(';')
	if a.Mask, err = parseMask(token, p.at); err != nil {
		return ACE{}, err
	}
	p.at += len(token)
	for _, g := range [...]struct {
		bit uint32
		at  *GUID
	}{{ObjectTypePresent, &a.ObjectType}, {InheritedObjectTypePresent, &a.InheritedObjectType}} {
		if err = p.next(';'); err != nil {
			return ACE{}, err
		}
		token = p.token(';')
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
	if err = p.next(';'); err != nil {
		return ACE{}, err
	}
	token = p.token(')')
	if more := strings.IndexByte(token, ';'); more >= 0 {
		p.at += more
		return ACE{}, p.refuse("an ACE of this type ends with its SID")
	}
	if a.SID, err = p.sid(token); err != nil {
		return ACE{}, err
	}
	p.at += len(token)
	return a, p.next(')')
}

// token is what stands from here to the next end within this ACE; it is not skipped.
func (p *textParser) token(end byte) string {
	rest := p.s[p.at:]
	for i := range len(rest) {
		switch rest[i] {
		case end, '(', ')':
			return rest[:i]
		}
	}
	return rest
}

func (p *textParser) next(c byte) error {
	if p.at >= len(p.s) || p.s[p.at] != c {
		return p.want("'" + string(c) + "'")
	}
	p.at++
	return nil
}

func (p *textParser) aceType(token string) (ACEType, error) {
	for i := range aceTypes {
		if aceTypes[i].name != token {
			continue
		}
		t := aceTypes[i].t
		switch {
		case t.IsCallback():
			return 0, p.refuse("conditional ACEs (" + token + ") cannot be read as text")
		case t >= MandatoryLabel:
			return 0, p.refuse("ACEs of type " + token + " cannot be read as text")
		}
		p.at += len(token)
		return t, nil
	}
	return 0, p.want("an ACE type: A, D, OA, OD, AU, OU, AL or OL")
}

func (p *textParser) aceFlags(token string) (ACEFlags, error) {
	var flags ACEFlags
	for len(token) > 0 {
		found := false
		for i := range aceFlags {
			if strings.HasPrefix(token, aceFlags[i].name) {
				flags |= aceFlags[i].flag
				p.at, token, found = p.at+2, token[2:], true
				break
			}
		}
		if !found {
			return 0, p.want("an ACE flag: OI, CI, NP, IO, ID, SA or FA")
		}
	}
	return flags, nil
}
