package acl

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func TestBeyond(t *testing.T) {
	guid := func(text string) sddl.GUID {
		g, err := sddl.ParseGUID(text)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	const (
		userText   = "bf967aba-0de6-11d0-a285-00aa003049e2"
		groupText  = "bf967a9c-0de6-11d0-a285-00aa003049e2"
		faxText    = "bf967974-0de6-11d0-a285-00aa003049e2"
		memberText = "bf9679c0-0de6-11d0-a285-00aa003049e2"
		setText    = "77b5b886-944a-11d1-aebd-0000f80367c1"
		resetText  = "00299570-246d-11d0-a768-00aa006e0529"
	)
	user, group, fax, set := guid(userText), guid(groupText), guid(faxText), guid(setText)
	sets := func(attribute sddl.GUID) sddl.GUID {
		if attribute == fax {
			return set
		}
		return sddl.GUID{}
	}
	reqs := []Requirement{
		{Right: Right{Mask: sddl.ReadProperty}, Scope: Descendants, Class: user},
		{Right: Right{Mask: sddl.ReadProperty | sddl.WriteProperty, Object: set, Kind: PropertySet}, Scope: Descendants, Class: group},
		{Right: Right{Mask: sddl.ControlAccess, Object: guid(resetText), Kind: ExtendedRight}, Scope: ThisObject},
		{Right: Right{Mask: sddl.ListContents}, Scope: ThisObjectAndDescendants},
		{Right: Right{Mask: sddl.CreateChild, Object: user, Kind: ChildClass}, Scope: Children},
	}
	for _, c := range []struct {
		name, ace string
		want      sddl.Mask
	}{
		{"just what is asked for", "(OA;CIIO;RP;;" + userText + ";PS)", 0},
		{"generic rights for what they mean", "(A;;GX;;;PS)", sddl.ReadControl},
		{"another right", "(OA;CIIO;RPWP;;" + userText + ";PS)", sddl.WriteProperty},
		{"another class", "(OA;CIIO;RP;;" + groupText + ";PS)", sddl.ReadProperty},
		{"every class", "(A;CIIO;RP;;;PS)", sddl.ReadProperty},
		{"one attribute of all", "(OA;CIIO;RP;" + faxText + ";" + userText + ";PS)", 0},
		{"one attribute of the set", "(OA;CIIO;RPWP;" + faxText + ";" + groupText + ";PS)", 0},
		{"an attribute that is not of the set", "(OA;CIIO;RP;" + memberText + ";" + groupText + ";PS)", sddl.ReadProperty},
		{"the whole where the set is asked for", "(OA;CIIO;WP;;" + groupText + ";PS)", sddl.WriteProperty},
		{"on the target too", "(OA;CI;RP;;" + userText + ";PS)", sddl.ReadProperty},
		{"below too", "(OA;CI;CR;" + resetText + ";;PS)", sddl.ControlAccess},
		{"every extended right", "(A;;CR;;;PS)", sddl.ControlAccess},
		{"only here of here and below", "(A;;LC;;;PS)", 0},
		{"only below of here and below", "(A;CIIO;LC;;;PS)", 0},
		{"only children of here and below", "(A;CINP;LC;;;PS)", 0},
		{"one class of all", "(OA;CIIO;LC;;" + userText + ";PS)", 0},
		{"children where children are asked for", "(OA;CIIONP;CC;" + userText + ";;PS)", 0},
		{"below where children are asked for", "(OA;CIIO;CC;" + userText + ";;PS)", sddl.CreateChild},
		{"full control", "(A;;GA;;;PS)", sddl.FullControl &^ sddl.ListContents},
		{"bits that mean nothing", "(A;;0x1100000;;;PS)", 0},
		{"nowhere", "(A;IO;GA;;;PS)", 0},
		{"object inheritance alone", "(A;OIIO;GA;;;PS)", 0},
		{"a zero GUID, of which nobody knows what it is about", "(OA;;GA;00000000-0000-0000-0000-000000000000;;PS)", sddl.FullControl &^ sddl.ListContents},
		{"a deny", "(D;;GA;;;PS)", 0},
		{"a condition", "(XA;;GA;;;PS;(a))", 0},
	} {
		a, err := sddl.ParseACEText(c.ace, sddl.Aliases{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Beyond(a, reqs, sets); got != c.want {
			t.Errorf("%s: %s is beyond by %s, want %s", c.name, c.ace, got, c.want)
		}
	}
	a, _ := sddl.ParseACEText("(A;;RP;;;PS)", sddl.Aliases{})
	if got := Beyond(a, nil, nil); got != sddl.ReadProperty {
		t.Errorf("where nothing is asked for, %s is beyond by %s", a, got)
	}
}

func TestOverlaps(t *testing.T) {
	const (
		user  = "bf967aba-0de6-11d0-a285-00aa003049e2"
		group = "bf967a9c-0de6-11d0-a285-00aa003049e2"
		fax   = "bf967974-0de6-11d0-a285-00aa003049e2"
		other = "bf9679c0-0de6-11d0-a285-00aa003049e2"
		set   = "77b5b886-944a-11d1-aebd-0000f80367c1"
	)
	guid := func(text string) sddl.GUID {
		g, err := sddl.ParseGUID(text)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	sets := func(attribute sddl.GUID) sddl.GUID {
		if attribute == guid(fax) {
			return guid(set)
		}
		return sddl.GUID{}
	}
	readFax := Requirement{Right: Right{Mask: sddl.ReadProperty, Object: guid(fax), Kind: Attribute}, Scope: Descendants, Class: guid(user)}
	readSet := Requirement{Right: Right{Mask: sddl.ReadProperty, Object: guid(set), Kind: PropertySet}, Scope: Descendants, Class: guid(user)}
	for _, c := range []struct {
		name, ace string
		req       Requirement
		want      bool
	}{
		{"the same", "(OA;CIIO;RP;" + fax + ";" + user + ";PS)", readFax, true},
		{"more", "(A;CI;GA;;;PS)", readFax, true},
		{"its property set", "(OA;CIIO;RP;" + set + ";" + user + ";PS)", readFax, true},
		{"an attribute of the set", "(OA;CIIO;RP;" + fax + ";;PS)", readSet, true},
		{"another right", "(OA;CIIO;WP;" + fax + ";" + user + ";PS)", readFax, false},
		{"another attribute", "(OA;CIIO;RP;" + other + ";" + user + ";PS)", readFax, false},
		{"another class", "(OA;CIIO;RP;" + fax + ";" + group + ";PS)", readFax, false},
		{"another class, but on the target whatever its class", "(OA;CI;RP;" + fax + ";" + group + ";PS)", readFax, true},
	} {
		a, err := sddl.ParseACEText(c.ace, sddl.Aliases{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Overlaps(a, c.req, sets); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
