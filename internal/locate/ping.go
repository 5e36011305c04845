package locate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/netlogon"
)

const (
	ldapPort = 389
	// again is how long a datagram may take before it counts as lost.
	again = 700 * time.Millisecond
	// patience is how long UDP is given before TCP is tried, too: firewalls drop the one and let the other through.
	patience = 300 * time.Millisecond
	// maxAddresses is how many addresses of one host are asked.
	maxAddresses = 8
)

// ask asks the addresses of a host for a domain, and holds the answer to what was asked.
func (l *Locator) ask(ctx context.Context, domain, host string) (*DC, error) {
	timeout := l.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	addrs, err := l.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dc, err := race(limited, addrs[:min(len(addrs), maxAddresses)], patience, func(ctx context.Context, a netip.Addr) (*DC, error) {
		says, err := l.ping(ctx, a, domain)
		if err == nil {
			err = check(says, domain, host)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
		return &DC{Host: host, Address: a, Says: *says}, nil
	}, nil)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer within %s to UDP or TCP port %d (%s)", timeout, ldapPort, list(addrs))
	}
	return dc, err
}

func list(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// check refuses the answer of another host, of another domain, or of one that cannot do what is asked of it.
func check(says *netlogon.Response, domain, host string) error {
	switch {
	case !strings.EqualFold(says.Domain, domain):
		return fmt.Errorf("it is of the domain %s", says.Domain)
	case !strings.EqualFold(says.Host, host):
		return fmt.Errorf("it calls itself %s", says.Host)
	case !says.Flags.Has(netlogon.LDAP | netlogon.KDC):
		return errors.New("it does not serve both LDAP and Kerberos")
	}
	return nil
}

// ping asks one address over UDP and, when that takes long or fails, over TCP.
func (l *Locator) ping(ctx context.Context, a netip.Addr, domain string) (*netlogon.Response, error) {
	to := netip.AddrPortFrom(a, ldapPort)
	return race(ctx, []string{"udp", "tcp"}, patience, func(ctx context.Context, network string) (*netlogon.Response, error) {
		conn, err := l.dial(ctx, network, to)
		if err != nil {
			return nil, over(network, err)
		}
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
		exchange := datagrams
		if network == "tcp" {
			exchange = stream
		}
		says, err := exchange(conn, domain)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, over(network, err)
		}
		return says, nil
	}, nil)
}

// over says which way an error came, where the error does not.
func over(network string, err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("%s port %d: %w", strings.ToUpper(network), ldapPort, err)
}

// datagrams sends the question, again when no answer comes, and reads until the connection is closed. What is not an
// answer is passed over: anybody may have sent it.
func datagrams(conn net.Conn, domain string) (*netlogon.Response, error) {
	id := uint16(rand.N(0xffff) + 1)
	question := netlogon.Request(id, domain)
	b := make([]byte, netlogon.MaxAnswer+1)
	for {
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(again)); err != nil {
			return nil, err
		}
		for {
			n, err := conn.Read(b)
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				break
			}
			if err != nil {
				return nil, err
			}
			says, err := netlogon.ParseAnswer(b[:n], id)
			if err == nil || definite(err) {
				return says, err
			}
		}
	}
}

// definite says whether an error is an answer.
func definite(err error) bool {
	paused := (*netlogon.PausedError)(nil)
	return errors.Is(err, netlogon.ErrNotHosted) || errors.Is(err, netlogon.ErrOld) || errors.As(err, &paused)
}

// stream asks over a connection, which has nothing else on it.
func stream(conn net.Conn, domain string) (*netlogon.Response, error) {
	const id = 1
	if _, err := conn.Write(netlogon.Request(id, domain)); err != nil {
		return nil, err
	}
	b := make([]byte, 0, netlogon.MaxAnswer+1)
	for {
		n, err := conn.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if n > 0 {
			says, bad := netlogon.ParseAnswer(b, id)
			if bad != io.ErrUnexpectedEOF {
				return says, bad
			}
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			return nil, errors.New("the answer has no end")
		}
	}
}
