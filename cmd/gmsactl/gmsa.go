package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
)

func newGMSA(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gmsa",
		Short: "Make, look at and harden a group managed service account",
	}
	cmd.AddCommand(newGMSACreate(a), newGMSAShow(a), newGMSAHarden(a))
	return cmd
}

// retrievers are the flags that say who may have the password.
type retrievers struct {
	hosts, groups []string
}

func (r *retrievers) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&r.hosts, "host", nil, "`computer` that may have the password; repeat for several")
	cmd.Flags().StringArrayVar(&r.groups, "group", nil, "security `group` whose computers may have the password; repeat for several")
}

func (r *retrievers) given() bool { return len(r.hosts)+len(r.groups) > 0 }

// checkOut refuses, before anything is dialed, what contradicts a plan that is saved, or one that
// is carried out at once.
func (w *writing) checkOut(a *app, out string) error {
	switch {
	case out != "" && (w.yes || w.backup != "" || w.failover):
		return errors.New("--out saves the plan and writes nothing to the directory: --yes, --backup and --dc-failover go to apply")
	case out == "" && a.connect.from != "":
		return &hintedError{errors.New("a capture cannot be written to"), "save the plan with --out FILE, and apply it where the domain controller is"}
	case w.failover:
		return errors.New("--dc-failover goes with a plan: without one there is no domain controller that it was made from")
	case out == "":
		return w.check(a)
	}
	return nil
}

// planAccount makes a plan for an account itself and saves it, or carries it out at once and has it
// judged again.
func (a *app) planAccount(ctx context.Context, out string, w *writing, build func(context.Context, directory.Reader) (*plan.Plan, error), again func(*ldapx.Session, *plan.Plan) judge) error {
	if out != "" {
		var p *plan.Plan
		err := a.read(ctx, purpose{writes: true}, func(r directory.Reader) (err error) {
			p, err = build(ctx, r)
			return err
		})
		if err != nil {
			return err
		}
		return a.saveInstead(p, out)
	}
	s, err := a.session(ctx, purpose{writes: true})
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := build(ctx, s)
	if err != nil {
		return err
	}
	return a.carryOut(ctx, s, p, w, again(s, p))
}

// nameRetrievers adds the names of those who are given a password to those that a snapshot has
// for SIDs.
func nameRetrievers(s *audit.Snapshot, who []gmsa.Principal) {
	for _, p := range who {
		s.Account.Names[p.SID] = s.Domain.Qualified(p.Name)
	}
}

// nameMembers does so for a plan that was read from a file.
func nameMembers(ctx context.Context, r directory.Reader, s *audit.Snapshot, p *plan.Plan) error {
	for _, c := range p.Attributes {
		if c.Name != gmsa.AttrMembership {
			continue
		}
		for _, value := range c.After {
			who, err := gmsa.Named(ctx, r, s.Domain, value)
			if err != nil {
				return err
			}
			nameRetrievers(s, who)
		}
	}
	return nil
}
