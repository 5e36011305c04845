package reach

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// aim finds the targets whose objects are read: those that were asked for, and those that rules name
// and that have something below them to be looked at.
func (s *sweep) aim() {
	for _, t := range s.snapshot.Targets {
		if s.snapshot.Asked(t) {
			s.targets = append(s.targets, t)
			continue
		}
		if slices.ContainsFunc(s.judge.Requirements, func(req audit.Requirement) bool {
			return sweeps(&req) && s.judge.About(t, &req) && slices.ContainsFunc(req.Asked(), func(one acl.Requirement) bool { return one.Scope != acl.ThisObject })
		}) {
			s.targets = append(s.targets, t)
		}
	}
	for _, t := range s.snapshot.Targets {
		if slices.ContainsFunc(s.judge.Requirements, func(req audit.Requirement) bool {
			return !req.Rule.Aim().IsZero() && len(req.Asked()) > 0 && s.judge.About(t, &req)
		}) {
			s.aims = append(s.aims, t.DN)
		}
	}
}

// sweeps says whether a requirement is looked for among the objects: what is forbidden is not, and
// what is advice is no finding there.
func sweeps(req *audit.Requirement) bool {
	return len(req.Asked()) > 0 && req.Rule.Severity != policy.SeverityWarning
}

// aimedAt is where an object is, seen from each target that rules name themselves: a place for each,
// as a text that compares. Empty where it is in none.
func (s *sweep) aimedAt(dn string) string {
	var places []byte
	for i, aim := range s.aims {
		// What is at or below it is no shorter than its own DN but for blanks, which are rare.
		at := outside
		switch {
		case directory.SameDN(dn, aim):
			at = isTarget
		case s.within(dn, aim):
			if _, above := cutDN(dn); directory.SameDN(above, aim) {
				at = isChild
			} else {
				at = deeper
			}
		}
		if at == outside {
			continue
		}
		if places == nil {
			places = make([]byte, len(s.aims))
			for k := range places {
				places[k] = byte(outside)
			}
		}
		places[i] = byte(at)
	}
	return string(places)
}

// requirements are what the policies ask for on an object of a class, and below it.
func (s *sweep) requirements(among place, aimed string, c *class) []acl.Requirement {
	var out []acl.Requirement
	for _, r := range s.judge.Requirements {
		if r.Rule.Aim().IsZero() {
			for _, one := range r.Asked() {
				out = append(out, asked(one, among, c)...)
			}
			continue
		}
		for i, dn := range s.aims {
			if aimed == "" || !s.judge.About(&directory.Target{DN: dn}, &r) {
				continue
			}
			for _, one := range r.Asked() {
				out = append(out, asked(one, place(aimed[i]), c)...)
			}
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
