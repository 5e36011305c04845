// Package acl judges: what a DACL grants to whom, what a new object below it would
// inherit, which entry grants what is required, and which entries are missing. It is
// pure: no I/O, no names, no schema but what the caller hands in. The rules are those
// of [MS-ADTS] 5.1.3.3 and 6.1.3. Privileges (take ownership, backup, ...) override a
// DACL and cannot be seen in a directory, so nothing here considers them.
package acl

import "github.com/gmsactl/gmsactl/internal/sddl"

// Via is how an account comes by a SID of its token. [MS-ADTS] 5.1.3.3.
type Via int

// How an account comes by a SID, best first. The zero value is a SID it has not.
const (
	NotHeld   Via = iota
	Own           // the account's own SID
	Group         // a group it is in
	WellKnown     // Everyone, Authenticated Users, ..., and groups it is in through those only
)

// Token is who asks. [MS-ADTS] 5.1.3.3.
type Token struct {
	Account  sddl.SID
	SIDs     map[sddl.SID]Via
	Complete bool // false: the account may be in more groups than SIDs lists
}

// Via says how the token comes by the SID.
func (t *Token) Via(sid sddl.SID) Via {
	if sid.IsZero() {
		return NotHeld
	}
	if sid == t.Account {
		return Own
	}
	return t.SIDs[sid]
}

// Class is what a check must know about the class of an object. [MS-ADTS] 5.1.3.3.3.
type Class struct {
	Name string
	GUID sddl.GUID // schemaIDGUID

	// Attributes are the attributes an object of the class may have, by schemaIDGUID,
	// with their property set, zero for none. nil: not known, so that nobody can say
	// what an entry for a GUID is about.
	Attributes map[sddl.GUID]sddl.GUID

	Default *sddl.Descriptor // defaultSecurityDescriptor; nil: none
}

// hasPropertySet says whether an attribute of the class is in the property set.
func (c *Class) hasPropertySet(set sddl.GUID) bool {
	for _, s := range c.Attributes {
		if s == set {
			return true
		}
	}
	return false
}

// ObjectKind is what the GUID of a right names. One GUID may be an attribute, a property
// set and a validated write at once. [MS-ADTS] 5.1.3.2.1.
type ObjectKind int

// What the GUID of a right names.
const (
	WholeObject    ObjectKind = iota // no GUID: the whole object, every right, every class
	Attribute                        // schemaIDGUID of an attribute
	PropertySet                      // rightsGuid of a property set
	ExtendedRight                    // rightsGuid of a control access right
	ValidatedWrite                   // rightsGuid of a validated write
	ChildClass                       // schemaIDGUID of the class of a child
)

// Right is a right to an object or to a part of it. [MS-ADTS] 5.1.3.2.
//
// A validated write is not the same as the right to write the attribute: WriteProperty
// suffices for the write, but is not answered here when WriteSelf is asked for.
// Ask for ListContents where an object below is to be seen: ReadProperty does not give it.
type Right struct {
	Mask   sddl.Mask
	Object sddl.GUID // zero: the whole object, all rights, all classes
	Kind   ObjectKind
}

const (
	// childBits are about children of one class each. [MS-ADTS] 3.1.1.5.2.1.
	childBits = sddl.CreateChild | sddl.DeleteChild
	// propertyBits are about attributes. [MS-ADTS] 5.1.3.3.3.
	propertyBits = sddl.ReadProperty | sddl.WriteProperty
	// objectBits are about the object as such; no GUID narrows them. [MS-ADTS] 5.1.3.3.2.
	objectBits = sddl.FullControl &^ (childBits | propertyBits | sddl.ControlAccess | sddl.WriteSelf)
)

// bits are the specific rights asked for; zero when the right makes no sense: no bits,
// bits that a directory object has not (AccessSystemSecurity comes by privilege only),
// or bits that are not about what the GUID names.
func (r Right) bits() sddl.Mask {
	want := r.Mask.MapGeneric()
	var fitting sddl.Mask
	switch r.Kind {
	case WholeObject:
		fitting = sddl.FullControl
		if !r.Object.IsZero() {
			return 0
		}
	case Attribute:
		// ControlAccess too: a confidential attribute needs it. [MS-ADTS] 3.1.1.4.4.
		fitting = propertyBits | sddl.ControlAccess | sddl.WriteSelf | objectBits
	case PropertySet:
		fitting = propertyBits | sddl.ControlAccess | objectBits
	case ExtendedRight:
		fitting = sddl.ControlAccess | objectBits
	case ValidatedWrite:
		fitting = sddl.WriteSelf | objectBits
	case ChildClass:
		fitting = childBits | objectBits
	}
	if want&^fitting != 0 {
		return 0
	}
	if r.Object.IsZero() && (r.Kind == Attribute || r.Kind == PropertySet) {
		return 0
	}
	return want
}

// Scope is which objects a requirement is about, seen from its target.
type Scope int

// The scopes. [MS-DTYP] 2.4.4.1.
const (
	ThisObject Scope = iota
	ThisObjectAndDescendants
	Descendants
	Children // direct children only
)

// self says whether the target itself is in the scope.
func (s Scope) self() bool { return s == ThisObject || s == ThisObjectAndDescendants }

// below says whether anything below the target is in the scope.
func (s Scope) below() bool { return s != ThisObject }

// flags are the inheritance flags of an ACE with just this scope. [MS-DTYP] 2.4.4.1.
func (s Scope) flags() sddl.ACEFlags {
	switch s {
	case ThisObjectAndDescendants:
		return sddl.ContainerInherit
	case Descendants:
		return sddl.ContainerInherit | sddl.InheritOnly
	case Children:
		return sddl.ContainerInherit | sddl.InheritOnly | sddl.NoPropagate
	}
	return 0
}

// Requirement is a right that an account is to have on a target and below it.
type Requirement struct {
	Right Right
	Scope Scope
	Class sddl.GUID // of descendants, only those of this class; zero: of any
}

// MayHold says whether the token may hold a SID that it does not list: one of a group that was not read,
// or one that the KDC adds by what it knows of claims and of the device, as nobody here does. [MS-DTYP] 2.4.2.4.
func (t *Token) MayHold(sid sddl.SID) bool {
	return !t.Complete || sid == claimsValid || sid == compoundedAuthentication
}

// Claims Valid and Compounded Authentication, S-1-5-21-0-0-0-497 and -496.
var (
	claimsValid              = wellKnown(5, 21).WithRID(0).WithRID(0).WithRID(0).WithRID(497)
	compoundedAuthentication = wellKnown(5, 21).WithRID(0).WithRID(0).WithRID(0).WithRID(496)
)

// wellKnown is S-1-authority-rid.
func wellKnown(authority byte, rid uint32) sddl.SID {
	sid, _ := sddl.ParseSIDBytes([]byte{1, 0, 0, 0, 0, 0, 0, authority})
	return sid.WithRID(rid)
}

// The SIDs that stand for somebody else. [MS-DTYP] 2.4.2.4.
var (
	creatorOwner  = wellKnown(3, 0)
	creatorGroup  = wellKnown(3, 1)
	ownerRights   = wellKnown(3, 4)
	principalSelf = wellKnown(5, 10)
)
