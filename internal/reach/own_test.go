package reach

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// asked remembers of what all objects below were asked for.
type asking struct {
	directory.Reader
	bases []string
}

func (a *asking) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if q.Scope == directory.Subtree && len(q.Any) == 0 && q.Descriptor {
		a.bases = append(a.bases, q.Base)
	}
	return a.Reader.Read(ctx, q)
}

// sweepOwn is sweepOf with the targets that rules name themselves; it says which were read with all that
// is below.
func sweepOwn(t testing.TB, r directory.Reader, policies []*policy.Policy, opts Options, targets ...string) (*audit.Report, []string) {
	t.Helper()
	a := &asking{Reader: r}
	s, err := audit.Load(t.Context(), a, "provAgentgMSA$", targets, policies...)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Evaluate(s, policies, audit.AcceptAny)
	if err != nil {
		t.Fatal(err)
	}
	j, err := audit.NewJudge(s, policies, audit.AcceptAny)
	if err != nil {
		t.Fatal(err)
	}
	a.bases = nil
	if err := Sweep(t.Context(), a, s, j, report, opts); err != nil {
		t.Fatal(err)
	}
	return report, a.bases
}

func TestExcessOfOwnTargets(t *testing.T) {
	const ou, plain = "organizationalUnit", "O:SYD:"
	const changes, all = "(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;AGENT)", "(OA;;CR;1131f6ad-9c07-11d1-f79f-00c04fc2dcd2;;AGENT)"
	rule := func(id, text, at string) string {
		if at != "" {
			text += ", target: " + at
		}
		return fmt.Sprintf("  - {id: %s, %s, source: test}\n", id, text)
	}
	dn := func(dn string) string { return fmt.Sprintf("{dn: %q}", dn) }
	const a, b, list = "OU=A," + target, "OU=B," + target, "rights: [list-contents], scope: this-object"
	units := func(f *forest, onTarget, onA, onB string) {
		f.add(target, ou, plain+onTarget)
		f.add(a, ou, plain+onA)
		f.add(b, ou, plain+onB)
		f.add("CN=G,"+a, "group", plain)
		f.add("CN=G,"+b, "group", plain)
		f.add("OU=C,"+a, ou, plain)
		f.add("CN=H,OU=C,"+a, "group", plain)
	}
	for _, c := range []struct {
		name    string
		rules   string
		targets []string
		build   func(f *forest)
		want    string
		swept   []string
		objects int // all that was looked at, with the four heads
	}{
		{"both replication rights that rules ask for on the head", writeMember + rule("one", "rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", "domain-root") +
			rule("all", "rights: [extended-right], object: DS-Replication-Get-Changes-All, scope: this-object", "domain-root"), []string{target},
			func(f *forest) { f.add(head, "domainDNS", plain+changes+all); f.add(target, ou, plain) }, "", []string{target}, 6},
		{"one of them that nobody asks for", writeMember + rule("one", "rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", "domain-root"), []string{target},
			func(f *forest) { f.add(head, "domainDNS", plain+changes+all); f.add(target, ou, plain) },
			`own CR on 1, stands on 1 at "` + head + `": replicate-secrets`, []string{target}, 6},
		{"the same on an object of the target", writeMember + rule("one", "rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", "domain-root"), []string{target},
			func(f *forest) { f.add(target, ou, plain+changes) }, `own CR on 1, stands on 1 at "` + target + `": `, []string{target}, 6},
		{"what a rule asks for on one unit is excess on another", writeMember + rule("list", list, dn(a)), []string{target},
			func(f *forest) { units(f, "", "(A;;LC;;;AGENT)", "(A;;LC;;;AGENT)") }, `own LC on 1, stands on 1 at "` + b + `": `, []string{target}, 12},
		{"and on what is below it", writeMember + rule("list", list, dn(a)), []string{target},
			func(f *forest) { units(f, "", "(A;CI;LC;;;AGENT)", "") }, `own LC on 3, stands on 1 at "` + a + `": `, []string{target}, 12},
		{"what it asks for below a unit is none there", writeMember + rule("mail", "rights: [write-property], object: description, scope: descendants, class: group", dn(a)), []string{target},
			func(f *forest) {
				units(f, "", "(OA;CIIO;WP;bf967950-0de6-11d0-a285-00aa003049e2;"+groupGUID+";AGENT)", "(OA;CIIO;WP;bf967950-0de6-11d0-a285-00aa003049e2;"+groupGUID+";AGENT)")
			}, `own WP on 1, stands on 1 at "` + b + `": `, []string{target, a}, 12},
		{"right below alone", rule("list", "rights: [list-contents], scope: children", dn(a)), nil,
			func(f *forest) { units(f, "", "(A;CIIO;LC;;;AGENT)", "") }, `own LC on 1, stands on 1 at "` + a + `": `, []string{a}, 9},
		{"right below alone, and no further", rule("list", "rights: [list-contents], scope: children", dn(a)), nil,
			func(f *forest) { units(f, "", "(A;CIIONP;LC;;;AGENT)", "") }, "", []string{a}, 9},
		{"what is asked for on all is none on any", rule("list", "rights: [list-contents], scope: descendants", "") + rule("member", "rights: [list-object], scope: this-object", dn(a)), []string{target},
			func(f *forest) { units(f, "(A;CIIO;LC;;;AGENT)", "(A;;LO;;;AGENT)", "(A;;LO;;;AGENT)") }, `own LO on 1, stands on 1 at "` + b + `": `, []string{target}, 12},
		{"of alternatives any", "  - {id: x, any-of: [{rights: [list-contents], scope: descendants}, {rights: [list-object], scope: children}], source: test}\n", []string{target},
			func(f *forest) { units(f, "(A;CIIO;LC;;;AGENT)(A;CIIONP;LO;;;AGENT)", "", "") }, "", []string{target}, 12},
		{"and each in its place", "  - {id: x, any-of: [{rights: [list-contents], scope: descendants}, {rights: [list-object], scope: children}], source: test}\n", []string{target},
			func(f *forest) { units(f, "", "", "(A;CIIO;LO;;;AGENT)") }, `own LO on 1, stands on 1 at "` + b + `": `, []string{target}, 12},
		{"what is advised", rule("x", "severity: warning, rights: [list-object], scope: children", "") + writeMember, []string{target},
			func(f *forest) { units(f, "(A;CIIONP;LO;;;AGENT)", "", "") }, "", []string{target}, 12},
		{"what is advised below a unit, which is not read for that", rule("x", "severity: warning, rights: [list-object], scope: descendants", dn(a)), nil,
			func(f *forest) { units(f, "", "(A;CIIO;LO;;;AGENT)", "") }, "", nil, 6},
		{"what is forbidden", rule("x", "forbidden: true, rights: [list-object], scope: descendants", "") + writeMember, []string{target},
			func(f *forest) { units(f, "", "(A;CIIO;LO;;;AGENT)", "") }, `own LO on 3, stands on 1 at "` + a + `": `, []string{target}, 12},
		{"a rule that does not apply", rule("x", "when: {schema: [noSuchThing]}, "+list, dn(a)) + writeMember, []string{target},
			func(f *forest) { units(f, "", "(A;;LC;;;AGENT)", "") }, `own LC on 1, stands on 1 at "` + a + `": `, []string{target}, 12},
		{"an object that a rule names is looked at by itself", rule("x", list, "adminsdholder"), nil,
			func(f *forest) { f.add(holderDN, "container", "O:SYD:P(A;;LCWD;;;AGENT)") }, `own WD on 1, stands on 1 at "` + holderDN + `": control-protected-object write-dacl`, nil, 6},
		{"and nothing is wrong there", rule("x", list, "adminsdholder"), nil,
			func(f *forest) { f.add(holderDN, "container", "O:SYD:P(A;;LC;;;AGENT)") }, "", nil, 6},
		{"what stands there and comes down is one finding", rule("x", list, dn(target)) + writeMember, []string{a},
			func(f *forest) { units(f, "(A;CI;LO;;;AGENT)", "", "") }, `own LO on 5, stands on 1 at "` + target + `": `, []string{a}, 10},
		{"what was deleted is not read", rule("x", "rights: [list-contents], scope: this-object-and-descendants", dn("CN=Deleted Objects,"+head)), nil,
			func(f *forest) { f.add("CN=Deleted Objects,"+head, "container", "O:SYD:P(A;CI;LCWD;;;AGENT)") }, `own WD on 1, stands on 1 at "CN=Deleted Objects,` + head + `": write-dacl`, nil, 6},
		{"what the audit asks for on its target is excess on one that only rules name", "  - {id: list, rights: [list-contents], scope: this-object, source: test}\n" + rule("x", "rights: [list-object], scope: descendants", dn(a)), []string{target},
			func(f *forest) { units(f, "(A;;LC;;;AGENT)", "(A;;LC;;;AGENT)", "") }, `own LC on 1, stands on 1 at "` + a + `": `, []string{target, a}, 12},
		{"and around it", writeMember + rule("x", "rights: [list-object], scope: descendants", "domain-root"), []string{target},
			func(f *forest) { units(f, grantMember, "", ""); f.add("OU=X,"+head, ou, plain+grantMember) }, `own WP on 0, stands on 1 at "OU=X,` + head + `": `, []string{target, head}, 14},
		{"what it asks for everywhere is excess on a head that only rules name", "  - {id: list, rights: [list-contents], scope: this-object, source: test}\n" + rule("x", "rights: [list-object], scope: descendants", "domain-root"), []string{target},
			func(f *forest) {
				f.add(head, "domainDNS", plain+"(A;;LC;;;AGENT)")
				f.add(target, ou, plain+"(A;;LC;;;AGENT)")
			}, `own LC on 1, stands on 1 at "` + head + `": `, []string{target, head}, 7},
		{"what comes to an object that a rule names from above", rule("x", list, dn(a)), nil,
			func(f *forest) { units(f, "(A;CI;LO;;;AGENT)", "", "") }, `own LO on 1, stands on 1 at "` + target + `": `, nil, 6},
		{"what was deleted is no excess where it is asked for", "  - {id: list, rights: [list-contents], scope: this-object-and-descendants, source: test}\n", []string{"CN=Deleted Objects," + head},
			func(f *forest) { f.add("CN=Deleted Objects,"+head, "container", "O:SYD:P(A;CI;LC;;;AGENT)") }, "", nil, 6},
		{"a rule about the head is about no other naming context", rule("x", "rights: [list-object], scope: this-object-and-descendants", "domain-root"), nil,
			func(f *forest) {
				f.add(head, "domainDNS", "O:SYD:(A;CI;LO;;;AGENT)")
				f.add("CN=Configuration,"+head, "container", "O:SYD:P(A;;LO;;;AGENT)")
			}, `own LO on 1, stands on 1 at "CN=Configuration,` + head + `": `, []string{head}, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, shuffle := range []bool{false, true} {
				f := newForest(t)
				f.shuffle = shuffle
				c.build(f)
				r, swept := sweepOwn(t, f, rules(t, c.rules), Options{Excess: true, Reach: true, Examples: 2}, c.targets...)
				if got := listed(r.Excess); got != c.want {
					t.Errorf("shuffled %v: got\n%s\nwant\n%s", shuffle, got, c.want)
				}
				if !slices.Equal(swept, c.swept) {
					t.Errorf("read all below %q, want %q", swept, c.swept)
				}
				if r.Excess.Objects != c.objects || r.Excess.Unknown != 0 {
					t.Errorf("%d objects, want %d; %d unknown", r.Excess.Objects, c.objects, r.Excess.Unknown)
				}
			}
		})
	}
}

// An object that a rule names and that does not show its permissions leaves it open what stands there.
func TestUnreadableOwnTargetIsUnknownExcess(t *testing.T) {
	f := newForest(t)
	f.add(holderDN, "container", "O:SYD:P", with("nTSecurityDescriptor", ""))
	r, _ := sweepOwn(t, f, rules(t, "  - {id: x, rights: [list-contents], scope: this-object, target: adminsdholder, source: test}\n"), Options{Excess: true})
	if r.Excess.Unknown != 1 || r.Clean() {
		t.Errorf("%d unknown, clean %v", r.Excess.Unknown, r.Clean())
	}
}

// One alternative is enough on each object, whichever the target has.
func TestReachOfAlternatives(t *testing.T) {
	const ou = "organizationalUnit"
	f := newForest(t)
	f.add(target, ou, "O:SYD:(OA;CIIO;RC;;"+groupGUID+";AGENT)")
	f.add("CN=A,"+target, "group", "O:SYD:")
	f.add("CN=B,"+target, "group", "O:SYD:P(A;;LC;;;AGENT)")
	f.add("CN=C,"+target, "group", "O:SYD:P")
	f.add("CN=D,"+target, "group", "O:SYD:P(A;;LO;;;AGENT)") // which is asked for on users alone
	f.add("CN=U,"+target, "user", "O:SYD:(A;;LC;;;AGENT)")
	text := "  - {id: x, any-of: [{rights: [read-permissions], scope: descendants, class: group}, {rights: [list-contents], scope: descendants, class: group}, {rights: [list-object], scope: descendants, class: user}], source: test}\n"
	r, _ := sweepOwn(t, f, rules(t, text), Options{Reach: true, Examples: 2}, target)
	want := "4: 2 effective, 2 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "" on 2`
	if got := told(r.Targets[0].Reach.Rows[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A rule that says on which classes it must be effective is about objects of no other class.
func TestReachOfRulesThatAreEffectiveOnSomeClasses(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(A;CI;LO;;;AGENT)")
	f.add("CN=A,"+target, "group", "O:SYD:P")
	f.add("CN=B,"+target, "contact", "O:SYD:(A;CIID;LO;;;AGENT)")
	f.add("CN=C,"+target, "contact", "O:SYD:P")
	text := "  - {id: x, rights: [list-object], scope: this-object-and-descendants, effective-on: [contact], source: test}\n"
	r, _ := sweepOwn(t, f, rules(t, text), Options{Reach: true, Examples: 2}, target)
	want := "3: 2 effective, 1 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "" on 1`
	if got := told(r.Targets[0].Reach.Rows[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Each target has the rows of the rules about it, and what is not read is said.
func TestReachOfOwnTargets(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:"+grantMember)
	f.add("OU=A,"+target, "organizationalUnit", "O:SYD:P")
	f.add("CN=G,OU=A,"+target, "group", "O:SYD:")
	f.add(mine, "group", "O:SYD:")
	inner := "  - {id: inner, rights: [list-object], scope: descendants, target: {dn: \"OU=A," + target + "\"}, source: test}\n"
	not := "  - {id: not, rights: [delete], scope: descendants, forbidden: true, source: test}\n"
	here := "  - {id: here, rights: [list-contents], scope: this-object, target: adminsdholder, source: test}\n"
	r, swept := sweepOwn(t, f, rules(t, writeMember+inner+not+here), Options{Reach: true, Examples: 2}, target)
	var got []string
	for _, one := range r.Targets {
		if one.Reach == nil {
			got = append(got, one.DN+" not read")
			continue
		}
		for _, row := range one.Reach.Rows {
			got = append(got, fmt.Sprintf("%s %s %d of %d", one.DN, row.Rule, row.Effective, row.Objects))
		}
	}
	want := []string{target + " write-member 1 of 2", "OU=A," + target + " inner 0 of 1", holderDN + " not read"}
	if !slices.Equal(got, want) || len(swept) != 2 {
		t.Errorf("%q, read %q; want %q", got, swept, want)
	}
	note := func(r *audit.Report, part string) bool {
		return slices.ContainsFunc(r.Notes, func(note string) bool { return strings.Contains(note, part) })
	}
	if !note(r, "What rules forbid was not looked for") || note(r, audit.NotSwept) {
		t.Errorf("notes %q", r.Notes)
	}
	if r, _ := sweepOwn(t, f, rules(t, not+writeMember), Options{Reach: true, Excess: true}, target); note(r, "What rules forbid") {
		t.Errorf("notes %q, where the excess was listed", r.Notes)
	}
	f.add("CN=Deleted Objects,"+head, "container", "O:SYD:P")
	if r, _ := sweepOwn(t, f, rules(t, writeMember), Options{Reach: true}, target, "CN=Deleted Objects,"+head); !note(r, "CN=Deleted Objects,"+head+": what has been deleted was not judged.") {
		t.Errorf("notes %q, where something has been deleted", r.Notes)
	}
	if r, _ := sweepOwn(t, f, rules(t, here), Options{Reach: true}); !note(r, audit.NotSwept) || note(r, "What rules forbid") {
		t.Errorf("notes %q, where nothing was read", r.Notes)
	}
}

// Where an object is, seen from what rules name, is found by its parent, and is no other for that.
func TestAimedAtIsThePlaceOfEachObject(t *testing.T) {
	s := &sweep{aimed: map[string]aimed{}, heads: []string{head, "CN=Configuration," + head, "DC=ForestDnsZones," + head}}
	for _, dn := range s.heads {
		s.headKeys = append(s.headKeys, directory.DNKey(dn))
	}
	dns := []string{
		head, target, strings.ToLower(target), "OU=A," + target, "OU=B,OU=A," + target, `CN=a\,b,OU=A,` + target, "OU=T2," + head, "CN=Configuration," + head,
		"CN=X,CN=Configuration," + head, "DC=ForestDnsZones," + head, "DC=x,DC=ForestDnsZones," + head, "DC=example", "CN=Y,OU=T2," + head, "OU=T, DC=corp, DC=example", "",
	}
	for _, kinds := range [][]acl.Scope{{acl.ThisObject}, {acl.Children}, {acl.Descendants, acl.Children, acl.ThisObject}} {
		for _, aims := range [][]string{nil, {head}, {target}, {"OU=A," + target, target}, {"CN=Configuration," + head, head}, {"DC=nowhere"}} {
			s.aims, s.aimed = nil, map[string]aimed{}
			for i, dn := range aims {
				scope := kinds[i%len(kinds)]
				s.aims = append(s.aims, aim{dn: dn, key: directory.DNKey(dn), below: scope != acl.ThisObject, children: scope == acl.Children})
			}
			for range 2 { // the second time from what is known
				for _, dn := range dns {
					want, any := make([]byte, len(s.aims)), false
					for i, a := range s.aims {
						at := outside
						_, above := cutDN(dn)
						switch {
						case directory.SameDN(dn, a.dn):
							at = isTarget
						case !a.below || !s.within(dn, a.dn):
						case a.children && directory.SameDN(above, a.dn):
							at = isChild
						default:
							at = deeper
						}
						any = any || at != outside
						want[i] = byte(at)
					}
					if !any {
						want = nil
					}
					if got := s.aimedAt(dn); got != string(want) {
						t.Errorf("%q from %q, %v: got %q, want %q", dn, aims, kinds, got, want)
					}
				}
			}
		}
	}
}

// BenchmarkSweepOwnTargets is a sweep with rules that name their targets.
func BenchmarkSweepOwnTargets(b *testing.B) {
	l := newLarge(b, 100_000)
	policies := rules(b, writeMember+readUser+"  - {id: x, rights: [list-contents], scope: this-object, target: domain-root, source: test}\n"+
		"  - {id: y, rights: [list-contents], scope: children, target: {dn: \""+target+"\"}, source: test}\n"+
		"  - {id: z, rights: [list-contents], scope: descendants, class: user, target: {dn: \"OU=Unit 1,"+target+"\"}, source: test}\n")
	b.ResetTimer()
	for range b.N {
		sweepOwn(b, l, policies, Options{Reach: true, Excess: true, Examples: 3}, target)
	}
}
