package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Build makes the plan with the fewest entries that make every rule of the policies pass
// on every target. It adds entries for the account's own SID and never removes any. A
// rule that adding cannot make pass is blocked, with the reason.
func Build(s *audit.Snapshot, policies []*policy.Policy, accept audit.Accept) (*Plan, error) {
	return Make(s, policies, Options{Accept: accept})
}

// Prune makes the plan that [Build] makes and takes away, too, the account's own explicit
// allow entries on the targets that grant more than the policies ask for. What a rule
// needs of them is granted anew, no wider than it asks for: every rule that passes now
// passes afterwards, or the target is not pruned, and a note says so.
func Prune(s *audit.Snapshot, policies []*policy.Policy, accept audit.Accept) (*Plan, error) {
	return Make(s, policies, Options{Accept: accept, Prune: true})
}

// Options say how a plan is made.
type Options struct {
	Accept  audit.Accept
	Prune   bool           // as [Prune] does
	Waivers *audit.Waivers // rules that are left alone where they do not pass; nil: none

	// AdminSDHolder lets the plan write on AdminSDHolder, from where every protected account and
	// group takes its permissions. [MS-ADTS] 3.1.1.6.1.
	AdminSDHolder bool
}

// Make makes the plan that [Build] or [Prune] makes, and leaves alone what is waived: it
// grants nothing for a rule that need not pass, and a note says so.
func Make(s *audit.Snapshot, policies []*policy.Policy, opts Options) (*Plan, error) {
	accept, prune := opts.Accept, opts.Prune
	j, err := audit.NewJudge(s, policies, accept)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		Format: format, Kind: kindPlan, Accept: accept, Prune: prune, AdminSDHolder: opts.AdminSDHolder,
		Domain:  domainOf(s.Domain),
		Server:  serverOf(s.Domain),
		Account: Account{Name: s.Domain.Qualified(s.Account.Name), SID: s.Account.SID.String()},
		Changes: []Change{},
	}
	for _, pol := range policies {
		p.Policies = append(p.Policies, Policy{Name: pol.Name, YAML: string(pol.Text), Parameters: maps.Clone(pol.Values)})
	}
	p.Targets = []string{}
	for _, t := range s.Targets {
		base, excess, note := t, []sddl.ACE(nil), ""
		switch {
		case !s.Asked(t):
			p.Named = append(p.Named, t.DN)
			if prune && prunes(s, j, t) {
				note = "rules name it, and --target does not"
			}
		case prune && !opts.AdminSDHolder && isAdminSDHolder(s, t.DN):
			p.Targets = append(p.Targets, t.DN)
			if prunes(s, j, t) {
				note = "it is not written unless told to with --write-adminsdholder"
			}
		case prune:
			p.Targets = append(p.Targets, t.DN)
			base, excess, note = pruned(s, j, t)
		default:
			p.Targets = append(p.Targets, t.DN)
		}
		change, blocked, waived, err := grant(s, j, t, base, excess, opts)
		if lost := (*lostError)(nil); errors.As(err, &lost) {
			note = lost.Error()
			change, blocked, waived, err = grant(s, j, t, t, nil, opts)
		}
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", t.DN, err)
		}
		if note != "" {
			p.Notes = append(p.Notes, t.DN+" is not pruned: "+note+".")
		}
		if change != nil {
			p.Changes = append(p.Changes, *change)
		}
		p.Blocked = append(p.Blocked, blocked...)
		p.Notes = append(p.Notes, waived...)
	}
	for _, t := range j.Unseen() {
		for _, row := range t.Rows {
			switch {
			case row.Grant == audit.NotApplicable:
			case row.Result() == audit.RowWarning:
				p.Notes = append(p.Notes, advice(row.Rule, t.DN))
			default:
				p.Blocked = append(p.Blocked, Blocked{DN: t.DN, Rule: Rule{row.Policy, row.Rule}, Why: row.Why})
			}
		}
	}
	if opts.Waivers != nil {
		for _, w := range opts.Waivers.List {
			if w.Expired(opts.Waivers.Now) {
				p.Notes = append(p.Notes, fmt.Sprintf("the waiver of rule %s in line %d expired on %s and covers nothing.", w.Name(), w.Line, w.Day()))
			}
		}
	}
	p.Notes = append(p.Notes, p.spread(s)...)
	// Below before above: writing a container changes what the objects below it inherit,
	// and with that the descriptors that later changes were made from.
	sort.SliceStable(p.Changes, func(a, b int) bool {
		return directory.DepthDN(p.Changes[a].DN) > directory.DepthDN(p.Changes[b].DN)
	})
	return p, nil
}

// isAdminSDHolder says whether SDProp copies the DACL of the object with that DN. [MS-ADTS] 3.1.1.6.1.
func isAdminSDHolder(s *audit.Snapshot, dn string) bool {
	return directory.SameDN(dn, policy.AdminSDHolder.UsualDN(s.Domain.DN))
}

func domainOf(d *directory.Domain) Domain {
	out := Domain{DNS: d.DNS, SID: d.SID.String(), GUID: d.GUID.String(), DC: d.Host}
	if !d.ForestSID.IsZero() {
		out.ForestSID = d.ForestSID.String()
	}
	return out
}

// want is a requirement that entries are added for.
type want struct {
	audit.Requirement
	one   acl.Requirement // the alternative that is granted
	keeps bool            // it passes now, by what pruning takes away
}

// guard is a rule that holds now and that no entry may break: one that forbids, or is about the whole DACL.
type guard struct {
	rule, why string
	holds     func(after *sddl.ACL) bool
}

// grant plans one target: nil where there is nothing to write. The change is made from t;
// its new DACL is that of base, which is t or t without excess, with what has to be added.
// The notes are about what is left alone.
func grant(s *audit.Snapshot, j *audit.Judge, t, base *directory.Target, excess []sddl.ACE, opts Options) (*Change, []Blocked, []string, error) {
	waivers := opts.Waivers
	var notes []string
	var wanted []want
	var open []audit.Requirement                 // that do not pass, and ask for nothing
	passing := make([]bool, len(j.Requirements)) // two policies may be of one name
	var blocked []Blocked
	block := func(req audit.Requirement, why string) {
		blocked = append(blocked, Blocked{DN: t.DN, Rule: ruleOf(req), Why: why})
	}
	for i, req := range j.Requirements {
		if !j.About(t, &req) {
			continue
		}
		row := j.Row(t, req)
		switch {
		case row.Pass:
			passing[i] = true
			if base != t && !j.Row(base, req).Pass {
				if len(req.Asked()) == 0 {
					return nil, nil, nil, lost(req)
				}
				wanted = append(wanted, want{req, j.Chosen(t, &req), true})
			}
		case row.Grant == audit.NotApplicable:
		case row.Result() == "fail" && waivers.For(req.Policy, req.Rule.ID, t.DN) != nil:
			if needed(excess, req, s) {
				return nil, nil, nil, lost(req)
			}
			w := waivers.For(req.Policy, req.Rule.ID, t.DN)
			notes = append(notes, fmt.Sprintf("rule %s on %s does not pass, and is left alone, waived until %s: %s", req.Rule.ID, t.DN, w.Day(), w.Why))
		case row.Result() == audit.RowWarning:
			if needed(excess, req, s) {
				return nil, nil, nil, lost(req)
			}
			notes = append(notes, advice(req.Rule.ID, t.DN))
		case len(req.Asked()) == 0:
			open = append(open, req)
		case t.Descriptor == nil:
			block(req, t.Unreadable)
		default:
			wanted = append(wanted, want{req, req.Any[0], false})
		}
	}
	// settle says what became of the rules that ask for nothing: other entries, and pruning, may have
	// made them pass.
	settle := func(at *directory.Target) (pass []Rule) {
		for _, req := range open {
			if row := j.Row(at, req); row.Pass {
				pass = append(pass, ruleOf(req))
			} else {
				block(req, notGranted(row, &req))
			}
		}
		return pass
	}
	nothing := func() (*Change, []Blocked, []string, error) {
		settle(t)
		return nil, blocked, notes, nil
	}
	if len(wanted) == 0 && base == t {
		return nothing()
	}
	refuse := func(why string) (*Change, []Blocked, []string, error) {
		for _, w := range wanted {
			block(w.Requirement, why)
		}
		return nothing()
	}
	if !opts.AdminSDHolder && isAdminSDHolder(s, t.DN) {
		return refuse("AdminSDHolder is not written unless told to with --write-adminsdholder: every protected account and group would take it over within the hour")
	}
	dacl := t.Descriptor.DACL
	if dacl == nil {
		return refuse("the descriptor has no DACL, so that everybody has every right already; restrict it first")
	}
	if t.GUID.IsZero() {
		return refuse("objectGUID is not readable, so that the object could not be told from another one later")
	}
	if err := dacl.Canonical(); err != nil {
		return refuse(fmt.Sprintf("the DACL is not in canonical order (%v), and reordering would change what it grants; repair it with the permission editor of Windows", err))
	}
	with := func(after *sddl.ACL) *directory.Target {
		simulated := *t
		simulated.Descriptor = t.Descriptor.WithDACL(after)
		return &simulated
	}
	// What a rule forbids that does not hold as it is, others get no more of.
	wanted = slices.DeleteFunc(wanted, func(w want) bool {
		for _, req := range open {
			if !w.keeps && req.Rule.Forbidden && givesAny(s, base, w.one, req.Any) {
				block(w.Requirement, forbids(req))
				return true
			}
		}
		return false
	})
	guards := append(guardsOf(j, with, passing), guardsBelow(s, j, t, spared(s, base, wanted))...)
	// Leave out what stays ineffective whatever is added: an entry that helps nothing is
	// only one more to explain.
	for len(wanted) > 0 || base != t {
		after, err := withWanted(s, base, wanted)
		if err != nil {
			return refuse(err.Error())
		}
		simulated := with(after)
		var helped []want
		for _, w := range wanted {
			if row := j.Row(simulated, w.Requirement); row.Pass {
				helped = append(helped, w)
			} else if needed(excess, w.Requirement, s) {
				// What the account has of it now, pruning would take away.
				return nil, nil, nil, lost(w.Requirement)
			} else {
				block(w.Requirement, "adding entries would not help: "+row.Why+by(row))
			}
		}
		if len(helped) < len(wanted) {
			wanted = helped
			continue
		}
		for i, req := range j.Requirements {
			if !passing[i] || len(req.Asked()) == 0 || j.Row(simulated, req).Pass {
				continue
			}
			if base != t {
				return nil, nil, nil, lost(req)
			}
			return nil, nil, nil, fmt.Errorf("rule %s passes now and would not afterwards", req.Rule.ID)
		}
		// It forbids what another rule asks for: the one is not broken for the other.
		if at := slices.IndexFunc(guards, func(g guard) bool { return !g.holds(after) }); at >= 0 {
			g := guards[at]
			var kept []want
			for _, w := range wanted {
				if alone, err := withWanted(s, base, []want{w}); err == nil && g.holds(alone) {
					kept = append(kept, w)
				} else if w.keeps {
					return nil, nil, nil, &lostError{rule: g.rule}
				} else {
					block(w.Requirement, g.why)
				}
			}
			if len(kept) == len(wanted) {
				if base != t {
					return nil, nil, nil, &lostError{rule: g.rule}
				}
				return refuse(g.why)
			}
			wanted = kept
			continue
		}
		change, err := newChange(t, after, "", s)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, w := range wanted {
			change.Rules = append(change.Rules, ruleOf(w.Requirement))
		}
		change.Rules = append(change.Rules, settle(simulated)...)
		return &change, blocked, notes, nil
	}
	return nothing()
}

// guardsOf are the rules about the target itself that hold and ask for nothing.
func guardsOf(j *audit.Judge, with func(*sddl.ACL) *directory.Target, passing []bool) []guard {
	var out []guard
	for i, req := range j.Requirements {
		if passing[i] && len(req.Asked()) == 0 {
			out = append(out, guard{req.Rule.ID, forbids(req), func(after *sddl.ACL) bool { return j.Row(with(after), req).Pass }})
		}
	}
	return out
}

// guardsBelow are the rules that forbid, and hold, on other targets below, which inherit what is added
// here, but for entries that only stand for wider ones of now.
func guardsBelow(s *audit.Snapshot, j *audit.Judge, t *directory.Target, spared []sddl.ACE) []guard {
	var out []guard
	for _, other := range s.Targets {
		if other == t || other.Descriptor == nil || other.Descriptor.DACL == nil || !inherits(s, other, t) {
			continue
		}
		for _, req := range j.Requirements {
			if !req.Rule.Forbidden || !j.About(other, &req) || !j.Row(other, req).Pass {
				continue
			}
			why := fmt.Sprintf("%s on %s, which is below and may inherit it", forbids(req), other.DN)
			out = append(out, guard{req.Rule.ID, why, func(after *sddl.ACL) bool {
				_, added := sddl.DiffACEs(t.Descriptor.DACL.ACEs, after.ACEs)
				added = slices.DeleteFunc(added, func(a sddl.ACE) bool { return slices.Contains(spared, a) })
				return j.Row(inheriting(s, other, added, directory.DepthDN(other.DN)-directory.DepthDN(t.DN)), req).Pass
			}})
		}
	}
	return out
}

// spared are the entries that only take the place of wider ones.
func spared(s *audit.Snapshot, base *directory.Target, wanted []want) []sddl.ACE {
	var kept []acl.Requirement
	for _, w := range wanted {
		if w.keeps {
			kept = append(kept, w.one)
		}
	}
	return acl.MissingACEs(base.Descriptor.DACL, s.Account.SID, kept, s.Schema.PropertySetOf)
}

// inherits says whether entries on one target may come down to another: it is below, in the same naming
// context, and does not block them itself. What is in between may, and is not known. [MS-ADTS] 3.1.1.1.5.
func inherits(s *audit.Snapshot, lower, upper *directory.Target) bool {
	return below(s, lower.DN, upper.DN) && (lower.Descriptor == nil || !lower.Descriptor.Control.Has(sddl.DACLProtected))
}

// below says whether an object is below another one in the same naming context.
func below(s *audit.Snapshot, lower, upper string) bool {
	if directory.SameDN(lower, upper) || !directory.IsBelow(lower, upper) {
		return false
	}
	return !slices.ContainsFunc(contexts(s), func(head string) bool {
		return directory.IsBelow(lower, head) && !directory.IsBelow(upper, head)
	})
}

// contexts are the heads of the naming contexts that are known.
func contexts(s *audit.Snapshot) []string {
	out := []string{s.Domain.DN}
	for _, dn := range []string{s.Domain.ConfigurationDN, s.Domain.SchemaDN} {
		if dn != "" {
			out = append(out, dn)
		}
	}
	for _, d := range s.Domain.Forest {
		out = append(out, d.DN)
	}
	return out
}

// inheriting is the target with what it inherits of entries so many levels above.
func inheriting(s *audit.Snapshot, t *directory.Target, from []sddl.ACE, levels int) *directory.Target {
	// From the second level on every level inherits the same.
	for range min(levels-1, 2) {
		from = acl.Inherit(from, nil, sddl.SID{}, sddl.SID{})
	}
	var classes []sddl.GUID
	if c := s.Schema.StructuralClass(t.Classes); c != nil {
		classes = append(classes, c.GUID)
	}
	dacl := *t.Descriptor.DACL
	dacl.ACEs = append(slices.Clone(dacl.ACEs), acl.Inherit(from, classes, t.Descriptor.Owner, t.Descriptor.Group)...)
	out := *t
	out.Descriptor = t.Descriptor.WithDACL(&dacl)
	return &out
}

// givesAny says whether the entries that a permission takes may give a part of others.
func givesAny(s *audit.Snapshot, base *directory.Target, one acl.Requirement, others []acl.Requirement) bool {
	added := acl.MissingACEs(base.Descriptor.DACL, s.Account.SID, []acl.Requirement{one}, s.Schema.PropertySetOf)
	return slices.ContainsFunc(added, func(a sddl.ACE) bool {
		return slices.ContainsFunc(others, func(other acl.Requirement) bool {
			here, beneath := !a.Flags.Has(sddl.InheritOnly), a.Flags.Has(sddl.ContainerInherit)
			switch other.Scope {
			case acl.ThisObject:
				beneath = false
			case acl.Descendants, acl.Children:
				here = false
			}
			return (here || beneath) && acl.Overlaps(a, other, s.Schema.PropertySetOf)
		})
	})
}

// advice is the note on a rule that is only advice and does not pass.
func advice(rule, dn string) string {
	return fmt.Sprintf("rule %s on %s does not pass, and is advice that plans leave alone.", rule, dn)
}

func forbids(req audit.Requirement) string { return fmt.Sprintf("rule %s forbids it", req.Rule.ID) }

// notGranted says why no entry makes a rule pass that asks for none.
func notGranted(row audit.Row, req *audit.Requirement) string {
	switch {
	case req.Rule.Forbidden:
		return "plans take nothing away for a rule that forbids: " + row.Why
	case req.Rule.DACL != nil:
		return "gmsactl gmsa harden gives a service account restricted permissions: " + row.Why
	}
	return "plans write no attributes for a rule about them: " + row.Why
}

func ruleOf(req audit.Requirement) Rule { return Rule{Policy: req.Policy, Rule: req.Rule.ID} }

// by names the entry that stands in the way.
func by(row audit.Row) string {
	if len(row.Decides) == 0 {
		return ""
	}
	return " (" + row.Decides[0].Words + ")"
}

func withWanted(s *audit.Snapshot, t *directory.Target, wanted []want) (*sddl.ACL, error) {
	dacl := t.Descriptor.DACL
	var reqs []acl.Requirement
	for _, w := range wanted {
		reqs = append(reqs, w.one)
	}
	aces := acl.MissingACEs(dacl, s.Account.SID, reqs, s.Schema.PropertySetOf)
	after, err := dacl.WithAllows(aces...)
	if err != nil {
		return nil, err
	}
	if size := len(t.Raw) + after.Len() - dacl.Len(); size > sddl.MaxDescriptor {
		return nil, fmt.Errorf("the descriptor would have %d bytes, at most %d are stored", size, sddl.MaxDescriptor)
	}
	return after, nil
}

// spread are the notes on changes that reach further than their objects: to another target below,
// which usually inherits what the upper one grants, and from AdminSDHolder to what it protects.
func (p *Plan) spread(s *audit.Snapshot) []string {
	var notes []string
	// What rules name is not for anybody to leave out.
	asked := slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool {
		return slices.ContainsFunc(p.Named, func(dn string) bool { return directory.SameDN(dn, c.DN) })
	})
	for _, upper := range asked {
		for _, lower := range asked {
			if below(s, lower.DN, upper.DN) {
				notes = append(notes, fmt.Sprintf("%s is below %s and, unless inheritance is blocked between them, inherits the same entries; naming the upper one alone may do.", lower.DN, upper.DN))
			}
		}
	}
	for _, c := range p.Changes {
		if isAdminSDHolder(s, c.DN) {
			notes = append(notes, fmt.Sprintf("Every protected account and group takes over the permissions of %s within the hour.", c.DN))
		}
	}
	return notes
}
