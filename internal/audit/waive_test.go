package audit

import (
	"slices"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/waiver"
)

var today = time.Date(2026, 6, 30, 9, 0, 0, 0, time.UTC)

func waiversOn(t *testing.T, text string) *Waivers {
	t.Helper()
	list, err := waiver.Parse("w.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &Waivers{List: list, Now: today}
}

func one(rule, target, until string) string {
	return "- {rule: " + rule + ", target: '" + target + "', why: Agreed., until: " + until + "}\n"
}

// waivable is an audit of the head of the demo's domain, and of an OU that is not readable.
func waivable(t *testing.T) *Report {
	t.Helper()
	hidden := edited{demoCapture(t), with(sales, "nTSecurityDescriptor")}
	s, err := Load(t.Context(), hidden, account, []string{head, sales})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Evaluate(s, builtin(t), AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWaive(t *testing.T) {
	const policyName = "cloud-sync-custom-gmsa/"
	for _, c := range []struct {
		name, waivers string
		waived        []string // rules on the head
		states        []WaiverState
	}{
		{"a row that fails is waived", one("read-device", head, "2026-06-30"), []string{"read-device"}, []WaiverState{WaiverUsed}},
		{"a DN may be spelt otherwise", one("read-device", "dc=CORP, dc=example", "2026-06-30"), []string{"read-device"}, []WaiverState{WaiverUsed}},
		{"the policy may be named", one(policyName+"read-device", "*", "2026-07-01"), []string{"read-device"}, []WaiverState{WaiverUsed}},
		{"a rule of another policy is another rule", one("other/read-device", "*", "2026-07-01"), nil, []WaiverState{WaiverUnmatched}},
		{"a target above is another target", one("read-device", "DC=example", "2026-07-01"), nil, []WaiverState{WaiverUnmatched}},
		{"a waiver of yesterday covers nothing", one("read-device", "*", "2026-06-29"), nil, []WaiverState{WaiverExpired}},
		{"an expired waiver of nothing is expired all the same", one("nosuch", "*", "2026-06-29"), nil, []WaiverState{WaiverExpired}},
		{"a row that passes needs no waiver", one("read-user", head, "2026-07-01"), nil, []WaiverState{WaiverUnneeded}},
		{"what is unknown is not waived", one("read-user", sales, "2026-07-01"), nil, []WaiverState{WaiverUnknown}},
		{"every target, of which one is unknown", one("read-device", "*", "2026-07-01"), []string{"read-device"}, []WaiverState{WaiverUsed}},
		{"the first that holds is the one", one("read-device", head, "2026-06-29") + one("read-device", "*", "2026-07-01"), []string{"read-device"}, []WaiverState{WaiverExpired, WaiverUsed}},
	} {
		r := waivable(t)
		before := r.Summary
		r.Waive(waiversOn(t, c.waivers))
		var waived []string
		for _, row := range r.Targets[0].Rows {
			if row.Result() == RowWaived {
				waived = append(waived, row.Rule)
				if row.Pass || row.Waived.Why != "Agreed." {
					t.Errorf("%s: a waived row is %+v", c.name, row)
				}
			}
		}
		for _, row := range r.Targets[1].Rows {
			if row.Result() != "unknown" {
				t.Errorf("%s: %s on the unreadable target is %s", c.name, row.Rule, row.Result())
			}
		}
		var states []WaiverState
		for _, v := range r.Waivers {
			states = append(states, v.State)
		}
		if !slices.Equal(waived, c.waived) || !slices.Equal(states, c.states) {
			t.Errorf("%s: got %v %v, want %v %v", c.name, waived, states, c.waived, c.states)
		}
		if got := r.Summary; got.Waived != len(c.waived) || got.Fail != before.Fail-len(c.waived) || got.Unknown != before.Unknown || got.Pass != before.Pass || got.Rows != before.Rows {
			t.Errorf("%s: the summary was %+v and is %+v", c.name, before, got)
		}
		if r.Policies[0].Summary != r.Summary {
			t.Errorf("%s: the only policy has %+v, all have %+v", c.name, r.Policies[0].Summary, r.Summary)
		}
	}
}

func TestCleanWithWaivers(t *testing.T) {
	all := func(until string) string {
		text := ""
		for _, rule := range []string{"read-device", "read-foreignsecurityprincipal", "full-control-group", "create-delete-user"} {
			text += one(rule, head, until)
		}
		return text
	}
	for _, c := range []struct {
		name, waivers string
		want          bool
	}{
		{"nothing is waived", "[]", false},
		{"all that fails is waived", all("2026-07-01"), true},
		{"but one has expired", all("2026-07-01") + one("read-user", head, "2026-06-01"), false},
		{"but one row is left", all("2026-07-01")[len(one("read-device", head, "2026-07-01")):], false},
		{"one too many is said, and no finding", all("2026-07-01") + one("nosuch", head, "2026-07-01"), true},
	} {
		s, err := Load(t.Context(), demoCapture(t), account, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(s, builtin(t), AcceptGroups)
		if err != nil {
			t.Fatal(err)
		}
		if r.Waive(waiversOn(t, c.waivers)); r.Clean() != c.want {
			t.Errorf("%s: clean is %v, want %v (%+v)", c.name, r.Clean(), c.want, r.Summary)
		}
	}
}

func TestWaiveWhatASweepFound(t *testing.T) {
	r := waivable(t)
	rows := func(notEffective, protected, unknown int) *Reach {
		return &Reach{Rows: []ReachRow{{Policy: r.Policies[0].Name, Rule: "read-device", Objects: 9, NotEffective: notEffective, Protected: protected, Unknown: unknown}}}
	}
	r.Targets[0].Reach, r.Targets[1].Reach = rows(4, 2, 1), rows(1, 0, 0)
	// A rule that has an effect wherever there is something has nothing to waive there.
	r.Targets[0].Reach.Rows = append(r.Targets[0].Reach.Rows,
		ReachRow{Policy: r.Policies[0].Name, Rule: "create-delete-user", Objects: 3, Effective: 3},
		ReachRow{Policy: r.Policies[0].Name, Rule: "full-control-group", Derived: 2})
	r.ReachSummary = &SweepSummary{Checked: 21, Effective: 3, NotEffective: 5, Protected: 2, Unknown: 1, Derived: 2, OnlyDerived: 1}
	w := waiversOn(t, one("read-device", "*", "2026-07-01")+one("create-delete-user", "*", "2026-07-01")+one("full-control-group", "*", "2026-07-01"))
	for range 2 { // what was waived is not waived again
		r.Waive(w)
		want := SweepSummary{Checked: 21, Effective: 3, NotEffective: 1, Unknown: 1, Derived: 2, Waived: 6}
		found := r.Targets[0].Reach.Rows
		if *r.ReachSummary != want || !found[0].Waived || found[1].Waived || !found[2].Waived || r.Targets[1].Reach.Rows[0].Waived {
			t.Fatalf("got %+v, want %+v", *r.ReachSummary, want)
		}
	}
}

func TestWaiveInAForest(t *testing.T) {
	r := auditForest(t, twoDomains(t, nil), agent)
	before := r.Summary
	r.Waive(waiversOn(t, one("create-delete-user", head, "2026-07-01")))
	if r.Waivers[0].State != WaiverUsed || r.Waivers[0].Rows != 1 || r.Summary.Waived != 1 || r.Summary.Fail != before.Fail-1 || r.Summary.Domains != before.Domains {
		t.Errorf("got %+v %+v, before %+v", r.Waivers, r.Summary, before)
	}
	if r.Policies[0].Summary != r.Summary.Summary {
		t.Errorf("the only policy has %+v, all have %+v", r.Policies[0].Summary, r.Summary.Summary)
	}
}

func parsed(t *testing.T, name, rules string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(name+".yaml", []byte("name: "+name+"\ntitle: t\nsource: https://example.com\nrules:\n"+rules))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSeveralPoliciesAskForTheSame(t *testing.T) {
	a := parsed(t, "a", "  - {id: users, rights: [read-all-properties], scope: descendants, class: user, source: t}\n  - {id: here, rights: [list-contents], scope: this-object, source: t}\n")
	b := parsed(t, "b", "  - {id: people, rights: [read-all-properties], scope: descendants, class: user, source: u}\n  - {id: contacts, rights: [read-all-properties], scope: descendants, class: contact, source: u}\n"+
		"  - {id: none, rights: [read-all-properties], scope: descendants, class: nosuch, optional: true, source: u}\n  - {id: neither, rights: [full-control], scope: descendants, class: nosuchEither, optional: true, source: u}\n")
	s, err := Load(t.Context(), demoCapture(t), account, []string{head, sales})
	if err != nil {
		t.Fatal(err)
	}
	together, err := Evaluate(s, []*policy.Policy{a, b}, AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	for i, target := range together.Targets {
		var rows []Row
		for _, p := range []*policy.Policy{a, b} {
			alone, err := Evaluate(s, []*policy.Policy{p}, AcceptGroups)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, alone.Targets[i].Rows...)
			for _, got := range together.Policies {
				if got.Name == p.Name && got.Summary != alone.Summary {
					t.Errorf("policy %s has %+v, alone %+v", p.Name, got.Summary, alone.Summary)
				}
			}
		}
		same := [][]string{{"b/people"}, nil, {"a/users"}, nil, nil, nil}
		for k, row := range target.Rows {
			if !slices.Equal(row.SameAs, same[k]) {
				t.Errorf("%s: %s is the same as %v, want %v", target.DN, row.Name(), row.SameAs, same[k])
			}
			row.SameAs = nil
			if got, want := asJSON(t, row), asJSON(t, rows[k]); got != want {
				t.Errorf("%s: together\n%s\nalone\n%s", target.DN, got, want)
			}
		}
	}
	if together.Summary.Rows != 12 {
		t.Errorf("%d rows, want one for each policy's rule on each target: 12", together.Summary.Rows)
	}
}
