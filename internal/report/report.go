// Package report renders reports and plans as text for people and as JSON for programs.
// It judges nothing: every word of a verdict comes from what it renders.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// columns is the width that text is wrapped to. What cannot be broken, a DN or an SDDL
// string, may be longer.
const columns = 80

// JSON writes v as one indented object.
func JSON(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(EscapeJSON(text.Bytes()))
	return err
}

// EscapeJSON is JSON without the control characters that encoding/json lets through, DEL
// and U+0080 to U+009F: a terminal obeys some of them. They stand in strings only.
func EscapeJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, isLateControl) {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		if isLateControl(r) {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

func isLateControl(r rune) bool { return r >= 0x7f && r <= 0x9f }

// Style says how text is marked. Colour only repeats what the words say.
type Style struct{ Color bool }

// painted is text that is fit for a terminal as it is.
type painted string

func (s Style) paint(code, text string) painted {
	if !s.Color {
		return painted(Printable(text))
	}
	return painted("\x1b[" + code + "m" + Printable(text) + "\x1b[0m")
}

func (s Style) good(text string) painted   { return s.paint("32", text) }
func (s Style) bad(text string) painted    { return s.paint("31", text) }
func (s Style) doubt(text string) painted  { return s.paint("33", text) }
func (s Style) strong(text string) painted { return s.paint("1", text) }

// Printable is text without what a terminal might obey: names come from a directory in
// which others write. Such characters are shown as Go escapes them.
func Printable(text string) string {
	if !strings.ContainsFunc(text, isUnprintable) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, "\\x%02x", text[i])
		case isUnprintable(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }

// printer collects the first error, so that rendering reads as what it renders.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = Printable(text)
		}
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// wrapped prints text wrapped to the columns, the first line after first, the others
// after rest.
func (p *printer) wrapped(first, rest, text string) {
	line := first
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			p.printf("%s\n", line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	p.printf("%s\n", line)
}

// marked is wrapped with a word in front that is marked; plain is that word without the mark.
func (p *printer) marked(mark painted, plain, rest, text string) {
	var lines bytes.Buffer
	(&printer{w: &lines}).wrapped(plain, rest, text)
	p.printf("%s%s", mark, painted(strings.TrimPrefix(lines.String(), Printable(plain))))
}

// Audit writes an audit's report.
func Audit(w io.Writer, r *audit.Report, style Style) error {
	p := &printer{w: w}
	p.printf("Account  %s\n         %s\n", style.strong(r.Account.Name), r.Account.DN)
	p.printf("Domain   %s, read from %s\n", r.Domain.DNS, r.Domain.DC)
	for _, pol := range r.Policies {
		p.wrapped("Policy   ", "         ", fmt.Sprintf("%s (%s)", pol.Title, pol.Name))
	}
	for _, t := range r.Targets {
		p.printf("\nTarget   %s\n", style.strong(t.DN))
		if t.Unreadable != "" {
			p.wrapped("         ", "         ", t.Unreadable)
		}
		p.printf("\n%-8s %-30s %-15s %s\n", "RESULT", "RULE", "GRANT", "EFFECT")
		for i, row := range t.Rows {
			names, shown := merged(t.Rows, i)
			if shown {
				continue
			}
			rowText(p, row, style)
			if len(r.Policies) > 1 || len(names) > 1 {
				p.wrapped("         for: ", "              ", strings.Join(names, ", "))
			}
		}
		if t.Reach != nil {
			reachText(p, t.Reach, style)
		}
	}
	protectionText(p, r.AdminSDHolder, style)
	if r.Excess != nil {
		excessText(p, r.Excess, style)
	}
	notes := r.Notes
	for _, pol := range r.Policies {
		notes = append(notes, pol.Notes...)
	}
	p.printf("\n")
	for _, note := range notes {
		p.wrapped("Note: ", "      ", note)
	}
	waiverText(p, r.Waivers, style)
	scenarioText(p, r, style)
	p.printf("\n%s\n", Counts(r.Summary))
	sweepSummary(p, r)
	return p.err
}

// certainty is what a rule's verification means to who reads its row; empty for what is published.
var certainty = map[string]string{
	string(policy.Inferred):   "(inferred: the documentation asks for it in words, not as this entry)",
	string(policy.Unverified): "(unverified: second-hand, or in no documentation that was seen)",
}

func rowText(p *printer, row audit.Row, style Style) {
	word := style.bad("FAIL    ")
	switch row.Result() {
	case "pass":
		word = style.good("pass    ")
	case "unknown":
		word = style.doubt("unknown ")
	case audit.NotApplicable:
		word = "n/a     "
	case audit.RowWaived:
		word = style.doubt("waived  ")
	case audit.RowWarning:
		word = style.doubt("warning ")
	}
	p.printf("%s %-30s %-15s %s\n", word, row.Rule, row.Grant, row.Effect)
	const indent = "         "
	p.wrapped(indent, indent, row.Access+"; "+row.AppliesTo)
	if sure := certainty[row.Verification]; sure != "" {
		p.wrapped(indent, indent, sure)
	}
	if row.Why != "" {
		p.wrapped(indent+"why: ", indent+"     ", row.Why)
	}
	if w := row.Waived; w != nil {
		p.wrapped(indent+"waived until "+w.Until+": ", indent+"     ", w.Why)
	}
	if derived := row.DerivedVerdicts(); derived != "" {
		p.wrapped(indent+"derived classes: ", indent+"     ", derived)
	}
	by := "by:  "
	if row.Missing != "" {
		by = "only "
	}
	for _, a := range row.Grants {
		aceText(p, indent+by, a)
	}
	for _, a := range row.Decides {
		aceText(p, indent+"but: ", a)
	}
}

func aceText(p *printer, first string, a audit.ACE) {
	rest := strings.Repeat(" ", len(first))
	p.wrapped(first, rest, a.Words)
	p.printf("%s%s\n", rest, a.SDDL)
}

// Plan writes what a plan would do, as a diff of the entries of each descriptor.
func Plan(w io.Writer, pl *plan.Plan, style Style) error {
	p := &printer{w: w}
	p.printf("Account  %s\n         %s\n", style.strong(pl.Account.Name), pl.Account.SID)
	p.printf("Domain   %s, read from %s\n", pl.Domain.DNS, pl.Domain.DC)
	accountText(p, pl, style)
	for _, c := range pl.Changes {
		p.printf("\nChange   %s\n", style.strong(c.DN))
		switch c.Protection {
		case plan.ProtectOn:
			p.printf("         its DACL becomes protected: it inherits nothing any more\n")
		case plan.ProtectOff:
			p.printf("         its DACL is protected no more: it inherits from above again\n")
		}
		p.printf("         from the descriptor with SHA-256 %.16s...\n", c.BeforeSHA256)
		if len(c.Rules) > 0 {
			var rules []string
			for _, r := range c.Rules {
				rules = append(rules, ruleName(pl, r))
			}
			p.wrapped("         for ", "             ", strings.Join(rules, ", "))
		}
		hidden := 0
		for _, a := range c.Remove {
			// What only passed through to objects below is many lines about nobody.
			if c.Protection != "" && inheritOnly(a.SDDL) {
				hidden++
				continue
			}
			diffText(p, style.bad("- "), a)
		}
		if hidden > 0 {
			p.printf("\n  %s%d inherited entries that were for objects below it\n", style.bad("- "), hidden)
		}
		for _, a := range c.Add {
			diffText(p, style.good("+ "), a)
		}
	}
	if len(pl.Blocked) > 0 {
		p.printf("\nWhat adding entries cannot mend:\n")
		for _, b := range pl.Blocked {
			p.printf("  %s on %s\n", style.doubt(ruleName(pl, b.Rule)), b.DN)
			p.wrapped("    ", "    ", b.Why)
		}
	}
	p.printf("\n")
	for _, note := range pl.Notes {
		p.wrapped("Note: ", "      ", note)
	}
	var add, remove int
	for _, c := range pl.Changes {
		add += len(c.Add)
		remove += len(c.Remove)
	}
	if !pl.Pending() {
		p.printf("Nothing to write.\n")
		return p.err
	}
	var parts []string
	if pl.Create != nil {
		parts = append(parts, "1 to make")
	}
	if n := len(pl.Attributes); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to set", n))
	}
	if n := len(pl.Changes); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to change: %d to add, %d to remove", n, add, remove))
	}
	p.printf("%s.\n", strings.Join(parts, ", "))
	return p.err
}

// accountText is what a plan does to the account itself.
func accountText(p *printer, pl *plan.Plan, style Style) {
	if c := pl.Create; c != nil {
		p.printf("\nMake     %s\n", style.strong(c.DN))
		for _, a := range c.Attributes() {
			p.printf("  %s%s: %s\n", style.good("+ "), a.Name, string(a.Values[0]))
		}
	}
	if len(pl.Attributes) == 0 {
		return
	}
	p.printf("\nSet      %s\n", style.strong(pl.Attributes[0].DN))
	for _, c := range pl.Attributes {
		for _, was := range c.Was {
			p.printf("  %s%s: %s\n", style.bad("- "), c.Name, was)
		}
		for _, becomes := range c.Becomes {
			p.printf("  %s%s: %s\n", style.good("+ "), c.Name, becomes)
		}
		for _, words := range c.Words {
			p.wrapped("    ", "    ", words)
		}
	}
}

// ruleName is the rule's own name, with the policy's where there are several.
func ruleName(pl *plan.Plan, r plan.Rule) string {
	if len(pl.Policies) > 1 {
		return r.Policy + "/" + r.Rule
	}
	return r.Rule
}

func diffText(p *printer, sign painted, a audit.ACE) {
	p.printf("\n  %s%s\n", sign, a.SDDL)
	p.wrapped("    ", "    ", a.Words)
}

// Outcome writes what became of a plan.
func Outcome(w io.Writer, r *plan.Result, style Style) error {
	p := &printer{w: w}
	for _, o := range r.Outcomes {
		line := style.bad(fmt.Sprintf("%-12s", o.State))
		switch o.State {
		case plan.Verified, plan.AlreadyDone:
			line = style.good(fmt.Sprintf("%-12s", o.State))
		case plan.NotDone:
			line = style.doubt(fmt.Sprintf("%-12s", o.State))
		}
		what := o.DN
		if o.What != "" {
			what = o.What + " of " + o.DN
		}
		if o.What == "create" {
			what = "make " + o.DN
		}
		p.printf("%s  %s\n", line, what)
		if o.Error != "" {
			p.wrapped("              ", "              ", o.Error)
		}
	}
	if r.Created != nil {
		p.printf("Account       %s\n", r.Created.SID)
	}
	if r.Backup != "" {
		p.printf("Backup        %s\n", r.Backup)
	}
	return p.err
}

// Schema writes what was found of a schema.
func Schema(w io.Writer, r *audit.SchemaReport, style Style) error {
	p := &printer{w: w}
	p.printf("Domain   %s, read from %s\n\n", r.Domain.DNS, r.Domain.DC)
	for _, c := range r.Checks {
		word := style.doubt(fmt.Sprintf("%-8s", c.Result))
		switch c.Result {
		case audit.Pass:
			word = style.good(fmt.Sprintf("%-8s", c.Result))
		case audit.Fail:
			word = style.bad(fmt.Sprintf("%-8s", c.Result))
		}
		p.printf("%s %s\n", word, c.Title)
		p.wrapped("         seen: ", "               ", c.Seen)
		if c.Result != audit.Pass {
			p.wrapped("         want: ", "               ", c.Want)
			p.printf("         see:  %s\n", c.Source)
		}
	}
	return p.err
}

// inheritOnly says whether an entry, in SDDL, was inherited and is for objects below.
func inheritOnly(ace string) bool {
	fields := strings.SplitN(ace, ";", 3)
	return len(fields) == 3 && strings.Contains(fields[1], "IO") && strings.Contains(fields[1], "ID")
}
