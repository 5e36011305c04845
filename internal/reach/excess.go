package reach

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The SIDs that stand for somebody else. [MS-DTYP] 2.4.2.4.
var (
	creatorOwner  = sddl.MustParseSID("S-1-3-0")
	creatorGroup  = sddl.MustParseSID("S-1-3-1")
	ownerRights   = sddl.MustParseSID("S-1-3-4")
	principalSelf = sddl.MustParseSID("S-1-5-10")
)

func isStandIn(sid sddl.SID) bool {
	return sid == creatorOwner || sid == creatorGroup || sid == ownerRights || sid == principalSelf
}

// beyond is one entry of a descriptor that gives the account more than the policies ask
// for.
type beyond struct {
	ace   sddl.ACE
	via   acl.Via
	here  sddl.Mask // on the object, where no deny takes it away
	all   sddl.Mask // with what is below; of entries that stand here explicitly
	risks risk
	owner bool // no entry: what owning the object gives
}

// beyond are the entries on the objects of a kind that go beyond the policies.
func (s *sweep) beyond(k *kindState) []beyond {
	d := k.descriptor
	if d.Descriptor == nil || k.class.fault != "" {
		return nil
	}
	reqs := s.requirements(k.among, k.aimed, k.class)
	// Where nobody can tell what AdminSDHolder protects, what blocks inheritance may be that.
	precious := k.precious || d.adminSDHolder || s.adminSDHolder == nil && d.protected
	sets := s.snapshot.Schema.PropertySetOf
	var out []beyond
	if via := s.token.Via(d.Owner); (via == acl.Own || via == acl.Group) && d.DACL != nil && !s.ownerLimited(d) {
		a := sddl.ACE{Type: sddl.Allow, Mask: sddl.ReadControl | sddl.WriteDACL, SID: d.Owner}
		if bits := acl.Beyond(a, reqs, sets); bits != 0 {
			out = append(out, beyond{ace: a, via: via, here: bits, all: bits, owner: true, risks: s.risksOf(&a, bits, k.class, k, precious)})
		}
	}
	if d.DACL == nil {
		a := sddl.ACE{Type: sddl.Allow, Mask: sddl.FullControl, SID: sddl.MustParseSID("S-1-1-0")}
		return append(out, beyond{ace: a, via: acl.Own, here: a.Mask, all: a.Mask, risks: s.risksOf(&a, a.Mask, k.class, k, precious)})
	}
	for i := range d.DACL.ACEs {
		a := d.DACL.ACEs[i]
		via := s.viaOf(k, &a)
		if via == acl.NotHeld || !a.Type.IsAllow() {
			continue
		}
		// A condition may hold.
		certain := unconditional(a)
		b := beyond{ace: a, via: via}
		if a.SID == principalSelf && s.isUsual(k, &a) {
			b.via = acl.WellKnown
		}
		if effective := s.effective(k, i); effective != 0 {
			only := certain
			only.Flags = 0
			b.here = acl.Beyond(only, reqs, sets) & effective
			b.risks = s.risksOf(&a, b.here, k.class, k, precious)
			if a.SID == principalSelf && b.via == acl.WellKnown && k.standing == isAccount {
				b.risks &^= riskActOnBehalf // every account may say who acts towards itself
			}
		}
		if !a.IsInherited() {
			if a.SID == principalSelf || a.SID == ownerRights {
				certain.Flags &^= sddl.ContainerInherit // below, they are somebody else
			}
			b.all = b.here | acl.Beyond(certain, reqs, sets)
			if certain.Flags.Has(sddl.ContainerInherit) {
				certain.Flags |= sddl.InheritOnly
				b.risks |= s.risksOf(&a, acl.Beyond(certain, reqs, sets), s.inheritor(&a), nil, false)
			}
		}
		if b.here|b.all != 0 {
			out = append(out, b)
		}
	}
	return out
}

// inheritor is the class that an entry is inherited by; nil: any.
func (s *sweep) inheritor(a *sddl.ACE) *class {
	if !a.HasInheritedObjectType() {
		return nil
	}
	if c := s.snapshot.Schema.Class(s.snapshot.Schema.NameOf(a.InheritedObjectType)); c != nil {
		return s.classOf([][]byte{[]byte(c.Name)})
	}
	return nil
}

// unconditional is the entry with its condition taken for true.
func unconditional(a sddl.ACE) sddl.ACE {
	switch a.Type {
	case sddl.AllowCallback:
		a.Type, a.Data = sddl.Allow, ""
	case sddl.AllowCallbackObject:
		a.Type, a.Data = sddl.AllowObject, ""
	}
	return a
}

// viaOf is how the account comes by the SID of an entry.
func (s *sweep) viaOf(k *kindState, a *sddl.ACE) acl.Via {
	switch {
	case a.IsOpaque():
		return acl.NotHeld
	case a.SID == ownerRights:
		return s.token.Via(k.descriptor.Owner)
	case a.SID == principalSelf: // [MS-ADTS] 5.1.3.3
		return k.standing.via()
	}
	return s.token.Via(a.SID)
}

// isUsual says whether an entry for SELF is one that everybody has on itself: it comes
// from above, or new objects of the class get it. [MS-ADTS] 6.1.3.
func (s *sweep) isUsual(k *kindState, a *sddl.ACE) bool {
	if a.IsInherited() {
		return true
	}
	if k.class.structural == nil {
		return false
	}
	usual, err := sddl.ParseText(k.class.structural.DefaultDescriptor, s.snapshot.Domain.Aliases())
	if err != nil || usual.DACL == nil {
		return false
	}
	same := *a
	same.Mask = a.Mask.MapGeneric()
	return slices.ContainsFunc(usual.DACL.ACEs, func(u sddl.ACE) bool {
		u.Mask = u.Mask.MapGeneric()
		return u == same
	})
}

// effective are the bits of an allow entry that have an effect on the object and that no
// deny before it takes away for all that the entry is about.
func (s *sweep) effective(k *kindState, i int) sddl.Mask {
	d := k.descriptor
	a := &d.DACL.ACEs[i]
	if !a.Type.IsAllow() || a.IsOpaque() || a.Flags.Has(sddl.InheritOnly) || s.viaOf(k, a) == acl.NotHeld {
		return 0
	}
	bits := a.Mask.MapGeneric() & sddl.FullControl
	for _, deny := range d.DACL.ACEs[:i] {
		if deny.Type != sddl.Deny && deny.Type != sddl.DenyObject || deny.Flags.Has(sddl.InheritOnly) || s.viaOf(k, &deny) == acl.NotHeld {
			continue
		}
		if !deny.HasObjectType() || a.HasObjectType() && deny.ObjectType == a.ObjectType {
			bits &^= deny.Mask.MapGeneric()
		}
	}
	return bits
}

// hasOpaque says whether nobody can tell what some entry grants, and to whom.
func (d *descriptor) hasOpaque() bool {
	return d.DACL != nil && slices.ContainsFunc(d.DACL.ACEs, sddl.ACE.IsOpaque)
}

// ownerLimited says whether entries say what the owner may. [MS-DTYP] 2.4.2.4.
func (s *sweep) ownerLimited(d *descriptor) bool {
	return slices.ContainsFunc(d.DACL.ACEs, func(a sddl.ACE) bool {
		return !a.IsOpaque() && a.SID == ownerRights && !a.Flags.Has(sddl.InheritOnly)
	})
}

// isA says whether a class is the named one or derived from it.
func (s *sweep) isA(c *class, superclass string) bool {
	return slices.Contains(s.snapshot.Schema.Lineage(c.name), strings.ToLower(superclass))
}

// isHead says whether objects of the class are heads of naming contexts. [MS-ADTS] 3.1.1.1.5.
func (c *class) isHead() bool {
	return c.name == "domainDNS" || c.name == "configuration" || c.name == "dMD"
}

// excessKey is what makes one finding: an entry, and where it stands.
type excessKey struct {
	ace           sddl.ACE
	at            string
	via           acl.Via // one entry may be for SELF, or for the owner, of several
	owner, unseen bool
}

type excessGroup struct {
	group
	via      acl.Via
	beyond   sddl.Mask
	risks    risk
	standsOn int
	standing []string // DNs of objects that it stands on
}

// everybodyKey is an entry for everybody, wherever it stands.
type everybodyKey struct {
	sid    sddl.SID
	mask   sddl.Mask
	object sddl.GUID
}

// excess turns what the passes have counted into an answer, with the heads of all naming
// contexts.
func (s *sweep) excess(ctx context.Context, passes []*pass) (*audit.Excess, error) {
	out := &audit.Excess{Entries: []audit.ExcessEntry{}, Heads: []audit.Head{}}
	groups := map[excessKey]*excessGroup{}
	everybody := map[everybodyKey]risk{}
	at := func(key excessKey, b *beyond) *excessGroup {
		g := groups[key]
		if g == nil {
			g = &excessGroup{via: b.via}
			groups[key] = g
		}
		g.beyond |= b.here | b.all
		g.risks |= b.risks
		return g
	}
	// count adds objects of a kind below a parent.
	count := func(k *kindState, above *parent, n int, dns []string) {
		for i := range k.beyond {
			b := &k.beyond[i]
			if !s.lists(b) {
				continue
			}
			key := excessKey{ace: b.ace, via: b.via, owner: b.owner}
			if b.ace.IsInherited() {
				from, as, seen := origin(s.chainOf(above), b.ace, k.descriptor, k.class.acl)
				key.ace, key.unseen = as, !seen
				if seen {
					key.at = from.dn
				}
			}
			g := at(key, b)
			if !b.ace.IsInherited() {
				g.standsOn += n
				for _, dn := range dns {
					g.standing = first(g.standing, dn, s.opts.Examples)
				}
			}
			if b.here != 0 {
				g.add(k.class.name, n)
				for _, dn := range dns {
					g.example(dn, s.opts.Examples)
				}
			}
		}
	}
	take := func(k *kindState) {
		out.Objects += k.objects
		if k.descriptor.Descriptor == nil || k.class.fault != "" || k.descriptor.hasOpaque() {
			out.Unknown += k.objects
		}
		for i := range k.beyond {
			if b := &k.beyond[i]; b.via == acl.WellKnown {
				everybody[everybodyKey{b.ace.SID, b.ace.Mask, b.ace.ObjectType}] |= b.risks
			}
		}
	}
	for _, p := range passes {
		if !p.top {
			continue
		}
		for _, k := range p.kinds {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			take(k)
			for above, c := range k.cells {
				var dns []string
				for _, rdn := range c.examples {
					dns = append(dns, join(rdn, above.dn))
				}
				count(k, above, c.objects, dns)
			}
		}
		for _, a := range p.protected {
			_, above := cutDN(a.dn)
			count(a.state, s.parentOf(p, above), 1, []string{a.dn})
		}
		if p.overflow {
			out.Notes = append(out.Notes, fmt.Sprintf("There are more than %d parents; below the others the origin of entries was not looked for.", maxParents))
		}
	}
	for _, head := range s.heads {
		k, dn, err := s.head(ctx, head)
		if err != nil {
			return nil, err
		}
		h := audit.Head{DN: head}
		switch {
		case k == nil:
			h.Unreadable = "it is not visible to this identity"
			out.Unknown++
		case k.descriptor.Descriptor == nil:
			h.Unreadable = k.descriptor.fault
		case k.class.fault != "":
			h.Unreadable = k.class.fault
		}
		out.Heads = append(out.Heads, h)
		if k != nil && !s.swept(dn) {
			take(k)
			count(k, &parent{}, 1, []string{dn})
		}
	}
	for _, t := range s.points {
		if s.swept(t.DN) || slices.Contains(s.headKeys, directory.DNKey(t.DN)) {
			continue
		}
		k := s.point(t)
		_, above := cutDN(t.DN)
		take(k)
		count(k, &parent{dn: above}, 1, []string{t.DN})
	}
	if !s.token.Complete {
		out.Unknown = max(out.Objects, 1)
		out.Notes = append(out.Notes, "Not every group of the account could be read; what it has through the others is not listed.")
	}
	s.settle(groups)
	s.list(out, groups)
	if len(everybody) > 0 {
		out.Everybody = &audit.Everybody{Entries: len(everybody)}
		for _, r := range everybody {
			if r != 0 {
				out.Everybody.Risks++
			}
		}
	}
	return out, nil
}

// lists says whether an entry is listed: what everybody has is if it is dangerous.
func (s *sweep) lists(b *beyond) bool {
	return b.via != acl.WellKnown || b.risks != 0 || s.opts.Everybody
}

// settle moves what stands on a container and is inherited below it into one finding.
func (s *sweep) settle(groups map[excessKey]*excessGroup) {
	for key, g := range groups {
		if key.at == "" || key.unseen {
			continue
		}
		g.standsOn = 1
		whole := groups[excessKey{ace: key.ace, via: key.via}]
		if whole == nil || !s.looked(key.at) {
			continue
		}
		here := s.containers[directory.DNKey(key.at)]
		k := &kindState{kind: kind{descriptor: here.descriptor, class: here.class, among: s.amongOf(key.at), aimed: s.aimedAt(key.at)}}
		for _, b := range s.beyond(k) {
			if b.ace != key.ace || b.owner {
				continue
			}
			g.beyond |= b.all
			g.risks |= b.risks
			whole.standsOn--
			if b.here != 0 {
				g.add(here.class.name, 1)
				whole.add(here.class.name, -1)
				if whole.classes[here.class.name] == 0 {
					delete(whole.classes, here.class.name)
				}
			}
			break
		}
		not := func(dn string) bool { return directory.SameDN(dn, key.at) }
		whole.examples = slices.DeleteFunc(whole.examples, not)
		whole.standing = slices.DeleteFunc(whole.standing, not)
	}
}

func (s *sweep) list(out *audit.Excess, groups map[excessKey]*excessGroup) {
	type finding struct {
		key excessKey
		*excessGroup
		entry audit.ExcessEntry
	}
	var list []finding
	for key, g := range groups {
		if key.at == "" && !key.unseen && g.standsOn == 0 {
			continue
		}
		a := key.ace
		narrowed := a
		narrowed.Mask = g.beyond
		examples := g.examples
		if len(examples) == 0 {
			examples = g.standing
		}
		e := audit.ExcessEntry{
			ACE: s.judge.View(a), At: key.at, Unseen: key.unseen, Owner: key.owner,
			Trustee: s.judge.NameOf(a.SID), Via: viaWord(g.via),
			Beyond: g.beyond.String(), Words: s.judge.Access(narrowed), Risks: g.risks.list(),
			StandsOn: g.standsOn, Objects: g.objects, Classes: counts(g.classes), Examples: examples,
			Conditional: a.Type.IsCallback(),
		}
		if g.standsOn == 1 && key.at == "" && len(g.standing) == 1 && !key.owner {
			e.At = g.standing[0]
		}
		if key.owner {
			e.ACE = audit.ACE{Words: "Owner " + e.Trustee + ": Read permissions, Modify permissions"}
		}
		if e.Examples == nil {
			e.Examples = []string{}
		}
		list = append(list, finding{key, g, e})
		if g.via != acl.WellKnown || g.risks != 0 {
			s.summary.Entries++
		}
		if g.risks != 0 {
			s.summary.Risks++
		}
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		if x, y := a.risks.rank(), b.risks.rank(); x != y {
			return x < y
		}
		if a.via != b.via {
			return a.via < b.via
		}
		if a.objects != b.objects {
			return a.objects > b.objects
		}
		if a.entry.At != b.entry.At {
			return a.entry.At < b.entry.At
		}
		return a.entry.SDDL+a.entry.Words < b.entry.SDDL+b.entry.Words
	})
	if len(list) > maxGroups {
		out.More = len(list) - maxGroups
		list = list[:maxGroups]
	}
	for _, f := range list {
		out.Entries = append(out.Entries, f.entry)
	}
}

func viaWord(via acl.Via) string {
	switch via {
	case acl.Own:
		return "own"
	case acl.Group:
		return "group"
	}
	return "well-known"
}

// readHeads reads where the naming contexts begin.
func readHeads(ctx context.Context, r directory.Reader) ([]string, error) {
	for e, err := range r.Read(ctx, directory.Query{Attrs: []string{"namingContexts"}}) {
		if err != nil {
			return nil, fmt.Errorf("read the rootDSE: %w", err)
		}
		heads := e.Texts("namingContexts")
		sort.Strings(heads)
		return heads, nil
	}
	return nil, ctx.Err()
}

// head is the head of a naming context; nil: not there to be seen.
func (s *sweep) head(ctx context.Context, dn string) (*kindState, string, error) {
	var k *kindState
	err := s.readContainer(ctx, dn, func(e *directory.Entry) {
		dn = e.DN
		k = &kindState{kind: kind{descriptor: s.descriptorOf(e.Values("nTSecurityDescriptor")), class: s.classOf(e.Values("objectClass"))}, objects: 1}
		k.among, k.aimed = s.amongOf(dn), s.aimedAt(dn)
		k.beyond = s.beyond(k)
	})
	return k, dn, err
}

// point is a target of which nothing below is read, as the audit has read it.
func (s *sweep) point(t *directory.Target) *kindState {
	k := &kindState{kind: kind{class: s.classOf(bytesOf(t.Classes)), descriptor: s.descriptorOf(nil), among: outside, aimed: s.aimedAt(t.DN)}, sid: t.SID, objects: 1}
	if t.Raw != nil {
		k.descriptor = s.descriptorOf([][]byte{t.Raw})
	}
	if !t.SID.IsZero() {
		k.standing, _ = s.standingOf(t.SID.Bytes())
		k.precious = s.isPrecious(t.SID)
	}
	if s.snapshot.Asked(t) {
		k.among = isTarget
	}
	k.beyond = s.beyond(k)
	return k
}

func bytesOf(texts []string) [][]byte {
	var out [][]byte
	for _, text := range texts {
		out = append(out, []byte(text))
	}
	return out
}

// looked says whether an object was looked at itself, and not only what comes from it.
func (s *sweep) looked(dn string) bool {
	return s.swept(dn) || s.isHeadDN(dn) || slices.ContainsFunc(s.points, func(t *directory.Target) bool { return directory.SameDN(t.DN, dn) })
}

func (s *sweep) isHeadDN(dn string) bool {
	c := s.containers[directory.DNKey(dn)]
	return c != nil && c.class.isHead()
}

// within says whether an object is at or below another in one naming context: what is only
// below it by name does not come with it. [MS-ADTS] 3.1.1.1.5.
func (s *sweep) within(dn, base string) bool {
	return directory.IsBelow(dn, base) && !slices.ContainsFunc(s.heads, func(head string) bool {
		return directory.IsBelow(dn, head) && !directory.IsBelow(base, head)
	})
}

// swept says whether an object was among those of the targets.
func (s *sweep) swept(dn string) bool {
	return slices.ContainsFunc(s.targets, func(t *directory.Target) bool { return s.within(dn, t.DN) })
}

// amongOf is the place of an object among the targets that were asked for.
func (s *sweep) amongOf(dn string) place {
	_, above := cutDN(dn)
	among := outside
	if !s.swept(dn) {
		return among
	}
	for _, t := range s.targets {
		switch {
		case !s.snapshot.Asked(t):
		case directory.SameDN(t.DN, dn):
			if among == outside {
				among = isTarget
			} else {
				among = inner
			}
		case !s.within(dn, t.DN):
		case among == isTarget || among == inner:
			among = inner
		case directory.SameDN(t.DN, above):
			among = isChild
		case among == outside:
			among = deeper
		}
	}
	return among
}
