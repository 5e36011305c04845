package reach

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// complete puts what was found into the report.
func (s *sweep) complete(report *audit.Report, reaches []*audit.Reach, excess *audit.Excess) {
	if s.opts.Reach {
		sum := &audit.SweepSummary{}
		for i, found := range reaches {
			dn := s.targets[i].DN
			if at := slices.IndexFunc(report.Targets, func(t audit.Target) bool { return t.DN == dn }); at >= 0 {
				report.Targets[at].Reach = found
			}
			sum.Objects += found.Objects
			for _, row := range found.Rows {
				sum.Checked += row.Objects
				sum.Effective += row.Effective
				sum.NotEffective += row.NotEffective
				sum.Protected += row.Protected
				sum.Unknown += row.Unknown
				sum.Derived += row.Derived
				if row.Objects == 0 && row.Derived > 0 {
					sum.OnlyDerived++
				}
			}
		}
		report.ReachSummary = sum
		report.AdminSDHolder = s.protection()
		if len(reaches) > 0 {
			report.Notes = slices.DeleteFunc(slices.Clone(report.Notes), func(note string) bool { return note == audit.NotSwept })
		}
		if excess == nil && slices.ContainsFunc(s.judge.Requirements, func(req audit.Requirement) bool {
			return req.Rule.Forbidden && slices.ContainsFunc(req.Any, func(one acl.Requirement) bool { return one.Scope != acl.ThisObject })
		}) {
			report.Notes = append(report.Notes, "What rules forbid was not looked for on the objects below their targets; --excess lists what the account has there.")
		}
		for _, t := range s.points {
			if s.snapshot.Asked(t) {
				report.Notes = append(report.Notes, t.DN+": what has been deleted was not judged.")
			}
		}
	}
	if excess != nil {
		s.summary.Unknown = excess.Unknown
		report.Excess, report.ExcessSummary = excess, &s.summary
	}
}

// protection is what AdminSDHolder has for the account and its groups. [MS-ADTS] 3.1.1.6.1.
func (s *sweep) protection() *audit.Protection {
	p := &audit.Protection{DN: AdminSDHolder(s.snapshot.Domain.DN), Unreadable: s.unprotected}
	if s.adminSDHolder == nil || s.adminSDHolder.DACL == nil {
		return p
	}
	for _, a := range s.adminSDHolder.DACL.ACEs {
		if a.IsOpaque() || !a.Type.IsAllow() && !a.Type.IsDeny() {
			continue
		}
		if via := s.token.Via(a.SID); via != acl.Own && via != acl.Group {
			continue
		}
		e := audit.ProtectionACE{ACE: s.judge.View(a), Effective: true, Why: "on every protected account and group, once SDProp has written them there"}
		switch {
		case a.Flags.Has(sddl.InheritOnly):
			e.Effective, e.Why = false, "they are only for what is below the objects that SDProp writes them on, and have no effect on those"
		case !s.fitsProtected(&a):
			e.Effective, e.Why = false, "they are about something that no user, computer or group has"
		}
		p.Entries = append(p.Entries, e)
	}
	return p
}

// fitsProtected says whether what an entry is about is something that objects have which
// SDProp protects; true where nobody can tell.
func (s *sweep) fitsProtected(a *sddl.ACE) bool {
	const attribute = sddl.ReadProperty | sddl.WriteProperty
	if !a.HasObjectType() || a.Mask.MapGeneric()&^attribute != 0 {
		return true
	}
	for _, name := range []string{"user", "computer", "group"} {
		_, c, fault := s.judge.ObjectClass([]string{name})
		if fault != "" {
			return true
		}
		for g, set := range c.Attributes {
			if g == a.ObjectType || set == a.ObjectType {
				return true
			}
		}
		if c.GUID == a.ObjectType {
			return true
		}
	}
	return false
}
