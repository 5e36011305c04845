package audit

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// entries answer every query with what stands below its base.
type entries []directory.Entry

func (es entries) Read(_ context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		for _, e := range es {
			if directory.SameDN(directory.ParentDN(e.DN), q.Base) && !yield(e, nil) {
				return
			}
		}
	}
}

const smallDomain = "S-1-5-21-1-2-3"

// smallGUID is the GUID of a thing of the small schema.
func smallGUID(n byte) sddl.GUID { return sddl.GUID{0: n, 15: n} }

// What the small schema has: attributes, of which 1 and 2 are in the set, rights, and classes.
const (
	attrOne, attrTwo, attrThree, attrRare = 1, 2, 3, 4
	setOneTwo                             = 10
	rightReset, rightOther                = 20, 21
	classOU, classUser, classComputer     = 30, 31, 32
	classBare, classAux, classTop         = 33, 34, 35
)

// smallSchema has few classes, of which each has its way to differ: a default that allows, one that is protected, none, and a
// class that is added to objects.
func smallSchema(t testing.TB) (*directory.Schema, *directory.Domain) {
	t.Helper()
	d := &directory.Domain{DN: "DC=s", DNS: "s", ForestDN: "DC=s", ConfigurationDN: "CN=C", SchemaDN: "CN=S,CN=C"}
	var err error
	if d.SID, err = sddl.ParseSID(smallDomain); err != nil {
		t.Fatal(err)
	}
	d.ForestSID = d.SID
	var es entries
	add := func(n byte, kind, name string, attrs map[string][]string) {
		g := smallGUID(n)
		e := directory.Entry{DN: "CN=" + name + ",CN=S,CN=C"}
		maps.Copy(attrs, map[string][]string{"objectClass": {"top", kind}, "lDAPDisplayName": {name}, "schemaIDGUID": {string(g[:])}})
		for _, attr := range slices.Sorted(maps.Keys(attrs)) {
			a := directory.Attribute{Name: attr}
			for _, v := range attrs[attr] {
				a.Values = append(a.Values, []byte(v))
			}
			e.Attrs = append(e.Attrs, a)
		}
		es = append(es, e)
	}
	set := smallGUID(setOneTwo)
	add(attrOne, "attributeSchema", "one", map[string][]string{"attributeSecurityGUID": {string(set[:])}})
	add(attrTwo, "attributeSchema", "two", map[string][]string{"attributeSecurityGUID": {string(set[:])}})
	add(attrThree, "attributeSchema", "three", map[string][]string{})
	add(attrRare, "attributeSchema", "rare", map[string][]string{})
	class := func(n byte, name, above, category, dacl string, more map[string][]string) {
		maps.Copy(more, map[string][]string{"subClassOf": {above}, "objectClassCategory": {category}})
		if dacl != "" {
			more["defaultSecurityDescriptor"] = []string{dacl}
		}
		add(n, "classSchema", name, more)
	}
	class(classTop, "top", "top", "2", "", map[string][]string{"mayContain": {"three"}})
	class(classOU, "ou", "top", "1", "D:(A;;LC;;;AU)", map[string][]string{"mayContain": {"one"}, "possSuperiors": {"ou"}})
	class(classUser, "user", "top", "1", "D:(OD;;CR;"+smallGUID(rightReset).String()+";;WD)(OA;;WP;"+smallGUID(attrOne).String()+";;PS)(A;;RC;;;CO)", map[string][]string{"mayContain": {"one", "two"}, "possSuperiors": {"ou"}})
	class(classComputer, "computer", "user", "1", "D:P(A;;GA;;;SY)(OA;;RP;"+set.String()+";;S-1-5-2)", map[string][]string{"possSuperiors": {"ou", "user"}})
	class(classBare, "bare", "top", "1", "", map[string][]string{"mayContain": {"two"}, "possSuperiors": {"ou"}})
	class(classAux, "aux", "top", "3", "", map[string][]string{"mayContain": {"rare"}})
	for n, right := range map[byte]struct{ name, accesses string }{setOneTwo: {"set", "48"}, rightReset: {"reset", "256"}, rightOther: {"other", "256"}} {
		es = append(es, directory.Entry{DN: "CN=" + right.name + ",CN=Extended-Rights,CN=C", Attrs: []directory.Attribute{
			{Name: "cn", Values: [][]byte{[]byte(right.name)}}, {Name: "validAccesses", Values: [][]byte{[]byte(right.accesses)}},
			{Name: "rightsGuid", Values: [][]byte{[]byte(smallGUID(n).String())}},
		}})
	}
	s, err := directory.LoadSchema(t.Context(), es, d)
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

type dice struct{ *rand.Rand }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

func (d dice) ace(sid func(string) sddl.SID) sddl.ACE {
	a := sddl.ACE{
		Type: pick(d, sddl.Allow, sddl.Allow, sddl.AllowObject, sddl.AllowObject, sddl.AllowObject, sddl.Deny, sddl.DenyObject, sddl.DenyObject),
		Mask: pick(d, sddl.ReadProperty, sddl.WriteProperty, sddl.ControlAccess, sddl.CreateChild, sddl.WriteSelf, sddl.WriteDACL, sddl.Delete,
			sddl.ReadProperty|sddl.WriteProperty, sddl.GenericAll, sddl.GenericWrite, sddl.FullControl),
		Flags: pick[sddl.ACEFlags](d, 0, sddl.ContainerInherit, sddl.ContainerInherit, sddl.ContainerInherit|sddl.InheritOnly, sddl.ContainerInherit|sddl.InheritOnly,
			sddl.ContainerInherit|sddl.NoPropagate, sddl.ContainerInherit|sddl.InheritOnly|sddl.NoPropagate, sddl.ObjectInherit|sddl.InheritOnly),
		SID: sid(pick(d, "S-1-5-21-1-2-3-1105", "S-1-5-21-1-2-3-1105", "S-1-5-21-1-2-3-1105", "S-1-5-21-1-2-3-513", "S-1-5-11", "S-1-5-21-1-2-3-999", "S-1-3-0", "S-1-3-4", "S-1-5-10")),
	}
	if d.IntN(20) == 0 {
		a.Type = pick(d, sddl.AllowCallback, sddl.DenyCallback)
	}
	if a.Type.IsObject() {
		if d.IntN(3) > 0 {
			a.ObjectFlags |= sddl.ObjectTypePresent
			a.ObjectType = smallGUID(pick(d, named...))
		}
		if d.IntN(3) == 0 {
			a.ObjectFlags |= sddl.InheritedObjectTypePresent
			a.InheritedObjectType = smallGUID(pick[byte](d, classOU, classUser, classComputer, classBare, classAux, 99))
		}
	}
	return a
}

func (d dice) forbidden() acl.Requirement {
	req := acl.Requirement{Scope: pick(d, acl.ThisObject, acl.ThisObjectAndDescendants, acl.Descendants, acl.Children)}
	whole := func(m sddl.Mask) acl.Right { return acl.Right{Mask: m} }
	of := func(m sddl.Mask, n byte, kind acl.ObjectKind) acl.Right {
		return acl.Right{Mask: m, Object: smallGUID(n), Kind: kind}
	}
	req.Right = pick(d, whole(sddl.ReadProperty), whole(sddl.WriteProperty), whole(sddl.ControlAccess), whole(sddl.CreateChild), whole(sddl.WriteSelf), whole(sddl.WriteDACL), whole(sddl.Delete),
		of(sddl.WriteProperty, attrOne, acl.Attribute), of(sddl.ReadProperty, attrThree, acl.Attribute), of(sddl.ReadProperty|sddl.ControlAccess, attrTwo, acl.Attribute),
		of(sddl.WriteProperty, attrRare, acl.Attribute), of(sddl.WriteProperty, setOneTwo, acl.PropertySet), of(sddl.ControlAccess, rightReset, acl.ExtendedRight),
		of(sddl.WriteSelf, attrOne, acl.ValidatedWrite), of(sddl.CreateChild, classUser, acl.ChildClass))
	if (req.Scope == acl.Descendants || req.Scope == acl.Children) && d.IntN(2) == 0 {
		req.Class = smallGUID(pick[byte](d, classUser, classComputer, classOU))
	}
	return req
}

// named are what entries are about.
var named = []byte{attrOne, attrTwo, attrThree, attrRare, setOneTwo, rightReset, rightOther, classUser, classComputer, classOU, 99}

// single are the rights that a right consists of, every one.
func single(right acl.Right, class *acl.Class) []acl.Right {
	var out []acl.Right
	if right.Kind != acl.WholeObject && right.Kind != acl.PropertySet || right.Mask&(sddl.WriteDACL|sddl.Delete) != 0 {
		return append(out, right)
	}
	for _, kind := range []struct {
		mask sddl.Mask
		kind acl.ObjectKind
	}{{sddl.ControlAccess, acl.ExtendedRight}, {sddl.WriteSelf, acl.ValidatedWrite}, {sddl.CreateChild, acl.ChildClass}} {
		for _, n := range append(named, 200) {
			if right.Mask == kind.mask {
				out = append(out, acl.Right{Mask: right.Mask, Object: smallGUID(n), Kind: kind.kind})
			}
		}
	}
	if right.Mask&(sddl.ReadProperty|sddl.WriteProperty) != 0 {
		for attribute, set := range class.Attributes {
			if right.Kind == acl.WholeObject || set == right.Object {
				out = append(out, acl.Right{Mask: right.Mask, Object: attribute, Kind: acl.Attribute})
			}
		}
	}
	return out
}

// What is forbidden passes only where every single right is denied, on the target and on every kind of new object, by any way
// down; and it fails for certain only where one is granted.
func TestForbiddenAgainstTheOracle(t *testing.T) {
	schema, domain := smallSchema(t)
	sid := func(text string) sddl.SID {
		s, err := sddl.ParseSID(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	me, group := sid(smallDomain+"-1105"), sid(smallDomain+"-513")
	s := &Snapshot{Domain: domain, Schema: schema, Account: &directory.Account{SID: me, Groups: []sddl.SID{group}, WellKnown: []sddl.SID{sid("S-1-5-11"), sid("S-1-5-2")}}}
	j, err := NewJudge(s, nil, AcceptAny)
	if err != nil {
		t.Fatal(err)
	}
	complete := j.token
	var classes []*acl.Class
	for _, c := range schema.Below("ou") {
		class, fault := j.classForbidden(c, false)
		if fault != "" {
			t.Fatal(fault)
		}
		classes = append(classes, class)
	}
	if len(classes) != 4 {
		t.Fatalf("%d classes", len(classes))
	}
	// An object of a class may have the attributes of another class that is added to it.
	for _, c := range slices.Clone(classes) {
		with := *c
		with.Attributes = maps.Clone(c.Attributes)
		with.Attributes[smallGUID(attrRare)] = sddl.GUID{}
		with.Name += "+aux"
		classes = append(classes, &with)
	}
	self, fault := j.targetClass(schema.Class("ou"), []string{"top", "ou"})
	if fault != "" {
		t.Fatal(fault)
	}
	d := dice{rand.New(rand.NewPCG(1, 2))}
	cases := 6000
	if testing.Short() {
		cases = 2000
	}
	count := map[string]int{}
	for i := range cases {
		j.token = complete
		j.token.Complete = d.IntN(4) > 0
		dacl := &sddl.ACL{Revision: 4}
		for range 1 + d.IntN(4) {
			dacl.ACEs = append(dacl.ACEs, d.ace(sid))
		}
		owner := pick(d, sid("S-1-5-32-544"), sid("S-1-5-32-544"), sid("S-1-5-32-544"), me, group)
		target := &directory.Target{DN: "OU=t,DC=s", Classes: []string{"top", "ou"}, Descriptor: &sddl.Descriptor{Owner: owner, DACL: dacl}}
		one := d.forbidden()
		req := &Requirement{Requirement: policy.Requirement{Rule: &policy.Rule{Forbidden: true}, Any: []acl.Requirement{one}}}
		row := j.Row(target, *req)
		count[row.Result()]++

		granted, possible := "", ""
		ask := func(where string, dacl *sddl.ACL, owner sddl.SID, class *acl.Class, certain bool) {
			if !hasRight(class, one.Right) {
				return
			}
			for _, right := range single(one.Right, class) {
				decision := acl.Check(dacl, owner, j.token, sddl.SID{}, class, right)
				what := fmt.Sprintf("%s of %+v on %s", decision.Effect, right, where)
				switch effect := decision.Effect; {
				case effect == acl.Granted && certain:
					granted, possible = what, what
				case effect != acl.Denied && effect != acl.NotGranted && effect != acl.Partial: // of a single right there are no parts
					possible = what
				}
			}
		}
		if one.Scope == acl.ThisObject || one.Scope == acl.ThisObjectAndDescendants {
			ask("the target", dacl, owner, self, true)
		}
		if one.Scope != acl.ThisObject {
			parents := map[string]*sddl.ACL{"child": dacl}
			if one.Scope != acl.Children {
				for _, between := range classes {
					parents["below "+between.Name] = &sddl.ACL{ACEs: acl.Inherit(dacl.ACEs, []sddl.GUID{between.GUID}, sddl.SID{}, sddl.SID{})}
				}
			}
			for where, parent := range parents {
				for _, class := range classes {
					if !one.Class.IsZero() && class.GUID != one.Class {
						continue
					}
					// That an object has another class added is in doubt.
					where := where + " " + class.Name
					ask(where, acl.NewObject(parent, class, sddl.SID{}, sddl.SID{}), sddl.SID{}, class, len(class.Name) < 4 || class.Name[len(class.Name)-4:] != "+aux")
					create := acl.Right{Mask: sddl.CreateChild, Object: class.GUID, Kind: acl.ChildClass}
					if acl.Check(parent, sddl.SID{}, j.token, sddl.SID{}, self, create).Effect == acl.Granted {
						ask(where+" of its own", acl.NewObject(parent, class, me, sddl.SID{}), me, class, false)
					}
				}
			}
		}
		if row.Pass && possible != "" {
			t.Errorf("case %d: %+v passes on %v owned by %s, though there is %s", i, one, dacl.ACEs, owner, possible)
		}
		if row.Result() == "fail" && granted == "" {
			t.Errorf("case %d: %+v fails on %v owned by %s (%s), and nothing is granted", i, one, dacl.ACEs, owner, row.Why)
		}
		if t.Failed() {
			return
		}
	}
	for _, result := range []string{"pass", "fail", "unknown"} {
		if count[result] < cases/20 {
			t.Errorf("%s only %d times of %d", result, count[result], cases)
		}
	}
}
