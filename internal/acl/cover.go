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

// demand is a requirement, taken apart for looking at entries.
type demand struct {
	want   sddl.Mask
	object sddl.GUID
	set    sddl.GUID // a property set that may stand in for the object
	class  sddl.GUID
	list   [2]part
	n      int
}

// parts are what entries can grant separately: the target's and that of what is below.
func (d *demand) parts() []part { return d.list[:d.n] }

// left are the bits that some part still needs.
func (d *demand) left() sddl.Mask { return d.list[0].need | d.list[1].need }

// demand takes the requirement apart; one that makes no sense has no parts.
func (r *Requirement) demand(propertySetOf func(sddl.GUID) sddl.GUID) demand {
	d := demand{want: r.Right.bits(), object: r.Right.Object, class: r.Class}
	if d.want == 0 {
		return d
	}
	if propertySetOf != nil && r.Right.Kind == Attribute {
		d.set = propertySetOf(d.object)
	}
	d.cut(r.Scope)
	return d
}

func (d *demand) cut(scope Scope) {
	if scope.self() {
		d.list[d.n] = part{onTarget, d.want}
		d.n++
	}
	if scope.below() {
		on := onBelow
		if scope == Children {
			on = onChildren
		}
		d.list[d.n] = part{on, d.want}
		d.n++
	}
}

// Covers says which bits of the requirement the entry grants to the account, judging by
// its structure alone: an unconditional allow for just this SID, on the whole scope, for
// what is asked or for more. ObjectInherit means nothing in a directory.
// propertySetOf says which property set an attribute is in, zero for none; nil: not known.
func Covers(ace sddl.ACE, account sddl.SID, req Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) sddl.Mask {
	d := req.demand(propertySetOf)
	if ace.SID != account || account.IsZero() || d.n == 0 {
		return 0
	}
	return d.covers(&ace)
}

// covers is what an entry grants of all parts, to its SID.
func (d *demand) covers(a *sddl.ACE) sddl.Mask {
	bits := d.want
	for _, p := range d.parts() {
		bits &= d.coversOn(p.on, a)
	}
	return bits
}

// gains says whether an entry grants something that is still needed.
func (d *demand) gains(a *sddl.ACE) bool {
	for _, p := range d.parts() {
		if d.coversOn(p.on, a)&p.need != 0 {
			return true
		}
	}
	return false
}

// take takes off what an entry grants.
func (d *demand) take(a *sddl.ACE) {
	for i := range d.parts() {
		d.list[i].need &^= d.coversOn(d.list[i].on, a)
	}
}

// coversOn is what an entry grants in one place, to its SID.
func (d *demand) coversOn(on reading, a *sddl.ACE) sddl.Mask {
	if a.Type != sddl.Allow && a.Type != sddl.AllowObject {
		return 0
	}
	const known = sddl.ObjectTypePresent | sddl.InheritedObjectTypePresent
	if a.ObjectFlags&^known != 0 {
		return 0
	}
	if on == onTarget {
		// An InheritedObjectType plays no role on the object itself. [MS-ADTS] 5.1.3.3.2.
		if a.Flags.Has(sddl.InheritOnly) {
			return 0
		}
	} else {
		if !a.Flags.Has(sddl.ContainerInherit) || on == onBelow && a.Flags.Has(sddl.NoPropagate) {
			return 0
		}
		if a.HasInheritedObjectType() && (d.class.IsZero() || a.InheritedObjectType != d.class) {
			return 0
		}
	}
	bits := a.Mask.MapGeneric() & d.want
	switch {
	case !a.HasObjectType():
		return bits
	case a.ObjectType.IsZero():
		return 0
	case a.ObjectType == d.object:
		return bits
	case a.ObjectType == d.set:
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
//
// An absent DACL grants everything on the target, but nothing below it.
func Cover(dacl *sddl.ACL, owner sddl.SID, token Token, req Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) Coverage {
	d := req.demand(propertySetOf)
	if d.n == 0 {
		return Coverage{Missing: req.Right.Mask}
	}
	if dacl == nil {
		if req.Scope == ThisObject {
			return Coverage{Grant: Implicit}
		}
		return Coverage{Grant: Missing, Missing: d.want}
	}

	var broader *sddl.ACE
	for i := range dacl.ACEs {
		a := &dacl.ACEs[i]
		if a.SID != token.Account || d.covers(a) != d.want {
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
	for _, level := range []struct {
		via   Via
		grant Grant
	}{{Own, Split}, {Group, ViaGroup}, {WellKnown, ViaWellKnown}} {
		for i := range dacl.ACEs {
			a := &dacl.ACEs[i]
			if !d.gains(a) || token.Via(a.SID) != level.via {
				continue
			}
			d.take(a)
			c.ACEs = append(c.ACEs, *a)
			if d.left() == 0 {
				c.Grant = level.grant
				return c
			}
		}
	}
	if token.Via(owner) != NotHeld {
		c.ACEs = d.takeOwner(dacl, c.ACEs)
		if d.left() == 0 {
			c.Grant = Implicit
			return c
		}
	}
	c.Grant, c.Missing = Missing, d.left()
	if !token.Complete {
		for i := range dacl.ACEs {
			if a := &dacl.ACEs[i]; d.gains(a) && token.Via(a.SID) == NotHeld {
				d.take(a)
			}
		}
		if !owner.IsZero() {
			d.takeOwner(dacl, nil)
		}
		if d.left() == 0 {
			c.Grant = Unclear
		}
	}
	return c
}

// takeOwner takes off what the owner may do on the target: what entries for OWNER RIGHTS
// say, or else read and write its DACL. It appends the entries that count to aces.
// [MS-DTYP] 2.5.3.2, 2.4.2.4.
func (d *demand) takeOwner(dacl *sddl.ACL, aces []sddl.ACE) []sddl.ACE {
	if d.list[0].on != onTarget {
		return aces
	}
	p := &d.list[0]
	rights := sddl.ReadControl | sddl.WriteDACL
	for i := range dacl.ACEs {
		a := &dacl.ACEs[i]
		if a.SID != ownerRights || a.Flags.Has(sddl.InheritOnly) {
			continue
		}
		rights = 0
		if bits := d.coversOn(onTarget, a) & p.need; bits != 0 {
			p.need &^= bits
			aces = append(aces, *a)
		}
	}
	p.need &^= rights
	return aces
}
