package acl

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Target is the object that a requirement is about, as far as judging it goes.
type Target struct {
	DACL  *sddl.ACL
	Owner sddl.SID
	SID   sddl.SID // its objectSid; zero: none
	Class *Class
}

// Where is the place, seen from the target, that a case is about.
type Where int

// The places.
const (
	OnTarget Where = iota
	OnChild        // a new child of the target
	Deeper         // a new object further below
)

// Case is one thing that was tried.
type Case struct {
	Where    Where
	Class    string
	Decision Decision
}

// Judgement is what the holder of a requirement could do. Effect is that of the worst
// case; Granted only if every case is, Partial if some are and the others are not.
type Judgement struct {
	Effect Effect
	Cases  []Case
}

// Judge proves what the token could do on the target and on new objects below it: it
// builds the DACL that a new object of each class would get, from the class's default
// and from the target through an intermediate container that has nothing of its own,
// and checks that. Objects that exist may differ: protected ones, ones with entries of
// their own. [MS-ADTS] 5.1.3.3, 6.1.3.
//
// Who will own a new object is not known: rights of CREATOR OWNER and of the owner do
// not count, a deny for CREATOR OWNER may. From the second level on every level inherits
// the same. classes are those to try below; without any, nothing below is proven.
//
// In the decisions about new objects, Index counts among the entries that can matter.
func Judge(target Target, token Token, req Requirement, classes []*Class) Judgement {
	var j Judgement
	add := func(where Where, class *Class, d Decision) {
		c := Case{Where: where, Decision: d}
		if class != nil {
			c.Class = class.Name
		}
		j.Cases = append(j.Cases, c)
	}
	none := sddl.SID{}
	if req.Scope.self() {
		add(OnTarget, target.Class, Check(target.DACL, target.Owner, token, target.SID, target.Class, req.Right))
	}
	if req.Scope.below() {
		for _, class := range classes {
			aces := passedOn(target.DACL, &token, class, req.Right)
			add(OnChild, class, Check(newObject(aces, class, none, none), none, token, none, class, req.Right))
			if req.Scope == Children {
				continue
			}
			for _, between := range intermediates(aces) {
				add(Deeper, class, Check(newObject(between, class, none, none), none, token, none, class, req.Right))
			}
		}
	}
	j.Effect = worst(j.Cases, req.Scope.below() && len(classes) == 0)
	return j
}

// passedOn are the inheritable entries that can matter to the token's right on an object
// of the class. To inherit the others would change nothing: an entry makes another
// superfluous only if it is for the same SID and GUID and has all of its bits.
func passedOn(dacl *sddl.ACL, token *Token, class *Class, right Right) []sddl.ACE {
	if dacl == nil {
		return nil
	}
	q := question{token: token, class: class, right: right, want: right.bits()}
	q.prepare()
	list := make([]sddl.ACE, 0, 16)
	for i := range dacl.ACEs {
		a := &dacl.ACEs[i]
		if a.Flags&inheritable == 0 {
			continue
		}
		if !a.IsOpaque() {
			if a.Mask.MapGeneric()&q.want == 0 {
				continue
			}
			if _, possible := q.standing(a); !possible {
				continue
			}
			if over, below, maybe := q.reach(a); over|below|maybe == 0 {
				continue
			}
		}
		list = append(list, *a)
	}
	return list
}

// intermediates are the entries a container between the target and an object may have
// when it has none of its own. Its class matters in one case only: an entry that was
// meant for that class can make a server drop, as superfluous, a narrower one that was
// meant for all; see emit. [MS-ADTS] 6.1.3.
func intermediates(target []sddl.ACE) [][]sddl.ACE {
	none := sddl.SID{}
	list := [][]sddl.ACE{Inherit(target, nil, none, none)}
	var tried []sddl.GUID
	for i := range target {
		y := &target[i]
		if !y.HasInheritedObjectType() || !y.Flags.Has(sddl.ContainerInherit) || y.Flags.Has(sddl.NoPropagate) {
			continue
		}
		class := y.InheritedObjectType
		for j := i + 1; j < len(target); j++ {
			x := &target[j]
			if x.SID == y.SID && x.Type == y.Type && !x.HasInheritedObjectType() && x.ObjectType == y.ObjectType &&
				x.Mask&^y.Mask == 0 && x.Flags.Has(sddl.ContainerInherit) && !slices.Contains(tried, class) {
				tried = append(tried, class)
				list = append(list, Inherit(target, []sddl.GUID{class}, none, none))
			}
		}
	}
	return list
}

// At is the effect at one place, of the worst case there; Unknown where none was tried.
func (j Judgement) At(where Where) Effect {
	var cases []Case
	for _, c := range j.Cases {
		if c.Where == where {
			cases = append(cases, c)
		}
	}
	return worst(cases, false)
}

// worst is the effect of all cases together.
func worst(cases []Case, unproven bool) Effect {
	var count [NotGranted + 1]int
	for i := range cases {
		count[cases[i].Decision.Effect]++
	}
	if unproven {
		count[Unknown]++
	}
	for _, e := range []Effect{Denied, Unknown, NotGranted, Partial, Conditional} {
		switch {
		case count[e] == 0:
		case e == NotGranted && count[Granted]+count[Partial]+count[Conditional] > 0:
			return Partial
		default:
			return e
		}
	}
	if count[Granted] == 0 {
		return Unknown
	}
	return Granted
}
