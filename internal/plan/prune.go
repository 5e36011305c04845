package plan

import (
	"fmt"
	"slices"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// lostError says that a rule could not be made to pass after pruning, so that pruning
// might take away what the account has of it now.
type lostError struct {
	rule string
	less bool // the account would have less of it than now
}

func (e *lostError) Error() string {
	text := "rule " + e.rule + " would not pass afterwards"
	if e.less {
		text += ", and would have less than now"
	}
	return text
}

func lost(req audit.Requirement) error { return &lostError{req.Rule.ID, len(req.Asked()) > 0} }

// prunes says whether there is something on a target that pruning is about.
func prunes(s *audit.Snapshot, j *audit.Judge, t *directory.Target) bool {
	_, excess, why := pruned(s, j, t)
	return excess != nil || why != ""
}

// pruned is the target without the account's own entries that grant more than the
// requirements ask for, and these entries; the target itself where there are none, or
// where taking them away cannot be judged, with the reason.
func pruned(s *audit.Snapshot, j *audit.Judge, t *directory.Target) (base *directory.Target, excess []sddl.ACE, note string) {
	if t.Descriptor == nil || t.Descriptor.DACL == nil {
		return t, nil, ""
	}
	var reqs []acl.Requirement
	for _, req := range j.Requirements {
		if j.About(t, &req) {
			reqs = append(reqs, req.Asked()...)
		}
	}
	for _, a := range t.Descriptor.DACL.ACEs {
		if prunable(a, s.Account.SID.String()) && acl.Beyond(a, reqs, s.Schema.PropertySetOf) != 0 {
			excess = append(excess, a)
		}
	}
	if len(excess) == 0 {
		return t, nil, ""
	}
	// What a lower target has by inheritance from here is not simulated.
	for _, other := range s.Targets {
		if other != t && s.Asked(other) && inherits(s, other, t) {
			return t, nil, fmt.Sprintf("%s, which is below it, is a target too; prune it alone, afterwards", other.DN)
		}
	}
	if rule, dn := neededBelow(s, j, t, excess); rule != "" {
		return t, nil, fmt.Sprintf("rule %s may need what %s inherits from here", rule, dn)
	}
	if err := t.Descriptor.DACL.Canonical(); err != nil {
		return t, nil, "its DACL is not in canonical order: " + err.Error()
	}
	dacl, err := t.Descriptor.DACL.WithoutAllows(excess...)
	if err != nil {
		return t, nil, err.Error()
	}
	without := *t
	without.Descriptor = t.Descriptor.WithDACL(dacl)
	return &without, excess, ""
}

// neededBelow is a rule about another object, one that rules name themselves, that may pass by what
// that inherits of the entries; empty where there is none.
func neededBelow(s *audit.Snapshot, j *audit.Judge, t *directory.Target, excess []sddl.ACE) (rule, dn string) {
	handed := slices.DeleteFunc(slices.Clone(excess), func(a sddl.ACE) bool { return !a.Flags.Has(sddl.ContainerInherit) })
	for _, req := range j.Requirements {
		if !needed(handed, req, s) {
			continue
		}
		for _, other := range s.Targets {
			if other != t && j.About(other, &req) && inherits(s, other, t) {
				return req.Rule.ID, other.DN
			}
		}
	}
	for _, u := range j.Unseen() {
		// One that is named by a place that nobody found may be anywhere.
		known := slices.ContainsFunc(contexts(s), func(head string) bool { return directory.IsBelow(u.DN, head) })
		if known && !below(s, u.DN, t.DN) {
			continue
		}
		for _, row := range u.Rows {
			for _, req := range j.Requirements {
				if ruleOf(req) == (Rule{row.Policy, row.Rule}) && needed(handed, req, s) {
					return req.Rule.ID, u.DN
				}
			}
		}
	}
	return "", ""
}

// prunable says whether a plan may take the entry away: an explicit allow of the account's
// own, and nothing about it that is not understood. Denies stay, whoever they are for.
func prunable(a sddl.ACE, account string) bool {
	if a.SID.String() != account {
		return false
	}
	_, err := (&sddl.ACL{}).WithoutAllows(a)
	return err == nil
}

// needed says whether one of the entries may give the account a part of what the
// requirement asks for.
func needed(excess []sddl.ACE, req audit.Requirement, s *audit.Snapshot) bool {
	return slices.ContainsFunc(excess, func(a sddl.ACE) bool {
		return slices.ContainsFunc(req.Asked(), func(one acl.Requirement) bool {
			return acl.Overlaps(a, one, s.Schema.PropertySetOf)
		})
	})
}
