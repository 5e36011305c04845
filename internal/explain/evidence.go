package explain

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// evidence is all that one answer is made from.
type evidence struct {
	domain     *directory.Domain
	schema     *directory.Schema
	request    *request
	account    *account
	chain      []*object // the object, its parent, ... to the head of the naming context
	heuristics *heuristics
	names      words.Names
	classOf    func(structural *directory.Class, objectClass []string) (*acl.Class, string)
	capture    bool
}

// account is an account with its token, and how it comes by the groups in it.
type account struct {
	*directory.Account
	token acl.Token
	in    map[sddl.SID][]sddl.SID // the groups that an account or group is in directly
}

func (e *Explainer) account(ctx context.Context, name string) (*account, error) {
	if a := e.accounts[name]; a != nil {
		return a, nil
	}
	found, err := directory.FindAccount(ctx, e.reader, e.domain, name)
	if err != nil {
		return nil, err
	}
	key := "\x00" + directory.DNKey(found.DN) // no name begins with it
	a := e.accounts[key]
	if a == nil {
		if err := found.LoadToken(ctx, e.reader, e.domain); err != nil {
			return nil, err
		}
		a = &account{Account: found, token: acl.Token{Account: found.SID, SIDs: map[sddl.SID]acl.Via{}, Complete: found.Unseen == ""}}
		for _, sid := range found.WellKnown {
			a.token.SIDs[sid] = acl.WellKnown
		}
		for _, sid := range found.Groups {
			a.token.SIDs[sid] = acl.Group
		}
		a.token.SIDs[found.SID] = acl.Own
		if err := a.loadPaths(ctx, e.reader, e.domain); err != nil {
			return nil, err
		}
	}
	if len(e.accounts) >= cacheSize {
		clear(e.accounts)
	}
	e.accounts[key], e.accounts[name] = a, a
	return a, nil
}

// loadPaths reads which of the token's groups is in which. What is not shown is only not
// explained: the token itself is the domain controller's.
func (a *account) loadPaths(ctx context.Context, r directory.Reader, d *directory.Domain) error {
	a.in = map[sddl.SID][]sddl.SID{}
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: []string{"objectSid", "memberOf", "primaryGroupID"}}
	for sid := range a.token.SIDs {
		q.Any = append(q.Any, directory.Match{Attr: "objectSid", Value: string(sid.Bytes())})
	}
	slices.SortFunc(q.Any, func(x, y directory.Match) int { return strings.Compare(x.Value, y.Value) })
	bySID := map[string]sddl.SID{} // DNKey of a group in the token
	memberOf := map[sddl.SID][]string{}
	for entry, err := range r.Read(ctx, q) {
		if err != nil {
			return fmt.Errorf("read the groups of %s: %w", a.DN, err)
		}
		sid, err := sddl.ParseSIDBytes(entry.Value("objectSid"))
		if err != nil {
			continue
		}
		bySID[directory.DNKey(entry.DN)] = sid
		memberOf[sid] = entry.Texts("memberOf")
		if rid, err := strconv.ParseUint(entry.Text("primaryGroupID"), 10, 32); err == nil && sid == a.SID {
			a.in[sid] = append(a.in[sid], sid.Domain().WithRID(uint32(rid)))
		}
	}
	for sid, dns := range memberOf {
		for _, dn := range dns {
			if group, ok := bySID[directory.DNKey(dn)]; ok {
				a.in[sid] = append(a.in[sid], group)
			}
		}
		slices.SortFunc(a.in[sid], func(x, y sddl.SID) int { return strings.Compare(x.String(), y.String()) })
	}
	return nil
}

// path are the groups from the first that the account is in to the given one, or from
// the well-known SID by which it is in it; nil where it cannot be told.
func (a *account) path(to sddl.SID) []sddl.SID {
	queue := []sddl.SID{a.SID}
	if a.token.SIDs[to] == acl.WellKnown {
		queue = nil
		for _, sid := range a.WellKnown {
			if domain := sid.Domain().String(); domain != "S-1-5-32" && !strings.HasPrefix(domain, "S-1-5-21-") {
				queue = append(queue, sid)
			}
		}
	}
	from := map[sddl.SID]sddl.SID{}
	if slices.Contains(queue, to) {
		return nil // it is there by itself
	}
	for _, start := range queue {
		from[start] = sddl.SID{}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == to {
			var out []sddl.SID
			for ; !at.IsZero(); at = from[at] {
				if at != a.SID {
					out = append(out, at)
				}
			}
			slices.Reverse(out)
			return out
		}
		for _, group := range a.in[at] {
			if _, seen := from[group]; !seen {
				from[group] = at
				queue = append(queue, group)
			}
		}
	}
	return nil
}

// object is an object with what judging it takes.
type object struct {
	*directory.Target
	structural *directory.Class
	class      *acl.Class
	fault      string      // why its class cannot be judged
	classes    []sddl.GUID // those that an entry may be for when it is inherited. [MS-ADTS] 6.1.3
	head       bool        // of a naming context

	membership      *sddl.Descriptor // of msDS-GroupMSAMembership; nil when there is none or it is not shown
	membershipFault string
	adminCount      bool
	undeletable     string // why nobody deletes it
	deletable       string // why it is not known whether anybody does
}

func (o *object) protected() bool {
	return o.Descriptor != nil && o.Descriptor.Control.Has(sddl.DACLProtected)
}

// The attributes that questions, or descriptors, are about.
const (
	attrDescriptor = "nTSecurityDescriptor"
	attrMembership = "msDS-GroupMSAMembership"
	attrPassword   = "msDS-ManagedPassword"
)

// attrWitness is an attribute that every object has: where it is not shown, nobody asked, or
// nobody may see, and that another one is not there says nothing. [MS-ADTS] 3.1.1.2.4.9.
const attrWitness = "instanceType"

// ObjectAttrs are the attributes that an answer takes of each object, besides those of
// directory.LoadTarget. A capture that is to say more than unknown must hold them.
func ObjectAttrs() []string {
	return []string{"adminCount", "systemFlags", "isCriticalSystemObject", attrWitness, attrMembership}
}

// chain reads the object and the containers above it, up to the head of the naming
// context or to the first that is not shown.
func (e *Explainer) chain(ctx context.Context, dn string) ([]*object, error) {
	first, err := e.object(ctx, dn)
	if err != nil {
		return nil, err
	}
	chain := []*object{first}
	for last := first; !last.head; {
		up := directory.ParentDN(last.DN)
		if up == "" {
			break
		}
		next, err := e.object(ctx, up)
		if missing := (*directory.NotFoundError)(nil); errors.As(err, &missing) {
			break
		}
		if err != nil {
			return nil, err
		}
		chain = append(chain, next)
		last = next
	}
	return chain, nil
}

func (e *Explainer) object(ctx context.Context, dn string) (*object, error) {
	key := directory.DNKey(dn)
	if o := e.objects[key]; o != nil {
		return o, nil
	}
	r := &wider{Reader: e.reader, attrs: ObjectAttrs()}
	t, err := directory.LoadTarget(ctx, r, dn)
	// What a sweep did not ask for is as if it were not readable.
	for missing := (*directory.NotRecordedError)(nil); errors.As(err, &missing) && r.leave(missing.Attrs); {
		t, err = directory.LoadTarget(ctx, r, dn)
	}
	if err != nil {
		return nil, err
	}
	o := &object{Target: t, structural: e.schema.StructuralClass(t.Classes), head: e.heads[directory.DNKey(t.DN)]}
	if e.capture && t.Raw == nil {
		t.Unreadable = "the capture does not hold its security descriptor"
	}
	if len(t.Classes) == 0 {
		o.structural, o.fault = nil, "its class is not readable to this identity"
		if e.capture {
			o.fault = "the capture does not hold its class"
		}
	} else {
		o.class, o.fault = e.class(o.structural, t.Classes)
		o.classes = e.inheriting(o.structural, t.Classes)
	}
	o.adminCount = r.seen.Text("adminCount") == "1"
	// FLAG_DISALLOW_DELETE, isCriticalSystemObject. [MS-ADTS] 2.2.10, 3.1.1.5.5.3.
	if flags, err := strconv.ParseInt(r.seen.Text("systemFlags"), 10, 64); err == nil && uint32(flags)&0x80000000 != 0 {
		o.undeletable = "its systemFlags forbid deleting it"
	} else if strings.EqualFold(r.seen.Text("isCriticalSystemObject"), "TRUE") {
		o.undeletable = "it is a critical system object, which nobody may delete"
	} else if r.seen.Value(attrWitness) == nil {
		o.deletable = "whether it may be deleted at all (systemFlags, isCriticalSystemObject) is not readable to this identity"
		if e.capture {
			o.deletable = "whether it may be deleted at all (systemFlags, isCriticalSystemObject) is not in the capture"
		}
	}
	if raw := r.seen.Value(attrMembership); raw == nil {
		o.membershipFault = attrMembership + " is not set, or not readable to this identity"
		if e.capture {
			o.membershipFault = "the capture does not hold " + attrMembership
		}
	} else if o.membership, err = sddl.Parse(raw); err != nil {
		o.membershipFault = fmt.Sprintf("%s is damaged: %v", attrMembership, err)
	} else if !o.membership.Control.Has(sddl.DACLPresent) || o.membership.DACL == nil {
		o.membership, o.membershipFault = nil, attrMembership+" has no DACL; what a server makes of that is not documented"
	}
	if len(e.objects) >= cacheSize {
		clear(e.objects)
	}
	e.objects[key] = o
	return o, nil
}

// wider asks for more attributes than the query it passes on, and keeps the answer.
type wider struct {
	directory.Reader
	attrs []string
	left  []string // not to be asked for
	seen  directory.Entry
}

// leave makes it ask for less, and says whether it does.
func (w *wider) leave(attrs []string) bool {
	before := len(w.left)
	for _, name := range attrs {
		if !oneOf(w.left, name) {
			w.left = append(w.left, name)
		}
	}
	return len(w.left) > before
}

// Read keeps the last entry.
func (w *wider) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	q.Attrs = slices.DeleteFunc(slices.Concat(q.Attrs, w.attrs), func(name string) bool { return oneOf(w.left, name) })
	return func(yield func(directory.Entry, error) bool) {
		for entry, err := range w.Reader.Read(ctx, q) {
			w.seen = entry
			if !yield(entry, err) {
				return
			}
		}
	}
}

// class is what a check needs of the class of an object, with the attributes of auxiliary
// classes that were added to this one object; a fault says why it cannot be judged.
// [MS-ADTS] 3.1.1.2.4.
func (e *Explainer) class(structural *directory.Class, objectClass []string) (*acl.Class, string) {
	if structural == nil {
		return nil, "the schema does not show its class"
	}
	added := e.added(structural, objectClass)
	key := strings.Join(append([]string{structural.Name}, added...), "\x00")
	if c := e.classes[key]; c != nil {
		return c, ""
	}
	if fault := e.faults[key]; fault != "" {
		return nil, fault
	}
	c := &acl.Class{Name: structural.Name, GUID: structural.GUID, Attributes: map[sddl.GUID]sddl.GUID{}}
	for _, name := range append([]string{structural.Name}, added...) {
		if gap := e.schema.Gap(name); gap != "" {
			e.faults[key] = "the schema does not show " + gap
			return nil, e.faults[key]
		}
		for _, a := range e.schema.Attributes(name) {
			c.Attributes[a.GUID] = a.PropertySet
		}
	}
	e.classes[key] = c
	return c, ""
}

// added are the classes of an object that its structural class does not bring.
func (e *Explainer) added(structural *directory.Class, objectClass []string) []string {
	lineage := e.schema.Lineage(structural.Name)
	var out []string
	for _, name := range objectClass {
		if name = strings.ToLower(name); !slices.Contains(lineage, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (e *Explainer) inheriting(structural *directory.Class, objectClass []string) []sddl.GUID {
	if structural == nil {
		return nil
	}
	out := []sddl.GUID{structural.GUID}
	for _, name := range e.added(structural, objectClass) {
		if c := e.schema.Class(name); c != nil {
			out = append(out, c.GUID)
		}
	}
	return out
}

// heuristics is dSHeuristics of the forest. [MS-ADTS] 6.1.1.2.4.1.2.
type heuristics struct {
	known bool
	value string
}

// digit is one of its characters, counted from 1; '0' where it is shorter.
func (h *heuristics) digit(n int) byte {
	if n > len(h.value) {
		return '0'
	}
	return h.value[n-1]
}

func (e *Explainer) readHeuristics(ctx context.Context) (*heuristics, error) {
	if e.heuristics != nil {
		return e.heuristics, nil
	}
	dn := "CN=Directory Service,CN=Windows NT,CN=Services," + e.domain.ConfigurationDN
	found, err := directory.Collect(e.reader.Read(ctx, directory.Query{Base: dn, Attrs: []string{"objectClass", "dSHeuristics"}}))
	h := &heuristics{}
	switch {
	case notShown(err):
	case err != nil:
		return nil, fmt.Errorf("read dSHeuristics: %w", err)
	case len(found) == 1:
		// Without its class the entry says nothing, so that a missing value says nothing either.
		h.known = found[0].Value("objectClass") != nil
		h.value = found[0].Text("dSHeuristics")
	}
	e.heuristics = h
	return h, nil
}

// notShown says whether an error is that the object, or what was asked of it, is not shown.
func notShown(err error) bool {
	var (
		missing *directory.NotFoundError
		unasked *directory.NotRecordedError
	)
	return errors.As(err, &missing) || errors.As(err, &unasked)
}

// names are the names of GUIDs by what the right that goes with them makes them.
func (e *Explainer) names(a *account) words.Names {
	s := e.schema
	return words.Names{
		GUID: s.NameOf,
		Object: func(g sddl.GUID, right sddl.Mask) string {
			switch {
			case right&(sddl.CreateChild|sddl.DeleteChild) == right:
				if c := s.ClassOf(g); c != nil {
					return c.Name
				}
			case right == sddl.ControlAccess, right == sddl.WriteSelf:
				if r := s.RightOf(g, right); r != nil {
					return r.Name
				}
			case right&(sddl.ReadProperty|sddl.WriteProperty) == right:
				if s.AttributeOf(g) == nil {
					if r := s.RightOf(g, right); r != nil {
						return r.Name
					}
				}
			}
			return ""
		},
		SID: func(sid sddl.SID) string {
			if name := a.Names[sid]; name != "" {
				return name
			}
			if name := words.DomainSID(sid, e.domain.SID); name != "" {
				return e.domain.Qualified(name)
			}
			return words.WellKnownSID(sid)
		},
	}
}

// isAdministrator says whether the account is one whom BlockOwnerImplicitRights does not
// touch: of Domain Admins or Enterprise Admins. [MS-ADTS] 6.1.3.4.
func (a *account) isAdministrator(d *directory.Domain) bool {
	return a.token.Via(d.SID.WithRID(512)) != acl.NotHeld ||
		!d.ForestSID.IsZero() && a.token.Via(d.ForestSID.WithRID(519)) != acl.NotHeld
}
