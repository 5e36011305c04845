package acl

import "github.com/gmsactl/gmsactl/internal/sddl"

// Grant is how the entries of a DACL add up to a requirement. The zero value is Unclear:
// entries for SIDs that the token does not list, but may have, could make the difference.
type Grant int

// The grants, from nothing known over best to worst.
const (
	Unclear      Grant = iota
	Exact              // one entry of the account's own is just what is required
	Broader            // one entry of the account's own is more than required
	Split              // several entries of the account's own
	ViaGroup           // entries of its groups are needed
	ViaWellKnown       // entries of well-known SIDs are needed
	Implicit           // it owns the object, or there is no DACL
	Missing            // some bits have no entry at all
)

// String is the word of reports.
func (g Grant) String() string {
	switch g {
	case Exact:
		return "exact"
	case Broader:
		return "broader"
	case Split:
		return "split"
	case ViaGroup:
		return "via-group"
	case ViaWellKnown:
		return "via-well-known"
	case Implicit:
		return "implicit"
	case Missing:
		return "missing"
	}
	return "unknown"
}

// Coverage is which entries grant a requirement. It says nothing about denies and order;
// Judge does.
type Coverage struct {
	Grant   Grant
	ACEs    []sddl.ACE // those that make it up, in the order of the DACL within own, group, well-known
	Missing sddl.Mask  // bits that none of them grants
}

// reading is where an entry must take effect.
type reading int

const (
	onTarget   reading = iota // on the target itself
	onBelow                   // on all descendants
	onChildren                // on direct children
)

// part is the requirement's bits in one place; a requirement has at most two.
type part struct {
	on   reading
	need sddl.Mask
}

// parts cuts a requirement into what entries can grant separately.
func (r *Requirement) parts() (list [2]part, n int) {
	want := r.Right.bits()
	if want == 0 {
		return list, 0
	}
	if r.Scope.self() {
		list[n] = part{onTarget, want}
		n++
	}
	if r.Scope.below() {
		on := onBelow
		if r.Scope == Children {
			on = onChildren
		}
		list[n] = part{on, want}
		n++
	}
	return list, n
}

// Covers says which bits of the requirement the entry grants to the account, judging by
// its structure alone: an unconditional allow for just this SID, on the whole scope, for
// what is asked or for more. ObjectInherit means nothing in a directory.
// propertySetOf says which property set an attribute is in; nil: none is known.
func Covers(ace sddl.ACE, account sddl.SID, req Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) sddl.Mask {
	if ace.SID != account || account.IsZero() {
		return 0
	}
	parts, n := req.parts()
	if n == 0 {
		return 0
	}
	bits := parts[0].need
	set := setOf(&req, propertySetOf)
	for _, p := range parts[:n] {
		bits &= covers(&ace, p.on, &req, set)
	}
	return bits
}

// setOf is the property set that an entry for it may stand in for the required attribute.
func setOf(req *Requirement, propertySetOf func(sddl.GUID) sddl.GUID) sddl.GUID {
	if propertySetOf == nil || req.Right.Kind != Attribute {
		return sddl.GUID{}
	}
	return propertySetOf(req.Right.Object)
}

// covers is what an entry grants of a requirement in one place, to its SID.
func covers(a *sddl.ACE, on reading, req *Requirement, set sddl.GUID) sddl.Mask {
	if a.Type != sddl.Allow && a.Type != sddl.AllowObject {
		return 0
	}
	const known = sddl.ObjectTypePresent | sddl.InheritedObjectTypePresent
	if a.ObjectFlags&^known != 0 {
		return 0
	}
	switch on {
	case onTarget:
		// An InheritedObjectType plays no role on the object itself. [MS-ADTS] 5.1.3.3.2.
		if a.Flags.Has(sddl.InheritOnly) {
			return 0
		}
	default:
		if !a.Flags.Has(sddl.ContainerInherit) || on == onBelow && a.Flags.Has(sddl.NoPropagate) {
			return 0
		}
		if a.HasInheritedObjectType() && (req.Class.IsZero() || a.InheritedObjectType != req.Class) {
			return 0
		}
	}
	bits := a.Mask.MapGeneric() & req.Right.bits()
	if !a.HasObjectType() {
		return bits
	}
	switch {
	case a.ObjectType.IsZero():
		return 0
	case a.ObjectType == req.Right.Object:
		return bits
	case a.ObjectType == set:
		return bits & propertyBits
	}
	return 0
}

// exact says whether the entry is just what is required.
func exact(a *sddl.ACE, req *Requirement) bool {
	const scope = sddl.ContainerInherit | sddl.InheritOnly | sddl.NoPropagate
	class := req.Class
	if req.Scope == ThisObject {
		class = sddl.GUID{}
	}
	return a.Mask.MapGeneric() == req.Right.bits() &&
		a.Flags&scope == req.Scope.flags() &&
		a.HasObjectType() == !req.Right.Object.IsZero() && a.ObjectType == req.Right.Object &&
		a.HasInheritedObjectType() == !class.IsZero() && a.InheritedObjectType == class
}

// Cover says how the DACL grants the requirement to the token: by the account's own
// entries if they suffice, then with those of its groups, then of well-known SIDs.
// Owning the object, or an entry for its owner, counts last, and on the object only.
func Cover(dacl *sddl.ACL, owner sddl.SID, token Token, req Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) Coverage {
	list, n := req.parts()
	if n == 0 {
		return Coverage{Missing: req.Right.Mask}
	}
	parts := list[:n]
	if dacl == nil {
		// The target grants everything to everybody; what is below it inherits nothing.
		if req.Scope == ThisObject {
			return Coverage{Grant: Implicit}
		}
		return Coverage{Grant: Missing, Missing: req.Right.bits()}
	}
	set := setOf(&req, propertySetOf)

	var broader *sddl.ACE
	for i := range dacl.ACEs {
		a := &dacl.ACEs[i]
		if token.Via(a.SID) != Own || !coversAll(a, parts, &req, set) {
			continue
		}
		if exact(a, &req) {
			return Coverage{Grant: Exact, ACEs: []sddl.ACE{*a}}
		}
		if broader == nil {
			broader = a
		}
	}
	if broader != nil {
		return Coverage{Grant: Broader, ACEs: []sddl.ACE{*broader}}
	}

	var c Coverage
	take := func(counts func(*sddl.ACE) bool) (done bool) {
		for i := range dacl.ACEs {
			a := &dacl.ACEs[i]
			if !counts(a) {
				continue
			}
			var gained, left sddl.Mask
			for j := range parts {
				p := &parts[j]
				bits := covers(a, p.on, &req, set) & p.need
				gained |= bits
				p.need &^= bits
				left |= p.need
			}
			if gained != 0 {
				c.ACEs = append(c.ACEs, *a)
			}
			if left == 0 {
				return true
			}
		}
		return false
	}
	for _, level := range []struct {
		via   Via
		grant Grant
	}{{Own, Split}, {Group, ViaGroup}, {WellKnown, ViaWellKnown}} {
		if take(func(a *sddl.ACE) bool { return token.Via(a.SID) == level.via }) {
			c.Grant = level.grant
			return c
		}
	}
	if implicit(dacl, owner, &token, parts, &req, set, &c) {
		c.Grant = Implicit
		return c
	}

	for _, p := range parts {
		c.Missing |= p.need
	}
	c.Grant = Missing
	if !token.Complete {
		missing, found := c.Missing, c.ACEs
		ownerMay := token.Via(owner) == NotHeld && !owner.IsZero()
		if take(func(a *sddl.ACE) bool { return token.Via(a.SID) == NotHeld }) ||
			ownerMay && implicit(dacl, owner, &Token{Account: owner}, parts, &req, set, &c) {
			c.Grant = Unclear
		}
		c.Missing, c.ACEs = missing, found
	}
	return c
}

func coversAll(a *sddl.ACE, parts []part, req *Requirement, set sddl.GUID) bool {
	for _, p := range parts {
		if p.need&^covers(a, p.on, req, set) != 0 {
			return false
		}
	}
	return true
}

// implicit takes off what the owner may do on the object: what entries for OWNER RIGHTS
// say, or else read and write its DACL. [MS-DTYP] 2.5.3.2, 2.4.2.4.
func implicit(dacl *sddl.ACL, owner sddl.SID, token *Token, parts []part, req *Requirement, set sddl.GUID, c *Coverage) bool {
	if token.Via(owner) == NotHeld || parts[0].on != onTarget {
		return false
	}
	p := &parts[0]
	rights := sddl.ReadControl | sddl.WriteDACL
	for i := range dacl.ACEs {
		a := &dacl.ACEs[i]
		if a.SID != ownerRights || a.Flags.Has(sddl.InheritOnly) {
			continue
		}
		rights = 0
		if bits := covers(a, onTarget, req, set) & p.need; bits != 0 {
			p.need &^= bits
			c.ACEs = append(c.ACEs, *a)
		}
	}
	p.need &^= rights
	for _, p := range parts {
		if p.need != 0 {
			return false
		}
	}
	return true
}
