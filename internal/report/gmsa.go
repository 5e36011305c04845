package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/gmsactl/gmsactl/internal/gmsa"
)

// maxNamed is how many members of groups are named in text; JSON has all.
const maxNamed = 20

// ServiceAccount writes what was found of a service account.
func ServiceAccount(w io.Writer, r *gmsa.Report, style Style) error {
	p := &printer{w: w}
	a := r.Account
	p.printf("Account  %s\n         %s\n         %s\n", style.strong(a.Name), a.DN, a.SID)
	p.printf("Domain   %s, read from %s\n", r.Domain.DNS, r.Domain.DC)
	if a.DNSHostName != "" {
		p.printf("DNS      %s\n", a.DNSHostName)
	}
	if a.Created != nil {
		p.printf("Made     %s\n", a.Created.Format("2006-01-02 15:04 UTC"))
	}
	if a.Owner != "" {
		inherits := "inherits from above"
		if a.Protected {
			inherits = "inherits nothing"
		}
		p.printf("Owner    %s; %s\n", a.Owner, inherits)
	}
	p.wrapped("Flags    ", "         ", orDash(strings.Join(a.Flags, ", ")))
	p.wrapped("Keys     ", "         ", orDash(strings.Join(a.EncTypeNames, ", ")))
	if len(a.SPNs) > 0 {
		p.wrapped("SPNs     ", "         ", strings.Join(a.SPNs, ", "))
	}
	passwordText(p, r.Password)
	readersText(p, r.Readers, style)
	holdersText(p, r.Holders, style)
	p.printf("\nIt is in\n")
	if len(r.Groups) == 0 {
		p.printf("  no group that is shown\n")
	}
	for _, g := range r.Groups {
		line := cmp.Or(g.Name, g.SID)
		if g.Privileged != "" {
			line += ": " + g.Privileged
		}
		p.wrapped("  ", "    ", line)
	}
	p.printf("\n")
	for _, f := range r.Findings {
		findingText(p, f, style)
	}
	for _, note := range r.Notes {
		p.wrapped("Note: ", "      ", note)
	}
	s := r.Summary
	p.printf("\n%d critical, %d high, %d medium, %d low, %d info, %d unknown\n", s.Critical, s.High, s.Medium, s.Low, s.Info, s.Unknown)
	return p.err
}

func orDash(text string) string { return cmp.Or(text, "-") }

func passwordText(p *printer, pw gmsa.Password) {
	var parts []string
	if pw.IntervalDays != nil {
		parts = append(parts, fmt.Sprintf("changes every %d days", *pw.IntervalDays))
	}
	if pw.Since != nil {
		parts = append(parts, "this one since "+pw.Since.Format("2006-01-02 15:04 UTC"))
	}
	if pw.RootKey != "" {
		made := ""
		if pw.RootKeyMade != nil {
			made = " of " + pw.RootKeyMade.Format("2006-01-02")
		}
		parts = append(parts, "from root key "+pw.RootKey+made)
	}
	p.wrapped("Password ", "         ", orDash(strings.Join(parts, ", ")))
}

func readersText(p *printer, r *gmsa.Readers, style Style) {
	p.printf("\nMay have the password\n")
	switch {
	case !r.Shown:
		p.printf("  %s\n", style.doubt("not shown, or nobody"))
		return
	case r.Damaged != "":
		p.printf("  %s\n", style.doubt("its descriptor is damaged"))
		return
	case r.Everyone:
		p.printf("  %s\n", style.bad("everybody"))
		return
	}
	for _, e := range r.Entries {
		line := cmp.Or(e.Name, e.SID) + " (" + string(e.Kind) + ")"
		if e.Access != "allow" {
			line += ", " + e.Access
		}
		if e.Kind == gmsa.KindGroup {
			line += fmt.Sprintf(": %d hosts, %d people", e.Hosts, e.People)
			if e.Groups > 0 {
				line += fmt.Sprintf(", through %d groups in it", e.Groups)
			}
			if e.Others > 0 {
				line += fmt.Sprintf(", %d others", e.Others)
			}
		}
		if e.Unseen != "" {
			line += "; " + e.Unseen
		}
		p.wrapped("  ", "    ", line)
	}
	named := 0
	for _, m := range r.Members {
		if len(m.Via) == 0 {
			continue
		}
		if named++; named > maxNamed {
			continue
		}
		line := fmt.Sprintf("- %s (%s) by %s", cmp.Or(m.Name, m.SID), m.Kind, strings.Join(m.Via, ", "))
		if m.Verdict != "yes" {
			line += ": " + m.Verdict
		}
		p.wrapped("    ", "      ", line)
	}
	if named > maxNamed {
		p.printf("    and %d more; -o json names them\n", named-maxNamed)
	}
	p.printf("  %d hosts, %d people and %d others in all\n", r.Hosts, r.People, r.Others)
}

func holdersText(p *printer, holders []gmsa.Holder, style Style) {
	p.printf("\nCan take it over\n")
	if len(holders) == 0 {
		p.printf("  nobody that is shown\n")
	}
	var expected []string
	for _, h := range holders {
		line := cmp.Or(h.Name, h.SID)
		if h.Expected && len(h.Unclear) == 0 {
			if h.Owner {
				line += " (its owner)"
			}
			expected = append(expected, line)
			continue
		}
		if h.Owner {
			line += ", its owner"
		}
		var what []string
		if len(h.Rights) > 0 {
			what = append(what, strings.Join(h.Rights, ", "))
		}
		if len(h.Unclear) > 0 {
			what = append(what, "perhaps "+strings.Join(h.Unclear, ", "))
		}
		line += ": " + strings.Join(what, "; ")
		p.wrapped("  ", "    ", line)
	}
	if len(expected) > 0 {
		p.wrapped("  ", "    ", "and who runs the forest anyway: "+strings.Join(expected, ", "))
	}
}

func findingText(p *printer, f gmsa.Finding, style Style) {
	word := fmt.Sprintf("%-8s", f.Severity)
	mark := painted(word)
	switch {
	case f.Unknown:
		word = "unknown "
		mark = style.doubt(word)
	case f.Severity >= gmsa.High:
		mark = style.bad(word)
	case f.Severity == gmsa.Medium:
		mark = style.doubt(word)
	}
	p.printf("%s %s\n", mark, f.ID)
	const indent = "         "
	p.wrapped(indent, indent, f.What)
	if f.Fix != "" {
		p.wrapped(indent+"fix: ", indent+"     ", f.Fix)
	}
	p.wrapped(indent+"see: ", indent+"     ", f.Source)
}
