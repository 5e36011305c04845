package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// right is a right by the name that policies have for it.
type right struct {
	name  string
	mask  sddl.Mask
	label string // as the Windows permission dialog has it; %s is the object
	takes objectKind
}

// objectKind is what the object of a right is, if it takes one.
type objectKind int

const (
	takesNothing objectKind = iota
	takesClass
	takesProperty // an attribute or a property set
	takesExtendedRight
	takesValidatedWrite
)

// rights are the rights of [MS-ADTS] 5.1.3.2 by name.
var rights = []right{
	{"full-control", sddl.FullControl, "Full control", takesNothing},
	{"read-all-properties", sddl.ReadProperty, "Read all properties", takesNothing},
	{"write-all-properties", sddl.WriteProperty, "Write all properties", takesNothing},
	{"all-validated-writes", sddl.WriteSelf, "All validated writes", takesNothing},
	{"all-extended-rights", sddl.ControlAccess, "All extended rights", takesNothing},
	{"create-all-child-objects", sddl.CreateChild, "Create all child objects", takesNothing},
	{"delete-all-child-objects", sddl.DeleteChild, "Delete all child objects", takesNothing},
	{"list-contents", sddl.ListContents, "List contents", takesNothing},
	{"list-object", sddl.ListObject, "List object", takesNothing},
	{"delete", sddl.Delete, "Delete", takesNothing},
	{"delete-subtree", sddl.DeleteTree, "Delete subtree", takesNothing},
	{"read-permissions", sddl.ReadControl, "Read permissions", takesNothing},
	{"modify-permissions", sddl.WriteDACL, "Modify permissions", takesNothing},
	{"modify-owner", sddl.WriteOwner, "Modify owner", takesNothing},
	{"read-property", sddl.ReadProperty, "Read %s", takesProperty},
	{"write-property", sddl.WriteProperty, "Write %s", takesProperty},
	{"create-child", sddl.CreateChild, "Create %s objects", takesClass},
	{"delete-child", sddl.DeleteChild, "Delete %s objects", takesClass},
	{"extended-right", sddl.ControlAccess, "%s", takesExtendedRight},
	{"validated-write", sddl.WriteSelf, "Validated write to %s", takesValidatedWrite},
}

// scope is a place by the name that policies have for it.
type scope struct {
	name  string
	scope acl.Scope
	label string // as the Windows permission dialog has it; %s is the class with a blank after it, or nothing
}

var scopes = []scope{
	{"this-object", acl.ThisObject, "This object only"},
	{"this-object-and-descendants", acl.ThisObjectAndDescendants, "This object and all descendant %sobjects"},
	{"descendants", acl.Descendants, "Descendant %sobjects"},
	{"children", acl.Children, "Child %sobjects"},
}

func rightNamed(name string) (right, bool) {
	i := slices.IndexFunc(rights, func(r right) bool { return r.name == name })
	if i < 0 {
		return right{}, false
	}
	return rights[i], true
}

func scopeNamed(name string) (scope, bool) {
	i := slices.IndexFunc(scopes, func(s scope) bool { return s.name == name })
	if i < 0 {
		return scope{}, false
	}
	return scopes[i], true
}

// check finds what is wrong with a rule without a schema.
func (r *Rule) check() error {
	if r.ID == "" || len(r.Rights) == 0 {
		return fmt.Errorf("id and rights must not be empty")
	}
	kind := takesNothing
	for i, name := range r.Rights {
		right, ok := rightNamed(name)
		if !ok {
			return fmt.Errorf("rule %s: unknown right %q, want one of %s", r.ID, name, rightNames())
		}
		if i > 0 && right.takes != kind {
			return fmt.Errorf("rule %s: %s and %s take different objects, make them two rules", r.ID, r.Rights[0], name)
		}
		kind = right.takes
	}
	switch {
	case kind == takesNothing && r.Object != "":
		return fmt.Errorf("rule %s: %s takes no object", r.ID, r.Rights[0])
	case kind != takesNothing && r.Object == "":
		return fmt.Errorf("rule %s: %s needs an object", r.ID, r.Rights[0])
	}
	where, ok := scopeNamed(r.Scope)
	if !ok {
		return fmt.Errorf("rule %s: unknown scope %q, want one of %s", r.ID, r.Scope, scopeNames())
	}
	// An entry for a class that is not inherit-only applies to the target whatever its
	// class is, so that one rule cannot say both. [MS-ADTS] 5.1.3.3.
	if r.Class != "" && (where.scope == acl.ThisObject || where.scope == acl.ThisObjectAndDescendants) {
		return fmt.Errorf("rule %s: scope %s takes no class, for it reaches the target itself", r.ID, r.Scope)
	}
	return nil
}

func rightNames() string {
	names := make([]string, len(rights))
	for i, r := range rights {
		names[i] = r.name
	}
	return strings.Join(names, ", ")
}

func scopeNames() string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

// Access is what the rule asks for in the words of the Windows permission dialog:
// "Create user objects, Delete user objects".
func (r *Rule) Access() string {
	var out []string
	for _, name := range r.Rights {
		right, _ := rightNamed(name)
		if right.takes != takesNothing {
			out = append(out, fmt.Sprintf(right.label, r.Object))
		} else {
			out = append(out, right.label)
		}
	}
	return strings.Join(out, ", ")
}

// AppliesTo is where the rule asks for it in the words of the Windows permission
// dialog: "Descendant group objects".
func (r *Rule) AppliesTo() string {
	class := ""
	if r.Class != "" {
		class = r.Class + " "
	}
	where, _ := scopeNamed(r.Scope)
	if !strings.Contains(where.label, "%s") {
		return where.label
	}
	return fmt.Sprintf(where.label, class)
}
