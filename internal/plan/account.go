package plan

import (
	"fmt"
	"slices"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// CreateAccount makes the plan that makes a service account and, with policies, grants it what
// they ask for. have is the account where an earlier run has begun it: then only what it lacks is
// in the plan. The snapshot is of that account, or of the one that is to be
// (directory.FutureGMSA).
func CreateAccount(s *audit.Snapshot, w *gmsa.Wanted, have *gmsa.Existing, policies []*policy.Policy, accept audit.Accept) (*Plan, error) {
	p, err := Make(s, policies, Options{Accept: accept})
	if err != nil {
		return nil, err
	}
	p.Account.DN = w.DN
	if p.Policies == nil {
		p.Policies, p.Targets = []Policy{}, []string{}
	}
	guid := ""
	if have == nil {
		p.Create = &Creation{DN: w.DN, SAMAccountName: w.SAMAccountName, IntervalDays: w.IntervalDays}
	} else {
		p.Account.DN, guid = have.DN, have.GUID.String()
	}
	for _, v := range w.Values() {
		var before [][]byte
		if have != nil {
			if have.Has(v) {
				continue
			}
			before = have.Have[v.Name]
		}
		c, err := NewAttributeChange(p.Account.DN, guid, v.Name, before, [][]byte{v.Raw}, audit.Names(s))
		if err != nil {
			return nil, err
		}
		p.Attributes = append(p.Attributes, c)
	}
	return p, p.checkAccount()
}

// Harden makes the plan that gives an account the published restricted permissions and, where
// membership is not nil, its password to those that are in it and to nobody else. account is the
// account's own object. With dropDenies, denies go too.
func Harden(s *audit.Snapshot, account *directory.Target, have, membership []byte, dropDenies bool) (*Plan, error) {
	p := &Plan{
		Format: format, Kind: kindPlan, Policies: []Policy{}, Targets: []string{account.DN}, Changes: []Change{},
		Domain: domainOf(s.Domain), Server: serverOf(s.Domain),
		Account: Account{Name: s.Domain.Qualified(s.Account.Name), SID: s.Account.SID.String(), DN: account.DN},
	}
	if account.Descriptor == nil {
		return nil, fmt.Errorf("harden %s: %s", account.DN, account.Unreadable)
	}
	if membership != nil {
		var before [][]byte
		if have != nil {
			before = [][]byte{have}
		}
		c := AttributeChange{DN: account.DN, ObjectGUID: account.GUID.String(), Name: gmsa.AttrMembership, Before: before, After: [][]byte{membership}}
		if !c.same(before, c.After) {
			c, err := NewAttributeChange(c.DN, c.ObjectGUID, c.Name, c.Before, c.After, audit.Names(s))
			if err != nil {
				return nil, err
			}
			p.Attributes = append(p.Attributes, c)
		}
	}
	dacl, err := gmsa.Restrict(account.Descriptor.DACL, s.Domain.SID, s.Domain.ForestSID, dropDenies)
	if err != nil {
		return nil, fmt.Errorf("harden %s: %w", account.DN, err)
	}
	change, err := newChange(account, dacl, ProtectOn, s)
	if err != nil {
		return nil, fmt.Errorf("harden %s: %w", account.DN, err)
	}
	_, after, err := change.parse()
	if err != nil {
		return nil, fmt.Errorf("harden %s: %w", account.DN, err)
	}
	p.Notes, err = restrictionNotes(s, account.Descriptor, after)
	if err != nil {
		return nil, fmt.Errorf("harden %s: %w", account.DN, err)
	}
	if !holds(account.Descriptor, after) {
		p.Changes = append(p.Changes, change)
	}
	if err := p.checkGrants(); err != nil {
		return nil, err
	}
	return p, p.checkAccount()
}

// restrictionNotes say what the restricted permissions do not bring, and what they take besides: an
// owner stays, who may be able to change the permissions again, and entries that deny may go, with which
// goes what kept somebody out who is among those who may read the account.
func restrictionNotes(s *audit.Snapshot, before, after *sddl.Descriptor) (notes []string, err error) {
	entries, err := gmsa.RestrictedEntries(s.Domain.SID, s.Domain.ForestSID)
	if err != nil {
		return nil, err
	}
	names := audit.Names(s)
	full := func(a sddl.ACE) bool { return a.SID == before.Owner && a.Mask == sddl.FullControl }
	if !slices.ContainsFunc(entries, full) {
		who := names.SID(before.Owner)
		if who == "" {
			who = before.Owner.String()
		}
		notes = append(notes, fmt.Sprintf("Its owner, %s, is not changed, and as the owner may be able to change its permissions again: make Domain Admins its owner.", who))
	}
	removed, _ := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
	for _, a := range removed {
		if a.Type.IsDeny() {
			notes = append(notes, "An entry that denies goes: "+words.ACE(a, names)+".")
		}
	}
	return notes, nil
}
