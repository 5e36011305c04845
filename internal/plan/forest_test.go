package plan

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The demo forest's account and the objects below which nothing else depends on it.
const (
	account = "provAgentgMSA$"
	head    = "DC=corp,DC=example"
	syncOU  = "OU=Sync,DC=corp,DC=example"
	sales   = "OU=Sales,OU=Sync,DC=corp,DC=example"
	users   = "CN=Users,DC=corp,DC=example"
)

// forest is the demo forest with a domain controller's memory: descriptors can be
// written, and every step can be made to go wrong.
type forest struct {
	*directory.Capture
	changed map[string]map[string][]byte // DNKey -> attribute in lower case -> value; nil: left out
	gone    map[string]bool              // DNKey
	added   []directory.Entry

	server

	reads, writes []string // DNs of descriptors read and written

	// onRead and onWrite see the number of the read or write, from 1. An error of
	// onWrite comes instead of the write, one of afterWrite after it.
	onRead     func(n int, dn string) error
	onWrite    func(n int, dn string) error
	afterWrite func(n int, dn string) error
}

// server is what a domain controller may do with a DACL that it is given.
type server struct {
	sorts         bool // explicit entries in an order of its own, denies still first
	dropsGiven    bool // works out inherited entries for itself: what was sent of them does not count
	inheritsMore  bool // an entry more comes from above meanwhile
	setsInherited bool // says that it worked out what is inherited
}

var demoCapture = sync.OnceValues(demo.Capture)

func newForest(t testing.TB) *forest {
	t.Helper()
	c, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	return &forest{Capture: c, changed: map[string]map[string][]byte{}, gone: map[string]bool{}}
}

func (f *forest) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		if q.Descriptor {
			f.reads = append(f.reads, q.Base)
			if f.onRead != nil {
				if err := f.onRead(len(f.reads), q.Base); err != nil {
					yield(directory.Entry{}, err)
					return
				}
			}
		}
		if f.gone[directory.DNKey(q.Base)] {
			yield(directory.Entry{}, &directory.NotFoundError{DN: q.Base})
			return
		}
		if e := f.made(q.Base); e != nil && q.Scope == directory.Base {
			yield(*e, nil)
			return
		}
		for _, e := range f.added {
			if q.Scope == directory.Subtree && slices.ContainsFunc(q.Any, func(m directory.Match) bool { return string(e.Value(m.Attr)) == m.Value }) && !yield(e, nil) {
				return
			}
		}
		for e, err := range f.Capture.Read(ctx, q) {
			if !yield(f.now(e, q), err) {
				return
			}
		}
	}
}

// now is an entry with what has changed of what was asked for.
func (f *forest) now(e directory.Entry, q directory.Query) directory.Entry {
	changes := f.changed[directory.DNKey(e.DN)]
	if changes == nil {
		return e
	}
	out := directory.Entry{DN: e.DN}
	for name, value := range changes {
		if value != nil && e.Values(name) == nil && (q.Descriptor || name != strings.ToLower(descriptorAttr)) {
			out.Attrs = append(out.Attrs, directory.Attribute{Name: name, Values: [][]byte{value}})
		}
	}
	for _, a := range e.Attrs {
		value, changed := changes[strings.ToLower(a.Name)]
		switch {
		case !changed:
			out.Attrs = append(out.Attrs, a)
		case value != nil:
			out.Attrs = append(out.Attrs, directory.Attribute{Name: a.Name, Values: [][]byte{value}})
		}
	}
	return out
}

// set replaces a value of an object; nil takes it away.
func (f *forest) set(dn, attr string, value []byte) {
	key := directory.DNKey(dn)
	if f.changed[key] == nil {
		f.changed[key] = map[string][]byte{}
	}
	f.changed[key][strings.ToLower(attr)] = value
}

const descriptorAttr = "nTSecurityDescriptor"

// raw is the descriptor of an object as it stands.
func (f *forest) raw(dn string) []byte {
	if value, changed := f.changed[directory.DNKey(dn)][strings.ToLower(descriptorAttr)]; changed {
		return value
	}
	for e := range f.Capture.Read(context.Background(), directory.Query{Base: dn, Descriptor: true}) {
		return e.Value(descriptorAttr)
	}
	return nil
}

func (f *forest) descriptor(t testing.TB, dn string) *sddl.Descriptor {
	t.Helper()
	d, err := sddl.Parse(f.raw(dn))
	if err != nil {
		t.Fatalf("%s: %v", dn, err)
	}
	return d
}

// edit changes the descriptor of an object as somebody else would.
func (f *forest) edit(t testing.TB, dn string, change func(d *sddl.Descriptor)) {
	t.Helper()
	f.set(dn, descriptorAttr, edited(t, f.raw(dn), change))
}

// edited are the bytes of a descriptor with something changed.
func edited(t testing.TB, raw []byte, change func(d *sddl.Descriptor)) []byte {
	t.Helper()
	d, err := sddl.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	dacl := *d.DACL
	dacl.ACEs = slices.Clone(dacl.ACEs)
	d = d.WithDACL(&dacl)
	change(d)
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// WriteDACL does what a domain controller does: the DACL is replaced, and nothing else.
func (f *forest) WriteDACL(_ context.Context, dn string, descriptor []byte) error {
	f.writes = append(f.writes, dn)
	n := len(f.writes)
	if f.onWrite != nil {
		if err := f.onWrite(n, dn); err != nil {
			return err
		}
	}
	given, err := sddl.Parse(descriptor)
	if err != nil {
		return refused("the server does not understand the descriptor: " + err.Error())
	}
	have, err := sddl.Parse(f.raw(dn))
	if err != nil {
		return err
	}
	dacl := *given.DACL
	explicit, inherited := dacl.Explicit(), dacl.Inherited()
	if f.dropsGiven {
		inherited = have.DACL.Inherited()
	}
	if f.inheritsMore {
		inherited = append(inherited, ace("(A;CIID;RP;;;S-1-5-21-1-2-3-4711)"))
	}
	// What it does not know it leaves where it is, and the rest with it.
	if f.sorts && !slices.ContainsFunc(explicit, sddl.ACE.IsOpaque) {
		slices.SortStableFunc(explicit, func(a, b sddl.ACE) int {
			if a.Type.IsDeny() != b.Type.IsDeny() {
				if a.Type.IsDeny() {
					return -1
				}
				return 1
			}
			return bytes.Compare(b.Append(nil), a.Append(nil))
		})
	}
	dacl.ACEs = slices.Concat(explicit, inherited)
	after := have.WithDACL(&dacl)
	const daclBits = sddl.DACLDefaulted | sddl.DACLTrusted | sddl.DACLAutoInheritReq | sddl.DACLAutoInherited | sddl.DACLProtected
	after.Control = have.Control&^daclBits | given.Control&daclBits
	if f.setsInherited {
		after.Control |= sddl.DACLAutoInherited
	}
	b, err := after.Append(nil)
	if err != nil {
		return refused(err.Error())
	}
	f.set(dn, descriptorAttr, b)
	if f.afterWrite != nil {
		return f.afterWrite(n, dn)
	}
	return nil
}

// refused is the answer of a server that says no.
type refused string

func (r refused) Error() string { return string(r) }
func (r refused) Refused() bool { return true }

// errLost is what is left when a connection breaks: nobody knows.
var errLost = errors.New("the connection broke")

// ace is one entry. <me> is the account, <deny> the group that the demo denies to; XA is
// a conditional allow, Q an entry of an unknown type.
func ace(text string) sddl.ACE {
	text = strings.NewReplacer("<me>", accountSID, "<deny>", denySID).Replace(text)
	a, err := sddl.ParseACEText(strings.NewReplacer("(XA;", "(A;", "(Q;", "(A;").Replace(text), sddl.Aliases{})
	switch {
	case err != nil:
		panic(text + ": " + err.Error())
	case strings.HasPrefix(text, "(XA;"):
		a.Type, a.Data = sddl.AllowCallback, "artx\xf8\x00\x00\x00"
	case strings.HasPrefix(text, "(Q;"):
		a = sddl.ACE{Type: 0x15, Flags: a.Flags, Data: "\x01\x02\x03\x04\x05\x06\x07\x08"}
	}
	return a
}

const (
	domainSID  = "S-1-5-21-785912491-1317325197-797612093"
	accountSID = domainSID + "-1105"
	denySID    = domainSID + "-1103"
)

// demoSnapshot is what the targets of a forest have in common; reading the schema takes
// longer than the rest of most tests.
var demoSnapshot = sync.OnceValues(func() (*audit.Snapshot, error) {
	c, err := demoCapture()
	if err != nil {
		return nil, err
	}
	return audit.Load(context.Background(), c, account, nil)
})

func snapshot(t testing.TB, f *forest, targets ...string) *audit.Snapshot {
	t.Helper()
	common, err := demoSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	s := *common
	s.Targets = nil
	for _, dn := range targets {
		target, err := directory.LoadTarget(t.Context(), f, dn)
		if err != nil {
			t.Fatal(err)
		}
		s.Targets = append(s.Targets, target)
	}
	f.reads = nil
	return &s
}

func builtin(t testing.TB) []*policy.Policy {
	t.Helper()
	p, err := policy.Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		t.Fatal(err)
	}
	return []*policy.Policy{p}
}

func build(t testing.TB, s *audit.Snapshot, policies ...*policy.Policy) *Plan {
	t.Helper()
	if policies == nil {
		policies = builtin(t)
	}
	p, err := Build(s, policies, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rules(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("name: test\ntitle: Test\nsource: test\nrules:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noSave is a save that keeps nothing.
func noSave(*Backup) (string, error) { return "backup.json", nil }

func states(r *Result) string {
	var out []string
	for _, o := range r.Outcomes {
		out = append(out, string(o.State))
	}
	return strings.Join(out, " ")
}

// made is an object that is not in the capture.
func (f *forest) made(dn string) *directory.Entry {
	for i := range f.added {
		if directory.SameDN(f.added[i].DN, dn) {
			return &f.added[i]
		}
	}
	return nil
}

// Add does what a domain controller does: names are taken once, and a SID comes with it.
func (f *forest) Add(_ context.Context, dn string, attrs []directory.Attribute) error {
	f.writes = append(f.writes, dn)
	n := len(f.writes)
	if f.onWrite != nil {
		if err := f.onWrite(n, dn); err != nil {
			return err
		}
	}
	if f.made(dn) != nil {
		return refused("entryAlreadyExists")
	}
	sid, err := sddl.ParseSID(newSID)
	if err != nil {
		return err
	}
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		if strings.EqualFold(a.Name, "objectClass") {
			attrs[i].Values = append([][]byte{[]byte("top"), []byte("user")}, a.Values...)
		}
	}
	attrs = append(attrs,
		directory.Attribute{Name: "objectSid", Values: [][]byte{sid.Bytes()}},
		directory.Attribute{Name: "objectGUID", Values: [][]byte{bytes.Repeat([]byte{7}, 16)}})
	f.added = append(f.added, directory.Entry{DN: dn, Attrs: attrs})
	if f.afterWrite != nil {
		return f.afterWrite(n, dn)
	}
	return nil
}

// WriteAttribute does what a domain controller does: what is not there cannot be deleted, and
// what is there not be added.
func (f *forest) WriteAttribute(ctx context.Context, dn, attr string, before, after [][]byte) error {
	f.writes = append(f.writes, dn)
	n := len(f.writes)
	if f.onWrite != nil {
		if err := f.onWrite(n, dn); err != nil {
			return err
		}
	}
	var have [][]byte
	for e, err := range f.Read(ctx, directory.Query{Base: dn, Attrs: []string{attr}}) {
		if err != nil {
			return refused(err.Error())
		}
		have = e.Values(attr)
	}
	if len(before) == 0 && len(have) > 0 {
		return refused("attributeOrValueExists")
	}
	if e := f.made(dn); e != nil {
		e.Attrs = slices.DeleteFunc(e.Attrs, func(a directory.Attribute) bool { return strings.EqualFold(a.Name, attr) })
		if len(after) > 0 {
			e.Attrs = append(e.Attrs, directory.Attribute{Name: attr, Values: after})
		}
	} else if len(after) > 0 {
		f.set(dn, attr, after[0])
	} else {
		f.set(dn, attr, nil)
	}
	if f.afterWrite != nil {
		return f.afterWrite(n, dn)
	}
	return nil
}

// newSID is the SID of the account that is added.
const newSID = domainSID + "-4711"
