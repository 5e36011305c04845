package acl

import (
	"slices"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func TestInherit(t *testing.T) {
	for _, c := range []struct {
		name   string
		parent string
		want   string // of a new user owned by <other>, in the group <group>
	}{
		// [MS-ADTS] 6.1.3, [MS-DTYP] 2.5.3.4
		{"what is not inheritable stays", "D:(A;;RP;;;<me>)", "D:"},
		{"what is inheritable takes effect", "D:(A;CI;RP;;;<me>)", "D:(A;CIID;RP;;;<me>)"},
		{"inherit only on the parent is over on the child", "D:(A;CIIO;RP;;;<me>)", "D:(A;CIID;RP;;;<me>)"},
		{"what the parent inherited is handed on", "D:(A;CIID;RP;;;<me>)", "D:(A;CIID;RP;;;<me>)"},
		{"what does not propagate ends with the child", "D:(A;CINP;RP;;;<me>)", "D:(A;ID;RP;;;<me>)"},
		{"inherit only and not propagating is for the child alone", "D:(A;CIIONP;RP;;;<me>)", "D:(A;ID;RP;;;<me>)"},
		{"object inherit is kept with container inherit", "D:(A;OICI;RP;;;<me>)", "D:(A;OICIID;RP;;;<me>)"},
		{"object inherit alone is handed down idle", "D:(A;OI;RP;;;<me>)", "D:(A;OIIOID;RP;;;<me>)"},
		{"unless it does not propagate", "D:(A;OINP;RP;;;<me>)", "D:"},

		{"an entry for the class takes effect and keeps its class", "D:(OA;CIIO;RP;;<user>;<me>)", "D:(OA;CIID;RP;;<user>;<me>)"},
		{"an entry for another class is handed down idle", "D:(OA;CI;RP;;<computer>;<me>)", "D:(OA;CIIOID;RP;;<computer>;<me>)"},
		{"unless it does not propagate", "D:(OA;CINP;RP;;<computer>;<me>)", "D:"},
		{"an entry for the class that does not propagate loses its class and type", "D:(OA;CINP;RP;;<user>;<me>)", "D:(A;ID;RP;;;<me>)"},
		{"with an ObjectType it keeps the type", "D:(OA;CINP;RP;<mail>;<user>;<me>)", "D:(OA;ID;RP;<mail>;;<me>)"},

		{"CREATOR OWNER is split into effect and idle copy", "D:(A;CI;RP;;;CO)", "D:(A;ID;RP;;;<other>)(A;CIIOID;RP;;;CO)"},
		{"CREATOR GROUP too", "D:(A;CIIO;RP;;;CG)", "D:(A;ID;RP;;;<group>)(A;CIIOID;RP;;;CG)"},
		{"the effective copy loses the class", "D:(OA;CI;RP;<mail>;<user>;CO)", "D:(OA;ID;RP;<mail>;;<other>)(OA;CIIOID;RP;<mail>;<user>;CO)"},
		{"CREATOR OWNER for another class is idle only", "D:(OA;CI;RP;;<computer>;CO)", "D:(OA;CIIOID;RP;;<computer>;CO)"},
		{"CREATOR OWNER that does not propagate leaves no idle copy", "D:(A;CINP;RP;;;CO)", "D:(A;ID;RP;;;<other>)"},
		{"generic rights are mapped, and kept in the idle copy", "D:(A;CI;GR;;;<me>)", "D:(A;ID;LCRPLORC;;;<me>)(A;CIIOID;GR;;;<me>)"},
		{"0xffffffff is full control", "D:(A;CIIO;0xffffffff;;;<me>)", "D:(A;ID;0xf01ff;;;<me>)(A;CIIOID;0xffffffff;;;<me>)"},

		{"the order is the parent's", "D:(A;CI;RP;;;<me>)(D;CI;WP;;;<me>)(A;CI;CC;;;<me>)", "D:(A;CIID;RP;;;<me>)(D;CIID;WP;;;<me>)(A;CIID;CC;;;<me>)"},
		{"an identical second is dropped", "D:(A;CI;RP;;;<me>)(A;CIID;RP;;;<me>)", "D:(A;CIID;RP;;;<me>)"},
		{"a narrower second is dropped", "D:(A;CI;RPWP;;;<me>)(A;CINP;RP;;;<me>)", "D:(A;CIID;RPWP;;;<me>)"},
		{"a wider second stays", "D:(A;CI;RP;;;<me>)(A;CI;RPWP;;;<me>)", "D:(A;CIID;RP;;;<me>)(A;CIID;RPWP;;;<me>)"},
		{"a second with wider flags stays", "D:(A;CINP;RP;;;<me>)(A;CI;RP;;;<me>)", "D:(A;ID;RP;;;<me>)(A;CIID;RP;;;<me>)"},
		{"an idle second is dropped only when identical", "D:(A;CI;RPWP;;;<me>)(OA;CI;RP;;<computer>;<me>)(OA;CI;RP;;<computer>;<me>)", "D:(A;CIID;RPWP;;;<me>)(OA;CIIOID;RP;;<computer>;<me>)"},
		{"one for all classes is dropped after a wider one for the class", "D:(OA;CI;RPWP;<mail>;<user>;<me>)(OA;CI;RP;<mail>;;<me>)", "D:(OA;CIID;RPWP;<mail>;<user>;<me>)"},
		{"one for the class stays after a wider one for all", "D:(OA;CI;RPWP;<mail>;;<me>)(OA;CI;RP;<mail>;<user>;<me>)", "D:(OA;CIID;RPWP;<mail>;;<me>)(OA;CIID;RP;<mail>;<user>;<me>)"},
		{"a deny is not dropped after an allow", "D:(A;CI;RP;;;<me>)(D;CI;RP;;;<me>)", "D:(A;CIID;RP;;;<me>)(D;CIID;RP;;;<me>)"},
		{"a condition is inherited with its entry", "D:(XA;CI;RP;;;<me>)", "D:(XA;CIID;RP;;;<me>)"},
		{"an unknown type is inherited by its flags", "D:(Q;CI;RP;;;<me>)(Q;;RP;;;<me>)", "D:(Q;CIID;RP;;;<me>)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Inherit(dacl(t, c.parent).ACEs, []sddl.GUID{userClass}, stranger, group)
			if want := dacl(t, c.want).ACEs; !slices.Equal(got, want) {
				t.Errorf("%s: got\n%+v\nwant\n%+v", c.parent, got, want)
			}
		})
	}
}

func TestInheritTreatsAZeroClassAsNoneForAllowsAndAnyForDenies(t *testing.T) {
	zeroClass := func(a sddl.ACE) sddl.ACE {
		a.ObjectFlags |= sddl.InheritedObjectTypePresent
		return a
	}
	parent := []sddl.ACE{
		zeroClass(sddl.ACE{Type: sddl.AllowObject, Flags: sddl.ContainerInherit, Mask: sddl.ReadProperty, SID: account}),
		zeroClass(sddl.ACE{Type: sddl.DenyObject, Flags: sddl.ContainerInherit, Mask: sddl.ReadProperty, SID: account}),
	}
	got := Inherit(parent, []sddl.GUID{userClass}, sddl.SID{}, sddl.SID{})
	if len(got) != 2 || !got[0].Flags.Has(sddl.InheritOnly) || got[1].Flags.Has(sddl.InheritOnly) {
		t.Errorf("got %+v", got)
	}
}

func TestInheritIsStableFromTheSecondLevelOn(t *testing.T) {
	parent := dacl(t, "D:(A;CI;GA;;;CO)(OA;CIIO;RP;;<user>;<me>)(A;CINP;WP;;;<me>)(OA;CI;CC;<user>;;<me>)(A;OI;RP;;;<me>)(D;CI;DC;;;WD)").ACEs
	level := Inherit(parent, nil, stranger, group)
	level = Inherit(level, nil, stranger, group)
	again := Inherit(level, nil, stranger, group)
	if !slices.Equal(level, again) {
		t.Errorf("got\n%+v\nthen\n%+v", level, again)
	}
}

func TestNewObject(t *testing.T) {
	const parent = "D:(A;CI;RP;;;<me>)(A;;WP;;;<me>)"
	class := func(t *testing.T, text string) *Class {
		return &Class{Name: "user", GUID: userClass, Default: descriptor(t, text)}
	}
	for _, c := range []struct {
		name   string
		parent string
		class  string // its default; "-": there is none
		want   string
	}{
		{"explicit entries first, then inherited ones", parent, "D:(A;;CC;;;<me>)", "D:(A;;CC;;;<me>)(A;CIID;RP;;;<me>)"},
		{"explicit duplicates are kept", "D:", "D:(A;;CC;;;<me>)(A;;CC;;;<me>)", "D:(A;;CC;;;<me>)(A;;CC;;;<me>)"},
		{"an inherited entry is not dropped for an explicit one", "D:(A;CI;RP;;;<me>)", "D:(A;CIID;RP;;;<me>)(A;CI;RP;;;<me>)", "D:(A;CI;RP;;;<me>)(A;CIID;RP;;;<me>)"},
		{"inherited entries of the default are dropped", "D:", "D:(A;ID;RP;;;<me>)", "D:"},
		{"a protected default inherits nothing and keeps them as explicit", parent, "D:P(A;ID;CC;;;<me>)", "D:(A;;CC;;;<me>)"},
		{"inherit only entries that nothing inherits are dropped", "D:", "D:(A;IO;RP;;;<me>)", "D:"},
		{"generic rights are mapped in place", "D:", "D:(A;;GA;;;<me>)", "D:(A;;0xf01ff;;;<me>)"},
		{"CREATOR OWNER becomes the owner", "D:", "D:(A;;RP;;;CO)", "D:(A;;RP;;;<other>)"},
		{"in place an entry keeps its class, and flags for leaves", "D:", "D:(OA;OI;GA;;<computer>;CO)", "D:(OA;OI;0xf01ff;;<computer>;<other>)"},
		{"with container inherit it is split", "D:", "D:(A;CI;GA;;;CO)", "D:(A;;0xf01ff;;;<other>)(A;CIIO;GA;;;CO)"},
		{"what is inherit only is kept as it is", "D:", "D:(A;CIIO;GA;;;CO)", "D:(A;CIIO;GA;;;CO)"},
		{"a class without default only inherits", parent, "-", "D:(A;CIID;RP;;;<me>)"},
		{"a default without DACL adds nothing", parent, "O:<me>", "D:(A;CIID;RP;;;<me>)"},
		{"an absent parent DACL hands down nothing", "O:<me>", "D:(A;;CC;;;<me>)", "D:(A;;CC;;;<me>)"},
		{"with neither nobody has access, which is not everybody", "O:<me>", "-", "D:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := &Class{Name: "user", GUID: userClass}
			if c.class != "-" {
				of = class(t, c.class)
			}
			got := NewObject(dacl(t, c.parent), of, stranger, group)
			if got == nil || !slices.Equal(got.ACEs, dacl(t, c.want).ACEs) {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
	if got := NewObject(dacl(t, "D:(OA;CI;RP;;<user>;<me>)"), nil, stranger, group); got.Revision != 4 || len(got.ACEs) != 1 || !got.ACEs[0].Flags.Has(sddl.InheritOnly) {
		t.Errorf("without a class an entry for one is idle: got %+v", got)
	}
	if got := NewObject(dacl(t, parent), nil, stranger, group); got.Revision != 2 {
		t.Errorf("an ACL without object ACEs has revision 2: got %d", got.Revision)
	}
}
