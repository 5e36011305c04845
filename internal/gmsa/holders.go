package gmsa

import (
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Holder is somebody who could take an account over.
type Holder struct {
	SID      string   `json:"sid"`
	Name     string   `json:"name,omitempty"`
	Expected bool     `json:"expected"`          // who runs the forest anyway
	Rights   []string `json:"rights"`            // what of it, worst first
	Unclear  []string `json:"unclear,omitempty"` // what of it depends on conditions, or cannot be told
	Owner    bool     `json:"owner,omitempty"`
	Worst    Severity `json:"-"`

	sid sddl.SID
}

// resetPassword is User-Force-Change-Password. [MS-ADTS] 5.1.3.2.1.
var resetPassword = sddl.MustParseGUID("00299570-246d-11d0-a768-00aa006e0529")

// power is a right with which an account can be taken over.
type power struct {
	words    string
	severity Severity
	right    acl.Right
	attr     string // of the schema; empty: none
}

// powers are those rights, worst first. Why each of them is one: the page of the attribute or
// right in [MS-ADA2], [MS-ADTS] 5.1.3.2, and for keys [MS-PKCA].
var powers = []power{
	{"change its permissions", Critical, acl.Right{Mask: sddl.WriteDACL}, ""},
	{"become its owner", Critical, acl.Right{Mask: sddl.WriteOwner}, ""},
	{"say who may have its password", Critical, acl.Right{}, AttrMembership},
	{"give it a key to log on with", Critical, acl.Right{}, attrKeyLink},
	{"let others act in anybody's name on it", High, acl.Right{}, attrActFor},
	{"let it act in anybody's name elsewhere", High, acl.Right{}, attrDelegateTo},
	{"set its account flags", High, acl.Right{}, attrUAC},
	{"reset its password", High, acl.Right{Mask: sddl.ControlAccess, Kind: acl.ExtendedRight, Object: resetPassword}, ""},
	{"give it a service principal name", Medium, acl.Right{}, attrSPN},
	{"choose its encryption types", Medium, acl.Right{}, AttrEncTypes},
	{"delete it", Low, acl.Right{Mask: sddl.Delete}, ""},
}

// Holders are those whom the account's descriptor names, and its owner, with what each could do
// to it. fault says why that is not known.
func (f *Facts) Holders() (list []Holder, fault string) {
	d := f.Object.Descriptor
	if d == nil {
		return nil, f.Object.Unreadable
	}
	class, fault := AccountClass(f.Schema)
	if fault != "" {
		return nil, fault
	}
	everybody := f.rights(class, nil)
	var who []sddl.SID
	add := func(sid sddl.SID) {
		if !sid.IsZero() && sid != self && sid != ownerRights && sid != f.Object.SID && !slices.Contains(who, sid) {
			who = append(who, sid)
		}
	}
	if d.DACL != nil {
		for _, a := range d.DACL.ACEs {
			if a.Type.IsAllow() && !a.Flags.Has(sddl.InheritOnly) {
				add(a.SID)
			}
		}
	}
	add(d.Owner)
	if len(everybody.Rights) > 0 || len(everybody.Unclear) > 0 {
		everybody.SID, everybody.sid, everybody.Name = "S-1-5-11", sddl.MustParseSID("S-1-5-11"), "Authenticated Users"
		list = append(list, everybody)
	}
	for _, sid := range who {
		if sid.String() == "S-1-1-0" || sid.String() == "S-1-5-11" {
			continue
		}
		h := f.rights(class, []sddl.SID{sid})
		h.Rights = without(h.Rights, everybody.Rights)
		h.Unclear = without(h.Unclear, everybody.Unclear)
		h.SID, h.sid, h.Owner = sid.String(), sid, sid == d.Owner
		h.Name = f.NameOf(sid)
		h.Expected = f.runsTheForest(sid)
		if len(h.Rights) > 0 || len(h.Unclear) > 0 {
			list = append(list, h)
		}
	}
	slices.SortStableFunc(list, func(a, b Holder) int {
		switch {
		case a.Expected != b.Expected && a.Expected:
			return 1
		case a.Expected != b.Expected:
			return -1
		case a.Worst != b.Worst:
			return int(b.Worst) - int(a.Worst)
		}
		return strings.Compare(a.SID, b.SID)
	})
	return list, ""
}

// ownerRights is OWNER RIGHTS: what stands for it is the owner's. [MS-DTYP] 2.4.2.4.
var ownerRights = sddl.MustParseSID("S-1-3-4")

// rights are the powers of a token that holds these SIDs besides what everybody's does.
func (f *Facts) rights(class *acl.Class, sids []sddl.SID) Holder {
	d := f.Object.Descriptor
	token := acl.Token{SIDs: map[sddl.SID]acl.Via{sddl.MustParseSID("S-1-1-0"): acl.WellKnown, sddl.MustParseSID("S-1-5-11"): acl.WellKnown}, Complete: true}
	for _, sid := range sids {
		token.Account = sid
		token.SIDs[sid] = acl.Own
	}
	h := Holder{Rights: []string{}}
	for _, p := range powers {
		right := p.right
		if p.attr != "" {
			a := f.Schema.Attribute(p.attr)
			if a == nil {
				continue // no object of this forest has it
			}
			right = acl.Right{Mask: sddl.WriteProperty, Kind: acl.Attribute, Object: a.GUID}
		}
		switch acl.Check(d.DACL, d.Owner, token, f.Object.SID, class, right).Effect {
		case acl.Granted, acl.Partial:
			h.Rights = append(h.Rights, p.words)
			h.Worst = max(h.Worst, p.severity)
		case acl.Unknown, acl.Conditional:
			h.Unclear = append(h.Unclear, p.words)
		}
	}
	return h
}

func without(list, taken []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(taken, s) })
}

// runsTheForest says whether somebody has every object of the domain anyway.
func (f *Facts) runsTheForest(sid sddl.SID) bool {
	domain, forest := f.Domain.SID.String(), f.Domain.ForestSID.String()
	switch sid.String() {
	case "S-1-5-18", "S-1-5-32-544", domain + "-512", domain + "-500":
		return true
	case forest + "-519":
		return !f.Domain.ForestSID.IsZero()
	}
	return false
}

// keyAdmins says whether somebody is one of the two groups that every domain lets write keys.
func (f *Facts) keyAdmins(sid sddl.SID) bool {
	return sid.String() == f.Domain.SID.String()+"-526" || !f.Domain.ForestSID.IsZero() && sid.String() == f.Domain.ForestSID.String()+"-527"
}

// ParentHolders are those who may change what the account inherits from its container, or delete
// it from there.
func (f *Facts) ParentHolders() (list []Holder, fault string) {
	if f.Parent == nil || f.Parent.Descriptor == nil {
		return nil, "the permissions of its container are not shown"
	}
	d := f.Parent.Descriptor
	structural := f.Schema.StructuralClass(f.Parent.Classes)
	if structural == nil {
		return nil, "the class of its container is not shown"
	}
	gmsaClass := f.Schema.Class(directory.ClassGMSA)
	if gmsaClass == nil {
		return nil, "the schema does not show the class of service accounts"
	}
	// Where the account's own descriptor is not shown, it is taken to inherit.
	inherits := f.Object.Descriptor == nil || !f.Object.Descriptor.Control.Has(sddl.DACLProtected)
	everyone, authenticated := sddl.MustParseSID("S-1-1-0"), sddl.MustParseSID("S-1-5-11")
	var who []sddl.SID
	add := func(sid sddl.SID) {
		if !sid.IsZero() && sid != self && sid != ownerRights && !f.runsTheForest(sid) && !slices.Contains(who, sid) {
			who = append(who, sid)
		}
	}
	if d.DACL == nil {
		add(everyone)
	} else {
		for _, a := range d.DACL.ACEs {
			if a.Type.IsAllow() && !a.Flags.Has(sddl.InheritOnly) {
				add(a.SID)
			}
		}
		add(d.Owner)
	}
	for _, sid := range who {
		token := acl.Token{Account: sid, SIDs: map[sddl.SID]acl.Via{everyone: acl.WellKnown, authenticated: acl.WellKnown}, Complete: true}
		token.SIDs[sid] = acl.Own
		h := Holder{SID: sid.String(), sid: sid, Name: f.NameOf(sid), Owner: sid == d.Owner, Rights: []string{}}
		judge := func(words string, severity Severity, right acl.Right) {
			switch acl.Check(d.DACL, d.Owner, token, f.Parent.SID, nil, right).Effect {
			case acl.Granted, acl.Partial:
				h.Rights = append(h.Rights, words)
				h.Worst = max(h.Worst, severity)
			case acl.Unknown, acl.Conditional:
				h.Unclear = append(h.Unclear, words)
			}
		}
		if inherits {
			judge("change what it inherits", Critical, acl.Right{Mask: sddl.WriteDACL})
			judge("own its container, and so change what it inherits", Critical, acl.Right{Mask: sddl.WriteOwner})
		}
		judge("delete it from its container", Low, acl.Right{Mask: sddl.DeleteChild, Kind: acl.ChildClass, Object: gmsaClass.GUID})
		if len(h.Rights) > 0 || len(h.Unclear) > 0 {
			list = append(list, h)
		}
	}
	return list, ""
}
