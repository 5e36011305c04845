package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// preflightResults are the results by ID, and by title where several have the ID.
func (u *user) preflightResults(code int, args ...string) map[string]string {
	u.t.Helper()
	text := u.want(code, append([]string{"preflight", "-o", "json"}, args...)...).stdout
	var r struct {
		Checks []struct{ ID, Title, Result, Seen string }
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		u.t.Fatalf("%v in\n%s", err, text)
	}
	out := map[string]string{}
	for _, c := range r.Checks {
		out[c.ID] = c.Result
		out[c.ID+" "+c.Title] = c.Result + ": " + c.Seen
	}
	return out
}

// A forest that is ready but for its hosts, the same from a capture, an ordinary user, and a forest of
// an old schema.
func TestPreflightJourney(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	agent, _ := computer(t, lab, "ag")
	name := labtest.Unique("pre")
	u.want(exitOK, "gmsa", "create", name, "--host", agent, "--yes", "--backup", u.file("b.json"))
	t.Cleanup(func() { lab.Run(t, "samba-tool", "service-account", "delete", "--name="+name) })
	dn := "CN=" + strings.TrimSuffix(agent, "$") + ",CN=Computers," + lab.BaseDN
	users := "CN=Domain Users,CN=Users," + lab.BaseDN

	got := u.preflightResults(exitFindings, name, "--scope", users, "--scope", "CN=Users,"+lab.BaseDN)
	for id, want := range map[string]string{
		"external-directory-object-id": "pass", "gmsa-class": "pass", "domain-controllers": "pass", "caller": "pass", "account": "pass", "account-enctypes": "pass",
		"account-retrievers": "pass", "account-permissions": "fail", "agents": "warn", "host": "unknown", "host-retrieves": "pass", "scope": "pass", "idfix": "manual",
	} {
		if got[id] != want {
			t.Errorf("%s: %s, want %s", id, got[id], want)
		}
	}
	// Domain Users lists nobody: whoever has it as primary group counts.
	if got := got["scope-object "+users]; !strings.HasPrefix(got, "pass: ") || got == "pass: 0 members" {
		t.Errorf("Domain Users: %s", got)
	}

	for version, want := range map[string]string{"10.0 (20348)": "pass", "10.0 (14393)": "warn", "6.3 (9600)": "fail"} {
		lab.RunInput(t, "dn: "+dn+"\nchangetype: modify\nreplace: operatingSystem\noperatingSystem: Windows Server\n-\nreplace: operatingSystemVersion\noperatingSystemVersion: "+version+"\n", "ldbmodify", "-H", database)
		if got := u.preflightResults(exitFindings, name)["host"]; got != want {
			t.Errorf("a host of %s: %s, want %s", version, got, want)
		}
	}

	capture := u.file("c.ldif")
	u.want(exitOK, "collect", "--out", capture)
	offline := &user{t: t, dir: t.TempDir(), flags: []string{"--from", capture}}
	live, from := u.preflightResults(exitFindings, name), offline.preflightResults(exitFindings, name)
	for id, want := range live {
		if strings.HasPrefix(id, "caller") {
			continue
		}
		if from[id] != want {
			t.Errorf("%s: from the capture %s, live %s", id, from[id], want)
		}
	}
	if from["caller"] != "manual" {
		t.Errorf("from the capture the caller is %s", from["caller"])
	}

	ordinary := lab.CreateUser(t, "ordinary", "Kl3in-und-Gr0ss!")
	password := t.TempDir() + "/password"
	if err := os.WriteFile(password, []byte("Kl3in-und-Gr0ss!"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", ordinary.SAMAccountName, "--password-file", password}}
	other := o.preflightResults(exitFindings, name)
	if other["caller"] != "fail" || other["kds-root-key"] != "warn" || other["account-retrievers"] != "pass" {
		t.Errorf("an ordinary user: caller %s, root key %s (%s), retrievers %s", other["caller"], other["kds-root-key"], other["kds-root-key KDS root key"], other["account-retrievers"])
	}

	// A host and somebody whom nobody knows is not the hosts and nobody else.
	host := lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+agent+")", "objectSid")
	_, rest, _ := strings.Cut(host, "objectSid: ")
	for other, want := range map[string]string{"S-1-5-21-1-2-3-4": "warn", domainSID(t, lab) + "-88888": "unknown"} {
		setMembership(t, lab, "CN="+name+",CN=Managed Service Accounts,"+lab.BaseDN, "O:SYD:(A;;RP;;;"+strings.Fields(rest)[0]+")(A;;RP;;;"+other+")")
		if got := u.preflightResults(exitFindings, name)["account-retrievers"]; got != want {
			t.Errorf("with %s: %s, want %s", other, got, want)
		}
	}

	// A group whose members are kept from whoever asks may have any number.
	group := labtest.Unique("hides")
	lab.Run(t, "samba-tool", "group", "add", group)
	t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", group) })
	lab.Run(t, "samba-tool", "group", "addmembers", group, ordinary.SAMAccountName)
	hides := "CN=" + group + ",CN=Users," + lab.BaseDN
	lab.Run(t, "samba-tool", "dsacl", "set", "--objectdn", hides, "--sddl", "(OD;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;"+ordinary.SID+")")
	if got := u.preflightResults(exitOK, "--scope", hides)["scope-object"]; got != "pass" {
		t.Errorf("a group of one, for an administrator: %s", got)
	}
	if got := o.preflightResults(exitFindings, "--scope", hides)["scope-object"]; got != "unknown" {
		t.Errorf("a group of one, for who may not see it: %s", got)
	}

	old := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.OldDC, "--user", lab.User, "--password-file", lab.OldPasswordFile}}
	if got := old.preflightResults(exitFindings); got["external-directory-object-id"] != "fail" || got["domain-functional-level"] != "warn" {
		t.Errorf("the old forest: attribute %s, functional level %s", got["external-directory-object-id"], got["domain-functional-level"])
	}
}
