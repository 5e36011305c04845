package krb5

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"
)

// tap keeps what goes over a connection, either way.
type tap struct {
	net.Conn
	sent, came *bytes.Buffer
}

func (t tap) Write(b []byte) (int, error) {
	t.sent.Write(b)
	return t.Conn.Write(b)
}

func (t tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.came.Write(b[:n])
	return n, err
}

// What a KDC and its client say to each other, for somebody who reads along.
func TestDescribe(t *testing.T) {
	k := newKDC()
	c := k.client()
	dial := c.Dial
	var taps []tap
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		taps = append(taps, tap{conn, new(bytes.Buffer), new(bytes.Buffer)})
		return taps[len(taps)-1], err
	}
	bob, err := UserPrincipal("bob", k.realm)
	if err != nil {
		t.Fatal(err)
	}
	tgt, err := c.Login(t.Context(), bob, Password(k.password))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Service(t.Context(), tgt, ServicePrincipal("ldap", "dc1.corp.example", k.realm)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), bob, Password("wrong")); err == nil {
		t.Fatal("a wrong password will do")
	}
	var told []string
	for _, tap := range taps {
		told = append(told, Describe(tap.sent.Bytes()[4:], time.Now()), Describe(tap.came.Bytes()[4:], time.Now()))
	}
	wants := []string{
		"AS-REQ: bob@CORP.EXAMPLE asks for krbtgt/CORP.EXAMPLE@CORP.EXAMPLE; encryption aes256-cts-hmac-",
		"KRB-ERROR: (25) KDC_ERR_PREAUTH_REQUIRED",
		"AS-REQ: bob@CORP.EXAMPLE",
		"AS-REP: bob@CORP.EXAMPLE gets a ticket for krbtgt/CORP.EXAMPLE@CORP.EXAMPLE (aes256-cts-hmac-sha1-96",
		"TGS-REQ: asks for ldap/dc1.corp.example@CORP.EXAMPLE; encryption aes256-cts-hmac-",
		"TGS-REP: bob@CORP.EXAMPLE gets a ticket for ldap/dc1.corp.example@CORP.EXAMPLE (",
		"AS-REQ: ", "KRB-ERROR: (25)", "AS-REQ: ", "KRB-ERROR: (24) KDC_ERR_PREAUTH_FAILED",
	}
	if len(told) != len(wants) {
		t.Fatalf("%d messages, want %d:\n%s", len(told), len(wants), strings.Join(told, "\n"))
	}
	for i, want := range wants {
		if !strings.HasPrefix(told[i], want) {
			t.Errorf("message %d is %q, want %q", i+1, told[i], want)
		}
	}
	for _, want := range []struct {
		message int
		text    string
	}{
		{0, "no pre-authentication"},
		{1, "pre-authentication etype-info2, encrypted timestamp, PKINIT"},
		{2, "pre-authentication encrypted timestamp"},
		{4, "with the ticket for krbtgt/CORP.EXAMPLE@CORP.EXAMPLE (aes256-cts-hmac-sha1-96"},
	} {
		if !strings.Contains(told[want.message], want.text) {
			t.Errorf("%q is not in %q", want.text, told[want.message])
		}
	}
	all := strings.Join(told, "\n")
	for _, secret := range []string{k.password, string(k.session.KeyValue), hex.EncodeToString(k.session.KeyValue), hex.EncodeToString(k.key(18).KeyValue)} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in\n%s", secret, all)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	k := newKDC()
	refusal, err := k.refuse(PreauthRequired, []byte{0x30, 0})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(refusal)
	for _, kind := range []byte{0x6a, 0x6b, 0x6c, 0x6d, 0x6e} {
		f.Add([]byte{kind, 0x30, 0})
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if Describe(b, time.Now()) == "" {
			t.Fatal("nothing is said")
		}
	})
}
