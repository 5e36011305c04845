package audit

import (
	"fmt"
	"time"

	"github.com/gmsactl/gmsactl/internal/waiver"
)

// Waivers are what rows need not pass for, on a day.
type Waivers struct {
	List []waiver.Waiver
	Now  time.Time
}

// Waived says why a row that fails is no finding.
type Waived struct {
	Why   string `json:"why"`
	Until string `json:"until"` // the last day, as 2027-06-30, by the calendar of UTC
}

// Waiver is one waiver of the file, and what it came to in an audit.
type Waiver struct {
	Rule   string      `json:"rule"` // RULE or POLICY/RULE
	Target string      `json:"target"`
	Why    string      `json:"why"`
	Until  string      `json:"until"`
	Line   int         `json:"line"` // 1-based, in its file
	State  WaiverState `json:"state"`
	Rows   int         `json:"rows"` // that it is for
}

// WaiverState is what a waiver came to.
type WaiverState string

// The states. Only an expired waiver is a finding.
const (
	WaiverUsed      WaiverState = "used"      // a row fails, and need not pass
	WaiverExpired   WaiverState = "expired"   // it covers nothing any more, whatever the rows say
	WaiverUnneeded  WaiverState = "unneeded"  // no row that it is for fails
	WaiverUnknown   WaiverState = "unknown"   // a row that it is for is unknown, which is not waived
	WaiverUnmatched WaiverState = "unmatched" // the audit has no such rule, or no such target
)

// For is the waiver in force for a rule on a target, the first of the file; nil where there
// is none.
func (w *Waivers) For(policy, rule, dn string) *waiver.Waiver {
	if w == nil {
		return nil
	}
	for i := range w.List {
		if one := &w.List[i]; one.Names(policy, rule) && one.At(dn) && !one.Expired(w.Now) {
			return one
		}
	}
	return nil
}

// Waive marks the rows that fail and need not pass, and says what became of every waiver. A
// row that is unknown stays unknown: nobody has seen what would be waived. What a sweep
// found below a target goes with the row, but for what is unknown; excess is never waived.
func (r *Report) Waive(w *Waivers) {
	if w == nil {
		return
	}
	w.apply([]*Report{r})
	r.Waivers = w.states([]*Report{r})
}

// Waive is [Report.Waive] for every domain; a waiver that one of them uses is used.
func (r *ForestReport) Waive(w *Waivers) {
	if w == nil {
		return
	}
	w.apply(r.Reports)
	r.Waivers = w.states(r.Reports)
	r.Summary.Summary = Summary{}
	for _, one := range r.Reports {
		r.Summary.Summary.sum(one.Summary)
	}
	r.sumPolicies()
}

func (w *Waivers) apply(reports []*Report) {
	for _, r := range reports {
		for i := range r.Targets {
			t := &r.Targets[i]
			for k := range t.Rows {
				row := &t.Rows[k]
				one := w.For(row.Policy, row.Rule, t.DN)
				if one == nil || row.Result() != "fail" {
					continue
				}
				row.Waived = &Waived{one.Why, one.Day()}
				if t.Reach != nil && r.ReachSummary != nil {
					r.ReachSummary.waive(t.Reach, *row)
				}
			}
		}
		r.count()
	}
}

// waive takes what is not effective for a row out of the findings of a sweep.
func (s *SweepSummary) waive(reach *Reach, row Row) {
	for i := range reach.Rows {
		one := &reach.Rows[i]
		onlyDerived := one.Objects == 0 && one.Derived > 0
		if one.Policy != row.Policy || one.Rule != row.Rule || one.Waived || one.NotEffective+one.Protected == 0 && !onlyDerived {
			continue
		}
		one.Waived = true
		s.NotEffective -= one.NotEffective
		s.Protected -= one.Protected
		s.Waived += one.NotEffective + one.Protected
		if onlyDerived {
			s.OnlyDerived--
		}
	}
}

func (w *Waivers) states(reports []*Report) []Waiver {
	out := []Waiver{}
	for _, one := range w.List {
		v := Waiver{Rule: one.Name(), Target: one.Target, Why: one.Why, Until: one.Day(), Line: one.Line, State: WaiverUnmatched}
		results := map[string]int{}
		for _, r := range reports {
			for _, t := range r.Targets {
				for _, row := range t.Rows {
					if one.Names(row.Policy, row.Rule) && one.At(t.DN) {
						v.Rows++
						results[row.Result()]++
					}
				}
			}
		}
		switch {
		case one.Expired(w.Now):
			v.State = WaiverExpired
		case v.Rows == 0:
		case results[RowWaived] > 0:
			v.State = WaiverUsed
		case results["unknown"] > 0:
			v.State = WaiverUnknown
		default:
			v.State = WaiverUnneeded
		}
		out = append(out, v)
	}
	return out
}

// String is what a waiver came to, in one sentence without a full stop.
func (v Waiver) String() string {
	on := "on " + v.Target
	if v.Target == waiver.Everywhere {
		on = "on every target"
	}
	what := fmt.Sprintf("rule %s %s, until %s", v.Rule, on, v.Until)
	switch v.State {
	case WaiverUsed:
		return what + ": " + v.Why
	case WaiverExpired:
		return what + ": it has expired and covers nothing; renew it or take it out of the file"
	case WaiverUnneeded:
		return what + ": no row that it is for fails; take it out of the file"
	case WaiverUnknown:
		return what + ": what it is for is unknown, and only what was seen to fail is waived"
	}
	return what + ": this audit has no such rule on such a target; look at the spelling"
}

func expired(list []Waiver) bool {
	for _, v := range list {
		if v.State == WaiverExpired {
			return true
		}
	}
	return false
}
