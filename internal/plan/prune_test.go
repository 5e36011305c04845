package plan

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func prune(t *testing.T, s *audit.Snapshot, policies ...*policy.Policy) *Plan {
	t.Helper()
	p, err := Prune(s, policies, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func removed(p *Plan) []string {
	var out []string
	for _, c := range p.Changes {
		for _, a := range c.Remove {
			out = append(out, a.SDDL)
		}
	}
	return out
}

func texts(list []string) []string {
	var out []string
	for _, text := range list {
		out = append(out, ace(text).String())
	}
	return out
}

func TestPrune(t *testing.T) {
	const user = "bf967aba-0de6-11d0-a285-00aa003049e2"
	const reset = "00299570-246d-11d0-a768-00aa006e0529"
	for _, c := range []struct {
		name        string
		rules       string
		dacl        []string
		remove, add []string
		note        string
	}{
		{"what is asked for stays", readUser, []string{"(OA;CIIO;RP;;" + user + ";<me>)"}, nil, nil, ""},
		{"less than is asked for stays", readUser + listHere, []string{"(OA;CIIO;RP;;" + user + ";<me>)", "(A;;LC;;;<me>)"}, nil, nil, ""},
		{"what nobody asks for goes", readUser, []string{"(OA;CIIO;RP;;" + user + ";<me>)", "(OA;CIIO;CR;" + reset + ";" + user + ";<me>)"},
			[]string{"(OA;CIIO;CR;" + reset + ";" + user + ";<me>)"}, nil, ""},
		{"full control becomes what is asked for", readUser + listHere, []string{"(A;CI;GA;;;<me>)"},
			[]string{"(A;CI;GA;;;<me>)"}, []string{"(OA;CIIO;RP;;" + user + ";<me>)", "(A;;LC;;;<me>)"}, ""},
		{"one bit too much goes with its entry", readUser, []string{"(OA;CIIO;RPWP;;" + user + ";<me>)"},
			[]string{"(OA;CIIO;RPWP;;" + user + ";<me>)"}, []string{"(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"a scope too wide", readUser, []string{"(A;CIIO;RP;;;<me>)"}, []string{"(A;CIIO;RP;;;<me>)"}, []string{"(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"both of two equal entries", listHere, []string{"(A;;WD;;;<me>)", "(A;;WD;;;<me>)"}, []string{"(A;;WD;;;<me>)", "(A;;WD;;;<me>)"}, []string{"(A;;LC;;;<me>)"}, ""},
		{"what is missing is added as ever", listHere, []string{"(A;;WD;;;<me>)"}, []string{"(A;;WD;;;<me>)"}, []string{"(A;;LC;;;<me>)"}, ""},
		{"others' entries stay", listHere, []string{"(A;;LC;;;<me>)", "(A;CI;GA;;;SY)", "(A;;GA;;;" + domainSID + "-4711)"}, nil, nil, ""},
		{"denies stay", listHere, []string{"(D;;WD;;;<me>)", "(A;;LC;;;<me>)"}, nil, nil, ""},
		{"inherited entries stay", listHere, []string{"(A;;LC;;;<me>)", "(A;CIID;GA;;;<me>)"}, nil, nil, ""},
		{"conditional entries stay", listHere, []string{"(A;;LC;;;<me>)", "(XA;;GA;;;<me>)"}, nil, nil, ""},
		{"what grants nothing stays", listHere, []string{"(A;;LC;;;<me>)", "(A;;0x100000;;;<me>)", "(A;IO;GA;;;<me>)"}, nil, nil, ""},
		{"a right that a group gives need not be added", listHere, []string{"(A;;GA;;;<me>)", "(A;;LC;;;" + domainSID + "-515)"}, []string{"(A;;GA;;;<me>)"}, nil, ""},
		{"what a deny leaves of it is not lost", readUser, []string{"(OD;CIIO;RP;bf967985-0de6-11d0-a285-00aa003049e2;" + user + ";WD)", "(OA;CIIO;RPWP;;" + user + ";<me>)"}, nil, nil,
			"rule read-user would not pass afterwards, and would have less than now"},
		{"nor what nobody can tell", readUser, []string{"(Q;CIIO;LC;;;WD)", "(OA;CIIO;RPWP;;" + user + ";<me>)"}, nil, nil, "rule read-user would not pass afterwards"},
		{"a rule that another entry was for keeps nothing", readUser + "  - {id: fax, rights: [write-property], object: facsimileTelephoneNumber, scope: descendants, class: group, source: t}\n",
			[]string{"(OD;CIIO;WP;;bf967a9c-0de6-11d0-a285-00aa003049e2;WD)", "(OA;CIIO;RPWP;;" + user + ";<me>)"},
			[]string{"(OA;CIIO;RPWP;;" + user + ";<me>)"}, []string{"(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"out of order, nothing is touched", listHere, []string{"(A;;LCWD;;;<me>)", "(D;;WP;;;BG)"}, nil, nil, "not in canonical order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			f.edit(t, sales, func(d *sddl.Descriptor) {
				d.DACL.ACEs = nil
				for _, text := range c.dacl {
					d.DACL.ACEs = append(d.DACL.ACEs, ace(text))
				}
			})
			policies := []*policy.Policy{rules(t, c.rules)}
			before := slices.Clone(f.descriptor(t, sales).DACL.Explicit())
			p := prune(t, snapshot(t, f, sales), policies...)
			if got, want := removed(p), texts(c.remove); !slices.Equal(got, want) {
				t.Errorf("removes %q, want %q", got, want)
			}
			if got, want := added(p), texts(c.add); !slices.Equal(got, want) {
				t.Errorf("adds %q, want %q", got, want)
			}
			if notes := strings.Join(p.Notes, "\n"); (c.note == "") != (notes == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q, want %q", p.Notes, c.note)
			}
			var file bytes.Buffer
			if err := p.Write(&file); err != nil {
				t.Fatal(err)
			}
			read, err := Read(bytes.NewReader(file.Bytes()))
			if err != nil {
				t.Fatalf("its own file: %v", err)
			}
			if c.remove != nil {
				tampered := bytes.Replace(file.Bytes(), []byte(`"prune": true`), []byte(`"prune": false`), 1)
				if _, err := Read(bytes.NewReader(tampered)); err == nil || !strings.Contains(err.Error(), "takes entries away") {
					t.Errorf("a plan that does not prune takes entries away: %v", err)
				}
			}
			var backup *Backup
			if _, err := Apply(t.Context(), f, read, func(b *Backup) (string, error) { backup = b; return "b", nil }); err != nil {
				t.Fatal(err)
			}
			if next := prune(t, snapshot(t, f, sales), policies...); next.Pending() {
				t.Errorf("afterwards there is more to change: -%q +%q", removed(next), added(next))
			}
			if backup == nil {
				return
			}
			undo, err := backup.Undo(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Apply(t.Context(), f, undo, noSave); err != nil {
				t.Fatal(err)
			}
			if lost, gained := sddl.DiffACEs(before, f.descriptor(t, sales).DACL.Explicit()); lost != nil || gained != nil {
				t.Errorf("taken back, it lost %v and gained %v", lost, gained)
			}
		})
	}
}

func TestPruneLeavesATargetAboveAnother(t *testing.T) {
	f := newForest(t)
	full := func(d *sddl.Descriptor) { d.DACL.ACEs = []sddl.ACE{ace("(A;CI;GA;;;<me>)")} }
	f.edit(t, sales, full)
	f.edit(t, head, full)
	p := prune(t, snapshot(t, f, head, sales), rules(t, listHere))
	if len(p.Changes) != 1 || p.Changes[0].DN != sales {
		t.Errorf("changes %+v, want one of %s", p.Changes, sales)
	}
	if len(p.Notes) == 0 || !strings.Contains(p.Notes[0], head+" is not pruned: "+sales+", which is below it") {
		t.Errorf("notes %q", p.Notes)
	}
}

// A plan of which the file was edited does no more than a plan may do.
func TestPruneFileThatTakesMore(t *testing.T) {
	f := newForest(t)
	f.edit(t, sales, func(d *sddl.Descriptor) {
		d.DACL.ACEs = []sddl.ACE{ace("(D;;WD;;;<me>)"), ace("(A;;WD;;;<me>)"), ace("(A;;GA;;;SY)")}
	})
	s := snapshot(t, f, sales)
	for name, keep := range map[string]func(sddl.ACE) bool{
		"a deny":                func(a sddl.ACE) bool { return !a.Type.IsDeny() },
		"somebody else's entry": func(a sddl.ACE) bool { return a.SID.String() == accountSID },
	} {
		p := prune(t, s, rules(t, listHere))
		dacl := *s.Targets[0].Descriptor.DACL
		dacl.ACEs = slices.DeleteFunc(slices.Clone(dacl.ACEs), func(a sddl.ACE) bool { return !keep(a) })
		change, err := newChange(s.Targets[0], &dacl, "", s)
		if err != nil {
			t.Fatal(err)
		}
		p.Changes = []Change{change}
		var file bytes.Buffer
		if err := p.Write(&file); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&file); err == nil || !strings.Contains(err.Error(), "no allow entry of the account") {
			t.Errorf("%s can be taken away: %v", name, err)
		}
	}
}

// Whatever the DACLs are: pruning takes away only what is the account's own, no rule that
// passed fails afterwards, there is nothing left to prune, and all of it can be undone.
func TestPlansThatPruneRandomDACLs(t *testing.T) {
	sets := [][]*policy.Policy{builtin(t), {rules(t, listHere+getChanges+readFax)}}
	cases, pruned := 0, 0
	for round := range uint64(rounds/9 + 1) {
		r := rand.New(rand.NewPCG(round, 2))
		f := newForest(t)
		f.server = server{round&1 != 0, round&2 != 0, round&4 != 0, round&8 != 0}
		policies := sets[round%2]
		for _, dn := range containers(t) {
			d := randomDescriptor(r, f.descriptor(t, dn))
			raw, err := d.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			f.set(dn, descriptorAttr, raw)
			evaluate := func() *audit.Report {
				report, err := audit.Evaluate(snapshot(t, f, dn), policies, audit.AcceptGroups)
				if err != nil {
					t.Fatal(err)
				}
				return report
			}
			before := evaluate()
			p := prune(t, snapshot(t, f, dn), policies...)
			cases++
			if len(removed(p)) > 0 {
				pruned++
			}
			for _, text := range removed(p) {
				a, err := sddl.ParseACEText(text, sddl.Aliases{})
				if err != nil || a.SID.String() != accountSID || a.IsInherited() || a.Type.IsDeny() {
					t.Errorf("takes %s away, %v", text, err)
				}
			}
			var backup *Backup
			if _, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) { backup = b; return "b", nil }); err != nil {
				t.Errorf("apply: %v", err)
			}
			after := evaluate()
			for i, row := range before.Targets[0].Rows {
				if row.Pass && !after.Targets[0].Rows[i].Pass {
					t.Errorf("rule %s passed and does not any more: %s", row.Rule, after.Targets[0].Rows[i].Why)
				}
			}
			if next := prune(t, snapshot(t, f, dn), policies...); next.Pending() {
				t.Errorf("there is more to change: -%q +%q", removed(next), added(next))
			}
			if backup != nil {
				undo, err := backup.Undo(t.Context(), f)
				if err == nil {
					_, err = Apply(t.Context(), f, undo, noSave)
				}
				if stale := (*StaleError)(nil); errors.As(err, &stale) || err != nil {
					t.Errorf("undo: %v", err)
				}
				if d.DACL != nil {
					if lost, gained := sddl.DiffACEs(d.DACL.Explicit(), f.descriptor(t, dn).DACL.Explicit()); lost != nil || gained != nil {
						t.Errorf("taken back, it lost %v and gained %v", lost, gained)
					}
				}
			}
			if t.Failed() {
				t.Fatalf("in round %d, %s, from %s", round, dn, d.Text(sddl.Aliases{}))
			}
		}
	}
	if rounds >= 27 && pruned < cases/8 {
		t.Errorf("of %d DACLs only %d were pruned", cases, pruned)
	}
}
