package acl_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// dial binds as somebody until the test ends.
func dial(t testing.TB, dc, user string, password []byte) *ldapx.Session {
	t.Helper()
	s, err := ldapx.Dial(t.Context(), ldapx.Config{DC: dc, User: user, Timeout: 60 * time.Second,
		Password: func() ([]byte, error) { return slices.Clone(password), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dialAdmin(t testing.TB, lab *labtest.Lab) *ldapx.Session {
	t.Helper()
	b, err := os.ReadFile(lab.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	return dial(t, lab.DC, lab.User, []byte(strings.TrimSpace(string(b))))
}

// object is what the directory stores of one.
type object struct {
	dn      string
	classes []string
	head    bool // of a naming context
	sid     sddl.SID
	d       *sddl.Descriptor
}

const headOfNC = 1 // [MS-ADTS] 3.1.1.1.7

func readObjects(t testing.TB, r directory.Reader, base string, scope directory.Scope) map[string]*object {
	t.Helper()
	found := map[string]*object{}
	q := directory.Query{Base: base, Scope: scope, Attrs: []string{"objectClass", "instanceType", "objectSid"}, Descriptor: true}
	for e, err := range r.Read(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		d, err := sddl.Parse(e.Value("nTSecurityDescriptor"))
		if err != nil {
			t.Fatalf("%s: %v", e.DN, err)
		}
		o := &object{dn: e.DN, classes: e.Texts("objectClass"), d: d}
		var kind int
		fmt.Sscan(e.Text("instanceType"), &kind)
		o.head = kind&headOfNC != 0
		if b := e.Value("objectSid"); b != nil {
			if o.sid, err = sddl.ParseSIDBytes(b); err != nil {
				t.Fatalf("%s: %v", e.DN, err)
			}
		}
		found[directory.DNKey(e.DN)] = o
	}
	return found
}

// Every object of the forest, in all naming contexts, has the inherited entries that
// Inherit gives from its parent, and no other.
func TestLabForestInherits(t *testing.T) {
	lab := labtest.Require(t)
	s := dialAdmin(t, lab)
	schema := readSchema(t, s)
	root, err := directory.Collect(s.Read(t.Context(), directory.Query{Attrs: []string{"namingContexts"}}))
	if err != nil {
		t.Fatal(err)
	}
	found := met{}
	objects, entries := 0, 0
	check := func(t testing.TB, o, parent *object) {
		var want []sddl.ACE
		if !o.head && !o.d.Control.Has(sddl.DACLProtected) {
			want = acl.Inherit(parent.d.DACL.ACEs, []sddl.GUID{schema.class(t, o.classes).GUID}, o.d.Owner, o.d.Group)
		}
		found.same(t, o.dn, o.d.DACL.Inherited(), want)
		objects++
		entries += len(want)
	}
	for _, nc := range root[0].Texts("namingContexts") {
		all := readObjects(t, s, nc, directory.Subtree)
		for key, o := range all {
			parent := all[directory.DNKey(directory.ParentDN(o.dn))]
			if parent == nil && !o.head {
				continue // deleted since, by another test
			}
			trial := new(recorder)
			if check(trial, o, parent); !trial.failed {
				continue
			}
			// Another test may have written between the pages of the answer.
			if o = readObjects(t, s, o.dn, directory.Base)[key]; o == nil {
				continue
			}
			check(t, o, readObjects(t, s, directory.ParentDN(o.dn), directory.Base)[directory.DNKey(directory.ParentDN(o.dn))])
		}
	}
	t.Logf("%d objects inherit %d entries; %v", objects, entries, found)
	if objects < 3000 || found[keepsDuplicates] == 0 {
		t.Errorf("%d objects, %v: too few", objects, found)
	}
}

// recorder is a test that only notes that it failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
