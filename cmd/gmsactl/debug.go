package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/report"
)

// trace writes what goes over the wire to standard error, each line with the seconds since
// it began; nil without --debug. What servers and directories say is in it, so that it is
// made printable.
func (a *app) trace() ldapx.Trace {
	if !a.debug {
		return nil
	}
	var mu sync.Mutex
	begun := time.Now()
	return func(format string, args ...any) {
		line := report.Printable(fmt.Sprintf(format, args...))
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(a.stderr, "gmsactl: debug: %7.3f %s\n", time.Since(begun).Seconds(), line)
	}
}
