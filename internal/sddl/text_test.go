package sddl

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// corp is a forest root domain, seen from one of its domain controllers.
var corp = Aliases{Domain: mustSID("S-1-5-21-1000-2000-3000"), Forest: mustSID("S-1-5-21-1000-2000-3000"), Machine: mustSID("S-1-5-21-1000-2000-3000")}

// child is a domain under corp, seen from a member server.
var child = Aliases{Domain: mustSID("S-1-5-21-7-8-9"), Forest: corp.Forest, Machine: mustSID("S-1-5-21-4-5-6")}

func mustSID(text string) SID {
	sid, err := ParseSID(text)
	if err != nil {
		panic(err)
	}
	return sid
}

func mustGUID(text string) GUID {
	guid, err := ParseGUID(text)
	if err != nil {
		panic(err)
	}
	return guid
}

func TestTextIsPrintedAsWindowsPrintsIt(t *testing.T) {
	// The pairs are what Windows makes of such text, except where a name says otherwise.
	for _, c := range []struct{ name, text, want string }{
		{"nothing but an owner", "O:S-1-2-512", "O:S-1-2-512"},
		{"every part", "O:BAG:SYD:(A;;GA;;;SY)S:(AU;SA;CR;;;WD)", "O:BAG:SYD:(A;;GA;;;SY)S:(AU;SA;CR;;;WD)"},
		{"parts in another order", "S:D:P", "D:PS:"},
		{"an empty DACL", "D:", "D:"},
		{"an empty DACL before a SACL", "D:S:", "D:S:"},
		{"a null DACL", "D:NO_ACCESS_CONTROL", "D:NO_ACCESS_CONTROL"},
		{"a protected null DACL", "D:PNO_ACCESS_CONTROLS:", "D:PNO_ACCESS_CONTROLS:"},
		{"a null SACL", "D:S:NO_ACCESS_CONTROL", "D:S:NO_ACCESS_CONTROL"},
		{"blanks around ACEs, as some default descriptors have them", "O:BAD: (A;;GA;;;BU) (A;;GA;;;WD) S: P (AU;SA;GA;;;WD) ", "O:BAD:(A;;GA;;;BU)(A;;GA;;;WD)S:P(AU;SA;GA;;;WD)"},
		{"a blank in an empty ACL", "D: S:", "D:S:"},
		{"ACL flags in another order", "D:AIPAR(A;;GA;;;SY)", "D:PARAI(A;;GA;;;SY)"},
		{"ACL flags more than once", "D:PARP(A;;GA;;;SY)", "D:PAR(A;;GA;;;SY)"},
		{"SACL flags", "S:ARAI", "S:ARAI"},
		{"rights in another order", "D:(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;SY)", "D:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)"},
		{"rights more than once", "D:(A;;RPRPRP;;;SY)", "D:(A;;RP;;;SY)"},
		{"generic rights follow the others", "D:(A;;0xe00f0000;;;BA)", "D:(A;;SDRCWDWOGXGWGR;;;BA)"},
		{"no rights", "D:(A;;;;;BO)", "D:(A;;;;;BO)"},
		{"a decimal mask", "D:(A;;17;;;BA)", "D:(A;;CCRP;;;BA)"},
		{"an octal mask", "D:(A;;01234567;;;BA)", "D:(A;;0x53977;;;BA)"},
		{"a hex mask", "D:(A;;0x401200a0;;;BA)", "D:(A;;0x401200a0;;;BA)"},
		{"all bits", "D:(A;;0xffffffff;;;BA)", "D:(A;;0xffffffff;;;BA)"},
		{"names of whole masks", "D:(A;;FA;;;WD)(A;;FR;;;WD)(A;;FW;;;WD)(A;;FX;;;WD)(A;;KA;;;WD)(A;;KR;;;WD)(A;;KW;;;WD)",
			"D:(A;;FA;;;WD)(A;;FR;;;WD)(A;;FW;;;WD)(A;;FX;;;WD)(A;;KA;;;WD)(A;;KR;;;WD)(A;;KW;;;WD)"},
		{"KX is KR", "D:(A;;KX;;;WD)", "D:(A;;KR;;;WD)"},
		{"names of whole masks among rights", "D:(A;;FRGA;;;WD)", "D:(A;;0x10120089;;;WD)"},
		{"ACE flags in another order", "D:(A;IDIONPCIOI;GA;;;WD)", "D:(A;OICINPIOID;GA;;;WD)"},
		{"audit flags", "S:(AU;FASA;GA;;;WD)", "S:(AU;SAFA;GA;;;WD)"},
		{"alarms", "S:(AL;SA;GA;;;WD)(OL;SA;GA;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)", "S:(AL;SA;GA;;;WD)(OL;SA;GA;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)"},
		{"a label", "S:(ML;;NXNWNR;;;HI)", "S:(ML;;NWNRNX;;;HI)"},
		{"a label with other bits", "S:(ML;;0x11;;;S-1-16-4096)", "S:(ML;;0x11;;;LW)"},
		{"a central policy", "S:(SP;;;;;S-1-17-1-2)", "S:(SP;;;;;S-1-17-1-2)"},
		{"a trust label", "S:(TL;;0x20;;;S-1-19-512-4096)", "S:(TL;;WP;;;S-1-19-512-4096)"},
		{"a condition", "D:(XA;;RP;;;WD;(@User.a == 1))", "D:(XA;;RP;;;WD;(@USER.a == 1))"},
		{"a condition with blanks around", "D:(XD;;RP;;;WD; ( a ) )(A;;RP;;;WD)", "D:(XD;;RP;;;WD;(a))(A;;RP;;;WD)"},
		{"a condition on an object", "D:(ZA;CI;RP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;;WD;(a))", "D:(ZA;CI;RP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;;WD;(a))"},
		{"an audit with a condition", "S:(XU;SA;RP;;;WD;(a))", "S:(XU;SA;RP;;;WD;(a))"},
		{"a claim", `S:(RA;;;;;WD;("a",TI,0,1))`, `S:(RA;;;;;WD;("a",TI,0x0,1))`},
		{"a claim with blanks around", `S:AI(RA;OICI;;;;S-1-1-0; ( "a" , TS , 1 , "x" , "y" ) )(AU;SA;GA;;;WD)`, `S:AI(RA;OICI;;;;WD;("a",TS,0x1,"x","y"))(AU;SA;GA;;;WD)`},
		{"one GUID", "D:(OA;;WP;4C164200-20C0-11D0-A768-00AA006E0529;;CO)", "D:(OA;;WP;4c164200-20c0-11d0-a768-00aa006e0529;;CO)"},
		{"the other GUID", "D:(OD;CIIO;WP;;4c164200-20c0-11d0-a768-00aa006e0529;CO)", "D:(OD;CIIO;WP;;4c164200-20c0-11d0-a768-00aa006e0529;CO)"},
		{"a zero GUID is a GUID", "D:(OA;;WP;00000000-0000-0000-0000-000000000000;;CO)", "D:(OA;;WP;00000000-0000-0000-0000-000000000000;;CO)"},
		{"an object ACE without GUIDs is stored as a plain one", "D:(OA;;CR;;;WD)(OD;;CR;;;WD)", "D:(A;;CR;;;WD)(D;;CR;;;WD)"},
		{"a hex authority of 32 bits", "O:S-1-0x20-3-4D:", "O:S-1-32-3-4D:"},
		{"a decimal authority of more", "D:(A;;GA;;;S-1-5000000000-30-40)", "D:(A;;GA;;;S-1-0x12A05F200-30-40)"},
		{"the largest sub-authority", "D:(A;;GA;;;S-1-3-4294967295-3-4)", "D:(A;;GA;;;S-1-3-4294967295-3-4)"},
		{"a SID without sub-authorities", "O:S-1-5G:S-1-5D:", "O:S-1-5G:S-1-5D:"},
		{"a SID for which there is an alias", "O:S-1-3-4D:(A;;GA;;;S-1-5-32-544)", "O:OWD:(A;;GA;;;BA)"},
		{"aliases of the domain", "D:(A;;GA;;;DA)(A;;GA;;;LA)(A;;GA;;;EA)", "D:(A;;GA;;;DA)(A;;GA;;;LA)(A;;GA;;;EA)"},
		{"a SID of another domain", "D:(A;;GA;;;S-1-5-21-1000-2000-3001-512)", "D:(A;;GA;;;S-1-5-21-1000-2000-3001-512)"},
		{"a SID under the domain's", "D:(A;;GA;;;S-1-5-21-1000-2000-3000-1-512)", "D:(A;;GA;;;S-1-5-21-1000-2000-3000-1-512)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := ParseText(c.text, corp)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Text(corp); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			b, err := d.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(b)
			if err != nil {
				t.Fatalf("%x: %v", b, err)
			}
			if got := again.Text(corp); got != c.want {
				t.Errorf("from bytes: got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTextBecomesTheACLRevisionOfWindows(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       byte
	}{
		{"no object ACE", "D:(A;;GA;;;WD)", 2},
		{"no ACE", "D:", 2},
		{"an object ACE", "D:(A;;GA;;;WD)(OA;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;WD)", 4},
		{"one that is stored as a plain one", "D:(OA;;CR;;;WD)", 4},
	} {
		d, err := ParseText(c.text, Aliases{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if d.DACL.Revision != c.want {
			t.Errorf("%s: revision %d, want %d", c.name, d.DACL.Revision, c.want)
		}
	}
}

func TestAbsentNullAndEmptyDACLDiffer(t *testing.T) {
	for _, c := range []struct {
		text    string
		present bool
		isNil   bool
	}{
		{"O:BA", false, true},
		{"D:NO_ACCESS_CONTROL", true, true},
		{"D:", true, false},
	} {
		d, err := ParseText(c.text, Aliases{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []*Descriptor{d, again} {
			if got := d.Control.Has(DACLPresent); got != c.present {
				t.Errorf("%s: present is %v, want %v", c.text, got, c.present)
			}
			if got := d.DACL == nil; got != c.isNil {
				t.Errorf("%s: DACL is nil: %v, want %v", c.text, got, c.isNil)
			}
		}
	}
}

func TestAliasesGoByTheirOwnDomain(t *testing.T) {
	for _, c := range []struct {
		ctx         Aliases
		alias, want string
	}{
		{child, "LA", "S-1-5-21-4-5-6-500"}, {child, "LG", "S-1-5-21-4-5-6-501"},
		{child, "DA", "S-1-5-21-7-8-9-512"}, {child, "DU", "S-1-5-21-7-8-9-513"},
		{child, "DG", "S-1-5-21-7-8-9-514"}, {child, "DC", "S-1-5-21-7-8-9-515"},
		{child, "DD", "S-1-5-21-7-8-9-516"}, {child, "CA", "S-1-5-21-7-8-9-517"},
		{child, "PA", "S-1-5-21-7-8-9-520"}, {child, "CN", "S-1-5-21-7-8-9-522"},
		{child, "AP", "S-1-5-21-7-8-9-525"}, {child, "KA", "S-1-5-21-7-8-9-526"},
		{child, "RS", "S-1-5-21-7-8-9-553"},
		{child, "RO", "S-1-5-21-1000-2000-3000-498"}, {child, "SA", "S-1-5-21-1000-2000-3000-518"},
		{child, "EA", "S-1-5-21-1000-2000-3000-519"}, {child, "EK", "S-1-5-21-1000-2000-3000-527"},
		{child, "UD", "S-1-5-84-0-0-0-0-0"}, {child, "AC", "S-1-15-2-1"}, {child, "PS", "S-1-5-10"},
	} {
		ace, err := ParseACEText("(A;;GA;;;"+c.alias+")", c.ctx)
		if err != nil {
			t.Errorf("%s: %v", c.alias, err)
			continue
		}
		if got := ace.SID.String(); got != c.want {
			t.Errorf("%s is %s, want %s", c.alias, got, c.want)
		}
		if got, want := ace.Text(c.ctx), "(A;;GA;;;"+c.alias+")"; got != want {
			t.Errorf("%s is printed as %s", want, got)
		}
	}
	admins := ACE{Type: Allow, Mask: GenericAll, SID: mustSID("S-1-5-21-7-8-9-512")}
	for name, ctx := range map[string]Aliases{"no domain": {}, "another domain": corp, "only as the machine's": {Machine: child.Domain}} {
		if got, want := admins.Text(ctx), "(A;;GA;;;S-1-5-21-7-8-9-512)"; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got, want := admins.String(), "(A;;GA;;;S-1-5-21-7-8-9-512)"; got != want {
		t.Errorf("String: got %s, want %s", got, want)
	}
}

func TestEveryAliasIsAnotherSID(t *testing.T) {
	names, sids := map[string]bool{}, map[SID]string{}
	add := func(name string, sid SID) {
		if names[name] {
			t.Errorf("%s is there twice", name)
		}
		if other, ok := sids[sid]; ok {
			t.Errorf("%s and %s are both %s", name, other, sid)
		}
		names[name], sids[sid] = true, name
		if len(name) != 2 {
			t.Errorf("%q has not two letters", name)
		}
	}
	for _, a := range wellKnown {
		add(a.name, a.sid)
	}
	for _, a := range relative {
		add(a.name, child.sid(a.of).WithRID(a.rid))
	}
}

func TestTextThatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, text string
		offset     int
		want       string
	}{
		{"no text", "", 0, "want O:, G:, D: or S:"},
		{"another part", "Q:(A;;GA;;;BU)", 0, "want O:, G:, D: or S:"},
		{"a part in lower case", "d:(A;;GA;;;BU)", 0, "want O:, G:, D: or S:"},
		{"a blank", "D :S:", 0, "want O:, G:, D: or S:"},
		{"a blank before", " D:", 0, "want O:, G:, D: or S:"},
		{"a blank between flags", "D:P AI(A;;GA;;;BU)", 4, "want an ACE"},
		{"a blank in an ACE", "D:(A; ;GA;;;BU)", 5, "want an ACE flag"},
		{"a blank before a SID", "D:(A;;GA;;; BU)", 11, "want a SID"},
		{"a tab", "D:\t(A;;GA;;;BU)", 2, "want an ACE"},
		{"a newline at the end", "D:(A;;GA;;;BU)\n", 14, "want an ACE, the next part or the end"},
		{"a part twice", "D:S:D:", 4, "two parts D:"},
		{"an owner twice", "O:BAO:BA", 4, "two parts O:"},
		{"a flag that is a part", "D:P:S:", 3, "want an ACE, the next part"},
		{"no owner", "O:", 2, "want a SID"},
		{"an unknown owner", "O:XX", 2, "want a SID"},
		{"an owner and more", "O:BAX", 2, "want a SID"},
		{"half a SID", "O:S-1", 2, "want S-1-authority"},
		{"a SID of too many bits", "O:S-1-281474976710656-1", 2, "48-bit"},
		{"a sub-authority of too many bits", "O:S-1-5-4294967296", 2, "32-bit"},
		{"a negative sub-authority", "O:S-1-5--1", 2, "32-bit"},
		{"too many sub-authorities", "O:S-1-5" + strings.Repeat("-1", 16), 2, "too many"},
		{"a revision of the SID in hex", "O:S-0x1-0-0", 2, "want S-1-authority"},
		{"an unknown ACE type", "D:(Antlers;;GA;;;SY)", 3, "want an ACE type"},
		{"an ACE type in lower case", "D:(a;;GA;;;SY)", 3, "want an ACE type"},
		{"no ACE type", "D:(;;GA;;;SY)", 3, "want an ACE type"},
		{"two parentheses", "D:((A;;GA;;;SY))", 3, "want an ACE type"},
		{"an ACE that does not end", "D:(A;;GA;;;SY", 13, "want ')'"},
		{"an ACE with too few fields", "D:(A;;GA;;)", 10, "want ';'"},
		{"an ACE without SID", "D:(A;;GA;;;)", 11, "want a SID"},
		{"an ACE with too many fields", "D:(A;;GA;;;SY;)", 13, "ends with its SID"},
		{"an unknown ACE flag", "D:(A;CIXX;GA;;;SY)", 7, "want an ACE flag"},
		{"half an ACE flag", "D:(A;C;GA;;;SY)", 5, "want an ACE flag"},
		{"ACE flags as a number", "D:(A;0x12;GA;;;SY)", 5, "want an ACE flag"},
		{"an unknown right", "D:(A;;GAROOO;;;SY)", 8, "two letters of a right"},
		{"half a right", "D:(A;;GAR;;;SY)", 8, "two letters of a right"},
		{"a right in lower case", "D:(A;;ga;;;SY)", 6, "two letters of a right"},
		{"a blank between rights", "D:(A;;RP WP;;;SY)", 8, "two letters of a right"},
		{"a mask of too many bits", "D:(A;;0x123456789;;;SY)", 6, "32 bits"},
		{"a negative mask", "D:(A;;-1;;;SY)", 6, "two letters of a right"},
		{"a mask and more", "D:(A;;0x75bcd15 ;;;SY)", 6, "32 bits"},
		{"a mask that is not octal", "D:(A;;08;;;SY)", 6, "32 bits"},
		{"a mask without digits", "D:(A;;0x;;;SY)", 6, "32 bits"},
		{"a GUID with braces", "D:(OA;;GA;{f30e3bbf-9ff0-11d1-b603-0000f80367c1};;WD)", 10, "GUID"},
		{"a GUID with a blank", "D:(OA;;GA;;f30e3bbf-9ff0-11d1-b603-0000f80367c1 ;WD)", 11, "GUID"},
		{"a GUID that is not hex", "D:(OA;;GA;f30e3bbf-9ff0-11d1-b603-00potato67c1;;WD)", 10, "GUID"},
		{"a GUID in an ACE that has none", "D:(A;;GA;f30e3bbf-9ff0-11d1-b603-0000f80367c1;;WD)", 9, "without GUIDs"},
		{"an audit ACE in the DACL", "D:(A;;RP;;;WD)(AU;SA;CR;;;BA)", 14, "belong in the SACL"},
		{"an allow ACE in the SACL", "S:(A;;RP;;;WD)", 2, "belong in the DACL"},
		{"an entry of a null DACL", "D:NO_ACCESS_CONTROL(A;;GA;;;WD)", 19, "want O:, G:, D: or S:"},
		{"a callback without its condition", "D:(XD;;RP;;;WD)", 14, "want ';' and a condition"},
		{"a condition of an ACE that has none", "D:(A;;RP;;;WD;(a))", 13, "ends with its SID"},
		{"a condition printed in hex", "D:(XA;;RP;;;WD;#61727478)", 15, "want a condition"},
		{"an empty condition", "D:(XA;;RP;;;WD;())", 16, "want an attribute"},
		{"a claim without its value", "S:(RA;;;;;WD)", 12, "want ';' and a resource attribute"},
		{"a claim for somebody", `S:(RA;;;;;SY;("a",TI,0,1))`, 10, "for WD"},
		{"a claim in the DACL", `D:(RA;;;;;WD;("a",TI,0,1))`, 2, "belong in the SACL"},
		{"a conditional audit in the DACL", "D:(XU;SA;RP;;;WD;(a))", 2, "belong in the SACL"},
		{"the right of a label elsewhere", "D:(A;;NW;;;WD)", 6, "two letters of a right"},
		{"a SID with a number that might be octal", "O:S-1-5-032-544", 2, "32-bit"},
		{"a SID with a hexadecimal number", "O:S-1-5-0x20-544", 2, "32-bit"},
		{"a SID in lower case", "O:s-1-5-32-544", 2, "want a SID"},
		{"padding printed by this package", "D:(A;;RP;;;WD;#00000000)", 13, "ends with its SID"},
		{"an unknown type printed by this package", "D:(0x15;;;;;;#00)", 3, "want an ACE type"},
		{"object flags printed by this package", "D:(OA:0x4;;RP;;;WD)", 3, "want an ACE type"},
		{"an ACL of more than 65535 bytes", "D:" + strings.Repeat("(A;;GA;;;WD)", 3277), 2 + 12*3276, "65548 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := ParseText(c.text, corp)
			if err == nil {
				t.Fatalf("read as %s", d.Text(corp))
			}
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("%T: %v", err, err)
			}
			if syntax.Offset != c.offset || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got offset %d, %q\nwant offset %d, %q", syntax.Offset, err, c.offset, c.want)
			}
		})
	}
}

func TestAliasWithoutItsDomainIsRefused(t *testing.T) {
	for _, c := range []struct {
		alias string
		lacks Authority
		want  string
	}{
		{"DA", OfDomain, "SID of the domain"}, {"EA", OfForest, "SID of the forest root domain"}, {"LA", OfMachine, "SID of the machine"}, {"XX", 0, "want a SID"},
	} {
		_, err := ParseText("D:(A;;GA;;;"+c.alias+")", Aliases{})
		syntax := (*SyntaxError)(nil)
		if !errors.As(err, &syntax) || syntax.Lacks != c.lacks || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.alias, err, c.want)
		}
	}
}

func TestWhatSDDLHasNoLettersForIsPrintedInHex(t *testing.T) {
	user := mustGUID("bf967aba-0de6-11d0-a285-00aa003049e2")
	everyone := mustSID("S-1-1-0")
	for _, c := range []struct {
		name string
		ace  ACE
		want string
	}{
		{"a condition", ACE{Type: AllowCallback, Mask: ReadProperty, SID: everyone, Data: "artx\x01"}, "(XA;;RP;;;WD;#6172747801)"},
		{"an empty condition", ACE{Type: AllowCallback, Mask: ReadProperty, SID: everyone, Data: "artx\x00"}, "(XA;;RP;;;WD;())"},
		{"a callback without a condition", ACE{Type: DenyCallback, Mask: ReadProperty, SID: everyone}, "(XD;;RP;;;WD;#)"},
		{"a condition on an object", ACE{Type: AllowCallbackObject, Mask: ReadProperty, ObjectFlags: 1, ObjectType: user, SID: everyone, Data: "arty"},
			"(ZA;;RP;bf967aba-0de6-11d0-a285-00aa003049e2;;WD;#61727479)"},
		{"a type without a name", ACE{Type: DenyCallbackObject, Mask: ReadProperty, SID: everyone, Data: "art"}, "(0x0c;;RP;;;WD;#617274)"},
		{"a claim", ACE{Type: ResourceAttribute, SID: everyone, Data: "\x01\x02"}, "(RA;;;;;WD;#0102)"},
		{"an unknown type", ACE{Type: 0x15, Flags: ContainerInherit | Inherited, Data: "\xfe\x00"}, "(0x15;CIID;;;;;#fe00)"},
		{"an unknown type without a body", ACE{Type: 0xff}, "(0xff;;;;;;#)"},
		{"an unknown flag", ACE{Type: Allow, Flags: 0x22, Mask: ReadProperty, SID: everyone}, "(A;0x22;RP;;;WD)"},
		{"unknown object flags", ACE{Type: AllowObject, ObjectFlags: 5, ObjectType: user, Mask: ReadProperty, SID: everyone},
			"(OA:0x5;;RP;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)"},
		{"padding", ACE{Type: Allow, Mask: ReadProperty, SID: everyone, Data: "\x00\x00\x00\x00"}, "(A;;RP;;;WD;#00000000)"},
		{"no object flags", ACE{Type: AllowObject, Mask: ReadProperty, SID: everyone}, "(OA;;RP;;;WD)"},
	} {
		if got := c.ace.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if ace, err := ParseACEText(c.want, corp); err == nil && c.name != "no object flags" {
			t.Errorf("%s: %s is read as %+v", c.name, c.want, ace)
		}
	}
}

func TestMaskIsPrintedAsWindowsPrintsIt(t *testing.T) {
	for _, c := range []struct {
		mask Mask
		want string
	}{
		{0, ""}, {FullControl, "CCDCLCSWRPWPDTLOCRSDRCWDWO"}, {0x20094, "LCRPLORC"}, {0x1f01ff, "FA"}, {0x100, "CR"},
		{0xf0000000, "GAGXGWGR"}, {SystemSecurity, "0x1000000"}, {0x100000, "0x100000"}, {0xf003f, "KA"}, {0x20019, "KR"},
	} {
		if got := c.mask.String(); got != c.want {
			t.Errorf("%#x: got %s, want %s", uint32(c.mask), got, c.want)
		}
	}
}

func TestParseACETextTakesOneACE(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "want an ACE"}, {"A;;GA;;;WD", "want an ACE"}, {"(A;;GA;;;WD)(A;;GA;;;WD)", "want the end"}, {"(A;;GA;;;WD) ", "want the end"},
	} {
		if ace, err := ParseACEText(c.text, corp); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, %v, want %s", c.text, ace, err, c.want)
		}
	}
	ace, err := ParseACEText("(AU;SA;GA;;;WD)", corp)
	if want := (ACE{Type: Audit, Flags: SuccessfulAccess, Mask: GenericAll, SID: mustSID("S-1-1-0")}); err != nil || ace != want {
		t.Errorf("got %+v, %v", ace, err)
	}
}

func TestObjectACEWithoutGUIDsLeavesTheRoomThatWindowsLeaves(t *testing.T) {
	d, err := ParseText("D:(OA;;CR;;;WD)(A;;GA;;;WD)(OD;;CR;;;WD)", Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.DACL.Slack, strings.Repeat("\x00", 8); got != want {
		t.Errorf("slack %x, want %x", got, want)
	}
}

func TestLenientReadsWhatWindowsReads(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"lower case", "o:bag:syd:pai(a;oici;ga;;;wd)s:(au;sa;kafr;;;da)", "O:BAG:SYD:PAI(A;OICI;GA;;;WD)S:(AU;SA;0x1f00bf;;;DA)"},
		{"a null DACL in lower case", "d:no_access_control", "D:NO_ACCESS_CONTROL"},
		{"blanks everywhere", " O: BA G:\tSY\nD: P AI ( A ; OI CI ; RP WP ; ; ; WD ) ( OA ;; CR ; ab721a53-1e2f-11d0-9819-00aa0040529b ;; S-1-5-11 ) S: \r\n",
			"O:BAG:SYD:PAI(A;OICI;RPWP;;;WD)(OA;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;AU)S:"},
		{"a mask of too many bits", "D:(A;;0x123456789;;;WD)", "D:(A;;0xffffffff;;;WD)"},
		{"a mask of far too many bits", "D:(A;;99999999999999999999999;;;WD)", "D:(A;;0xffffffff;;;WD)"},
		{"a negative mask", "D:(A;;-2;;;WD)", "D:(A;;0xfffffffe;;;WD)"},
		{"a negative mask of too many bits", "D:(A;;-99999999999;;;WD)", "D:(A;;0xffffffff;;;WD)"},
		{"a SID in hex", "O:S-1-0x5-0x20-0x220", "O:BA"},
		{"a SID in octal", "O:S-1-5-040-01040", "O:BA"},
		{"a sub-authority of too many bits", "O:S-1-5-4294967296", "O:S-1-5-4294967295"},
		{"a SID in lower case", "O:s-1-5-32-544", "O:BA"},
		{"a revision in hex", "O:S-0x1-5-18", "O:SY"},
		{"a condition in lower case", "D:(xa; ;FX;;;S-1-1-0; (@User.Title==\"PM\" && member_of{sid(ba)}))", "D:(XA;;FX;;;WD;((@USER.Title == \"PM\") && (Member_of {SID(BA)})))"},
		{"an odd octet string", "D:(XA;;GA;;;WD;(a == #1#2#3##))", "D:(XA;;GA;;;WD;(a == #01020300))"},
		{"blanks in SID()", "D:(XA;;FX;;;WD;(Member_of SID( BA )))", "D:(XA;;FX;;;WD;(Member_of SID(BA)))"},
		{"a claim's type in lower case", `s:(ra;;;;;wd;("a",ti,0x10,1))`, `S:(RA;;;;;WD;("a",TI,0x10,1))`},
	} {
		d, err := ParseTextLenient(c.text, corp)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := d.Text(corp); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if strict, err := ParseText(c.text, corp); err == nil {
			t.Errorf("%s: strictly it is read too, as %s", c.name, strict.Text(corp))
		}
	}
}

func TestLenientStillRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "D", "Q:", "D:S:D:", "D:(A;;GA;;;WD", "D:(A;;GA;;;XX)", "D:(A;;G A;;;WD)", "D:(A;;GA;;;W D)", "D:(A;C I;GA;;;WD)", "D:(A A;;GA;;;WD)",
		"D:(A;;GA;;;S-1-0x1000000000000-1)", "D:(A;;GA;;;\u017fY)", "D:(A;;0x;;;WD)", "D:(A;;08;;;WD)", "D:(A;;--1;;;WD)", "D:(A;;1 2;;;WD)", "D:(AU;;GA;;;WD)", "S:(A;;GA;;;WD)",
		"D:(OA;;GA;{f30e3bbf-9ff0-11d1-b603-0000f80367c1};;WD)", "D:(A;;GA;;;WD;(a))", "D:(XA;;GA;;;WD)",
	} {
		if d, err := ParseTextLenient(text, corp); err == nil {
			t.Errorf("%q is read as %s", text, d.Text(corp))
		}
	}
}

func FuzzParseText(f *testing.F) {
	addCorpus(f, func(input string) { f.Add(input) })
	for _, text := range []string{
		"O:BAG:SYD:PARAI(A;OICIIOID;GA;;;SY)S:AI(AU;SAFA;CR;;;WD)", "D:NO_ACCESS_CONTROL", "D:", "S:D:P",
		"D:(OA;CIIO;RP;;bf967a8e-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-1105)", "D:(OA;;CR;;;WD)",
		"D:(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)(A;;0x1000000;;;PS)(A;;017;;;DA)(A;;99;;;EA)(A;;KAFR;;;LA)",
		"O:S-1-0x12A05F200-30-40G:S-1-5D:(A;;;;;CO)", "D:(XA;;RP;;;WD;(a == 1))", "D:(A;;GA;;;WD;#00)", "D:((A", "O:", "D:(A;0x22;GA;;;WD)",
		"d: p (xa ; ; -1 ; ; ; s-1-5-040-0x220 ; (@User.a%0020b == {1, +0x2, -017, \"x\", #01, SID(DA)} || !(Exists b) && Not_Member_of_Any {SID(BA)}))",
		`S:(RA;;;;;WD;("a%0020b",TS,0x1,"x","y"))(RA;;;;;WD;("a",TU,0,18446744073709551615))(RA;;;;;WD;("a",TX,0,0102,f))(RA;;;;;WD;("a",TD,0,BA))(RA;;;;;WD;("a",TB,0,1))`,
		"S:(ML;;NWNR;;;LW)(SP;;;;;S-1-17-1)(TL;;;;;S-1-19-512-4096)(XU;FA;GA;;;WD;(a Any_of @Resource.b))",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ParseACEText(text, child)
		lenient, lenientErr := ParseTextLenient(text, child)
		d, err := ParseText(text, child)
		if err != nil {
			if d = lenient; lenientErr != nil {
				return
			}
		} else if lenientErr != nil || lenient.Text(child) != d.Text(child) {
			t.Fatalf("%q is read strictly as %q, leniently as %v, %v", text, d.Text(child), lenient, lenientErr)
		}
		b, err := d.Append(nil)
		if err != nil {
			t.Fatalf("%q is text but not bytes: %v", text, err)
		}
		fromBytes, err := Parse(b)
		if err != nil {
			t.Fatalf("%q is %x, which is no descriptor: %v", text, b, err)
		}
		printed := fromBytes.Text(child)
		if got := d.Text(child); got != printed {
			t.Fatalf("%q is printed as %q, and from its bytes as %q", text, got, printed)
		}
		again, err := ParseText(printed, child)
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", text, printed, err)
		}
		if got := again.Text(child); got != printed {
			t.Fatalf("%q, printed and read, is %q", printed, got)
		}
		// What the text says of each ACE survives; only the revision may fall with the last object ACE.
		if d.DACL != nil && !slices.Equal(d.DACL.ACEs, again.DACL.ACEs) {
			t.Fatalf("%q: ACEs %v, printed and read %v", text, d.DACL.ACEs, again.DACL.ACEs)
		}
	})
}
