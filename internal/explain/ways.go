package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// step is one access check that a way takes.
type step struct {
	at         int  // the place of the object in the chain
	membership bool // judged by msDS-GroupMSAMembership, not by nTSecurityDescriptor
	right      acl.Right
	unseen     string // why it cannot be judged at all
}

// way is a list of checks all of which must be granted.
type way struct {
	steps []step
	limit string // what being granted this way does not allow
	doubt string // why being granted this way is not certain
}

// paths are what a request comes to on an object: any of the ways suffices.
type paths struct {
	ways    []way
	barrier string // why nobody may, whatever the permissions
	doubt   string // why being granted does not say that it can be done
	hope    string // why not being granted does not say that it cannot
	plain   string // why the answer is granted where there is no step
	notes   []string
}

// neverRead are the attributes that no domain controller discloses. [MS-ADTS] 3.1.1.4.4.
var neverRead = []string{
	"pekList", "currentValue", "dBCSPwd", "unicodePwd", "ntPwdHistory", "priorValue", "supplementalCredentials", "trustAuthIncoming",
	"trustAuthOutgoing", "lmPwdHistory", "initialAuthIncoming", "initialAuthOutgoing", "msDS-ExecuteScriptPassword",
}

// ownRules are the attributes for which reading goes by other rights, or by none.
// [MS-ADTS] 3.1.1.4.4.
var ownRules = []string{
	"msDS-QuotaEffective", "msDS-QuotaUsed", "sDRightsEffective", "allowedChildClassesEffective", "allowedAttributesEffective",
	"allowedAttributes", "allowedChildClasses", "replPropertyMetaData", "msDS-ReplAttributeMetaData", "msDS-ReplValueMetaData",
	"msDS-NCReplCursors", "msDS-NCReplInboundNeighbors", "msDS-NCReplOutboundNeighbors", "repsFrom", "repsTo", "replUpToDateVector",
	"msDS-TopQuotaUsage",
}

// keptByTheServer are attributes of accounts and of the domain that a domain controller
// computes or counts, though their definitions do not say so. [MS-SAMR] 3.1.1.
var keptByTheServer = []string{
	"sAMAccountType", "isCriticalSystemObject", "badPasswordTime", "badPwdCount", "lastLogoff", "lastLogon", "lastLogonTimestamp",
	"logonCount", "creationTime", "modifiedCount", "modifiedCountAtLastProm", "serverState", "rid", "revision",
}

// Classes whose objects are not created as others are. [MS-ADTS] 3.1.1.5.2.2.
var (
	ofTheLSA    = []string{"secret", "trustedDomain"}
	ofTheServer = []string{"samServer", "samDomain", "builtinDomain", "domainDNS"}
)

func oneOf(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

const viaValidated = "only values that the server's check for validated writes accepts"

// paths says what the request takes on chain[0].
func (ev *evidence) paths() paths {
	q, o := ev.request, ev.chain[0]
	whole := func(mask sddl.Mask) paths {
		return paths{ways: []way{{steps: []step{{right: acl.Right{Mask: mask}}}}}}
	}
	one := func(mask sddl.Mask, object sddl.GUID, kind acl.ObjectKind) way {
		return way{steps: []step{{right: acl.Right{Mask: mask, Object: object, Kind: kind}}}}
	}
	switch q.verb {
	case verbRead:
		return ev.reading()
	case verbWrite:
		return ev.writing()
	case verbValidated:
		p := paths{ways: []way{one(sddl.WriteSelf, q.right.GUID, acl.ValidatedWrite)}}
		if q.attribute != nil {
			if p.barrier = ev.lacks(q.attribute); p.barrier == "" {
				p.ways = append(p.ways, one(sddl.WriteProperty, q.attribute.GUID, acl.Attribute))
			}
		}
		return p
	case verbExtended:
		p := paths{ways: []way{one(sddl.ControlAccess, q.right.GUID, acl.ExtendedRight)}}
		switch {
		case q.applies == nil:
			p.doubt = fmt.Sprintf("to objects of which classes %s is a right (appliesTo) is not shown here", q.right.Name)
		case o.structural == nil:
			p.doubt = fmt.Sprintf("whether %s is a right to such an object is not known: %s", q.right.Name, o.fault)
		case !slices.ContainsFunc(ev.lineage(o), func(c string) bool { return slices.Contains(q.applies, c) }):
			p.doubt = fmt.Sprintf("%s is no right to objects of class %s: nothing is known to ask for it here", q.right.Name, o.structural.Name)
		}
		return p
	case verbCreate:
		p := paths{ways: []way{one(sddl.CreateChild, q.class.GUID, acl.ChildClass)}}
		switch {
		case q.class.Category > 1:
			p.barrier = fmt.Sprintf("class %s is not structural: there are no objects of it", q.class.Name)
		case o.structural != nil && !ev.mayStandBelow(q.class, o.structural):
			p.barrier = fmt.Sprintf("the schema does not allow a %s below a %s", q.class.Name, o.structural.Name)
		case o.structural == nil:
			p.doubt = "whether the schema allows it there is not known: " + o.fault
		case q.nature.systemOnly:
			p.barrier = fmt.Sprintf("class %s is for the system only: nobody creates objects of it over LDAP", q.class.Name)
		case oneOf(ofTheLSA, q.class.Name):
			p.barrier = fmt.Sprintf("objects of class %s are created by the local security authority, and by nobody over LDAP", q.class.Name)
		case oneOf(ofTheServer, q.class.Name):
			p.doubt = fmt.Sprintf("objects of class %s come with a domain, so that their creation over LDAP is refused but for special cases", q.class.Name)
		case !q.nature.known:
			p.doubt = fmt.Sprintf("whether objects of class %s can be created at all (systemOnly) is not shown here", q.class.Name)
		}
		if slices.Contains(ev.schema.Lineage(q.class.Name), "computer") {
			p.notes = append(p.notes, "A forest can ask for the right to write each attribute that is given at the creation of a computer or a service account too (dSHeuristics, AttributeAuthorizationOnLDAPAdd).")
		}
		return p
	case verbDeleteChild:
		return paths{ways: []way{one(sddl.DeleteChild, q.class.GUID, acl.ChildClass)}}
	case verbDelete:
		p := whole(sddl.Delete)
		p.barrier, p.doubt = o.deletion()
		if !o.head {
			p.ways = append(p.ways, way{steps: []step{ev.deleteChild()}})
		}
		return p
	case verbDeleteTree:
		p := whole(sddl.DeleteTree)
		p.barrier, p.doubt = o.deletion()
		return p
	case verbList:
		if o.head {
			return paths{ways: []way{{}}, plain: "the head of a naming context is visible to everybody"}
		}
		return paths{ways: ev.visible()}
	case verbReadPerms:
		return ev.andVisible(whole(sddl.ReadControl))
	case verbWriteDACL:
		return whole(sddl.WriteDACL)
	case verbWriteOwner:
		return whole(sddl.WriteOwner)
	}
	return whole(sddl.FullControl)
}

func (o *object) deletion() (barrier, doubt string) {
	if o.head {
		return "it is the head of a naming context, which is not deleted as an object", ""
	}
	return o.undeletable, o.deletable
}

// rdn is the attribute that names the object.
func (o *object) rdn() string {
	name, _, _ := strings.Cut(o.DN, "=")
	return strings.TrimSpace(name)
}

// lineage is that of the object's class and of those that were added to it.
func (ev *evidence) lineage(o *object) []string {
	out := ev.schema.Lineage(o.structural.Name)
	for _, name := range o.Classes {
		out = append(out, strings.ToLower(name))
	}
	return out
}

// deleteChild is the right of the parent that suffices to delete the object.
// [MS-ADTS] 3.1.1.5.5.
func (ev *evidence) deleteChild() step {
	s := ev.above()
	s.right = acl.Right{Mask: sddl.DeleteChild, Kind: acl.ChildClass}
	if o := ev.chain[0]; o.structural != nil {
		s.right.Object = o.structural.GUID
	} else {
		s.unseen = o.fault
	}
	return s
}

// above is a step on the parent.
func (ev *evidence) above() step {
	if len(ev.chain) < 2 {
		return step{at: 1, unseen: "it is not shown"}
	}
	return step{at: 1}
}

// visible are the ways to see chain[0] at all. [MS-ADTS] 5.1.3.3.6.
func (ev *evidence) visible() []way {
	if ev.chain[0].head {
		return []way{{}}
	}
	contents := ev.above()
	contents.right = acl.Right{Mask: sddl.ListContents}
	ways := []way{{steps: []step{contents}}}
	known := ev.heuristics.known
	if known && ev.heuristics.digit(3) != '1' {
		return ways
	}
	if _, effect := ev.check(contents); effect == acl.Granted {
		return ways
	}
	parent := ev.above()
	parent.right = acl.Right{Mask: sddl.ListObject}
	byObject := way{steps: []step{{right: acl.Right{Mask: sddl.ListObject}}, parent}}
	if !known {
		byObject.doubt = "dSHeuristics of the forest was not readable, so whether List object counts is not known"
	}
	return append(ways, byObject)
}

// andVisible adds to each way that the object must be seen.
func (ev *evidence) andVisible(p paths) paths {
	var ways []way
	for _, w := range p.ways {
		for _, v := range ev.visible() {
			both := way{steps: slices.Concat(w.steps, v.steps), limit: w.limit, doubt: w.doubt}
			if v.doubt != "" {
				both.doubt = v.doubt
			}
			ways = append(ways, both)
		}
	}
	p.ways = ways
	return p
}

func (ev *evidence) reading() paths {
	q, o := ev.request, ev.chain[0]
	if a := q.attribute; a != nil {
		right := acl.Right{Mask: sddl.ReadProperty, Object: a.GUID, Kind: acl.Attribute}
		p := paths{ways: []way{{steps: []step{{right: right}}}}}
		switch {
		case strings.EqualFold(a.Name, attrDescriptor):
			p.ways[0].steps[0].right = acl.Right{Mask: sddl.ReadControl}
			p.notes = append(p.notes, "The SACL takes a privilege as well, which a directory does not show.")
			return ev.andVisible(p)
		case oneOf(neverRead, a.Name):
			p.barrier = fmt.Sprintf("no domain controller discloses %s to anybody", a.Name)
			return p
		}
		if p.barrier = ev.lacks(a); p.barrier != "" {
			return p
		}
		switch {
		case strings.EqualFold(a.Name, attrPassword):
			p.ways[0].steps[0].membership = true
			p.notes = append(p.notes, "A domain controller gives the password over an encrypted connection only.")
			if ev.account.SID == o.SID {
				p.hope = "whether an account may read its own password without being named is up to the server"
			}
		case strings.EqualFold(a.Name, "userPassword"):
			// fUserPwdSupport. [MS-ADTS] 3.1.1.4.4.
			if !ev.heuristics.known || ev.heuristics.digit(9) != '0' {
				p.doubt = "dSHeuristics may make userPassword a password, which nobody may read"
			}
		case oneOf(ownRules, a.Name):
			p.doubt = fmt.Sprintf("reading %s goes by rules of its own, which are not judged here", a.Name)
			p.hope = p.doubt
		case a.Confidential():
			p.ways[0].steps[0].right.Mask |= sddl.ControlAccess
			p.notes = append(p.notes, fmt.Sprintf("%s is confidential: reading it takes the right of control access too.", a.Name))
		}
		return ev.andVisible(p)
	}
	p := paths{ways: []way{{steps: []step{{right: acl.Right{Mask: sddl.ReadProperty, Object: q.right.GUID, Kind: acl.PropertySet}}}}}}
	members := ev.members(q.right)
	if o.class != nil && len(members) == 0 {
		p.barrier = fmt.Sprintf("objects of class %s have no attribute of the property set %s", o.structural.Name, q.right.Name)
	}
	for _, a := range members {
		if a.Confidential() {
			p.ways[0].steps = append(p.ways[0].steps, step{right: acl.Right{Mask: sddl.ControlAccess, Object: a.GUID, Kind: acl.Attribute}})
			p.notes = append(p.notes, fmt.Sprintf("%s of this property set is confidential: reading it takes the right of control access too.", a.Name))
		}
	}
	return ev.andVisible(p)
}

// members are the attributes of the property set that the object may have, by name.
func (ev *evidence) members(set *directory.ControlAccessRight) []*directory.AttributeSchema {
	var out []*directory.AttributeSchema
	if c := ev.chain[0].class; c != nil {
		for g, in := range c.Attributes {
			if a := ev.schema.AttributeOf(g); a != nil && in == set.GUID {
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b *directory.AttributeSchema) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (ev *evidence) writing() paths {
	q, o := ev.request, ev.chain[0]
	a := q.attribute
	if a == nil {
		p := paths{ways: []way{{steps: []step{{right: acl.Right{Mask: sddl.WriteProperty, Object: q.right.GUID, Kind: acl.PropertySet}}}}}}
		if o.class != nil && len(ev.members(q.right)) == 0 {
			p.barrier = fmt.Sprintf("objects of class %s have no attribute of the property set %s", o.structural.Name, q.right.Name)
		}
		return p
	}
	if strings.EqualFold(a.Name, attrDescriptor) {
		return paths{
			ways:  []way{{steps: []step{{right: acl.Right{Mask: sddl.WriteDACL}}}}},
			notes: []string{"This is about the DACL; the owner is write-owner, and the SACL takes a privilege, which a directory does not show."},
		}
	}
	p := paths{ways: []way{{steps: []step{{right: acl.Right{Mask: sddl.WriteProperty, Object: a.GUID, Kind: acl.Attribute}}}}}}
	if p.barrier = ev.lacks(a); p.barrier != "" {
		return p
	}
	password := strings.EqualFold(a.Name, "unicodePwd") || strings.EqualFold(a.Name, "dBCSPwd")
	if strings.EqualFold(a.Name, "userPassword") && (!ev.heuristics.known || ev.heuristics.digit(9) != '0') {
		p.doubt = "dSHeuristics may make userPassword a password, which goes by extended:User-Force-Change-Password"
	}
	switch {
	case password:
		// Writing a password is no write of a property. [MS-ADTS] 3.1.1.3.1.5.
		reset := ev.schema.Right("User-Force-Change-Password", sddl.ControlAccess)
		if reset == nil {
			p.ways[0].steps[0].unseen = "the schema does not show the right User-Force-Change-Password"
			return p
		}
		p.ways[0].steps[0].right = acl.Right{Mask: sddl.ControlAccess, Object: reset.GUID, Kind: acl.ExtendedRight}
		p.notes = append(p.notes, fmt.Sprintf("Writing %s sets a new password, which goes by User-Force-Change-Password; who knows the old one needs User-Change-Password.", a.Name))
		return p
	case oneOf([]string{"name", o.rdn()}, a.Name):
		// [MS-ADTS] 3.1.1.5.3.2, 3.1.1.5.4.1.
		p.doubt = fmt.Sprintf("%s is changed by a rename only, which takes the right to write both name and %s", a.Name, o.rdn())
	case q.nature.backLink:
		p.barrier = fmt.Sprintf("%s is a back link: it follows from the links to this object", a.Name)
	case q.nature.constructed:
		p.barrier = fmt.Sprintf("%s is constructed when it is read, and not stored", a.Name)
	case q.nature.systemOnly:
		p.doubt = fmt.Sprintf("%s is for the system only, so that a write of it is refused but for special cases", a.Name)
	case !q.nature.known:
		p.doubt = fmt.Sprintf("whether %s can be written at all (systemOnly, constructed, a back link) is not shown here", a.Name)
	case strings.EqualFold(a.Name, "sIDHistory"):
		p.doubt = "sIDHistory is added to by Migrate-SID-History and an audited call only; a write can do no more than remove from it"
	case oneOf(keptByTheServer, a.Name):
		p.doubt = fmt.Sprintf("the domain controller keeps %s itself, so that a write of it is refused but for special cases", a.Name)
	case oneOf(neverRead, a.Name):
		p.doubt = fmt.Sprintf("%s holds secrets that the server alone writes, so that a write of it is refused but for special cases", a.Name)
	case strings.EqualFold(a.Name, "userAccountControl"):
		p.notes = append(p.notes, "Some bits of userAccountControl take extended rights on the head of the domain too.")
	case strings.EqualFold(a.Name, "fSMORoleOwner"):
		p.doubt = "writing fSMORoleOwner takes an extended right for the role too"
	}
	for _, g := range []sddl.GUID{a.GUID, a.PropertySet} {
		if r := ev.schema.RightOf(g, sddl.WriteSelf); r != nil && !g.IsZero() {
			p.ways = append(p.ways, way{
				steps: []step{{right: acl.Right{Mask: sddl.WriteSelf, Object: r.GUID, Kind: acl.ValidatedWrite}}}, limit: viaValidated,
			})
		}
	}
	return p
}

// lacks says that the object cannot have the attribute; empty where it can, or where
// nobody knows.
func (ev *evidence) lacks(a *directory.AttributeSchema) string {
	o := ev.chain[0]
	if o.class == nil {
		return ""
	}
	if _, ok := o.class.Attributes[a.GUID]; ok {
		return ""
	}
	return fmt.Sprintf("objects of class %s have no attribute %s", o.structural.Name, a.Name)
}

// mayStandBelow says whether the schema allows objects of the class below one of the
// other: below each of its possible superiors and their subclasses. [MS-ADTS] 3.1.1.4.5.21.
func (ev *evidence) mayStandBelow(class, parent *directory.Class) bool {
	lineage := ev.schema.Lineage(parent.Name)
	return slices.ContainsFunc(ev.schema.Superiors(class.Name), func(c *directory.Class) bool {
		return slices.Contains(lineage, strings.ToLower(c.Name))
	})
}
