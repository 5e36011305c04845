package gss_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

const (
	aes128 = 17
	aes256 = 18
)

// pair is an established context with its acceptor.
func pair(t testing.TB, etype int32, subkey bool) (*gss.Context, *gsstest.Acceptor) {
	t.Helper()
	ticket := gsstest.Ticket(etype)
	c, token := begin(t, ticket, gss.Options{Types: krb5.EncryptionTypes(true)})
	a := gsstest.NewAcceptor(ticket)
	if !subkey {
		a.Subkey = nil
	}
	answer, err := a.Accept(token)
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := c.Step(answer); reply != nil || err != nil || !c.Established() {
		t.Fatal(reply, err, c.Established())
	}
	return c, a
}

// begin is a new context and its first token.
func begin(t testing.TB, ticket *krb5.Ticket, o gss.Options) (*gss.Context, []byte) {
	t.Helper()
	c, err := gss.New(ticket, o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Step(nil)
	if err != nil || c.Established() {
		t.Fatal(err, c.Established())
	}
	return c, token
}

func TestFirstTokenAsksForASealedContext(t *testing.T) {
	ticket := gsstest.Ticket(aes256)
	_, token := begin(t, ticket, gss.Options{})
	a := gsstest.NewAcceptor(ticket)
	if err := a.Read(token); err != nil {
		t.Fatal(err)
	}
	// MUTUAL|REPLAY|SEQUENCE|CONF|INTEG, no delegation, no channel bindings.
	want, _ := hex.DecodeString("10000000" + strings.Repeat("00", 16) + "3e000000")
	if a.Auth.Cksum.CksumType != 0x8003 || !bytes.Equal(a.Auth.Cksum.Checksum, want) {
		t.Errorf("checksum %x: got % x, want % x", a.Auth.Cksum.CksumType, a.Auth.Cksum.Checksum, want)
	}
	if !types.IsFlagSet(&a.APReq.APOptions, 2) {
		t.Error("AP-REQ does not ask for mutual authentication")
	}
	if a.Auth.SeqNumber == 0 {
		t.Error("sequence number is zero, which is dropped")
	}
	if len(a.Auth.SubKey.KeyValue) != 32 || bytes.Equal(a.Auth.SubKey.KeyValue, ticket.Key.KeyValue) {
		t.Error("no fresh subkey of the session key's size")
	}
}

func TestMessagesGoBothWays(t *testing.T) {
	for _, etype := range krb5.EncryptionTypes(true) {
		for _, subkey := range []bool{true, false} {
			c, a := pair(t, etype, subkey)
			for _, n := range []int{0, 1, 15, 16, 17, 500, 70000} {
				message := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
				token, err := c.Wrap(message)
				if err != nil {
					t.Fatal(err)
				}
				if n > 16 && bytes.Contains(token, message[:16]) {
					t.Error("the message is in the token in clear")
				}
				got, err := a.Unwrap(token)
				if err != nil || !bytes.Equal(got, message) {
					t.Fatalf("%d bytes to the server: %v", n, err)
				}
				// 28 is what Windows and Samba rotate by, 0 what MIT does.
				for _, rrc := range []uint16{0, 12, 28, 40000} {
					for _, ec := range []uint16{0, 16} {
						got, err := c.Unwrap(a.Wrap(message, ec, rrc))
						if err != nil || !bytes.Equal(got, message) {
							t.Fatalf("%d bytes from the server, EC %d, RRC %d: %v", n, ec, rrc, err)
						}
					}
				}
			}
		}
	}
}

func TestAnswersThatProveNothing(t *testing.T) {
	kerberosError := func(code int32) []byte {
		e := messages.NewKRBError(types.PrincipalName{NameString: []string{"ldap", "dc1"}}, "CORP.EXAMPLE", code, "")
		b, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := []struct {
		name   string
		answer func(a *gsstest.Acceptor) []byte
	}{
		{"nothing", func(*gsstest.Acceptor) []byte { return nil }},
		{"garbage", func(*gsstest.Acceptor) []byte { return []byte("\xa1\x03abc") }},
		{"completed without a token", func(*gsstest.Acceptor) []byte { return gsstest.Response(0, gsstest.Krb5, nil, nil) }},
		{"an AP-REP under a wrong session key", func(a *gsstest.Acceptor) []byte {
			return answer(t, a.Part(), gsstest.Key(aes256), 0, gsstest.Krb5)
		}},
		{"an AP-REP of another encryption type", func(a *gsstest.Acceptor) []byte {
			return answer(t, a.Part(), gsstest.Key(aes128), 0, gsstest.Krb5)
		}},
		{"a replayed AP-REP, seconds differ", func(a *gsstest.Acceptor) []byte {
			p := a.Part()
			p.CTime = p.CTime.Add(-time.Second)
			return answer(t, p, a.Session, 0, gsstest.Krb5)
		}},
		{"a replayed AP-REP, microseconds differ", func(a *gsstest.Acceptor) []byte {
			p := a.Part()
			p.Cusec = (p.Cusec + 1) % 1000000
			return answer(t, p, a.Session, 0, gsstest.Krb5)
		}},
		{"a subkey that is too short", func(a *gsstest.Acceptor) []byte {
			p := a.Part()
			p.Subkey.KeyValue = p.Subkey.KeyValue[:16]
			return answer(t, p, a.Session, 0, gsstest.Krb5)
		}},
		{"a subkey of RC4", func(a *gsstest.Acceptor) []byte {
			p := a.Part()
			p.Subkey = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)}
			return answer(t, p, a.Session, 0, gsstest.Krb5)
		}},
		{"incomplete", func(a *gsstest.Acceptor) []byte { return answer(t, a.Part(), a.Session, 1, gsstest.Krb5) }},
		{"rejected, yet with a good AP-REP", func(a *gsstest.Acceptor) []byte {
			return answer(t, a.Part(), a.Session, 2, gsstest.Krb5)
		}},
		{"another mechanism", func(a *gsstest.Acceptor) []byte {
			return answer(t, a.Part(), a.Session, 0, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10})
		}},
		{"an AP-REQ in place of the AP-REP", func(a *gsstest.Acceptor) []byte {
			return gsstest.Response(0, gsstest.Krb5, []byte{1, 0}, []byte("x"))
		}},
		{"a KRB-ERROR in place of the AP-REP", func(a *gsstest.Acceptor) []byte {
			return gsstest.Response(0, gsstest.Krb5, gsstest.KindAPRep, kerberosError(41))
		}},
		{"bytes after the answer", func(a *gsstest.Acceptor) []byte {
			return append(answer(t, a.Part(), a.Session, 0, gsstest.Krb5), 0)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ticket := gsstest.Ticket(aes256)
			c, token := begin(t, ticket, gss.Options{})
			a := gsstest.NewAcceptor(ticket)
			if err := a.Read(token); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Step(tt.answer(a)); !errors.Is(err, gss.ErrMutualAuth) {
				t.Errorf("got %v, want ErrMutualAuth", err)
			}
			// The first failure is the last word.
			if _, err := c.Step(answer(t, a.Part(), a.Session, 0, gsstest.Krb5)); err == nil || c.Established() {
				t.Error("a good answer was accepted after a bad one")
			}
			if _, err := c.Wrap([]byte("x")); err == nil {
				t.Error("a context that failed still wraps")
			}
		})
	}
	t.Run("a refusal is what the service says", func(t *testing.T) {
		c, _ := begin(t, gsstest.Ticket(aes256), gss.Options{})
		_, err := c.Step(gsstest.Response(2, gsstest.Krb5, gsstest.KindError, kerberosError(krb5.Modified)))
		var refused *krb5.Error
		if !errors.As(err, &refused) || refused.Code != krb5.Modified {
			t.Errorf("got %v, want code %d", err, krb5.Modified)
		}
	})
}

func answer(t testing.TB, p messages.EncAPRepPart, key types.EncryptionKey, state int, mech asn1.ObjectIdentifier) []byte {
	t.Helper()
	rep, err := gsstest.APRep(p, key)
	if err != nil {
		t.Fatal(err)
	}
	return gsstest.Response(state, mech, gsstest.KindAPRep, rep)
}

func TestEveryBitOfATokenCounts(t *testing.T) {
	for _, etype := range krb5.EncryptionTypes(true) {
		t.Run(krb5.EncryptionName(etype), func(t *testing.T) {
			_, probe := pair(t, etype, true)
			size := len(probe.Wrap([]byte("0123456789"), 0, 28))
			for i := range size * 8 {
				c, a := pair(t, etype, true)
				token := a.Wrap([]byte("0123456789"), 0, 28)
				token[i/8] ^= 1 << (i % 8)
				_, err := c.Unwrap(token)
				if !errors.Is(err, gss.ErrIntegrity) {
					t.Fatalf("bit %d of byte %d: got %v, want ErrIntegrity", i%8, i/8, err)
				}
				if _, err := c.Unwrap(a.Wrap([]byte("x"), 0, 28)); err == nil {
					t.Fatal("the context works after a failure")
				}
				if _, err := c.Wrap([]byte("x")); err == nil {
					t.Fatal("the context sends after a failure")
				}
			}
		})
	}
}

func TestEveryTruncationOfATokenFails(t *testing.T) {
	for _, etype := range krb5.EncryptionTypes(true) {
		_, a := pair(t, etype, true)
		full := a.Wrap([]byte("0123456789"), 16, 28)
		for n := range full {
			c, a := pair(t, etype, true)
			if _, err := c.Unwrap(a.Wrap([]byte("0123456789"), 16, 28)[:n]); !errors.Is(err, gss.ErrIntegrity) {
				t.Fatalf("%s, %d bytes: got %v", krb5.EncryptionName(etype), n, err)
			}
		}
	}
}

func TestTokensOutOfTurn(t *testing.T) {
	tests := []struct {
		name  string
		token func(c *gss.Context, a *gsstest.Acceptor) []byte
	}{
		{"the same twice", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			token := a.Wrap([]byte("x"), 0, 28)
			if _, err := c.Unwrap(token); err != nil {
				t.Fatal(err)
			}
			return token
		}},
		{"one left out", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			a.Wrap([]byte("x"), 0, 28)
			return a.Wrap([]byte("y"), 0, 28)
		}},
		{"our own, sent back", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			token, err := c.Wrap([]byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			return token
		}},
		{"our own as if the acceptor's", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			token, err := c.Wrap([]byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			return append(gsstest.Header(7, 0, 0, a.SendSeq), token[16:]...)
		}},
		{"signed only", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			return append(gsstest.Header(5, 12, 0, a.SendSeq), make([]byte, 60)...)
		}},
		{"of another context", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			_, other := pair(t, aes256, true)
			return other.Wrap([]byte("x"), 0, 28)
		}},
		{"a filler longer than the message", func(c *gss.Context, a *gsstest.Acceptor) []byte {
			token := a.Wrap([]byte("x"), 0, 0)
			binary.BigEndian.PutUint16(token[4:], 60000)
			return token
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, a := pair(t, aes256, true)
			if _, err := c.Unwrap(tt.token(c, a)); !errors.Is(err, gss.ErrIntegrity) {
				t.Errorf("got %v, want ErrIntegrity", err)
			}
		})
	}
}

func TestNothingIsWrappedBeforeTheServerIsProven(t *testing.T) {
	c, _ := begin(t, gsstest.Ticket(aes256), gss.Options{})
	if _, err := c.Wrap([]byte("x")); err == nil {
		t.Error("wrapped")
	}
	if _, err := c.Unwrap(make([]byte, 100)); err == nil {
		t.Error("unwrapped")
	}
}

// frame puts the length in front.
func frame(token []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
}

func TestConnCarriesLargeMessages(t *testing.T) {
	c, a := pair(t, aes256, true)
	client, server := net.Pipe()
	conn := gss.NewConn(client, c, time.Second)
	message := bytes.Repeat([]byte("0123456789abcdef"), 300<<10/16)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var got []byte
		for len(got) < len(message) {
			var head [4]byte
			if _, err := io.ReadFull(server, head[:]); err != nil {
				t.Error(err)
				return
			}
			n := binary.BigEndian.Uint32(head[:])
			if n > 64<<10 {
				t.Errorf("a buffer of %d bytes", n)
				return
			}
			token := make([]byte, n)
			if _, err := io.ReadFull(server, token); err != nil {
				t.Error(err)
				return
			}
			part, err := a.Unwrap(token)
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, message) {
			t.Error("the server got something else")
		}
		// Back in one buffer, as Windows may, then an empty one, then a byte.
		for _, m := range [][]byte{message, nil, {'!'}} {
			if _, err := server.Write(frame(a.Wrap(m, 0, 28))); err != nil {
				t.Error(err)
			}
		}
		server.Close()
	}()
	if n, err := conn.Write(message); n != len(message) || err != nil {
		t.Fatal(n, err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, append(message, '!')) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	wg.Wait()
}

func TestConnRefuses(t *testing.T) {
	tests := []struct {
		name  string
		bytes func(a *gsstest.Acceptor) []byte
		want  error
	}{
		{"a plain LDAP message", func(*gsstest.Acceptor) []byte {
			return []byte("\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00")
		}, gss.ErrIntegrity},
		{"an unsealed buffer", func(*gsstest.Acceptor) []byte { return frame(bytes.Repeat([]byte{0x30}, 100)) }, gss.ErrIntegrity},
		{"a length of 4 GiB", func(*gsstest.Acceptor) []byte { return []byte{0xff, 0xff, 0xff, 0xff} }, gss.ErrIntegrity},
		{"a length of 16 MiB", func(*gsstest.Acceptor) []byte { return []byte{1, 0, 0, 0} }, gss.ErrIntegrity},
		{"a length of nothing", func(*gsstest.Acceptor) []byte { return make([]byte, 4) }, gss.ErrIntegrity},
		{"a length that is cut", func(*gsstest.Acceptor) []byte { return []byte{0, 0} }, io.ErrUnexpectedEOF},
		{"a buffer that is cut", func(a *gsstest.Acceptor) []byte {
			b := frame(a.Wrap([]byte("x"), 0, 28))
			return b[:len(b)-1]
		}, io.ErrUnexpectedEOF},
		{"a buffer twice", func(a *gsstest.Acceptor) []byte {
			b := frame(a.Wrap([]byte("x"), 0, 28))
			return append(b, b...)
		}, gss.ErrIntegrity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, a := pair(t, aes256, true)
			client, server := net.Pipe()
			conn := gss.NewConn(client, c, time.Second)
			go func() {
				server.Write(tt.bytes(a))
				server.Close()
			}()
			_, err := io.ReadAll(conn)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !errors.Is(conn.Err(), tt.want) {
				t.Errorf("Err is %v", conn.Err())
			}
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, tt.want) {
				t.Errorf("then %v", err)
			}
			if _, err := client.Write([]byte("x")); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
}

func TestWriteToAStalledServerEnds(t *testing.T) {
	c, _ := pair(t, aes256, true)
	client, _ := net.Pipe()
	conn := gss.NewConn(client, c, 50*time.Millisecond)
	start := time.Now()
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("no error")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("a second write went through")
	}
}

func FuzzSPNEGOAnswer(f *testing.F) {
	ticket := gsstest.Ticket(aes256)
	a := gsstest.NewAcceptor(ticket)
	_, token := begin(f, ticket, gss.Options{})
	good, err := a.Accept(token)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(gsstest.Response(2, gsstest.MSKrb5, gsstest.KindError, []byte{0x7e, 0}))
	f.Add(gsstest.Response(0, gsstest.Krb5, gsstest.KindAPRep, []byte{0x6f, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Another context: not even the good answer, which is a replay, is good here.
		c, _ := begin(t, ticket, gss.Options{})
		if _, err := c.Step(b); err == nil || c.Established() {
			t.Fatal("accepted")
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	_, a := pair(f, aes256, true)
	f.Add(a.Wrap([]byte("0123456789"), 0, 28))
	f.Add(a.Wrap(nil, 16, 0))
	f.Add(gsstest.Header(7, 0xffff, 0xffff, 1000))
	_, a = pair(f, krb5.RC4, true)
	f.Add(a.Wrap([]byte("0123456789"), 0, 0))
	_, a = pair(f, krb5.AES256SHA384, true)
	f.Add(a.Wrap([]byte("0123456789"), 0, 28))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, etype := range []int32{krb5.AES256SHA1, krb5.AES256SHA384, krb5.RC4} {
			c, _ := pair(t, etype, true)
			// Nobody but the acceptor can make a token of this context.
			if _, err := c.Unwrap(b); !errors.Is(err, gss.ErrIntegrity) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

func FuzzWhatTheServerWraps(f *testing.F) {
	f.Add([]byte("0123456789"), uint16(0), uint16(28), uint16(0))
	f.Add([]byte{}, uint16(16), uint16(0), uint16(3))
	f.Fuzz(func(t *testing.T, message []byte, ec, rrc, claim uint16) {
		c, a := pair(t, aes128, true)
		if got, err := c.Unwrap(a.Wrap(message, ec, rrc)); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("got %q, %v", got, err)
		}
		// A filler's length that is not what was sealed.
		token := a.Wrap(message, ec, rrc)
		binary.BigEndian.PutUint16(token[4:], claim)
		if _, err := c.Unwrap(token); (err == nil) != (claim == ec) {
			t.Fatalf("EC %d for %d: %v", claim, ec, err)
		}
	})
}
