package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/gmsactl/gmsactl/internal/audit"
)

// ForestAudit writes an audit of several domains: each domain's report under its name, then
// what could not be read, and one line of all.
func ForestAudit(w io.Writer, r *audit.ForestReport, style Style) error {
	p := &printer{w: w}
	for _, one := range r.Reports {
		p.printf("%s\n\n", style.strong(heading(one.Domain.DNS)))
		var text bytes.Buffer
		if err := Audit(&text, one, style); err != nil {
			return err
		}
		p.printf("%s\n", painted(text.String()))
	}
	for _, u := range r.Unreachable {
		p.printf("%s\n\n", style.strong(heading(u.Domain)))
		p.marked(style.doubt("unknown  "), "unknown  ", "         ", "not read: "+u.Why)
		for _, dn := range u.Targets {
			p.printf("         %s\n", dn)
		}
		p.printf("\n")
	}
	p.printf("%s\n\n", style.strong(heading("all")))
	p.printf("Account  %s, of %s\n\n", style.strong(r.Account.Name), r.Account.Domain)
	for _, note := range r.Notes {
		p.wrapped("Note: ", "      ", note)
	}
	if len(r.Notes) > 0 {
		p.printf("\n")
	}
	if waiverText(p, r.Waivers, style); len(r.Waivers) > 0 {
		p.printf("\n")
	}
	s := r.Summary
	p.wrapped("", "", fmt.Sprintf("%s, %d not read: %s", count(s.Domains, "domain", "domains"), s.Unreachable, Counts(s.Summary)))
	return p.err
}

// heading is a line that sets off what is about one domain.
func heading(name string) string {
	line := "== " + name + " "
	return line + strings.Repeat("=", max(2, columns-len([]rune(line))))
}
