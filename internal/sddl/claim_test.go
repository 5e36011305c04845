package sddl

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestClaimIsPrintedAsWindowsPrintsIt(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"integers", `("a",TI,0,1,-2,0x10,-0x10,017,+3)`, `("a",TI,0x0,1,-2,16,-16,15,3)`},
		{"the largest integers", `("a",TI,0,9223372036854775807,-9223372036854775808)`, `("a",TI,0x0,9223372036854775807,-9223372036854775808)`},
		{"unsigned integers", `("a",TU,0x10,0,+1,0xffffffffffffffff,18446744073709551615)`, `("a",TU,0x10,0,1,18446744073709551615,18446744073709551615)`},
		{"truth values", `("a",TB,0,0,1,0x1)`, `("a",TB,0x0,0,1,1)`},
		{"strings", `("a",TS,2,"","x, y)","ä😀")`, `("a",TS,0x2,"","x, y)","ä😀")`},
		{"SIDs", `("a",TD,0,BA,S-1-5-18,DA,S-1-5-21-1-2-3-512)`, `("a",TD,0x0,BA,SY,DA,S-1-5-21-1-2-3-512)`},
		{"octets", `("a",TX,0,0102,#1,1#,##,abc,ABCDEF)`, `("a",TX,0x0,0102,01,10,00,0abc,abcdef)`},
		{"a name with escapes", `("a%0020%00e4😀.b,c",TI,0,1)`, `("a%0020%00e4%d83d%de00.b,c",TI,0x0,1)`},
		{"flags of all bits that may be", `("a",TI,0xffff00ff,1)`, `("a",TI,0xffff00ff,1)`},
		{"blanks", " ( \"a\" , TS ,\t0 ,\n\"x\" , \"y\" ) ", `("a",TS,0x0,"x","y")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			claim, err := ParseClaimText(c.text, corp)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := claim.Text(corp); err != nil || got != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
			data := claim.Append(nil)
			if len(data)%4 != 0 {
				t.Errorf("%d bytes are not padded", len(data))
			}
			again, err := DecodeClaim(string(data))
			if err != nil {
				t.Fatalf("%x: %v", data, err)
			}
			if got, err := again.Text(corp); err != nil || got != c.want {
				t.Errorf("from bytes: got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestClaimIsStoredPacked(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"integers", `("ab",TI,1,1,-1)`, "18000000 0100 0000 01000000 02000000 1e000000 26000000 610062000000 0100000000000000 ffffffffffffffff 0000"},
		{"strings", `("a",TS,0,"","x")`, "18000000 0300 0000 00000000 02000000 1c000000 1e000000 61000000 0000 78000000 0000"},
		{"octets", `("a",TX,0,010203)`, "14000000 1000 0000 00000000 01000000 18000000 61000000 03000000 010203 00"},
		{"SIDs as text", `("a",TD,0,SY)`, "14000000 0500 0000 00000000 01000000 18000000 61000000 08000000 532d312d352d3138"},
	} {
		claim, err := ParseClaimText(c.text, corp)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, want := hex.EncodeToString(claim.Append(nil)), strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s: got  %s\nwant %s", c.name, got, want)
		}
	}
}

func TestClaimWithSIDsInEveryForm(t *testing.T) {
	const head = "14000000 0500 0000 00000000 01000000 18000000 61000000"
	for name, value := range map[string]string{
		"bytes":                   "0c000000 010100000000000512000000",
		"text":                    "08000000 532d312d352d3138",
		"text and a zero":         "09000000 532d312d352d313800 000000",
		"bytes after other bytes": "0c000000 010100000000000512000000 ffff",
	} {
		claim, err := DecodeClaim(string(unhex(t, strings.ReplaceAll(head+value, " ", ""))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := claim.Text(corp); err != nil || got != `("a",TD,0x0,SY)` {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestClaimThatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, text string
		offset     int
		want       string
	}{
		{"nothing", "", 0, "want a resource attribute"},
		{"no parentheses", `"a",TI,0,1`, 0, "want a resource attribute"},
		{"no name", `(TI,0,1)`, 1, "want '\"'"},
		{"an empty name", `("",TI,0,1)`, 2, "want the name"},
		{"a blank in the name", `("a b",TI,0,1)`, 3, "want '\"'"},
		{"a needless escape", `("%0041",TI,0,1)`, 2, "must stand for itself"},
		{"no type", `("a",0,1)`, 5, "want a type"},
		{"an unknown type", `("a",TZ,0,1)`, 5, "want a type"},
		{"a type in lower case", `("a",ti,0,1)`, 5, "want a type"},
		{"no flags", `("a",TI)`, 7, "want ','"},
		{"empty flags", `("a",TI,,1)`, 8, "want an integer"},
		{"reserved flags", `("a",TI,0x100,1)`, 8, "reserved ones"},
		{"flags of too many bits", `("a",TI,0x100000000,1)`, 8, "not 32 bits"},
		{"negative flags", `("a",TI,-1,1)`, 8, "not 32 bits"},
		{"no values", `("a",TI,0)`, 9, "want a comma and a value"},
		{"an integer that would wrap", `("a",TI,0,0xffffffffffffffff)`, 10, "at most 64 bits"},
		{"an empty value", `("a",TI,0,)`, 10, "want an integer"},
		{"an integer of too many bits", `("a",TI,0,9223372036854775808)`, 10, "at most 64 bits"},
		{"a negative unsigned integer", `("a",TU,0,-1)`, 10, "cannot be negative"},
		{"an unsigned integer of too many bits", `("a",TU,0,18446744073709551616)`, 10, "unsigned integer of 64 bits"},
		{"an unsigned integer that is not octal", `("a",TU,0,089)`, 10, "want an integer"},
		{"another truth value", `("a",TB,0,2)`, 10, "want 0 or 1"},
		{"a negative truth value", `("a",TB,0,-1)`, 10, "want 0 or 1"},
		{"a string without quotation marks", `("a",TS,0,x)`, 10, "want a string"},
		{"a string that does not end", `("a",TS,0,"x)`, 10, "does not end"},
		{"octets that are none", `("a",TX,0,xy)`, 10, "want the hexadecimal digits"},
		{"a quoted SID", `("a",TD,0,"BA")`, 10, "want a SID"},
		{"a SID in SID()", `("a",TD,0,SID(BA))`, 10, "want a SID"},
		{"values of two types", `("a",TI,0,1,"x")`, 12, "want an integer"},
		{"no end", `("a",TI,0,1`, 11, "want ')'"},
		{"more", `("a",TI,0,1)x`, 12, "want the end"},
		{"longer than an ACL", `("a",TS,0,"` + strings.Repeat("x", 40000) + `")`, 40012, "longer than an ACL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			claim, err := ParseClaimText(c.text, corp)
			if err == nil {
				text, _ := claim.Text(corp)
				t.Fatalf("read as %s", text)
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

func TestDataThatIsNoClaim(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"nothing", "", "header alone has 16"},
		{"more values than there can be", "10000000 0100 0000 00000000 ffffffff 61000000", "cannot hold"},
		{"a name outside", "ffffff00 0100 0000 00000000 00000000 61000000", "outside of the claim"},
		{"a name that does not end", "10000000 0100 0000 00000000 00000000 61006100", "does not end"},
		{"no name", "10000000 0100 0000 00000000 00000000 0000", "has no name"},
		{"an unknown type", "14000000 0400 0000 00000000 01000000 14000000 61000000", "type 0x4 is unknown"},
		{"an integer outside", "14000000 0100 0000 00000000 01000000 18000000 61000000 00000000", "outside of the claim"},
		{"an offset that overflows", "14000000 1000 0000 00000000 01000000 ffffffff 61000000", "outside of the claim"},
		{"octets that are too long", "14000000 1000 0000 00000000 01000000 18000000 61000000 02000000 00", "longer than the claim"},
		{"a SID that is none", "14000000 0500 0000 00000000 01000000 18000000 61000000 02000000 4241", "want S-1"},
	} {
		b := unhex(t, strings.ReplaceAll(c.data, " ", ""))
		if _, err := DecodeClaim(string(b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		// Nobody can say it, but it stays as it is.
		ace := ACE{Type: ResourceAttribute, SID: world, Data: string(b)}
		if got, want := ace.String(), "(RA;;;;;WD;#"+hex.EncodeToString(b)+")"; got != want {
			t.Errorf("%s: got %s, want %s", c.name, got, want)
		}
	}
	// Many values at one place say more than there is, SIDs in text most of all.
	sids := "\x10\x80\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00" + strings.Repeat("\x14\x80\x00\x00", 0x2000) + "a\x00\x00\x00\x0c\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"
	if _, err := DecodeClaim(sids); err == nil || !strings.Contains(err.Error(), "longer than an ACL") {
		t.Errorf("many SIDs at one place: %v", err)
	}
	long := "\x10\x80\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00" + strings.Repeat("\x10\x80\x00\x00", 0x2000) + strings.Repeat("a\x00", 0x3000) + "\x00\x00"
	if _, err := DecodeClaim(long); err == nil || !strings.Contains(err.Error(), "longer than an ACL") {
		t.Errorf("many values at one place: %v", err)
	}
}

func TestClaimThatSDDLCannotSay(t *testing.T) {
	for name, c := range map[string]Claim{
		"an unknown type":        {Name: EncodeWide("a"), Type: 0x12},
		"no values":              {Name: EncodeWide("a"), Type: ClaimUint64},
		"an unknown truth value": {Name: EncodeWide("a"), Type: ClaimBool, Values: []Token{{Code: TokenInt64, Int: 2}}},
		"no octets":              {Name: EncodeWide("a"), Type: ClaimOctets, Values: []Token{{Code: TokenOctets}}},
		"a quotation mark":       {Name: EncodeWide("a"), Type: ClaimString, Values: []Token{{Code: TokenString, Text: EncodeWide(`"`)}}},
	} {
		if text, err := c.Text(corp); err == nil {
			t.Errorf("%s: said as %s", name, text)
		}
	}
}

func TestClaimOfAnotherACE(t *testing.T) {
	if _, err := (ACE{Type: Audit}).Claim(); err == nil {
		t.Error("an ordinary ACE has a claim")
	}
}

func FuzzDecodeClaim(f *testing.F) {
	addCorpus(f, func(input string) { f.Add([]byte(input)) })
	for _, text := range []string{
		`("a",TI,0,1,-2)`, `("a%0020b",TU,0,18446744073709551615)`, `("a",TB,0,1)`, `("a",TS,2,"","ä😀")`, `("a",TD,0,BA,DA)`, `("a",TX,0,0102,03)`,
	} {
		c, err := ParseClaimText(text, child)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeClaim(string(data))
		if err != nil {
			return
		}
		text, err := c.Text(child)
		if err != nil {
			return
		}
		encoded, err := DecodeClaim(string(c.Append(nil)))
		if err != nil {
			t.Fatalf("%x is %s, and encoded %x: %v", data, text, c.Append(nil), err)
		}
		if got, err := encoded.Text(child); err != nil || got != text {
			t.Fatalf("%x is %s, and encoded %s, %v", data, text, got, err)
		}
		if len(c.Values) == 0 || c.Flags&reservedClaimFlags != 0 {
			return // nobody reads it
		}
		again, err := ParseClaimText(text, child)
		if err != nil {
			t.Fatalf("%x is printed as %q: %v", data, text, err)
		}
		if got, err := again.Text(child); err != nil || got != text {
			t.Fatalf("%x is printed as %q, which is read as %q, %v", data, text, got, err)
		}
	})
}
