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
	Rule          string   `json:"rule"`
	Type          string   `json:"type"` // Allow, Forbidden, Attributes or DACL
	Access        string   `json:"access"`
	AppliesTo     string   `json:"appliesTo"`
	Target        string   `json:"target"` // where, as the policy names it
	Severity      string   `json:"severity"`
	Verification  string   `json:"verification"`
	Why           string   `json:"why,omitempty"`
	Source        string   `json:"source"`
	NotApplicable string   `json:"notApplicable,omitempty"`
	SDDL          []string `json:"sddl,omitempty"` // an entry for each alternative; <account> for the account's SID
}

// Policies writes policies as an administrator knows permissions: type, name, access and
// what it applies to.
func Policies(w io.Writer, v *PolicyView, account string, style Style) error {
	p := &printer{w: w}
	for i, pol := range v.Policies {
		if i > 0 {
			p.printf("\n")
		}
		policyHead(p, &pol, style)
		if len(pol.Rules) > 0 {
			p.printf("\n%-10s %-14s %-27s %s\n", "TYPE", "NAME", "ACCESS", "APPLIES TO")
		}
		target := ""
		for _, r := range pol.Rules {
			if r.Target != target {
				target = r.Target
				p.wrapped(target+":", "   ", "")
			}
			p.cells([]int{10, 14, 27, 26}, r.Type, account, r.Access, r.AppliesTo)
			const indent = "           "
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

const forbiddenType = "Forbidden"

// RuleType is the type of a rule in a PolicyRow.
func RuleType(r *policy.Rule) string {
	switch {
	case r.Limits != nil:
		return "Attributes"
	case r.DACL != nil:
		return "DACL"
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
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
