package audit

import (
	"context"

	"github.com/gmsactl/gmsactl/internal/directory"
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
