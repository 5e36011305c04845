package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// Every way to say who one is leads to the same audit.
func TestCredentials(t *testing.T) {
	lab := labtest.Require(t)
	const password = "Corr3ct-horse-battery"
	account := lab.CreateUser(t, "cred", password)
	name := account.SAMAccountName
	keytab := lab.Keytab(t, name)
	cache := ccache(t, lab, name)
	passwordFile := t.TempDir() + "/password"
	if err := os.WriteFile(passwordFile, []byte(password+"\r\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name  string
		flags []string
		stdin string
		env   [2]string
	}{
		{"a password in a file", []string{"--user", name, "--password-file", passwordFile}, "", [2]string{}},
		{"a password on standard input", []string{"--user", name, "--password-stdin"}, password + "\n", [2]string{}},
		{"a password in the environment", []string{"--user", name}, "", [2]string{"GMSACTL_PASSWORD", password}},
		{"a user in the environment", []string{"--password-file", passwordFile}, "", [2]string{"GMSACTL_USER", name}},
		{"DOMAIN\\name", []string{"--user", `CORP\` + name, "--password-file", passwordFile}, "", [2]string{}},
		{"a UPN", []string{"--user", name + "@" + lab.Domain, "--password-file", passwordFile}, "", [2]string{}},
		{"a keytab", []string{"--user", name, "--keytab", keytab}, "", [2]string{}},
		{"a keytab and the name in another case", []string{"--user", strings.ToUpper(name), "--keytab", keytab}, "", [2]string{}},
		{"a credential cache", []string{"--ccache", cache}, "", [2]string{}},
		{"the credential cache of KRB5CCNAME", nil, "", [2]string{"KRB5CCNAME", cache}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.env[0] != "" {
				t.Setenv(tt.env[0], tt.env[1])
			}
			var stdout, stderr bytes.Buffer
			a := &app{stdin: strings.NewReader(tt.stdin), stdout: &stdout, stderr: &stderr}
			args := append([]string{"audit", name, "--dc", lab.DC, "-o", "json"}, tt.flags...)
			if code := a.run(context.Background(), args); code != exitFindings {
				t.Fatalf("exit code %d, want %d: %s", code, exitFindings, stderr.String())
			}
			says(t, stdout.String(), `"kind": "AuditReport"`)
			if strings.Contains(stdout.String()+stderr.String(), password) {
				t.Error("the password is in the output")
			}
		})
	}

	t.Run("no credential and no terminal", func(t *testing.T) {
		u := &user{t: t, flags: []string{"--dc", lab.DC, "--user", name}}
		got := u.want(exitError, "audit", name)
		says(t, got.stderr, "no password is given, and there is no terminal to ask on")
		says(t, got.stderr, "hint: give --password-file")
	})
	t.Run("an expired ticket", func(t *testing.T) {
		expired := ccache(t, lab, name, "-l", "1s")
		time.Sleep(2 * time.Second)
		u := &user{t: t, flags: []string{"--dc", lab.DC, "--ccache", expired}}
		got := u.want(exitError, "audit", name)
		says(t, got.stderr, "expired at ")
		says(t, got.stderr, "hint: get a new ticket with kinit")
	})
	t.Run("an unknown user", func(t *testing.T) {
		u := &user{t: t, flags: []string{"--dc", lab.DC, "--user", "nobody-here", "--password-file", passwordFile}}
		says(t, u.want(exitError, "audit", name).stderr, "hint: the domain does not know --user")
	})
	t.Run("an address instead of a name", func(t *testing.T) {
		addresses, err := net.LookupHost(lab.DC)
		if err != nil {
			t.Fatal(err)
		}
		u := &user{t: t, flags: []string{"--dc", addresses[0], "--domain", lab.Domain, "--user", name, "--password-file", passwordFile}}
		says(t, u.want(exitError, "audit", name).stderr, "want its DNS name")
	})
}

// A password ends with its line, and what comes after it is for others to read.
func TestFirstLine(t *testing.T) {
	long := strings.Repeat("x", maxPassword)
	for _, tt := range []struct{ name, in, want, rest string }{
		{"a line", "secret\nmore\n", "secret", "more\n"},
		{"a line of Windows", "secret\r\nmore", "secret", "more"},
		{"no end", "secret", "secret", ""},
		{"spaces", " se cret \n", " se cret ", ""},
		{"as long as it may be", long[:maxPassword-1] + "\n", long[:maxPassword-1], ""},
		{"nothing", "", "", ""},
		{"an empty line", "\nsecret\n", "", "secret\n"},
		{"too long", long + "\n", "", "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := strings.NewReader(tt.in)
			got, err := firstLine(in, "--password-stdin")
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v", got, err)
			}
			if rest, _ := io.ReadAll(in); string(rest) != tt.rest {
				t.Errorf("left %q, want %q", rest, tt.rest)
			}
			if err != nil && strings.Contains(err.Error(), "x") && strings.Contains(err.Error(), long[:100]) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// An account of one domain says who it is to a domain controller of another that trusts it,
// where krb5.conf knows the KDCs of both.
func TestCredentialsOfAnotherDomain(t *testing.T) {
	lab := labtest.Require(t)
	lab.Trust(t)
	const password = "Corr3ct-horse-battery"
	name := lab.CreateUser(t, "far", password).SAMAccountName
	gmsa := lab.CreateGMSA(t, "far").SAMAccountName
	t.Setenv("KRB5_CONFIG", lab.KRB5Config)
	tests := []struct {
		name  string
		flags []string
		as    string
	}{
		{"a password, and a UPN", []string{"--user", name + "@" + lab.Domain, "--password-stdin"}, name},
		{`a password, and DOMAIN\name`, []string{"--user", `CORP\` + name, "--password-stdin"}, name},
		{"a keytab of a gMSA", []string{"--user", gmsa + "@" + lab.Domain, "--keytab", lab.Keytab(t, gmsa)}, gmsa},
		{"a credential cache", []string{"--ccache", ccache(t, lab, name)}, name},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			a := &app{stdin: strings.NewReader(password + "\n"), stdout: &stdout, stderr: &stderr}
			code := a.run(context.Background(), append([]string{"whoami", "--dc", lab.OldDC}, tt.flags...))
			if code != exitOK && code != exitFindings {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			says(t, strings.ToLower(stdout.String()), strings.ToLower(tt.as+"@"+lab.Domain))
		})
	}
	t.Run("without its KDCs", func(t *testing.T) {
		t.Setenv("KRB5_CONFIG", "/dev/null")
		var stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(password + "\n"), stdout: &stderr, stderr: &stderr}
		if code := a.run(context.Background(), []string{"whoami", "--dc", lab.OldDC, "--user", name + "@" + lab.Domain, "--password-stdin"}); code != exitError {
			t.Errorf("exit code %d", code)
		}
		says(t, stderr.String(), "find a KDC of realm CORP.EXAMPLE")
		says(t, stderr.String(), "hint: name its KDCs in krb5.conf")
	})
}

// ccache is a credential cache that MIT's kinit has filled, with a keytab, on the DC.
func ccache(t *testing.T, lab *labtest.Lab, name string, options ...string) string {
	t.Helper()
	content := lab.Run(t, append([]string{"bash", "-ec", `
		d=$(mktemp -d); trap 'rm -r "$d"' EXIT
		samba-tool domain exportkeytab "$d/keytab" --principal="$0" >/dev/null
		kinit -c "FILE:$d/cc" -k -t "$d/keytab" "$@" "$0" >/dev/null
		cat "$d/cc"`, name}, options...)...)
	path := t.TempDir() + "/cc"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return "FILE:" + path
}

// silence is a network in which everybody accepts and nobody answers.
func silence(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() {
		b := make([]byte, 1024)
		for {
			if _, err := there.Read(b); err != nil {
				return
			}
		}
	}()
	return here, nil
}

func TestSilentServer(t *testing.T) {
	t.Setenv("GMSACTL_PASSWORD", "x")
	flags := []string{"audit", "x", "--dc", "dc1.corp.example", "--user", "x"}
	t.Run("a time-out ends it", func(t *testing.T) {
		var stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &stderr, stderr: &stderr, dial: silence}
		if code := a.run(context.Background(), append(flags, "--timeout", "200ms")); code != exitError {
			t.Errorf("exit code %d, want %d", code, exitError)
		}
		says(t, stderr.String(), "gmsactl: error: ")
	})
	t.Setenv("GMSACTL_PASSWORD", "x")
	t.Run("an interrupt ends it", func(t *testing.T) {
		var stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &stderr, stderr: &stderr, dial: silence}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if code := a.run(ctx, flags); code != exitInterrupted {
			t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, stderr.String())
		}
	})
}

// A server that does not prove itself is not spoken to, and has an exit code of its own.
func TestServerThatFailsMutualAuthentication(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	u.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil || !strings.HasSuffix(address, ":389") {
			return c, err
		}
		return &forger{Conn: c}, nil
	}
	got := u.want(exitMutualAuth, "audit", "krbtgt")
	says(t, got.stderr, "hint: stop: this is the wrong host, or an attack")
	if got.stdout != "" {
		t.Errorf("standard output: %s", got.stdout)
	}
}

// forger changes the last bit of a server's proof, which comes with its answer to the bind.
type forger struct {
	net.Conn
	done bool
}

func (f *forger) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if !f.done && n > 64 {
		b[n-1] ^= 1
		f.done = true
	}
	return n, err
}
