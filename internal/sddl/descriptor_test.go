package sddl

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// aceVectors are entries and their bytes, for S-1-5-21-1000-2000-3000-1105: the rows that
// Entra Cloud Sync asks for, and some of other shapes. Encoded by hand from [MS-DTYP] 2.4.4.
var aceVectors = []struct{ text, hex string }{
	{"(OA;CIIO;RP;;bf967a8e-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-1105)",
		"050a380010000000020000008e7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;RP;;4828cc14-1437-45bc-9b07-ad6f015e5f28;S-1-5-21-1000-2000-3000-1105)",
		"050a3800100000000200000014cc28483714bc459b07ad6f015e5f28010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;RP;;bf967a86-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-1105)",
		"050a38001000000002000000867a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;RP;;89e31c12-8530-11d0-afda-00c04fd930c9;S-1-5-21-1000-2000-3000-1105)",
		"050a38001000000002000000121ce3893085d011afda00c04fd930c9010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;CCDCLCSWRPWPDTLOCRSDRCWDWO;;bf967a9c-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-1105)",
		"050a3800ff010f00020000009c7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-1105)",
		"050a38001000000002000000ba7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;RP;;5cb41ed0-0e4c-11d0-a286-00aa003049e2;S-1-5-21-1000-2000-3000-1105)",
		"050a38001000000002000000d01eb45c4c0ed011a28600aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CI;CCDC;bf967aba-0de6-11d0-a285-00aa003049e2;;S-1-5-21-1000-2000-3000-1105)",
		"050238000300000001000000ba7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;S-1-5-21-1000-2000-3000-1105)",
		"050038000001000001000000aaf63111079cd111f79f00c04fc2dcd2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-1105)",
		"050a48000001000003000000709529006d24d011a76800aa006e0529ba7a96bfe60dd011a28500aa003049e2010500000000000515000000e8030000d0070000b80b000051040000"},
	{"(A;;LCRPLORC;;;AU)", "000014009400020001010000000000050b000000"},
}

func TestACEVectors(t *testing.T) {
	for _, v := range aceVectors {
		ace, err := ParseACEText(v.text, Aliases{})
		if err != nil {
			t.Errorf("%s: %v", v.text, err)
			continue
		}
		if got := hex.EncodeToString(ace.Append(nil)); got != v.hex {
			t.Errorf("%s\ngot  %s\nwant %s", v.text, got, v.hex)
		}
		if got, want := ace.Len(), len(v.hex)/2; got != want {
			t.Errorf("%s: Len is %d, want %d", v.text, got, want)
		}
		b := unhex(t, v.hex)
		parsed, n, err := parseACE(string(b) + "more")
		if err != nil || n != len(b) || parsed != ace {
			t.Errorf("%s: its bytes are %+v of %d bytes, %v", v.text, parsed, n, err)
		}
		if got := parsed.String(); got != v.text {
			t.Errorf("got %s, want %s", got, v.text)
		}
	}
}

func unhex(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// header is a descriptor header; put what its offsets mean behind it.
func header(control Control, owner, group, sacl, dacl uint32) string {
	b := []byte{1, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(control))
	for _, off := range []uint32{owner, group, sacl, dacl} {
		b = binary.LittleEndian.AppendUint32(b, off)
	}
	return string(b)
}

// acl is an ACL of a revision, a count and a body, of the size that they have.
func acl(revision byte, count uint16, body string) string {
	b := []byte{revision, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(8+len(body)))
	b = binary.LittleEndian.AppendUint16(b, count)
	return string(append(b, 0, 0)) + body
}

// ace is an ACE of a type, flags and body, of the size that they have.
func ace(t ACEType, flags ACEFlags, body string) string {
	b := []byte{byte(t), byte(flags)}
	b = binary.LittleEndian.AppendUint16(b, uint16(4+len(body)))
	return string(b) + body
}

const (
	everyone = "\x01\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"
	system   = "\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"
	read     = "\x10\x00\x00\x00"
	userGUID = "\xba\x7a\x96\xbf\xe6\x0d\xd0\x11\xa2\x85\x00\xaa\x00\x30\x49\xe2"
	both     = SelfRelative | DACLPresent | SACLPresent
)

var (
	allowEveryone = ace(Allow, 0, read+everyone)
	auditEveryone = ace(Audit, SuccessfulAccess, read+everyone)
)

// layouts are descriptors that are whole in ways that not everybody expects.
var layouts = []struct {
	name string
	b    string
	text string
	// rebuilt is the length in the layout of Windows.
	rebuilt int
}{
	{"nothing but a header", header(SelfRelative, 0, 0, 0, 0), "", 20},
	{"the layout of Windows", header(both, 76, 88, 20, 48) + acl(2, 1, auditEveryone) + acl(2, 1, allowEveryone) + everyone + system,
		"O:WDG:SYD:(A;;RP;;;WD)S:(AU;SA;RP;;;WD)", 100},
	{"owner and group first, as Samba has them", header(both, 20, 32, 44, 72) + everyone + system + acl(2, 1, auditEveryone) + acl(2, 1, allowEveryone),
		"O:WDG:SYD:(A;;RP;;;WD)S:(AU;SA;RP;;;WD)", 100},
	{"gaps and trailing bytes", header(SelfRelative|DACLPresent, 24, 0, 0, 40) + "gap!" + everyone + "gap!" + acl(2, 1, allowEveryone) + "more",
		"O:WDD:(A;;RP;;;WD)", 60},
	{"parts that do not stand at a multiple of four", header(SelfRelative|DACLPresent, 21, 0, 0, 34) + "!" + everyone + "!" + acl(2, 1, allowEveryone),
		"O:WDD:(A;;RP;;;WD)", 60},
	{"one SID as owner and group", header(SelfRelative, 20, 20, 0, 0) + everyone, "O:WDG:WD", 44},
	{"the owner within an ACE", header(SelfRelative|DACLPresent, 36, 0, 0, 20) + acl(2, 1, allowEveryone), "O:WDD:(A;;RP;;;WD)", 60},
	{"one ACL as SACL and DACL", header(both, 0, 0, 20, 20) + acl(2, 0, ""), "D:S:", 36},
	{"a DACL that is present and nowhere", header(SelfRelative|DACLPresent, 0, 0, 0, 0), "D:NO_ACCESS_CONTROL", 20},
	{"a DACL that is somewhere and not present", header(SelfRelative, 0, 0, 0, 20) + acl(2, 1, allowEveryone), "", 20},
	{"a DACL that is nowhere in the bytes and not present", header(SelfRelative, 0, 0, 0, 0xfffffff0), "", 20},
	{"an empty DACL", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 0, ""), "D:", 28},
	{"control bits of an absent SACL", header(SelfRelative|DACLPresent|SACLAutoInherited, 0, 0, 0, 20) + acl(4, 0, ""), "D:", 28},
	{"every control bit", header(0xffff, 0, 0, 20, 20) + acl(2, 0, ""), "D:PARAIS:PARAI", 36},
	{"slack after the last ACE", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(4, 1, allowEveryone+"\x00\x00\x00\x00"), "D:(A;;RP;;;WD)", 52},
	{"slack that looks like an ACE", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 1, allowEveryone+allowEveryone), "D:(A;;RP;;;WD)", 68},
	{"an ACE that is larger than its parts", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 2, ace(Allow, 0, read+everyone+"pads")+allowEveryone),
		"D:(A;;RP;;;WD;#70616473)(A;;RP;;;WD)", 72},
	{"ACEs of an odd size", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 2, ace(Allow, 0, read+everyone+"!")+allowEveryone),
		"D:(A;;RP;;;WD;#21)(A;;RP;;;WD)", 69},
	{"an object ACE without GUIDs", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(4, 1, ace(AllowObject, 0, read+"\x00\x00\x00\x00"+everyone)), "D:(OA;;RP;;;WD)", 52},
	{"an object ACE with both", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(4, 1, ace(DenyObject, 0, read+"\x03\x00\x00\x00"+userGUID+userGUID+everyone)),
		"D:(OD;;RP;bf967aba-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;WD)", 84},
	{"object flags that nobody knows", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(4, 1, ace(AllowObject, 0, read+"\x06\x00\x00\x80"+userGUID+everyone)),
		"D:(OA:0x80000006;;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;WD)", 68},
	{"a conditional ACE", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 1, ace(AllowCallback, 0, read+everyone+"artx")), "D:(XA;;RP;;;WD;())", 52},
	{"an unknown ACE that is its header", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 2, ace(0x99, Inherited, "")+allowEveryone), "D:(0x99;ID;;;;;#)(A;;RP;;;WD)", 52},
	{"a compound ACE", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(2, 1, ace(0x04, 0, read+"\x01\x00\x00\x00"+everyone+system)),
		"D:(0x04;;;;;;#1000000001000000" + hex.EncodeToString([]byte(everyone+system)) + ")", 64},
	{"an ACL of a revision that nobody knows", header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(9, 1, allowEveryone), "D:(A;;RP;;;WD)", 48},
	{"a SID of 15 sub-authorities", header(SelfRelative, 20, 0, 0, 0) + "\x01\x0f\x00\x00\x00\x00\x00\x05" + strings.Repeat("\x01\x00\x00\x00", 15),
		"O:S-1-5" + strings.Repeat("-1", 15), 88},
	{"a SID of none", header(SelfRelative, 20, 0, 0, 0) + "\x01\x00\x00\x00\x00\x00\x00\x05", "O:S-1-5", 28},
}

func TestDescriptorIsLosslessWhateverItsLayout(t *testing.T) {
	for _, c := range layouts {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse([]byte(c.b))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Text(Aliases{}); got != c.text {
				t.Errorf("text: got %s, want %s", got, c.text)
			}
			got, err := d.Append([]byte("before"))
			if err != nil || string(got) != "before"+c.b {
				t.Errorf("got  %x, %v\nwant %x", got, err, "before"+c.b)
			}

			rebuilt, err := d.WithDACL(d.DACL).Append(nil)
			if err != nil || len(rebuilt) != c.rebuilt {
				t.Fatalf("rebuilt: %d bytes %x, %v, want %d", len(rebuilt), rebuilt, err, c.rebuilt)
			}
			again, err := Parse(rebuilt)
			if err != nil {
				t.Fatal(err)
			}
			sameParts(t, again, d)
		})
	}
}

// sameParts fails unless everything that got and want say is the same.
func sameParts(t *testing.T, got, want *Descriptor) {
	t.Helper()
	if got.Revision != want.Revision || got.Sbz1 != want.Sbz1 || got.Control != want.Control || got.Owner != want.Owner || got.Group != want.Group {
		t.Errorf("got %+v, want %+v", got, want)
	}
	sameACL(t, "SACL", got.SACL, want.SACL)
	sameACL(t, "DACL", got.DACL, want.DACL)
}

func sameACL(t *testing.T, what string, got, want *ACL) {
	t.Helper()
	if (got == nil) != (want == nil) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
	if got == nil || want == nil {
		return
	}
	if got.Revision != want.Revision || got.Sbz1 != want.Sbz1 || got.Sbz2 != want.Sbz2 || got.Slack != want.Slack || !slices.Equal(got.ACEs, want.ACEs) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestRebuiltDescriptorHasTheLayoutOfWindows(t *testing.T) {
	for _, c := range layouts[1:3] {
		d, err := Parse([]byte(c.b))
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.WithDACL(d.DACL).Append(nil)
		if want := layouts[1].b; err != nil || string(got) != want {
			t.Errorf("%s: got  %x, %v\nwant %x", c.name, got, err, want)
		}
	}
}

func TestHostileDescriptorIsRefused(t *testing.T) {
	dacl := func(acl string) string { return header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl }
	one := func(ace string) string { return dacl(acl(4, 1, ace)) }
	sized := func(size uint16, ace string) string {
		return ace[:2] + string(binary.LittleEndian.AppendUint16(nil, size)) + ace[4:]
	}
	for _, c := range []struct{ name, b, want string }{
		{"no bytes", "", "has 0 bytes"},
		{"half a header", header(SelfRelative, 0, 0, 0, 0)[:19], "has 19 bytes"},
		{"another revision", "\x02" + header(SelfRelative, 0, 0, 0, 0)[1:], "revision is 2"},
		{"not self-relative", header(DACLPresent, 0, 0, 0, 0), "not self-relative"},
		{"an owner outside", header(SelfRelative, 20, 0, 0, 0), "owner: offset 20"},
		{"an owner far outside", header(SelfRelative, 0xffffffff, 0, 0, 0) + everyone, "owner: offset 4294967295"},
		{"a group in the header", header(SelfRelative, 0, 16, 0, 0) + everyone, "group: offset 16"},
		{"a DACL outside", header(SelfRelative|DACLPresent, 0, 0, 0, 20), "DACL: offset 20"},
		{"a SACL in the header", header(SelfRelative|SACLPresent, 0, 0, 8, 0), "SACL: offset 8"},
		{"half a SID header", header(SelfRelative, 20, 0, 0, 0) + everyone[:7], "8-byte header"},
		{"half a SID", header(SelfRelative, 20, 0, 0, 0) + everyone[:11], "needs 12 bytes, has 11"},
		{"a SID of 16 sub-authorities", header(SelfRelative, 20, 0, 0, 0) + "\x01\x10\x00\x00\x00\x00\x00\x05" + strings.Repeat("\x01\x00\x00\x00", 16), "16 sub-authorities"},
		{"a SID of another revision", header(SelfRelative, 20, 0, 0, 0) + "\x02" + everyone[1:], "SID revision is 2"},
		{"half an ACL header", dacl(acl(2, 0, "")[:7]), "needs 8 bytes, has 7"},
		{"an ACL smaller than its header", dacl("\x02\x00\x07\x00\x00\x00\x00\x00"), "ACL size 7"},
		{"an ACL larger than the rest", dacl("\x02\x00\x09\x00\x00\x00\x00\x00"), "ACL size 9"},
		{"more ACEs than fit", dacl(acl(2, 65535, allowEveryone)), "cannot hold 65535 ACEs"},
		{"more ACEs than there are", dacl(acl(2, 2, allowEveryone)), "ACE 1: ACE header needs 4 bytes, has 0"},
		{"an ACE of size 0", one(sized(0, allowEveryone)), "ACE size 0"},
		{"an ACE smaller than its header", one(sized(3, allowEveryone)), "ACE size 3"},
		{"an ACE larger than the ACL", one(sized(21, allowEveryone)), "ACE size 21"},
		{"an ACE without mask", one(ace(Allow, 0, "\x00\x00\x00")), "has no mask"},
		{"an ACE without SID", one(ace(Allow, 0, read)), "SID is shorter"},
		{"an ACE with half a SID", one(sized(19, allowEveryone)), "needs 12 bytes, has 11"},
		{"an object ACE without flags", one(ace(AllowObject, 0, read)), "no object flags"},
		{"an object ACE without GUID", one(ace(AllowObject, 0, read+"\x01\x00\x00\x00"+everyone)), "too short for its GUIDs"},
		{"an object ACE without the second GUID", one(ace(AllowObject, 0, read+"\x03\x00\x00\x00"+userGUID+everyone)), "too short for its GUIDs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d, err := Parse([]byte(c.b)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v, want %s", d, err, c.want)
			}
		})
	}
}

func TestEveryPrefixOfADescriptorIsReadOrRefused(t *testing.T) {
	whole := header(both, 112, 124, 20, 48) + acl(2, 1, auditEveryone) +
		acl(4, 1, ace(AllowObject, 0, read+"\x03\x00\x00\x00"+userGUID+userGUID+everyone)) + everyone + system
	if _, err := Parse([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if d, err := Parse([]byte(whole[:n])); err == nil {
			t.Errorf("%d bytes of %d are %+v", n, len(whole), d)
		}
	}
}

func TestParseKeepsItsOwnCopy(t *testing.T) {
	b := []byte(layouts[1].b)
	d, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if got := d.Text(Aliases{}); got != layouts[1].text {
		t.Errorf("got %s, want %s", got, layouts[1].text)
	}
	if got, err := d.Append(nil); err != nil || string(got) != layouts[1].b {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestWithDACL(t *testing.T) {
	parse := func(b string) *Descriptor {
		d, err := Parse([]byte(b))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	all, absent := layouts[1].b, header(SelfRelative|DACLProtected, 0, 0, 0, 0)
	for _, c := range []struct {
		name string
		b    string
		dacl *ACL
		want string
	}{
		{"an empty DACL grants nothing", all, &ACL{Revision: 2}, "O:WDG:SYD:S:(AU;SA;RP;;;WD)"},
		{"none grants everything", all, nil, "O:WDG:SYD:NO_ACCESS_CONTROLS:(AU;SA;RP;;;WD)"},
		{"where none was present, none is", absent, nil, ""},
		{"where none was present, one is", absent, &ACL{Revision: 2}, "D:P"},
	} {
		before := parse(c.b)
		b, err := before.WithDACL(c.dacl).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := parse(string(b)).Text(Aliases{}); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if again, err := before.Append(nil); err != nil || string(again) != c.b {
			t.Errorf("%s: the descriptor itself has become %x", c.name, again)
		}
	}
}

func TestDACLOnlyKeepsTheDACLAndItsControlBits(t *testing.T) {
	b := "\x01\x2a" + header(0xffff, 20, 20, 32, 32)[2:] + everyone + acl(2, 1, allowEveryone)
	d, err := Parse([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.DACLOnly().Append(nil)
	want := "\x01\x2a" + header(SelfRelative|RMControlValid|DACLProtected|DACLAutoInherited|DACLAutoInheritReq|DACLTrusted|DACLDefaulted|DACLPresent, 0, 0, 0, 20)[2:] + acl(2, 1, allowEveryone)
	if err != nil || string(got) != want {
		t.Errorf("got  %x, %v\nwant %x", got, err, want)
	}
}

func TestACLIsPresentWhereItIsWritten(t *testing.T) {
	d := &Descriptor{Revision: 1, SACL: &ACL{Revision: 2}, DACL: &ACL{Revision: 2}}
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(b)
	if err != nil || again.DACL == nil || again.SACL == nil {
		t.Errorf("%x is %+v, %v", b, again, err)
	}
}

func TestAppendRefusesWhatCannotBeReadAgain(t *testing.T) {
	many := make([]ACE, 3277)
	for i := range many {
		many[i] = ACE{Type: Allow, SID: mustSID("S-1-1-0")}
	}
	for _, c := range []struct {
		name string
		acl  *ACL
		want string
	}{
		{"too many ACEs", &ACL{ACEs: many}, "DACL: ACL would have 65548 bytes"},
		{"one ACE that is too large", &ACL{ACEs: []ACE{{Type: 0x99, Data: strings.Repeat("!", 65536)}}}, "at most 65535 fit"},
		{"too much slack", &ACL{Slack: strings.Repeat("!", 65528)}, "at most 65535 fit"},
		{"an ACE without SID", &ACL{ACEs: []ACE{{Type: Allow}}}, "ACE 0 has no SID"},
	} {
		d := &Descriptor{Revision: 1, DACL: c.acl}
		if b, err := d.Append([]byte("before")); err == nil || !strings.Contains(err.Error(), c.want) || string(b) != "before" {
			t.Errorf("%s: got %x, %v, want %s", c.name, b, err, c.want)
		}
	}
	fits := &ACL{ACEs: many[:3276], Slack: "!!!!!!!"}
	if b, err := fits.Append(nil); err != nil || len(b) != MaxACL {
		t.Errorf("%d bytes, %v, want %d", len(b), err, MaxACL)
	}
}

func TestSID(t *testing.T) {
	for _, c := range []struct{ text, hex string }{
		{"S-1-1-0", hex.EncodeToString([]byte(everyone))},
		{"S-1-5", "0100000000000005"},
		{"S-1-5-21-1000-2000-3000-1105", "010500000000000515000000e8030000d0070000b80b000051040000"},
		{"S-1-4294967295-1", "01010000ffffffff01000000"},
		{"S-1-0x100000000-1", "010100010000000001000000"},
		{"S-1-0xFFFFFFFFFFFF-4294967295", "0101ffffffffffffffffffff"},
	} {
		sid, err := ParseSID(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := hex.EncodeToString(sid.Bytes()); got != c.hex {
			t.Errorf("%s: got %s, want %s", c.text, got, c.hex)
		}
		fromBytes, err := ParseSIDBytes(unhex(t, c.hex))
		if err != nil || fromBytes != sid || fromBytes.String() != c.text {
			t.Errorf("%s: its bytes are %s, %v", c.text, fromBytes, err)
		}
	}
	for _, b := range []string{"", everyone + "!", everyone[:11], "\x01\x10" + strings.Repeat("\x00", 70)} {
		if sid, err := ParseSIDBytes([]byte(b)); err == nil {
			t.Errorf("%x is read as %s", b, sid)
		}
	}
	domain := mustSID("S-1-5-21-1-2-3")
	account := domain.WithRID(1105)
	if rid, ok := account.RID(); account.String() != "S-1-5-21-1-2-3-1105" || account.Domain() != domain || rid != 1105 || !ok {
		t.Errorf("%s is %d of %s", account, rid, account.Domain())
	}
	if got := (SID{}).WithRID(1); !got.IsZero() {
		t.Errorf("no SID with a RID is %s", got)
	}
	if _, ok := mustSID("S-1-5").RID(); ok || !mustSID("S-1-5").Domain().IsZero() {
		t.Error("S-1-5 has a RID or a domain")
	}
	full := mustSID("S-1-5" + strings.Repeat("-1", 15))
	if got := full.WithRID(1); !got.IsZero() {
		t.Errorf("a full SID with a RID is %s", got)
	}
}

func TestGUID(t *testing.T) {
	for _, text := range []string{"bf967aba-0de6-11d0-a285-00aa003049e2", "BF967ABA-0DE6-11D0-A285-00AA003049E2"} {
		guid, err := ParseGUID(text)
		if err != nil || string(guid[:]) != userGUID || guid.String() != strings.ToLower(text) {
			t.Errorf("%s: %x, %s, %v", text, guid[:], guid, err)
		}
	}
	for _, text := range []string{"", "bf967aba0de611d0a28500aa003049e2", "bf967aba-0de6-11d0-a285-00aa003049eg", "{f967aba-0de6-11d0-a285-00aa003049e}", "bf967aba-0de6-11d0-a28500-aa003049e2"} {
		if guid, err := ParseGUID(text); err == nil {
			t.Errorf("%s is read as %s", text, guid)
		}
	}
	if _, err := ParseGUIDBytes([]byte(userGUID[:15])); err == nil {
		t.Error("15 bytes are a GUID")
	}
}

func TestMapGeneric(t *testing.T) {
	for _, c := range []struct{ mask, want Mask }{
		{GenericAll, FullControl}, {GenericRead, 0x20094}, {GenericWrite, 0x20028}, {GenericExecute, 0x20004},
		{0xffffffff, FullControl}, {0, 0}, {ReadProperty | 0x100000, ReadProperty | 0x100000}, {GenericExecute | SystemSecurity | Delete, 0x30004},
	} {
		if got := c.mask.MapGeneric(); got != c.want {
			t.Errorf("%#x: got %#x, want %#x", uint32(c.mask), uint32(got), uint32(c.want))
		}
	}
}

func FuzzParse(f *testing.F) {
	addCorpus(f, func(input string) { f.Add([]byte(input)) })
	for _, c := range layouts {
		f.Add([]byte(c.b))
	}
	for _, v := range aceVectors {
		f.Add([]byte(header(SelfRelative|DACLPresent, 0, 0, 0, 20) + acl(4, 1, string(unhex(f, v.hex)))))
	}
	for _, text := range []string{
		"D:(XA;;GA;;;WD;(@User.a == {1, -017, \"x\", #01, SID(BA)} || !(Exists b)))", "D:(XD;CI;RP;;;AU;(a))(ZA;;CR;f30e3bbe-9ff0-11d1-b603-0000f80367c1;;WD;(a && b))",
		`O:BAG:SYD:S:(RA;;;;;WD;("a%0020b",TS,0x1,"x","y"))(RA;;;;;WD;("a",TI,0,1))(ML;;NW;;;LW)(SP;;;;;S-1-17-1)(XU;SA;GA;;;WD;(a))`,
	} {
		if d, err := ParseText(text, child); err == nil {
			b, err := d.Append(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil {
			return
		}
		same, err := d.Append(nil)
		if err != nil || string(same) != string(b) {
			t.Fatalf("%x\nis %x, %v", b, same, err)
		}
		rebuilt, err := d.WithDACL(d.DACL).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(rebuilt)
		if err != nil {
			t.Fatalf("%x\nis rebuilt as %x: %v", b, rebuilt, err)
		}
		sameParts(t, again, d)
		text := d.Text(child)
		if got := again.Text(child); got != text {
			t.Fatalf("%x is %s, rebuilt %s", b, text, got)
		}
		for _, l := range []*ACL{d.SACL, d.DACL} {
			_ = l.Canonical()
			if n := len(l.Explicit()) + len(l.Inherited()); l != nil && n != len(l.ACEs) {
				t.Fatalf("%d explicit and inherited of %d ACEs", n, len(l.ACEs))
			}
		}
		fromText, err := ParseText(text, child)
		if err != nil {
			if sayable(d.DACL, true) && sayable(d.SACL, false) && text != "" {
				t.Fatalf("%s: %v", text, err)
			}
			return
		}
		if fromText.Owner != d.Owner || fromText.Group != d.Group {
			t.Fatalf("%s is read with owner %v and group %v", text, fromText.Owner, fromText.Group)
		}
		sameACEsInText(t, text, fromText.DACL, d.DACL)
		sameACEsInText(t, text, fromText.SACL, d.SACL)
	})
}

// sayable says whether SDDL has words for every entry. Of conditions and claims it has
// words for most; see their own tests.
func sayable(l *ACL, isDACL bool) bool {
	if l == nil {
		return true
	}
	for _, a := range l.ACEs {
		named := slices.ContainsFunc(aceTypes[:], func(known struct {
			name string
			t    ACEType
		}) bool {
			return known.t == a.Type
		})
		if !named || a.Type.inDACL() != isDACL || a.Type.IsCallback() || a.Type == ResourceAttribute || a.Data != "" ||
			a.Flags&0x20 != 0 || a.ObjectFlags > 3 {
			return false
		}
	}
	return true
}

// sameACEsInText compares entries that were read from text with those it was printed from.
func sameACEsInText(t *testing.T, text string, got, want *ACL) {
	t.Helper()
	if (got == nil) != (want == nil) {
		t.Fatalf("%s is read as %v, want %v", text, got, want)
	}
	if want == nil {
		return
	}
	if len(got.ACEs) != len(want.ACEs) {
		t.Fatalf("%s is read as %d entries, want %d", text, len(got.ACEs), len(want.ACEs))
	}
	for i, a := range want.ACEs {
		b := got.ACEs[i]
		if a.Type.IsCallback() || a.Type == ResourceAttribute {
			// The same condition or claim, though not always in the same bytes.
			if b.Text(child) != a.Text(child) {
				t.Fatalf("%s is read as %s", a.Text(child), b.Text(child))
			}
			b.Data = a.Data
		}
		if a = a.AsStored(); a != b {
			t.Fatalf("%s: entry %d is read as %+v, want %+v", text, i, b, a)
		}
	}
}
