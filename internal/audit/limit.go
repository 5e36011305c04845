package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The words for the grant and the effect of a row that is about attributes or a whole DACL.
const (
	Holds    = "holds"
	Violated = "violated"
)

// attributes are what an object shows of what limits are about.
type attributes struct {
	entry directory.Entry
	asked []string // by name
	fault string   // why nothing was read
}

// loadAttributes reads what limits are about, and who reads it.
func (s *Snapshot) loadAttributes(ctx context.Context, r directory.Reader) error {
	s.attributes = map[string]attributes{}
	wanted := map[string][]string{} // by DNKey
	dns := map[string]string{}
	want := func(t *directory.Target, rule *policy.Rule) {
		key := directory.DNKey(t.DN)
		dns[key] = t.DN
		for i := range rule.Limits {
			wanted[key] = append(wanted[key], rule.Limits[i].Attribute)
		}
	}
	for _, p := range s.policies {
		for i := range p.Rules {
			rule := &p.Rules[i]
			for _, t := range s.places[rule.Aim()].targets {
				if rule.Limits != nil {
					want(t, rule)
				}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for key, attrs := range wanted {
		slices.Sort(attrs)
		attrs = slices.Compact(attrs)
		list, err := directory.Collect(r.Read(ctx, directory.Query{Base: dns[key], Attrs: attrs, Deleted: directory.IsDeletedObjects(dns[key])}))
		switch {
		case notShown(err):
			s.attributes[key] = attributes{fault: err.Error()}
		case err != nil:
			return err
		case len(list) != 1:
			s.attributes[key] = attributes{fault: "it is not there, or not visible to this identity"}
		default:
			s.attributes[key] = attributes{entry: list[0], asked: attrs}
		}
	}
	if err := s.loadDefinitions(ctx, r, wanted); err != nil {
		return err
	}
	var err error
	s.reader, err = directory.WhoReads(ctx, r, s.Domain)
	return err
}

// definition is what the schema says of how an attribute comes by its values.
type definition struct{ constructed, back bool }

// loadDefinitions reads what the schema says, beyond what package directory reads of it, of attributes that limits are about.
func (s *Snapshot) loadDefinitions(ctx context.Context, r directory.Reader, wanted map[string][]string) error {
	s.definitions = map[string]definition{}
	q := directory.Query{Base: s.Domain.SchemaDN, Scope: directory.OneLevel, Attrs: []string{"lDAPDisplayName", "systemFlags", "linkID"}}
	for _, attrs := range wanted {
		for _, name := range attrs {
			if m := (directory.Match{Attr: "lDAPDisplayName", Value: name}); !slices.Contains(q.Any, m) {
				q.Any = append(q.Any, m)
			}
		}
	}
	for e, err := range r.Read(ctx, q) {
		if notShown(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the schema: %w", err)
		}
		flags, _ := strconv.ParseInt(e.Text("systemFlags"), 10, 64)
		link, _ := strconv.ParseInt(e.Text("linkID"), 10, 64)
		// FLAG_ATTR_IS_CONSTRUCTED, [MS-ADTS] 2.2.10; the linkID of a back link is odd, 3.1.1.2.3.
		s.definitions[strings.ToLower(e.Text("lDAPDisplayName"))] = definition{constructed: flags&4 != 0, back: link&1 != 0}
	}
	return nil
}

// limits judges a rule about attributes.
func (j *Judge) limits(t *directory.Target, req *Requirement, row *Row) {
	have, read := j.s.attributes[directory.DNKey(t.DN)]
	if !read || have.fault != "" {
		row.Why = have.fault
		if row.Why == "" {
			row.Why = "its attributes were not read"
		}
		return
	}
	var broken, unclear []string
	for i := range req.Rule.Limits {
		l := &req.Rule.Limits[i]
		verdict, why := j.limit(t, have, l)
		switch verdict {
		case Fail:
			broken = append(broken, l.Attribute+" "+why)
		case Unknown:
			unclear = append(unclear, l.Attribute+" "+why)
		}
	}
	switch {
	case broken != nil:
		row.Grant, row.Effect, row.Why = Violated, Violated, strings.Join(broken, ", ")
	case unclear != nil:
		row.Why = strings.Join(unclear, ", ")
	default:
		row.Grant, row.Effect, row.Pass = Holds, Holds, true
	}
}

func (j *Judge) limit(t *directory.Target, have attributes, l *policy.Limit) (Verdict, string) {
	if !slices.ContainsFunc(have.asked, func(name string) bool { return strings.EqualFold(name, l.Attribute) }) {
		return Unknown, "was not read"
	}
	raw := have.entry.Values(l.Attribute)
	if len(raw) == 0 {
		if !j.showsAll(t, l.Attribute) {
			return Unknown, "shows no value: it has none, or none that this identity may read"
		}
		if l.Present || l.Equals != "" || l.OneOf != nil || l.Contains != "" || l.AtLeast != nil || l.AtMost != nil || l.BitsSet != nil {
			return Fail, "has no value"
		}
		return Pass, ""
	}
	syntax := j.syntax(l.Attribute)
	vars := j.s.variables()
	// A value that nobody knows, or that is written as no value of the attribute can be, is none that anything equals.
	for _, text := range append([]string{l.Equals, l.Contains, l.Without}, l.OneOf...) {
		if text == "" {
			continue
		}
		want := policy.Replace(text, vars)
		if strings.Contains(want, "${") {
			return Unknown, fmt.Sprintf("is to be compared with %s, which is not known here", text)
		}
		if !syntax.takes(want) {
			return Unknown, fmt.Sprintf("is to be compared with %s, which is not written as its values are", want)
		}
	}
	has := func(text string) bool {
		want := policy.Replace(text, vars)
		return slices.ContainsFunc(raw, func(v []byte) bool { return syntax.same(v, want) })
	}
	values := make([]string, 0, len(raw))
	for _, v := range raw {
		values = append(values, syntax.text(v))
	}
	shown := "is " + shorten(values)
	switch {
	case l.Absent:
		return Fail, "has a value"
	case l.Equals != "" && (len(values) != 1 || !has(l.Equals)),
		l.OneOf != nil && (len(values) != 1 || !slices.ContainsFunc(l.OneOf, has)):
		return Fail, shown
	case l.Without != "" && has(l.Without):
		return Fail, "has the value " + policy.Replace(l.Without, vars)
	case (l.Contains != "" && !has(l.Contains) || l.Without != "" || l.Equals != "" || l.OneOf != nil) && j.showsPart(l.Attribute):
		return Unknown, "shows the groups of this domain only, of which the forest has others"
	case l.Contains != "" && !has(l.Contains):
		return Fail, "has no value " + policy.Replace(l.Contains, vars)
	}
	if l.AtLeast == nil && l.AtMost == nil && l.BitsSet == nil && l.BitsClear == nil {
		return Pass, ""
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	bits := n
	if syntax == syntaxInteger {
		bits &= 0xffffffff // a negative number has no more bits than these
	}
	switch {
	case err != nil || len(values) != 1:
		return Fail, shown + ", which is not one number"
	case l.AtLeast != nil && n < *l.AtLeast, l.AtMost != nil && n > *l.AtMost:
		return Fail, shown
	case l.BitsSet != nil && bits&*l.BitsSet != *l.BitsSet:
		return Fail, fmt.Sprintf("is 0x%X, without 0x%X", bits, *l.BitsSet&^bits)
	case l.BitsClear != nil && bits&*l.BitsClear != 0:
		return Fail, fmt.Sprintf("is 0x%X, with 0x%X", bits, *l.BitsClear&bits)
	}
	return Pass, ""
}

// shorten shows some values.
func shorten(values []string) string {
	const most = 3
	text := strings.Join(values[:min(len(values), most)], ", ")
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "") + "..."
	}
	if more := len(values) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// rodcFiltered is fRODCFilteredAttribute of searchFlags. [MS-ADTS] 2.2.9.
const rodcFiltered = 0x200

// secret are attributes that no domain controller shows to anybody, or not by the right to read them, whatever they
// hold. [MS-ADTS] 3.1.1.4.4, 3.1.1.4.5.39.
var secret = []string{
	"currentValue", "dBCSPwd", "initialAuthIncoming", "initialAuthOutgoing", "lmPwdHistory", "msDS-ExecuteScriptPassword", "ntPwdHistory",
	"pekList", "priorValue", "supplementalCredentials", "trustAuthIncoming", "trustAuthOutgoing", "unicodePwd",
	"clearTextPassword", "userPassword", "msDS-ManagedPassword", "nTSecurityDescriptor",
}

// showsAll says whether an attribute without a value is one that has none: whoever reads may
// read it. False where that is not certain.
func (j *Judge) showsAll(t *directory.Target, attr string) bool {
	a := j.s.Schema.Attribute(attr)
	if j.s.recorded || a == nil || j.s.reader == nil || len(j.s.reader.SIDs) == 0 || t.Descriptor == nil || j.s.Domain.ReadOnly && a.SearchFlags&rodcFiltered != 0 {
		return false
	}
	// What is computed when it is asked for has no value for many reasons.
	if how, known := j.s.definitions[strings.ToLower(attr)]; !known || how.constructed || j.showsPart(attr) ||
		slices.ContainsFunc(secret, func(name string) bool { return strings.EqualFold(name, attr) }) {
		return false
	}
	class, fault := j.targetClass(j.s.Schema.StructuralClass(t.Classes), t.Classes)
	if fault != "" {
		return false
	}
	right := acl.Right{Mask: sddl.ReadProperty, Kind: acl.Attribute, Object: a.GUID}
	if a.Confidential() {
		right.Mask |= sddl.ControlAccess
	}
	reader := acl.Token{Account: j.s.reader.SIDs[0], SIDs: map[sddl.SID]acl.Via{}, Complete: true}
	for _, sid := range j.s.reader.SIDs {
		reader.SIDs[sid] = acl.Group
	}
	return acl.Check(t.Descriptor.DACL, t.Descriptor.Owner, reader, t.SID, class, right).Effect == acl.Granted
}

// showsPart says whether an attribute may have values that this domain controller does not hold: of a back link those
// of other domains. [MS-ADTS] 3.1.1.1.6.
func (j *Judge) showsPart(attr string) bool {
	return (j.s.definitions[strings.ToLower(attr)].back || strings.EqualFold(attr, "memberOf")) && len(j.s.Domain.Forest) != 1
}
