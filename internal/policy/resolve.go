package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Requirement is a rule with its names resolved to GUIDs.
type Requirement struct {
	Rule *Rule
	acl.Requirement

	// NotApplicable says which name the schema lacks, for a rule that is optional; empty
	// otherwise.
	NotApplicable string
}

// Resolve looks up the names of every rule in a schema. A name that the schema lacks is
// an *Error with the line, unless the rule is optional.
func (p *Policy) Resolve(s *directory.Schema) ([]Requirement, error) {
	out := make([]Requirement, 0, len(p.Rules))
	for i := range p.Rules {
		rule := &p.Rules[i]
		req := Requirement{Rule: rule}
		lacking, err := rule.resolve(s, &req.Requirement)
		switch {
		case err != nil:
			return nil, &Error{rule.file, rule.line, fmt.Sprintf("rule %s: %v", rule.ID, err)}
		case lacking != "" && !rule.Optional:
			return nil, &Error{rule.file, rule.line, fmt.Sprintf("rule %s: %s", rule.ID, lacking)}
		}
		req.NotApplicable = lacking
		out = append(out, req)
	}
	return out, nil
}

func (r *Rule) resolve(s *directory.Schema, req *acl.Requirement) (lacking string, err error) {
	where, ok := scopeNamed(r.Scope)
	if !ok {
		return "", fmt.Errorf("unknown scope %q", r.Scope)
	}
	req.Scope = where.scope
	kind := takesNothing
	for _, name := range r.Rights {
		right, ok := rightNamed(name)
		if !ok {
			return "", fmt.Errorf("unknown right %q", name)
		}
		req.Right.Mask |= right.mask
		kind = right.takes
	}
	if r.Class != "" {
		c := s.Class(r.Class)
		if c == nil || c.Defunct {
			return fmt.Sprintf("the schema has no class %q", r.Class), nil
		}
		req.Class = c.GUID
	}
	access := sddl.Mask(0)
	switch kind {
	case takesNothing:
		return "", nil
	case takesClass:
		c := s.Class(r.Object)
		if c == nil || c.Defunct {
			return fmt.Sprintf("the schema has no class %q", r.Object), nil
		}
		req.Right.Object, req.Right.Kind = c.GUID, acl.ChildClass
		return "", nil
	case takesProperty:
		if a := s.Attribute(r.Object); a != nil && !a.Defunct {
			req.Right.Object, req.Right.Kind = a.GUID, acl.Attribute
			return "", r.resolveAttribute(a, req)
		}
		access, req.Right.Kind = sddl.ReadProperty|sddl.WriteProperty, acl.PropertySet
	case takesExtendedRight:
		access, req.Right.Kind = sddl.ControlAccess, acl.ExtendedRight
	case takesValidatedWrite:
		access, req.Right.Kind = sddl.WriteSelf, acl.ValidatedWrite
	}
	right := s.Right(r.Object, access)
	if right == nil {
		return fmt.Sprintf("the schema has no attribute, property set or right %q for %s", r.Object, r.Rights[0]), nil
	}
	req.Right.Object = right.GUID
	return "", nil
}

// resolveAttribute adds what reading one attribute takes beyond the right to read
// properties. [MS-ADTS] 3.1.1.4.4.
func (r *Rule) resolveAttribute(a *directory.AttributeSchema, req *acl.Requirement) error {
	switch strings.ToLower(a.Name) {
	case "ntsecuritydescriptor":
		return errors.New("nTSecurityDescriptor goes by read-permissions and modify-permissions")
	case "msds-managedpassword":
		return errors.New("msDS-ManagedPassword goes by the account's msDS-GroupMSAMembership, which is not audited here")
	}
	if a.Confidential() && req.Right.Mask&sddl.ReadProperty != 0 {
		req.Right.Mask |= sddl.ControlAccess
	}
	return nil
}
