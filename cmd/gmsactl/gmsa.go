package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
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
