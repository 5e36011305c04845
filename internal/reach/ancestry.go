package reach

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// ancestor is one object that others are below.
type ancestor struct {
	dn   string
	key  string
	here *container // nil: not seen, or not kept
}

// chainOf is the parent and all that is above it, up to the head of its naming context or
// to where nothing more was seen. Parents may come after their children; this is asked
// when all have come.
func (s *sweep) chainOf(p *parent) []ancestor {
	if p.chain != nil || p.dn == "" {
		return p.chain
	}
	chain := make([]ancestor, 0, 8)
	dn, key, more := p.dn, directory.DNKey(p.dn), true
	last := 0
	for more {
		a := ancestor{dn: dn, key: key, here: s.containers[key]}
		chain = append(chain, a)
		if a.here != nil {
			last = len(chain)
		}
		if slices.Contains(s.headKeys, key) {
			break // Nothing is inherited from another naming context.
		}
		_, dn = cutDN(dn)
		_, key, more = strings.Cut(key, "\x00")
	}
	// Above the topmost one that was seen nobody knows.
	p.chain = chain[:last]
	return p.chain
}

// readAbove reads what is above the targets: entries on them may come from there.
func (s *sweep) readAbove(ctx context.Context) error {
	for _, t := range slices.Concat(s.targets, s.points) {
		if err := s.readContainer(ctx, t.DN, nil); err != nil {
			return err
		}
		for dn := t.DN; !directory.SameDN(dn, s.snapshot.Domain.DN) && directory.IsBelow(dn, s.snapshot.Domain.DN); {
			_, dn = cutDN(dn)
			if err := s.readContainer(ctx, dn, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// readContainer reads one object, unless it is known; use, if not nil, gets it, too. One
// that is not there is not known.
func (s *sweep) readContainer(ctx context.Context, dn string, use func(*directory.Entry)) error {
	key := directory.DNKey(dn)
	if use == nil && s.containers[key] != nil {
		return nil
	}
	for e, err := range s.reader.Read(ctx, one(dn)) {
		if unseen(err) {
			return nil
		}
		if err != nil {
			return err
		}
		s.containers[key] = &container{s.descriptorOf(e.Values("nTSecurityDescriptor")), s.classOf(e.Values("objectClass"))}
		if use != nil {
			use(&e)
		}
	}
	return ctx.Err()
}

// unseen says whether an error is that an object is not there to be seen.
func unseen(err error) bool {
	var missing *directory.NotFoundError
	var unasked *directory.NotRecordedError
	return errors.As(err, &missing) || errors.As(err, &unasked)
}

// handedDown are the entries that an object gets when its parent has these, and keeps its
// own. [MS-ADTS] 6.1.3.
func handedDown(from []sddl.ACE, to *descriptor, class *acl.Class) []sddl.ACE {
	var out []sddl.ACE
	if to.DACL != nil {
		for _, a := range to.DACL.ACEs {
			if !a.IsInherited() {
				out = append(out, a)
			}
		}
	}
	var classes []sddl.GUID
	if class != nil {
		classes = append(classes, class.GUID)
	}
	return append(out, acl.Inherit(from, classes, to.Owner, to.Group)...)
}

// origin is where an inherited entry stands explicitly: the nearest of the ancestors that
// has one it can come from, with that entry. seen is false where an ancestor in between
// is not known, or none has it.
func origin(chain []ancestor, a sddl.ACE, to *descriptor, class *acl.Class) (at *ancestor, as sddl.ACE, seen bool) {
	for i := range chain {
		here := chain[i].here
		if here == nil || here.descriptor.Descriptor == nil {
			return nil, a, false
		}
		if here.descriptor.DACL != nil {
			for _, e := range here.descriptor.DACL.ACEs {
				if !e.IsInherited() && e.Type.IsAllow() == a.Type.IsAllow() && e.Type.IsDeny() == a.Type.IsDeny() &&
					e.ObjectType == a.ObjectType && comesFrom(e, a, i, to, class) {
					return &chain[i], e, true
				}
			}
		}
		// Nothing comes through a container that blocks inheritance.
		if here.descriptor.protected {
			return nil, a, false
		}
	}
	return nil, a, false
}

// comesFrom says whether an object that is so many levels below an entry's object inherits
// the other entry from it.
func comesFrom(e, inherited sddl.ACE, between int, to *descriptor, class *acl.Class) bool {
	list := []sddl.ACE{e}
	// From the second level on every level inherits the same.
	for range min(between, 2) {
		list = acl.Inherit(list, nil, sddl.SID{}, sddl.SID{})
	}
	var classes []sddl.GUID
	if class != nil {
		classes = append(classes, class.GUID)
	}
	for _, got := range acl.Inherit(list, classes, to.Owner, to.Group) {
		if got == inherited {
			return true
		}
		if got.Flags.Has(sddl.InheritOnly) != inherited.Flags.Has(sddl.InheritOnly) {
			continue
		}
		// Servers differ in what they leave of the flags and of the class on an effective entry.
		got.Flags, got.ObjectFlags, got.InheritedObjectType, got.Type = inherited.Flags, inherited.ObjectFlags, inherited.InheritedObjectType, inherited.Type
		if got == inherited && (!e.HasInheritedObjectType() || !inherited.HasInheritedObjectType() || e.InheritedObjectType == inherited.InheritedObjectType) {
			return true
		}
	}
	return false
}

// cutDN cuts a DN behind its first RDN.
func cutDN(dn string) (rdn, above string) {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return dn[:i], dn[i+1:]
		}
	}
	return dn, ""
}

// join is the DN of an RDN below a parent.
func join(rdn, above string) string {
	if above == "" {
		return rdn
	}
	return rdn + "," + above
}
