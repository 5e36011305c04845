package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/waiver"
)

func waivers(t *testing.T, now time.Time, rules ...string) *audit.Waivers {
	t.Helper()
	text := ""
	for _, rule := range rules {
		text += "- {rule: " + rule + ", target: '*', why: Agreed, until: 2026-06-30}\n"
	}
	list, err := waiver.Parse("w.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &audit.Waivers{List: list, Now: now}
}

func TestMakeLeavesAloneWhatIsWaived(t *testing.T) {
	const user = "bf967aba-0de6-11d0-a285-00aa003049e2"
	in, late := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name        string
		now         time.Time
		prune       bool
		dacl        []string
		remove, add []string
		note        string
	}{
		{"nothing is granted for it", in, false, nil, nil, []string{"(A;;LC;;;<me>)"}, "rule read-user on "},
		{"after its last day it is granted", late, false, nil, nil, []string{"(A;;LC;;;<me>)", "(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"a rule that passes needs no note", in, false, []string{"(OA;CIIO;RP;;" + user + ";<me>)", "(A;;LC;;;<me>)"}, nil, nil, ""},
		{"pruning keeps what passes though it is waived", in, true, []string{"(A;CI;GA;;;<me>)"}, []string{"(A;CI;GA;;;<me>)"}, []string{"(A;;LC;;;<me>)", "(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"pruning takes away nothing that the account has of it", in, true, []string{"(OA;CIIO;RPWP;bf967a0e-0de6-11d0-a285-00aa003049e2;" + user + ";<me>)"}, nil, []string{"(A;;LC;;;<me>)"}, "is not pruned: rule read-user"},
	} {
		f := newForest(t)
		f.edit(t, sales, func(d *sddl.Descriptor) {
			d.DACL.ACEs = nil
			for _, text := range c.dacl {
				d.DACL.ACEs = append(d.DACL.ACEs, ace(text))
			}
		})
		p, err := Make(snapshot(t, f, sales), []*policy.Policy{rules(t, readUser+listHere)}, Options{Accept: audit.AcceptGroups, Prune: c.prune, Waivers: waivers(t, c.now, "read-user")})
		if err != nil {
			t.Fatal(err)
		}
		add, want := added(p), texts(c.add)
		slices.Sort(add)
		slices.Sort(want)
		if !slices.Equal(add, want) || !slices.Equal(removed(p), texts(c.remove)) {
			t.Errorf("%s: adds %v, removes %v; want %v, %v", c.name, add, removed(p), want, texts(c.remove))
		}
		notes := strings.Join(p.Notes, "\n")
		if c.note == "" && notes != "" || !strings.Contains(notes, c.note) {
			t.Errorf("%s: notes %q, want %q", c.name, notes, c.note)
		}
	}
}

// One entry may be what rules of several policies ask for.
func TestSeveralPoliciesShareAnEntry(t *testing.T) {
	f := newForest(t)
	f.edit(t, sales, func(d *sddl.Descriptor) { d.DACL.ACEs = nil })
	a, b, c := rules(t, readUser), rules(t, readUser), rules(t, readFax)
	b.Name, c.Name = "b", "c"
	p, err := Build(snapshot(t, f, sales), []*policy.Policy{a, b, c}, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Changes) != 1 || len(p.Changes[0].Add) != 1 || len(p.Changes[0].Rules) != 3 {
		t.Fatalf("got %+v, want one entry for three rules", p.Changes)
	}
}
