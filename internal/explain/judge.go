package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// explain is a pure function of the evidence.
func (ev *evidence) explain() *Explanation {
	o := ev.chain[0]
	x := &Explanation{
		Format: 1, Kind: "Explanation",
		Domain: audit.Domain{DNS: ev.domain.DNS, DN: ev.domain.DN, SID: ev.domain.SID.String(), DC: ev.domain.Host},
		Account: Account{
			Name: ev.domain.Qualified(ev.account.Name), DN: ev.account.DN, SID: ev.account.SID.String(), Unseen: ev.account.Unseen,
		},
		Object: Object{DN: o.DN, Protected: o.protected()},
		Right:  ev.request.text, Access: ev.request.access(), Ways: []Way{},
	}
	if o.structural != nil {
		x.Object.Class = o.structural.Name
	}
	if o.Descriptor != nil {
		x.Object.Owner = ev.sid(o.Descriptor.Owner)
	}
	p := ev.paths()
	x.Notes = append(x.Notes, p.notes...)
	switch {
	case p.barrier != "":
		x.Effect, x.Why = acl.NotGranted.String(), p.barrier
		x.Change = &Change{Why: p.barrier}
	default:
		ev.judge(x, p)
	}
	if ev.account.Unseen != "" {
		x.Notes = append(x.Notes, fmt.Sprintf("Not readable: %s; what depends on it is unknown.", ev.account.Unseen))
	}
	if ev.capture && ev.lacking(x) {
		x.Notes = append(x.Notes, fmt.Sprintf("The capture lacks something; gmsactl collect '%s' --target '%s' --out FILE collects the object, its containers and the account.", ev.account.Name, o.DN))
	}
	return x
}

// lacking says whether a descriptor or a class was not in the capture, or what a capture of
// before does not hold of the object or the schema.
func (ev *evidence) lacking(x *Explanation) bool {
	if x.Effect != acl.Unknown.String() {
		return false
	}
	o, q := ev.chain[0], ev.request
	switch q.verb {
	case verbDelete, verbDeleteTree:
		if o.deletable != "" {
			return true
		}
	case verbWrite, verbCreate:
		if (q.attribute != nil || q.class != nil) && !q.nature.known {
			return true
		}
	case verbExtended:
		if q.applies == nil {
			return true
		}
	}
	return len(o.Classes) == 0 || o.Raw == nil || len(ev.chain) < 2 && !o.head || len(ev.chain) > 1 && ev.chain[1].Raw == nil
}

func (ev *evidence) judge(x *Explanation, p paths) {
	var effects []acl.Effect
	for _, w := range p.ways {
		out := Way{Limit: w.limit, Checks: []Check{}}
		var list []acl.Effect
		for _, s := range w.steps {
			c, effect := ev.check(s)
			out.Checks = append(out.Checks, c)
			list = append(list, effect)
		}
		effect := all(list)
		switch {
		case effect == acl.Granted && w.doubt != "":
			effect = acl.Unknown
			out.Limit = w.doubt
		case effect == acl.Granted && w.limit != "":
			effect = acl.Partial
		}
		out.Effect = effect.String()
		effects = append(effects, effect)
		x.Ways = append(x.Ways, out)
	}
	effect := anyOf(effects)
	best := slices.Index(effects, effect)
	x.Why = headline(x.Ways[best], effect, p.plain)
	switch {
	case effect == acl.Granted && p.doubt != "":
		effect, x.Why = acl.Unknown, "permissions grant it, but "+p.doubt
	case effect != acl.Granted && effect != acl.Unknown && p.hope != "":
		effect, x.Why = acl.Unknown, x.Why+"; "+p.hope
	}
	x.Effect = effect.String()
	if effect != acl.Granted && !slices.Contains(effects, acl.Granted) {
		x.Change = ev.change(p, x)
	}
}

// all is the effect of what takes every one: the worst. What is sure to fail is not
// unknown because of the rest.
func all(list []acl.Effect) acl.Effect { return first(list, worstFirst, acl.Granted) }

// anyOf is the effect of what takes one only.
func anyOf(list []acl.Effect) acl.Effect { return first(list, bestFirst, acl.NotGranted) }

var (
	worstFirst = []acl.Effect{acl.Denied, acl.NotGranted, acl.Partial, acl.Unknown, acl.Conditional}
	bestFirst  = []acl.Effect{acl.Granted, acl.Unknown, acl.Conditional, acl.Partial, acl.Denied}
)

func first(list, order []acl.Effect, otherwise acl.Effect) acl.Effect {
	for _, e := range order {
		if slices.Contains(list, e) {
			return e
		}
	}
	return otherwise
}

// headline is one sentence on what a way came to.
func headline(w Way, effect acl.Effect, plain string) string {
	switch {
	case len(w.Checks) == 0:
		return plain
	case effect == acl.Partial && w.Limit != "":
		return "it is a validated write: " + w.Limit
	case effect == acl.Unknown && w.Limit != "":
		return w.Limit
	}
	if effect == acl.Granted && len(w.Checks) > 1 {
		// What the question is about comes first, then what it takes besides.
		return w.Checks[0].Why
	}
	for i, c := range w.Checks {
		if c.Effect == effect.String() {
			if i > 0 {
				return fmt.Sprintf("%s on %s is needed too: %s", c.Access, c.Object, c.Why)
			}
			return c.Why
		}
	}
	return ""
}

// check makes one access check.
func (ev *evidence) check(s step) (Check, acl.Effect) {
	c := Check{Descriptor: attrDescriptor, Rights: s.right.Mask.String(), Access: ev.access(s.right), Effect: acl.Unknown.String()}
	if s.membership {
		c.Descriptor = attrMembership
	}
	if s.at >= len(ev.chain) {
		c.Object = directory.ParentDN(ev.chain[len(ev.chain)-1].DN)
		c.Why = s.unseen
		return c, acl.Unknown
	}
	o := ev.chain[s.at]
	c.Object = o.DN
	d, fault := ev.descriptor(s)
	if s.unseen != "" {
		fault = s.unseen
	}
	if fault != "" {
		c.Why = fault
		return c, acl.Unknown
	}
	got, why := ev.decide(s, d.DACL)
	c.Effect = got.Effect.String()
	for _, by := range got.Deciding {
		c.Decides = append(c.Decides, ev.decider(s, d, by))
	}
	if got.Implicit {
		if d.DACL == nil {
			c.Implicit = "there is no DACL, which grants everything to everybody"
		} else {
			c.Implicit = fmt.Sprintf("the owner, %s, may read and change permissions without an entry", ev.sid(d.Owner))
		}
	}
	if got.Effect != acl.Granted && !s.membership {
		c.Obstacles = ev.obstacles(s.at, s.right)
	}
	if c.Why = why; why == "" {
		c.Why = ev.why(got, c)
	}
	return c, got.Effect
}

// descriptor is what decides a step; fault says why it is not known.
func (ev *evidence) descriptor(s step) (d *sddl.Descriptor, fault string) {
	if s.at >= len(ev.chain) {
		return nil, "it is not shown"
	}
	o := ev.chain[s.at]
	if s.membership {
		return o.membership, o.membershipFault
	}
	return o.Descriptor, o.Unreadable
}

// decide judges a step by a DACL in the place of the object's own. why is set where the
// effect does not follow from the entries.
func (ev *evidence) decide(s step, dacl *sddl.ACL) (got acl.Decision, why string) {
	o := ev.chain[s.at]
	d, _ := ev.descriptor(s)
	check := func(owner sddl.SID) acl.Decision {
		return acl.Check(dacl, owner, ev.account.token, o.SID, o.class, s.right)
	}
	if got, why = check(d.Owner), ""; got.Effect == acl.Unknown && o.fault != "" {
		why = o.fault
	}
	if name := ev.nameless(dacl, s.right); name != "" {
		got.Effect = acl.Unknown
		return got, name
	}
	// The owner's implicit right to write the DACL can be blocked. [MS-ADTS] 6.1.3.4.
	if dacl == nil || got.Effect != acl.Granted || !got.Implicit || s.right.Mask.MapGeneric()&sddl.WriteDACL == 0 || ev.account.isAdministrator(ev.domain) ||
		o.structural != nil && !slices.Contains(ev.schema.Lineage(o.structural.Name), "computer") {
		return got, why
	}
	if check(nobody).Granted&sddl.WriteDACL != 0 {
		return got, why
	}
	known := ev.heuristics.known && o.structural != nil
	if known && ev.heuristics.digit(29) == '2' {
		return got, why
	}
	got.Granted, got.Missing = got.Granted&^sddl.WriteDACL, got.Missing|sddl.WriteDACL
	if known && ev.heuristics.digit(29) == '1' {
		got.Effect = acl.NotGranted
		if got.Granted != 0 {
			got.Effect = acl.Partial
		}
		return got, "the owner's implicit right is blocked on computers and service accounts (dSHeuristics, BlockOwnerImplicitRights)"
	}
	got.Effect = acl.Unknown
	return got, "it is the owner's implicit right, which dSHeuristics may block on computers and service accounts"
}

// nameless says which deny is about something that the schema does not show, so that
// nobody can tell what it takes away; empty where there is none.
func (ev *evidence) nameless(dacl *sddl.ACL, right acl.Right) string {
	if dacl == nil || right.Kind != acl.Attribute && right.Kind != acl.PropertySet && right.Kind != acl.WholeObject {
		return ""
	}
	mask := right.Mask.MapGeneric() & (sddl.ReadProperty | sddl.WriteProperty | sddl.ControlAccess | sddl.WriteSelf | sddl.CreateChild | sddl.DeleteChild)
	for _, a := range dacl.ACEs {
		if !a.Flags.Has(sddl.InheritOnly) && a.Type.IsDeny() && a.HasObjectType() && !a.ObjectType.IsZero() &&
			a.Mask.MapGeneric()&mask != 0 && ev.schema.NameOf(a.ObjectType) == "" &&
			(ev.account.token.Via(a.SID) != acl.NotHeld || ev.account.token.MayHold(a.SID)) {
			return fmt.Sprintf("a deny entry is about %s, which the schema does not show", a.ObjectType)
		}
	}
	return ""
}

// access is a right in words.
func (ev *evidence) access(r acl.Right) string {
	return words.Access(sddl.ObjectACE(sddl.Allow, 0, r.Mask, r.Object, sddl.GUID{}, nobody), ev.names)
}

// access is a request in words.
func (q *request) access() string {
	name := ""
	switch {
	case q.class != nil:
		name = q.class.Name
	case q.attribute != nil:
		name = q.attribute.Name
	case q.right != nil:
		name = q.right.Name
	}
	switch q.verb {
	case verbRead:
		return "Read " + name
	case verbWrite:
		return "Write " + name
	case verbValidated:
		return "Validated write to " + name
	case verbExtended:
		return "Extended right " + q.right.Name
	case verbCreate:
		return fmt.Sprintf("Create %s objects here", name)
	case verbDeleteChild:
		return fmt.Sprintf("Delete %s objects here", name)
	case verbDelete:
		return "Delete the object"
	case verbDeleteTree:
		return "Delete the object with all that is below it"
	case verbList:
		return "See the object"
	case verbReadPerms:
		return "Read permissions"
	case verbWriteDACL:
		return "Modify permissions"
	case verbWriteOwner:
		return "Modify owner"
	}
	return "Full control"
}

func (ev *evidence) decider(s step, d *sddl.Descriptor, by acl.Deciding) Decider {
	out := Decider{ACE: audit.View(by.ACE, ev.names), Deny: by.Deny, Rights: by.Mask.String()}
	if s.membership {
		out.From = Origin{DN: ev.chain[s.at].DN}
	} else {
		out.From = ev.origin(s.at, by.ACE)
	}
	out.Through = ev.through(ev.chain[s.at], d, by)
	return out
}

// through says how the account comes by the SID of an entry.
func (ev *evidence) through(o *object, d *sddl.Descriptor, by acl.Deciding) Through {
	if by.ACE.IsOpaque() {
		return Through{How: "perhaps"}
	}
	sid := by.ACE.SID
	t := Through{SID: sid.String(), Name: ev.names.SID(sid)}
	switch t.SID {
	case "S-1-5-10":
		sid = o.SID
	case "S-1-3-4":
		t.How, sid = "owner", d.Owner
	}
	switch via := ev.account.token.Via(sid); via {
	case acl.NotHeld:
		t.How = "perhaps"
		return t
	case acl.Own:
		if t.How == "" {
			t.How = "account"
		}
		return t
	case acl.WellKnown:
		if t.How == "" {
			t.How = "well-known"
		}
	default:
		if t.How == "" {
			t.How = "group"
		}
	}
	for _, group := range ev.account.path(sid) {
		name := ev.names.SID(group)
		if name == "" {
			name = group.String()
		}
		t.Path = append(t.Path, name)
	}
	return t
}

// why is one sentence on what decided a check.
func (ev *evidence) why(got acl.Decision, c Check) string {
	by := func(deny bool) *Decider {
		for i := range c.Decides {
			if c.Decides[i].Deny == deny {
				return &c.Decides[i]
			}
		}
		return nil
	}
	switch got.Effect {
	case acl.Granted:
		if d := by(false); d != nil {
			return fmt.Sprintf("an entry %s grants it to %s", d.From.place(), d.Through.whom())
		}
		return c.Implicit
	case acl.Denied:
		if d := by(true); d != nil {
			return fmt.Sprintf("a deny entry %s takes it away from %s", d.From.place(), d.Through.whom())
		}
	case acl.Conditional:
		return "it depends on the condition of an entry, which is not evaluated"
	case acl.Partial:
		if got.Missing != 0 && got.Granted != 0 {
			return "only a part of it is granted; lacking: " + words.Rights(got.Missing)
		}
		return "entries grant it for parts of the object only"
	case acl.NotGranted:
		if len(c.Obstacles) > 0 {
			return fmt.Sprintf("no entry in effect here grants it; one on %s would, but %s", c.Obstacles[0].On, c.Obstacles[0].Why)
		}
		return "no entry grants it to the account or to a group that it is in"
	}
	switch {
	case slices.ContainsFunc(got.Deciding, func(d acl.Deciding) bool { return d.ACE.IsOpaque() }):
		return "an entry of an unknown type may decide it"
	case ev.account.Unseen != "":
		return "not every group of the account could be read, and an entry for another SID may decide it"
	}
	return "an entry may decide it of which nobody can tell what it does"
}

// place is where an entry stands, seen from the object.
func (f Origin) place() string {
	switch {
	case f.DN == "":
		return "that is inherited"
	case f.There == nil:
		return "on " + f.DN
	}
	return "inherited from " + f.DN
}

// whom is who an entry is for, seen from the account.
func (t Through) whom() string {
	name := t.Name
	if name == "" {
		name = t.SID
	}
	switch t.How {
	case "account":
		if t.SID == "S-1-5-10" {
			return "the object itself, which the account is"
		}
		return "the account itself"
	case "group":
		return "group " + name
	case "owner":
		return "the owner"
	case "perhaps":
		return "a SID that may be the account's"
	}
	return name
}

// change is the fewest entries that make one of the ways hold, each tried on the
// descriptor as it is, or why entries do not help.
func (ev *evidence) change(p paths, x *Explanation) *Change {
	var best *Change
	var hindered *Change
	for _, w := range p.ways {
		if w.limit != "" || w.doubt != "" {
			continue
		}
		c := &Change{Helps: true}
		for _, s := range w.steps {
			add, hindrance := ev.addition(s)
			if hindrance != "" {
				c.Helps, c.Add = false, nil
				c.Why = hindrance
				break
			}
			if add != nil {
				c.Add = append(c.Add, *add)
			}
		}
		switch {
		case !c.Helps:
			if hindered == nil {
				hindered = c
			}
		case best == nil || len(c.Add) < len(best.Add):
			best = c
		}
	}
	if best == nil {
		return hindered
	}
	if hindered != nil {
		best.Why = "the narrower way is closed: " + hindered.Why
	}
	for _, add := range best.Add {
		if i := slices.IndexFunc(ev.chain, func(o *object) bool { return o.DN == add.Object }); ev.chain[i].adminCount {
			x.Notes = append(x.Notes, fmt.Sprintf("%s has adminCount 1: if AdminSDHolder still protects it, an entry there is taken away again within the hour.", add.Object))
		}
	}
	return best
}

// addition is the entry that makes a step hold; none where it holds already.
func (ev *evidence) addition(s step) (add *Addition, hindrance string) {
	d, fault := ev.descriptor(s)
	if s.unseen != "" {
		fault = s.unseen
	}
	if fault != "" {
		dn := directory.ParentDN(ev.chain[len(ev.chain)-1].DN)
		if s.at < len(ev.chain) {
			dn = ev.chain[s.at].DN
		}
		return nil, fmt.Sprintf("which entry would help cannot be told: %s: %s", dn, fault)
	}
	o := ev.chain[s.at]
	now, _ := ev.decide(s, d.DACL)
	if now.Effect == acl.Granted {
		return nil, ""
	}
	want := s.right.Mask.MapGeneric()
	mask := want &^ now.Granted
	if mask == 0 {
		mask = want
	}
	ace := sddl.ObjectACE(sddl.Allow, 0, mask, s.right.Object, sddl.GUID{}, ev.account.SID)
	dacl, err := d.DACL.WithAllows(ace)
	if err != nil {
		return nil, fmt.Sprintf("an entry cannot be put into the DACL of %s: %v", o.DN, err)
	}
	after, why := ev.decide(s, dacl)
	if after.Effect != acl.Granted {
		for _, by := range after.Deciding {
			if by.Deny {
				entry := ev.decider(s, d, by)
				return nil, fmt.Sprintf("no entry for the account on %s helps as long as this one stands, %s: %s %s", o.DN, entry.From.place(), entry.Words, entry.SDDL)
			}
		}
		if why == "" {
			why = "it would still be " + strings.ReplaceAll(after.Effect.String(), "-", " ")
		}
		return nil, fmt.Sprintf("no entry on %s is sure to help: %s", o.DN, why)
	}
	add = &Addition{Object: o.DN, Descriptor: attrDescriptor, ACE: audit.View(ace, ev.names)}
	if s.membership {
		add.Descriptor = attrMembership
	}
	return add, ""
}
