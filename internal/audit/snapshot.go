// Package audit judges whether an account has the rights that policies ask for: it reads
// what it needs into a Snapshot, and turns a Snapshot into a Report. Judging is a pure
// function: the same snapshot gives the same report, live or from a capture.
package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// Snapshot is all that an audit judges by.
type Snapshot struct {
	Domain  *directory.Domain
	Schema  *directory.Schema
	Account *directory.Account
	Targets []*directory.Target // those that were asked for, then those that only rules name

	policies   []*policy.Policy
	places     map[policy.Target]found
	named      map[string]bool       // by DNKey: targets that only rules name
	elsewhere  []directory.Partition // domains of the forest that nobody looks at
	others     []string              // heads of the other domains of the run
	away       bool                  // the account is at home in another domain of the run
	told       bool                  // the targets that were asked for are in other domains of the run
	attributes map[string]attributes // by DNKey, of the targets whose attributes rules are about
	reader     *directory.Caller

	definitions map[string]definition // of these attributes, by name in lower case
	recorded    bool                  // from a capture, which does not tell what has no value from what nobody asked
}

// Load reads a snapshot: the account by any of its names, and the targets by DN. No
// target means the head of the domain. The targets that rules of the policies name themselves come behind those.
func Load(ctx context.Context, r directory.Reader, account string, targets []string, policies ...*policy.Policy) (*Snapshot, error) {
	return load(ctx, r, targets, policies, func(d *directory.Domain) (*directory.Account, error) {
		return directory.FindAccount(ctx, r, d, account)
	})
}

// LoadFuture is Load for a service account that is yet to be made.
func LoadFuture(ctx context.Context, r directory.Reader, dn, sAMAccountName string, targets []string, policies ...*policy.Policy) (*Snapshot, error) {
	return load(ctx, r, targets, policies, func(d *directory.Domain) (*directory.Account, error) {
		return directory.FutureGMSA(ctx, r, d, dn, sAMAccountName)
	})
}

// NoRuleError says that targets were asked for that no rule is about.
type NoRuleError struct{ Targets []string }

func (e *NoRuleError) Error() string {
	return fmt.Sprintf("no rule is about %s: the policies name all of their targets themselves", strings.Join(e.Targets, ", "))
}

func load(ctx context.Context, r directory.Reader, targets []string, policies []*policy.Policy, find func(*directory.Domain) (*directory.Account, error)) (*Snapshot, error) {
	s := &Snapshot{}
	if len(targets) > 0 && len(policies) > 0 && !looksWhereTold(policies) {
		return nil, &NoRuleError{targets}
	}
	var err error
	if s.Domain, err = directory.LoadDomain(ctx, r); err != nil {
		return nil, err
	}
	for _, d := range s.Domain.Forest {
		if !directory.SameDN(d.DN, s.Domain.DN) {
			s.elsewhere = append(s.elsewhere, d)
		}
	}
	// Names first: what an administrator may have mistyped is said before the long reads.
	if s.Account, err = find(s.Domain); err != nil {
		return nil, err
	}
	if err := s.loadTargets(ctx, r, targets, policies); err != nil {
		return nil, err
	}
	if s.Account.Groups == nil {
		if err := s.Account.LoadToken(ctx, r, s.Domain); err != nil {
			return nil, err
		}
	}
	if s.Schema, err = directory.LoadSchema(ctx, r, s.Domain); err != nil {
		return nil, err
	}
	return s, nil
}

// loadOwn reads the targets that rules name, and no others.
func (s *Snapshot) loadOwn(ctx context.Context, r directory.Reader, policies []*policy.Policy) error {
	s.Targets, s.named, s.told = nil, map[string]bool{}, true
	return s.place(ctx, r, policies)
}

// loadTargets reads the targets that were asked for, and those that rules name.
func (s *Snapshot) loadTargets(ctx context.Context, r directory.Reader, asked []string, policies []*policy.Policy) error {
	s.Targets, s.named = nil, map[string]bool{}
	// Where no rule is about it, the head of the domain would only look as if it had been judged.
	if len(asked) > 0 || len(policies) == 0 || looksWhereTold(policies) {
		var err error
		if s.Targets, err = loadTargets(ctx, r, s.Domain, asked); err != nil {
			return err
		}
	}
	return s.place(ctx, r, policies)
}

func loadTargets(ctx context.Context, r directory.Reader, d *directory.Domain, dns []string) ([]*directory.Target, error) {
	if len(dns) == 0 {
		dns = []string{d.DN}
	}
	var out []*directory.Target
	seen := map[string]bool{}
	for _, dn := range dns {
		t, err := directory.LoadTarget(ctx, r, dn)
		if err != nil {
			return nil, err
		}
		// One object may be named in several ways; what the directory calls it counts.
		if key := directory.DNKey(t.DN); !seen[key] {
			seen[key] = true
			out = append(out, t)
		}
	}
	return out, nil
}

// Reload is the snapshot with its targets read again; everything else stays as it was.
func (s *Snapshot) Reload(ctx context.Context, r directory.Reader) (*Snapshot, error) {
	var dns []string
	for _, t := range s.Targets {
		if s.Asked(t) {
			dns = append(dns, t.DN)
		}
	}
	again := *s
	if s.told {
		return &again, again.loadOwn(ctx, r, s.policies)
	}
	if err := again.loadTargets(ctx, r, dns, s.policies); err != nil {
		return nil, err
	}
	return &again, nil
}
