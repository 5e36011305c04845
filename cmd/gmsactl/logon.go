package main

import (
	"errors"

	"github.com/gmsactl/gmsactl/internal/sspi"
)

// logonHint is the next step where Windows does not let who is logged on bind; empty for
// other errors.
func logonHint(err error) string {
	var refused *sspi.Error
	if !errors.As(err, &refused) {
		return ""
	}
	switch refused.Status {
	case sspi.NoCredentials:
		return "nobody with Kerberos tickets is logged on: log on with an account of the domain (klist shows its tickets), or give --user"
	case sspi.TargetUnknown:
		return "--dc must be the DNS name of a domain controller, not an address or an alias"
	case sspi.NoAuthority, sspi.Downgrade:
		return "no domain controller of the account's own domain answers Windows: look at the network and at DNS (nltest /dsgetdc:DOMAIN)"
	case sspi.TimeSkew:
		return "the clocks of this machine and of the domain differ by too much: w32tm /resync"
	case sspi.NoCommonEtype:
		return "the domain has no encryption type in common with this machine for this account"
	case sspi.LogonDenied:
		return "the domain refuses this logon: klist purge, then log on anew; or give --user"
	}
	return "give --user to bind with a password, which does not ask Windows"
}
