package words

import (
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	me     = "S-1-5-21-1000-2000-3000-1105"
	user   = "bf967aba-0de6-11d0-a285-00aa003049e2"
	group  = "bf967a9c-0de6-11d0-a285-00aa003049e2"
	member = "bf9679c0-0de6-11d0-a285-00aa003049e2"
	reset  = "00299570-246d-11d0-a768-00aa006e0529"
)

var names = Names{
	GUID: func(g sddl.GUID) string {
		return map[string]string{user: "user", group: "group", member: "member", reset: "Reset Password"}[g.String()]
	},
	SID: func(s sddl.SID) string {
		return map[string]string{me: `CORP\agent$`}[s.String()]
	},
}

func entry(t *testing.T, text string) sddl.ACE {
	t.Helper()
	a, err := sddl.ParseACEText(strings.ReplaceAll(text, "<me>", me), sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestACE(t *testing.T) {
	const no = "11111111-2222-3333-4444-555555555555"
	for _, c := range []struct{ ace, want string }{
		// who
		{"(A;;RP;;;<me>)", `Allow CORP\agent$: Read all properties; this object only`},
		{"(A;;RP;;;WD)", "Allow Everyone: Read all properties; this object only"},
		{"(D;;RP;;;AU)", "Deny Authenticated Users: Read all properties; this object only"},
		{"(A;;RP;;;S-1-5-21-1-2-3-4711)", "Allow S-1-5-21-1-2-3-4711: Read all properties; this object only"},
		{"(OD;;CR;" + reset + ";;PS)", "Deny SELF: Extended right Reset Password; this object only"},

		// what
		{"(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;<me>)", `Allow CORP\agent$: Full control; this object only`},
		{"(A;;GA;;;<me>)", `Allow CORP\agent$: Full control; this object only`},
		{"(A;;GR;;;<me>)", `Allow CORP\agent$: List contents, Read all properties, Read permissions, List object; this object only`},
		{"(A;;RPWP;;;<me>)", `Allow CORP\agent$: Read all properties, Write all properties; this object only`},
		{"(A;;CCDC;;;<me>)", `Allow CORP\agent$: Create all child objects, Delete all child objects; this object only`},
		{"(A;;SWCRSDDTWDWO;;;<me>)", `Allow CORP\agent$: Delete, Delete subtree, Modify permissions, Modify owner, All validated writes, All extended rights; this object only`},
		{"(OA;;CCDC;" + user + ";;<me>)", `Allow CORP\agent$: Create user objects, Delete user objects; this object only`},
		{"(OA;;RPWP;" + member + ";;<me>)", `Allow CORP\agent$: Read member, Write member; this object only`},
		{"(OA;;SW;" + member + ";;<me>)", `Allow CORP\agent$: Validated write to member; this object only`},
		{"(OA;;RPSD;" + member + ";;<me>)", `Allow CORP\agent$: Read member, Delete; this object only`},
		{"(OA;;GA;" + member + ";;<me>)", `Allow CORP\agent$: Full control of member; this object only`},
		{"(OA;;RP;" + no + ";;<me>)", `Allow CORP\agent$: Read ` + no + `; this object only`},
		{"(A;;0x1000010;;;<me>)", `Allow CORP\agent$: Read all properties, other rights 0x1000000; this object only`},
		{"(A;;0x0;;;<me>)", `Allow CORP\agent$: nothing; this object only`},

		// where
		{"(A;CI;RP;;;<me>)", `Allow CORP\agent$: Read all properties; this object and descendant objects`},
		{"(A;CIIO;RP;;;<me>)", `Allow CORP\agent$: Read all properties; descendant objects`},
		{"(OA;CIIO;RP;;" + user + ";<me>)", `Allow CORP\agent$: Read all properties; descendant user objects`},
		{"(OA;CI;RP;;" + user + ";<me>)", `Allow CORP\agent$: Read all properties; this object and descendant user objects`},
		{"(OA;CIIO;RP;;" + no + ";<me>)", `Allow CORP\agent$: Read all properties; descendant ` + no + ` objects`},
		{"(A;CINP;RP;;;<me>)", `Allow CORP\agent$: Read all properties; this object and child objects`},
		{"(OA;CINPIO;RP;;" + group + ";<me>)", `Allow CORP\agent$: Read all properties; child group objects`},
		{"(A;OI;RP;;;<me>)", `Allow CORP\agent$: Read all properties; this object only`},
		{"(A;OICI;RP;;;<me>)", `Allow CORP\agent$: Read all properties; this object and descendant objects`},
		{"(A;OIIO;RP;;;<me>)", `Allow CORP\agent$: Read all properties; nothing`},
		{"(A;IO;RP;;;<me>)", `Allow CORP\agent$: Read all properties; nothing`},
		{"(A;CIID;RP;;;<me>)", `Allow CORP\agent$: Read all properties; this object and descendant objects; inherited`},

		// other kinds
		{"(AU;SA;WP;;;WD)", "Audit Everyone: Write all properties; this object only; on success"},
		{"(OU;CISA;WP;" + member + ";;WD)", "Audit Everyone: Write member; this object and descendant objects; on success"},
		{"(AU;SAFA;WP;;;WD)", "Audit Everyone: Write all properties; this object only; on success and failure"},
		{"(AU;CIFAID;WP;;;WD)", "Audit Everyone: Write all properties; this object and descendant objects; on failure; inherited"},
		{"(AU;;WP;;;WD)", "Audit Everyone: Write all properties; this object only; never logged, for it names no outcome"},
	} {
		if got := ACE(entry(t, c.ace), names); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.ace, got, c.want)
		}
	}
}

// What SDDL does not say, or says differently.
func TestACEOfOtherTypes(t *testing.T) {
	sid, high := entry(t, "(A;;RP;;;WD)").SID, entry(t, "(A;;RP;;;HI)").SID
	for _, c := range []struct {
		name string
		ace  sddl.ACE
		want string
	}{
		{"a conditional allow", sddl.ACE{Type: sddl.AllowCallback, Mask: sddl.ReadProperty, SID: sid, Data: "artx"}, "Allow Everyone: Read all properties; this object only; only under a condition"},
		{"a conditional deny that is inherited", sddl.ACE{Type: sddl.DenyCallback, Flags: sddl.Inherited, Mask: sddl.ReadProperty, SID: sid}, "Deny Everyone: Read all properties; this object only; only under a condition; inherited"},
		{"a type that nobody knows", sddl.ACE{Type: 0x15, Data: "\x01\x02\x03\x04"}, "Entry of unknown type 0x15"},
		{"the compound type, which was never used", sddl.ACE{Type: 0x04}, "Entry of unknown type 0x04"},
		{"an integrity label", sddl.ACE{Type: sddl.MandatoryLabel, Mask: 1, SID: high}, "Integrity label High Mandatory Level: no write up; this object only"},
		{"an integrity label that says it all and more", sddl.ACE{Type: sddl.MandatoryLabel, Mask: 0x17, SID: high}, "Integrity label High Mandatory Level: no write up, no read up, no execute up, other rights 0x10; this object only"},
		{"an integrity label that says nothing", sddl.ACE{Type: sddl.MandatoryLabel, SID: high}, "Integrity label High Mandatory Level: nothing; this object only"},
		{"a resource attribute", sddl.ACE{Type: sddl.ResourceAttribute, Flags: sddl.ContainerInherit, SID: sid}, "Resource attribute for Everyone; this object and descendant objects"},
		{"a central access policy", sddl.ACE{Type: sddl.ScopedPolicyID, SID: sid}, "Central access policy Everyone; this object only"},
		{"a process trust label", sddl.ACE{Type: sddl.ProcessTrustLabel, Mask: sddl.ReadControl, SID: sid}, "Process trust label Everyone: Read permissions; this object only"},
		{"a conditional audit", sddl.ACE{Type: sddl.AuditCallback, Flags: sddl.FailedAccess, Mask: sddl.Delete, SID: sid}, "Audit Everyone: Delete; this object only; on failure; only under a condition"},
		{"an alarm", sddl.ACE{Type: sddl.Alarm, Mask: sddl.Delete, SID: sid}, "Alarm Everyone: Delete; this object only"},
		{"an object ACE without its GUIDs", sddl.ACE{Type: sddl.AllowObject, Mask: sddl.ReadProperty, SID: sid}, "Allow Everyone: Read all properties; this object only"},
		{"a GUID of zeros that is there", sddl.ACE{Type: sddl.AllowObject, ObjectFlags: sddl.ObjectTypePresent, Mask: sddl.ReadProperty, SID: sid}, "Allow Everyone: Read 00000000-0000-0000-0000-000000000000; this object only"},
	} {
		if got := ACE(c.ace, names); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWithoutNames(t *testing.T) {
	a := entry(t, "(OA;CIIO;WP;"+member+";"+group+";<me>)")
	if got, want := ACE(a, Names{}), "Allow "+me+": Write "+member+"; descendant "+group+" objects"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	none := Names{GUID: func(sddl.GUID) string { return "" }, SID: func(sddl.SID) string { return "" }}
	if got, want := ACE(a, none), ACE(a, Names{}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// One GUID is what the right makes of it.
func TestObjectOfARight(t *testing.T) {
	n := Names{
		GUID: names.GUID,
		Object: func(g sddl.GUID, right sddl.Mask) string {
			if g.String() == reset {
				return ""
			}
			return right.String() + "-" + names.GUID(g)
		},
	}
	for _, c := range []struct{ ace, want string }{
		{"(OA;;SWRPWP;" + member + ";;WD)", "Allow Everyone: Read RP-member, Write WP-member, Validated write to SW-member; this object only"},
		{"(OA;CIIO;CCDC;" + user + ";" + group + ";WD)", "Allow Everyone: Create CC-user objects, Delete DC-user objects; descendant CC-group objects"},
		{"(OA;;CR;" + reset + ";;WD)", "Allow Everyone: Extended right Reset Password; this object only"},
		{"(OA;;GA;" + member + ";;WD)", "Allow Everyone: Full control of CCDCLCSWRPWPDTLOCRSDRCWDWO-member; this object only"},
	} {
		if got := ACE(entry(t, c.ace), n); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.ace, got, c.want)
		}
	}
}

func TestRights(t *testing.T) {
	for _, c := range []struct {
		mask sddl.Mask
		want string
	}{
		{0, "nothing"},
		{sddl.FullControl, "Full control"},
		{sddl.GenericAll, "Full control"},
		{sddl.FullControl &^ sddl.WriteOwner, "List contents, Read all properties, Write all properties, Delete, Delete subtree, Read permissions, Modify permissions, All validated writes, All extended rights, Create all child objects, Delete all child objects, List object"},
		{sddl.CreateChild | sddl.DeleteChild, "Create all child objects, Delete all child objects"},
	} {
		if got := Rights(c.mask); got != c.want {
			t.Errorf("0x%x: %q, want %q", uint32(c.mask), got, c.want)
		}
	}
}

// Every SID that SDDL has two letters for has a name.
func TestAliasesHaveNames(t *testing.T) {
	domain, err := sddl.ParseSID("S-1-5-21-1000-2000-3000")
	if err != nil {
		t.Fatal(err)
	}
	ctx := sddl.Aliases{Domain: domain, Forest: domain, Machine: domain}
	n := 0
	for _, first := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		for _, second := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			alias := string(first) + string(second)
			d, err := sddl.ParseText("O:"+alias, ctx)
			if err != nil {
				continue
			}
			n++
			if WellKnownSID(d.Owner) == "" && DomainSID(d.Owner, domain) == "" {
				t.Errorf("%s, %s, has no name", alias, d.Owner)
			}
		}
	}
	if n < 60 {
		t.Errorf("SDDL has %d aliases, want at least 60", n)
	}
}

func TestNamesOfSIDs(t *testing.T) {
	parse := func(text string) sddl.SID {
		s, err := sddl.ParseSID(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	domain := parse("S-1-5-21-1000-2000-3000")
	for _, c := range []struct{ sid, wellKnown, inDomain string }{
		{"S-1-1-0", "Everyone", ""},
		{"S-1-5-32-544", "Administrators", ""},
		{"S-1-5-32-512", "", ""},
		{"S-1-5-21-1000-2000-3000", "", ""},
		{"S-1-5-21-1000-2000-3000-512", "", "Domain Admins"},
		{"S-1-5-21-1000-2000-3000-1105", "", ""},
		{"S-1-5-21-1000-2000-3001-512", "", ""},
		{"S-1-5-21-1000-2000-3000-512-512", "", ""},
	} {
		if got := WellKnownSID(parse(c.sid)); got != c.wellKnown {
			t.Errorf("%s is well known as %q, want %q", c.sid, got, c.wellKnown)
		}
		if got := DomainSID(parse(c.sid), domain); got != c.inDomain {
			t.Errorf("%s is %q in its domain, want %q", c.sid, got, c.inDomain)
		}
	}
	for _, c := range []struct{ sid, want string }{
		{"S-1-5-21-1-2-3-512", "Domain Admins"},
		{"S-1-5-21-1-2-3-1105", ""},
		{"S-1-5-21-1-2-512", ""},
		{"S-1-5-21-1-2-3", ""},
		{"S-1-5-21-1-2-3-4-512", ""},
		{"S-1-5-32-512", ""},
		{"S-1-16-512", ""},
	} {
		if got := AccountOfDomain(parse(c.sid)); got != c.want {
			t.Errorf("%s is %q in the domain that issued it, want %q", c.sid, got, c.want)
		}
	}
	// Without a domain nothing is of it, not even what has no domain either.
	if got := WellKnownSID(sddl.SID{}) + DomainSID(sddl.SID{}, domain) + DomainSID(parse("S-1-5-32-544"), sddl.SID{}); got != "" {
		t.Errorf("no SID is %q", got)
	}
}
