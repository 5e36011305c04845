package acl

import (
	"math/bits"
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// key is what entries must have in common for their masks to be merged without
// granting more than was asked for.
type key struct {
	object, class sddl.GUID
	flags         sddl.ACEFlags
}

// wanted is one entry to be added.
type wanted struct {
	key
	mask sddl.Mask
	kind ObjectKind
}

// MissingACEs are the fewest entries that give the account, by entries of its own, what
// the requirements ask for and its own entries lack, and nothing else. Entries of
// groups do not count, denies do not matter; see Judge for what they do.
//
// Without a DACL nothing is missing: everybody may do everything, and the first entry
// would take that away from everybody else. A requirement that cannot be judged (see
// Right) asks for nothing; Cover calls it Unclear.
func MissingACEs(dacl *sddl.ACL, account sddl.SID, reqs []Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) []sddl.ACE {
	if dacl == nil || account.IsZero() {
		return nil
	}
	var list []wanted
	want := func(req *Requirement, scope Scope, class sddl.GUID, mask sddl.Mask) {
		if mask == 0 {
			return
		}
		k := key{req.Right.Object, class, scope.flags()}
		for i := range list {
			if w := &list[i]; w.key == k {
				w.mask |= mask
				if req.Right.Kind == Attribute {
					w.kind = Attribute
				}
				return
			}
		}
		list = append(list, wanted{k, mask, req.Right.Kind})
	}
	for i := range reqs {
		req := &reqs[i]
		parts, n := req.parts()
		set := setOf(req, propertySetOf)
		for j := range dacl.ACEs {
			a := &dacl.ACEs[j]
			if a.SID != account {
				continue
			}
			for k := range parts[:n] {
				parts[k].need &^= covers(a, parts[k].on, req, set)
			}
		}
		switch {
		case n == 1 && req.Scope == ThisObject:
			want(req, ThisObject, sddl.GUID{}, parts[0].need)
		case n == 1:
			want(req, req.Scope, req.Class, parts[0].need)
		case n == 2 && req.Class.IsZero() && parts[0].need != 0 && parts[1].need != 0:
			want(req, ThisObjectAndDescendants, sddl.GUID{}, parts[0].need|parts[1].need)
		case n == 2:
			// An entry for a class that is not InheritOnly would say two things at once:
			// the object itself gets it whatever its class. Two entries say what is meant.
			want(req, ThisObject, sddl.GUID{}, parts[0].need)
			want(req, Descendants, req.Class, parts[1].need)
		}
	}
	list = subsume(list, propertySetOf)
	aces := make([]sddl.ACE, 0, len(list))
	for _, w := range list {
		aces = append(aces, sddl.ObjectACE(sddl.Allow, w.flags, w.mask, w.object, w.class, account))
	}
	return aces
}

// subsume drops entries that the others grant already, the narrowest first.
func subsume(list []wanted, propertySetOf func(sddl.GUID) sddl.GUID) []wanted {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return list[i].breadth() - list[j].breadth() })
	dropped := make([]bool, len(list))
	for _, i := range order {
		w := &list[i]
		req := w.requirement()
		set := setOf(&req, propertySetOf)
		parts, n := req.parts()
		var left sddl.Mask
		for _, p := range parts[:n] {
			for j := range list {
				if j != i && !dropped[j] {
					other := sddl.ObjectACE(sddl.Allow, list[j].flags, list[j].mask, list[j].object, list[j].class, sddl.SID{})
					p.need &^= covers(&other, p.on, &req, set)
				}
			}
			left |= p.need
		}
		dropped[i] = n > 0 && left == 0
	}
	kept := list[:0]
	for i, w := range list {
		if !dropped[i] {
			kept = append(kept, w)
		}
	}
	return kept
}

// breadth orders entries by how much they grant.
func (w *wanted) breadth() int {
	n := bits.OnesCount32(uint32(w.mask))
	if w.object.IsZero() {
		n += 1 << 8
	}
	if w.class.IsZero() {
		n += 1 << 7
	}
	switch w.flags {
	case ThisObjectAndDescendants.flags():
		n += 1 << 6
	case Descendants.flags():
		n += 1 << 5
	}
	return n
}

// requirement is what the entry itself asks for.
func (w *wanted) requirement() Requirement {
	r := Requirement{Right: Right{w.mask, w.object, w.kind}, Class: w.class}
	for _, s := range []Scope{ThisObjectAndDescendants, Descendants, Children} {
		if w.flags == s.flags() {
			r.Scope = s
		}
	}
	return r
}
