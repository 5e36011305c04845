package audit

import (
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Token is who is judged.
func (j *Judge) Token() acl.Token { return j.token }

// View is an entry as SDDL and in words.
func (j *Judge) View(a sddl.ACE) ACE { return View(a, j.names) }

// Access is what an entry allows or denies, in words.
func (j *Judge) Access(a sddl.ACE) string { return words.Access(a, j.names) }

// NameOf is the name of a SID, or the SID where nobody has one for it.
func (j *Judge) NameOf(sid sddl.SID) string {
	if name := j.names.SID(sid); name != "" {
		return name
	}
	return sid.String()
}

// ObjectClass is the class of an object that exists, from the values of its objectClass;
// a fault says why it is not known. Unlike a class of new objects it needs no default
// descriptor. [MS-ADTS] 3.1.1.2.4.
func (j *Judge) ObjectClass(objectClass []string) (structural *directory.Class, class *acl.Class, fault string) {
	schema := j.s.Schema
	if len(objectClass) == 0 {
		return nil, nil, "its class is not readable"
	}
	if structural = schema.StructuralClass(objectClass); structural == nil {
		return nil, nil, "the schema does not show its class"
	}
	class = &acl.Class{Name: structural.Name, GUID: structural.GUID, Attributes: map[sddl.GUID]sddl.GUID{}}
	// Auxiliary classes may have been added to the one object.
	lineage := schema.Lineage(structural.Name)
	for _, name := range append([]string{structural.Name}, objectClass...) {
		if name != structural.Name && slices.Contains(lineage, strings.ToLower(name)) {
			continue
		}
		if gap := schema.Gap(name); gap != "" {
			return nil, nil, "the schema does not show " + gap
		}
		for _, a := range schema.Attributes(name) {
			class.Attributes[a.GUID] = a.PropertySet
		}
	}
	return structural, class, ""
}

// Object is one object that exists, as far as judging it goes.
type Object struct {
	Descriptor *sddl.Descriptor
	SID        sddl.SID         // its objectSid; zero: none
	Structural *directory.Class // with Class, what ObjectClass says
	Class      *acl.Class
}

// Check judges whether the account has a right on an object that exists, as Row judges a
// target; doubt says why, where the effect is unknown.
func (j *Judge) Check(o Object, right acl.Right) (d acl.Decision, doubt string) {
	if doubt = j.nameless(o.Descriptor.DACL, right.Mask); doubt != "" {
		return acl.Decision{Missing: right.Mask}, doubt
	}
	d = acl.Check(o.Descriptor.DACL, o.Descriptor.Owner, j.token, o.SID, o.Class, right)
	judged := acl.Judgement{Effect: d.Effect, Cases: []acl.Case{{Where: acl.OnTarget, Decision: d}}}
	if d.Effect != acl.Denied && j.mayBeBlocked(o.Structural, right.Mask, judged) {
		d.Effect = acl.Unknown
		return d, "it is the owner's implicit right, which dSHeuristics may block on computers and service accounts"
	}
	if d.Effect == acl.Unknown {
		doubt = "an entry may be for a group of the account that could not be read, or is of a type that is not understood"
	}
	return d, doubt
}
