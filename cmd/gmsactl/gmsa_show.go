package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/report"
)

func newGMSAShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Say who may have a service account's password, who can take it over, and what else is wrong",
		Long: `Show says all of a group managed service account that an auditor asks for: who may
have its password, down through nested groups; who can take it over, by its permissions
and its owner; the groups it is in, its flags, delegation, keys and names; the root key
that its password is made from, and where it is. Each finding has a severity, its
source, and the command that mends it. The password itself is never asked for.

The exit code is 3 where a finding is medium or worse, or something could not be seen.`,
		Example: `  gmsactl gmsa show 'provAgentgMSA$' --dc dc1.corp.example --user admin
  gmsactl gmsa show 'provAgentgMSA$' --from corp.ldif -o json | jq .retrievers`,
		Args: args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.gmsaShow(cmd.Context(), args[0]) },
	}
}

func (a *app) gmsaShow(ctx context.Context, name string) error {
	var rep *gmsa.Report
	err := a.read(ctx, purpose{}, func(r directory.Reader) error {
		facts, err := gmsa.Load(ctx, r, name)
		if err != nil {
			return err
		}
		rep, err = gmsa.Show(ctx, r, facts)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.show(rep, func() error { return report.ServiceAccount(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}
