package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// forbidden judges a rule whose rights the account must not have: none of them, anywhere in the
// scope, and no part of one. It passes only where that was proven.
func (j *Judge) forbidden(t *directory.Target, req *Requirement, row *Row) {
	d := t.Descriptor
	class := j.s.Schema.StructuralClass(t.Classes)
	self, fault := j.targetClass(class, t.Classes)
	if fault != "" {
		row.Why = fault
		return
	}
	blank := *row
	for i, one := range req.Any {
		l := look{j: j, t: t, one: one, structural: class, self: self}
		l.run()
		now := blank
		now.Grant = acl.Cover(d.DACL, d.Owner, j.token, one, j.s.Schema.PropertySetOf).Grant.String()
		now.Effect, now.Why, now.Grants = l.effect.String(), l.sentence(), j.aces(l.entries)
		switch l.effect {
		case acl.Granted, acl.Partial:
			// What is there for certain is not unknown, whatever else is.
			if now.Grant == acl.Unclear.String() {
				now.Grant = acl.Missing.String()
			}
			*row = now
			return
		case acl.Unknown:
			if now.Grant = acl.Unclear.String(); row.Why == "" {
				*row = now
			}
		default:
			if i == 0 {
				blank.Grant = now.Grant
			}
		}
	}
	if row.Why != "" || len(req.Any) == 0 {
		return
	}
	*row = blank
	row.Effect, row.Pass = acl.NotGranted.String(), true
}

// look is a search for a right, and for every part of it, on a target and on new objects below.
type look struct {
	j          *Judge
	t          *directory.Target
	one        acl.Requirement
	structural *directory.Class // of the target
	self       *acl.Class

	effect  acl.Effect // the most that the account has: Granted, Partial, Unknown or NotGranted
	where   []string   // in words, where it has that
	entries []sddl.ACE // that give it that
	doubt   string     // why it is unknown
}

// weight orders effects by how much the account has.
func weight(e acl.Effect) int {
	return slices.Index([]acl.Effect{acl.Unknown, acl.Partial, acl.Granted}, e)
}

// add takes in what one place, or one part, came to.
func (l *look) add(effect acl.Effect, where, doubt string, entries ...sddl.ACE) {
	if weight(effect) > weight(l.effect) {
		l.effect, l.where, l.entries, l.doubt = effect, nil, nil, doubt
	}
	if effect != l.effect || weight(effect) < 0 {
		return
	}
	if where != "" && !slices.Contains(l.where, where) {
		l.where = append(l.where, where)
	}
	for _, a := range entries {
		if !slices.Contains(l.entries, a) {
			l.entries = append(l.entries, a)
		}
	}
}

// unsure is a doubt without more to say.
const unsure = "it depends on a condition, on a group that could not be read, or on an entry that is not understood"

// take takes in a decision about the right, or about a part of it.
func (l *look) take(d acl.Decision, part bool, where, doubt string) {
	var entries []sddl.ACE
	for _, e := range d.Deciding {
		if !e.Deny {
			entries = append(entries, origin(l.t.Descriptor.DACL, e.ACE))
		}
	}
	effect := d.Effect
	switch effect {
	case acl.Granted, acl.Partial:
		switch {
		// Parts are looked at one by one. To read a confidential attribute takes two rights, and one of them is no part
		// of that. [MS-ADTS] 3.1.1.4.4.
		case effect == acl.Partial:
			effect = acl.NotGranted
		case doubt != "":
			effect = acl.Unknown
		case part:
			effect = acl.Partial
		}
	case acl.Denied, acl.NotGranted:
		effect = acl.NotGranted
	default:
		effect = acl.Unknown
		if doubt == "" {
			doubt = unsure
		}
	}
	l.add(effect, where, doubt, entries...)
}

func (l *look) run() {
	l.effect = acl.NotGranted
	d := l.t.Descriptor
	if l.one.Scope == acl.ThisObject || l.one.Scope == acl.ThisObjectAndDescendants {
		if !hasRight(l.self, l.one.Right) {
			l.idle("an entry allows what the target's class has not by itself", func(a sddl.ACE) bool { return !a.Flags.Has(sddl.InheritOnly) })
		}
		for i, right := range l.parts(l.self, false) {
			decision := acl.Check(d.DACL, d.Owner, l.j.token, l.t.SID, l.self, right)
			doubt := ""
			if d.DACL != nil && l.j.mayBeBlocked(l.structural, right.Mask, acl.Judgement{Cases: []acl.Case{{Where: acl.OnTarget, Decision: decision}}}) {
				doubt = "it is the owner's implicit right, which dSHeuristics may block on computers and service accounts"
			}
			l.take(decision, i > 0, "the target itself", doubt)
		}
	}
	if l.one.Scope != acl.ThisObject {
		l.below()
	}
	l.nameless()
}

// nameless doubts where an entry is about something that the schema does not show: it may be an attribute's
// property set.
func (l *look) nameless() {
	const properties = sddl.ReadProperty | sddl.WriteProperty
	if l.t.Descriptor.DACL == nil {
		return
	}
	for _, a := range l.t.Descriptor.DACL.ACEs {
		if !a.IsOpaque() && a.Type.IsAllow() && a.HasObjectType() && !a.ObjectType.IsZero() && a.Mask.MapGeneric()&l.one.Right.Mask&properties != 0 &&
			within(a, l.one.Scope) && l.possible(a.SID) && l.j.s.Schema.NameOf(a.ObjectType) == "" {
			l.add(acl.Unknown, "", fmt.Sprintf("an entry is about %s, which the schema does not show", a.ObjectType), a)
		}
	}
}

// within says whether an entry reaches into a scope.
func within(a sddl.ACE, scope acl.Scope) bool {
	switch scope {
	case acl.ThisObject:
		return !a.Flags.Has(sddl.InheritOnly)
	case acl.ThisObjectAndDescendants:
		return !a.Flags.Has(sddl.InheritOnly) || a.Flags.Has(sddl.ContainerInherit)
	}
	return a.Flags.Has(sddl.ContainerInherit)
}

// below looks at new objects of every class, or of the one that the rule is about.
func (l *look) below() {
	schema := l.j.s.Schema
	list := schema.Below(l.structural.Name)
	if !l.one.Class.IsZero() {
		list = []*directory.Class{schema.ClassOf(l.one.Class)}
	}
	var tried, others []*acl.Class // those that have what the rule is about, and those that have not
	for _, c := range list {
		class, fault := l.j.classForbidden(c, !l.one.Class.IsZero())
		if fault != "" {
			l.add(acl.Unknown, "", fault)
			continue
		}
		if !hasRight(class, l.one.Right) {
			others = append(others, class)
			continue
		}
		tried = append(tried, class)
		l.try(class, "")
	}
	if len(tried) == 0 {
		// Objects may have it by an auxiliary class that was added to them alone. [MS-ADTS] 3.1.1.2.4.
		for _, class := range others {
			l.try(l.withRight(class), "no class of objects below has by itself what the rule is about; one that is added to an object may")
		}
	}
	l.untried(tried, others)
}

// try looks at new objects of a class; doubt says why nobody knows whether there may be any, if so.
func (l *look) try(class *acl.Class, doubt string) {
	d := l.t.Descriptor
	target := acl.Target{DACL: d.DACL, Owner: d.Owner, SID: l.t.SID}
	where := fmt.Sprintf("new %s objects", class.Name)
	owns := l.mayCreate(class)
	for i, right := range l.parts(class, true) {
		req := below(l.one)
		req.Right = right
		for _, one := range acl.Judge(target, l.j.token, req, []*acl.Class{class}).Cases {
			l.take(one.Decision, i > 0, where, doubt)
		}
		if owns {
			l.asOwner(class, right, where)
		}
	}
}

// withRight is a class as it is where another one is added that has what the right is about.
func (l *look) withRight(class *acl.Class) *acl.Class {
	right := l.one.Right
	with := *class
	with.Attributes = maps.Clone(class.Attributes)
	switch right.Kind {
	case acl.Attribute:
		with.Attributes[right.Object] = l.j.s.Schema.PropertySetOf(right.Object)
	case acl.PropertySet:
		with.Attributes[unnamed] = right.Object
	}
	return &with
}

// classForbidden is a class as looking for what is forbidden needs it. A class without a default counts, too: its
// objects begin with what their creator has by default, and inherit as others do. [MS-ADTS] 6.1.3.
func (j *Judge) classForbidden(c *directory.Class, named bool) (*acl.Class, string) {
	if c == nil || c.DefaultDescriptor != "" || named {
		return j.class(c)
	}
	if gap := j.s.Schema.Gap(c.Name); gap != "" {
		return nil, "the schema does not show " + gap
	}
	class := &acl.Class{Name: c.Name, GUID: c.GUID, Attributes: map[sddl.GUID]sddl.GUID{}}
	for _, a := range j.s.Schema.Attributes(c.Name) {
		class.Attributes[a.GUID] = a.PropertySet
	}
	return class, ""
}

// asOwner looks at new objects that the account has made itself. Nobody knows who will make one, so that what
// only their owner has is in doubt. [MS-DTYP] 2.5.3.2.
func (l *look) asOwner(class *acl.Class, right acl.Right, where string) {
	me, none := l.j.token.Account, sddl.SID{}
	parents := []*sddl.ACL{l.t.Descriptor.DACL}
	if dacl := l.t.Descriptor.DACL; dacl != nil && l.one.Scope != acl.Children {
		parents = append(parents, &sddl.ACL{ACEs: acl.Inherit(dacl.ACEs, nil, none, none)})
	}
	for _, parent := range parents {
		// The account is in its primary group, whose entries new objects get.
		dacl := acl.NewObject(parent, class, me, me)
		l.take(acl.Check(dacl, me, l.j.token, none, class, right), true, where, "the account may create objects there, and has it on those that it owns")
	}
}

// mayCreate says whether an entry may let the account create objects of a class, on the target or below.
func (l *look) mayCreate(class *acl.Class) bool {
	dacl := l.t.Descriptor.DACL
	return dacl == nil || slices.ContainsFunc(dacl.ACEs, func(a sddl.ACE) bool {
		return a.IsOpaque() || a.Type.IsAllow() && a.Mask.MapGeneric()&sddl.CreateChild != 0 && l.possible(a.SID) &&
			(!a.HasObjectType() || a.ObjectType == class.GUID)
	})
}

// possible says whether an entry for a SID may be for the account: on the target, or on an object that it makes.
func (l *look) possible(sid sddl.SID) bool {
	token := &l.j.token
	switch sid.String() {
	case creatorOwner, creatorGroup, ownerRights, principalSelf:
		return true
	}
	return token.Via(sid) != acl.NotHeld || token.MayHold(sid)
}

// The SIDs that stand for somebody else. [MS-DTYP] 2.4.2.4.
const (
	creatorOwner  = "S-1-3-0"
	creatorGroup  = "S-1-3-1"
	ownerRights   = "S-1-3-4"
	principalSelf = "S-1-5-10"
)

// indivisible are the rights of which there are no parts. [MS-ADTS] 5.1.3.2.
const indivisible = sddl.ListContents | sddl.ListObject | sddl.DeleteTree | sddl.Delete | sddl.ReadControl | sddl.WriteDACL | sddl.WriteOwner

func divisible(right acl.Right) bool {
	return right.Mask&^indivisible != 0 && (right.Kind == acl.WholeObject || right.Kind == acl.PropertySet)
}

// unnamed stands for every right, class or attribute that no entry names: they all fare alike.
var unnamed = sddl.GUID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// parts are the right, and then the parts of it that may fare differently, for entries tell them apart: who has one
// of them has what must not be, even where a deny on another one takes the whole away. [MS-ADTS] 5.1.3.3.3.
func (l *look) parts(class *acl.Class, isNew bool) []acl.Right {
	right := l.one.Right
	if !hasRight(class, right) {
		return nil
	}
	out := []acl.Right{right}
	if !divisible(right) {
		return out
	}
	named := map[sddl.GUID]bool{}
	lists := []*sddl.ACL{l.t.Descriptor.DACL}
	if isNew && class.Default != nil {
		lists = append(lists, class.Default.DACL)
	}
	var order []sddl.GUID
	for _, list := range lists {
		if list == nil {
			continue
		}
		for _, a := range list.ACEs {
			if !a.IsOpaque() && a.HasObjectType() && !a.ObjectType.IsZero() && a.Mask.MapGeneric()&right.Mask != 0 && !named[a.ObjectType] {
				named[a.ObjectType] = true
				order = append(order, a.ObjectType)
			}
		}
	}
	for _, kind := range []struct {
		mask sddl.Mask
		kind acl.ObjectKind
	}{{sddl.ControlAccess, acl.ExtendedRight}, {sddl.WriteSelf, acl.ValidatedWrite}, {sddl.CreateChild | sddl.DeleteChild, acl.ChildClass}} {
		if right.Kind == acl.WholeObject && right.Mask&kind.mask != 0 {
			for _, g := range append(slices.Clone(order), unnamed) {
				out = append(out, acl.Right{Mask: right.Mask & kind.mask, Object: g, Kind: kind.kind})
			}
		}
	}
	if right.Mask&(sddl.ReadProperty|sddl.WriteProperty) != 0 {
		type alike struct{ attribute, set sddl.GUID }
		seen := map[alike]bool{}
		for attribute, set := range class.Attributes {
			if right.Kind == acl.PropertySet && set != right.Object {
				continue
			}
			key := alike{}
			if named[attribute] {
				key.attribute = attribute
			}
			if named[set] {
				key.set = set
			}
			if !seen[key] {
				seen[key] = true
				out = append(out, acl.Right{Mask: right.Mask & (sddl.ReadProperty | sddl.WriteProperty), Object: attribute, Kind: acl.Attribute})
			}
		}
	}
	return out
}

// hasRight says whether objects of a class have what a right is about.
func hasRight(c *acl.Class, right acl.Right) bool {
	switch right.Kind {
	case acl.Attribute:
		_, ok := c.Attributes[right.Object]
		return ok
	case acl.PropertySet:
		for _, set := range c.Attributes {
			if set == right.Object {
				return true
			}
		}
		return false
	}
	return true
}

// idle doubts where entries may give the account a part of the right that nothing stands for.
func (l *look) idle(doubt string, is func(a sddl.ACE) bool) {
	dacl := l.t.Descriptor.DACL
	if dacl == nil {
		return
	}
	schema := l.j.s.Schema
	about := l.one
	about.Class = sddl.GUID{} // whether it is of the class is for the caller to say
	for _, a := range dacl.ACEs {
		if a.IsOpaque() || !a.Type.IsAllow() || a.Mask.MapGeneric()&about.Right.Mask == 0 || !l.possible(a.SID) || !is(a) {
			continue
		}
		// One about a class is about the whole of its objects.
		if schema.ClassOf(a.ObjectType) != nil || acl.Overlaps(a, about, schema.PropertySetOf) {
			l.add(acl.Unknown, "", doubt, a)
		}
	}
}

// untried doubts where an entry may reach objects that no class stands for: of an auxiliary class that is added to
// single objects, of one that the schema does not show, or with attributes that no class has by itself. [MS-ADTS] 6.1.3.
func (l *look) untried(tried, others []*acl.Class) {
	inherited := func(a sddl.ACE) bool { return a.Flags.Has(sddl.ContainerInherit) && a.SID.String() != principalSelf }
	if len(tried) == 0 {
		l.idle("an entry is inherited, and no class of objects below has by itself what the rule is about", func(a sddl.ACE) bool {
			return inherited(a) && !a.HasInheritedObjectType()
		})
	}
	const properties = sddl.ReadProperty | sddl.WriteProperty
	l.idle("an entry is about what objects have only where an auxiliary class is added to them", func(a sddl.ACE) bool {
		return inherited(a) && l.one.Right.Kind == acl.WholeObject && a.Mask.MapGeneric()&l.one.Right.Mask&properties != 0 && l.j.addable(a.ObjectType) &&
			!slices.ContainsFunc(tried, func(c *acl.Class) bool {
				return hasRight(c, acl.Right{Kind: acl.Attribute, Object: a.ObjectType}) || hasRight(c, acl.Right{Kind: acl.PropertySet, Object: a.ObjectType})
			})
	})
	l.idle("an entry is inherited by objects of a class that was not tried", func(a sddl.ACE) bool {
		is := func(c *acl.Class) bool { return c.GUID == a.InheritedObjectType }
		if !inherited(a) || !a.HasInheritedObjectType() || slices.ContainsFunc(tried, is) || slices.ContainsFunc(others, is) {
			return false
		}
		// A rule about objects of just one class is not about those of others; auxiliary classes make no others.
		c := l.j.s.Schema.ClassOf(a.InheritedObjectType)
		return l.one.Class.IsZero() || c == nil || c.Category != 1 && c.Category != 2
	})
}

// addable says whether a GUID is that of an attribute, or of its property set, of an auxiliary class.
func (j *Judge) addable(g sddl.GUID) bool {
	if j.auxiliary == nil {
		j.auxiliary = map[sddl.GUID]bool{}
		for _, name := range j.s.Schema.ClassNames() {
			if c := j.s.Schema.Class(name); c.Category == 0 || c.Category == 3 {
				for _, a := range j.s.Schema.Attributes(name) {
					j.auxiliary[a.GUID], j.auxiliary[a.PropertySet] = true, true
				}
			}
		}
		delete(j.auxiliary, sddl.GUID{})
	}
	return j.auxiliary[g]
}

// sentence says why the row does not pass; empty where it does.
func (l *look) sentence() string {
	slices.Sort(l.where)
	const most = 3
	where := strings.Join(l.where[:min(len(l.where), most)], " and ")
	if more := len(l.where) - most; more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	switch l.effect {
	case acl.Granted:
		return "it is forbidden, and the account has it on " + where
	case acl.Partial:
		return "it is forbidden, and the account has a part of it on " + where
	case acl.Unknown:
		text := "whether the account has it cannot be told: " + l.doubt
		if where != "" {
			text += ", on " + where
		}
		return text
	}
	return ""
}
