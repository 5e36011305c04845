package main

import (
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

func TestLabTransports(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	for _, tt := range []struct {
		name, address, protection string
		flags                     []string
	}{
		{"ldap", ":389", "sealed by Kerberos (GSS-SPNEGO)", nil},
		{"ldaps", ":636", "TLS 1.3 ", []string{"--ca-file", lab.CAFile}},
		{"starttls", ":389", "TLS 1.3 ", []string{"--ca-file", lab.CAFile}},
		{"ldap", ":389", "sealed by Kerberos (GSSAPI)", []string{"--mechanism", "GSSAPI"}},
		{"ldaps", ":636", "TLS 1.3 ", []string{"--mechanism", "GSSAPI", "--ca-file", lab.CAFile}},
	} {
		t.Run(strings.Join(append([]string{tt.name}, tt.flags...), " "), func(t *testing.T) {
			got := u.want(exitOK, append([]string{"whoami", "--transport", tt.name}, tt.flags...)...)
			says(t, got.stdout, tt.address)
			says(t, got.stdout, tt.protection)
		})
	}
	t.Run("an authority that is not the server's", func(t *testing.T) {
		got := u.want(exitError, "whoami", "--transport", "ldaps", "--ca-file", lab.OldCAFile)
		says(t, got.stderr, "error: TLS: the certificate that "+lab.DC+" shows is not trusted: x509: certificate signed by unknown authority")
		says(t, got.stderr, "hint: give the domain's certificate authority with --ca-file")
	})
	t.Run("the system's authorities", func(t *testing.T) {
		got := u.want(exitError, "whoami", "--transport", "starttls")
		says(t, got.stderr, "hint: give the domain's certificate authority with --ca-file")
	})
	t.Run("the server's own certificate, in DER", func(t *testing.T) {
		block, _ := pem.Decode([]byte(lab.Run(t, "cat", "/var/lib/samba/private/tls/cert.pem")))
		if block == nil {
			t.Fatal("no certificate")
		}
		file := u.file("dc.cer")
		if err := os.WriteFile(file, block.Bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		u.want(exitOK, "whoami", "--transport", "ldaps", "--ca-file", file)
	})
	t.Run("a ticket of RC4", func(t *testing.T) {
		const password = "Lab-Secret-1."
		name := lab.CreateUser(t, "rc4", password).SAMAccountName
		u := &user{t: t, dir: t.TempDir()}
		b := lab.RunInput(t, password+"\n", "sh", "-c", `set -e; d=$(mktemp -d); trap 'rm -r $d' EXIT; export KRB5CCNAME=FILE:$d/cc
			kinit "$1" >/dev/null; kvno -e rc4-hmac --out-cache "FILE:$d/only" "ldap/$2" >/dev/null; cat $d/only`, "_", name, lab.DC)
		if err := os.WriteFile(u.file("cc"), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		u.flags = []string{"--dc", lab.DC, "--ccache", u.file("cc")}
		got := u.want(exitError, "whoami")
		says(t, got.stderr, "is of rc4-hmac, which is not allowed here")
		says(t, got.stderr, "hint: RC4 is broken: ")
		u.flags = append(u.flags, "--allow-rc4")
		if got := u.whoami(exitOK); got.Ticket.SessionKey != "rc4-hmac" {
			t.Errorf("allowed to use RC4, it uses %s", got.Ticket.SessionKey)
		}
	})
}
