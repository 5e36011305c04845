package describe

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func parse(t testing.TB, text string) *sddl.Descriptor {
	t.Helper()
	d, err := sddl.ParseText(text, sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func sid(t testing.TB, text string) sddl.SID {
	t.Helper()
	s, err := sddl.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNamesOfSIDs(t *testing.T) {
	known := Context{Aliases: sddl.Aliases{
		Domain: sid(t, "S-1-5-21-1-2-3"), Forest: sid(t, "S-1-5-21-7-8-9"), Machine: sid(t, "S-1-5-21-4-4-4"),
	}}
	directory := known
	directory.SID = func(s sddl.SID) string {
		return map[string]string{"S-1-5-21-1-2-3-1105": `CORP\agent$`}[s.String()]
	}
	for _, c := range []struct {
		name    string
		context Context
		sid     string
		want    string // for people
		words   string // in an entry
	}{
		{"none is given", known, "", "none", ""},
		{"one that is the same everywhere", Context{}, "S-1-5-18", "SYSTEM (SY, S-1-5-18)", "SYSTEM"},
		{"of the domain", known, "S-1-5-21-1-2-3-512", "Domain Admins (DA, S-1-5-21-1-2-3-512)", "Domain Admins"},
		{"of the forest root domain", known, "S-1-5-21-7-8-9-519", "Enterprise Admins of the forest root domain (EA, S-1-5-21-7-8-9-519)", "Enterprise Admins of the forest root domain"},
		{"the forest root's, not the domain's", known, "S-1-5-21-7-8-9-512", "Domain Admins of the forest root domain (S-1-5-21-7-8-9-512)", "Domain Admins of the forest root domain"},
		{"of the machine", known, "S-1-5-21-4-4-4-500", "Administrator of the machine (LA, S-1-5-21-4-4-4-500)", "Administrator of the machine"},
		{"a machine has no Domain Admins", known, "S-1-5-21-4-4-4-512", "Domain Admins of its domain (S-1-5-21-4-4-4-512)", "S-1-5-21-4-4-4-512 (Domain Admins of its domain)"},
		{"of a domain that nobody named", Context{}, "S-1-5-21-1-2-3-512", "Domain Admins of its domain (S-1-5-21-1-2-3-512)", "S-1-5-21-1-2-3-512 (Domain Admins of its domain)"},
		{"an account that the directory knows", directory, "S-1-5-21-1-2-3-1105", `CORP\agent$ (S-1-5-21-1-2-3-1105)`, `CORP\agent$`},
		{"an account that nobody knows", known, "S-1-5-21-1-2-3-1105", "S-1-5-21-1-2-3-1105", ""},
	} {
		var s sddl.SID
		if c.sid != "" {
			s = sid(t, c.sid)
		}
		if got := c.context.sid(s).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := c.context.Names().SID(s); got != c.words {
			t.Errorf("%s: in words %q, want %q", c.name, got, c.words)
		}
	}
}

// What a directory calls a GUID counts where the base schema has no name for it.
func TestNamesOfGUIDs(t *testing.T) {
	d := parse(t, "D:(OA;;WP;11111111-2222-3333-4444-555555555555;bf967aba-0de6-11d0-a285-00aa003049e2;WD)")
	c := Context{GUID: func(sddl.GUID) string { return "extensionAttribute99" }}
	got, err := New(d, c)
	if err != nil {
		t.Fatal(err)
	}
	ace := got.DACL.ACEs[0]
	if want := "Allow Everyone: Write extensionAttribute99; this object only"; ace.Words != want {
		t.Errorf("%q, want %q", ace.Words, want)
	}
	if want := []Name{{Name: "extensionAttribute99"}}; !slices.Equal(ace.ObjectType.Names, want) {
		t.Errorf("%v, want %v", ace.ObjectType.Names, want)
	}
	if want := []Name{{Kind: "class", Name: "user"}}; !slices.Equal(ace.InheritedObjectType.Names, want) {
		t.Errorf("%v, want %v", ace.InheritedObjectType.Names, want)
	}
}

func TestWhatHasNoBytes(t *testing.T) {
	d := parse(t, "D:(A;;GA;;;SY)")
	d.DACL.ACEs[0].SID = sddl.SID{}
	if _, err := New(d.WithDACL(d.DACL), Context{}); err == nil {
		t.Error("an entry without a SID is described")
	}
}

// Every bit of the control field has a name of its own.
func TestControlBits(t *testing.T) {
	all := Bits(^sddl.Control(0))
	if len(all) != 16 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 16 || slices.Contains(all, "") {
		t.Errorf("%d names: %v", len(all), all)
	}
	want := []string{"DACLPresent", "DACLProtected", "SelfRelative"}
	if got := Bits(sddl.DACLPresent | sddl.DACLProtected | sddl.SelfRelative); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCompareParts(t *testing.T) {
	base := "O:SYG:SYD:AI(A;;GA;;;SY)S:(AU;SA;GA;;;WD)"
	for _, c := range []struct {
		name string
		a, b string
		want string // part: a, b
	}{
		{"the same", base, base, ""},
		{"another owner", "O:SYD:", "O:BAD:", "owner: SYSTEM (SY, S-1-5-18), Administrators (BA, S-1-5-32-544)"},
		{"no owner", "O:SYD:", "D:", "owner: SYSTEM (SY, S-1-5-18), none"},
		{"another group", "G:SYD:", "G:BAD:", "group: SYSTEM (SY, S-1-5-18), Administrators (BA, S-1-5-32-544)"},
		{"protected", "D:", "D:P", "control bit DACLProtected: clear, set"},
		{"protected audit", "S:P", "S:", "control bit SACLProtected: set, clear"},
		{"auto-inherited, both ways", "D:AI", "D:AR", "control bit DACLAutoInheritReq: clear, set; control bit DACLAutoInherited: set, clear"},
		{"no DACL is not an empty one", "O:SY", "O:SYD:", "DACL: absent: everybody has every right, empty: nobody has a right but the owner"},
		{"a null DACL is not an empty one", "D:NO_ACCESS_CONTROL", "D:", "DACL: null: everybody has every right, empty: nobody has a right but the owner"},
		{"a null DACL is not none", "D:NO_ACCESS_CONTROL", "O:SYD:NO_ACCESS_CONTROL", "owner: none, SYSTEM (SY, S-1-5-18)"},
		{"no SACL", "O:SY", "O:SYS:", "SACL: absent, empty"},
	} {
		for _, fromText := range []bool{true, false} {
			d, err := Compare(parse(t, c.a), parse(t, c.b), fromText, Context{})
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, p := range d.Parts {
				// The bits that say that a list is there differ with it, where bits are compared.
				if !strings.HasSuffix(p.Part, "Present") {
					parts = append(parts, p.Part+": "+p.A+", "+p.B)
				}
			}
			if got := strings.Join(parts, "; "); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
			if d.Same != (c.want == "") {
				t.Errorf("%s: same is %t", c.name, d.Same)
			}
		}
	}
}

// What SDDL cannot say counts between bytes only.
func TestCompareWhatSDDLCannotSay(t *testing.T) {
	const text = "O:SYD:(A;;GA;;;SY)S:(AU;SA;GA;;;WD)"
	for name, change := range map[string]func(*sddl.Descriptor){
		"a revision of an ACL":    func(d *sddl.Descriptor) { d.DACL.Revision = 4 },
		"slack":                   func(d *sddl.Descriptor) { d.DACL.Slack = "\x00\x00\x00\x00" },
		"reserved bytes":          func(d *sddl.Descriptor) { d.SACL.Sbz2 = 1 },
		"a resource manager byte": func(d *sddl.Descriptor) { d.Sbz1 = 1 },
		"a defaulted owner":       func(d *sddl.Descriptor) { d.Control |= sddl.OwnerDefaulted },
		"a resource manager bit":  func(d *sddl.Descriptor) { d.Control |= sddl.RMControlValid },
	} {
		a, b := parse(t, text), parse(t, text)
		change(b)
		for _, fromText := range []bool{true, false} {
			d, err := Compare(a, b, fromText, Context{})
			if err != nil {
				t.Fatal(err)
			}
			if d.Same != fromText || d.AsSDDL != fromText || fromText && len(d.Notes) != 1 {
				t.Errorf("%s, one of them SDDL %t: same is %t; %v, %v", name, fromText, d.Same, d.Parts, d.Notes)
			}
		}
	}
}

// Whatever becomes of a list, the answer accounts for each entry of both, and says that
// something moved exactly where the order of what both have is another.
func TestCompareAccountsForEveryEntry(t *testing.T) {
	kinds := parse(t, "D:(A;;GA;;;SY)(D;;SD;;;WD)(A;;RP;;;AU)(A;CI;RP;;;AU)(A;;WP;;;BA)").DACL.ACEs
	rnd := rand.New(rand.NewPCG(5, 6))
	list := func() []sddl.ACE {
		out := make([]sddl.ACE, rnd.IntN(9))
		for i := range out {
			out[i] = kinds[rnd.IntN(len(kinds))]
		}
		return out
	}
	for range 5000 {
		a, b := list(), list()
		diff := &Difference{}
		changes := diff.entries(&sddl.ACL{ACEs: a}, &sddl.ACL{ACEs: b}, rnd.IntN(2) == 0, Context{})
		s := diff.Summary
		if s.OnlyInA+s.Common != len(a) || s.OnlyInB+s.Common != len(b) {
			t.Fatalf("%v, %v: %+v", a, b, s)
		}
		// Without what changed the two are the same.
		restA, restB := slices.Clone(a), slices.Clone(b)
		for _, c := range changes {
			if c.A > 0 {
				restA[c.A-1] = sddl.ACE{}
			}
			if c.B > 0 {
				restB[c.B-1] = sddl.ACE{}
			}
		}
		none := func(e sddl.ACE) bool { return e == sddl.ACE{} }
		restA, restB = slices.DeleteFunc(restA, none), slices.DeleteFunc(restB, none)
		if !slices.Equal(restA, restB) || len(restA) != s.Common-s.Moved {
			t.Fatalf("%v, %v: what stays is %v and %v; %+v", a, b, restA, restB, s)
		}
		if slices.Equal(a, b) != (len(changes) == 0) {
			t.Fatalf("%v, %v: %v", a, b, changes)
		}
	}
}

func TestLongestRising(t *testing.T) {
	for _, c := range []struct {
		order []int
		moved int
	}{
		{nil, 0},
		{[]int{0}, 0},
		{[]int{0, 1, 2}, 0},
		{[]int{2, 0, 1}, 1},
		{[]int{1, 2, 0}, 1},
		{[]int{2, 1, 0}, 2},
		{[]int{0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}, 10},
	} {
		var places [][2]int
		for i, b := range c.order {
			places = append(places, [2]int{i, b})
		}
		moved, last := 0, -1
		for i, stays := range longestRising(places) {
			switch {
			case !stays:
				moved++
			case c.order[i] < last:
				t.Errorf("%v: %d stays after %d", c.order, c.order[i], last)
			default:
				last = c.order[i]
			}
		}
		if moved != c.moved {
			t.Errorf("%v: %d moved, want %d", c.order, moved, c.moved)
		}
	}
}

// Any bytes that are a descriptor are described, and the description has the bytes.
func FuzzNew(f *testing.F) {
	for _, text := range []string{
		"O:SYG:BAD:PAI(A;;GA;;;SY)(OA;CIIO;RPWP;bf9679c0-0de6-11d0-a285-00aa003049e2;bf967a9c-0de6-11d0-a285-00aa003049e2;WD)",
		"D:(XA;;RP;;;WD;(@User.Title == \"PM\"))S:(RA;;;;;WD;(\"Project\",TS,0,\"a\"))(ML;;NW;;;HI)",
	} {
		b, err := parse(f, text).Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := sddl.Parse(b)
		if err != nil {
			return
		}
		shown, err := New(d, Context{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := base64.StdEncoding.DecodeString(shown.Base64); err != nil || string(got) != string(b) {
			t.Fatalf("%x, %v; want %x", got, err, b)
		}
		if _, err := json.Marshal(shown); err != nil {
			t.Fatal(err)
		}
		same, err := Compare(d, d, false, Context{})
		if err != nil || !same.Same {
			t.Fatalf("not the same as itself: %+v, %v", same, err)
		}
	})
}
