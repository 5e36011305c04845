package byhand

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

var update = flag.Bool("update", false, "rewrite the golden files; git diff reviews them")

const (
	account = `CORP\acct$`
	ou      = "OU=Sync,DC=corp,DC=example"
)

var (
	user           = sddl.MustParseGUID("bf967aba-0de6-11d0-a285-00aa003049e2")
	group          = sddl.MustParseGUID("bf967a9c-0de6-11d0-a285-00aa003049e2")
	proxyAddresses = sddl.MustParseGUID("bf967a06-0de6-11d0-a285-00aa003049e2")
	spn            = sddl.MustParseGUID("f3a64788-5306-11d1-a9c5-0000f80367c1") // and Validated-SPN
	resetPassword  = sddl.MustParseGUID("00299570-246d-11d0-a768-00aa006e0529")
	webInformation = sddl.MustParseGUID("e45795b3-9455-11d1-aebd-0000f80367c1")
	unknown        = sddl.MustParseGUID("11111111-2222-3333-4444-555555555555")
	none           sddl.GUID
)

func demoSchema(t testing.TB) *directory.Schema {
	t.Helper()
	c, err := demo.Capture()
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.LoadDomain(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := directory.LoadSchema(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func grant(dn string, flags sddl.ACEFlags, mask sddl.Mask, object, class sddl.GUID) Grant {
	return Grant{dn, sddl.ObjectACE(sddl.Allow, flags, mask, object, class, sddl.SID{})}
}

const readWrite = sddl.ReadProperty | sddl.WriteProperty

// The display names are those of the demo's forest, which is Samba's; Windows says Reset Password.
func TestDsacls(t *testing.T) {
	s := demoSchema(t)
	for _, c := range []struct {
		name  string
		grant Grant
		want  string
	}{
		{"an attribute of one class below", grant(ou, descendants, readWrite, proxyAddresses, user), `dsacls "` + ou + `" /I:S /G "CORP\acct$:RPWP;proxyAddresses;user"`},
		{"full control of one class below", grant(ou, descendants, sddl.FullControl, none, group), `dsacls "` + ou + `" /I:S /G "CORP\acct$:GA;;group"`},
		{"full control here", grant(ou, thisObject, sddl.FullControl, none, none), `dsacls "` + ou + `" /G "CORP\acct$:GA"`},
		{"an attribute here and below", grant(ou, all, readWrite, proxyAddresses, none), `dsacls "` + ou + `" /I:T /G "CORP\acct$:RPWP;proxyAddresses"`},
		{"children of one class, one level below", grant(ou, children, sddl.CreateChild|sddl.DeleteChild, user, none), `dsacls "` + ou + `" /I:P /G "CORP\acct$:CCDC;user"`},
		{"an extended right", grant(ou, descendants, sddl.ControlAccess, resetPassword, user), `dsacls "` + ou + `" /I:S /G "CORP\acct$:CA;User Force Change Password;user"`},
		{"a property set", grant(ou, descendants, sddl.ReadProperty, webInformation, user), `dsacls "` + ou + `" /I:S /G "CORP\acct$:RP;Web Information;user"`},
		{"a validated write has a name of its own", grant(ou, thisObject, sddl.WriteSelf, spn, none), `dsacls "` + ou + `" /G "CORP\acct$:WS;Validated SPN"`},
		{"the attribute of the same GUID has the attribute's", grant(ou, thisObject, sddl.WriteProperty, spn, none), `dsacls "` + ou + `" /G "CORP\acct$:WP;servicePrincipalName"`},
		{"every letter", grant(ou, thisObject, sddl.FullControl&^sddl.ListObject, none, none), `dsacls "` + ou + `" /G "CORP\acct$:SDDTRCWDWOLCCCDCWSRPWPCA"`},
		{"the last letter", grant(ou, thisObject, sddl.ListObject, none, none), `dsacls "` + ou + `" /G "CORP\acct$:LO"`},
		{"what means nothing between double quotes", grant(`OU=a\,b & c|d <e> (f)^g'h,DC=corp,DC=example`, thisObject, sddl.Delete, none, none), `dsacls "OU=a\,b & c|d <e> (f)^g'h,DC=corp,DC=example" /G "CORP\acct$:SD"`},
		{"letters of other scripts", grant("OU=Büro サーバー,DC=corp,DC=example", thisObject, sddl.Delete, none, none), `dsacls "OU=Büro サーバー,DC=corp,DC=example" /G "CORP\acct$:SD"`},
	} {
		got, err := Dsacls(account, []Grant{c.grant}, s)
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s:\n got %q, %v\nwant %s", c.name, got, err, c.want)
		}
	}
	got, err := Dsacls("S-1-5-21-1-2-3-1104", []Grant{grant(ou, thisObject, sddl.Delete, none, none)}, s)
	if want := `dsacls "` + ou + `" /G "S-1-5-21-1-2-3-1104:SD"`; err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("a SID: got %q, %v, want %s", got, err, want)
	}
}

func TestDsaclsRefuses(t *testing.T) {
	s := demoSchema(t)
	at := func(dn string) Grant { return grant(dn, thisObject, sddl.Delete, none, none) }
	for _, c := range []struct {
		name, account string
		grant         Grant
		want          string
	}{
		{"a double quote in a DN", account, at(`OU=a\"&calc&\",DC=x`), "cannot be quoted"},
		{"a percent sign", account, at("OU=%TEMP%,DC=x"), "cannot be quoted"},
		{"an exclamation mark", account, at("OU=!a!,DC=x"), "cannot be quoted"},
		{"a line break", account, at("OU=a\ncalc,DC=x"), "cannot be quoted"},
		{"a carriage return", account, at("OU=a\rcalc,DC=x"), "cannot be quoted"},
		{"a NUL", account, at("OU=a\x00,DC=x"), "cannot be quoted"},
		{"a DEL", account, at("OU=a\x7f,DC=x"), "cannot be quoted"},
		{"a control character of Latin 1", account, at("OU=a\u0085,DC=x"), "cannot be quoted"},
		{"a backslash at the end", account, at(`OU=a,DC=x\`), "before a quote"},
		{"a letter of another code page at the end", account, at(`OU=a,DC=ä`), "before a quote"},
		{"a fullwidth quotation mark", account, at("OU=a＂ /G evil:GA,DC=x"), "cannot be quoted"},
		{"a curly quote", account, at("OU=a”,DC=x"), "cannot be quoted"},
		{"a modifier letter that becomes a quote", account, at("OU=aʺ,DC=x"), "cannot be quoted"},
		{"a click that becomes an exclamation mark", account, at("OU=aǃ,DC=x"), "cannot be quoted"},
		{"text that runs backwards", account, at("OU=a\u202e,DC=x"), "cannot be quoted"},
		{"bytes that are not UTF-8", account, at("OU=a\xff,DC=x"), "cannot be quoted"},
		{"what PowerShell would run", account, at("OU=$(calc),DC=x"), "cannot be quoted"},
		{"what PowerShell takes for an escape", account, at("OU=`,DC=x"), "cannot be quoted"},
		{"a slash", account, at("OU=a/b,DC=x"), "cannot be quoted"},
		{"a server before the DN", account, at(`\\evil\OU=a,DC=x`), "not a DN"},
		{"an option for a DN", account, at("-S=a,DC=x"), "like an option"},
		{"no DN", account, at(""), "not a DN"},
		{"a DN that is too long", account, at("OU=" + strings.Repeat("a", 9000) + ",DC=x"), "8191"},
		{"no account", "", at(ou), "no account"},
		{"a double quote in the account", `a" /G "evil`, at(ou), "cannot be quoted"},
		{"a percent sign in the account", `%a%`, at(ou), "cannot be quoted"},
		{"an account that says what it is granted", `Everyone:GA;`, at(ou), "cannot be quoted"},
		{"an option for an account", `/N`, at(ou), "cannot be quoted"},
		{"an unknown attribute", account, grant(ou, thisObject, readWrite, unknown, none), "use the PowerShell script"},
		{"an unknown class", account, grant(ou, descendants, readWrite, none, unknown), "no class of the GUID"},
		{"a class that is an attribute", account, grant(ou, descendants, readWrite, none, proxyAddresses), "no class of the GUID"},
		{"control access to an attribute", account, grant(ou, thisObject, sddl.ControlAccess, proxyAddresses, none), "no extended right of the GUID"},
		{"two names for one GUID", account, grant(ou, thisObject, sddl.WriteProperty|sddl.WriteSelf, spn, none), "for one right and"},
		{"children and below them nothing, and here", account, grant(ou, selfAndChildren, sddl.Delete, none, none), "no option for the flags 0x06"},
	} {
		got, err := Dsacls(c.account, []Grant{c.grant}, s)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", c.name, got, err, c.want)
		}
	}
}

func TestBothRefuse(t *testing.T) {
	s := demoSchema(t)
	change := func(f func(*sddl.ACE)) Grant {
		g := grant(ou, descendants, readWrite, proxyAddresses, user)
		f(&g.ACE)
		return g
	}
	for _, c := range []struct {
		name  string
		grant Grant
		want  string
	}{
		{"a deny", change(func(a *sddl.ACE) { a.Type = sddl.DenyObject }), "not an unconditional allow"},
		{"a condition", change(func(a *sddl.ACE) { a.Type = sddl.AllowCallbackObject }), "not an unconditional allow"},
		{"an audit", change(func(a *sddl.ACE) { a.Type = sddl.AuditObject }), "not an unconditional allow"},
		{"an unknown type", change(func(a *sddl.ACE) { a.Type = 0x99 }), "not an unconditional allow"},
		{"an inherited entry", change(func(a *sddl.ACE) { a.Flags |= sddl.Inherited }), "inherited"},
		{"GUIDs of a plain entry", change(func(a *sddl.ACE) { a.Type = sddl.Allow }), "contradict"},
		{"a GUID without its flag", change(func(a *sddl.ACE) { a.ObjectFlags = 2 }), "contradict"},
		{"a flag without its GUID", change(func(a *sddl.ACE) { a.ObjectType = none }), "contradict"},
		{"an unknown flag", change(func(a *sddl.ACE) { a.ObjectFlags |= 4 }), "contradict"},
		{"bytes behind", change(func(a *sddl.ACE) { a.Data = "artx" }), "contradict"},
		{"no rights", change(func(a *sddl.ACE) { a.Mask = 0 }), "mask 0x0"},
		{"a generic right", change(func(a *sddl.ACE) { a.Mask = sddl.GenericAll }), "mask 0x10000000"},
		{"the SACL", change(func(a *sddl.ACE) { a.Mask |= sddl.SystemSecurity }), "mask 0x1000030"},
		{"a GUID that would be dropped", change(func(a *sddl.ACE) { a.Mask = sddl.Delete }), "about the whole object"},
		{"a class that would be dropped", change(func(a *sddl.ACE) { a.Flags = 0 }), "not inherited"},
		{"inheritance by what is no container", change(func(a *sddl.ACE) { a.Flags |= sddl.ObjectInherit }), "flags 0x0b"},
		{"an audit flag", change(func(a *sddl.ACE) { a.Flags |= sddl.FailedAccess }), "flags 0x8a"},
		{"inheritance by nothing", grant(ou, sddl.InheritOnly, readWrite, none, none), "flags 0x08"},
	} {
		if got, err := Dsacls(account, []Grant{c.grant}, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", c.name, got, err, c.want)
		}
		if got, err := PowerShell(account, []Grant{c.grant}, s.NameOf); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", c.name, got, err, c.want)
		}
	}
}

func TestPowerShellRefuses(t *testing.T) {
	g := []Grant{grant(ou, thisObject, sddl.Delete, none, none)}
	for _, c := range []struct {
		name, account string
		grants        []Grant
		want          string
	}{
		{"no account", "", g, "no account"},
		{"an account of other bytes", "a\xff", g, "not UTF-8"},
		{"a DN of other bytes", account, []Grant{grant("OU=\xff,DC=x", thisObject, sddl.Delete, none, none)}, "not UTF-8"},
		{"no DN", account, []Grant{grant("x", thisObject, sddl.Delete, none, none)}, "not a DN"},
	} {
		if got, err := PowerShell(c.account, c.grants, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", c.name, got, err, c.want)
		}
	}
	if got, err := PowerShell(account, nil, nil); got != "" || err != nil {
		t.Errorf("no grants: got %q, %v", got, err)
	}
}

func TestAnEntryOfAnObjectTypeWithoutGUIDsIsPlain(t *testing.T) {
	g := grant(ou, thisObject, sddl.Delete, none, none)
	g.ACE.Type = sddl.AllowObject
	if got, err := Dsacls(account, []Grant{g}, demoSchema(t)); err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

// Two DNs are each two grants, one after the other or not.
func golden() []Grant {
	return []Grant{
		grant(ou, descendants, readWrite, proxyAddresses, user),
		grant("CN=AdminSDHolder,CN=System,DC=corp,DC=example", thisObject, readWrite, proxyAddresses, none),
		grant(ou, descendants, sddl.FullControl, none, group),
		grant(`OU=O'Brien\, Büro,DC=corp,DC=example`, all, sddl.ControlAccess, resetPassword, user),
		grant(`OU=O'Brien\, Büro,DC=corp,DC=example`, children, sddl.WriteSelf, spn, none),
	}
}

func TestGolden(t *testing.T) {
	s := demoSchema(t)
	lines, err := Dsacls(account, golden(), s)
	if err != nil {
		t.Fatal(err)
	}
	// What dsacls does not take.
	more := append(golden(), grant("OU=a/b\u2019; calc #,DC=corp,DC=example", selfAndChildren, sddl.ReadProperty, unknown, none))
	script, err := PowerShell(account, more, s.NameOf)
	if err != nil {
		t.Fatal(err)
	}
	bySID, err := PowerShell("S-1-5-21-1-2-3-1104", golden()[:1], nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"dsacls":     strings.Join(lines, "\n") + "\n",
		"powershell": script,
		"sid":        bySID,
	} {
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("differs from %s; after a look, go test -update:\n%s", path, got)
		}
	}
}

func TestNamesEndNoComment(t *testing.T) {
	for _, name := range []string{"a\ncalc", "a\rcalc", "a#>calc", "a\u2028calc", "ö\u0085calc", "a\x00\x1b\tcalc", "a\xffcalc"} {
		script, err := PowerShell(account, []Grant{grant(ou, descendants, readWrite, proxyAddresses, user)}, func(sddl.GUID) string { return name })
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := PowerShell(account, []Grant{grant(ou, descendants, readWrite, proxyAddresses, user)}, nil)
		if strings.Count(script, "\n") != strings.Count(plain, "\n") || strings.Contains(script, "#>") || !isASCII(script) {
			t.Errorf("%q: got %s", name, script)
		}
	}
}

func TestADSPath(t *testing.T) {
	for _, c := range []struct{ dn, want string }{
		{"OU=a,DC=x", "OU=a,DC=x"},
		{"OU=a/b,DC=x", `OU=a\/b,DC=x`},
		{`OU=a\/b,DC=x`, `OU=a\/b,DC=x`},
		{`OU=a\\/b,DC=x`, `OU=a\\\/b,DC=x`},
		{`OU=a\,/b,DC=x`, `OU=a\,\/b,DC=x`},
		{"OU=//,DC=x", `OU=\/\/,DC=x`},
	} {
		if got := adsPath(c.dn); got != c.want {
			t.Errorf("%s: got %s, want %s", c.dn, got, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "''"},
		{"a", "'a'"},
		{"O'Brien", "'O''Brien'"},
		{"''", "''''''"},
		{"$(calc) `n \" ; # %", "'$(calc) `n \" ; # %'"},
		{"\u2019; calc", "('' + [char]0x2019 + '; calc')"},
		{"B\u00fcro", "('B' + [char]0x00FC + 'ro')"},
		{"\u00d2", "('' + [char]0x00D2)"}, // its UTF-8 ends in 0x92, a curly quote in Windows-1252
		{"\U0001f600", "('' + [char]0xD83D + [char]0xDE00)"},
		{"a\r\n\x00", "('a' + [char]0x000D + [char]0x000A + [char]0x0000)"},
	} {
		if got := quote(c.text); got != c.want {
			t.Errorf("%q: got %s, want %s", c.text, got, c.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "a", "'", "''", "\u2018\u2019\u201a\u201b", "'\u2019", "a\nb", "\u00d2", "\U0001f600", "') + [char]0x41 + ('", "\x00", "\x7f", "LDAP://OU=O'Brien,DC=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		quoted := quote(text)
		if got, ok := unquote(quoted); !ok || got != text {
			t.Errorf("%q is quoted as %s, which is %q, %v", text, quoted, got, ok)
		}
		if !isASCII(quoted) {
			t.Errorf("%q is quoted as %q, which is not ASCII", text, quoted)
		}
	})
}

// FuzzDsacls reads the command as cmd.exe and the C runtime do, which agree where there is
// nothing between the quotes that either escapes.
func FuzzDsacls(f *testing.F) {
	for _, seed := range []string{ou, `OU=a\,DC=x\`, `OU="a",DC=x`, "OU=%a%,DC=x", "OU=a^,DC=x", "OU=＂,DC=x"} {
		f.Add(seed, account)
	}
	f.Add(ou, `a" "b`)
	f.Fuzz(func(t *testing.T, dn, account string) {
		lines, err := Dsacls(account, []Grant{grant(dn, thisObject, sddl.Delete, none, none)}, nil)
		if err != nil {
			return
		}
		name, _ := principal(account)
		parts := strings.Split(lines[0], `"`)
		if len(parts) != 5 || parts[0] != "dsacls " || parts[1] != dn || parts[2] != " /G " || parts[3] != name+":SD" || parts[4] != "" {
			t.Errorf("%q, %q: got %s", dn, account, lines[0])
		}
		if strings.ContainsAny(lines[0], "%!\r\n\x00") || strings.HasSuffix(parts[1], `\`) {
			t.Errorf("%q, %q: got %q", dn, account, lines[0])
		}
	})
}

// unquote reads strings and characters joined by +, as PowerShell does: any of five
// quotes ends a string, unless another follows, which then stands for itself. about_Quoting_Rules.
func unquote(expression string) (string, bool) {
	if inner, ok := strings.CutPrefix(expression, "("); ok {
		if expression, ok = strings.CutSuffix(inner, ")"); !ok {
			return "", false
		}
	}
	isQuote := func(r rune) bool { return strings.ContainsRune("'\u2018\u2019\u201a\u201b", r) }
	rest := []rune(expression)
	var units []uint16
	for first := true; ; first = false {
		const char = "[char]0x"
		switch {
		case len(rest) > 0 && isQuote(rest[0]):
			rest = rest[1:]
			for {
				if len(rest) == 0 {
					return "", false
				}
				r := rest[0]
				rest = rest[1:]
				if isQuote(r) {
					if len(rest) == 0 || !isQuote(rest[0]) {
						break
					}
					r, rest = rest[0], rest[1:]
				}
				units = utf16.AppendRune(units, r)
			}
		// A string is added to, a character is not.
		case !first && len(rest) >= len(char)+4 && string(rest[:len(char)]) == char:
			n, err := strconv.ParseUint(string(rest[len(char):len(char)+4]), 16, 16)
			if err != nil {
				return "", false
			}
			units, rest = append(units, uint16(n)), rest[len(char)+4:]
		default:
			return "", false
		}
		if len(rest) == 0 {
			return string(utf16.Decode(units)), true
		}
		if len(rest) < 3 || string(rest[:3]) != " + " {
			return "", false
		}
		rest = rest[3:]
	}
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}
