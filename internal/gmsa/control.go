package gmsa

import (
	"context"
	"fmt"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// membershipGUID is the schemaIDGUID of msDS-GroupMSAMembership. [MS-ADA2] 2.320.
var membershipGUID = sddl.MustParseGUID("888eedd6-ce04-df40-b462-b8a50e41ba38")

// LockoutError says who would lose control of an account.
type LockoutError struct{ DN, Who, Why string }

func (e *LockoutError) Error() string {
	return fmt.Sprintf("%s would lose control of %s: %s", e.Who, e.DN, e.Why)
}

// CheckControl simulates an account with another descriptor, and is a *LockoutError where Domain
// Admins or the caller could then not change its permissions, or who may have its password. What
// an owner may do implicitly does not count: a forest can block that on service accounts. A nil
// caller is not looked at.
func CheckControl(d *directory.Domain, s *directory.Schema, object *directory.Target, after []byte, caller *directory.Caller) error {
	descriptor, err := sddl.Parse(after)
	if err != nil {
		return fmt.Errorf("simulate %s: %w", object.DN, err)
	}
	admins, err := sddl.ParseSID(d.SID.String() + "-512")
	if err != nil {
		return fmt.Errorf("simulate %s: %w", object.DN, err)
	}
	type person struct {
		who  string
		sids []sddl.SID
	}
	people := []person{{"Domain Admins", []sddl.SID{admins, sddl.MustParseSID("S-1-5-11"), sddl.MustParseSID("S-1-1-0")}}}
	if caller != nil {
		people = append(people, person{"whoever is bound", caller.SIDs})
	}
	class, fault := AccountClass(s)
	if fault != "" {
		return &LockoutError{object.DN, "perhaps somebody", fault}
	}
	for _, p := range people {
		if len(p.sids) == 0 {
			return &LockoutError{object.DN, p.who, "the domain controller does not say which groups that is in"}
		}
		token := acl.Token{Account: p.sids[0], SIDs: map[sddl.SID]acl.Via{}, Complete: true}
		for _, sid := range p.sids {
			token.SIDs[sid] = acl.Group
		}
		for _, need := range []struct {
			right acl.Right
			words string
		}{
			{acl.Right{Mask: sddl.WriteDACL}, "change its permissions"},
			{acl.Right{Mask: sddl.WriteProperty, Kind: acl.Attribute, Object: membershipGUID}, "say who may have its password"},
		} {
			if got := acl.Check(descriptor.DACL, sddl.SID{}, token, object.SID, class, need.right); got.Effect != acl.Granted {
				return &LockoutError{object.DN, p.who, fmt.Sprintf("the right to %s would be %s", need.words, got.Effect)}
			}
		}
	}
	return nil
}

// AccountClass is what judging needs of the class of these accounts; a fault says what the
// schema does not show of it.
func AccountClass(s *directory.Schema) (class *acl.Class, fault string) {
	c := s.Class(directory.ClassGMSA)
	if c == nil {
		return nil, "the schema does not show the class of service accounts"
	}
	if gap := s.Gap(c.Name); gap != "" {
		return nil, "the schema does not show " + gap
	}
	class = &acl.Class{Name: c.Name, GUID: c.GUID, Attributes: map[sddl.GUID]sddl.GUID{}}
	for _, a := range s.Attributes(c.Name) {
		class.Attributes[a.GUID] = a.PropertySet
	}
	return class, ""
}

// MembershipOf is an account's msDS-GroupMSAMembership; nil where it has none, or does not show
// it.
func MembershipOf(ctx context.Context, r directory.Reader, dn string) ([]byte, error) {
	found, err := directory.Collect(r.Read(ctx, directory.Query{Base: dn, Attrs: []string{AttrMembership}}))
	if err != nil {
		return nil, fmt.Errorf("read who may have the password of %s: %w", dn, err)
	}
	for _, e := range found {
		return e.Value(AttrMembership), nil
	}
	return nil, nil
}
