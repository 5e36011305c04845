package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/plan"
)

func newRollback(a *app) *cobra.Command {
	var w writing
	cmd := &cobra.Command{
		Use:   "rollback BACKUP",
		Short: "Put back what apply saved",
		Long: `Rollback puts the explicit entries back that apply saved before it wrote, byte for
byte. It is a plan like any other: shown, confirmed, with a backup of its own, read
back. It refuses an object whose permissions are not as apply left them. It goes to the
domain controller that apply wrote to, unless --dc names another one or that one cannot
be used and --dc-failover is given.`,
		Example: `  gmsactl rollback gmsactl-backup-corp.example-20260102T030405.000Z.json --dc dc1.corp.example`,
		Args:    args("BACKUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rollback(cmd.Context(), args[0], &w)
		},
	}
	w.register(cmd)
	return cmd
}

func (a *app) rollback(ctx context.Context, path string, w *writing) error {
	if err := w.check(a); err != nil {
		return err
	}
	b, err := readFile("backup", path, plan.ReadBackup)
	if err != nil {
		return err
	}
	s, err := a.session(ctx, purpose{writes: true, domain: b.Domain.DNS, pinned: b.Pinned(), failover: w.failover})
	if err != nil {
		return err
	}
	defer s.Close()
	domain, err := directory.LoadDomain(ctx, s)
	if err != nil {
		return err
	}
	if err := a.needWritable(ctx, domain); err != nil {
		return err
	}
	p, err := b.Undo(ctx, s)
	if err != nil {
		return err
	}
	a.sign(p)
	return a.carryOut(ctx, s, p, w, nil)
}
