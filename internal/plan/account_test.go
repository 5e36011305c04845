package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const newDN = "CN=newAgent,CN=Managed Service Accounts,DC=corp,DC=example"

func wanted(t testing.TB) *gmsa.Wanted {
	t.Helper()
	sid, err := sddl.ParseSID(domainSID + "-1104")
	if err != nil {
		t.Fatal(err)
	}
	membership, err := gmsa.Membership([]gmsa.Principal{{SID: sid}})
	if err != nil {
		t.Fatal(err)
	}
	return &gmsa.Wanted{
		DN: newDN, SAMAccountName: "newAgent$", IntervalDays: 30, DNSHostName: "newagent.corp.example",
		EncTypes: gmsa.EncTypesAES, Membership: membership,
	}
}

// creation is the plan to make an account and grant it the table on the OU.
func creation(t testing.TB, f *forest) *Plan {
	t.Helper()
	s, err := audit.LoadFuture(t.Context(), f, newDN, "newAgent$", []string{syncOU})
	if err != nil {
		t.Fatal(err)
	}
	p, err := CreateAccount(s, wanted(t), nil, builtin(t), audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	f.reads = nil
	return p
}

func TestCreateAccount(t *testing.T) {
	f := newForest(t)
	p := creation(t, f)
	if p.Create == nil || len(p.Attributes) != 3 || len(p.Changes) != 1 || p.Account.SID != domainSID+"-0" {
		t.Fatalf("the plan has %d attributes and %d changes", len(p.Attributes), len(p.Changes))
	}
	if last := p.Attributes[2].Name; last != gmsa.AttrMembership {
		t.Errorf("%s is set last, want who may have the password", last)
	}
	var text bytes.Buffer
	if err := p.Write(&text); err != nil {
		t.Fatal(err)
	}
	read, err := Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	var saved *Backup
	r, err := Apply(t.Context(), f, read, func(b *Backup) (string, error) {
		if len(f.writes) != 1 || len(f.added) != 1 {
			t.Errorf("before the backup: %q", f.writes)
		}
		saved = b
		return "b.json", nil
	})
	if err != nil || states(r) != "verified verified verified verified verified" {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Created == nil || r.Created.SID != newSID || saved.Made == nil || saved.Account.SID != newSID {
		t.Fatalf("made %+v, saved %+v", r.Created, saved)
	}
	if bytes.Contains(f.raw(syncOU), sidBytes(t, domainSID+"-0")) || !bytes.Contains(f.raw(syncOU), sidBytes(t, newSID)) {
		t.Error("the entries are not for the account that was made")
	}
	again, err := Apply(t.Context(), f, read, noSave)
	if err != nil || again.Touched() || states(again) != "already-done already-done already-done already-done already-done" {
		t.Errorf("applied again: %+v, %v", again, err)
	}

	undo, err := saved.Undo(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if undo.Create != nil || len(undo.Attributes) != 3 || len(undo.Changes) != 1 {
		t.Fatalf("the way back has %d attributes and %d changes", len(undo.Attributes), len(undo.Changes))
	}
	if r, err := Apply(t.Context(), f, undo, noSave); err != nil || states(r) != "verified verified verified verified" {
		t.Fatalf("%+v, %v", r, err)
	}
	if bytes.Contains(f.raw(syncOU), sidBytes(t, newSID)) || f.made(newDN) == nil {
		t.Error("what was granted is still there, or the account is gone")
	}
}

func sidBytes(t testing.TB, text string) []byte {
	t.Helper()
	sid, err := sddl.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return sid.Bytes()
}

// Wherever it stops, the states say what exists, and a second run makes the rest.
func TestCreateAccountStops(t *testing.T) {
	for at, want := range []string{
		"refused not-done not-done not-done not-done",
		"verified refused not-done not-done not-done",
		"verified verified refused not-done not-done",
		"verified verified verified refused not-done",
		"verified verified verified verified refused",
	} {
		for _, lost := range []bool{false, true} {
			f := newForest(t)
			p := creation(t, f)
			f.onWrite = func(n int, _ string) error {
				switch {
				case n != at+1:
					return nil
				case lost:
					return errLost
				}
				return refused("no")
			}
			want := want
			if lost {
				want = strings.Replace(want, "refused", "sent", 1)
			}
			r, err := Apply(t.Context(), f, p, noSave)
			if err == nil || states(r) != want {
				t.Errorf("write %d, lost %v: %s, %v; want %s", at+1, lost, states(r), err, want)
			}
			f.onWrite = nil
			if r, err = Apply(t.Context(), f, p, noSave); err != nil || strings.Contains(states(r), "not-done") {
				t.Errorf("write %d, lost %v, again: %s, %v", at+1, lost, states(r), err)
			}
		}
	}
	t.Run("the answer to the add is lost after it took effect", func(t *testing.T) {
		f := newForest(t)
		p := creation(t, f)
		f.afterWrite = func(int, string) error { return errLost }
		r, err := Apply(t.Context(), f, p, noSave)
		if err == nil || !strings.HasPrefix(states(r), "sent not-done") || !r.Touched() {
			t.Errorf("%s, %v", states(r), err)
		}
		f.afterWrite = nil
		if r, err = Apply(t.Context(), f, p, noSave); err != nil || !strings.HasPrefix(states(r), "already-done verified") {
			t.Errorf("again: %s, %v", states(r), err)
		}
	})
	t.Run("what is granted on has changed, so that no account is left behind", func(t *testing.T) {
		f := newForest(t)
		p := creation(t, f)
		f.edit(t, syncOU, func(d *sddl.Descriptor) { d.DACL.ACEs = append(d.DACL.ACEs, ace("(A;;LC;;;WD)")) })
		var stale *StaleError
		if _, err := Apply(t.Context(), f, p, noSave); !errors.As(err, &stale) || len(f.writes) > 0 {
			t.Errorf("%v, written %q", err, f.writes)
		}
	})
	t.Run("somebody else has made it meanwhile, and it is in use", func(t *testing.T) {
		f := newForest(t)
		p := creation(t, f)
		if err := f.Add(t.Context(), newDN, append(p.Create.Attributes(), directory.Attribute{Name: gmsa.AttrMembership, Values: [][]byte{[]byte("other")}})); err != nil {
			t.Fatal(err)
		}
		var stale *StaleError
		if _, err := Apply(t.Context(), f, p, noSave); !errors.As(err, &stale) || len(f.writes) > 1 {
			t.Errorf("%v, written %q", err, f.writes)
		}
	})
	t.Run("another object has the name", func(t *testing.T) {
		f := newForest(t)
		p := creation(t, f)
		if err := f.Add(t.Context(), newDN, []directory.Attribute{{Name: "objectClass", Values: [][]byte{[]byte("user")}}}); err != nil {
			t.Fatal(err)
		}
		var stale *StaleError
		if _, err := Apply(t.Context(), f, p, noSave); !errors.As(err, &stale) || len(f.writes) > 1 {
			t.Errorf("%v, written %q", err, f.writes)
		}
	})
	t.Run("the backup cannot be saved", func(t *testing.T) {
		f := newForest(t)
		r, err := Apply(t.Context(), f, creation(t, f), func(*Backup) (string, error) { return "", errors.New("no room") })
		if err == nil || states(r) != "verified not-done not-done not-done not-done" || r.Created == nil {
			t.Errorf("%s, %v", states(r), err)
		}
	})
}

func accountObject(t testing.TB, f *forest) (*audit.Snapshot, *directory.Target) {
	t.Helper()
	s := snapshot(t, f)
	// What the class gives it, and something of what is inherited from the head.
	d, err := sddl.ParseText("O:DAG:DAD:AI(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)(D;;DT;;;WD)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)"+
		"(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;AO)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(OA;;SW;f3a64788-5306-11d1-a9c5-0000f80367c1;;PS)"+
		"(OA;;RPWP;77b5b886-944a-11d1-aebd-0000f80367c1;;PS)(A;;RPLCLORC;;;AU)(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;EA)", s.Domain.Aliases())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	f.set(s.Account.DN, descriptorAttr, raw)
	f.set(s.Account.DN, "objectGUID", bytes.Repeat([]byte{9}, 16))
	target, err := directory.LoadTarget(t.Context(), f, s.Account.DN)
	if err != nil {
		t.Fatal(err)
	}
	s.Targets = []*directory.Target{target}
	f.reads = nil
	return s, target
}

func TestHarden(t *testing.T) {
	f := newForest(t)
	s, object := accountObject(t, f)
	before := f.descriptor(t, object.DN)
	p, err := Harden(s, object, nil, wanted(t).Membership, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Attributes) != 1 || len(p.Changes) != 1 {
		t.Fatalf("the plan has %d attributes and %d changes", len(p.Attributes), len(p.Changes))
	}
	var text bytes.Buffer
	if err := p.Write(&text); err != nil {
		t.Fatal(err)
	}
	if p, err = Read(&text); err != nil {
		t.Fatal(err)
	}
	// The capture may hold a membership of its own, which the plan was not told of.
	f.set(object.DN, gmsa.AttrMembership, nil)
	var saved *Backup
	r, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) { saved = b; return "b", nil })
	if err != nil || states(r) != "verified verified" {
		t.Fatalf("%s, %v", states(r), err)
	}
	after := f.descriptor(t, object.DN)
	if !after.Control.Has(sddl.DACLProtected) || len(after.DACL.Inherited()) > 0 {
		t.Errorf("after: %s", after.Text(sddl.Aliases{}))
	}
	// Written by a server that works inheritance out again.
	undo, err := saved.Undo(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Apply(t.Context(), f, undo, noSave); err != nil || states(r) != "verified verified" {
		t.Fatalf("back: %s, %v", states(r), err)
	}
	now := f.descriptor(t, object.DN)
	removed, added := sddl.DiffACEs(before.DACL.Explicit(), now.DACL.Explicit())
	if len(removed)+len(added) > 0 || now.Control.Has(sddl.DACLProtected) {
		t.Errorf("after rollback %s\nwant %s", now.Text(sddl.Aliases{}), before.Text(sddl.Aliases{}))
	}
}

// Wherever a harden stops, the states say what is known, and a second run does the rest; so does its
// way back.
func TestHardenStops(t *testing.T) {
	for at, want := range []string{"refused not-done", "verified refused"} {
		for _, lost := range []bool{false, true} {
			for _, back := range []bool{false, true} {
				f := newForest(t)
				s, object := accountObject(t, f)
				f.set(object.DN, gmsa.AttrMembership, nil)
				p, err := Harden(s, object, nil, wanted(t).Membership, false)
				if err != nil {
					t.Fatal(err)
				}
				if back {
					var saved *Backup
					if _, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) { saved = b; return "b", nil }); err != nil {
						t.Fatal(err)
					}
					if p, err = saved.Undo(t.Context(), f); err != nil {
						t.Fatal(err)
					}
				}
				first := len(f.writes)
				f.onWrite = func(n int, _ string) error {
					switch {
					case n != first+at+1:
						return nil
					case lost:
						return errLost
					}
					return refused("no")
				}
				want := want
				if lost {
					want = strings.Replace(want, "refused", "sent", 1)
				}
				if r, err := Apply(t.Context(), f, p, noSave); err == nil || states(r) != want {
					t.Errorf("write %d, lost %v, back %v: %s, %v; want %s", at+1, lost, back, states(r), err, want)
				}
				f.onWrite = nil
				if r, err := Apply(t.Context(), f, p, noSave); err != nil || strings.Contains(states(r), "not-done") {
					t.Errorf("write %d, lost %v, back %v, again: %s, %v", at+1, lost, back, states(r), err)
				}
			}
		}
	}
	t.Run("the membership was changed meanwhile", func(t *testing.T) {
		f := newForest(t)
		s, object := accountObject(t, f)
		p, err := Harden(s, object, nil, wanted(t).Membership, false)
		if err != nil {
			t.Fatal(err)
		}
		f.set(object.DN, gmsa.AttrMembership, []byte("somebody else's"))
		var stale *StaleError
		if _, err := Apply(t.Context(), f, p, noSave); !errors.As(err, &stale) || len(f.writes) > 0 {
			t.Errorf("%v, written %q", err, f.writes)
		}
	})
	t.Run("what was written does not come back", func(t *testing.T) {
		f := newForest(t)
		s, object := accountObject(t, f)
		f.set(object.DN, gmsa.AttrMembership, nil)
		p, err := Harden(s, object, nil, wanted(t).Membership, false)
		if err != nil {
			t.Fatal(err)
		}
		f.afterWrite = func(int, string) error { f.set(object.DN, gmsa.AttrMembership, nil); return nil }
		if r, err := Apply(t.Context(), f, p, noSave); err == nil || states(r) != "unverified not-done" {
			t.Errorf("%s, %v", states(r), err)
		}
	})
}

// A plan file that says something else than gmsactl's plans do is refused.
func TestReadRefusesAccountChanges(t *testing.T) {
	f := newForest(t)
	made := creation(t, f)
	s, object := accountObject(t, f)
	hard, err := Harden(s, object, nil, wanted(t).Membership, false)
	if err != nil {
		t.Fatal(err)
	}
	everybody := sddl.ACE{Type: sddl.Allow, Mask: sddl.FullControl, SID: must(sddl.ParseSID("S-1-1-0"))}
	for _, c := range []struct {
		name string
		of   *Plan
		edit func(p *Plan)
		why  string
	}{
		{"an account of another class", made, func(p *Plan) { p.Create.SAMAccountName = "Administrator" }, "no name of a service account"},
		{"an interval of nothing", made, func(p *Plan) { p.Create.IntervalDays = 0 }, "an interval of 0 days"},
		{"for somebody who is there already", made, func(p *Plan) { p.Account.SID = domainSID + "-512" }, "another account"},
		{"grants to nobody, whom nothing makes", made, func(p *Plan) { p.Create = nil }, "is nobody"},
		{"an attribute of somebody else", made, func(p *Plan) { p.Attributes[0].DN = users }, "not the account of the plan"},
		{"an attribute that no plan writes", made, func(p *Plan) { p.Attributes[0].Name = "servicePrincipalName" }, "none that a plan may write"},
		{"an attribute twice", made, func(p *Plan) { p.Attributes = append(p.Attributes, p.Attributes[0]) }, "there twice"},
		{"another value than is shown", made, func(p *Plan) { p.Attributes[1].After = [][]byte{[]byte("28")} }, "not what its bytes say"},
		{"two values", made, func(p *Plan) {
			p.Attributes[1].After = append(p.Attributes[1].After, []byte("28"))
			p.Attributes[1].Becomes = append(p.Attributes[1].Becomes, "28")
		}, "one value"},
		{"a membership that lets everybody in", made, func(p *Plan) {
			p.Attributes[2].After = [][]byte{{1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
		}, "lets everybody in"},
		{"protection of something else", hard, func(p *Plan) { p.Account.DN = users; p.Attributes = nil }, "not the account of the plan"},
		{"protection off", hard, func(p *Plan) { p.Changes[0].Protection = ProtectOff }, "control bits"},
		{"protection that is not said", hard, func(p *Plan) { p.Changes[0].Protection = "" }, "control bits"},
		{"another forest's Enterprise Admins", hard, func(p *Plan) { p.Domain.ForestSID = "S-1-5-21-1-2-3" }, "not what restricted permissions are"},
		{"an entry for everybody among the six", hard, func(p *Plan) {
			change := &p.Changes[0]
			change.After = edited(t, change.After, func(d *sddl.Descriptor) { d.DACL.ACEs = append(d.DACL.ACEs, everybody) })
			if err := change.describe(audit.Names(s)); err != nil {
				t.Fatal(err)
			}
		}, "not what restricted permissions are"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(c.of)
			if err != nil {
				t.Fatal(err)
			}
			var p Plan
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatal(err)
			}
			c.edit(&p)
			if text, err = json.Marshal(&p); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(bytes.NewReader(text)); err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v, want %q", err, c.why)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Who owns an account may change it again, and harden says so.
func TestHardenNamesAnOwner(t *testing.T) {
	f := newForest(t)
	s, object := accountObject(t, f)
	for owner, notes := range map[string]int{domainSID + "-512": 0, denySID: 1} {
		d := *object.Descriptor.WithDACL(object.Descriptor.DACL)
		d.Owner = must(sddl.ParseSID(owner))
		owned := *object
		owned.Descriptor, owned.Raw = &d, must(d.Append(nil))
		p, err := Harden(s, &owned, nil, nil, false)
		if err != nil || len(p.Notes) != notes {
			t.Errorf("owned by %s: %q, %v", owner, p.Notes, err)
		}
	}
}

// Descriptors without a DACL are nobody's membership, and no reason to panic.
func TestSameMembership(t *testing.T) {
	c := AttributeChange{Name: gmsa.AttrMembership}
	bare := func(control byte) [][]byte {
		return [][]byte{{1, 0, control, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	}
	if c.same(bare(0), bare(1)) {
		t.Error("two that differ are the same")
	}
}

// What changes an account itself is for service accounts, whoever wrote the file.
func TestDescribeRefusesOtherAccounts(t *testing.T) {
	f := newForest(t)
	s, object := accountObject(t, f)
	p, err := Harden(s, object, nil, wanted(t).Membership, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Describe(s); err != nil {
		t.Fatal(err)
	}
	user := *s.Account
	user.Classes = []string{"top", "person", "organizationalPerson", "user"}
	other := *s
	other.Account = &user
	if err := p.Describe(&other); err == nil || !strings.Contains(err.Error(), "no group managed service account") {
		t.Errorf("got %v", err)
	}
	moved := *s.Account
	moved.DN = users
	other.Account = &moved
	var stale *StaleError
	if err := p.Describe(&other); !errors.As(err, &stale) {
		t.Errorf("got %v", err)
	}
}
