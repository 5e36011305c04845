package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/gmsactl/gmsactl/internal/explain"
)

// Explanation writes the answer to one question, each check with the entries that decide
// it.
func Explanation(w io.Writer, x *explain.Explanation, style Style) error {
	p := &printer{w: w}
	p.printf("Account  %s\n         %s\n", style.strong(x.Account.Name), x.Account.DN)
	p.printf("Object   %s\n", style.strong(x.Object.DN))
	about := "class not known"
	if x.Object.Class != "" {
		about = x.Object.Class
	}
	if x.Object.Owner != "" {
		about += "; owner " + x.Object.Owner
	}
	if x.Object.Protected {
		about += "; does not inherit"
	}
	p.wrapped("         ", "         ", about)
	p.printf("Right    %s: %s\n", x.Right, x.Access)
	p.printf("Domain   %s, read from %s\n", x.Domain.DNS, x.Domain.DC)
	p.printf("\n%s\n", effectWord(x.Effect, style))
	p.wrapped("         ", "         ", x.Why)
	for i, way := range shownWays(x) {
		switch {
		case i > 0:
			p.printf("\nor\n")
		case len(way.Checks) > 0:
			p.printf("\n")
		}
		for _, c := range way.Checks {
			checkText(p, c, x.Why, style)
		}
		if way.Limit != "" {
			p.wrapped("         so:  ", "              ", way.Limit)
		}
	}
	if x.Change != nil {
		changeText(p, x.Change, style)
	}
	if len(x.Notes) > 0 {
		p.printf("\n")
	}
	for _, note := range x.Notes {
		p.wrapped("Note: ", "      ", note)
	}
	return p.err
}

// shownWays are the ways that matter: the one that grants it, or all that do not.
func shownWays(x *explain.Explanation) []explain.Way {
	for _, way := range x.Ways {
		if way.Effect == "granted" {
			return []explain.Way{way}
		}
	}
	return x.Ways
}

// effectWord is an effect as words that cannot be overlooked.
func effectWord(effect string, style Style) painted {
	text := strings.ToUpper(strings.ReplaceAll(effect, "-", " "))
	switch effect {
	case "granted":
		return style.good(text)
	case "unknown", "conditional", "partial":
		return style.doubt(text)
	}
	return style.bad(text)
}

func checkText(p *printer, c explain.Check, said string, style Style) {
	word := fmt.Sprintf("%-12s", strings.ReplaceAll(c.Effect, "-", " "))
	mark := style.bad(word)
	switch c.Effect {
	case "granted":
		mark = style.good(word)
	case "unknown", "conditional", "partial":
		mark = style.doubt(word)
	}
	p.printf("%s %s\n", mark, c.Access)
	const indent = "         "
	on := c.Object
	if c.Descriptor != "nTSecurityDescriptor" {
		on += ", by " + c.Descriptor
	}
	p.printf(indent+"on   %s\n", on)
	if c.Effect != "granted" && c.Why != said {
		p.wrapped(indent+"why: ", indent+"     ", c.Why)
	}
	if c.Implicit != "" {
		p.wrapped(indent+"by:  ", indent+"     ", c.Implicit)
	}
	for _, d := range c.Decides {
		first := "by:  "
		switch {
		case d.Deny:
			first = "but: "
		case d.Through.How == "perhaps", c.Effect == "conditional", c.Effect == "unknown":
			first = "if:  "
		}
		aceText(p, indent+first, d.ACE)
		p.wrapped(indent+"     ", indent+"     ", throughText(d.Through))
		switch {
		case d.From.There != nil:
			p.printf(indent+"     inherited from %s\n", d.From.DN)
			if d.From.There.SDDL != d.SDDL {
				p.printf(indent+"     %s\n", d.From.There.SDDL)
			}
		case d.From.DN != "":
			p.printf(indent + "     explicit there\n")
		default:
			p.wrapped(indent+"     ", indent+"     ", d.From.Why)
		}
	}
	for _, o := range c.Obstacles {
		aceText(p, indent+"not: ", o.ACE)
		p.printf(indent+"     on %s\n", o.On)
		p.wrapped(indent+"     ", indent+"     ", o.Why)
	}
}

// throughText is who an entry is for, seen from the account.
func throughText(t explain.Through) string {
	name := t.Name
	if name == "" {
		name = t.SID
	} else {
		name = fmt.Sprintf("%s (%s)", name, t.SID)
	}
	text := ""
	switch t.How {
	case "account":
		if t.SID == "S-1-5-10" {
			return "for the object itself, which the account is"
		}
		return "for the account itself"
	case "perhaps":
		return "whether the account has its SID is not known"
	case "owner":
		text = "for the owner, which the account is"
	case "well-known":
		text = "for " + name + ", which every account is in"
	default:
		text = "through group " + name
	}
	switch {
	case t.How == "group" && len(t.Path) == 1:
		text += ", directly"
	case len(t.Path) > 1:
		text += ", by way of " + strings.Join(t.Path[:len(t.Path)-1], " and ")
	}
	return text
}

func changeText(p *printer, c *explain.Change, style Style) {
	if !c.Helps {
		p.printf("\nNo change is proposed\n")
		p.wrapped("         ", "         ", c.Why)
		return
	}
	p.printf("\nThe smallest change\n")
	for _, add := range c.Add {
		on := add.Object
		if add.Descriptor != "nTSecurityDescriptor" {
			on += ", to " + add.Descriptor
		}
		p.printf("  on %s\n  %s%s\n", on, style.good("+ "), add.SDDL)
		p.wrapped("    ", "    ", add.Words)
	}
	if c.Why != "" {
		p.wrapped("    ", "    ", c.Why)
	}
}
