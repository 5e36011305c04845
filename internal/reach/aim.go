package reach

import (
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// aim is a target that rules name themselves.
type aim struct {
	dn, key  string            // key: its DNKey
	reqs     []acl.Requirement // what these rules ask for
	below    bool              // for what is below it, too
	children bool              // for what is right below it alone
}

// Bases are the DNs of the targets whose objects a sweep reads.
func Bases(snapshot *audit.Snapshot, judge *audit.Judge) []string {
	s := &sweep{snapshot: snapshot, judge: judge}
	s.aim()
	var out []string
	for _, t := range s.targets {
		out = append(out, t.DN)
	}
	return out
}

// aim finds the targets whose objects are read: those that were asked for, and those that rules name
// and that have something below them to be looked at. The others are looked at by themselves.
func (s *sweep) aim() {
	for _, t := range s.snapshot.Targets {
		// Objects that were deleted are none any more.
		deleted := directory.IsDeletedObjects(t.DN)
		if !deleted && (s.snapshot.Asked(t) || slices.ContainsFunc(s.judge.Requirements, func(req audit.Requirement) bool {
			return sweeps(&req) && s.judge.About(t, &req) && slices.ContainsFunc(req.Asked(), func(one acl.Requirement) bool { return one.Scope != acl.ThisObject })
		})) {
			s.targets = append(s.targets, t)
		} else {
			s.points = append(s.points, t)
		}
		a := aim{dn: t.DN, key: directory.DNKey(t.DN)}
		for _, req := range s.judge.Requirements {
			if !req.Rule.Aim().IsZero() && s.judge.About(t, &req) {
				a.reqs = append(a.reqs, req.Asked()...)
			}
		}
		for _, one := range a.reqs {
			a.below = a.below || one.Scope != acl.ThisObject
			a.children = a.children || one.Scope == acl.Children
		}
		if a.reqs != nil {
			s.aims = append(s.aims, a)
		}
	}
}

// sweeps says whether a requirement is looked for among the objects: what is forbidden is not, and
// what is advice is no finding there.
func sweeps(req *audit.Requirement) bool {
	return len(req.Asked()) > 0 && req.Rule.Severity != policy.SeverityWarning
}

// aimed is where the objects below one parent are, seen from each target that rules name themselves.
type aimed struct {
	places string
	differ bool // not all of them are at the same place
}

// aimedAt is where an object is, seen from each target that rules name themselves: a place for each,
// as a text that compares. Empty where it is in none.
func (s *sweep) aimedAt(dn string) string {
	if len(s.aims) == 0 {
		return ""
	}
	_, above := cutDN(dn)
	known, seen := s.aimed[above]
	if !seen {
		key := directory.DNKey(above)
		right := func(below string) bool { _, parent, _ := strings.Cut(below, "\x00"); return parent == key }
		known.differ = slices.ContainsFunc(s.aims, func(a aim) bool { return right(a.key) }) || slices.ContainsFunc(s.headKeys, right)
		known.places = s.places(func(a *aim) place {
			switch {
			case !s.within(above, a.dn):
				return outside
			case a.children && key == a.key:
				return isChild
			}
			return deeper
		})
		if len(s.aimed) < maxParents {
			s.aimed[strings.Clone(above)] = known
		}
	}
	if !known.differ {
		return known.places
	}
	key := directory.DNKey(dn)
	return s.places(func(a *aim) place {
		switch {
		case key == a.key:
			return isTarget
		case !s.within(dn, a.dn):
			return outside
		case a.children && directory.SameDN(above, a.dn):
			return isChild
		}
		return deeper
	})
}

// places are the places of an object, seen from each aim; empty where it is nothing to any.
func (s *sweep) places(of func(a *aim) place) string {
	out := make([]byte, len(s.aims))
	inAny := false
	for i := range s.aims {
		at := of(&s.aims[i])
		if at != isTarget && !s.aims[i].below {
			at = outside
		}
		inAny = inAny || at != outside
		out[i] = byte(at)
	}
	if !inAny {
		return ""
	}
	return string(out)
}

// requirements are what the policies ask for on an object of a class, and below it.
func (s *sweep) requirements(among place, aimed string, c *class) []acl.Requirement {
	var out []acl.Requirement
	for _, r := range s.judge.Requirements {
		if r.Rule.Aim().IsZero() {
			for _, one := range r.Asked() {
				out = append(out, asked(one, among, c)...)
			}
		}
	}
	for i := range len(aimed) {
		for _, one := range s.aims[i].reqs {
			out = append(out, asked(one, place(aimed[i]), c)...)
		}
	}
	return out
}

// asked is what one permission comes to on an object of a class at a place, and below it.
func asked(req acl.Requirement, among place, c *class) []acl.Requirement {
	var out []acl.Requirement
	if among == outside {
		return nil
	}
	if among == isTarget || among == inner {
		out = append(out, req)
		if among == isTarget {
			return out
		}
	}
	switch req.Scope {
	case acl.ThisObject:
		return out
	case acl.Children:
		if among != isChild {
			return out
		}
	default:
		below := req
		below.Scope = acl.Descendants
		out = append(out, below)
	}
	if req.Class.IsZero() || c.acl != nil && req.Class == c.acl.GUID {
		self := req
		self.Scope, self.Class = acl.ThisObject, [16]byte{}
		out = append(out, self)
	}
	return out
}
