package plan

import (
	"cmp"
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

	// Add makes an object.
	Add(ctx context.Context, dn string, attrs []directory.Attribute) error

	// WriteAttribute gives an attribute other values, none takes it away. Where it can compare
	// values, it refuses when they are not before any more.
	WriteAttribute(ctx context.Context, dn, attr string, before, after [][]byte) error
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
	What  string `json:"what,omitempty"` // create, or the attribute; empty: its permissions
	State State  `json:"state"`
	Error string `json:"error,omitempty"`
}

// Result is what became of a plan.
type Result struct {
	Backup   string    `json:"backup,omitempty"`  // the file that rollback takes; empty when there is nothing to put back
	Created  *Created  `json:"created,omitempty"` // the account that was made, or had been
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

// A step is one change. What it pins is compared before it is written.
type step interface {
	target() string
	what() string

	// examine says whether the directory says already what the step would make it say; a
	// reason, why the step cannot be taken any more.
	examine(ctx context.Context, r directory.Reader) (done bool, reason string, err error)
	write(ctx context.Context, d Directory) error
	verify(ctx context.Context, r directory.Reader) error
}

// steps are the changes of a plan, in the order in which they are taken.
func (p *Plan) steps() []step {
	var out []step
	if p.Create != nil {
		out = append(out, p.Create)
	}
	for i := range p.Attributes {
		out = append(out, &p.Attributes[i])
	}
	for i := range p.Changes {
		out = append(out, &p.Changes[i])
	}
	return out
}

// Apply writes the changes of a plan. It reads every object first and writes nothing at
// all where one differs from what the plan was made from (*StaleError), then has save
// keep a backup, then writes and reads back one object after another. It stops at the
// first that fails. The Result tells what was done, also along with an error.
//
// An account is made before the backup is saved: there is nothing of it to be put back, and
// the backup holds its SID.
func Apply(ctx context.Context, d Directory, p *Plan, save func(*Backup) (path string, err error)) (*Result, error) {
	steps := p.steps()
	result := &Result{Outcomes: make([]Outcome, len(steps))}
	for i, s := range steps {
		result.Outcomes[i] = Outcome{DN: s.target(), What: s.what(), State: NotDone}
	}
	if err := checkDomain(ctx, d, p.Domain); err != nil {
		return result, err
	}
	if p.Create != nil {
		made, err := makeAccount(ctx, d, p, result)
		if err != nil {
			return result, err
		}
		result.Created = made
		if p, err = p.withAccount(made); err != nil {
			return result, err
		}
		if result.Outcomes[0].State == Verified {
			if err := p.pinNew(ctx, d); err != nil {
				return result, err
			}
		}
		steps = p.steps()
	}
	pending, err := examine(ctx, d, steps, result, 0)
	if err != nil || len(pending) == 0 {
		return result, err
	}
	backup := &Backup{
		Format: format, Kind: kindBackup, Created: p.Created, Tool: p.Tool,
		Domain: p.Domain, Server: p.Server, Account: p.Account, Made: result.Created, Changes: []Change{},
	}
	for _, i := range pending {
		switch s := steps[i].(type) {
		case *AttributeChange:
			backup.Attributes = append(backup.Attributes, *s)
		case *Change:
			backup.Changes = append(backup.Changes, *s)
		}
	}
	path, err := save(backup)
	if err != nil {
		if result.Outcomes[0].What == "create" && result.Outcomes[0].State == Verified {
			return result, fmt.Errorf("save the backup, so nothing was written but the account itself: %w", err)
		}
		return result, fmt.Errorf("save the backup, so nothing was written: %w", err)
	}
	result.Backup = path
	for _, i := range pending {
		// The look at all of them may be a while ago by now.
		still, err := examine(ctx, d, steps[i:i+1], result, i)
		if err != nil {
			return result, err
		}
		if len(still) == 0 {
			continue
		}
		if err := take(ctx, d, steps[i], &result.Outcomes[i]); err != nil {
			result.Outcomes[i].Error = err.Error()
			return result, err
		}
	}
	return result, nil
}

// makeAccount makes the account of a plan, or finds it made, after a look at everything else that
// the plan pins: where that has moved, no account is left behind.
func makeAccount(ctx context.Context, d Directory, p *Plan, result *Result) (*Created, error) {
	pending, err := examine(ctx, d, []step{p.Create}, result, 0)
	if err != nil {
		return nil, err
	}
	if len(pending) > 0 {
		rest := len(p.Attributes) + 1
		if _, err := examine(ctx, d, p.steps()[rest:], &Result{Outcomes: make([]Outcome, len(p.Changes))}, 0); err != nil {
			return nil, err
		}
		if err := take(ctx, d, p.Create, &result.Outcomes[0]); err != nil {
			result.Outcomes[0].Error = err.Error()
			return nil, err
		}
	}
	made, reason, err := p.Create.look(ctx, d)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", p.Create.DN, err)
	case made == nil:
		return nil, &StaleError{[]string{cmp.Or(reason, p.Create.DN+" is not there any more")}}
	}
	return made, nil
}

func checkDomain(ctx context.Context, r directory.Reader, want Domain) error {
	here, err := directory.LoadDomain(ctx, r)
	if err != nil {
		return err
	}
	return want.check(here)
}

// examine looks at what the steps are about and says which are still to be taken. first is
// where their outcomes begin.
func examine(ctx context.Context, r directory.Reader, steps []step, result *Result, first int) (pending []int, err error) {
	var stale []string
	for i, s := range steps {
		done, reason, err := s.examine(ctx, r)
		switch {
		case err != nil:
			return nil, err
		case reason != "":
			stale = append(stale, reason)
		case !done:
			pending = append(pending, i)
		case result.Outcomes[first+i].State == NotDone:
			result.Outcomes[first+i].State = AlreadyDone
		}
	}
	if stale != nil {
		return nil, &StaleError{stale}
	}
	return pending, nil
}

// take writes one step and reads it back.
func take(ctx context.Context, d Directory, s step, o *Outcome) error {
	o.State = Sent
	if err := s.write(ctx, d); err != nil {
		if no := refusal(nil); errors.As(err, &no) && no.Refused() {
			o.State = Refused
		}
		return err
	}
	o.State = Unverified
	if err := s.verify(ctx, d); err != nil {
		return err
	}
	o.State = Verified
	return nil
}

func (c *Change) target() string { return c.DN }
func (c *Change) what() string   { return "" }

func (c *Change) examine(ctx context.Context, r directory.Reader) (done bool, reason string, err error) {
	before, after, err := c.parse()
	if err != nil {
		return false, "", fmt.Errorf("change of %s: %w", c.DN, err)
	}
	t, reason, err := c.find(ctx, r)
	switch {
	case err != nil || reason != "":
		return false, reason, err
	case digest(t.Raw) == c.BeforeSHA256:
		return false, "", nil
	case holds(t.Descriptor, after) && t.Descriptor.Owner == before.Owner:
		return true, "", nil
	}
	return false, "the permissions of " + c.DN + " are not those that the plan was made from", nil
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

func (c *Change) write(ctx context.Context, d Directory) error {
	return d.WriteDACL(ctx, c.DN, c.After)
}

func (c *Change) verify(ctx context.Context, r directory.Reader) error {
	before, after, err := c.parse()
	if err != nil {
		return fmt.Errorf("change of %s: %w", c.DN, err)
	}
	t, err := directory.LoadTarget(ctx, r, c.DN)
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
