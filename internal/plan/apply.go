package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Directory is a directory that can be read and written: one domain controller, for a
// second one may not have seen the change yet.
type Directory interface {
	directory.Reader

	// WriteDACL replaces the DACL of an object by that of a self-relative descriptor and
	// leaves its owner, group and SACL alone.
	WriteDACL(ctx context.Context, dn string, descriptor []byte) error
}

// State is how far one change got.
type State string

// The states of a change.
const (
	NotDone     State = "not-done"     // nothing was sent
	AlreadyDone State = "already-done" // the directory says already what the change would make it say
	Refused     State = "refused"      // the directory refused it
	Sent        State = "sent"         // sent, and not known whether it took effect
	Unverified  State = "unverified"   // written, but what was read back is not what was to be
	Verified    State = "verified"     // written and read back
)

// Outcome is what became of one change.
type Outcome struct {
	DN    string `json:"dn"`
	State State  `json:"state"`
	Error string `json:"error,omitempty"`
}

// Result is what became of a plan.
type Result struct {
	Backup   string    `json:"backup,omitempty"` // the file that rollback takes; empty when nothing was written
	Outcomes []Outcome `json:"outcomes"`
}

// Touched says whether anything was, or may have been, written.
func (r *Result) Touched() bool {
	return slices.ContainsFunc(r.Outcomes, func(o Outcome) bool {
		return o.State == Verified || o.State == Unverified || o.State == Sent
	})
}

// StaleError says that the directory is not what a plan was made from, so that nothing
// was written.
type StaleError struct{ Reasons []string }

func (e *StaleError) Error() string {
	return "the directory has changed since the plan was made: " + strings.Join(e.Reasons, "; ")
}

// WrongDomainError says that a plan is for another domain.
type WrongDomainError struct{ Plan, Here string }

func (e *WrongDomainError) Error() string {
	return fmt.Sprintf("the plan is for domain %s, this is %s", e.Plan, e.Here)
}

// A refusal is an error of WriteDACL after which it is certain that nothing was written:
// the directory answered, and said no. After any other error nobody knows.
type refusal interface{ Refused() bool }

// Apply writes the changes of a plan. It reads every object first and writes nothing at
// all where one differs from what the plan was made from (*StaleError), then has save
// keep a backup, then writes and reads back one object after another. It stops at the
// first that fails. The Result tells what was done, also along with an error.
func Apply(ctx context.Context, d Directory, p *Plan, save func(*Backup) (path string, err error)) (*Result, error) {
	result := &Result{Outcomes: make([]Outcome, len(p.Changes))}
	for i, c := range p.Changes {
		result.Outcomes[i] = Outcome{DN: c.DN, State: NotDone}
	}
	if err := checkDomain(ctx, d, p.Domain); err != nil {
		return result, err
	}
	pending, err := examine(ctx, d, p.Changes, result)
	if err != nil || len(pending) == 0 {
		return result, err
	}
	backup := &Backup{Format: format, Kind: kindBackup, Created: p.Created, Tool: p.Tool, Domain: p.Domain, Server: p.Server, Account: p.Account}
	for _, i := range pending {
		backup.Changes = append(backup.Changes, p.Changes[i])
	}
	path, err := save(backup)
	if err != nil {
		return result, fmt.Errorf("save the backup, so nothing was written: %w", err)
	}
	result.Backup = path
	for _, i := range pending {
		// The look at all of them may be a while ago by now.
		still, err := examine(ctx, d, p.Changes[i:i+1], &Result{Outcomes: result.Outcomes[i : i+1]})
		if err != nil {
			return result, err
		}
		if len(still) == 0 {
			continue
		}
		if err := write(ctx, d, &p.Changes[i], &result.Outcomes[i]); err != nil {
			result.Outcomes[i].Error = err.Error()
			return result, err
		}
	}
	return result, nil
}

func checkDomain(ctx context.Context, r directory.Reader, want Domain) error {
	here, err := directory.LoadDomain(ctx, r)
	if err != nil {
		return err
	}
	return want.check(here)
}

// examine reads the objects of all changes and says which are still to be done.
func examine(ctx context.Context, r directory.Reader, changes []Change, result *Result) (pending []int, err error) {
	var stale []string
	for i := range changes {
		c := &changes[i]
		before, after, err := c.parse()
		if err != nil {
			return nil, fmt.Errorf("change of %s: %w", c.DN, err)
		}
		t, reason, err := c.find(ctx, r)
		if err != nil {
			return nil, err
		}
		switch {
		case reason != "":
			stale = append(stale, reason)
		case digest(t.Raw) == c.BeforeSHA256:
			pending = append(pending, i)
		case holds(t.Descriptor, after) && t.Descriptor.Owner == before.Owner:
			result.Outcomes[i].State = AlreadyDone
		default:
			stale = append(stale, "the permissions of "+c.DN+" are not those that the plan was made from")
		}
	}
	if stale != nil {
		return nil, &StaleError{stale}
	}
	return pending, nil
}

// find reads the object that the change is about; the reason says why it is not there to
// be changed.
func (c *Change) find(ctx context.Context, r directory.Reader) (t *directory.Target, reason string, err error) {
	t, err = directory.LoadTarget(ctx, r, c.DN)
	if gone := (*directory.NotFoundError)(nil); errors.As(err, &gone) {
		return nil, c.DN + " is not there any more", nil
	}
	switch {
	case err != nil:
		return nil, "", err
	case t.GUID.String() != c.ObjectGUID:
		return nil, c.DN + " is another object now", nil
	case t.Descriptor == nil:
		return nil, c.DN + ": " + t.Unreadable, nil
	}
	return t, "", nil
}

// write makes one change and reads it back.
func write(ctx context.Context, d Directory, c *Change, o *Outcome) error {
	before, after, err := c.parse()
	if err != nil {
		return fmt.Errorf("change of %s: %w", c.DN, err)
	}
	o.State = Sent
	if err := d.WriteDACL(ctx, c.DN, c.After); err != nil {
		if no := refusal(nil); errors.As(err, &no) && no.Refused() {
			o.State = Refused
		}
		return err
	}
	o.State = Unverified
	t, err := directory.LoadTarget(ctx, d, c.DN)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	switch {
	case t.Descriptor == nil:
		return fmt.Errorf("read back %s: %s", c.DN, t.Unreadable)
	case t.GUID.String() != c.ObjectGUID:
		return fmt.Errorf("read back %s: it is another object now", c.DN)
	case !holds(t.Descriptor, after):
		return fmt.Errorf("read back %s: its explicit entries are not those that were written", c.DN)
	case t.Descriptor.Owner != before.Owner || t.Descriptor.Group != before.Group:
		return fmt.Errorf("read back %s: its owner or group has changed", c.DN)
	}
	o.State = Verified
	return nil
}

// holds says whether a descriptor has the explicit entries of another one's DACL, in any
// order, and blocks inheritance alike. A server sorts entries and works out inherited
// ones for itself, [MS-ADTS] 6.1.3.1 and 6.1.3.3, so that the rest need not be equal.
func holds(have, want *sddl.Descriptor) bool {
	if have.DACL == nil || want.DACL == nil {
		return have.DACL == want.DACL
	}
	removed, added := sddl.DiffACEs(have.DACL.Explicit(), want.DACL.Explicit())
	return len(removed) == 0 && len(added) == 0 &&
		have.Control.Has(sddl.DACLProtected) == want.Control.Has(sddl.DACLProtected)
}
