package ldapx

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// dc is a domain controller that binds rightly and then answers as it is told.
type dc struct {
	t        testing.TB
	conn     net.Conn
	acceptor *gsstest.Acceptor
	requests atomic.Int64
}

// serve starts a dc and a session with it. answer gets each request and returns the
// messages to send; nil is silence.
func serve(t testing.TB, timeout time.Duration, answer func(d *dc, r *request) []*ber.Packet) *Session {
	t.Helper()
	s, err := connectTo(t, timeout, answer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connectTo is serve, for any goroutine.
func connectTo(t testing.TB, timeout time.Duration, answer func(d *dc, r *request) []*ber.Packet) (*Session, error) {
	here, there := net.Pipe()
	t.Cleanup(func() { there.Close() })
	d := &dc{t: t, conn: there}
	ticket := gsstest.Ticket(18)
	d.acceptor = gsstest.NewAcceptor(ticket)
	go d.run(answer)
	conn := &countingConn{here, new(atomic.Int64), new(atomic.Int64)}
	security, err := gss.New(ticket, gss.Options{})
	if err != nil {
		return nil, err
	}
	if _, err := bind(t.Context(), conn, string(gss.SPNEGO), security, 5*time.Second); err != nil {
		return nil, err
	}
	s := start(gss.NewConn(conn, security, timeout), conn, timeout, 1, nil, Server{Host: "dc1.corp.example"})
	s.backoff = []time.Duration{time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond}
	t.Cleanup(func() { s.Close() })
	return s, nil
}

func (d *dc) run(answer func(*dc, *request) []*ber.Packet) {
	b, err := readMessage(d.conn)
	if err != nil {
		return
	}
	reply, err := d.acceptor.Accept(ber.DecodePacket(b).Children[1].Children[2].Children[1].ByteValue)
	if err != nil {
		d.t.Error(err)
		return
	}
	if _, err := d.conn.Write(bindResponse(0, "", reply).Bytes()); err != nil {
		return
	}
	var buffer []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(d.conn, head[:]); err != nil {
			return
		}
		token := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(d.conn, token); err != nil {
			return
		}
		plain, err := d.acceptor.Unwrap(token)
		if err != nil {
			d.t.Error(err)
			return
		}
		buffer = append(buffer, plain...)
		for {
			p, err := ber.DecodePacketErr(buffer)
			if err != nil {
				break // not whole yet
			}
			buffer = buffer[len(p.Bytes()):]
			d.requests.Add(1)
			for _, m := range answer(d, parseRequest(p)) {
				if err := d.send(m.Bytes()); err != nil {
					return
				}
			}
		}
	}
}

func (d *dc) send(message []byte) error {
	token := d.acceptor.Wrap(message, 0, 28)
	_, err := d.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...))
	return err
}

// request is what a client asked.
type request struct {
	id       int64
	op       *ber.Packet
	base     string
	scope    int64
	filter   string
	attrs    []string
	controls map[string]*ber.Packet // the value by the OID
	critical map[string]bool
}

func parseRequest(p *ber.Packet) *request {
	r := &request{id: p.Children[0].Value.(int64), op: p.Children[1], controls: map[string]*ber.Packet{}, critical: map[string]bool{}}
	if r.op.Tag == ldap.ApplicationSearchRequest {
		r.base = r.op.Children[0].Value.(string)
		r.scope = r.op.Children[1].Value.(int64)
		r.filter, _ = ldap.DecompileFilter(r.op.Children[6])
		for _, a := range r.op.Children[7].Children {
			r.attrs = append(r.attrs, a.Value.(string))
		}
	}
	if len(p.Children) > 2 {
		for _, c := range p.Children[2].Children {
			oid := c.Children[0].Value.(string)
			r.controls[oid] = nil
			for _, field := range c.Children[1:] {
				if field.Tag == ber.TagBoolean {
					r.critical[oid] = field.Value.(bool)
				} else {
					r.controls[oid] = ber.DecodePacket(field.ByteValue)
				}
			}
		}
	}
	return r
}

func message(id int64, op *ber.Packet, controls ...ldap.Control) *ber.Packet {
	m := ber.NewSequence("LDAPMessage")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	if len(controls) > 0 {
		c := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, control := range controls {
			c.AppendChild(control.Encode())
		}
		m.AppendChild(c)
	}
	return m
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(tag ber.Tag, code int64, matched, text string) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(octets(matched))
	op.AppendChild(octets(text))
	return op
}

func bindResponse(code int64, text string, credentials []byte) *ber.Packet {
	op := result(ldap.ApplicationBindResponse, code, "", text)
	if credentials != nil {
		op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, string(credentials), ""))
	}
	return message(1, op)
}

func (r *request) done(code int64, matched, text string, controls ...ldap.Control) *ber.Packet {
	return message(r.id, result(ldap.ApplicationSearchResultDone, code, matched, text), controls...)
}

func (r *request) modified(code int64, text string) *ber.Packet {
	return message(r.id, result(ldap.ApplicationModifyResponse, code, "", text))
}

type values map[string][]string

func (r *request) entry(dn string, attrs values) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octets(dn))
	list := ber.NewSequence("")
	for name, vs := range attrs {
		a := ber.NewSequence("")
		a.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range vs {
			set.AppendChild(octets(v))
		}
		a.AppendChild(set)
		list.AppendChild(a)
	}
	op.AppendChild(list)
	return message(r.id, op)
}

func (r *request) reference(url string) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
	op.AppendChild(octets(url))
	return message(r.id, op)
}

// rogue runs a server that answers a bind with anything, and returns what the client makes
// of it.
func rogue(t *testing.T, timeout time.Duration, answer func(a *gsstest.Acceptor, conn net.Conn)) error {
	t.Helper()
	here, there := net.Pipe()
	defer there.Close()
	ticket := gsstest.Ticket(18)
	a := gsstest.NewAcceptor(ticket)
	go func() {
		b, err := readMessage(there)
		if err != nil {
			return
		}
		if err := a.Read(ber.DecodePacket(b).Children[1].Children[2].Children[1].ByteValue); err != nil {
			t.Error(err)
			return
		}
		answer(a, there)
	}()
	security, err := gss.New(ticket, gss.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = bind(t.Context(), here, string(gss.SPNEGO), security, timeout)
	if err == nil {
		if _, err := security.Wrap([]byte("x")); err != nil {
			t.Error("bound, but nothing can be sealed")
		}
	}
	return err
}

func TestRogueServers(t *testing.T) {
	send := func(m *ber.Packet) func(*gsstest.Acceptor, net.Conn) {
		return func(_ *gsstest.Acceptor, conn net.Conn) { conn.Write(m.Bytes()) }
	}
	raw := func(b string) func(*gsstest.Acceptor, net.Conn) {
		return func(_ *gsstest.Acceptor, conn net.Conn) {
			conn.Write([]byte(b))
			conn.Close()
		}
	}
	tests := []struct {
		name   string
		answer func(*gsstest.Acceptor, net.Conn)
		want   error // nil: any
		code   uint16
	}{
		{"success and nothing else", send(bindResponse(0, "", nil)), gss.ErrMutualAuth, 0},
		{"success with an empty token", send(bindResponse(0, "", []byte{})), gss.ErrMutualAuth, 0},
		{"success with garbage", send(bindResponse(0, "", []byte("garbage"))), gss.ErrMutualAuth, 0},
		{"success, replaying an old proof", func(a *gsstest.Acceptor, conn net.Conn) {
			p := a.Part()
			p.CTime = p.CTime.Add(-time.Hour)
			rep, err := gsstest.APRep(p, a.Session)
			if err != nil {
				t.Error(err)
			}
			conn.Write(bindResponse(0, "", gsstest.Response(0, gsstest.Krb5, gsstest.KindAPRep, rep)).Bytes())
		}, gss.ErrMutualAuth, 0},
		{"success along with a refusal of the ticket", func(_ *gsstest.Acceptor, conn net.Conn) {
			e := messages.NewKRBError(types.PrincipalName{NameString: []string{"ldap", "dc1"}}, "CORP.EXAMPLE", krb5.Modified, "")
			b, err := e.Marshal()
			if err != nil {
				t.Error(err)
			}
			conn.Write(bindResponse(0, "", gsstest.Response(2, gsstest.Krb5, gsstest.KindError, b)).Bytes())
		}, gss.ErrMutualAuth, 0},
		{"a good proof, but no success", func(a *gsstest.Acceptor, conn net.Conn) {
			rep, err := gsstest.APRep(a.Part(), a.Session)
			if err != nil {
				t.Error(err)
			}
			conn.Write(bindResponse(14, "", gsstest.Response(0, gsstest.Krb5, gsstest.KindAPRep, rep)).Bytes())
		}, nil, 14},
		{"invalid credentials", send(bindResponse(49, "80090308: data 52e\x00", nil)), nil, 49},
		{"sealing is required", send(bindResponse(8, "", nil)), nil, 8},
		{"the answer to another message", send(message(7, result(ldap.ApplicationBindResponse, 0, "", ""))), nil, 0},
		{"the answer to a search", send(message(1, result(ldap.ApplicationSearchResultDone, 0, "", ""))), nil, 0},
		{"a notice of disconnection", send(message(0, result(ldap.ApplicationExtendedResponse, 52, "", "bye"))), nil, 52},
		{"a notice of success", send(message(0, result(ldap.ApplicationExtendedResponse, 0, "", ""))), nil, 0},
		{"a result beyond all numbers", send(bindResponse(1<<40, "", nil)), nil, 0},
		{"a negative result", send(bindResponse(-1, "", nil)), nil, 0},
		{"a hang-up", raw(""), io.EOF, 0},
		{"HTTP", raw("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, 0},
		{"a length of 4 GiB", raw("\x30\x84\xff\xff\xff\xff"), nil, 0},
		{"a length of 9 octets", raw("\x30\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff"), nil, 0},
		{"no length", raw("\x30\x80\x02\x01\x01"), nil, 0},
		{"half a message", raw("\x30\x0c\x02\x01"), io.ErrUnexpectedEOF, 0},
		{"an empty message", raw("\x30\x00"), nil, 0},
		{"a message of nothing", raw("\x30\x04\x30\x00\x30\x00"), nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := rogue(t, 5*time.Second, tt.answer)
			if err == nil {
				t.Fatal("bound")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			var refused *ResultError
			if tt.code != 0 && (!errors.As(err, &refused) || refused.Code != tt.code) {
				t.Errorf("got %v, want result %d", err, tt.code)
			}
		})
	}
}

// asker is a mechanism that always has something to say.
type asker struct{ steps int }

func (a *asker) Step([]byte) ([]byte, error)   { a.steps++; return []byte{}, nil }
func (a *asker) Established() bool             { return false }
func (a *asker) Wrap([]byte) ([]byte, error)   { return nil, errors.ErrUnsupported }
func (a *asker) Unwrap([]byte) ([]byte, error) { return nil, errors.ErrUnsupported }
func (a *asker) MaxMessage() int               { return 0 }

func TestAServerThatAlwaysAsksForMore(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	asked := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b, err := readMessage(there)
			if err != nil {
				return
			}
			asked++
			id := ber.DecodePacket(b).Children[0].Value.(int64)
			op := result(ldap.ApplicationBindResponse, 14, "", "")
			op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, "more", ""))
			there.Write(message(id, op).Bytes())
		}
	}()
	a := new(asker)
	trips, err := bind(t.Context(), here, "X", a, 5*time.Second)
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	here.Close()
	<-done
	if trips != maxRounds || asked != maxRounds || a.steps != maxRounds+1 {
		t.Errorf("%d round trips, %d requests, %d steps; at most %d are allowed", trips, asked, a.steps, maxRounds)
	}
}

func TestBindWithSilence(t *testing.T) {
	silence := func(_ *gsstest.Acceptor, conn net.Conn) { io.Copy(io.Discard, conn) }
	start := time.Now()
	if err := rogue(t, time.Second, silence); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d < 900*time.Millisecond || d > 3*time.Second {
		t.Errorf("it took %v, want 1 s", d)
	}
}

func FuzzBindResponse(f *testing.F) {
	f.Add(bindResponse(0, "", []byte("token")).Bytes())
	f.Add(bindResponse(49, "no", nil).Bytes())
	f.Add(message(0, result(ldap.ApplicationExtendedResponse, 52, "", "bye")).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseBindResponse(b, 1)
		if err == nil && a.code >= ldap.ErrorNetwork {
			t.Fatalf("result %d", a.code)
		}
	})
}
