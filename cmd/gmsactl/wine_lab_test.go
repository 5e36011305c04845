package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// wineUser runs commands of the Windows build, as who is logged on there.
type wineUser struct {
	t *testing.T
	*labtest.Windows
	flags []string // connection
}

func (w *wineUser) want(code int, args ...string) answer {
	w.t.Helper()
	var got answer
	got.code, got.stdout, got.stderr = w.Run(w.t, append(args, w.flags...)...)
	if got.code != code {
		w.t.Fatalf("gmsactl.exe %q: exit code %d, want %d\n%s%s", args, got.code, code, got.stdout, got.stderr)
	}
	return got
}

// The Windows build says without a directory what this one says, to the byte.
func TestWineOffline(t *testing.T) {
	lab := labtest.Require(t)
	there := &wineUser{t: t, Windows: lab.Windows(t)}
	here := &user{t: t}
	for _, tt := range []struct {
		code int
		args []string
	}{
		{0, []string{"version"}},
		{0, []string{"help", "exit-codes"}},
		{3, []string{"audit", "--from", "demo", "provAgentgMSA$"}},
		{3, []string{"audit", "--from", "demo", "provAgentgMSA$", "-o", "json"}},
		{3, []string{"plan", "--from", "demo", "provAgentgMSA$"}},
		{3, []string{"explain", "--from", "demo", "provAgentgMSA$", "OU=Sales,OU=Sync,DC=corp,DC=example", "create:user"}},
		{0, []string{"schema", "check", "--from", "demo"}},
		{0, []string{"policy", "list"}},
		{0, []string{"sddl", "show", "O:BAD:PAI(OA;CIIO;WP;bf9679c0-0de6-11d0-a285-00aa003049e2;bf967a9c-0de6-11d0-a285-00aa003049e2;AU)(A;;GA;;;SY)"}},
		{0, []string{"sddl", "encode", "D:(A;;GA;;;SY)", "-o", "raw"}},
		{1, []string{"sddl", "show", "nonsense"}},
		{1, []string{"nonsense"}},
	} {
		got, want := there.want(tt.code, tt.args...), here.want(tt.code, tt.args...)
		if got != want {
			t.Errorf("gmsactl %q: on Windows\n%s%s\nhere\n%s%s", tt.args, got.stdout, got.stderr, want.stdout, want.stderr)
		}
	}
}

// What this build does with a password the Windows build does as who is logged on.
func TestWineCurrentLogon(t *testing.T) {
	lab := labtest.Require(t)
	there := &wineUser{t: t, Windows: lab.Windows(t), flags: []string{"--dc", lab.DC}}
	here := administrator(t, lab)
	account, ou := lab.CreateGMSA(t, "wine"), lab.CreateOU(t, "wine")

	// SEC_E_NO_CREDENTIALS, [MS-ERREF] 2.1.1.
	got := there.want(exitError, "whoami")
	says(t, got.stderr, "error: get ticket: use the current logon: ")
	says(t, got.stderr, "0x8009030e")
	says(t, got.stderr, "hint: nobody with Kerberos tickets is logged on")

	there.LogOn(t, lab.User+"@"+strings.ToUpper(lab.Domain), lab.PasswordFile)
	for _, mechanism := range []string{"GSS-SPNEGO", "GSSAPI"} {
		got = there.want(exitOK, "whoami", "--mechanism", mechanism)
		says(t, got.stdout, `Identity CORP\Administrator`)
		says(t, got.stdout, "sealed by Kerberos ("+mechanism+")")
		says(t, got.stdout, "session key aes256-cts-hmac-sha1-96")
		says(t, got.stdout, "kept by the system until 2")
	}

	// Over two connections, of which each has a context of its own.
	audit := []string{"audit", account.SAMAccountName, "--target", ou, "--reach", "--connections", "2"}
	if got, want := there.want(exitFindings, audit...), here.want(exitFindings, audit...); got != want {
		t.Errorf("on Windows\n%s%s\nhere\n%s%s", got.stdout, got.stderr, want.stdout, want.stderr)
	}
	plan, backup := filepath.Join(there.Dir, "plan.json"), filepath.Join(there.Dir, "backup.json")
	there.want(exitFindings, "plan", account.SAMAccountName, "--target", ou, "--out", plan)
	there.want(exitOK, "apply", "--yes", plan, "--backup", backup)
	here.want(exitOK, "audit", account.SAMAccountName, "--target", ou)
	there.want(exitOK, "rollback", "--yes", backup, "--backup", filepath.Join(there.Dir, "undo.json"))
	here.want(exitFindings, "audit", account.SAMAccountName, "--target", ou)

	// Wine's Kerberos drops SEC_CHANNEL_BINDINGS, so that the domain controller sees a bind that is
	// bound to nothing, and refuses it. No session comes about in another way.
	ca, err := os.ReadFile(lab.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	trusted := filepath.Join(there.Dir, "ca.pem")
	if err := os.WriteFile(trusted, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"ldaps", "starttls"} {
		got = there.want(exitError, "whoami", "--transport", transport, "--ca-file", trusted)
		says(t, got.stderr, "AcceptSecurityContext error, data 35b")
	}
}
