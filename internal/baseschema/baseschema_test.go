package baseschema

import (
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func guid(t *testing.T, text string) sddl.GUID {
	t.Helper()
	g, err := sddl.ParseGUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The file has the form that the package reads: known headings, sorted, each GUID once
// under a heading, and as many as Microsoft publishes.
func TestFile(t *testing.T) {
	counts := map[Kind]int{}
	type key struct {
		kind Kind
		guid sddl.GUID
	}
	seen := map[key]string{}
	kind, last := Kind(0), ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "["):
			if kind = kindOf(strings.Trim(line, "[]")); kind == 0 {
				t.Errorf("%q is no kind", line)
			}
			last = ""
			continue
		}
		digits, rest, _ := strings.Cut(line, " ")
		g := guid(t, digits)
		if digits != g.String() {
			t.Errorf("%s: not in lower case", line)
		}
		name, display, _ := strings.Cut(rest, " ")
		if name == "" || strings.TrimSpace(rest) != rest {
			t.Errorf("%q: no name, or blanks around it", line)
		}
		if display != "" && kind < PropertySet {
			t.Errorf("%q: attributes and classes have no display name", line)
		}
		if low := strings.ToLower(name); low <= last {
			t.Errorf("%s stands after %s", name, last)
		} else {
			last = low
		}
		if other := seen[key{kind, g}]; other != "" {
			t.Errorf("%s is both %s and %s", g, other, name)
		}
		seen[key{kind, g}] = name
		counts[kind]++
		if !slices.Contains(Names(g), Name{kind, name, display}) {
			t.Errorf("%s: the table has %v", line, Names(g))
		}
	}
	// 1768 attributes and classes; 76 rights, and six that only later servers publish.
	if got := counts[Attribute] + counts[Class]; got != 1768 || counts[Attribute] != 1499 {
		t.Errorf("%d attributes and classes, of these %d attributes", got, counts[Attribute])
	}
	if got := counts[PropertySet] + counts[ExtendedRight] + counts[ValidatedWrite]; got != 76+6 || counts[PropertySet] != 15 || counts[ValidatedWrite] != 6 {
		t.Errorf("%d rights, of these %d property sets and %d validated writes", got, counts[PropertySet], counts[ValidatedWrite])
	}
	entries := 0
	for _, names := range table() {
		entries += len(names)
	}
	if entries != 1768+82 {
		t.Errorf("the table has %d entries", entries)
	}
}

// What a real forest says of its schema and rights, the table says too.
func TestAgreesWithTheDemoForest(t *testing.T) {
	c, err := demo.Capture()
	if err != nil {
		t.Fatal(err)
	}
	// validAccesses. [MS-ADTS] 5.1.3.2.1.
	kinds := map[string]Kind{"256": ExtendedRight, "48": PropertySet, "8": ValidatedWrite}
	checked := map[Kind]int{}
	for e := range c.All() {
		var kind Kind
		var name string
		var g sddl.GUID
		classes := e.Texts("objectClass")
		switch {
		case slices.Contains(classes, "attributeSchema"):
			kind, name = Attribute, e.Text("lDAPDisplayName")
			g, err = sddl.ParseGUIDBytes(e.Value("schemaIDGUID"))
		case slices.Contains(classes, "classSchema"):
			kind, name = Class, e.Text("lDAPDisplayName")
			g, err = sddl.ParseGUIDBytes(e.Value("schemaIDGUID"))
		case slices.Contains(classes, "controlAccessRight"):
			kind, name = kinds[e.Text("validAccesses")], e.Text("cn")
			g, err = sddl.ParseGUID(e.Text("rightsGuid"))
		default:
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", e.DN, err)
		}
		found := false
		for _, n := range Names(g) {
			found = found || n.Kind == kind && n.Name == name
		}
		if !found {
			t.Errorf("%s %s %s: the table has %v", kind, g, name, Names(g))
		}
		checked[kind]++
	}
	for kind := Attribute; kind <= ValidatedWrite; kind++ {
		if checked[kind] < 5 {
			t.Errorf("%d of kind %s were compared", checked[kind], kind)
		}
	}
}

func TestObject(t *testing.T) {
	const (
		member    = "bf9679c0-0de6-11d0-a285-00aa003049e2"
		group     = "bf967a9c-0de6-11d0-a285-00aa003049e2"
		personal  = "77b5b886-944a-11d1-aebd-0000f80367c1"
		dnsHost   = "72e39547-7b18-11d1-adef-00c04fd8d5cd"
		reset     = "00299570-246d-11d0-a768-00aa006e0529"
		computer  = "9b026da6-0d3c-465c-8bee-5199d7165cba"
		nobody    = "11111111-2222-3333-4444-555555555555"
		logonInfo = "5f202010-79a5-11d0-9020-00c04fc2d4cf"
	)
	for _, c := range []struct {
		what  string
		guid  string
		right sddl.Mask
		want  string
	}{
		{"an attribute is read", member, sddl.ReadProperty, "member"},
		{"an attribute is written", member, sddl.WriteProperty, "member"},
		{"the validated write with the attribute's GUID", member, sddl.WriteSelf, "member"},
		{"a validated write with a GUID of its own", computer, sddl.WriteSelf, "DS-Validated-Write-Computer (Validated write to computer attributes)"},
		{"control access of an attribute is no extended right", member, sddl.ControlAccess, "on attribute member"},
		{"a class is created", group, sddl.CreateChild, "group"},
		{"a class is deleted", group, sddl.DeleteChild, "group"},
		{"a class is read, which reads the whole object", group, sddl.ReadProperty, "class group"},
		{"a property set", personal, sddl.WriteProperty, "property set Personal-Information"},
		{"a property set whose display name says something else", logonInfo, sddl.ReadProperty, "property set User-Logon (Logon Information)"},
		{"control access of a property set", personal, sddl.ControlAccess, "on property set Personal-Information"},
		{"one GUID: reading is the property set, not the attribute of it", dnsHost, sddl.ReadProperty, "property set DNS-Host-Name-Attributes"},
		{"one GUID: validated writing is of the attribute", dnsHost, sddl.WriteSelf, "dNSHostName"},
		{"an extended right", reset, sddl.ControlAccess, "User-Force-Change-Password (Reset Password)"},
		{"an extended right is not read", reset, sddl.ReadProperty, "extended right User-Force-Change-Password (Reset Password)"},
		{"several rights at once", member, sddl.FullControl, "attribute member"},
		{"the anchor of Cloud Sync", "bd29bf90-66ad-40e1-887b-10df070419a6", sddl.WriteProperty, "msDS-ExternalDirectoryObjectId"},
		{"the class of gMSAs", "7b8b558a-93a5-4af7-adca-c017e67f1057", sddl.CreateChild, "msDS-GroupManagedServiceAccount"},
		{"a GUID of nothing", nobody, sddl.ReadProperty, ""},
		{"no GUID", "00000000-0000-0000-0000-000000000000", sddl.ReadProperty, ""},
	} {
		if got := Object(guid(t, c.guid), c.right); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func BenchmarkObject(b *testing.B) {
	g, err := sddl.ParseGUID("bf9679c0-0de6-11d0-a285-00aa003049e2")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Object(g, sddl.WriteProperty)
	}
}
