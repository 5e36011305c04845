package labtest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestFromEnvironment(t *testing.T) {
	whole := map[string]string{
		"GMSACTL_LAB_DC": "dc7.corp.example", "GMSACTL_LAB_DOMAIN": "corp.example", "GMSACTL_LAB_USER": "Administrator",
		"GMSACTL_LAB_PASSWORD_FILE": "/p", "GMSACTL_LAB_CA_FILE": "/ca", "GMSACTL_LAB_OLD_DC": "dc7.old.example",
		"GMSACTL_LAB_OLD_DOMAIN": "old.example", "GMSACTL_LAB_OLD_PASSWORD_FILE": "/q", "GMSACTL_LAB_OLD_CA_FILE": "/cb",
		"GMSACTL_LAB_KRB5_CONFIG": "/k", "GMSACTL_LAB_RUN": "/lab", "GMSACTL_LAB_SECOND_DC": "dc7b.corp.example",
		"GMSACTL_LAB_RODC": "rodc7.corp.example", "GMSACTL_LAB_BRANCH_ADDRESS": "127.71.7.200", "GMSACTL_LAB_HOME_ADDRESS": "127.71.7.100", "GMSACTL_LAB_DNS": "127.71.7.1",
	}
	lab, missing := fromEnvironment(func(name string) string { return whole[name] })
	if missing != "" {
		t.Fatalf("of a whole environment %s is missing", missing)
	}
	want := Lab{
		DC: "dc7.corp.example", Domain: "corp.example", BaseDN: "DC=corp,DC=example", User: "Administrator",
		PasswordFile: "/p", CAFile: "/ca", OldDC: "dc7.old.example", OldDomain: "old.example",
		OldBaseDN: "DC=old,DC=example", OldPasswordFile: "/q", OldCAFile: "/cb", KRB5Config: "/k", script: "/lab",
		SecondDC: "dc7b.corp.example", RODC: "rodc7.corp.example", BranchAddress: "127.71.7.200", HomeAddress: "127.71.7.100", DNS: "127.71.7.1",
	}
	if *lab != want {
		t.Errorf("got %+v, want %+v", *lab, want)
	}
	for absent := range whole {
		_, missing := fromEnvironment(func(name string) string {
			if name == absent {
				return ""
			}
			return whole[name]
		})
		if missing != absent {
			t.Errorf("without %s: got %q missing", absent, missing)
		}
	}
}

// recorder is what Require does to a test.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }

func TestRequireWithoutALab(t *testing.T) {
	tests := []struct {
		name, value     string
		skipped, failed bool
	}{
		{"skips by default", "", true, false},
		{"fails where a lab is required", "required", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GMSACTL_LAB", tt.value)
			t.Setenv("GMSACTL_LAB_DC", "")
			r := new(recorder)
			Require(r)
			if r.skipped != tt.skipped || r.failed != tt.failed {
				t.Errorf("skipped %v, failed %v; want %v, %v", r.skipped, r.failed, tt.skipped, tt.failed)
			}
		})
	}
}

func TestLabAnswers(t *testing.T) {
	lab := Require(t)
	for _, tt := range []struct {
		name, out, want string
	}{
		{"today's functional level", lab.Run(t, "samba-tool", "domain", "level", "show"), "Domain function level: (Windows) 2016\n"},
		{"the old functional level", lab.RunOld(t, "samba-tool", "domain", "level", "show"), "Domain function level: (Windows) 2008 R2\n"},
		{"today's schema", lab.Run(t, "ldbsearch", "-H", database, "-s", "base", "-b", "CN=Schema,CN=Configuration,"+lab.BaseDN, "objectVersion"), "objectVersion: 88\n"},
		{"the old schema", lab.RunOld(t, "ldbsearch", "-H", database, "-s", "base", "-b", "CN=Schema,CN=Configuration,"+lab.OldBaseDN, "objectVersion"), "objectVersion: 69\n"},
	} {
		if !strings.Contains(tt.out, tt.want) {
			t.Errorf("%s: %q is not in\n%s", tt.name, tt.want, tt.out)
		}
	}
}

func TestDomainControllersReplicate(t *testing.T) {
	lab := Require(t)
	ou := lab.CreateOU(t, "labtest")
	lab.Replicate(t)
	if out := lab.RunSecond(t, "ldbsearch", "-H", database, "(distinguishedName="+ou+")", "dn"); !strings.Contains(out, "# 1 entries") {
		t.Errorf("%s is not on the second DC:\n%s", ou, out)
	}
}

func TestStoppedDomainControllerComesBack(t *testing.T) {
	lab := Require(t)
	t.Run("while it is stopped", func(t *testing.T) {
		lab.StopSecond(t)
		if out, err := lab.run("", "--second", "true"); err == nil {
			t.Errorf("it runs:\n%s", out)
		}
	})
	lab.RunSecond(t, "true")
}

func TestObjectsEndWithTheirTest(t *testing.T) {
	lab := Require(t)
	var names []string
	t.Run("a test", func(t *testing.T) {
		gmsa := lab.CreateGMSA(t, "labtest")
		user := lab.CreateUser(t, "labtest", "Secret-"+Unique(""))
		ou := lab.CreateOU(t, "labtest")
		lab.Run(t, "samba-tool", "ou", "create", "OU=inner,"+ou)
		for _, dn := range []string{gmsa.DN, user.DN, ou} {
			names = append(names, dn)
			if !exists(t, lab, dn) {
				t.Errorf("%s was not made", dn)
			}
		}
		if got, want := gmsa.DN, ",CN=Managed Service Accounts,"+lab.BaseDN; !strings.HasSuffix(got, want) {
			t.Errorf("gMSA is %s, want below %s", got, want)
		}

		keytab := lab.Keytab(t, gmsa.SAMAccountName)
		content, err := os.ReadFile(keytab)
		if err != nil {
			t.Fatal(err)
		}
		// Two bytes of version begin every keytab of MIT Kerberos.
		if !bytes.HasPrefix(content, []byte{5, 2}) || !bytes.Contains(content, []byte(gmsa.SAMAccountName)) {
			t.Errorf("the keytab of %s is %q", gmsa.SAMAccountName, content)
		}
		if info, err := os.Stat(keytab); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the keytab: %v, %v; want mode 0600", info.Mode(), err)
		}
		kinit(t, lab, keytab, gmsa.SAMAccountName)
	})
	for _, dn := range names {
		if exists(t, lab, dn) {
			t.Errorf("%s is still there", dn)
		}
	}
}

// kinit proves that the KDC takes the keys, where this machine has a Kerberos client.
func kinit(t *testing.T, lab *Lab, keytab, principal string) {
	t.Helper()
	path, err := exec.LookPath("kinit")
	if err != nil {
		return
	}
	cmd := exec.Command(path, "-k", "-t", keytab, "-c", "MEMORY:labtest", principal+"@"+strings.ToUpper(lab.Domain))
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+lab.KRB5Config)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s can't log on with its keytab: %v\n%s", principal, err, out)
	}
}

func exists(t *testing.T, lab *Lab, dn string) bool {
	t.Helper()
	out := lab.Run(t, "ldbsearch", "-H", database, "(distinguishedName="+dn+")", "dn")
	return strings.Contains(out, "# 1 entries")
}
