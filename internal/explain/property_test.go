package explain

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// randomACEs are entries in canonical order.
func randomACEs(t *testing.T, r *rand.Rand) []sddl.ACE {
	t.Helper()
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var denies, allows, inherited []sddl.ACE
	for range r.IntN(7) {
		kind := pick("A", "D", "OA", "OD", "A", "OA", "XA")
		flags := pick("", "", "CI", "CIIO", "CIID", "CIIOID", "ID")
		object, class, condition := "", "", ""
		if strings.HasPrefix(kind, "O") {
			object, class = pick("", member, description, personal, classGroup, resetRight, spn), pick("", "", classGroup, classUser)
		}
		if kind == "XA" {
			condition = `;(@User.Title=="PM")`
		}
		text := "(" + kind + ";" + flags + ";" + pick("WP", "RP", "RPWP", "CR", "SW", "SD", "WD", "LCRC", "GA", "CCDC", "WO", "DTSD") + ";" + object + ";" + class + ";" +
			expand.Replace(pick("AGENT", "AGENT", "TEAM", "AU", "OTHER", "PS", "OW", "CO")) + condition + ")"
		a, err := sddl.ParseACEText(text, sddl.Aliases{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		switch {
		case a.IsInherited():
			inherited = append(inherited, a)
		case a.Type.IsDeny():
			denies = append(denies, a)
		default:
			allows = append(allows, a)
		}
	}
	return slices.Concat(denies, allows, inherited)
}

// On random descriptors: what is proposed and then done grants it; where nothing is said
// to help, not even full control does.
func TestChangesOfRandomDescriptors(t *testing.T) {
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open}, thing{dn: team, class: "group", sddl: open})
	e, err := New(t.Context(), r, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, dn := range []string{ou, team} {
		if _, err := e.Explain(t.Context(), agent, dn, "list"); err != nil {
			t.Fatal(err)
		}
	}
	me, err := sddl.ParseSID(agentSID)
	if err != nil {
		t.Fatal(err)
	}
	everything := sddl.ObjectACE(sddl.Allow, 0, sddl.FullControl, sddl.GUID{}, sddl.GUID{}, me)
	put := func(dn string, dacl *sddl.ACL) {
		o := e.objects[directory.DNKey(dn)]
		o.Descriptor = o.Descriptor.WithDACL(dacl)
	}
	random := rand.New(rand.NewPCG(4, 2))
	rights := []string{"write:member", "read:member", "write:description", "write:info", "write:Personal-Information", "validated-write:member", "delete", "delete-tree", "list",
		"read-permissions", "write-dacl", "write-owner", "full-control", "extended:Allowed-To-Authenticate", "delete-child:user"}
	counts := map[string]int{}
	for range 4000 {
		dacls := map[string]*sddl.ACL{ou: {Revision: 4, ACEs: randomACEs(t, random)}, team: {Revision: 4, ACEs: randomACEs(t, random)}}
		for dn, dacl := range dacls {
			put(dn, dacl)
		}
		right := rights[random.IntN(len(rights))]
		ask := func() *Explanation {
			x, err := e.Explain(t.Context(), agent, team, right)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		x := ask()
		counts[x.Effect]++
		switch {
		case x.Granted():
			if x.Change != nil {
				t.Errorf("%s is granted and a change is proposed", right)
			}
			continue
		case x.Change == nil:
			t.Errorf("%s is %s, and nothing is said of a change", right, x.Effect)
			continue
		case x.Change.Helps:
			counts["helps"]++
			for _, add := range x.Change.Add {
				a, err := sddl.ParseACEText(add.SDDL, sddl.Aliases{})
				if err != nil {
					t.Fatal(err)
				}
				with, err := dacls[add.Object].WithAllows(a)
				if err != nil {
					t.Fatal(err)
				}
				dacls[add.Object] = with
				put(add.Object, with)
			}
			if after := ask(); !after.Granted() {
				t.Errorf("%s: with %+v it is %s: %s", right, x.Change.Add, after.Effect, after.Why)
			}
		default:
			counts["does not help"]++
			for dn, dacl := range dacls {
				with, err := dacl.WithAllows(everything)
				if err != nil {
					t.Fatal(err)
				}
				put(dn, with)
			}
			if after := ask(); after.Granted() {
				t.Errorf("%s: nothing is said to help (%s), but full control does", right, x.Change.Why)
			}
		}
	}
	t.Log(counts)
	for _, what := range []string{"granted", "denied", "not-granted", "partial", "conditional", "helps", "does not help"} {
		if counts[what] < 20 {
			t.Errorf("%s: only %d times", what, counts[what])
		}
	}
}

func FuzzExplain(f *testing.F) {
	for _, v := range Rights() {
		f.Add(agent, "OU=Sales,OU=Sync,"+head, v)
	}
	f.Add(agent, "OU=Sales,OU=Sync,"+head, "read:member")
	f.Add("S-1-5-21-1", `CN=a\,b\5c,`+head, "create:{bf967aba-0de6-11d0-a285-00aa003049e2}")
	c, err := demoCapture()
	if err != nil {
		f.Fatal(err)
	}
	e, err := New(f.Context(), c, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, account, dn, right string) {
		x, err := e.Explain(t.Context(), account, dn, right)
		if (x == nil) == (err == nil) {
			t.Errorf("an answer and an error, or neither: %v, %v", x, err)
		}
		if err == nil && (x.Why == "" || x.Effect == "" || x.Granted() == (x.Change != nil) && x.Effect != "unknown") {
			t.Errorf("%+v", x)
		}
	})
}
