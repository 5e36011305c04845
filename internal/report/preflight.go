package report

import (
	"fmt"
	"io"

	"github.com/gmsactl/gmsactl/internal/preflight"
)

// Preflight writes a checklist.
func Preflight(w io.Writer, r *preflight.Report, style Style) error {
	p := &printer{w: w}
	if r.Domain.DNS != "" {
		p.printf("Domain   %s, read from %s\n", r.Domain.DNS, r.Domain.DC)
	}
	if r.Account != "" {
		p.printf("Account  %s\n", style.strong(r.Account))
	}
	group := ""
	for _, c := range r.Checks {
		if c.Group != group {
			group = c.Group
			p.printf("\n%s\n", group)
		}
		word := fmt.Sprintf("%-8s", c.Result)
		mark := painted(word)
		switch c.Result {
		case preflight.Pass:
			mark = style.good(word)
		case preflight.Fail:
			mark = style.bad(word)
		case preflight.Warn, preflight.Unknown:
			mark = style.doubt(word)
		}
		p.printf("%s %s\n", mark, c.Title)
		const indent = "         "
		p.wrapped(indent+"seen: ", indent+"      ", c.Seen)
		if c.Result == preflight.Pass {
			continue
		}
		p.wrapped(indent+"want: ", indent+"      ", c.Want)
		if c.Fix != "" {
			p.wrapped(indent+"fix:  ", indent+"      ", c.Fix)
		}
		p.wrapped(indent+"see:  ", indent+"      ", c.Source)
	}
	s := r.Summary
	p.printf("\n%d pass, %d fail, %d warn, %d unknown, %d to be looked at by somebody\n", s.Pass, s.Fail, s.Warn, s.Unknown, s.Manual)
	return p.err
}
