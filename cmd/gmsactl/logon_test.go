package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/sspi"
)

func TestHintsForTheLogonOfWindows(t *testing.T) {
	refused := func(status sspi.Status) error {
		return &ldapx.BindError{Stage: ldapx.StageTicket, Err: &sspi.Error{Op: "use the current logon", Status: status, Text: "no"}}
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{refused(sspi.NoCredentials), "nobody with Kerberos tickets is logged on"},
		{refused(sspi.TargetUnknown), "--dc must be the DNS name"},
		{refused(sspi.NoAuthority), "no domain controller of the account's own domain answers"},
		{refused(sspi.Downgrade), "no domain controller of the account's own domain answers"},
		{refused(sspi.TimeSkew), "w32tm /resync"},
		{refused(sspi.NoCommonEtype), "no encryption type in common"},
		{refused(sspi.LogonDenied), "klist purge"},
		{refused(0x80090304), "give --user"},
		// The service could not read the ticket, or its proof is none: that is no matter of the logon.
		{fmt.Errorf("%w: %w", gss.ErrMutualAuth, refused(sspi.WrongPrincipal)), "stop: this is the wrong host"},
	} {
		if got := hintFor(tt.err); !strings.Contains(got, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
	if got, want := refused(sspi.NoCredentials).Error(), "get ticket: use the current logon: no (0x8009030e)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
