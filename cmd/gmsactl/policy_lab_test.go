package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
)

// life is what a policy has before it: what its account has by itself, and what no plan gives it.
type life struct {
	account string // class
	param   string // that must be given
	holds   []string
	left    map[string]string // rows that never pass, and as what
}

// exchange are the rows of a policy about attributes that only Exchange brings.
func exchange(policy string) map[string]string {
	rows := map[string]string{}
	for _, attr := range []string{"archivestatus", "blockedsendershash", "saferecipientshash", "safesendershash", "ucvoicemailsettings", "userholdpolicies"} {
		for _, class := range []string{"user", "inetorgperson"} {
			rows[policy+"/msexch"+attr+"-"+class] = audit.NotApplicable
		}
	}
	return rows
}

const (
	classUser     = "user"
	classGMSA     = "msDS-GroupManagedServiceAccount"
	classComputer = "computer"
)

var lives = map[string]life{
	"adfs-dkm": {account: classGMSA, param: "guid"},
	"cloud-sync-all": {account: classGMSA, left: map[string]string{
		"cloud-sync-key-credential-link/write-device":          audit.RowWarning,
		"cloud-sync-password-writeback/change-password":        audit.RowWarning,
		"cloud-sync-exchange-public-folders/read-publicfolder": audit.NotApplicable,
	}},
	"cloud-sync-basic-read":       {account: classGMSA, left: map[string]string{"cloud-sync-basic-read/get-changes": audit.RowWarning}},
	"cloud-sync-consistency-guid": {account: classGMSA},
	"cloud-sync-custom-gmsa":      {account: classGMSA},
	"cloud-sync-exchange-public-folders": {account: classGMSA, left: map[string]string{
		"cloud-sync-exchange-public-folders/read-publicfolder": audit.NotApplicable,
	}},
	"cloud-sync-group-writeback":                {account: classGMSA},
	"cloud-sync-hybrid-exchange":                {account: classGMSA},
	"cloud-sync-hybrid-exchange-least":          {account: classGMSA, left: exchange("cloud-sync-hybrid-exchange-least")},
	"cloud-sync-key-credential-link":            {account: classGMSA, left: map[string]string{"cloud-sync-key-credential-link/write-device": audit.RowWarning}},
	"cloud-sync-password-hash-sync":             {account: classGMSA},
	"cloud-sync-password-writeback":             {account: classGMSA, left: map[string]string{"cloud-sync-password-writeback/change-password": audit.RowWarning}},
	"cloud-sync-provision-to-ad":                {account: classGMSA},
	"cloud-sync-restricted":                     {account: classGMSA, left: map[string]string{"cloud-sync-restricted/account-dacl": "fail"}},
	"cloud-sync-soa-enforcement":                {account: classGMSA, left: map[string]string{"cloud-sync-soa-enforcement/listed-in-policy": "unknown"}},
	"cloud-sync-user-group-create-delete":       {account: classGMSA},
	"cloud-sync-user-group-create-delete-table": {account: classGMSA},
	"connect-sync-account":                      {account: classUser, holds: []string{"connect-sync-account/regular-user"}},
	"connect-sync-all": {account: classUser, holds: []string{"connect-sync-account/regular-user"}, left: map[string]string{
		"connect-sync-basic-read/get-changes":                    "pass", // which password hash synchronization asks for
		"connect-sync-password-writeback/unexpire-password":      audit.RowWarning,
		"connect-sync-password-writeback/change-password":        audit.RowWarning,
		"connect-sync-exchange-public-folders/read-publicfolder": audit.NotApplicable,
	}},
	"connect-sync-basic-read":       {account: classUser, left: map[string]string{"connect-sync-basic-read/get-changes": audit.RowWarning}},
	"connect-sync-consistency-guid": {account: classUser},
	"connect-sync-exchange-hybrid":  {account: classUser},
	"connect-sync-exchange-public-folders": {account: classUser, left: map[string]string{
		"connect-sync-exchange-public-folders/read-publicfolder": audit.NotApplicable,
	}},
	"connect-sync-group-writeback":    {account: classUser},
	"connect-sync-password-hash-sync": {account: classUser},
	"connect-sync-password-writeback": {account: classUser, left: map[string]string{
		"connect-sync-password-writeback/unexpire-password": audit.RowWarning,
		"connect-sync-password-writeback/change-password":   audit.RowWarning,
	}},
	"defender-for-identity-action": {account: classUser},
	"defender-for-identity-dsa":    {account: classGMSA, left: map[string]string{"defender-for-identity-dsa/read-deleted-objects": "unknown"}},
	"intune-connector":             {account: classComputer, param: "ou", left: map[string]string{"intune-connector/delete-computer": audit.RowWarning}},
	"intune-connector-msa":         {account: classGMSA, param: "ou"},
}

// Every built-in policy, for an account that has nothing of its own: all is lacking, the plan is the entries of its
// golden file, after apply only what the table says is left, and after rollback all is as it was.
func TestBuiltinPoliciesFromNothingToClean(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	var made cast
	base, tag := lab.CreateOU(t, "policies"), labtest.Unique("")
	for name := range lives {
		if !slices.Contains(policy.BuiltinNames(), name) {
			t.Errorf("there is no policy %s", name)
		}
	}
	for i, name := range policy.BuiltinNames() {
		made.account(lives[name].account, "CN="+name+","+base, fmt.Sprintf("p%s%02d", tag, i))
		made.add("OU="+name+","+base, "objectClass: organizationalUnit")
	}
	made.make(t, lab)
	values := map[string]string{"guid": dkm(t, lab)}

	for _, name := range policy.BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			life, known := lives[name]
			if !known {
				t.Fatal("the table does not say how it goes")
			}
			u := &user{t: t, dir: t.TempDir(), flags: u.flags}
			account, ou := "CN="+name+","+base, "OU="+name+","+base
			values["ou"] = ou
			args := append([]string{account, "-o", "json"}, aims(t, name, values)...)

			first := u.run(append([]string{"audit"}, args...)...)
			before, warnings := results(t, first.stdout)
			clean, passes := true, false
			after := map[string]string{}
			for row := range before {
				after[row] = "pass"
				if result := life.left[row]; result != "" {
					after[row] = result
				}
				want := after[row]
				switch {
				case slices.Contains(life.holds, row), want != "pass":
				case warnings[row]:
					want = audit.RowWarning
				default:
					want = "fail"
				}
				if before[row] != want {
					t.Errorf("before: %s: %s, want %s", row, before[row], want)
				}
				passes = passes || after[row] == "pass"
				clean = clean && after[row] != "fail" && after[row] != "unknown"
			}
			for row := range life.left {
				if before[row] == "" {
					t.Errorf("there is no row %s", row)
				}
			}
			wantFirst, wantLast := exitFindings, exitFindings
			if passes && clean {
				wantLast = exitOK
			}
			if len(life.holds) == len(before) {
				wantFirst = exitOK
			}
			if first.code != wantFirst {
				t.Errorf("the first audit: exit code %d, want %d: %s", first.code, wantFirst, first.stderr)
			}

			u.want(wantFirst, append([]string{"plan", "--out", u.file("plan.json")}, args...)...)
			p := readPlan(t, u.file("plan.json"))
			wantAdded := together(t, name, map[string]string{
				goldenHolder: p.Account.SID, "default target": ou, "domain-root": lab.BaseDN, "OU=Autopilot,DC=corp,DC=example": ou,
				"CN=" + goldenGUID + ",CN=ADFS,CN=Microsoft under program-data": dkmDN(lab, values["guid"]),
				"deleted-objects": "CN=Deleted Objects," + lab.BaseDN,
			})
			var blocked []string
			for _, b := range p.Blocked {
				if life.left[b.Policy+"/"+b.Rule.Rule] != audit.RowWarning {
					blocked = append(blocked, b.Policy+"/"+b.Rule.Rule)
				}
				delete(wantAdded, b.DN)
			}
			for row, result := range after {
				if lasting := result == "fail" || result == "unknown"; lasting != slices.Contains(blocked, row) {
					t.Errorf("%s is %s, and blocked are %q", row, result, blocked)
				}
			}
			if got := added(p); !reflect.DeepEqual(got, wantAdded) {
				t.Errorf("the plan adds\n%v\nwant\n%v", got, wantAdded)
			}

			t.Cleanup(func() {
				if t.Failed() {
					disown(t, lab, lab.BaseDN, p.Account.SID)
				}
			})
			u.want(wantLast, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
			last := u.want(wantLast, append([]string{"audit"}, args...)...)
			if got, _ := results(t, last.stdout); !reflect.DeepEqual(got, after) {
				t.Errorf("after: %v, want %v", got, after)
			}
			if len(p.Changes) == 0 {
				if _, err := os.Stat(u.file("backup.json")); err == nil {
					t.Error("a backup was written although nothing was")
				}
				return
			}
			says(t, u.want(exitOK, "apply", "--yes", u.file("plan.json")).stdout, "already-done")

			u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
			if again := u.want(wantFirst, append([]string{"audit"}, args...)...); again.stdout != first.stdout {
				t.Errorf("after rollback:\n%s\nwant\n%s", again.stdout, first.stdout)
			}
			u.want(wantFirst, append([]string{"plan", "--out", u.file("again.json")}, args...)...)
			if again := readPlan(t, u.file("again.json")); !reflect.DeepEqual(again.Changes, p.Changes) {
				t.Errorf("after rollback the plan is\n%+v\nwant\n%+v", again.Changes, p.Changes)
			}
		})
	}
}

// aims are the flags to judge an account's own entries by a policy, where it has no target on values["ou"].
func aims(t *testing.T, name string, values map[string]string) []string {
	t.Helper()
	args := []string{"--policy", name, "--accept", "own"}
	if rules, all := golden(t, name); strings.Contains(rules+all, "default target") {
		args = append(args, "--target", values["ou"])
	}
	if param := lives[name].param; param != "" {
		args = append(args, "--param", param+"="+values[param])
	}
	return args
}

// results are the rows of an audit, each with its result, and those that are advice.
func results(t *testing.T, text string) (rows map[string]string, warnings map[string]bool) {
	t.Helper()
	var r audit.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	rows, warnings = map[string]string{}, map[string]bool{}
	for _, target := range r.Targets {
		for _, row := range target.Rows {
			rows[row.Policy+"/"+row.Rule] = row.Result()
			warnings[row.Policy+"/"+row.Rule] = row.Severity == string(policy.SeverityWarning)
		}
	}
	return rows, warnings
}

// added are the entries that a plan adds, by object.
func added(p *plan.Plan) map[string][]string {
	out := map[string][]string{}
	for _, c := range p.Changes {
		for _, a := range c.Add {
			out[c.DN] = append(out[c.DN], a.SDDL)
		}
		slices.Sort(out[c.DN])
	}
	return out
}

// What the golden files of package policy are for.
const (
	goldenHolder = "S-1-5-21-1000-2000-3000-1105"
	goldenGUID   = "5b2d6b5c-3c5a-4a0e-9f6e-2f6f0c8d1e77"
	goldenOU     = "OU=Autopilot,DC=corp,DC=example"
)

// golden is what a policy comes to: its rules, and all of them together.
func golden(t *testing.T, name string) (rules, together string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "policy", "testdata", "builtin", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	rules, together, _ = strings.Cut("\n"+string(text), "\ntogether -> ")
	return rules, together
}

// together are the entries that an account without any lacks, by object; words stand for others.
func together(t *testing.T, name string, words map[string]string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	_, text := golden(t, name)
	for part := range strings.SplitSeq(text, "\ntogether -> ") {
		lines := strings.Split(strings.TrimSpace(part), "\n  ")
		dn := words[lines[0]]
		for _, ace := range lines[1:] {
			out[dn] = append(out[dn], strings.ReplaceAll(ace, goldenHolder, words[goldenHolder]))
		}
		slices.Sort(out[dn])
	}
	if text == "" {
		clear(out)
	}
	return out
}

// By a forest's own schema every rule comes to the entries of its golden file, as it does without a forest.
func TestBuiltinEntriesBySchemaOfTheForest(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	offline := &user{t: t}
	for _, name := range policy.BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			args := []string{"policy", "show", name, "--form", "sddl", "-o", "json", "--account", goldenHolder}
			switch lives[name].param {
			case "guid":
				args = append(args, "--param", "guid="+goldenGUID)
			case "ou":
				args = append(args, "--param", "ou="+goldenOU)
			}
			var here, there report.PolicyView
			for view, text := range map[*report.PolicyView]string{&here: offline.want(exitOK, args...).stdout, &there: u.want(exitOK, args...).stdout} {
				if err := json.Unmarshal([]byte(text), view); err != nil {
					t.Fatal(err)
				}
			}
			if there.Schema != "that of "+lab.Domain {
				t.Errorf("names are looked up in %s", there.Schema)
			}
			// Each forest has its own names to show for rights.
			for i := range there.Policies {
				for k := range there.Policies[i].Rules {
					row, other := there.Policies[i].Rules[k], here.Policies[i].Rules[k]
					if other.Access = row.Access; !reflect.DeepEqual(row, other) {
						t.Errorf("by the forest's schema\n%+v\nwithout a forest\n%+v", row, other)
					}
				}
			}
			want, _ := golden(t, name)
			want = strings.ReplaceAll(want, "\n  or\n", "\n")
			if got := rendered(there.Policies); strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A schema of Windows Server 2012 R2 lacks what some policies are about: they say so, and the others come to the same entries.
func TestBuiltinEntriesBySchemaOf2012(t *testing.T) {
	lab := labtest.Require(t)
	old := &user{t: t, flags: []string{"--dc", lab.OldDC, "--user", lab.User, "--password-file", lab.OldPasswordFile}}
	const noKeys, noAuthority = `the schema has no class or attribute "msDS-KeyCredentialLink"`, `the schema has no class or attribute "msDS-ObjectSoa"`
	const noAnchor = `the schema has no attribute or property set "msDS-ExternalDirectoryObjectId"`
	lacking := map[string]string{
		"cloud-sync-key-credential-link/write-user": noKeys, "cloud-sync-key-credential-link/write-device": noKeys,
		"cloud-sync-soa-enforcement/listed-in-policy":                                   noAuthority,
		"cloud-sync-hybrid-exchange-least/msds-externaldirectoryobjectid-user":          noAnchor,
		"cloud-sync-hybrid-exchange-least/msds-externaldirectoryobjectid-inetorgperson": noAnchor,
	}
	for _, name := range policy.BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			args := []string{"policy", "show", name, "--form", "sddl", "-o", "json"}
			var here, there report.PolicyView
			for view, text := range map[*report.PolicyView]string{&here: (&user{t: t}).want(exitOK, args...).stdout, &there: old.want(exitOK, args...).stdout} {
				if err := json.Unmarshal([]byte(text), view); err != nil {
					t.Fatal(err)
				}
			}
			for i, p := range there.Policies {
				for k, got := range p.Rules {
					want := here.Policies[i].Rules[k]
					if why := lacking[p.Name+"/"+got.Rule]; why != "" {
						want.NotApplicable, want.SDDL = why, nil
					}
					if want.Access = got.Access; !reflect.DeepEqual(got, want) {
						t.Errorf("got\n%+v\nwant\n%+v", got, want)
					}
				}
			}
		})
	}
}

// rendered is a policy as its golden file has it.
func rendered(list []report.PolicyRows) string {
	var b strings.Builder
	for _, r := range list[0].Rules {
		where := strings.TrimPrefix(r.Target, "on ")
		if where == "the target of the audit" {
			where = "default target"
		}
		fmt.Fprintf(&b, "%s -> %s\n", r.Rule, where)
		if r.Type == "Attributes" || r.Type == "DACL" {
			fmt.Fprintf(&b, "  %s\n", r.Access)
		}
		if r.NotApplicable != "" {
			fmt.Fprintf(&b, "  not applicable: %s\n", r.NotApplicable)
		}
		for _, ace := range r.SDDL {
			fmt.Fprintf(&b, "  %s\n", ace)
		}
	}
	for _, p := range list[1:] {
		fmt.Fprintf(&b, "includes %s\n", p.Name)
	}
	return b.String()
}

// What the policy wants of the account itself is what harden makes of it, and takes back by rollback.
func TestRestrictedIsWhatHardenMakes(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	account := lab.CreateGMSA(t, "tight")
	args := []string{account.SAMAccountName, "--policy", "cloud-sync-restricted"}
	says(t, u.want(exitFindings, append([]string{"plan"}, args...)...).stdout, "gmsactl gmsa harden gives a service account restricted permissions")
	says(t, u.want(exitFindings, append([]string{"apply", "--yes", "--account"}, args...)...).stdout, "Nothing to write.")
	u.want(exitOK, "gmsa", "harden", account.SAMAccountName, "--yes", "--backup", u.file("backup.json"))
	says(t, u.want(exitOK, append([]string{"audit"}, args...)...).stdout, "1 of 1 pass")
	u.want(exitOK, "plan", args[0], args[1], args[2])

	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+account.DN, "--sddl=(A;;WP;;;AU)")
	loose := u.want(exitFindings, append([]string{"audit"}, args...)...)
	says(t, loose.stdout, "explicit entries that the rule does not list: 1")
	lab.RunInput(t, dropACE, "python3", "-", account.DN, "AU", "WP")
	u.want(exitOK, append([]string{"audit"}, args...)...)
	u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	u.want(exitFindings, append([]string{"audit"}, args...)...)
}

// A service account is none that Microsoft Entra Connect logs on with, and no plan makes it one.
func TestServiceAccountAsConnectorAccount(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	account := lab.CreateGMSA(t, "conn").SAMAccountName
	ou := lab.CreateOU(t, "conn")
	says(t, u.want(exitFindings, "audit", account, "--policy", "connect-sync-account").stdout, "objectClass has the value computer")
	got := u.want(exitFindings, "apply", "--yes", "--account", account, "--target", ou, "--policy", "connect-sync-account", "--policy", "connect-sync-consistency-guid",
		"--accept", "own")
	says(t, got.stdout, "plans write no attributes for a rule about them: objectClass has the")
	says(t, got.stdout, "Judged again: 1 of 2 pass, 1 fail")
}

// Whether the account is listed is known where the object of the enforcement is there, and only there.
func TestEnforcementOfTheSourceOfAuthority(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	account, other := lab.CreateGMSA(t, "soa"), lab.CreateUser(t, "soa", "Corr3ct-horse-battery")
	args := []string{account.SAMAccountName, "--policy", "cloud-sync-soa-enforcement"}
	says(t, u.want(exitFindings, append([]string{"audit"}, args...)...).stdout, "why: it is not there, or not visible to this identity")

	above := "CN=SOA-Policies,CN=System," + lab.BaseDN
	lab.RunInput(t, "dn: "+above+"\nobjectClass: container\n\ndn: CN=Cloud,"+above+"\nobjectClass: serviceConnectionPoint\nmsDS-Settings: "+other.SID+"\n", "ldbadd", "-H", database)
	t.Cleanup(func() { lab.Run(t, "ldbdel", "-H", database, "-r", above) })
	got := u.want(exitFindings, append([]string{"audit"}, args...)...)
	says(t, got.stdout, "0 of 1 pass, 1 fail, 0 unknown")
	says(t, got.stdout, account.SID)
	says(t, u.want(exitFindings, append([]string{"plan"}, args...)...).stdout, "plans write no attributes for a rule about them")
	lab.RunInput(t, "dn: CN=Cloud,"+above+"\nchangetype: modify\nadd: msDS-Settings\nmsDS-Settings: "+account.SID+"\n", "ldbmodify", "-H", database)
	says(t, u.want(exitOK, append([]string{"audit"}, args...)...).stdout, "1 of 1 pass")
}

// cast is what a test needs in the directory, added at once.
type cast struct{ ldif strings.Builder }

func (c *cast) add(dn string, lines ...string) {
	c.ldif.WriteString("dn: " + dn + "\n" + strings.Join(lines, "\n") + "\n\n")
}

// account is an account that nothing is granted to.
func (c *cast) account(class, dn, name string) {
	lines := []string{"objectClass: " + class}
	switch class {
	case classGMSA:
		lines = append(lines, "sAMAccountName: "+name+"$", "userAccountControl: 4096", "dNSHostName: "+name+".corp.example", "msDS-ManagedPasswordInterval: 30")
	case classComputer:
		lines = append(lines, "sAMAccountName: "+name+"$", "userAccountControl: 4096")
	default:
		lines = append(lines, "sAMAccountName: "+name, "userAccountControl: 514")
	}
	c.add(dn, lines...)
}

func (c *cast) make(t *testing.T, lab *labtest.Lab) {
	t.Helper()
	lab.RunInput(t, c.ldif.String(), "ldbadd", "-H", database)
}

// dkm makes the container that a farm of AD FS keeps its keys in, until the test ends, and returns its name.
func dkm(t *testing.T, lab *labtest.Lab) (guid string) {
	t.Helper()
	guid = strings.Replace(goldenGUID, "5b2d6b5c", labtest.Unique(""), 1)
	lab.RunInput(t, inDatabase+`
child, parent = sys.argv[1:]
for dn in parent, child:
    try:
        db.add({"dn": dn, "objectClass": "container"})
    except ldb.LdbError as e:
        if e.args[0] != ldb.ERR_ENTRY_ALREADY_EXISTS or dn == child:
            raise
`, "python3", "-", dkmDN(lab, guid), strings.TrimPrefix(dkmDN(lab, guid), "CN="+guid+","))
	t.Cleanup(func() {
		lab.RunInput(t, inDatabase+`
child, parent = sys.argv[1:]
db.delete(child, ["tree_delete:1"])
if len(db.search(parent, scope=ldb.SCOPE_ONELEVEL)) == 0:
    db.delete(parent)
`, "python3", "-", dkmDN(lab, guid), strings.TrimPrefix(dkmDN(lab, guid), "CN="+guid+","))
	})
	return guid
}

func dkmDN(lab *labtest.Lab, guid string) string {
	return "CN=" + guid + ",CN=ADFS,CN=Microsoft,CN=Program Data," + lab.BaseDN
}

// dropACE takes away somebody's entries on an object: those with some rights alone, or all that are not inherited.
const dropACE = inDatabase + `
import re
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
dn, trustee, rights = (sys.argv[1:] + [""])[:3]
domain = security.dom_sid(db.get_domain_sid())
sd = ndr_unpack(security.descriptor, db.search(dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=["show_deleted:1"])[0]["nTSecurityDescriptor"][0])
def keep(m):
    fields = m.group(1).split(";")
    gone = fields[5] == trustee and "ID" not in fields[1] and rights in ("", fields[2])
    return "" if gone else m.group(0)
sd = security.descriptor.from_sddl(re.sub(r"\(([^()]*)\)", keep, sd.as_sddl(domain)), domain)
m = ldb.Message(); m.dn = ldb.Dn(db, dn)
m["x"] = ldb.MessageElement(ndr_pack(sd), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
db.modify(m, ["sd_flags:1:4"])
`

// disown takes away all that an account was granted on an object, where a test ended in between.
func disown(t *testing.T, lab *labtest.Lab, dn, sid string) {
	t.Helper()
	lab.RunInput(t, dropACE, "python3", "-", dn, sid)
}
