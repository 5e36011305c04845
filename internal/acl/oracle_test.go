package acl

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The oracle answers a check the slow and obvious way: for one bit at a time, on the
// whole object tree, once for every way in which what is not known may turn out. It
// follows the words of [MS-ADTS] 5.1.3.3.2 to 5.1.3.3.5 and shares nothing with Check.
type oracle struct {
	absent bool // there is no DACL
	dacl   []sddl.ACE
	owner  sddl.SID
	token  Token
	self   sddl.SID
	class  *Class
	right  Right
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
	if o.owner.IsZero() && (s == ownerRights || s == creatorOwner || s == creatorGroup) {
		return false, a.Type.IsAllow() // whoever that is, it may be the asker; a grant to it is none
	}
	if s == ownerRights {
		s = o.owner
	}
	if s.IsZero() || s == creatorOwner || s == creatorGroup {
		return false, true
	}
	// Flags that nobody knows may say that the entry is about something else.
	if _, ok := o.token.SIDs[s]; ok {
		return true, a.ObjectFlags&^3 == 0
	}
	return false, o.token.Complete
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
	if !ownerIs && !o.token.Complete && !o.owner.IsZero() {
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
			if !certain { // it does what it says, or it does not
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
			for changed := true; changed; { // whoever has all of its parts has it
				changed = false
				root.each(func(u *place) {
					all := len(u.children) > 0 && !u.grant
					for _, c := range u.children {
						all = all && c.grant
					}
					u.grant, changed = u.grant || all, changed || all
				})
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
	if o.absent { // [MS-ADTS] 5.1.3.3.1
		return Decision{Effect: Granted, Granted: want}, true
	}
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
		sddl.ReadControl, sddl.WriteDACL, sddl.Delete, sddl.DeleteChild, sddl.DeleteTree, sddl.ListContents, sddl.ListObject, sddl.WriteOwner}
	mask := pick(d, bits[:8]...)
	mask |= pick(d, bits...)
	switch d.IntN(12) {
	case 0:
		mask = pick(d, sddl.GenericAll, sddl.GenericRead, sddl.GenericWrite, sddl.GenericExecute, 0xffffffff)
	case 1:
		mask = pick(d, sddl.FullControl, sddl.Mask(d.Uint32())&sddl.FullControl)
	}
	a := sddl.ObjectACE(sddl.Allow, 0, mask, sddl.GUID{}, sddl.GUID{}, pick(d, account, account, account, group, everyone, stranger, stranger, principalSelf, ownerRights, creatorOwner, creatorGroup))
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
			a.InheritedObjectType = pick(d, userClass, userClass, groupClass, sddl.GUID{})
		}
		if d.IntN(60) == 0 {
			a.ObjectFlags |= 4
		}
	}
	switch d.IntN(14) {
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
	if d.IntN(2) == 0 {
		return pick(d, readAll, writeAll, readWrite, readMember, writeMember, reset, createUser, selfMember, readACL, deleteIt, fullControl,
			Right{sddl.ReadProperty, memberSet, PropertySet}, Right{sddl.ReadProperty, hostNameSet, PropertySet},
			Right{sddl.WriteProperty, hostNameAttr, Attribute}, Right{sddl.WriteProperty, moreNamesAttr, Attribute},
			Right{sddl.ReadProperty | sddl.ControlAccess, displayNameAttr, Attribute}, Right{sddl.ReadProperty | sddl.ReadControl, memberSet, PropertySet},
			Right{Mask: sddl.ControlAccess | sddl.CreateChild}, Right{Mask: sddl.ReadControl | sddl.WriteDACL | sddl.WriteProperty})
	}
	some := func(of sddl.Mask) sddl.Mask { // one bit, or a few
		m := sddl.Mask(0)
		for m == 0 {
			m = of & sddl.Mask(d.Uint32())
		}
		if d.IntN(2) == 0 {
			for m&(m-1) != 0 {
				m &= m - 1
			}
		}
		return m
	}
	attribute := pick(d, memberAttr, displayNameAttr, mailAttr, lockoutTimeAttr, hostNameAttr, moreNamesAttr)
	switch d.IntN(6) {
	case 0:
		return Right{some(propertyBits | sddl.ControlAccess | sddl.WriteSelf | objectBits), attribute, Attribute}
	case 1:
		return Right{some(propertyBits | sddl.ControlAccess | objectBits), pick(d, memberSet, generalSet, publicSet, hostNameSet), PropertySet}
	case 2:
		return Right{some(sddl.ControlAccess | objectBits), pick(d, reset, Right{Object: getChanges}, Right{Object: memberAttr}).Object, ExtendedRight}
	case 3:
		return Right{some(sddl.WriteSelf | objectBits), pick(d, memberAttr, hostNameAttr), ValidatedWrite}
	case 4:
		return Right{some(childBits | objectBits), pick(d, userClass, groupClass), ChildClass}
	}
	return Right{Mask: pick(d, some(sddl.FullControl), some(objectBits), some(childBits), sddl.Delete|sddl.DeleteTree, sddl.ListContents|sddl.ListObject, sddl.GenericRead, sddl.GenericAll)}
}

// random is how many random cases to try: GMSACTL_CASES, or a hundred thousand.
func random(t testing.TB) int {
	if n, err := strconv.Atoi(os.Getenv("GMSACTL_CASES")); err == nil {
		return n
	}
	if testing.Short() {
		return 10_000
	}
	return 100_000
}

// question rolls a case: a descriptor, a token and a request.
func (d dice) question() oracle {
	small := &Class{GUID: groupClass, Attributes: map[sddl.GUID]sddl.GUID{memberAttr: memberSet, lockoutTimeAttr: {}}}
	o := oracle{token: token, class: pick(d, testClass, small), self: pick(d, sddl.SID{}, account, stranger),
		owner: pick(d, stranger, stranger, stranger, account, group, sddl.SID{})}
	for o.right = d.right(); !o.class.has(o.right); {
		o.right = d.right()
	}
	if d.IntN(3) == 0 {
		o.token = partialToken
	}
	if o.absent = d.IntN(100) == 0; o.absent {
		return o
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
	for range d.IntN(6) {
		o.dacl = append(o.dacl, d.ace())
	}
	d.Shuffle(len(o.dacl), func(i, j int) { o.dacl[i], o.dacl[j] = o.dacl[j], o.dacl[i] })
	if d.IntN(4) == 0 { // what a child gets of it
		for i := range o.dacl {
			o.dacl[i].Flags = d.flags()
		}
		o.dacl = slowInherit(o.dacl, o.class.GUID, o.owner, group)
	}
	return o
}

func TestCheckAgainstTheOracle(t *testing.T) {
	cases := random(t)
	effects, kinds := map[Effect]int{}, map[ObjectKind]int{}
	bits := map[sddl.Mask]int{}
	for seed := range cases {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 7))}
		o := d.question()
		kinds[o.right.Kind]++
		for bit := sddl.Mask(1); bit <= sddl.FullControl; bit <<= 1 {
			bits[o.right.bits()&bit]++
		}
		want, certain := o.decide(o.right.bits())
		dacl := &sddl.ACL{ACEs: o.dacl}
		if o.absent {
			dacl = nil
		}
		got := Check(dacl, o.owner, o.token, o.self, o.class, o.right)
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
	for kind := WholeObject; kind <= ChildClass; kind++ {
		if kinds[kind] < cases/50 {
			t.Errorf("only %d of %d cases were about kind %d", kinds[kind], cases, kind)
		}
	}
	for bit := sddl.Mask(1); bit <= sddl.FullControl; bit <<= 1 {
		if sddl.FullControl&bit != 0 && bits[bit] < cases/50 {
			t.Errorf("only %d of %d cases were about %v", bits[bit], cases, bit)
		}
	}
}

// Servers put allows that stand together into another order. [MS-ADTS] 6.1.3.1.
func TestTheOrderOfAllowsDoesNotMatter(t *testing.T) {
	moved := 0
	for seed := range random(t) {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 19))}
		o := d.question()
		before := Check(&sddl.ACL{ACEs: o.dacl}, o.owner, o.token, o.self, o.class, o.right)
		other := slices.Clone(o.dacl)
		for from := 0; from < len(other); from++ {
			to := from
			for to < len(other) && other[to].Type.IsAllow() {
				to++
			}
			if allows := other[from:to]; len(allows) > 1 {
				d.Shuffle(len(allows), func(i, j int) { allows[i], allows[j] = allows[j], allows[i] })
				moved++
			}
			from = to
		}
		after := Check(&sddl.ACL{ACEs: other}, o.owner, o.token, o.self, o.class, o.right)
		if before.Effect != after.Effect || before.Granted != after.Granted || before.Denied != after.Denied {
			t.Fatalf("seed %d: %+v\n%v: %v, granted %v, denied %v\n%v: %v, granted %v, denied %v", seed, o.right,
				o.dacl, before.Effect, before.Granted, before.Denied, other, after.Effect, after.Granted, after.Denied)
		}
	}
	if moved < random(t)/4 {
		t.Errorf("only %d lists had two allows together", moved)
	}
}

func (d dice) flags() sddl.ACEFlags {
	const ci, oi, io, np = sddl.ContainerInherit, sddl.ObjectInherit, sddl.InheritOnly, sddl.NoPropagate
	return pick(d, 0, ci, ci, ci, ci|io, ci|np, ci|io|np, oi, oi|ci, oi|io, oi|np, oi|ci|np) | pick(d, 0, sddl.Inherited)
}

// slowInherit is inheritance the slow and obvious way: first what each entry of the parent
// becomes, one or two or none, then what of that is there already. [MS-ADTS] 6.1.3.
func slowInherit(parent []sddl.ACE, class sddl.GUID, owner, group sddl.SID) []sddl.ACE {
	const ci, oi, io, np = sddl.ContainerInherit, sddl.ObjectInherit, sddl.InheritOnly, sddl.NoPropagate
	var become []sddl.ACE
	for _, a := range parent {
		forContainers, forLeaves, further := a.Flags.Has(ci), a.Flags.Has(oi), !a.Flags.Has(np)
		if !forContainers && !forLeaves {
			continue
		}
		idle, kept, once := a, a, a
		idle.Flags = a.Flags&(ci|oi) | io | sddl.Inherited
		kept.Flags = a.Flags&(ci|oi) | sddl.Inherited
		once.Flags = sddl.Inherited
		meant := forContainers
		if !a.IsOpaque() {
			if a.HasInheritedObjectType() && a.InheritedObjectType != class && !(a.InheritedObjectType.IsZero() && a.Type.IsDeny()) {
				meant = false
			}
			once.Mask = a.Mask.MapGeneric()
			if a.SID == creatorOwner && !owner.IsZero() {
				once.SID = owner
			}
			if a.SID == creatorGroup && !group.IsZero() {
				once.SID = group
			}
			if a.HasInheritedObjectType() {
				once.ObjectFlags &^= sddl.InheritedObjectTypePresent
				once.InheritedObjectType = sddl.GUID{}
			}
			if a.HasInheritedObjectType() && once.ObjectFlags == 0 {
				for object, plain := range map[sddl.ACEType]sddl.ACEType{sddl.AllowObject: sddl.Allow, sddl.DenyObject: sddl.Deny, sddl.AuditObject: sddl.Audit,
					sddl.AllowCallbackObject: sddl.AllowCallback, sddl.DenyCallbackObject: sddl.DenyCallback} {
					if a.Type == object {
						once.Type = plain
					}
				}
			}
		}
		special := !a.IsOpaque() && (a.SID == creatorOwner || a.SID == creatorGroup || once.Mask != a.Mask)
		switch {
		case !meant && further:
			become = append(become, idle)
		case !meant:
		case !further:
			become = append(become, once)
		case special:
			become = append(become, once, idle)
		default:
			become = append(become, kept)
		}
	}
	var out []sddl.ACE
	for _, x := range become {
		if !slices.ContainsFunc(out, func(y sddl.ACE) bool {
			if x == y {
				return true
			}
			return !x.Flags.Has(io) && !y.Flags.Has(io) && !x.IsOpaque() && x.Type == y.Type && x.SID == y.SID && x.Data == y.Data &&
				x.HasObjectType() == y.HasObjectType() && x.ObjectType == y.ObjectType && x.Mask|y.Mask == y.Mask && x.Flags|y.Flags == y.Flags &&
				(!x.HasInheritedObjectType() || y.HasInheritedObjectType() && x.InheritedObjectType == y.InheritedObjectType)
		}) {
			out = append(out, x)
		}
	}
	return out
}

func TestInheritAgainstTheOracle(t *testing.T) {
	cases := random(t)
	entries, dropped := 0, 0
	for seed := range cases {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 17))}
		var parent []sddl.ACE
		for range d.IntN(8) {
			a := d.ace()
			a.Flags = d.flags()
			parent = append(parent, a)
			if d.IntN(4) == 0 { // the same again, or less
				a.Mask &= pick(d, sddl.Mask(d.Uint32()), 0xffffffff)
				a.Flags = pick(d, a.Flags, d.flags())
				parent = append(parent, a)
			}
		}
		class, owner, creator := pick(d, userClass, groupClass, ouClass), pick(d, account, stranger, sddl.SID{}), pick(d, group, sddl.SID{})
		want := slowInherit(parent, class, owner, creator)
		got := Inherit(parent, []sddl.GUID{class}, owner, creator)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: class %v, owner %v, group %v\n%v\ngot  %v\nwant %v", seed, class, owner, creator, parent, got, want)
		}
		entries += len(parent)
		dropped += len(parent) - len(got)
	}
	if entries < 3*cases || dropped < cases/2 {
		t.Errorf("only %d entries, %d of them not handed down", entries, dropped)
	}
}
