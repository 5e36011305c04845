package report

import (
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/audit"
)

// So many groups of objects are shown as text for each rule; JSON has more.
const shownCauses = 10

// reachText writes where the rules of a target are effective.
func reachText(p *printer, r *audit.Reach, style Style) {
	p.printf("\n")
	p.wrapped("Reach    ", "         ", fmt.Sprintf("%d objects at and below it: %s", r.Objects, countText(r.Classes, 8)))
	p.printf("\n%-8s %-30s %9s %9s %9s\n", "RESULT", "RULE", "OBJECTS", "EFFECTIVE", "UNKNOWN")
	for _, row := range r.Rows {
		word := style.bad("FAIL    ")
		switch {
		case row.Waived && row.Unknown == 0:
			word = style.doubt("waived  ")
		case row.Waived:
			word = style.doubt("unknown ")
		case row.Objects == 0 && row.Derived > 0:
		case row.Objects == 0:
			word = "none    "
		case row.Effective == row.Objects:
			word = style.good("pass    ")
		case row.NotEffective+row.Protected == 0:
			word = style.doubt("unknown ")
		}
		p.printf("%s %-30s %9d %9d %9d\n", word, row.Rule, row.Objects, row.Effective, row.Unknown)
		const indent = "         "
		var classes, others []string
		for _, c := range row.Classes {
			text := fmt.Sprintf("%s %d of %d", c.Class, c.Effective, c.Objects)
			if c.Derived {
				others = append(others, text)
			} else {
				classes = append(classes, text)
			}
		}
		if len(classes) > 0 {
			p.wrapped(indent, indent, strings.Join(classes, ", "))
		}
		if len(others) > 0 {
			p.wrapped(indent, indent, "not counted, for they are of derived classes: "+strings.Join(others, ", "))
		}
		for i, c := range row.Causes {
			if i == shownCauses {
				p.printf("%sand %d more groups; -o json lists them\n", indent, len(row.Causes)-i+row.MoreCauses)
				break
			}
			causeText(p, c)
		}
	}
	if len(r.Notes) > 0 || r.StaleAdminCount != nil {
		p.printf("\n")
	}
	if m := r.StaleAdminCount; m != nil {
		p.wrapped("Note: ", "      ", fmt.Sprintf("adminCount=1 on %d objects that AdminSDHolder does not protect: the mark stays when protection ends, or their DACL was changed since.", m.Objects))
		exampleText(p, "      ", m.Examples, m.Objects)
	}
	for _, note := range r.Notes {
		p.wrapped("Note: ", "      ", note)
	}
}

func causeText(p *printer, c audit.Cause) {
	const indent, rest = "         ", "           "
	first := fmt.Sprintf("%s- %s ", indent, c.Cause)
	if c.At != "" {
		p.printf("%sat %s\n", first, c.At)
		first = rest
	}
	p.wrapped(first, rest, "on "+countText(c.Classes, 8)+": "+c.Why)
	if c.ACE != nil {
		aceText(p, rest, *c.ACE)
	}
	exampleText(p, rest, c.Examples, c.Objects)
}

func exampleText(p *printer, indent string, examples []string, of int) {
	for i, dn := range examples {
		word := "e.g. "
		if len(examples) == of {
			word = "is   "
		}
		if i > 0 {
			word = "     "
		}
		p.printf("%s%s%s\n", indent, word, dn)
	}
}

// countText is numbers of objects by class, the biggest first.
func countText(classes []audit.ClassCount, most int) string {
	var out []string
	for i, c := range classes {
		if i == most {
			rest := 0
			for _, c := range classes[i:] {
				rest += c.Objects
			}
			out = append(out, fmt.Sprintf("%d of other classes", rest))
			break
		}
		out = append(out, fmt.Sprintf("%d %s", c.Objects, c.Class))
	}
	return strings.Join(out, ", ")
}

// protectionText warns of entries for the account on AdminSDHolder.
func protectionText(p *printer, r *audit.Protection, style Style) {
	if r == nil || len(r.Entries) == 0 {
		return
	}
	p.printf("\n%s\n", style.doubt("Warning"))
	p.wrapped("  ", "  ", fmt.Sprintf("%s has entries for the account. SDProp copies them to every protected account and group, Domain Admins among them.", r.DN))
	// Entries for the same reason follow it.
	shown := map[string]bool{}
	for _, e := range r.Entries {
		if shown[e.Why] {
			continue
		}
		shown[e.Why] = true
		word := "effective: "
		if !e.Effective {
			word = "no effect: "
		}
		p.wrapped("  "+word, "             ", e.Why)
		for _, other := range r.Entries {
			if other.Why == e.Why {
				aceText(p, "  - ", other.ACE)
			}
		}
	}
}

// excessText writes what the account may do beyond the policies.
func excessText(p *printer, x *audit.Excess, style Style) {
	p.printf("\nExcess   rights that no policy asks for, on %d objects and heads of naming\n         contexts\n", x.Objects)
	for _, h := range x.Heads {
		if h.Unreadable != "" {
			p.wrapped("         ", "         ", h.DN+": "+h.Unreadable)
		}
	}
	if x.Unknown > 0 {
		p.printf("         %d of them could not be judged\n", x.Unknown)
	}
	if len(x.Entries) == 0 {
		p.printf("         none\n")
	}
	const indent = "         "
	for _, e := range x.Entries {
		p.printf("\n")
		if len(e.Risks) > 0 {
			p.printf("%s\n", style.bad(e.Risks[0].Severity))
		}
		p.wrapped(indent+"beyond: ", indent+"        ", e.Words)
		aceLine(p, indent, e)
		switch {
		case e.At != "":
			p.printf("%sstands on %s\n", indent, e.At)
		case e.Unseen:
			p.printf("%sinherited; where it stands was not seen\n", indent)
		case e.StandsOn > 0 && !e.Owner:
			p.printf("%sstands on %d objects\n", indent, e.StandsOn)
		}
		if e.Via == "group" {
			p.wrapped(indent, indent, "through "+e.Trustee)
		}
		if e.Objects == 0 {
			p.printf("%seffective on no object that exists\n", indent)
		} else {
			p.wrapped(indent, indent, "effective on "+countText(e.Classes, 8))
		}
		if !(len(e.Examples) == 1 && e.Examples[0] == e.At) {
			exampleText(p, indent, e.Examples, e.Objects)
		}
		for _, risk := range e.Risks {
			p.wrapped(indent+risk.ID+": ", indent+"  ", risk.Why)
		}
	}
	if x.More > 0 {
		p.printf("\n%sand %d more entries, the less dangerous ones\n", indent, x.More)
	}
	if e := x.Everybody; e != nil {
		listed := "The others are no findings; --everyone lists them."
		for _, entry := range x.Entries {
			if entry.Via == "well-known" && len(entry.Risks) == 0 {
				listed = "The others are no findings; they are among those above, too."
			}
		}
		p.printf("\n")
		p.wrapped(indent, indent, fmt.Sprintf("Everybody has %d kinds of rights beyond, through Everyone, Authenticated Users and the like, or on itself. %d of them have a named risk, and are among those above. %s", e.Entries, e.Risks, listed))
	}
	if len(x.Notes) > 0 {
		p.printf("\n")
	}
	for _, note := range x.Notes {
		p.wrapped("Note: ", "      ", note)
	}
}

// aceLine writes the whole entry, in which more may stand than what goes beyond.
func aceLine(p *printer, indent string, e audit.ExcessEntry) {
	if e.SDDL == "" {
		p.wrapped(indent, indent, e.ACE.Words)
		return
	}
	aceText(p, indent, e.ACE)
}

// sweepSummary writes the totals.
func sweepSummary(p *printer, r *audit.Report) {
	if s := r.ReachSummary; s != nil {
		p.printf("Reach: effective in %d of %d cases on %d objects; not in %d, %d more\n       protected by AdminSDHolder, %d unknown\n",
			s.Effective, s.Checked, s.Objects, s.NotEffective, s.Protected, s.Unknown)
		if s.Waived > 0 {
			p.printf("       %d more where the rule is waived\n", s.Waived)
		}
		if s.OnlyDerived > 0 {
			p.printf("       rules that are about no object but those of derived classes: %d\n", s.OnlyDerived)
		}
	}
	if s := r.ExcessSummary; s != nil {
		p.printf("Excess: %d entries, %d with a named risk, %d objects unknown\n", s.Entries, s.Risks, s.Unknown)
	}
}
