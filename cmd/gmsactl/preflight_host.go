package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gmsactl/gmsactl/internal/agenthost"
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
	checks, err := agenthost.Judge(r, account)
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
