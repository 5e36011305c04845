package reach

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	whyBlocked       = "its DACL is protected: nothing is inherited from above"
	whyBlockedItself = "their own DACL is protected: they inherit nothing"
	whyProtected     = "SDProp writes the DACL of AdminSDHolder on them, and nothing is inherited"
	whyDenied        = "a deny entry of their own takes it away"
	whyDeniedFrom    = "a deny entry that stands here takes it away"
	whyDeniedSomehow = "an inherited deny entry takes it away; where it stands was not seen"
	whyConditional   = "it depends on entries with a condition, and conditions are not evaluated"
	whyNotPropagated = "its entries would grant it to what is below, which has not inherited them yet"
	whyNoEntry       = "no entry that reaches them grants it"
	whyNotFollowed   = "no entry grants it; a container above, which could have entries that do or may block them, was not seen"
)

// cause says why a row is not effective on the objects of a kind below a parent.
func (s *sweep) cause(p *pass, k *kindState, v *verdict, req *acl.Requirement, above *parent) causeKey {
	key := s.firstCause(p, k, v, req, above)
	if key.cause != audit.CauseDeny && len(v.denies) > 0 {
		key.why += "; and a deny entry takes a part of it away"
	}
	return key
}

// firstCause is the first that fits: each is a reason for those after it to make no
// difference.
func (s *sweep) firstCause(p *pass, k *kindState, v *verdict, req *acl.Requirement, above *parent) causeKey {
	switch {
	case v.effect == acl.Unknown:
		return causeKey{cause: v.cause, why: v.why}
	case k.descriptor.adminSDHolder:
		return causeKey{cause: audit.CauseProtected, at: AdminSDHolder(s.snapshot.Domain.DN), why: whyProtected}
	case len(v.denies) > 0 && v.missing == 0:
		return s.denial(k, v.denies[0], above)
	case v.effect == acl.Conditional:
		return causeKey{cause: audit.CauseConditional, why: whyConditional}
	case k.place == isTarget:
		return causeKey{cause: audit.CauseNoEntry, why: whyNoEntry}
	}
	l := s.lineOf(p, above)
	key := answerKey{k, l}
	a, known := p.answers[key]
	if !known {
		a = s.trace(k, v, req.Right, l)
		p.answers[key] = a
	}
	found := causeKey{cause: a.cause, why: a.why}
	if a.level >= 0 {
		found.at = s.chainOf(above)[a.level].dn
	}
	return found
}

// line is what stands on the containers from one up to the target. The objects below any of
// the containers that have the same inherit the same.
type line struct {
	container
	up     *line        // nil: this is the target
	handed [][]sddl.ACE // what each of them, this one first, has handed down to this one
}

// lineOf is the line of a parent; nil where it is not known to be below the target.
func (s *sweep) lineOf(p *pass, above *parent) *line {
	if l, known := p.lines[above]; known {
		return l
	}
	target := directory.DNKey(p.target.DN)
	chain := s.chainOf(above)
	var l *line
	if i := slices.IndexFunc(chain, func(a ancestor) bool { return a.key == target }); i >= 0 {
		for ; i >= 0; i-- {
			n := line{up: l}
			if chain[i].here != nil {
				n.container = *chain[i].here
			}
			key := lineKey{n.container, l}
			if l = p.same[key]; l == nil {
				l = &n
				p.same[key] = l
			}
		}
	}
	p.lines[above] = l
	return l
}

// lineKey is what makes one line: a container, and the line above it.
type lineKey struct {
	container
	up *line
}

// from are the entries that this container has once those of the one so many levels above
// it have come down.
func (l *line) from(level int) []sddl.ACE {
	for len(l.handed) <= level {
		l.handed = append(l.handed, nil)
	}
	switch {
	case l.handed[level] != nil:
	case level == 0:
		l.handed[level] = l.descriptor.DACL.ACEs
	default:
		l.handed[level] = handedDown(l.up.from(level-1), l.descriptor, l.class.acl)
	}
	return l.handed[level]
}

// answerKey is what the cause of one row depends on.
type answerKey struct {
	k *kindState
	l *line
}

// answer is a cause, and how many levels above the parent it is; less than 0: at no container.
type answer struct {
	cause, why string
	level      int
}

const (
	nowhere = -1
	itself  = -2
)

// trace follows a line up to the first container whose entries would grant the row. What
// blocks inheritance is a cause only below such a one.
func (s *sweep) trace(k *kindState, v *verdict, right acl.Right, l *line) answer {
	if l == nil {
		return answer{audit.CauseNoEntry, whyNotFollowed, nowhere}
	}
	if len(v.denies) > 0 {
		right.Mask = v.missing // the rest is denied, whatever comes
	}
	blocked := nowhere
	if k.descriptor.protected {
		blocked = itself
	}
	level := 0
	for at := l; at != nil; at, level = at.up, level+1 {
		if at.descriptor == nil || at.descriptor.Descriptor == nil {
			return answer{audit.CauseNoEntry, whyNotFollowed, level}
		}
		if at.descriptor.DACL != nil && s.mayPassOn(at.descriptor.DACL, v.missing) && s.wouldGrant(k, right, l.from(level)) {
			switch blocked {
			case nowhere:
				return answer{audit.CauseNotPropagated, whyNotPropagated, level}
			case itself:
				return answer{audit.CauseBlocked, whyBlockedItself, itself}
			}
			return answer{audit.CauseBlocked, whyBlocked, blocked}
		}
		if at.descriptor.protected && blocked == nowhere {
			blocked = level
		}
	}
	return answer{audit.CauseNoEntry, whyNoEntry, nowhere}
}

// denial is the deny entry as it stands where it comes from.
func (s *sweep) denial(k *kindState, deny sddl.ACE, above *parent) causeKey {
	if !deny.IsInherited() {
		return causeKey{cause: audit.CauseDeny, why: whyDenied, ace: deny}
	}
	at, as, seen := origin(s.chainOf(above), deny, k.descriptor, k.class.acl)
	if !seen {
		return causeKey{cause: audit.CauseDeny, why: whyDeniedSomehow, ace: deny}
	}
	return causeKey{cause: audit.CauseDeny, at: at.dn, why: whyDeniedFrom, ace: as}
}

// wouldGrant says whether an object has a right once it has inherited from a parent with
// these entries.
func (s *sweep) wouldGrant(k *kindState, right acl.Right, parent []sddl.ACE) bool {
	d := *k.descriptor.Descriptor
	d.DACL = &sddl.ACL{Revision: 4, ACEs: handedDown(parent, k.descriptor, k.class.acl)}
	got, _ := s.judge.Check(s.object(k, &d), right)
	return got.Effect == acl.Granted
}

// mayPassOn says whether inheritable entries that may be for the account allow all of the
// bits. It is a quick no for nearly all of what is asked.
func (s *sweep) mayPassOn(dacl *sddl.ACL, bits sddl.Mask) bool {
	for i := range dacl.ACEs {
		a := &dacl.ACEs[i]
		if a.Flags&sddl.ContainerInherit == 0 || !a.Type.IsAllow() {
			continue
		}
		if s.token.Via(a.SID) != acl.NotHeld || isStandIn(a.SID) {
			if bits &^= a.Mask.MapGeneric(); bits == 0 {
				return true
			}
		}
	}
	return bits == 0
}
