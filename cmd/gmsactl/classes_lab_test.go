package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// What audit says of each class, right below the target and deeper, is what the domain
// controller says to the account of new objects of that class there.
func TestClassVerdictsAgreeWithTheDC(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "classes")
	account := lab.CreateUser(t, "cls", "Corr3ct-horse-battery")
	id := account.SAMAccountName[3:]

	const (
		description   = "bf967950-0de6-11d0-a285-00aa003049e2"
		classUser     = "bf967aba-0de6-11d0-a285-00aa003049e2"
		classComputer = "bf967a86-0de6-11d0-a285-00aa003049e2"
		classInetOrg  = "4828cc14-1437-45bc-9b07-ad6f015e5f28"
	)
	lab.RunInput(t, "dn: "+ou+"\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor: "+strings.ReplaceAll(
		"O:DAG:DAD:(OD;CIIO;WP;"+description+";"+classInetOrg+";ME)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;LCRPRC;;;AU)"+
			"(OA;CIIO;WP;"+description+";"+classUser+";ME)(OA;CIIO;WP;"+description+";"+classInetOrg+";ME)(OA;CINPIO;WP;"+description+";"+classComputer+";ME)",
		"ME", account.SID)+"\n", "ldbmodify", "-H", database)
	objects := map[string]map[string]string{} // class to place to DN
	var ldif strings.Builder
	ldif.WriteString("dn: OU=sub," + ou + "\nobjectClass: organizationalUnit\n\n")
	for class, name := range map[string]string{"user": "u", "inetOrgPerson": "i", "computer": "c"} {
		objects[class] = map[string]string{"child": "CN=" + name + "," + ou, "deeper": "CN=" + name + ",OU=sub," + ou}
		for place, dn := range objects[class] {
			sam := name + place[:1] + id
			if class == "computer" {
				sam += "$\nuserAccountControl: 4096"
			}
			ldif.WriteString("dn: " + dn + "\nobjectClass: " + class + "\nsAMAccountName: " + sam + "\n\n")
		}
	}
	lab.RunInput(t, ldif.String(), "ldbadd", "-H", database)

	u := administrator(t, lab)
	rules := "name: test\ntitle: Test\nsource: test\nrules:\n" +
		"  - {id: write-description, rights: [write-property], object: description, scope: descendants, class: user, source: test}\n"
	if err := os.WriteFile(u.file("rules.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	var report audit.Report
	got := u.want(exitOK, "audit", account.SAMAccountName, "--target", ou, "--policy", u.file("rules.yaml"), "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]audit.ClassVerdict{}
	for _, v := range report.Targets[0].Rows[0].Classes {
		verdicts[v.Class] = v
	}
	for class, want := range map[string]string{"user": "granted", "inetOrgPerson": "denied", "computer": "granted (deeper: not-granted)"} {
		if got := verdicts[class].String(); got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}

	s := session(t, lab, account.SAMAccountName, lab.Keytab(t, account.SAMAccountName))
	for class, places := range objects {
		for place, dn := range places {
			found, err := s.LDAP().Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"allowedAttributesEffective"}, nil))
			if err != nil || len(found.Entries) != 1 {
				t.Fatalf("%s: %v", dn, err)
			}
			may := slices.ContainsFunc(found.Entries[0].GetEqualFoldAttributeValues("allowedAttributesEffective"), func(v string) bool { return strings.EqualFold(v, "description") })
			said := verdicts[class].Child
			if place == "deeper" {
				said = verdicts[class].Deeper
			}
			if may != (said == "granted") {
				t.Errorf("%s (%s): the DC lets the account write description: %v; audit says %s", class, place, may, said)
			}
		}
	}
}
