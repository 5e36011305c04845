package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// user runs the command against the lab as somebody who types it.
type user struct {
	t     *testing.T
	flags []string // connection
	dir   string   // for files
	dial  func(ctx context.Context, network, address string) (net.Conn, error)

	backups int // that were named for the command
}

// answer is what a command left behind.
type answer struct {
	code           int
	stdout, stderr string
}

func administrator(t *testing.T, lab *labtest.Lab) *user {
	return &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", lab.User, "--password-file", lab.PasswordFile}}
}

func (u *user) run(args ...string) answer {
	u.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, dial: u.dial}
	args = append(slices.Clone(args), u.flags...)
	// What is not said goes to the working directory, which is the package's here.
	if slices.Contains(args, "--yes") && !slices.Contains(args, "--backup") && !slices.Contains(args, "--out") {
		u.backups++
		args = append(args, "--backup", u.file(fmt.Sprintf("backup-%d.json", u.backups)))
	}
	code := a.run(context.Background(), args)
	return answer{code, stdout.String(), stderr.String()}
}

// want runs a command and holds it to its exit code.
func (u *user) want(code int, args ...string) answer {
	u.t.Helper()
	got := u.run(args...)
	if got.code != code {
		u.t.Fatalf("gmsactl %q: exit code %d, want %d\n%s%s", args, got.code, code, got.stdout, got.stderr)
	}
	return got
}

func (u *user) file(name string) string { return filepath.Join(u.dir, name) }

// says checks that text is in what a command said.
func says(t *testing.T, got, text string) {
	t.Helper()
	if !strings.Contains(got, text) {
		t.Errorf("%q is not in\n%s", text, got)
	}
}

// descriptor is what the directory says of an object, with all its parts, read by the
// administrator through another path than the command's.
func descriptor(t *testing.T, lab *labtest.Lab, dn string) *sddl.Descriptor {
	t.Helper()
	text := lab.Run(t, "samba-tool", "dsacl", "get", "-H", database, "--objectdn="+dn)
	domain, err := sddl.ParseSID(domainSID(t, lab))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(text, "\n")
	d, err := sddl.ParseText(strings.TrimSpace(text), sddl.Aliases{Domain: domain, Forest: domain})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const database = "/var/lib/samba/private/sam.ldb"

func domainSID(t *testing.T, lab *labtest.Lab) string {
	t.Helper()
	out := lab.Run(t, "ldbsearch", "-H", database, "-s", "base", "-b", lab.BaseDN, "objectSid")
	for line := range strings.Lines(out) {
		if sid, ok := strings.CutPrefix(line, "objectSid: "); ok {
			return strings.TrimSpace(sid)
		}
	}
	t.Fatalf("no objectSid in\n%s", out)
	return ""
}

// session binds as an account by its keytab.
func session(t *testing.T, lab *labtest.Lab, name, keytab string) *ldapx.Session {
	t.Helper()
	s, err := ldapx.Dial(context.Background(), ldapx.Config{DC: lab.DC, User: name, Keytab: keytab, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The journey of a new user: a fresh gMSA, nothing granted; plan, apply, all granted;
// rollback, nothing granted again.
func TestJourney(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "jrny")
	name := gmsa.SAMAccountName
	u := administrator(t, lab)
	before := descriptor(t, lab, lab.BaseDN)

	got := u.want(exitFindings, "audit", name)
	says(t, got.stdout, "0 of 8 pass")
	if got.stderr != "" {
		t.Errorf("standard error: %s", got.stderr)
	}
	planned := u.want(exitFindings, "plan", name, "--out", u.file("plan.json"))
	says(t, planned.stdout, "1 to change: 8 to add, 0 to remove.")
	says(t, planned.stdout, fmt.Sprintf("+ (OA;CIIO;CCDCLCSWRPWPDTLOCRSDRCWDWO;;bf967a9c-0de6-11d0-a285-00aa003049e2;%s)", gmsa.SID))
	if now := descriptor(t, lab, lab.BaseDN); now.Text(sddl.Aliases{}) != before.Text(sddl.Aliases{}) {
		t.Fatal("plan has written")
	}

	applied := u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
	says(t, applied.stdout, "Judged again: 8 of 8 pass")
	says(t, u.want(exitOK, "audit", name).stdout, "8 of 8 pass, 0 fail, 0 unknown")
	for _, file := range []string{"plan.json", "backup.json"} {
		info, err := os.Stat(u.file(file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", file, info.Mode().Perm())
		}
	}

	// Only the eight entries came, and the rest is what it was: the other entries in their
	// order, the SACL, the owner and the group.
	after := descriptor(t, lab, lab.BaseDN)
	removed, added := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
	if len(removed) != 0 || len(added) != 8 {
		t.Errorf("%d entries removed, %d added; want 0 and 8", len(removed), len(added))
	}
	for _, a := range added {
		if a.SID.String() != gmsa.SID {
			t.Errorf("added for somebody else: %s", a)
		}
	}
	if after.SACL == nil || len(after.SACL.ACEs) != len(before.SACL.ACEs) || after.Owner != before.Owner || after.Group != before.Group {
		t.Error("SACL, owner or group are not what they were")
	}

	// Twice is once.
	says(t, u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("second.json")).stdout, "already-done")
	says(t, u.want(exitOK, "apply", "--yes", "--account", name, "--backup", u.file("second.json")).stdout, "Nothing to write.")
	if _, err := os.Stat(u.file("second.json")); err == nil {
		t.Error("a backup was written although nothing was")
	}

	says(t, u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json")).stdout, "verified")
	back := descriptor(t, lab, lab.BaseDN)
	if got, want := back.Text(sddl.Aliases{}), before.Text(sddl.Aliases{}); got != want {
		t.Errorf("after rollback:\n%s\nwant:\n%s", got, want)
	}
	says(t, u.want(exitFindings, "audit", name).stdout, "0 of 8 pass")
	says(t, u.want(exitOK, "rollback", "--yes", u.file("backup.json")).stdout, "Nothing to write.")

	// The rollback can be rolled back.
	u.want(exitOK, "rollback", "--yes", u.file("undo.json"), "--backup", u.file("redo.json"))
	u.want(exitOK, "audit", name)
	u.want(exitOK, "rollback", "--yes", u.file("redo.json"), "--backup", u.file("end.json"))
}

// The proof by use: what the account may do before and after, by doing it.
func TestGrantIsRealByUse(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "use")
	account := lab.CreateUser(t, "use", "Corr3ct-horse-battery")
	keytab := lab.Keytab(t, account.SAMAccountName)
	lab.RunInput(t, "dn: CN=team,"+ou+"\nobjectClass: group\nsAMAccountName: team-"+account.SAMAccountName+"\n", "ldbadd", "-H", database)
	u := administrator(t, lab)

	create := func() error {
		s := session(t, lab, account.SAMAccountName, keytab)
		add := ldap.NewAddRequest("CN=new,"+ou, nil)
		add.Attribute("objectClass", []string{"user"})
		add.Attribute("sAMAccountName", []string{"new-" + account.SAMAccountName[4:]})
		return s.LDAP().Add(add)
	}
	modify := func() error {
		s := session(t, lab, account.SAMAccountName, keytab)
		change := ldap.NewModifyRequest("CN=team,"+ou, nil)
		change.Replace("description", []string{"provisioned"})
		return s.LDAP().Modify(change)
	}
	for what, do := range map[string]func() error{"create a user": create, "modify a group": modify} {
		if err := do(); !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
			t.Fatalf("before apply, %s: %v, want insufficient access rights", what, err)
		}
	}
	u.want(exitOK, "apply", "--yes", "--account", account.SAMAccountName, "--target", ou, "--backup", u.file("backup.json"))
	for what, do := range map[string]func() error{"create a user": create, "modify a group": modify} {
		if err := do(); err != nil {
			t.Errorf("after apply, %s: %v", what, err)
		}
	}
	u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	if err := modify(); !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("after rollback, modify a group: %v, want insufficient access rights", err)
	}
}

func TestSchemaCheck(t *testing.T) {
	lab := labtest.Require(t)
	says(t, administrator(t, lab).want(exitOK, "schema", "check").stdout, "objectVersion 88 (Windows Server 2019 and 2022)")

	old := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.OldDC, "--user", lab.User, "--password-file", lab.OldPasswordFile}}
	got := old.want(exitFindings, "schema", "check", "-o", "json")
	var report struct {
		Checks []struct{ ID, Result, Seen string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"schema-version": "warn", "gmsa-class": "pass", "external-directory-object-id": "fail",
		"holder-user": "fail", "holder-group": "fail", "holder-contact": "fail", "holder-inetOrgPerson": "fail",
		"domain-functional-level": "warn", "forest-functional-level": "warn",
	}
	for _, c := range report.Checks {
		if c.Result != want[c.ID] {
			t.Errorf("%s: %s (%s), want %s", c.ID, c.Result, c.Seen, want[c.ID])
		}
		delete(want, c.ID)
	}
	for id := range want {
		t.Errorf("%s: not checked", id)
	}

	// A plan of one domain is not for another.
	u := administrator(t, lab)
	gmsa := lab.CreateGMSA(t, "dom")
	u.want(exitFindings, "plan", gmsa.SAMAccountName, "--out", u.file("plan.json"))
	refused := old.want(exitError, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
	says(t, refused.stderr, "error: the plan is for domain corp.example (S-1-5-21-")
	says(t, refused.stderr, "hint: name a domain controller of the plan's domain")
	if _, err := os.Stat(u.file("backup.json")); err == nil {
		t.Error("a backup was written for a plan of another domain")
	}
}

// A capture gives the same answers as the directory that it was made from.
func TestCaptureAgreesWithLive(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "capt")
	ou := lab.CreateOU(t, "capt")
	u := administrator(t, lab)
	u.want(exitOK, "apply", "--yes", "--account", gmsa.SAMAccountName, "--target", ou, "--backup", u.file("backup.json"))
	u.want(exitOK, "collect", gmsa.SAMAccountName, "--target", ou, "--out", u.file("capture.ldif"))
	offline := &user{t: t, dir: u.dir, flags: []string{"--from", u.file("capture.ldif")}}
	for _, command := range [][]string{
		{"audit", gmsa.SAMAccountName, "--target", ou},
		{"audit", gmsa.SAMAccountName, "--target", ou, "--target", "CN=Users," + lab.BaseDN, "-o", "json"},
		{"plan", gmsa.SAMAccountName, "--target", "CN=Users," + lab.BaseDN},
		{"schema", "check"},
	} {
		live, captured := u.run(command...), offline.run(command...)
		if live != captured {
			t.Errorf("%q: live:\n%+v\nfrom the capture:\n%+v", command, live, captured)
		}
		if live.stdout == "" {
			t.Errorf("%q: no answer: %s", command, live.stderr)
		}
	}

	// A plan made from a capture is as good as one made live, as long as nothing changes.
	offline.want(exitFindings, "plan", gmsa.SAMAccountName, "--target", "CN=Users,"+lab.BaseDN, "--out", u.file("plan.json"))
	u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("users.json"))
	u.want(exitOK, "rollback", "--yes", u.file("users.json"), "--backup", u.file("undo.json"))
}

func TestWrongPasswordIsTriedOnce(t *testing.T) {
	lab := labtest.Require(t)
	account := lab.CreateUser(t, "pwd", "Corr3ct-horse-battery")
	u := &user{t: t, dir: t.TempDir()}
	if err := os.WriteFile(u.file("password"), []byte("not-the-Passw0rd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.flags = []string{"--dc", lab.DC, "--user", account.SAMAccountName, "--password-file", u.file("password")}
	got := u.want(exitError, "audit", account.SAMAccountName)
	says(t, got.stderr, "hint: the password is wrong")
	if strings.Contains(got.stderr+got.stdout, "not-the-Passw0rd") {
		t.Error("the password is in the output")
	}
	count := lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+account.SAMAccountName+")", "badPwdCount")
	says(t, count, "badPwdCount: 1\n")
}

func TestUnknownNames(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	says(t, u.want(exitError, "audit", "nobody-here").stderr, `error: account "nobody-here": no such account is visible in corp.example`)
	got := u.want(exitError, "audit", "krbtgt", "--target", "OU=Nowhere,"+lab.BaseDN)
	says(t, got.stderr, "no object OU=Nowhere,"+lab.BaseDN+" is visible here")
	says(t, got.stderr, "hint: look at the spelling, and whether this identity may list it")
	says(t, u.want(exitError, "audit", "krbtgt", "--target", `CN=a\zz,`+lab.BaseDN).stderr, "error: no object ")
}

// A descriptor that cannot be read is unknown, never missing and never clean.
func TestUnreadableDescriptor(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "hide")
	account := lab.CreateUser(t, "hide", "Corr3ct-horse-battery")
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+ou, "--sddl=(D;;RC;;;"+account.SID+")")
	u := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", account.SAMAccountName, "--keytab", lab.Keytab(t, account.SAMAccountName)}}
	got := u.want(exitFindings, "audit", account.SAMAccountName, "--target", ou)
	says(t, got.stdout, "0 of 8 pass, 0 fail, 8 unknown, 0 not applicable")
	says(t, got.stdout, "the security descriptor is not readable to this identity")
	got = u.want(exitFindings, "plan", account.SAMAccountName, "--target", ou)
	says(t, got.stdout, "Nothing to write.")
	says(t, got.stdout, "the security descriptor is not readable to this identity")
}

// Reordering a DACL would change what it grants: it is refused, not tidied.
func TestNonCanonicalDACL(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "order")
	account := lab.CreateUser(t, "order", "Corr3ct-horse-battery")
	// dsacl puts each entry first, so that this allow stands before the deny.
	for _, ace := range []string{"(D;;WP;;;" + account.SID + ")", "(A;;RP;;;" + account.SID + ")"} {
		lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+ou, "--sddl="+ace)
	}
	before := descriptor(t, lab, ou).Text(sddl.Aliases{})
	u := administrator(t, lab)
	got := u.want(exitFindings, "apply", "--yes", "--account", account.SAMAccountName, "--target", ou, "--backup", u.file("backup.json"))
	says(t, got.stdout, "the DACL is not in canonical order")
	says(t, got.stdout, "Nothing to write.")
	if after := descriptor(t, lab, ou).Text(sddl.Aliases{}); after != before {
		t.Errorf("it was written all the same:\n%s\nwant:\n%s", after, before)
	}
}

// A descriptor that has changed since the plan was made is not written.
func TestStalePlan(t *testing.T) {
	lab := labtest.Require(t)
	ou, other := lab.CreateOU(t, "stale"), lab.CreateOU(t, "stale")
	gmsa := lab.CreateGMSA(t, "stale")
	u := administrator(t, lab)
	u.want(exitFindings, "plan", gmsa.SAMAccountName, "--target", ou, "--target", other, "--out", u.file("plan.json"))
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+other, "--sddl=(A;;RP;;;"+gmsa.SID+")")
	before := descriptor(t, lab, ou).Text(sddl.Aliases{})
	got := u.want(exitError, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
	says(t, got.stderr, "error: the directory has changed since the plan was made: the permissions of "+other)
	says(t, got.stderr, "hint: look at what has changed with gmsactl audit")
	if after := descriptor(t, lab, ou).Text(sddl.Aliases{}); after != before {
		t.Error("the other target was written all the same")
	}
	if _, err := os.Stat(u.file("backup.json")); err == nil {
		t.Error("a backup was written although nothing was")
	}
}

// One object named in two ways is one target, and what was saved can be put back.
func TestOneTargetNamedTwice(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "twice")
	gmsa := lab.CreateGMSA(t, "twice")
	guid := strings.TrimSpace(strings.TrimPrefix(lineOf(t, lab.Run(t, "ldbsearch", "-H", database, "-s", "base", "-b", ou, "objectGUID"), "objectGUID: "), "objectGUID: "))
	u := administrator(t, lab)
	got := u.want(exitOK, "apply", "--yes", "--account", gmsa.SAMAccountName, "--target", ou, "--target", "<GUID="+guid+">", "--backup", u.file("backup.json"))
	says(t, got.stdout, "1 to change: 8 to add")
	u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
}

func lineOf(t *testing.T, text, prefix string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	t.Fatalf("no line begins with %q in\n%s", prefix, text)
	return ""
}

// A plan without changes is for one domain too, and does not promise what it did not see.
func TestEmptyPlan(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "empty")
	gmsa := lab.CreateGMSA(t, "empty")
	u := administrator(t, lab)
	u.want(exitOK, "apply", "--yes", "--account", gmsa.SAMAccountName, "--target", ou, "--backup", u.file("backup.json"))
	u.want(exitOK, "plan", gmsa.SAMAccountName, "--target", ou, "--out", u.file("empty.json"))
	says(t, u.want(exitOK, "apply", "--yes", u.file("empty.json")).stdout, "Judged again: 8 of 8 pass")
	u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	says(t, u.want(exitFindings, "apply", "--yes", u.file("empty.json")).stdout, "Judged again: 0 of 8 pass")

	old := &user{t: t, flags: []string{"--dc", lab.OldDC, "--user", lab.User, "--password-file", lab.OldPasswordFile}}
	says(t, old.want(exitError, "apply", "--yes", u.file("empty.json")).stderr, "error: the plan is for domain corp.example")
}

// What was written is said to be written, even where the answer cannot be shown.
func TestAnswerThatCannotBeShown(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "mute")
	gmsa := lab.CreateGMSA(t, "mute")
	u := administrator(t, lab)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: full, stderr: &stderr}
	args := []string{"apply", "--yes", "-o", "json", "--account", gmsa.SAMAccountName, "--target", ou, "--backup", u.file("backup.json")}
	if code := a.run(context.Background(), append(args, u.flags...)); code != exitPartly {
		t.Errorf("exit code %d, want %d", code, exitPartly)
	}
	says(t, stderr.String(), "show the result: ")
	says(t, stderr.String(), "gmsactl rollback "+u.file("backup.json"))
}

// Two policies may have a rule of one name: one that is mended, one that cannot be.
func TestRulesOfOneName(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "same")
	account := lab.CreateUser(t, "same", "Corr3ct-horse-battery")
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+ou, "--sddl=(D;;DT;;;"+account.SID+")")
	u := administrator(t, lab)
	for name, right := range map[string]string{"a": "delete", "b": "delete-subtree"} {
		text := fmt.Sprintf("name: %s\ntitle: T\nsource: here\nrules:\n  - {id: r1, rights: [%s], scope: this-object, source: here}\n", name, right)
		if err := os.WriteFile(u.file(name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := u.want(exitFindings, "apply", "--yes", "--account", account.SAMAccountName, "--target", ou,
		"--policy", u.file("a.yaml"), "--policy", u.file("b.yaml"), "--backup", u.file("backup.json"))
	says(t, got.stdout, "for a/r1")
	says(t, got.stdout, "b/r1 on "+ou)
	says(t, got.stdout, "Judged again: 1 of 2 pass")
}

// A global catalog holds a part of each object only.
func TestGlobalCatalogIsRefused(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	u.flags[1] += ":3268"
	says(t, u.want(exitError, "audit", "krbtgt").stderr, "the global catalog holds only a part of each object")
}

// Somebody else's change after apply is not rolled over.
func TestStaleRollback(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "late")
	gmsa := lab.CreateGMSA(t, "late")
	u := administrator(t, lab)
	u.want(exitOK, "apply", "--yes", "--account", gmsa.SAMAccountName, "--target", ou, "--backup", u.file("backup.json"))
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+ou, "--sddl=(A;;LC;;;WD)")
	got := u.want(exitError, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	says(t, got.stderr, "the permissions of "+ou+" are not those that apply left")
}

// An identity that may not write is told so, and nothing is half done.
func TestRefusedWrite(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "deny")
	account := lab.CreateUser(t, "deny", "Corr3ct-horse-battery")
	u := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", account.SAMAccountName, "--keytab", lab.Keytab(t, account.SAMAccountName)}}
	got := u.want(exitError, "apply", "--yes", "--account", account.SAMAccountName, "--target", ou, "--backup", u.file("backup.json"))
	says(t, got.stdout, "refused       "+ou)
	says(t, got.stderr, "insufficient access rights")
	says(t, got.stderr, "hint: bind as an identity that may")
}

// Where the backup cannot be saved, nothing is written.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "full")
	gmsa := lab.CreateGMSA(t, "full")
	u := administrator(t, lab)
	before := descriptor(t, lab, ou).Text(sddl.Aliases{})
	backup := filepath.Join(disk, "backup.json")
	got := u.want(exitError, "apply", "--yes", "--account", gmsa.SAMAccountName, "--target", ou, "--backup", backup)
	says(t, got.stderr, "error: save the backup, so nothing was written: ")
	says(t, got.stderr, "no space left on device")
	says(t, got.stderr, "hint: make room")
	says(t, got.stdout, "not-done")
	if after := descriptor(t, lab, ou).Text(sddl.Aliases{}); after != before {
		t.Error("it was written all the same")
	}
	if _, err := os.Stat(backup); err == nil {
		t.Error("a piece of the backup was left behind")
	}
}

// A connection that is lost in mid-apply: exit code 4, and what was and was not done.
func TestConnectionLostInMidApply(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "lost")
	// The backup is saved right before the first write. After it come, for each target, a
	// last look, the write and the reading back.
	for _, tt := range []struct {
		name    string
		survive int32 // requests after the backup was saved
		second  string
		written bool
	}{
		{"before the second target is looked at", 3, "not-done", false},
		{"before the second write", 4, "sent", false},
		{"before the second target is read back", 5, "unverified", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, second := lab.CreateOU(t, "lost"), lab.CreateOU(t, "lost")
			u := administrator(t, lab)
			u.want(exitFindings, "plan", gmsa.SAMAccountName, "--target", first, "--target", second, "--out", u.file("plan.json"))
			var left atomic.Int32
			left.Store(tt.survive)
			u.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &mortal{Conn: c, dies: func() bool {
					if _, err := os.Stat(u.file("backup.json")); err != nil {
						return false
					}
					return left.Add(-1) < 0
				}}, nil
			}
			got := u.want(exitPartly, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
			u.dial = nil
			says(t, got.stdout, fmt.Sprintf("%-12s  %s\n", "verified", first))
			says(t, got.stdout, fmt.Sprintf("%-12s  %s\n", tt.second, second))
			says(t, got.stderr, "error: applied in part, or not verified: ")
			says(t, got.stderr, "no answer")
			says(t, got.stderr, "gmsactl rollback "+u.file("backup.json"))
			u.want(exitOK, "audit", gmsa.SAMAccountName, "--target", first)
			want := exitFindings
			if tt.written {
				want = exitOK
			}
			u.want(want, "audit", gmsa.SAMAccountName, "--target", second)

			// The backup knows both, and puts back what was written.
			u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
			u.want(exitFindings, "audit", gmsa.SAMAccountName, "--target", first)
			u.want(exitFindings, "audit", gmsa.SAMAccountName, "--target", second)
		})
	}
}

// mortal is a connection that dies before a write.
type mortal struct {
	net.Conn
	dies func() bool
}

func (m *mortal) Write(b []byte) (int, error) {
	if m.dies() {
		m.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	return m.Conn.Write(b)
}

// Measures of one audit: go test -run TestAuditCost -v ./cmd/gmsactl
func TestAuditCost(t *testing.T) {
	lab := labtest.Require(t)
	password, err := os.ReadFile(lab.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	s, err := ldapx.Dial(context.Background(), ldapx.Config{
		DC: lab.DC, User: lab.User, Timeout: time.Minute,
		Password: func() ([]byte, error) { return bytes.TrimSpace(password), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bound, trips := time.Since(begin), s.Stats().RoundTrips
	var r directory.Reader = s
	if _, err := audit.Load(context.Background(), r, "krbtgt", nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("bind: %d round trips, %v; whole audit: %d round trips, %v, %d bytes in", trips, bound, s.Stats().RoundTrips, time.Since(begin), s.Stats().BytesIn)
	if trips := s.Stats().RoundTrips; trips > 30 {
		t.Errorf("an audit takes %d round trips, want at most 30", trips)
	}
}
