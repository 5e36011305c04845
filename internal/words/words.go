// Package words says in plain words what an access control entry means, as the Windows
// permission dialog would. It judges nothing.
package words

import (
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Names finds names for what stands in an entry as a number. Either function may be
// nil or answer with an empty string where it knows none.
type Names struct {
	GUID func(sddl.GUID) string
	SID  func(sddl.SID) string
}

// ACE is the entry in words: who, what, where.
//
//	Allow CORP\agent$: Full control; descendant group objects
func ACE(a sddl.ACE, n Names) string {
	if a.IsOpaque() {
		return fmt.Sprintf("Entry of unknown type 0x%02x", byte(a.Type))
	}
	text := fmt.Sprintf("%s %s: %s; %s", kind(a.Type), n.sid(a.SID), Access(a, n), appliesTo(a, n))
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
	case t == sddl.Audit || t == sddl.AuditObject || t == sddl.AuditCallback || t == sddl.AuditCallbackObject:
		return "Audit"
	}
	return fmt.Sprintf("Type 0x%02x", byte(t))
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
	object := ""
	if a.HasObjectType() {
		object = n.guid(a.ObjectType)
	}
	return access(a.Mask.MapGeneric(), object)
}

// Rights is a set of rights in words.
func Rights(m sddl.Mask) string { return access(m.MapGeneric(), "") }

func access(mask sddl.Mask, object string) string {
	if mask == sddl.FullControl {
		if object == "" {
			return "Full control"
		}
		return "Full control of " + object
	}
	var out []string
	for _, b := range bits {
		if mask&b.mask == 0 {
			continue
		}
		mask &^= b.mask
		if object != "" && b.one != "" {
			out = append(out, fmt.Sprintf(b.one, object))
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
		class = n.guid(a.InheritedObjectType) + " "
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

func (n Names) guid(g sddl.GUID) string {
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
