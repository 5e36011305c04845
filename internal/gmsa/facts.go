package gmsa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Facts are what the directory says of one service account, and what is needed to say whether
// it said all.
type Facts struct {
	Domain  *directory.Domain
	Schema  *directory.Schema
	Account *directory.Account // with its token
	Object  *directory.Target  // with its descriptor
	Parent  *directory.Target  // nil where it is not shown
	Home    string             // DN of the domain's container of service accounts; empty where it is not known
	KDS     *KDS
	Caller  *directory.Caller // who read it; without SIDs where that is not known

	entry directory.Entry
}

// The attributes that an account is judged by.
const (
	attrUAC        = "userAccountControl"
	attrSPN        = "servicePrincipalName"
	attrDelegateTo = "msDS-AllowedToDelegateTo"
	attrActFor     = "msDS-AllowedToActOnBehalfOfOtherIdentity"
	attrKeyLink    = "msDS-KeyCredentialLink"
	attrKeyID      = "msDS-ManagedPasswordId"
	attrInterval   = "msDS-ManagedPasswordInterval"
	attrAdminCount = "adminCount"
	attrHistory    = "sIDHistory"
)

var factAttrs = []string{
	"objectClass", "objectGUID", "objectSid", "sAMAccountName", "dNSHostName", "description", "whenCreated", "pwdLastSet",
	attrUAC, attrSPN, attrDelegateTo, attrActFor, attrKeyLink, attrKeyID, attrInterval, attrAdminCount, attrHistory,
	AttrEncTypes, AttrMembership,
}

// Load reads a service account. Another account is a *directory.AccountError.
func Load(ctx context.Context, r directory.Reader, name string) (*Facts, error) {
	f, err := loadForest(ctx, r)
	if err != nil {
		return nil, err
	}
	return f, f.load(ctx, r, name)
}

// loadForest reads what all accounts of a domain have in common.
func loadForest(ctx context.Context, r directory.Reader) (*Facts, error) {
	f := &Facts{}
	var err error
	if f.Domain, err = directory.LoadDomain(ctx, r); err != nil {
		return nil, err
	}
	if f.Home, err = DefaultContainer(ctx, r, f.Domain); err != nil {
		var none *ContainerError
		if !errors.As(err, &none) && !notShown(err) {
			return nil, err
		}
		f.Home = ""
	}
	if f.KDS, err = RootKeys(ctx, r, f.Domain); err != nil {
		return nil, err
	}
	if f.Caller, err = directory.WhoReads(ctx, r, f.Domain); err != nil {
		return nil, err
	}
	f.Schema, err = directory.LoadSchema(ctx, r, f.Domain)
	return f, err
}

// load reads the account itself.
func (f *Facts) load(ctx context.Context, r directory.Reader, name string) (err error) {
	if f.Account, err = directory.FindAccount(ctx, r, f.Domain, name); err != nil {
		return err
	}
	if !f.Account.IsGMSA() {
		return &directory.AccountError{Name: name, Why: f.Account.DN + " is no group managed service account"}
	}
	found, err := directory.Collect(r.Read(ctx, directory.Query{Base: f.Account.DN, Attrs: factAttrs, Descriptor: true}))
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Account.DN, err)
	}
	if len(found) != 1 {
		return &directory.NotFoundError{DN: f.Account.DN}
	}
	f.entry = found[0]
	if err := f.Account.LoadToken(ctx, r, f.Domain); err != nil {
		return err
	}
	if f.Object, err = directory.LoadTarget(ctx, r, f.Account.DN); err != nil {
		return err
	}
	f.Parent, err = directory.LoadTarget(ctx, r, directory.ParentDN(f.Account.DN))
	if notShown(err) {
		f.Parent, err = nil, nil
	}
	return err
}

// notShown says whether an error is that something is not there to be seen, here or in a capture.
func notShown(err error) bool {
	missing, unrecorded := (*directory.NotFoundError)(nil), (*directory.NotRecordedError)(nil)
	return errors.As(err, &missing) || errors.As(err, &unrecorded)
}

// Sees says whether an attribute without a value is one that has none: whoever read may read it.
// False where that is not certain.
func (f *Facts) Sees(attr string) bool {
	if len(f.entry.Values(attr)) > 0 {
		return true
	}
	a := f.Schema.Attribute(attr)
	if a == nil || f.Domain.ReadOnly && a.SearchFlags&rodcFiltered != 0 {
		return false
	}
	class, fault := AccountClass(f.Schema)
	if fault != "" || f.Object.Descriptor == nil || f.Caller == nil || len(f.Caller.SIDs) == 0 {
		return false
	}
	right := acl.Right{Mask: sddl.ReadProperty, Kind: acl.Attribute, Object: a.GUID}
	if a.Confidential() {
		right.Mask |= sddl.ControlAccess
	}
	return acl.Check(f.Object.Descriptor.DACL, f.Object.Descriptor.Owner, tokenOf(f.Caller), f.Object.SID, class, right).Effect == acl.Granted
}

// rodcFiltered is fRODCFilteredAttribute of searchFlags. [MS-ADTS] 2.2.9.
const rodcFiltered = 0x200

func tokenOf(c *directory.Caller) acl.Token {
	t := acl.Token{SIDs: map[sddl.SID]acl.Via{}, Complete: true}
	for i, sid := range c.SIDs {
		if i == 0 {
			t.Account = sid
		}
		t.SIDs[sid] = acl.Group
	}
	return t
}

// Number is an attribute as a number; ok is false where it has none.
func (f *Facts) Number(attr string) (n int64, ok bool) {
	n, err := strconv.ParseInt(f.entry.Text(attr), 10, 64)
	return n, err == nil
}

// Texts are the values of an attribute as text.
func (f *Facts) Texts(attr string) []string {
	out := f.entry.Texts(attr)
	slices.Sort(out)
	return out
}

// Membership is the descriptor that says who may have the password; nil where it is not shown.
func (f *Facts) Membership() []byte { return f.entry.Value(AttrMembership) }

// Created is when the account was made; zero where it is not shown.
func (f *Facts) Created() time.Time { return timeOf(directory.ParseTime, f.entry.Text("whenCreated")) }

// Key is the key that the current password is made from.
func (f *Facts) Key() (KeyID, error) {
	value := f.entry.Value(attrKeyID)
	if value == nil {
		return KeyID{}, errors.New("msDS-ManagedPasswordId is not shown")
	}
	return ParseKeyID(value)
}

// CollectAll reads what Load and Show read of every service account of the domain, so that a
// recorder of r can answer for them, and what gmsa create asks before it plans.
func CollectAll(ctx context.Context, r directory.Reader) error {
	common, err := loadForest(ctx, r)
	if err != nil {
		return err
	}
	d := common.Domain
	found, err := directory.Collect(r.Read(ctx, directory.Query{
		Base: d.DN, Scope: directory.Subtree, Any: []directory.Match{{Attr: "objectClass", Value: directory.ClassGMSA}},
	}))
	if err != nil {
		return fmt.Errorf("find the service accounts: %w", err)
	}
	for _, e := range found {
		f := *common
		if err := f.load(ctx, r, e.DN); err != nil {
			return err
		}
		if _, err := Show(ctx, r, &f); err != nil {
			return err
		}
	}
	// Where there is no account yet, one is planned for these.
	hosts := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: append(slices.Clone(memberAttrs), principalAttrs...),
		Any: []directory.Match{{Attr: "objectClass", Value: "computer"}}}
	for _, err := range r.Read(ctx, hosts) {
		if err != nil {
			return fmt.Errorf("read the hosts: %w", err)
		}
	}
	return nil
}
