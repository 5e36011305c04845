package acl

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func TestCovers(t *testing.T) {
	on := func(r Right, s Scope, class sddl.GUID) Requirement { return Requirement{r, s, class} }
	var any sddl.GUID
	const rp, wp = sddl.ReadProperty, sddl.WriteProperty
	for _, c := range []struct {
		name string
		ace  string
		req  Requirement
		want sddl.Mask
	}{
		{"the same", "(A;;RP;;;<me>)", on(readAll, ThisObject, any), rp},
		{"another's does not", "(A;;RP;;;<group>)", on(readAll, ThisObject, any), 0},
		{"some of the bits", "(A;;RP;;;<me>)", on(readWrite, ThisObject, any), rp},
		{"generic rights are mapped", "(A;;GR;;;<me>)", on(readWrite, ThisObject, any), rp},
		{"a deny covers nothing", "(D;;RP;;;<me>)", on(readAll, ThisObject, any), 0},
		{"a condition covers nothing", "(XA;;RP;;;<me>)", on(readAll, ThisObject, any), 0},
		{"an unknown type covers nothing", "(Q;;RP;;;<me>)", on(readAll, ThisObject, any), 0},
		{"an inherited entry counts", "(A;ID;RP;;;<me>)", on(readAll, ThisObject, any), rp},

		{"inherit only is not this object", "(A;CIIO;RP;;;<me>)", on(readAll, ThisObject, any), 0},
		{"this object is not its descendants", "(A;;RP;;;<me>)", on(readAll, Descendants, any), 0},
		{"this object and descendants are both", "(A;CI;RP;;;<me>)", on(readAll, ThisObjectAndDescendants, any), rp},
		{"inherit only is not both", "(A;CIIO;RP;;;<me>)", on(readAll, ThisObjectAndDescendants, any), 0},
		{"object inherit is not descendants", "(A;OI;RP;;;<me>)", on(readAll, Descendants, any), 0},
		{"object inherit does not hurt", "(A;OICI;RP;;;<me>)", on(readAll, Descendants, any), rp},
		{"not propagating is children only", "(A;CIIONP;RP;;;<me>)", on(readAll, Descendants, any), 0},
		{"which covers children", "(A;CIIONP;RP;;;<me>)", on(readAll, Children, any), rp},
		{"as descendants do", "(A;CIIO;RP;;;<me>)", on(readAll, Children, any), rp},

		{"a class covers itself", "(OA;CIIO;RP;;<user>;<me>)", on(readAll, Descendants, userClass), rp},
		{"no class covers any", "(A;CIIO;RP;;;<me>)", on(readAll, Descendants, userClass), rp},
		{"a class does not cover another", "(OA;CIIO;RP;;<user>;<me>)", on(readAll, Descendants, computerClass), 0},
		{"a class does not cover all", "(OA;CIIO;RP;;<user>;<me>)", on(readAll, Descendants, any), 0},
		{"a class does not matter on the object itself", "(OA;CI;RP;;<computer>;<me>)", on(readAll, ThisObject, any), rp},

		{"all attributes cover one", "(A;;RP;;;<me>)", on(readMember, ThisObject, any), rp},
		{"an attribute covers itself", "(OA;;RP;<member>;;<me>)", on(readMember, ThisObject, any), rp},
		{"its property set covers it", "(OA;;RPWP;<set:member>;;<me>)", on(readMember, ThisObject, any), rp},
		{"another property set does not", "(OA;;RP;<set:general>;;<me>)", on(readMember, ThisObject, any), 0},
		{"an attribute does not cover its set", "(OA;;RP;<member>;;<me>)", on(Right{rp, memberSet, PropertySet}, ThisObject, any), 0},
		{"an attribute does not cover the object", "(OA;;RP;<member>;;<me>)", on(readAll, ThisObject, any), 0},
		{"a set does not cover control access to its attribute", "(OA;;RPCR;<set:member>;;<me>)", on(Right{rp | sddl.ControlAccess, memberAttr, Attribute}, ThisObject, any), rp},
		{"a set does not cover a validated write", "(OA;;SW;<set:member>;;<me>)", on(selfMember, ThisObject, any), 0},
		{"a GUID of zeros covers nothing", "(OA;;RP;<zero>;;<me>)", on(readAll, ThisObject, any), 0},
		{"nor an attribute without a set", "(OA;;RP;<zero>;;<me>)", on(Right{rp, lockoutTimeAttr, Attribute}, ThisObject, any), 0},
		{"creating any child covers one class", "(A;CI;CCDC;;;<me>)", on(createUser, ThisObjectAndDescendants, any), sddl.CreateChild},
		{"what makes no sense is not covered", "(A;;GA;;;<me>)", on(Right{wp, userClass, ChildClass}, ThisObject, any), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Covers(dacl(t, "D:"+c.ace).ACEs[0], account, c.req, setOfTest); got != c.want {
				t.Errorf("%s: got %#x, want %#x", c.ace, got, c.want)
			}
		})
	}
	odd := sddl.ACE{Type: sddl.AllowObject, Mask: rp, ObjectFlags: 4, SID: account}
	if got := Covers(odd, account, on(readAll, ThisObject, any), nil); got != 0 {
		t.Errorf("an object ACE with unknown flags covers %#x", got)
	}
	if got := Covers(dacl(t, "D:(OA;;RP;<set:member>;;<me>)").ACEs[0], account, on(readMember, ThisObject, any), nil); got != 0 {
		t.Errorf("a set covers %#x of an attribute without anybody knowing its set", got)
	}
}

func TestCover(t *testing.T) {
	readUsers := Requirement{readAll, Descendants, userClass}
	writeHere := Requirement{readWrite, ThisObject, sddl.GUID{}}
	everywhere := Requirement{readWrite, ThisObjectAndDescendants, sddl.GUID{}}
	hereAndUsers := Requirement{readAll, ThisObjectAndDescendants, userClass}
	ownACL := Requirement{readACL, ThisObject, sddl.GUID{}}
	for _, c := range []struct {
		name    string
		dacl    string
		req     Requirement
		token   Token
		want    Grant
		aces    int
		missing sddl.Mask
	}{
		{"just what is required", "D:(OA;CIIO;RP;;<user>;<me>)", readUsers, token, Exact, 1, 0},
		{"inherited it is still exact", "D:(OA;OICIIOID;RP;;<user>;<me>)", readUsers, token, Exact, 1, 0},
		{"exact comes before broader", "D:(A;CI;GA;;;<me>)(OA;CIIO;RP;;<user>;<me>)", readUsers, token, Exact, 1, 0},
		{"more bits are broader", "D:(OA;CIIO;RPWP;;<user>;<me>)", readUsers, token, Broader, 1, 0},
		{"all classes are broader", "D:(A;CIIO;RP;;;<me>)", readUsers, token, Broader, 1, 0},
		{"this object as well is broader", "D:(OA;CI;RP;;<user>;<me>)", readUsers, token, Broader, 1, 0},
		{"generic rights that map to what is required are exact", "D:(A;;GW;;;<me>)", Requirement{Right{Mask: sddl.ReadControl | sddl.WriteSelf | sddl.WriteProperty}, ThisObject, sddl.GUID{}}, token, Exact, 1, 0},
		{"one bit each is split", "D:(A;;RP;;;<me>)(A;;WP;;;<me>)", writeHere, token, Split, 2, 0},
		{"one place each is split", "D:(A;;RPWP;;;<me>)(A;CIIO;RPWP;;;<me>)", everywhere, token, Split, 2, 0},
		{"this object and the class below are split", "D:(A;;RP;;;<me>)(OA;CIIO;RP;;<user>;<me>)", hereAndUsers, token, Split, 2, 0},
		{"one for both is exact too", "D:(OA;CI;RP;;<user>;<me>)", hereAndUsers, token, Exact, 1, 0},
		{"entries that add nothing are not named", "D:(A;;RP;;;<me>)(A;;RP;;;<me>)(A;;WP;;;<me>)", writeHere, token, Split, 2, 0},
		{"own before groups", "D:(A;;RPWP;;;<group>)(A;;RPWP;;;<me>)", writeHere, token, Exact, 1, 0},
		{"a group's", "D:(A;;RPWP;;;<group>)", writeHere, token, ViaGroup, 1, 0},
		{"own and a group's", "D:(A;;WP;;;<group>)(A;;RP;;;<me>)", writeHere, token, ViaGroup, 2, 0},
		{"groups before well-known", "D:(A;;RPWP;;;WD)(A;;RPWP;;;<group>)", writeHere, token, ViaGroup, 1, 0},
		{"well-known", "D:(A;;RP;;;<me>)(A;;RPWP;;;AU)", writeHere, token, ViaWellKnown, 2, 0},
		{"the owner", "O:<me>D:", ownACL, token, Implicit, 0, 0},
		{"not the owner where OWNER RIGHTS say otherwise", "O:<me>D:(A;;RP;;;OW)", ownACL, token, Missing, 0, sddl.ReadControl},
		{"the owner by OWNER RIGHTS", "O:<me>D:(A;;RC;;;OW)", ownACL, token, Implicit, 1, 0},
		{"not the owner below", "O:<me>D:", Requirement{readACL, ThisObjectAndDescendants, sddl.GUID{}}, token, Missing, 0, sddl.ReadControl},
		{"an entry is better than owning", "O:<me>D:(A;;RC;;;AU)", ownACL, token, ViaWellKnown, 1, 0},
		{"an absent DACL", "O:<other>", writeHere, token, Implicit, 0, 0},
		{"an absent DACL hands down nothing", "O:<other>", readUsers, token, Missing, 0, sddl.ReadProperty},
		{"an empty DACL", "D:", writeHere, token, Missing, 0, readWrite.Mask},
		{"somebody else's", "D:(A;;GA;;;<other>)", writeHere, token, Missing, 0, readWrite.Mask},
		{"what remains is missing", "D:(A;;RP;;;<me>)", writeHere, token, Missing, 1, sddl.WriteProperty},
		{"an unseen group might have it", "D:(A;;RP;;;<me>)(A;;WP;;;<other>)", writeHere, partialToken, Unclear, 1, sddl.WriteProperty},
		{"an unseen group has nothing that is not there", "D:(A;;RP;;;<other>)", writeHere, partialToken, Missing, 0, readWrite.Mask},
		{"an unseen group might own it", "O:<other>D:", ownACL, partialToken, Unclear, 0, sddl.ReadControl},
		{"an unseen group does not matter where own entries suffice", "D:(A;;RPWP;;;<me>)", writeHere, partialToken, Exact, 1, 0},
		{"what makes no sense", "D:(A;;GA;;;<me>)", Requirement{Right: Right{Mask: sddl.SystemSecurity}}, token, Unclear, 0, sddl.SystemSecurity},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := descriptor(t, c.dacl)
			got := Cover(d.DACL, d.Owner, c.token, c.req, setOfTest)
			if got.Grant != c.want || len(got.ACEs) != c.aces || got.Missing != c.missing {
				t.Errorf("%s: got %v of %d entries, missing %#x, want %v of %d, missing %#x", c.dacl, got.Grant, len(got.ACEs), got.Missing, c.want, c.aces, c.missing)
			}
		})
	}
}

// The eight rows of the published table for a custom gMSA of Entra Cloud Sync
// (entra-docs, how-to-prerequisites), and the entries they come to, encoded by hand
// from [MS-DTYP] 2.4.4.
var cloudSync = []struct {
	req Requirement
	ace string
}{
	{Requirement{readAll, Descendants, guid("bf967a8e-0de6-11d0-a285-00aa003049e2")}, "050a380010000000020000008e7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{readAll, Descendants, guid("4828cc14-1437-45bc-9b07-ad6f015e5f28")}, "050a3800100000000200000014cc28483714bc459b07ad6f015e5f28010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{readAll, Descendants, computerClass}, "050a38001000000002000000867a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{readAll, Descendants, guid("89e31c12-8530-11d0-afda-00c04fd930c9")}, "050a38001000000002000000121ce3893085d011afda00c04fd930c9010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{fullControl, Descendants, groupClass}, "050a3800ff010f00020000009c7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{readAll, Descendants, userClass}, "050a38001000000002000000ba7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{readAll, Descendants, guid("5cb41ed0-0e4c-11d0-a286-00aa003049e2")}, "050a38001000000002000000d01eb45c4c0ed011a28600aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{Requirement{Right{sddl.CreateChild | sddl.DeleteChild, userClass, ChildClass}, ThisObjectAndDescendants, sddl.GUID{}}, "050238000300000001000000ba7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
}

const someDomain = "O:<other>D:(D;;DC;;;WD)(OA;CIIO;RP;<mail>;<user>;<group>)(A;;GA;;;<other>)(A;CI;LCRPLORC;;;AU)"

func TestCloudSyncTable(t *testing.T) {
	d := descriptor(t, someDomain)
	var reqs []Requirement
	for i, row := range cloudSync {
		reqs = append(reqs, row.req)
		if got := Cover(d.DACL, d.Owner, token, row.req, setOfTest); got.Grant == Exact || got.Grant == Broader || got.Grant == Split {
			t.Errorf("row %d without its entry: got %v", i+1, got.Grant)
		}
	}
	aces := MissingACEs(d.DACL, account, reqs, setOfTest)
	if len(aces) != len(cloudSync) {
		t.Fatalf("got %d entries, want %d: %+v", len(aces), len(cloudSync), aces)
	}
	with := &sddl.ACL{Revision: 4, ACEs: append(slices.Clone(d.DACL.ACEs), aces...)}
	for i, row := range cloudSync {
		if got := hex.EncodeToString(aces[i].Append(nil)); got != row.ace {
			t.Errorf("row %d: got %s, want %s", i+1, got, row.ace)
		}
		if got := Cover(with, d.Owner, token, row.req, setOfTest); got.Grant != Exact || got.ACEs[0] != aces[i] {
			t.Errorf("row %d with its entry: got %v by %+v", i+1, got.Grant, got.ACEs)
		}
	}
	if again := MissingACEs(with, account, reqs, setOfTest); len(again) != 0 {
		t.Errorf("still missing: %+v", again)
	}
	if got := MissingACEs(d.DACL, account, append(reqs, reqs...), setOfTest); !slices.Equal(got, aces) {
		t.Errorf("rows asked for twice: got %+v", got)
	}
}

func TestMissingACEs(t *testing.T) {
	var any sddl.GUID
	for _, c := range []struct {
		name string
		dacl string
		reqs []Requirement
		want string
	}{
		{"a plain entry where no GUID is needed", "D:", []Requirement{{readAll, ThisObject, any}}, "D:(A;;RP;;;<me>)"},
		{"the class goes with descendants only", "D:", []Requirement{{readAll, ThisObject, userClass}}, "D:(A;;RP;;;<me>)"},
		{"children only", "D:", []Requirement{{readAll, Children, userClass}}, "D:(OA;CIIONP;RP;;<user>;<me>)"},
		{"this object and all below are one entry", "D:", []Requirement{{readAll, ThisObjectAndDescendants, any}}, "D:(A;CI;RP;;;<me>)"},
		{"this object and a class below are two", "D:", []Requirement{{readAll, ThisObjectAndDescendants, userClass}}, "D:(A;;RP;;;<me>)(OA;CIIO;RP;;<user>;<me>)"},
		{"only the bits that lack", "D:(A;;RP;;;<me>)", []Requirement{{readWrite, ThisObject, any}}, "D:(A;;WP;;;<me>)"},
		{"only the place that lacks", "D:(A;;RP;;;<me>)", []Requirement{{readAll, ThisObjectAndDescendants, any}}, "D:(A;CIIO;RP;;;<me>)"},
		{"bits of several requirements in one entry", "D:", []Requirement{{readMember, Descendants, groupClass}, {writeMember, Descendants, groupClass}}, "D:(OA;CIIO;RPWP;<member>;<class-group>;<me>)"},
		{"two attributes are two entries", "D:", []Requirement{{readMember, ThisObject, any}, {Right{sddl.ReadProperty, mailAttr, Attribute}, ThisObject, any}}, "D:(OA;;RP;<member>;;<me>)(OA;;RP;<mail>;;<me>)"},
		{"two classes are two entries", "D:", []Requirement{{readAll, Descendants, userClass}, {readAll, Descendants, groupClass}}, "D:(OA;CIIO;RP;;<user>;<me>)(OA;CIIO;RP;;<class-group>;<me>)"},
		{"a validated write and a write share the GUID", "D:", []Requirement{{selfMember, ThisObject, any}, {writeMember, ThisObject, any}}, "D:(OA;;SWWP;<member>;;<me>)"},
		{"an attribute is part of the whole", "D:", []Requirement{{readMember, ThisObject, any}, {readAll, ThisObject, any}}, "D:(A;;RP;;;<me>)"},
		{"an attribute is part of its property set", "D:", []Requirement{{Right{sddl.ReadProperty, memberSet, PropertySet}, ThisObject, any}, {readMember, ThisObject, any}}, "D:(OA;;RP;<set:member>;;<me>)"},
		{"a class is part of all", "D:", []Requirement{{readAll, Descendants, userClass}, {readAll, ThisObjectAndDescendants, any}}, "D:(A;CI;RP;;;<me>)"},
		{"several may make up one", "D:", []Requirement{{readWrite, Descendants, userClass}, {readAll, Descendants, any}, {writeAll, ThisObjectAndDescendants, any}}, "D:(A;CIIO;RP;;;<me>)(A;CI;WP;;;<me>)"},
		{"several, and what is there already, may make up one", "D:(A;CIIO;WP;;;<me>)", []Requirement{{readWrite, Descendants, any}, {Right{sddl.ReadProperty | sddl.WriteProperty, memberAttr, Attribute}, ThisObjectAndDescendants, any}, {readWrite, ThisObject, any}}, "D:(A;CIIO;RP;;;<me>)(A;;RPWP;;;<me>)"},
		{"children are part of descendants", "D:", []Requirement{{readAll, Children, any}, {readAll, Descendants, any}}, "D:(A;CIIO;RP;;;<me>)"},
		{"a group's entries do not count", "D:(A;;RP;;;<group>)", []Requirement{{readAll, ThisObject, any}}, "D:(A;;RP;;;<me>)"},
		{"a deny does not matter", "D:(D;;RP;;;<me>)(A;;RP;;;<me>)", []Requirement{{readAll, ThisObject, any}}, "D:"},
		{"a condition is not enough", "D:(XA;;RP;;;<me>)", []Requirement{{readAll, ThisObject, any}}, "D:(A;;RP;;;<me>)"},
		{"inherited entries count", "D:(A;CIID;RP;;;<me>)", []Requirement{{readAll, ThisObjectAndDescendants, any}}, "D:"},
		{"generic rights are never written", "D:", []Requirement{{Right{Mask: sddl.GenericRead}, ThisObject, any}}, "D:(A;;LCRPLORC;;;<me>)"},
		{"the first entry of an absent DACL would lock everybody out", "O:<me>", []Requirement{{readAll, ThisObject, any}}, "D:"},
		{"what makes no sense asks for nothing", "D:", []Requirement{{Right{Mask: sddl.SystemSecurity | sddl.ReadProperty}, ThisObject, any}}, "D:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := MissingACEs(dacl(t, c.dacl), account, c.reqs, setOfTest)
			if want := dacl(t, c.want).ACEs; !slices.Equal(got, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

func TestMissingACEsAreEnoughAndNoMore(t *testing.T) {
	others := []sddl.SID{group, stranger, everyone}
	child := &Class{Name: "user", GUID: userClass, Attributes: testClass.Attributes, Default: descriptor(t, "D:(A;;RPLCRC;;;PS)(OA;;RPWP;<set:general>;;WD)")}
	none := sddl.SID{}
	inserted := 0
	for seed := range random(t) {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 11))}
		before := &sddl.ACL{Revision: 4}
		for range d.IntN(8) {
			a := d.ace()
			if d.IntN(2) == 0 {
				a.Flags = pick(d, sddl.ContainerInherit, sddl.ContainerInherit|sddl.InheritOnly, sddl.ContainerInherit|sddl.NoPropagate|sddl.Inherited)
			}
			before.ACEs = append(before.ACEs, a)
		}
		if d.IntN(4) > 0 {
			slices.SortStableFunc(before.ACEs, func(a, b sddl.ACE) int { return canonically(a) - canonically(b) })
		}
		var reqs []Requirement
		for range 1 + d.IntN(6) {
			reqs = append(reqs, Requirement{d.right(), Scope(d.IntN(4)), pick(d, sddl.GUID{}, userClass, groupClass)})
		}
		missing := MissingACEs(before, account, reqs, setOfTest)
		after := &sddl.ACL{ACEs: slices.Concat(before.ACEs, missing)}
		if with, err := before.WithAllows(missing...); err == nil { // it is in order, so that a plan may add to it
			after = with
			// Taken out again, the very bytes are left.
			back, err := after.WithoutAllows(missing...)
			if err != nil {
				t.Fatal(err)
			}
			was, _ := before.Append(nil)
			if is, err := back.Append(nil); err != nil || !bytes.Equal(is, was) {
				t.Fatalf("seed %d: %v\nwith %v\nand without %v, %v", seed, before.ACEs, missing, back.ACEs, err)
			}
			inserted += len(missing)
		}
		if again := MissingACEs(after, account, reqs, setOfTest); len(again) != 0 {
			t.Fatalf("seed %d: %+v\nstill missing %+v", seed, reqs, again)
		}
		for _, req := range reqs {
			if got := Cover(after, stranger, token, req, setOfTest); got.Grant != Exact && got.Grant != Broader && got.Grant != Split {
				t.Fatalf("seed %d: %+v: got %v", seed, req, got)
			}
		}
		// No entry can be left out, and none says more than the requirements do: the
		// rights an entry gives are, bit by bit, rights that some requirement asks for.
		for i, a := range missing {
			without := &sddl.ACL{ACEs: slices.Concat(before.ACEs, missing[:i], missing[i+1:])}
			if again := MissingACEs(without, account, reqs, setOfTest); len(again) == 0 {
				t.Fatalf("seed %d: %+v is superfluous: %v of %+v\nfor %+v", seed, a, missing, before.ACEs, reqs)
			}
			left := a.Mask
			for _, req := range reqs {
				flags := req.Scope.flags()
				scope := flags == a.Flags || req.Scope == ThisObjectAndDescendants && (a.Flags == 0 || a.Flags == Descendants.flags())
				class := a.Flags == 0 && !a.HasInheritedObjectType() || a.InheritedObjectType == req.Class
				if scope && class && a.ObjectType == req.Right.Object {
					left &^= req.Right.bits()
				}
			}
			if left != 0 {
				t.Fatalf("seed %d: %+v asks for %#x more than %+v", seed, a, left, reqs)
			}
		}
		for _, sid := range others {
			who := Token{Account: sid, Complete: true, SIDs: map[sddl.SID]Via{sid: Own}}
			right := d.right()
			same := func(where string, before, after Decision) {
				t.Helper()
				// Entries of others stand in other places, and are the same.
				for _, decision := range []*Decision{&before, &after} {
					decision.Deciding = slices.Clone(decision.Deciding)
					for i := range decision.Deciding {
						decision.Deciding[i].Index = 0
					}
				}
				if before.Effect != after.Effect || before.Granted != after.Granted || !slices.Equal(before.Deciding, after.Deciding) {
					t.Fatalf("seed %d: %v had %+v %s and has %+v", seed, sid, before, where, after)
				}
			}
			same("here", Check(before, stranger, who, none, testClass, right), Check(after, stranger, who, none, testClass, right))
			same("below", Check(NewObject(before, child, none, none), none, who, none, child, right),
				Check(NewObject(after, child, none, none), none, who, none, child, right))
		}
	}
	if inserted < random(t)/2 {
		t.Errorf("only %d entries were put between others", inserted)
	}
}

// canonically is where an entry stands in canonical order.
func canonically(a sddl.ACE) int {
	switch {
	case a.IsInherited():
		return 2
	case a.Type.IsDeny():
		return 0
	}
	return 1
}
