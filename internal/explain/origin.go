package explain

import (
	"fmt"
	"slices"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// handedDown is what an explicit entry of chain[from] becomes on chain[to], which is
// below it, through the containers in between. [MS-ADTS] 6.1.3.
func handedDown(chain []*object, from, to int, a sddl.ACE) []sddl.ACE {
	list := []sddl.ACE{a}
	for i := from - 1; i >= to && len(list) > 0; i-- {
		var owner, group sddl.SID
		if d := chain[i].Descriptor; d != nil {
			owner, group = d.Owner, d.Group
		}
		list = acl.Inherit(list, chain[i].classes, owner, group)
	}
	return list
}

// heirs calls do with every inheritable explicit entry above chain[at] and what becomes
// of it there, the nearest container first, and says what it could not see. blocked is
// the index of the protected object below that container, or -1.
func (ev *evidence) heirs(at int, do func(from, blocked int, there sddl.ACE, here []sddl.ACE) bool) (unseen string) {
	blocked := -1
	if ev.chain[at].protected() {
		blocked = at
	}
	for i := at + 1; i < len(ev.chain); i++ {
		o := ev.chain[i]
		if ev.chain[i-1].head {
			break
		}
		if o.Descriptor == nil {
			unseen = fmt.Sprintf("%s: %s", o.DN, o.Unreadable)
			return unseen
		}
		if o.Descriptor.DACL != nil {
			for _, a := range o.Descriptor.DACL.ACEs {
				if a.IsInherited() || !a.Flags.Has(sddl.ContainerInherit) {
					continue
				}
				if !do(i, blocked, a, handedDown(ev.chain, i, at, a)) {
					return ""
				}
			}
		}
		if blocked < 0 && o.protected() {
			blocked = i
		}
	}
	if last := ev.chain[len(ev.chain)-1]; !last.head {
		return fmt.Sprintf("what is above %s is not shown", last.DN)
	}
	return ""
}

// origin is where an entry of chain[at] stands: the nearest container whose explicit
// entry it is by the rules of inheritance.
func (ev *evidence) origin(at int, a sddl.ACE) Origin {
	if !a.IsInherited() {
		return Origin{DN: ev.chain[at].DN}
	}
	var found Origin
	unseen := ev.heirs(at, func(from, blocked int, there sddl.ACE, here []sddl.ACE) bool {
		if blocked >= 0 {
			return false
		}
		if !slices.Contains(here, a) {
			return true
		}
		view := audit.View(there, ev.names)
		found = Origin{DN: ev.chain[from].DN, There: &view}
		return false
	})
	switch {
	case found.DN != "":
	case unseen != "":
		found.Why = "inherited from a container that is not shown: " + unseen
	default:
		found.Why = "inherited, but no container above has it now"
	}
	return found
}

// obstacles are the entries that would grant the right on chain[at] and do not: idle ones
// on the object itself, and ones of containers above that do not reach it.
func (ev *evidence) obstacles(at int, right acl.Right) []Obstacle {
	o := ev.chain[at]
	if o.Descriptor.DACL == nil {
		return nil
	}
	// By the token alone: an entry that only might be for the account is no obstacle.
	alone := func(a sddl.ACE) bool {
		a.Flags &^= sddl.InheritOnly
		if !a.Type.IsAllow() || a.Type.IsCallback() {
			return false
		}
		d := acl.Check(&sddl.ACL{ACEs: []sddl.ACE{a}}, nobody, ev.account.token, o.SID, o.class, right)
		return d.Effect == acl.Granted && !d.Implicit
	}
	var out []Obstacle
	add := func(a sddl.ACE, on, why string) {
		if len(out) < 5 {
			out = append(out, Obstacle{ACE: audit.View(a, ev.names), On: on, Why: why})
		}
	}
	here := o.Descriptor.DACL.ACEs
	for _, a := range here {
		if !a.Flags.Has(sddl.InheritOnly) || !alone(a) {
			continue
		}
		from := ev.origin(at, a)
		on := from.DN
		if on == "" {
			on = o.DN
		}
		switch {
		case o.structural == nil:
		case a.IsInherited() && a.HasInheritedObjectType() && !slices.Contains(o.classes, a.InheritedObjectType):
			add(a, on, fmt.Sprintf("it is for %s objects only, and the class here is %s", ev.className(a.InheritedObjectType), o.structural.Name))
		case !a.IsInherited():
			add(a, on, "it is for objects below, not for this one")
		}
	}
	ev.heirs(at, func(from, blocked int, there sddl.ACE, becomes []sddl.ACE) bool {
		for _, a := range becomes {
			if a.Flags.Has(sddl.InheritOnly) || !alone(a) {
				continue
			}
			switch {
			case blocked >= 0:
				add(there, ev.chain[from].DN, fmt.Sprintf("%s does not inherit: its DACL is protected", ev.chain[blocked].DN))
			case !slices.Contains(here, a):
				add(there, ev.chain[from].DN, "it has not been propagated to this object")
			}
			break
		}
		return len(out) < 5
	})
	return out
}

func (ev *evidence) className(g sddl.GUID) string {
	if c := ev.schema.ClassOf(g); c != nil {
		return c.Name
	}
	return g.String()
}

// nobody is an owner whom no token has: S-1-0-0. [MS-DTYP] 2.4.2.4.
var nobody, _ = sddl.ParseSID("S-1-0-0")
