package explain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	head  = "DC=corp,DC=example"
	agent = "provAgentgMSA$"
	// The SIDs of the demo's domain, its gMSA and the group that this is in.
	domainSID = "S-1-5-21-785912491-1317325197-797612093"
	agentSID  = domainSID + "-1105"
	groupSID  = domainSID + "-1103"
	otherSID  = domainSID + "-7777"
	bobSID    = domainSID + "-2001"
)

var demoCapture = sync.OnceValues(demo.Capture)

// thing is an object of a test's forest.
type thing struct {
	dn    string
	class string
	sddl  string // empty: not shown
	attrs map[string]string
}

var lineages = map[string][]string{
	"organizationalUnit":            {"top", "organizationalUnit"},
	"user":                          {"top", "person", "organizationalPerson", "user"},
	"computer":                      {"top", "person", "organizationalPerson", "user", "computer"},
	"group":                         {"top", "group"},
	directory.ClassGMSA:             {"top", "person", "organizationalPerson", "user", "computer", directory.ClassGMSA},
	"inetOrgPerson":                 {"top", "person", "organizationalPerson", "user", "inetOrgPerson"},
	"container":                     {"top", "container"},
	"classThatTheSchemaDoesNotShow": {"top", "classThatTheSchemaDoesNotShow"},
}

// expand puts the SIDs of the test in for their names.
var expand = strings.NewReplacer("AGENT", agentSID, "TEAM", groupSID, "OTHER", otherSID, "BOB", bobSID)

func raw(t *testing.T, text string) []byte {
	t.Helper()
	domain, err := sddl.ParseSID(domainSID)
	if err != nil {
		t.Fatal(err)
	}
	d, err := sddl.ParseText(expand.Replace(text), sddl.Aliases{Domain: domain, Forest: domain})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// definitions are what the demo, collected before they were asked for, does not show of the
// schema and the rights. What is not named here has none of it.
var definitions = map[string]directory.Attribute{
	"memberOf":                   {Name: "linkID", Values: [][]byte{[]byte("3")}},
	"tokenGroups":                {Name: "systemFlags", Values: [][]byte{[]byte("134217748")}},
	"objectSid":                  {Name: "systemOnly", Values: [][]byte{[]byte("TRUE")}},
	"rIDSet":                     {Name: "systemOnly", Values: [][]byte{[]byte("TRUE")}},
	"User-Force-Change-Password": {Name: "appliesTo", Values: [][]byte{[]byte(classUser)}},
	"Allowed-To-Authenticate":    {Name: "appliesTo", Values: [][]byte{[]byte(classGroup), []byte(classUser)}},
}

// defined is an entry of the demo as it would be collected today.
func defined(e directory.Entry) directory.Entry {
	name := e.Text("lDAPDisplayName")
	switch {
	case name != "":
		e.Attrs = append(slices.Clone(e.Attrs), directory.Attribute{Name: attrWitness, Values: [][]byte{[]byte("4")}})
	case slices.Contains(e.Texts("objectClass"), "controlAccessRight"):
		name = e.Text("cn")
	default:
		return e
	}
	if a, ok := definitions[name]; ok {
		e.Attrs = append(slices.Clone(e.Attrs), a)
	}
	return e
}

// forest is the demo with things added, or put in the place of its own.
func forest(t *testing.T, things ...thing) *directory.Capture {
	t.Helper()
	base, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]directory.Entry{}
	var order []string
	for _, x := range things {
		e := directory.Entry{DN: x.dn}
		add := func(name string, values ...string) {
			a := directory.Attribute{Name: name}
			for _, v := range values {
				a.Values = append(a.Values, []byte(v))
			}
			e.Attrs = append(e.Attrs, a)
		}
		if x.class != "" {
			add("objectClass", lineages[x.class]...)
		}
		if x.sddl != "" {
			add("nTSecurityDescriptor", string(raw(t, x.sddl)))
		}
		if _, said := x.attrs[attrWitness]; !said && x.class != "" {
			add(attrWitness, "4")
		}
		for name, value := range x.attrs {
			if value == "" { // not shown
				continue
			}
			if name == attrMembership {
				value = string(raw(t, value))
			}
			if name == "objectSid" {
				sid, err := sddl.ParseSID(value)
				if err != nil {
					t.Fatal(err)
				}
				value = string(sid.Bytes())
			}
			add(name, value)
		}
		key := directory.DNKey(x.dn)
		ours[key] = e
		order = append(order, key)
	}
	var text bytes.Buffer
	write := func(e directory.Entry) {
		if err := directory.WriteLDIF(&text, e); err != nil {
			t.Fatal(err)
		}
	}
	for e := range base.All() {
		e = defined(e)
		if with, ok := ours[directory.DNKey(e.DN)]; ok {
			for _, a := range e.Attrs {
				if with.Values(a.Name) == nil {
					with.Attrs = append(with.Attrs, a)
				}
			}
			write(with)
			delete(ours, directory.DNKey(e.DN))
			continue
		}
		write(e)
	}
	for _, key := range order {
		if e, left := ours[key]; left {
			write(e)
		}
	}
	c, err := directory.ReadCapture(&text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(t *testing.T, r directory.Reader, account, dn, right string) *Explanation {
	t.Helper()
	e, err := New(t.Context(), r, true)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Explain(t.Context(), account, dn, right)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// asker asks one Explainer.
func asker(t *testing.T, r directory.Reader) func(dn, right string) *Explanation {
	t.Helper()
	e, err := New(t.Context(), r, true)
	if err != nil {
		t.Fatal(err)
	}
	return func(dn, right string) *Explanation {
		t.Helper()
		x, err := e.Explain(t.Context(), agent, dn, right)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

const (
	ou   = "OU=Test," + head
	bob  = "CN=bob," + ou
	team = "CN=team," + ou
	// What everybody may, so that visibility is no question where it is not asked for.
	open = "O:DAG:DAD:(A;;LC;;;AU)"

	member      = "bf9679c0-0de6-11d0-a285-00aa003049e2"
	description = "bf967950-0de6-11d0-a285-00aa003049e2"
	classUser   = "bf967aba-0de6-11d0-a285-00aa003049e2"
	classGroup  = "bf967a9c-0de6-11d0-a285-00aa003049e2"
	personal    = "77b5b886-944a-11d1-aebd-0000f80367c1"
	spn         = "f3a64788-5306-11d1-a9c5-0000f80367c1"
	resetRight  = "00299570-246d-11d0-a768-00aa006e0529"
	heuristicDN = "CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration," + head
)

func TestExplain(t *testing.T) {
	dir := func(value string) []thing {
		return []thing{
			{dn: "CN=Services,CN=Configuration," + head}, {dn: "CN=Windows NT,CN=Services,CN=Configuration," + head},
			{dn: heuristicDN, class: "container", attrs: map[string]string{"dSHeuristics": value}},
		}
	}
	tests := []struct {
		name   string
		parent string // SDDL of the OU; empty: open
		class  string // of the object; empty: group
		object string // SDDL of the object
		attrs  map[string]string
		more   []thing
		right  string
		effect string
		why    string // a part of the answer's or of the change's sentence
		change string // the SDDL of the entry to add; empty: none is proposed
	}{
		{name: "an entry of the account's own grants", object: open + "(OA;;WP;" + member + ";;AGENT)", right: "write:member", effect: "granted", why: "the account itself"},
		{name: "one of a group grants", object: open + "(OA;;WP;" + member + ";;TEAM)", right: "write:member", effect: "granted", why: "group CORP\\Restricted Service Accounts"},
		{name: "one of somebody else does not", object: open + "(OA;;WP;" + member + ";;OTHER)", right: "write:member", effect: "not-granted",
			change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "by GUID", object: open + "(OA;;WP;" + member + ";;AGENT)", right: "write:{" + member + "}", effect: "granted"},
		{name: "a validated write is not a write", object: open + "(OA;;SW;" + member + ";;AGENT)", right: "write:member", effect: "partial", why: viaValidated,
			change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "but it is a validated write", object: open + "(OA;;SW;" + member + ";;AGENT)", right: "validated-write:member", effect: "granted"},
		{name: "for which a write suffices", object: open + "(A;;WP;;;AGENT)", right: "validated-write:Self-Membership", effect: "granted"},
		{name: "and whose fix is the validated write", object: open, right: "validated-write:member", effect: "not-granted", change: "(OA;;SW;" + member + ";;AGENT)"},
		{name: "an explicit deny cannot be outdone", object: "O:DAG:DAD:(OD;;WP;" + member + ";;TEAM)(A;;WP;;;AGENT)", right: "write:member", effect: "denied",
			why: "as long as this one stands, on " + team + ": Deny CORP\\Restricted Service Accounts: Write member"},
		{name: "an inherited one can", parent: open + "(OD;CIIO;WP;" + member + ";" + classGroup + ";TEAM)",
			object: open + "(OD;CIID;WP;" + member + ";" + classGroup + ";TEAM)", right: "write:member", effect: "denied",
			why: "a deny entry inherited from " + ou, change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "a deny of the validated write leaves the write", object: open + "(OD;;SW;" + member + ";;AGENT)(OA;;WP;" + member + ";;AGENT)", right: "write:member", effect: "granted"},
		{name: "an entry for another class of descendants is idle", parent: open + "(OA;CIIO;WP;;" + classUser + ";AGENT)",
			object: open + "(OA;CIIOID;WP;;" + classUser + ";AGENT)", right: "write:member", effect: "not-granted", why: "for user objects only, and the class here is group",
			change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "a protected object does not inherit", parent: open + "(A;CIIO;WP;;;AGENT)", object: "O:DAG:DAD:P(A;;LC;;;AU)", right: "write:member", effect: "not-granted",
			why: team + " does not inherit", change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "an entry that has not come yet", parent: open + "(A;CIIO;WP;;;AGENT)", object: open, right: "write:member", effect: "not-granted",
			why: "it has not been propagated", change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "an entry under a condition", object: open + `(XA;;WP;;;AGENT;(@User.Title == "PM"))`, right: "write:member", effect: "conditional", why: "condition",
			change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "the class has no such attribute", object: open + "(A;;WP;;;AGENT)", right: "write:servicePrincipalName", effect: "not-granted", why: "have no attribute servicePrincipalName"},
		{name: "a class that the schema does not show", class: "classThatTheSchemaDoesNotShow", object: open + "(OA;;WP;" + personal + ";;AGENT)", right: "write:member", effect: "unknown",
			why: "the schema does not show its class", change: "(OA;;WP;" + member + ";;AGENT)"},
		{name: "nor one with an idle entry", class: "classThatTheSchemaDoesNotShow", object: open + "(OA;CIIOID;DT;;" + classUser + ";AGENT)", right: "delete-tree", effect: "not-granted",
			change: "(A;;DT;;;AGENT)"},
		{name: "with an idle entry for it", class: "classThatTheSchemaDoesNotShow", object: open + "(A;CIIOID;DT;;;AGENT)", right: "delete-tree", effect: "not-granted", change: "(A;;DT;;;AGENT)"},
		{name: "but an entry for everything grants there too", class: "classThatTheSchemaDoesNotShow", object: open + "(A;;WP;;;AGENT)", right: "write:member", effect: "granted"},
		{name: "a descriptor that is not shown", right: "write:member", effect: "unknown", why: "does not hold its security descriptor"},
		{name: "a deny about what the schema does not show", object: open + "(OD;;WP;11111111-1111-1111-1111-111111111111;;AGENT)(A;;WP;;;AGENT)", right: "write:member", effect: "unknown",
			why: "which the schema does not show"},

		{name: "reading takes seeing", parent: "O:DAG:DAD:(A;;RC;;;AU)", object: open + "(A;;RP;;;AGENT)", right: "read:member", effect: "not-granted",
			why: "List contents on " + ou + " is needed too", change: "(A;;LC;;;AGENT)"},
		{name: "reading is granted", object: open + "(A;;RP;;;AU)", right: "read:member", effect: "granted", why: "Authenticated Users"},
		{name: "a confidential attribute takes control access", class: "computer", object: open + "(A;;RP;;;AGENT)", right: "read:msTPM-OwnerInformation", effect: "partial",
			why: "lacking: All extended rights", change: "(OA;;CR;aa4e1a6d-550d-4e05-8c35-4afcb917a9fe;;AGENT)"},
		{name: "with it, it is granted", class: "computer", object: open + "(A;;RPCR;;;AGENT)", right: "read:msTPM-OwnerInformation", effect: "granted"},
		{name: "nobody reads a password", class: "user", object: open + "(A;;GA;;;AGENT)", right: "read:unicodePwd", effect: "not-granted", why: "no domain controller discloses"},
		{name: "writing a password is a reset", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:unicodePwd", effect: "not-granted", change: "(OA;;CR;" + resetRight + ";;AGENT)"},
		{name: "which the right allows", class: "user", object: open + "(OA;;CR;" + resetRight + ";;AGENT)", right: "write:unicodePwd", effect: "granted"},
		{name: "the descriptor goes by its own rights", object: open + "(A;;RC;;;AGENT)", right: "read:nTSecurityDescriptor", effect: "granted"},
		{name: "and writing it too", object: open + "(A;;WP;;;AGENT)", right: "write:nTSecurityDescriptor", effect: "not-granted", change: "(A;;WD;;;AGENT)"},
		{name: "a property set", class: "user", object: open + "(OA;;RP;" + personal + ";;AGENT)", right: "read:Personal-Information", effect: "granted"},
		{name: "covers its attributes", class: "user", object: open + "(OA;;WP;" + personal + ";;AGENT)", right: "write:telephoneNumber", effect: "granted"},
		{name: "but no others", class: "user", object: open + "(OA;;WP;" + personal + ";;AGENT)", right: "write:description", effect: "not-granted", change: "(OA;;WP;" + description + ";;AGENT)"},
		{name: "a property set that the class has nothing of", object: open + "(A;;RP;;;AGENT)", right: "read:Domain-Password", effect: "not-granted", why: "have no attribute of the property set"},
		{name: "an attribute with rules of its own", object: open + "(A;;RP;;;AGENT)", right: "read:allowedAttributesEffective", effect: "unknown", why: "rules of its own"},

		{name: "the managed password goes by its own descriptor", class: directory.ClassGMSA, object: open + "(A;;GA;;;AGENT)",
			attrs: map[string]string{attrMembership: "O:DAD:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;OTHER)"}, right: "read:msDS-ManagedPassword", effect: "not-granted",
			change: "(OA;;RP;e362ed86-b728-0842-b27d-2dea7a9df218;;AGENT)"},
		{name: "which names the account's group", class: directory.ClassGMSA, object: open,
			attrs: map[string]string{attrMembership: "O:DAD:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;TEAM)"}, right: "read:msDS-ManagedPassword", effect: "granted"},
		{name: "and is not shown", class: directory.ClassGMSA, object: open + "(A;;GA;;;AGENT)", right: "read:msDS-ManagedPassword", effect: "unknown", why: attrMembership},

		{name: "an extended right", class: "user", object: open + "(OA;;CR;" + resetRight + ";;TEAM)", right: "extended:user-force-change-password", effect: "granted"},
		{name: "by its display name", class: "user", object: open + "(A;;CR;;;TEAM)", right: "extended:User Force Change Password", effect: "granted"},
		{name: "another one does not do", class: "user", object: open + "(OA;;CR;" + spn + ";;TEAM)", right: "extended:User-Force-Change-Password", effect: "not-granted",
			change: "(OA;;CR;" + resetRight + ";;AGENT)"},

		{name: "creating is of just this class", class: "organizationalUnit", object: open + "(OA;;CC;" + classUser + ";;AGENT)", right: "create:computer", effect: "not-granted",
			change: "(OA;;CC;bf967a86-0de6-11d0-a285-00aa003049e2;;AGENT)"},
		{name: "creating is granted", class: "organizationalUnit", object: open + "(OA;;CC;" + classUser + ";;AGENT)", right: "create:user", effect: "granted"},
		{name: "the schema has the last word", object: open + "(A;;CC;;;AGENT)", right: "create:user", effect: "not-granted", why: "does not allow a user below a group"},
		{name: "no object of an abstract class", class: "organizationalUnit", object: open + "(A;;CC;;;AGENT)", right: "create:top", effect: "not-granted", why: "not structural"},
		{name: "nobody creates what is the system's", class: "container", object: open + "(A;;CC;;;AGENT)", right: "create:rIDSet", effect: "not-granted", why: "class rIDSet is for the system only"},
		{name: "nor a secret", class: "container", object: open + "(A;;CC;;;AGENT)", right: "create:secret", effect: "not-granted", why: "local security authority"},
		{name: "nor a trust", class: "container", object: open + "(A;;CC;;;AGENT)", right: "create:trustedDomain", effect: "not-granted", why: "local security authority"},
		{name: "nor, perhaps, what is part of a domain", class: "container", object: open + "(A;;CC;;;AGENT)", right: "create:samServer", effect: "unknown", why: "come with a domain"},
		{name: "a name is changed by a rename", object: open + "(A;;WP;;;AGENT)", right: "write:name", effect: "unknown", why: "to write both name and CN"},
		{name: "and so is what it is made of", object: open + "(A;;WP;;;AGENT)", right: "write:cn", effect: "unknown", why: "cn is changed by a rename only"},
		{name: "without a right to it, it is not", object: open, right: "write:cn", effect: "not-granted", change: "(OA;;WP;bf96793f-0de6-11d0-a285-00aa003049e2;;AGENT)"},
		{name: "where it is not the name it is an attribute", class: "organizationalUnit", object: open + "(A;;WP;;;AGENT)", right: "write:displayName", effect: "granted"},
		{name: "the history of SIDs is not written", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:sIDHistory", effect: "unknown", why: "Migrate-SID-History"},
		{name: "nor the type of an account", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:sAMAccountType", effect: "unknown", why: "keeps sAMAccountType itself"},
		{name: "nor its secrets", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:supplementalCredentials", effect: "unknown", why: "holds secrets"},
		{name: "deleting children of a class", class: "organizationalUnit", object: open + "(OA;;DC;" + classUser + ";;AGENT)", right: "delete-child:user", effect: "granted"},

		{name: "delete by the object", object: open + "(A;;SD;;;AGENT)", right: "delete", effect: "granted", why: "on " + team},
		{name: "delete by the parent", parent: open + "(OA;;DC;" + classGroup + ";;AGENT)", object: open + "(D;;SD;;;WD)", right: "delete", effect: "granted", why: "on " + ou},
		{name: "the parent's right is for another class", parent: open + "(OA;;DC;" + classUser + ";;AGENT)", object: open, right: "delete", effect: "not-granted", change: "(A;;SD;;;AGENT)"},
		{name: "where the object denies, the parent is the way", object: open + "(D;;SD;;;WD)", right: "delete", effect: "denied", change: "(OA;;DC;" + classGroup + ";;AGENT)"},
		{name: "where both deny, there is none", parent: "O:DAG:DAD:(D;;DC;;;WD)", object: "O:DAG:DAD:(D;;SD;;;WD)", right: "delete", effect: "denied", why: "as long as this one stands"},
		{name: "nobody deletes a critical object", object: open + "(A;;SD;;;AGENT)", attrs: map[string]string{"isCriticalSystemObject": "TRUE"}, right: "delete", effect: "not-granted", why: "critical"},
		{name: "nor one whose flags forbid it", object: open + "(A;;SDDT;;;AGENT)", attrs: map[string]string{"systemFlags": "-1946157056"}, right: "delete-tree", effect: "not-granted", why: "systemFlags"},
		{name: "nor is it known where a capture does not say", object: open + "(A;;SDDT;;;AGENT)", attrs: map[string]string{attrWitness: ""}, right: "delete", effect: "unknown",
			why: "permissions grant it, but whether it may be deleted at all (systemFlags, isCriticalSystemObject) is not in the capture"},
		{name: "with all that is below neither", object: open + "(A;;SDDT;;;AGENT)", attrs: map[string]string{attrWitness: ""}, right: "delete-tree", effect: "unknown", why: "is not in the capture"},
		{name: "but what is not granted is known", object: open, attrs: map[string]string{attrWitness: ""}, right: "delete", effect: "not-granted", change: "(A;;SD;;;AGENT)"},
		{name: "nobody writes a back link", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:memberOf", effect: "not-granted", why: "back link"},
		{name: "nor what is constructed", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:tokenGroups", effect: "not-granted", why: "constructed"},
		{name: "nor, but for special cases, what is the system's", class: "user", object: open + "(A;;WP;;;AGENT)", right: "write:objectSid", effect: "unknown", why: "for the system only"},
		{name: "delete-tree is a right of its own", object: open + "(A;;SD;;;AGENT)", right: "delete-tree", effect: "not-granted", change: "(A;;DT;;;AGENT)"},

		{name: "seen by the contents of the parent", object: "O:DAG:DAD:", right: "list", effect: "granted", why: "on " + ou},
		{name: "whether list object counts is not known", parent: "O:DAG:DAD:(A;;LO;;;AU)", object: "O:DAG:DAD:(A;;LO;;;AU)", right: "list", effect: "unknown", why: "dSHeuristics", change: "(A;;LC;;;AGENT)"},
		{name: "in list-object mode it does", parent: "O:DAG:DAD:(A;;LO;;;AU)", object: "O:DAG:DAD:(A;;LO;;;AU)", more: dir("001"), right: "list", effect: "granted"},
		{name: "otherwise it does not", parent: "O:DAG:DAD:(A;;LO;;;AU)", object: "O:DAG:DAD:(A;;LO;;;AU)", more: dir("000"), right: "list", effect: "not-granted", change: "(A;;LC;;;AGENT)"},

		{name: "the owner may write the DACL", object: "O:AGENTG:DAD:", right: "write-dacl", effect: "granted", why: "the owner"},
		{name: "unless OWNER RIGHTS says otherwise", object: "O:AGENTG:DAD:(A;;RP;;;OW)", right: "write-dacl", effect: "not-granted", change: "(A;;WD;;;AGENT)"},
		{name: "an entry for OWNER RIGHTS", object: "O:TEAMG:DAD:(A;;WD;;;OW)", right: "write-dacl", effect: "granted", why: "the owner"},
		{name: "on a computer a forest may block it", class: "computer", object: "O:AGENTG:DAD:", right: "write-dacl", effect: "unknown", why: "dSHeuristics may block", change: "(A;;WD;;;AGENT)"},
		{name: "does block it", class: "computer", object: "O:AGENTG:DAD:", more: dir("00000000010000000002000000001"), right: "write-dacl", effect: "not-granted", why: "is blocked", change: "(A;;WD;;;AGENT)"},
		{name: "does not", class: "computer", object: "O:AGENTG:DAD:", more: dir("00000000010000000002000000002"), right: "write-dacl", effect: "granted"},
		{name: "the owner is not the owner of the owner", object: "O:AGENTG:DAD:", right: "write-owner", effect: "not-granted", change: "(A;;WO;;;AGENT)"},
		{name: "full control lacks a part", object: open + "(A;;CCDCLCSWRPWPDTLOCRSDRCWO;;;AGENT)", right: "full-control", effect: "partial", why: "Modify permissions", change: "(A;;WD;;;AGENT)"},
		{name: "full control", object: open + "(A;;GA;;;AGENT)", right: "full-control", effect: "granted"},
		{name: "an absent DACL", object: "O:DAG:DAD:NO_ACCESS_CONTROL", right: "full-control", effect: "granted", why: "no DACL"},
		{name: "an empty one", object: "O:DAG:DAD:", right: "read-permissions", effect: "not-granted", change: "(A;;RC;;;AGENT)"},
		{name: "a DACL out of order", object: "O:DAG:DAD:(A;;RC;;;AU)(D;;WP;;;OTHER)", right: "write-owner", effect: "not-granted", why: "cannot be put into the DACL"},
	}
	// Cases stand in containers of their own, so that one forest does for all that have the
	// same dSHeuristics.
	apart := func(i int, text string) string {
		return strings.ReplaceAll(text, "OU=Test,", fmt.Sprintf("OU=Test%d,", i))
	}
	things := map[string][]thing{}
	for i, tt := range tests {
		if tt.parent == "" {
			tt.parent = open
		}
		if tt.class == "" {
			tt.class = "group"
		}
		key := fmt.Sprint(tt.more)
		if things[key] == nil {
			things[key] = tt.more
		}
		things[key] = append(things[key], thing{dn: apart(i, ou), class: "organizationalUnit", sddl: tt.parent},
			thing{dn: apart(i, team), class: tt.class, sddl: tt.object, attrs: tt.attrs})
	}
	answers := map[string]func(dn, right string) *Explanation{}
	for key, list := range things {
		answers[key] = asker(t, forest(t, list...))
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := answers[fmt.Sprint(tt.more)](apart(i, team), tt.right)
			tt.why = apart(i, tt.why)
			if x.Effect != tt.effect {
				t.Errorf("effect %s, want %s: %s", x.Effect, tt.effect, x.Why)
			}
			said := x.Why
			var change []string
			if x.Change != nil {
				said += "\n" + x.Change.Why
				for _, add := range x.Change.Add {
					change = append(change, add.SDDL)
				}
				if x.Change.Helps != (len(x.Change.Add) > 0) {
					t.Errorf("helps is %v with %d entries", x.Change.Helps, len(x.Change.Add))
				}
			} else if !x.Granted() && tt.change == "" && tt.why == "" {
				t.Error("nothing is said of a change")
			}
			if !strings.Contains(said, tt.why) {
				t.Errorf("%q is not in %q", tt.why, said)
			}
			if got := strings.Join(change, ""); got != expand.Replace(tt.change) {
				t.Errorf("change %q, want %q", got, expand.Replace(tt.change))
			}
			for _, note := range []string{x.Why, x.Access, x.Effect} {
				if note == "" {
					t.Errorf("something is not said: %+v", x)
				}
			}
		})
	}
}

// What is proposed, once it is there, grants it.
func TestTheChangeHelps(t *testing.T) {
	rights := []string{"write:member", "read:description", "delete", "delete-tree", "list", "read-permissions", "write-dacl", "write-owner", "full-control",
		"create:user", "delete-child:user", "extended:Allowed-To-Authenticate", "validated-write:member", "read:General-Information"}
	place := func(right string) (ou, dn string) {
		ou = "OU=" + strings.ReplaceAll(right, ":", "-") + "," + head
		return ou, "CN=team," + ou
	}
	objects := map[string]string{}
	build := func() func(dn, right string) *Explanation {
		var list []thing
		for _, right := range rights {
			ou, dn := place(right)
			class := "group"
			if strings.HasSuffix(right, ":user") {
				class = "organizationalUnit"
			}
			list = append(list, thing{dn: ou, class: "organizationalUnit", sddl: "O:DAG:DAD:" + objects[ou]}, thing{dn: dn, class: class, sddl: "O:DAG:DAD:" + objects[dn]})
		}
		return asker(t, forest(t, list...))
	}
	before := build()
	for _, right := range rights {
		_, dn := place(right)
		x := before(dn, right)
		if x.Change == nil || !x.Change.Helps || x.Granted() {
			t.Errorf("%s: %s, and the change: %+v", right, x.Effect, x.Change)
			continue
		}
		for _, add := range x.Change.Add {
			objects[add.Object] += add.SDDL
		}
	}
	after := build()
	for _, right := range rights {
		_, dn := place(right)
		if x := after(dn, right); !x.Granted() {
			t.Errorf("%s: with the change it is %s: %s", right, x.Effect, x.Why)
		}
	}
}

// An entry that came down three containers is found where it stands, with its words there.
func TestOrigin(t *testing.T) {
	const inner = "OU=Inner," + ou
	const leaf = "CN=leaf," + inner
	r := forest(t,
		thing{dn: ou, class: "organizationalUnit", sddl: open + "(OA;CIIO;WP;" + member + ";" + classGroup + ";TEAM)(OA;CIIO;SD;;" + classGroup + ";CO)"},
		thing{dn: inner, class: "organizationalUnit", sddl: open + "(OA;CIIOID;WP;" + member + ";" + classGroup + ";TEAM)(A;CINPIO;WO;;;AGENT)"},
		thing{dn: leaf, class: "group", sddl: "O:AGENTG:DAD:(A;;LC;;;AU)(OA;CIID;WP;" + member + ";" + classGroup + ";TEAM)(A;ID;SD;;;AGENT)(A;ID;WO;;;AGENT)(A;CIID;DT;;;AGENT)"},
	)
	for _, tt := range []struct{ right, from, there, why string }{
		{"write:member", ou, "(OA;CIIO;WP;" + member + ";" + classGroup + ";" + groupSID + ")", ""},
		{"delete", ou, "(OA;CIIO;SD;;" + classGroup + ";CO)", ""},
		{"write-owner", inner, "(A;CIIONP;WO;;;" + agentSID + ")", ""},
		{"delete-tree", "", "", "no container above has it now"},
	} {
		x := ask(t, r, agent, leaf, tt.right)
		if !x.Granted() {
			t.Errorf("%s: %s", tt.right, x.Effect)
			continue
		}
		got := x.Ways[0].Checks[0].Decides[0].From
		there := ""
		if got.There != nil {
			there = got.There.SDDL
		}
		if got.DN != tt.from || !sameFlags(there, tt.there) || !strings.Contains(got.Why, tt.why) {
			t.Errorf("%s: from %q %s (%s), want %q %s (%s)", tt.right, got.DN, there, got.Why, tt.from, tt.there, tt.why)
		}
	}
}

// sameFlags compares two entries as values: SDDL has one order of flags.
func sameFlags(a, b string) bool {
	if a == b {
		return true
	}
	x, err1 := sddl.ParseACEText(a, sddl.Aliases{})
	y, err2 := sddl.ParseACEText(b, sddl.Aliases{})
	return err1 == nil && err2 == nil && x == y
}

// PRINCIPAL SELF is the object.
func TestSelf(t *testing.T) {
	self := map[string]string{"objectSid": agentSID}
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open},
		thing{dn: team, class: "computer", sddl: open + "(OA;;SW;" + spn + ";;PS)", attrs: map[string]string{"objectSid": bobSID}},
		thing{dn: "CN=provAgentgMSA,CN=Managed Service Accounts," + head, sddl: open + "(OA;;SW;" + spn + ";;PS)", attrs: self})
	if x := ask(t, r, agent, team, "validated-write:servicePrincipalName"); x.Effect != "not-granted" {
		t.Errorf("on another: %s", x.Effect)
	}
	x := ask(t, r, agent, "CN=provAgentgMSA,CN=Managed Service Accounts,"+head, "validated-write:servicePrincipalName")
	if !x.Granted() || x.Ways[0].Checks[0].Decides[0].Through.How != "account" {
		t.Errorf("on itself: %s, %+v", x.Effect, x.Ways)
	}
}

// A token of which not all is seen proves no absence, and no presence that a deny for
// another group could end.
func TestIncompleteToken(t *testing.T) {
	base := []thing{{dn: ou, class: "organizationalUnit", sddl: open},
		{dn: "CN=eve," + ou, class: "user", sddl: open, attrs: map[string]string{"objectSid": bobSID, "sAMAccountName": "eve"}}}
	for _, tt := range []struct{ dacl, effect string }{
		{"(A;;WP;;;OTHER)", "unknown"},
		{"(A;;WP;;;BOB)", "granted"},
		{"(D;;WP;;;OTHER)(A;;WP;;;BOB)", "unknown"},
	} {
		r := forest(t, append(base, thing{dn: team, class: "group", sddl: open + tt.dacl})...)
		x := ask(t, r, "eve", team, "write:member")
		if x.Effect != tt.effect || x.Account.Unseen == "" {
			t.Errorf("%s: %s (unseen %q), want %s", tt.dacl, x.Effect, x.Account.Unseen, tt.effect)
		}
	}
}

func TestMistakes(t *testing.T) {
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open})
	e, err := New(t.Context(), r, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ account, dn, right, want string }{
		{agent, ou, "write:memebr", `right "write:memebr": the schema has no attribute or property set "memebr"; did you mean member?`},
		{agent, ou, "create:usr", "did you mean user"},
		{agent, ou, "extended:User-Force-Change-Passwrd", "did you mean User-Force-Change-Password?"},
		{agent, ou, "validated-write:description", "attribute description has no validated write; did you mean write:description?"},
		{agent, ou, "reed:member", `there is no right "reed"; did you mean read?`},
		{agent, ou, "zzz", "want one of read:ATTR, write:ATTR"},
		{agent, ou, "delete:user", "delete takes no name"},
		{agent, ou, "read", "read needs a name, read:ATTR"},
		{agent, ou, "read: ", "read needs a name, read:ATTR"},
		{agent, ou, "read:11111111-1111-1111-1111-111111111111", "the schema has no attribute or property set"},
		{agent, ou, "", "want one of"},
		{agent, "bob", "list", `"bob" is not a DN`},
		{agent, "CN=nobody," + ou, "list", "no object CN=nobody," + ou + " is visible here"},
		{"nobody", ou, "list", `account "nobody": no such account is visible`},
		{"Restricted Service Accounts", ou, "list", "is not an account that logs on"},
	} {
		_, err := e.Explain(t.Context(), tt.account, tt.dn, tt.right)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s %s: %v, want %q", tt.account, tt.dn, tt.right, err, tt.want)
		}
	}
	var right *RightError
	if _, err := e.Explain(t.Context(), agent, ou, "write:memebr"); !errors.As(err, &right) || len(right.Similar) == 0 {
		t.Errorf("%#v is no RightError with names", err)
	}
}

// The names of one attribute mean the same.
func TestNames(t *testing.T) {
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open})
	var want string
	for i, name := range []string{"telephoneNumber", "TELEPHONENUMBER", "Telephone-Number", "bf967a49-0de6-11d0-a285-00aa003049e2", "{BF967A49-0DE6-11D0-A285-00AA003049E2}"} {
		x := ask(t, r, agent, ou, "write:"+name)
		got := fmt.Sprint(x.Access, x.Effect)
		if i == 0 {
			want = got
		}
		if got != want || x.Access != "Write telephoneNumber" {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// One Explainer answers as a new one for each question does.
func TestCachesChangeNothing(t *testing.T) {
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open + "(OA;CI;CC;" + classUser + ";;TEAM)"}, thing{dn: team, class: "group", sddl: open})
	e, err := New(t.Context(), r, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, dn := range []string{ou, team, head, strings.ToLower(team)} {
			for _, right := range []string{"create:user", "list", "write:description", "full-control"} {
				x, err := e.Explain(t.Context(), agent, dn, right)
				if err != nil {
					t.Fatal(err)
				}
				if fresh := ask(t, r, agent, dn, right); fmt.Sprintf("%+v", *fresh) == "" || fresh.Effect != x.Effect || fresh.Why != x.Why || fresh.Access != x.Access {
					t.Errorf("%s on %s: %s (%s), afresh %s (%s)", right, dn, x.Effect, x.Why, fresh.Effect, fresh.Why)
				}
			}
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	c, err := demoCapture()
	if err != nil {
		b.Fatal(err)
	}
	e, err := New(b.Context(), c, true)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := e.Explain(b.Context(), agent, "OU=Sales,OU=Sync,"+head, "create:user"); err != nil {
			b.Fatal(err)
		}
	}
}

// A right that is about other classes is said to be.
func TestRightOfAnotherClass(t *testing.T) {
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open}, thing{dn: team, class: "group", sddl: open + "(A;;CR;;;AGENT)"},
		thing{dn: bob, class: "user", sddl: open + "(A;;CR;;;AGENT)"})
	for _, tt := range []struct{ dn, right, effect, why string }{
		{bob, "extended:User-Force-Change-Password", "granted", ""},
		{team, "extended:User-Force-Change-Password", "unknown", "is no right to objects of class group"},
		{ou, "extended:User-Force-Change-Password", "not-granted", ""},
		{team, "extended:Send-As", "unknown", "appliesTo) is not shown here"},
	} {
		if x := ask(t, r, agent, tt.dn, tt.right); x.Effect != tt.effect || !strings.Contains(x.Why, tt.why) {
			t.Errorf("%s on %s: %s (%s), want %s", tt.right, tt.dn, x.Effect, x.Why, tt.effect)
		}
	}
}

// An entry on an object that AdminSDHolder may protect does not last.
func TestChangeOnAProtectedObject(t *testing.T) {
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open}, thing{dn: team, class: "group", sddl: "O:DAG:DAD:P(A;;LC;;;AU)", attrs: map[string]string{"adminCount": "1"}})
	if x := ask(t, r, agent, team, "write:info"); !x.Change.Helps || !slices.ContainsFunc(x.Notes, func(n string) bool { return strings.Contains(n, "AdminSDHolder") }) {
		t.Errorf("%+v, and the notes %q", x.Change, x.Notes)
	}
}

// The groups in between are named, the primary group and the well-known SIDs too.
func TestPath(t *testing.T) {
	const eve, first, second = "CN=eve," + ou, "CN=first," + ou, "CN=second," + ou
	sid := func(rid string) string { return domainSID + "-" + rid }
	bytesOf := func(text string) string {
		s, err := sddl.ParseSID(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(s.Bytes())
	}
	r := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open},
		thing{dn: eve, class: "user", sddl: open, attrs: map[string]string{"objectSid": sid("2001"), "sAMAccountName": "eve", "memberOf": first, "primaryGroupID": "2004", "tokenGroups": bytesOf(sid("2003"))}},
		thing{dn: first, class: "group", attrs: map[string]string{"objectSid": sid("2002"), "sAMAccountName": "first", "memberOf": second}},
		thing{dn: second, class: "group", attrs: map[string]string{"objectSid": sid("2003"), "sAMAccountName": "second"}},
		thing{dn: team, class: "group", sddl: open + "(A;;WP;;;" + sid("2003") + ")(A;;SD;;;BU)"})
	e, err := New(t.Context(), r, true)
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.account(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	// The token of the test has one group only: the other ones are put in here.
	for _, rid := range []string{"2002", "2004"} {
		s, err := sddl.ParseSID(sid(rid))
		if err != nil {
			t.Fatal(err)
		}
		a.token.SIDs[s] = acl.Group
	}
	a.in = nil
	if err := a.loadPaths(t.Context(), r, e.domain); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ to, want string }{
		{sid("2003"), sid("2002") + " " + sid("2003")},
		{sid("2002"), sid("2002")},
		{sid("2004"), sid("2004")},
		{"S-1-5-32-545", "S-1-5-11 S-1-5-32-545"},
		{"S-1-5-11", ""},
		{sid("9999"), ""},
	} {
		to, err := sddl.ParseSID(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range a.path(to) {
			got = append(got, s.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("to %s: %q, want %q", tt.to, strings.Join(got, " "), tt.want)
		}
	}
	x, err := e.Explain(t.Context(), "eve", team, "write:member")
	if err != nil {
		t.Fatal(err)
	}
	if !x.Granted() || x.Ways[0].Checks[0].Decides[0].Through.How != "group" || len(x.Ways[0].Checks[0].Decides[0].Through.Path) != 2 {
		t.Errorf("%s: %+v", x.Effect, x.Ways)
	}
}

// What a capture of before does not show of the schema is not taken for a no.
func TestOldCapture(t *testing.T) {
	c, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	const dn = "OU=Sales,OU=Sync," + head
	e, err := New(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	me, err := sddl.ParseSID(agentSID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Explain(t.Context(), agent, dn, "list"); err != nil {
		t.Fatal(err)
	}
	o := e.objects[directory.DNKey(dn)]
	dacl, err := o.Descriptor.DACL.WithAllows(sddl.ObjectACE(sddl.Allow, 0, sddl.FullControl, sddl.GUID{}, sddl.GUID{}, me))
	if err != nil {
		t.Fatal(err)
	}
	o.Descriptor = o.Descriptor.WithDACL(dacl)
	for right, effect := range map[string]string{
		"write:memberOf": "unknown", "write:whenChanged": "unknown", "write:name": "unknown", "write:description": "unknown",
		"delete": "unknown", "delete-tree": "unknown", "create:user": "unknown", "read:description": "granted", "write-dacl": "granted",
	} {
		x, err := e.Explain(t.Context(), agent, dn, right)
		if err != nil {
			t.Fatal(err)
		}
		if x.Effect != effect || effect == "unknown" && (!strings.HasPrefix(x.Why, "permissions grant it, but ") || !slices.ContainsFunc(x.Notes, func(n string) bool { return strings.Contains(n, "gmsactl collect") })) {
			t.Errorf("%s: %s (%s), want %s", right, x.Effect, x.Why, effect)
		}
	}
}

// A sweep that did not ask for all that explain reads is answered from, and what it did not
// ask for is unknown only where it matters.
func TestOldSweep(t *testing.T) {
	f := forest(t, thing{dn: ou, class: "organizationalUnit", sddl: open}, thing{dn: team, class: "group", sddl: open + "(A;;WPSD;;;AGENT)"})
	rec := directory.NewRecorder(f)
	if _, err := audit.Collect(t.Context(), rec, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := Collect(t.Context(), rec, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		attrs  []string
		delete string
	}{
		{[]string{"objectClass", "objectSid", "adminCount", "objectGUID"}, "unknown"},
		{append(ObjectAttrs(), "objectClass", "objectSid", "objectGUID"), "granted"},
	} {
		var text bytes.Buffer
		if _, err := rec.WriteSweeps(t.Context(), &text, []string{ou}, tt.attrs, nil); err != nil {
			t.Fatal(err)
		}
		c, err := directory.ReadCapture(&text)
		if err != nil {
			t.Fatal(err)
		}
		for right, effect := range map[string]string{"write:member": "granted", "delete": tt.delete, "delete-tree": "not-granted", "list": "granted"} {
			if x := ask(t, c, agent, team, right); x.Effect != effect {
				t.Errorf("%v: %s: %s (%s), want %s", tt.attrs, right, x.Effect, x.Why, effect)
			}
		}
	}
}
