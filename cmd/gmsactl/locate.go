package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/locate"
	"github.com/gmsactl/gmsactl/internal/report"
)

// purpose is what a session is for. It decides which domain controller will do.
type purpose struct {
	writes bool   // no read-only one
	domain string // of the file that is applied; empty: the flags say which
	pinned string // the domain controller that the file was made from
	// failover lets others stand in for the pinned one.
	failover bool
}

// candidates are the domain controllers that a session may be with, one after another.
type candidates struct {
	app      *app
	domain   string
	pinned   string
	next     []candidate
	failures []locate.Failure
}

// candidate is one domain controller and the way to it.
type candidate struct {
	host    string
	located bool // by DNS, so that Kerberos must prove more than its name
	warning string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// maxTried is how many domain controllers a command tries to bind to.
const maxTried = 5

// candidates names the domain controllers for a purpose: the one that --dc names and no other, or those that are found.
func (a *app) candidates(ctx context.Context, p purpose) (*candidates, error) {
	c := &a.connect
	l, err := a.locator()
	if err != nil {
		return nil, err
	}
	if c.dc != "" {
		only := candidate{host: c.dc, dial: a.dial}
		if c.dns != "" {
			only.dial = l.DialContext
		}
		return &candidates{app: a, domain: c.domain, next: []candidate{only}}, nil
	}
	domain := c.domain
	if domain == "" {
		domain = p.domain
	}
	if domain == "" {
		if domain, err = c.home(); err != nil {
			return nil, err
		}
	}
	out := &candidates{app: a, domain: domain, pinned: p.pinned}
	if p.pinned != "" {
		pinned, err := l.Ask(ctx, domain, p.pinned)
		if err == nil && p.writes && pinned.ReadOnly() {
			err = locate.ErrReadOnly
		}
		switch {
		case err == nil:
			out.add(l, pinned)
			if !p.failover {
				return out, nil
			}
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !p.failover:
			return nil, &pinnedError{p.pinned, err}
		default:
			out.failures = append(out.failures, locate.Failure{Host: p.pinned, Err: err})
		}
	}
	found, err := l.Find(ctx, locate.Query{Domain: domain, Site: c.site, PDC: c.pdc, Writable: p.writes})
	if err != nil {
		// The pinned one is enough where it answers.
		if len(out.next) > 0 && ctx.Err() == nil {
			return out, nil
		}
		return nil, err
	}
	a.found(found)
	for _, f := range found.Failures {
		if !strings.EqualFold(f.Host, p.pinned) {
			out.failures = append(out.failures, f)
		}
	}
	for _, d := range found.DCs {
		if !slices.ContainsFunc(out.next, func(have candidate) bool { return have.host == d.Host }) && len(out.next) < maxTried {
			out.add(l, d)
		}
	}
	return out, nil
}

func (c *candidates) add(l *locate.Locator, d *locate.DC) {
	n := candidate{host: d.Host, located: true, dial: l.DialDC(d)}
	if d.ReadOnly() {
		n.warning = fmt.Sprintf("%s is read-only, and no writable domain controller of %s answers: what it does not hold of an object looks as if it were not there", d.Host, c.domain)
	}
	c.next = append(c.next, n)
}

// locator asks the DNS server of --dns, or this host's.
func (a *app) locator() (*locate.Locator, error) {
	l := &locate.Locator{Dial: a.dial}
	if a.connect.dns != "" {
		r, err := locate.NewResolver(a.connect.dns)
		if err != nil {
			return nil, fmt.Errorf("--dns: %w", err)
		}
		l.Resolver = r
	}
	return l, nil
}

// home is the domain of who asks, where no flag names one: of the ticket, the key or the name, then of the logon to
// Windows.
func (c *connection) home() (string, error) {
	realm := ""
	switch {
	case c.keytab != "":
		keytab, err := krb5.ReadKeytab(c.keytab)
		if err != nil {
			return "", err
		}
		if first, ok := keytab.First(); ok {
			realm = first.Realm
		}
		keytab.Wipe()
	case c.ccache != "":
		cache, err := krb5.ReadCCache(c.ccache)
		if err != nil {
			return "", err
		}
		realm = cache.Client.Realm
		cache.Wipe()
	case c.user == "":
		if cache, err := krb5.ReadDefaultCCache(); err == nil {
			realm = cache.Client.Realm
			cache.Wipe()
		} else if kind := (*krb5.CacheTypeError)(nil); errors.As(err, &kind) {
			return "", err
		}
	}
	if _, suffix, ok := strings.Cut(c.user, "@"); ok && realm == "" {
		realm = suffix
	}
	if realm == "" {
		realm = os.Getenv("USERDNSDOMAIN")
	}
	if realm == "" {
		return "", errNoDC
	}
	return strings.ToLower(realm), nil
}

// session binds to the first candidate that can be bound to. Who is asked next was not bound to, or did not answer;
// nobody is after a refusal, for that may count against the account. RFC 4120, 7.5.9.
func (c *candidates) session(ctx context.Context) (*ldapx.Session, error) {
	for len(c.next) > 0 {
		n := c.next[0]
		c.next = c.next[1:]
		s, err := c.app.bind(ctx, n, c.domain)
		if err == nil {
			if n.warning != "" {
				c.app.warn(n.warning)
			}
			for _, f := range c.failures {
				if strings.EqualFold(f.Host, c.pinned) {
					c.app.warn(fmt.Sprintf("%s cannot be used, so this goes to %s: %s", f.Host, n.host, f.Err))
				}
			}
			return s, nil
		}
		if ctx.Err() != nil || !n.located || !elsewhere(err) || c.app.logon.Spent() {
			return nil, err
		}
		c.failures = append(c.failures, locate.Failure{Host: n.host, Err: err})
	}
	return nil, &locate.NoneError{Domain: c.domain, Failures: c.failures}
}

// elsewhere says whether an error is of the domain controller, so that another one may do better, and neither a refusal
// nor a server that is not what it should be.
func elsewhere(err error) bool {
	var (
		unreachable *ldapx.DialError
		broken      *ldapx.ConnectionError
		result      *ldapx.ResultError
		refused     *krb5.Error
		network     net.Error
	)
	switch {
	case isMutualAuth(err), errors.Is(err, ldapx.ErrSpent):
		return false
	case errors.As(err, &refused):
		return refused.Code == krb5.ServiceUnknown // it has not heard of itself yet, which says nothing of the account
	case errors.As(err, &result):
		return result.Code == ldapx.CodeBusy || result.Code == ldapx.CodeUnavailable
	}
	return errors.As(err, &unreachable) || errors.As(err, &broken) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// read has a command that only reads do so from a domain controller, or a capture. Where the connection breaks the whole
// of it is read again from the next domain controller, if one was found: parts of two would be a view that neither had.
// What f gives to the outside it must give after read has returned.
func (a *app) read(ctx context.Context, p purpose, f func(directory.Reader) error) error {
	if a.connect.from != "" {
		r, done, err := a.capture(ctx)
		if err != nil {
			return err
		}
		defer done()
		return f(r)
	}
	if err := a.connect.check(); err != nil {
		return err
	}
	c, err := a.candidates(ctx, p)
	if err != nil {
		return err
	}
	for {
		s, err := c.session(ctx)
		if err != nil {
			return err
		}
		pool := ldapx.NewPool(s, a.connect.connections)
		err = f(pool)
		_ = pool.Close()
		if err == nil || ctx.Err() != nil || !ldapx.Retryable(err) || len(c.next) == 0 {
			return err
		}
		host := s.Server().Host
		c.failures = append(c.failures, locate.Failure{Host: host, Err: err})
		a.warn(fmt.Sprintf("%s broke off (%s); everything is read again from another domain controller", host, oneLine(err.Error())))
	}
}

// warn says what does not end a command.
func (a *app) warn(text string) {
	fmt.Fprintf(a.stderr, "gmsactl: warning: %s\n", report.Printable(oneLine(text)))
}

// pinnedError says that the domain controller that a file was made from cannot be used.
type pinnedError struct {
	host string
	err  error
}

func (e *pinnedError) Error() string {
	return fmt.Sprintf("the domain controller that this was made from, %s, cannot be used: %v", e.host, e.err)
}

func (e *pinnedError) Unwrap() error { return e.err }

// readOnlyError says that a domain controller cannot be written to.
type readOnlyError struct {
	host     string
	writable string // one that can; empty where none was found
}

func (e *readOnlyError) Error() string {
	return e.host + " is a read-only domain controller, and changes take a writable one"
}

// needWritable refuses a read-only domain controller and names one that is not.
func (a *app) needWritable(ctx context.Context, d *directory.Domain) error {
	if !d.ReadOnly {
		return nil
	}
	out := &readOnlyError{host: d.Host}
	if l, err := a.locator(); err == nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if found, err := l.Find(ctx, locate.Query{Domain: d.DNS, Site: a.connect.site, PDC: a.connect.pdc, Writable: true}); err == nil {
			out.writable = found.DCs[0].Host
		}
	}
	return out
}

// locateHint is the next step where no domain controller was found that will do.
func locateHint(err error) string {
	var (
		pinned   *pinnedError
		readOnly *readOnlyError
		records  *locate.NoRecordsError
		none     *locate.NoneError
		outside  *locate.OutsideError
	)
	switch {
	case errors.As(err, &pinned):
		return "repeat it when that one is back; --dc-failover takes another one that can be written to, --dc the one that you name"
	case errors.As(err, &readOnly) && readOnly.writable != "":
		return "--dc " + readOnly.writable + " is writable"
	case errors.As(err, &readOnly):
		return "name a writable domain controller with --dc"
	case errors.As(err, &records) && strings.Contains(records.Name, "._sites."):
		return "look at the spelling of --site, or leave it out"
	case errors.As(err, &records):
		return "look at the spelling of the domain, which is its DNS name; name a DNS server that knows it with --dns, or a domain controller with --dc"
	case errors.As(err, &none) && errors.As(err, &outside):
		return fmt.Sprintf("if %s is really a domain controller of %s, name it with --dc and the domain with --domain", outside.Host, outside.Domain)
	case errors.As(err, &none):
		return "port 389 must be open from here, over UDP or TCP, and TCP port 88; --dc takes one domain controller without looking for it"
	}
	return ""
}
