package ldapx

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
)

// lines keeps what a Trace is told.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) trace(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprintf(format, args...))
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

// pieces hands out what it reads a byte at a time.
type pieces struct{ net.Conn }

func (p pieces) Read(b []byte) (int, error) { return p.Conn.Read(b[:1]) }

func TestTraceOfASession(t *testing.T) {
	var told lines
	here, there := net.Pipe()
	defer there.Close()
	d := &dc{t: t, conn: there}
	ticket := gsstest.Ticket(18)
	d.acceptor = gsstest.NewAcceptor(ticket)
	go d.run(one(func(r *request) []*ber.Packet {
		switch r.op.Tag {
		case ldap.ApplicationModifyRequest:
			return []*ber.Packet{r.modified(50, "00002098: no\x00")}
		case ldap.ApplicationSearchRequest:
			if r.base == "DC=gone" {
				return []*ber.Packet{r.done(32, "DC=corp", "0000208D")}
			}
		}
		return []*ber.Packet{
			r.entry("CN=a", values{"description": {"the-value"}}), r.entry("CN=b", values{"cn": {"b"}}),
			r.reference("ldap://other.example/"), r.done(0, "", "", &ldap.ControlPaging{}),
		}
	}))
	conn := &countingConn{here, new(atomic.Int64), new(atomic.Int64)}
	trace := Trace(told.trace)
	security, err := gss.New(ticket, gss.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bind(t.Context(), trace.ldap(pieces{conn}), "GSS-SPNEGO", security, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	s := start(gss.NewConn(conn, security, time.Second), conn, time.Second, 1, trace, Server{Host: "dc1.corp.example"})
	defer s.Close()
	collect(t, s, directory.Query{Base: "DC=corp", Scope: directory.Subtree, Attrs: []string{"description"}, Descriptor: true, Any: []directory.Match{{Attr: "cn", Value: "x)"}}})
	collect(t, s, directory.Query{Base: "DC=gone", Attrs: []string{"cn"}})
	s.WriteDACL(t.Context(), "CN=a,DC=corp", descriptor)
	got := told.String()
	for _, want := range []string{
		"> 1 bind by GSS-SPNEGO, with a token of ",
		"< 1 bind: result 0 (success), with a token of ",
		`search DC=corp, subtree, (cn=x\29), for description nTSecurityDescriptor; controls: SD flags, domain scope, paged results (1000, cookie of 0 bytes); `,
		"search: result 0 (success); entries: 2; ",
		"search DC=gone, base, (objectClass=*), for cn; controls: domain scope; ",
		"search: result 32 (no such object), matched DC=corp, message 0000208D; entries: 0; ",
		fmt.Sprintf("modify CN=a,DC=corp, nTSecurityDescriptor: %d bytes; controls: SD flags; ", len(descriptor)),
		"modify: result 50 (insufficient access rights), message 00002098: no; ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "the-value") {
		t.Errorf("a value of an attribute is in\n%s", got)
	}
	withoutSecrets(t, got, ticket.Key.KeyValue, d.acceptor.Subkey.KeyValue, d.acceptor.APReq.EncryptedAuthenticator.Cipher)
}

// withoutSecrets checks that no part of a secret is in a text, in any form in which bytes
// are written.
func withoutSecrets(t *testing.T, text string, secrets ...[]byte) {
	t.Helper()
	lower := strings.ToLower(text)
	for _, secret := range secrets {
		if len(secret) < 8 {
			t.Fatalf("a secret of %d bytes proves nothing", len(secret))
		}
		for i := 0; i+8 <= len(secret); i++ {
			part := secret[i : i+8]
			var quoted strings.Builder
			for _, b := range part {
				fmt.Fprintf(&quoted, `\x%02x`, b)
			}
			for _, form := range []string{hex.EncodeToString(part), fmt.Sprintf("% x", part), quoted.String(), strings.Trim(fmt.Sprint(part), "[]")} {
				if strings.Contains(lower, form) {
					t.Fatalf("%s of a secret is in\n%s", form, text)
				}
			}
			if bytes.Contains([]byte(text), part) {
				t.Fatalf("%q of a secret is in\n%s", part, text)
			}
			if i+9 > len(secret) {
				continue
			}
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				if form := encoding.EncodeToString(secret[i : i+9]); strings.Contains(text, form) {
					t.Fatalf("%s of a secret is in\n%s", form, text)
				}
			}
		}
	}
}

func TestTraceOfDialing(t *testing.T) {
	var told lines
	trace := Trace(told.trace)
	refused := trace.dialing(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") })
	if _, err := refused(t.Context(), "tcp", "dc1.corp.example:88"); err == nil {
		t.Fatal("connected")
	}
	hangUp := trace.kdc(trace.dialing(func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			io.ReadFull(there, make([]byte, 6))
			there.Close()
		}()
		return here, nil
	}))
	conn, err := hangUp(t.Context(), "tcp", "dc1.corp.example:88")
	if err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte{0, 0, 0, 2, 0x6a, 0})
	io.ReadAll(conn)
	got := told.String()
	for _, want := range []string{
		"connect to dc1.corp.example:88 over tcp\n", "connect to dc1.corp.example:88: connection refused, after ",
		"connected to pipe, ", "> a message that cannot be read; 6 bytes", "< no reply of the KDC: EOF, after ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestNoTraceIsNoWrapper(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	defer here.Close()
	var none Trace
	if none.ldap(here) != here {
		t.Error("a connection is wrapped for nobody")
	}
	none.bound(Server{}, 1)
}

// Whatever comes, what is told is what is read by others: nothing is lost, nothing panics.
func FuzzTrace(f *testing.F) {
	limitMessages()
	r := &request{id: 2}
	f.Add(bindRequest(1, "GSS-SPNEGO", []byte("token")), bindResponse(0, "", []byte("token")).Bytes())
	f.Add([]byte("\x30\x05\x02\x01\x07\x42\x00"), r.done(4, "", "limit").Bytes())
	f.Add([]byte("\x30\x00"), message(0, result(ldap.ApplicationExtendedResponse, 52, "", "bye")).Bytes())
	f.Add([]byte{}, []byte("\x30\x84\xff\xff\xff\xff"))
	f.Add([]byte("\x30\x84"), []byte("\x30\x03\x02\x09\x01HTTP"))
	f.Fuzz(func(t *testing.T, sent, came []byte) {
		var told lines
		here := &script{in: bytes.NewReader(came)}
		conn := Trace(told.trace).ldap(here)
		if n, err := conn.Write(sent); n != len(sent) || err != nil {
			t.Fatal(n, err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, came) || !bytes.Equal(here.out.Bytes(), sent) {
			t.Fatalf("%d bytes of %d came, %d of %d went: %v", len(got), len(came), here.out.Len(), len(sent), err)
		}
	})
}

// script is a connection that says what it was given.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.out.Write(b) }
