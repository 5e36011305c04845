package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// forest is the demo forest, grown: its answers to a query for every object below the
// head of the domain are made while they are read.
type forest struct {
	*directory.Capture
	domain  *directory.Domain
	classes map[string]*acl.Class
	objects int
	seed    uint64

	agent      sddl.SID // provAgentgMSA$
	restricted sddl.SID // a group that it is in
	protected  []byte   // the descriptor that SDProp gives protected objects
}

func newForest(ctx context.Context, objects int, seed uint64) (*forest, error) {
	c, err := demo.Capture()
	if err != nil {
		return nil, err
	}
	f := &forest{Capture: c, classes: map[string]*acl.Class{}, objects: objects, seed: seed}
	if f.domain, err = directory.LoadDomain(ctx, c); err != nil {
		return nil, err
	}
	schema, err := directory.LoadSchema(ctx, c, f.domain)
	if err != nil {
		return nil, err
	}
	for name := range objectClasses {
		class := schema.Class(name)
		if class == nil {
			return nil, fmt.Errorf("the schema has no class %s", name)
		}
		f.classes[name] = &acl.Class{Name: class.Name, GUID: class.GUID}
		if f.classes[name].Default, err = sddl.ParseText(class.DefaultDescriptor, f.domain.Aliases()); err != nil {
			return nil, fmt.Errorf("defaultSecurityDescriptor of class %s: %w", name, err)
		}
	}
	for name, sid := range map[string]*sddl.SID{"provAgentgMSA$": &f.agent, "Restricted Service Accounts": &f.restricted} {
		if *sid, err = f.sidOf(ctx, name); err != nil {
			return nil, err
		}
	}
	holder, err := directory.LoadTarget(ctx, c, "CN=AdminSDHolder,CN=System,"+f.domain.DN)
	if err != nil {
		return nil, err
	}
	if holder.Descriptor == nil {
		return nil, fmt.Errorf("%s: %s", holder.DN, holder.Unreadable)
	}
	if f.protected, err = protectedAs(holder.Descriptor); err != nil {
		return nil, fmt.Errorf("%s: %w", holder.DN, err)
	}
	return f, nil
}

// protectedAs is the descriptor of an object that SDProp protects: the entries of
// AdminSDHolder, explicit, in a DACL that inherits nothing. [MS-ADTS] 3.1.1.6.1.
func protectedAs(holder *sddl.Descriptor) ([]byte, error) {
	if holder.DACL == nil {
		return nil, errors.New("it has no DACL")
	}
	dacl := *holder.DACL
	dacl.ACEs = append([]sddl.ACE(nil), dacl.ACEs...)
	for i := range dacl.ACEs {
		dacl.ACEs[i].Flags &^= sddl.Inherited
	}
	d := holder.WithDACL(&dacl)
	d.Control |= sddl.DACLProtected
	return d.Append(nil)
}

func (f *forest) sidOf(ctx context.Context, name string) (sddl.SID, error) {
	found, err := directory.Collect(f.Capture.Read(ctx, directory.Query{
		Base: f.domain.DN, Scope: directory.Subtree, Attrs: []string{"objectSid"},
		Any: []directory.Match{{Attr: "sAMAccountName", Value: name}},
	}))
	if err != nil || len(found) != 1 {
		return sddl.SID{}, fmt.Errorf("find %s: %d objects: %w", name, len(found), err)
	}
	return sddl.ParseSIDBytes(found[0].Value("objectSid"))
}

// Read answers as the demo does, and a query for every object of the domain with a forest.
func (f *forest) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if q.Scope == directory.Subtree && len(q.Any) == 0 && directory.SameDN(q.Base, f.domain.DN) {
		return f.all
	}
	return f.Capture.Read(ctx, q)
}

// objectClasses are the values that objects of the classes made here have.
var objectClasses = map[string][]string{
	"organizationalUnit": {"top", "organizationalUnit"},
	"user":               {"top", "person", "organizationalPerson", "user"},
	"inetOrgPerson":      {"top", "person", "organizationalPerson", "user", "inetOrgPerson"},
	"computer":           {"top", "person", "organizationalPerson", "user", "computer"},
	"group":              {"top", "group"},
	"contact":            {"top", "person", "organizationalPerson", "contact"},
}

// leaves are the classes of what is in the OUs, in percent.
var leaves = []struct {
	class   string
	percent int
}{{"user", 62}, {"computer", 25}, {"group", 10}, {"contact", 2}, {"inetOrgPerson", 1}}

// unit is an OU.
type unit struct {
	dn     string
	dacl   *sddl.ACL
	leaves map[string][]byte // by class: the descriptor that new objects get
	odd    map[string][]byte // the same with an entry of its own
	owner  sddl.SID          // of computers: who joins them
}

// all are the objects of the demo's domain that have a descriptor, then OUs, then what is in them.
func (f *forest) all(yield func(directory.Entry, error) bool) {
	rng := rand.New(rand.NewPCG(f.seed, 0))
	made := 0
	emit := func(e directory.Entry) bool {
		made++
		return yield(e, nil)
	}
	var head *sddl.ACL
	for e := range f.All() {
		raw := e.Value(descriptorAttr)
		if raw == nil || !directory.IsBelow(e.DN, f.domain.DN) || made >= f.objects {
			continue
		}
		if directory.SameDN(e.DN, f.domain.DN) {
			d, err := sddl.Parse(raw)
			if err != nil {
				yield(directory.Entry{}, fmt.Errorf("%s: %w", e.DN, err))
				return
			}
			head = d.DACL
		}
		kept := directory.Entry{DN: e.DN}
		for _, name := range []string{"objectClass", "objectGUID", "objectSid", descriptorAttr} {
			if v := e.Values(name); v != nil {
				kept.Attrs = append(kept.Attrs, directory.Attribute{Name: name, Values: v})
			}
		}
		if !emit(kept) {
			return
		}
	}
	if head == nil {
		yield(directory.Entry{}, fmt.Errorf("%s has no descriptor", f.domain.DN))
		return
	}
	values := map[string][][]byte{}
	for name, classes := range objectClasses {
		for _, class := range classes {
			values[name] = append(values[name], []byte(class))
		}
	}
	admins := f.domain.SID.WithRID(512)

	units := make([]*unit, 0, 1000)
	for n := min(1000, max(5, f.objects/100)); len(units) < n && made < f.objects; {
		i := len(units)
		u := &unit{
			leaves: map[string][]byte{}, odd: map[string][]byte{},
			owner: f.domain.SID.WithRID(uint32(3000 + i%20)),
		}
		parent, above := head, f.domain.DN
		if i > 0 {
			// Every OU has up to six below it, so that a thousand are four levels deep.
			parent, above = units[(i-1)/6].dacl, units[(i-1)/6].dn
		}
		u.dn = fmt.Sprintf("OU=%s %d,%s", unitNames[i%len(unitNames)], i, above)
		control := sddl.SelfRelative | sddl.DACLPresent | sddl.DACLAutoInherited
		u.dacl = acl.NewObject(parent, f.classes["organizationalUnit"], admins, admins)
		own := f.delegations(rng, i)
		if i > 0 && rng.IntN(100) < 3 {
			// Blocked, with what was inherited until then kept or gone.
			control |= sddl.DACLProtected
			u.dacl = blocked(u.dacl, rng.IntN(2) == 0)
		}
		u.dacl = with(u.dacl, own)
		raw, err := encode(control, admins, u.dacl)
		if err == nil {
			err = f.fill(u, admins)
		}
		if err != nil {
			yield(directory.Entry{}, fmt.Errorf("%s: %w", u.dn, err))
			return
		}
		units = append(units, u)
		if !emit(f.entry(u.dn, values["organizationalUnit"], made, raw)) {
			return
		}
	}

	for made < f.objects {
		// A few OUs hold most of what there is.
		r := rng.Float64()
		u := units[int(r*r*float64(len(units)))]
		class := leaves[0].class
		for k, at := 0, rng.IntN(100); k < len(leaves); k++ {
			if at -= leaves[k].percent; at < 0 {
				class = leaves[k].class
				break
			}
		}
		raw := u.leaves[class]
		count := 0
		if class == "user" || class == "group" {
			switch at := rng.IntN(1000); {
			case at < 13:
				raw, count = f.protected, 1
			case at < 14:
				count = 1 // was protected once
			}
		}
		if count == 0 && rng.IntN(200) == 0 {
			raw = u.odd[class]
		}
		e := f.entry(leafName(class, made)+","+u.dn, values[class], made, raw)
		if count > 0 {
			e.Attrs = append(e.Attrs, directory.Attribute{Name: "adminCount", Values: [][]byte{[]byte("1")}})
		}
		if class != "contact" {
			e.Attrs = append(e.Attrs, directory.Attribute{Name: "objectSid", Values: [][]byte{f.domain.SID.WithRID(uint32(10000 + made)).Bytes()}})
		}
		if !emit(e) {
			return
		}
	}
}

const descriptorAttr = "nTSecurityDescriptor"

func (f *forest) entry(dn string, classes [][]byte, n int, raw []byte) directory.Entry {
	guid := make([]byte, 16)
	for i := range 8 {
		guid[i] = byte((f.seed*1_000_003 + uint64(n)) >> (8 * i))
	}
	return directory.Entry{DN: dn, Attrs: []directory.Attribute{
		{Name: descriptorAttr, Values: [][]byte{raw}},
		{Name: "objectClass", Values: classes},
		{Name: "objectGUID", Values: [][]byte{guid}},
	}}
}

// GUIDs of the schema and of extended rights.
var (
	classUser     = guid("bf967aba-0de6-11d0-a285-00aa003049e2")
	classComputer = guid("bf967a86-0de6-11d0-a285-00aa003049e2")
	classGroup    = guid("bf967a9c-0de6-11d0-a285-00aa003049e2")
	attrMember    = guid("bf9679c0-0de6-11d0-a285-00aa003049e2")
	attrMail      = guid("bf967961-0de6-11d0-a285-00aa003049e2")
	rightReset    = guid("00299570-246d-11d0-a768-00aa006e0529")
)

func guid(text string) sddl.GUID {
	g, err := sddl.ParseGUID(text)
	if err != nil {
		panic(err) // a constant of this file
	}
	return g
}

const (
	readProperty  sddl.Mask = 0x10
	writeProperty sddl.Mask = 0x20
	controlAccess sddl.Mask = 0x100
	readAll       sddl.Mask = 0x20094
	everything    sddl.Mask = 0xf01ff
)

// delegations are the entries that administrators put on an OU.
func (f *forest) delegations(rng *rand.Rand, i int) []sddl.ACE {
	below := sddl.ContainerInherit | sddl.InheritOnly
	on := func(t sddl.ACEType, sid sddl.SID, mask sddl.Mask, object, inherited sddl.GUID) sddl.ACE {
		a := sddl.ACE{Type: t, Flags: below, Mask: mask, SID: sid, ObjectType: object, InheritedObjectType: inherited}
		if !object.IsZero() {
			a.ObjectFlags |= sddl.ObjectTypePresent
		}
		if !inherited.IsZero() {
			a.ObjectFlags |= sddl.InheritedObjectTypePresent
		}
		return a
	}
	desk := f.domain.SID.WithRID(uint32(2000 + i%50))
	var out []sddl.ACE
	add := func(percent int, aces ...sddl.ACE) {
		if rng.IntN(100) < percent {
			out = append(out, aces...)
		}
	}
	// Denies first, as servers keep them.
	add(2, on(sddl.DenyObject, f.restricted, writeProperty, attrMember, classGroup))
	add(1, on(sddl.DenyObject, f.agent, readProperty, attrMail, classUser))
	add(30, on(sddl.AllowObject, desk, controlAccess, rightReset, classUser))
	add(10, on(sddl.AllowObject, desk, readProperty|writeProperty, attrMember, classGroup))
	add(10, on(sddl.AllowObject, desk, everything, sddl.GUID{}, classComputer))
	add(5, on(sddl.AllowObject, f.agent, readAll, sddl.GUID{}, classUser))
	add(2, on(sddl.AllowObject, f.agent, controlAccess, rightReset, classUser))
	add(1, on(sddl.AllowObject, f.agent, everything, sddl.GUID{}, classComputer))
	return out
}

// fill makes the descriptors of what is in an OU.
func (f *forest) fill(u *unit, admins sddl.SID) (err error) {
	control := sddl.SelfRelative | sddl.DACLPresent | sddl.DACLAutoInherited
	for _, leaf := range leaves {
		owner := admins
		if leaf.class == "computer" {
			owner = u.owner
		}
		dacl := acl.NewObject(u.dacl, f.classes[leaf.class], owner, admins)
		if u.leaves[leaf.class], err = encode(control, owner, dacl); err != nil {
			return err
		}
		own := sddl.ACE{Type: sddl.Allow, Mask: readAll | writeProperty, SID: u.owner}
		if u.odd[leaf.class], err = encode(control, owner, with(dacl, []sddl.ACE{own})); err != nil {
			return err
		}
	}
	return nil
}

// with is a DACL with more explicit entries, which come first.
func with(l *sddl.ACL, own []sddl.ACE) *sddl.ACL {
	if len(own) == 0 {
		return l
	}
	out := *l
	out.ACEs = append(append([]sddl.ACE(nil), own...), l.ACEs...)
	out.Revision = 4
	return &out
}

// blocked is a DACL after its inheritance was blocked.
func blocked(l *sddl.ACL, keep bool) *sddl.ACL {
	out := *l
	out.ACEs = nil
	for _, a := range l.ACEs {
		if a.IsInherited() && !keep {
			continue
		}
		a.Flags &^= sddl.Inherited
		out.ACEs = append(out.ACEs, a)
	}
	return &out
}

func encode(control sddl.Control, owner sddl.SID, dacl *sddl.ACL) ([]byte, error) {
	d := &sddl.Descriptor{Revision: 1, Control: control, Owner: owner, Group: owner, DACL: dacl}
	return d.Append(nil)
}

var (
	unitNames   = []string{"Sales", "Engineering", "Zürich", "Servers", "Finance", "Contractors", "Plant", "R&D"}
	givenNames  = []string{"Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Jürgen", "Radia", "Ken", "Margaret"}
	familyNames = []string{"Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Müller", "Perlman", "Thompson", "Hamilton", "Sørensen"}
)

func leafName(class string, n int) string {
	var b strings.Builder
	b.WriteString("CN=")
	switch class {
	case "computer":
		b.WriteString("WS")
	case "group":
		b.WriteString("Team ")
	default:
		family := familyNames[n/len(givenNames)%len(familyNames)]
		if n%50 == 0 {
			b.WriteString(family + `\, `)
			family = ""
		}
		b.WriteString(givenNames[n%len(givenNames)] + " ")
		if family != "" {
			b.WriteString(family + " ")
		}
	}
	b.WriteString(strconv.Itoa(n))
	return b.String()
}
