package audit

import (
	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
)

// rows are the rows of a target. What several policies ask for in the same words of the
// directory is judged once; each of them has a row of its own that names the others.
func (j *Judge) rows(t *directory.Target) []Row {
	type asked struct {
		acl.Requirement
		notApplicable string
	}
	first := map[asked]int{}
	same := map[asked][]int{}
	rows := make([]Row, 0, len(j.Requirements))
	for i, req := range j.Requirements {
		key := asked{req.Requirement.Requirement, req.NotApplicable}
		var row Row
		if k, judged := first[key]; judged {
			row = rows[k]
			row.Policy, row.Rule, row.Access, row.AppliesTo, row.Source = req.Policy, req.Rule.ID, req.Rule.Access(), req.Rule.AppliesTo(), req.Rule.Source
		} else {
			first[key] = i
			row = j.Row(t, req)
			row.Classes = j.classVerdicts(t, req)
		}
		// What a schema lacks is not resolved, so that two such rules look alike.
		if req.NotApplicable == "" {
			same[key] = append(same[key], i)
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
