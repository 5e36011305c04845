package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
	"github.com/spf13/cobra"
)

// writing is what the commands that write have in common.
type writing struct {
	yes      bool
	backup   string
	failover bool
}

func (w *writing) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&w.yes, "yes", false, "write without asking")
	flags.StringVar(&w.backup, "backup", "", "new `file` to save the descriptors in as they were (default: a name with the time, here)")
	flags.BoolVar(&w.failover, "dc-failover", false, "take another domain controller where the one that the file was made from cannot be used")
}

// errNoTerminal is the refusal to write unasked.
var errNoTerminal = errors.New("there is no terminal to ask on, and --yes is not given, so nothing was written")

// check refuses before anything is dialed.
func (w *writing) check(a *app) error {
	if w.yes {
		return nil
	}
	if !isTerminal(a.stdin) {
		return errNoTerminal
	}
	return nil
}

func newApply(a *app) *cobra.Command {
	var j judging
	var w writing
	var opts planning
	var account string
	cmd := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "Write what a plan shows, and read it back",
		Long: `Apply writes a plan: the file that plan saved or, without one, a plan made now for
--account. It shows the plan and asks, refuses descriptors that have changed since,
saves a backup for rollback, writes the DACL and nothing else of each descriptor,
reads it back from the same domain controller and judges it again.

A saved plan goes to the domain controller that it was made from, unless --dc names
another one. Where that one cannot be used, nothing is written; with --dc-failover
another one is taken that can be written to. It may not know yet all that the first
one knew: apply compares every object before it writes any, there as everywhere.

The exit code is 0 where all was done and every rule passes now, 3 where a rule still
does not, 4 where only a part was written or what was written could not be verified.`,
		Example: `  gmsactl apply plan.json --dc dc1.corp.example --user admin
  gmsactl apply --account 'provAgentgMSA$' --target OU=Sync,DC=corp,DC=example --dc dc1.corp.example`,
		Args: args("[PLAN]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.applyNow(cmd.Context(), account, &j, &opts, &w)
			}
			for _, name := range []string{"account", "policy", "target", "accept", "prune", "param", "write-adminsdholder"} {
				if cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s and a plan contradict each other: the plan says it already", name)
				}
			}
			return a.applyFile(cmd.Context(), args[0], &w, j.waivers)
		},
	}
	j.register(cmd)
	w.register(cmd)
	opts.register(cmd)
	cmd.Flags().StringVar(&account, "account", "", "`account` to plan for, where no plan is given")
	return cmd
}

// applyNow plans, shows, asks and applies.
func (a *app) applyNow(ctx context.Context, account string, j *judging, opts *planning, w *writing) error {
	if account == "" {
		return errors.New("neither a plan nor --account is given")
	}
	policies, accept, err := j.load()
	if err != nil {
		return err
	}
	waivers, err := readWaivers(j.waivers)
	if err != nil {
		return err
	}
	if err := w.check(a); err != nil {
		return err
	}
	if w.failover {
		return errors.New("--dc-failover goes with a plan: without one there is no domain controller that it was made from")
	}
	s, err := a.session(ctx, purpose{writes: true})
	if err != nil {
		return err
	}
	defer s.Close()
	snapshot, err := audit.Load(ctx, s, account, j.targets, policies...)
	if err != nil {
		return err
	}
	if err := a.needWritable(ctx, snapshot.Domain); err != nil {
		return err
	}
	p, err := opts.build(snapshot, policies, accept, waivers)
	if err != nil {
		return err
	}
	a.sign(p)
	return a.carryOut(ctx, s, p, w, waived(judgeAgain(s, snapshot, policies, accept), waivers))
}

// applyFile applies a plan that was saved.
func (a *app) applyFile(ctx context.Context, path string, w *writing, waiverFile string) error {
	waivers, err := readWaivers(waiverFile)
	if err != nil {
		return err
	}
	if err := w.check(a); err != nil {
		return err
	}
	p, err := readFile("plan", path, plan.Read)
	if err != nil {
		return err
	}
	policies, err := p.ParsePolicies()
	if err != nil {
		return fmt.Errorf("read plan %s: %w", path, err)
	}
	s, err := a.session(ctx, purpose{writes: true, domain: p.Domain.DNS, pinned: p.Pinned(), failover: w.failover})
	if err != nil {
		return err
	}
	defer s.Close()
	domain, err := directory.LoadDomain(ctx, s)
	if err != nil {
		return err
	}
	if err := p.CheckDomain(domain); err != nil {
		return err
	}
	if err := a.needWritable(ctx, domain); err != nil {
		return err
	}
	var snapshot *audit.Snapshot
	if p.Create != nil {
		snapshot, err = audit.LoadFuture(ctx, s, p.Create.DN, p.Create.SAMAccountName, p.Targets, policies...)
	} else {
		snapshot, err = audit.Load(ctx, s, p.Account.SID, p.Targets, policies...)
	}
	if err != nil {
		return err
	}
	if err := nameMembers(ctx, s, snapshot, p); err != nil {
		return err
	}
	if err := p.Describe(snapshot); err != nil {
		return fmt.Errorf("read plan %s: %w", path, err)
	}
	if err := a.keepControl(ctx, s, snapshot, p); err != nil {
		return err
	}
	switch {
	case len(policies) == 0:
		return a.carryOut(ctx, s, p, w, nil)
	case p.Create != nil:
		return a.carryOut(ctx, s, p, w, waived(judgeCreated(s, p, p.Targets, policies, p.Accept), waivers))
	}
	return a.carryOut(ctx, s, p, w, waived(judgeAgain(s, snapshot, policies, p.Accept), waivers))
}

// readFile reads a file of gmsactl.
func readFile[T any](what, path string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	f, err := os.Open(path)
	if err != nil {
		return none, err
	}
	defer f.Close()
	v, err := read(f)
	if err != nil {
		return none, fmt.Errorf("read %s %s: %w", what, path, err)
	}
	return v, nil
}

// judgeAgain reads the targets of a snapshot again and judges them.
func judgeAgain(s *ldapx.Session, snapshot *audit.Snapshot, policies []*policy.Policy, accept audit.Accept) judge {
	return func(ctx context.Context, _ *plan.Result) (*audit.Report, error) {
		again, err := snapshot.Reload(ctx, s)
		if err != nil {
			return nil, err
		}
		return audit.Evaluate(again, policies, accept)
	}
}

// judge says what passes after what was done.
type judge func(context.Context, *plan.Result) (*audit.Report, error)

// applied is the answer of apply and rollback.
type applied struct {
	Format int           `json:"format"`
	Kind   string        `json:"kind"` // ApplyReport
	Plan   *plan.Plan    `json:"plan"`
	Result *plan.Result  `json:"result"`
	Audit  *audit.Report `json:"audit,omitempty"` // judged again after the write
}

// carryOut shows a plan, asks, applies it and judges again; again is nil where there is
// nothing to judge by.
func (a *app) carryOut(ctx context.Context, s *ldapx.Session, p *plan.Plan, w *writing, again judge) error {
	if a.output == "text" {
		if err := report.Plan(a.stdout, p, a.style()); err != nil {
			return err
		}
	}
	// What is asked about stands beside the question, wherever the answer goes.
	if p.Pending() && !w.yes && (a.output != "text" || !isTerminal(a.stdout)) {
		if err := report.Plan(a.stderr, p, report.Style{}); err != nil {
			return err
		}
	}
	answer := &applied{Format: 1, Kind: "ApplyReport", Plan: p, Result: &plan.Result{Outcomes: []plan.Outcome{}}}
	var failed error
	if p.Pending() {
		if !w.yes {
			if err := a.confirm(ctx); err != nil {
				return err
			}
		}
		answer.Result, failed = plan.Apply(ctx, s, p, func(b *plan.Backup) (string, error) {
			path := w.backup
			if path == "" {
				path = fmt.Sprintf("gmsactl-backup-%s-%s.json", p.Domain.DNS, time.Now().UTC().Format("20060102T150405.000Z"))
			}
			return path, b.Save(path)
		})
	}
	if failed == nil && again != nil {
		answer.Audit, failed = again(ctx, answer.Result)
	}
	if failed == nil && answer.Audit != nil && answer.Result.Touched() {
		failed = unmended(p, answer.Audit)
	}
	if err := a.showApplied(answer); err != nil && failed == nil {
		failed = fmt.Errorf("show the result: %w", err)
	}
	switch {
	case failed != nil && answer.Result.Touched():
		return &outcome{exitPartly, &partlyError{failed, answer.Result.Backup}}
	case failed != nil:
		return failed
	case answer.Audit == nil:
		return nil
	}
	return findings(answer.Audit.Clean())
}

// unmended is an error where a rule that the plan was to make pass does not.
func unmended(p *plan.Plan, r *audit.Report) error {
	for _, c := range p.Changes {
		for _, t := range r.Targets {
			for _, row := range t.Rows {
				if directory.SameDN(t.DN, c.DN) && !row.Pass && slices.Contains(c.Rules, plan.Rule{Policy: row.Policy, Rule: row.Rule}) {
					return fmt.Errorf("rule %s on %s does not pass after what it needs was granted", row.Rule, t.DN)
				}
			}
		}
	}
	return nil
}

// partlyError says that something was written and not all is as it should be.
type partlyError struct {
	err    error
	backup string
}

func (e *partlyError) Error() string {
	return fmt.Sprintf("applied in part, or not verified: %v", e.err)
}
func (e *partlyError) Unwrap() error { return e.err }

func (a *app) showApplied(answer *applied) error {
	return a.show(answer, func() error {
		if _, err := fmt.Fprintln(a.stdout); err != nil {
			return err
		}
		if err := report.Outcome(a.stdout, answer.Result, a.style()); err != nil {
			return err
		}
		if answer.Audit == nil {
			return nil
		}
		if _, err := fmt.Fprintf(a.stdout, "Judged again: %s\n", report.Counts(answer.Audit.Summary)); err != nil {
			return err
		}
		return report.Waivers(a.stdout, answer.Audit.Waivers, a.style())
	})
}

// errDeclined is the answer no.
var errDeclined = errors.New("not confirmed, so nothing was written")

// confirm asks on the terminal; only yes is yes.
func (a *app) confirm(ctx context.Context) error {
	fmt.Fprint(a.stderr, "Write this to the directory? Only yes is yes: ")
	type read struct {
		line string
		err  error
	}
	answer := make(chan read, 1)
	go func() {
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		answer <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return ctx.Err()
	case got := <-answer:
		if got.err != nil || strings.TrimSpace(got.line) != "yes" {
			return errDeclined
		}
		return nil
	}
}
