package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
)

// judging is what audit, plan and apply have in common: whom, where, and by what.
type judging struct {
	policies []string
	targets  []string
	accept   string
}

const defaultPolicy = "cloud-sync-custom-gmsa"

func (j *judging) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&j.policies, "policy", nil, "`name` of a built-in policy or a file; repeat for several (default: "+defaultPolicy+")")
	flags.StringArrayVar(&j.targets, "target", nil, "`DN` whose permissions count; repeat for several (default: the head of the domain)")
	flags.StringVar(&j.accept, "accept", "groups", "`grants` that pass: own (the account's entries), groups (its groups' too), any")
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
	var out []*policy.Policy
	seen := map[string]string{}
	for _, name := range names {
		p, err := openPolicy(name)
		if err != nil {
			return nil, 0, err
		}
		if other, twice := seen[p.Name]; twice {
			return nil, 0, fmt.Errorf("--policy %s: policy %q was given already as %s", name, p.Name, other)
		}
		seen[p.Name] = name
		out = append(out, p)
	}
	return out, accept, nil
}

// openPolicy reads a policy from a file, where the name looks like one, or the built-in
// policy of that name.
func openPolicy(name string) (*policy.Policy, error) {
	if !strings.ContainsAny(name, `/\.`) {
		return policy.Builtin(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return policy.Parse(name, text)
}

func newAudit(a *app) *cobra.Command {
	var j judging
	cmd := &cobra.Command{
		Use:   "audit ACCOUNT",
		Short: "Compare an account's permissions with what policies ask for",
		Long: `Audit reads the security descriptors of the targets and says, for each rule of the
policies, whether entries grant it to the account (grant) and whether the account
then really has it, on the target and on new objects below it (effect).

ACCOUNT is a sAMAccountName with or without $, DOMAIN\name, a UPN, a DN or a SID.
The exit code is 0 where every rule passes, 3 where one does not or is unknown.`,
		Example: `  gmsactl audit 'provAgentgMSA$' --dc dc1.corp.example --user admin
  gmsactl audit 'provAgentgMSA$' --from demo -o json | jq .summary`,
		Args: args("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.audit(cmd.Context(), args[0], &j)
		},
	}
	j.register(cmd)
	return cmd
}

func (a *app) audit(ctx context.Context, account string, j *judging) error {
	policies, accept, err := j.load()
	if err != nil {
		return err
	}
	snapshot, err := a.snapshot(ctx, account, j.targets)
	if err != nil {
		return err
	}
	rep, err := audit.Evaluate(snapshot, policies, accept)
	if err != nil {
		return err
	}
	if err := a.show(rep, func() error { return report.Audit(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}

// snapshot reads what is to be judged, from the directory or a capture.
func (a *app) snapshot(ctx context.Context, account string, targets []string) (*audit.Snapshot, error) {
	r, done, err := a.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return audit.Load(ctx, r, account, targets)
}
