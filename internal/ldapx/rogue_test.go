package ldapx

import (
	"errors"
	"net"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
)

// rogueDC is a server of the mechanism GSSAPI that a test plays, round by round.
type rogueDC struct {
	t        *testing.T
	conn     net.Conn
	acceptor *gsstest.Acceptor
	id       int64 // of the bind to answer
}

// next reads the next bind and returns its token.
func (r *rogueDC) next() []byte {
	b, err := readMessage(r.conn)
	if err != nil {
		return nil
	}
	p := ber.DecodePacket(b)
	r.id = p.Children[0].Value.(int64)
	auth := p.Children[1].Children[2]
	if got := auth.Children[0].Value; got != "GSSAPI" {
		r.t.Errorf("bind with %v", got)
	}
	return auth.Children[1].ByteValue
}

// say answers the bind.
func (r *rogueDC) say(code int64, token []byte) {
	op := result(ldap.ApplicationBindResponse, code, "", "")
	if token != nil {
		op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, string(token), ""))
	}
	r.conn.Write(message(r.id, op).Bytes())
}

// prove is the server's proof, which answers the first bind.
func (r *rogueDC) prove() []byte {
	token := r.next()
	reply, err := r.acceptor.Accept(token)
	if err != nil {
		r.t.Error(err)
	}
	return reply
}

// GSSAPI has more places to cheat than GSS-SPNEGO: it takes three rounds.
func TestRogueServersOfGSSAPI(t *testing.T) {
	const more = 14
	flip := func(b []byte) []byte {
		b[len(b)-1] ^= 1
		return b
	}
	tests := []struct {
		name string
		play func(r *rogueDC)
		want error // nil: any
	}{
		{"success at once", func(r *rogueDC) { r.next(); r.say(0, nil) }, gss.ErrMutualAuth},
		{"success with the proof, before the layers", func(r *rogueDC) { r.say(0, r.prove()) }, gss.ErrMutualAuth},
		{"success after the proof, without an offer", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(0, nil)
		}, gss.ErrMutualAuth},
		{"success with the offer", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(0, r.acceptor.Offer(7, 65536, 12))
		}, gss.ErrMutualAuth},
		{"success with one more offer", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(more, r.acceptor.Offer(7, 65536, 12))
			r.next()
			r.say(0, r.acceptor.Offer(1, 0, 12))
		}, gss.ErrMutualAuth},
		{"one more round than there is", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(more, r.acceptor.Offer(7, 65536, 12))
			r.next()
			r.say(more, nil)
		}, nil},
		{"another's proof", func(r *rogueDC) { r.say(more, flip(r.prove())) }, gss.ErrMutualAuth},
		{"no proof, but an offer", func(r *rogueDC) {
			r.prove()
			r.say(more, r.acceptor.Offer(7, 65536, 12))
		}, gss.ErrMutualAuth},
		{"nothing in place of the proof", func(r *rogueDC) { r.next(); r.say(more, nil) }, gss.ErrMutualAuth},
		{"an offer of no seal", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(more, r.acceptor.Offer(3, 65536, 12))
		}, nil},
		{"an offer that somebody changed", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(more, flip(r.acceptor.Offer(7, 65536, 12)))
		}, gss.ErrIntegrity},
		{"the proof twice", func(r *rogueDC) {
			proof := r.prove()
			r.say(more, proof)
			r.next()
			r.say(more, proof)
		}, gss.ErrIntegrity},
		{"the answer to an earlier round", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.id = 1
			r.say(more, r.acceptor.Offer(7, 65536, 12))
		}, nil},
		{"a refusal in the end", func(r *rogueDC) {
			r.say(more, r.prove())
			r.next()
			r.say(more, r.acceptor.Offer(7, 65536, 12))
			r.next()
			r.say(49, nil)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			ticket := gsstest.Ticket(18)
			done := make(chan struct{})
			go func() {
				defer close(done)
				tt.play(&rogueDC{t: t, conn: there, acceptor: gsstest.NewAcceptor(ticket)})
			}()
			security, err := gss.New(ticket, gss.Options{Mechanism: gss.GSSAPI})
			if err != nil {
				t.Fatal(err)
			}
			_, err = bind(t.Context(), here, string(gss.GSSAPI), security, 5*time.Second)
			if err == nil {
				t.Fatal("bound")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			here.Close()
			<-done
		})
	}
	t.Run("an honest one", func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		ticket := gsstest.Ticket(18)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := &rogueDC{t: t, conn: there, acceptor: gsstest.NewAcceptor(ticket)}
			r.say(more, r.prove())
			if token := r.next(); len(token) > 0 {
				t.Errorf("the offer is asked for with % x", token)
			}
			r.say(more, r.acceptor.Offer(7, 65536, 12))
			if layer, _, err := r.acceptor.ReadChoice(r.next()); err != nil || layer != 4 {
				t.Errorf("chose %d, %v", layer, err)
			}
			r.say(0, nil)
		}()
		security, err := gss.New(ticket, gss.Options{Mechanism: gss.GSSAPI})
		if err != nil {
			t.Fatal(err)
		}
		trips, err := bind(t.Context(), here, string(gss.GSSAPI), security, 5*time.Second)
		<-done
		if err != nil || trips != 3 {
			t.Errorf("%d round trips, %v", trips, err)
		}
	})
}
