// Package words says in plain words what an access control entry means, as the Windows
// permission dialog would. It judges nothing.
package words

import (
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Names finds names for what stands in an entry as a number. Each function may be
// nil or answer with an empty string where it knows none.
type Names struct {
	GUID func(sddl.GUID) string
	SID  func(sddl.SID) string

	// Object is asked before GUID: one GUID may be an attribute, a property set and a
	// right, and only the right that an entry gives says which is meant. The class that
	// inherits an entry is asked for with CreateChild. [MS-ADTS] 5.1.3.2.
	Object func(g sddl.GUID, right sddl.Mask) string
}

// ACE is the entry in words: who, what, where.
//
//	Allow CORP\agent$: Full control; descendant group objects
func ACE(a sddl.ACE, n Names) string {
	if a.IsOpaque() {
		return fmt.Sprintf("Entry of unknown type 0x%02x", byte(a.Type))
	}
	text := kind(a.Type) + " " + n.sid(a.SID)
	switch a.Type {
	case sddl.ResourceAttribute, sddl.ScopedPolicyID:
		// Their mask says nothing. [MS-DTYP] 2.4.4.15, 2.4.4.16.
	case sddl.MandatoryLabel:
		text += ": " + label(a.Mask)
	default:
		text += ": " + Access(a, n)
	}
	text += "; " + appliesTo(a, n)
	if isAudit(a.Type) {
		text += "; " + audited(a.Flags)
	}
	if a.Type.IsCallback() {
		text += "; only under a condition"
	}
	if a.IsInherited() {
		text += "; inherited"
	}
	return text
}

func kind(t sddl.ACEType) string {
	switch {
	case t.IsAllow():
		return "Allow"
	case t.IsDeny():
		return "Deny"
	case isAudit(t):
		return "Audit"
	}
	switch t {
	case sddl.Alarm, sddl.AlarmObject, sddl.AlarmCallback, sddl.AlarmCallbackObject:
		return "Alarm"
	case sddl.MandatoryLabel:
		return "Integrity label"
	case sddl.ResourceAttribute:
		return "Resource attribute for"
	case sddl.ScopedPolicyID:
		return "Central access policy"
	case sddl.ProcessTrustLabel:
		return "Process trust label"
	}
	return fmt.Sprintf("Type 0x%02x", byte(t))
}

func isAudit(t sddl.ACEType) bool {
	return t == sddl.Audit || t == sddl.AuditObject || t == sddl.AuditCallback || t == sddl.AuditCallbackObject
}

// audited is which outcomes an audit entry logs. [MS-DTYP] 2.4.4.1.
func audited(f sddl.ACEFlags) string {
	switch f & (sddl.SuccessfulAccess | sddl.FailedAccess) {
	case sddl.SuccessfulAccess:
		return "on success"
	case sddl.FailedAccess:
		return "on failure"
	case sddl.SuccessfulAccess | sddl.FailedAccess:
		return "on success and failure"
	}
	return "never logged, for it names no outcome"
}

// label is what an integrity label keeps from who is below it. [MS-DTYP] 2.4.4.13.
func label(m sddl.Mask) string {
	var out []string
	for _, b := range []struct {
		mask sddl.Mask
		name string
	}{{1, "no write up"}, {2, "no read up"}, {4, "no execute up"}} {
		if m&b.mask != 0 {
			out = append(out, b.name)
			m &^= b.mask
		}
	}
	if m != 0 {
		out = append(out, fmt.Sprintf("other rights 0x%x", uint32(m)))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// bits are the single rights in the order in which the Windows dialog lists them. With
// an object they mean that one attribute, right or class.
var bits = []struct {
	mask       sddl.Mask
	whole, one string
}{
	{sddl.ListContents, "List contents", ""},
	{sddl.ReadProperty, "Read all properties", "Read %s"},
	{sddl.WriteProperty, "Write all properties", "Write %s"},
	{sddl.Delete, "Delete", ""},
	{sddl.DeleteTree, "Delete subtree", ""},
	{sddl.ReadControl, "Read permissions", ""},
	{sddl.WriteDACL, "Modify permissions", ""},
	{sddl.WriteOwner, "Modify owner", ""},
	{sddl.WriteSelf, "All validated writes", "Validated write to %s"},
	{sddl.ControlAccess, "All extended rights", "Extended right %s"},
	{sddl.CreateChild, "Create all child objects", "Create %s objects"},
	{sddl.DeleteChild, "Delete all child objects", "Delete %s objects"},
	{sddl.ListObject, "List object", ""},
}

// Access is what an entry allows or denies, in words.
func Access(a sddl.ACE, n Names) string {
	if !a.HasObjectType() {
		return access(a.Mask.MapGeneric(), nil)
	}
	return access(a.Mask.MapGeneric(), func(right sddl.Mask) string { return n.object(a.ObjectType, right) })
}

// Rights is a set of rights in words.
func Rights(m sddl.Mask) string { return access(m.MapGeneric(), nil) }

func access(mask sddl.Mask, object func(right sddl.Mask) string) string {
	if mask == sddl.FullControl {
		if object == nil {
			return "Full control"
		}
		return "Full control of " + object(sddl.FullControl)
	}
	var out []string
	for _, b := range bits {
		if mask&b.mask == 0 {
			continue
		}
		mask &^= b.mask
		if object != nil && b.one != "" {
			out = append(out, fmt.Sprintf(b.one, object(b.mask)))
		} else {
			out = append(out, b.whole)
		}
	}
	if mask != 0 {
		out = append(out, fmt.Sprintf("other rights 0x%x", uint32(mask)))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// appliesTo is where the entry takes effect. AD takes every object for a container, so
// that object inheritance alone reaches nothing. [MS-ADTS] 6.1.3.
func appliesTo(a sddl.ACE, n Names) string {
	class := ""
	if a.HasInheritedObjectType() {
		class = n.object(a.InheritedObjectType, sddl.CreateChild) + " "
	}
	self, below := !a.Flags.Has(sddl.InheritOnly), a.Flags.Has(sddl.ContainerInherit)
	descendants := "descendant " + class + "objects"
	if a.Flags.Has(sddl.NoPropagate) {
		descendants = "child " + class + "objects"
	}
	switch {
	case self && below:
		return "this object and " + descendants
	case self:
		return "this object only"
	case below:
		return descendants
	}
	return "nothing"
}

func (n Names) object(g sddl.GUID, right sddl.Mask) string {
	if n.Object != nil {
		if name := n.Object(g, right); name != "" {
			return name
		}
	}
	if n.GUID != nil {
		if name := n.GUID(g); name != "" {
			return name
		}
	}
	return g.String()
}

func (n Names) sid(s sddl.SID) string {
	if n.SID != nil {
		if name := n.SID(s); name != "" {
			return name
		}
	}
	if name := WellKnownSID(s); name != "" {
		return name
	}
	return s.String()
}
