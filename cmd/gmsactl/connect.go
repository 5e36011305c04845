package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/ldapx"
)

// connection is where the directory is, and who asks.
type connection struct {
	// What is meant now: of several domains, one after the other.
	dc, domain, from string

	dcs, domains, froms []string
	forest              bool

	dns, site     string
	pdc           bool
	user          string
	keytab        string
	ccache        string
	passwordFile  string
	passwordStdin bool
	timeout       time.Duration
	connections   int
	protection    protection
}

func (c *connection) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&c.dcs, "dc", nil, "domain controller, by its DNS `name` (default: one that DNS names, near and writable)")
	flags.StringArrayVar(&c.domains, "domain", nil, "DNS `name` of the domain (default: that of --dc, else of who asks)")
	flags.StringVar(&c.dns, "dns", "", "DNS server that knows the domain, by its `address` or address:port (default: this host's)")
	flags.StringVar(&c.site, "site", "", "`name` of the site whose domain controllers come first (default: the client's)")
	flags.BoolVar(&c.pdc, "prefer-pdc", false, "take the PDC emulator where it answers")
	flags.StringVar(&c.user, "user", "", "`account` to bind as: sAMAccountName, DOMAIN\\name or UPN")
	flags.StringVar(&c.keytab, "keytab", "", "`file` with the key of the account")
	flags.StringVar(&c.ccache, "ccache", "", "Kerberos credential cache `file` (default: KRB5CCNAME; without it, on Windows, the current logon)")
	flags.StringVar(&c.passwordFile, "password-file", "", "`file` whose first line is the password")
	flags.BoolVar(&c.passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	c.protection.register(flags)
	flags.DurationVar(&c.timeout, "timeout", time.Minute, "`time` that the server may be silent while it is to answer")
	flags.IntVar(&c.connections, "connections", 1, "`number` of connections to the domain controller that --reach and --excess read over, 1 to 4")
	flags.BoolVar(&c.forest, "forest", false, "audit every domain of the forest")
	flags.StringArrayVar(&c.froms, "from", nil, "read a capture `file` instead of a domain controller; demo is one inside gmsactl")
}

// credentialFlags are the flags of which one at most is given.
var credentialFlags = []string{"keytab", "ccache", "password-file", "password-stdin"}

// passwordVariable holds a password where neither a file nor standard input can.
const passwordVariable = envPrefix + "PASSWORD"

// check finds contradictions before anything is dialed.
func (c *connection) check() error {
	var sources []string
	for _, s := range []struct {
		given bool
		name  string
	}{{c.keytab != "", "--keytab"}, {c.ccache != "", "--ccache"}, {c.passwordFile != "", "--password-file"}, {c.passwordStdin, "--password-stdin"}} {
		if s.given {
			sources = append(sources, s.name)
		}
	}
	switch {
	case len(sources) > 1:
		return fmt.Errorf("%s: give one credential, not several", strings.Join(sources, " and "))
	case c.timeout <= 0:
		return errors.New("--timeout must be more than nothing")
	case c.connections < 1 || c.connections > ldapx.MaxConnections:
		return fmt.Errorf("--connections %d: want 1 to %d", c.connections, ldapx.MaxConnections)
	case c.user == "" && (c.keytab != "" || c.passwordFile != "" || c.passwordStdin):
		return fmt.Errorf("%s needs --user", sources[0])
	}
	return c.protection.check()
}

var errNoDC = errors.New("no domain controller is named, and no domain to find one in")

// reader is a capture or a session, and how to be done with it.
func (a *app) reader(ctx context.Context) (directory.Reader, func(), error) {
	if a.connect.from != "" {
		return a.capture(ctx)
	}
	s, err := a.session(ctx, purpose{})
	if err != nil {
		return nil, nil, err
	}
	pool := ldapx.NewPool(s, a.connect.connections)
	return pool, func() { _ = pool.Close() }, nil
}

// capture opens what --from names.
func (a *app) capture(ctx context.Context) (directory.Reader, func(), error) {
	if a.connect.dc != "" {
		return nil, nil, errors.New("--from and --dc contradict each other: one is a capture, the other a domain controller")
	}
	return openCapture(ctx, a.connect.from)
}

// openCapture opens a capture file, compressed or not, and says how to be done with it;
// demo is the one inside the binary.
func openCapture(ctx context.Context, path string) (directory.Reader, func(), error) {
	if path == "demo" {
		c, err := demo.Capture()
		if err != nil {
			return nil, nil, fmt.Errorf("read the demo capture: %w", err)
		}
		return c, func() {}, nil
	}
	f, err := openCaptureFile(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	c, err := directory.OpenCapture(f.open)
	if err != nil {
		f.close()
		return nil, nil, &captureError{path, err}
	}
	// What a sweep holds is small next to what passes through: collected more often, twice
	// as much is not waiting to be.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	return &captureReader{c, path}, f.close, nil
}

// collectAt is how much garbage there may be with a capture, in percent of what is held.
const collectAt = 40

// captureReader is a capture whose errors name its file: what it left there may turn out
// damaged only when it is read.
type captureReader struct {
	*directory.Capture
	path string
}

func (c *captureReader) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		for e, err := range c.Capture.Read(ctx, q) {
			missing, unrecorded := (*directory.NotFoundError)(nil), (*directory.NotRecordedError)(nil)
			if err != nil && ctx.Err() == nil && !errors.As(err, &missing) && !errors.As(err, &unrecorded) {
				err = &captureError{c.path, err}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// captureError is a capture that cannot be used.
type captureError struct {
	path string
	err  error
}

func (e *captureError) Error() string { return fmt.Sprintf("read capture %s: %v", e.path, e.err) }
func (e *captureError) Unwrap() error { return e.err }

// session binds to a domain controller.
func (a *app) session(ctx context.Context, p purpose) (*ldapx.Session, error) {
	if a.connect.from != "" {
		return nil, errors.New("--from is a capture, which cannot be written to")
	}
	if err := a.connect.check(); err != nil {
		return nil, err
	}
	c, err := a.candidates(ctx, p)
	if err != nil {
		return nil, err
	}
	return c.session(ctx)
}

// bind binds to one domain controller.
func (a *app) bind(ctx context.Context, to candidate, domain string) (*ldapx.Session, error) {
	config, err := a.config(to, domain)
	if err != nil {
		return nil, err
	}
	return ldapx.Dial(ctx, config)
}

// config is how to bind to a domain controller, by the flags.
func (a *app) config(to candidate, domain string) (ldapx.Config, error) {
	c := &a.connect
	config := ldapx.Config{
		DC: to.host, Realm: strings.ToUpper(domain), User: c.user,
		Keytab: c.keytab, CCache: c.ccache, Timeout: c.timeout, Dial: to.dial, KDCs: a.kdcs, Trace: a.trace(), Logon: &a.logon,
	}
	if to.located {
		config.Domain = domain
	}
	if err := c.protection.apply(&config); err != nil {
		return config, err
	}
	// Without a user and a credential the session takes the default credential cache.
	if c.user != "" && c.keytab == "" && c.ccache == "" {
		config.Password = a.password
	}
	return config, nil
}
