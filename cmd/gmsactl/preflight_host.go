package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/agenthost"
	"github.com/gmsactl/gmsactl/internal/endpoints"
	"github.com/gmsactl/gmsactl/internal/preflight"
	"github.com/gmsactl/gmsactl/internal/registry"
	"github.com/gmsactl/gmsactl/internal/report"
)

// preflightHost judges an agent's host by an export of its registry, or by this machine's.
func (a *app) preflightHost(export, account string) error {
	r, err := hostRegistry(export)
	if err != nil {
		return err
	}
	memory := uint64(0)
	if export == "" {
		memory = agenthost.Memory()
	}
	checks, err := agenthost.Judge(r, account, memory)
	if err != nil {
		return err
	}
	rep := preflight.OfHost(checks, account)
	if err := a.show(rep, func() error { return report.Preflight(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}

func hostRegistry(export string) (registry.Registry, error) {
	if export == "" {
		r, err := registry.Machine()
		if err != nil {
			return nil, &hintedError{fmt.Errorf("--local: %w", err), `on the agent's host: reg export HKLM\SOFTWARE software.reg, and reg export HKLM\SYSTEM system.reg; then --registry FILE here`}
		}
		return r, nil
	}
	f, err := os.Open(export)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, registry.MaxExport+1))
	if err != nil {
		return nil, err
	}
	e, err := registry.ParseExport(text)
	var fault *registry.Error
	if errors.As(err, &fault) {
		return nil, &hintedError{fmt.Errorf("read %s: %w", export, fault), "export it again with regedit or reg export"}
	}
	return e, err
}

// networking is what preflight is told of the network.
type networking struct {
	on           bool
	cloud, proxy string
	hosts        []string
}

func (n *networking) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&n.on, "network", false, "contact the published addresses from here, and ask no directory")
	flags.StringVar(&n.cloud, "cloud", "public", "with --network: public or usgov, whose addresses are `published`")
	flags.StringArrayVar(&n.hosts, "endpoint", nil, "with --network: `host` of yours behind a published suffix, tried on 443 and 8080; repeat for several")
	flags.StringVar(&n.proxy, "proxy", "", "with --network: `URL` of the proxy, http://host:port; one with a password goes to GMSACTL_PROXY")
}

// probe checks what was given; given says whether --proxy stood on the command line, where others
// can read it.
func (n *networking) probe(timeout time.Duration, given bool) (*endpoints.Probe, error) {
	p := &endpoints.Probe{Timeout: timeout}
	var ok bool
	if p.Cloud, ok = endpoints.CloudNamed(n.cloud); !ok {
		return nil, fmt.Errorf("--cloud %q: want public or usgov", n.cloud)
	}
	var err error
	if p.Cloud, err = p.Cloud.With(n.hosts); err != nil {
		return nil, fmt.Errorf("--endpoint: %w", err)
	}
	if n.proxy == "" {
		return p, nil
	}
	u, err := url.Parse(n.proxy)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		// What is wrong may be the password.
		return nil, errors.New("--proxy: want http://host:port")
	}
	if _, secret := u.User.Password(); secret && given {
		return nil, &hintedError{errors.New("--proxy holds a password, which others can read on the command line"), "put the URL in GMSACTL_PROXY"}
	}
	p.Proxy = u
	return p, nil
}

// preflightNetwork looks at the network.
func (a *app) preflightNetwork(ctx context.Context, p *endpoints.Probe) error {
	p.Dial = a.dial
	checks, err := p.Run(ctx)
	if err != nil {
		return err
	}
	rep := preflight.OfHost(checks, "")
	if err := a.show(rep, func() error { return report.Preflight(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}
