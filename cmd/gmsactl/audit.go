package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/reach"
	"github.com/gmsactl/gmsactl/internal/report"
)

// judging is what audit, plan and apply have in common: whom, where, and by what.
type judging struct {
	policies []string
	targets  []string
	accept   string
	waivers  string
	params   []string
}

const defaultPolicy = "cloud-sync-custom-gmsa"

func (j *judging) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&j.policies, "policy", nil, "`name` of a built-in policy or a file; repeat for several (default: "+defaultPolicy+")")
	flags.StringArrayVar(&j.targets, "target", nil, "`DN` whose permissions count; repeat for several (default: the head of the domain)")
	flags.StringVar(&j.accept, "accept", "groups", "`grants` that pass: own (the account's entries), groups (its groups' too), any")
	flags.StringArrayVar(&j.params, "param", nil, "`NAME=VALUE` of a parameter of the policies; repeat for several")
	flags.StringVar(&j.waivers, "waivers", "", "`file` of rules that need not pass, where, why and until when")
}

// load checks everything that needs no directory, then reads the policies.
func (j *judging) load() ([]*policy.Policy, audit.Accept, error) {
	var accept audit.Accept
	if err := accept.UnmarshalText([]byte(j.accept)); err != nil {
		return nil, 0, fmt.Errorf("--accept: %w", err)
	}
	for _, dn := range j.targets {
		if !directory.LooksLikeDN(dn) {
			return nil, 0, fmt.Errorf("--target %q: want a DN such as OU=Sync,DC=corp,DC=example", dn)
		}
	}
	names := j.policies
	if len(names) == 0 {
		names = []string{defaultPolicy}
	}
	values, err := parameters(j.params)
	if err != nil {
		return nil, 0, err
	}
	out, err := policy.Load(names, values, openPolicy)
	return out, accept, err
}

// parameters are the values that --param gives.
func parameters(given []string) (map[string]string, error) {
	values := map[string]string{}
	for _, one := range given {
		name, value, ok := strings.Cut(one, "=")
		switch _, twice := values[name]; {
		case !ok || name == "":
			return nil, fmt.Errorf("--param %q: want NAME=VALUE", one)
		case twice:
			return nil, fmt.Errorf("--param %s is given twice", name)
		}
		values[name] = value
	}
	return values, nil
}

// sweeping is what audit may look at beyond the targets themselves.
type sweeping struct {
	reach, excess, everyone bool
	examples                int
}

func (s *sweeping) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&s.reach, "reach", false, "judge every object below the targets, too: where the rules have an effect, and why not elsewhere")
	flags.BoolVar(&s.excess, "excess", false, "list what the account may do there, and on the heads of naming contexts, beyond the policies")
	flags.BoolVar(&s.everyone, "everyone", false, "with --excess: list entries for Everyone, Authenticated Users and the like, too")
	flags.IntVar(&s.examples, "examples", 3, "`number` of objects to name for each finding")
}

// check refuses what would have no effect; given says whether --examples was.
func (s *sweeping) check(given bool) error {
	switch {
	case s.everyone && !s.excess:
		return &hintedError{errors.New("--everyone goes with --excess"), "add --excess, or leave --everyone out"}
	case s.examples < 0 || s.examples > maxExamples:
		return &hintedError{fmt.Errorf("--examples %d: want 0 to %d", s.examples, maxExamples), "the JSON of -o json has the numbers of all objects, whatever is named"}
	case given && !s.reach && !s.excess:
		return &hintedError{errors.New("--examples goes with --reach or --excess"), "add one of them, or leave --examples out"}
	}
	return nil
}

// maxExamples keeps the examples of every container and class in memory.
const maxExamples = 100

func newAudit(a *app) *cobra.Command {
	var j judging
	var sweep sweeping
	cmd := &cobra.Command{
		Use:   "audit ACCOUNT",
		Short: "Compare an account's permissions with what policies ask for",
		Long: `Audit reads the security descriptors of the targets and says, for each rule of the
policies, whether entries grant it to the account (grant) and whether the account
then really has it, on the target and on new objects below it (effect).

With --reach it reads every object at and below the targets, and says on how many
each rule is effective, and why not on the others: blocked inheritance, AdminSDHolder,
a deny, and where that stands. With --excess it lists the rights that the account has
there, and on the heads of the naming contexts, and that no policy asks for.

ACCOUNT is a sAMAccountName with or without $, DOMAIN\name, a UPN, a DN or a SID.
The exit code is 0 where every rule passes, 3 where one does not or is unknown, where
an object is not reached, or where there is excess. A rule that --waivers names where it
fails is shown as waived and is no finding; a waiver that has expired is one.`,
		Example: `  gmsactl audit 'provAgentgMSA$' --dc dc1.corp.example --user admin
  gmsactl audit 'provAgentgMSA$' --reach --excess --target OU=Sync,DC=corp,DC=example
  gmsactl audit 'provAgentgMSA$' --from demo -o json | jq .summary`,
		Args: args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := sweep.check(cmd.Flags().Changed("examples")); err != nil {
				return err
			}
			if a.connect.several() {
				return a.auditForest(cmd.Context(), args[0], &j, &sweep)
			}
			return a.audit(cmd.Context(), args[0], &j, &sweep)
		},
		Annotations: takesSeveral,
	}
	j.register(cmd)
	sweep.register(cmd)
	return cmd
}

func (a *app) audit(ctx context.Context, account string, j *judging, sweep *sweeping) error {
	policies, accept, err := j.load()
	if err != nil {
		return err
	}
	waivers, err := readWaivers(j.waivers)
	if err != nil {
		return err
	}
	var rep *audit.Report
	err = a.read(ctx, purpose{}, func(r directory.Reader) error {
		snapshot, err := audit.Load(ctx, r, account, j.targets, policies...)
		if err != nil {
			return err
		}
		if rep, err = audit.Evaluate(snapshot, policies, accept); err != nil {
			return err
		}
		if sweep.reach || sweep.excess {
			return a.sweep(ctx, r, snapshot, policies, rep, sweep)
		}
		return nil
	})
	if err != nil {
		return err
	}
	rep.Waive(waivers)
	if err := a.show(rep, func() error { return report.Audit(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}

// sweep adds to a report what the objects below its targets say.
func (a *app) sweep(ctx context.Context, r directory.Reader, snapshot *audit.Snapshot, policies []*policy.Policy, rep *audit.Report, s *sweeping) error {
	judge, err := audit.NewJudge(snapshot, policies, rep.Accept)
	if err != nil {
		return err
	}
	total := 0
	if c, ok := r.(*captureReader); ok {
		total = c.Swept(reach.Bases(snapshot, judge))
	}
	progress, erase := a.progress(total)
	defer erase()
	opts := reach.Options{Reach: s.reach, Excess: s.excess, Everybody: s.everyone, Examples: s.examples, Progress: progress}
	if err := reach.Sweep(ctx, r, snapshot, judge, rep, opts); err != nil {
		return err
	}
	if a.connect.from != "" {
		rep.Notes = append(rep.Notes, "The objects are those that the capture holds; what it does not hold was not judged.")
	}
	return nil
}
