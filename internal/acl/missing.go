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
	mask  sddl.Mask
	scope Scope
	set   sddl.GUID // of the attribute that the object is
}

// MissingACEs are the entries that give the account, by entries of its own, what the
// requirements ask for and its own entries lack, and nothing else: one for each object,
// class and scope, none that the others make superfluous. Masks are merged only where
// all of that is the same. Entries of groups do not count, and denies do not matter; see
// Judge for what those do. [MS-DTYP] 2.4.4.3, [MS-ADTS] 5.1.3.3.
//
// Without a DACL nothing is missing: everybody may do everything, and the first entry
// would take that away from everybody else. A requirement that cannot be judged (see
// Right) asks for nothing; Cover calls it Unclear.
func MissingACEs(dacl *sddl.ACL, account sddl.SID, reqs []Requirement, propertySetOf func(attribute sddl.GUID) sddl.GUID) []sddl.ACE {
	if dacl == nil || account.IsZero() {
		return nil
	}
	var list []wanted
	want := func(d *demand, scope Scope, class sddl.GUID, mask sddl.Mask) {
		if mask == 0 {
			return
		}
		k := key{d.object, class, scope.flags()}
		for i := range list {
			if w := &list[i]; w.key == k {
				w.mask |= mask
				if w.set.IsZero() {
					w.set = d.set
				}
				return
			}
		}
		list = append(list, wanted{k, mask, scope, d.set})
	}
	for i := range reqs {
		req := &reqs[i]
		d := req.demand(propertySetOf)
		for j := range dacl.ACEs {
			if dacl.ACEs[j].SID == account {
				d.take(&dacl.ACEs[j])
			}
		}
		switch {
		case d.n == 0:
		case req.Scope == ThisObject:
			want(&d, ThisObject, sddl.GUID{}, d.list[0].need)
		case d.n == 1:
			want(&d, req.Scope, d.class, d.list[0].need)
		case d.class.IsZero() && d.list[0].need != 0 && d.list[1].need != 0:
			want(&d, ThisObjectAndDescendants, sddl.GUID{}, d.left())
		default:
			// One entry for a class that is not InheritOnly would do, but only because
			// the target takes it whatever its class. Two entries say what is meant.
			want(&d, ThisObject, sddl.GUID{}, d.list[0].need)
			want(&d, Descendants, d.class, d.list[1].need)
		}
	}
	list = subsume(list, dacl, account)
	aces := make([]sddl.ACE, 0, len(list))
	for _, w := range list {
		aces = append(aces, w.ace(account))
	}
	return aces
}

// subsume drops entries that the others and those that are there grant already, the
// narrowest first.
func subsume(list []wanted, dacl *sddl.ACL, account sddl.SID) []wanted {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return list[i].breadth() - list[j].breadth() })
	dropped := make([]bool, len(list))
	for _, i := range order {
		w := &list[i]
		d := demand{want: w.mask, object: w.object, set: w.set, class: w.class}
		d.cut(w.scope)
		for j := range dacl.ACEs {
			if dacl.ACEs[j].SID == account {
				d.take(&dacl.ACEs[j])
			}
		}
		for j := range list {
			if other := &list[j]; j != i && !dropped[j] {
				ace := other.ace(sddl.SID{})
				d.take(&ace)
			}
		}
		dropped[i] = d.left() == 0
	}
	kept := list[:0]
	for i, w := range list {
		if !dropped[i] {
			kept = append(kept, w)
		}
	}
	return kept
}

func (w *wanted) ace(sid sddl.SID) sddl.ACE {
	return sddl.ObjectACE(sddl.Allow, w.flags, w.mask, w.object, w.class, sid)
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
	switch w.scope {
	case ThisObjectAndDescendants:
		n += 1 << 6
	case Descendants:
		n += 1 << 5
	}
	return n
}
