package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files; git diff reviews them")

const (
	head  = "DC=corp,DC=example"
	sales = "OU=Sales,OU=Sync,DC=corp,DC=example"
)

var (
	demoCapture = sync.OnceValues(demo.Capture)
	colour      = Style{Color: true}
)

func demoSnapshot(t *testing.T, targets ...string) (*audit.Snapshot, []*policy.Policy) {
	t.Helper()
	c, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	s, err := audit.Load(t.Context(), c, "provAgentgMSA$", targets)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		t.Fatal(err)
	}
	return s, []*policy.Policy{p}
}

func demoAudit(t *testing.T) *audit.Report {
	t.Helper()
	s, policies := demoSnapshot(t, head, sales)
	r, err := audit.Evaluate(s, policies, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func demoPlan(t *testing.T) *plan.Plan {
	t.Helper()
	s, policies := demoSnapshot(t, head, sales)
	p, err := plan.Build(s, policies, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	p.Created, p.Tool = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "gmsactl 1.2.3"
	return p
}

// oddAudit has what the demo has not.
func oddAudit() *audit.Report {
	const unreadable = "the security descriptor is not readable to this identity"
	row := audit.Row{Policy: "p", Rule: "read-user", Access: "Read all properties", AppliesTo: "Descendant user objects"}
	unknown, absent, partial := row, row, row
	unknown.Grant, unknown.Effect, unknown.Why = "unknown", "unknown", unreadable
	absent.Rule, absent.Grant, absent.Effect, absent.Why = "read-device", audit.NotApplicable, audit.NotApplicable, `the schema has no class "device"`
	partial.Rule, partial.Grant, partial.Effect, partial.Missing = "a-rule-whose-name-is-far-longer-than-its-column", "missing", "partial", "RP"
	partial.Why = "entries grant only a part of it; lacking: Read all properties"
	partial.Grants = []audit.ACE{{SDDL: "(A;CIIO;LC;;;WD)", Words: "Allow Everyone: List contents; descendant objects"}}
	return &audit.Report{
		Domain:  audit.Domain{DNS: "corp.example", DN: head, DC: "dc1.corp.example"},
		Account: audit.Account{Name: `CORP\agent$`, DN: "CN=agent," + head},
		Policies: []audit.Policy{{Name: "p", Title: "A policy with a title that is so long that it does not fit into the eighty columns of a line",
			Notes: []string{"A note of a policy."}}},
		Targets: []audit.Target{
			{DN: "OU=hidden," + head, Unreadable: unreadable, Rows: []audit.Row{unknown}},
			// Others write in the directory: a name must not drive the terminal.
			{DN: "OU=\x1b[2Jpass\r," + head, Rows: []audit.Row{absent, partial}},
		},
		Notes:   []string{"Not readable: tokenGroups of the account; what depends on it is unknown."},
		Summary: audit.Summary{Rows: 3, Fail: 1, Unknown: 1, NotApplicable: 1},
	}
}

func demoSchema(t *testing.T) *audit.SchemaReport {
	t.Helper()
	c, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.LoadSchemaReport(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// oddSchema has each verdict, and no class of gMSAs.
func oddSchema() *audit.SchemaReport {
	const source = "https://learn.microsoft.com/en-us/windows-server/identity/ad-ds/deploy/find-active-directory-schema"
	return &audit.SchemaReport{
		Format: 1, Kind: "SchemaReport", Domain: audit.Domain{DNS: "old.example", DN: "DC=old,DC=example", SID: "S-1-5-21-1-2-3", DC: "dc1.old.example"},
		Checks: []audit.Check{
			{ID: "gmsa-class", Title: "Class of gMSAs", Result: audit.Fail, Seen: "not in the schema", Want: "msDS-GroupManagedServiceAccount", Source: source},
			{ID: "schema-version", Title: "Schema version", Result: audit.Unknown, Seen: "objectVersion is not readable", Want: "87 (Windows Server 2016) or later; gMSAs need 56 (Windows Server 2012)", Source: source},
			{ID: "domain-functional-level", Title: "Domain functional level", Result: audit.Warn, Seen: "4 (Windows Server 2008 R2)", Want: "5 (Windows Server 2012) or higher, by the documentation of gMSAs", Source: source},
			{ID: "holder-user", Title: "user may hold it", Result: audit.Pass, Seen: "it may", Want: "msDS-ExternalDirectoryObjectId among the attributes of user", Source: source},
		},
	}
}

// everyOutcome has each state.
func everyOutcome() *plan.Result {
	r := &plan.Result{Backup: "gmsactl-backup-corp.example-20260102T030405.000Z.json"}
	for _, o := range []struct {
		state plan.State
		why   string
	}{
		{plan.Verified, ""},
		{plan.AlreadyDone, ""},
		{plan.Unverified, "read back OU=unverified,DC=corp,DC=example: its explicit entries are not those that were written"},
		{plan.Refused, "write the DACL of OU=refused,DC=corp,DC=example: insufficient access rights"},
		{plan.Sent, "write the DACL of OU=sent,DC=corp,DC=example: the connection to the domain controller was closed before it answered"},
		{plan.NotDone, ""},
	} {
		r.Outcomes = append(r.Outcomes, plan.Outcome{DN: "OU=" + string(o.state) + ",DC=corp,DC=example", State: o.state, Error: o.why})
	}
	return r
}

func TestGolden(t *testing.T) {
	plain := Style{}
	asJSON := func(v any) func(*bytes.Buffer) error {
		return func(b *bytes.Buffer) error { return JSON(b, v) }
	}
	for _, c := range []struct {
		name   string
		render func(*bytes.Buffer) error
	}{
		{"audit.txt", func(b *bytes.Buffer) error { return Audit(b, demoAudit(t), plain) }},
		{"audit.json", asJSON(demoAudit(t))},
		{"audit-several.txt", func(b *bytes.Buffer) error { return Audit(b, severalAudit(t), plain) }},
		{"audit-several.json", asJSON(severalAudit(t))},
		{"audit-odd.txt", func(b *bytes.Buffer) error { return Audit(b, oddAudit(), plain) }},
		{"plan.txt", func(b *bytes.Buffer) error { return Plan(b, demoPlan(t), plain) }},
		{"plan.json", asJSON(demoPlan(t))},
		{"plan-undo.txt", func(b *bytes.Buffer) error { return Plan(b, undo(demoPlan(t)), plain) }},
		{"plan-empty.txt", func(b *bytes.Buffer) error {
			p := demoPlan(t)
			p.Changes, p.Blocked, p.Notes = nil, nil, nil
			return Plan(b, p, plain)
		}},
		{"schema.txt", func(b *bytes.Buffer) error { return Schema(b, demoSchema(t), plain) }},
		{"schema.json", asJSON(demoSchema(t))},
		{"schema-odd.txt", func(b *bytes.Buffer) error { return Schema(b, oddSchema(), plain) }},
		{"schema-odd.json", asJSON(oddSchema())},
		{"outcome.txt", func(b *bytes.Buffer) error { return Outcome(b, everyOutcome(), plain) }},
		{"outcome.json", asJSON(everyOutcome())},
		{"outcome-colour.txt", func(b *bytes.Buffer) error { return Outcome(b, everyOutcome(), colour) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.render(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name, b.Bytes())
		})
	}
}

// golden holds a rendering to what is in testdata, and text to the columns.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if strings.HasSuffix(name, ".txt") {
		checkColumns(t, string(got))
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("differs from %s; after a look, go test -update:\n%s", path, firstDifference(string(got), string(want)))
	}
}

// undo is the plan the other way round, as a rollback shows it.
func undo(p *plan.Plan) *plan.Plan {
	p.Blocked, p.Notes = nil, nil
	for i := range p.Changes {
		c := &p.Changes[i]
		c.Add, c.Remove, c.Rules = nil, c.Add, nil
	}
	return p
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return " got " + g[i] + "\nwant " + strings.Join(w[min(i, len(w)):min(i+1, len(w))], "")
		}
	}
	return "it is shorter"
}

var (
	escape = regexp.MustCompile("\x1b\\[[0-9]*m")
	// unbroken is what a line may be longer for: a DN, an ACE, a URL, a SID, a file.
	unbroken = regexp.MustCompile(`DC=|\((A|D|OA|OD);|https?://|S-1-|\.json`)
)

func checkColumns(t *testing.T, text string) {
	t.Helper()
	for _, line := range strings.Split(escape.ReplaceAllString(text, ""), "\n") {
		if utf8.RuneCountInString(line) > columns && !unbroken.MatchString(line) {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
		if strings.ContainsFunc(line, isUnprintable) {
			t.Errorf("a terminal might obey: %q", line)
		}
	}
}

// Colour repeats what the words say, so that without it nothing is lost.
func TestColourSaysNothing(t *testing.T) {
	for name, render := range map[string]func(*bytes.Buffer, Style) error{
		"audit":     func(b *bytes.Buffer, s Style) error { return Audit(b, demoAudit(t), s) },
		"audit odd": func(b *bytes.Buffer, s Style) error { return Audit(b, oddAudit(), s) },
		"plan":      func(b *bytes.Buffer, s Style) error { return Plan(b, demoPlan(t), s) },
		"schema":    func(b *bytes.Buffer, s Style) error { return Schema(b, oddSchema(), s) },
		"outcome":   func(b *bytes.Buffer, s Style) error { return Outcome(b, everyOutcome(), s) },
		"whoami":    func(b *bytes.Buffer, s Style) error { return WhoAmI(b, stranger(), s) },
		"policy":    func(b *bytes.Buffer, s Style) error { return Policies(b, everyRule(), "<account>", s) },
		"sddl":      func(b *bytes.Buffer, s Style) error { return PolicySDDL(b, everyRule(), s) },
	} {
		var plain, coloured bytes.Buffer
		if err := errors.Join(render(&plain, Style{}), render(&coloured, colour)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(coloured.String(), "\x1b[") || strings.Contains(plain.String(), "\x1b") {
			t.Errorf("%s: colour where there is none, or none where there is", name)
		}
		if got := escape.ReplaceAllString(coloured.String(), ""); got != plain.String() {
			t.Errorf("%s: without its colours\n%s\nis not\n%s", name, got, plain.String())
		}
	}
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"OU=Sales", "OU=Sales"},
		{"OU=Bücher", "OU=Bücher"},
		{"a\x1b[31mb", `a\x1b[31mb`},
		{"a\r\nb", `a\r\nb`},
		{"a\u202eb", `a\u202eb`},
		{"a\x9bb", `a\x9bb`},
		{"a\u009bb", `a\u009bb`},
		{"\ufffd", "\ufffd"},
		{"", ""},
	} {
		if got := Printable(c.text); got != c.want {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
}

// A pipe that breaks is an error, at whatever byte it does.
func TestBrokenPipe(t *testing.T) {
	for name, render := range map[string]func(w *narrow) error{
		"audit":   func(w *narrow) error { return Audit(w, oddAudit(), Style{}) },
		"plan":    func(w *narrow) error { return Plan(w, &plan.Plan{}, Style{}) },
		"schema":  func(w *narrow) error { return Schema(w, oddSchema(), Style{}) },
		"outcome": func(w *narrow) error { return Outcome(w, everyOutcome(), Style{}) },
		"JSON":    func(w *narrow) error { return JSON(w, everyOutcome()) },
	} {
		if err := render(&narrow{left: 1 << 20}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for left := range 40 {
			if err := render(&narrow{left: left}); !errors.Is(err, errPipe) {
				t.Errorf("%s, after %d bytes: %v", name, left, err)
			}
		}
	}
}

var errPipe = errors.New("broken pipe")

// narrow takes so many bytes.
type narrow struct{ left int }

func (n *narrow) Write(b []byte) (int, error) {
	if len(b) > n.left {
		took := n.left
		n.left = 0
		return took, errPipe
	}
	n.left -= len(b)
	return len(b), nil
}
