package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/waiver"
)

// severalAudit is an audit by ten policies, of which some ask for the same, with waivers in
// each state.
func severalAudit(t *testing.T) *audit.Report {
	t.Helper()
	const rule = "  - {id: %s, rights: [%s], scope: descendants, class: %s, optional: true, source: t}\n"
	s, _ := demoSnapshot(t, head, sales)
	var policies []*policy.Policy
	for i := range 10 {
		rules := fmt.Sprintf(rule, "read-users", "read-all-properties", "user")
		switch {
		case i == 4:
			rules = fmt.Sprintf(rule, "read-mailboxes", "read-all-properties", "noSuchMailbox")
		case i == 5:
			rules = fmt.Sprintf(rule, "read-groups", "read-all-properties", "group")
		case i%3 == 0:
			rules += fmt.Sprintf(rule, "write-users", "write-all-properties", "user") + fmt.Sprintf(rule, "own-groups", "full-control", "group")
		case i%3 == 1:
			rules += fmt.Sprintf(rule, "change-users", "write-all-properties", "user")
		}
		name := fmt.Sprintf("scenario-%d", i)
		p, err := policy.Parse(name+".yaml", []byte("name: "+name+"\ntitle: Scenario "+fmt.Sprint(i)+"\nsource: https://example.com\nrules:\n"+rules))
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	r, err := audit.Evaluate(s, policies, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	list, err := waiver.Parse("waivers.yaml", []byte(`- {rule: scenario-3/write-users, target: "*", why: This scenario is switched off until the summer., until: 2026-06-30}
- {rule: own-groups, target: "`+head+`", why: Groups are kept by hand., until: 2026-05-31}
- {rule: read-users, target: "*", why: Not needed., until: 2027-01-01}
- {rule: read-user, target: "*", why: A slip of the pen., until: 2027-01-01}
`))
	if err != nil {
		t.Fatal(err)
	}
	r.Waive(&audit.Waivers{List: list, Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)})
	return r
}

func TestMergedShowsEveryRowOnce(t *testing.T) {
	r := severalAudit(t)
	for _, target := range r.Targets {
		seen := map[string]int{}
		for i, row := range target.Rows {
			names, shown := merged(target.Rows, i)
			if shown {
				continue
			}
			if !slices.Contains(names, row.Name()) {
				t.Errorf("%s is not among %v", row.Name(), names)
			}
			for _, name := range names {
				seen[name]++
			}
		}
		for _, row := range target.Rows {
			if seen[row.Name()] != 1 {
				t.Errorf("%s is shown %d times", row.Name(), seen[row.Name()])
			}
		}
	}
}

func TestCountsNamesWaivedRowsWhereThereAreSome(t *testing.T) {
	if got := Counts(audit.Summary{Rows: 3, Pass: 1, Fail: 2}); strings.Contains(got, "waived") {
		t.Errorf("got %q", got)
	}
	if got, want := Counts(audit.Summary{Rows: 3, Pass: 1, Fail: 1, Waived: 1}), "1 of 3 pass, 1 fail, 0 unknown, 0 not applicable, 1 waived"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
