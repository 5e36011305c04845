package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/policy"
)

// PolicyView is policies with what their rules come to. Its JSON form is stable: fields are
// added, never changed.
type PolicyView struct {
	Format   int          `json:"format"`
	Kind     string       `json:"kind"`   // PolicyView
	Schema   string       `json:"schema"` // which one the names were looked up in
	Policies []PolicyRows `json:"policies"`
}

// PolicyRows is one policy.
type PolicyRows struct {
	Name       string            `json:"name"`
	Title      string            `json:"title"`
	Source     string            `json:"source"`
	Include    []string          `json:"include,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"` // their values
	Notes      []string          `json:"notes,omitempty"`
	Rules      []PolicyRow       `json:"rules"`
}

// PolicyRow is one rule.
type PolicyRow struct {
	Rule          string `json:"rule"`
	Type          string `json:"type"` // Allow, Forbidden, Attributes or DACL
	Access        string `json:"access"`
	AppliesTo     string `json:"appliesTo"`
	Target        string `json:"target"` // where, as the policy names it
	Severity      string `json:"severity"`
	Verification  string `json:"verification"`
	Why           string `json:"why,omitempty"`
	Source        string `json:"source"`
	NotApplicable string `json:"notApplicable,omitempty"`
	// An entry for each alternative that the schema has names for, with <account> for the account's SID, or each
	// right that is forbidden, or all the entries of a DACL.
	SDDL      []string      `json:"sddl,omitempty"`
	AnyOf     []PolicyGrant `json:"anyOf,omitempty"`     // the alternatives, the first of which is granted
	Protected bool          `json:"protected,omitempty"` // of a DACL: inheritance is blocked
	May       []string      `json:"may,omitempty"`       // of a DACL: trustees whose entries may be there besides
}

// PolicyGrant is one alternative of a rule.
type PolicyGrant struct {
	Access    string `json:"access"`
	AppliesTo string `json:"appliesTo"`
}

// Policies writes policies as an administrator knows permissions: type, name, access and
// what it applies to.
func Policies(w io.Writer, v *PolicyView, account string, style Style) error {
	p := &printer{w: w}
	const trustee = "<account>"
	short := account
	if utf8.RuneCountInString(Printable(account)) > 14 {
		short = trustee // the column has no room for it
	}
	for i, pol := range v.Policies {
		if i > 0 {
			p.printf("\n")
		}
		policyHead(p, &pol, style)
		if short != account && len(pol.Rules) > 0 {
			p.printf("  %s = %s\n", trustee, account)
		}
		if len(pol.Rules) > 0 {
			p.printf("\n%-10s %-14s %-27s %s\n", "TYPE", "NAME", "ACCESS", "APPLIES TO")
		}
		target := ""
		for _, r := range pol.Rules {
			if r.Target != target {
				target = r.Target
				p.wrapped(target+":", "   ", "")
			}
			who := short
			if r.Type == attributesType || r.Type == daclType {
				who = "-" // it is about the target
			}
			widths := []int{10, 14, 27, 26}
			if len(r.AnyOf) == 0 {
				p.cells(widths, r.Type, who, r.Access, r.AppliesTo)
			}
			for k, one := range r.AnyOf {
				kind := r.Type
				if k > 0 {
					kind = "or"
				}
				p.cells(widths, kind, who, one.Access, one.AppliesTo)
			}
			const indent = "           "
			if r.Type == daclType {
				p.wrapped(indent, indent, strings.Join(r.SDDL, " "))
				policyMay(p, indent, &r)
			}
			about := r.Rule
			if r.Severity != string(policy.SeverityError) {
				about += ", " + r.Severity
			}
			if r.Verification != string(policy.Published) {
				about += ", " + r.Verification
			}
			p.wrapped(indent+"("+about+")", indent, "")
			if r.NotApplicable != "" {
				p.wrapped(indent+"not applicable: ", indent+"  ", r.NotApplicable)
			}
		}
		policyNotes(p, &pol)
	}
	return p.err
}

// PolicySDDL writes what policies ask for as entries in SDDL.
func PolicySDDL(w io.Writer, v *PolicyView, style Style) error {
	p := &printer{w: w}
	for i, pol := range v.Policies {
		if i > 0 {
			p.printf("\n")
		}
		policyHead(p, &pol, style)
		for _, r := range pol.Rules {
			p.printf("\n%s %s\n", style.strong(r.Rule), r.Target)
			switch {
			case r.NotApplicable != "":
				p.wrapped("  not applicable: ", "    ", r.NotApplicable)
			case len(r.SDDL) == 0:
				p.wrapped("  ", "  ", r.Access)
			case r.Type == daclType:
				for _, entry := range r.SDDL {
					p.printf("  %s\n", entry)
				}
				policyMay(p, "  ", &r)
				if r.Protected {
					p.printf("  inheritance blocked\n")
				}
			case r.Type == forbiddenType:
				p.wrapped("  must not be granted: ", "    ", strings.Join(r.SDDL, " "))
			default:
				for k, entry := range r.SDDL {
					if k > 0 {
						p.printf("  or\n")
					}
					p.printf("  %s\n", entry)
				}
			}
		}
		policyNotes(p, &pol)
	}
	return p.err
}

const (
	forbiddenType  = "Forbidden"
	attributesType = "Attributes"
	daclType       = "DACL"
)

// policyMay says whose entries may be in a DACL besides those that are listed.
func policyMay(p *printer, indent string, r *PolicyRow) {
	if len(r.May) > 0 {
		p.wrapped(indent+"besides, entries that allow something to: ", indent+"  ", strings.Join(r.May, ", "))
	}
}

// RuleType is the type of a rule in a PolicyRow.
func RuleType(r *policy.Rule) string {
	switch {
	case r.Limits != nil:
		return attributesType
	case r.DACL != nil:
		return daclType
	case r.Forbidden:
		return forbiddenType
	}
	return "Allow"
}

func policyHead(p *printer, pol *PolicyRows, style Style) {
	p.printf("%s\n", style.strong(pol.Name))
	p.wrapped("  ", "  ", pol.Title)
	p.wrapped("  ", "  ", pol.Source)
	if len(pol.Include) > 0 {
		p.wrapped("  with ", "       ", strings.Join(pol.Include, ", "))
	}
	var names []string
	for name := range pol.Parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p.wrapped("  ", "    ", fmt.Sprintf("%s = %s", name, pol.Parameters[name]))
	}
}

func policyNotes(p *printer, pol *PolicyRows) {
	if len(pol.Notes) > 0 {
		p.printf("\n")
	}
	for _, note := range pol.Notes {
		p.wrapped("Note: ", "      ", note)
	}
}

// cells prints texts side by side, each wrapped to its column.
func (p *printer) cells(widths []int, texts ...string) {
	columns := make([][]string, len(texts))
	rows := 0
	for i, text := range texts {
		columns[i] = wrap(text, widths[i])
		rows = max(rows, len(columns[i]))
	}
	for row := range rows {
		line := ""
		for i, column := range columns {
			cell := ""
			if row < len(column) {
				cell = column[row]
			}
			line += cell
			if i+1 < len(columns) {
				line += strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0)+1)
			}
		}
		p.printf("%s\n", strings.TrimRight(line, " "))
	}
}

// wrap cuts a text into lines of at most so many characters, where its words are no longer than that.
func wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		word = Printable(word) // which makes it longer
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
