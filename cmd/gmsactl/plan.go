package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
)

func newPlan(a *app) *cobra.Command {
	var j judging
	var opts planning
	var out string
	cmd := &cobra.Command{
		Use:   "plan ACCOUNT",
		Short: "Show the fewest entries that make every rule pass",
		Long: `Plan shows which access control entries would make every rule of the policies pass,
and writes nothing. With --out it saves the plan for apply: the file pins the domain
and a digest of every descriptor, so that apply refuses where either has changed.
The file holds descriptors; only its owner may read it.

With --prune it also takes away the account's own explicit allow entries on the
targets that grant more than the policies ask for, and grants what a rule needs of
them anew, no wider. Nothing else is ever taken away: no deny, nobody else's entry,
nothing inherited. Choose the policies with care: what they do not ask for goes.

The exit code is 0 where every rule passes as it is, and 3 where something is to be
written, or a rule does not pass and no entry would change that.`,
		Example: `  gmsactl plan 'provAgentgMSA$' --dc dc1.corp.example --user admin --out plan.json
  gmsactl apply plan.json --dc dc1.corp.example --user admin`,
		Args: args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd.Context(), args[0], &j, &opts, out)
		},
	}
	j.register(cmd)
	opts.register(cmd)
	cmd.Flags().StringVar(&out, "out", "", "new `file` to save the plan in")
	return cmd
}

// planning is what plan and apply may do beyond adding entries.
type planning struct{ prune, adminSDHolder bool }

func (o *planning) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.prune, "prune", false, "take away the account's own entries that the policies do not ask for, too")
	cmd.Flags().BoolVar(&o.adminSDHolder, "write-adminsdholder", false, "write on AdminSDHolder, too: every protected account and group takes that over")
}

// build makes the plan that was asked for.
func (o *planning) build(s *audit.Snapshot, policies []*policy.Policy, accept audit.Accept, waivers *audit.Waivers) (*plan.Plan, error) {
	return plan.Make(s, policies, plan.Options{Accept: accept, Prune: o.prune, Waivers: waivers, AdminSDHolder: o.adminSDHolder})
}

func (a *app) plan(ctx context.Context, account string, j *judging, opts *planning, out string) error {
	policies, accept, err := j.load()
	if err != nil {
		return err
	}
	waivers, err := readWaivers(j.waivers)
	if err != nil {
		return err
	}
	var snapshot *audit.Snapshot
	err = a.read(ctx, purpose{writes: true}, func(r directory.Reader) (err error) {
		if snapshot, err = audit.Load(ctx, r, account, j.targets, policies...); err != nil || a.connect.from != "" {
			return err
		}
		return a.needWritable(ctx, snapshot.Domain)
	})
	if err != nil {
		return err
	}
	p, err := opts.build(snapshot, policies, accept, waivers)
	if err != nil {
		return err
	}
	now, err := audit.Evaluate(snapshot, policies, accept)
	if err != nil {
		return err
	}
	now.Waive(waivers)
	a.sign(p)
	if out != "" {
		if err := savePlan(p, out); err != nil {
			return err
		}
	}
	if err := a.show(p, func() error { return report.Plan(a.stdout, p, a.style()) }); err != nil {
		return err
	}
	return findings(!p.Pending() && now.Clean())
}

// savePlan saves a plan in a new file.
func savePlan(p *plan.Plan, path string) error {
	var text bytes.Buffer
	if err := p.Write(&text); err != nil {
		return err
	}
	if err := plan.WriteNew(path, text.Bytes()); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// saveInstead saves a plan that is not carried out, and shows it.
func (a *app) saveInstead(p *plan.Plan, path string) error {
	if err := savePlan(p, path); err != nil {
		return err
	}
	if err := a.show(p, func() error { return report.Plan(a.stdout, p, a.style()) }); err != nil {
		return err
	}
	return findings(!p.Pending() && len(p.Blocked) == 0)
}

// sign says when and by what a plan was made.
func (a *app) sign(p *plan.Plan) {
	p.Created = time.Now().UTC().Truncate(time.Second)
	p.Tool = "gmsactl " + version
}
