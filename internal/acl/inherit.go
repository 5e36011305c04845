package acl

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	inheritable = sddl.ContainerInherit | sddl.ObjectInherit
	auditFlags  = sddl.SuccessfulAccess | sddl.FailedAccess
)

// Inherit is what an object of the classes gets from its parent's entries, in the order
// of the parent. classes are its most specific structural class and its dynamic
// auxiliary classes; a superclass does not count. [MS-ADTS] 6.1.3, [MS-DTYP] 2.5.3.4.
//
// With owner or group zero, entries for CREATOR OWNER or CREATOR GROUP keep that SID.
// An entry that has an InheritedObjectType of all zeros applies when it denies and does
// not when it allows: what servers make of it is not documented.
func Inherit(parent []sddl.ACE, classes []sddl.GUID, owner, group sddl.SID) []sddl.ACE {
	return inherit(make([]sddl.ACE, 0, len(parent)), parent, classes, owner, group)
}

// inherit appends to into, whose entries are the explicit ones.
func inherit(into, parent []sddl.ACE, classes []sddl.GUID, owner, group sddl.SID) []sddl.ACE {
	explicit := len(into)
	for i := range parent {
		a := &parent[i]
		// InheritOnly on the parent is about the parent alone.
		if a.Flags&inheritable == 0 {
			continue
		}
		kept := a.Flags & (inheritable | auditFlags)
		once := a.Flags.Has(sddl.NoPropagate)
		// Every object is a container: what is for leaves only is handed down, idle.
		if !a.Flags.Has(sddl.ContainerInherit) || !applies(a, classes) {
			if !once {
				into = emit(into, explicit, flagged(a, kept|sddl.InheritOnly|sddl.Inherited))
			}
			continue
		}
		effective, changed := resolve(a, owner, group)
		effective.Flags = a.Flags&auditFlags | sddl.Inherited
		switch {
		case once:
			into = emit(into, explicit, effective)
		case changed:
			into = emit(into, explicit, effective)
			into = emit(into, explicit, flagged(a, kept|sddl.InheritOnly|sddl.Inherited))
		default:
			into = emit(into, explicit, flagged(a, kept|sddl.Inherited))
		}
	}
	return into
}

func flagged(a *sddl.ACE, flags sddl.ACEFlags) sddl.ACE {
	b := *a
	b.Flags = flags
	return b
}

// applies says whether an entry takes effect on an object of the classes.
func applies(a *sddl.ACE, classes []sddl.GUID) bool {
	if a.IsOpaque() || !a.HasInheritedObjectType() {
		return true
	}
	if a.InheritedObjectType.IsZero() {
		return a.Type.IsDeny()
	}
	return slices.Contains(classes, a.InheritedObjectType)
}

// resolve is an entry as it takes effect on one object: for a SID and for specific
// rights, and inherited by nothing. changed says whether SID or rights are others now.
func resolve(a *sddl.ACE, owner, group sddl.SID) (effective sddl.ACE, changed bool) {
	effective = *a
	if a.IsOpaque() {
		return effective, false
	}
	switch a.SID {
	case creatorOwner:
		changed = true
		if !owner.IsZero() {
			effective.SID = owner
		}
	case creatorGroup:
		changed = true
		if !group.IsZero() {
			effective.SID = group
		}
	}
	effective.Mask = a.Mask.MapGeneric()
	changed = changed || effective.Mask != a.Mask
	if a.HasInheritedObjectType() {
		effective.ObjectFlags &^= sddl.InheritedObjectTypePresent
		effective.InheritedObjectType = sddl.GUID{}
		if effective.ObjectFlags == 0 {
			effective.Type = plain(a.Type)
		}
	}
	return effective, changed
}

// plain is the type of the same entry without GUIDs: servers do not keep an object ACE
// that has lost its last one.
func plain(t sddl.ACEType) sddl.ACEType {
	switch t {
	case sddl.AllowObject:
		return sddl.Allow
	case sddl.DenyObject:
		return sddl.Deny
	case sddl.AuditObject:
		return sddl.Audit
	case sddl.AllowCallbackObject:
		return sddl.AllowCallback
	case sddl.DenyCallbackObject:
		return sddl.DenyCallback
	case sddl.AuditCallbackObject:
		return sddl.AuditCallback
	}
	return t
}

// emit appends x unless an inherited entry before it makes it superfluous: servers
// suppress such duplicates, but keep explicit ones. Seen on real servers; not documented.
func emit(into []sddl.ACE, explicit int, x sddl.ACE) []sddl.ACE {
	for i := explicit; i < len(into); i++ {
		y := &into[i]
		if x.Type != y.Type || x.Flags&^y.Flags != 0 || x.Mask&^y.Mask != 0 || x.ObjectType != y.ObjectType || x.SID != y.SID {
			continue
		}
		if x == *y {
			return into
		}
		if (x.Flags|y.Flags)&sddl.InheritOnly == 0 && !x.IsOpaque() &&
			x.HasObjectType() == y.HasObjectType() && x.Data == y.Data &&
			(!x.HasInheritedObjectType() || y.HasInheritedObjectType() && x.InheritedObjectType == y.InheritedObjectType) {
			return into
		}
	}
	return append(into, x)
}

// NewObject is the DACL of an object of the class that is created below the parent
// without a descriptor of its own: what the class has by default, then what it inherits.
// [MS-ADTS] 6.1.3, [MS-DTYP] 2.5.3.4.
//
// The result is never nil, since a nil DACL would grant everything. A parent without a
// DACL hands down nothing. A class that is nil, or has no default, or one without a
// DACL, has no explicit entries; a server would take some from the creator, which cannot
// be foreseen. A protected default inherits nothing.
func NewObject(parent *sddl.ACL, class *Class, owner, group sddl.SID) *sddl.ACL {
	var from []sddl.ACE
	if parent != nil {
		from = parent.ACEs
	}
	return newObject(from, class, owner, group)
}

func newObject(parent []sddl.ACE, class *Class, owner, group sddl.SID) *sddl.ACL {
	var aces []sddl.ACE
	var guids [1]sddl.GUID
	classes := guids[:0]
	protected := false
	if class != nil {
		classes = append(classes, class.GUID)
		if d := class.Default; d != nil && d.DACL != nil {
			protected = d.Control.Has(sddl.DACLProtected)
			aces = make([]sddl.ACE, 0, len(d.DACL.ACEs)+len(parent)+4)
			aces = ownEntries(aces, d.DACL.ACEs, protected, owner, group)
		}
	}
	if aces == nil {
		aces = make([]sddl.ACE, 0, len(parent)+4)
	}
	if !protected {
		aces = inherit(aces, parent, classes, owner, group)
	}
	acl := &sddl.ACL{Revision: 2, ACEs: aces}
	for i := range aces {
		if aces[i].Type.IsObject() {
			acl.Revision = 4
			break
		}
	}
	return acl
}

// ownEntries appends the explicit entries that a descriptor's entries become when it is
// given to an object. [MS-DTYP] 2.5.3.4, [MS-ADTS] 6.1.3.
func ownEntries(into, from []sddl.ACE, protected bool, owner, group sddl.SID) []sddl.ACE {
	for i := range from {
		a := from[i]
		if a.IsInherited() {
			if !protected {
				continue
			}
			a.Flags &^= sddl.Inherited
		}
		if a.Flags.Has(sddl.InheritOnly) {
			if a.Flags&inheritable != 0 {
				into = append(into, a)
			}
			continue
		}
		effective, changed := resolve(&a, owner, group)
		switch {
		case !changed:
			into = append(into, a)
		case !a.Flags.Has(sddl.ContainerInherit): // in place: only SID and rights become others
			a.SID, a.Mask = effective.SID, effective.Mask
			into = append(into, a)
		default:
			effective.Flags = a.Flags & auditFlags
			into = append(into, effective, flagged(&a, a.Flags|sddl.InheritOnly))
		}
	}
	return into
}
