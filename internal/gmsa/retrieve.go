package gmsa

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Kind is what somebody is who may have the password.
type Kind string

// The kinds.
const (
	KindHost       Kind = "host"
	KindUser       Kind = "user"
	KindService    Kind = "service-account"
	KindGroup      Kind = "group"
	KindForeign    Kind = "foreign" // of a domain that is not read
	KindWellKnown  Kind = "well-known"
	KindUnresolved Kind = "unresolved" // deleted, or not shown
	KindOther      Kind = "other"
)

// Member is somebody who may have the password: an entry's own, or one of its groups'.
type Member struct {
	Name     string   `json:"name,omitempty"`
	DN       string   `json:"dn,omitempty"`
	SID      string   `json:"sid"`
	Kind     Kind     `json:"kind"`
	Via      []string `json:"via,omitempty"`      // the groups between the entry and this one, the entry's first
	Disabled bool     `json:"disabled,omitempty"` // it cannot log on
	EncTypes *int64   `json:"encTypes,omitempty"` // msDS-SupportedEncryptionTypes of a host; nil: none shown
	Verdict  string   `json:"verdict"`            // yes, no (an entry denies it), unknown

	sid sddl.SID
}

// Entry is one principal that the descriptor names.
type Entry struct {
	SID    string `json:"sid"`
	Name   string `json:"name,omitempty"`
	Kind   Kind   `json:"kind"`
	Access string `json:"access"`            // allow, deny, conditional
	Wide   string `json:"wide,omitempty"`    // why it is too many
	Hosts  int    `json:"hosts"`             // among its members, itself included
	People int    `json:"people"`            // users and service accounts
	Others int    `json:"others,omitempty"`  // of other domains, unresolved or something else
	Unseen string `json:"unseen,omitempty"`  // what of its members is not shown
	Groups int    `json:"groups,omitempty"`  // nested ones
	DN     string `json:"dn,omitempty"`      // where it is in this domain
	Note   string `json:"comment,omitempty"` // what else is to be known

	sid sddl.SID
}

// Readers are who may have the password of an account.
type Readers struct {
	Shown    bool     `json:"shown"`          // false: who may is unknown
	SDDL     string   `json:"sddl,omitempty"` // the descriptor
	Everyone bool     `json:"everyone"`       // it has no DACL, which lets everybody in
	Damaged  string   `json:"damaged,omitempty"`
	Entries  []Entry  `json:"entries"`
	Members  []Member `json:"members"` // hosts, people and others, each once
	Hosts    int      `json:"hosts"`   // that may have it
	People   int      `json:"people"`
	Others   int      `json:"others"`  // foreign, unresolved, or well-known ones that are no group of the domain
	Unknown  int      `json:"unknown"` // of whom it cannot be told
}

// maxMembers bounds what is kept of nested groups.
const maxMembers = 200_000

// FindReaders says who may have the password by a msDS-GroupMSAMembership: whom it grants the right
// to read properties, down through nested groups of the domain. [MS-ADTS] 3.1.1.4.4.
func FindReaders(ctx context.Context, r directory.Reader, d *directory.Domain, membership []byte) (*Readers, error) {
	out := &Readers{Entries: []Entry{}, Members: []Member{}}
	if membership == nil {
		return out, nil
	}
	out.Shown = true
	descriptor, err := sddl.Parse(membership)
	if err != nil {
		out.Damaged = err.Error()
		return out, nil
	}
	out.SDDL = descriptor.Text(d.Aliases())
	if descriptor.DACL == nil {
		out.Everyone = true
		return out, nil
	}
	x := &expansion{r: r, d: d, members: map[sddl.SID]*Member{}, holds: map[sddl.SID]map[sddl.SID]bool{}}
	for _, a := range descriptor.DACL.ACEs {
		if a.SID.IsZero() || a.Flags.Has(sddl.InheritOnly) || a.Mask.MapGeneric()&sddl.ReadProperty == 0 {
			continue
		}
		entry := Entry{SID: a.SID.String(), sid: a.SID, Access: "allow"}
		switch {
		case a.Type.IsCallback() || a.Type.IsObject():
			entry.Access = "conditional"
		case a.Type.IsDeny():
			entry.Access = "deny"
		case !a.Type.IsAllow():
			continue
		}
		if slices.ContainsFunc(out.Entries, func(have Entry) bool { return have.sid == a.SID && have.Access == entry.Access }) {
			continue
		}
		if err := x.entry(ctx, &entry); err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, entry)
	}
	for _, m := range x.members {
		out.Members = append(out.Members, *m)
	}
	slices.SortFunc(out.Members, func(a, b Member) int {
		if order := strings.Compare(string(a.Kind), string(b.Kind)); order != 0 {
			return order
		}
		return strings.Compare(a.Name+a.SID, b.Name+b.SID)
	})
	for i := range out.Members {
		m := &out.Members[i]
		m.Verdict = x.verdict(descriptor.DACL, m.sid)
		switch {
		case m.Verdict == "unknown":
			out.Unknown++
		case m.Verdict == "no":
		case m.Kind == KindHost:
			out.Hosts++
		case m.Kind == KindUser || m.Kind == KindService:
			out.People++
		default:
			out.Others++
		}
	}
	for _, e := range out.Entries {
		if e.Kind == KindWellKnown && e.Wide == "" && e.Access == "allow" {
			out.Others++
		}
	}
	return out, nil
}

// expansion finds the members of groups.
type expansion struct {
	r       directory.Reader
	d       *directory.Domain
	members map[sddl.SID]*Member           // that are no groups, of all entries
	holds   map[sddl.SID]map[sddl.SID]bool // entry to its members
}

// verdict is the access check for one member: itself and the entries that it is in.
func (x *expansion) verdict(dacl *sddl.ACL, who sddl.SID) string {
	token := acl.Token{Account: who, SIDs: map[sddl.SID]acl.Via{who: acl.Own}, Complete: true}
	for entry, members := range x.holds {
		if members[who] {
			token.SIDs[entry] = acl.Group
		}
	}
	for _, sid := range []string{"S-1-1-0", "S-1-5-11"} {
		token.SIDs[sddl.MustParseSID(sid)] = acl.WellKnown
	}
	switch acl.Check(dacl, sddl.SID{}, token, sddl.SID{}, nil, acl.Right{Mask: sddl.ReadProperty}).Effect {
	case acl.Granted:
		return "yes"
	case acl.Denied, acl.NotGranted:
		return "no"
	}
	return "unknown"
}

var memberAttrs = []string{"objectClass", "objectSid", "sAMAccountName", attrUAC, AttrEncTypes, "operatingSystem", "operatingSystemVersion", "dNSHostName"}

// entry finds who one entry of the descriptor is, and who is in it.
func (x *expansion) entry(ctx context.Context, e *Entry) error {
	x.holds[e.sid] = map[sddl.SID]bool{}
	if e.Wide = TooWide(e.sid, x.d); e.Wide != "" {
		e.Kind, e.Name = KindWellKnown, words.WellKnownSID(e.sid)
		if name := words.DomainSID(e.sid, x.d.SID); name != "" {
			e.Name = name
		}
		return nil
	}
	q := directory.Query{Base: x.d.DN, Scope: directory.Subtree, Attrs: memberAttrs, Any: []directory.Match{{Attr: "objectSid", Value: string(e.sid.Bytes())}}}
	found, err := directory.Collect(x.r.Read(ctx, q))
	if err != nil {
		return fmt.Errorf("find %s: %w", e.SID, err)
	}
	if len(found) != 1 {
		if e.Name = words.WellKnownSID(e.sid); e.Name != "" {
			e.Kind = KindWellKnown
			return nil
		}
		e.Kind = KindUnresolved
		if inDomain(e.sid, x.d.SID) {
			e.Note = "no object of the domain has this SID any more, or it is not shown"
		} else {
			e.Kind, e.Note = KindForeign, "it is of another domain, whose objects are not read"
		}
		e.Others = 1
		x.add(e.sid, Member{SID: e.SID, Kind: e.Kind, sid: e.sid})
		return nil
	}
	m := memberOf(found[0])
	e.Name, e.DN, e.Kind = m.Name, m.DN, m.Kind
	if m.Kind != KindGroup {
		m.Via = nil
		x.add(e.sid, m)
		e.count(m.Kind)
		return nil
	}
	return x.expand(ctx, e, found[0])
}

func (e *Entry) count(kind Kind) {
	switch kind {
	case KindHost:
		e.Hosts++
	case KindUser, KindService:
		e.People++
	default:
		e.Others++
	}
}

func (x *expansion) add(entry sddl.SID, m Member) {
	x.holds[entry][m.sid] = true
	if x.members[m.sid] == nil {
		x.members[m.sid] = &m
	}
}

// expand finds the members of a group and of those in it, each group once.
func (x *expansion) expand(ctx context.Context, e *Entry, group directory.Entry) error {
	type level struct {
		entry directory.Entry
		via   []string
	}
	seen := map[string]bool{directory.DNKey(group.DN): true}
	var unseen, closed []string
	for queue := []level{{group, nil}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		via := append(slices.Clone(at.via), at.entry.Text("sAMAccountName"))
		listed, err := x.listed(ctx, at.entry.DN)
		if err != nil {
			return err
		}
		if len(listed) == 0 {
			empty, err := ShowsMembers(ctx, x.r, x.d, at.entry.DN)
			if err != nil {
				return err
			}
			if !empty {
				closed = append(closed, at.entry.DN)
			}
		}
		any := []directory.Match{{Attr: "memberOf", Value: at.entry.DN}}
		if sid, err := sddl.ParseSIDBytes(at.entry.Value("objectSid")); err == nil && inDomain(sid, x.d.SID) {
			text := sid.String()
			any = append(any, directory.Match{Attr: "primaryGroupID", Value: text[strings.LastIndexByte(text, '-')+1:]})
		}
		q := directory.Query{Base: x.d.DN, Scope: directory.Subtree, Attrs: memberAttrs, Any: any}
		for found, err := range x.r.Read(ctx, q) {
			if err != nil {
				return fmt.Errorf("read the members of %s: %w", at.entry.DN, err)
			}
			delete(listed, directory.DNKey(found.DN))
			m := memberOf(found)
			if wide := TooWide(m.sid, x.d); wide != "" {
				e.Wide = wide + ", and it is in " + at.entry.Text("sAMAccountName")
				continue
			}
			if m.Kind == KindGroup {
				if key := directory.DNKey(found.DN); !seen[key] {
					seen[key] = true
					e.Groups++
					queue = append(queue, level{found, via})
				}
				continue
			}
			if m.SID == "" {
				unseen = append(unseen, found.DN)
				continue
			}
			if !x.holds[e.sid][m.sid] {
				e.count(m.Kind)
			}
			m.Via = via
			x.add(e.sid, m)
			if len(x.members) > maxMembers {
				return fmt.Errorf("read the members of %s: more than %d", e.DN, maxMembers)
			}
		}
		for _, dn := range listed {
			unseen = append(unseen, dn)
		}
	}
	var parts []string
	if len(unseen) > 0 {
		slices.Sort(unseen)
		parts = append(parts, fmt.Sprintf("%d members are not shown, %s among them", len(unseen), unseen[0]))
	}
	if len(closed) > 0 {
		slices.Sort(closed)
		parts = append(parts, fmt.Sprintf("whether %d groups have more members is not shown, %s among them", len(closed), closed[0]))
	}
	e.Unseen = strings.Join(parts, ", and ")
	return nil
}

// The class of groups, its attribute member and the property set of that, in every schema.
var (
	groupGUID     = sddl.MustParseGUID("bf967a9c-0de6-11d0-a285-00aa003049e2")
	memberGUID    = sddl.MustParseGUID("bf9679c0-0de6-11d0-a285-00aa003049e2")
	membershipSet = sddl.MustParseGUID("bc0ac240-79a9-11d0-9020-00c04fc2d4cf")
)

// ShowsMembers says whether a group that lists no member has none: whoever reads may read the
// attribute. False where that is not certain.
func ShowsMembers(ctx context.Context, r directory.Reader, d *directory.Domain, dn string) (bool, error) {
	t, err := directory.LoadTarget(ctx, r, dn)
	if notShown(err) || err == nil && t.Descriptor == nil {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the permissions of %s: %w", dn, err)
	}
	caller, err := directory.WhoReads(ctx, r, d)
	if notShown(err) || err == nil && len(caller.SIDs) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// A part of the object tree is enough to judge one attribute by.
	class := &acl.Class{Name: "group", GUID: groupGUID, Attributes: map[sddl.GUID]sddl.GUID{memberGUID: membershipSet}}
	right := acl.Right{Mask: sddl.ReadProperty, Kind: acl.Attribute, Object: memberGUID}
	return acl.Check(t.Descriptor.DACL, t.Descriptor.Owner, tokenOf(caller), t.SID, class, right).Effect == acl.Granted, nil
}

// listed are the DNs of the members that a group lists itself, DNKey to DN.
func (x *expansion) listed(ctx context.Context, dn string) (map[string]string, error) {
	out := map[string]string{}
	found, err := directory.Collect(x.r.Read(ctx, directory.Query{Base: dn, Attrs: []string{"member"}}))
	if err != nil && !notShown(err) {
		return nil, fmt.Errorf("read the members of %s: %w", dn, err)
	}
	for _, e := range found {
		for _, member := range e.Texts("member") {
			out[directory.DNKey(member)] = member
		}
	}
	return out, nil
}

func memberOf(e directory.Entry) Member {
	m := Member{Name: e.Text("sAMAccountName"), DN: e.DN, Kind: KindOther}
	if sid, err := sddl.ParseSIDBytes(e.Value("objectSid")); err == nil {
		m.sid, m.SID = sid, sid.String()
	}
	switch classes := e.Texts("objectClass"); {
	case is(classes, "foreignSecurityPrincipal"):
		m.Kind = KindForeign
	case is(classes, "group"):
		m.Kind = KindGroup
	case is(classes, directory.ClassGMSA) || is(classes, "msDS-ManagedServiceAccount"):
		m.Kind = KindService
	case is(classes, "computer"):
		m.Kind = KindHost
	case is(classes, "user"):
		m.Kind = KindUser
	}
	if uac, err := strconv.ParseInt(e.Text(attrUAC), 10, 64); err == nil {
		m.Disabled = uac&accountDisabled != 0
	}
	if n, err := strconv.ParseInt(e.Text(AttrEncTypes), 10, 64); err == nil {
		m.EncTypes = &n
	}
	return m
}

func inDomain(sid, domain sddl.SID) bool {
	rest, ok := strings.CutPrefix(sid.String(), domain.String()+"-")
	return ok && !strings.Contains(rest, "-")
}
