package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// wiretap keeps every byte that goes over a connection.
type wiretap struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (w *wiretap) add(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes.Write(b)
}

type tapped struct {
	net.Conn
	tap *wiretap
}

func (c tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.add(b[:n])
	return n, err
}

func (c tapped) Write(b []byte) (int, error) {
	c.tap.add(b)
	return c.Conn.Write(b)
}

func (w *wiretap) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return tapped{conn, w}, nil
}

// encoded is what may be bytes in a form for text: hex, or base64 that is no word.
var encoded = regexp.MustCompile(`[0-9a-fA-F]{16,}|[0-9A-Za-z+/_=-]{16,}`)

// What --debug tells holds neither the password, nor a key, nor any part of what was
// encrypted with one, whatever the credential is.
func TestLabDebugTellsNoSecret(t *testing.T) {
	lab := labtest.Require(t)
	const password = "Lab-Secret-1."
	user1 := lab.CreateUser(t, "debug", password)
	name := user1.SAMAccountName
	keytab := lab.Keytab(t, name)
	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	holder := holder(t, lab, name, password)
	keys := map[string][]byte{"the password": []byte(password)}
	b, err := os.ReadFile(keytab)
	if err != nil {
		t.Fatal(err)
	}
	// The last key of the file stands at its end, before the number of its version.
	keys["a key of the keytab"] = b[len(b)-20 : len(b)-4]
	cache, err := krb5.ReadCCache(holder.file("cc"))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := cache.Ticket(krb5.ServicePrincipal("ldap", lab.DC, strings.ToUpper(lab.Domain)), time.Now())
	if err != nil || ticket == nil {
		t.Fatalf("no ticket in the cache: %v", err)
	}
	keys["the session key of the ticket"] = ticket.Key.KeyValue

	for kind, flags := range map[string][]string{
		"a password in a file":     {"--user", name, "--password-file", file},
		"a password on input":      {"--user", name, "--password-stdin"},
		"a password in a variable": {"--user", name},
		"a keytab":                 {"--user", name, "--keytab", keytab},
		"a credential cache":       {"--ccache", holder.file("cc")},
		"GSSAPI":                   {"--user", name, "--password-file", file, "--mechanism", "GSSAPI"},
		"LDAPS":                    {"--user", name, "--password-file", file, "--transport", "ldaps", "--ca-file", lab.CAFile},
		"StartTLS with GSSAPI":     {"--user", name, "--keytab", keytab, "--transport", "starttls", "--mechanism", "GSSAPI", "--ca-file", lab.CAFile},
		"a wrong password":         {"--user", name, "--password-stdin", "wrong"},
	} {
		t.Run(kind, func(t *testing.T) {
			stdin, want := password+"\n", exitOK
			if flags[len(flags)-1] == "wrong" {
				flags, stdin, want = flags[:len(flags)-1], "Not-the-secret-9.\n", exitError
			}
			if kind == "a password in a variable" {
				t.Setenv("GMSACTL_PASSWORD", password)
			}
			var tap wiretap
			var stdout, stderr bytes.Buffer
			a := &app{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, dial: tap.dial}
			args := append([]string{"whoami", "--debug", "--dc", lab.DC}, flags...)
			if code := a.run(context.Background(), args); code != want {
				t.Fatalf("exit code %d, want %d: %s", code, want, stderr.String())
			}
			told := stderr.String()
			if want == exitOK {
				says(t, told, "gmsactl: debug: ")
				says(t, told, " bind: result 0 (success), with a token of ")
				says(t, told, "for sDRightsEffective; controls: domain scope; ")
			}
			for what, secret := range keys {
				for _, form := range forms(secret) {
					if strings.Contains(told, form) || strings.Contains(stdout.String(), form) {
						t.Errorf("%s is told, as %q", what, form)
					}
				}
			}
			if strings.Contains(told, "Not-the-secret") {
				t.Error("the wrong password is told")
			}
			// Whatever looks like bytes must not be bytes of the wire that mean nothing in clear.
			for _, text := range encoded.FindAllString(told, -1) {
				for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
					b, err := decode(text)
					if err == nil && len(b) >= 8 && bytes.Contains(tap.bytes.Bytes(), b) {
						t.Errorf("%q is told, which went over the wire as bytes", text)
					}
				}
			}
		})
	}
}

// forms are the ways in which bytes may stand in a text.
func forms(b []byte) []string {
	out := []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), fmt.Sprintf("% x", b), fmt.Sprint(b),
		strings.Trim(fmt.Sprintf("%q", b), `"`),
	}
	// Three ways to be aligned; what the neighbours of the bytes decide is left out.
	for skip := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(append(make([]byte, skip), b...))
			out = append(out, text[(skip*8+5)/6:len(text)-1])
		}
	}
	return out
}
