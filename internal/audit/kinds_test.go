package audit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/foresttest"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// live is the demo's capture as a server that shows itself to whoever has these SIDs.
func live(t testing.TB, reader []string, edits ...edit) directory.Reader {
	r := edited{demoCapture(t), func(e *directory.Entry) bool {
		if e.DN == "" {
			a := directory.Attribute{Name: "tokenGroups"}
			for _, sid := range reader {
				a.Values = append(a.Values, foresttest.SID(sid))
			}
			e.Attrs = append(e.Attrs, a)
		}
		return true
	}}
	for _, one := range edits {
		r = edited{r, one}
	}
	return r
}

// recorded is a reader that is a capture, changed.
type recorded struct{ directory.Reader }

func (recorded) Recorded() bool { return true }

// audited is a report by policies that the snapshot was read for.
func audited(t testing.TB, r directory.Reader, policies []*policy.Policy, targets ...string) *Report {
	t.Helper()
	s, err := Load(t.Context(), r, account, targets, policies...)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Evaluate(s, policies, AcceptAny)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// only is the one row of a report.
func only(t testing.TB, r *Report) Row {
	t.Helper()
	var rows []Row
	for _, target := range r.Targets {
		rows = append(rows, target.Rows...)
	}
	if len(rows) != 1 {
		t.Fatalf("%d rows: %+v", len(rows), r.Targets)
	}
	return rows[0]
}

func TestLimits(t *testing.T) {
	const attr = accountDN
	shown := []string{"S-1-5-21-9-9-9-500", "S-1-5-11", domainSID + "-512"}
	open := with(attr, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(A;;GA;;;AU)")))
	partly := with(attr, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(OD;;RP;bf967950-0de6-11d0-a285-00aa003049e2;;AU)(A;;RP;;;AU)")))
	confidential := func(object, flags string) edit { return with(object, "searchFlags", flags) }
	for _, c := range []struct {
		name, limit string
		edits       []edit
		want        string // pass, fail or unknown
	}{
		{"a number that it is", "adminCount, equals: \"1\"", []edit{with(attr, "adminCount", "1")}, "pass"},
		{"a number that it is not", "adminCount, equals: \"1\"", []edit{with(attr, "adminCount", "0")}, "fail"},
		{"the same number in hexadecimal", "adminCount, equals: \"0x10\"", []edit{with(attr, "adminCount", "16")}, "pass"},
		{"a number that is none", "adminCount, without: sixteen", []edit{with(attr, "adminCount", "16")}, "unknown"},
		{"a number without that one, written otherwise", "adminCount, without: \"0x10\"", []edit{with(attr, "adminCount", "16")}, "fail"},
		{"one of several", "adminCount, one-of: [8, 16]", []edit{with(attr, "adminCount", "16")}, "pass"},
		{"none of several", "adminCount, one-of: [8, 24]", []edit{with(attr, "adminCount", "16")}, "fail"},
		{"two values where one is wanted", "servicePrincipalName, equals: a/b", []edit{with(attr, "servicePrincipalName", "a/b", "c/d")}, "fail"},
		{"one of two values", "servicePrincipalName, contains: A/B", []edit{with(attr, "servicePrincipalName", "c/d", "a/b")}, "pass"},
		{"none of two values", "servicePrincipalName, contains: a/b", []edit{with(attr, "servicePrincipalName", "c/d", "e/f")}, "fail"},
		{"without a value that others have", "servicePrincipalName, without: a/b", []edit{with(attr, "servicePrincipalName", "c/d", "e/f")}, "pass"},
		{"without a value that is there", "servicePrincipalName, without: a/b", []edit{with(attr, "servicePrincipalName", "c/d", "A/b")}, "fail"},
		{"at least", "adminCount, at-least: 2", []edit{with(attr, "adminCount", "2")}, "pass"},
		{"not at least", "adminCount, at-least: 2", []edit{with(attr, "adminCount", "1")}, "fail"},
		{"at most", "adminCount, at-most: 2", []edit{with(attr, "adminCount", "2")}, "pass"},
		{"not at most", "adminCount, at-most: 2", []edit{with(attr, "adminCount", "3")}, "fail"},
		{"a number beyond all numbers", "adminCount, at-least: 2", []edit{with(attr, "adminCount", "99999999999999999999")}, "fail"},
		{"two numbers", "adminCount, at-least: 2", []edit{with(attr, "adminCount", "3", "4")}, "fail"},
		{"bits that are set", "userAccountControl, bits-set: 0x1000", []edit{with(attr, "userAccountControl", "4098")}, "pass"},
		{"bits of which one is set", "userAccountControl, bits-set: 0x3000", []edit{with(attr, "userAccountControl", "4098")}, "fail"},
		{"bits that are clear", "userAccountControl, bits-clear: 0x80000", []edit{with(attr, "userAccountControl", "4098")}, "pass"},
		{"bits of which one is not clear", "userAccountControl, bits-clear: 0x1001", []edit{with(attr, "userAccountControl", "4098")}, "fail"},
		{"the highest bit of a negative number", "userAccountControl, bits-set: 0x80000000", []edit{with(attr, "userAccountControl", "-2147483646")}, "pass"},
		{"bits that a negative number has not", "userAccountControl, bits-set: 0x100000000", []edit{with(attr, "userAccountControl", "-2147483646")}, "fail"},
		{"a negative number by its bits", "userAccountControl, equals: \"0x80000002\"", []edit{with(attr, "userAccountControl", "-2147483646")}, "pass"},
		{"a SID", "objectSid, equals: \"${account.sid}\"", nil, "pass"},
		{"another SID", "objectSid, equals: S-1-5-18", nil, "fail"},
		{"a SID in octets", "objectSid, without: 0105", nil, "unknown"},
		{"a SID of the domain", "objectSid, equals: \"${domain.sid}-1105\"", nil, "pass"},
		{"a GUID", "objectGUID, equals: 04030201-0605-0807-090a-0b0c0d0e0f10", []edit{with(attr, "objectGUID", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10")}, "pass"},
		{"octets that look like text", "objectGUID, without: 6162636465666768696a6b6c6d6e6f70", []edit{with(attr, "objectGUID", "abcdefghijklmnop")}, "fail"},
		{"octets that are given as text", "objectGUID, without: abcdefghijklmnop", []edit{with(attr, "objectGUID", "abcdefghijklmnop")}, "unknown"},
		{"a DN by another spelling", "memberOf, without: \"CN=Agents,${domain.dn}\"", []edit{with(attr, "memberOf", `cn=A\67ents, dc=corp,DC=example`)}, "fail"},
		{"a DN that is not there", "memberOf, without: \"CN=Others,${domain.dn}\"", []edit{with(attr, "memberOf", "CN=Agents,"+head)}, "pass"},
		{"no DN", "memberOf, without: Agents", []edit{with(attr, "memberOf", "CN=Agents,"+head)}, "unknown"},
		{"a name of the account", "sAMAccountName, equals: \"${account.name}\"", nil, "pass"},
		{"present", "sAMAccountName, present: true", nil, "pass"},
		{"absent and there", "sAMAccountName, absent: true", nil, "fail"},
		{"absent where everything is shown", "description, absent: true", []edit{open, with(attr, "description")}, "pass"},
		{"without where everything is shown", "description, without: x", []edit{open, with(attr, "description")}, "pass"},
		{"no bits where everything is shown", "adminCount, bits-clear: 1", []edit{open, with(attr, "adminCount")}, "pass"},
		{"present where it has none", "description, present: true", []edit{open, with(attr, "description")}, "fail"},
		{"at least where it has none", "adminCount, at-least: 1", []edit{open, with(attr, "adminCount")}, "fail"},
		{"absent where this one is denied", "description, absent: true", []edit{partly, with(attr, "description")}, "unknown"},
		{"present where this one is denied", "description, present: true", []edit{partly, with(attr, "description")}, "unknown"},
		{"absent where another one is denied", "adminCount, absent: true", []edit{partly, with(attr, "adminCount")}, "pass"},
		{"absent where the permissions are not shown", "description, absent: true", []edit{with(attr, "nTSecurityDescriptor"), with(attr, "description")}, "unknown"},
		{"a value where the permissions are not shown", "description, equals: x", []edit{with(attr, "nTSecurityDescriptor"), with(attr, "description", "x")}, "pass"},
		{"absent and confidential, with the right to see it", "description, absent: true", []edit{open, with(attr, "description"), confidential("description", "128")}, "pass"},
		{"absent and confidential, without", "description, absent: true", []edit{with(attr, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(A;;RP;;;AU)"))), with(attr, "description"), confidential("description", "128")}, "unknown"},
		{"absent and computed", "description, absent: true", []edit{open, with(attr, "description"), with("description", "systemFlags", "20")}, "unknown"},
		{"absent and secret", "unicodePwd, absent: true", []edit{open, with(attr, "unicodePwd")}, "unknown"},
		{"absent, and its definition is not shown to the one who reads", "description, absent: true", []edit{open, with(attr, "description"), func(e *directory.Entry) bool {
			return e.Text("lDAPDisplayName") != "description" || e.Value("schemaIDGUID") != nil
		}}, "unknown"},
		{"nobody knows who reads", "description, absent: true", []edit{open, with(attr, "description"), func(e *directory.Entry) bool {
			if e.DN == "" {
				e.Attrs = slices.DeleteFunc(e.Attrs, func(a directory.Attribute) bool { return a.Name == "tokenGroups" })
			}
			return true
		}}, "unknown"},
		{"one limit holds and the other one is not shown", "adminCount, equals: \"1\"}, {attribute: description, absent: true", []edit{partly, with(attr, "adminCount", "1"), with(attr, "description")}, "unknown"},
		{"one limit does not hold and the other one is not shown", "adminCount, equals: \"1\"}, {attribute: description, absent: true", []edit{partly, with(attr, "adminCount", "2"), with(attr, "description")}, "fail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := only(t, audited(t, live(t, shown, c.edits...), rules(t, "  - {id: r, limits: [{attribute: "+c.limit+"}], source: t}\n")))
			if row.Result() != c.want || row.Pass != (row.Why == "") {
				t.Errorf("%s, %q, want %s", row.Result(), row.Why, c.want)
			}
		})
	}
	absent := rules(t, "  - {id: r, limits: [{attribute: description, absent: true}], source: t}\n")
	t.Run("a capture does not tell what nobody asked", func(t *testing.T) {
		if row := only(t, audited(t, recorded{live(t, shown, open, with(attr, "description"))}, absent)); row.Result() != "unknown" {
			t.Errorf("%+v", row)
		}
	})
	t.Run("what a read-only controller is kept from", func(t *testing.T) {
		readOnly := func(e *directory.Entry) bool {
			if e.DN == "" {
				e.Attrs = append([]directory.Attribute{{Name: "supportedCapabilities", Values: [][]byte{[]byte("1.2.840.113556.1.4.1920")}}}, e.Attrs...)
			}
			return true
		}
		for flags, want := range map[string]string{"512": "unknown", "0": "pass"} {
			if row := only(t, audited(t, live(t, shown, open, with(attr, "description"), readOnly, confidential("description", flags)), absent)); row.Result() != want {
				t.Errorf("searchFlags %s: %+v", flags, row)
			}
		}
	})
	t.Run("what was not read for the policy that judges", func(t *testing.T) {
		s, err := Load(t.Context(), live(t, shown, open), account, nil, rules(t, "  - {id: r, limits: [{attribute: adminCount, present: true}], source: t}\n")...)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(s, absent, AcceptAny)
		if err != nil || only(t, r).Result() != "unknown" {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("an account that is yet to be made", func(t *testing.T) {
		policies := rules(t, "  - {id: r, limits: [{attribute: objectSid, without: \"${account.sid}\"}], target: domain-root, source: t}\n  - {id: s, limits: [{attribute: objectSid, present: true}], source: t}\n")
		s, err := LoadFuture(t.Context(), live(t, shown), "CN=new,"+head, "new$", nil, policies...)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(s, policies, AcceptAny)
		if err != nil || r.Summary.Unknown != 2 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A back link shows no groups of other domains.
func TestGroupsOfOtherDomainsAreNotShown(t *testing.T) {
	f := twoDomains(t, func(parent, child *foresttest.Entries) {
		parent.Set(foresttest.Account, "memberOf", "CN=Agents,"+foresttest.Parent)
	})
	for limit, want := range map[string]string{
		"without: \"CN=Others," + foresttest.Child + "\"": "unknown", "without: \"CN=Agents," + foresttest.Parent + "\"": "fail",
		"contains: \"CN=Agents," + foresttest.Parent + "\"": "pass", "contains: \"CN=Others," + foresttest.Child + "\"": "unknown", "absent: true": "fail",
	} {
		if row := only(t, audited(t, f.Places[0].Reader, rules(t, "  - {id: r, limits: [{attribute: memberOf, "+limit+"}], source: t}\n"))); row.Result() != want {
			t.Errorf("%s: %+v", limit, row)
		}
	}
}

func TestExactDACL(t *testing.T) {
	const locked = "protected: true, entries: [\"(A;;GA;;;SY)\", \"(A;;GA;;;DA)\"]"
	const da = domainSID + "-512"
	for _, c := range []struct {
		name, rule, descriptor string
		want                   string
		why                    string
	}{
		{"just what is listed", locked, "O:" + da + "G:BAD:P(A;;GA;;;SY)(A;;GA;;;" + da + ")", "pass", ""},
		{"generic rights that were mapped", locked, "O:" + da + "G:BAD:P(A;;0xf01ff;;;SY)(A;;0xf01ff;;;" + da + ")", "pass", ""},
		{"an object entry without GUIDs", locked, "O:" + da + "G:BAD:P(OA;;GA;;;SY)(A;;GA;;;" + da + ")", "pass", ""},
		{"less than what is listed", locked, "O:" + da + "G:BAD:P(A;;RP;;;SY)(A;;GA;;;" + da + ")", "pass", ""},
		{"a deny besides", locked, "O:" + da + "G:BAD:P(D;;WP;;;WD)(A;;GA;;;SY)(A;;GA;;;" + da + ")", "pass", ""},
		{"somebody else", locked, "O:" + da + "G:BAD:P(A;;GA;;;SY)(A;;GA;;;" + da + ")(A;;RC;;;AU)", "fail", "does not list: 1"},
		{"one is missing", locked, "O:" + da + "G:BAD:P(A;;GA;;;" + da + ")", "fail", "missing for SYSTEM"},
		{"an entry with none of the rights", "entries: [\"(A;;GA;;;DA)\", \"(A;;RP;;;SY)\", \"(A;;WP;;;SY)\"]", "O:" + da + "G:BAD:P(A;;RP;;;SY)(A;;GA;;;" + da + ")", "fail", "missing for"},
		{"more rights", "entries: [\"(A;;GA;;;DA)\", \"(A;;RP;;;SY)\"]", "O:" + da + "G:BAD:P(A;;RPWP;;;SY)(A;;GA;;;" + da + ")", "fail", "does not list: 1"},
		{"for objects below", locked, "O:" + da + "G:BAD:P(A;CI;GA;;;SY)(A;;GA;;;" + da + ")", "fail", "does not list: 1"},
		{"with a condition", locked, "O:" + da + "G:BAD:P(XA;;GA;;;SY;(@User.a))(A;;GA;;;SY)(A;;GA;;;" + da + ")", "fail", "does not list: 1"},
		{"inheritance is not blocked", locked, "O:" + da + "G:BAD:(A;;GA;;;SY)(A;;GA;;;" + da + ")", "fail", "inherits"},
		{"what is inherited does not count", strings.TrimPrefix(locked, "protected: true, "), "O:" + da + "G:BAD:(A;;GA;;;SY)(A;;GA;;;" + da + ")(A;ID;GA;;;AU)", "pass", ""},
		{"nothing is inherited where inheritance is blocked", locked, "O:" + da + "G:BAD:P(A;;GA;;;SY)(A;;GA;;;" + da + ")(A;ID;GA;;;AU)", "fail", "does not list: 1"},
		{"the owner is not listed", locked, "O:BAG:BAD:P(A;;GA;;;SY)(A;;GA;;;" + da + ")", "fail", "its owner"},
		{"the owner is listed for what is below only", "entries: [\"(A;CIIO;GA;;;DA)\", \"(A;;GA;;;SY)\"]", "O:" + da + "G:BAD:P(A;;GA;;;SY)(A;CIIO;GA;;;" + da + ")", "fail", "its owner"},
		{"OWNER RIGHTS is somebody else", locked, "O:" + da + "G:BAD:P(A;;GA;;;SY)(A;;GA;;;" + da + ")(A;;WD;;;OW)", "fail", "does not list: 1"},
		{"one that may be there", locked + ", may: [PS]", "O:" + da + "G:BAD:P(A;;GA;;;SY)(A;;GA;;;" + da + ")(OA;;SW;bf9679c0-0de6-11d0-a285-00aa003049e2;;PS)", "pass", ""},
		{"nobody has a DACL", locked, "O:" + da + "G:BAD:NO_ACCESS_CONTROL", "fail", "no DACL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := audited(t, live(t, nil, with(accountDN, "nTSecurityDescriptor", string(descriptor(t, c.descriptor)))), rules(t, "  - {id: r, dacl: {"+c.rule+"}, source: t}\n"))
			if row := only(t, r); row.Result() != c.want || !strings.Contains(row.Why, c.why) || row.Pass != (row.Why == "") {
				t.Errorf("%s, %q, want %s, %q", row.Result(), row.Why, c.want, c.why)
			}
		})
	}
	opaque := descriptor(t, "O:"+da+"G:BAD:P(A;;GA;;;SY)(A;;GA;;;"+da+")(A;;GA;;;SY)")
	i := strings.LastIndex(string(opaque), "\x00\x00\x14\x00")
	opaque[i] = 0x55 // a type that nobody knows
	for name, raw := range map[string]struct{ raw, want string }{"an entry of an unknown type": {string(opaque), "fail"}, "not shown": {"", "unknown"}} {
		edits := []edit{with(accountDN, "nTSecurityDescriptor", raw.raw)}
		if raw.raw == "" {
			edits = []edit{with(accountDN, "nTSecurityDescriptor")}
		}
		if row := only(t, audited(t, live(t, nil, edits...), rules(t, "  - {id: r, dacl: {"+locked+"}, source: t}\n"))); row.Result() != raw.want {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

func TestForbidden(t *testing.T) {
	s, err := Load(t.Context(), demoCapture(t), account, nil)
	if err != nil {
		t.Fatal(err)
	}
	guid := func(name string) string {
		if a := s.Schema.Attribute(name); a != nil {
			return a.GUID.String()
		}
		return s.Schema.Class(name).GUID.String()
	}
	rule := func(rights, scope, more string) string {
		return "  - {id: r, forbidden: true, rights: [" + rights + "], scope: " + scope + more + ", source: t}\n"
	}
	const this, all, below = "this-object", "this-object-and-descendants", "descendants"
	mail, computer, user, aux := guid("mail"), guid("computer"), guid("user"), guid("posixAccount")
	mailOf := func(scope string) string { return rule("write-property", scope, ", object: mail") }
	const public = "e48d0154-bcf8-11d1-8702-00c04fb96050"
	for _, c := range []struct {
		name, rule, dacl string
		want             string
		why              string
	}{
		{"nothing", rule("modify-permissions", all, ""), "D:(A;CI;GR;;;<me>)", "pass", ""},
		{"somebody else's", rule("modify-permissions", all, ""), "D:(A;CI;GA;;;" + domainSID + "-4711)", "pass", ""},
		{"its own", rule("modify-permissions", this, ""), "D:(A;;WD;;;<me>)", "fail", "has it on the target itself"},
		{"generic", rule("modify-permissions", this, ""), "D:(A;;GA;;;<me>)", "fail", "the target itself"},
		{"a group's", rule("modify-permissions", this, ""), "D:(A;;WD;;;<group>)", "fail", "the target itself"},
		{"everybody's", rule("modify-permissions", this, ""), "D:(A;;WD;;;WD)", "fail", "the target itself"},
		{"the owner's", rule("modify-permissions", this, ""), "O:<me>D:", "fail", "the target itself"},
		{"the owner's, taken away", rule("modify-permissions", this, ""), "O:<me>D:(A;;RC;;;OW)", "pass", ""},
		{"the owner's, by an entry", rule("delete", this, ""), "O:<me>D:(A;;SD;;;OW)", "fail", "the target itself"},
		{"there is no DACL", rule("delete", this, ""), "D:NO_ACCESS_CONTROL", "fail", "the target itself"},
		{"one of two rights", rule("modify-permissions, modify-owner", this, ""), "D:(A;;WO;;;<me>)", "fail", "the target itself"},
		{"one right is there, and of another one nobody knows", rule("modify-permissions, modify-owner", this, ""), "D:(XA;;WD;;;<me>;(@User.a))(A;;WO;;;<me>)", "fail", "the target itself"},
		{"on a condition", rule("modify-permissions", this, ""), "D:(XA;;WD;;;<me>;(@User.a))", "unknown", "a condition"},
		{"on a condition for somebody else", rule("modify-permissions", this, ""), "D:(XA;;WD;;;" + domainSID + "-4711;(@User.a))", "pass", ""},
		{"denied first", rule("modify-permissions", this, ""), "D:(D;;WD;;;WD)(A;;WD;;;<me>)", "pass", ""},
		{"denied too late", rule("modify-permissions", this, ""), "D:(A;;WD;;;<me>)(D;;WD;;;WD)", "fail", ""},
		{"denied on a condition", rule("modify-permissions", this, ""), "D:(XD;;WD;;;WD;(@User.a))(A;;WD;;;<me>)", "unknown", ""},
		{"below only", rule("modify-permissions", this, ""), "D:(A;CIIO;WD;;;<me>)", "pass", ""},
		{"on objects below", rule("modify-permissions", all, ""), "D:(A;CIIO;WD;;;<me>)", "fail", "new"},
		{"on the target only, the rule is about what is below", rule("modify-permissions", below, ""), "D:(A;;WD;;;<me>)", "pass", ""},
		{"on children only", rule("modify-permissions", below, ""), "D:(A;CINPIO;WD;;;<me>)", "fail", "new"},
		{"on leaves, which there are none of", rule("modify-permissions", all, ""), "D:(A;OIIO;WD;;;<me>)", "pass", ""},
		{"for one class", rule("modify-permissions", below, ""), "D:(OA;CIIO;WD;;" + computer + ";<me>)", "fail", "on new computer objects"},
		{"for the class of the rule", rule("modify-permissions", below, ", class: computer"), "D:(OA;CIIO;WD;;" + computer + ";<me>)", "fail", "on new computer objects"},
		{"for another class", rule("modify-permissions", below, ", class: user"), "D:(OA;CIIO;WD;;" + computer + ";<me>)", "pass", ""},
		{"for a class that is added to objects", rule("modify-permissions", below, ", class: user"), "D:(OA;CIIO;WD;;" + aux + ";<me>)", "unknown", "not tried"},
		{"for a class that nobody knows", rule("modify-permissions", below, ""), "D:(OA;CIIO;WD;;aaaaaaaa-0de6-11d0-a285-00aa003049e2;<me>)", "unknown", "not tried"},
		{"what the default of a class gives", rule("read-all-properties", below, ", class: user"), "D:", "fail", "a part of it on new user objects"},
		{"one attribute of all", rule("write-all-properties", this, ""), "D:(OA;;WP;" + mail + ";;<me>)", "pass", ""}, // an OU has no mail
		{"one attribute of all that it has", rule("write-all-properties", this, ""), "D:(OA;;WP;" + guid("description") + ";;<me>)", "fail", "a part of it"},
		{"all attributes but one", rule("write-all-properties", this, ""), "D:(OD;;WP;" + guid("description") + ";;<me>)(A;;WP;;;<me>)", "fail", "a part of it"},
		{"all attributes, denied", rule("write-all-properties", this, ""), "D:(D;;WP;;;<me>)(A;;WP;;;<me>)", "pass", ""},
		{"one attribute, denied as a whole", rule("write-all-properties", this, ""), "D:(D;;WP;;;<me>)(OA;;WP;" + guid("description") + ";;<me>)", "pass", ""},
		{"a property set", mailOf(below), "D:(OA;CIIO;WP;" + public + ";;<me>)", "fail", "new"},
		{"a property set but for it", mailOf(below), "D:(OD;CIIO;WP;" + mail + ";;<me>)(OA;CIIO;WP;" + public + ";;<me>)", "pass", ""},
		{"a part of a property set", rule("write-property", below, ", object: Public-Information, class: user"), "D:(OA;CIIO;WP;" + mail + ";;<me>)", "fail", "a part of it"},
		{"another attribute", mailOf(below), "D:(OA;CIIO;WP;" + guid("description") + ";;<me>)", "pass", ""},
		{"by the class of the object", mailOf(below), "D:(OA;CIIO;WP;" + user + ";;<me>)", "fail", "on new user objects"},
		{"an attribute that the class has not", mailOf(this), "D:(OA;;WP;" + guid("description") + ";;<me>)", "pass", ""},
		{"an attribute that the class has not, and an entry that allows it", mailOf(this), "D:(A;;WP;;;<me>)", "unknown", "not by itself"},
		{"an attribute that no class has below", rule("write-property", below, ", object: dITContentRules"), "D:(A;CIIO;WP;;;<me>)", "unknown", "no class of objects below"},
		{"an attribute that no class has below, and no entry for it", rule("write-property", below, ", object: dITContentRules"), "D:(A;CIIO;RP;;;<me>)", "pass", ""},
		{"something that the schema does not show", mailOf(this), "D:(OA;;WP;aaaaaaaa-0de6-11d0-a285-00aa003049e2;;<me>)", "unknown", "does not show"},
		{"one class of all", rule("create-all-child-objects", this, ""), "D:(OA;;CC;" + user + ";;<me>)", "fail", "a part of it"},
		{"all classes but one", rule("create-all-child-objects", this, ""), "D:(OD;;CC;" + user + ";;<me>)(A;;CC;;;<me>)", "fail", "a part of it"},
		{"this class", rule("create-child", this, ", object: user"), "D:(A;;CC;;;<me>)", "fail", "the target itself"},
		{"another class to create", rule("create-child", this, ", object: user"), "D:(OA;;CC;" + computer + ";;<me>)", "pass", ""},
		{"one extended right of all", rule("all-extended-rights", below, ", class: user"), "D:(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;;<me>)", "fail", "a part of it"},
		{"what it owns, having made it", rule("modify-permissions", below, ", class: user"), "D:(OA;;CC;" + user + ";;<me>)", "unknown", "may create objects there"},
		{"what it owns, of another class", rule("modify-permissions", below, ", class: user"), "D:(OA;;CC;" + guid("contact") + ";;<me>)", "pass", ""},
		{"what CREATOR OWNER has", rule("delete", below, ", class: user"), "D:(A;;CC;;;<me>)(A;CIIO;SD;;;CO)", "unknown", "may create objects there"},
		{"what CREATOR OWNER has, who is somebody else", rule("delete", below, ", class: user"), "D:(A;CIIO;SD;;;CO)", "pass", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.dacl
			if strings.HasPrefix(text, "D:") {
				text = "O:" + domainSID + "-512G:BA" + text
			} else {
				text = strings.Replace(text, "D:", "G:BAD:", 1)
			}
			row := only(t, audited(t, live(t, nil, with(sales, "nTSecurityDescriptor", string(descriptor(t, text)))), rules(t, c.rule), sales))
			if row.Result() != c.want || !strings.Contains(row.Why, c.why) || row.Pass != (row.Why == "") || !row.Forbidden {
				t.Errorf("%s, %q, want %s, %q", row.Result(), row.Why, c.want, c.why)
			}
		})
	}
	group := "O:BAG:BAD:(A;;WD;;;" + domainSID + "-4711)"
	unseen := live(t, nil, with(sales, "nTSecurityDescriptor", string(descriptor(t, group))), with(accountDN, "tokenGroups"))
	if row := only(t, audited(t, unseen, rules(t, rule("modify-permissions", this, "")), sales)); row.Result() != "unknown" {
		t.Errorf("a group that was not read: %+v", row)
	}
	// An entry for a derived class is none for the class, and said all the same.
	derived := live(t, nil, with(sales, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(OA;CIIO;WD;;"+computer+";<me>)"))))
	row := only(t, audited(t, derived, rules(t, rule("modify-permissions", below, ", class: user")), sales))
	if !row.Pass || !strings.Contains(row.DerivedVerdicts(), "granted on computer") {
		t.Errorf("a derived class: %+v", row)
	}
	// Of a class that the schema does not show in full nobody knows what its objects get.
	gap := live(t, nil, with(sales, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:"))), hiding("personalTitle"))
	if row := only(t, audited(t, gap, rules(t, rule("modify-permissions", below, "")), sales)); row.Result() != "unknown" || !strings.Contains(row.Why, "does not show") {
		t.Errorf("a class with a gap: %+v", row)
	}
	// SELF is the account where it is the target.
	self := live(t, nil, with(accountDN, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(OD;;WP;"+mail+";;<me>)(OA;;WP;"+public+";;PS)"))))
	if row := only(t, audited(t, self, rules(t, rule("write-all-properties", this, ", target: account")))); row.Result() != "fail" {
		t.Errorf("SELF: %+v", row)
	}
	// Reading a confidential attribute takes two rights.
	for dacl, want := range map[string]string{"(A;;RP;;;<me>)": "pass", "(A;;RPCR;;;<me>)": "fail", "(A;;RP;;;<me>)(XA;;CR;;;<me>;(@User.a))": "unknown"} {
		r := live(t, nil, with(sales, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:"+dacl))), with("description", "searchFlags", "128"))
		if row := only(t, audited(t, r, rules(t, rule("read-property", this, ", object: description")), sales)); row.Result() != want {
			t.Errorf("confidential, %s: %+v", dacl, row)
		}
	}
	// The owner's right is in doubt where a forest may have taken it.
	blocked := live(t, nil, with(accountDN, "nTSecurityDescriptor", string(descriptor(t, "O:<me>G:BAD:"))))
	if row := only(t, audited(t, blocked, rules(t, rule("modify-permissions", this, ", target: account")))); row.Result() != "unknown" {
		t.Errorf("the owner of a service account: %+v", row)
	}
}

func TestPlaces(t *testing.T) {
	shown := func(dn string) edit {
		return with(dn, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(A;;LC;;;<me>)")))
	}
	well := func(values ...string) edit { return with(head, "wellKnownObjects", values...) }
	const users, usersGUID = "CN=Users," + head, "A9D1CA15768811D1ADED00C04FD8D5CD"
	for _, c := range []struct {
		name, target string
		edits        []edit
		want         string // the DN of the target, and ? where it is unknown
	}{
		{"none", "", nil, head},
		{"domain-root", "domain-root", nil, head},
		{"account", "account", []edit{shown(accountDN)}, accountDN},
		{"adminsdholder", "adminsdholder", nil, "CN=AdminSDHolder,CN=System," + head},
		{"configuration", "configuration", nil, "CN=Configuration," + head + "?"},
		{"schema", "schema", []edit{shown("CN=Schema,CN=Configuration," + head), with("CN=Schema,CN=Configuration,"+head, "objectClass", "top", "dMD")}, "CN=Schema,CN=Configuration," + head},
		{"a place of the head", "users", []edit{well("B:32:" + usersGUID + ":" + users)}, users},
		{"a place that was moved", "users", []edit{well("B:32:"+usersGUID+":"+sales, "B:32:AB1D30F3768811D1ADED00C04FD8D5CD:CN=System,"+head)}, sales},
		{"another place of the head", "managed-service-accounts", []edit{with(head, "otherWellKnownObjects", "B:32:1EB93889E40C45DF9F0C64D23BBB6237:"+sales)}, sales},
		{"a place that the head does not show", "users", []edit{with(head, "wellKnownObjects")}, "users of " + head + "?"},
		{"a place that is not there", "users", []edit{well("B:32:" + usersGUID + ":OU=gone," + head)}, "OU=gone," + head + "?"},
		{"a DN", "{dn: \"" + sales + "\"}", nil, sales},
		{"a DN by another spelling", "{dn: \"ou=S\\\\61les, OU=Sync,dc=CORP,DC=example\"}", nil, sales},
		{"a DN under a place", "{dn: OU=Sales, under: users}", []edit{well("B:32:" + usersGUID + ":OU=Sync," + head)}, sales},
		{"a DN under a place that is not shown", "{dn: OU=Sales, under: users}", []edit{with(head, "wellKnownObjects")}, "OU=Sales under users?"},
		{"a DN with a variable", "{dn: \"OU=Sales,OU=Sync,${domain.dn}\"}", nil, sales},
		{"a DN that is not there", "{dn: \"OU=gone,${domain.dn}\"}", nil, "OU=gone," + head + "?"},
		{"every domain", "every-domain", nil, head},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := ""
			if c.target != "" {
				target = ", target: " + c.target
			}
			text := "  - {id: r, rights: [list-contents], scope: this-object" + target + ", source: t}\n"
			r := audited(t, live(t, nil, c.edits...), rules(t, text))
			row := only(t, r)
			dn, unknown := strings.CutSuffix(c.want, "?")
			for _, target := range r.Targets {
				if len(target.Rows) > 0 && (!directory.SameDN(target.DN, dn) || unknown != (target.Unreadable != "")) {
					t.Errorf("on %q, %q", target.DN, target.Unreadable)
				}
			}
			if unknown != (row.Result() == "unknown") || unknown && r.Clean() {
				t.Errorf("%+v", row)
			}
		})
	}
	t.Run("each is there once and has its own rules", func(t *testing.T) {
		r := audited(t, live(t, nil), rules(t, "  - {id: told, rights: [list-contents], scope: this-object, source: t}\n"+
			"  - {id: same, rights: [list-contents], scope: this-object, target: {dn: \"ou=sales,OU=Sync,"+head+"\"}, source: t}\n"+
			"  - {id: own, rights: [list-contents], scope: this-object, target: account, source: t}\n"), sales, strings.ToUpper(sales))
		var got []string
		for _, target := range r.Targets {
			for _, row := range target.Rows {
				got = append(got, row.Rule+" on "+target.DN)
			}
		}
		if want := []string{"told on " + sales, "same on " + sales, "own on " + accountDN}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if rows := r.Targets[0].Rows; !slices.Equal(rows[0].SameAs, []string{"test/same"}) || rows[1].SameAs == nil || r.Targets[1].Rows[0].SameAs != nil {
			t.Errorf("%+v", r.Targets)
		}
	})
	t.Run("targets that no rule is about", func(t *testing.T) {
		_, err := Load(t.Context(), live(t, nil), account, []string{sales}, rules(t, "  - {id: own, rights: [list-contents], scope: this-object, target: account, source: t}\n")...)
		if none := (*NoRuleError)(nil); err == nil || !errors.As(err, &none) {
			t.Errorf("%v", err)
		}
	})
	t.Run("rules that the snapshot was not read for", func(t *testing.T) {
		own := rules(t, "  - {id: own, rights: [list-contents], scope: this-object, target: account, source: t}\n")
		told := rules(t, "  - {id: told, rights: [list-contents], scope: this-object, source: t}\n")
		for _, c := range [][2][]*policy.Policy{{own, told}, {told, own}} {
			s, err := Load(t.Context(), live(t, nil), account, nil, c[0]...)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Evaluate(s, c[1], AcceptAny)
			if err != nil || only(t, r).Result() != "unknown" {
				t.Errorf("%s read, %s judged: %+v, %v", c[0][0].Rules[0].ID, c[1][0].Rules[0].ID, r, err)
			}
		}
	})
	t.Run("an account that is yet to be made", func(t *testing.T) {
		policies := rules(t, "  - {id: own, rights: [list-contents], scope: this-object, target: account, source: t}\n"+
			"  - {id: sid, rights: [list-contents], scope: this-object, target: {dn: \"CN=${account.sid},${domain.dn}\"}, source: t}\n")
		s, err := LoadFuture(t.Context(), live(t, nil), "CN=new,"+head, "new$", nil, policies...)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := Evaluate(s, policies, AcceptAny); err != nil || r.Summary != (Summary{Rows: 2, Unknown: 2}) {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("read again", func(t *testing.T) {
		policies := rules(t, "  - {id: own, limits: [{attribute: description, equals: x}], target: account, source: t}\n"+
			"  - {id: dacl, rights: [list-contents], scope: this-object, target: users, source: t}\n")
		s, err := Load(t.Context(), live(t, nil, with(accountDN, "description", "y"), well("B:32:"+usersGUID+":"+users)), account, nil, policies...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Reload(t.Context(), live(t, nil, with(accountDN, "description", "x"), well("B:32:"+usersGUID+":"+sales)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := Evaluate(again, policies, AcceptAny)
		if err != nil || !r.Targets[0].Rows[0].Pass || len(r.Targets) != 2 || r.Targets[1].DN != sales || again.Asked(again.Targets[0]) {
			t.Errorf("%+v, %v", r.Targets, err)
		}
		if was, err := Evaluate(s, policies, AcceptAny); err != nil || was.Targets[0].Rows[0].Pass || was.Targets[1].DN != users {
			t.Errorf("the first one has changed: %+v, %v", was.Targets, err)
		}
	})
}

func TestAlternativesAndSeverity(t *testing.T) {
	any := func(more string) string {
		return "  - {id: r, any-of: [{rights: [delete], scope: this-object}, {rights: [list-contents], scope: this-object}]" + more + ", source: t}\n"
	}
	for _, c := range []struct {
		name, rule, dacl, want, why string
		clean                       bool
	}{
		{"the first", any(""), "(A;;SD;;;<me>)", "pass", "", true},
		{"the second", any(""), "(A;;LC;;;<me>)", "pass", "", true},
		{"none", any(""), "(A;;RC;;;<me>)", "fail", "none of the alternatives", false},
		{"one of them in doubt", any(""), "(D;;SD;;;WD)(XD;;LC;;;WD;(@User.a))(A;;LC;;;<me>)", "fail", "", false},
		{"one of them in an entry that nobody understands", any(", verification: inferred"), "(D;;SD;;;WD)<opaque>", "unknown", "none of the alternatives", false},
		{"advice that is not taken", any(", severity: warning"), "(A;;RC;;;<me>)", "warning", "", false},
		{"advice that is taken", any(", severity: warning"), "(A;;LC;;;<me>)", "pass", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, opaque := strings.CutSuffix("O:BAG:BAD:"+c.dacl, "<opaque>")
			if opaque {
				text += "(A;;GA;;;S-1-5-99)"
			}
			raw := descriptor(t, text)
			if opaque {
				raw[strings.LastIndex(string(raw), "\x00\x00\x14\x00")] = 0x55
			}
			r := audited(t, live(t, nil, with(sales, "nTSecurityDescriptor", string(raw))), rules(t, c.rule), sales)
			row := only(t, r)
			if row.Result() != c.want || !strings.Contains(row.Why, c.why) || r.Clean() != c.clean {
				t.Errorf("%s, %q, clean %v, want %s", row.Result(), row.Why, r.Clean(), c.want)
			}
			if (row.Verification == "inferred") != strings.Contains(c.rule, "inferred") || (row.Severity == "warning") != strings.Contains(c.rule, "warning") {
				t.Errorf("%+v", row)
			}
		})
	}
	// Rules that ask for the same may weigh differently: each keeps its own.
	both := rules(t, "  - {id: advice, rights: [delete], scope: this-object, severity: warning, verification: unverified, source: a}\n  - {id: must, rights: [delete], scope: this-object, source: b}\n"+
		"  - {id: not, forbidden: true, rights: [delete], scope: this-object, target: domain-root, source: c}\n")
	r := audited(t, live(t, nil, with(sales, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:")))), both, sales)
	rows := r.Targets[0].Rows
	if len(rows) != 2 || rows[0].Result() != "warning" || rows[1].Result() != "fail" || rows[1].Verification != "" || rows[1].Source != "b" || !slices.Equal(rows[0].SameAs, []string{"test/must"}) || r.Summary.Fail != 1 || r.Clean() {
		t.Errorf("%+v", rows)
	}
}

// What a rule names itself is looked for in the domain that holds it, and nowhere twice.
func TestRulesThatNameTheirTargetsInAForest(t *testing.T) {
	run := func(t *testing.T, f *Forest, text string, targets ...string) (*ForestReport, []string) {
		t.Helper()
		r, err := f.Audit(t.Context(), agent, targets, rules(t, text), AcceptAny)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, one := range r.Reports {
			for _, target := range one.Targets {
				for _, row := range target.Rows {
					unknown := ""
					if row.unseen() {
						unknown = "?"
					}
					got = append(got, one.Domain.DNS+": "+target.DN+unknown)
				}
			}
		}
		return r, got
	}
	rule := func(target string) string {
		return "  - {id: r, forbidden: true, rights: [delete-subtree], scope: this-object, target: " + target + ", source: t}\n"
	}
	const sync = "OU=Sync,"
	forest := func(t *testing.T) *Forest {
		return twoDomains(t, func(parent, _ *foresttest.Entries) {
			parent.Set(foresttest.Account, "nTSecurityDescriptor", string(descriptor(t, "O:BAG:BAD:(A;;LC;;;<me>)")))
		})
	}
	for _, c := range []struct {
		name, target string
		want         []string // of both domains
		alone        []string // of the parent alone
	}{
		{"the account", "account", []string{"corp.example: " + foresttest.Account}, []string{"corp.example: " + foresttest.Account}},
		{"every domain", "every-domain", []string{"corp.example: " + foresttest.Parent, "child.corp.example: " + foresttest.Child}, []string{"corp.example: " + foresttest.Parent, "corp.example: " + foresttest.Child + "?"}},
		{"a DN of the parent", "{dn: \"" + sync + foresttest.Parent + "\"}", []string{"corp.example: " + sync + foresttest.Parent}, []string{"corp.example: " + sync + foresttest.Parent}},
		{"a DN of the child", "{dn: \"" + sync + foresttest.Child + "\"}", []string{"child.corp.example: " + sync + foresttest.Child}, []string{"corp.example: " + sync + foresttest.Child + "?"}},
		{"a DN of each", "{dn: \"" + sync + "${domain.dn}\"}", []string{"corp.example: " + sync + foresttest.Parent, "child.corp.example: " + sync + foresttest.Child}, []string{"corp.example: " + sync + foresttest.Parent}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, got := run(t, forest(t), rule(c.target))
			if !slices.Equal(got, c.want) || len(r.Unreachable) != 0 || r.Summary.Rows != len(c.want) || r.Clean() != (r.Summary.Pass == len(c.want)) || r.Summary.Unknown != 0 {
				t.Errorf("both: %q, %+v, clean %v", got, r.Summary, r.Clean())
			}
			f := forest(t)
			f.Places = f.Places[:1]
			r, got = run(t, f, rule(c.target))
			if !slices.Equal(got, c.alone) || strings.HasSuffix(got[len(got)-1], "?") && r.Clean() {
				t.Errorf("alone: %q, %+v, clean %v", got, r.Summary, r.Clean())
			}
			// So does an audit of just this domain.
			one := audited(t, forest(t).Places[0].Reader, rules(t, rule(c.target)))
			if one.Summary.Rows != len(c.alone) || (one.Summary.Unknown > 0) != strings.HasSuffix(got[len(got)-1], "?") {
				t.Errorf("by itself: %+v", one.Targets)
			}
		})
	}
	told := "  - {id: told, rights: [list-contents], scope: this-object, source: t}\n"
	_, got := run(t, twoDomains(t, nil), told+rule("every-domain"), sync+foresttest.Child)
	if want := []string{"corp.example: " + foresttest.Parent, "child.corp.example: " + sync + foresttest.Child, "child.corp.example: " + foresttest.Child}; !slices.Equal(got, want) {
		t.Errorf("with --target: %q", got)
	}
	// A forest that does not show its domains may have others.
	f := twoDomains(t, func(parent, child *foresttest.Entries) {
		parent.Drop("CN=CORP,CN=Partitions,CN=Configuration," + foresttest.Parent)
		parent.Drop("CN=CHILD,CN=Partitions,CN=Configuration," + foresttest.Parent)
	})
	if r := audited(t, f.Places[0].Reader, rules(t, rule("every-domain"))); r.Summary.Unknown != 1 || r.Clean() {
		t.Errorf("without partitions: %+v", r.Targets)
	}
	if _, err := twoDomains(t, nil).Audit(t.Context(), agent, []string{foresttest.Child}, rules(t, rule("account")), AcceptAny); err == nil {
		t.Error("a target that no rule is about")
	}
}
