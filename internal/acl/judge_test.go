package acl

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func classes(t testing.TB) (user, computer, gmsa, ou *Class) {
	attributes := map[sddl.GUID]sddl.GUID{displayNameAttr: generalSet, mailAttr: publicSet, lockoutTimeAttr: {}}
	class := func(name string, g sddl.GUID, text string) *Class {
		return &Class{Name: name, GUID: g, Attributes: attributes, Default: descriptor(t, text)}
	}
	return class("user", userClass, "D:(A;;RPLCRC;;;PS)"),
		class("computer", computerClass, "D:(A;;RPLCRC;;;CO)"),
		// The default of gMSAs denies everybody to reset the password. [MS-ADSC]
		class("msDS-GroupManagedServiceAccount", gmsaClass, "D:(OD;;CR;<reset>;;WD)(A;;GA;;;SY)"),
		class("organizationalUnit", ouClass, "D:(A;;GA;;;SY)")
}

func TestJudge(t *testing.T) {
	user, computer, gmsa, ou := classes(t)
	protected := &Class{Name: "protected", GUID: userClass, Attributes: user.Attributes, Default: descriptor(t, "D:P(A;;GA;;;SY)")}
	open := &Class{Name: "open", GUID: computerClass, Attributes: user.Attributes, Default: descriptor(t, "D:(A;;RPLCRC;;;AU)")}
	resetUsers := Requirement{reset, Descendants, userClass}
	for _, c := range []struct {
		name    string
		dacl    string
		req     Requirement
		classes []*Class
		want    Effect
		cases   string // where/class: effect, of those that are not granted
	}{
		{"this object only", "D:(A;;RP;;;<me>)", Requirement{readAll, ThisObject, sddl.GUID{}}, nil, Granted, ""},
		{"descendants without a class to try are not proven", "D:(A;CI;GA;;;<me>)", Requirement{readAll, Descendants, sddl.GUID{}}, nil, Unknown, ""},
		{"all descendants of the class", "D:(OA;CIIO;RP;;<user>;<me>)", Requirement{readAll, Descendants, userClass}, []*Class{user}, Granted, ""},
		{"a subclass is another class", "D:(OA;CIIO;RP;;<user>;<me>)", Requirement{readAll, Descendants, userClass}, []*Class{user, computer}, Partial, "child computer: not-granted, deeper computer: not-granted"},
		{"no propagation ends at the children", "D:(A;CINP;CC;;;<me>)", Requirement{Right{Mask: sddl.CreateChild}, Descendants, sddl.GUID{}}, []*Class{ou}, Partial, "deeper organizationalUnit: not-granted"},
		{"which is enough for children", "D:(A;CINP;CC;;;<me>)", Requirement{Right{Mask: sddl.CreateChild}, Children, sddl.GUID{}}, []*Class{ou}, Granted, ""},
		{"no propagation for a class ends at a container of another", "D:(OA;CINPIO;CC;;<ou>;<me>)", Requirement{Right{Mask: sddl.CreateChild}, Descendants, ouClass}, []*Class{ou}, Partial, "deeper organizationalUnit: not-granted"},
		{"this object alone", "D:(A;;RP;;;<me>)", Requirement{readAll, ThisObjectAndDescendants, sddl.GUID{}}, []*Class{user}, Partial, "child user: not-granted, deeper user: not-granted"},
		{"descendants alone", "D:(A;CIIO;RP;;;<me>)", Requirement{readAll, ThisObjectAndDescendants, sddl.GUID{}}, []*Class{user}, Partial, "target organizationalUnit: not-granted"},
		{"a deny on the target", "D:(D;;RP;;;WD)(A;CI;RP;;;<me>)", Requirement{readAll, ThisObjectAndDescendants, sddl.GUID{}}, []*Class{user}, Denied, "target organizationalUnit: denied"},
		{"a deny that is inherited, before the allow", "D:(D;CI;RP;;;WD)(A;CI;RP;;;<me>)", Requirement{readAll, Descendants, sddl.GUID{}}, []*Class{user}, Denied, "child user: denied, deeper user: denied"},
		{"an explicit deny of the class beats what is inherited", "D:(OA;CIIO;CR;<reset>;;<me>)", resetUsers, []*Class{user, gmsa}, Denied, "child msDS-GroupManagedServiceAccount: denied, deeper msDS-GroupManagedServiceAccount: denied"},
		{"a class whose default is protected inherits nothing", "D:(A;CI;RP;;;<me>)", Requirement{readAll, Descendants, sddl.GUID{}}, []*Class{protected}, NotGranted, "child protected: not-granted, deeper protected: not-granted"},
		{"the default of the class may grant it", "D:", Requirement{readAll, Descendants, computerClass}, []*Class{open}, Granted, ""},
		{"what SELF has, another has not", "D:", Requirement{readAll, Descendants, userClass}, []*Class{user}, NotGranted, "child user: not-granted, deeper user: not-granted"},
		{"CREATOR OWNER grants nothing for certain", "D:(A;CIIO;GA;;;CO)", Requirement{readAll, Descendants, sddl.GUID{}}, []*Class{user}, NotGranted, "child user: not-granted, deeper user: not-granted"},
		{"CREATOR OWNER may be denied", "D:(D;CIIO;RP;;;CO)(A;CI;RP;;;<me>)", Requirement{readAll, Descendants, sddl.GUID{}}, []*Class{user}, Unknown, "child user: unknown, deeper user: unknown"},
		{"an absent DACL hands down nothing", "O:<other>", Requirement{readAll, ThisObjectAndDescendants, sddl.GUID{}}, []*Class{user}, Partial, "child user: not-granted, deeper user: not-granted"},
		{"a condition below", "D:(XA;CI;RP;;;<me>)", Requirement{readAll, Descendants, sddl.GUID{}}, []*Class{user}, Conditional, "child user: conditional, deeper user: conditional"},
		{"an entry dropped in a container of the class it seemed to double", "D:(OA;CI;RPWP;<mail>;<ou>;<me>)(OA;CI;RP;<mail>;;<me>)",
			Requirement{Right{sddl.ReadProperty, mailAttr, Attribute}, Descendants, userClass}, []*Class{user}, Partial, "deeper user: not-granted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := descriptor(t, c.dacl)
			got := Judge(Target{DACL: d.DACL, Owner: stranger, Class: ou}, token, c.req, c.classes)
			var bad []string
			for _, k := range got.Cases {
				if k.Decision.Effect != Granted {
					bad = append(bad, fmt.Sprintf("%s %s: %v", map[Where]string{OnTarget: "target", OnChild: "child", Deeper: "deeper"}[k.Where], k.Class, k.Decision.Effect))
				}
			}
			text := strings.Join(bad, ", ")
			if got.Effect != c.want || text != c.cases {
				t.Errorf("%s: got %v (%s), want %v (%s)", c.dacl, got.Effect, text, c.want, c.cases)
			}
		})
	}
}

// What Judge calls granted below a target is granted on every new object that can be
// there: under containers of any class, four levels deep, with nothing left out.
func TestJudgeHoldsForEveryPathBelow(t *testing.T) {
	user, computer, gmsa, ou := classes(t)
	between := []*Class{{GUID: userClass}, {GUID: computerClass}, {GUID: ouClass}, {GUID: groupClass}}
	none := sddl.SID{}
	var granted, cases int
	for seed := range random(t) / 25 {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 13))}
		target := Target{DACL: &sddl.ACL{}, Owner: stranger, Class: ou}
		mine := pick(d, account, group)
		for range 1 + d.IntN(5) {
			a := d.ace()
			if d.IntN(2) == 0 { // rights alike, so that one entry makes another superfluous
				a = sddl.ObjectACE(sddl.Allow, 0, pick(d, sddl.ReadProperty, sddl.ReadProperty|sddl.WriteProperty, sddl.GenericAll),
					pick(d, sddl.GUID{}, displayNameAttr, generalSet), pick(d, sddl.GUID{}, userClass, ouClass, computerClass), mine)
			}
			a.Flags = pick(d, sddl.ContainerInherit, sddl.ContainerInherit, sddl.ContainerInherit|sddl.InheritOnly,
				sddl.ContainerInherit|sddl.NoPropagate, sddl.ObjectInherit, 0)
			target.DACL.ACEs = append(target.DACL.ACEs, a)
		}
		req := Requirement{Scope: pick(d, Descendants, Descendants, Children), Right: pick(d, readAll, readWrite, reset,
			Right{sddl.ReadProperty, displayNameAttr, Attribute}, Right{sddl.ReadProperty, generalSet, PropertySet})}
		asker := pick(d, token, partialToken)
		below := pick(d, []*Class{user}, []*Class{computer, user}, []*Class{gmsa})
		got := Judge(target, asker, req, below)
		all := true
		var descend func(aces []sddl.ACE, depth int)
		descend = func(aces []sddl.ACE, depth int) {
			for _, c := range below {
				if Check(NewObject(&sddl.ACL{ACEs: aces}, c, none, none), none, asker, none, c, req.Right).Effect != Granted {
					all = false
				}
			}
			if req.Scope == Children || depth == 4 {
				return
			}
			for _, c := range between {
				descend(NewObject(&sddl.ACL{ACEs: aces}, c, none, none).ACEs, depth+1)
			}
		}
		descend(target.DACL.ACEs, 1)
		if all != (got.Effect == Granted) {
			t.Fatalf("seed %d: %+v of %+v: got %v, on every path: %v\n%+v", seed, req, target.DACL.ACEs, got.Effect, all, got.Cases)
		}
		cases++
		if all {
			granted++
		}
	}
	if granted < cases/20 || granted > cases*19/20 {
		t.Errorf("%d of %d cases were granted: too few of one kind to mean anything", granted, cases)
	}
}
