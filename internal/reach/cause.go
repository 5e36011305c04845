package reach

import (
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
func (s *sweep) cause(p *pass, k *kindState, v *verdict, req *audit.Requirement, above *parent) causeKey {
	key := s.firstCause(p, k, v, req, above)
	if key.cause != audit.CauseDeny && len(v.denies) > 0 {
		key.why += "; and a deny entry takes a part of it away"
	}
	return key
}

// firstCause is the first that fits: each is a reason for those after it to make no
// difference.
func (s *sweep) firstCause(p *pass, k *kindState, v *verdict, req *audit.Requirement, above *parent) causeKey {
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
	case k.descriptor.protected:
		return causeKey{cause: audit.CauseBlocked, why: whyBlockedItself}
	}
	target := directory.DNKey(p.target.DN)
	chain := s.chainOf(above)
	for i := range chain {
		a := &chain[i]
		if a.here == nil || a.here.descriptor.Descriptor == nil {
			return causeKey{cause: audit.CauseNoEntry, at: a.dn, why: whyNotFollowed}
		}
		if s.wouldGrant(k, v, req, chain[:i+1]) {
			return causeKey{cause: audit.CauseNotPropagated, at: a.dn, why: whyNotPropagated}
		}
		if a.key == target {
			return causeKey{cause: audit.CauseNoEntry, why: whyNoEntry}
		}
		if a.here.descriptor.protected {
			return causeKey{cause: audit.CauseBlocked, at: a.dn, why: whyBlocked}
		}
	}
	return causeKey{cause: audit.CauseNoEntry, why: whyNotFollowed}
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

// wouldGrant says whether the topmost ancestor of the chain has entries that grant the row
// to the object once they have come down.
func (s *sweep) wouldGrant(k *kindState, v *verdict, req *audit.Requirement, chain []ancestor) bool {
	top := chain[len(chain)-1].here.descriptor
	if top.DACL == nil || !s.mayPassOn(top.DACL, v.missing) {
		return false
	}
	aces := top.DACL.ACEs
	for i := len(chain) - 2; i >= 0; i-- {
		here := chain[i].here
		aces = handedDown(aces, here.descriptor, here.class.acl)
	}
	d := *k.descriptor.Descriptor
	d.DACL = &sddl.ACL{Revision: 4, ACEs: handedDown(aces, k.descriptor, k.class.acl)}
	got, _ := s.judge.Check(s.object(k, &d), req.Right)
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
