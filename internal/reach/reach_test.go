package reach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
)

const (
	grantMember = "(OA;CIIO;WP;" + memberGUID + ";" + groupGUID + ";AGENT)"
	mine        = "CN=G," + target // the group that the causes are about
)

// withOpaqueEntry gives the entry (A;;RP;;;SY) a type that nobody knows.
func withOpaqueEntry(e *directory.Entry) {
	raw := slices.Clone(e.Value("nTSecurityDescriptor"))
	raw[bytes.Index(raw, []byte{0x00, 0x00, 0x14, 0x00, 0x10, 0x00, 0x00, 0x00})] = 0x7f
	with("nTSecurityDescriptor", string(raw))(e)
}

// told is what a row says, one line a cause.
func told(row audit.ReachRow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %d effective, %d not, %d protected, %d unknown", row.Objects, row.Effective, row.NotEffective, row.Protected, row.Unknown)
	for _, c := range row.Causes {
		fmt.Fprintf(&b, "\n%s at %q on %d", c.Cause, c.At, c.Objects)
	}
	return b.String()
}

func TestCauses(t *testing.T) {
	const ou, plain = "organizationalUnit", "O:SYD:(A;;RP;;;SY)"
	for _, c := range []struct {
		name  string
		build func(f *forest)
		want  string
	}{
		{"inherited from the target, it is effective", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", plain)
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"through an organizational unit, it is effective", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, plain)
			f.add("CN=G,OU=A,"+target, "group", plain)
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"a unit blocks inheritance", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("OU=B,OU=A,"+target, ou, plain)
			f.add("CN=G,OU=B,OU=A,"+target, "group", plain)
			f.add("CN=H,OU=A,"+target, "group", plain)
			f.add(mine, "group", plain)
		}, "3: 1 effective, 2 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "OU=A,` + target + `" on 2`},
		{"the nearest unit that blocks counts", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("OU=B,OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=G,OU=B,OU=A,"+target, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "OU=B,OU=A,` + target + `" on 1`},
		{"a unit that blocks and has the entry itself blocks nothing", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:P"+grantMember)
			f.add("CN=G,OU=A,"+target, "group", plain)
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"a target that blocks inheritance hands down its own", func(f *forest) {
			f.add(target, ou, "O:SYD:P"+grantMember)
			f.add(mine, "group", plain)
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"a target that blocks inheritance and grants nothing is not what blocks", func(f *forest) {
			f.add(target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add(mine, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `no-entry at "" on 1`},
		{"groups block inheritance themselves", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=H,"+target, "group", "O:SYD:P(A;;RP;;;BA)")
		}, "2: 0 effective, 2 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "" on 2`},
		{"what blocks inheritance where nothing would be inherited is no cause", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;WP;"+memberGUID+";"+userGUID+";AGENT)")
			f.add("OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=G,OU=A,"+target, "group", plain)
			f.add(mine, "group", "O:SYD:P(A;;RP;;;SY)")
		}, "2: 0 effective, 2 not, 0 protected, 0 unknown\n" + `no-entry at "" on 2`},
		{"nor is the lower of two, where the upper one has it", func(f *forest) {
			f.add(target, ou, "O:SYD:")
			f.add("OU=A,"+target, ou, "O:SYD:P"+grantMember)
			f.add("OU=B,OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=G,OU=B,OU=A,"+target, "group", plain)
			f.add("OU=C,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=G,OU=C,"+target, "group", plain)
		}, "2: 0 effective, 2 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "OU=B,OU=A,` + target + `" on 1` + "\n" + `no-entry at "" on 1`},
		{"nobody knows what an unreadable unit above the one that blocks grants", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:", with("nTSecurityDescriptor", ""))
			f.add("OU=B,OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=G,OU=B,OU=A,"+target, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `no-entry at "OU=A,` + target + `" on 1`},
		{"a group that blocks inheritance for another below it is a place", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:P(A;;RP;;;SY)")
			f.add("CN=H,"+mine, "group", plain)
		}, "2: 0 effective, 2 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "` + mine + `" on 2`},
		{"one of very many users blocks inheritance for what is below", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			for i := range keepOfOther + 10 {
				f.add(fmt.Sprintf("CN=%d,%s", i, target), "user", plain)
			}
			f.add("CN=U,"+target, "user", "O:SYD:P")
			f.add("CN=G,CN=U,"+target, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "CN=U,` + target + `" on 1`},
		{"AdminSDHolder protects a group", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:BAD:P(A;;RP;;;AU)(A;;GA;;;SY)", with("adminCount", "1"))
		}, "1: 0 effective, 0 not, 1 protected, 0 unknown\n" + `adminsdholder at "` + holderDN + `" on 1`},
		{"a group that was protected once, and blocks inheritance still", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:BAD:P(A;;RP;;;AU)(A;;GA;;;SY)(A;;RC;;;BA)", with("adminCount", "1"))
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `inheritance-blocked at "" on 1`},
		{"the entries of AdminSDHolder without protection are no protection", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:BAD:(A;;RP;;;AU)(A;;GA;;;SY)", with("adminCount", "1"))
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"nor do they explain what no entry grants", func(f *forest) {
			f.add(target, ou, "O:SYD:")
			f.add(mine, "group", "O:BAD:(A;;RP;;;AU)(A;;GA;;;SY)", with("adminCount", "1"))
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `no-entry at "" on 1`},
		{"one is protected, and another just blocks inheritance", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:P(A;;GA;;;SY)(A;;RP;;;AU)")
			f.add("CN=H,"+target, "group", "O:SYD:P(A;;GA;;;BA)(A;;RP;;;AU)")
		}, "2: 0 effective, 1 not, 1 protected, 0 unknown\n" + `adminsdholder at "` + holderDN + `" on 1` + "\n" + `inheritance-blocked at "" on 1`},
		{"AdminSDHolder inherits some of its entries", func(f *forest) {
			f.add(holderDN, "container", "O:SYD:(A;;RP;;;AU)(A;CIID;RC;;;BA)")
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:P(A;;RP;;;AU)(A;CI;RC;;;BA)")
		}, "1: 0 effective, 0 not, 1 protected, 0 unknown\n" + `adminsdholder at "` + holderDN + `" on 1`},
		{"AdminSDHolder has an entry that is effective", func(f *forest) {
			f.add(holderDN, "container", "O:SYD:P(OA;;WP;"+memberGUID+";;AGENT)")
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:P(OA;;WP;"+memberGUID+";;AGENT)")
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"an explicit deny for its group", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:(OD;;WP;"+memberGUID+";;GROUPOFIT)")
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `deny at "" on 1`},
		{"a deny for a stranger is nothing", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:(OD;;WP;"+memberGUID+";;STRANGER)")
		}, `1: 1 effective, 0 not, 0 protected, 0 unknown`},
		{"a deny that is inherited from a unit", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:(OD;CIIO;WP;"+memberGUID+";;GROUPOFIT)")
			f.add("OU=B,OU=A,"+target, ou, plain)
			f.add("CN=G,OU=B,OU=A,"+target, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `deny at "OU=A,` + target + `" on 1`},
		{"a deny that is inherited from above the target", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:(OD;CIIO;WP;"+memberGUID+";"+groupGUID+";GROUPOFIT)")
			f.add(target, ou, "O:SYD:")
			f.add("OU=A,"+target, ou, "O:SYD:"+grantMember)
			// The deny comes later than what the unit hands down, and earlier than what the head would.
			f.add("CN=G,OU=A,"+target, "group", plain)
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("CN=H,"+target, "group", "O:SYD:")
		}, "2: 2 effective, 0 not, 0 protected, 0 unknown"},
		{"an inherited deny before the allow, from the head of the domain", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:(OD;CIIO;WP;"+memberGUID+";"+groupGUID+";GROUPOFIT)"+grantMember)
			f.add(target, ou, "O:SYD:")
			f.add(mine, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `deny at "` + head + `" on 1`},
		{"the group has not inherited it yet", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", "O:SYD:AR(A;;RP;;;SY)")
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `not-propagated at "` + target + `" on 1`},
		{"nor has the unit between", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:AR(A;;RP;;;SY)")
			f.add("CN=G,OU=A,"+target, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `not-propagated at "` + target + `" on 1`},
		{"a unit that blocks has it, and the group has not inherited it yet", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:P"+grantMember)
			f.add("CN=G,OU=A,"+target, "group", "O:SYD:AR(A;;RP;;;SY)")
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `not-propagated at "OU=A,` + target + `" on 1`},
		{"what is for another class is not late", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;WP;"+memberGUID+";"+userGUID+";AGENT)")
			f.add(mine, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `no-entry at "" on 1`},
		{"what is for the children only does not reach a grandchild", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIONP;WP;"+memberGUID+";"+groupGUID+";AGENT)")
			f.add(mine, "group", plain)
			f.add("OU=A,"+target, ou, plain)
			f.add("CN=G,OU=A,"+target, "group", plain)
		}, "2: 1 effective, 1 not, 0 protected, 0 unknown\n" + `no-entry at "" on 1`},
		{"only a condition grants it", func(f *forest) {
			f.add(target, ou, "O:SYD:")
			f.add(mine, "group", `O:SYD:(XA;;WP;;;AGENT;(Member_of {SID(BA)}))`)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `conditional at "" on 1`},
		{"the descriptor is not shown", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", plain, with("nTSecurityDescriptor", ""))
		}, "1: 0 effective, 0 not, 0 protected, 1 unknown\n" + `unreadable at "" on 1`},
		{"the descriptor is damaged", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", plain, with("nTSecurityDescriptor", "\x01\x00"))
		}, "1: 0 effective, 0 not, 0 protected, 1 unknown\n" + `unreadable at "" on 1`},
		{"the class is not shown", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", plain, with("objectClass", ""))
		}, "1: 0 effective, 0 not, 0 protected, 1 unknown\n" + `class-unknown at "" on 1`},
		{"the class is none of the schema", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", plain, with("objectClass", "gizmo"))
		}, "1: 0 effective, 0 not, 0 protected, 1 unknown\n" + `class-unknown at "" on 1`},
		{"an entry that nobody understands", func(f *forest) {
			f.add(target, ou, "O:SYD:")
			f.add(mine, "group", plain, withOpaqueEntry)
		}, "1: 0 effective, 0 not, 0 protected, 1 unknown\n" + `undecided at "" on 1`},
		{"a unit above is not readable", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add("OU=A,"+target, ou, "O:SYD:P(A;;RP;;;SY)", with("nTSecurityDescriptor", ""))
			f.add("CN=G,OU=A,"+target, "group", plain)
		}, "1: 0 effective, 1 not, 0 protected, 0 unknown\n" + `no-entry at "OU=A,` + target + `" on 1`},
		{"objects of other classes are none of its business", func(f *forest) {
			f.add(target, ou, "O:SYD:P")
			f.add("CN=U,"+target, "user", plain)
			f.add("CN=C,"+target, "contact", plain)
		}, `0: 0 effective, 0 not, 0 protected, 0 unknown`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, shuffle := range []bool{false, true} {
				f := newForest(t)
				f.shuffle = shuffle
				c.build(f)
				r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true, Examples: 2})
				row := r.Targets[0].Reach.Rows[0]
				if got := told(row); got != c.want {
					t.Errorf("shuffled %v: got\n%s\nwant\n%s", shuffle, got, c.want)
				}
				total := 0
				for _, cause := range row.Causes {
					total += cause.Objects
					if len(cause.Examples) != min(cause.Objects, 2) {
						t.Errorf("%s has the examples %q of %d", cause.Cause, cause.Examples, cause.Objects)
					}
				}
				if total != row.Objects-row.Effective {
					t.Errorf("%d objects have a cause, %d need one", total, row.Objects-row.Effective)
				}
				if sum := r.ReachSummary; (sum.NotEffective+sum.Protected+sum.Unknown > 0) && r.Clean() {
					t.Error("the report is clean")
				}
			}
		})
	}
}

func TestDenyIsShownWhereItStands(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(OD;CIIO;WP;"+memberGUID+";"+groupGUID+";GROUPOFIT)"+grantMember)
	f.add(mine, "group", "O:SYD:")
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true})
	cause := r.Targets[0].Reach.Rows[0].Causes[0]
	if cause.ACE == nil || !strings.HasPrefix(cause.ACE.SDDL, "(OD;CIIO;WP;") || !strings.Contains(cause.ACE.Words, "Deny") {
		t.Errorf("%+v", cause)
	}
}

// A deny does not hide that nothing grants the rest.
func TestDenyOfAPartIsNotTheCause(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(A;CI;GA;;;AGENT)")
	f.add(mine, "group", "O:SYD:P(D;;RP;;;GROUPOFIT)")
	f.add("OU=A,"+target, "organizationalUnit", "O:SYD:P(D;CI;RP;;;GROUPOFIT)")
	f.add("CN=G,OU=A,"+target, "group", "O:SYD:")
	r := sweepOf(t, f, rules(t, "  - {id: x, rights: [full-control], scope: descendants, source: test}\n"), Options{Reach: true})
	causes := r.Targets[0].Reach.Rows[0].Causes
	if len(causes) != 2 {
		t.Fatalf("%+v", causes)
	}
	for _, c := range causes {
		if c.Cause != audit.CauseBlocked || !strings.HasSuffix(c.Why, "; and a deny entry takes a part of it away") {
			t.Errorf("%+v", c)
		}
	}
}

// A directory that leaves the target out of its own subtree has not shown all of it.
func TestTargetThatDoesNotComeIsAnError(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:")
	f.add(mine, "group", "O:SYD:")
	if _, err := trySweep(t.Context(), headless{f}, rules(t, writeMember), Options{Reach: true}); err == nil || !strings.Contains(err.Error(), "not among them") {
		t.Errorf("error %v", err)
	}
}

type headless struct{ *forest }

func (h headless) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		for e, err := range h.forest.Read(ctx, q) {
			if q.Scope == directory.Subtree && directory.SameDN(e.DN, q.Base) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestDerivedClassesAreNotCounted(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(OA;CIIO;RP;;"+userGUID+";AGENT)")
	f.add("CN=U,"+target, "user", "O:SYD:")
	f.add("CN=C,"+target, "computer", "O:SYD:")
	f.add("CN=I,"+target, "inetOrgPerson", "O:SYD:(A;;RP;;;AGENT)")
	r := sweepOf(t, f, rules(t, readUser), Options{Reach: true})
	row := r.Targets[0].Reach.Rows[0]
	want := []audit.ClassReach{
		{Class: "computer", Objects: 1, Derived: true},
		{Class: "inetOrgPerson", Objects: 1, Effective: 1, Derived: true},
		{Class: "user", Objects: 1, Effective: 1},
	}
	if !slices.Equal(row.Classes, want) || row.Objects != 1 || len(row.Causes) != 0 {
		t.Errorf("%+v", row)
	}
}

// A rule that only objects of derived classes could be meant by is a finding.
func TestOnlyDerivedClassesAreAFinding(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(OA;CIIO;RP;;"+userGUID+";AGENT)")
	for i, class := range []string{"inetOrgPerson", "gmsa", "user"} {
		f.add("CN="+class+","+target, class, "O:SYD:")
		r := sweepOf(t, f, rules(t, readUser), Options{Reach: true})
		sum, row, only := r.ReachSummary, r.Targets[0].Reach.Rows[0], class != "user"
		if want := min(i+1, 2); sum.Derived != want || row.Derived != want || (sum.OnlyDerived == 1) != only || r.Clean() == only {
			t.Errorf("with %s, too: %+v, clean %v", class, sum, r.Clean())
		}
	}
}

func TestRelevanceFollowsTheScope(t *testing.T) {
	for _, c := range []struct {
		rule string
		want string
	}{
		{"rights: [read-all-properties], scope: this-object", "1 of 1"},
		{"rights: [read-all-properties], scope: this-object-and-descendants", "5 of 5"},
		{"rights: [read-all-properties], scope: descendants", "4 of 4"},
		{"rights: [read-all-properties], scope: children", "2 of 2"},
		{"rights: [read-all-properties], scope: children, class: user", "1 of 1"},
		{"rights: [create-child], object: user, scope: this-object-and-descendants", "2 of 2"},
		{"rights: [write-property], object: member, scope: descendants", "1 of 1"},
		{"rights: [read-property], object: User-Account-Restrictions, scope: descendants", "2 of 2"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			f := newForest(t)
			f.add(target, "organizationalUnit", "O:SYD:(A;CI;GA;;;AGENT)")
			f.add("OU=A,"+target, "organizationalUnit", "O:SYD:")
			f.add("CN=U,"+target, "user", "O:SYD:")
			f.add("CN=V,OU=A,"+target, "user", "O:SYD:")
			f.add("CN=G,OU=A,"+target, "group", "O:SYD:")
			r := sweepOf(t, f, rules(t, "  - {id: x, "+c.rule+", source: test}\n"), Options{Reach: true})
			row := r.Targets[0].Reach.Rows[0]
			if got := fmt.Sprintf("%d of %d", row.Effective, row.Objects); got != c.want {
				t.Errorf("got %s, want %s: %+v", got, c.want, row.Classes)
			}
		})
	}
}

func TestStaleAdminCountIsANote(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:"+grantMember)
	f.add(mine, "group", "O:SYD:", with("adminCount", "1"))
	f.add("CN=P,"+target, "user", "O:SYD:P(A;;GA;;;SY)(A;;RP;;;AU)", with("adminCount", "1"))
	f.add("CN=Z,"+target, "user", "O:SYD:", with("adminCount", "0"))
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true, Examples: 3})
	stale := r.Targets[0].Reach.StaleAdminCount
	if stale == nil || stale.Objects != 1 || !slices.Equal(stale.Examples, []string{mine}) {
		t.Errorf("%+v", stale)
	}
	if !r.Clean() {
		t.Errorf("a note is a finding: %+v %+v", r.Summary, r.ReachSummary)
	}
}

func TestUnseenAdminSDHolderIsSaid(t *testing.T) {
	f := newForest(t)
	f.unseen[directory.DNKey(holderDN)] = true
	f.add(target, "organizationalUnit", "O:SYD:"+grantMember)
	f.add(mine, "group", "O:SYD:P(A;;GA;;;SY)(A;;RP;;;AU)", with("adminCount", "1"))
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true})
	reach := r.Targets[0].Reach
	if len(reach.Notes) != 1 || !strings.Contains(reach.Notes[0], "cannot be told") || r.AdminSDHolder.Unreadable == "" {
		t.Errorf("%q %+v", reach.Notes, r.AdminSDHolder)
	}
	if got := reach.Rows[0].Causes[0].Cause; got != audit.CauseBlocked {
		t.Error(got)
	}
}

func TestEntriesOnAdminSDHolderAreWarnedOf(t *testing.T) {
	f := newForest(t)
	f.add(holderDN, "container", "O:SYD:P(A;;GA;;;SY)(OA;;WP;"+memberGUID+";;AGENT)"+grantMember+"(OA;;RP;5b47d60f-6090-40b2-9f37-2a4de88f3063;;GROUPOFIT)(A;;RP;;;AU)(OA;;RP;f0f8ff9a-1191-11d0-a060-00aa006c33ed;;AGENT)")
	f.add(target, "organizationalUnit", "O:SYD:"+grantMember)
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true})
	var got []string
	for _, e := range r.AdminSDHolder.Entries {
		got = append(got, fmt.Sprintf("%v %s", e.Effective, e.SDDL[:12]))
	}
	want := []string{"true (OA;;WP;bf96", "false (OA;CIIO;WP;", "true (OA;;RP;5b47", "false (OA;;RP;f0f8"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNestedTargetsAreEachJudged(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:"+grantMember)
	f.add("OU=A,"+target, "organizationalUnit", "O:SYD:")
	f.add("CN=G,OU=A,"+target, "group", "O:SYD:")
	f.add(mine, "group", "O:SYD:")
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true, Excess: true}, target, "OU=A,"+target)
	if a, b := r.Targets[0].Reach.Rows[0].Objects, r.Targets[1].Reach.Rows[0].Objects; a != 2 || b != 1 {
		t.Errorf("%d and %d", a, b)
	}
	if got := r.Excess.Objects; got != 4+5 {
		t.Errorf("excess looked at %d objects", got)
	}
}

// A part of a sweep is no sweep.
func TestInterruptedSweepLeavesTheReport(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:"+grantMember)
	for i := range 3 * progressEvery {
		f.add(fmt.Sprintf("CN=%d,%s", i, target), "group", "O:SYD:")
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	r, err := trySweep(ctx, f, rules(t, writeMember), Options{Reach: true, Excess: true, Progress: func(int) { calls++; cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if r.Targets[0].Reach != nil || r.ReachSummary != nil || r.Excess != nil || calls == 0 {
		t.Errorf("%d calls, %+v", calls, r)
	}
}

// counting is a context that knows how often it was asked whether to go on.
type counting struct {
	context.Context
	calls, most int
}

func (c *counting) Err() error {
	if c.calls++; c.most > 0 && c.calls > c.most {
		return context.Canceled
	}
	return nil
}

// Where causes take long to find, an interruption is heeded, too.
func TestInterruptionWhileCausesAreLookedFor(t *testing.T) {
	const units = 200
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:")
	for i := range units {
		dn := fmt.Sprintf("OU=%d,%s", i, target)
		f.add(dn, "organizationalUnit", "O:SYD:")
		f.add("CN=G,"+dn, "group", "O:SYD:")
	}
	ctx, read := &counting{Context: t.Context()}, 0
	opts := Options{Reach: true, Progress: func(int) { read = ctx.calls }}
	if _, err := trySweep(ctx, f, rules(t, writeMember), opts); err != nil || ctx.calls < read+units {
		t.Fatalf("error %v, asked %d times after reading", err, ctx.calls-read)
	}
	ctx = &counting{Context: t.Context(), most: ctx.calls - units/2}
	if r, err := trySweep(ctx, f, rules(t, writeMember), opts); !errors.Is(err, context.Canceled) || r.ReachSummary != nil {
		t.Errorf("error %v, %+v", err, r.ReachSummary)
	}
}

func TestJSONHasNoNulls(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:P")
	f.add(mine, "group", "O:SYD:")
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true, Excess: true})
	text, err := json.Marshal([]any{r.Targets[0].Reach, r.Excess, r.AdminSDHolder})
	if err != nil || bytes.Contains(text, []byte("null")) {
		t.Errorf("%v: %s", err, text)
	}
}

// What depends on groups that were not seen is unknown, and the others are not.
func TestUnseenGroups(t *testing.T) {
	f := newForest(t)
	f.noToken = true
	f.add(target, "organizationalUnit", "O:SYD:")
	f.add(mine, "group", "O:SYD:(OA;;WP;"+memberGUID+";;STRANGER)")
	f.add("CN=H,"+target, "group", "O:SYD:(OA;;WP;"+memberGUID+";;AGENT)")
	f.add("CN=I,"+target, "group", "O:SYD:(A;;RP;;;STRANGER)")
	r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true, Excess: true})
	row := r.Targets[0].Reach.Rows[0]
	if got, want := told(row), "3: 1 effective, 1 not, 0 protected, 1 unknown\nno-entry at \"\" on 1\nundecided at \"\" on 1"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r.Excess.Unknown != r.Excess.Objects || r.Excess.Unknown == 0 || len(r.Excess.Notes) != 1 {
		t.Errorf("%+v", r.Excess)
	}
}

// Objects with one descriptor are of several kinds where it has an entry for SELF.
func TestSelfIsTheObject(t *testing.T) {
	const self = "O:SYD:(OA;;WP;" + memberGUID + ";;PS)"
	for _, c := range []struct {
		noToken bool
		want    string
	}{
		{false, "4: 2 effective, 2 not, 0 protected, 0 unknown\nno-entry at \"\" on 2"},
		// The account may be in any group that has a SID.
		{true, "4: 1 effective, 1 not, 0 protected, 2 unknown\nundecided at \"\" on 2\nno-entry at \"\" on 1"},
	} {
		f := newForest(t)
		f.noToken = c.noToken
		f.add(target, "organizationalUnit", "O:SYD:")
		f.add("CN=none,"+target, "group", self)
		f.add("CN=stranger,"+target, "group", self, withSID(stranger1))
		f.add("CN=its,"+target, "group", self, withSID(its))
		f.add("CN=account,"+target, "group", self, withSID(agent))
		r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true})
		if got := told(r.Targets[0].Reach.Rows[0]); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// The order in which a directory answers changes nothing, nor does chance.
func TestOrderDoesNotMatter(t *testing.T) {
	for _, examples := range []int{0, 1, 3, 50} {
		var want string
		for run := range 6 {
			f := newForest(t)
			f.shuffle = run%2 == 1
			f.add(target, "organizationalUnit", "O:SYD:"+grantMember+"(A;CI;WD;;;AGENT)")
			for i := range 5 {
				ou := fmt.Sprintf("OU=%d,%s", i, target)
				f.add(ou, "organizationalUnit", []string{"O:SYD:", "O:SYD:P(A;CI;WD;;;GROUPOFIT)"}[i%2])
				for j := range 4 {
					f.add(fmt.Sprintf("CN=G%d,%s", j, ou), "group", "O:SYD:(A;;WO;;;AGENT)", with("adminCount", "1"))
				}
			}
			r := sweepOf(t, f, rules(t, writeMember), Options{Reach: true, Excess: true, Examples: examples})
			text, err := json.MarshalIndent(r, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want = string(text)
			}
			if string(text) != want {
				t.Fatalf("%d examples, run %d: got\n%s\nwant\n%s", examples, run, text, want)
			}
		}
	}
}
