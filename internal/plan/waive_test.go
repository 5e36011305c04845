package plan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
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
	if rules == nil {
		text = "[]"
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
		{"after its last day it is granted", late, false, nil, nil, []string{"(A;;LC;;;<me>)", "(OA;CIIO;RP;;" + user + ";<me>)"}, "the waiver of rule read-user in line 1 expired on 2026-06-30"},
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

// Whatever the DACLs and the waivers are: a plan for several policies has no entry that could
// be left out, grants nothing for what is waived, and nothing that passes is lost.
func TestPlansOfSeveralPoliciesAndWaivers(t *testing.T) {
	var policies []*policy.Policy
	for name, text := range map[string]string{
		"a": readUser + listHere, "b": readUser + readFax, "c": readFax + getChanges,
		"d": "  - {id: read-all, rights: [read-all-properties], scope: this-object-and-descendants, source: t}\n",
		"e": "  - {id: users, rights: [full-control], scope: descendants, class: user, source: t}\n",
	} {
		p := rules(t, text)
		p.Name = name
		policies = append(policies, p)
	}
	slices.SortFunc(policies, func(a, b *policy.Policy) int { return strings.Compare(a.Name, b.Name) })
	targets := containers(t)[:4]
	entries, left := 0, 0
	for round := range uint64(rounds) {
		r := rand.New(rand.NewPCG(round, 2))
		f := newForest(t)
		for _, dn := range targets {
			raw, err := randomDescriptor(r, f.descriptor(t, dn)).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			f.set(dn, descriptorAttr, raw)
		}
		chosen := slices.Clone(policies)
		r.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:1+r.IntN(len(chosen))]
		var waived []string
		for _, rule := range []string{"read-user", "b/read-fax", "list-here", "users", "nosuch"} {
			if r.IntN(3) == 0 {
				waived = append(waived, rule)
			}
		}
		w := waivers(t, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), waived...)
		s := snapshot(t, f, targets...)
		p, err := Make(s, chosen, Options{Accept: audit.AcceptGroups, Waivers: w})
		if err != nil {
			t.Fatal(err)
		}
		j, err := audit.NewJudge(s, chosen, audit.AcceptGroups)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Changes {
			c := &p.Changes[i]
			before, after, err := c.parse()
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(s.Targets, func(target *directory.Target) bool { return target.DN == c.DN })
			passes := func(dacl *sddl.ACL) map[Rule]bool {
				target := *s.Targets[at]
				target.Descriptor = before.WithDACL(dacl)
				out := map[Rule]bool{}
				for _, req := range j.Requirements {
					out[ruleOf(req)] = j.Row(&target, req).Pass
				}
				return out
			}
			then, now := passes(before.DACL), passes(after.DACL)
			for _, rule := range c.Rules {
				if then[rule] || !now[rule] || w.For(rule.Policy, rule.Rule, c.DN) != nil {
					t.Errorf("round %d, %s: %v passed %v and passes %v, waivers %v", round, c.DN, rule, then[rule], now[rule], waived)
				}
			}
			for rule, passed := range then {
				if passed && !now[rule] {
					t.Errorf("round %d, %s: %v is lost", round, c.DN, rule)
				}
			}
			_, added := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
			for _, a := range added {
				entries++
				less := *after.DACL
				less.ACEs = slices.DeleteFunc(slices.Clone(less.ACEs), func(other sddl.ACE) bool { return other == a })
				without := passes(&less)
				if !slices.ContainsFunc(c.Rules, func(rule Rule) bool { return !without[rule] }) {
					t.Errorf("round %d, %s: %v could be left out of %v", round, c.DN, a, added)
				}
			}
		}
		left += strings.Count(strings.Join(p.Notes, "\n"), "is left alone")
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d entries, %d rows left alone", entries, left)
	// Of nothing, every property holds.
	if entries < rounds || left < rounds/2 {
		t.Errorf("only %d entries, %d rows left alone", entries, left)
	}
}
