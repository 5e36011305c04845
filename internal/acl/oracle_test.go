package acl

import (
	"math/rand/v2"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The oracle answers a check the slow and obvious way: for one bit at a time, on the
// whole object tree, once for every way in which what is not known may turn out. It
// follows the words of [MS-ADTS] 5.1.3.3.2 to 5.1.3.3.5 and shares nothing with Check.
type oracle struct {
	dacl  []sddl.ACE
	owner sddl.SID
	token Token
	self  sddl.SID
	class *Class
	right Right
}

// place is a node of the object tree.
type place struct {
	guid        sddl.GUID
	parent      *place
	children    []*place
	grant, deny bool
}

func (o *oracle) tree() (root *place, find func(sddl.GUID) *place) {
	root = &place{guid: o.class.GUID}
	all := []*place{root}
	add := func(g sddl.GUID, parent *place) *place {
		p := &place{guid: g, parent: parent}
		parent.children = append(parent.children, p)
		all = append(all, p)
		return p
	}
	sets := map[sddl.GUID]*place{}
	for _, set := range o.class.Attributes {
		if !set.IsZero() && sets[set] == nil {
			sets[set] = add(set, root)
		}
	}
	for attribute, set := range o.class.Attributes {
		if set.IsZero() {
			add(attribute, root)
		} else {
			add(attribute, sets[set])
		}
	}
	return root, func(g sddl.GUID) *place { // a property set before an attribute of the same GUID
		for _, p := range all {
			if p.guid == g {
				return p
			}
		}
		return nil
	}
}

func (p *place) each(do func(*place)) {
	do(p)
	for _, c := range p.children {
		c.each(do)
	}
}

// holds says whether the SID is the asker's, and whether that is certain.
func (o *oracle) holds(a sddl.ACE) (yes, certain bool) {
	s := a.SID
	if s == principalSelf {
		s = o.self
	}
	if s == ownerRights {
		s = o.owner
	}
	if s.IsZero() {
		return false, true
	}
	if _, ok := o.token.SIDs[s]; ok {
		return true, true
	}
	return false, o.token.Complete || s == creatorOwner
}

// maybes lists what is not known: an index for each entry that may or may not do what it
// says, and -1 for the owner who may be a group of the asker's.
func (o *oracle) maybes() (conditions, unseen []int) {
	for i, a := range o.dacl {
		if a.Flags.Has(sddl.InheritOnly) {
			continue
		}
		if a.IsOpaque() {
			unseen = append(unseen, i)
			continue
		}
		if a.Type.IsCallback() {
			conditions = append(conditions, i)
		}
		if _, certain := o.holds(a); !certain {
			unseen = append(unseen, i)
		}
	}
	return conditions, append(unseen, -1)
}

type answer struct{ granted, denied, part bool }

// bit answers for one bit in one world: good says which of the maybes turn out well.
func (o *oracle) bit(bit sddl.Mask, goodCondition, goodUnseen map[int]bool) answer {
	var ans answer
	_, ownerIs := o.token.SIDs[o.owner]
	if !ownerIs && !o.token.Complete {
		ownerIs = goodUnseen[-1]
	}
	if bit&(sddl.ReadControl|sddl.WriteDACL) != 0 && ownerIs {
		ans.granted = true
		for i, a := range o.dacl {
			if !a.Flags.Has(sddl.InheritOnly) && (a.SID == ownerRights || a.IsOpaque() && !goodUnseen[-1]) {
				_ = i
				ans.granted = false
			}
		}
		if ans.granted {
			return ans
		}
	}
	inTree := bit&(childBits|sddl.WriteSelf) == 0
	if bit == sddl.ControlAccess && o.right.Kind != Attribute && o.right.Kind != PropertySet {
		inTree = false
	}
	root, find := o.tree()
	at := root
	if inTree && bit&(propertyBits|sddl.ControlAccess) != 0 && !o.right.Object.IsZero() {
		if o.right.Kind == Attribute { // the leaf, not a set of the same GUID
			root.each(func(p *place) {
				if p.guid == o.right.Object && len(p.children) == 0 {
					at = p
				}
			})
		} else {
			at = find(o.right.Object)
		}
	}
	for i, a := range o.dacl {
		if a.Flags.Has(sddl.InheritOnly) {
			continue
		}
		allow, mask, scoped, g := a.Type.IsAllow(), a.Mask.MapGeneric(), a.HasObjectType(), a.ObjectType
		if a.IsOpaque() {
			allow, mask, scoped = goodUnseen[i], sddl.FullControl, false
		} else {
			if !a.Type.IsAllow() && !a.Type.IsDeny() || mask&bit == 0 {
				continue
			}
			yes, certain := o.holds(a)
			if !certain {
				yes = goodUnseen[i] == allow
			}
			if a.Type.IsCallback() && goodCondition[i] != allow {
				yes = false
			}
			if !yes {
				continue
			}
			if scoped && g.IsZero() {
				if allow {
					continue
				}
				scoped = false
			}
		}
		if !inTree {
			switch {
			case ans.granted || ans.denied:
			case !scoped || g == o.right.Object:
				ans.granted, ans.denied = allow, !allow
			case o.right.Object.IsZero() && allow:
				ans.part = true
			case o.right.Object.IsZero():
				ans.denied = true
			}
			continue
		}
		v := root
		if scoped {
			if v = find(g); v == nil {
				continue
			}
		}
		if allow {
			v.each(func(u *place) { u.grant = u.grant || !u.deny })
			for ; v != root; v = v.parent {
				same := true
				for _, s := range v.parent.children {
					same = same && s.grant == v.grant
				}
				if !same {
					break
				}
				v.parent.grant = v.parent.grant || v.grant
			}
		} else {
			v.each(func(u *place) { u.deny = u.deny || !u.grant })
			for w := v.parent; w != nil; w = w.parent {
				w.deny = true
			}
		}
	}
	if inTree {
		ans.granted, ans.denied = at.grant, at.deny && !at.grant
		at.each(func(u *place) { ans.part = ans.part || u != at && u.grant })
	}
	return ans
}

// decide goes through all worlds.
func (o *oracle) decide(want sddl.Mask) (d Decision, certain bool) {
	conditions, unseen := o.maybes()
	var unknown, conditional, part sddl.Mask
	for bit := sddl.Mask(1); bit <= sddl.FullControl; bit <<= 1 {
		if want&bit == 0 {
			continue
		}
		always, ever, alwaysIfTrue := true, false, true
		var best, worst answer
		for world := range 1 << (len(conditions) + len(unseen)) {
			goodCondition, goodUnseen := map[int]bool{}, map[int]bool{}
			allTrue := true
			for i, at := range conditions {
				goodCondition[at] = world>>i&1 != 0
				allTrue = allTrue && goodCondition[at]
			}
			for i, at := range unseen {
				goodUnseen[at] = world>>(len(conditions)+i)&1 != 0
			}
			got := o.bit(bit, goodCondition, goodUnseen)
			always, ever = always && got.granted, ever || got.granted
			if allTrue {
				alwaysIfTrue = alwaysIfTrue && got.granted
			}
			if world == 0 {
				worst = got
			}
			best = got
		}
		switch {
		case always:
			d.Granted |= bit
		case !ever && best.denied:
			d.Denied |= bit
		case !ever:
		case alwaysIfTrue:
			conditional |= bit
		default:
			unknown |= bit
		}
		if worst.part {
			part |= bit
		}
	}
	d.Missing = want &^ (d.Granted | d.Denied)
	switch {
	case d.Granted == want:
		d.Effect = Granted
	case d.Denied != 0:
		d.Effect = Denied
	case unknown != 0:
		d.Effect = Unknown
	case conditional == d.Missing:
		d.Effect = Conditional
	case d.Granted|conditional|part&d.Missing != 0:
		d.Effect = Partial
	default:
		d.Effect = NotGranted
	}
	return d, len(conditions)+len(unseen) == 1
}

// dice rolls random but likely-to-matter entries.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

func (d dice) ace() sddl.ACE {
	bits := []sddl.Mask{sddl.ReadProperty, sddl.WriteProperty, sddl.ControlAccess, sddl.CreateChild, sddl.WriteSelf,
		sddl.ReadControl, sddl.WriteDACL, sddl.Delete}
	mask := pick(d, bits...)
	mask |= pick(d, bits...)
	switch d.IntN(12) {
	case 0:
		mask = pick(d, sddl.GenericAll, sddl.GenericRead, sddl.GenericWrite, 0xffffffff)
	case 1:
		mask = sddl.FullControl
	}
	a := sddl.ObjectACE(sddl.Allow, 0, mask, sddl.GUID{}, sddl.GUID{}, pick(d, account, account, account, group, everyone, stranger, stranger, principalSelf, ownerRights, creatorOwner))
	if d.IntN(3) == 0 {
		a.Type = sddl.Deny
	}
	if d.IntN(8) == 0 {
		a.Flags |= sddl.InheritOnly | sddl.ContainerInherit
	}
	if d.IntN(5) < 3 {
		a.Type += sddl.AllowObject - sddl.Allow
		if d.IntN(10) > 0 {
			a.ObjectFlags |= sddl.ObjectTypePresent
			a.ObjectType = pick(d, memberAttr, memberSet, generalSet, displayNameAttr, mailAttr, publicSet, lockoutTimeAttr,
				hostNameAttr, hostNameSet, moreNamesAttr, groupClass, userClass, resetPassword, getChanges, sddl.GUID{})
		}
		if d.IntN(10) == 0 {
			a.ObjectFlags |= sddl.InheritedObjectTypePresent
			a.InheritedObjectType = userClass
		}
	}
	switch d.IntN(20) {
	case 0, 1:
		a.Type += sddl.AllowCallback - sddl.Allow
		if a.ObjectFlags != 0 || a.Type > sddl.DenyCallback {
			a.Type = pick(d, sddl.AllowCallbackObject, sddl.DenyCallbackObject)
		}
		a.Data = "artx"
	case 2:
		return sddl.ACE{Type: 0x40, Flags: a.Flags, Data: "opaque"}
	case 3:
		return sddl.ACE{Type: sddl.Audit, Mask: mask, SID: account}
	}
	return a
}

func (d dice) right() Right {
	return pick(d, readAll, writeAll, readWrite, readMember, writeMember, reset, createUser, selfMember, readACL, deleteIt, fullControl,
		Right{sddl.ReadProperty, memberSet, PropertySet}, Right{sddl.ReadProperty, hostNameSet, PropertySet},
		Right{sddl.WriteProperty, hostNameAttr, Attribute}, Right{sddl.WriteProperty, moreNamesAttr, Attribute},
		Right{sddl.ReadProperty | sddl.ControlAccess, displayNameAttr, Attribute}, Right{sddl.ReadProperty | sddl.ReadControl, memberSet, PropertySet},
		Right{Mask: sddl.ControlAccess | sddl.CreateChild}, Right{Mask: sddl.ReadControl | sddl.WriteDACL | sddl.WriteProperty})
}

func TestCheckAgainstTheOracle(t *testing.T) {
	cases := 120_000
	if testing.Short() {
		cases = 10_000
	}
	small := &Class{GUID: groupClass, Attributes: map[sddl.GUID]sddl.GUID{memberAttr: memberSet, lockoutTimeAttr: {}}}
	effects := map[Effect]int{}
	for seed := range cases {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 7))}
		o := oracle{token: token, class: pick(d, testClass, small), right: d.right(), self: pick(d, sddl.SID{}, account, stranger),
			owner: pick(d, stranger, stranger, stranger, account, group)}
		if d.IntN(3) == 0 {
			o.token = partialToken
		}
		if d.IntN(3) == 0 { // many narrow allows, so that parts add up
			for range 4 + d.IntN(5) {
				a := sddl.ObjectACE(sddl.Allow, 0, pick(d, sddl.ReadProperty, sddl.ReadProperty|sddl.WriteProperty),
					pick(d, memberAttr, memberSet, lockoutTimeAttr, generalSet, publicSet, hostNameSet), sddl.GUID{}, account)
				if d.IntN(12) == 0 {
					a.Type = sddl.DenyObject
				}
				o.dacl = append(o.dacl, a)
			}
		}
		for range d.IntN(5) {
			o.dacl = append(o.dacl, d.ace())
		}
		d.Shuffle(len(o.dacl), func(i, j int) { o.dacl[i], o.dacl[j] = o.dacl[j], o.dacl[i] })
		if !o.class.has(o.right) {
			continue
		}
		want, certain := o.decide(o.right.bits())
		got := Check(&sddl.ACL{ACEs: o.dacl}, o.owner, o.token, o.self, o.class, o.right)
		effects[got.Effect]++
		same := got.Granted == want.Granted && got.Denied == want.Denied && got.Missing == want.Missing
		// What is missing in part may be missing in whole once something is not certain.
		partly := func(e Effect) bool { return e == Partial || e == NotGranted }
		if !same || got.Effect != want.Effect && (certain || !partly(got.Effect) || !partly(want.Effect)) {
			t.Fatalf("seed %d: %+v\nowner %v self %v complete %v\n%+v\ngot  %+v\nwant %+v", seed, o.right, o.owner, o.self, o.token.Complete, o.dacl, got, want)
		}
		var decided sddl.Mask
		for _, by := range got.Deciding {
			decided |= by.Mask
		}
		if missing := (got.Granted | got.Denied) &^ decided; missing != 0 && !got.Implicit {
			t.Fatalf("seed %d: nobody decided %#x: %+v", seed, missing, got)
		}
	}
	for e := Unknown; e <= NotGranted; e++ {
		if effects[e] < cases/200 {
			t.Errorf("only %d of %d cases were %v", effects[e], cases, e)
		}
	}
}
