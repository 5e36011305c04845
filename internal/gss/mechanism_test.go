package gss_test

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// proven is a context of GSSAPI whose server has proven itself, which has still to offer
// layers.
func proven(t testing.TB, etype int32, binding []byte) (*gss.Context, *gsstest.Acceptor) {
	t.Helper()
	ticket := gsstest.Ticket(etype)
	c, token := begin(t, ticket, gss.Options{Mechanism: gss.GSSAPI, ChannelBinding: binding, Types: krb5.EncryptionTypes(true)})
	a := gsstest.NewAcceptor(ticket)
	answer, err := a.Accept(token)
	if err != nil {
		t.Fatal(err)
	}
	if a.SPNEGO {
		t.Fatal("the token is inside SPNEGO")
	}
	reply, err := c.Step(answer)
	if err != nil || reply == nil || len(reply) > 0 || c.Established() {
		t.Fatalf("after the proof: %x, %v, established %v; want an empty answer", reply, err, c.Established())
	}
	return c, a
}

var binding = []byte("tls-server-end-point:0123456789abcdef0123456789abcdef")

func TestGSSAPIAgreesOnALayer(t *testing.T) {
	for _, etype := range krb5.EncryptionTypes(true) {
		for _, tt := range []struct {
			name    string
			binding []byte
			offer   byte
			longest uint32
			rrc     uint16
			want    byte
			max     int // of a message; 0: no layer
		}{
			{"sealed, as Samba offers it", nil, 7, 65536, 12, 4, 65536},
			{"sealed, with the smallest buffers", nil, 7, 128, 0, 4, 128},
			{"sealed, with the largest buffers", nil, 4, 0xffffff, 0, 4, 65536},
			{"none inside TLS", binding, 1, 0, 12, 1, 0},
			{"none inside TLS, though there is one", binding, 7, 65536, 0, 1, 0},
		} {
			t.Run(fmt.Sprint(krb5.EncryptionName(etype), ", ", tt.name), func(t *testing.T) {
				c, a := proven(t, etype, tt.binding)
				reply, err := c.Step(a.Offer(tt.offer, tt.longest, tt.rrc))
				if err != nil || !c.Established() {
					t.Fatal(err, c.Established())
				}
				layer, longest, err := a.ReadChoice(reply)
				if err != nil || layer != tt.want || longest != 0xffffff {
					t.Errorf("chose layer %d with buffers of %d, %v", layer, longest, err)
				}
				if tt.max == 0 {
					if _, err := c.Wrap([]byte("x")); err == nil {
						t.Error("wraps inside TLS")
					}
					if _, err := c.Unwrap(a.Wrap([]byte("x"), 0, 0)); err == nil {
						t.Error("unwraps inside TLS")
					}
					return
				}
				// The longest message must fit, and no room be wasted.
				token, err := c.Wrap(make([]byte, c.MaxMessage()))
				if err != nil || len(token) > tt.max || len(token) < tt.max-20 {
					t.Errorf("a token of %d bytes for a buffer of %d, %v", len(token), tt.max, err)
				}
				if _, err := a.Unwrap(token); err != nil {
					t.Error(err)
				}
				if got, err := c.Unwrap(a.Wrap([]byte("x"), 0, 28)); err != nil || string(got) != "x" {
					t.Error(got, err)
				}
				if _, err := c.Step(a.Offer(7, 65536, 0)); err == nil {
					t.Error("a second offer is taken")
				}
			})
		}
	}
}

func TestOffersOfLayersThatAreRefused(t *testing.T) {
	tests := []struct {
		name  string
		bound bool
		offer func(a *gsstest.Acceptor) []byte
		want  error // nil: any
	}{
		{"no sealing", false, func(a *gsstest.Acceptor) []byte { return a.Offer(3, 65536, 0) }, nil},
		{"no layer at all", false, func(a *gsstest.Acceptor) []byte { return a.Offer(1, 0, 0) }, nil},
		{"a layer inside TLS only", true, func(a *gsstest.Acceptor) []byte { return a.Offer(6, 65536, 0) }, nil},
		{"buffers of nothing", false, func(a *gsstest.Acceptor) []byte { return a.Offer(7, 0, 0) }, nil},
		{"buffers in which nothing fits", false, func(a *gsstest.Acceptor) []byte { return a.Offer(7, 60, 0) }, nil},
		{"three bytes", false, func(a *gsstest.Acceptor) []byte { return a.Sign([]byte{7, 0, 0}, 0) }, nil},
		{"five bytes", false, func(a *gsstest.Acceptor) []byte { return a.Sign([]byte{7, 1, 0, 0, 0}, 0) }, nil},
		{"nothing", false, func(*gsstest.Acceptor) []byte { return nil }, gss.ErrIntegrity},
		{"in clear", false, func(*gsstest.Acceptor) []byte { return []byte{7, 1, 0, 0} }, gss.ErrIntegrity},
		{"sealed, not signed", false, func(a *gsstest.Acceptor) []byte { return a.Wrap([]byte{7, 1, 0, 0}, 0, 28) }, gss.ErrIntegrity},
		{"of another number", false, func(a *gsstest.Acceptor) []byte {
			a.SendSeq++
			return a.Offer(7, 65536, 0)
		}, gss.ErrIntegrity},
		{"of another context", false, func(*gsstest.Acceptor) []byte {
			_, other := proven(t, aes256, nil)
			return other.Offer(7, 65536, 0)
		}, gss.ErrIntegrity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b []byte
			if tt.bound {
				b = binding
			}
			c, a := proven(t, aes256, b)
			reply, err := c.Step(tt.offer(a))
			if err == nil || c.Established() || reply != nil {
				t.Fatalf("taken: %x", reply)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := c.Step(a.Offer(7, 65536, 0)); err == nil || c.Established() {
				t.Error("a good offer is taken after a bad one")
			}
		})
	}
	t.Run("every bit counts", func(t *testing.T) {
		for _, etype := range krb5.EncryptionTypes(true) {
			_, probe := proven(t, etype, nil)
			for i := range len(probe.Offer(7, 65536, 12)) * 8 {
				c, a := proven(t, etype, nil)
				offer := a.Offer(7, 65536, 12)
				offer[i/8] ^= 1 << (i % 8)
				// The rotation is not signed, and one more by the whole length changes nothing.
				if rrc := int(binary.BigEndian.Uint16(offer[6:])); etype != krb5.RC4 && rrc%(len(offer)-16) == 12 {
					continue
				}
				if _, err := c.Step(offer); !errors.Is(err, gss.ErrIntegrity) {
					t.Fatalf("%s, bit %d of byte %d: got %v", krb5.EncryptionName(etype), i%8, i/8, err)
				}
			}
		}
	})
}

// Nothing but the checksum of the AP-REQ says what the context is for: it goes encrypted.
func TestChannelBindings(t *testing.T) {
	sum := md5.Sum(append(append(make([]byte, 16), byte(len(binding)), 0, 0, 0), binding...))
	for _, tt := range []struct {
		name  string
		o     gss.Options
		bound []byte
		flags uint32
	}{
		{"GSS-SPNEGO", gss.Options{}, make([]byte, 16), 0x3e},
		{"GSS-SPNEGO inside TLS asks for no layer", gss.Options{ChannelBinding: binding}, sum[:], 0x0e},
		{"GSSAPI", gss.Options{Mechanism: gss.GSSAPI}, make([]byte, 16), 0x3e},
		{"GSSAPI inside TLS has signed tokens to agree on none", gss.Options{Mechanism: gss.GSSAPI, ChannelBinding: binding}, sum[:], 0x2e},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ticket := gsstest.Ticket(aes256)
			_, token := begin(t, ticket, tt.o)
			a := gsstest.NewAcceptor(ticket)
			if err := a.Read(token); err != nil {
				t.Fatal(err)
			}
			got := a.Auth.Cksum.Checksum
			if len(got) != 24 || !bytes.Equal(got[4:20], tt.bound) || binary.LittleEndian.Uint32(got[20:]) != tt.flags {
				t.Errorf("checksum % x, want bindings % x and flags %#x", got, tt.bound, tt.flags)
			}
			if !a.SPNEGO == (tt.o.Mechanism == "") {
				t.Errorf("inside SPNEGO: %v", a.SPNEGO)
			}
		})
	}
	t.Run("inside TLS nothing is wrapped", func(t *testing.T) {
		ticket := gsstest.Ticket(aes256)
		c, token := begin(t, ticket, gss.Options{ChannelBinding: binding})
		a := gsstest.NewAcceptor(ticket)
		answer, err := a.Accept(token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Step(answer); err != nil || !c.Established() {
			t.Fatal(err)
		}
		if _, err := c.Wrap([]byte("x")); err == nil {
			t.Error("wrapped")
		}
		if n := c.MaxMessage(); n != 0 {
			t.Errorf("%d bytes fit into a buffer", n)
		}
	})
}

func TestAContextOfRC4IsAskedFor(t *testing.T) {
	ticket := gsstest.Ticket(krb5.RC4)
	var weak *krb5.WeakError
	if _, err := gss.New(ticket, gss.Options{}); !errors.As(err, &weak) {
		t.Errorf("got %v", err)
	}
	if _, err := gss.New(ticket, gss.Options{Types: krb5.EncryptionTypes(true)}); err != nil {
		t.Error(err)
	}
	if _, err := gss.New(gsstest.Ticket(aes256), gss.Options{Mechanism: "PLAIN"}); err == nil {
		t.Error("a mechanism that there is not")
	}
}

func FuzzOffer(f *testing.F) {
	_, a := proven(f, aes256, nil)
	f.Add(a.Offer(7, 65536, 12))
	_, a = proven(f, krb5.RC4, nil)
	f.Add(a.Offer(7, 65536, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, etype := range []int32{aes256, krb5.AES128SHA256, krb5.RC4} {
			c, _ := proven(t, etype, nil)
			// Nobody but the acceptor can make an offer to this context.
			if _, err := c.Step(b); err == nil || c.Established() {
				t.Fatal("taken")
			}
		}
	})
}

func FuzzGSSAPIAnswer(f *testing.F) {
	ticket := gsstest.Ticket(aes256)
	a := gsstest.NewAcceptor(ticket)
	_, token := begin(f, ticket, gss.Options{Mechanism: gss.GSSAPI})
	good, err := a.Accept(token)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(gsstest.Token(gsstest.KindError, []byte{0x7e, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _ := begin(t, ticket, gss.Options{Mechanism: gss.GSSAPI})
		if _, err := c.Step(b); err == nil {
			t.Fatal("accepted")
		}
	})
}

// Whoever changes a bit of the server's proof ends the bind. Around it there are bits that
// nothing protects and that say nothing, as in tags that gokrb5 does not look at: where one
// goes through, the context is the one that it was.
func TestEveryBitOfAnAnswerCounts(t *testing.T) {
	for _, mechanism := range []gss.Mechanism{gss.SPNEGO, gss.GSSAPI} {
		for _, etype := range []int32{aes256, krb5.RC4} {
			t.Run(fmt.Sprint(mechanism, ", ", krb5.EncryptionName(etype)), func(t *testing.T) {
				ticket := gsstest.Ticket(etype)
				size := 1
				for i := 0; i < size*8; i++ {
					c, token := begin(t, ticket, gss.Options{Mechanism: mechanism, Types: krb5.EncryptionTypes(true)})
					a := gsstest.NewAcceptor(ticket)
					answer, err := a.Accept(token)
					if err != nil {
						t.Fatal(err)
					}
					size = len(answer)
					answer[i/8] ^= 1 << (i % 8)
					if _, err := c.Step(answer); err != nil {
						if !errors.Is(err, gss.ErrMutualAuth) {
							t.Fatalf("bit %d of byte %d: got %v, want ErrMutualAuth", i%8, i/8, err)
						}
						continue
					}
					// The proof is encrypted, and comes last.
					if i/8 >= size-64 {
						t.Fatalf("bit %d of byte %d of %d goes through", i%8, i/8, size)
					}
					if mechanism == gss.GSSAPI {
						if _, err := c.Step(a.Offer(7, 65536, 0)); err != nil {
							t.Fatal(err)
						}
						a.RecvSeq++
					}
					sealed, err := c.Wrap([]byte("x"))
					if err != nil {
						t.Fatal(err)
					}
					if got, err := a.Unwrap(sealed); err != nil || string(got) != "x" {
						t.Fatal(err)
					}
				}
			})
		}
	}
}
