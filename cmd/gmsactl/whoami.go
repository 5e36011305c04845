package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/report"
	"github.com/gmsactl/gmsactl/internal/whoami"
)

func newWhoAmI(a *app) *cobra.Command {
	var targets []string
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Bind, and say who, where, how protected, and what this identity may do",
		Long: `Whoami binds to the domain controller and says which one it is, what protects the
session, until when the ticket is good, who is bound and in which groups, how far the
clocks are apart, and what this identity may do: read the permissions of the targets
(they are read), modify them, and create a group managed service account.

Of modifying and creating there are two opinions: what the domain controller works
out for who asks, and what the descriptors say to gmsactl. Where they disagree the
answer is unknown, and the report has both. It writes nothing.

The exit code is 0 where there is a yes or a no for each target and for creating a
gMSA, whichever it is, and 3 where one of them is unknown.`,
		Example: `  gmsactl whoami --dc dc1.corp.example --user admin
  gmsactl whoami --target OU=Sync,DC=corp,DC=example -o json | jq .targets`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.whoami(cmd.Context(), targets)
		},
	}
	cmd.Flags().StringArrayVar(&targets, "target", nil, "`DN` to ask about; repeat for several (default: the head of the domain)")
	return cmd
}

func (a *app) whoami(ctx context.Context, targets []string) error {
	for _, dn := range targets {
		if !directory.LooksLikeDN(dn) {
			return fmt.Errorf("--target %q: want a DN such as OU=Sync,DC=corp,DC=example", dn)
		}
	}
	if a.connect.from != "" {
		return &hintedError{
			errors.New("--from is a capture, and whoami is about a session with a domain controller"),
			"leave --from out, and look whether GMSACTL_FROM is set",
		}
	}
	s, err := a.session(ctx, purpose{})
	if err != nil {
		return err
	}
	defer s.Close()
	rep, err := whoami.Load(ctx, s, bound(s.Server()), targets)
	if err != nil {
		return err
	}
	if err := a.show(rep, func() error { return report.WhoAmI(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Answered())
}

// bound is what a report says of a session.
func bound(s ldapx.Server) whoami.Bound {
	b := whoami.Bound{
		Address:   s.Address,
		Principal: s.Identity,
		Session: whoami.Session{
			Transport: string(s.Transport), Mechanism: s.Mechanism, Protection: s.Protection,
			RoundTrips: s.BindTrips,
			BindTime:   float64(s.BindTime.Round(100*time.Microsecond)) / float64(time.Millisecond),
		},
		Ticket: &whoami.Ticket{
			SessionKey: s.EncryptionType, ServiceKey: s.TicketKey,
			Starts: s.TicketStarts.UTC(), Ends: s.TicketEnds.UTC(),
		},
	}
	if s.TLS != nil {
		b.Session.TLS = &whoami.TLS{Version: s.TLS.Version, CipherSuite: s.TLS.CipherSuite, ChannelBinding: s.TLS.ChannelBinding}
	}
	if !s.TicketRenew.IsZero() {
		renew := s.TicketRenew.UTC()
		b.Ticket.Renew = &renew
	}
	return b
}
