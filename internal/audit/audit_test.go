package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	account   = "provAgentgMSA$"
	accountDN = "CN=provAgentgMSA,CN=Managed Service Accounts,DC=corp,DC=example"
	head      = "DC=corp,DC=example"
	sales     = "OU=Sales,OU=Sync,DC=corp,DC=example"
	domainSID = "S-1-5-21-785912491-1317325197-797612093"
)

var demoOnce = sync.OnceValues(demo.Capture)

func demoCapture(t testing.TB) *directory.Capture {
	t.Helper()
	c, err := demoOnce()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// edit changes an entry on its way from the directory, or says that it is not shown.
type edit func(e *directory.Entry) (shown bool)

// edited is a directory that shows something else than the one behind it.
type edited struct {
	directory.Reader
	edit edit
}

func (r edited) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		for e, err := range r.Reader.Read(ctx, q) {
			e.Attrs = slices.Clone(e.Attrs)
			if (err != nil || r.edit(&e)) && !yield(e, err) {
				return
			}
		}
	}
}

// with sets an attribute of the objects with that DN, or of that name in the schema;
// without a value it takes it away.
func with(object, attr string, values ...string) edit {
	return func(e *directory.Entry) bool {
		if !directory.SameDN(e.DN, object) && e.Text("lDAPDisplayName") != object {
			return true
		}
		e.Attrs = slices.DeleteFunc(e.Attrs, func(a directory.Attribute) bool { return strings.EqualFold(a.Name, attr) })
		added := directory.Attribute{Name: attr}
		for _, v := range values {
			added.Values = append(added.Values, []byte(v))
		}
		if values != nil {
			e.Attrs = append(e.Attrs, added)
		}
		return true
	}
}

// hiding takes objects away: by DN, or by their name in the schema.
func hiding(object string) edit {
	return func(e *directory.Entry) bool {
		return !directory.SameDN(e.DN, object) && e.Text("lDAPDisplayName") != object
	}
}

func builtin(t testing.TB) []*policy.Policy {
	t.Helper()
	p, err := policy.Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		t.Fatal(err)
	}
	return []*policy.Policy{p}
}

func rules(t testing.TB, text string) []*policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("name: test\ntitle: Test\nsource: test\nrules:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return []*policy.Policy{p}
}

func evaluate(t testing.TB, r directory.Reader, policies []*policy.Policy, accept Accept, targets ...string) *Report {
	t.Helper()
	s, err := Load(t.Context(), r, account, targets)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Evaluate(s, policies, accept)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// verdicts are the grants and effects of a report, by rule.
func verdicts(r *Report) map[string]string {
	out := map[string]string{}
	for _, target := range r.Targets {
		for _, row := range target.Rows {
			pass := ""
			if row.Pass {
				pass = " pass"
			}
			out[row.Rule] = row.Grant + " " + row.Effect + pass
		}
	}
	return out
}

func TestUnreadableTargetIsUnknown(t *testing.T) {
	for _, c := range []struct {
		name string
		edit edit
		why  string
	}{
		{"the descriptor is not shown", with(sales, "nTSecurityDescriptor"), "not readable to this identity"},
		{"the descriptor is damaged", with(sales, "nTSecurityDescriptor", "x"), "damaged"},
		{"the descriptor came without a DACL", with(sales, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BA"))), "without its owner or its DACL"},
		{"the descriptor came without an owner", with(sales, "nTSecurityDescriptor", string(descriptor(t, "D:(A;;GA;;;WD)"))), "without its owner or its DACL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := evaluate(t, edited{demoCapture(t), c.edit}, builtin(t), AcceptAny, sales)
			if len(r.Targets) != 1 || !strings.Contains(r.Targets[0].Unreadable, c.why) || len(r.Targets[0].Rows) != 8 {
				t.Fatalf("%+v", r.Targets)
			}
			for _, row := range r.Targets[0].Rows {
				if row.Grant != "unknown" || row.Effect != "unknown" || row.Pass || row.Why != r.Targets[0].Unreadable {
					t.Errorf("%+v", row)
				}
			}
			if r.Summary != (Summary{Rows: 8, Unknown: 8}) || r.Clean() {
				t.Errorf("%+v, clean %v", r.Summary, r.Clean())
			}
		})
	}
}

func descriptor(t testing.TB, text string) []byte {
	t.Helper()
	text = strings.NewReplacer("<me>", domainSID+"-1105", "<group>", domainSID+"-515", "<deny>", domainSID+"-1103").Replace(text)
	d, err := sddl.ParseText(text, sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What part of the token is not seen decides: what rests on the account's own entries
// and on no deny for somebody else is known, all else is not.
func TestUnseenGroupsAreUnknown(t *testing.T) {
	seen := verdicts(evaluate(t, demoCapture(t), builtin(t), AcceptGroups))
	for _, c := range []struct {
		name   string
		edit   edit
		unseen string
	}{
		{"tokenGroups is not shown", with(accountDN, "tokenGroups"), "tokenGroups of the account"},
		{"the foreign principal of Authenticated Users is not shown", hiding("CN=S-1-5-11,CN=ForeignSecurityPrincipals,DC=corp,DC=example"), "the groups of Authenticated Users"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := evaluate(t, edited{demoCapture(t), c.edit}, builtin(t), AcceptGroups)
			if !strings.Contains(r.Account.Unseen, c.unseen) || r.Clean() {
				t.Errorf("unseen %q, clean %v", r.Account.Unseen, r.Clean())
			}
			if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, c.unseen) }) {
				t.Errorf("no note says so: %q", r.Notes)
			}
			got := verdicts(r)
			for rule, want := range map[string]string{
				"read-inetorgperson": "exact granted pass",
				"read-user":          "broader granted pass",
				"create-delete-user": "unknown unknown",
			} {
				if got[rule] != want {
					t.Errorf("%s: %q, want %q", rule, got[rule], want)
				}
			}
			for rule, was := range seen {
				if strings.HasSuffix(got[rule], "pass") && !strings.HasSuffix(was, "pass") {
					t.Errorf("%s: %q passes where less is seen; with all seen it is %q", rule, got[rule], was)
				}
				if strings.HasPrefix(got[rule], "missing not-granted") {
					t.Errorf("%s: %q, although a group may have it", rule, got[rule])
				}
			}
		})
	}
	// The deny is for a group: without tokenGroups nobody knows whether it is for the account.
	got := verdicts(evaluate(t, edited{demoCapture(t), with(accountDN, "tokenGroups")}, builtin(t), AcceptGroups))["full-control-group"]
	if seen["full-control-group"] != "exact denied" || got != "exact unknown" {
		t.Errorf("full-control-group is %q with all seen, %q without the groups", seen["full-control-group"], got)
	}
}

// The same answers from a file give the same report, and what a file lacks is unknown.
func TestCollectedIsEnough(t *testing.T) {
	live := demoCapture(t)
	collected := func(r directory.Reader) *directory.Capture {
		rec, err := Collect(t.Context(), r, nil, []string{sales})
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		if _, err := rec.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		c, err := directory.ReadCapture(&file)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	again := collected(live)
	for _, targets := range [][]string{nil, {sales}, {head, sales}} {
		want, got := asJSON(t, evaluate(t, live, builtin(t), AcceptGroups, targets...)), asJSON(t, evaluate(t, again, builtin(t), AcceptGroups, targets...))
		if got != want {
			t.Errorf("%q: from the file\n%s\nlive\n%s", targets, got, want)
		}
	}
	less := collected(edited{live, with(accountDN, "tokenGroups")})
	if r := evaluate(t, less, builtin(t), AcceptGroups); !strings.Contains(r.Account.Unseen, "tokenGroups") || r.Summary.Unknown == 0 {
		t.Errorf("unseen %q, %+v", r.Account.Unseen, r.Summary)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRows(t *testing.T) {
	const (
		list   = "  - {id: r, rights: [list-contents], scope: this-object, source: t}\n"
		delegs = "  - {id: r, rights: [modify-permissions], scope: this-object, source: t}\n"
		absent = "  - {id: r, rights: [create-child], object: noSuchClass, scope: this-object, optional: true, source: t}\n"
	)
	for _, c := range []struct {
		name, rule, descriptor string
		accept                 Accept
		want                   string // grant, effect, pass
		why                    string // a part of it
	}{
		{"an own entry", list, "O:BAG:BAD:(A;;LC;;;<me>)", AcceptOwn, "exact granted pass", ""},
		{"an own entry with more", list, "O:BAG:BAD:(A;;LCRP;;;<me>)", AcceptOwn, "broader granted pass", ""},
		{"a group's entry does not count as own", list, "O:BAG:BAD:(A;;LC;;;<group>)", AcceptOwn, "via-group granted", "only through groups"},
		{"a group's entry", list, "O:BAG:BAD:(A;;LC;;;<group>)", AcceptGroups, "via-group granted pass", ""},
		{"everybody's entry does not count as a group's", list, "O:BAG:BAD:(A;;LC;;;AU)", AcceptGroups, "via-well-known granted", "only through Everyone"},
		{"everybody's entry", list, "O:BAG:BAD:(A;;LC;;;AU)", AcceptAny, "via-well-known granted pass", ""},
		{"the owner's right does not count as a group's", delegs, "O:<me>G:BAD:", AcceptGroups, "implicit granted", "only implicitly"},
		{"the owner's right", delegs, "O:<me>G:BAD:", AcceptAny, "implicit granted pass", ""},
		{"somebody else's entry", list, "O:BAG:BAD:(A;;LC;;;" + domainSID + "-4711)", AcceptAny, "missing not-granted", "no entry grants it"},
		{"an entry for a part", "  - {id: r, rights: [list-contents, read-permissions], scope: this-object, source: t}\n", "O:BAG:BAD:(A;;LC;;;<me>)", AcceptAny, "missing partial", "lacking: Read permissions"},
		{"a deny never passes", list, "O:BAG:BAD:(D;;LC;;;WD)(A;;LC;;;<me>)", AcceptAny, "exact denied", "a deny entry takes it away on the target itself"},
		{"a deny for a group it is in", list, "O:BAG:BAD:(D;;LC;;;<deny>)(A;;LC;;;<me>)", AcceptAny, "exact denied", "a deny entry takes it away"},
		{"a deny for somebody else", list, "O:BAG:BAD:(D;;LC;;;" + domainSID + "-4711)(A;;LC;;;<me>)", AcceptOwn, "exact granted pass", ""},
		{"a name that the schema lacks", absent, "O:BAG:BAD:(A;;GA;;;<me>)", AcceptAny, "not-applicable not-applicable", "noSuchClass"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := evaluate(t, edited{demoCapture(t), with(sales, "nTSecurityDescriptor", string(descriptor(t, c.descriptor)))}, rules(t, c.rule), c.accept, sales)
			row := r.Targets[0].Rows[0]
			if got := verdicts(r)["r"]; got != c.want || !strings.Contains(row.Why, c.why) || row.Pass != (row.Why == "") {
				t.Errorf("%q, %q, want %q, %q", got, row.Why, c.want, c.why)
			}
			if r.Clean() != row.Pass {
				t.Errorf("clean %v, pass %v", r.Clean(), row.Pass)
			}
		})
	}
}

func TestEvaluateRefusesUnknownNames(t *testing.T) {
	s, err := Load(t.Context(), demoCapture(t), account, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Evaluate(s, rules(t, "  - {id: r, rights: [create-child], object: noSuchClass, scope: this-object, source: t}\n"), AcceptAny)
	if err == nil || r != nil || !strings.Contains(err.Error(), "test.yaml:5:45: rule r: the schema has no class") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name, account string
		targets       []string
		edit          edit
		want          string // a part of the error
	}{
		{"an account that there is not", "nobody", nil, nil, "no such account"},
		{"a target that there is not", account, []string{"OU=none," + head}, nil, "no object OU=none," + head + " is visible here"},
		{"a head that is not shown", account, nil, hiding(head), "read the head of the domain"},
		{"a schema that is not shown", account, nil, func(e *directory.Entry) bool { return e.Text("lDAPDisplayName") == "" }, "shows no classes or no attributes"},
		{"a SID in the token that is none", account, nil, with(accountDN, "tokenGroups", "x"), "tokenGroups: SID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := directory.Reader(demoCapture(t))
			if c.edit != nil {
				r = edited{r, c.edit}
			}
			if s, err := Load(t.Context(), r, c.account, c.targets); err == nil || s != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v, want %q", s != nil, err, c.want)
			}
		})
	}
}

func TestTargetsAreReadOnceAndAgain(t *testing.T) {
	s, err := Load(t.Context(), demoCapture(t), account, []string{sales, strings.ToLower(sales), head})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Targets) != 2 || s.Targets[0].DN != sales || s.Targets[1].DN != head {
		t.Fatalf("%d targets", len(s.Targets))
	}
	other := descriptor(t, "O:BAG:BAD:")
	again, err := s.Reload(t.Context(), edited{demoCapture(t), with(sales, "nTSecurityDescriptor", string(other))})
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Targets) != 2 || string(again.Targets[0].Raw) != string(other) || string(s.Targets[0].Raw) == string(other) {
		t.Errorf("read again: %+v", again.Targets[0])
	}
}

func TestAccountThatIsNoGMSAIsSaid(t *testing.T) {
	r := evaluate(t, edited{demoCapture(t), with(accountDN, "objectClass", "top", "person", "organizationalPerson", "user")}, builtin(t), AcceptGroups)
	if r.Account.GMSA || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "is not a group managed service account") }) {
		t.Errorf("%+v, notes %q", r.Account, r.Notes)
	}
}

func TestAccept(t *testing.T) {
	grants := []acl.Grant{acl.Unclear, acl.Missing, acl.Implicit, acl.ViaWellKnown, acl.ViaGroup, acl.Split, acl.Broader, acl.Exact}
	for _, c := range []struct {
		accept Accept
		word   string
		pass   []acl.Grant
	}{
		{AcceptOwn, "own", []acl.Grant{acl.Split, acl.Broader, acl.Exact}},
		{AcceptGroups, "groups", []acl.Grant{acl.ViaGroup, acl.Split, acl.Broader, acl.Exact}},
		{AcceptAny, "any", []acl.Grant{acl.Implicit, acl.ViaWellKnown, acl.ViaGroup, acl.Split, acl.Broader, acl.Exact}},
	} {
		for _, g := range grants {
			if got := c.accept.passes(g); got != slices.Contains(c.pass, g) {
				t.Errorf("%s: %s passes: %v", c.word, g, got)
			}
		}
		if got := asJSON(t, c.accept); got != `"`+c.word+`"` || c.accept.String() != c.word {
			t.Errorf("%s is written %s", c.word, got)
		}
		for _, text := range []string{c.word, strings.ToUpper(c.word)} {
			var got Accept
			if err := got.UnmarshalText([]byte(text)); err != nil || got != c.accept {
				t.Errorf("%s is read as %v, %v", text, got, err)
			}
		}
	}
	for _, text := range []string{"", "all", "own,groups", " own"} {
		got := AcceptAny
		if err := got.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "own, groups, any") {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	var zero Accept
	if zero != AcceptOwn {
		t.Error("the zero value is not the strictest")
	}
}

func TestReportClean(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Summary
		want bool
	}{
		{"nothing was judged", Summary{}, false},
		{"nothing applies", Summary{Rows: 2, NotApplicable: 2}, false},
		{"all pass", Summary{Rows: 2, Pass: 2}, true},
		{"all that apply pass", Summary{Rows: 2, Pass: 1, NotApplicable: 1}, true},
		{"one fails", Summary{Rows: 2, Pass: 1, Fail: 1}, false},
		{"one is unknown", Summary{Rows: 2, Pass: 1, Unknown: 1}, false},
	} {
		if got := (&Report{Summary: c.s}).Clean(); got != c.want {
			t.Errorf("%s: clean %v, want %v", c.name, got, c.want)
		}
	}
}

// An object may have attributes of an auxiliary class that was added to it alone, and a
// deny on one of these counts.
func TestAuxiliaryClassOfOneObject(t *testing.T) {
	everything := rules(t, "  - {id: read, rights: [read-all-properties], scope: this-object, source: t}\n")
	c := demoCapture(t)
	s, err := Load(t.Context(), c, account, []string{sales})
	if err != nil {
		t.Fatal(err)
	}
	me := s.Account.SID.String()
	for _, tt := range []struct {
		name    string
		classes []string
		deny    string
		want    string
	}{
		{"without the class the deny is about nothing", []string{"top", "organizationalUnit"}, "uidNumber", "exact granted pass"},
		{"with it the deny takes something away", []string{"top", "posixAccount", "organizationalUnit"}, "uidNumber", "exact denied"},
		{"a deny on what every such object has", []string{"top", "organizationalUnit"}, "description", "exact denied"},
		{"a class that the schema does not show", []string{"top", "nobodyKnows", "organizationalUnit"}, "uidNumber", "exact unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sd, err := sddl.ParseText("O:DAG:DAD:(OD;;RP;"+s.Schema.Attribute(tt.deny).GUID.String()+";;"+me+")(A;;RP;;;"+me+")", s.Domain.Aliases())
			if err != nil {
				t.Fatal(err)
			}
			raw, err := sd.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			r := edited{edited{c, with(sales, "objectClass", tt.classes...)}, with(sales, "nTSecurityDescriptor", string(raw))}
			if got := verdicts(evaluate(t, r, everything, AcceptOwn, sales))["read"]; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
