// Package labtest gives tests the domain controllers that lab/lab starts, and objects on them that end with the test.
// It starts nothing itself, and judges nothing: what a test reads there it reads over the network, as users do.
package labtest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Lab says how to reach the two forests of a running lab.
type Lab struct {
	// DC and Domain are of today's forest: the 2019 schema, functional level 2016.
	DC, Domain, BaseDN string
	// SecondDC is a writable domain controller of the same domain, RODC a read-only one. Both are of the site Branch,
	// where who connects from BranchAddress is, too; DC is of the default one, as who connects from HomeAddress.
	SecondDC, RODC, BranchAddress, HomeAddress string
	// DNS is the address of the server that knows them; this machine's resolver does not.
	DNS string
	// IPv6 is an address of DC; empty where this machine has no IPv6.
	IPv6 string
	// User is the administrator of both domains.
	User, PasswordFile string
	// CAFile holds the certificate that signed DC's.
	CAFile string

	// The Old ones are of a forest with the 2012 R2 schema, functional level 2008 R2.
	OldDC, OldDomain, OldBaseDN string
	OldPasswordFile, OldCAFile  string

	// KRB5Config is a krb5.conf that knows both realms.
	KRB5Config string

	script string
}

// Require returns the running lab. Without one the test is skipped, or fails where GMSACTL_LAB=required.
func Require(t testing.TB) *Lab {
	t.Helper()
	lab, missing := fromEnvironment(os.Getenv)
	switch {
	case missing == "":
		return lab
	case os.Getenv("GMSACTL_LAB") == "required":
		t.Fatalf("GMSACTL_LAB=required, but %s is not set: make lab, then eval \"$(lab/lab env)\"", missing)
	default:
		t.Skipf("needs a domain controller (%s is not set): make lab, then eval \"$(lab/lab env)\"", missing)
	}
	return nil
}

// fromEnvironment reads what `lab/lab env` printed, and names the first variable that is missing.
func fromEnvironment(env func(string) string) (lab *Lab, missing string) {
	lab = new(Lab)
	for _, v := range []struct {
		name  string
		field *string
	}{
		{"GMSACTL_LAB_DC", &lab.DC},
		{"GMSACTL_LAB_DOMAIN", &lab.Domain},
		{"GMSACTL_LAB_USER", &lab.User},
		{"GMSACTL_LAB_PASSWORD_FILE", &lab.PasswordFile},
		{"GMSACTL_LAB_CA_FILE", &lab.CAFile},
		{"GMSACTL_LAB_OLD_DC", &lab.OldDC},
		{"GMSACTL_LAB_OLD_DOMAIN", &lab.OldDomain},
		{"GMSACTL_LAB_OLD_PASSWORD_FILE", &lab.OldPasswordFile},
		{"GMSACTL_LAB_OLD_CA_FILE", &lab.OldCAFile},
		{"GMSACTL_LAB_KRB5_CONFIG", &lab.KRB5Config},
		{"GMSACTL_LAB_SECOND_DC", &lab.SecondDC},
		{"GMSACTL_LAB_RODC", &lab.RODC},
		{"GMSACTL_LAB_BRANCH_ADDRESS", &lab.BranchAddress},
		{"GMSACTL_LAB_HOME_ADDRESS", &lab.HomeAddress},
		{"GMSACTL_LAB_DNS", &lab.DNS},
		{"GMSACTL_LAB_RUN", &lab.script},
	} {
		if *v.field = env(v.name); *v.field == "" {
			return nil, v.name
		}
	}
	lab.IPv6 = env("GMSACTL_LAB_IPV6")
	lab.BaseDN = baseDN(lab.Domain)
	lab.OldBaseDN = baseDN(lab.OldDomain)
	return lab, ""
}

func baseDN(domain string) string {
	return "DC=" + strings.ReplaceAll(domain, ".", ",DC=")
}

// Run runs a command on DC, as root beside its database, and returns its standard output.
func (l *Lab) Run(t testing.TB, args ...string) string {
	t.Helper()
	return l.RunInput(t, "", args...)
}

// RunOld runs a command on OldDC.
func (l *Lab) RunOld(t testing.TB, args ...string) string {
	t.Helper()
	return l.RunInput(t, "", append([]string{"--old"}, args...)...)
}

// Trust makes the two forests trust each other, and leaves it at that.
func (l *Lab) Trust(t testing.TB) {
	t.Helper()
	if out, err := exec.Command(l.script, "trust").CombinedOutput(); err != nil {
		t.Fatalf("make the lab's forests trust each other: %v\n%s", err, out)
	}
}

// RunSecond runs a command on SecondDC.
func (l *Lab) RunSecond(t testing.TB, args ...string) string {
	t.Helper()
	return l.RunInput(t, "", append([]string{"--second"}, args...)...)
}

// Replicate brings to SecondDC what DC has of the domain, and the other way round.
func (l *Lab) Replicate(t testing.TB) {
	t.Helper()
	first, _, _ := strings.Cut(l.DC, ".")
	second, _, _ := strings.Cut(l.SecondDC, ".")
	l.replicate(t, "--second", second, first)
	l.replicate(t, "--corp", first, second)
}

func (l *Lab) replicate(t testing.TB, on, to, from string) {
	t.Helper()
	var err error
	for range 5 {
		if _, err = l.run("", on, "samba-tool", "drs", "replicate", to, from, l.BaseDN, "-P"); err == nil {
			return
		}
		time.Sleep(time.Second) // a connection from before one of them was stopped breaks first
	}
	t.Fatal(err)
}

// Stop stops DC until the test ends.
func (l *Lab) Stop(t testing.TB) { l.stop(t, "corp") }

// StopSecond stops SecondDC until the test ends.
func (l *Lab) StopSecond(t testing.TB) { l.stop(t, "second") }

func (l *Lab) stop(t testing.TB, dc string) {
	t.Helper()
	t.Cleanup(func() {
		if out, err := exec.Command(l.script, "start", dc).CombinedOutput(); err != nil {
			t.Errorf("start the lab's DC %s: %v\n%s", dc, err, out)
		}
	})
	if out, err := exec.Command(l.script, "stop", dc).CombinedOutput(); err != nil {
		t.Fatalf("stop the lab's DC %s: %v\n%s", dc, err, out)
	}
}

// RunInput is Run with standard input.
func (l *Lab) RunInput(t testing.TB, input string, args ...string) string {
	t.Helper()
	out, err := l.run(input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func (l *Lab) run(input string, args ...string) ([]byte, error) {
	cmd := exec.Command(l.script, append([]string{"run"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %q on the lab's DC: %w\n%s%s", args, err, out, stderr.Bytes())
	}
	return out, nil
}

// database is where the DC keeps the directory; root reads and writes it with every right.
const database = "/var/lib/samba/private/sam.ldb"

// cleanup runs a command when the test ends.
func (l *Lab) cleanup(t testing.TB, args ...string) {
	t.Cleanup(func() {
		if _, err := l.run("", args...); err != nil {
			t.Error(err)
		}
	})
}

// Account is a security principal that a test made.
type Account struct {
	SAMAccountName, DN, SID string
}

// CreateGMSA makes an enabled group managed service account, its name starting with name, until the test ends.
func (l *Lab) CreateGMSA(t testing.TB, name string) Account {
	t.Helper()
	name = Unique(name)
	l.Run(t, "samba-tool", "service-account", "create", "-H", database, "--name="+name, "--dns-host-name="+name+"."+l.Domain)
	l.cleanup(t, "samba-tool", "service-account", "delete", "-H", database, "--name="+name)
	account := l.account(t, name+"$")
	// samba-tool makes it disabled and without need of a password. Windows makes it with
	// ADS_UF_WORKSTATION_TRUST_ACCOUNT alone, [MS-ADTS] 2.2.16.
	l.RunInput(t, "dn: "+account.DN+"\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 4096\n",
		"ldbmodify", "-H", database)
	return account
}

// CreateUser makes a user, its name starting with name, until the test ends.
func (l *Lab) CreateUser(t testing.TB, name, password string) Account {
	t.Helper()
	name = Unique(name)
	l.Run(t, "samba-tool", "user", "create", name, password)
	l.cleanup(t, "samba-tool", "user", "delete", name)
	return l.account(t, name)
}

// CreateOU makes an organizational unit below the domain, its name starting with name, until the test ends; then it
// goes with all that is in it.
func (l *Lab) CreateOU(t testing.TB, name string) (dn string) {
	t.Helper()
	dn = "OU=" + Unique(name) + "," + l.BaseDN
	l.Run(t, "samba-tool", "ou", "create", dn)
	l.cleanup(t, "samba-tool", "ou", "delete", dn, "--force-subtree-delete")
	return dn
}

// Keytab writes the Kerberos keys of an account, named by its sAMAccountName, to a file that only the test's user may
// read, and returns its path.
func (l *Lab) Keytab(t testing.TB, principal string) string {
	t.Helper()
	inside := "/tmp/" + Unique("keytab-")
	l.Run(t, "samba-tool", "domain", "exportkeytab", inside, "--principal="+principal)
	l.cleanup(t, "rm", inside)
	path := filepath.Join(t.TempDir(), "keytab")
	if err := os.WriteFile(path, []byte(l.Run(t, "cat", inside)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (l *Lab) account(t testing.TB, sAMAccountName string) Account {
	t.Helper()
	out := l.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+sAMAccountName+")", "objectSid")
	a := Account{SAMAccountName: sAMAccountName}
	for line := range strings.Lines(strings.ReplaceAll(out, "\n ", "")) {
		if dn, ok := strings.CutPrefix(line, "dn: "); ok {
			a.DN = strings.TrimSpace(dn)
		}
		if sid, ok := strings.CutPrefix(line, "objectSid: "); ok {
			a.SID = strings.TrimSpace(sid)
		}
	}
	if a.DN == "" || a.SID == "" {
		t.Fatalf("find %s on the lab's DC: not in\n%s", sAMAccountName, out)
	}
	return a
}

// Unique appends eight random characters, so that a test finds nothing that another, or one that was killed, left.
// Seven more fit into the fifteen that a gMSA's name may have.
func Unique(name string) string {
	var b [4]byte
	rand.Read(b[:])
	return name + hex.EncodeToString(b[:])
}
