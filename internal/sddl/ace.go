package sddl

import (
	"encoding/binary"
	"fmt"
)

// ACEType is the kind of an access control entry. [MS-DTYP] 2.4.4.1.
type ACEType byte

// The ACE types that carry a mask and a SID. [MS-DTYP] 2.4.4.1.
const (
	Allow                     ACEType = 0x00
	Deny                      ACEType = 0x01
	Audit                     ACEType = 0x02
	Alarm                     ACEType = 0x03
	AllowObject               ACEType = 0x05
	DenyObject                ACEType = 0x06
	AuditObject               ACEType = 0x07
	AlarmObject               ACEType = 0x08
	AllowCallback             ACEType = 0x09
	DenyCallback              ACEType = 0x0a
	AllowCallbackObject       ACEType = 0x0b
	DenyCallbackObject        ACEType = 0x0c
	AuditCallback             ACEType = 0x0d
	AlarmCallback             ACEType = 0x0e
	AuditCallbackObject       ACEType = 0x0f
	AlarmCallbackObject       ACEType = 0x10
	MandatoryLabel            ACEType = 0x11
	ResourceAttribute         ACEType = 0x12
	ScopedPolicyID            ACEType = 0x13
	ProcessTrustLabel         ACEType = 0x14
	allowCompound             ACEType = 0x04
	lastACETypeWithMaskAndSID         = ProcessTrustLabel
)

// IsObject says whether ACEs of this type carry object flags and GUIDs.
func (t ACEType) IsObject() bool {
	switch t {
	case AllowObject, DenyObject, AuditObject, AlarmObject,
		AllowCallbackObject, DenyCallbackObject, AuditCallbackObject, AlarmCallbackObject:
		return true
	}
	return false
}

// IsAllow says whether ACEs of this type may grant, conditionally or not.
func (t ACEType) IsAllow() bool {
	return t == Allow || t == AllowObject || t == AllowCallback || t == AllowCallbackObject
}

// IsDeny says whether ACEs of this type may deny, conditionally or not.
func (t ACEType) IsDeny() bool {
	return t == Deny || t == DenyObject || t == DenyCallback || t == DenyCallbackObject
}

// IsCallback says whether ACEs of this type carry a condition.
func (t ACEType) IsCallback() bool { return t >= AllowCallback && t <= AlarmCallbackObject }

// isOpaque says whether the body of ACEs of this type is kept as bytes only.
func (t ACEType) isOpaque() bool { return t == allowCompound || t > lastACETypeWithMaskAndSID }

// ACEFlags are the inheritance and audit flags of an ACE. [MS-DTYP] 2.4.4.1.
type ACEFlags byte

// The ACE flags. [MS-DTYP] 2.4.4.1.
const (
	ObjectInherit    ACEFlags = 0x01
	ContainerInherit ACEFlags = 0x02
	NoPropagate      ACEFlags = 0x04
	InheritOnly      ACEFlags = 0x08
	Inherited        ACEFlags = 0x10
	SuccessfulAccess ACEFlags = 0x40
	FailedAccess     ACEFlags = 0x80
)

// Has says whether all of the given flags are set.
func (f ACEFlags) Has(flags ACEFlags) bool { return f&flags == flags }

// Mask is a set of access rights. [MS-ADTS] 5.1.3.2.
type Mask uint32

// The rights of directory objects. [MS-ADTS] 5.1.3.2.
const (
	CreateChild    Mask = 0x00000001
	DeleteChild    Mask = 0x00000002
	ListContents   Mask = 0x00000004
	WriteSelf      Mask = 0x00000008 // validated write
	ReadProperty   Mask = 0x00000010
	WriteProperty  Mask = 0x00000020
	DeleteTree     Mask = 0x00000040
	ListObject     Mask = 0x00000080
	ControlAccess  Mask = 0x00000100 // extended right
	Delete         Mask = 0x00010000
	ReadControl    Mask = 0x00020000
	WriteDACL      Mask = 0x00040000
	WriteOwner     Mask = 0x00080000
	SystemSecurity Mask = 0x01000000
	GenericAll     Mask = 0x10000000
	GenericExecute Mask = 0x20000000
	GenericWrite   Mask = 0x40000000
	GenericRead    Mask = 0x80000000

	// FullControl is every right of a directory object. [MS-ADTS] 6.1.3.
	FullControl Mask = 0x000f01ff
)

// MapGeneric replaces the generic rights by what they mean on a directory object and
// drops, if there were any, the bits that mean nothing there. [MS-ADTS] 6.1.3.
func (m Mask) MapGeneric() Mask {
	const generic = GenericAll | GenericExecute | GenericWrite | GenericRead
	if m&generic == 0 {
		return m
	}
	if m&GenericAll != 0 {
		m |= FullControl
	}
	if m&GenericRead != 0 {
		m |= ReadControl | ListContents | ReadProperty | ListObject
	}
	if m&GenericWrite != 0 {
		m |= ReadControl | WriteProperty | WriteSelf
	}
	if m&GenericExecute != 0 {
		m |= ReadControl | ListContents
	}
	return m & FullControl
}

// The object flags: which GUIDs an object ACE carries. [MS-DTYP] 2.4.4.3.
const (
	ObjectTypePresent          uint32 = 1
	InheritedObjectTypePresent uint32 = 2
)

// ACE is one access control entry. It is comparable: two ACEs are equal exactly when
// their bytes are. The zero GUID in ObjectType or InheritedObjectType means none
// unless ObjectFlags says that it is there. [MS-DTYP] 2.4.4.
type ACE struct {
	Type                ACEType
	Flags               ACEFlags
	Mask                Mask
	ObjectFlags         uint32 // of object types only; unknown bits are kept
	ObjectType          GUID
	InheritedObjectType GUID
	SID                 SID
	Data                string // what follows the SID: condition, claim, padding; of an unknown type, the whole body
}

// ObjectACE is an allow or deny entry for a directory object, of the plain type when
// it has neither GUID.
func ObjectACE(t ACEType, flags ACEFlags, mask Mask, objectType, inheritedObjectType GUID, sid SID) ACE {
	ace := ACE{Type: t, Flags: flags, Mask: mask, ObjectType: objectType, InheritedObjectType: inheritedObjectType, SID: sid}
	if !objectType.IsZero() {
		ace.ObjectFlags |= ObjectTypePresent
	}
	if !inheritedObjectType.IsZero() {
		ace.ObjectFlags |= InheritedObjectTypePresent
	}
	switch {
	case ace.ObjectFlags == 0:
	case t == Allow:
		ace.Type = AllowObject
	case t == Deny:
		ace.Type = DenyObject
	}
	return ace
}

// IsInherited says whether the entry came from the parent.
func (a ACE) IsInherited() bool { return a.Flags.Has(Inherited) }

// HasObjectType says whether the entry is about one attribute, property set, right or
// child class only.
func (a ACE) HasObjectType() bool { return a.ObjectFlags&ObjectTypePresent != 0 }

// HasInheritedObjectType says whether the entry is inherited by one class only.
func (a ACE) HasInheritedObjectType() bool { return a.ObjectFlags&InheritedObjectTypePresent != 0 }

// IsOpaque says whether the entry is of a type whose body is not understood, so that
// nobody can say what it grants or denies.
func (a ACE) IsOpaque() bool { return a.Type.isOpaque() }

// Len is the number of bytes of the binary form.
func (a ACE) Len() int {
	n := 4 + len(a.Data)
	if a.Type.isOpaque() {
		return n
	}
	n += 4 + a.SID.Len()
	if a.Type.IsObject() {
		n += 4
		if a.HasObjectType() {
			n += 16
		}
		if a.HasInheritedObjectType() {
			n += 16
		}
	}
	return n
}

// Append appends the binary form to dst. [MS-DTYP] 2.4.4.
func (a ACE) Append(dst []byte) []byte {
	dst = append(dst, byte(a.Type), byte(a.Flags))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(a.Len()))
	if a.Type.isOpaque() {
		return append(dst, a.Data...)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(a.Mask))
	if a.Type.IsObject() {
		dst = binary.LittleEndian.AppendUint32(dst, a.ObjectFlags)
		if a.HasObjectType() {
			dst = append(dst, a.ObjectType[:]...)
		}
		if a.HasInheritedObjectType() {
			dst = append(dst, a.InheritedObjectType[:]...)
		}
	}
	dst = append(dst, a.SID.b...)
	return append(dst, a.Data...)
}

// parseACE cuts the ACE that s begins with and says how long it is.
func parseACE(s string) (ACE, int, error) {
	if len(s) < 4 {
		return ACE{}, 0, fmt.Errorf("ACE header needs 4 bytes, has %d", len(s))
	}
	a := ACE{Type: ACEType(s[0]), Flags: ACEFlags(s[1])}
	size := int(le16(s, 2))
	if size < 4 || size > len(s) {
		return ACE{}, 0, fmt.Errorf("ACE size %d does not fit into the %d bytes left", size, len(s))
	}
	body := s[4:size]
	if a.Type.isOpaque() {
		a.Data = body
		return a, size, nil
	}
	if len(body) < 4 {
		return ACE{}, 0, fmt.Errorf("ACE of type 0x%02x and size %d has no mask", byte(a.Type), size)
	}
	a.Mask, body = Mask(le32(body, 0)), body[4:]
	if a.Type.IsObject() {
		if len(body) < 4 {
			return ACE{}, 0, fmt.Errorf("object ACE of size %d has no object flags", size)
		}
		a.ObjectFlags, body = le32(body, 0), body[4:]
		for _, g := range []struct {
			bit uint32
			at  *GUID
		}{{ObjectTypePresent, &a.ObjectType}, {InheritedObjectTypePresent, &a.InheritedObjectType}} {
			if a.ObjectFlags&g.bit == 0 {
				continue
			}
			if len(body) < 16 {
				return ACE{}, 0, fmt.Errorf("object ACE of size %d is too short for its GUIDs", size)
			}
			copy(g.at[:], body)
			body = body[16:]
		}
	}
	sid, n, err := sidPrefix(body)
	if err != nil {
		return ACE{}, 0, err
	}
	a.SID, a.Data = sid, body[n:]
	return a, size, nil
}
