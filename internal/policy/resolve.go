package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/baseschema"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/suggest"
)

// Requirement is a rule with its names resolved to GUIDs.
type Requirement struct {
	Rule *Rule

	// Any are the permissions of which one is enough, in the order of the rule; those that the schema
	// lacks names for are left out. Of a rule that forbids, each right that it forbids. None for a rule about
	// attributes or a whole DACL.
	Any []acl.Requirement

	// On are, of each of Any, the classes below the target on which it must be effective, by schemaIDGUID; nil: every class that
	// may stand there.
	On [][]sddl.GUID

	// NotApplicable says which name the schema lacks, for a rule that is optional, or which
	// condition does not hold; empty otherwise.
	NotApplicable string
}

// Asked are the permissions of which the account needs one; none for a rule that forbids, is about
// something else, or does not apply.
func (r *Requirement) Asked() []acl.Requirement {
	if r.Rule.Forbidden || r.NotApplicable != "" {
		return nil
	}
	return r.Any
}

// exchangeMark is an attribute of every version of Exchange that has mailboxes in the cloud, and of no schema without Exchange.
const exchangeMark = "msExchRecipientTypeDetails"

// Resolve looks up the names of every rule in a schema. A name that the schema lacks is
// an *Error with the position, unless the rule is optional.
func (p *Policy) Resolve(s *directory.Schema) ([]Requirement, error) {
	for i := range p.Rules {
		// A rule that was left out would be one that passes.
		if err := p.Rules[i].unbound(); err != nil {
			return nil, err
		}
	}
	out, err := p.ResolveAll(s)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ResolveAll is [Policy.Resolve] that goes on after a name that the schema lacks: the error holds one
// for each, and the rules without them are resolved. Rules that name a parameter which has no value are left out.
func (p *Policy) ResolveAll(s *directory.Schema) ([]Requirement, error) {
	out := make([]Requirement, 0, len(p.Rules))
	var errs []error
	for i := range p.Rules {
		rule := &p.Rules[i]
		req := Requirement{Rule: rule}
		if rule.namesParameter() {
			continue
		}
		if req.NotApplicable = rule.When.lacking(s); req.NotApplicable == "" {
			if err := rule.resolve(s, &req); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		out = append(out, req)
	}
	return out, errors.Join(errs...)
}

// unbound is an error where a rule has a parameter that no value was put in the place of.
func (r *Rule) unbound() error {
	for _, at := range r.places() {
		for _, m := range variable.FindAllStringSubmatch(*at.text, -1) {
			if !slices.Contains(Known, m[1]) {
				return at.at.fail(at.key, fmt.Sprintf("rule %s: parameter %s has no value", r.ID, m[1]))
			}
		}
	}
	return nil
}

// namesParameter says whether an object or a class is a parameter that has no value yet.
func (r *Rule) namesParameter() bool {
	for _, at := range r.places() {
		if !at.known && variable.MatchString(*at.text) {
			return true
		}
	}
	return false
}

// Certainty is how sure it is that a rule is needed: what it says, or else what its policy says.
func (p *Policy) Certainty(r *Rule) Verification {
	return cmp.Or(r.Verification, p.Verification, Published)
}

// lacking says which condition does not hold; empty where all do.
func (w *When) lacking(s *directory.Schema) string {
	if w == nil {
		return ""
	}
	if w.Exchange && live(s.Attribute(exchangeMark)) == nil {
		return "the schema has not been extended for Exchange: it has no attribute " + exchangeMark
	}
	for _, name := range w.Schema {
		if c := s.FindClass(name); live(s.FindAttribute(name)) == nil && (c == nil || c.Defunct) {
			return fmt.Sprintf("the schema has no class or attribute %q", name)
		}
	}
	return ""
}

func live(a *directory.AttributeSchema) *directory.AttributeSchema {
	if a == nil || a.Defunct {
		return nil
	}
	return a
}

func (r *Rule) resolve(s *directory.Schema, req *Requirement) error {
	for i := range r.Limits {
		l := &r.Limits[i]
		if live(s.Attribute(l.Attribute)) != nil {
			continue
		}
		lacking := fmt.Sprintf("the schema has no attribute %q", l.Attribute)
		if !r.Optional {
			meant := suggest.Meant(l.Attribute, s.AttributeNames())
			if a := live(s.FindAttribute(l.Attribute)); a != nil {
				meant = fmt.Sprintf(" (did you mean %q?)", a.Name)
			}
			return l.fail("attribute", fmt.Sprintf("rule %s: %s%s", r.ID, lacking, meant))
		}
		req.NotApplicable = lacking
		return nil
	}
	first := ""
	grants := r.Grants()
	if r.Forbidden {
		// Each right by itself: who has one of two has what must not be.
		grants = nil
		for _, right := range r.Rights {
			one := r.Grant
			one.Rights = []RightName{right}
			grants = append(grants, one)
		}
	}
	for _, g := range grants {
		one, lack, err := g.resolve(s)
		var on []sddl.GUID
		if lack == nil && err == nil {
			on, lack = g.effectiveOn(s)
		}
		switch {
		case err != nil:
			return g.fail("object", fmt.Sprintf("rule %s: %v", r.ID, err))
		case lack != nil && !r.Optional:
			return g.fail(lack.key, fmt.Sprintf("rule %s: %s%s", r.ID, lack.why, suggest.Meant(lack.name, lack.names())))
		case lack == nil:
			req.Any, req.On = append(req.Any, one), append(req.On, on)
		case first == "":
			first = lack.why
		}
	}
	if req.Any == nil {
		req.NotApplicable = first
	}
	return nil
}

// effectiveOn are the classes on which the grant must be effective.
func (g *Grant) effectiveOn(s *directory.Schema) (on []sddl.GUID, missing *lack) {
	for _, name := range g.On {
		c := s.FindClass(name)
		if c == nil || c.Defunct {
			return nil, &lack{"effective-on", name, fmt.Sprintf("the schema has no class %q", name), s.ClassNames}
		}
		on = append(on, c.GUID)
	}
	return on, nil
}

// lack is a name that a schema has not.
type lack struct {
	key, name, why string
	names          func() []string // that it has
}

func (g *Grant) resolve(s *directory.Schema) (req acl.Requirement, missing *lack, err error) {
	where, ok := scopeNamed(g.Scope)
	if !ok {
		return req, nil, fmt.Errorf("unknown scope %q", g.Scope)
	}
	req.Scope = where.scope
	kind := takesNothing
	for _, name := range g.Rights {
		right, ok := rightNamed(name)
		if !ok {
			return req, nil, fmt.Errorf("unknown right %q", name)
		}
		req.Right.Mask |= right.mask
		kind = right.takes
	}
	class := func(key, name string) (sddl.GUID, *lack) {
		if c := s.FindClass(name); c != nil && !c.Defunct {
			return c.GUID, nil
		}
		return sddl.GUID{}, &lack{key, name, fmt.Sprintf("the schema has no class %q", name), s.ClassNames}
	}
	if g.Class != "" {
		if req.Class, missing = class("class", g.Class); missing != nil {
			return req, missing, nil
		}
	}
	access := sddl.Mask(0)
	switch kind {
	case takesNothing:
		return req, nil, nil
	case takesClass:
		req.Right.Kind = acl.ChildClass
		req.Right.Object, missing = class("object", g.Object)
		return req, missing, nil
	case takesProperty:
		if a := live(s.FindAttribute(g.Object)); a != nil {
			req.Right.Object, req.Right.Kind = a.GUID, acl.Attribute
			return req, nil, resolveAttribute(a, &req)
		}
		access, req.Right.Kind = sddl.ReadProperty|sddl.WriteProperty, acl.PropertySet
	case takesExtendedRight:
		access, req.Right.Kind = sddl.ControlAccess, acl.ExtendedRight
	case takesValidatedWrite:
		access, req.Right.Kind = sddl.WriteSelf, acl.ValidatedWrite
	}
	right := s.Right(g.Object, access)
	if right == nil {
		// What dialogs show for a right is the same everywhere in the documentation; a forest may show something else.
		if known := baseschema.GUIDs(g.Object, published[kind]); len(known) == 1 {
			right = s.RightOf(known[0], access)
		}
	}
	if right == nil {
		names := func() []string { return s.RightNames(access) }
		if kind == takesProperty {
			names = func() []string { return append(s.AttributeNames(), s.RightNames(access)...) }
		}
		return req, &lack{"object", g.Object, fmt.Sprintf("the schema has no %s %q", kindWords[kind], g.Object), names}, nil
	}
	req.Right.Object = right.GUID
	return req, nil, nil
}

// published are the kinds of names of the base schema.
var published = map[objectKind]baseschema.Kind{
	takesProperty: baseschema.PropertySet, takesExtendedRight: baseschema.ExtendedRight, takesValidatedWrite: baseschema.ValidatedWrite,
}

var kindWords = map[objectKind]string{
	takesProperty: "attribute or property set", takesExtendedRight: "extended right", takesValidatedWrite: "validated write",
}

// resolveAttribute adds what reading one attribute takes beyond the right to read
// properties. [MS-ADTS] 3.1.1.4.4.
func resolveAttribute(a *directory.AttributeSchema, req *acl.Requirement) error {
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
