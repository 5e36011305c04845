package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

func (u *user) auditForest(code int, args ...string) *audit.ForestReport {
	u.t.Helper()
	got := u.want(code, append([]string{"audit", "-o", "json"}, args...)...)
	var r audit.ForestReport
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || r.Kind != "ForestAuditReport" {
		u.t.Fatalf("%v in %s", err, got.stdout)
	}
	return &r
}

// An account of one forest is judged in another that trusts it, by the domain-local group
// there in which it is a foreign security principal; by the SID and the group that the
// other domain controller then lets it read with.
func TestLabAuditOfTwoForests(t *testing.T) {
	lab := labtest.Require(t)
	lab.Trust(t)
	const password = "Lab-Secret-1."
	account := lab.CreateUser(t, "forest", password)
	name := account.SAMAccountName
	group := "grp" + name
	lab.Run(t, "samba-tool", "group", "add", group, "--group-scope=Universal")
	t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", group) })
	lab.Run(t, "samba-tool", "group", "addmembers", group, name)
	local := "local" + name
	lab.RunOld(t, "samba-tool", "group", "add", local, "--group-scope=Domain")
	t.Cleanup(func() { lab.RunOld(t, "samba-tool", "group", "delete", local) })

	policy := t.TempDir() + "/policy.yaml"
	rule := "name: one\ntitle: One\nsource: here\nrules:\n  - id: write-description\n    rights: [write-property]\n    object: description\n    scope: this-object\n    why: it is a test\n    source: here\n"
	if err := os.WriteFile(policy, []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	ou := "OU=" + name + "," + lab.OldBaseDN
	lab.RunOld(t, "samba-tool", "ou", "create", ou)
	t.Cleanup(func() { lab.RunOld(t, "samba-tool", "ou", "delete", ou) })
	sid := oldSID(t, lab, local)
	lab.RunOld(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+ou, "--sddl=(A;;RPWP;;;"+sid+")")

	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, dir: t.TempDir(), flags: []string{
		"--dc", lab.DC, "--dc", lab.OldDC, "--user", name, "--password-file", file, "--policy", policy,
	}}
	conf := "[realms]\n" + strings.ToUpper(lab.Domain) + " = {\n kdc = " + lab.DC + "\n}\n" + strings.ToUpper(lab.OldDomain) + " = {\n kdc = " + lab.OldDC + "\n}\n"
	if err := os.WriteFile(u.file("krb5.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KRB5_CONFIG", u.file("krb5.conf"))

	t.Run("not a member", func(t *testing.T) {
		u.t = t
		r := u.auditForest(exitFindings, name, "--target", ou)
		if len(r.Reports) != 1 || len(r.Unreachable) != 0 || r.Reports[0].Domain.DNS != lab.OldDomain || r.Account.Domain != lab.Domain || r.Reports[0].Account.Unseen != "" {
			t.Fatalf("got %+v", r)
		}
		if row := r.Reports[0].Targets[0].Rows[0]; row.Pass || row.Effect != "not-granted" {
			t.Errorf("got %+v", row)
		}
	})
	t.Run("a member by its universal group", func(t *testing.T) {
		u.t = t
		universal := corpSID(t, lab, group)
		lab.RunOld(t, "samba-tool", "group", "addmembers", local, universal)
		r := u.auditForest(exitOK, name, "--target", ou)
		one := r.Reports[0]
		if row := one.Targets[0].Rows[0]; !row.Pass || row.Grant != "via-group" || row.Effect != "granted" {
			t.Errorf("got %+v", row)
		}
		var groups []string
		for _, g := range one.Account.Groups {
			groups = append(groups, g.SID)
		}
		if !slices.Contains(groups, universal) || !slices.Contains(groups, sid) {
			t.Errorf("groups %v, want %s and %s", groups, universal, sid)
		}
		if !strings.EqualFold(one.Account.Name, `CORP\`+name) {
			t.Errorf("named %s", one.Account.Name)
		}
		// The domain controller of the other forest has the same groups in the token that it
		// makes, and lets the account write.
		who := &user{t: t, dir: u.dir, flags: []string{"--dc", lab.OldDC, "--user", name + "@" + lab.Domain, "--password-file", file}}
		report := who.whoami(exitOK, ou)
		var token []string
		for _, g := range report.Identity.Groups {
			token = append(token, g.SID)
		}
		for _, sid := range groups {
			// Samba's KDC says nothing of who vouches for an identity that comes from elsewhere.
			if !slices.Contains(token, sid) && sid != "S-1-5-15" && sid != "S-1-18-1" {
				t.Errorf("%s is in the report and not in the token %v", sid, token)
			}
		}
		for _, sid := range token {
			if strings.HasPrefix(sid, "S-1-5-21-") && !strings.HasPrefix(sid, "S-1-5-21-0-0-0-") && sid != account.SID && !slices.Contains(groups, sid) {
				t.Errorf("%s is in the token and not in the report %v", sid, groups)
			}
		}
	})
	t.Run("both heads, and what cannot be reached", func(t *testing.T) {
		u.t = t
		r := u.auditForest(exitFindings, name)
		if len(r.Reports) != 2 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "of another forest") {
			t.Errorf("got %d reports, notes %q", len(r.Reports), r.Notes)
		}
		// The first domain is the user's; it is the other one that is not there.
		three := &user{t: t, dir: u.dir, flags: append(slices.Clone(u.flags), "--dc", "dc1.nowhere.invalid")}
		r = three.auditForest(exitFindings, name)
		if len(r.Reports) != 2 || len(r.Unreachable) != 1 || r.Unreachable[0].Domain != "nowhere.invalid" || r.Summary.Unreachable != 1 {
			t.Errorf("got %+v", r.Unreachable)
		}
	})
	t.Run("a wrong password is tried once", func(t *testing.T) {
		wrong := u.file("wrong")
		if err := os.WriteFile(wrong, []byte("Not-the-secret-9."), 0o600); err != nil {
			t.Fatal(err)
		}
		bad := &user{t: t, dir: u.dir, flags: []string{"--dc", lab.DC, "--dc", lab.OldDC, "--user", name, "--password-file", wrong}}
		bad.want(exitError, "audit", name)
		if got := attribute(t, lab, account.DN, "badPwdCount"); got != "1" {
			t.Errorf("badPwdCount is %s", got)
		}
	})
}

func attribute(t *testing.T, lab *labtest.Lab, dn, attr string) string {
	t.Helper()
	return find(t, lab.Run(t, "ldbsearch", "-H", database, "-s", "base", "-b", dn, attr), attr)
}

func corpSID(t *testing.T, lab *labtest.Lab, name string) string {
	t.Helper()
	return find(t, lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+name+")", "objectSid"), "objectSid")
}

func oldSID(t *testing.T, lab *labtest.Lab, name string) string {
	t.Helper()
	return find(t, lab.RunOld(t, "ldbsearch", "-H", database, "(sAMAccountName="+name+")", "objectSid"), "objectSid")
}

// find is the value of an attribute in LDIF.
func find(t *testing.T, ldif, attr string) string {
	t.Helper()
	for line := range strings.Lines(ldif) {
		if value, ok := strings.CutPrefix(line, attr+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in\n%s", attr, ldif)
	return ""
}
