package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Resolver looks names up in DNS; *net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// NewResolver asks one DNS server, an address or address:port, for everything but what this host's own hosts file has.
func NewResolver(server string) (*net.Resolver, error) {
	at, err := netip.ParseAddrPort(server)
	if err != nil {
		addr, err := netip.ParseAddr(trimBrackets(server))
		if err != nil {
			return nil, fmt.Errorf("DNS server %q: want an address, or address:port", server)
		}
		at = netip.AddrPortFrom(addr, 53)
	}
	if at.Port() == 0 || at.Addr().IsUnspecified() || at.Addr().IsMulticast() {
		return nil, fmt.Errorf("DNS server %q: want an address, or address:port", server)
	}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, at.String())
			if err != nil {
				return nil, err
			}
			return conn, nil
		},
	}, nil
}

func trimBrackets(s string) string {
	if n := len(s); n > 2 && s[0] == '[' && s[n-1] == ']' {
		return s[1 : n-1]
	}
	return s
}

func (l *Locator) resolver() Resolver {
	if l.Resolver == nil {
		return net.DefaultResolver
	}
	return l.Resolver
}

// srv looks up SRV records, in the order of their priorities and, within one, a random one by their weights. RFC 2782.
func (l *Locator) srv(ctx context.Context, domain, name string) ([]*net.SRV, error) {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	// The dot at the end keeps a search list from making another domain of it.
	_, records, err := l.resolver().LookupSRV(limited, "", "", name+".")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(records) > 0 {
		return records, nil // an error beside records is about others that are malformed
	}
	return nil, &NoRecordsError{Domain: domain, Name: name, Err: reason(err)}
}

// addresses looks up a host. Those of one kind come as DNS gave them.
func (l *Locator) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := l.resolver().LookupNetIP(limited, "ip", host+".")
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && reason(err) == nil, err == nil && len(found) == 0:
		return nil, errors.New("DNS has no address of it")
	case err != nil:
		return nil, fmt.Errorf("look up its address: %w", reason(err))
	}
	out := found[:0]
	for _, a := range found {
		out = append(out, a.Unmap())
	}
	return out, nil
}

// reason is why a lookup had no answer; nil where the answer was that there is nothing. The server that the error names
// is the one of this host's configuration, whichever was asked.
func reason(err error) error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return err
	}
	switch {
	case dns.IsNotFound:
		return nil
	case dns.IsTimeout:
		return errors.New("the DNS server does not answer")
	}
	return errors.New(dns.Err)
}

// DialContext connects to host:port, whose address it looks up; an IP address needs no lookup. Of several addresses
// another one is tried, too, as soon as one fails or takes long. RFC 8305.
func (l *Locator) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q of %s", port, host)
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, ip)
	} else if addrs, err = l.addresses(ctx, host); err != nil {
		return nil, fmt.Errorf("%s: %w", host, err)
	}
	return race(ctx, addrs, stagger, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return l.dial(ctx, network, netip.AddrPortFrom(a, uint16(number)))
	}, func(c net.Conn) { c.Close() })
}

// DialDC is DialContext, but the domain controller is dialed where it answered.
func (l *Locator) DialDC(d *DC) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.EqualFold(host, d.Host) {
			address = net.JoinHostPort(d.Address.String(), port)
		}
		return l.DialContext(ctx, network, address)
	}
}

const stagger = 250 * time.Millisecond

func (l *Locator) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if l.Dial != nil {
		return l.Dial(ctx, network, to.String())
	}
	return new(net.Dialer).DialContext(ctx, network, to.String())
}

// race tries one after another, the next when one fails or the time between two is over, until one succeeds. What comes
// too late is dropped. Without a success the error holds all of them.
func race[K, V any](ctx context.Context, of []K, between time.Duration, try func(context.Context, K) (V, error), drop func(V)) (V, error) {
	var none V
	if len(of) == 0 {
		return none, errors.New("there is no address")
	}
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		v   V
		err error
	}
	results := make(chan result)
	defer cancel()
	running, begun := 0, 0
	begin := func() {
		k := of[begun]
		begun, running = begun+1, running+1
		go func() {
			v, err := try(ctx, k)
			select {
			case results <- result{v, err}:
			case <-ctx.Done():
				if err == nil && drop != nil {
					drop(v)
				}
			}
		}()
	}
	begin()
	var errs []error
	for {
		var next <-chan time.Time
		if begun < len(of) {
			next = time.After(between)
		}
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-next:
			begin()
		case r := <-results:
			running--
			if r.err == nil {
				return r.v, nil
			}
			errs = append(errs, r.err)
			switch {
			case begun < len(of):
				begin()
			case running == 0:
				return none, errors.Join(errs...)
			}
		}
	}
}
