package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// shownAccount has each kind of holder, member and finding.
func shownAccount() *gmsa.Report {
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	days, types := int64(30), int64(28)
	const domain = "S-1-5-21-1-2-3"
	return &gmsa.Report{
		Format: 1, Kind: "ServiceAccountReport", Domain: gmsa.DomainView{DNS: "corp.example", SID: domain, DC: "dc1.corp.example"},
		Account: gmsa.AccountView{
			Name: `CORP\provAgentgMSA$`, DN: "CN=provAgentgMSA,CN=Managed Service Accounts,DC=corp,DC=example", SID: domain + "-1105",
			DNSHostName: "provagentgmsa.corp.example", Created: &made, Flags: []string{"workstation trust account"}, EncTypes: &types,
			EncTypeNames: gmsa.EncTypeNames(types), SPNs: []string{"HTTP/sync.corp.example"}, DelegateTo: []string{}, Owner: "Domain Admins",
		},
		Password: gmsa.Password{IntervalDays: &days, Since: &made, RootKey: "11111111-2222-3333-4444-555555555555", RootKeyMade: &made, RootKeys: gmsa.Readable},
		Readers: &gmsa.Readers{
			Shown: true, SDDL: "O:BAD:(A;;RP;;;" + domain + "-1200)(A;;RP;;;WD)", Hosts: 1, People: 1, Unknown: 1,
			Entries: []gmsa.Entry{
				{SID: domain + "-1200", Name: "Agents", Kind: gmsa.KindGroup, Access: "allow", Hosts: 1, People: 1, Groups: 1, Others: 1, Unseen: "2 members are not shown, CN=x,DC=corp,DC=example among them"},
				{SID: "S-1-1-0", Name: "Everyone", Kind: gmsa.KindWellKnown, Access: "deny", Wide: "Everyone is everybody"},
			},
			Members: []gmsa.Member{
				{Name: "AGENT1$", SID: domain + "-1300", Kind: gmsa.KindHost, Via: []string{"Agents"}, Verdict: "yes"},
				{Name: "esc\x1b[31m", SID: domain + "-1301", Kind: gmsa.KindUser, Via: []string{"Agents", "Inner"}, Verdict: "yes"},
				{SID: "S-1-5-21-9-9-9-1", Kind: gmsa.KindForeign, Via: []string{"Agents"}, Verdict: "unknown"},
			},
		},
		Holders: []gmsa.Holder{
			{SID: "S-1-5-32-548", Name: "Account Operators", Rights: []string{"change its permissions", "delete it"}},
			{SID: domain + "-1400", Rights: []string{}, Unclear: []string{"reset its password"}},
			{SID: domain + "-512", Name: "Domain Admins", Expected: true, Owner: true, Rights: []string{"change its permissions"}},
			{SID: "S-1-5-18", Name: "SYSTEM", Expected: true, Rights: []string{"change its permissions"}},
		},
		Groups: []gmsa.GroupView{{SID: domain + "-515", Name: `CORP\Domain Computers`}, {SID: domain + "-512", Name: "Domain Admins", Privileged: "it has the domain or the forest"}},
		Findings: []gmsa.Finding{
			{ID: "account-operators", Severity: gmsa.Critical, What: "Account Operators, by the default of its class, can change its permissions.", Source: "https://learn.microsoft.com/", Fix: "gmsactl gmsa harden provAgentgMSA"},
			{ID: "takeover-unclear", Severity: gmsa.High, Unknown: true, What: "Whether somebody can reset its password cannot be told.", Source: "[MS-ADTS] 5.1.3.3"},
			{ID: "weak-enctypes", Severity: gmsa.Medium, What: "It knows RC4: RC4, AES128, AES256.", Source: "[MS-KILE] 2.2.7"},
			{ID: "spn", Severity: gmsa.Low, What: "It has 1 service principal names.", Source: "[MS-ADA3] 2.253"},
			{ID: "disabled", Severity: gmsa.Info, What: "It is disabled.", Source: "[MS-ADTS] 2.2.16"},
		},
		Notes:   []string{"Containers above the account's own were not looked at."},
		Summary: gmsa.Summary{Critical: 1, Medium: 1, Low: 1, Info: 1, Unknown: 1},
	}
}

func hiddenAccount() *gmsa.Report {
	r := shownAccount()
	r.Readers, r.Holders, r.Groups, r.Findings, r.Password = &gmsa.Readers{}, nil, nil, nil, gmsa.Password{}
	return r
}

// accountPlan makes an account, grants it a right, and is what harden does, besides.
func accountPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p := demoPlan(t)
	sid, err := sddl.ParseSID("S-1-5-21-1-2-3-1104")
	if err != nil {
		t.Fatal(err)
	}
	membership, err := gmsa.Membership([]gmsa.Principal{{SID: sid}})
	if err != nil {
		t.Fatal(err)
	}
	const dn = "CN=newAgent,CN=Managed Service Accounts,DC=corp,DC=example"
	p.Create = &plan.Creation{DN: dn, SAMAccountName: "newAgent$", IntervalDays: 30}
	names := audit.Names(mustSnapshot(t))
	for _, v := range []struct {
		name          string
		before, after [][]byte
	}{
		{gmsa.AttrEncTypes, [][]byte{[]byte("28")}, [][]byte{[]byte("24")}},
		{gmsa.AttrMembership, nil, [][]byte{membership}},
	} {
		c, err := plan.NewAttributeChange(dn, "", v.name, v.before, v.after, names)
		if err != nil {
			t.Fatal(err)
		}
		p.Attributes = append(p.Attributes, c)
	}
	p.Changes[0].Protection = plan.ProtectOn
	p.Changes[0].Remove = []audit.ACE{{SDDL: "(A;;GA;;;AO)", Words: "Allow Account Operators"}, {SDDL: "(A;CIIOID;GA;;;EA)", Words: "not shown"}}
	return p
}

func mustSnapshot(t *testing.T) *audit.Snapshot {
	t.Helper()
	s, _ := demoSnapshot(t)
	return s
}

func TestAccountGolden(t *testing.T) {
	made := &plan.Result{
		Created:  &plan.Created{DN: "CN=newAgent,DC=corp,DC=example", SID: "S-1-5-21-1-2-3-1200"},
		Outcomes: []plan.Outcome{{DN: "CN=newAgent,DC=corp,DC=example", What: "create", State: plan.Verified}, {DN: "CN=newAgent,DC=corp,DC=example", What: gmsa.AttrMembership, State: plan.Refused, Error: "no"}},
	}
	for name, render := range map[string]func(*bytes.Buffer) error{
		"gmsa.txt":             func(b *bytes.Buffer) error { return ServiceAccount(b, shownAccount(), Style{}) },
		"gmsa-colour.txt":      func(b *bytes.Buffer) error { return ServiceAccount(b, shownAccount(), colour) },
		"gmsa-hidden.txt":      func(b *bytes.Buffer) error { return ServiceAccount(b, hiddenAccount(), Style{}) },
		"gmsa.json":            func(b *bytes.Buffer) error { return JSON(b, shownAccount()) },
		"plan-account.txt":     func(b *bytes.Buffer) error { return Plan(b, accountPlan(t), Style{}) },
		"plan-account.json":    func(b *bytes.Buffer) error { return JSON(b, accountPlan(t)) },
		"outcome-account.json": func(b *bytes.Buffer) error { return JSON(b, made) },
		"outcome-account.txt":  func(b *bytes.Buffer) error { return Outcome(b, made, Style{}) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := render(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
		})
	}
}
