package main

import (
	"context"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// kdcs finds the KDCs of a realm that is not the domain controller's: as krb5.conf has it, or
// else as DNS does.
func (a *app) kdcs(ctx context.Context, realm string) ([]string, error) {
	if found := krb5.ReadConf().KDCs(realm); len(found) > 0 {
		return found, nil
	}
	l, err := a.locator()
	if err != nil {
		return nil, err
	}
	return l.KDCs(ctx, realm)
}
