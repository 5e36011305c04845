package plan

import (
	"errors"
	"fmt"
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
		Format: format, Kind: kindPlan, Accept: accept, Prune: prune,
		Domain:  domainOf(s.Domain),
		Server:  serverOf(s.Domain),
		Account: Account{Name: s.Domain.Qualified(s.Account.Name), SID: s.Account.SID.String()},
		Changes: []Change{},
	}
	for _, pol := range policies {
		p.Policies = append(p.Policies, Policy{Name: pol.Name, YAML: string(pol.Text)})
	}
	for _, t := range s.Targets {
		p.Targets = append(p.Targets, t.DN)
		base, excess, note := t, []sddl.ACE(nil), ""
		if prune {
			base, excess, note = pruned(s, j, t)
		}
		change, blocked, waived, err := grant(s, j, t, base, excess, opts.Waivers)
		if lost := (*lostError)(nil); errors.As(err, &lost) {
			note = lost.Error()
			change, blocked, waived, err = grant(s, j, t, t, nil, opts.Waivers)
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
	if opts.Waivers != nil {
		for _, w := range opts.Waivers.List {
			if w.Expired(opts.Waivers.Now) {
				p.Notes = append(p.Notes, fmt.Sprintf("the waiver of rule %s in line %d expired on %s and covers nothing.", w.Name(), w.Line, w.Day()))
			}
		}
	}
	p.Notes = append(p.Notes, nested(p.Changes)...)
	// Below before above: writing a container changes what the objects below it inherit,
	// and with that the descriptors that later changes were made from.
	sort.SliceStable(p.Changes, func(a, b int) bool {
		return directory.DepthDN(p.Changes[a].DN) > directory.DepthDN(p.Changes[b].DN)
	})
	return p, nil
}

func domainOf(d *directory.Domain) Domain {
	out := Domain{DNS: d.DNS, SID: d.SID.String(), GUID: d.GUID.String(), DC: d.Host}
	if !d.ForestSID.IsZero() {
		out.ForestSID = d.ForestSID.String()
	}
	return out
}

// grant plans one target: nil where there is nothing to write. The change is made from t;
// its new DACL is that of base, which is t or t without excess, with what has to be added.
// The notes are about what is waived.
func grant(s *audit.Snapshot, j *audit.Judge, t, base *directory.Target, excess []sddl.ACE, waivers *audit.Waivers) (*Change, []Blocked, []string, error) {
	var notes []string
	var wanted []audit.Requirement
	passing := make([]bool, len(j.Requirements)) // two policies may be of one name
	var blocked []Blocked
	block := func(req audit.Requirement, why string) {
		blocked = append(blocked, Blocked{DN: t.DN, Rule: ruleOf(req), Why: why})
	}
	for i, req := range j.Requirements {
		row := j.Row(t, req)
		switch {
		case row.Pass:
			passing[i] = true
			if base != t && !j.Row(base, req).Pass {
				wanted = append(wanted, req)
			}
		case row.Grant == audit.NotApplicable:
		case t.Descriptor == nil:
			block(req, t.Unreadable)
		case row.Result() == "fail" && waivers.For(req.Policy, req.Rule.ID, t.DN) != nil:
			if needed(excess, req, s) {
				return nil, nil, nil, &lostError{req.Rule.ID}
			}
			w := waivers.For(req.Policy, req.Rule.ID, t.DN)
			notes = append(notes, fmt.Sprintf("rule %s on %s does not pass, and is left alone, waived until %s: %s", req.Rule.ID, t.DN, w.Day(), w.Why))
		default:
			wanted = append(wanted, req)
		}
	}
	if len(wanted) == 0 && base == t {
		return nil, blocked, notes, nil
	}
	refuse := func(why string) (*Change, []Blocked, []string, error) {
		for _, req := range wanted {
			block(req, why)
		}
		return nil, blocked, notes, nil
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
	// Leave out what stays ineffective whatever is added: an entry that helps nothing is
	// only one more to explain.
	for len(wanted) > 0 || base != t {
		after, err := withRequirements(s, base, wanted)
		if err != nil {
			return refuse(err.Error())
		}
		simulated := *t
		simulated.Descriptor = t.Descriptor.WithDACL(after)
		var helped []audit.Requirement
		for _, req := range wanted {
			if row := j.Row(&simulated, req); row.Pass {
				helped = append(helped, req)
			} else if needed(excess, req, s) {
				// What the account has of it now, pruning would take away.
				return nil, nil, nil, &lostError{req.Rule.ID}
			} else {
				block(req, "adding entries would not help: "+row.Why+by(row))
			}
		}
		if len(helped) < len(wanted) {
			wanted = helped
			continue
		}
		for i, req := range j.Requirements {
			if row := j.Row(&simulated, req); passing[i] && !row.Pass {
				if base != t {
					return nil, nil, nil, &lostError{req.Rule.ID}
				}
				return nil, nil, nil, fmt.Errorf("rule %s passes now and would not afterwards", req.Rule.ID)
			}
		}
		change, err := newChange(t, after, "", s)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, req := range wanted {
			change.Rules = append(change.Rules, ruleOf(req))
		}
		return &change, blocked, notes, nil
	}
	return nil, blocked, notes, nil
}

func ruleOf(req audit.Requirement) Rule { return Rule{Policy: req.Policy, Rule: req.Rule.ID} }

// by names the entry that stands in the way.
func by(row audit.Row) string {
	if len(row.Decides) == 0 {
		return ""
	}
	return " (" + row.Decides[0].Words + ")"
}

func withRequirements(s *audit.Snapshot, t *directory.Target, wanted []audit.Requirement) (*sddl.ACL, error) {
	dacl := t.Descriptor.DACL
	var reqs []acl.Requirement
	for _, req := range wanted {
		reqs = append(reqs, req.Requirement.Requirement)
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

// nested warns where one target is below another: what the upper one grants is usually
// inherited by the lower one.
func nested(changes []Change) []string {
	var notes []string
	for _, upper := range changes {
		for _, lower := range changes {
			if upper.DN != lower.DN && directory.IsBelow(lower.DN, upper.DN) {
				notes = append(notes, fmt.Sprintf("%s is below %s and, unless inheritance is blocked between them, inherits the same entries; naming the upper one alone may do.", lower.DN, upper.DN))
			}
		}
	}
	return notes
}
