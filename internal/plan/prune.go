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
type lostError struct{ rule string }

func (e *lostError) Error() string {
	return "rule " + e.rule + " would not pass afterwards, and would have less than now"
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
		reqs = append(reqs, req.Requirement.Requirement)
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
		if other != t && directory.IsBelow(other.DN, t.DN) {
			return t, nil, fmt.Sprintf("%s, which is below it, is a target too; prune it alone, afterwards", other.DN)
		}
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
		return acl.Overlaps(a, req.Requirement.Requirement, s.Schema.PropertySetOf)
	})
}
