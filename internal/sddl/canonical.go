package sddl

import (
	"errors"
	"fmt"
	"slices"
)

// revisionDS is the ACL revision that object ACEs need. [MS-DTYP] 2.4.5.
const revisionDS = 4

// OrderError says which ACE of an ACL is out of place.
type OrderError struct {
	Index, After    int // the ACE, and the first one that it should stand before but stands after
	Kind, AfterKind string
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("ACE %d (%s) stands after ACE %d (%s)", e.Index, e.Kind, e.After, e.AfterKind)
}

// orderKind is where an ACE has to stand. [Win32] Order of ACEs in a DACL.
func (a ACE) orderKind() string {
	switch {
	case a.IsInherited():
		return "inherited"
	case a.Type.IsDeny():
		return "explicit deny"
	case a.Type.IsAllow():
		return "explicit allow"
	}
	return "explicit, neither allow nor deny"
}

// Canonical is nil if the ACEs stand in the order explicit denies, explicit allows,
// inherited, and otherwise an *OrderError for the first one out of place. Conditional and
// object ACEs count as what they allow or deny. Inherited ACEs are not ordered among
// themselves: nearer parents' allows stand before farther parents' denies. An explicit
// ACE that neither allows nor denies, or of an unknown type, cannot be judged and may
// stand anywhere among the explicit ones. [Win32] Order of ACEs in a DACL.
func (l *ACL) Canonical() error {
	if l == nil {
		return nil
	}
	firstAllow, firstInherited := -1, -1
	for i, a := range l.ACEs {
		after := -1
		switch {
		case a.IsInherited():
			if firstInherited < 0 {
				firstInherited = i
			}
		case firstInherited >= 0:
			after = firstInherited
		case a.Type.IsAllow():
			if firstAllow < 0 {
				firstAllow = i
			}
		case a.Type.IsDeny():
			after = firstAllow
		}
		if after >= 0 {
			return &OrderError{Index: i, After: after, Kind: a.orderKind(), AfterKind: l.ACEs[after].orderKind()}
		}
	}
	return nil
}

// Explicit are the ACEs that were set here, in their order.
func (l *ACL) Explicit() []ACE { return l.where(false) }

// Inherited are the ACEs that came from the parent, in their order.
func (l *ACL) Inherited() []ACE { return l.where(true) }

func (l *ACL) where(inherited bool) []ACE {
	if l == nil {
		return nil
	}
	var aces []ACE
	for _, a := range l.ACEs {
		if a.IsInherited() == inherited {
			aces = append(aces, a)
		}
	}
	return aces
}

// WithAllows is l with explicit, unconditional allow ACEs put in directly before its first
// inherited ACE, which is where the explicit allows end; l itself is not changed. Every
// other ACE keeps its bytes and its place. The revision is raised if an object ACE needs
// it and never lowered; slack is left out, as it is where Windows copies an ACL, for it
// says nothing and Samba refuses it.
//
// It refuses an absent ACL, which grants everybody everything and would grant less with
// an ACE; one that is not [ACL.Canonical]; more than [MaxACL] bytes; and an ACE that would
// be written as something else than it says, such as one for a property whose
// ObjectFlags do not say so, which would be for every property.
func (l *ACL) WithAllows(aces ...ACE) (*ACL, error) {
	if l == nil {
		return nil, errors.New("add to DACL: there is none, which grants everybody everything")
	}
	if err := l.Canonical(); err != nil {
		return nil, fmt.Errorf("add to DACL: it is not in canonical order: %w", err)
	}
	changed := &ACL{Revision: l.Revision, Sbz1: l.Sbz1, Sbz2: l.Sbz2, ACEs: make([]ACE, 0, len(l.ACEs)+len(aces))}
	at := len(l.ACEs)
	for i, a := range l.ACEs {
		if a.IsInherited() {
			at = i
			break
		}
	}
	changed.ACEs = append(changed.ACEs, l.ACEs[:at]...)
	for _, a := range aces {
		if err := a.checkAllow(); err != nil {
			return nil, fmt.Errorf("add %s to DACL: %w", a, err)
		}
		if a.Type.IsObject() {
			changed.Revision = max(changed.Revision, revisionDS)
		}
		changed.ACEs = append(changed.ACEs, a)
	}
	changed.ACEs = append(changed.ACEs, l.ACEs[at:]...)
	if size := changed.Len(); size > MaxACL {
		return nil, fmt.Errorf("add %d ACEs to DACL: it would have %d bytes, at most %d fit", len(aces), size, MaxACL)
	}
	return changed, nil
}

// WithoutAllows is the list without its explicit entries that are equal to one of the
// given ones, and everything else as it was, slack included. Only what WithAllows could
// add is taken away: an explicit, unconditional allow.
func (l *ACL) WithoutAllows(aces ...ACE) (*ACL, error) {
	if l == nil {
		return nil, errors.New("take from DACL: there is none, which grants everybody everything")
	}
	for _, a := range aces {
		if err := a.checkAllow(); err != nil {
			return nil, fmt.Errorf("take %s from DACL: %w", a, err)
		}
	}
	changed := *l
	changed.ACEs = make([]ACE, 0, len(l.ACEs))
	for _, a := range l.ACEs {
		if !slices.Contains(aces, a) {
			changed.ACEs = append(changed.ACEs, a)
		}
	}
	return &changed, nil
}

// checkAllow says why a is not an explicit, unconditional allow ACE whose bytes mean what
// its fields say.
func (a ACE) checkAllow() error {
	const known = ObjectTypePresent | InheritedObjectTypePresent
	switch {
	case a.Type != Allow && a.Type != AllowObject:
		return errors.New("it is not an unconditional allow")
	case a.IsInherited():
		return errors.New("it is inherited")
	case a.SID.IsZero():
		return errors.New("it has no SID")
	case a.Data != "":
		return errors.New("bytes follow its SID")
	case a.Type == Allow && (a.ObjectFlags != 0 || !a.ObjectType.IsZero() || !a.InheritedObjectType.IsZero()):
		return errors.New("it has GUIDs but is not of an object type")
	case a.ObjectFlags&^known != 0:
		return fmt.Errorf("its object flags 0x%x are not all known", a.ObjectFlags)
	// A zero GUID that is present matches everything on some servers and nothing on others.
	case a.HasObjectType() == a.ObjectType.IsZero():
		return errors.New("its object flags and its object type contradict each other")
	case a.HasInheritedObjectType() == a.InheritedObjectType.IsZero():
		return errors.New("its object flags and its inherited object type contradict each other")
	}
	return nil
}

// DiffACEs says which ACEs of before are not in after and which of after were not in
// before, in their order. Both are multisets: an ACE that stood there twice and stands
// there once was removed once, and moving an ACE is no difference, for a server may.
func DiffACEs(before, after []ACE) (removed, added []ACE) {
	return without(before, after), without(after, before)
}

// without are the ACEs of from that are left when each of minus takes one like it away.
func without(from, minus []ACE) []ACE {
	count := make(map[ACE]int, len(minus))
	for _, a := range minus {
		count[a]++
	}
	var left []ACE
	for _, a := range from {
		if count[a] > 0 {
			count[a]--
			continue
		}
		left = append(left, a)
	}
	return left
}
