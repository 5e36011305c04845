package audit

import (
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
)

// ClassVerdict is what a rule for a class comes to on new objects of that class, or of one
// derived from it, below a target. An entry that is inherited for a class reaches objects of
// just that class, so that each has a verdict of its own; only the rule's own class makes the
// row pass or fail. [MS-ADTS] 6.1.3.
type ClassVerdict struct {
	Class   string `json:"class"`
	Derived bool   `json:"derived,omitempty"` // from the class that the rule is for
	Child   string `json:"child"`             // a word of acl.Effect: right below the target
	Deeper  string `json:"deeper,omitempty"`  // further below; none for a rule on children only
	Why     string `json:"why,omitempty"`     // where it is not known
}

// classVerdicts judges a requirement on each class that it names or that derives from that
// one, as far as objects of the class may stand below the target; the rule's own class first.
func (j *Judge) classVerdicts(t *directory.Target, req acl.Requirement) []ClassVerdict {
	if req.Class.IsZero() || req.Scope == acl.ThisObject || t.Descriptor == nil {
		return nil
	}
	schema := j.s.Schema
	target := schema.StructuralClass(t.Classes)
	own := schema.Class(schema.NameOf(req.Class))
	if target == nil || own == nil {
		return nil // the row says so
	}
	verdicts := []ClassVerdict{j.classVerdict(t, req, own)}
	for _, c := range schema.Below(target.Name) {
		if c != own && slices.Contains(schema.Lineage(c.Name), strings.ToLower(own.Name)) {
			v := j.classVerdict(t, req, c)
			v.Derived = true
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// derivedVerdicts are the verdicts on what a rule forbids for a class, where the account may have it on one derived
// from that, which the rule is not about. A reader may well think that it is.
func (j *Judge) derivedVerdicts(t *directory.Target, req *Requirement) []ClassVerdict {
	for _, one := range req.Any {
		verdicts := j.classVerdicts(t, one)
		if slices.ContainsFunc(verdicts, func(v ClassVerdict) bool {
			return v.Derived && slices.ContainsFunc([]string{v.Child, v.Deeper}, func(word string) bool {
				return word != "" && word != acl.NotGranted.String() && word != acl.Denied.String()
			})
		}) {
			return verdicts
		}
	}
	return nil
}

func (j *Judge) classVerdict(t *directory.Target, req acl.Requirement, c *directory.Class) ClassVerdict {
	v := ClassVerdict{Class: c.Name, Child: acl.Unknown.String()}
	if req.Scope != acl.Children {
		v.Deeper = acl.Unknown.String()
	}
	class, fault := j.class(c)
	if fault == "" {
		fault = j.nameless(t.Descriptor.DACL, req.Right.Mask)
	}
	if fault != "" {
		v.Why = fault
		return v
	}
	judged := acl.Judge(acl.Target{DACL: t.Descriptor.DACL, Owner: t.Descriptor.Owner, SID: t.SID}, j.token, below(req), []*acl.Class{class})
	v.Child = judged.At(acl.OnChild).String()
	if req.Scope != acl.Children {
		v.Deeper = judged.At(acl.Deeper).String()
	}
	return v
}

// below is the requirement as far as it is about the objects below the target.
func below(out acl.Requirement) acl.Requirement {
	if out.Scope != acl.Children {
		out.Scope = acl.Descendants
	}
	return out
}

// String is the verdict in the words of acl.Effect.
func (v ClassVerdict) String() string {
	if v.Deeper == "" || v.Deeper == v.Child {
		return v.Child
	}
	return v.Child + " (deeper: " + v.Deeper + ")"
}

// DerivedVerdicts are the verdicts on derived classes in words, classes with the same verdict
// together; empty where there are none.
func (r Row) DerivedVerdicts() string {
	var order []string
	classes := map[string][]string{}
	for _, v := range r.Classes {
		if !v.Derived {
			continue
		}
		word := v.String()
		if classes[word] == nil {
			order = append(order, word)
		}
		classes[word] = append(classes[word], v.Class)
	}
	var parts []string
	for _, word := range order {
		parts = append(parts, word+" on "+strings.Join(classes[word], ", "))
	}
	return strings.Join(parts, "; ")
}
