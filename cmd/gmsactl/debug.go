package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/locate"
	"github.com/gmsactl/gmsactl/internal/report"
)

// trace writes what goes over the wire to standard error, each line with the seconds since
// it began; nil without --debug. What servers and directories say is in it, so that it is
// made printable.
func (a *app) trace() ldapx.Trace {
	if !a.debug || a.told != nil {
		return a.told
	}
	var mu sync.Mutex
	begun := time.Now()
	a.told = func(format string, args ...any) {
		line := report.Printable(fmt.Sprintf(format, args...))
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(a.stderr, "gmsactl: debug: %7.3f %s\n", time.Since(begun).Seconds(), line)
	}
	return a.told
}

// found tells what came of looking for the domain controllers of a domain.
func (a *app) found(f *locate.Found) {
	tell := a.trace()
	if tell == nil {
		return
	}
	site := f.Site
	if site == "" {
		site = "not known"
	}
	tell("domain controllers of %s that answer: %d; site %s", f.Domain, len(f.DCs), site)
	for _, d := range f.DCs {
		kind := "writable"
		if d.ReadOnly() {
			kind = "read-only"
		}
		tell("domain controller %s at %s, %s, in site %s", d.Host, d.Address, kind, d.Says.Site)
	}
	for _, failure := range f.Failures {
		tell("domain controller %s: %v", failure.Host, failure.Err)
	}
}
