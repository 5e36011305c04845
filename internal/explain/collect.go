package explain

import (
	"context"
	"errors"
	"fmt"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// Collect reads what Explain would read besides what audit.Collect does, so that a recorder
// of r can answer for it: about the accounts named and every gMSA, as accounts and as
// objects, and about the targets named, with the containers above them.
func Collect(ctx context.Context, r directory.Reader, accounts, targets []string) error {
	e := newExplainer(r, false)
	if err := e.loadHeads(ctx); err != nil {
		return err
	}
	// Nothing is judged here, so that the schema is not read once more.
	e.schema = &directory.Schema{}
	d := e.domain
	gmsas := directory.Query{Base: d.DN, Scope: directory.Subtree, Any: []directory.Match{{Attr: "objectClass", Value: directory.ClassGMSA}}}
	found, err := directory.Collect(r.Read(ctx, gmsas))
	if err != nil {
		return err
	}
	objects := append([]string{d.DN}, targets...)
	for _, entry := range found {
		accounts = append(accounts, entry.DN)
	}
	for _, name := range accounts {
		a, err := e.account(ctx, name)
		if err != nil {
			return err
		}
		objects = append(objects, a.DN)
	}
	for _, dn := range objects {
		_, err := e.chain(ctx, dn)
		if missing := (*directory.NotFoundError)(nil); err != nil && !errors.As(err, &missing) {
			return err
		}
	}
	if _, err := e.readHeuristics(ctx); err != nil {
		return err
	}
	kinds := []directory.Match{{Attr: "objectClass", Value: "classSchema"}, {Attr: "objectClass", Value: "attributeSchema"}}
	for _, q := range []directory.Query{natureQuery(d, kinds...), rightQuery(d, directory.Match{Attr: "objectClass", Value: "controlAccessRight"})} {
		for _, err := range r.Read(ctx, q) {
			if err != nil {
				return fmt.Errorf("read the schema: %w", err)
			}
		}
	}
	return nil
}
