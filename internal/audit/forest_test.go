package audit

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/foresttest"
)

const agent = "provAgentgMSA$"

// twoDomains are the captures of a parent and a child domain, each changed by the test.
func twoDomains(t *testing.T, change func(parent, child *foresttest.Entries)) *Forest {
	t.Helper()
	parent, child, err := foresttest.Forest()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&parent, &child)
	}
	f := &Forest{}
	for _, p := range []struct {
		name string
		es   foresttest.Entries
	}{{"corp.example", parent}, {"child.corp.example", child}} {
		c, err := p.es.Capture()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Add(t.Context(), &Place{Name: p.name, Reader: c}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func auditForest(t *testing.T, f *Forest, account string, targets ...string) *ForestReport {
	t.Helper()
	r, err := f.Audit(t.Context(), account, targets, builtin(t), AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verdictsOf(r *Report) map[string]string {
	out := map[string]string{}
	for _, row := range r.Targets[0].Rows {
		out[row.Rule] = row.Grant + " " + row.Effect
	}
	return out
}

func groupSIDs(r *Report) []string {
	var out []string
	for _, g := range r.Account.Groups {
		out = append(out, g.SID)
	}
	return out
}

// What the parent grants the account by its own SID the child grants a domain-local group
// that it is in, and what the parent denies one group of the account the child denies a
// domain-local group in which that group is.
func TestForestAudit(t *testing.T) {
	r := auditForest(t, twoDomains(t, nil), agent)
	if len(r.Reports) != 2 || len(r.Unreachable) != 0 || len(r.NotAsked) != 0 || r.Account.Domain != "corp.example" || r.Account.Name != `CORP\provAgentgMSA$` {
		t.Fatalf("got %+v", r)
	}
	home, away := r.Reports[0], r.Reports[1]
	if away.Domain.DNS != "child.corp.example" || away.Targets[0].DN != foresttest.Child || away.Account.Name != `CORP\provAgentgMSA$` || away.Account.Unseen != "" {
		t.Errorf("away: %+v, %+v", away.Domain, away.Account)
	}
	at, there := verdictsOf(home), verdictsOf(away)
	for rule, verdict := range at {
		want := strings.NewReplacer("exact", "via-group", "broader", "via-group").Replace(verdict)
		if there[rule] != want {
			t.Errorf("%s: at home %s, away %s", rule, verdict, there[rule])
		}
	}
	if there["full-control-group"] != "via-group denied" || there["read-computer"] != "via-group granted" {
		t.Errorf("away: %v", there)
	}
	groups := groupSIDs(away)
	for _, sid := range []string{foresttest.Agents, foresttest.Restricted, foresttest.ParentSID + "-1103", foresttest.ParentSID + "-515", "S-1-5-11"} {
		if !slices.Contains(groups, sid) {
			t.Errorf("away it is not in %s: %v", sid, groups)
		}
	}
	if s := r.Summary; s.Domains != 2 || s.Unreachable != 0 || s.Rows != home.Summary.Rows+away.Summary.Rows || s.Pass != home.Summary.Pass+away.Summary.Pass || s.Fail != home.Summary.Fail+away.Summary.Fail {
		t.Errorf("summary %+v of %+v and %+v", s, home.Summary, away.Summary)
	}
	// One domain by itself says the same of it as it does among others.
	c := twoDomains(t, nil).Places[0].Reader
	alone := evaluate(t, c, builtin(t), AcceptGroups)
	if got := verdictsOf(alone); !equal(got, at) {
		t.Errorf("alone %v, among others %v", got, at)
	}
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// The token in another domain: what is not shown of it makes unknown, and never ok or missing.
func TestTokenInAnotherDomain(t *testing.T) {
	tests := []struct {
		name    string
		change  func(parent, child *foresttest.Entries)
		unseen  string
		held    []string
		notHeld []string
	}{
		{"the home domain's domain-local groups stay there", func(parent, child *foresttest.Entries) {
			parent.Set(foresttest.Account, "tokenGroups", string(foresttest.SID(foresttest.ParentSID+"-515")), string(foresttest.SID(foresttest.ParentSID+"-1103")), string(foresttest.SID(foresttest.ParentSID+"-7000")))
		}, "", []string{foresttest.Agents}, []string{foresttest.ParentSID + "-7000"}},
		{"global and universal groups are not shown", func(parent, child *foresttest.Entries) {
			parent.Set(foresttest.Account, "tokenGroupsGlobalAndUniversal")
		}, "tokenGroupsGlobalAndUniversal of the account", []string{foresttest.Agents}, []string{foresttest.Restricted}},
		{"the child's groups are not in its capture", func(parent, child *foresttest.Entries) {
			child.Drop("CN=Administrators,CN=Builtin," + foresttest.Child)
			child.Set("CN=Sync Agents,"+foresttest.Child, "groupType")
			child.Set("CN=Restricted Service Accounts,OU=Sync,"+foresttest.Child, "groupType")
		}, "the domain-local groups of child.corp.example", nil, []string{foresttest.Agents}},
		{"members are shown without their SIDs", func(parent, child *foresttest.Entries) {
			child.Set("CN=Administrators,CN=Builtin,"+foresttest.Child, "member", "CN=Domain Admins,CN=Users,"+foresttest.Child)
			child.Set("CN=Sync Agents,"+foresttest.Child, "member", foresttest.Account)
		}, "the domain-local groups of child.corp.example", nil, []string{foresttest.Agents}},
		{"members of one group are shown without their SIDs", func(parent, child *foresttest.Entries) {
			child.Set("CN=Sync Agents,"+foresttest.Child, "member", foresttest.Account)
		}, "the members of CN=Sync Agents,", nil, []string{foresttest.Agents}},
		{"members of a group may be hidden", func(parent, child *foresttest.Entries) {
			g := foresttest.Group("Hidden", foresttest.ChildSID+"-2002", "-2147483644")
			child.Put(g)
			child.Set(g.DN, "nTSecurityDescriptor", string(foresttest.Descriptor("O:BAG:BAD:(OD;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;WD)(A;;RPLCLORC;;;AU)")))
		}, "the members of CN=Hidden,", []string{foresttest.Agents}, nil},
		{"a group without members that shows it", func(parent, child *foresttest.Entries) {
			child.Put(foresttest.Group("Empty", foresttest.ChildSID+"-2002", "-2147483644"))
		}, "", []string{foresttest.Agents}, []string{foresttest.ChildSID + "-2002"}},
		{"the descriptor of a group without members is not shown", func(parent, child *foresttest.Entries) {
			g := foresttest.Group("Bare", foresttest.ChildSID+"-2002", "-2147483644")
			child.Put(g)
			child.Set(g.DN, "nTSecurityDescriptor")
		}, "the members of CN=Bare,", []string{foresttest.Agents}, nil},
		{"groups in groups, and in a circle", func(parent, child *foresttest.Entries) {
			child.Put(foresttest.Group("A", foresttest.ChildSID+"-3001", "-2147483644", foresttest.Member(foresttest.Agents, "CN=x"), foresttest.Member(foresttest.ChildSID+"-3002", "CN=y")))
			child.Put(foresttest.Group("B", foresttest.ChildSID+"-3002", "-2147483644", foresttest.Member(foresttest.ChildSID+"-3001", "CN=x")))
		}, "", []string{foresttest.Agents, foresttest.ChildSID + "-3001", foresttest.ChildSID + "-3002"}, nil},
		{"a member that has moved since is known by its SID", func(parent, child *foresttest.Entries) {
			child.Set("CN=Sync Agents,"+foresttest.Child, "member", foresttest.Member(foresttest.AccountID, "CN=formerName,CN=Users,"+foresttest.Parent), "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>;CN=contact,"+foresttest.Child)
		}, "", []string{foresttest.Agents}, nil},
		{"a group of everybody's", func(parent, child *foresttest.Entries) {
			child.Put(foresttest.Group("Of all", foresttest.ChildSID+"-3001", "-2147483644", foresttest.Member("S-1-5-11", "CN=S-1-5-11,CN=ForeignSecurityPrincipals,"+foresttest.Child)))
		}, "", []string{foresttest.ChildSID + "-3001"}, nil},
		{"another account of the same name is not it", func(parent, child *foresttest.Entries) {
			child.Set("CN=Sync Agents,"+foresttest.Child, "member", foresttest.Member(foresttest.ChildSID+"-1105", foresttest.Account))
		}, "", nil, []string{foresttest.Agents}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := auditForest(t, twoDomains(t, tt.change), agent).Reports[1]
			if !strings.Contains(r.Account.Unseen, tt.unseen) || tt.unseen == "" && r.Account.Unseen != "" {
				t.Errorf("unseen is %q, want %q", r.Account.Unseen, tt.unseen)
			}
			groups := groupSIDs(r)
			for _, sid := range tt.held {
				if !slices.Contains(groups, sid) {
					t.Errorf("not in %s", sid)
				}
			}
			for _, sid := range tt.notHeld {
				if slices.Contains(groups, sid) {
					t.Errorf("in %s", sid)
				}
			}
			for rule, verdict := range verdictsOf(r) {
				_, effect, _ := strings.Cut(verdict, " ")
				if tt.unseen != "" && tt.held == nil && (strings.HasPrefix(verdict, "missing") || effect == "not-granted") {
					t.Errorf("%s is %s, though not all of the token was seen", rule, verdict)
				}
			}
		})
	}
}

func TestTargetsGoToTheirDomains(t *testing.T) {
	sales, childSales := "OU=Sales,OU=Sync,"+foresttest.Parent, "OU=Sales,OU=Sync,"+foresttest.Child
	r := auditForest(t, twoDomains(t, nil), agent, childSales, sales, foresttest.Child)
	var got [][]string
	for _, one := range r.Reports {
		var dns []string
		for _, target := range one.Targets {
			dns = append(dns, target.DN)
		}
		got = append(got, dns)
	}
	if len(got) != 2 || !slices.Equal(got[0], []string{sales}) || !slices.Equal(got[1], []string{childSales, foresttest.Child}) {
		t.Errorf("targets went to %v", got)
	}
	if r := auditForest(t, twoDomains(t, nil), agent, childSales); len(r.Reports) != 1 || r.Reports[0].Domain.DNS != "child.corp.example" || r.Summary.Domains != 1 {
		t.Errorf("a target in the child: %+v", r.Summary)
	}
	for _, dn := range []string{"DC=else,DC=example", "OU=no," + foresttest.Child} {
		if _, err := twoDomains(t, nil).Audit(t.Context(), agent, []string{dn}, builtin(t), AcceptGroups); err == nil {
			t.Errorf("target %s: no error", dn)
		}
	}
	// Without the child nobody has what is in it: the parent's controller would only refer.
	f := twoDomains(t, nil)
	f.Places = f.Places[:1]
	if _, err := f.Audit(t.Context(), agent, []string{childSales}, builtin(t), AcceptGroups); err == nil || !strings.Contains(err.Error(), "none of the domains") {
		t.Errorf("a target in a domain that was not named: %v", err)
	}
}

func TestWhereTheAccountIsAtHome(t *testing.T) {
	for _, name := range []string{agent, `CORP\provAgentgMSA`, `corp.example\provAgentgMSA$`, foresttest.Account, foresttest.AccountID, "provAgentgMSA$@corp.example"} {
		if r := auditForest(t, twoDomains(t, nil), name); r.Account.SID != foresttest.AccountID {
			t.Errorf("%s is %s", name, r.Account.SID)
		}
	}
	// The child has an account of that name, too, which is another one.
	child := foresttest.ChildSID + "-2001"
	named := func(parent, es *foresttest.Entries) {
		es.Set("CN=provAgentgMSA,CN=Managed Service Accounts,"+foresttest.Child, "objectSid", string(foresttest.SID(child)))
	}
	for _, name := range []string{`CHILD\provAgentgMSA$`, "CN=provAgentgMSA,CN=Managed Service Accounts," + foresttest.Child, "provAgentgMSA$@child.corp.example"} {
		if r := auditForest(t, twoDomains(t, named), name); r.Account.SID != child || r.Account.Domain != "child.corp.example" || r.Account.Name != `CHILD\provAgentgMSA$` || r.Reports[0].Domain.DNS != "corp.example" {
			t.Errorf("%s is %+v", name, r.Account)
		}
	}
	for _, name := range []string{"", "nobody", `OTHER\provAgentgMSA$`, "S-1-5-21-9-9-9-1105", "CN=x,DC=else", "nobody@corp.example", "nobody@else.example"} {
		var unknown *directory.AccountError
		if _, err := twoDomains(t, nil).Audit(t.Context(), name, nil, builtin(t), AcceptGroups); !errors.As(err, &unknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// broken is a domain that answers until it does not.
type broken struct {
	directory.Reader
	after func(q directory.Query) bool
}

var errBroken = errors.New("the line is dead")

func (b broken) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if b.after(q) {
		return func(yield func(directory.Entry, error) bool) { yield(directory.Entry{}, errBroken) }
	}
	return b.Reader.Read(ctx, q)
}

func TestWhatCannotBeReachedIsUnknown(t *testing.T) {
	check := func(t *testing.T, r *ForestReport, targets ...string) {
		t.Helper()
		if len(r.Reports) != 1 || len(r.Unreachable) != 1 || r.Unreachable[0].Domain != "child.corp.example" || !strings.Contains(r.Unreachable[0].Why, "the line is dead") ||
			!slices.Equal(r.Unreachable[0].Targets, targets) || r.Summary.Domains != 2 || r.Summary.Unreachable != 1 || r.Clean() || len(r.NotAsked) != 0 {
			t.Errorf("got %+v", r)
		}
	}
	t.Run("from the start", func(t *testing.T) {
		f := twoDomains(t, nil)
		f.Places = f.Places[:1]
		if err := f.Add(t.Context(), &Place{Name: "child.corp.example", Err: errBroken}); err != nil {
			t.Fatal(err)
		}
		check(t, auditForest(t, f, agent))
		check(t, auditForest(t, f, agent, foresttest.Parent, "OU=Sync,"+foresttest.Child), "OU=Sync,"+foresttest.Child)
	})
	for what, after := range map[string]func(q directory.Query) bool{
		"at the targets": func(q directory.Query) bool { return q.Base == foresttest.Child && q.Descriptor },
		"at the groups":  func(q directory.Query) bool { return q.Extended },
	} {
		t.Run(what, func(t *testing.T) {
			f := twoDomains(t, nil)
			f.Places[1].Reader = broken{f.Places[1].Reader, after}
			check(t, auditForest(t, f, agent))
		})
	}
	t.Run("in the sweep", func(t *testing.T) {
		f := twoDomains(t, nil)
		f.Sweep = func(_ context.Context, _ directory.Reader, s *Snapshot, _ *Report) error {
			if s.Domain.DNS == "child.corp.example" {
				return errBroken
			}
			return nil
		}
		check(t, auditForest(t, f, agent))
	})
	t.Run("the account's own", func(t *testing.T) {
		f := &Forest{}
		if err := f.Add(t.Context(), &Place{Name: "corp.example", Err: errBroken}); err != nil {
			t.Fatal(err)
		}
		if err := f.Add(t.Context(), &Place{Name: "child", Reader: twoDomains(t, nil).Places[1].Reader}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Audit(t.Context(), agent, nil, builtin(t), AcceptGroups); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what is fatal", func(t *testing.T) {
		f := twoDomains(t, nil)
		f.Fatal = func(err error) bool { return errors.Is(err, errBroken) }
		f.Places[1].Reader = broken{f.Places[1].Reader, func(q directory.Query) bool { return q.Extended }}
		if _, err := f.Audit(t.Context(), agent, nil, builtin(t), AcceptGroups); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDomainsThatNobodyNamed(t *testing.T) {
	f := twoDomains(t, nil)
	f.Places = f.Places[:1]
	r := auditForest(t, f, agent)
	if !slices.Equal(r.NotAsked, []string{"child.corp.example"}) || len(r.Notes) != 1 || len(f.Others()) != 1 || f.Others()[0].DN != foresttest.Child {
		t.Errorf("not asked %v, notes %q, others %v", r.NotAsked, r.Notes, f.Others())
	}
	again := &Place{Name: "again", Reader: f.Places[0].Reader}
	if err := f.Add(t.Context(), again); err == nil || !strings.Contains(err.Error(), "corp.example and again are both of corp.example") {
		t.Errorf("one domain twice: %v", err)
	}
}

// A group in which the account is itself counts as one, though everybody is in it too, as it
// does at home.
func TestGroupOfEverybodyAndTheAccount(t *testing.T) {
	f := twoDomains(t, func(_, child *foresttest.Entries) {
		child.Set("CN=Sync Agents,"+foresttest.Child, "member",
			foresttest.Member("S-1-5-11", "CN=S-1-5-11,CN=ForeignSecurityPrincipals,"+foresttest.Child), foresttest.Member(foresttest.AccountID, foresttest.Account))
	})
	if got := verdictsOf(auditForest(t, f, agent).Reports[1])["read-computer"]; got != "via-group granted" {
		t.Errorf("with the account in it: %s", got)
	}
	f = twoDomains(t, func(_, child *foresttest.Entries) {
		child.Set("CN=Sync Agents,"+foresttest.Child, "member", foresttest.Member("S-1-5-11", "CN=S-1-5-11,CN=ForeignSecurityPrincipals,"+foresttest.Child))
	})
	if got := verdictsOf(auditForest(t, f, agent).Reports[1])["read-computer"]; got != "via-well-known granted" {
		t.Errorf("with everybody in it: %s", got)
	}
}

// A child domain is judged by itself, too: the SID of the forest's root, which defaults of
// classes name, is with the forest's partitions.
func TestChildDomainAlone(t *testing.T) {
	_, child, err := foresttest.Forest()
	if err != nil {
		t.Fatal(err)
	}
	c, err := child.Capture()
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.LoadDomain(t.Context(), c)
	if err != nil || d.ForestSID.String() != foresttest.ParentSID || d.NetBIOS != "CHILD" || len(d.Forest) != 2 {
		t.Fatalf("got %+v, %v", d, err)
	}
	r := evaluate(t, c, builtin(t), AcceptGroups)
	if r.Summary.Unknown != 0 {
		t.Errorf("got %+v", r.Summary)
	}
}

// A domain of another forest is in the report, with what was not judged; a SID that a trust
// may hold back is not seen.
func TestAnotherForest(t *testing.T) {
	elsewhere := func(from foresttest.Entries) foresttest.Entries {
		var out foresttest.Entries
		for _, e := range from {
			e.DN = strings.ReplaceAll(e.DN, foresttest.Parent, "DC=else,DC=example")
			var attrs []directory.Attribute
			for _, a := range e.Attrs {
				b := directory.Attribute{Name: a.Name}
				for _, v := range a.Values {
					b.Values = append(b.Values, []byte(strings.ReplaceAll(string(v), foresttest.Parent, "DC=else,DC=example")))
				}
				attrs = append(attrs, b)
			}
			e.Attrs = attrs
			out = append(out, e)
		}
		return out
	}
	for _, tt := range []struct{ name, global, unseen string }{
		{"groups of its own domain", foresttest.ParentSID + "-1103", ""},
		{"a group of a domain that nobody knows", "S-1-5-21-9-9-9-1103", "whether the trust lets S-1-5-21-9-9-9-1103 pass"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := twoDomains(t, func(parent, child *foresttest.Entries) {
				parent.Set(foresttest.Account, "tokenGroupsGlobalAndUniversal", string(foresttest.SID(tt.global)))
				*child = elsewhere(*child)
			})
			r := auditForest(t, f, agent)
			away := r.Reports[1].Account
			if r.Reports[1].Domain.DNS != "child.else.example" || away.Unseen != tt.unseen || !slices.Contains(groupSIDs(r.Reports[1]), foresttest.Agents) ||
				slices.Contains(groupSIDs(r.Reports[1]), tt.global) != (tt.unseen == "") {
				t.Errorf("got %+v", away)
			}
			if !slices.ContainsFunc(r.Notes, func(n string) bool {
				return strings.HasPrefix(n, "child.else.example is of another forest than corp.example")
			}) {
				t.Errorf("notes %q", r.Notes)
			}
		})
	}
}
