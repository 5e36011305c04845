package ldapx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

func TestRetryable(t *testing.T) {
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"the connection was reset", &ConnectionError{Op: "read", Err: reset}, true},
		{"the server hung up", &ConnectionError{Op: "read", Err: io.EOF}, true},
		{"a notice of disconnection", &ConnectionError{Op: "read", Err: &NoticeError{Code: 52}}, true},
		{"silence", &ConnectionError{Op: "read", Err: &SilenceError{time.Second}}, true},
		{"behind other words", fmt.Errorf("5 objects had come, and not all: %w", &ConnectionError{Op: "read", Err: io.EOF}), true},
		{"it cannot be reached", &DialError{Address: "dc1:389", Err: context.DeadlineExceeded}, true},
		{"a reset in the bind", &BindError{StageBind, reset}, true},
		{"a hang-up in the bind", &BindError{StageBind, fmt.Errorf("read bind answer: %w", io.EOF)}, true},
		{"busy", &ResultError{Op: "read", Code: CodeBusy}, true},
		{"unavailable in the bind", &BindError{StageBind, &ResultError{Op: "bind", Code: CodeUnavailable}}, true},
		{"another server", &OtherServerError{"CN=DC1", "CN=DC2"}, true},
		{"an interrupt", &ConnectionError{Op: "read", Err: context.Canceled}, false},
		{"an interrupt while it connects", &DialError{Address: "dc1:389", Err: context.Canceled}, false},
		{"what was sent was tampered with", &ConnectionError{Op: "read", Err: gss.ErrIntegrity}, false},
		{"no proof", &BindError{StageBind, gss.ErrMutualAuth}, false},
		{"no LDAP", &ConnectionError{Op: "read", Err: errNotLDAP}, false},
		{"the ticket has ended", &TicketEndedError{Err: &krb5.ExpiredError{}}, false},
		{"no right", &ResultError{Op: "read", Code: CodeInsufficientAccess}, false},
		{"a limit", &ResultError{Op: "read", Code: CodeTimeLimit}, false},
		{"a wrong password", &BindError{StageTicket, &krb5.Error{Code: krb5.PreauthFailed}}, false},
		{"no such object", &directory.NotFoundError{DN: "CN=a"}, false},
	}
	for _, tt := range tests {
		if got := Retryable(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestHeldTicket(t *testing.T) {
	ticket := func(left time.Duration) *krb5.Ticket {
		ticket := gsstest.Ticket(18)
		ticket.Ends = time.Now().Add(left)
		return ticket
	}
	good, over, short := ticket(time.Hour), ticket(-time.Minute), ticket(ticketMargin/2)
	missing := &BindError{StageCredentials, &NoTicketError{}}
	unreachable := &DialError{Address: "dc1:88", Err: io.EOF}
	tests := []struct {
		name     string
		held     *krb5.Ticket
		password bool
		got      *krb5.Ticket // from the cache or the KDC
		err      error
		want     *krb5.Ticket
		ended    bool
		asked    bool
	}{
		{"the first one", nil, true, good, nil, good, false, true},
		{"the first one cannot be had", nil, true, nil, missing, nil, false, true},
		{"one that is good", good, false, nil, missing, good, false, false},
		{"one that is over, and the cache has another", over, false, good, nil, good, false, true},
		{"one that will soon be over", short, false, good, nil, good, false, true},
		{"one that is over, and the cache has none", over, false, nil, missing, nil, true, true},
		{"one that is over, and nobody reaches the KDC", over, false, nil, unreachable, nil, false, true},
		{"one that is over, and a password is asked for once", over, true, good, nil, nil, true, false},
	}
	for _, tt := range tests {
		asked := false
		h := &held{ticket: tt.held}
		got, err := h.get(func() (*krb5.Ticket, error) {
			asked = true
			return tt.got, tt.err
		}, tt.password)
		var ended *TicketEndedError
		if got != tt.want || (err == nil) != (tt.want != nil) || errors.As(err, &ended) != tt.ended || asked != tt.asked {
			t.Errorf("%s: got %v, %v, asked %v", tt.name, got, err, asked)
		}
	}
}

// hangsUp is a forest whose sessions with these numbers break at the first request.
func hangsUp(t *testing.T, which func(n int) bool) *stubForest {
	f := ordinary(t)
	f.broken = which
	return f
}

func TestAResetAfterTheBind(t *testing.T) {
	t.Run("of the first session is one of the reading", func(t *testing.T) {
		f := hangsUp(t, func(int) bool { return true })
		got, err := f.sweep(f.pool(2))
		var broken *ConnectionError
		if !errors.As(err, &broken) || !Retryable(err) || len(got) != 0 {
			t.Errorf("%d objects, %v", len(got), err)
		}
	})
	t.Run("of the second one is done without it", func(t *testing.T) {
		f := hangsUp(t, func(n int) bool { return n > 0 })
		if got, err := f.sweep(f.pool(2)); err != nil || !maps.Equal(got, f.want()) {
			t.Errorf("%d objects, %v", len(got), err)
		}
	})
	t.Run("of the one after a break is tried again", func(t *testing.T) {
		f := hangsUp(t, func(n int) bool { return n == 1 })
		f.disturb = func(n int, _ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) { return []*ber.Packet{m}, n == 50 }
		if got, err := f.sweep(f.pool(1)); err != nil || !maps.Equal(got, f.want()) || f.bound != 3 {
			t.Errorf("%d objects over %d sessions, %v", len(got), f.bound, err)
		}
	})
}

// A domain controller that died in mid-sweep cannot be reached again; another one may do.
func TestADomainControllerThatDied(t *testing.T) {
	for connections := 1; connections <= 2; connections++ {
		f := ordinary(t)
		f.refuse = func(n int) error {
			if n >= connections {
				return &DialError{Address: "dc1:389", Err: syscall.ECONNREFUSED}
			}
			return nil
		}
		f.disturb = func(n int, _ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) { return []*ber.Packet{m}, n >= 90 }
		got, err := f.sweep(f.pool(connections))
		var unreachable *DialError
		if len(got) == 0 || !errors.As(err, &unreachable) || !Retryable(err) {
			t.Errorf("%d objects, %v", len(got), err)
		}
	}
}

// Other queries go over another session, too, once it is known which server that must be.
func TestQueriesGetOverABreak(t *testing.T) {
	f := ordinary(t)
	p := f.pool(1)
	if _, err := f.sweep(p); err != nil {
		t.Fatal(err)
	}
	p.slots[0].s.end(io.EOF)
	got, err := directory.Collect(p.Read(t.Context(), directory.Query{Base: stubBase, Attrs: []string{"objectClass"}}))
	if err != nil || len(got) != 1 || f.bound != 2 {
		t.Errorf("got %v, %v over %d sessions", got, err, f.bound)
	}
}

// A session writes once, whatever becomes of the connection, and opens no other one for it.
func TestAWriteIsSentOnce(t *testing.T) {
	tests := []struct {
		name    string
		applied bool
		end     func(d *dc)
	}{
		{"the connection dies before it takes effect", false, func(d *dc) { d.conn.Close() }},
		{"the connection dies after it took effect", true, func(d *dc) { d.conn.Close() }},
		{"a notice before it takes effect", false, func(d *dc) { d.send(notice(52, "bye", oidNotice).Bytes()) }},
		{"a notice after it took effect", true, func(d *dc) { d.send(notice(52, "bye", oidNotice).Bytes()) }},
		{"silence after it took effect", true, func(*dc) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			writes, stored := 0, "before"
			answer := func(d *dc, r *request) []*ber.Packet {
				mu.Lock()
				defer mu.Unlock()
				if r.op.Tag != ldap.ApplicationModifyRequest {
					return []*ber.Packet{r.entry(r.base, values{descriptorAttr: {stored}}), r.done(0, "", "")}
				}
				if writes++; tt.applied {
					stored = string(r.op.Children[1].Children[0].Children[1].Children[1].Children[0].ByteValue)
				}
				tt.end(d)
				return nil
			}
			s := serve(t, 300*time.Millisecond, answer)
			s.another = func(context.Context) (*Session, error) {
				t.Error("another session is opened")
				return nil, io.EOF
			}
			err := s.WriteDACL(t.Context(), "CN=a", descriptor)
			var unknown *ConnectionError
			var refused interface{ Refused() bool }
			if !errors.As(err, &unknown) || errors.As(err, &refused) {
				t.Fatalf("got %v", err)
			}
			if err := s.WriteDACL(t.Context(), "CN=a", descriptor); !errors.As(err, &unknown) {
				t.Errorf("written again: %v", err)
			}
			// What became of it is read over a session of its own.
			want := "before"
			if tt.applied {
				want = string(descriptor)
			}
			got, err := collect(t, serve(t, time.Minute, answer), directory.Query{Base: "CN=a", Descriptor: true})
			if err != nil || string(got[0].Value(descriptorAttr)) != want {
				t.Errorf("got %v, %v", got, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if writes != 1 {
				t.Errorf("sent %d times", writes)
			}
		})
	}
}
