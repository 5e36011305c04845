package main

import (
	"context"

	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/locate"
)

// kdcs finds the KDCs of a realm that is not the domain controller's: as krb5.conf has it, or
// else as DNS does.
func kdcs(ctx context.Context, realm string) ([]string, error) {
	if found := krb5.ReadConf().KDCs(realm); len(found) > 0 {
		return found, nil
	}
	return new(locate.Locator).KDCs(ctx, realm)
}
