package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Backup is what apply saves before it writes: each descriptor as it was and as it was
// to become.
type Backup struct {
	Format  int       `json:"format"`
	Kind    string    `json:"kind"`
	Created time.Time `json:"created"` // when the plan was made
	Tool    string    `json:"tool"`
	Domain  Domain    `json:"domain"`
	Server  *Server   `json:"server,omitempty"` // that was written to
	Account Account   `json:"account"`
	Made    *Created  `json:"made,omitempty"` // the account that apply made; rollback leaves it

	Attributes []AttributeChange `json:"attributes,omitempty"`
	Changes    []Change          `json:"changes"`
}

// ReadBackup reads a backup and refuses one whose parts contradict each other.
func ReadBackup(r io.Reader) (*Backup, error) {
	b := &Backup{}
	if err := readJSON(r, kindBackup, b); err != nil {
		return nil, err
	}
	if err := checkChanges(b.Changes); err != nil {
		return nil, err
	}
	if err := checkAttributes(b.Attributes, b.Account.DN, false); err != nil {
		return nil, err
	}
	return b, nil
}

// Save writes the backup to a new file that only its owner may read, and has it on disk
// before it returns. An existing file is never overwritten.
func (b *Backup) Save(path string) error {
	var text bytes.Buffer
	if err := writeJSON(&text, b); err != nil {
		return err
	}
	return WriteNew(path, text.Bytes())
}

// WriteNew writes a new file that only its owner may read, and has it on disk before it
// returns. Where it cannot be written whole, nothing is left of it. An existing file is an
// error.
func WriteNew(path string, content []byte) error {
	return StreamNew(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// StreamNew is WriteNew for content that is made while it is written.
func StreamNew(path string, content func(io.Writer) error) (err error) {
	f, err := create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(path)
		}
	}()
	if err = content(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	// The name has to be on disk too. Where a directory cannot be synced, there is
	// nothing more to be done.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}

// Undo is the plan that puts back what a backup holds: nothing where it is back already,
// a *StaleError where the directory is neither as it was before nor as apply left it.
func (b *Backup) Undo(ctx context.Context, r directory.Reader) (*Plan, error) {
	if err := checkDomain(ctx, r, b.Domain); err != nil {
		return nil, err
	}
	s, err := b.snapshot(ctx, r)
	if err != nil {
		return nil, err
	}
	// Names come from the directory: a file may say what it likes, and the domain's is part
	// of the name of the next backup.
	p := &Plan{
		Format: format, Kind: kindPlan, Domain: domainOf(s.Domain), Policies: []Policy{}, Changes: []Change{},
		Account: Account{Name: s.Account.Name, SID: b.Account.SID, DN: b.Account.DN},
		Server:  serverOf(s.Domain),
	}
	p.Notes = b.Server.moved(p.Server)
	if s.Account.Name != "" {
		p.Account.Name = s.Domain.Qualified(s.Account.Name)
	}
	var stale []string
	for i := range b.Attributes {
		if s.Account.DN == "" {
			p.Notes = append(p.Notes, fmt.Sprintf("%s is gone, and with it what was written to it; only what was granted to it is taken back.", b.Account.DN))
			break
		}
		back, reason, err := b.Attributes[i].undo(ctx, r, audit.Names(s))
		switch {
		case err != nil:
			return nil, err
		case reason != "":
			stale = append(stale, reason)
		case back != nil:
			p.Attributes = append(p.Attributes, *back)
		}
	}
	if b.Made != nil && s.Account.DN != "" {
		p.Notes = append(p.Notes, fmt.Sprintf("The account %s, which apply made, stays: gmsactl deletes nothing. To be rid of it: Remove-ADServiceAccount -Identity %s", s.Account.DN, b.Made.SID))
	}
	for i := range b.Changes {
		c := &b.Changes[i]
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
		case holds(t.Descriptor, before):
			// It was never written, or is back already.
		case !holds(t.Descriptor, after):
			stale = append(stale, "the permissions of "+c.DN+" are not those that apply left")
		default:
			// Inherited entries are the server's: only the explicit ones go back.
			dacl := *before.DACL
			dacl.ACEs = slices.Concat(before.DACL.Explicit(), t.Descriptor.DACL.Inherited())
			// These may be object ACEs that were not there before. Slack says nothing, and
			// some servers refuse it.
			dacl.Revision, dacl.Slack = max(dacl.Revision, t.Descriptor.DACL.Revision), ""
			change, err := newChange(t, &dacl, c.Protection.undone(before.Control), s)
			if err != nil {
				return nil, fmt.Errorf("change of %s: %w", c.DN, err)
			}
			p.Changes = append(p.Changes, change)
		}
	}
	if stale != nil {
		return nil, &StaleError{stale}
	}
	return p, nil
}

// snapshot has the names that the entries of the backup are shown with.
func (b *Backup) snapshot(ctx context.Context, r directory.Reader) (*audit.Snapshot, error) {
	s := &audit.Snapshot{}
	var err error
	if s.Domain, err = directory.LoadDomain(ctx, r); err != nil {
		return nil, err
	}
	if s.Schema, err = directory.LoadSchema(ctx, r, s.Domain); err != nil {
		return nil, err
	}
	s.Account, err = directory.FindAccount(ctx, r, s.Domain, b.Account.SID)
	if gone := (*directory.AccountError)(nil); errors.As(err, &gone) {
		// What was granted to an account that is gone can still be taken back.
		s.Account, err = &directory.Account{}, nil
	}
	return s, err
}

// undone is what takes a change of protection back.
func (p Protection) undone(before sddl.Control) Protection {
	switch {
	case p == "" || p == ProtectOn && before.Has(sddl.DACLProtected) || p == ProtectOff && !before.Has(sddl.DACLProtected):
		return ""
	case p == ProtectOn:
		return ProtectOff
	}
	return ProtectOn
}
