package gss

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// system is a provider for tests: the Kerberos of this package, behind the interface.
type system struct {
	c        *Context
	asked    int  // how often Init was called
	gullible bool // takes every token for what it is asked for
	change   func(token []byte) []byte
	init     func(token []byte) ([]byte, bool, error)
}

func newSystem(t *testing.T, etype int32, binding []byte) (*system, *gsstest.Acceptor) {
	t.Helper()
	ticket := gsstest.Ticket(etype)
	c, err := New(ticket, Options{Mechanism: GSSAPI, ChannelBinding: binding, Types: krb5.EncryptionTypes(true)})
	if err != nil {
		t.Fatal(err)
	}
	return &system{c: c}, gsstest.NewAcceptor(ticket)
}

func (s *system) Init(token []byte) ([]byte, bool, error) {
	s.asked++
	if s.init != nil {
		return s.init(token)
	}
	if token == nil {
		return s.c.first, false, nil
	}
	err := s.c.accept(token)
	return nil, err == nil, err
}

func (s *system) Wrap(message []byte, sealed bool) ([]byte, error) {
	seq := s.c.sendSeq
	s.c.sendSeq++
	token, err := s.c.tokens.wrap(message, seq, sealed)
	if s.change != nil {
		token = s.change(token)
	}
	return token, err
}

func (s *system) Unwrap(token []byte, sealed bool) ([]byte, error) {
	if s.gullible {
		return []byte("anything"), nil
	}
	seq := s.c.recvSeq
	s.c.recvSeq++
	return s.c.tokens.unwrap(token, seq, sealed)
}

func TestAContextOfAProviderIsAsAnyOther(t *testing.T) {
	binding := []byte("tls-server-end-point:hash")
	for _, etype := range krb5.EncryptionTypes(true) {
		for _, tt := range []struct {
			name      string
			mechanism Mechanism
			binding   []byte
		}{
			{"inside SPNEGO, sealed", SPNEGO, nil},
			{"alone, sealed", GSSAPI, nil},
			{"inside SPNEGO, bound to TLS", SPNEGO, binding},
			{"alone, bound to TLS", GSSAPI, binding},
		} {
			t.Run(krb5.EncryptionName(etype)+" "+tt.name, func(t *testing.T) {
				s, a := newSystem(t, etype, tt.binding)
				c, request, err := Use(s, Options{Mechanism: tt.mechanism, ChannelBinding: tt.binding, Types: krb5.EncryptionTypes(true)})
				if err != nil {
					t.Fatal(err)
				}
				if request.SessionKey != etype || request.ServiceKey != etype || request.Service.String() != "ldap/dc1.corp.example@CORP.EXAMPLE" {
					t.Errorf("the request is %+v", request)
				}
				token, err := c.Step(nil)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := a.Accept(token)
				if err != nil {
					t.Fatal(err)
				}
				if a.SPNEGO != (tt.mechanism == SPNEGO) {
					t.Error("inside SPNEGO:", a.SPNEGO)
				}
				if _, err := c.Step(answer); err != nil {
					t.Fatal(err)
				}
				if tt.mechanism == GSSAPI {
					reply, err := c.Step(a.Offer(7, 65536, 12))
					if err != nil {
						t.Fatal(err)
					}
					want := byte(layerConf)
					if tt.binding != nil {
						want = layerNone
					}
					if layer, _, err := a.ReadChoice(reply); err != nil || layer != want {
						t.Errorf("layer %d, %v, want %d", layer, err, want)
					}
				}
				if !c.Established() {
					t.Fatal("not established")
				}
				if tt.binding != nil {
					if _, err := c.Wrap([]byte("x")); err == nil {
						t.Error("wraps inside TLS")
					}
					return
				}
				for _, size := range []int{0, 1, 5000, c.MaxMessage()} {
					message := bytes.Repeat([]byte{'m'}, size)
					token, err := c.Wrap(message)
					if err != nil || len(token) > maxSend {
						t.Fatal(len(token), err)
					}
					if got, err := a.Unwrap(token); err != nil || !bytes.Equal(got, message) {
						t.Fatal(len(got), err)
					}
					if got, err := c.Unwrap(a.Wrap(message, 0, 28)); err != nil || !bytes.Equal(got, message) {
						t.Fatal(len(got), err)
					}
				}
			})
		}
	}
}

func TestProvidersThatAreRefused(t *testing.T) {
	const aes256 = 18
	asks := func(token []byte) func([]byte) ([]byte, bool, error) {
		return func([]byte) ([]byte, bool, error) { return token, false, nil }
	}
	tests := []struct {
		name   string
		change func(s *system)
		want   string
	}{
		{"it has no credentials", func(s *system) {
			s.init = func([]byte) ([]byte, bool, error) { return nil, false, errors.New("nobody is logged on") }
		}, "nobody is logged on"},
		{"it asks for no proof", func(s *system) {
			token := bytes.Replace(s.c.first, []byte{0x03, 0x05, 0x00, 0x20, 0, 0, 0}, []byte{0x03, 0x05, 0x00, 0, 0, 0, 0}, 1)
			s.init = asks(token)
		}, "it does not ask the server to prove itself"},
		{"it is done at once", func(s *system) {
			s.init = func([]byte) ([]byte, bool, error) { return s.c.first, true, nil }
		}, "the context is done before the server has said anything"},
		{"its token is of NTLM", func(s *system) { s.init = asks([]byte("NTLMSSP\x00\x01\x00\x00\x00")) }, "not one"},
		{"its token is SPNEGO's", func(s *system) {
			token, err := spnegoInit(s.c.first)
			if err != nil {
				t.Fatal(err)
			}
			s.init = asks(token)
		}, "not one"},
		{"its token is an answer", func(s *system) { s.init = asks(gsstest.Token(gsstest.KindAPRep, []byte("x"))) }, "kind 0200"},
		{"its token holds nothing", func(s *system) { s.init = asks(gsstest.Token(tokenAPReq, nil)) }, "make AP-REQ"},
		{"it has no token", func(s *system) { s.init = asks(nil) }, "not one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newSystem(t, aes256, nil)
			tt.change(s)
			if _, _, err := Use(s, Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("its ticket has a key of RC4, which is not allowed", func(t *testing.T) {
		s, _ := newSystem(t, krb5.RC4, nil)
		var weak *krb5.WeakError
		if _, _, err := Use(s, Options{}); !errors.As(err, &weak) || weak.EType != krb5.RC4 {
			t.Errorf("got %v", err)
		}
	})
}

func TestProofsThatAProviderMustSee(t *testing.T) {
	tests := []struct {
		name   string
		answer func(t *testing.T, s *system, a *gsstest.Acceptor, right []byte) []byte
		asked  int // with the first token, which is asked for in any case
		mutual bool
	}{
		{"an answer to somebody else", func(t *testing.T, _ *system, _ *gsstest.Acceptor, _ []byte) []byte {
			s, a := newSystem(t, 18, nil)
			token, err := spnegoInit(s.c.first)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := a.Accept(token)
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}, 2, true},
		{"the provider wants to go on", func(_ *testing.T, s *system, _ *gsstest.Acceptor, right []byte) []byte {
			s.init = func([]byte) ([]byte, bool, error) { return []byte("more"), false, nil }
			return right
		}, 2, true},
		{"the provider has more to say", func(_ *testing.T, s *system, _ *gsstest.Acceptor, right []byte) []byte {
			s.init = func([]byte) ([]byte, bool, error) { return []byte("more"), true, nil }
			return right
		}, 2, true},
		{"a negotiation that goes on", func(_ *testing.T, _ *system, a *gsstest.Acceptor, _ []byte) []byte {
			rep, err := gsstest.APRep(a.Part(), a.Session)
			if err != nil {
				panic(err)
			}
			return gsstest.Response(1, gsstest.Krb5, gsstest.KindAPRep, rep)
		}, 2, true},
		{"nothing", func(*testing.T, *system, *gsstest.Acceptor, []byte) []byte { return nil }, 1, true},
		{"another mechanism", func(*testing.T, *system, *gsstest.Acceptor, []byte) []byte {
			return gsstest.Response(0, oidSPNEGO, gsstest.KindAPRep, []byte("x"))
		}, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, a := newSystem(t, 18, nil)
			c, _, err := Use(s, Options{})
			if err != nil {
				t.Fatal(err)
			}
			token, err := c.Step(nil)
			if err != nil {
				t.Fatal(err)
			}
			right, err := a.Accept(token)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Step(tt.answer(t, s, a, right)); errors.Is(err, ErrMutualAuth) != tt.mutual || err == nil {
				t.Errorf("got %v", err)
			}
			if s.asked != tt.asked {
				t.Errorf("the provider was asked %d times, not %d", s.asked, tt.asked)
			}
			if c.Established() {
				t.Error("established")
			}
			if _, err := c.Wrap([]byte("x")); err == nil {
				t.Error("wraps")
			}
		})
	}
}

// Whatever a provider thinks of tokens, these go no further.
func TestTokensThatAProviderIsNotTrustedWith(t *testing.T) {
	established := func(t *testing.T) (*Context, *system, *gsstest.Acceptor) {
		s, a := newSystem(t, 18, nil)
		c, _, err := Use(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		token, err := c.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := a.Accept(token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Step(answer); err != nil {
			t.Fatal(err)
		}
		s.gullible = true
		if _, err := c.Unwrap(a.Wrap([]byte("x"), 0, 28)); err != nil {
			t.Fatal(err)
		}
		return c, s, a
	}
	for _, tt := range []struct {
		name  string
		token func(a *gsstest.Acceptor) []byte
	}{
		{"one is missing", func(a *gsstest.Acceptor) []byte { a.SendSeq++; return a.Wrap([]byte("x"), 0, 28) }},
		{"one comes again", func(a *gsstest.Acceptor) []byte { a.SendSeq--; return a.Wrap([]byte("x"), 0, 28) }},
		{"one is only signed", func(a *gsstest.Acceptor) []byte { return a.Sign([]byte("x"), 12) }},
		{"one is our own", func(a *gsstest.Acceptor) []byte {
			token := a.Wrap([]byte("x"), 0, 28)
			token[2] &^= flagByAcceptor
			return token
		}},
		{"one is of RC4, which is not allowed", func(*gsstest.Acceptor) []byte { return gsstest.Token([]byte{2, 1}, []byte("x")) }},
		{"one is in clear", func(*gsstest.Acceptor) []byte { return []byte("0\x84\x00\x00\x00\x10 an LDAP message") }},
		{"one is empty", func(*gsstest.Acceptor) []byte { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _, a := established(t)
			if got, err := c.Unwrap(tt.token(a)); !errors.Is(err, ErrIntegrity) {
				t.Errorf("got %q, %v", got, err)
			}
			if _, err := c.Unwrap(a.Wrap([]byte("x"), 0, 28)); err == nil {
				t.Error("the context goes on")
			}
		})
	}
	for _, tt := range []struct {
		name   string
		change func(token []byte) []byte
	}{
		{"it does not seal", func(token []byte) []byte { token[2] &^= flagSealed; return token }},
		{"it gives back what it got", func([]byte) []byte { return []byte("a secret, in clear") }},
		{"it gives nothing", func([]byte) []byte { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s, _ := established(t)
			s.change = tt.change
			if token, err := c.Wrap([]byte("a secret, in clear")); err == nil {
				t.Errorf("sends %x", token)
			}
		})
	}
}
