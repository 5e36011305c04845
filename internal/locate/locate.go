// Package locate finds the domain controllers of a domain: by SRV records in DNS, an LDAP ping of each, and the site of
// the client. It binds to none. What DNS and a ping say is anybody's word, so it decides only whom to ask first: a name
// outside the domain is left out, and who the chosen one is, Kerberos must prove.
package locate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/netlogon"
)

// Locator asks DNS and domain controllers.
type Locator struct {
	Resolver Resolver // nil: this host's
	// Dial connects to an IP address and port; nil is net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout is how long one domain controller may take to answer; zero is 3 s.
	Timeout time.Duration
}

// Query says which domain controllers of a domain are wanted.
type Query struct {
	Domain   string // DNS name
	Site     string // to prefer; empty: the client's, as the domain controllers see it
	PDC      bool   // prefer the PDC emulator
	Writable bool   // no read-only ones
}

// DC is a domain controller that answered.
type DC struct {
	Host    string     // DNS name, as DNS has it and as it says itself
	Address netip.Addr // that answered
	Says    netlogon.Response

	priority uint16
	position int // of its record
}

// ReadOnly says whether it cannot be written to and lacks some attributes. One that does not say that it is writable
// counts as read-only.
func (d *DC) ReadOnly() bool {
	return !d.Says.Flags.Has(netlogon.Writable) || d.Says.Flags.Has(netlogon.ReadOnly)
}

// Found are the domain controllers that can be used, the best first, and why the others cannot.
type Found struct {
	Domain   string
	Site     string // of the client or of the query; empty where it is not known
	DCs      []*DC
	Failures []Failure
}

// Failure is a domain controller that cannot be used.
type Failure struct {
	Host string
	Err  error
}

func (f Failure) String() string {
	return f.Host + ": " + strings.ReplaceAll(f.Err.Error(), "\n", "; ")
}

const (
	defaultTimeout = 3 * time.Second
	// lookupTimeout is how long one lookup in DNS may take, all servers and attempts together.
	lookupTimeout = 15 * time.Second
	// grace is how long others are waited for when one that can be used has answered.
	grace = 250 * time.Millisecond
	// wave is how many are asked at once, most how many at all.
	wave = 32
	most = 256
)

// Find finds the domain controllers of a domain that answer. The error is a *NoRecordsError where DNS has none, and a
// *NoneError where none can be used. [MS-ADTS] 6.3.6.
func (l *Locator) Find(ctx context.Context, q Query) (*Found, error) {
	domain, err := domainName(q.Domain)
	if err != nil {
		return nil, err
	}
	if q.Site != "" && !isLabel(q.Site) {
		return nil, fmt.Errorf("site %q: want the name of a site, as Default-First-Site-Name", q.Site)
	}
	s := &search{Locator: l, query: q, found: &Found{Domain: domain, Site: q.Site}, seen: map[string]bool{}}
	if q.PDC {
		// Where the record is missing the others will do: it is a preference.
		var none *NoRecordsError
		if err := s.ask(ctx, "_ldap._tcp.pdc._msdcs."+domain); err != nil && !errors.As(err, &none) {
			return nil, err
		}
	}
	if q.Site != "" {
		// A site without a domain controller has the names of those that stand in for it, so none is a mistake.
		if err := s.ask(ctx, siteName(q.Site, domain)); err != nil {
			return nil, err
		}
	}
	if err := s.ask(ctx, "_ldap._tcp.dc._msdcs."+domain); err != nil {
		return nil, err
	}
	if q.Site == "" {
		if err := s.closer(ctx); err != nil {
			return nil, err
		}
	}
	return s.result()
}

// Ask asks one domain controller, by its DNS name, for the domain.
func (l *Locator) Ask(ctx context.Context, domain, host string) (*DC, error) {
	domain, err := domainName(domain)
	if err != nil {
		return nil, err
	}
	host, err = domainName(host)
	if err == nil {
		err = within(host, domain)
	}
	if err != nil {
		return nil, err
	}
	return l.ask(ctx, domain, host)
}

// KDCs are the Kerberos servers of a realm as host:port, the best first. The error is a *NoRecordsError where DNS has
// none. Nobody is asked whether they are there. RFC 4120, 7.2.3.2.
func (l *Locator) KDCs(ctx context.Context, realm string) ([]string, error) {
	domain, err := domainName(realm)
	if err != nil {
		return nil, err
	}
	records, err := l.srv(ctx, domain, "_kerberos._tcp."+domain)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range records {
		if host, err := domainName(r.Target); err == nil && len(out) < maxKDCs {
			out = append(out, net.JoinHostPort(host, fmt.Sprint(r.Port)))
		}
	}
	if len(out) == 0 {
		return nil, &NoRecordsError{Domain: domain, Name: "_kerberos._tcp." + domain}
	}
	return out, nil
}

// maxKDCs is how many Kerberos servers one may have to wait for.
const maxKDCs = 8

func siteName(site, domain string) string {
	return "_ldap._tcp." + site + "._sites.dc._msdcs." + domain
}

// search is one Find under way.
type search struct {
	*Locator
	query  Query
	found  *Found
	seen   map[string]bool
	unseen int // records beyond the most that are asked
}

// ask looks one name up and asks those that it leads to and that were not asked before.
func (s *search) ask(ctx context.Context, name string) error {
	records, err := s.srv(ctx, s.found.Domain, name)
	if err != nil {
		return err
	}
	var next []*DC
	for _, r := range records {
		host, err := domainName(r.Target)
		if err != nil || s.seen[host] {
			continue
		}
		s.seen[host] = true
		switch err = within(host, s.found.Domain); {
		case err == nil && r.Port != ldapPort:
			err = fmt.Errorf("DNS says port %d, and a domain controller is at %d", r.Port, ldapPort)
		case err == nil && len(s.seen) > most:
			s.unseen++
			continue
		}
		if err != nil {
			s.fail(host, err)
			continue
		}
		next = append(next, &DC{Host: host, priority: r.Priority, position: len(s.seen)})
	}
	for len(next) > 0 {
		n := min(wave, len(next))
		if err := s.pings(ctx, next[:n]); err != nil {
			return err
		}
		next = next[n:]
		if len(next) > 0 && s.satisfied() {
			break
		}
	}
	return nil
}

// satisfied says whether one has answered that nothing speaks against.
func (s *search) satisfied() bool {
	return slices.ContainsFunc(s.found.DCs, func(d *DC) bool { return !d.ReadOnly() })
}

// pings asks several at once. When one that can be written to has answered, the others have little time left.
func (s *search) pings(ctx context.Context, dcs []*DC) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		host string
		dc   *DC
		err  error
	}
	answers := make(chan answer, len(dcs))
	for _, d := range dcs {
		go func() {
			got, err := s.Locator.ask(ctx, s.found.Domain, d.Host)
			if err == nil {
				got.priority, got.position = d.priority, d.position
			}
			answers <- answer{d.Host, got, err}
		}()
	}
	var hurry <-chan time.Time
	waiting := map[string]bool{}
	for _, d := range dcs {
		waiting[d.Host] = true
	}
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hurry:
			for _, d := range dcs {
				if waiting[d.Host] {
					s.fail(d.Host, errSlow)
				}
			}
			return nil
		case a := <-answers:
			delete(waiting, a.host)
			if a.err != nil {
				s.fail(a.host, a.err)
				continue
			}
			s.found.DCs = append(s.found.DCs, a.dc)
			if hurry == nil && !a.dc.ReadOnly() {
				hurry = time.After(grace)
			}
		}
	}
	return ctx.Err()
}

// errSlow is what is known of one that was not waited for.
var errSlow = errors.New("it had not answered when another one had")

func (s *search) fail(host string, err error) {
	s.found.Failures = append(s.found.Failures, Failure{host, err})
}

// closer asks once for those at the client's site, where nobody has answered who is there. [MS-ADTS] 6.3.6.1.
func (s *search) closer(ctx context.Context) error {
	for _, d := range s.found.DCs {
		if site := d.Says.ClientSite; site != "" && isLabel(site) {
			s.found.Site = site
			break
		}
	}
	if s.found.Site == "" || slices.ContainsFunc(s.found.DCs, func(d *DC) bool { return s.near(d) && !d.ReadOnly() }) {
		return nil
	}
	err := s.ask(ctx, siteName(s.found.Site, s.found.Domain))
	// A domain controller's word for the site is no reason to do without those that are known.
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if none := (*NoRecordsError)(nil); errors.As(err, &none) {
		return nil
	}
	return err
}

func (s *search) near(d *DC) bool {
	return strings.EqualFold(d.Says.Site, s.found.Site) || s.query.Site == "" && d.Says.Flags.Has(netlogon.Closest)
}

// result puts the best first.
func (s *search) result() (*Found, error) {
	f := s.found
	if s.unseen > 0 {
		s.fail(fmt.Sprintf("%d more", s.unseen), fmt.Errorf("no more than %d are asked", most))
	}
	if s.query.Writable {
		f.DCs = slices.DeleteFunc(f.DCs, func(d *DC) bool {
			if d.ReadOnly() {
				s.fail(d.Host, ErrReadOnly)
			}
			return d.ReadOnly()
		})
	}
	if len(f.DCs) == 0 {
		return nil, &NoneError{Domain: f.Domain, Failures: f.Failures}
	}
	slices.SortStableFunc(f.DCs, func(a, b *DC) int {
		return cmp.Or(
			before(s.query.PDC && a.Says.Flags.Has(netlogon.PDC), s.query.PDC && b.Says.Flags.Has(netlogon.PDC)),
			before(!a.ReadOnly(), !b.ReadOnly()),
			before(s.near(a), s.near(b)),
			cmp.Compare(a.priority, b.priority),
			cmp.Compare(a.position, b.position),
		)
	})
	return f, nil
}

// before puts who has something in front of who has not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// ErrReadOnly is why a read-only domain controller cannot be used.
var ErrReadOnly = errors.New("it is read-only")

// NoRecordsError says that DNS knows no domain controller of a domain, or none of a site.
type NoRecordsError struct {
	Domain string
	Name   string // that was looked up
	Err    error  // why DNS gave no answer; nil where its answer is that there are none
}

func (e *NoRecordsError) Error() string {
	s := fmt.Sprintf("no domain controllers in DNS for %s (%s)", e.Domain, e.Name)
	if e.Err != nil {
		s = fmt.Sprintf("look up the domain controllers of %s (%s): %v", e.Domain, e.Name, e.Err)
	}
	return s
}

func (e *NoRecordsError) Unwrap() error { return e.Err }

// NoneError says that DNS knows domain controllers, and why none can be used.
type NoneError struct {
	Domain   string
	Failures []Failure
}

// named is how many domain controllers an error names.
const named = 8

func (e *NoneError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no domain controller of %s can be used: ", e.Domain)
	for i, f := range e.Failures {
		if i == named {
			fmt.Fprintf(&b, "; and %d more", len(e.Failures)-named)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// Unwrap gives the causes.
func (e *NoneError) Unwrap() []error {
	var out []error
	for _, f := range e.Failures {
		out = append(out, f.Err)
	}
	return out
}
