package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func (u *user) showGMSA(code int, name string) *gmsa.Report {
	u.t.Helper()
	r := &gmsa.Report{}
	text := u.want(code, "gmsa", "show", name, "-o", "json").stdout
	if err := json.Unmarshal([]byte(text), r); err != nil {
		u.t.Fatalf("%v in\n%s", err, text)
	}
	return r
}

func finding(t *testing.T, r *gmsa.Report, id, says string) {
	t.Helper()
	if !slices.ContainsFunc(r.Findings, func(f gmsa.Finding) bool { return f.ID == id && strings.Contains(f.What, says) }) {
		t.Errorf("no finding %s that says %q in %+v", id, says, r.Findings)
	}
}

// inDatabase opens the directory beside its database, as db.
const inDatabase = `
import sys
import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm(); lp.load_default()
db = SamDB(url="/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=lp)
`

// setMembership says who may have an account's password, as root beside the database.
func setMembership(t *testing.T, lab *labtest.Lab, dn, sddl string) {
	t.Helper()
	lab.RunInput(t, inDatabase+`
from samba.dcerpc import security
from samba.ndr import ndr_pack
dn, domain, sddl = sys.argv[1:]
m = ldb.Message(); m.dn = ldb.Dn(db, dn)
sd = ndr_pack(security.descriptor.from_sddl(sddl, security.dom_sid(domain)))
m["x"] = ldb.MessageElement(sd, ldb.FLAG_MOD_REPLACE, "msDS-GroupMSAMembership")
db.modify(m)
`, "python3", "-", dn, domainSID(t, lab), sddl)
}

// Who may have the password: nested groups, a foreign principal, a deleted one, a group of 5,000,
// one that everybody is in; and samba-tool says the same of the entries.
func TestGMSAShowRetrievers(t *testing.T) {
	lab := labtest.Require(t)
	agent, _ := computer(t, lab, "ag")
	u := administrator(t, lab)
	account := lab.CreateGMSA(t, "seen")
	// The group goes before its members do: the other way round takes Samba minutes.
	ou := lab.CreateOU(t, "crowd")
	outer, inner, crowd := labtest.Unique("outer"), labtest.Unique("inner"), labtest.Unique("crowd")
	for _, group := range []string{outer, inner, crowd} {
		lab.Run(t, "samba-tool", "group", "add", group, "--group-scope=Domain")
		t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", group) })
	}
	person := lab.CreateUser(t, "person", "Kl3in-und-Gr0ss!")
	foreign := "S-1-5-21-1111-2222-3333-5555"
	lab.Run(t, "samba-tool", "group", "addmembers", outer, inner+","+person.SAMAccountName)
	lab.Run(t, "samba-tool", "group", "addmembers", inner, agent+","+foreign)
	lab.Run(t, "samba-tool", "group", "addmembers", inner, outer) // a circle

	lab.RunInput(t, inDatabase+`
ou, prefix, group = sys.argv[1:]
db.transaction_start()
for i in range(5000):
    db.add({"dn": "CN=c%d,%s" % (i, ou), "objectClass": "computer", "sAMAccountName": "%s%d$" % (prefix, i), "userAccountControl": "4096"})
db.transaction_commit()
m = ldb.Message(); m.dn = ldb.Dn(db, group)
m["x"] = ldb.MessageElement(["CN=c%d,%s" % (i, ou) for i in range(5000)], ldb.FLAG_MOD_ADD, "member")
db.modify(m)
`, "python3", "-", ou, crowd[5:], "CN="+crowd+",CN=Users,"+lab.BaseDN)

	sids := map[string]string{}
	for _, name := range []string{outer, crowd} {
		out := lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+name+")", "objectSid")
		_, rest, _ := strings.Cut(out, "objectSid: ")
		sids[name] = strings.Fields(rest)[0]
	}
	domain := domainSID(t, lab)
	gone := domain + "-99999"
	set := func(sddl string) { setMembership(t, lab, account.DN, sddl) }
	set("O:SYD:(A;;RP;;;" + sids[outer] + ")(A;;0xf01ff;;;" + sids[crowd] + ")(A;;RP;;;" + gone + ")")
	r := u.showGMSA(exitFindings, account.SAMAccountName)
	want := map[string][3]int{outer: {1, 1, 1}, crowd: {5000, 0, 0}}
	for _, e := range r.Readers.Entries {
		if counts, ok := want[e.Name]; ok && [3]int{e.Hosts, e.People, e.Others} != counts {
			t.Errorf("%s: %d hosts, %d people, %d others, want %v", e.Name, e.Hosts, e.People, e.Others, counts)
		}
		delete(want, e.Name)
	}
	if len(want) > 0 || r.Readers.Hosts != 5001 || r.Readers.People != 1 {
		t.Errorf("not there: %v; %d hosts, %d people", want, r.Readers.Hosts, r.Readers.People)
	}
	// The foreign one and the one that is gone: neither hosts nor people.
	if r.Readers.Others != 2 {
		t.Errorf("%d others, want 2", r.Readers.Others)
	}
	finding(t, r, "person-retriever", person.SAMAccountName)
	finding(t, r, "foreign-retriever", foreign)
	finding(t, r, "unresolved-retriever", gone)
	finding(t, r, "account-operators", "Account Operators")

	// samba-tool names the same entries.
	shown := lab.Run(t, "samba-tool", "service-account", "group-msa-membership", "show", "-H", database, "--name="+strings.TrimSuffix(account.SAMAccountName, "$"))
	for _, e := range r.Readers.Entries {
		if !strings.Contains(shown, e.SID) && !strings.Contains(shown, e.DN) {
			t.Errorf("samba-tool does not name %s:\n%s", e.SID, shown)
		}
	}

	for sddl, id := range map[string]string{
		"O:SYD:(A;;RP;;;WD)":                           "wide-retriever",
		"O:SYD:(A;;RP;;;AU)":                           "wide-retriever",
		"O:SYD:(A;;RP;;;" + domain + "-515)":           "wide-retriever",
		"O:SYD:(A;;GA;;;" + domain + "-513)":           "wide-retriever",
		"O:SYD:(D;;RP;;;WD)(A;;RP;;;" + domain + "-9)": "no-host",
	} {
		set(sddl)
		finding(t, u.showGMSA(exitFindings, account.SAMAccountName), id, "")
	}
}

// Who can take an account over, held to what the domain controller says that each of them may
// do there.
func TestGMSAShowHolders(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	account := lab.CreateGMSA(t, "held")
	const secret = "Kl3in-und-Gr0ss!"
	guids := map[string]string{
		"membership": "888eedd6-ce04-df40-b462-b8a50e41ba38", "uac": "bf967a68-0de6-11d0-a285-00aa003049e2", "restrictions": "4c164200-20c0-11d0-a768-00aa006e0529",
		"spn": "f3a64788-5306-11d1-a9c5-0000f80367c1", "key": "5b47d60f-6090-40b2-9f37-2a4de88f3063", "public": "e48d0154-bcf8-11d1-8702-00c04fb96050",
	}
	people := map[string]string{ // to the entries for them
		"dacl": "(A;;WD;;;<>)", "owner": "(A;;WO;;;<>)", "member": "(OA;;WP;" + guids["membership"] + ";;<>)", "uac": "(OA;;WP;" + guids["uac"] + ";;<>)",
		"set": "(OA;;WP;" + guids["restrictions"] + ";;<>)", "spn": "(OA;;WP;" + guids["spn"] + ";;<>)", "valid": "(OA;;SW;" + guids["spn"] + ";;<>)",
		"key": "(OA;;RPWP;" + guids["key"] + ";;<>)", "pub": "(OA;;WP;" + guids["public"] + ";;<>)", "all": "(A;;WP;;;<>)", "full": "(A;;GA;;;<>)",
		"butone": "(OD;;WP;" + guids["membership"] + ";;<>)(A;;WP;;;<>)", "reader": "(A;;RP;;;<>)", "below": "(A;CIIO;GA;;;<>)", "delete": "(A;;SD;;;<>)",
	}
	accounts := map[string]labtest.Account{}
	for name, sddl := range people {
		accounts[name] = lab.CreateUser(t, name, secret)
		lab.Run(t, "samba-tool", "dsacl", "set", "--objectdn", account.DN, "--sddl", strings.ReplaceAll(sddl, "<>", accounts[name].SID))
	}
	r := u.showGMSA(exitFindings, account.SAMAccountName)
	attrs := map[string]string{
		"say who may have its password": "msDS-GroupMSAMembership", "give it a key to log on with": "msDS-KeyCredentialLink",
		"let others act in anybody's name on it": "msDS-AllowedToActOnBehalfOfOtherIdentity", "let it act in anybody's name elsewhere": "msDS-AllowedToDelegateTo",
		"set its account flags": "userAccountControl", "give it a service principal name": "servicePrincipalName", "choose its encryption types": "msDS-SupportedEncryptionTypes",
	}
	password := t.TempDir() + "/password"
	if err := os.WriteFile(password, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, person := range accounts {
		var rights []string
		for _, h := range r.Holders {
			if h.SID == person.SID {
				rights = h.Rights
			}
		}
		s := dialAs(t, lab, person.SAMAccountName, secret)
		found, err := directory.Collect(s.Read(t.Context(), directory.Query{Base: account.DN, Attrs: []string{"allowedAttributesEffective"}}))
		if err != nil {
			t.Fatal(err)
		}
		effective := found[0].Texts("allowedAttributesEffective")
		for words, attr := range attrs {
			really := slices.Contains(effective, attr)
			// Samba counts a validated write as a write there; what it is worth is checked when it is used.
			if name == "valid" && attr == "servicePrincipalName" {
				continue
			}
			says := slices.Contains(rights, words)
			if says != really && attr == "msDS-AllowedToActOnBehalfOfOtherIdentity" {
				// Samba's schema has it as one that only the system writes: who has the right is told that, and
				// who has not, that it is the right that is lacking.
				value := must(gmsa.Membership([]gmsa.Principal{{SID: must(sddl.ParseSID(person.SID))}}))
				var refused *ldapx.ResultError
				err := s.WriteAttribute(t.Context(), account.DN, attr, nil, [][]byte{value})
				really = errors.As(err, &refused) && refused.Code == ldap.LDAPResultConstraintViolation
			}
			if says != really {
				t.Errorf("%s: %q is %v here, and %v for the domain controller", name, words, says, really)
			}
		}
		// Who may change the permissions may write those that are there.
		as := must(directory.LoadTarget(t.Context(), s, account.DN))
		if as.Descriptor == nil {
			t.Fatalf("%s: %s", name, as.Unreadable)
		}
		really := s.WriteDACL(t.Context(), account.DN, must(as.Descriptor.DACLOnly().Append(nil))) == nil
		if says := slices.Contains(rights, "change its permissions"); says != really {
			t.Errorf("%s: may change its permissions is %v here, and %v for the domain controller", name, says, really)
		}
	}
	// An ordinary user who may see the account sees the same.
	reader := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", accounts["reader"].SAMAccountName, "--password-file", password}}
	if got := reader.showGMSA(exitFindings, account.SAMAccountName); len(got.Holders) != len(r.Holders) {
		t.Errorf("an ordinary user is shown %d holders, the administrator %d", len(got.Holders), len(r.Holders))
	}
}

// A group that is kept from whoever reads may hold anybody: live and from a capture.
func TestGMSAShowHiddenGroups(t *testing.T) {
	lab := labtest.Require(t)
	agent, _ := computer(t, lab, "hg")
	account := lab.CreateGMSA(t, "dim")
	const secret = "Kl3in-und-Gr0ss!"
	reader := lab.CreateUser(t, "dimreader", secret)
	password := t.TempDir() + "/password"
	if err := os.WriteFile(password, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	sids, dns := map[string]string{}, map[string]string{}
	for _, name := range []string{"open", "shut", "gone"} {
		group := labtest.Unique(name)
		lab.Run(t, "samba-tool", "group", "add", group, "--group-scope=Domain")
		t.Cleanup(func() { lab.Run(t, "samba-tool", "group", "delete", group) })
		_, rest, _ := strings.Cut(lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+group+")", "objectSid"), "objectSid: ")
		sids[name], dns[name] = strings.Fields(rest)[0], "CN="+group+",CN=Users,"+lab.BaseDN
	}
	_, rest, _ := strings.Cut(lab.Run(t, "ldbsearch", "-H", database, "(sAMAccountName="+agent+")", "objectSid"), "objectSid: ")
	host := strings.Fields(rest)[0]
	deny := func(name, sddl string) {
		lab.Run(t, "samba-tool", "dsacl", "set", "--objectdn", dns[name], "--sddl", strings.ReplaceAll(sddl, "<>", reader.SID))
	}
	deny("shut", "(OD;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;<>)")
	deny("gone", "(D;;RPLCLO;;;<>)")
	live := &user{t: t, dir: t.TempDir(), flags: []string{"--dc", lab.DC, "--user", reader.SAMAccountName, "--password-file", password}}
	for name, id := range map[string]string{"open": "", "shut": "unseen-members", "gone": "unresolved-retriever"} {
		setMembership(t, lab, account.DN, "O:SYD:(A;;RP;;;"+host+")(A;;RP;;;"+sids[name]+")")
		capture := live.dir + "/" + name + ".ldif"
		live.want(exitOK, "collect", "--out", capture)
		taken := &user{t: t, dir: t.TempDir(), flags: []string{"--from", capture}}
		for from, r := range map[string]*gmsa.Report{"live": live.showGMSA(exitFindings, account.SAMAccountName), "capture": taken.showGMSA(exitFindings, account.SAMAccountName)} {
			for _, hidden := range []string{"unseen-members", "unresolved-retriever"} {
				is := slices.ContainsFunc(r.Findings, func(f gmsa.Finding) bool { return f.ID == hidden && f.Unknown })
				if is != (hidden == id) {
					t.Errorf("%s, %s: %s is unknown: %v, want %v", name, from, hidden, is, hidden == id)
				}
			}
		}
	}
}
