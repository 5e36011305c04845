package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// exact judges a rule about the whole DACL of a target: every explicit allow entry is within
// what the rule lists, every one that it lists is there at least in part, and nobody else can change that as its owner.
func (j *Judge) exact(t *directory.Target, req *Requirement, row *Row) {
	d := t.Descriptor
	listed, may, err := parseDACL(req.Rule.DACL, j.s.Domain.Aliases())
	if err != nil {
		row.Why = err.Error()
		return
	}
	fail := func(format string, args ...any) {
		row.Grant, row.Effect = Violated, Violated
		if row.Why != "" {
			row.Why += "; "
		}
		row.Why += fmt.Sprintf(format, args...)
	}
	if d.DACL == nil {
		fail("it has no DACL, so that everybody may do everything")
		return
	}
	if req.Rule.DACL.Protected && !d.Control.Has(sddl.DACLProtected) {
		fail("it inherits entries from above")
	}
	if !slices.ContainsFunc(listed, func(a sddl.ACE) bool {
		return a.SID == d.Owner && a.Mask.MapGeneric()&sddl.WriteDACL != 0 && !a.Flags.Has(sddl.InheritOnly) && !a.HasObjectType()
	}) {
		fail("its owner, %s, may change its permissions and is not one of those listed", j.NameOf(d.Owner))
	}
	seen := make([]bool, len(listed))
	var extra []sddl.ACE
	for _, a := range d.DACL.ACEs {
		// Nothing is inherited where inheritance is blocked, whatever an entry says of itself. [MS-ADTS] 6.1.3.
		if a.IsInherited() && !d.Control.Has(sddl.DACLProtected) {
			continue
		}
		a.Flags &^= sddl.Inherited
		if a.Type.IsDeny() || !a.IsOpaque() && a.Type.IsAllow() && slices.Contains(may, a.SID) {
			continue
		}
		var within sddl.Mask
		for i, want := range listed {
			if sameButMask(want, a) {
				within |= want.Mask.MapGeneric()
				seen[i] = seen[i] || want.Mask.MapGeneric()&a.Mask.MapGeneric() != 0
			}
		}
		if a.Type != sddl.Allow && a.Type != sddl.AllowObject || a.Mask.MapGeneric()&^within != 0 {
			extra = append(extra, a)
		}
	}
	if extra != nil {
		row.Grants = j.aces(extra)
		fail("explicit entries that the rule does not list: %d", len(extra))
	}
	var lacking []string
	for i, a := range listed {
		if !seen[i] {
			lacking = append(lacking, j.NameOf(a.SID))
		}
	}
	if lacking != nil {
		fail("the entries are missing for %s", strings.Join(lacking, ", "))
	}
	if row.Grant == Violated {
		return
	}
	row.Grant, row.Effect, row.Pass = Holds, Holds, true
}

// sameButMask says whether two entries are for the same SID, about the same and inherited alike. An object entry
// without GUIDs is a plain one.
func sameButMask(a, b sddl.ACE) bool {
	for _, one := range []*sddl.ACE{&a, &b} {
		if one.Type == sddl.AllowObject && one.ObjectFlags == 0 {
			one.Type = sddl.Allow
		}
		one.Mask, one.Data = 0, ""
	}
	return a == b
}

// parseDACL is what a rule lists, with SDDL aliases of a domain.
func parseDACL(rule *policy.DACL, aliases sddl.Aliases) (listed []sddl.ACE, may []sddl.SID, err error) {
	for _, text := range rule.Entries {
		d, err := sddl.ParseText("D:"+text, aliases)
		if err != nil {
			return nil, nil, fmt.Errorf("entry %s: %w", text, err)
		}
		listed = append(listed, d.DACL.ACEs...)
	}
	for _, text := range rule.May {
		d, err := sddl.ParseText("O:"+text, aliases)
		if err != nil {
			return nil, nil, fmt.Errorf("trustee %s: %w", text, err)
		}
		may = append(may, d.Owner)
	}
	return listed, may, nil
}
