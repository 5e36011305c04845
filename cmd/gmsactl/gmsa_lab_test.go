package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/jcmturner/gokrb5/v8/crypto"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// computer makes an enabled computer whose password is known, until the test ends.
func computer(t *testing.T, lab *labtest.Lab, name string) (sam, passwordFile string) {
	t.Helper()
	name = labtest.Unique(name)
	lab.Run(t, "samba-tool", "computer", "create", name)
	t.Cleanup(func() { lab.Run(t, "samba-tool", "computer", "delete", name) })
	const password = "Kl3in-und-Gr0ss!"
	lab.Run(t, "samba-tool", "user", "setpassword", name+"$", "--newpassword="+password)
	lab.Run(t, "samba-tool", "user", "enable", name+"$")
	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name + "$", file
}

// managedPassword is an account's current password, asked for as somebody else; an error where
// the domain controller does not give it. [MS-ADTS] 2.2.19.
func managedPassword(t *testing.T, lab *labtest.Lab, as, passwordFile, dn string) ([]byte, error) {
	t.Helper()
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ldapx.Dial(t.Context(), ldapx.Config{DC: lab.DC, User: as, Password: func() ([]byte, error) { return []byte(strings.TrimSpace(string(password))), nil }, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := directory.Collect(s.Read(t.Context(), directory.Query{Base: dn, Attrs: []string{"msDS-ManagedPassword"}}))
	if err != nil {
		return nil, err
	}
	blob := found[0].Value("msDS-ManagedPassword")
	if blob == nil {
		return nil, fmt.Errorf("%s is not shown the password", as)
	}
	at := binary.LittleEndian.Uint16(blob[8:])
	return blob[at : at+256], nil
}

// keytabOf writes a keytab with the AES key that a service account has by its password.
// [MS-KILE] 3.1.1.2; the file's format is MIT's, version 2.
func keytabOf(t *testing.T, realm, sam string, kvno uint8, password []byte) string {
	t.Helper()
	units := make([]uint16, len(password)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(password[2*i:])
	}
	etype, err := crypto.GetEtype(18)
	if err != nil {
		t.Fatal(err)
	}
	salt := strings.ToUpper(realm) + "host" + strings.ToLower(strings.TrimSuffix(sam, "$")) + "." + strings.ToLower(realm)
	key, err := etype.StringToKey(string(utf16.Decode(units)), salt, etype.GetDefaultStringToKeyParams())
	if err != nil {
		t.Fatal(err)
	}
	counted := func(b []byte, text string) []byte {
		return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
	}
	entry := counted(counted([]byte{0, 1}, strings.ToUpper(realm)), sam)
	entry = binary.BigEndian.AppendUint32(entry, 1) // the type of the name
	entry = binary.BigEndian.AppendUint32(entry, uint32(time.Now().Unix()))
	entry = append(entry, kvno)
	entry = counted(append(entry, 0, 18), string(key))
	file := binary.BigEndian.AppendUint32([]byte{5, 2}, uint32(len(entry)))
	path := t.TempDir() + "/keytab"
	if err := os.WriteFile(path, append(file, entry...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The account that create makes is one that hosts can use: who is named gets its password and
// can be it, who is not named does not.
func TestGMSACreateJourney(t *testing.T) {
	lab := labtest.Require(t)
	agent, agentPassword := computer(t, lab, "ag")
	other, otherPassword := computer(t, lab, "ot")
	u := administrator(t, lab)
	name := labtest.Unique("made")
	dn := "CN=" + name + ",CN=Managed Service Accounts," + lab.BaseDN

	planned := u.want(exitFindings, "gmsa", "create", name, "--host", agent, "--policy", "cloud-sync-custom-gmsa", "--out", u.file("plan.json"))
	says(t, planned.stdout, "1 to make, 3 to set, 1 to change: 8 to add, 0 to remove.")
	if found := lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+name+"$)", "dn"); strings.Contains(found, "dn: CN=") {
		t.Fatal("the plan has made it")
	}
	applied := u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
	t.Cleanup(func() { lab.Run(t, "samba-tool", "service-account", "delete", "--name="+name) })
	says(t, applied.stdout, "Judged again: 8 of 8 pass")
	// Applied again there is nothing to do, and no other backup.
	says(t, u.want(exitOK, "apply", "--yes", u.file("plan.json")).stdout, "already-done  make "+dn)
	says(t, u.want(exitOK, "gmsa", "create", name, "--host", agent, "--yes").stdout, "Nothing to write.")

	shown := lab.Run(t, "ldbsearch", "-H", database, "-b", dn, "-s", "base", "userAccountControl", "msDS-SupportedEncryptionTypes", "servicePrincipalName", "dNSHostName", "msDS-ManagedPasswordInterval", "nTSecurityDescriptor")
	for _, line := range []string{"userAccountControl: 4096\n", "msDS-SupportedEncryptionTypes: 24\n", "msDS-ManagedPasswordInterval: 30\n", "dNSHostName: " + name + "." + lab.Domain + "\n"} {
		says(t, shown, line)
	}
	if strings.Contains(shown, "servicePrincipalName:") {
		t.Errorf("it has a service principal name:\n%s", shown)
	}

	password, err := managedPassword(t, lab, agent, agentPassword, dn)
	if err != nil {
		t.Fatal(err)
	}
	keytab := keytabOf(t, lab.Domain, name+"$", 1, password)
	itself := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", name + "$", "--keytab", keytab}}
	says(t, itself.want(exitOK, "audit", name+"$").stdout, "8 of 8 pass")

	if password, err := managedPassword(t, lab, other, otherPassword, dn); err == nil {
		t.Errorf("%s, who is not named, was given a password of %d bytes", other, len(password))
	}

	// What was granted goes back; the account itself is left, and rollback says so.
	back := u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	says(t, back.stdout, "which apply made, stays: gmsactl deletes")
	if got := u.want(exitFindings, "audit", name); !strings.Contains(got.stdout, "0 of 8 pass") {
		t.Errorf("after rollback:\n%s", got.stdout)
	}
	if _, err := managedPassword(t, lab, agent, agentPassword, dn); err == nil {
		t.Errorf("after rollback %s is still given the password", agent)
	}
}

// What is asked for is what is made, and who is in a group that is named may have the password.
func TestGMSACreateOptions(t *testing.T) {
	lab := labtest.Require(t)
	agent, agentPassword := computer(t, lab, "ag")
	other, otherPassword := computer(t, lab, "ot")
	ou := lab.CreateOU(t, "opts")
	group := labtest.Unique("agents")
	lab.Run(t, "samba-tool", "group", "add", group)
	t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", group) })
	lab.Run(t, "samba-tool", "group", "addmembers", group, agent)
	u := administrator(t, lab)
	name := labtest.Unique("opts")
	u.want(exitOK, "gmsa", "create", name, "--group", group, "--container", ou, "--interval", "15", "--dns-name", "agents."+name+".example",
		"--enctypes", "aes,rc4", "--description", "Agents' account", "--yes")
	dn := "CN=" + name + "," + ou
	shown := lab.Run(t, "ldbsearch", "-H", database, "-b", dn, "-s", "base")
	for _, line := range []string{"msDS-SupportedEncryptionTypes: 28\n", "msDS-ManagedPasswordInterval: 15\n", "dNSHostName: agents." + name + ".example\n", "description: Agents' account\n"} {
		says(t, shown, line)
	}
	if _, err := managedPassword(t, lab, agent, agentPassword, dn); err != nil {
		t.Errorf("who is in the group: %v", err)
	}
	if _, err := managedPassword(t, lab, other, otherPassword, dn); err == nil {
		t.Error("who is not in the group is given the password")
	}
	got := u.want(exitError, "gmsa", "create", name, "--group", group, "--container", ou, "--interval", "30", "--yes")
	says(t, got.stderr, "its password interval is 15 days, which cannot be changed")
}

func TestGMSACreateRefuses(t *testing.T) {
	lab := labtest.Require(t)
	agent, _ := computer(t, lab, "ag")
	u := administrator(t, lab)
	person := lab.CreateUser(t, "person", "Kl3in-und-Gr0ss!")
	taken := lab.CreateGMSA(t, "taken")
	ou := lab.CreateOU(t, "gmsas")
	deleted := labtest.Unique("gone")
	lab.Run(t, "samba-tool", "computer", "create", deleted)
	lab.Run(t, "samba-tool", "computer", "delete", deleted)
	crew := labtest.Unique("crew")
	lab.Run(t, "samba-tool", "group", "add", crew, "--group-type=Distribution")
	t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", crew) })
	foreign := "S-1-5-21-1111-2222-3333-4444"
	friends := labtest.Unique("friends")
	lab.Run(t, "samba-tool", "group", "add", friends, "--group-scope=Domain")
	t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", friends) })
	lab.Run(t, "samba-tool", "group", "addmembers", friends, foreign)
	free := labtest.Unique("free")
	sid := domainSID(t, lab)
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"a name that a user has", []string{person.SAMAccountName, "--host", agent}, "is taken by CN=" + person.SAMAccountName},
		{"a name that a computer has", []string{agent, "--host", agent}, "is taken by CN="},
		{"a name that an account elsewhere has", []string{taken.SAMAccountName, "--host", agent, "--container", ou}, "is taken by " + taken.DN},
		{"a deleted host", []string{free, "--host", deleted}, `"` + deleted + `": no such host is visible`},
		{"a user as a host", []string{free, "--host", person.DN}, "is no computer"},
		{"a service account as a host", []string{free, "--host", taken.DN}, "is a service account, not a host"},
		{"a computer as a group", []string{free, "--group", "CN=" + strings.TrimSuffix(agent, "$") + ",CN=Computers," + lab.BaseDN}, "is no group"},
		{"a distribution group", []string{free, "--group", crew}, "is a distribution group"},
		{"Domain Computers", []string{free, "--group", "Domain Computers"}, "holds all computers of the domain"},
		{"Domain Users by its SID", []string{free, "--group", sid + "-513"}, "holds all users of the domain"},
		{"Everyone", []string{free, "--group", "S-1-1-0"}, "Everyone is everybody"},
		{"Authenticated Users by its object", []string{free, "--group", "CN=S-1-5-11,CN=ForeignSecurityPrincipals," + lab.BaseDN}, "stands for somebody of another forest"},
		{"a foreign security principal", []string{free, "--group", foreign}, "stands for somebody of another forest"},
		{"a group of another domain", []string{free, "--group", `OTHER\agents`}, "must be in the account's own domain"},
		{"a container that is none", []string{free, "--host", agent, "--container", person.DN}, "no object that service accounts may be below"},
		{"a container that is not there", []string{free, "--host", agent, "--container", "OU=nowhere," + lab.BaseDN}, "no such object is visible here"},
		{"a DNS name that another one has", []string{free, "--host", agent, "--dns-name", strings.TrimSuffix(taken.SAMAccountName, "$") + "." + lab.Domain}, "its dNSHostName is the same"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := u.want(exitError, append([]string{"gmsa", "create", "--yes"}, c.args...)...)
			says(t, got.stderr, c.says)
			says(t, got.stderr, "gmsactl: hint: ")
		})
	}
	if found := lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+free+"$)", "dn"); strings.Contains(found, "dn: CN=") {
		t.Error("something was made all the same")
	}
}

// A forest without a root key, and one whose key is too new.
func TestGMSACreateNeedsARootKey(t *testing.T) {
	lab := labtest.Require(t)
	host := labtest.Unique("oldag")
	lab.RunOld(t, "samba-tool", "computer", "create", host)
	t.Cleanup(func() { lab.RunOld(t, "samba-tool", "computer", "delete", host) })
	u := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.OldDC, "--user", lab.User, "--password-file", lab.OldPasswordFile}}
	keys := "CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services,CN=Configuration,DC=old,DC=example"
	remove := func() {
		for line := range strings.Lines(lab.RunOld(t, "ldbsearch", "-H", database, "-b", keys, "-s", "one", "dn")) {
			if dn, ok := strings.CutPrefix(line, "dn: "); ok {
				lab.RunOld(t, "ldbdel", "-H", database, strings.TrimSpace(dn))
			}
		}
	}
	remove()
	t.Cleanup(func() {
		remove()
		lab.RunOld(t, "samba-tool", "domain", "kds", "root-key", "create", "-H", database)
	})
	got := u.want(exitError, "gmsa", "create", "provAgent", "--host", host, "--yes")
	says(t, got.stderr, "no KDS root key is visible")
	says(t, got.stderr, "Add-KdsRootKey")

	start := time.Now().Add(10 * time.Hour)
	lab.RunOld(t, "samba-tool", "domain", "kds", "root-key", "create", "-H", database, "--use-start-time="+start.UTC().Format("2006-01-02T15:04:05+00:00"))
	got = u.want(exitError, "gmsa", "create", "provAgent", "--host", host, "--yes")
	says(t, got.stderr, "the KDS root key may not be used before "+start.UTC().Format("2006-01-02 15:04")+" UTC")
	says(t, got.stderr, "hint: run it again after "+start.Local().Format("2006-01-02 15:04"))
}

// Where the rights to go on are lacking, create says what exists; the administrator's second run
// goes on from there.
func TestGMSACreateHalfWay(t *testing.T) {
	lab := labtest.Require(t)
	agent, _ := computer(t, lab, "ag")
	delegate := lab.CreateUser(t, "delegate", "Kl3in-und-Gr0ss!")
	ou := lab.CreateOU(t, "half")
	// Who may create and no more: what it owns it may not write, for its rights are denied.
	lab.Run(t, "samba-tool", "dsacl", "set", "--objectdn", ou, "--sddl", "(OA;CI;CC;7b8b558a-93a5-4af7-adca-c017e67f1057;;"+delegate.SID+")")
	password := t.TempDir() + "/password"
	if err := os.WriteFile(password, []byte("Kl3in-und-Gr0ss!"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", delegate.SAMAccountName, "--password-file", password}}
	name := labtest.Unique("half")
	got := u.run("gmsa", "create", name, "--host", agent, "--container", ou, "--yes", "--backup", u.file("b.json"))
	if got.code != exitPartly {
		t.Fatalf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	says(t, got.stdout, "verified      make CN="+name+","+ou)
	says(t, got.stdout, "refused ")
	admin := administrator(t, lab)
	says(t, admin.want(exitOK, "gmsa", "create", name, "--host", agent, "--container", ou, "--yes").stdout, "exists: what it lacks")
	says(t, admin.want(exitOK, "gmsa", "create", name, "--host", agent, "--container", ou, "--yes").stdout, "Nothing to write.")

	t.Run("who may not create there is told so before anything is tried", func(t *testing.T) {
		got := u.want(exitError, "gmsa", "create", labtest.Unique("none"), "--host", agent, "--yes")
		says(t, got.stderr, "may not create service accounts there")
	})
}

// After harden an Account Operator is out, an administrator is not, the host still gets the
// password; rollback brings back what was there.
func TestGMSAHardenJourney(t *testing.T) {
	lab := labtest.Require(t)
	agent, agentPassword := computer(t, lab, "ag")
	u := administrator(t, lab)
	name := labtest.Unique("hard")
	u.want(exitOK, "gmsa", "create", name, "--host", agent, "--yes", "--backup", u.file("b0.json"))
	t.Cleanup(func() { lab.Run(t, "samba-tool", "service-account", "delete", "--name="+name) })
	dn := "CN=" + name + ",CN=Managed Service Accounts," + lab.BaseDN
	operator := lab.CreateUser(t, "operator", "Kl3in-und-Gr0ss!")
	lab.Run(t, "samba-tool", "group", "addmembers", "Account Operators", operator.SAMAccountName)
	takeOver := func() error {
		s, err := ldapx.Dial(t.Context(), ldapx.Config{DC: lab.DC, User: operator.SAMAccountName, Password: func() ([]byte, error) { return []byte("Kl3in-und-Gr0ss!"), nil }, Timeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		value, err := gmsa.MembershipOf(t.Context(), s, dn)
		if err != nil {
			t.Fatal(err)
		}
		return s.WriteAttribute(t.Context(), dn, gmsa.AttrMembership, [][]byte{value}, [][]byte{value})
	}
	if err := takeOver(); err != nil {
		t.Fatalf("before: %v", err)
	}
	before := descriptor(t, lab, dn)

	t.Run("whoever would lock himself out is refused", func(t *testing.T) {
		password := t.TempDir() + "/password"
		if err := os.WriteFile(password, []byte("Kl3in-und-Gr0ss!"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", operator.SAMAccountName, "--password-file", password}}
		got := o.want(exitError, "gmsa", "harden", name, "--yes")
		says(t, got.stderr, "whoever is bound would lose control of "+dn)
		if now := descriptor(t, lab, dn); now.Text(sddl.Aliases{}) != before.Text(sddl.Aliases{}) {
			t.Error("and has changed it all the same")
		}
	})

	u.want(exitFindings, "gmsa", "harden", name, "--out", u.file("plan.json"))
	u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("b1.json"))
	says(t, u.want(exitOK, "gmsa", "harden", name, "--yes").stdout, "Nothing to write.")
	after := descriptor(t, lab, dn)
	if !after.Control.Has(sddl.DACLProtected) || len(after.DACL.Inherited()) > 0 {
		t.Errorf("after harden: %s", after.Text(sddl.Aliases{}))
	}
	var kept, selves int
	for _, a := range after.DACL.ACEs {
		if a.Type.IsDeny() && a.SID.String() == "S-1-1-0" {
			kept++
		}
		if a.SID.String() == "S-1-5-10" {
			selves++
		}
	}
	if kept != 1 || selves != 3 || len(after.DACL.ACEs) != 10 {
		t.Errorf("%d denies, %d of SELF, %d entries: %s", kept, selves, len(after.DACL.ACEs), after.Text(sddl.Aliases{}))
	}
	if err := takeOver(); err == nil {
		t.Error("an Account Operator may still write to it")
	}
	if _, err := managedPassword(t, lab, agent, agentPassword, dn); err != nil {
		t.Errorf("the host is not given the password any more: %v", err)
	}

	u.want(exitOK, "rollback", "--yes", u.file("b1.json"), "--backup", u.file("b2.json"))
	now := descriptor(t, lab, dn)
	if got, want := now.Text(sddl.Aliases{}), before.Text(sddl.Aliases{}); got != want {
		t.Errorf("after rollback:\n%s\nwant:\n%s", got, want)
	}
}

// The password is for the hosts that are named and for nobody else, until it is rolled back; an
// owner who stays is named, also by a plan that was saved.
func TestGMSAHardenHosts(t *testing.T) {
	lab := labtest.Require(t)
	before, beforePassword := computer(t, lab, "be")
	after, afterPassword := computer(t, lab, "af")
	owner := lab.CreateUser(t, "owner", "Kl3in-und-Gr0ss!")
	u := administrator(t, lab)
	name := labtest.Unique("host")
	u.want(exitOK, "gmsa", "create", name, "--host", before, "--yes")
	t.Cleanup(func() { lab.Run(t, "samba-tool", "service-account", "delete", "--name="+name) })
	dn := "CN=" + name + ",CN=Managed Service Accounts," + lab.BaseDN
	may := func(who, password string) bool {
		_, err := managedPassword(t, lab, who, password, dn)
		return err == nil
	}
	lab.RunInput(t, inDatabase+`
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
dn, owner = sys.argv[1:]
sd = ndr_unpack(security.descriptor, db.search(dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])[0]["nTSecurityDescriptor"][0])
sd.owner_sid = security.dom_sid(owner)
m = ldb.Message(); m.dn = ldb.Dn(db, dn)
m["x"] = ldb.MessageElement(ndr_pack(sd), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
db.modify(m)
`, "python3", "-", dn, owner.SID)

	u.want(exitFindings, "gmsa", "harden", name, "--host", after, "--out", u.file("plan.json"))
	applied := u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("b.json"))
	says(t, applied.stdout, "Note: Its owner, "+owner.SID)
	says(t, applied.stdout, "may have the password")
	if may(before, beforePassword) || !may(after, afterPassword) {
		t.Errorf("after harden: before %v, after %v", may(before, beforePassword), may(after, afterPassword))
	}
	again := u.want(exitOK, "gmsa", "harden", name, "--host", after, "--yes")
	says(t, again.stdout, "Note: Its owner, ")
	says(t, again.stdout, "Nothing to write.")
	u.want(exitOK, "rollback", "--yes", u.file("b.json"))
	if !may(before, beforePassword) || may(after, afterPassword) {
		t.Errorf("after rollback: before %v, after %v", may(before, beforePassword), may(after, afterPassword))
	}
}

// A plan file that was edited is refused before anything is dialed.
func TestGMSAPlanFilesAreHeld(t *testing.T) {
	lab := labtest.Require(t)
	agent, _ := computer(t, lab, "ag")
	u := administrator(t, lab)
	u.want(exitFindings, "gmsa", "create", labtest.Unique("held"), "--host", agent, "--out", u.file("plan.json"))
	text, err := os.ReadFile(u.file("plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p plan.Plan
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	p.Attributes[0].DN = "CN=Administrator,CN=Users," + lab.BaseDN
	edited, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(u.file("edited.json"), edited, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, u.want(exitError, "apply", "--yes", u.file("edited.json")).stderr, "it is not the account of the plan")
}

// dialAs binds as somebody by a password.
func dialAs(t *testing.T, lab *labtest.Lab, name, password string) *ldapx.Session {
	t.Helper()
	s, err := ldapx.Dial(t.Context(), ldapx.Config{DC: lab.DC, User: name, Timeout: 30 * time.Second,
		Password: func() ([]byte, error) { return []byte(password), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// nobody is a directory that has nobody of any name.
type nobody struct{ directory.Reader }

func (n nobody) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if len(q.Any) > 0 || q.Base != "" {
		return func(yield func(directory.Entry, error) bool) {
			if q.Scope == directory.Base {
				yield(directory.Entry{}, &directory.NotFoundError{DN: q.Base})
			}
		}
	}
	return n.Reader.Read(ctx, q)
}

// A name that another domain of the forest has is found in the global catalog, with one and the same
// logon.
func TestGMSANameInTheForest(t *testing.T) {
	lab := labtest.Require(t)
	taken := lab.CreateGMSA(t, "forest")
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	a.connect.connections = 1
	a.connect.dc, a.connect.user, a.connect.passwordFile, a.connect.timeout, a.connect.protection.transport, a.connect.protection.mechanism = lab.DC, lab.User, lab.PasswordFile, 30*time.Second, "ldap", "GSS-SPNEGO"
	s, err := a.session(t.Context(), purpose{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := directory.LoadDomain(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if r, _, note := a.restOfForest(t.Context(), d); r != nil || note != "" {
		t.Errorf("a forest of one domain: %v, %q", r, note)
	}
	d.Forest = append(d.Forest, directory.Partition{DN: "DC=child,DC=corp,DC=example", DNS: "child.corp.example"})
	r, done, note := a.restOfForest(t.Context(), d)
	defer done()
	if r == nil || note != "" {
		t.Fatalf("the global catalog: %q", note)
	}
	w := &gmsa.Wanted{DN: "CN=x,CN=Managed Service Accounts," + lab.BaseDN, SAMAccountName: taken.SAMAccountName, DNSHostName: "no.such.example"}
	var somebody *gmsa.TakenError
	if _, err := gmsa.Look(t.Context(), nobody{s}, d, w, r); !errors.As(err, &somebody) || somebody.DN != taken.DN {
		t.Errorf("got %v", err)
	}
	w.SAMAccountName = labtest.Unique("free") + "$"
	if have, err := gmsa.Look(t.Context(), nobody{s}, d, w, r); err != nil || have != nil {
		t.Errorf("a name that is free: %v, %v", have, err)
	}
}
