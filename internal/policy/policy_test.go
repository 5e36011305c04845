package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func demoSchema(t testing.TB) *directory.Schema {
	t.Helper()
	c, err := demo.Capture()
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.LoadDomain(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := directory.LoadSchema(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const header = "name: n\ntitle: T\nsource: s\nrules:\n"

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "p.yaml:1: want a mapping with name, title, source and rules"},
		{"a list", "- a\n", "p.yaml:1: want a mapping with name, title, source and rules"},
		{"text", "a\n", "p.yaml:1: want a mapping with name, title, source and rules"},
		{"no YAML", "name: [\n", "p.yaml:1: did not find expected node content"},
		{"a tab", "name: n\n\ttitle: T\n", "p.yaml:2: found a tab character that violates indentation"},
		{"a second document", header + "  - {id: a, rights: [delete], scope: this-object, source: s}\n---\nname: m\n", "p.yaml:6: a second document follows"},
		{"a second document that is broken", header + "  - {id: a, rights: [delete], scope: this-object, source: s}\n---\nname: [\n", "p.yaml: a second document follows"},
		{"a second document that is empty", header + "  - {id: a, rights: [delete], scope: this-object, source: s}\n---\n", "p.yaml:6: a second document follows"},
		{"an unknown key", "name: n\ntitel: T\n", `p.yaml:2: unknown key "titel", want one of name, notes, rules, source, title`},
		{"a merge key", "name: n\n<<: {title: T}\n", `p.yaml:2: unknown key "<<", want one of name, notes, rules, source, title`},
		{"a key twice", "name: n\nname: m\n", `p.yaml:2: key "name" stands here twice`},
		{"no name", "title: T\nsource: s\nrules: [{}]\n", `p.yaml:1: key "name" is missing`},
		{"no source", "name: n\ntitle: T\nrules: [{}]\n", `p.yaml:1: key "source" is missing`},
		{"no rules", "name: n\ntitle: T\nsource: s\n", `p.yaml:1: key "rules" is missing`},
		{"an empty list of rules", "name: n\ntitle: T\nsource: s\nrules: []\n", "p.yaml:1: a policy without rules asks for nothing"},
		{"rules that are no list", "name: n\ntitle: T\nsource: s\nrules: all\n", "p.yaml:4: rules: want a list"},
		{"rules by reference", "name: &n [a]\ntitle: T\nsource: s\nrules: *n\n", "p.yaml:1: name: cannot unmarshal !!seq into string"},
		{"a name that is a list", "name: [n]\n", "p.yaml:1: name: cannot unmarshal !!seq into string"},
		{"notes that are no list", "name: n\ntitle: T\nsource: s\nnotes: x\n", "p.yaml:4: notes: cannot unmarshal !!str `x` into []string"},

		{"a rule that is text", header + "  - delete\n", "p.yaml:5: want a mapping with id, rights and scope"},
		{"a rule by reference", header + "  - &a {id: a, rights: [delete], scope: this-object, source: s}\n  - *a\n", "p.yaml:6: want a mapping with id, rights and scope"},
		{"an unknown key in a rule", header + "  - id: a\n    right: [delete]\n", `p.yaml:6: unknown key "right", want one of class, id, object, optional, rights, scope, source, why`},
		{"a key in a rule twice", header + "  - id: a\n    id: b\n", `p.yaml:6: key "id" stands here twice`},
		{"a rule without a scope", header + "  - {id: a, rights: [delete], source: s}\n", `p.yaml:5: key "scope" is missing`},
		{"a rule without a source", header + "  - {id: a, rights: [delete], scope: this-object}\n", `p.yaml:5: key "source" is missing`},
		{"an empty id", header + "  - {id: '', rights: [delete], scope: this-object, source: s}\n", "p.yaml:5: key \"id\" is empty"},
		{"no rights", header + "  - {id: a, rights: [], scope: this-object, source: s}\n", "p.yaml:5: id and rights must not be empty"},
		{"rights that are no list", header + "  - {id: a, rights: delete, scope: this-object, source: s}\n", "p.yaml:5: rights: cannot unmarshal !!str `delete` into []string"},
		{"a right that there is not", header + "  - {id: a, rights: [fly], scope: this-object, source: s}\n", `p.yaml:5: rule a: unknown right "fly", want one of full-control, `},
		{"a right in capitals", header + "  - {id: a, rights: [Delete], scope: this-object, source: s}\n", `p.yaml:5: rule a: unknown right "Delete", want one of `},
		{"a right that is nothing", header + "  - {id: a, rights: [~], scope: this-object, source: s}\n", "p.yaml:5: key \"rights\" is empty"},
		{"a right that is nothing beside one", header + "  - {id: a, rights: [delete, ~], scope: this-object, source: s}\n", "p.yaml:5: key \"rights\" is empty"},
		{"a class that was left blank", header + "  - {id: a, rights: [delete], scope: descendants, class: , source: s}\n", "p.yaml:5: key \"class\" is empty"},
		{"a class of blanks", header + "  - {id: a, rights: [delete], scope: descendants, class: ' ', source: s}\n", "p.yaml:5: key \"class\" is empty"},
		{"a scope that there is not", header + "  - {id: a, rights: [delete], scope: everywhere, source: s}\n", `p.yaml:5: rule a: unknown scope "everywhere", want one of this-object, this-object-and-descendants, descendants, children`},
		{"rights that take different objects", header + "  - {id: a, rights: [create-child, write-property], object: user, scope: this-object, source: s}\n", "p.yaml:5: rule a: create-child and write-property take different objects, make them two rules"},
		{"rights with and without an object", header + "  - {id: a, rights: [delete, create-child], object: user, scope: this-object, source: s}\n", "p.yaml:5: rule a: delete and create-child take different objects"},
		{"an object where none is taken", header + "  - {id: a, rights: [delete], object: user, scope: this-object, source: s}\n", "p.yaml:5: rule a: delete takes no object"},
		{"no object where one is needed", header + "  - {id: a, rights: [create-child], scope: this-object, source: s}\n", "p.yaml:5: rule a: create-child needs an object"},
		{"a class for the object itself", header + "  - {id: a, rights: [delete], scope: this-object, class: user, source: s}\n", "p.yaml:5: rule a: scope this-object takes no class, for it reaches the target itself"},
		{"a class for the object and below", header + "  - {id: a, rights: [delete], scope: this-object-and-descendants, class: user, source: s}\n", "p.yaml:5: rule a: scope this-object-and-descendants takes no class"},
		{"an optional that is not yes or no", header + "  - {id: a, rights: [delete], scope: this-object, optional: perhaps, source: s}\n", "p.yaml:5: optional: cannot unmarshal !!str `perhaps` into bool"},
		{"an id twice", header + "  - {id: a, rights: [delete], scope: this-object, source: s}\n\n  - {id: a, rights: [list-object], scope: this-object, source: s}\n", `p.yaml:7: rule "a" was there already in line 5`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse("p.yaml", []byte(c.text))
			var at *Error
			if p != nil || !errors.As(err, &at) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%+v, %v, want %s", p, err, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	text := `# a comment
name: n
title: T
source: s
notes: [one, two]
rules:
  - id: a
    rights: [create-child, delete-child]
    object: user
    scope: this-object-and-descendants
    optional: true
    why: because
    source: row 1
  - {id: b, rights: [full-control], scope: descendants, class: group, source: row 2}
`
	p, err := Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "n" || p.Title != "T" || p.Source != "s" || !slices.Equal(p.Notes, []string{"one", "two"}) || string(p.Text) != text || len(p.Rules) != 2 {
		t.Fatalf("%+v", p)
	}
	a, b := p.Rules[0], p.Rules[1]
	if a.ID != "a" || !slices.Equal(a.Rights, []string{"create-child", "delete-child"}) || a.Object != "user" ||
		a.Scope != "this-object-and-descendants" || a.Class != "" || !a.Optional || a.Why != "because" || a.Source != "row 1" {
		t.Errorf("%+v", a)
	}
	if b.ID != "b" || b.Class != "group" || b.Optional || b.Object != "" {
		t.Errorf("%+v", b)
	}
}

func TestRuleInWords(t *testing.T) {
	for _, c := range []struct{ rule, access, where string }{
		{"rights: [full-control], scope: descendants, class: group", "Full control", "Descendant group objects"},
		{"rights: [full-control], scope: descendants", "Full control", "Descendant objects"},
		{"rights: [create-child, delete-child], object: user, scope: this-object-and-descendants", "Create user objects, Delete user objects", "This object and all descendant objects"},
		{"rights: [read-property, write-property], object: member, scope: children, class: group", "Read member, Write member", "Child group objects"},
		{"rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", "DS-Replication-Get-Changes", "This object only"},
		{"rights: [validated-write], object: Validated-DNS-Host-Name, scope: this-object", "Validated write to Validated-DNS-Host-Name", "This object only"},
		{"rights: [read-all-properties, list-contents, delete-subtree], scope: this-object", "Read all properties, List contents, Delete subtree", "This object only"},
	} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Rules[0].Access(); got != c.access {
			t.Errorf("%s: access %q, want %q", c.rule, got, c.access)
		}
		if got := p.Rules[0].AppliesTo(); got != c.where {
			t.Errorf("%s: applies to %q, want %q", c.rule, got, c.where)
		}
	}
}

func TestResolve(t *testing.T) {
	s := demoSchema(t)
	guid := func(text string) sddl.GUID {
		if text == "" {
			return sddl.GUID{}
		}
		g, err := sddl.ParseGUID(text)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	const (
		user  = "bf967aba-0de6-11d0-a285-00aa003049e2"
		group = "bf967a9c-0de6-11d0-a285-00aa003049e2"
	)
	for _, c := range []struct {
		name, rule    string
		mask          sddl.Mask
		kind          acl.ObjectKind
		object        string
		scope         acl.Scope
		class         string
		notApplicable string
		err           string
	}{
		{name: "rights on the whole object", rule: "rights: [read-all-properties, list-contents], scope: this-object", mask: sddl.ReadProperty | sddl.ListContents},
		{name: "a class of descendants", rule: "rights: [full-control], scope: descendants, class: group", mask: sddl.FullControl, scope: acl.Descendants, class: group},
		{name: "a class in other letters", rule: "rights: [full-control], scope: children, class: GROUP", mask: sddl.FullControl, scope: acl.Children, class: group},
		{name: "children of a class", rule: "rights: [create-child, delete-child], object: user, scope: this-object-and-descendants", mask: 3, kind: acl.ChildClass, object: user, scope: acl.ThisObjectAndDescendants},
		{name: "an attribute", rule: "rights: [read-property, write-property], object: member, scope: this-object", mask: 0x30, kind: acl.Attribute, object: "bf9679c0-0de6-11d0-a285-00aa003049e2"},
		{name: "a property set", rule: "rights: [write-property], object: General-Information, scope: this-object", mask: 0x20, kind: acl.PropertySet, object: "59ba2f42-79a2-11d0-9020-00c04fc2d3cf"},
		{name: "a property set by its display name", rule: "rights: [write-property], object: General Information, scope: this-object", mask: 0x20, kind: acl.PropertySet, object: "59ba2f42-79a2-11d0-9020-00c04fc2d3cf"},
		{name: "an extended right", rule: "rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", mask: 0x100, kind: acl.ExtendedRight, object: "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"},
		{name: "an extended right by its display name", rule: "rights: [extended-right], object: User Force Change Password, scope: descendants, class: user", mask: 0x100, kind: acl.ExtendedRight, object: "00299570-246d-11d0-a768-00aa006e0529", scope: acl.Descendants, class: user},
		{name: "a validated write", rule: "rights: [validated-write], object: Validated-DNS-Host-Name, scope: this-object", mask: 8, kind: acl.ValidatedWrite, object: "72e39547-7b18-11d1-adef-00c04fd8d5cd"},

		{name: "an attribute is not a class", rule: "rights: [create-child], object: member, scope: this-object", err: `p.yaml:5: rule a: the schema has no class "member"`},
		{name: "a class is not an attribute", rule: "rights: [read-property], object: user, scope: this-object", err: `p.yaml:5: rule a: the schema has no attribute, property set or right "user" for read-property`},
		{name: "an extended right is not a property set", rule: "rights: [read-property], object: DS-Replication-Get-Changes, scope: this-object", err: `p.yaml:5: rule a: the schema has no attribute, property set or right "DS-Replication-Get-Changes" for read-property`},
		{name: "a property set is not an extended right", rule: "rights: [extended-right], object: General-Information, scope: this-object", err: `p.yaml:5: rule a: the schema has no attribute, property set or right "General-Information" for extended-right`},
		{name: "a class of descendants that there is not", rule: "rights: [delete], scope: descendants, class: nobody", err: `p.yaml:5: rule a: the schema has no class "nobody"`},
		{name: "an optional rule is not applicable instead", rule: "rights: [delete], scope: descendants, class: nobody, optional: true", mask: sddl.Delete, scope: acl.Descendants, notApplicable: `the schema has no class "nobody"`},
		{name: "an optional attribute, too", rule: "rights: [read-property], object: nothing, scope: this-object, optional: true", mask: sddl.ReadProperty, kind: acl.PropertySet, notApplicable: `the schema has no attribute, property set or right "nothing" for read-property`},
		{name: "optional says nothing where the name is there", rule: "rights: [create-child], object: user, scope: this-object, optional: true", mask: 1, kind: acl.ChildClass, object: user},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Resolve(s)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := acl.Requirement{Right: acl.Right{Mask: c.mask, Object: guid(c.object), Kind: c.kind}, Scope: c.scope, Class: guid(c.class)}
			if len(got) != 1 || got[0].Requirement != want || got[0].NotApplicable != c.notApplicable || got[0].Rule != &p.Rules[0] {
				t.Errorf("%+v, want %+v, %q", got, want, c.notApplicable)
			}
		})
	}
}

// A name of the demo's schema may be defunct elsewhere.
func TestResolveDoesNotTakeWhatIsDefunct(t *testing.T) {
	s := demoSchema(t)
	s.Class("contact").Defunct = true
	s.Attribute("member").Defunct = true
	for _, rule := range []string{"rights: [delete], scope: descendants, class: contact", "rights: [create-child], object: contact, scope: this-object", "rights: [write-property], object: member, scope: this-object"} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+rule+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Resolve(s); err == nil {
			t.Errorf("%s: %+v", rule, got)
		}
	}
}

// The eight rows of the published table as bytes, encoded by hand from [MS-DTYP] 2.4.4.
func TestBuiltinPolicyIsThePublishedTable(t *testing.T) {
	rows := []struct{ rule, ace string }{
		{"read-device", "050a380010000000020000008e7a96bfe60dd011a28500aa003049e2"},
		{"read-inetorgperson", "050a3800100000000200000014cc28483714bc459b07ad6f015e5f28"},
		{"read-computer", "050a38001000000002000000867a96bfe60dd011a28500aa003049e2"},
		{"read-foreignsecurityprincipal", "050a38001000000002000000121ce3893085d011afda00c04fd930c9"},
		{"full-control-group", "050a3800ff010f00020000009c7a96bfe60dd011a28500aa003049e2"},
		{"read-user", "050a38001000000002000000ba7a96bfe60dd011a28500aa003049e2"},
		{"read-contact", "050a38001000000002000000d01eb45c4c0ed011a28600aa003049e2"},
		{"create-delete-user", "050238000300000001000000ba7a96bfe60dd011a28500aa003049e2"},
	}
	const sidBytes = "010500000000000515000000e8030000d0070000b80b000051040000"
	sid, err := sddl.ParseSID("S-1-5-21-1000-2000-3000-1105")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		t.Fatal(err)
	}
	s := demoSchema(t)
	reqs, err := p.Resolve(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(reqs) != len(rows) {
		t.Fatalf("%d rules, want %d", len(reqs), len(rows))
	}
	var all []acl.Requirement
	var want []string
	for i, row := range rows {
		want = append(want, row.ace+sidBytes)
		all = append(all, reqs[i].Requirement)
		if reqs[i].Rule.ID != row.rule {
			t.Errorf("rule %d is %s, want %s", i+1, reqs[i].Rule.ID, row.rule)
		}
		if got := missing(s, sid, reqs[i].Requirement); !slices.Equal(got, want[i:]) {
			t.Errorf("%s alone takes %q, want %q", row.rule, got, want[i:])
		}
	}
	if got := missing(s, sid, all...); !slices.Equal(got, want) {
		t.Errorf("all together take %q, want %q", got, want)
	}
}

func missing(s *directory.Schema, sid sddl.SID, reqs ...acl.Requirement) []string {
	var out []string
	for _, a := range acl.MissingACEs(&sddl.ACL{Revision: 4}, sid, reqs, s.PropertySetOf) {
		out = append(out, hex.EncodeToString(a.Append(nil)))
	}
	return out
}

func TestBuiltin(t *testing.T) {
	names := BuiltinNames()
	if !slices.Contains(names, "cloud-sync-custom-gmsa") || !slices.IsSorted(names) {
		t.Errorf("names %q", names)
	}
	s := demoSchema(t)
	for _, name := range names {
		p, err := Builtin(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Name != name {
			t.Errorf("%s calls itself %s", name, p.Name)
		}
		if _, err := p.Resolve(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "none", "../policies/cloud-sync-custom-gmsa", "cloud-sync-custom-gmsa.yaml"} {
		if p, err := Builtin(name); err == nil || !strings.Contains(err.Error(), "there are: "+strings.Join(names, ", ")) {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}

// Whatever the text is, Parse either says what is wrong with it or has rules that make
// sense.
func FuzzParse(f *testing.F) {
	for _, name := range BuiltinNames() {
		p, err := Builtin(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Text)
	}
	for _, text := range []string{
		"", "a", "- a", "&a {<<: *a}", "name: [", "name: n\n---\nname: m\n", "a: &a [*a]\n",
		header + "  - {id: a, rights: [create-child], object: user, scope: children, class: group, optional: yes, why: w, source: s}\n",
		header + "  - &a {id: a, rights: &r [delete], scope: this-object, source: s}\n  - {id: b, rights: *r, scope: this-object, source: s}\n",
	} {
		f.Add([]byte(text))
	}
	s := demoSchema(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("p.yaml", text)
		if err != nil {
			var at *Error
			if p != nil || !errors.As(err, &at) || at.Why == "" {
				t.Errorf("%+v, %v", p, err)
			}
			return
		}
		if len(p.Rules) == 0 {
			t.Errorf("accepted: %+v", p)
		}
		for i := range p.Rules {
			r := &p.Rules[i]
			if r.ID == "" || r.Access() == "" || r.AppliesTo() == "" || strings.Contains(fmt.Sprint(r.Access(), r.AppliesTo()), "%!") {
				t.Errorf("accepted: %+v", r)
			}
		}
		reqs, err := p.Resolve(s)
		for _, req := range reqs {
			if err == nil && req.NotApplicable == "" && req.Right.Mask == 0 {
				t.Errorf("asks for nothing: %+v", req)
			}
		}
	})
}
