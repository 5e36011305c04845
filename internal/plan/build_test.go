package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	readUser   = "  - {id: read-user, rights: [read-all-properties], scope: descendants, class: user, source: t}\n"
	listHere   = "  - {id: list-here, rights: [list-contents], scope: this-object, source: t}\n"
	getChanges = "  - {id: get-changes, rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object, source: t}\n"
	readFax    = "  - {id: read-fax, rights: [read-property], object: facsimileTelephoneNumber, scope: descendants, class: user, source: t}\n"
)

func TestBuild(t *testing.T) {
	const user = "bf967aba-0de6-11d0-a285-00aa003049e2"
	other := ace("(A;;RP;;;S-1-5-21-1-2-3-4711)")
	dacl := func(texts ...string) func(*sddl.Descriptor) {
		return func(d *sddl.Descriptor) {
			d.DACL.ACEs = nil
			for _, text := range texts {
				d.DACL.ACEs = append(d.DACL.ACEs, ace(text))
			}
		}
	}
	for _, c := range []struct {
		name    string
		rules   string
		edit    func(*sddl.Descriptor)
		add     []string
		blocked string // rule: a part of why
	}{
		{"an empty DACL gets what is asked for", readUser, dacl(), []string{"(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"what is there is not added again", readUser, dacl("(OA;CIIO;RP;;" + user + ";<me>)"), nil, ""},
		{"what is there for every class is not added again", readUser, dacl("(A;CI;GA;;;<me>)"), nil, ""},
		{"only the part that lacks is added", "  - {id: child, rights: [create-child, delete-child], object: user, scope: this-object, source: t}\n",
			dacl("(OA;;CC;" + user + ";;<me>)"), []string{"(OA;;DC;" + user + ";;<me>)"}, ""},
		{"one entry for two rules where one is enough", readUser + readFax, dacl(), []string{"(OA;CIIO;RP;;" + user + ";<me>)"}, ""},
		{"an extended right on the object alone", getChanges, dacl(), []string{"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, ""},
		{"a group's entry is enough", listHere, dacl("(A;;LC;;;" + domainSID + "-515)"), nil, ""},
		{"that of Authenticated Users is not, by default", listHere, dacl("(A;;LC;;;AU)"), []string{"(A;;LC;;;<me>)"}, ""},
		{"a conditional entry is not enough", listHere, dacl("(XA;;LC;;;<me>)"), []string{"(A;;LC;;;<me>)"}, ""},
		{"an inherited deny comes after what is added", listHere, dacl("(D;ID;LC;;;WD)"), []string{"(A;;LC;;;<me>)"}, ""},
		{"an explicit deny stays first, so that nothing is added", listHere, dacl("(D;;LC;;;WD)"), nil, "list-here: would not help: a deny entry takes it away on the target itself (Deny Everyone: List contents; this object only)"},
		{"what a deny does not touch is added all the same", listHere + getChanges, dacl("(D;;LC;;;WD)"), []string{"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "list-here: would not help"},
		{"a deny of one attribute that is inherited blocks full control", "  - {id: group, rights: [full-control], scope: descendants, class: group, source: t}\n",
			dacl("(OD;CIIO;WP;bf9679c0-0de6-11d0-a285-00aa003049e2;;<deny>)"), nil, "group: would not help: a deny entry takes it away on new group objects"},
		{"an entry of unknown type before it leaves nothing certain", listHere, dacl("(Q;;LC;;;WD)"), nil, "list-here: would not help: it cannot be told for the target itself"},
		{"an absent DACL is not given its first entry", readUser, func(d *sddl.Descriptor) { d.DACL = nil }, nil, "read-user: has no DACL"},
		{"a DACL out of order is not touched", listHere, dacl("(A;;RP;;;WD)", "(D;;WP;;;BG)"), nil, "list-here: not in canonical order (ACE 1 (explicit deny) stands after ACE 0 (explicit allow))"},
		{"nor one with an explicit entry after inherited ones", listHere, dacl("(A;ID;RP;;;WD)", "(A;;WP;;;BG)"), nil, "list-here: not in canonical order"},
		{"a DACL that would grow beyond its size field is not touched", listHere, func(d *sddl.Descriptor) {
			d.DACL.ACEs = nil
			for d.DACL.Len()+other.Len() <= sddl.MaxACL {
				d.DACL.ACEs = append(d.DACL.ACEs, other)
			}
		}, nil, "list-here: at most 65535 fit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			f.edit(t, sales, c.edit)
			before := f.raw(sales)
			p := build(t, snapshot(t, f, sales), rules(t, c.rules))
			var want []string
			for _, text := range c.add {
				want = append(want, ace(text).String())
			}
			if got := added(p); !slices.Equal(got, want) {
				t.Errorf("adds %q, want %q", got, want)
			}
			rule, why, _ := strings.Cut(c.blocked, ": ")
			switch {
			case rule == "" && len(p.Blocked) > 0:
				t.Errorf("blocked: %+v", p.Blocked)
			case rule != "" && (len(p.Blocked) != 1 || p.Blocked[0].Rule.Rule != rule || p.Blocked[0].DN != sales || !strings.Contains(p.Blocked[0].Why, why)):
				t.Errorf("blocked: %+v, want %q", p.Blocked, c.blocked)
			}
			if p.Pending() != (want != nil) {
				t.Errorf("pending %v with %d to add", p.Pending(), len(want))
			}
			if _, err := Apply(t.Context(), f, p, noSave); err != nil {
				t.Fatal(err)
			}
			if want == nil && (len(f.writes) > 0 || string(f.raw(sales)) != string(before)) {
				t.Errorf("written to %q without anything to add", f.writes)
			}
		})
	}
}

func added(p *Plan) []string {
	var out []string
	for _, c := range p.Changes {
		for _, a := range c.Add {
			out = append(out, a.SDDL)
		}
	}
	return out
}

func TestBuildOrdersNestedTargets(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, head, sales, users, syncOU))
	var got []string
	for _, c := range p.Changes {
		got = append(got, c.DN)
	}
	if want := []string{sales, users, syncOU, head}; !slices.Equal(got, want) {
		t.Errorf("in the order %q, want the deepest first: %q", got, want)
	}
	// Sales is below Sync, and all three below the head.
	if len(p.Notes) != 4 || !strings.HasPrefix(p.Notes[0], sales+" is below "+head) {
		t.Errorf("notes: %q", p.Notes)
	}
	// What is written above must not make what was written below look unwritten.
	f.inheritsMore = true
	r, err := Apply(t.Context(), f, p, noSave)
	if err != nil || states(r) != "verified verified verified verified" {
		t.Errorf("%s, %v", states(r), err)
	}
}

// An object that cannot be pinned is not written.
func TestBuildBlocksWhatItCannotSee(t *testing.T) {
	for _, c := range []struct {
		name string
		hide func(f *forest)
		why  string
	}{
		{"the descriptor is not shown", func(f *forest) { f.set(sales, descriptorAttr, nil) }, "not readable"},
		{"the descriptor is damaged", func(f *forest) { f.set(sales, descriptorAttr, f.raw(sales)[:30]) }, "damaged"},
		{"the objectGUID is not shown", func(f *forest) { f.set(sales, "objectGUID", nil) }, "objectGUID is not readable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			c.hide(f)
			p := build(t, snapshot(t, f, sales))
			if p.Pending() || len(p.Blocked) == 0 {
				t.Fatalf("%d changes, %d blocked", len(p.Changes), len(p.Blocked))
			}
			for _, b := range p.Blocked {
				if !strings.Contains(b.Why, c.why) {
					t.Errorf("%s is blocked for %q, want %q", b.Rule, b.Why, c.why)
				}
			}
		})
	}
}

func TestBuildRefusesUnknownNames(t *testing.T) {
	s := snapshot(t, newForest(t), sales)
	p := rules(t, "  - {id: x, rights: [create-child], object: noSuchClass, scope: this-object, source: t}\n")
	if plan, err := Build(s, []*policy.Policy{p}, audit.AcceptOwn); err == nil {
		t.Errorf("a plan for a class that there is not: %+v", plan)
	}
}

// Two files of one policy may be given, an old one and a new one.
func TestBuildKeepsPoliciesOfOneNameApart(t *testing.T) {
	f := newForest(t)
	f.edit(t, sales, func(d *sddl.Descriptor) {
		d.DACL.ACEs = []sddl.ACE{ace("(D;;WP;;;WD)"), ace("(A;;LC;;;<me>)")}
	})
	one := rules(t, listHere)
	two := rules(t, "  - {id: list-here, rights: [write-all-properties], scope: this-object, source: t}\n"+getChanges)
	p := build(t, snapshot(t, f, sales), one, two)
	if len(p.Changes) != 1 || len(p.Changes[0].Add) != 1 || len(p.Blocked) != 1 {
		t.Errorf("%d changes, blocked: %+v", len(p.Changes), p.Blocked)
	}
}

// What passed on the demo's targets still passes when the plan is applied, and what was
// not blocked passes too.
func TestBuildKeepsWhatPasses(t *testing.T) {
	for _, accept := range []audit.Accept{audit.AcceptOwn, audit.AcceptGroups, audit.AcceptAny} {
		f := newForest(t)
		s := snapshot(t, f, head, syncOU, sales, users)
		before, err := audit.Evaluate(s, builtin(t), accept)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Build(s, builtin(t), accept)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Apply(t.Context(), f, p, noSave); err != nil {
			t.Fatal(err)
		}
		after, err := audit.Evaluate(snapshot(t, f, head, syncOU, sales, users), builtin(t), accept)
		if err != nil {
			t.Fatal(err)
		}
		checkProgress(t, p, before, after)
	}
}

func checkProgress(t *testing.T, p *Plan, before, after *audit.Report) {
	t.Helper()
	blocked := map[string]bool{}
	for _, b := range p.Blocked {
		blocked[b.DN+" "+b.Rule.Rule] = true
	}
	for i, target := range after.Targets {
		for j, row := range target.Rows {
			what := fmt.Sprintf("%s %s", target.DN, row.Rule)
			switch was := before.Targets[i].Rows[j]; {
			case was.Pass && !row.Pass:
				t.Errorf("%s passed and does not any more: %s", what, row.Why)
			case was.Pass && blocked[what]:
				t.Errorf("%s passed and is blocked", what)
			case !row.Pass && !blocked[what] && row.Grant != audit.NotApplicable:
				t.Errorf("%s does not pass and was not blocked: %s", what, row.Why)
			case row.Pass && blocked[what]:
				t.Errorf("%s passes and was blocked", what)
			}
		}
	}
}
