package reach

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Options say what a sweep looks for.
type Options struct {
	Reach  bool // where the rows are effective
	Excess bool // what goes beyond the policies

	Examples  int  // DNs for each group; 0: none
	Everybody bool // list entries for Everyone and the like among the excess, too

	// Progress, if not nil, is called now and then with the number of objects read.
	Progress func(objects int)
}

// Sweep reads every object at and below the targets of a snapshot, and adds to the report
// of the same snapshot where its rows are effective and what the account may do beyond
// them. An error, and so an interruption, leaves the report as it was: there is no part
// of a sweep.
//
// What it holds grows with the distinct descriptors, the containers, and the pairs of
// both, not with the objects.
func Sweep(ctx context.Context, r directory.Reader, snapshot *audit.Snapshot, j *audit.Judge, report *audit.Report, opts Options) error {
	s := &sweep{
		reader: r, snapshot: snapshot, judge: j, opts: opts, token: j.Token(),
		descriptors: map[string]*descriptor{},
		shapes:      map[string]*descriptor{},
		classes:     map[string]*class{},
		containers:  map[string]*container{},
		parents:     map[string]*parent{},
		kept:        map[*class]int{},
		aimed:       map[string]aimed{},
	}
	s.aim()
	var err error
	if s.heads, err = readHeads(ctx, r); err != nil {
		return err
	}
	for _, head := range s.heads {
		s.headKeys = append(s.headKeys, directory.DNKey(head))
	}
	if err := s.readAdminSDHolder(ctx); err != nil {
		return err
	}
	var passes []*pass
	for _, t := range s.targets {
		p := s.newPass(t)
		if err := s.read(ctx, p); err != nil {
			return err
		}
		passes = append(passes, p)
	}
	if err := s.readAbove(ctx); err != nil {
		return err
	}
	var excess *audit.Excess
	if opts.Excess {
		if excess, err = s.excess(ctx, passes); err != nil {
			return err
		}
	}
	var reaches []*audit.Reach
	if opts.Reach {
		for _, p := range passes {
			found, err := s.reach(ctx, p)
			if err != nil {
				return err
			}
			reaches = append(reaches, found)
		}
	}
	// Whole, or nothing.
	if err := ctx.Err(); err != nil {
		return err
	}
	s.complete(report, reaches, excess)
	return nil
}

// sweep is what the passes over several targets share.
type sweep struct {
	reader   directory.Reader
	snapshot *audit.Snapshot
	judge    *audit.Judge
	token    acl.Token
	opts     Options
	heads    []string // of the naming contexts, sorted
	headKeys []string // the same as DNKeys

	descriptors map[string]*descriptor // by their bytes; by what is wrong where there are none
	shapes      map[string]*descriptor // by what of them is something to the account
	classes     map[string]*class      // by all values of objectClass
	containers  map[string]*container  // by DNKey
	parents     map[string]*parent     // by DN as the directory spells it
	kept        map[*class]int

	targets []*directory.Target // whose objects are read
	points  []*directory.Target // the others, of which nothing below is read
	aims    []aim
	aimed   map[string]aimed // by the DN of a parent, as the directory spells it

	adminSDHolder *descriptor // nil: not readable
	unprotected   string      // why adminSDHolder is nil
	objects       int
	summary       audit.ExcessSummary // of all entries, those that are not listed for their number, too
}

// descriptor is one distinct descriptor, as far as it is something to the account.
type descriptor struct {
	*sddl.Descriptor        // nil: see fault
	fault            string // why it cannot be judged
	protected        bool   // blocks inheritance
	adminSDHolder    bool   // blocks it with just the entries that SDProp writes
}

// class is what one distinct list of objectClass values means.
type class struct {
	name       string
	structural *directory.Class
	acl        *acl.Class
	fault      string // why it is not known
	holds      bool   // objects of it are there to hold others
}

// standing is what the SID of an object is to the account, as far as PRINCIPAL SELF goes.
type standing int

const (
	noSID standing = iota
	stranger
	isAccount
	isGroup
	isWellKnown
)

// via is how the account comes by the SID of an object.
func (s standing) via() acl.Via {
	switch s {
	case isAccount:
		return acl.Own
	case isGroup:
		return acl.Group
	case isWellKnown:
		return acl.WellKnown
	}
	return acl.NotHeld
}

// place is where an object is, seen from the target.
type place int

const (
	deeper place = iota
	isChild
	isTarget
	inner   // a target below another target; of excess only
	outside // in no target; of excess only
)

// kind is all objects that cannot be told apart by judging them.
type kind struct {
	descriptor *descriptor
	class      *class
	standing   standing
	precious   bool // SDProp protects it, by its SID or as it was marked; of excess only
	place      place
	among      place  // among all targets that were asked for, for what goes beyond them
	aimed      string // a place for each target that rules name themselves; of excess only
}

// kindState is what is known of the objects of a kind.
type kindState struct {
	kind
	sid      sddl.SID // of one of them
	objects  int
	verdicts []verdict // one a row
	beyond   []beyond
	shown    bool // where they are matters
	cells    map[*parent]*cell
}

// cell is the objects of one kind below one parent.
type cell struct {
	objects  int
	examples []string // RDNs
}

// parent is a DN that objects are below.
type parent struct {
	dn    string
	chain []ancestor
}

// container is an object that others may be below.
type container struct {
	descriptor *descriptor
	class      *class
}

const (
	// Every object of the classes that are there to hold others is kept; of the other
	// classes, under which something is an exception, only so many of each.
	keepOfOther = 2000
	// So many protected ones are kept of those besides.
	keepProtected = 50000
	// So many parents are told apart. In no known forest there are more containers than this,
	// but there may be something below every computer.
	maxParents = 200000
)

// pass is the sweep of one target.
type pass struct {
	target *directory.Target
	top    bool                // not below another target
	inside map[string]bool     // the other targets below this one, DNs in lower case
	rows   []int               // of the judge's requirements, those that apply
	asked  []acl.Requirement   // by the judge's requirements: the alternative that a row is about
	others [][]acl.Requirement // the other alternatives
	on     [][]sddl.GUID       // the classes below on which it must be effective; nil: every class
	scoped bool                // some rule is about direct children only
	told   bool                // the target was asked for, and not only named by rules

	found     bool // the target itself came
	objects   int
	kinds     map[kind]*kindState
	counts    map[*class]int
	protected []alone
	stale     int // adminCount=1 without protection
	staleDNs  []string
	overflow  bool // more parents than are told apart

	// Of causes, known once and for all objects to which the same comes down.
	lines   map[*parent]*line
	same    map[lineKey]*line
	answers map[answerKey]answer // for one row
}

// alone is a container that blocks inheritance, with its own name.
type alone struct {
	dn    string
	state *kindState
}

func (s *sweep) newPass(t *directory.Target) *pass {
	p := &pass{target: t, top: true, inside: map[string]bool{}, kinds: map[kind]*kindState{}, counts: map[*class]int{},
		lines: map[*parent]*line{}, same: map[lineKey]*line{}}
	p.told = s.snapshot.Asked(t)
	for _, other := range s.targets {
		if other == t {
			continue
		}
		if s.within(t.DN, other.DN) {
			p.top = false
		}
		if s.within(other.DN, t.DN) && s.snapshot.Asked(other) {
			p.inside[strings.ToLower(other.DN)] = true
		}
	}
	p.asked = make([]acl.Requirement, len(s.judge.Requirements))
	p.others = make([][]acl.Requirement, len(s.judge.Requirements))
	p.on = make([][]sddl.GUID, len(s.judge.Requirements))
	for i, req := range s.judge.Requirements {
		if !s.judge.About(t, &req) {
			continue
		}
		// Of advice, and of each alternative, what goes beyond the policies wants to know.
		p.scoped = p.scoped || slices.ContainsFunc(req.Asked(), func(one acl.Requirement) bool { return one.Scope == acl.Children })
		if !sweeps(&req) {
			continue
		}
		p.rows = append(p.rows, i)
		p.asked[i] = s.judge.Chosen(t, &req)
		p.on[i] = req.On[slices.Index(req.Any, p.asked[i])]
		p.others[i] = slices.DeleteFunc(slices.Clone(req.Asked()), func(one acl.Requirement) bool { return one == p.asked[i] })
	}
	return p
}

const progressEvery = 1 << 10

func (s *sweep) read(ctx context.Context, p *pass) error {
	for e, err := range s.reader.Read(ctx, Query(p.target.DN)) {
		if err != nil {
			return fmt.Errorf("read the objects below %s: %w", p.target.DN, err)
		}
		if s.objects++; s.objects%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.opts.Progress != nil {
				s.opts.Progress(s.objects)
			}
		}
		s.take(p, &e)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.found {
		return fmt.Errorf("read the objects below %s: it is not among them itself", p.target.DN)
	}
	if s.opts.Progress != nil {
		s.opts.Progress(s.objects)
	}
	return nil
}

// take counts one object.
func (s *sweep) take(p *pass, e *directory.Entry) {
	var classes, sid, raw [][]byte
	adminCount := ""
	for _, a := range e.Attrs {
		switch {
		case len(a.Values) == 0:
		case strings.EqualFold(a.Name, "objectClass"):
			classes = a.Values
		case strings.EqualFold(a.Name, "nTSecurityDescriptor"):
			raw = a.Values
		case strings.EqualFold(a.Name, "objectSid"):
			sid = a.Values
		case strings.EqualFold(a.Name, "adminCount"):
			adminCount = string(a.Values[0])
		}
	}
	k := kind{class: s.classOf(classes), descriptor: s.descriptorOf(raw)}
	var self sddl.SID
	if sid != nil {
		k.standing, self = s.standingOf(sid[0])
		if self.IsZero() {
			k.descriptor = s.fault("its objectSid is damaged")
		}
		k.precious = s.opts.Excess && s.isPrecious(self)
	}
	// SDProp has marked it, and protects it still or its DACL was changed since.
	if s.opts.Excess && adminCount == "1" && k.descriptor.protected {
		k.precious = true
	}
	rdn, above := cutDN(e.DN)
	dn := ""
	// What is above an object below the target is no shorter than the target.
	if len(above) < len(p.target.DN) && directory.SameDN(e.DN, p.target.DN) {
		k.place, k.among, p.found = isTarget, isTarget, true
		if !p.told {
			k.among = s.amongOf(e.DN)
		}
	} else {
		if p.scoped && strings.EqualFold(above, p.target.DN) {
			k.place = isChild
		}
		k.among = k.place
		if len(p.inside) > 0 {
			if p.inside[strings.ToLower(e.DN)] {
				k.among = inner
			} else if p.scoped && p.inside[strings.ToLower(above)] {
				k.among = isChild
			}
		}
		if !p.told {
			k.among = s.amongOf(e.DN)
		}
		if s.keeps(k) {
			dn = e.DN
			s.kept[k.class]++
			s.containers[directory.DNKey(strings.Clone(dn))] = &container{k.descriptor, k.class}
		}
	}
	if s.opts.Excess {
		k.aimed = s.aimedAt(e.DN)
	}
	p.objects++
	p.counts[k.class]++
	state := p.kinds[k]
	if state == nil {
		state = &kindState{kind: k, sid: self}
		s.judgeKind(p, state)
		p.kinds[k] = state
	}
	state.objects++
	if adminCount == "1" && s.adminSDHolder != nil && k.descriptor.Descriptor != nil && !k.descriptor.adminSDHolder {
		p.stale++
		p.staleDNs = first(p.staleDNs, e.DN, s.opts.Examples)
	}
	switch {
	case !state.shown:
	case dn != "" && k.descriptor.protected && !k.descriptor.adminSDHolder:
		p.protected = append(p.protected, alone{strings.Clone(dn), state})
	default:
		c := state.cell(s.parentOf(p, above))
		c.objects++
		c.examples = first(c.examples, rdn, s.opts.Examples)
	}
}

// keeps says whether an object is remembered as one that others may be below.
func (s *sweep) keeps(k kind) bool {
	if k.class.holds {
		return true
	}
	n := s.kept[k.class]
	return n < keepOfOther || n < keepProtected && k.descriptor.protected && !k.descriptor.adminSDHolder
}

func (k *kindState) cell(p *parent) *cell {
	if k.cells == nil {
		k.cells = map[*parent]*cell{}
	}
	c := k.cells[p]
	if c == nil {
		c = &cell{}
		k.cells[p] = c
	}
	return c
}

// parentOf is the parent with that DN; one without a DN when there are too many.
func (s *sweep) parentOf(p *pass, dn string) *parent {
	if known := s.parents[dn]; known != nil {
		return known
	}
	if len(s.parents) >= maxParents {
		p.overflow = true
		dn = ""
		if known := s.parents[dn]; known != nil {
			return known
		}
	}
	dn = strings.Clone(dn)
	added := &parent{dn: dn}
	s.parents[dn] = added
	return added
}

// holders are the classes of objects that are there to hold others.
var holders = []string{"organizationalUnit", "container", "builtinDomain", "domainDNS", "lostAndFound", "configuration", "dMD"}

func (s *sweep) classOf(values [][]byte) *class {
	var buf [256]byte
	key := buf[:0]
	for _, v := range values {
		key = append(append(key, v...), 0)
	}
	if known := s.classes[string(key)]; known != nil {
		return known
	}
	var names []string
	for _, v := range values {
		names = append(names, string(v))
	}
	c := &class{name: "unknown"}
	c.structural, c.acl, c.fault = s.judge.ObjectClass(names)
	if c.structural != nil {
		c.name = c.structural.Name
		c.holds = slices.Contains(holders, c.name)
	}
	// The same class may come with its values in another order.
	s.classes[string(key)] = c
	return c
}

func (s *sweep) descriptorOf(values [][]byte) *descriptor {
	if len(values) == 0 {
		// A domain controller leaves out a descriptor that the reader may not see, without an error.
		return s.fault("the security descriptor is not readable to this identity")
	}
	if known := s.descriptors[string(values[0])]; known != nil {
		return known
	}
	d := &descriptor{}
	var err error
	if d.Descriptor, err = sddl.Parse(values[0]); err != nil {
		d.Descriptor, d.fault = nil, "the security descriptor is damaged: "+err.Error()
	} else if d.Owner.IsZero() || !d.Control.Has(sddl.DACLPresent) {
		// AD stores both with every object, [MS-ADTS] 6.1.3, so parts of it were held back.
		d.Descriptor, d.fault = nil, "the security descriptor came without its owner or its DACL"
	} else {
		d.protected = d.Control.Has(sddl.DACLProtected)
		d.adminSDHolder = d.protected && s.adminSDHolder != nil && sameEntries(d.DACL, s.adminSDHolder.DACL)
		d = s.reduced(d)
	}
	s.descriptors[string(values[0])] = d
	return d
}

// nobody owns what somebody owns who is nothing to the account.
var nobody = sddl.MustParseSID("S-1-0-0")

// reduced is the descriptor without what is nothing to the account: entries and owners that
// it has no part in. Many descriptors come to the same then, and are judged once.
func (s *sweep) reduced(d *descriptor) *descriptor {
	if !s.token.Complete {
		return d
	}
	ours := func(sid sddl.SID) bool {
		return s.token.Via(sid) != acl.NotHeld || s.token.MayHold(sid) || isStandIn(sid)
	}
	short := *d.Descriptor
	if short.DACL != nil {
		kept := make([]sddl.ACE, 0, 8)
		for _, a := range short.DACL.ACEs {
			if a.IsOpaque() || ours(a.SID) {
				kept = append(kept, a)
			}
		}
		short = *short.WithDACL(&sddl.ACL{Revision: 4, ACEs: kept})
	}
	if !ours(short.Owner) {
		short.Owner = nobody
	}
	if !ours(short.Group) {
		short.Group = nobody
	}
	// Only what an entry grants and where counts from here on.
	text := []byte{flag(d.protected) | flag(d.adminSDHolder)<<1 | flag(short.DACL != nil)<<2}
	text = append(append(text, short.Owner.Bytes()...), short.Group.Bytes()...)
	if short.DACL != nil {
		for _, a := range short.DACL.ACEs {
			text = a.Append(text)
		}
	}
	key := string(text)
	if known := s.shapes[key]; known != nil {
		return known
	}
	d = &descriptor{Descriptor: &short, protected: d.protected, adminSDHolder: d.adminSDHolder}
	s.shapes[key] = d
	return d
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// fault is the descriptor of objects that have none to judge.
func (s *sweep) fault(why string) *descriptor {
	if known := s.descriptors[why]; known != nil {
		return known
	}
	d := &descriptor{fault: why}
	s.descriptors[why] = d
	return d
}

func (s *sweep) standingOf(raw []byte) (standing, sddl.SID) {
	sid, err := sddl.ParseSIDBytes(raw)
	if err != nil {
		return stranger, sddl.SID{}
	}
	switch s.token.Via(sid) {
	case acl.Own:
		return isAccount, sid
	case acl.Group:
		return isGroup, sid
	case acl.WellKnown:
		return isWellKnown, sid
	}
	return stranger, sid
}

// readAdminSDHolder reads what SDProp writes on protected objects.
func (s *sweep) readAdminSDHolder(ctx context.Context) error {
	dn := AdminSDHolder(s.snapshot.Domain.DN)
	t, err := directory.LoadTarget(ctx, s.reader, dn)
	if unseen(err) {
		s.unprotected = "it is not visible to this identity"
		return nil
	}
	if err != nil {
		return err
	}
	if t.Descriptor == nil {
		s.unprotected = t.Unreadable
		return nil
	}
	s.adminSDHolder = &descriptor{Descriptor: t.Descriptor, protected: true, adminSDHolder: true}
	return nil
}

// sameEntries says whether two DACLs hold the same entries, in any order: servers may sort
// them. SDProp's copies are explicit even where the original's are inherited. [MS-ADTS]
// 3.1.1.6.1, 6.1.3.1.
func sameEntries(a, b *sddl.ACL) bool {
	if a == nil || b == nil || len(a.ACEs) != len(b.ACEs) {
		return a == b
	}
	count := make(map[sddl.ACE]int, len(a.ACEs))
	for _, ace := range a.ACEs {
		ace.Flags &^= sddl.Inherited
		count[ace]++
	}
	for _, ace := range b.ACEs {
		ace.Flags &^= sddl.Inherited
		if count[ace]--; count[ace] < 0 {
			return false
		}
	}
	return true
}
