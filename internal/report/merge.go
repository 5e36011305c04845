package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/audit"
)

// Counts is a summary in words. Waived rows are named only where there are some.
func Counts(s audit.Summary) string {
	text := fmt.Sprintf("%d of %d pass, %d fail, %d unknown, %d not applicable", s.Pass, s.Rows, s.Fail, s.Unknown, s.NotApplicable)
	if s.Waived > 0 {
		text += fmt.Sprintf(", %d waived", s.Waived)
	}
	if s.Warnings > 0 {
		text += fmt.Sprintf(", %d warnings", s.Warnings)
	}
	return text
}

// merged are the names of the rows that are shown as one with a row: what they ask for is the
// same, and what became of it. Shown says that an earlier row has shown it.
func merged(rows []audit.Row, i int) (names []string, shown bool) {
	for k, other := range rows {
		if k != i && !(slices.Contains(rows[i].SameAs, other.Name()) && alike(rows[i], other)) {
			continue
		}
		if k < i {
			return nil, true
		}
		names = append(names, other.Name())
	}
	return names, false
}

// alike says whether two rows that ask for the same read the same, too.
func alike(a, b audit.Row) bool {
	return a.Result() == b.Result() && (a.Waived == nil || *a.Waived == *b.Waived)
}

// scenarioText says of each of several policies how many of its rules pass, and which do not.
func scenarioText(p *printer, r *audit.Report, style Style) {
	if len(r.Policies) < 2 {
		return
	}
	p.printf("\n%-8s %s\n", "RESULT", "POLICY")
	for _, pol := range r.Policies {
		s := pol.Summary
		if s.Rows == 0 {
			continue // it only includes others
		}
		word := style.good("pass    ")
		switch {
		case s.Fail > 0:
			word = style.bad("FAIL    ")
		case s.Unknown > 0:
			word = style.doubt("unknown ")
		case s.Pass+s.Waived == 0:
			word = "n/a     "
		case s.Pass == 0:
			word = style.doubt("waived  ")
		}
		if s.Fail+s.Unknown == 0 && s.Warnings > 0 {
			word = style.doubt("warning ")
		}
		asked := s.Rows - s.NotApplicable
		what := "rules"
		if len(r.Targets) > 1 {
			what = "rules on targets"
		}
		text := fmt.Sprintf("%s: %d of %d %s pass", pol.Name, s.Pass, asked, what)
		if s.NotApplicable > 0 {
			text += fmt.Sprintf(", %d not applicable", s.NotApplicable)
		}
		p.marked(word+" ", "         ", "             ", text)
		for _, result := range []struct{ of, words string }{{"fail", "fails: "}, {"unknown", "unknown: "}, {audit.RowWaived, "waived: "}, {audit.RowWarning, "warning: "}} {
			if rules := rulesThat(r, pol.Name, result.of); rules != "" {
				p.wrapped("             "+result.words, "                 ", rules)
			}
		}
	}
}

// rulesThat are the rules of a policy with a result, with the number of targets where not
// all of them have it.
func rulesThat(r *audit.Report, policy, result string) string {
	var order []string
	on, of := map[string]int{}, map[string]int{}
	for _, t := range r.Targets {
		for _, row := range t.Rows {
			if row.Policy != policy {
				continue
			}
			of[row.Rule]++
			if row.Result() != result {
				continue
			}
			if on[row.Rule] == 0 {
				order = append(order, row.Rule)
			}
			on[row.Rule]++
		}
	}
	for i, rule := range order {
		if on[rule] < of[rule] {
			order[i] += fmt.Sprintf(" (on %d of %d targets)", on[rule], of[rule])
		}
	}
	return strings.Join(order, ", ")
}

// Waivers writes what became of each waiver of the file; nothing where there is none.
func Waivers(w io.Writer, list []audit.Waiver, style Style) error {
	p := &printer{w: w}
	waiverText(p, list, style)
	return p.err
}

// waiverText says what became of each waiver of the file.
func waiverText(p *printer, list []audit.Waiver, style Style) {
	if len(list) == 0 {
		return
	}
	p.printf("\n%-9s %s\n", "WAIVER", "LINE")
	for _, v := range list {
		word := fmt.Sprintf("%-9s", v.State)
		mark := painted(word)
		switch v.State {
		case audit.WaiverUsed:
		case audit.WaiverExpired:
			mark = style.bad(word)
		default:
			mark = style.doubt(word)
		}
		line := fmt.Sprintf(" %-4d ", v.Line)
		p.marked(mark+painted(line), word+line, "               ", v.String())
	}
}
