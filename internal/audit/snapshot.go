// Package audit judges whether an account has the rights that policies ask for: it reads
// what it needs into a Snapshot, and turns a Snapshot into a Report. Judging is a pure
// function: the same snapshot gives the same report, live or from a capture.
package audit

import (
	"context"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// Snapshot is all that an audit judges by.
type Snapshot struct {
	Domain  *directory.Domain
	Schema  *directory.Schema
	Account *directory.Account
	Targets []*directory.Target
}

// Load reads a snapshot: the account by any of its names, and the targets by DN. No
// target means the head of the domain.
func Load(ctx context.Context, r directory.Reader, account string, targets []string) (*Snapshot, error) {
	return load(ctx, r, targets, func(d *directory.Domain) (*directory.Account, error) {
		return directory.FindAccount(ctx, r, d, account)
	})
}

// LoadFuture is Load for a service account that is yet to be made.
func LoadFuture(ctx context.Context, r directory.Reader, dn, sAMAccountName string, targets []string) (*Snapshot, error) {
	return load(ctx, r, targets, func(d *directory.Domain) (*directory.Account, error) {
		return directory.FutureGMSA(ctx, r, d, dn, sAMAccountName)
	})
}

func load(ctx context.Context, r directory.Reader, targets []string, find func(*directory.Domain) (*directory.Account, error)) (*Snapshot, error) {
	s := &Snapshot{}
	var err error
	if s.Domain, err = directory.LoadDomain(ctx, r); err != nil {
		return nil, err
	}
	// Names first: what an administrator may have mistyped is said before the long reads.
	if s.Account, err = find(s.Domain); err != nil {
		return nil, err
	}
	if s.Targets, err = loadTargets(ctx, r, s.Domain, targets); err != nil {
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
		dns = append(dns, t.DN)
	}
	targets, err := loadTargets(ctx, r, s.Domain, dns)
	if err != nil {
		return nil, err
	}
	again := *s
	again.Targets = targets
	return &again, nil
}
