package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
)

const (
	userGUID          = "bf967aba-0de6-11d0-a285-00aa003049e2"
	computerGUID      = "bf967a86-0de6-11d0-a285-00aa003049e2"
	inetOrgPersonGUID = "4828cc14-1437-45bc-9b07-ad6f015e5f28"
	descriptionGUID   = "bf967950-0de6-11d0-a285-00aa003049e2"
)

// A rule for user is judged on user and on each class derived from it, right below the target
// and deeper.
func TestDerivedClassesHaveVerdictsOfTheirOwn(t *testing.T) {
	const rule = "  - {id: r, rights: [write-property], object: description, scope: %s, class: user, why: w, source: s}\n"
	sid := accountSID(t)
	for _, c := range []struct {
		name, scope, dacl string
		want              map[string]string
	}{
		{"an entry for user reaches no derived class", "descendants", "(OA;CIIO;WP;" + descriptionGUID + ";" + userGUID + ";SID)",
			map[string]string{"user": "granted", "inetOrgPerson": "not-granted", "computer": "not-granted", "msDS-GroupManagedServiceAccount": "not-granted"}},
		{"an entry for a derived class reaches just that", "descendants", "(OA;CIIO;WP;" + descriptionGUID + ";" + inetOrgPersonGUID + ";SID)",
			map[string]string{"user": "not-granted", "inetOrgPerson": "granted", "computer": "not-granted"}},
		{"an entry without a class reaches all", "descendants", "(OA;CIIO;WP;" + descriptionGUID + ";;SID)",
			map[string]string{"user": "granted", "inetOrgPerson": "granted", "computer": "granted", "msDS-ManagedServiceAccount": "granted"}},
		{"a deny for a derived class takes it from that only", "descendants", "(OD;CIIO;WP;" + descriptionGUID + ";" + computerGUID + ";SID)(OA;CIIO;WP;" + descriptionGUID + ";;SID)",
			map[string]string{"user": "granted", "inetOrgPerson": "granted", "computer": "denied", "msDS-GroupManagedServiceAccount": "granted"}},
		{"an entry for children only is nothing deeper", "descendants", "(OA;CINPIO;WP;" + descriptionGUID + ";;SID)",
			map[string]string{"user": "granted (deeper: not-granted)", "computer": "granted (deeper: not-granted)"}},
		{"a rule on children has no verdict deeper", "children", "(OA;CINPIO;WP;" + descriptionGUID + ";" + userGUID + ";SID)",
			map[string]string{"user": "granted", "computer": "not-granted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dacl := strings.ReplaceAll(c.dacl, "SID", sid)
			dir := edited{demoCapture(t), with(sales, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:"+dacl)))}
			report := evaluate(t, dir, rules(t, fmt.Sprintf(rule, c.scope)), AcceptGroups, sales)
			row := report.Targets[0].Rows[0]
			got := map[string]string{}
			for _, v := range row.Classes {
				got[v.Class] = v.String()
				if v.Derived == (v.Class == "user") || (v.Deeper == "") != (c.scope == "children") {
					t.Errorf("%+v", v)
				}
			}
			for class, want := range c.want {
				if got[class] != want {
					t.Errorf("%s: %q, want %q", class, got[class], want)
				}
			}
			if len(got) != 6 {
				t.Errorf("verdicts on %v, want user and its five derived classes", got)
			}
			if row.Classes[0].Class != "user" {
				t.Errorf("the first verdict is on %s, want the rule's own class", row.Classes[0].Class)
			}
			// The row is about the rule's own class, in each of its places.
			whole := row.Classes[0].Child == "granted" && (row.Classes[0].Deeper == "" || row.Classes[0].Deeper == "granted")
			if row.Pass != whole {
				t.Errorf("pass %v with %q on the rule's own class", row.Pass, row.Classes[0])
			}
		})
	}
}

func TestVerdictsOnClassesThatAreNotShownAreUnknown(t *testing.T) {
	const rule = "  - {id: r, rights: [write-property], object: description, scope: descendants, class: user, why: w, source: s}\n"
	dir := edited{demoCapture(t), with("inetOrgPerson", "defaultSecurityDescriptor")}
	row := evaluate(t, dir, rules(t, rule), AcceptGroups, sales).Targets[0].Rows[0]
	i := slices.IndexFunc(row.Classes, func(v ClassVerdict) bool { return v.Class == "inetOrgPerson" })
	if i < 0 || row.Classes[i].Child != "unknown" || row.Classes[i].Deeper != "unknown" || row.Classes[i].Why == "" {
		t.Errorf("%+v", row.Classes)
	}
	if row.Classes[0].Child == "unknown" {
		t.Errorf("user is %v, and all of it is shown", row.Classes[0])
	}
	if got := row.DerivedVerdicts(); !strings.Contains(got, "unknown on inetOrgPerson") {
		t.Errorf("in words: %q", got)
	}
}

// What is not about objects of a class has no such verdicts.
func TestRulesWithoutAClassHaveNoVerdictsOnClasses(t *testing.T) {
	for _, rule := range []string{
		"  - {id: r, rights: [read-all-properties], scope: this-object, why: w, source: s}\n",
		"  - {id: r, rights: [create-child, delete-child], object: user, scope: this-object-and-descendants, why: w, source: s}\n",
	} {
		row := evaluate(t, demoCapture(t), rules(t, rule), AcceptGroups, sales).Targets[0].Rows[0]
		if row.Classes != nil {
			t.Errorf("%s: %v", row.Rule, row.Classes)
		}
	}
}

func accountSID(t *testing.T) string {
	t.Helper()
	d, err := directory.LoadDomain(t.Context(), demoCapture(t))
	if err != nil {
		t.Fatal(err)
	}
	a, err := directory.FindAccount(t.Context(), demoCapture(t), d, account)
	if err != nil {
		t.Fatal(err)
	}
	return a.SID.String()
}
