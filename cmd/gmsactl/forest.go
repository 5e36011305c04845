package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/report"
)

// takesSeveral marks the commands that take more than one domain.
var takesSeveral = map[string]string{"domains": "several"}

// several says whether more than one domain is meant.
func (c *connection) several() bool {
	return c.forest || len(c.domains) > 1 || len(c.dcs) > 1 || len(c.froms) > 1
}

// settle is for the commands that are about one domain: it refuses more, and names the one.
func (c *connection) settle(cmd *cobra.Command) error {
	if cmd.Annotations["domains"] == "" {
		for _, given := range []struct {
			flag   string
			values []string
		}{{"domain", c.domains}, {"dc", c.dcs}, {"from", c.froms}} {
			if len(given.values) > 1 {
				return &hintedError{
					fmt.Errorf("%s is about one domain, and --%s is given %d times", cmd.CommandPath(), given.flag, len(given.values)),
					"gmsactl audit takes several domains; run the others once for each",
				}
			}
		}
		if c.forest {
			return &hintedError{
				fmt.Errorf("%s is about one domain, and --forest is about all", cmd.CommandPath()),
				"gmsactl audit --forest takes them all; name one with --domain or --dc here",
			}
		}
	}
	first := func(values []string) string {
		if len(values) == 0 {
			return ""
		}
		return values[0]
	}
	c.domain, c.dc, c.from = first(c.domains), first(c.dcs), first(c.froms)
	return nil
}

// where is one of several domains: a capture, or a domain controller that may have to be found.
type where struct {
	name             string
	dc, domain, from string
}

// places are the domains that the flags name, the first first.
func (c *connection) places() ([]where, error) {
	if len(c.froms) > 0 {
		if len(c.dcs)+len(c.domains) > 0 {
			return nil, errors.New("--from contradicts --dc and --domain: one is a capture, the others a domain controller")
		}
		var out []where
		for _, from := range c.froms {
			out = append(out, where{name: from, from: from})
		}
		return out, nil
	}
	var out []where
	for _, domain := range c.domains {
		domain = strings.TrimSuffix(domain, ".")
		if slices.ContainsFunc(out, func(w where) bool { return strings.EqualFold(w.domain, domain) }) {
			return nil, fmt.Errorf("--domain %s is given twice", domain)
		}
		out = append(out, where{name: domain, domain: domain})
	}
	for _, dc := range c.dcs {
		domain := domainOf(dc)
		i := slices.IndexFunc(out, func(w where) bool { return strings.EqualFold(w.domain, domain) })
		switch {
		case i < 0:
			out = append(out, where{name: domain, domain: domain, dc: dc})
		case out[i].dc != "":
			return nil, fmt.Errorf("--dc %s and --dc %s are both of %s, and one is enough", out[i].dc, dc, domain)
		default:
			out[i].dc = dc
		}
	}
	if len(out) == 0 {
		return []where{{}}, nil
	}
	return out, nil
}

// domainOf is the domain in which a domain controller is named.
func domainOf(dc string) string {
	if host, _, err := net.SplitHostPort(dc); err == nil {
		dc = host
	}
	_, domain, _ := strings.Cut(strings.TrimSuffix(dc, "."), ".")
	return domain
}

// at reads one of several domains. The user is the first domain's where nothing else is
// said: an account of the same name in another domain is another account, whose wrong
// passwords count.
func (a *app) at(ctx context.Context, w where, home string) (directory.Reader, func(), error) {
	saved := a.connect
	defer func() { a.connect = saved }()
	c := &a.connect
	c.dc, c.domain, c.from = w.dc, w.domain, w.from
	c.user = qualified(c.user, home)
	return a.reader(ctx)
}

// qualified is a user's name with the domain that is meant where it names none.
func qualified(user, home string) string {
	if user == "" || home == "" || strings.ContainsAny(user, `\@`) {
		return user
	}
	return user + "@" + home
}

// endsForest says which errors are not about one domain: a server that is not who it says,
// and a credential that would fare no better elsewhere, and be counted again.
func endsForest(err error) bool {
	var (
		capture *captureError
		refused *krb5.Error
		bind    *ldapx.BindError
	)
	switch {
	case isMutualAuth(err), errors.As(err, &capture), errors.Is(err, errNoPassword):
		return true
	case errors.As(err, &refused):
		switch refused.Code {
		case krb5.ClientUnknown, krb5.ClientRevoked, krb5.PreauthFailed, krb5.PasswordExpired:
			return true
		}
	}
	return errors.As(err, &bind) && bind.Stage == ldapx.StageCredentials
}

// auditForest audits several domains and reports on them as one.
func (a *app) auditForest(ctx context.Context, account string, j *judging, sweep *sweeping) error {
	policies, accept, err := j.load()
	if err != nil {
		return err
	}
	waivers, err := readWaivers(j.waivers)
	if err != nil {
		return err
	}
	places, err := a.connect.places()
	if err != nil {
		return err
	}
	live := places[0].from == ""
	f := &audit.Forest{Fatal: func(err error) bool { return !errors.Is(err, errNoCapture) && (!live || endsForest(err)) }}
	if sweep.reach || sweep.excess {
		f.Sweep = func(ctx context.Context, r directory.Reader, s *audit.Snapshot, rep *audit.Report) error {
			return a.sweep(ctx, r, s, policies, rep, sweep)
		}
	}
	home := places[0].domain
	defer func() { clear(a.kept); a.kept = nil }()
	add := func(w where) (func(), error) {
		p := &audit.Place{Name: w.name}
		var done func()
		p.Reader, done, p.Err = a.at(ctx, w, home)
		if p.Err != nil {
			done = func() {}
		}
		if !live && p.Err != nil {
			return done, p.Err
		}
		err := f.Add(ctx, p)
		// Where nobody named the first domain it is known by now.
		if home == "" && p.Domain() != nil {
			home = p.Domain().DNS
		}
		return done, err
	}
	for _, w := range places {
		done, err := add(w)
		defer done()
		if err != nil {
			return err
		}
	}
	if a.connect.forest {
		for _, other := range f.Others() {
			if !live {
				if err := f.Add(ctx, &audit.Place{Name: other.DNS, Err: errNoCapture}); err != nil {
					return err
				}
				continue
			}
			done, err := add(where{name: other.DNS, domain: other.DNS})
			defer done()
			if err != nil {
				return err
			}
		}
	}
	rep, err := f.Audit(ctx, account, j.targets, policies, accept)
	if err != nil {
		return err
	}
	rep.Waive(waivers)
	if err := a.show(rep, func() error { return report.ForestAudit(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}

// errNoCapture is why a domain of a forest is not read from captures.
var errNoCapture = errors.New("no capture of it is given")
