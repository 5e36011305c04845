package audit

import (
	"context"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// Collect reads all that Load and LoadSchemaReport would read: for every gMSA of the
// domain and the accounts named, and for the head of the domain, every organizational
// unit and container, and the targets named.
func Collect(ctx context.Context, r directory.Reader, accounts, targets []string) (*directory.Recorder, error) {
	rec := directory.NewRecorder(r)
	d, err := directory.LoadDomain(ctx, rec)
	if err != nil {
		return nil, err
	}
	gmsas := directory.Query{
		Base: d.DN, Scope: directory.Subtree,
		Any: []directory.Match{{Attr: "objectClass", Value: directory.ClassGMSA}},
	}
	found, err := directory.Collect(rec.Read(ctx, gmsas))
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		accounts = append(accounts, e.DN)
	}
	for _, name := range accounts {
		account, err := directory.FindAccount(ctx, rec, d, name)
		if err != nil {
			return nil, err
		}
		if err := account.LoadToken(ctx, rec, d); err != nil {
			return nil, err
		}
	}
	if _, err := loadTargets(ctx, rec, d, append([]string{d.DN}, targets...)); err != nil {
		return nil, err
	}
	if err := collectPlaces(ctx, rec, d, accounts); err != nil {
		return nil, err
	}
	containers := directory.Query{
		Base: d.DN, Scope: directory.Subtree,
		Any: []directory.Match{{Attr: "objectClass", Value: "organizationalUnit"}, {Attr: "objectClass", Value: "container"}, {Attr: "objectClass", Value: "builtinDomain"}},
		// The last ones are what package explain judges by, besides.
		Attrs:      []string{"objectClass", "objectGUID", "objectSid", "adminCount", "systemFlags", "isCriticalSystemObject", "instanceType"},
		Descriptor: true,
	}
	for _, err := range rec.Read(ctx, containers) {
		if err != nil {
			return nil, err
		}
	}
	_, err = directory.LoadSchema(ctx, rec, d)
	return rec, err
}

// collectPlaces reads the objects that rules name themselves, as far as every domain has them and they are no
// containers, which are read anyway; what is not visible to the reader will not be seen in the capture, either.
func collectPlaces(ctx context.Context, r directory.Reader, d *directory.Domain, accounts []string) error {
	f := finder{s: &Snapshot{Domain: d, Account: &directory.Account{}}, read: r}
	deleted, why, err := f.container(ctx, policy.DeletedObjects)
	if err != nil {
		return err
	}
	dns := []string{d.ConfigurationDN, d.SchemaDN}
	if why == "" {
		dns = append(dns, deleted)
	}
	for _, dn := range dns {
		if _, err := directory.LoadTarget(ctx, r, dn); err != nil && !notShown(err) {
			return err
		}
	}
	for _, name := range accounts {
		a, err := directory.FindAccount(ctx, r, d, name)
		if err != nil {
			return err
		}
		if _, err := directory.LoadTarget(ctx, r, a.DN); err != nil && !notShown(err) {
			return err
		}
	}
	return nil
}
