package plan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const holder = "CN=AdminSDHolder,CN=System,DC=corp,DC=example"

// load is the snapshot of a forest with the targets that the policies name.
func load(t testing.TB, f *forest, targets []string, policies ...*policy.Policy) *audit.Snapshot {
	t.Helper()
	s, err := audit.Load(t.Context(), f, account, targets, policies...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at is a rule with a target of its own.
func at(dn, rule string) string {
	return strings.Replace(rule, "source: t}", fmt.Sprintf("source: t, target: {dn: %q}}", dn), 1)
}

// with gives a rule one more key.
func with(key, rule string) string {
	return strings.Replace(rule, "source: t", key+", source: t", 1)
}

const (
	user      = "bf967aba-0de6-11d0-a285-00aa003049e2"
	writeMail = "  - {id: write-mail, rights: [write-property], object: mail, scope: descendants, class: user, source: t}\n"
	mayModify = "  - {id: may-modify, rights: [modify-permissions], scope: descendants, class: user, source: t}\n"
	notModify = "  - {id: not-modify, rights: [modify-permissions], scope: this-object-and-descendants, forbidden: true, source: t}\n"
	notWrite  = "  - {id: not-write, rights: [write-all-properties], scope: descendants, class: user, forbidden: true, source: t}\n"
	either    = "  - {id: either, any-of: [{rights: [list-contents], scope: this-object}, {rights: [read-permissions], scope: this-object}], source: t}\n"
	mailGUID  = "bf967961-0de6-11d0-a285-00aa003049e2"
)

func TestMakeWithOwnTargets(t *testing.T) {
	const mine = "(OA;CIIO;WP;" + mailGUID + ";" + user + ";<me>)"
	type dacls map[string][]string
	for _, c := range []struct {
		name     string
		policies []string
		targets  []string
		dacls    dacls // explicit entries; of sales and syncOU none where it does not say
		opts     Options
		want     []string // DN: what is added and removed
		rules    string   // that the changes make pass
		blocked  []string // DN rule: a part of why
		notes    []string // a part of each
	}{
		{"a rule is granted on the object that it names, and nowhere else", []string{at(sales, listHere)}, nil, nil, Options{},
			[]string{sales + ": +(A;;LC;;;<me>)"}, "list-here", nil, nil},
		{"one rule here, another there", []string{at(sales, listHere) + getChanges}, []string{syncOU}, nil, Options{},
			[]string{sales + ": +(A;;LC;;;<me>)", syncOU + ": +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "list-here get-changes", nil, nil},
		{"an object that is asked for and named gets both", []string{at(sales, listHere) + getChanges}, []string{sales}, nil, Options{},
			[]string{sales + ": +(A;;LC;;;<me>) +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "list-here get-changes", nil, nil},
		{"the same in another spelling", []string{at("ou=SALES, ou=sync, dc=corp, dc=example", listHere)}, nil, nil, Options{},
			[]string{sales + ": +(A;;LC;;;<me>)"}, "list-here", nil, nil},
		{"what is not there is blocked", []string{at("OU=Nowhere,"+head, listHere)}, nil, nil, Options{}, nil, "",
			[]string{"OU=Nowhere," + head + " list-here: not there"}, nil},
		{"advice about what is not there is a note", []string{at("OU=Nowhere,"+head, with("severity: warning", listHere))}, nil, nil, Options{}, nil, "", nil,
			[]string{"rule list-here on OU=Nowhere," + head + " does not pass, and is advice"}},
		{"a rule that does not apply to what is not there is nothing", []string{at("OU=Nowhere,"+head, with("when: {schema: [noSuchThing]}", listHere))}, nil, nil, Options{}, nil, "", nil, nil},
		{"advice is not granted", []string{with("severity: warning", listHere)}, []string{sales}, nil, Options{}, nil, "", nil, []string{"advice"}},

		{"of alternatives the first is granted", []string{either}, []string{sales}, nil, Options{}, []string{sales + ": +(A;;LC;;;<me>)"}, "either", nil, nil},
		{"another that is there is enough", []string{either}, []string{sales}, dacls{sales: {"(A;;RC;;;<me>)"}}, Options{}, nil, "", nil, nil},
		{"pruning takes none of them away", []string{either}, []string{sales}, dacls{sales: {"(A;;RC;;;<me>)", "(A;;LC;;;<me>)"}}, Options{Prune: true}, nil, "", nil, nil},
		{"pruning keeps the one that is there, and grants no other", []string{either}, []string{sales}, dacls{sales: {"(A;;RCWD;;;<me>)"}}, Options{Prune: true},
			[]string{sales + ": -(A;;RCWD;;;<me>) +(A;;RC;;;<me>)"}, "either", nil, nil},

		{"AdminSDHolder is not written for a rule", []string{at(holder, listHere)}, nil, nil, Options{}, nil, "", []string{holder + " list-here: --write-adminsdholder"}, nil},
		{"nor as a target in another spelling", []string{listHere}, []string{"cn=Admin\\53DHolder , cn=system,dc=corp,dc=example"}, nil, Options{}, nil, "", []string{holder + " list-here: --write-adminsdholder"}, nil},
		{"nor pruned", []string{getChanges}, []string{holder}, dacls{holder: {"(A;;GA;;;<me>)"}}, Options{Prune: true}, nil, "", nil, []string{holder + " is not pruned: it is not written unless"}},
		{"unless told to", []string{at(holder, listHere)}, nil, nil, Options{AdminSDHolder: true}, []string{holder + ": +(A;;LC;;;<me>)"}, "list-here", nil,
			[]string{"Every protected account and group takes over the permissions of " + holder}},

		{"what passes because it is not there stays so", []string{notModify, mayModify}, []string{sales}, nil, Options{}, nil, "", []string{sales + " may-modify: rule not-modify forbids it"}, nil},
		{"what else was asked for is granted all the same", []string{notModify, mayModify + listHere}, []string{sales}, nil, Options{}, []string{sales + ": +(A;;LC;;;<me>)"}, "list-here",
			[]string{sales + " may-modify: rule not-modify forbids it"}, nil},
		{"a part of what is forbidden, too", []string{notWrite, writeMail}, []string{sales}, nil, Options{}, nil, "", []string{sales + " write-mail: rule not-write forbids it"}, nil},
		{"nor is more given of what the account has already", []string{notWrite, writeMail}, []string{sales}, dacls{sales: {"(OA;CIIO;WP;bf967974-0de6-11d0-a285-00aa003049e2;" + user + ";<me>)"}}, Options{}, nil, "",
			[]string{sales + " write-mail: rule not-write forbids it", sales + " not-write: plans take nothing away"}, nil},
		{"elsewhere on the object it may be", []string{notWrite, "  - {id: here, rights: [write-all-properties], scope: this-object, source: t}\n"}, []string{sales}, dacls{sales: {"(OA;CIIO;WP;bf967974-0de6-11d0-a285-00aa003049e2;" + user + ";<me>)"}}, Options{},
			[]string{sales + ": +(A;;WP;;;<me>)"}, "here", []string{sales + " not-write: plans take nothing away"}, nil},
		{"what is forbidden and there is left there", []string{notModify}, []string{sales}, dacls{sales: {"(A;;WD;;;<me>)"}}, Options{}, nil, "", []string{sales + " not-modify: plans take nothing away for a rule that forbids"}, nil},
		{"pruning takes it away", []string{notModify + listHere}, []string{sales}, dacls{sales: {"(A;;WDLC;;;<me>)"}}, Options{Prune: true}, []string{sales + ": -(A;;LCWD;;;<me>) +(A;;LC;;;<me>)"}, "list-here not-modify", nil, nil},
		{"but not what a group has", []string{notModify + listHere}, []string{sales}, dacls{sales: {"(A;;WDLC;;;<me>)", "(A;;WD;;;" + domainSID + "-515)"}}, Options{Prune: true}, []string{sales + ": -(A;;LCWD;;;<me>) +(A;;LC;;;<me>)"}, "list-here",
			[]string{sales + " not-modify: the account has it"}, nil},
		{"pruning goes on where a rule is refused for one that forbids", []string{notModify, mayModify + listHere}, []string{sales}, dacls{sales: {"(A;;LCWO;;;<me>)"}}, Options{Prune: true},
			[]string{sales + ": -(A;;LCWO;;;<me>) +(A;;LC;;;<me>)"}, "list-here", []string{sales + " may-modify: rule not-modify forbids it"}, nil},
		{"what comes down to an object where it is forbidden", []string{at(sales, notModify), mayModify + listHere}, []string{syncOU}, nil, Options{}, []string{syncOU + ": +(A;;LC;;;<me>)"}, "list-here",
			[]string{syncOU + " may-modify: rule not-modify forbids it on " + sales + ", which is below and may inherit it"}, nil},
		{"comes down two levels", []string{at(sales, notModify), mayModify}, []string{head}, nil, Options{}, nil, "",
			[]string{head + " may-modify: rule not-modify forbids it on " + sales}, nil},
		{"what does not come down does no harm", []string{at(sales, notModify), "  - {id: here, rights: [modify-permissions], scope: this-object, source: t}\n"}, []string{syncOU}, nil, Options{},
			[]string{syncOU + ": +(A;;WD;;;<me>)"}, "here", nil, nil},
		{"nor where the object blocks it", []string{at(holder, notModify), mayModify}, []string{head}, dacls{holder: {"protected"}}, Options{}, []string{head + ": +(OA;CIIO;WD;;" + user + ";<me>)"}, "may-modify", nil, nil},
		{"entries that a rule lists are all", []string{"  - {id: exact, dacl: {entries: [\"(A;;GA;;;" + domainSID + "-512)\"]}, target: {dn: \"" + sales + "\"}, source: t}\n", listHere}, []string{sales}, dacls{sales: {"(A;;GA;;;" + domainSID + "-512)"}}, Options{}, nil, "",
			[]string{sales + " list-here: rule exact forbids it"}, nil},
		{"an entry that a rule lists may be another rule's", []string{"  - {id: exact, dacl: {entries: [\"(A;;GA;;;" + domainSID + "-512)\", \"(A;;LC;;;" + accountSID + ")\"]}, target: {dn: \"" + sales + "\"}, source: t}\n", listHere}, []string{sales}, dacls{sales: {"(A;;GA;;;" + domainSID + "-512)"}}, Options{},
			[]string{sales + ": +(A;;LC;;;<me>)"}, "list-here exact", nil, nil},
		{"and is not pruned", []string{"  - {id: exact, dacl: {entries: [\"(A;;GA;;;" + domainSID + "-512)\", \"(A;;WD;;;" + accountSID + ")\"]}, target: {dn: \"" + sales + "\"}, source: t}\n", listHere}, []string{sales}, dacls{sales: {"(A;;GA;;;" + domainSID + "-512)", "(A;;WD;;;<me>)"}}, Options{Prune: true},
			nil, "", []string{sales + " list-here: rule exact forbids it"}, []string{sales + " is not pruned: rule exact would not pass afterwards."}},
		{"no attribute is written", []string{"  - {id: never, limits: [{attribute: name, equals: nobody}], target: {dn: \"" + sales + "\"}, source: t}\n", listHere}, []string{sales}, nil, Options{},
			[]string{sales + ": +(A;;LC;;;<me>)"}, "list-here", []string{sales + " never: plans write no attributes"}, nil},

		{"an object that only rules name is not pruned", []string{at(sales, listHere)}, nil, dacls{sales: {"(A;;WDLC;;;<me>)"}}, Options{Prune: true}, nil, "", nil, []string{sales + " is not pruned: rules name it, and --target does not"}},
		{"which needs no note where nothing is to go", []string{at(sales, listHere)}, nil, dacls{sales: {"(A;;LC;;;<me>)"}}, Options{Prune: true}, nil, "", nil, nil},
		{"what a rule asks for on another object is pruned", []string{at(sales, listHere) + getChanges}, []string{syncOU}, dacls{sales: {"(A;;LC;;;<me>)"}, syncOU: {"(A;;LC;;;<me>)"}}, Options{Prune: true},
			[]string{syncOU + ": -(A;;LC;;;<me>) +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", nil, nil},
		{"what a rule asks for on this one is not", []string{at(syncOU, writeMail) + getChanges}, []string{syncOU}, dacls{syncOU: {mine}}, Options{Prune: true},
			[]string{syncOU + ": +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", nil, nil},
		{"nor what is only advised", []string{with("severity: warning", writeMail) + getChanges}, []string{syncOU}, dacls{syncOU: {mine}}, Options{Prune: true},
			[]string{syncOU + ": +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", nil, nil},
		{"nor a part of what is only advised", []string{with("severity: warning", "  - {id: both, rights: [list-contents, list-object], scope: this-object, source: t}\n") + getChanges}, []string{syncOU}, dacls{syncOU: {"(A;;LCWD;;;<me>)"}}, Options{Prune: true},
			[]string{syncOU + ": +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", nil, []string{syncOU + " is not pruned: rule both would not pass", "advice"}},
		{"nor what an object below inherits that a rule is about", []string{at(sales, listHere) + getChanges}, []string{syncOU}, dacls{sales: {"(A;ID;LC;;;<me>)"}, syncOU: {"(A;CI;LC;;;<me>)"}}, Options{Prune: true},
			[]string{syncOU + ": +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", nil, []string{syncOU + " is not pruned: rule list-here may need what " + sales + " inherits from here"}},
		{"nor where that object is not shown", []string{at("OU=Nowhere,"+syncOU, listHere) + getChanges}, []string{syncOU}, dacls{syncOU: {"(A;CI;LC;;;<me>)"}}, Options{Prune: true},
			[]string{syncOU + ": +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", []string{"OU=Nowhere," + syncOU + " list-here: not there"}, []string{syncOU + " is not pruned: rule list-here may need what OU=Nowhere"}},
		{"one that is elsewhere for sure needs nothing", []string{at("OU=Nowhere,"+head, listHere) + getChanges}, []string{syncOU}, dacls{syncOU: {"(A;CI;LC;;;<me>)"}}, Options{Prune: true},
			[]string{syncOU + ": -(A;CI;LC;;;<me>) +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", []string{"OU=Nowhere," + head + " list-here: not there"}, nil},
		{"nor one that blocks inheritance", []string{at(holder, listHere) + getChanges}, []string{head}, dacls{holder: {"protected", "(A;;LC;;;<me>)"}, head: {"(A;CI;LC;;;<me>)"}}, Options{Prune: true},
			[]string{head + ": -(A;CI;LC;;;<me>) +(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;<me>)"}, "get-changes", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			set := func(dn string, entries []string) {
				f.edit(t, dn, func(d *sddl.Descriptor) {
					d.DACL.ACEs = nil
					for _, text := range entries {
						if text == "protected" {
							d.Control |= sddl.DACLProtected
							continue
						}
						d.DACL.ACEs = append(d.DACL.ACEs, ace(text))
					}
				})
			}
			set(sales, nil)
			set(syncOU, nil)
			for dn, entries := range c.dacls {
				set(dn, entries)
			}
			var policies []*policy.Policy
			for i, text := range c.policies {
				p := rules(t, text)
				p.Text = bytes.Replace(p.Text, []byte("name: test"), fmt.Appendf(nil, "name: test%d", i), 1)
				p.Name = fmt.Sprintf("test%d", i)
				policies = append(policies, p)
			}
			s := load(t, f, c.targets, policies...)
			c.opts.Accept = audit.AcceptGroups
			p, err := Make(s, policies, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var want, names []string
			for _, line := range c.want {
				want = append(want, strings.ReplaceAll(line, "<me>", accountSID))
			}
			if got := lines(p); !slices.Equal(got, want) {
				t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, one := range p.Changes {
				for _, rule := range one.Rules {
					names = append(names, rule.Rule)
				}
			}
			if got := strings.Join(names, " "); got != c.rules {
				t.Errorf("for %q, want %q", got, c.rules)
			}
			var blocked []string
			for _, b := range p.Blocked {
				blocked = append(blocked, b.DN+" "+b.Rule.Rule+": "+b.Why)
			}
			if !slices.EqualFunc(blocked, c.blocked, func(got, want string) bool {
				what, why, _ := strings.Cut(want, ": ")
				return strings.HasPrefix(got, what+": ") && strings.Contains(got, why)
			}) {
				t.Errorf("blocked %q, want %q", blocked, c.blocked)
			}
			if !slices.EqualFunc(p.Notes, c.notes, strings.Contains) {
				t.Errorf("notes %q, want %q", p.Notes, c.notes)
			}
			// Its file is accepted, says the same, and goes to the same objects.
			text := written(t, p)
			read, err := Read(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			again, err := read.ParsePolicies()
			if err != nil {
				t.Fatal(err)
			}
			if err := read.Describe(load(t, f, read.Targets, again...)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(lines(read), lines(p)) {
				t.Errorf("its file says %q", lines(read))
			}
			if _, err := Apply(t.Context(), f, read, noSave); err != nil {
				t.Fatal(err)
			}
			then, err := s.Reload(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if next, err := Make(then, policies, c.opts); err != nil || next.Pending() {
				t.Errorf("afterwards there is more to do: %q, %v", lines(next), err)
			}
		})
	}
}

func TestBelow(t *testing.T) {
	s := &audit.Snapshot{Domain: &directory.Domain{DN: head, ConfigurationDN: "CN=Configuration," + head, SchemaDN: "CN=Schema,CN=Configuration," + head,
		Forest: []directory.Partition{{DN: head}, {DN: "DC=child," + head}}}}
	for _, c := range []struct {
		lower, upper string
		want         bool
	}{
		{sales, syncOU, true},
		{sales, head, true},
		{syncOU, sales, false},
		{sales, "ou=sales, ou=sync, dc=corp, dc=example", false},
		{"CN=Configuration," + head, head, false},
		{"CN=Sites,CN=Configuration," + head, head, false},
		{"CN=Sites,CN=Configuration," + head, "CN=Configuration," + head, true},
		{"CN=Schema,CN=Configuration," + head, "CN=Configuration," + head, false},
		{"OU=A,DC=child," + head, head, false},
		{"OU=A,DC=child," + head, "DC=child," + head, true},
	} {
		if got := below(s, c.lower, c.upper); got != c.want {
			t.Errorf("%s below %s: %v", c.lower, c.upper, got)
		}
	}
}

// lines are the changes of a plan, one a line, by DN.
func lines(p *Plan) []string {
	var out []string
	for _, c := range p.Changes {
		line := c.DN + ":"
		for _, a := range c.Remove {
			line += " -" + a.SDDL
		}
		for _, a := range c.Add {
			line += " +" + a.SDDL
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// A file of a plan does no more than the plan, whoever has had it in between.
func TestOwnTargetsOfTamperedPlans(t *testing.T) {
	f := newForest(t)
	f.edit(t, sales, func(d *sddl.Descriptor) { d.DACL.ACEs = nil })
	where, err := policy.Parse("where.yaml", []byte("name: where\ntitle: t\nsource: t\nparameters: {ou: {description: d, kind: dn}}\nrules:\n"+
		"  - {id: list-here, rights: [list-contents], scope: this-object, source: t, target: {dn: \"${ou}\"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if where, err = where.Bind(map[string]string{"ou": sales}); err != nil {
		t.Fatal(err)
	}
	onHolder := rules(t, at(holder, listHere))
	for _, c := range []struct {
		name   string
		policy *policy.Policy
		edit   func(p *Plan)
		why    string
	}{
		{"as it was", where, func(*Plan) {}, ""},
		{"AdminSDHolder, as it was", onHolder, func(*Plan) {}, ""},
		{"named by no rule", where, func(p *Plan) { p.Named = nil }, "not a target of the plan"},
		{"named elsewhere", where, func(p *Plan) { p.Policies[0].Parameters["ou"] = users }, "is another object now"},
		{"a parameter with no value", where, func(p *Plan) { p.Policies[0].Parameters = nil }, "parameter ou has no value"},
		{"a parameter that is no DN", where, func(p *Plan) { p.Policies[0].Parameters["ou"] = "Sales" }, "is no DN"},
		{"a target that no rule is about", where, func(p *Plan) { p.Targets = []string{users} }, "no rule is about"},
		{"no policies", where, func(p *Plan) { p.Policies = nil }, "have no rule"},
		{"AdminSDHolder without being told to", onHolder, func(p *Plan) { p.AdminSDHolder = false }, "--write-adminsdholder"},
		{"in another spelling", onHolder, func(p *Plan) {
			p.AdminSDHolder = false
			p.Changes[0].DN = `cn = admin\53DHolder, cn=system,dc=corp,dc=example`
		}, "--write-adminsdholder"},
		{"by its GUID", onHolder, func(p *Plan) {
			p.AdminSDHolder = false
			p.Changes[0].DN = "<GUID=" + p.Changes[0].ObjectGUID + ">"
			p.Named = append(p.Named, p.Changes[0].DN)
		}, "--write-adminsdholder"},
		{"the object of nobody", where, func(p *Plan) { p.Changes[0].ObjectGUID = sddl.GUID{}.String() }, "that of no object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Make(load(t, f, nil, c.policy), []*policy.Policy{c.policy}, Options{AdminSDHolder: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Changes) != 1 {
				t.Fatalf("%q", lines(p))
			}
			c.edit(p)
			read, err := Read(strings.NewReader(written(t, p)))
			// Before anything is dialed, unless it takes the directory to see it.
			if c.why == "--write-adminsdholder" && (err == nil) != strings.HasPrefix(p.Changes[0].DN, "<GUID=") {
				t.Errorf("read: %v", err)
			}
			var policies []*policy.Policy
			if err == nil {
				policies, err = read.ParsePolicies()
			}
			var s *audit.Snapshot
			if err == nil {
				s, err = audit.Load(t.Context(), f, account, read.Targets, policies...)
			}
			if err == nil {
				err = read.Describe(s)
			}
			if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("%v, want %q", err, c.why)
			}
		})
	}
}

// An account that is yet to be made has no permissions of its own that a rule could be about.
func TestCreateAccountWithRulesAboutItself(t *testing.T) {
	f := newForest(t)
	policies := []*policy.Policy{rules(t, with("target: account", notModify)+at(sales, listHere)+
		"  - {id: types, limits: [{attribute: msDS-SupportedEncryptionTypes, present: true}], source: t}\n")}
	s, err := audit.LoadFuture(t.Context(), f, newDN, "newAgent$", nil, policies...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := CreateAccount(s, wanted(t), nil, policies, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Blocked) != 2 || !strings.Contains(p.Blocked[0].Why, "yet to be made") || len(p.Changes) != 1 || p.Changes[0].DN != sales {
		t.Fatalf("blocked %+v, changes %q", p.Blocked, lines(p))
	}
	read, err := Read(strings.NewReader(written(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), f, read, noSave); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(f.raw(sales), sidBytes(t, newSID)) || bytes.Contains(f.raw(sales), sidBytes(t, domainSID+"-0")) {
		t.Error("the entry is not for the account that was made")
	}
}

// Whatever the DACLs are: a plan for rules with targets of their own, alternatives, what is forbidden
// and what is advice changes what the rules name and nothing else, grants no more than they ask for
// there, breaks none that held, and leaves out none that is not blocked.
func TestPlansOfOwnTargetsAndRandomDACLs(t *testing.T) {
	texts := []string{
		at(head, listHere) + readUser + either + with("target: adminsdholder", strings.Replace(either, "id: either", "id: either-there", 1)) +
			with("severity: warning", writeMail) + with("target: users", strings.Replace(readFax, "id: read-fax", "id: users-fax", 1)),
		at(sales, notModify) + notWrite + with("severity: warning", strings.Replace(notModify, "id: not-modify", "id: rather-not", 1)) +
			"  - {id: nobody, limits: [{attribute: name, equals: nobody}], target: {dn: \"" + sales + "\"}, source: t}\n",
		mayModify + at(syncOU, strings.Replace(writeMail, "id: write-mail", "id: mail", 1)) + at("OU=Nowhere,"+head, listHere),
	}
	var policies []*policy.Policy
	for i, text := range texts {
		p := rules(t, text)
		p.Name = fmt.Sprintf("test%d", i)
		policies = append(policies, p)
	}
	w := waivers(t, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), "test0/read-user")
	asked := []string{sales, users}
	objects := containers(t)
	base := load(t, newForest(t), asked, policies...)
	changes, blockedRows, removals, held := 0, 0, 0, 0
	for round := range uint64(rounds*4 + 4) {
		r := rand.New(rand.NewPCG(round, 3))
		f := newForest(t)
		f.server = server{round&1 != 0, round&2 != 0, round&4 != 0, round&8 != 0}
		was := map[string][]byte{}
		for _, dn := range objects {
			raw, err := randomDescriptor(r, f.descriptor(t, dn)).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			f.set(dn, descriptorAttr, raw)
			was[dn] = raw
		}
		opts := Options{Accept: audit.Accept(r.IntN(3)), Prune: r.IntN(2) == 0, AdminSDHolder: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			opts.Waivers = w
		}
		look := func() *audit.Snapshot {
			s, err := base.Reload(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := look()
		p, err := Make(s, policies, opts)
		if err != nil {
			t.Fatal(err)
		}
		judge := func(s *audit.Snapshot) *audit.Judge {
			j, err := audit.NewJudge(s, policies, opts.Accept)
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		j := judge(s)
		if _, err := Apply(t.Context(), f, p, noSave); err != nil {
			t.Fatal(err)
		}
		then := look()
		after := judge(then)
		blocked := map[string]bool{}
		for _, b := range p.Blocked {
			key := b.DN + " " + b.Rule.Policy + "/" + b.Rule.Rule
			if blocked[key] {
				t.Errorf("%s is blocked twice", key)
			}
			blocked[key] = true
			blockedRows++
		}
		if !blocked["OU=Nowhere,"+head+" test2/list-here"] {
			t.Error("what is not there is not blocked")
		}
		changed := map[string]*Change{}
		for i := range p.Changes {
			c := &p.Changes[i]
			changes++
			changed[c.DN] = c
			if c.DN == holder && !opts.AdminSDHolder {
				t.Error("AdminSDHolder is changed")
			}
			at := slices.IndexFunc(s.Targets, func(one *directory.Target) bool { return one.DN == c.DN })
			if at < 0 {
				t.Fatalf("%s is no target", c.DN)
			}
			var reqs []acl.Requirement
			for _, req := range j.Requirements {
				if j.About(s.Targets[at], &req) && req.Rule.Severity != policy.SeverityWarning {
					reqs = append(reqs, req.Asked()...)
				}
			}
			x, y, err := c.parse()
			if err != nil {
				t.Fatal(err)
			}
			lost, added := sddl.DiffACEs(x.DACL.ACEs, y.DACL.ACEs)
			for _, a := range added {
				keeps := slices.ContainsFunc(lost, func(l sddl.ACE) bool { return a.Mask&^l.Mask.MapGeneric() == 0 })
				if a.SID.String() != accountSID || !keeps && acl.Beyond(a, reqs, s.Schema.PropertySetOf) != 0 {
					t.Errorf("%s: adds %v", c.DN, a)
				}
			}
			for _, a := range lost {
				removals++
				if !opts.Prune || !slices.Contains(asked, c.DN) || a.SID.String() != accountSID || !a.Type.IsAllow() || a.IsInherited() {
					t.Errorf("%s: takes %v away", c.DN, a)
				}
			}
		}
		for _, dn := range objects {
			if changed[dn] == nil && !bytes.Equal(f.raw(dn), was[dn]) {
				t.Errorf("%s was changed without a word", dn)
			}
		}
		for i, target := range s.Targets {
			for _, req := range j.Requirements {
				if !j.About(target, &req) {
					continue
				}
				before, now := j.Row(target, req), after.Row(then.Targets[i], req)
				key := target.DN + " " + ruleName(req)
				waived := opts.Waivers.For(req.Policy, req.Rule.ID, target.DN) != nil && before.Result() == "fail"
				switch {
				case before.Pass && !now.Pass:
					t.Errorf("%s passed and does not any more: %s", key, now.Why)
				case now.Pass && blocked[key]:
					t.Errorf("%s passes and was blocked", key)
				case now.Result() == audit.RowWarning && blocked[key]:
					t.Errorf("%s is advice and was blocked", key)
				case now.Result() != audit.RowWarning && !waived && !now.Pass && !blocked[key]:
					t.Errorf("%s does not pass and was not blocked: %s", key, now.Why)
				}
				if c := changed[target.DN]; c != nil && slices.Contains(c.Rules, ruleOf(req)) && !now.Pass {
					t.Errorf("%s was to pass: %s", key, now.Why)
				}
				// What comes down from the changes above must not give what is forbidden.
				if !req.Rule.Forbidden || !before.Pass {
					continue
				}
				held++
				for _, upper := range s.Targets {
					c := changed[upper.DN]
					if c == nil || len(c.Remove) > 0 || !inherits(s, target, upper) || then.Targets[i].Descriptor.DACL == nil {
						continue
					}
					x, y, _ := c.parse()
					_, added := sddl.DiffACEs(x.DACL.ACEs, y.DACL.ACEs)
					got := inheriting(s, then.Targets[i], added, directory.DepthDN(target.DN)-directory.DepthDN(upper.DN))
					if row := after.Row(got, req); !row.Pass {
						t.Errorf("%s passed, and %s hands down %v: %s", key, upper.DN, added, row.Why)
					}
				}
			}
		}
		next, err := Make(then, policies, opts)
		if err != nil {
			t.Fatal(err)
		}
		if next.Pending() {
			t.Errorf("there is more to change: %q, after %q", lines(next), lines(p))
		}
		if t.Failed() {
			t.Fatalf("in round %d, %+v", round, opts)
		}
	}
	t.Logf("%d changes, %d rows blocked, %d entries pruned, %d times nothing forbidden", changes, blockedRows, removals, held)
	if rounds >= 27 && (changes < 100 || blockedRows < 100 || removals < 10 || held < 50) {
		t.Error("of nothing, every property holds")
	}
}

func ruleName(req audit.Requirement) string { return req.Policy + "/" + req.Rule.ID }
