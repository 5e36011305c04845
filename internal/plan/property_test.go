package plan

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Whatever the DACLs are: a plan only adds, only for the account, only what lasts; it
// can be applied and taken back; and it leaves nothing to plan.
func TestPlansOfRandomDACLs(t *testing.T) {
	mixed := rules(t, listHere+getChanges+readFax+
		"  - {id: write-member, rights: [read-property, write-property], object: member, scope: descendants, class: group, source: t}\n"+
		"  - {id: child, rights: [create-child, delete-child], object: user, scope: this-object-and-descendants, source: t}\n"+
		"  - {id: children, rights: [list-contents], scope: children, class: organizationalUnit, source: t}\n")
	sets := [][]*policy.Policy{builtin(t), {mixed}, append(builtin(t), mixed)}
	targets := containers(t)
	cases, changed, blocked := 0, 0, 0
	n := uint64(rounds)
	if more, err := strconv.ParseUint(os.Getenv("GMSACTL_ROUNDS"), 10, 64); err == nil {
		n = more
	}
	for round := range n {
		r := rand.New(rand.NewPCG(round, 1))
		f := newForest(t)
		f.server = server{round&1 != 0, round&2 != 0, round&4 != 0, round&8 != 0}
		random := map[string]*sddl.Descriptor{}
		for _, dn := range targets {
			random[dn] = randomDescriptor(r, f.descriptor(t, dn))
			raw, err := random[dn].Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			f.set(dn, descriptorAttr, raw)
		}
		look := func() *audit.Snapshot { return snapshot(t, f, targets...) }
		policies, accept := sets[round%3], audit.Accept(round/3%3)
		evaluate := func() *audit.Report {
			report, err := audit.Evaluate(look(), policies, accept)
			if err != nil {
				t.Fatal(err)
			}
			return report
		}
		plan := func() *Plan {
			p, err := Build(look(), policies, accept)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p := plan()
		cases += len(targets)
		changed += len(p.Changes)
		blocked += len(p.Blocked)
		for i := range p.Changes {
			checkAddsOnly(t, &p.Changes[i])
		}
		before := evaluate()
		var backup *Backup
		if _, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) { backup = b; return "b", nil }); err != nil {
			t.Errorf("apply: %v", err)
		}
		checkProgress(t, p, before, evaluate())
		if next := plan(); next.Pending() {
			t.Errorf("after it was applied, there is more to add to %s: %q", next.Changes[0].DN, added(next))
		}
		undo, err := backup.Undo(t.Context(), f)
		if err != nil {
			t.Fatalf("round %d: undo: %v", round, err)
		}
		if _, err := Apply(t.Context(), f, undo, noSave); err != nil {
			t.Errorf("undo: %v", err)
		}
		for _, dn := range targets {
			if lost, gained := sddl.DiffACEs(random[dn].DACL.Explicit(), f.descriptor(t, dn).DACL.Explicit()); lost != nil || gained != nil {
				t.Errorf("%s: taken back, it lost %v and gained %v", dn, lost, gained)
			}
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d DACLs in %d rounds (GMSACTL_ROUNDS asks for more), %d changed, %d rules blocked", cases, n, changed, blocked)
	// Of nothing, every property holds.
	if rounds >= 27 && cases < 2000 || changed < cases/2 || blocked < cases/8 {
		t.Errorf("of %d DACLs only %d were changed, %d rules blocked", cases, changed, blocked)
	}
}

// containers are the objects of the demo that have a descriptor.
func containers(t *testing.T) []string {
	t.Helper()
	var out []string
	// Not every object is in the demo, and so it answers only what was asked when it was captured.
	q := directory.Query{Base: head, Scope: directory.Subtree, Descriptor: true, Any: []directory.Match{
		{Attr: "objectClass", Value: "domainDNS"}, {Attr: "objectClass", Value: "organizationalUnit"},
		{Attr: "objectClass", Value: "container"}, {Attr: "objectClass", Value: "builtinDomain"},
	}}
	for e, err := range newForest(t).Read(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Value(descriptorAttr) != nil {
			out = append(out, e.DN)
		}
	}
	return out
}

func checkAddsOnly(t *testing.T, c *Change) {
	t.Helper()
	fail := func(format string, args ...any) { t.Helper(); t.Fatalf("%s: "+format, append([]any{c.DN}, args...)...) }
	before, after, err := c.parse()
	if err != nil {
		fail("%v", err)
	}
	removed, added := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
	if len(removed) > 0 || len(c.Remove) > 0 {
		fail("removes %v", removed)
	}
	for _, a := range added {
		if a.SID.String() != accountSID || !a.Type.IsAllow() || a.IsInherited() {
			fail("adds %v", a)
		}
		// Without what was added, the very bytes in the very order are left.
		at := slices.Index(after.DACL.ACEs, a)
		if slices.Contains(before.DACL.ACEs, a) {
			fail("adds %v, which is there already", a)
		}
		after.DACL.ACEs = slices.Delete(after.DACL.ACEs, at, at+1)
	}
	for i, a := range after.DACL.ACEs {
		if string(a.Append(nil)) != string(before.DACL.ACEs[i].Append(nil)) {
			fail("entry %d was %v and is %v", i, before.DACL.ACEs[i], a)
		}
	}
}

var (
	randomSIDs = []string{
		accountSID, accountSID, denySID, domainSID + "-515", domainSID + "-512", domainSID + "-4711",
		"S-1-5-11", "S-1-1-0", "S-1-5-10", "S-1-3-0", "S-1-3-4", "S-1-5-32-554", "S-1-5-18",
	}
	randomMasks = []sddl.Mask{
		sddl.ReadProperty, sddl.WriteProperty, sddl.ReadProperty | sddl.WriteProperty, sddl.CreateChild,
		sddl.CreateChild | sddl.DeleteChild, sddl.ControlAccess, sddl.ListContents, sddl.FullControl,
		sddl.GenericRead, sddl.GenericAll, sddl.WriteSelf, sddl.DeleteTree | sddl.Delete, 0x00020094, 0,
	}
	randomFlags = []sddl.ACEFlags{
		0, 0, sddl.ContainerInherit, sddl.ContainerInherit, sddl.ContainerInherit | sddl.InheritOnly,
		sddl.ContainerInherit | sddl.InheritOnly | sddl.NoPropagate, sddl.ObjectInherit, sddl.ContainerInherit | sddl.ObjectInherit,
	}
	randomObjects = []string{
		"", "", "", "bf967aba-0de6-11d0-a285-00aa003049e2", "bf9679c0-0de6-11d0-a285-00aa003049e2",
		"bc0ac240-79a9-11d0-9020-00c04fc2d4cf", "59ba2f42-79a2-11d0-9020-00c04fc2d3cf", "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
		"e45795b3-9455-11d1-aebd-0000f80367c1", "00000000-0000-0000-0000-000000000001",
	}
	randomClasses = []string{
		"", "", "", "bf967aba-0de6-11d0-a285-00aa003049e2", "bf967a9c-0de6-11d0-a285-00aa003049e2",
		"bf967aa5-0de6-11d0-a285-00aa003049e2", "bf967a86-0de6-11d0-a285-00aa003049e2",
	}
)

func randomACE(r *rand.Rand, deny bool) sddl.ACE {
	kind := sddl.Allow
	if deny {
		kind = sddl.Deny
	}
	pick := func(texts []string) sddl.GUID {
		text := texts[r.IntN(len(texts))]
		if text == "" {
			return sddl.GUID{}
		}
		g, err := sddl.ParseGUID(text)
		if err != nil {
			panic(err)
		}
		return g
	}
	sid, err := sddl.ParseSID(randomSIDs[r.IntN(len(randomSIDs))])
	if err != nil {
		panic(err)
	}
	a := sddl.ObjectACE(kind, randomFlags[r.IntN(len(randomFlags))], randomMasks[r.IntN(len(randomMasks))], pick(randomObjects), pick(randomClasses), sid)
	switch r.IntN(40) {
	case 0:
		a = ace("(Q;;RP;;;WD)")
	case 1:
		a.Data = "\x00\x00\x00\x00"
		if !a.Type.IsObject() {
			a.Type += sddl.AllowCallback - sddl.Allow
		}
	}
	return a
}

// randomDescriptor is one that a directory may hold: mostly in canonical order.
func randomDescriptor(r *rand.Rand, like *sddl.Descriptor) *sddl.Descriptor {
	dacl := &sddl.ACL{Revision: 4}
	for range r.IntN(3) {
		dacl.ACEs = append(dacl.ACEs, randomACE(r, true))
	}
	for range r.IntN(6) {
		dacl.ACEs = append(dacl.ACEs, randomACE(r, false))
	}
	for range r.IntN(6) {
		a := randomACE(r, r.IntN(4) == 0)
		a.Flags |= sddl.Inherited
		dacl.ACEs = append(dacl.ACEs, a)
	}
	switch r.IntN(20) {
	case 0:
		r.Shuffle(len(dacl.ACEs), func(i, j int) { dacl.ACEs[i], dacl.ACEs[j] = dacl.ACEs[j], dacl.ACEs[i] })
	case 1:
		dacl.ACEs = append(dacl.ACEs, dacl.ACEs...)
	case 2:
		dacl.Slack = "\x00\x00\x00\x00"
	}
	d := like.WithDACL(dacl)
	if r.IntN(30) == 0 {
		d = like.WithDACL(nil)
	}
	if r.IntN(4) == 0 {
		d.Control ^= sddl.DACLProtected
	}
	d.Control |= sddl.SelfRelative
	return d
}

// A domain controller's answer names the object as it likes; a plan goes by that.
func TestTargetsAreNamedAsTheDirectoryNamesThem(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, "ou=sales, ou=sync, dc=CORP, dc=example"))
	if len(p.Changes) != 1 || p.Changes[0].DN != sales || directory.DNKey(p.Changes[0].DN) != directory.DNKey(sales) {
		t.Errorf("%+v", p.Changes)
	}
}
