package audit

import (
	"fmt"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// rows are the rows of a target. What several policies ask for in the same words of the
// directory is judged once; each of them has a row of its own that names the others.
func (j *Judge) rows(t *directory.Target) []Row {
	first := map[string]int{}
	same := map[string][]int{}
	rows := []Row{}
	for _, req := range j.Requirements {
		if !j.About(t, &req) {
			continue
		}
		key := asked(&req)
		var row Row
		if k, judged := first[key]; judged {
			row = rows[k]
			own := j.blank(req)
			row.Policy, row.Rule, row.Access, row.AppliesTo, row.Source = own.Policy, own.Rule, own.Access, own.AppliesTo, own.Source
			row.Severity, row.Verification = own.Severity, own.Verification
		} else {
			var at int
			if row, at = j.row(t, &req); at >= 0 {
				row.Classes = j.classVerdicts(t, req.Any[at])
			} else if row.Forbidden {
				row.Classes = j.derivedVerdicts(t, &req)
			}
			if key != "" {
				first[key] = len(rows)
			}
		}
		if key != "" {
			same[key] = append(same[key], len(rows))
		}
		rows = append(rows, row)
	}
	for _, group := range same {
		for _, i := range group {
			for _, k := range group {
				if k != i {
					rows[i].SameAs = append(rows[i].SameAs, rows[k].Name())
				}
			}
		}
	}
	return rows
}

// asked is what two requirements have in common that ask for the very same; empty for one that is
// not resolved, for two of these look alike, and for what no schema resolves.
func asked(req *Requirement) string {
	if req.NotApplicable != "" || req.Any == nil {
		return ""
	}
	return fmt.Sprint(req.Rule.Forbidden, req.Any, req.On)
}

// Name is the row's rule with its policy: POLICY/RULE.
func (r Row) Name() string { return r.Policy + "/" + r.Rule }

// count counts the rows of all targets, of each policy and of all.
func (r *Report) count() {
	r.Summary = Summary{}
	by := map[string]*Summary{}
	for i := range r.Policies {
		r.Policies[i].Summary = Summary{}
		by[r.Policies[i].Name] = &r.Policies[i].Summary
	}
	for _, t := range r.Targets {
		for _, row := range t.Rows {
			r.Summary.add(row)
			if sum := by[row.Policy]; sum != nil {
				sum.add(row)
			}
		}
	}
}

// sumPolicies counts the rows of each policy over all domains.
func (r *ForestReport) sumPolicies() {
	for i := range r.Policies {
		sum := Summary{}
		for _, one := range r.Reports {
			for _, p := range one.Policies {
				if p.Name == r.Policies[i].Name {
					sum.sum(p.Summary)
				}
			}
		}
		r.Policies[i].Summary = sum
	}
}
