package plan

import (
	"fmt"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// lostError says that a rule which passes now could not be made to pass again after
// pruning.
type lostError struct{ rule string }

func (e *lostError) Error() string {
	return "rule " + e.rule + ", which passes now, would not pass afterwards"
}

// pruned is the target without the account's own entries that grant more than the
// requirements ask for; the target itself where there are none, or where taking them
// away cannot be judged, with the reason.
func pruned(s *audit.Snapshot, j *audit.Judge, t *directory.Target) (*directory.Target, string) {
	if t.Descriptor == nil || t.Descriptor.DACL == nil {
		return t, ""
	}
	var reqs []acl.Requirement
	for _, req := range j.Requirements {
		reqs = append(reqs, req.Requirement.Requirement)
	}
	var excess []sddl.ACE
	for _, a := range t.Descriptor.DACL.ACEs {
		if prunable(a, s.Account.SID.String()) && acl.Beyond(a, reqs, s.Schema.PropertySetOf) != 0 {
			excess = append(excess, a)
		}
	}
	if len(excess) == 0 {
		return t, ""
	}
	// What a lower target has by inheritance from here is not simulated.
	for _, other := range s.Targets {
		if other != t && directory.IsBelow(other.DN, t.DN) {
			return t, fmt.Sprintf("%s, which is below it, is a target too; prune it alone, afterwards", other.DN)
		}
	}
	if err := t.Descriptor.DACL.Canonical(); err != nil {
		return t, "its DACL is not in canonical order: " + err.Error()
	}
	dacl, err := t.Descriptor.DACL.WithoutAllows(excess...)
	if err != nil {
		return t, err.Error()
	}
	base := *t
	base.Descriptor = t.Descriptor.WithDACL(dacl)
	return &base, ""
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
