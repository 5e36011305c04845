package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// right is a right by the name that policies have for it.
type right struct {
	name  RightName
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
	name  ScopeName
	scope acl.Scope
	label string // as the Windows permission dialog has it; %s is the class with a blank after it, or nothing
}

var scopes = []scope{
	{"this-object", acl.ThisObject, "This object only"},
	{"this-object-and-descendants", acl.ThisObjectAndDescendants, "This object and all descendant %sobjects"},
	{"descendants", acl.Descendants, "Descendant %sobjects"},
	{"children", acl.Children, "Child %sobjects"},
}

// dialog is what the Windows permission dialog says for a scope, with the class in it.
var dialog = []struct {
	name ScopeName
	said *regexp.Regexp
}{
	{"this-object", regexp.MustCompile(`(?i)^this object only$`)},
	{"this-object-and-descendants", regexp.MustCompile(`(?i)^this object and all descendant objects$`)},
	{"descendants", regexp.MustCompile(`(?i)^(?:all )?descendant objects$`)},
	{"descendants", regexp.MustCompile(`(?i)^descendant ([\w-]+(?: [\w-]+)*) objects$`)},
	{"children", regexp.MustCompile(`(?i)^(?:all )?child(?:ren)? objects(?: only)?$`)},
	{"children", regexp.MustCompile(`(?i)^child ([\w-]+(?: [\w-]+)*) objects$`)},
	{"children", regexp.MustCompile(`(?i)^children only$`)},
}

// fromDialog is the scope, and the class, of what the dialog says; false where it says nothing such.
func fromDialog(said string) (name ScopeName, class string, ok bool) {
	for _, d := range dialog {
		if m := d.said.FindStringSubmatch(strings.TrimSpace(said)); m != nil {
			return d.name, strings.Join(m[1:], ""), true
		}
	}
	return "", "", false
}

// RightName is a right of [MS-ADTS] 5.1.3.2 by the name that policies have for it.
type RightName string

func (RightName) words() []string {
	var out []string
	for _, r := range rights {
		out = append(out, string(r.name))
	}
	return out
}

// ScopeName is which objects a rule is about, seen from its target.
type ScopeName string

// knows says whether the Windows permission dialog says it.
func (ScopeName) knows(said string) bool {
	_, _, ok := fromDialog(said)
	return ok
}

func (ScopeName) words() []string {
	var out []string
	for _, s := range scopes {
		out = append(out, string(s.name))
	}
	return out
}

func rightNamed(name RightName) (right, bool) {
	i := slices.IndexFunc(rights, func(r right) bool { return r.name == name })
	if i < 0 {
		return right{}, false
	}
	return rights[i], true
}

func scopeNamed(name ScopeName) (scope, bool) {
	i := slices.IndexFunc(scopes, func(s scope) bool { return s.name == name })
	if i < 0 {
		return scope{}, false
	}
	return scopes[i], true
}

// Severity is what it means where a rule does not hold.
type Severity string

// The severities. The zero value is an error.
const (
	SeverityError   Severity = "error"   // the audit fails
	SeverityWarning Severity = "warning" // it is shown, the audit does not fail for it, and plan does not grant it
)

func (Severity) words() []string { return []string{string(SeverityError), string(SeverityWarning)} }

// Verification is how sure it is that a rule is what is needed.
type Verification string

// The verifications. The zero value is published.
const (
	Published  Verification = "published"  // the vendor's documentation says so
	Inferred   Verification = "inferred"   // it follows from the documentation, which has no entry of this form
	Unverified Verification = "unverified" // second-hand, or from memory
)

func (Verification) words() []string {
	return []string{string(Published), string(Inferred), string(Unverified)}
}

// ParameterKind is what the value of a parameter must look like.
type ParameterKind string

// The kinds. The zero value is text.
const (
	TextParameter ParameterKind = "text"
	DNParameter   ParameterKind = "dn"
	NameParameter ParameterKind = "name" // one component of a DN: no comma, no quote, nothing to escape
)

func (ParameterKind) words() []string {
	return []string{string(TextParameter), string(DNParameter), string(NameParameter)}
}

// PlaceName is an object that every domain has, by the name that policies have for it.
type PlaceName string

// The places. Where a domain keeps a container its head says. [MS-ADTS] 6.1.1.4.
const (
	DomainRoot        PlaceName = "domain-root"
	EveryDomain       PlaceName = "every-domain" // the heads of all domains of the forest
	AdminSDHolder     PlaceName = "adminsdholder"
	AccountItself     PlaceName = "account"
	DeletedObjects    PlaceName = "deleted-objects"
	Computers         PlaceName = "computers"
	Users             PlaceName = "users"
	ManagedAccounts   PlaceName = "managed-service-accounts"
	DomainControllers PlaceName = "domain-controllers"
	System            PlaceName = "system"
	ProgramData       PlaceName = "program-data"
	Configuration     PlaceName = "configuration"
	Schema            PlaceName = "schema"
)

func (PlaceName) words() []string {
	var out []string
	for _, p := range []PlaceName{DomainRoot, EveryDomain, AdminSDHolder, AccountItself, DeletedObjects, Computers, Users,
		ManagedAccounts, DomainControllers, System, ProgramData, Configuration, Schema} {
		out = append(out, string(p))
	}
	return out
}

// UsualDN is where a place of a domain is unless somebody has moved it; empty for one that is not a place of a domain.
func (p PlaceName) UsualDN(domain string) string {
	switch p {
	case DomainRoot, EveryDomain:
		return domain
	case AdminSDHolder:
		return "CN=AdminSDHolder,CN=System," + domain
	case DeletedObjects:
		return "CN=Deleted Objects," + domain
	case Computers:
		return "CN=Computers," + domain
	case Users:
		return "CN=Users," + domain
	case ManagedAccounts:
		return "CN=Managed Service Accounts," + domain
	case DomainControllers:
		return "OU=Domain Controllers," + domain
	case System:
		return "CN=System," + domain
	case ProgramData:
		return "CN=Program Data," + domain
	}
	return ""
}
