package acl_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// world is a tree of objects with random descriptors on the lab's domain controller, and
// accounts that try what they may do there.
type world struct {
	*rand.Rand
	lab       *labtest.Lab
	schema    *schema
	root      string
	tag       string
	condition string // of conditional entries
	asker     []*asker
	groups    []sddl.SID
	stored    map[string]*stored // by DNKey
	wrote     map[string]*sddl.Descriptor
	named     met
}

// asker is an account that is bound.
type asker struct {
	dn    string
	token acl.Token
	s     *ldapx.Session
}

// stored is an object as the server has it.
type stored struct {
	object
	attributes []string
	class      *acl.Class
}

// entry is an object to be added.
type entry struct {
	DN    string              `json:"dn"`
	Attrs map[string][]string `json:"attrs"`
}

type membership struct {
	DN     string   `json:"dn"`
	Member []string `json:"member"`
}

type written struct {
	DN         string `json:"dn"`
	Descriptor []byte `json:"descriptor"`
}

// request is what directory.py is asked for.
type request struct {
	Add         []entry           `json:"add,omitempty"`
	Passwords   map[string]string `json:"passwords,omitempty"`
	Members     []membership      `json:"members,omitempty"`
	Descriptors []written         `json:"descriptors,omitempty"`
	Base        string            `json:"base,omitempty"`
}

const password = "Lab-Secret-1."

// direct does a request beside the database, where no descriptor stands in the way.
func (w *world) direct(t testing.TB, r request) {
	t.Helper()
	script, err := os.ReadFile("testdata/directory.py")
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var found []struct {
		DN, SID, Descriptor string
		Classes, Attributes []string
	}
	if err := json.Unmarshal([]byte(w.lab.RunInput(t, string(in), "python3", "-c", string(script))), &found); err != nil {
		t.Fatal(err)
	}
	w.stored = map[string]*stored{}
	for _, f := range found {
		o := &stored{object: object{dn: f.DN, classes: f.Classes}, attributes: f.Attributes}
		raw, err := base64.StdEncoding.DecodeString(f.Descriptor)
		if err == nil {
			o.d, err = sddl.Parse(raw)
		}
		if err != nil {
			t.Fatalf("%s: %v", f.DN, err)
		}
		if f.SID != "" {
			b, _ := base64.StdEncoding.DecodeString(f.SID)
			if o.sid, err = sddl.ParseSIDBytes(b); err != nil {
				t.Fatalf("%s: %v", f.DN, err)
			}
		}
		o.class = w.schema.class(t, f.Classes)
		w.stored[directory.DNKey(f.DN)] = o
	}
}

// schema is what the directory says about classes, in the words of package acl.
type schema struct {
	*directory.Schema
	domain  *directory.Domain
	classes map[string]*acl.Class
	fixed   map[string]bool // attributes that nobody writes: constructed, of the system only, back links
}

func readSchema(t testing.TB, r directory.Reader) *schema {
	t.Helper()
	domain, err := directory.LoadDomain(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := directory.LoadSchema(t.Context(), r, domain)
	if err != nil {
		t.Fatal(err)
	}
	out := &schema{s, domain, map[string]*acl.Class{}, map[string]bool{}}
	q := directory.Query{Base: domain.SchemaDN, Scope: directory.OneLevel, Any: []directory.Match{{Attr: "objectClass", Value: "attributeSchema"}},
		Attrs: []string{"lDAPDisplayName", "systemFlags", "systemOnly", "linkID"}}
	const constructed = 4 // [MS-ADTS] 2.2.10
	for e, err := range r.Read(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		var flags, link int
		fmt.Sscan(e.Text("systemFlags"), &flags)
		fmt.Sscan(e.Text("linkID"), &link)
		out.fixed[e.Text("lDAPDisplayName")] = flags&constructed != 0 || e.Text("systemOnly") == "TRUE" || link%2 != 0
	}
	return out
}

// class is the class of an object with its attributes and its default.
func (s *schema) class(t testing.TB, objectClass []string) *acl.Class {
	t.Helper()
	c := s.StructuralClass(objectClass)
	if c == nil {
		t.Fatalf("no structural class among %q", objectClass)
	}
	if known := s.classes[c.Name]; known != nil {
		return known
	}
	out := &acl.Class{Name: c.Name, GUID: c.GUID, Attributes: map[sddl.GUID]sddl.GUID{}}
	for _, a := range s.Attributes(c.Name) {
		out.Attributes[a.GUID] = a.PropertySet
	}
	if c.DefaultDescriptor != "" {
		d, err := sddl.ParseText(c.DefaultDescriptor, s.domain.Aliases())
		if err != nil {
			t.Fatal(err)
		}
		out.Default = d
	}
	s.classes[c.Name] = out
	return out
}

func (w *world) guidOf(t testing.TB, name string) sddl.GUID {
	t.Helper()
	switch {
	case w.schema.Class(name) != nil:
		return w.schema.Class(name).GUID
	case w.schema.Attribute(name) != nil:
		return w.schema.Attribute(name).GUID
	}
	for _, access := range []sddl.Mask{sddl.ControlAccess, sddl.ReadProperty | sddl.WriteProperty, sddl.WriteSelf} {
		if r := w.schema.Right(name, access); r != nil {
			return r.GUID
		}
	}
	t.Fatalf("the schema has no %s", name)
	return sddl.GUID{}
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{Rand: rand.New(rand.NewPCG(seed, 4)), lab: labtest.Require(t), named: met{}, wrote: map[string]*sddl.Descriptor{}}
	admin := dialAdmin(t, w.lab)
	w.schema = readSchema(t, admin)
	w.root = w.lab.CreateOU(t, "acl")
	w.tag = strings.TrimPrefix(w.root[:strings.IndexByte(w.root, ',')], "OU=acl")

	conditional, err := sddl.ParseACEText("(XA;;RP;;;WD;(@USER.department == \"sales\"))", sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	w.condition = conditional.Data

	var ask request
	ask.Passwords = map[string]string{}
	add := func(parent, rdn string, class ...string) string {
		dn := rdn + "," + parent
		ask.Add = append(ask.Add, entry{dn, map[string][]string{"objectClass": class}})
		return dn
	}
	set := func(attr string, values ...string) { ask.Add[len(ask.Add)-1].Attrs[attr] = values }
	people := add(w.root, "OU=People", "organizationalUnit")
	var ous []string
	for i := range 3 {
		dn := w.root
		for depth := range 3 {
			dn = add(dn, fmt.Sprintf("OU=%d%d", i, depth), "organizationalUnit")
			set("description", "an OU")
			ous = append(ous, dn)
		}
	}
	principal := func(parent string, n int, class ...string) string {
		name := fmt.Sprintf("%s%02d", w.tag, n)
		dn := add(parent, "CN="+name, class...)
		set("sAMAccountName", name)
		return dn
	}
	var askers, groups []string
	for n := range 32 {
		parent := people
		if n%4 == 0 { // PRINCIPAL SELF is somebody
			parent = ous[n/4]
		}
		dn := principal(parent, n, "user")
		ask.Passwords[dn] = password
		askers = append(askers, dn)
	}
	for n := range 8 {
		groups = append(groups, principal(people, 50+n, "group"))
	}
	for n, dn := range groups {
		m := membership{DN: dn}
		for _, asker := range askers {
			if w.IntN(5) == 0 {
				m.Member = append(m.Member, asker)
			}
		}
		if n+1 < len(groups) && n%3 != 2 { // groups in groups, three deep
			m.Member = append(m.Member, groups[n+1])
		}
		ask.Members = append(ask.Members, m)
	}
	n := 60
	for i, parent := range ous {
		fill := func(attrs ...string) {
			set("displayName", "somebody")
			set("description", "something")
			for _, a := range attrs {
				set(a, "12")
			}
		}
		for _, class := range [][]string{{"user"}, {"inetOrgPerson"}, {"group"}, {"computer"}, {"contact"}, {"msDS-GroupManagedServiceAccount"}, {"container"}} {
			if (n+i)%3 != 0 && class[0] != "contact" {
				n++
				continue
			}
			n++
			switch class[0] {
			case "contact":
				add(add(parent, "OU=tree", "organizationalUnit"), "CN=leaf", "contact")
				add(parent, fmt.Sprintf("CN=x%d", n), class...)
				fill("telephoneNumber", "mail", "info", "homePhone")
			case "container":
				add(parent, fmt.Sprintf("CN=y%d", n), class...)
				set("description", "something")
			case "group":
				principal(parent, n, class...)
				fill("mail", "info", "wWWHomePage")
			case "msDS-GroupManagedServiceAccount":
				principal(parent, n, class...)
				set("dNSHostName", fmt.Sprintf("g%d.%s", n, w.lab.Domain))
				set("sAMAccountName", fmt.Sprintf("%s%02d$", w.tag, n))
				set("msDS-ManagedPasswordInterval", "30")
				set("userAccountControl", "4096")
				fill()
			case "computer":
				principal(parent, n, class...)
				set("sAMAccountName", fmt.Sprintf("%s%02d$", w.tag, n))
				set("userAccountControl", "4096")
				fill("msTPM-OwnerInformation", "location")
			default:
				principal(parent, n, class...)
				fill("telephoneNumber", "mail", "info", "homePhone", "unixUserPassword", "streetAddress")
			}
		}
	}
	w.direct(t, ask)

	for _, dn := range askers {
		name, _, _ := strings.Cut(strings.TrimPrefix(dn, "CN="), ",")
		account, err := directory.FindAccount(t.Context(), admin, w.schema.domain, name)
		if err == nil {
			err = account.LoadToken(t.Context(), admin, w.schema.domain)
		}
		if err != nil || account.Unseen != "" {
			t.Fatalf("%s: %v %s", dn, err, account.Unseen)
		}
		a := &asker{dn: account.DN, token: acl.Token{Account: account.SID, Complete: true, SIDs: map[sddl.SID]acl.Via{}}}
		for _, sid := range account.WellKnown {
			a.token.SIDs[sid] = acl.WellKnown
		}
		for _, sid := range account.Groups {
			a.token.SIDs[sid] = acl.Group
		}
		a.token.SIDs[account.SID] = acl.Own
		w.asker = append(w.asker, a)
	}
	for _, dn := range groups {
		e, err := directory.Collect(admin.Read(t.Context(), directory.Query{Base: dn, Attrs: []string{"objectSid"}}))
		if err != nil {
			t.Fatal(err)
		}
		sid, err := sddl.ParseSIDBytes(e[0].Value("objectSid"))
		if err != nil {
			t.Fatal(err)
		}
		w.groups = append(w.groups, sid)
	}
	for _, a := range w.asker {
		name, _, _ := strings.Cut(strings.TrimPrefix(a.dn, "CN="), ",")
		a.s = dial(t, w.lab.DC, name, []byte(password))
	}
	return w
}

func pick[T any](w *world, list ...T) T { return list[w.IntN(len(list))] }

var (
	domainAdmins = uint32(512)
)

// sidOf reads a SID that is known to be one.
func sidOf(t testing.TB, text string) sddl.SID {
	t.Helper()
	sid, err := sddl.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

// ace is a random entry, of a kind that means something for objects of these classes.
func (w *world) ace(t testing.TB) sddl.ACE {
	bits := []sddl.Mask{sddl.ReadProperty, sddl.ReadProperty, sddl.WriteProperty, sddl.WriteProperty, sddl.ControlAccess, sddl.CreateChild, sddl.CreateChild,
		sddl.DeleteChild, sddl.WriteSelf, sddl.ReadControl, sddl.WriteDACL, sddl.WriteOwner, sddl.Delete, sddl.DeleteTree, sddl.ListContents, sddl.ListObject}
	mask, more := pick(w, bits...), pick(w, bits...)
	mask |= more
	switch w.IntN(12) {
	case 0:
		mask = pick(w, sddl.GenericAll, sddl.GenericRead, sddl.GenericWrite, sddl.GenericExecute, sddl.FullControl, 0x10ffffff)
	case 1:
		mask = sddl.ReadProperty | sddl.WriteProperty
	}
	sid := pick(w, w.groups...)
	switch w.IntN(10) {
	case 0, 1, 2:
		sid = pick(w, w.asker...).token.Account
	case 3:
		sid = sidOf(t, pick(w, "S-1-1-0", "S-1-5-11", "S-1-5-2", "S-1-5-32-545"))
	case 4:
		sid = sidOf(t, pick(w, "S-1-5-10", "S-1-3-0", "S-1-3-1", "S-1-3-4", "S-1-5-32-554"))
	}
	var object, class sddl.GUID
	switch {
	case w.IntN(8) == 0: // what belongs together
		one := pick(w, struct {
			mask sddl.Mask
			name string
		}{sddl.WriteSelf, "Self-Membership"}, struct {
			mask sddl.Mask
			name string
		}{sddl.ControlAccess, "User-Force-Change-Password"}, struct {
			mask sddl.Mask
			name string
		}{sddl.CreateChild | sddl.DeleteChild, "contact"})
		mask, object = one.mask, w.guidOf(t, one.name)
	case w.IntN(2) == 0:
		object = w.guidOf(t, pick(w,
			"description", "displayName", "telephoneNumber", "mail", "info", "homePhone", "member", "unixUserPassword", "location", "nTSecurityDescriptor",
			"Personal-Information", "Public-Information", "General-Information", "Web-Information", "Membership", "DNS-Host-Name-Attributes",
			"user", "group", "contact", "computer", "organizationalUnit", "inetOrgPerson",
			"User-Force-Change-Password", "Self-Membership", "Validated-SPN", "DS-Replication-Get-Changes"))
	}
	if w.IntN(4) == 0 {
		class = w.guidOf(t, pick(w, "user", "group", "contact", "computer", "organizationalUnit", "msDS-GroupManagedServiceAccount"))
	}
	const ci, oi, io, np = sddl.ContainerInherit, sddl.ObjectInherit, sddl.InheritOnly, sddl.NoPropagate
	flags := pick(w, 0, 0, 0, ci, ci, ci, ci|io, ci|io, ci|np, ci|io|np, oi, oi|ci, oi|io, oi|ci|np)
	kind := sddl.Allow
	if w.IntN(4) == 0 {
		kind = sddl.Deny
	}
	a := sddl.ObjectACE(kind, flags, mask, object, class, sid)
	if w.IntN(30) == 0 {
		a.Type = map[sddl.ACEType]sddl.ACEType{sddl.Allow: sddl.AllowCallback, sddl.Deny: sddl.DenyCallback,
			sddl.AllowObject: sddl.AllowCallbackObject, sddl.DenyObject: sddl.DenyCallbackObject}[a.Type]
		a.Data = w.condition
	}
	return a
}

// descriptor is a random one: denies anywhere, sometimes protected, sometimes owned by one of the accounts.
func (w *world) descriptor(t testing.TB, class string) *sddl.Descriptor {
	admins := w.schema.domain.SID.WithRID(domainAdmins)
	d := &sddl.Descriptor{Control: sddl.SelfRelative | sddl.DACLPresent, Owner: admins, Group: admins, DACL: &sddl.ACL{Revision: 4}}
	switch w.IntN(8) {
	case 0:
		d.Owner = pick(w, w.asker...).token.Account
	case 1:
		d.Owner = pick(w, w.groups...)
	}
	if w.IntN(4) == 0 {
		d.Control |= sddl.DACLProtected
	}
	for range 4 + w.IntN(14) {
		a := w.ace(t)
		d.DACL.ACEs = append(d.DACL.ACEs, a)
		if w.IntN(10) == 0 { // again, or a part of it
			a.Mask = pick(w, a.Mask, a.Mask&(a.Mask-1), a.Mask)
			d.DACL.ACEs = append(d.DACL.ACEs, a)
		}
	}
	first := func(kind sddl.ACEType, mask sddl.Mask, object string, class sddl.GUID, sid sddl.SID) {
		var g sddl.GUID
		if object != "" {
			g = w.guidOf(t, object)
		}
		d.DACL.ACEs = slices.Insert(d.DACL.ACEs, w.IntN(2), sddl.ObjectACE(kind, 0, mask, g, class, sid))
	}
	users, some := sidOf(t, "S-1-5-11"), pick(w, w.groups...)
	switch w.IntN(8) { // whether what is below is visible
	case 0:
	case 1:
		d.Control |= sddl.DACLProtected
		first(sddl.Allow, sddl.ListContents, "", w.guidOf(t, class), users) // to Samba it is not
	default:
		first(sddl.Allow, sddl.ListContents, "", sddl.GUID{}, users)
	}
	if w.IntN(8) == 0 {
		d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, sddl.ObjectACE(sddl.Deny, 0, sddl.WriteDACL, w.guidOf(t, "description"), sddl.GUID{}, users),
			sddl.ObjectACE(sddl.Allow, 0, sddl.WriteDACL, sddl.GUID{}, sddl.GUID{}, some))
	}
	if w.IntN(8) == 0 {
		first(sddl.Allow, sddl.ReadControl|sddl.WriteDACL|sddl.WriteOwner, "nTSecurityDescriptor", sddl.GUID{}, some)
	}
	if w.IntN(2) == 0 {
		switch class {
		case "group":
			first(sddl.Allow, sddl.WriteSelf, "Self-Membership", sddl.GUID{}, users)
		case "user", "inetOrgPerson":
			first(sddl.Allow, sddl.ControlAccess, "User-Force-Change-Password", sddl.GUID{}, some)
		case "organizationalUnit":
			first(sddl.Allow, sddl.DeleteTree, "", sddl.GUID{}, some)
		}
	}
	return d
}

// scatter writes random descriptors below the root, and reads what is then stored.
func (w *world) scatter(t testing.TB) {
	t.Helper()
	w.direct(t, request{Base: w.root})
	ask := request{Base: w.root}
	for _, o := range w.below() {
		if strings.Contains(o.dn, "OU=People,") {
			continue
		}
		d := w.descriptor(t, o.class.Name)
		raw, err := d.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.wrote[directory.DNKey(o.dn)] = d
		ask.Descriptors = append(ask.Descriptors, written{o.dn, raw})
	}
	w.direct(t, ask)
}

// below are the objects below the root, parents first.
func (w *world) below() []*stored {
	var list []*stored
	for _, o := range w.stored {
		if !directory.SameDN(o.dn, w.root) && !strings.HasPrefix(o.dn, "OU=People,") {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *stored) int {
		if n := directory.DepthDN(a.dn) - directory.DepthDN(b.dn); n != 0 {
			return n
		}
		return strings.Compare(a.dn, b.dn)
	})
	return list
}

func (w *world) parent(o *stored) *stored { return w.stored[directory.DNKey(directory.ParentDN(o.dn))] }

// question is one thing that an account may or may not do to an object.
type question struct {
	what  string
	on    *stored
	by    *asker
	right acl.Right
}

func (q question) String() string {
	return fmt.Sprintf("%s on %s (%s) by %s", q.what, q.on.dn, q.on.class.Name, q.by.dn)
}

// ask is our answer. certain is false where it depends on what is not evaluated.
func (q question) ask(aces []sddl.ACE, right acl.Right) (may, certain bool) {
	dacl := &sddl.ACL{Revision: 4, ACEs: aces}
	d := acl.Check(dacl, q.on.d.Owner, q.by.token, q.on.sid, q.on.class, right)
	return d.Effect == acl.Granted, d.Effect != acl.Unknown && d.Effect != acl.Conditional
}

// deviation is a rule by which Samba decides otherwise than the specification: what it
// makes of the entries, for one question.
type deviation struct {
	name, why string
	sees      func(q question, a sddl.ACE) (sddl.ACE, bool) // the entry as Samba reads it; false: not at all
}

// classless is an entry without its class.
func classless(a sddl.ACE) sddl.ACE {
	a.ObjectFlags, a.InheritedObjectType = a.ObjectFlags&^sddl.InheritedObjectTypePresent, sddl.GUID{}
	if a.ObjectFlags == 0 {
		for plain, object := range withGUIDs {
			if a.Type == object {
				a.Type = plain
			}
		}
	}
	return a
}

// withGUIDs are the types of entries that say the same with GUIDs.
var withGUIDs = map[sddl.ACEType]sddl.ACEType{sddl.Allow: sddl.AllowObject, sddl.Deny: sddl.DenyObject,
	sddl.AllowCallback: sddl.AllowCallbackObject, sddl.DenyCallback: sddl.DenyCallbackObject}

const wholeObject = sddl.ReadControl | sddl.WriteDACL | sddl.WriteOwner | sddl.Delete | sddl.DeleteTree | sddl.ListContents

var deviations = []deviation{
	{"OWNER RIGHTS is nobody", "the check for directory objects does not look for S-1-3-4, neither to grant nor to take away",
		func(q question, a sddl.ACE) (sddl.ACE, bool) { return a, a.SID.String() != "S-1-3-4" }},
	{"a part of the object is not looked at for the whole", "its object tree has one path, to the attribute or class that is asked for: a deny elsewhere is not seen",
		func(q question, a sddl.ACE) (sddl.ACE, bool) {
			return a, q.right.Mask&^wholeObject != 0 || !a.HasObjectType() || a.ObjectType == q.on.class.GUID
		}},
	{"nTSecurityDescriptor stands for the object", "rights to the descriptor are checked as if they were to this attribute",
		func(q question, a sddl.ACE) (sddl.ACE, bool) {
			if a.ObjectType.String() == "bf9679e3-0de6-11d0-a285-00aa003049e2" && q.right.Mask&^(sddl.ReadControl|sddl.WriteDACL|sddl.WriteOwner) == 0 {
				a.ObjectFlags, a.ObjectType = a.ObjectFlags&^sddl.ObjectTypePresent, sddl.GUID{}
			}
			return a, true
		}},
	{"control access grants the rest at once", "an object ACE that allows it, on the path to what is asked for, ends the check whatever was asked for",
		func(q question, a sddl.ACE) (sddl.ACE, bool) {
			if a.Type == sddl.AllowObject && a.Mask&sddl.ControlAccess != 0 && q.right.Mask != sddl.ListContents {
				a.Mask = sddl.FullControl
			}
			return a, true
		}},
	{"visibility counts no object ACE", "the parent is asked without an object tree, and object ACEs are then passed over",
		func(q question, a sddl.ACE) (sddl.ACE, bool) {
			return a, q.right.Mask != sddl.ListContents || !a.Type.IsObject()
		}},
}

// reasons are the deviations that make our answer the server's: none, one, or two.
func (q question) reasons(server bool) (list []string, explained bool) {
	if ours, _ := q.ask(q.on.d.DACL.ACEs, q.right); ours == server {
		return nil, true
	}
	see := func(rules ...deviation) bool {
		var aces []sddl.ACE
		for _, a := range q.on.d.DACL.ACEs {
			seen := true
			for _, d := range rules {
				if seen {
					a, seen = d.sees(q, a)
				}
			}
			if seen {
				aces = append(aces, a)
			}
		}
		may, _ := q.ask(aces, q.right)
		return may == server
	}
	for _, a := range deviations {
		if see(a) {
			return []string{a.name}, true
		}
	}
	for i, a := range deviations {
		for _, b := range deviations[:i] {
			if see(b, a) {
				return []string{a.name, b.name}, true
			}
		}
	}
	return nil, false
}

// explain counts what makes our answer the server's. Where nothing does, ours is wrong.
func (w *world) explain(t testing.TB, q question, server bool) {
	t.Helper()
	if _, certain := q.ask(q.on.d.DACL.ACEs, q.right); !certain {
		w.named[unevaluated]++ // either answer is as we say
		return
	}
	reasons, explained := q.reasons(server)
	for _, name := range reasons {
		w.named[name]++
	}
	if explained {
		return
	}
	var matter []string
	for _, a := range q.on.d.DACL.ACEs {
		if !a.Flags.Has(sddl.InheritOnly) && (q.by.token.Via(a.SID) != acl.NotHeld || len(a.SID.String()) <= len("S-1-5-10")) {
			matter = append(matter, a.String())
		}
	}
	t.Errorf("%v: the server says %v; owner %v, self %v, entries for the account and for special SIDs: %v", q, server, q.on.d.Owner, q.on.sid, matter)
}

var everything = []string{"*", "nTSecurityDescriptor", "allowedAttributes", "allowedAttributesEffective", "allowedChildClasses", "allowedChildClassesEffective", "sDRightsEffective"}

// sdFlags asks for, or writes, these parts of a descriptor. [MS-ADTS] 3.1.1.3.4.1.11.
func sdFlags(parts byte) ldap.Control {
	return ldap.NewControlString("1.2.840.113556.1.4.801", true, string([]byte{0x30, 3, 2, 1, parts}))
}

// look reads an object as the asker; nil where it is not visible.
func (a *asker) look(t testing.TB, dn string, attrs ...string) *ldap.Entry {
	t.Helper()
	r, err := a.s.LDAP().Search(&ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: attrs,
		Controls: []ldap.Control{sdFlags(7)}})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) || err == nil && len(r.Entries) == 0 {
		return nil
	}
	if err != nil {
		t.Fatalf("%s as %s: %v", dn, a.dn, err)
	}
	return r.Entries[0]
}

func has(e *ldap.Entry, attr string) bool {
	return slices.ContainsFunc(e.Attributes, func(a *ldap.EntryAttribute) bool { return strings.EqualFold(a.Name, attr) })
}

// secrets are never shown to anybody. [MS-ADTS] 3.1.1.4.4
var secrets = []string{"unicodePwd", "ntPwdHistory", "dBCSPwd", "lmPwdHistory", "supplementalCredentials", "msDS-ManagedPasswordId", "msDS-ManagedPasswordPreviousId"}

// attributeRight is a right to an attribute by its name.
func (w *world) attributeRight(t testing.TB, mask sddl.Mask, name string) acl.Right {
	return acl.Right{Mask: mask, Object: w.guidOf(t, name), Kind: acl.Attribute}
}

// reads compares what the server shows and says, of every object to every account.
func (w *world) reads(t *testing.T) {
	const ownerAndGroup, discretionary = 1 | 2, 4
	objects, attributes, answers, shown := 0, 0, 0, 0
	for _, a := range w.asker {
		for _, o := range w.below() {
			if w.IntN(3) > 0 {
				continue
			}
			e := a.look(t, o.dn, everything...)
			w.explain(t, question{"list " + o.dn, w.parent(o), a, acl.Right{Mask: sddl.ListContents}}, e != nil)
			objects++
			if e == nil {
				continue
			}
			effective := e.GetAttributeValues("allowedAttributesEffective")
			slices.Sort(effective)
			all := e.GetAttributeValues("allowedAttributes")
			if len(all) != len(o.class.Attributes) {
				t.Errorf("%s may have %d attributes, not %d", o.dn, len(all), len(o.class.Attributes))
			}
			for _, name := range all {
				if !w.schema.fixed[name] {
					_, may := slices.BinarySearch(effective, name)
					w.explain(t, question{"allowed to write " + name, o, a, w.attributeRight(t, sddl.WriteProperty, name)}, may)
					answers++
				}
			}
			effective = e.GetAttributeValues("allowedChildClassesEffective")
			for _, name := range e.GetAttributeValues("allowedChildClasses") {
				right := acl.Right{Mask: sddl.CreateChild, Object: w.guidOf(t, name), Kind: acl.ChildClass}
				w.explain(t, question{"allowed to create " + name, o, a, right}, slices.Contains(effective, name))
				answers++
			}
			if rights := e.GetAttributeValue("sDRightsEffective"); rights == "" {
				if !slices.Contains(o.classes, "computer") {
					t.Errorf("%s: no sDRightsEffective", o.dn)
				}
				w.named[silentOnComputers]++
			} else {
				var parts int
				fmt.Sscan(rights, &parts)
				w.explain(t, question{"said to write the owner", o, a, acl.Right{Mask: sddl.WriteOwner}}, parts&ownerAndGroup != 0)
				w.explain(t, question{"said to write the DACL", o, a, acl.Right{Mask: sddl.WriteDACL}}, parts&discretionary != 0)
				answers += 2
			}
			w.explain(t, question{"read the descriptor", o, a, acl.Right{Mask: sddl.ReadControl}}, has(e, "nTSecurityDescriptor"))
			for _, name := range o.attributes {
				if slices.Contains(secrets, name) || name == "nTSecurityDescriptor" {
					continue
				}
				mask := sddl.ReadProperty
				if w.schema.Attribute(name).Confidential() {
					mask |= sddl.ControlAccess
				}
				attributes++
				seen := has(e, name)
				if seen {
					shown++
				}
				w.explain(t, question{"read " + name, o, a, w.attributeRight(t, mask, name)}, seen)
			}
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d answers of the server about %d objects, %d attributes read, %d of them seen", answers, objects, attributes, shown)
}

// done says whether an operation took place or was denied; anything else is a fault of the test.
func done(t *testing.T, q question, err error) bool {
	t.Helper()
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("%v: %v", q, err)
	}
	return err == nil
}

// tried counts operations: those that took place, and those that were denied.
type tried struct{ done, denied int }

func (n *tried) add(took bool) bool {
	if took {
		n.done++
	} else {
		n.denied++
	}
	return took
}

// writes really writes attributes, the DACL, the own membership and passwords.
func (w *world) writes(t *testing.T) {
	attributes := []string{"description", "displayName", "adminDescription", "wWWHomePage", "telephoneNumber", "info", "homePhone", "mail", "location", "unixUserPassword"}
	count := map[string]*tried{"attributes": {}, "DACLs": {}, "own membership": {}, "passwords": {}}
	var objects []*stored
	for _, o := range w.below() {
		if !w.isAsker(o.dn) {
			objects = append(objects, o)
		}
	}
	try := func(kind string, q question, err error) bool {
		took := count[kind].add(done(t, q, err))
		w.explain(t, q, took)
		return took
	}
	for _, a := range w.asker {
		for _, o := range objects {
			if w.IntN(3) > 0 {
				continue
			}
			modify := func(attr string, values []string, controls ...ldap.Control) error {
				m := ldap.NewModifyRequest(o.dn, controls)
				m.Replace(attr, values)
				return a.s.LDAP().Modify(m)
			}
			if name := pick(w, attributes...); o.may(w, name) {
				try("attributes", question{"write " + name, o, a, w.attributeRight(t, sddl.WriteProperty, name)}, modify(name, []string{"34"}))
			}
			if w.IntN(4) == 0 {
				raw, err := o.d.DACLOnly().Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				try("DACLs", question{"write the DACL", o, a, acl.Right{Mask: sddl.WriteDACL}}, modify("nTSecurityDescriptor", []string{string(raw)}, sdFlags(4)))
			}
			if o.class.Name == "group" {
				q := question{"become a member", o, a, w.attributeRight(t, sddl.WriteProperty, "member")}
				if may, _ := q.ask(o.d.DACL.ACEs, q.right); !may { // then the validated write decides
					q.right = acl.Right{Mask: sddl.WriteSelf, Object: w.guidOf(t, "Self-Membership"), Kind: acl.ValidatedWrite}
				}
				m := ldap.NewModifyRequest(o.dn, nil)
				m.Add("member", []string{a.dn})
				if try("own membership", q, a.s.LDAP().Modify(m)) {
					m = ldap.NewModifyRequest(o.dn, nil)
					m.Delete("member", []string{a.dn})
					err := a.s.LDAP().Modify(m)
					if q.right.Mask == sddl.WriteSelf && !done(t, q, err) {
						w.named[addsOnly]++
						continue
					}
					q.what = "leave"
					try("own membership", q, err)
				}
			}
			if o.class.Name == "user" || o.class.Name == "inetOrgPerson" {
				right := acl.Right{Mask: sddl.ControlAccess, Object: w.guidOf(t, "User-Force-Change-Password"), Kind: acl.ExtendedRight}
				try("passwords", question{"reset the password", o, a, right}, modify("unicodePwd", []string{utf16(fmt.Sprintf("%q", password))}))
			}
		}
	}
	for kind, n := range count {
		t.Logf("%s: %d written, %d denied", kind, n.done, n.denied)
		if n.done < 5 || n.denied < 5 {
			t.Errorf("%s: too few to mean anything", kind)
		}
	}
}

func utf16(s string) string {
	var b []byte
	for _, c := range []byte(s) {
		b = append(b, c, 0)
	}
	return string(b)
}

func (w *world) isAsker(dn string) bool {
	return slices.ContainsFunc(w.asker, func(a *asker) bool { return directory.SameDN(a.dn, dn) })
}

// may says whether the object may have the attribute.
func (o *stored) may(w *world, attr string) bool {
	_, ok := o.class.Attributes[w.schema.Attribute(attr).GUID]
	return ok
}

// creates really creates objects, and compares what they get with NewObject.
func (w *world) creates(t *testing.T) {
	var n tried
	var made []string
	classes := []string{"contact", "group", "organizationalUnit", "user", "inetOrgPerson", "container", "computer"}
	for _, a := range w.asker {
		for _, parent := range w.below() {
			if parent.class.Name != "organizationalUnit" || w.IntN(2) == 0 {
				continue
			}
			// One that we think may be created, and one that may not.
			var tryThese [2]string
			for _, i := range w.Perm(len(classes)) {
				right := acl.Right{Mask: sddl.CreateChild, Object: w.guidOf(t, classes[i]), Kind: acl.ChildClass}
				if may, _ := (question{"", parent, a, right}).ask(parent.d.DACL.ACEs, right); may {
					tryThese[0] = classes[i]
				} else {
					tryThese[1] = classes[i]
				}
			}
			for _, class := range tryThese {
				if class == "" {
					continue
				}
				dn := fmt.Sprintf("CN=new%d,%s", n.done+n.denied, parent.dn)
				add := ldap.NewAddRequest(dn, nil)
				if class == "organizationalUnit" {
					add.DN = "OU" + dn[2:]
				}
				add.Attribute("objectClass", []string{class})
				q := question{"create " + class, parent, a, acl.Right{Mask: sddl.CreateChild, Object: w.guidOf(t, class), Kind: acl.ChildClass}}
				took := n.add(done(t, q, a.s.LDAP().Add(add)))
				w.explain(t, q, took)
				if took {
					made = append(made, add.DN)
				}
			}
		}
	}
	t.Logf("%d created, %d denied", n.done, n.denied)
	if n.done < 20 || n.denied < 20 {
		t.Error("too few to mean anything")
	}
	before := w.stored
	w.direct(t, request{Base: w.root})
	for _, dn := range made {
		o := w.stored[directory.DNKey(dn)]
		want := acl.NewObject(before[directory.DNKey(directory.ParentDN(dn))].d.DACL, o.class, o.d.Owner, o.d.Group)
		w.named.same(t, "new "+o.class.Name+" "+dn, o.d.DACL.ACEs, want.ACEs)
	}
}

// deletes really deletes objects, leaves and trees.
func (w *world) deletes(t *testing.T) {
	count := map[string]*tried{"objects": {}, "trees": {}}
	const treeDelete = "1.2.840.113556.1.4.805"
	list := w.below()
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b *stored) int { // while there still is something in them
		first := func(o *stored) int {
			if strings.HasPrefix(o.dn, "OU=tree,") {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	for _, o := range list {
		if w.isAsker(o.dn) || w.stored[directory.DNKey(o.dn)] == nil {
			continue
		}
		tree := slices.ContainsFunc(list, func(c *stored) bool {
			return c != o && directory.IsBelow(c.dn, o.dn) && w.stored[directory.DNKey(c.dn)] != nil
		})
		if tree && slices.ContainsFunc(w.asker, func(a *asker) bool { return directory.IsBelow(a.dn, o.dn) }) {
			continue
		}
		var no, yes *asker
		self, child := acl.Right{Mask: sddl.Delete}, acl.Right{Mask: sddl.DeleteChild, Object: o.class.GUID, Kind: acl.ChildClass}
		if tree {
			self.Mask = sddl.DeleteTree
		}
		for _, i := range w.Perm(len(w.asker)) {
			a := w.asker[i]
			may, _ := question{on: o, by: a}.ask(o.d.DACL.ACEs, self)
			if !may && !tree {
				may, _ = question{on: w.parent(o), by: a}.ask(w.parent(o).d.DACL.ACEs, child)
			}
			if may {
				yes = a
			} else {
				no = a
			}
		}
		for _, a := range []*asker{no, yes} {
			if a == nil {
				continue
			}
			del := ldap.NewDelRequest(o.dn, nil)
			kind := "objects"
			if tree {
				kind = "trees"
				del.Controls = []ldap.Control{ldap.NewControlString(treeDelete, true, "")}
			}
			q := question{"delete", o, a, self}
			took := count[kind].add(done(t, q, a.s.LDAP().Del(del)))
			// Either right suffices: if we find one, that one has to explain it.
			if may, _ := q.ask(o.d.DACL.ACEs, self); !tree && may != took {
				if alone, _ := (question{"", w.parent(o), a, child}).ask(w.parent(o).d.DACL.ACEs, child); alone || took && explained(question{"", w.parent(o), a, child}.reasons(true)) {
					q = question{"delete in it " + o.dn, w.parent(o), a, child}
				}
			}
			w.explain(t, q, took)
			if took {
				for key, c := range w.stored {
					if directory.IsBelow(c.dn, o.dn) || c == o {
						delete(w.stored, key)
					}
				}
				break
			}
		}
	}
	for kind, n := range count {
		t.Logf("%s: %d deleted, %d denied", kind, n.done, n.denied)
		if n.done < 3 || n.denied < 3 {
			t.Errorf("%s: too few to mean anything", kind)
		}
	}
}

func explained(_ []string, ok bool) bool { return ok }

// Where Samba differs in what it stores, says and does.
const (
	keepsDuplicates   = "an inherited entry stays though one before it says as much"
	keepsBits         = "bits that mean nothing stay in what generic rights are mapped to"
	idleFirst         = "of an explicit entry in two halves the idle one comes first"
	keepsClass        = "the other half of an explicit entry keeps its class"
	silentOnComputers = "of computers it does not say sDRightsEffective"
	unevaluated       = "(no deviation: a condition, which decides, is not evaluated here)"
	addsOnly          = "who may only add itself to a group may not remove itself"
	losesFlags        = "an explicit entry for leaves that is mapped in place loses its flags"
)

// met is how often each of Samba's deviations was met.
type met map[string]int

// same compares the entries that the server made with ours.
func (m met) same(t testing.TB, what string, got, want []sddl.ACE) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	var left []sddl.ACE
	for _, x := range got {
		if bits := x.Mask & sddl.FullControl; bits != x.Mask && !x.Flags.Has(sddl.InheritOnly) && !slices.Contains(want, x) {
			x.Mask = bits
			m[keepsBits]++
		}
		if superfluous(x, left) {
			m[keepsDuplicates]++
			continue
		}
		left = append(left, x)
	}
	for i, x := range left {
		leafy := x
		leafy.Flags |= sddl.ObjectInherit
		switch plain := classless(x); {
		case x.IsInherited() || x.Flags.Has(sddl.InheritOnly) || slices.Contains(want, x):
		case slices.Contains(want, leafy):
			left[i] = leafy
			m[losesFlags]++
		case slices.Contains(want, plain):
			left[i] = plain
			m[keepsClass]++
		}
	}
	for i := 0; i+1 < len(left) && i+1 < len(want); i++ {
		if left[i] == want[i+1] && left[i+1] == want[i] && left[i].Flags.Has(sddl.InheritOnly) && !left[i].IsInherited() && left[i] != want[i] {
			left[i], left[i+1] = left[i+1], left[i]
			m[idleFirst]++
		}
	}
	if !slices.Equal(left, want) {
		lost, more := sddl.DiffACEs(want, left)
		t.Errorf("%s: lacks %v, has %v, of %v", what, lost, more, got)
	}
}

// superfluous says whether Windows would have left out an inherited entry for one before it.
func superfluous(x sddl.ACE, before []sddl.ACE) bool {
	return x.IsInherited() && slices.ContainsFunc(before, func(y sddl.ACE) bool {
		if !y.IsInherited() {
			return false
		}
		return x == y || (x.Flags|y.Flags)&sddl.InheritOnly == 0 && x.Type == y.Type && x.SID == y.SID &&
			x.ObjectFlags&sddl.ObjectTypePresent == y.ObjectFlags&sddl.ObjectTypePresent && x.ObjectType == y.ObjectType &&
			x.Mask&^y.Mask == 0 && x.Flags&^y.Flags == 0 &&
			(!x.HasInheritedObjectType() || y.HasInheritedObjectType() && x.InheritedObjectType == y.InheritedObjectType)
	})
}

// inheritance compares what every object has with what was written to it and what it inherits.
func (w *world) inheritance(t *testing.T) {
	entries := 0
	for _, o := range w.below() {
		var want []sddl.ACE
		if !o.d.Control.Has(sddl.DACLProtected) {
			want = acl.Inherit(w.parent(o).d.DACL.ACEs, []sddl.GUID{o.class.GUID}, o.d.Owner, o.d.Group)
		}
		w.named.same(t, o.class.Name+" "+o.dn, o.d.DACL.Inherited(), want)
		entries += len(want)
		if wrote := w.wrote[directory.DNKey(o.dn)]; wrote != nil {
			if o.d.Control&sddl.DACLProtected != wrote.Control&sddl.DACLProtected {
				t.Errorf("%s: control %v, wrote %v", o.dn, o.d.Control, wrote.Control)
			}
			own := acl.NewObject(nil, &acl.Class{Default: wrote}, o.d.Owner, o.d.Group).ACEs
			w.named.same(t, "what was written to "+o.dn, o.d.DACL.Explicit(), own)
			entries += len(own)
		}
	}
	t.Logf("%d entries of %d objects", entries, len(w.below()))
}

// What the domain controller stores, says and does is what this package says it is: the
// entries of every object, the answers of its constructed attributes, and really reading,
// writing, creating and deleting, by accounts that are bound. Where Samba decides otherwise
// than the specification, that is one of the rules named here, and each of them was met.
func TestLabAgreesWithTheServer(t *testing.T) {
	seed := uint64(1)
	fmt.Sscan(os.Getenv("GMSACTL_SEED"), &seed)
	w := newWorld(t, seed)
	w.scatter(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{{"inheritance", w.inheritance}, {"reads", w.reads}, {"writes", w.writes}, {"creates", w.creates}, {"deletes", w.deletes}} {
		t.Run(part.name, part.run)
	}
	names := []string{keepsDuplicates, keepsBits, idleFirst, keepsClass, losesFlags, silentOnComputers, addsOnly, unevaluated}
	for _, d := range deviations {
		names = append(names, d.name)
	}
	for _, name := range names {
		t.Logf("%5d: %s", w.named[name], name)
		if w.named[name] == 0 {
			t.Errorf("Samba did not deviate: %s", name)
		}
	}
	if t.Failed() {
		t.Logf("GMSACTL_SEED=%d", seed)
	}
}
