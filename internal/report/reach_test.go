package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
)

// sweptAudit has everything that a sweep can find.
func sweptAudit() *audit.Report {
	deny := audit.ACE{SDDL: "(OD;CIIO;WP;bf9679c0-0de6-11d0-a285-00aa003049e2;;S-1-5-21-1-2-3-1103)", Words: `Deny CORP\Restricted: Write member; descendant objects`}
	full := audit.ACE{SDDL: "(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;S-1-5-21-1-2-3-1105)", Words: `Allow CORP\agent$: Full control; this object and descendant objects`}
	row := audit.Row{Policy: "p", Rule: "write-member", Access: "Write member", AppliesTo: "Descendant group objects", Grant: "exact", Effect: "granted", Pass: true}
	many := audit.ReachRow{Policy: "p", Rule: "many-causes", Objects: 12, NotEffective: 12, Classes: []audit.ClassReach{{Class: "group", Objects: 12}}, MoreCauses: 4}
	for _, name := range strings.Fields("a b c d e f g h i j k l") {
		many.Causes = append(many.Causes, audit.Cause{Cause: audit.CauseBlocked, At: "OU=" + name + "," + head, Why: "its DACL is protected: nothing is inherited from above",
			Objects: 1, Classes: []audit.ClassCount{{Class: "group", Objects: 1}}})
	}
	reach := &audit.Reach{
		Objects: 1234567,
		Classes: []audit.ClassCount{{Class: "user", Objects: 1200000}, {Class: "msDS-GroupManagedServiceAccount", Objects: 34000}, {Class: "group", Objects: 500}, {Class: "a", Objects: 60}, {Class: "b", Objects: 4}, {Class: "c", Objects: 1}, {Class: "d", Objects: 1}, {Class: "e", Objects: 1}, {Class: "f", Objects: 1}},
		Rows: []audit.ReachRow{
			{Policy: "p", Rule: "all-well", Objects: 10, Effective: 10, Classes: []audit.ClassReach{{Class: "user", Objects: 10, Effective: 10}, {Class: "computer", Objects: 3, Effective: 1, Derived: true}}, Derived: 3},
			{Policy: "p", Rule: "of-nothing", Classes: []audit.ClassReach{}},
			{Policy: "p", Rule: "of-derived", Derived: 4, Classes: []audit.ClassReach{{Class: "inetOrgPerson", Objects: 4, Derived: true}}},
			{Policy: "p", Rule: "not-seen", Objects: 3, Effective: 1, Unknown: 2, Classes: []audit.ClassReach{{Class: "group", Objects: 3, Effective: 1, Unknown: 2}},
				Causes: []audit.Cause{{Cause: audit.CauseUnreadable, Why: "the security descriptor is not readable to this identity", Objects: 2,
					Classes: []audit.ClassCount{{Class: "group", Objects: 2}}, Examples: []string{"CN=a," + head, "CN=\x1b[2J," + head}}}},
			{Policy: "p", Rule: "not-reached", Objects: 300, Effective: 100, NotEffective: 150, Protected: 50, Classes: []audit.ClassReach{{Class: "group", Objects: 300, Effective: 100}},
				Causes: []audit.Cause{
					{Cause: audit.CauseDeny, At: "OU=Sales," + head, Why: "a deny entry that stands here takes it away", ACE: &deny, Objects: 150, Classes: []audit.ClassCount{{Class: "group", Objects: 150}}, Examples: []string{"CN=b," + head}},
					{Cause: audit.CauseProtected, At: "CN=AdminSDHolder,CN=System," + head, Why: "SDProp writes the DACL of AdminSDHolder on them, and nothing is inherited", Objects: 50, Classes: []audit.ClassCount{{Class: "group", Objects: 50}}, Examples: []string{}},
				}},
			many,
		},
		Notes:           []string{"Objects that AdminSDHolder protects cannot be told from others that block inheritance: it is not visible to this identity."},
		StaleAdminCount: &audit.Marked{Objects: 2, Examples: []string{"CN=c," + head}},
	}
	r := &audit.Report{
		Format: 1, Kind: "AuditReport",
		Domain:  audit.Domain{DNS: "corp.example", DN: head, DC: "dc1.corp.example"},
		Account: audit.Account{Name: `CORP\agent$`, DN: "CN=agent," + head, Groups: []audit.Group{}},
		Targets: []audit.Target{{DN: head, Class: "domainDNS", Rows: []audit.Row{row}, Reach: reach}},
		Summary: audit.Summary{Rows: 1, Pass: 1},
		AdminSDHolder: &audit.Protection{DN: "CN=AdminSDHolder,CN=System," + head, Entries: []audit.ProtectionACE{
			{ACE: full, Effective: true, Why: "on every protected account and group, once SDProp has written them there"},
			{ACE: deny, Why: "they are only for what is below the objects that SDProp writes them on, and have no effect on those"},
		}},
		ReachSummary:  &audit.SweepSummary{Objects: 1234567, Checked: 325, Effective: 111, NotEffective: 162, Protected: 50, Unknown: 2, Derived: 7, OnlyDerived: 1},
		ExcessSummary: &audit.ExcessSummary{Entries: 7, Risks: 1, Unknown: 2},
	}
	r.Excess = &audit.Excess{
		Objects: 1234570, Unknown: 2, More: 3,
		Heads: []audit.Head{{DN: head}, {DN: "CN=Configuration," + head, Unreadable: "it is not visible to this identity"}},
		Entries: []audit.ExcessEntry{
			{ACE: full, At: head, Trustee: `CORP\agent$`, Via: "own", Beyond: "CCDCLCSWRPWPDTLOCRSDRCWDWO", Words: "Full control", StandsOn: 1, Objects: 1234567,
				Classes: []audit.ClassCount{{Class: "user", Objects: 1234567}}, Examples: []string{"CN=d," + head},
				Risks: []audit.Risk{{ID: "control-protected-object", Severity: "critical", Why: "It controls the head of a naming context, AdminSDHolder or an object that it protects, and with that the domain."},
					{ID: "full-control", Severity: "high", Why: "It can do everything with the object, and give the same to others."}}},
			{ACE: audit.ACE{Words: `Owner CORP\Team: Read permissions, Modify permissions`}, Owner: true, Trustee: `CORP\Team`, Via: "group", Beyond: "RCWD", Words: "Read permissions, Modify permissions", StandsOn: 2, Objects: 2,
				Classes: []audit.ClassCount{{Class: "group", Objects: 2}}, Examples: []string{"CN=e," + head, "CN=f," + head}},
			{ACE: full, Unseen: true, Trustee: `CORP\agent$`, Via: "own", Beyond: "LC", Words: "List contents", Objects: 1, Classes: []audit.ClassCount{{Class: "group", Objects: 1}}, Examples: []string{"CN=g," + head}},
			{ACE: full, Trustee: `CORP\agent$`, Via: "own", Beyond: "LC", Words: "List contents", StandsOn: 5, Classes: []audit.ClassCount{}, Examples: []string{"OU=h," + head}},
		},
		Everybody: &audit.Everybody{Entries: 12, Risks: 1},
		Notes:     []string{"Not every group of the account could be read; what it has through the others is not listed."},
	}
	return r
}

func TestReachGolden(t *testing.T) {
	for _, c := range []struct {
		name   string
		render func(*bytes.Buffer) error
	}{
		{"reach.txt", func(b *bytes.Buffer) error { return Audit(b, sweptAudit(), Style{}) }},
		{"reach.json", func(b *bytes.Buffer) error { return JSON(b, sweptAudit()) }},
		{"reach-none.txt", func(b *bytes.Buffer) error {
			r := sweptAudit()
			r.AdminSDHolder.Entries, r.Targets[0].Reach = nil, nil
			r.Excess = &audit.Excess{Objects: 7}
			r.ReachSummary, r.ExcessSummary = nil, &audit.ExcessSummary{}
			return Audit(b, r, Style{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.render(&b); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(c.name, ".txt") {
				checkColumns(t, b.String())
			}
			path := filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("differs from %s; after a look, go test -update:\n%s", path, firstDifference(b.String(), string(want)))
			}
		})
	}
}

func TestReachColourSaysNothing(t *testing.T) {
	var plain, coloured bytes.Buffer
	if err := Audit(&plain, sweptAudit(), Style{}); err != nil {
		t.Fatal(err)
	}
	if err := Audit(&coloured, sweptAudit(), colour); err != nil {
		t.Fatal(err)
	}
	if got := escape.ReplaceAllString(coloured.String(), ""); got != plain.String() || coloured.String() == plain.String() {
		t.Errorf("without its colours\n%s\nis not\n%s", got, plain.String())
	}
}

// The JSON of a sweep reads back as what was written.
func TestReachJSONReadsBack(t *testing.T) {
	var b, again bytes.Buffer
	if err := JSON(&b, sweptAudit()); err != nil {
		t.Fatal(err)
	}
	var r audit.Report
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if err := JSON(&again, &r); err != nil {
		t.Fatal(err)
	}
	if again.String() != b.String() {
		t.Errorf("differs:\n%s", firstDifference(again.String(), b.String()))
	}
}
