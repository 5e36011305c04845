package acl

import "github.com/gmsactl/gmsactl/internal/sddl"

// Beyond are the rights that an entry gives its SID, here or below, and that none of the
// requirements asks for: zero for an entry that could be there just for them. It judges
// by structure alone, as [Covers] does, and takes the requirements for what
// [MissingACEs] would write for them. An entry that is no unconditional allow, or of
// which nobody can say what it grants, is beyond nothing.
func Beyond(a sddl.ACE, reqs []Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) sddl.Mask {
	if a.Type != sddl.Allow && a.Type != sddl.AllowObject {
		return 0
	}
	// Nothing else is a right of a directory object. [MS-ADTS] 5.1.3.2.
	d := demand{want: a.Mask.MapGeneric() & sddl.FullControl, object: a.ObjectType, class: a.InheritedObjectType}
	if propertySetOf != nil && a.HasObjectType() {
		d.set = propertySetOf(a.ObjectType)
	}
	if !a.Flags.Has(sddl.InheritOnly) {
		d.list[d.n] = part{onTarget, d.want}
		d.n++
	}
	if a.Flags.Has(sddl.ContainerInherit) {
		on := onBelow
		if a.Flags.Has(sddl.NoPropagate) {
			on = onChildren
		}
		d.list[d.n] = part{on, d.want}
		d.n++
	}
	for _, asked := range MissingACEs(&sddl.ACL{}, a.SID, reqs, propertySetOf) {
		d.take(&asked)
	}
	return d.left()
}

// Overlaps says whether an entry may give its SID a part of what the requirement asks
// for, somewhere: a right of it, for what it is about, for objects of its class.
func Overlaps(a sddl.ACE, req Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) bool {
	if a.Mask.MapGeneric()&req.Right.bits() == 0 {
		return false
	}
	if a.HasInheritedObjectType() && !req.Class.IsZero() && a.InheritedObjectType != req.Class && a.Flags.Has(sddl.InheritOnly) {
		return false
	}
	object := req.Right.Object
	if !a.HasObjectType() || object.IsZero() || a.ObjectType == object || propertySetOf == nil {
		return true
	}
	return propertySetOf(object) == a.ObjectType || propertySetOf(a.ObjectType) == object
}
