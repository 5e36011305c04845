package ldapx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// counts is how often each object comes, with its descriptor.
func counts(t *testing.T, r directory.Reader, base string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for e, err := range r.Read(t.Context(), directory.Query{Base: base, Scope: directory.Subtree, Attrs: []string{"objectClass"}, Descriptor: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprintf("%s %x", e.DN, e.Value(descriptorAttr))]++
	}
	return got
}

// Read in parts over several connections, a naming context is what one search gives.
func TestLabPartsAreTheWhole(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "parts")
	user := lab.CreateUser(t, "parts", secret)
	var ldif strings.Builder
	add := func(rdns, class string) {
		fmt.Fprintf(&ldif, "dn: %s,%s\nobjectClass: %s\n\n", rdns, ou, class)
	}
	add("OU=shown", "organizationalUnit")
	add("OU=hidden", "organizationalUnit")
	add("OU=below,OU=hidden", "organizationalUnit")
	add("OU=deep,OU=below,OU=hidden", "organizationalUnit")
	for i := range 70 {
		add(fmt.Sprintf("CN=contact %d,OU=shown", i), "contact")
	}
	add("CN=contact,OU=deep,OU=below,OU=hidden", "contact")
	lab.RunInput(t, ldif.String(), "ldbadd", "-H", database)
	// Nobody but administrators may list what is in it, and anybody what is below that.
	everybody := "(A;CI;LCRPRC;;;AU)"
	lab.RunInput(t, "dn: OU=hidden,"+ou+"\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor: O:DAG:DAD:P(A;;RPRC;;;AU)(A;CI;GA;;;DA)\n\n"+
		"dn: OU=below,OU=hidden,"+ou+"\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor: O:DAG:DAD:P(A;CI;GA;;;DA)"+everybody+"\n", "ldbmodify", "-H", database)

	for _, who := range []struct {
		name string
		c    Config
	}{{"an administrator", admin(lab)}, {"a user", as(lab, user.SAMAccountName, secret)}} {
		t.Run(who.name, func(t *testing.T) {
			s := dial(t, who.c)
			p := NewPool(s, 3)
			defer p.Close()
			for _, base := range []string{ou, lab.BaseDN, "CN=Configuration," + lab.BaseDN} {
				want := counts(t, s, base)
				got := counts(t, p, base)
				if !maps.Equal(got, want) {
					t.Errorf("%s: %d objects in parts, %d at once", base, len(got), len(want))
					for dn := range want {
						if got[dn] != 1 {
							dn, _, _ = strings.Cut(dn, " ")
							t.Errorf("%s: %d times", dn, got[dn])
						}
					}
				}
				below := 0
				for dn := range got {
					if strings.Contains(dn, "OU=hidden,") {
						below++
					}
				}
				t.Logf("%s: %d objects, %d of them at or below the hidden one", base, len(got), below)
			}
			if opened := p.slots[1].s; opened == nil || opened.Stats().RoundTrips < 4 {
				t.Error("nothing went over the second connection")
			}
		})
	}
}

// breaker passes on so many bytes that come, and then breaks all connections, once.
type breaker struct {
	mu    sync.Mutex
	conns []net.Conn
	left  atomic.Int64
	dials atomic.Int64
}

type breaking struct {
	net.Conn
	b *breaker
}

func (c breaking) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if left := c.b.left.Add(-int64(n)); left < 0 && left+int64(n) >= 0 {
		c.b.mu.Lock()
		defer c.b.mu.Unlock()
		for _, conn := range c.b.conns {
			conn.Close()
		}
	}
	return n, err
}

func (b *breaker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	b.dials.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, conn)
	return breaking{conn, b}, nil
}

// With a password that may be asked for once, a sweep goes on after its connections broke.
func TestLabSweepGetsOverABreak(t *testing.T) {
	lab := labtest.Require(t)
	s := dial(t, admin(lab))
	want := counts(t, s, lab.BaseDN)
	whole := s.Stats().BytesIn
	for _, connections := range []int{1, 2} {
		for _, share := range []int64{30, 60, 90} {
			b := &breaker{}
			b.left.Store(1 << 40)
			c := admin(lab)
			c.Dial = b.dial
			asked, ask := 0, c.Password
			c.Password = func() ([]byte, error) {
				asked++
				return ask()
			}
			p := NewPool(dial(t, c), connections)
			b.left.Store(whole * share / 100)
			got := counts(t, p, lab.BaseDN)
			if b.left.Load() > 0 || !maps.Equal(got, want) {
				t.Errorf("%d connections, broken after %d%%: %d objects, want %d", connections, share, len(got), len(want))
			}
			if asked != 1 {
				t.Errorf("the password was asked for %d times", asked)
			}
			p.Close()
		}
	}
}

// The domain controller ends a session with its ticket. A sweep goes on with what is in the
// credential cache by then, or says when the ticket ended.
func TestLabTicketEnds(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "ends", secret)
	const life = 12 * time.Second
	begun := time.Now()
	// For the service itself: of a ticket-granting ticket that short Samba gives no other.
	path := kinit(t, lab, user.SAMAccountName, "", "-l", life.String(), "-S", "ldap/"+lab.DC)
	later, err := os.ReadFile(kinit(t, lab, user.SAMAccountName, ""))
	if err != nil {
		t.Fatal(err)
	}
	s := dial(t, Config{DC: lab.DC, CCache: path, Timeout: 20 * time.Second})
	if left := s.Server().TicketEnds.Sub(begun); left > 2*life {
		t.Fatalf("the ticket is good for %v", left)
	}
	p := NewPool(s, 2)
	defer p.Close()
	want := counts(t, p, "CN=Users,"+lab.BaseDN)
	time.Sleep(time.Until(s.Server().TicketEnds.Add(2 * time.Second)))
	_, err = directory.Collect(s.Read(t.Context(), directory.Query{Base: lab.BaseDN, Attrs: []string{"cn"}}))
	var broken *ConnectionError
	if !errors.As(err, &broken) || !Retryable(err) {
		t.Errorf("a session whose ticket has ended: %v", err)
	}
	t.Log(err)
	_, err = directory.Collect(p.Read(t.Context(), directory.Query{Base: lab.BaseDN, Scope: directory.Subtree, Descriptor: true}))
	var ended *TicketEndedError
	if !errors.As(err, &ended) || !ended.Ended.Equal(s.Server().TicketEnds) {
		t.Errorf("a sweep whose ticket has ended: %v", err)
	}
	t.Log(err)
	if err := os.WriteFile(path, later, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, p, "CN=Users,"+lab.BaseDN); !maps.Equal(got, want) {
		t.Errorf("with another ticket %d objects, want %d", len(got), len(want))
	}
}
