package sddl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// entries are the ACEs of a text with unknown ACEs as "?" and inherited unknown as "?ID".
func entries(t *testing.T, texts ...string) []ACE {
	t.Helper()
	var aces []ACE
	for _, text := range texts {
		switch text {
		case "?":
			aces = append(aces, ACE{Type: 0x99, Data: "????"})
			continue
		case "?ID":
			aces = append(aces, ACE{Type: 0x99, Flags: Inherited, Data: "????"})
			continue
		case "XA":
			aces = append(aces, ACE{Type: AllowCallback, Mask: ReadProperty, SID: mustSID("S-1-1-0"), Data: "artx"})
			continue
		case "XD":
			aces = append(aces, ACE{Type: DenyCallback, Mask: ReadProperty, SID: mustSID("S-1-1-0"), Data: "artx"})
			continue
		}
		ace, err := ParseACEText(text, corp)
		if err != nil {
			t.Fatal(err)
		}
		aces = append(aces, ace)
	}
	return aces
}

const (
	deny      = "(D;;RP;;;WD)"
	denyObj   = "(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)"
	allow     = "(A;;RP;;;AU)"
	allowObj  = "(OA;CIIO;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;AU)"
	denyID    = "(D;ID;RP;;;WD)"
	allowID   = "(A;ID;RP;;;AU)"
	audit     = "(AU;SA;RP;;;WD)"
	another   = "(A;CI;GA;;;SY)"
	anotherID = "(A;CIID;GA;;;SY)"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		name  string
		aces  []string
		index int // of the ACE out of place; -1: none
		after int
	}{
		{"no ACEs", nil, -1, 0},
		{"denies, allows, inherited", []string{deny, denyObj, allow, allowObj, denyID, allowID}, -1, 0},
		{"object ACEs before plain ones", []string{denyObj, deny, allowObj, allow}, -1, 0},
		{"conditional ACEs in their places", []string{"XD", deny, "XA", allow}, -1, 0},
		{"inherited in any order", []string{allowID, denyID, allowID}, -1, 0},
		{"a deny after an allow", []string{deny, allow, another, denyObj}, 3, 1},
		{"a conditional deny after an allow", []string{allow, "XD"}, 1, 0},
		{"a deny after a conditional allow", []string{"XA", deny}, 1, 0},
		{"an allow after inherited", []string{deny, allowID, denyID, allow}, 3, 1},
		{"a deny after inherited", []string{allowID, deny}, 1, 0},
		{"an unknown ACE first", []string{"?", deny, allow, allowID}, -1, 0},
		{"an unknown ACE between", []string{deny, "?", allow, "?", allowID, "?ID"}, -1, 0},
		{"an audit ACE between", []string{deny, allow, audit, allowID}, -1, 0},
		{"an unknown ACE after inherited", []string{allow, allowID, "?"}, 2, 1},
		{"an allow after an unknown inherited one", []string{"?ID", allow}, 1, 0},
		{"a deny after an allow, with an unknown ACE between", []string{allow, "?", deny}, 2, 0},
	} {
		l := &ACL{Revision: 4, ACEs: entries(t, c.aces...)}
		err := l.Canonical()
		if c.index < 0 {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var order *OrderError
		if !errors.As(err, &order) || order.Index != c.index || order.After != c.after {
			t.Errorf("%s: got %v, want ACE %d after ACE %d", c.name, err, c.index, c.after)
		}
	}
	if err := (*ACL)(nil).Canonical(); err != nil {
		t.Errorf("an absent ACL: %v", err)
	}
	err := (&ACL{ACEs: entries(t, allow, deny)}).Canonical()
	if got, want := fmt.Sprint(err), "ACE 1 (explicit deny) stands after ACE 0 (explicit allow)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWithAllowsPutsThemBeforeTheInherited(t *testing.T) {
	for _, c := range []struct {
		name                string
		before, added, want []string
		revision, wantRev   byte
	}{
		{"between", []string{deny, allow, denyID, allowID}, []string{another, allowObj}, []string{deny, allow, another, allowObj, denyID, allowID}, 2, 4},
		{"at the end", []string{deny, allow}, []string{another}, []string{deny, allow, another}, 2, 2},
		{"at the beginning", []string{anotherID}, []string{another}, []string{another, anotherID}, 4, 4},
		{"alone", nil, []string{allowObj}, []string{allowObj}, 2, 4},
		{"after an unknown one", []string{deny, "?", allowID}, []string{allow}, []string{deny, "?", allow, allowID}, 2, 2},
		{"a plain one does not lower the revision", []string{deny}, []string{allow}, []string{deny, allow}, 4, 4},
		{"nor an object one a higher revision", []string{deny}, []string{allowObj}, []string{deny, allowObj}, 9, 9},
		{"one that is there already", []string{allow}, []string{allow}, []string{allow, allow}, 2, 2},
		{"none", []string{deny, allowID}, nil, []string{deny, allowID}, 2, 2},
	} {
		l := &ACL{Revision: c.revision, Sbz1: 1, Sbz2: 2, ACEs: entries(t, c.before...), Slack: "slack!!!"}
		bytes, err := l.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.WithAllows(entries(t, c.added...)...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if want := entries(t, c.want...); !slices.Equal(got.ACEs, want) {
			t.Errorf("%s: got %v, want %v", c.name, got.ACEs, want)
		}
		if got.Revision != c.wantRev || got.Sbz1 != 1 || got.Sbz2 != 2 || got.Slack != "" {
			t.Errorf("%s: got revision %d, %d, %d, slack %q", c.name, got.Revision, got.Sbz1, got.Sbz2, got.Slack)
		}
		if err := got.Canonical(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if again, err := l.Append(nil); err != nil || string(again) != string(bytes) {
			t.Errorf("%s: the ACL itself has become %x", c.name, again)
		}
	}
}

func TestWithAllowsLeavesOtherBytesUntouched(t *testing.T) {
	odd := ace(AllowCallback, 0, read+everyone+"artx") + ace(0x99, 0, "??") + ace(Allow, 0, read+everyone+"pads")
	inherited := ace(Deny, Inherited, read+everyone+"!!!!") + ace(0x99, Inherited, "????")
	l, err := parseACL(acl(2, 5, odd+inherited) + "behind")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := l.WithAllows(entries(t, allowObj)...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := changed.Append(nil)
	added := string(entries(t, allowObj)[0].Append(nil))
	if want := acl(4, 6, odd+added+inherited); err != nil || string(got) != want {
		t.Errorf("got  %x, %v\nwant %x", got, err, want)
	}
}

func TestWithAllowsRefuses(t *testing.T) {
	everyone, user := mustSID("S-1-1-0"), mustGUID("bf967aba-0de6-11d0-a285-00aa003049e2")
	good := ACE{Type: AllowObject, Mask: ReadProperty, ObjectFlags: 1, ObjectType: user, SID: everyone}
	with := func(change func(*ACE)) []ACE {
		bad := good
		change(&bad)
		return []ACE{good, bad}
	}
	empty := &ACL{Revision: 2}
	for _, c := range []struct {
		name string
		acl  *ACL
		aces []ACE
		want string
	}{
		{"an absent DACL", nil, []ACE{good}, "grants everybody everything"},
		{"an order that is not canonical", &ACL{ACEs: entries(t, allow, deny)}, []ACE{good}, "ACE 1 (explicit deny) stands after"},
		{"a deny", empty, entries(t, deny), "not an unconditional allow"},
		{"a condition", empty, entries(t, "XA"), "not an unconditional allow"},
		{"an unknown ACE", empty, entries(t, "?"), "not an unconditional allow"},
		{"an inherited ACE", empty, entries(t, allowID), "is inherited"},
		{"no SID", empty, with(func(a *ACE) { a.SID = SID{} }), "no SID"},
		{"padding", empty, with(func(a *ACE) { a.Data = "\x00\x00\x00\x00" }), "bytes follow"},
		{"a GUID that would not be written", empty, with(func(a *ACE) { a.ObjectFlags = 0 }), "contradict"},
		{"a GUID in an ACE of the plain type", empty, with(func(a *ACE) { a.Type = Allow }), "not of an object type"},
		{"a class that would not be written", empty, with(func(a *ACE) { a.InheritedObjectType = user }), "contradict"},
		{"a zero GUID", empty, with(func(a *ACE) { a.ObjectType = GUID{} }), "contradict"},
		{"a zero class", empty, with(func(a *ACE) { a.ObjectFlags = 3 }), "contradict"},
		{"unknown object flags", empty, with(func(a *ACE) { a.ObjectFlags = 5 }), "0x5 are not all known"},
		{"too many", empty, slices.Repeat([]ACE{good}, 1639), "1639 ACEs to DACL: it would have 65568 bytes"},
	} {
		if _, err := c.acl.WithAllows(c.aces...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := empty.WithAllows(slices.Repeat([]ACE{good}, 1638)...); err != nil {
		t.Error(err)
	}
}

func TestExplicitAndInherited(t *testing.T) {
	l := &ACL{ACEs: entries(t, deny, allowID, allow, "?", "?ID")}
	if got, want := l.Explicit(), entries(t, deny, allow, "?"); !slices.Equal(got, want) {
		t.Errorf("explicit: got %v, want %v", got, want)
	}
	if got, want := l.Inherited(), entries(t, allowID, "?ID"); !slices.Equal(got, want) {
		t.Errorf("inherited: got %v, want %v", got, want)
	}
	if (*ACL)(nil).Explicit() != nil || (*ACL)(nil).Inherited() != nil {
		t.Error("an absent ACL has ACEs")
	}
}

func TestDiffACEs(t *testing.T) {
	for _, c := range []struct {
		name                          string
		before, after, removed, added []string
	}{
		{"nothing", nil, nil, nil, nil},
		{"the same", []string{deny, allow}, []string{deny, allow}, nil, nil},
		{"moved", []string{deny, allow, "?"}, []string{"?", allow, deny}, nil, nil},
		{"added", []string{allow}, []string{another, allow, allowObj}, nil, []string{another, allowObj}},
		{"removed", []string{another, allow, allowObj}, []string{allow}, []string{another, allowObj}, nil},
		{"one of two", []string{allow, allow}, []string{allow}, []string{allow}, nil},
		{"a second", []string{allow}, []string{allow, deny, allow}, nil, []string{deny, allow}},
		{"another flag", []string{allow}, []string{allowID}, []string{allow}, []string{allowID}},
		{"an unknown one", []string{"?"}, []string{"?ID"}, []string{"?"}, []string{"?ID"}},
	} {
		removed, added := DiffACEs(entries(t, c.before...), entries(t, c.after...))
		if want := entries(t, c.removed...); !slices.Equal(removed, want) {
			t.Errorf("%s: removed %v, want %v", c.name, removed, want)
		}
		if want := entries(t, c.added...); !slices.Equal(added, want) {
			t.Errorf("%s: added %v, want %v", c.name, added, want)
		}
	}
}

func TestWithoutAllowsTakesOnlyExplicitAllows(t *testing.T) {
	parse := func(text string) *ACL {
		d, err := ParseText(text, corp)
		if err != nil {
			t.Fatal(err)
		}
		return d.DACL
	}
	l := parse("D:(D;;WD;;;BA)(A;;WD;;;BA)(A;;WD;;;BA)(OA;;CR;;;SY)(A;ID;WD;;;BA)")
	allow, inherited, deny := l.ACEs[1], l.ACEs[4], l.ACEs[0]
	got, err := l.WithoutAllows(allow)
	if err != nil {
		t.Fatal(err)
	}
	want := parse("D:(D;;WD;;;BA)(OA;;CR;;;SY)(A;ID;WD;;;BA)")
	if !slices.Equal(got.ACEs, want.ACEs) || got.Revision != l.Revision || got.Slack != l.Slack {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(l.ACEs) != 5 {
		t.Errorf("the list itself has %d entries now", len(l.ACEs))
	}
	conditional := parse("D:(XA;;WD;;;BA;(a))").ACEs[0]
	for name, a := range map[string]ACE{"a deny": deny, "an inherited entry": inherited, "a conditional entry": conditional} {
		if got, err := l.WithoutAllows(a); err == nil {
			t.Errorf("%s was taken away: %+v", name, got)
		}
	}
	if _, err := (*ACL)(nil).WithoutAllows(allow); err == nil {
		t.Error("something was taken from no DACL")
	}
}
