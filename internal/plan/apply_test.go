package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name  string
		as    server // how the domain controller behaves
		write int    // DACLs that it takes
	}{
		{"a server that stores what it gets", server{}, 3},
		{"a server that sorts", server{sorts: true}, 3},
		{"a server that works out inherited entries", server{dropsGiven: true}, 3},
		{"a server on which more is inherited meanwhile", server{inheritsMore: true, setsInherited: true}, 3},
		{"a server that does all of that", server{sorts: true, dropsGiven: true, inheritsMore: true, setsInherited: true}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			f.server = c.as
			p := build(t, snapshot(t, f, head, sales, users))
			var saved *Backup
			r, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) {
				if len(f.writes) > 0 {
					t.Error("written before the backup was saved")
				}
				saved = b
				return "b.json", nil
			})
			if err != nil || states(r) != "verified verified verified" || !r.Touched() || r.Backup != "b.json" {
				t.Fatalf("%+v, %v", r, err)
			}
			if saved == nil || len(saved.Changes) != 3 || saved.Kind != "Backup" || saved.Domain != p.Domain || saved.Account != p.Account {
				t.Errorf("the backup holds %+v", saved)
			}
			if len(f.writes) != c.write {
				t.Errorf("%d writes, want %d", len(f.writes), c.write)
			}
			again, err := Apply(t.Context(), f, p, func(*Backup) (string, error) {
				t.Error("a backup of nothing")
				return "", nil
			})
			if err != nil || states(again) != "already-done already-done already-done" || again.Touched() || again.Backup != "" {
				t.Errorf("applied again: %+v, %v", again, err)
			}
			if len(f.writes) != c.write {
				t.Errorf("applying again wrote to %q", f.writes[c.write:])
			}
			if next := build(t, snapshot(t, f, head, sales, users)); next.Pending() {
				t.Errorf("the next plan has %+v", next.Changes)
			}
		})
	}
}

// Whatever goes wrong at whatever step: the states say what is known, nothing is written
// after it, and it is an error.
func TestApplyStops(t *testing.T) {
	// The plan writes sales, users and the head. Reads: 1-3 at first, 4 back from sales,
	// 5 before and 6 after users, 7 before and 8 after the head.
	readFails := func(n int) func(*testing.T, *forest) {
		return func(_ *testing.T, f *forest) {
			f.onRead = func(at int, _ string) error {
				if at == n {
					return errLost
				}
				return nil
			}
		}
	}
	writeFails := func(n int, why error) func(*testing.T, *forest) {
		return func(_ *testing.T, f *forest) {
			f.onWrite = func(at int, _ string) error {
				if at == n {
					return why
				}
				return nil
			}
		}
	}
	// meddle changes an object behind the back of the n-th write.
	meddle := func(n int, change func(t *testing.T, f *forest, dn string)) func(*testing.T, *forest) {
		return func(t *testing.T, f *forest) {
			f.afterWrite = func(at int, dn string) error {
				if at == n {
					change(t, f, dn)
				}
				return nil
			}
		}
	}
	edit := func(change func(*sddl.Descriptor)) func(*testing.T, *forest, string) {
		return func(t *testing.T, f *forest, dn string) { f.edit(t, dn, change) }
	}
	extra := func(d *sddl.Descriptor) { d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(D;;WD;;;WD)")) }
	const (
		none = "not-done not-done not-done"
		lost = "the connection broke"
	)
	var stale *StaleError
	isStale := func(err error) bool { return errors.As(err, &stale) }
	for _, c := range []struct {
		name   string
		wrong  func(*testing.T, *forest)
		states string
		writes int
		why    string // a part of the error
		is     func(error) bool
	}{
		{"the first look fails", readFails(1), none, 0, lost, nil},
		{"the second look fails", readFails(2), none, 0, lost, nil},
		{"the third look fails", readFails(3), none, 0, lost, nil},
		{"the look before the first fails", readFails(4), "not-done not-done not-done", 0, lost, nil},
		{"reading back the first fails", readFails(5), "unverified not-done not-done", 1, lost, nil},
		{"the look before the second fails", readFails(6), "verified not-done not-done", 1, lost, nil},
		{"reading back the second fails", readFails(7), "verified unverified not-done", 2, lost, nil},
		{"the look before the third fails", readFails(8), "verified verified not-done", 2, lost, nil},
		{"reading back the third fails", readFails(9), "verified verified unverified", 3, lost, nil},

		{"the first write is refused", writeFails(1, refused("no")), "refused not-done not-done", 1, "no", nil},
		{"the second write is refused", writeFails(2, refused("no")), "verified refused not-done", 2, "no", nil},
		{"the third write is refused", writeFails(3, refused("no")), "verified verified refused", 3, "no", nil},
		{"the first write may be lost", writeFails(1, errLost), "sent not-done not-done", 1, lost, nil},
		{"the second write may be lost", writeFails(2, errLost), "verified sent not-done", 2, lost, nil},
		{"the third write may be lost", writeFails(3, errLost), "verified verified sent", 3, lost, nil},
		{"an error that could say Refused and does not", writeFails(1, perhaps{}), "sent not-done not-done", 1, "perhaps", nil},
		{"the interrupt comes while writing", writeFails(2, context.Canceled), "verified sent not-done", 2, "canceled", nil},
		{"the answer to a write that took effect is lost", func(_ *testing.T, f *forest) {
			f.afterWrite = func(int, string) error { return errLost }
		}, "sent not-done not-done", 1, lost, nil},

		{"an entry is missing when read back", meddle(1, edit(func(d *sddl.Descriptor) { d.DACL.ACEs = d.DACL.ACEs[1:] })), "unverified not-done not-done", 1, "not those that were written", nil},
		{"an entry too many is read back", meddle(1, edit(extra)), "unverified not-done not-done", 1, "not those that were written", nil},
		{"an entry is there twice", meddle(1, edit(func(d *sddl.Descriptor) { d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, d.DACL.ACEs[0]) })), "unverified not-done not-done", 1, "not those that were written", nil},
		{"an entry has another mask", meddle(2, edit(func(d *sddl.Descriptor) { d.DACL.ACEs[0].Mask ^= sddl.WriteOwner })), "verified unverified not-done", 2, "not those that were written", nil},
		{"the old DACL is read back", meddle(1, func(t *testing.T, f *forest, dn string) { f.set(dn, descriptorAttr, pristine(t, dn)) }), "unverified not-done not-done", 1, "not those that were written", nil},
		{"the DACL is gone", meddle(1, edit(func(d *sddl.Descriptor) { d.DACL = nil })), "unverified not-done not-done", 1, "not those that were written", nil},
		{"inheritance is blocked now", meddle(2, edit(func(d *sddl.Descriptor) { d.Control ^= sddl.DACLProtected })), "verified unverified not-done", 2, "not those that were written", nil},
		{"the owner is another", meddle(3, edit(func(d *sddl.Descriptor) { d.Owner = ace("(A;;RP;;;WD)").SID })), "verified verified unverified", 3, "owner or group has changed", nil},
		{"the group is another", meddle(1, edit(func(d *sddl.Descriptor) { d.Group = ace("(A;;RP;;;WD)").SID })), "unverified not-done not-done", 1, "owner or group has changed", nil},
		{"the object is another", meddle(1, func(_ *testing.T, f *forest, dn string) { f.set(dn, "objectGUID", []byte("0123456789abcdef")) }), "unverified not-done not-done", 1, "another object", nil},
		{"the object is gone", meddle(1, func(_ *testing.T, f *forest, dn string) { f.gone[directory.DNKey(dn)] = true }), "unverified not-done not-done", 1, "read back", nil},
		{"the descriptor is not shown any more", meddle(1, func(_ *testing.T, f *forest, dn string) { f.set(dn, descriptorAttr, nil) }), "unverified not-done not-done", 1, "not readable", nil},

		{"the second was changed while the first was written", meddle(1, func(t *testing.T, f *forest, _ string) { f.edit(t, users, extra) }), "verified not-done not-done", 1, "not those that the plan was made from", isStale},
		{"the third was replaced while the second was written", meddle(2, func(_ *testing.T, f *forest, _ string) { f.set(head, "objectGUID", []byte("0123456789abcdef")) }), "verified verified not-done", 2, "another object", isStale},

		{"one has changed since the plan was made", func(t *testing.T, f *forest) { f.edit(t, users, extra) }, none, 0, "the permissions of " + users, isStale},
		{"the owner of one has changed since", func(t *testing.T, f *forest) {
			f.edit(t, users, func(d *sddl.Descriptor) { d.Owner = ace("(A;;RP;;;WD)").SID })
		}, none, 0, "the permissions of " + users, isStale},
		{"one is gone", func(_ *testing.T, f *forest) { f.gone[directory.DNKey(users)] = true }, none, 0, users + " is not there any more", isStale},
		{"one is another object", func(_ *testing.T, f *forest) { f.set(sales, "objectGUID", []byte("0123456789abcdef")) }, none, 0, sales + " is another object now", isStale},
		{"the descriptor of one is not shown any more", func(_ *testing.T, f *forest) { f.set(sales, descriptorAttr, nil) }, none, 0, "not readable", isStale},
		{"two are stale, and both are named", func(t *testing.T, f *forest) { f.edit(t, users, extra); f.gone[directory.DNKey(sales)] = true }, none, 0, sales + " is not there any more; the permissions of " + users, isStale},
		{"the domain is another of the same name", func(_ *testing.T, f *forest) { f.set(head, "objectGUID", []byte("0123456789abcdef")) }, none, 0, "the plan is for domain corp.example", isWrongDomain},
		{"the domain has another SID", func(_ *testing.T, f *forest) {
			f.set(head, "objectSid", []byte("\x01\x04\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00abcdefghijkl"))
		}, none, 0, "the plan is for domain corp.example", isWrongDomain},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			p := build(t, snapshot(t, f, head, sales, users))
			c.wrong(t, f)
			saved := 0
			r, err := Apply(t.Context(), f, p, func(*Backup) (string, error) { saved++; return "b.json", nil })
			if err == nil || !strings.Contains(err.Error(), c.why) || c.is != nil && !c.is(err) {
				t.Errorf("error %v, want %q", err, c.why)
			}
			if got := states(r); got != c.states {
				t.Errorf("states %q, want %q", got, c.states)
			}
			if len(f.writes) != c.writes {
				t.Errorf("writes %q, want %d", f.writes, c.writes)
			}
			if r.Touched() != (c.writes > 0 && c.states != "refused not-done not-done") {
				t.Errorf("touched %v", r.Touched())
			}
			// The second look comes when the backup is there already.
			backed := c.writes > 0 || strings.HasPrefix(c.name, "the look before the first")
			if (saved == 1) != backed || (r.Backup != "") != backed {
				t.Errorf("%d backups, %q, with %d writes", saved, r.Backup, c.writes)
			}
		})
	}
}

func isWrongDomain(err error) bool {
	var wrong *WrongDomainError
	return errors.As(err, &wrong)
}

// perhaps has the method and does not know.
type perhaps struct{}

func (perhaps) Error() string { return "perhaps" }
func (perhaps) Refused() bool { return false }

// pristine is the descriptor as the demo has it.
func pristine(t *testing.T, dn string) []byte { return newForest(t).raw(dn) }

func TestApplyWithoutBackupWritesNothing(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, head, sales))
	full := errors.New("no space left on device")
	r, err := Apply(t.Context(), f, p, func(*Backup) (string, error) { return "b.json", full })
	if !errors.Is(err, full) || states(r) != "not-done not-done" || len(f.writes) > 0 {
		t.Errorf("%v, %+v, writes %q", err, r, f.writes)
	}
	if r.Backup != "" {
		t.Errorf("names the backup %q, which is not there", r.Backup)
	}
}

// Somebody else may make the same change while apply runs.
func TestApplyLeavesAloneWhatIsDoneMeanwhile(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, sales, users))
	f.afterWrite = func(n int, _ string) error {
		if n == 1 {
			f.set(users, descriptorAttr, edited(t, f.raw(users), func(d *sddl.Descriptor) {
				after, err := sddl.Parse(p.Changes[1].After)
				if err != nil {
					t.Fatal(err)
				}
				d.DACL = after.DACL
				d.Control |= sddl.DACLAutoInheritReq
			}))
		}
		return nil
	}
	r, err := Apply(t.Context(), f, p, noSave)
	if err != nil || states(r) != "verified already-done" || !slices.Equal(f.writes, []string{sales}) {
		t.Errorf("%s, writes %q, %v", states(r), f.writes, err)
	}
}

// A plan of which a part is done goes on where it stopped.
func TestApplyGoesOn(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, head, sales, users))
	f.onWrite = func(n int, _ string) error {
		if n == 2 {
			return errLost
		}
		return nil
	}
	if _, err := Apply(t.Context(), f, p, noSave); err == nil {
		t.Fatal("no error")
	}
	var saved *Backup
	r, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) { saved = b; return "b2.json", nil })
	if err != nil || states(r) != "already-done verified verified" || len(saved.Changes) != 2 {
		t.Errorf("%s, %v, backup of %d", states(r), err, len(saved.Changes))
	}
}

// apply runs a plan and gives the backup back through a file, as people do.
func apply(t *testing.T, f *forest, p *Plan) *Backup {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.json")
	_, _ = Apply(t.Context(), f, p, func(b *Backup) (string, error) { return path, b.Save(path) })
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b, err := ReadBackup(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameBytes says whether two descriptors have the same DACL to the byte, and the same bits.
func sameBytes(t *testing.T, a, b *sddl.Descriptor) bool {
	t.Helper()
	x, err := a.DACL.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.DACL.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y) && a.Control == b.Control
}

func TestUndo(t *testing.T) {
	for _, c := range []struct {
		name string
		as   server
	}{
		{"a server that stores what it gets", server{}},
		{"a server that sorts", server{sorts: true}},
		{"a server that does what it likes", server{sorts: true, dropsGiven: true, inheritsMore: true, setsInherited: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			f.server = c.as
			targets := []string{sales, users, head}
			was := map[string]*sddl.Descriptor{}
			for _, dn := range targets {
				was[dn] = f.descriptor(t, dn)
			}
			p := build(t, snapshot(t, f, targets...))
			b := apply(t, f, p)
			undo, err := b.Undo(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range undo.Changes {
				if len(c.Add) > 0 || len(c.Remove) != len(p.Changes[i].Add) {
					t.Errorf("%s: adds %v, removes %v", c.DN, c.Add, c.Remove)
				}
				if !strings.Contains(c.Remove[0].Words, "CORP\\provAgentgMSA$") {
					t.Errorf("does not name the account: %s", c.Remove[0].Words)
				}
			}
			r, err := Apply(t.Context(), f, undo, noSave)
			if err != nil || states(r) != "verified verified verified" {
				t.Fatalf("%s, %v", states(r), err)
			}
			for _, dn := range targets {
				now := f.descriptor(t, dn)
				if removed, added := sddl.DiffACEs(was[dn].DACL.Explicit(), now.DACL.Explicit()); removed != nil || added != nil {
					t.Errorf("%s: lost %v, gained %v", dn, removed, added)
				}
				if c.as == (server{}) && !sameBytes(t, was[dn], now) {
					t.Errorf("%s: the DACL has other bytes than before", dn)
				}
			}
			if again, err := b.Undo(t.Context(), f); err != nil || again.Pending() {
				t.Errorf("undone again: %+v, %v", again, err)
			}
		})
	}
}

func TestUndoOfPartOfAPlan(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, head, sales, users))
	f.onWrite = func(n int, _ string) error {
		if n == 2 {
			return refused("no")
		}
		return nil
	}
	b := apply(t, f, p)
	f.onWrite = nil
	undo, err := b.Undo(t.Context(), f)
	if err != nil || len(undo.Changes) != 1 || undo.Changes[0].DN != sales {
		t.Fatalf("%+v, %v, want a change of %s alone", undo, err, sales)
	}
	was := newForest(t).descriptor(t, sales)
	if _, err := Apply(t.Context(), f, undo, noSave); err != nil || !sameBytes(t, was, f.descriptor(t, sales)) {
		t.Errorf("not as it was, %v", err)
	}
}

// The account may be deleted by the time its rights are taken back.
func TestUndoForAnAccountThatIsGone(t *testing.T) {
	f := newForest(t)
	b := apply(t, f, build(t, snapshot(t, f, sales)))
	b.Account.SID = domainSID + "-4711"
	undo, err := b.Undo(t.Context(), f)
	if err != nil || len(undo.Changes) != 1 {
		t.Errorf("%+v, %v", undo, err)
	}
}

func TestUndoRefuses(t *testing.T) {
	var stale *StaleError
	isStale := func(err error) bool { return errors.As(err, &stale) }
	for _, c := range []struct {
		name  string
		wrong func(*testing.T, *forest)
		why   string
		is    func(error) bool
	}{
		{"somebody added an entry since", func(t *testing.T, f *forest) {
			f.edit(t, sales, func(d *sddl.Descriptor) { d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(D;;WD;;;WD)")) })
		}, "the permissions of " + sales + " are not those that apply left", isStale},
		{"somebody took one of the entries away", func(t *testing.T, f *forest) {
			f.edit(t, sales, func(d *sddl.Descriptor) {
				at := slices.IndexFunc(d.DACL.ACEs, func(a sddl.ACE) bool { return a.SID.String() == accountSID && !a.IsInherited() })
				d.DACL.ACEs = slices.Delete(d.DACL.ACEs, at, at+1)
			})
		}, "not those that apply left", isStale},
		{"inheritance was blocked since", func(t *testing.T, f *forest) {
			f.edit(t, sales, func(d *sddl.Descriptor) { d.Control ^= sddl.DACLProtected })
		}, "not those that apply left", isStale},
		{"the object is gone", func(_ *testing.T, f *forest) { f.gone[directory.DNKey(sales)] = true }, sales + " is not there any more", isStale},
		{"the object is another", func(_ *testing.T, f *forest) { f.set(sales, "objectGUID", []byte("0123456789abcdef")) }, "another object", isStale},
		{"the descriptor is not shown", func(_ *testing.T, f *forest) { f.set(sales, descriptorAttr, nil) }, "not readable", isStale},
		{"the domain is another", func(_ *testing.T, f *forest) { f.set(head, "objectGUID", []byte("0123456789abcdef")) }, "the plan is for domain", isWrongDomain},
		{"reading fails", func(_ *testing.T, f *forest) { f.onRead = func(int, string) error { return errLost } }, "the connection broke", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForest(t)
			b := apply(t, f, build(t, snapshot(t, f, sales, users)))
			c.wrong(t, f)
			p, err := b.Undo(t.Context(), f)
			if err == nil || p != nil || !strings.Contains(err.Error(), c.why) || c.is != nil && !c.is(err) {
				t.Errorf("%+v, %v, want %q", p, err, c.why)
			}
		})
	}
}

// What is inherited belongs to the server: it may have become more by the time the
// explicit entries go back, and may need another revision of the list.
func TestUndoKeepsWhatIsInherited(t *testing.T) {
	const forGroups = "(OA;CIIOID;RP;;bf967a9c-0de6-11d0-a285-00aa003049e2;S-1-5-21-1-2-3-4711)"
	f := newForest(t)
	f.edit(t, sales, func(d *sddl.Descriptor) {
		d.DACL.ACEs = []sddl.ACE{ace("(A;;RP;;;WD)"), ace("(A;CIID;GA;;;BA)")}
		d.DACL.Revision, d.DACL.Slack = 2, "\x00\x00\x00\x00"
	})
	b := apply(t, f, build(t, snapshot(t, f, sales)))
	f.edit(t, sales, func(d *sddl.Descriptor) { d.DACL.ACEs = append(d.DACL.ACEs, ace(forGroups)) })
	undo, err := b.Undo(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), f, undo, noSave); err != nil {
		t.Fatal(err)
	}
	got := f.descriptor(t, sales).DACL
	if want := []sddl.ACE{ace("(A;;RP;;;WD)"), ace("(A;CIID;GA;;;BA)"), ace(forGroups)}; !slices.Equal(got.ACEs, want) {
		t.Errorf("entries %v, want %v", got.ACEs, want)
	}
	if got.Revision != 4 {
		t.Errorf("revision %d with an object ACE", got.Revision)
	}
	if got.Slack != "" {
		t.Errorf("slack %x, which some servers refuse, is written", got.Slack)
	}
}
