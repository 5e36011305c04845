package acl

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Effect is the outcome of a check. The zero value is Unknown: nothing was proven.
type Effect int

// The outcomes.
const (
	Unknown     Effect = iota
	Granted            // all of it
	Denied             // a deny entry decided at least one bit
	Partial            // some bits, or some parts of the object
	Conditional        // granted if conditions hold that nobody here can evaluate
	NotGranted         // nothing grants any of it
)

// String is the word of reports.
func (e Effect) String() string {
	switch e {
	case Granted:
		return "granted"
	case Denied:
		return "denied"
	case Partial:
		return "partial"
	case Conditional:
		return "conditional"
	case NotGranted:
		return "not-granted"
	}
	return "unknown"
}

// Deciding is an entry that decided some of the bits asked for.
type Deciding struct {
	ACE   sddl.ACE
	Index int       // its place in the DACL that was judged
	Mask  sddl.Mask // the bits it decided; where the outcome is not certain, those it may have
	Deny  bool      // it decided against
	Via   Via       // how the token comes by its SID; NotHeld where that is not certain
}

// Decision is the answer to a check. Granted, Denied and Missing are disjoint and
// together the bits asked for.
type Decision struct {
	Effect   Effect
	Deciding []Deciding
	Granted  sddl.Mask
	Denied   sddl.Mask
	Missing  sddl.Mask // neither granted nor denied, or not certain
	Implicit bool      // some bit comes from owning the object or from an absent DACL, not from an entry
}

// Check judges what the DACL of an object grants the token. [MS-ADTS] 5.1.3.3.
//
// owner is the object's owner, zero if it is not known; self its objectSid, zero if it
// has none, and PRINCIPAL SELF then matches nobody. class may be nil when it is not
// known; entries for GUIDs that might matter then make the answer Unknown. So do entries
// of types that nobody understands, and, where the token is not complete, entries for
// SIDs it does not list, but only if they would change the answer. A condition never
// grants: what only conditional entries grant, or might deny, is Conditional.
//
// The owner's implicit WriteDACL counts, and Implicit says so. A forest can block it for
// objects of classes derived from computer; that is for the caller to know. [MS-ADTS] 6.1.3.4.
//
// An entry that has an ObjectType of all zeros matches nothing when it allows and
// everything when it denies: what servers make of it is not documented.
func Check(dacl *sddl.ACL, owner sddl.SID, token Token, self sddl.SID, class *Class, right Right) Decision {
	want := right.bits()
	if want == 0 {
		return Decision{Missing: right.Mask}
	}
	if class != nil && class.Attributes != nil && !class.has(right) {
		// There is no such node in the object tree: nothing to be granted or denied.
		return Decision{Missing: want}
	}
	// A NULL DACL grants everything to everybody. [MS-ADTS] 5.1.3.3.1.
	if dacl == nil {
		return Decision{Effect: Granted, Granted: want, Implicit: true}
	}
	q := question{dacl: dacl.ACEs, token: &token, owner: owner, self: self, class: class, right: right, want: want}
	q.prepare()

	worst := q.walk(world{})
	if !worst.uncertain {
		return worst.decision(want, 0, 0)
	}
	best := q.walk(world{conditions: true, unseen: true})
	granted := worst.granted
	undecided := best.granted &^ granted
	// Conditional is what holds whatever was not seen, as long as the conditions do.
	conditional := q.walk(world{conditions: true}).granted & undecided
	best.merge(worst, granted, undecided)
	return best.decision(want, undecided&^conditional, conditional)
}

// has says whether the object tree of the class has the node the right is about.
func (c *Class) has(right Right) bool {
	switch right.Kind {
	case Attribute:
		_, ok := c.Attributes[right.Object]
		return ok
	case PropertySet:
		return c.hasPropertySet(right.Object)
	}
	return true
}

// question is one check, prepared for walking the DACL.
type question struct {
	dacl  []sddl.ACE
	token *Token
	owner sddl.SID
	self  sddl.SID
	class *Class
	right Right
	want  sddl.Mask

	// Each bit asked for is answered in one of three places.
	atRoot sddl.Mask // at the root of the object tree. [MS-ADTS] 5.1.3.3.3
	atNode sddl.Mask // at the attribute or property set of the right. [MS-ADTS] 5.1.3.3.3
	byGUID sddl.Mask // by equal GUIDs alone. [MS-ADTS] 5.1.3.3.4, 5.1.3.3.5, 3.1.1.5.2.1

	treeKnown bool
	set       sddl.GUID // of the attribute asked for

	implicit        sddl.Mask // granted to the owner without an entry
	implicitCertain bool
}

func (q *question) prepare() {
	q.treeKnown = q.class != nil && q.class.Attributes != nil
	q.byGUID = q.want & (childBits | sddl.WriteSelf)
	switch q.right.Kind {
	case Attribute:
		q.atNode = q.want & (propertyBits | sddl.ControlAccess)
		if q.treeKnown {
			q.set = q.class.Attributes[q.right.Object]
		}
	case PropertySet:
		q.atNode = q.want & (propertyBits | sddl.ControlAccess)
	default:
		q.byGUID |= q.want & sddl.ControlAccess
	}
	q.atRoot = q.want &^ (q.atNode | q.byGUID)

	// The owner may read and write the DACL, unless an effective OWNER RIGHTS entry
	// says what the owner may. [MS-DTYP] 2.5.3.2, 2.4.2.4; [MS-ADTS] 5.1.3.3.1.
	held := q.token.Via(q.owner) != NotHeld
	if !held && (q.token.Complete || q.owner.IsZero()) {
		return
	}
	q.implicit = q.want & (sddl.ReadControl | sddl.WriteDACL)
	q.implicitCertain = held
	for i := range q.dacl {
		switch a := &q.dacl[i]; {
		case a.Flags.Has(sddl.InheritOnly):
		case a.IsOpaque():
			q.implicitCertain = false // its SID may be any
		case a.SID == ownerRights:
			q.implicit = 0
			return
		}
	}
}

// world is one way that what cannot be known may turn out, for the asker's good or not.
type world struct {
	conditions bool // conditional entries allow and do not deny
	unseen     bool // so do entries that may not be for the asker, or not for this GUID
}

// standing says whether an entry is for the asker.
func (q *question) standing(a *sddl.ACE) (via Via, possible bool) {
	sid := a.SID
	switch sid {
	case principalSelf: // [MS-ADTS] 5.1.3.3
		if sid = q.self; sid.IsZero() {
			return NotHeld, false
		}
	case ownerRights: // [MS-DTYP] 2.4.2.4
		if sid = q.owner; sid.IsZero() {
			return NotHeld, a.Type.IsDeny()
		}
	case creatorOwner, creatorGroup:
		// Where the owner is not known, as of an object that does not exist yet, it may
		// be the asker: an entry for the owner then grants nothing, but may deny.
		return NotHeld, q.owner.IsZero() && a.Type.IsDeny()
	}
	if via = q.token.Via(sid); via != NotHeld {
		return via, true
	}
	return NotHeld, q.token.MayHold(sid)
}

// reach says for which of the bits asked for an entry acts where they are answered or
// above (over), only on parts below (below), or nobody knows (maybe).
func (q *question) reach(a *sddl.ACE) (over, below, maybe sddl.Mask) {
	m := a.Mask.MapGeneric() & q.want
	if m == 0 || !a.HasObjectType() {
		return m, 0, 0
	}
	g := a.ObjectType
	if g.IsZero() {
		if a.Type.IsDeny() {
			return m, 0, 0
		}
		return 0, 0, 0
	}
	if bits := m & q.byGUID; bits != 0 {
		switch {
		case g == q.right.Object:
			over |= bits
		case q.right.Object.IsZero():
			below |= bits // one of all that are asked for
		}
	}
	root, node := m&q.atRoot, m&q.atNode
	switch {
	case root|node == 0:
	case q.class != nil && g == q.class.GUID:
		over |= root | node
	case !q.treeKnown:
		if q.right.Kind == Attribute && g == q.right.Object {
			over |= node
		} else {
			maybe |= node
		}
		maybe |= root
	default:
		set, isAttribute := q.class.Attributes[g]
		if root != 0 && (isAttribute || q.class.hasPropertySet(g)) {
			below |= root
		}
		if g == q.right.Object || g == q.set {
			over |= node
		} else if isAttribute && q.right.Kind == PropertySet && set == q.right.Object {
			below |= node
		}
	}
	return over, below, maybe
}

// action is what one entry does in one world.
type action struct {
	index       int
	via         Via
	deny        bool
	over, below sddl.Mask
}

// act says what an entry does; uncertain, whether it might do otherwise in another world.
func (q *question) act(i int, w world) (do action, acts, uncertain bool) {
	a := &q.dacl[i]
	if a.Flags.Has(sddl.InheritOnly) { // [MS-ADTS] 5.1.3.3.2
		return action{}, false, false
	}
	if a.IsOpaque() {
		return action{index: i, deny: !w.unseen, over: q.want}, true, true
	}
	allow, deny := a.Type.IsAllow(), a.Type.IsDeny()
	if !allow && !deny {
		return action{}, false, false
	}
	over, below, maybe := q.reach(a)
	if over|below|maybe == 0 {
		return action{}, false, false
	}
	via, possible := q.standing(a)
	if !possible {
		return action{}, false, false
	}
	const known = sddl.ObjectTypePresent | sddl.InheritedObjectTypePresent
	unseen := via == NotHeld || a.ObjectFlags&^known != 0
	conditional := a.Type.IsCallback()
	do = action{index: i, via: via, deny: deny, over: over, below: below}
	// What is good for the asker, an allow or the absence of a deny, happens in a good
	// world only: allow says which world the entry takes effect in.
	if conditional && w.conditions != allow || unseen && w.unseen != allow {
		return action{}, false, true
	}
	if w.unseen == allow {
		do.over |= maybe
	}
	return do, do.over|do.below != 0, conditional || unseen || maybe != 0
}

// outcome is what walking the DACL in one world came to.
type outcome struct {
	granted, denied sddl.Mask
	parts           sddl.Mask // bits allowed on parts only
	implicit        sddl.Mask
	uncertain       bool // an entry that might do otherwise could have changed this
	deciding        []Deciding
}

// walk goes through the DACL once: for every bit, the first entry that allows or denies
// it decides. [MS-ADTS] 5.1.3.3.2 to 5.1.3.3.5.
func (q *question) walk(w world) outcome {
	var o outcome
	if q.implicit != 0 {
		if q.implicitCertain || w.unseen {
			o.granted, o.implicit = q.implicit, q.implicit
		}
		o.uncertain = !q.implicitCertain
	}
	for i := range q.dacl {
		// What is denied on the tree may still be allowed: its parts may add up.
		if o.granted|o.denied&^(q.atRoot|q.atNode) == q.want {
			break
		}
		do, acts, uncertain := q.act(i, w)
		o.uncertain = o.uncertain || uncertain
		if !acts {
			continue
		}
		open := q.want &^ (o.granted | o.denied)
		var decided sddl.Mask
		if do.deny {
			// A deny on a part is a deny on all that contains the part. [MS-ADTS] 5.1.3.3.3.
			decided = (do.over | do.below) & open
			o.denied |= decided
		} else {
			decided = do.over & open
			o.granted |= decided
			o.parts |= do.below
		}
		if decided != 0 {
			o.deciding = append(o.deciding, Deciding{ACE: q.dacl[i], Index: i, Mask: decided, Deny: do.deny, Via: do.via})
		}
	}
	if q.treeKnown {
		q.addUp(w, &o)
	}
	return o
}

// merge makes o, the outcome of the best world, the explanation of both: granted is
// explained by the worst world, denied by the best, and what is undecided by either.
func (o *outcome) merge(worst outcome, granted, undecided sddl.Mask) {
	var all []Deciding
	keep := func(list []Deciding, bits sddl.Mask) {
		for _, d := range list {
			if d.Mask &= bits; d.Mask != 0 {
				all = append(all, d)
			}
		}
	}
	keep(worst.deciding, granted|undecided)
	keep(o.deciding, ^granted)
	slices.SortStableFunc(all, func(a, b Deciding) int { return a.Index - b.Index })
	merged := all[:0]
	for _, d := range all {
		if n := len(merged); n > 0 && merged[n-1].Index == d.Index {
			merged[n-1].Mask |= d.Mask
			continue
		}
		merged = append(merged, d)
	}
	o.granted, o.implicit, o.parts, o.deciding = granted, worst.implicit, worst.parts, merged
	o.denied &^= granted | undecided
}

// decision puts an outcome into words, given which bits are not certain and why.
func (o *outcome) decision(want, unknown, conditional sddl.Mask) Decision {
	d := Decision{
		Deciding: o.deciding,
		Granted:  o.granted,
		Denied:   o.denied &^ o.granted,
		Implicit: o.implicit != 0,
	}
	d.Missing = want &^ (d.Granted | d.Denied)
	switch {
	case d.Granted == want:
		d.Effect = Granted
	case d.Denied != 0:
		d.Effect = Denied
	case unknown != 0:
		d.Effect = Unknown
	case d.Missing == conditional:
		d.Effect = Conditional
	case d.Granted|conditional|o.parts&d.Missing != 0:
		d.Effect = Partial
	default:
		d.Effect = NotGranted
	}
	return d
}
