package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Evaluate judges a snapshot by policies. Errors are about the policies: a name that the
// schema lacks.
func Evaluate(s *Snapshot, policies []*policy.Policy, accept Accept) (*Report, error) {
	j, err := NewJudge(s, policies, accept)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Format: 1, Kind: "AuditReport", Accept: accept,
		Domain:  Domain{DNS: s.Domain.DNS, DN: s.Domain.DN, SID: s.Domain.SID.String(), DC: s.Domain.Host},
		Account: describeAccount(s),
	}
	for _, p := range policies {
		r.Policies = append(r.Policies, describePolicy(p))
	}
	for _, t := range s.Targets {
		target := Target{DN: t.DN, Unreadable: t.Unreadable}
		if c := s.Schema.StructuralClass(t.Classes); c != nil {
			target.Class = c.Name
		}
		target.Rows = j.rows(t)
		r.Targets = append(r.Targets, target)
	}
	r.Targets = append(r.Targets, j.Unseen()...)
	r.count()
	if !s.Account.IsGMSA() {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is not a group managed service account.", s.Account.Qualified()))
	}
	if s.Account.Unseen != "" {
		r.Notes = append(r.Notes, fmt.Sprintf("Not readable: %s; what depends on it is unknown.", s.Account.Unseen))
	}
	if s.Domain.ReadOnly {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is a read-only domain controller: an attribute that is kept from it looks as if it had no value, and changes go to a writable one.", s.Domain.Host))
	}
	if slices.ContainsFunc(j.Requirements, func(req Requirement) bool {
		return slices.ContainsFunc(req.Asked(), func(one acl.Requirement) bool {
			return one.Right.Object.IsZero() && one.Right.Mask&(sddl.ReadProperty|sddl.ControlAccess) == sddl.ReadProperty
		})
	}) {
		r.Notes = append(r.Notes, "Reading all properties does not include confidential attributes, which take the right of control access too.")
	}
	r.Notes = append(r.Notes, NotSwept)
	return r, nil
}

func describePolicy(p *policy.Policy) Policy {
	sum := sha256.Sum256(p.Text)
	return Policy{Name: p.Name, Title: p.Title, Source: p.Source, SHA256: hex.EncodeToString(sum[:]), Notes: p.Notes, Parameters: p.Values}
}

// NotSwept is the note of an audit that has not looked at the objects below its targets.
const NotSwept = "Effect is judged on each target and on new objects below it; objects below that block inheritance, or that AdminSDHolder protects, were not read."

func (c *Summary) add(row Row) {
	c.Rows++
	switch row.Result() {
	case "pass":
		c.Pass++
	case "unknown":
		c.Unknown++
	case NotApplicable:
		c.NotApplicable++
	case RowWaived:
		c.Waived++
	case RowWarning:
		c.Warnings++
	default:
		c.Fail++
	}
}

func describeAccount(s *Snapshot) Account {
	a := Account{
		Name: s.Account.Qualified(), DN: s.Account.DN, SID: s.Account.SID.String(),
		GMSA: s.Account.IsGMSA(), Unseen: s.Account.Unseen, Groups: []Group{},
	}
	names := Names(s)
	for _, list := range []struct {
		sids []sddl.SID
		via  string
	}{{s.Account.Groups, "group"}, {s.Account.WellKnown, "well-known"}} {
		for _, sid := range list.sids {
			a.Groups = append(a.Groups, Group{SID: sid.String(), Name: names.SID(sid), Via: list.via})
		}
	}
	return a
}

// Names are the names that a snapshot has for GUIDs and SIDs.
func Names(s *Snapshot) words.Names {
	return words.Names{
		GUID: s.Schema.NameOf,
		SID: func(sid sddl.SID) string {
			if name := s.Account.Names[sid]; name != "" {
				return name
			}
			if name := words.DomainSID(sid, s.Domain.SID); name != "" {
				return name
			}
			return words.WellKnownSID(sid)
		},
	}
}

// Judge judges single rows; what they share is worked out once.
type Judge struct {
	Requirements []Requirement

	s       *Snapshot
	accept  Accept
	token   acl.Token
	names   words.Names
	classes map[string]*acl.Class
	faults  map[string]string // classes that cannot be judged, and why

	auxiliary map[sddl.GUID]bool // attributes of auxiliary classes, and their property sets; nil before it was asked for
}

// Requirement is a rule of a policy, resolved.
type Requirement struct {
	Policy       string
	Verification policy.Verification // of the rule, or of its policy
	policy.Requirement
}

// NewJudge resolves the policies against the snapshot's schema.
func NewJudge(s *Snapshot, policies []*policy.Policy, accept Accept) (*Judge, error) {
	j := &Judge{s: s, accept: accept, names: Names(s), classes: map[string]*acl.Class{}, faults: map[string]string{}}
	for _, p := range policies {
		reqs, err := p.Resolve(s.Schema)
		if err != nil {
			return nil, err
		}
		for _, r := range reqs {
			j.Requirements = append(j.Requirements, Requirement{p.Name, p.Certainty(r.Rule), r})
		}
	}
	j.token = acl.Token{Account: s.Account.SID, SIDs: map[sddl.SID]acl.Via{}, Complete: s.Account.Unseen == ""}
	for _, sid := range s.Account.WellKnown {
		j.token.SIDs[sid] = acl.WellKnown
	}
	for _, sid := range s.Account.Groups {
		j.token.SIDs[sid] = acl.Group
	}
	j.token.SIDs[s.Account.SID] = acl.Own
	return j, nil
}

// blank is the row of a requirement before it was judged: unknown, or not applicable.
func (j *Judge) blank(req Requirement) Row {
	row := Row{
		Policy: req.Policy, Rule: req.Rule.ID, Access: req.Rule.Access(), AppliesTo: req.Rule.AppliesTo(), Source: req.Rule.Source,
		Grant: acl.Unclear.String(), Effect: acl.Unknown.String(), Forbidden: req.Rule.Forbidden,
	}
	if req.Rule.Severity == policy.SeverityWarning {
		row.Severity = string(req.Rule.Severity)
	}
	if req.Verification != policy.Published {
		row.Verification = string(req.Verification)
	}
	if req.NotApplicable != "" {
		row.Grant, row.Effect, row.Why = NotApplicable, NotApplicable, req.NotApplicable
	}
	return row
}

// Row judges one requirement on one target.
func (j *Judge) Row(t *directory.Target, req Requirement) Row {
	row, _ := j.row(t, &req)
	return row
}

// row is Row, with the alternative that it is about; -1 where it is about none.
func (j *Judge) row(t *directory.Target, req *Requirement) (row Row, alternative int) {
	row = j.blank(*req)
	switch {
	case req.NotApplicable != "":
	case req.Rule.Limits != nil:
		j.limits(t, req, &row)
	case t.Descriptor == nil:
		row.Why = t.Unreadable
	case req.Rule.DACL != nil:
		j.exact(t, req, &row)
	case req.Rule.Forbidden:
		j.forbidden(t, req, &row)
	default:
		return j.best(t, req, row)
	}
	return row, -1
}

// best judges the alternatives of a requirement: the first that passes, or else the first that is
// unknown, for it might, or else the first.
func (j *Judge) best(t *directory.Target, req *Requirement, blank Row) (best Row, at int) {
	best, at = blank, -1
	for i, one := range req.Any {
		row := blank
		j.permission(t, one, req.On[i], &row)
		if row.Pass {
			return row, i
		}
		if at < 0 || row.unseen() && !best.unseen() {
			best, at = row, i
		}
	}
	if len(req.Any) > 1 {
		best.Why = "none of the alternatives; for one of them: " + best.Why
	}
	return best, at
}

// Chosen is the alternative that the account has on a target, or else the first.
func (j *Judge) Chosen(t *directory.Target, req *Requirement) acl.Requirement {
	if row, at := j.row(t, req); row.Pass && at >= 0 {
		return req.Any[at]
	}
	return req.Any[0]
}

// permission judges one permission on a target whose descriptor is shown.
func (j *Judge) permission(t *directory.Target, one acl.Requirement, on []sddl.GUID, row *Row) {
	d := t.Descriptor
	cover := acl.Cover(d.DACL, d.Owner, j.token, one, j.s.Schema.PropertySetOf)
	row.Grant = cover.Grant.String()
	row.Missing = cover.Missing.String()
	row.Grants = j.aces(cover.ACEs)

	class := j.s.Schema.StructuralClass(t.Classes)
	self, fault := j.targetClass(class, t.Classes)
	var below []*acl.Class
	if fault == "" {
		below, fault = j.classesBelow(class, one, on)
	}
	if fault == "" {
		fault = j.nameless(d.DACL, one.Right.Mask)
	}
	if fault != "" {
		row.Why = fault
		return
	}
	judged := acl.Judge(acl.Target{DACL: d.DACL, Owner: d.Owner, SID: t.SID, Class: self}, j.token, one, below)
	if j.mayBeBlocked(class, one.Right.Mask, judged) {
		row.Why = "it is the owner's implicit right, which dSHeuristics may block on computers and service accounts"
		return
	}
	row.Effect = judged.Effect.String()
	row.Decides = j.against(d.DACL, judged)
	row.Pass = judged.Effect == acl.Granted && j.accept.passes(cover.Grant)
	if !row.Pass {
		row.Why = j.why(cover, judged)
	}
}

// nameless says which deny is about something that the schema does not show, so that
// nobody can tell what it takes away; empty where there is none.
func (j *Judge) nameless(dacl *sddl.ACL, mask sddl.Mask) string {
	if dacl == nil {
		return ""
	}
	for _, a := range dacl.ACEs {
		if a.Type.IsDeny() && a.HasObjectType() && a.Mask.MapGeneric()&mask != 0 && j.s.Schema.NameOf(a.ObjectType) == "" &&
			(j.token.Via(a.SID) != acl.NotHeld || j.token.MayHold(a.SID)) {
			return fmt.Sprintf("a deny entry is about %s, which the schema does not show", a.ObjectType)
		}
	}
	return ""
}

// mayBeBlocked says whether it rests on the owner's implicit right to write the DACL, which
// a forest may have taken from owners of computers. [MS-ADTS] 6.1.3.4.
func (j *Judge) mayBeBlocked(class *directory.Class, mask sddl.Mask, judged acl.Judgement) bool {
	return mask&sddl.WriteDACL != 0 && slices.Contains(j.s.Schema.Lineage(class.Name), "computer") &&
		slices.ContainsFunc(judged.Cases, func(c acl.Case) bool { return c.Where == acl.OnTarget && c.Decision.Implicit })
}

// has says whether objects of a class have what a right is about.
func has(s *directory.Schema, c *directory.Class, right acl.Right) bool {
	if right.Kind != acl.Attribute && right.Kind != acl.PropertySet {
		return true
	}
	for _, a := range s.Attributes(c.Name) {
		if right.Kind == acl.Attribute && a.GUID == right.Object || right.Kind == acl.PropertySet && a.PropertySet == right.Object {
			return true
		}
	}
	return false
}

// classesBelow are the classes that a requirement on descendants of a target is tried with; on, where it is not nil, are
// those that it is to be effective on.
func (j *Judge) classesBelow(target *directory.Class, req acl.Requirement, on []sddl.GUID) ([]*acl.Class, string) {
	schema := j.s.Schema
	var list []*directory.Class
	switch {
	case req.Scope == acl.ThisObject:
		return nil, ""
	case !req.Class.IsZero():
		list = append(list, schema.Class(schema.NameOf(req.Class)))
	case on != nil:
		for _, g := range on {
			list = append(list, schema.ClassOf(g))
		}
	case req.Right.Kind == acl.ChildClass:
		below := schema.Below(target.Name)
		for _, c := range schema.Superiors(schema.NameOf(req.Right.Object)) {
			if slices.Contains(below, c) {
				list = append(list, c)
			}
		}
	default:
		// Class defaults deny, and block inheritance, each in their own way: every class counts
		// that may stand below, and of these every one that has what the right is about.
		// One without a default is left out: its objects begin with their creator's, which denies
		// nothing. [MS-ADTS] 6.1.3.
		for _, c := range schema.Below(target.Name) {
			if c.DefaultDescriptor != "" && has(schema, c, req.Right) {
				list = append(list, c)
			}
		}
	}
	var out []*acl.Class
	for _, c := range list {
		class, fault := j.class(c)
		if fault != "" {
			return nil, fault
		}
		out = append(out, class)
	}
	return out, ""
}

// class is what judging needs of a class; a fault says why it cannot be judged.
func (j *Judge) class(c *directory.Class) (*acl.Class, string) {
	if c == nil {
		return nil, "the schema does not show the class of an object to be judged"
	}
	if class := j.classes[c.Name]; class != nil {
		return class, ""
	}
	if fault := j.faults[c.Name]; fault != "" {
		return nil, fault
	}
	if gap := j.s.Schema.Gap(c.Name); gap != "" {
		j.faults[c.Name] = "the schema does not show " + gap
		return nil, j.faults[c.Name]
	}
	class := &acl.Class{Name: c.Name, GUID: c.GUID, Attributes: map[sddl.GUID]sddl.GUID{}}
	for _, a := range j.s.Schema.Attributes(c.Name) {
		class.Attributes[a.GUID] = a.PropertySet
	}
	// Where it is not shown, new objects cannot be judged.
	if c.DefaultDescriptor == "" {
		j.faults[c.Name] = fmt.Sprintf("the schema shows no defaultSecurityDescriptor of class %s", c.Name)
		return nil, j.faults[c.Name]
	}
	var err error
	if class.Default, err = sddl.ParseText(c.DefaultDescriptor, j.s.Domain.Aliases()); err != nil {
		j.faults[c.Name] = fmt.Sprintf("defaultSecurityDescriptor of class %s: %v", c.Name, err)
		return nil, j.faults[c.Name]
	}
	j.classes[c.Name] = class
	return class, ""
}

// targetClass is the class of an object that is there: with the attributes of auxiliary
// classes that were added to this one object. [MS-ADTS] 3.1.1.2.4.
func (j *Judge) targetClass(structural *directory.Class, objectClass []string) (*acl.Class, string) {
	class, fault := j.class(structural)
	if fault != "" {
		return nil, fault
	}
	lineage := j.s.Schema.Lineage(structural.Name)
	var added []string
	for _, name := range objectClass {
		if !slices.Contains(lineage, strings.ToLower(name)) {
			added = append(added, name)
		}
	}
	if added == nil {
		return class, ""
	}
	with := *class
	with.Attributes = maps.Clone(class.Attributes)
	for _, name := range added {
		if gap := j.s.Schema.Gap(name); gap != "" {
			return nil, "the schema does not show " + gap
		}
		for _, a := range j.s.Schema.Attributes(name) {
			with.Attributes[a.GUID] = a.PropertySet
		}
	}
	return &with, ""
}

// against are the entries that deny in any of the cases, as they stand on the target
// where they come from there.
func (j *Judge) against(dacl *sddl.ACL, judged acl.Judgement) []ACE {
	var aces []sddl.ACE
	for _, c := range judged.Cases {
		for _, d := range c.Decision.Deciding {
			if !d.Deny {
				continue
			}
			ace := origin(dacl, d.ACE)
			if !slices.Contains(aces, ace) {
				aces = append(aces, ace)
			}
		}
	}
	return j.aces(aces)
}

// origin is the entry of the target that a new object's entry is inherited from; the
// entry itself where it comes from elsewhere.
func origin(dacl *sddl.ACL, inherited sddl.ACE) sddl.ACE {
	if dacl == nil || !inherited.IsInherited() {
		return inherited
	}
	for _, a := range dacl.ACEs {
		like := a
		like.Flags = inherited.Flags
		if like == inherited && a.Flags.Has(sddl.ContainerInherit) {
			return a
		}
	}
	return inherited
}

// why is one sentence on what keeps a row from passing.
func (j *Judge) why(cover acl.Coverage, judged acl.Judgement) string {
	if judged.Effect != acl.Granted && cover.Grant != acl.Missing {
		if where := casesBut(judged, acl.Granted); where != "" {
			switch judged.Effect {
			case acl.Denied:
				return "a deny entry takes it away on " + where
			case acl.Unknown:
				return "it cannot be told for " + where
			case acl.Partial:
				return "it is not, or not all of it, in effect on " + where
			case acl.Conditional:
				return "it depends on conditions, which are not evaluated, on " + where
			default:
				return "it has no effect on " + where
			}
		}
	}
	switch cover.Grant {
	case acl.Missing:
		switch {
		case judged.Effect == acl.Granted:
			return "no entry here grants it in full; what does is in the defaults of the class of new objects"
		case len(cover.ACEs) > 0:
			return "entries grant only a part of it; lacking: " + words.Rights(cover.Missing)
		}
		return "no entry grants it"
	case acl.Unclear:
		return "not every group of the account could be read"
	case acl.ViaGroup:
		return "granted only through groups, which --accept own does not count"
	case acl.ViaWellKnown:
		return "granted only through Everyone, Authenticated Users or their groups, which --accept any would count"
	case acl.Implicit:
		return "granted only implicitly, which --accept any would count"
	}
	return "not granted"
}

// casesBut names the cases whose effect is not the given one.
func casesBut(judged acl.Judgement, effect acl.Effect) string {
	var out []string
	for _, c := range judged.Cases {
		if c.Decision.Effect == effect {
			continue
		}
		text := "the target itself"
		if c.Where != acl.OnTarget {
			text = fmt.Sprintf("new %s objects", c.Class)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	sort.Strings(out)
	return strings.Join(out, " and ")
}

func (j *Judge) aces(list []sddl.ACE) []ACE {
	var out []ACE
	for _, a := range list {
		out = append(out, View(a, j.names))
	}
	return out
}

// View is an entry as SDDL and in words.
func View(a sddl.ACE, names words.Names) ACE {
	return ACE{SDDL: a.String(), Words: words.ACE(a, names)}
}
