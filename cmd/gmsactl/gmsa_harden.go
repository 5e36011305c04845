package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
)

// hardening is what gmsa harden is told.
type hardening struct {
	writing
	retrievers
	dropDenies bool
	out        string
}

func newGMSAHarden(a *app) *cobra.Command {
	var h hardening
	cmd := &cobra.Command{
		Use:   "harden NAME",
		Short: "Let nobody but those who run the forest change a service account",
		Long: `Harden gives the account's own object the restricted permissions that Microsoft
publishes for service accounts of synchronization: nothing is inherited from above any
more; SYSTEM, Enterprise Admins, Domain Admins and Administrators have full control,
domain controllers and who is logged on may read it, and what it may do to itself stays.
All other entries that allow something go, those of Account Operators by the class's
default among them. Entries that deny stay, the default one of Reset Password too,
unless --drop-denies is given.

With --host and --group it also gives the password to these and to nobody else.

It is a plan like any other: shown, confirmed, with a backup for rollback, read back;
--out saves it for apply instead. The result is simulated first: where whoever is bound,
or Domain Admins, could not undo it, it is refused.`,
		Example: `  gmsactl gmsa harden 'provAgentgMSA$' --dc dc1.corp.example --user admin
  gmsactl gmsa harden 'provAgentgMSA$' --host AGENT1 --host AGENT2 --out plan.json`,
		Args: args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := h.checkOut(a, h.out); err != nil {
				return err
			}
			return a.gmsaHarden(cmd.Context(), args[0], &h)
		},
	}
	h.writing.register(cmd)
	h.retrievers.register(cmd)
	cmd.Flags().BoolVar(&h.dropDenies, "drop-denies", false, "take entries that deny away, too, the default one of Reset Password among them")
	cmd.Flags().StringVar(&h.out, "out", "", "new `file` to save the plan in, instead of writing to the directory")
	return cmd
}

func (a *app) gmsaHarden(ctx context.Context, name string, h *hardening) error {
	build := func(ctx context.Context, r directory.Reader) (*plan.Plan, error) {
		return a.planHardening(ctx, r, name, h)
	}
	return a.planAccount(ctx, h.out, &h.writing, build, func(*ldapx.Session, *plan.Plan) judge { return nil })
}

// planHardening plans it, and refuses what would lock out those who run the forest.
func (a *app) planHardening(ctx context.Context, r directory.Reader, name string, h *hardening) (*plan.Plan, error) {
	d, err := directory.LoadDomain(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.connect.from == "" {
		if err := a.needWritable(ctx, d); err != nil {
			return nil, err
		}
	}
	account, err := directory.FindAccount(ctx, r, d, name)
	if err != nil {
		return nil, err
	}
	if !account.IsGMSA() {
		return nil, &directory.AccountError{Name: name, Why: account.DN + " is no group managed service account"}
	}
	var membership []byte
	var notes []string
	var who []gmsa.Principal
	if h.given() {
		if who, err = gmsa.Retrievers(ctx, r, d, h.hosts, h.groups); err != nil {
			return nil, err
		}
		for _, p := range who {
			if p.Note != "" {
				notes = append(notes, p.Note)
			}
		}
		if membership, err = gmsa.Membership(who); err != nil {
			return nil, err
		}
	}
	snapshot, err := audit.Load(ctx, r, account.DN, []string{account.DN})
	if err != nil {
		return nil, err
	}
	object := snapshot.Targets[0]
	if object.Descriptor == nil {
		return nil, fmt.Errorf("harden %s: %s", object.DN, object.Unreadable)
	}
	have, err := gmsa.MembershipOf(ctx, r, object.DN)
	if err != nil {
		return nil, err
	}
	nameRetrievers(snapshot, who)
	p, err := plan.Harden(snapshot, object, have, membership, h.dropDenies)
	if err != nil {
		return nil, err
	}
	if a.connect.from != "" {
		notes = append(notes, "Whether whoever applies this keeps control of the account is not known from a capture; apply looks at it.")
	}
	if err := a.keepControl(ctx, r, snapshot, p); err != nil {
		return nil, err
	}
	p.Notes = append(notes, p.Notes...)
	a.sign(p)
	return p, nil
}

// keepControl refuses a plan after which Domain Admins, or whoever is bound, could not undo
// what it does to the account's own object.
func (a *app) keepControl(ctx context.Context, r directory.Reader, s *audit.Snapshot, p *plan.Plan) error {
	for _, c := range p.Changes {
		if c.Protection == "" {
			continue
		}
		var caller *directory.Caller
		if a.connect.from == "" {
			var err error
			if caller, err = directory.WhoReads(ctx, r, s.Domain); err != nil {
				return err
			}
		}
		at := slices.IndexFunc(s.Targets, func(t *directory.Target) bool { return directory.SameDN(t.DN, c.DN) })
		if at < 0 {
			return &directory.NotFoundError{DN: c.DN}
		}
		if err := gmsa.CheckControl(s.Domain, s.Schema, s.Targets[at], c.After, caller); err != nil {
			return err
		}
	}
	return nil
}
