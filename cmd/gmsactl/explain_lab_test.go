package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
)

// What explain says is what the domain controller then lets the account do: by doing it,
// by reading it, or by the attributes in which the domain controller says it itself.
func TestExplainAgreesWithTheDC(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "expl")
	account := lab.CreateUser(t, "expl", "Corr3ct-horse-battery")
	gmsa := lab.CreateGMSA(t, "expl")
	id := account.SAMAccountName[4:]
	dn := func(rdns ...string) string { return strings.Join(append(rdns, ou), ",") }
	alice, team, own, closed, inner := dn("CN=alice"), dn("CN=team"), dn("CN=own"), dn("OU=closed"), dn("OU=inner")
	bob, mortal, kept, hidden := dn("CN=bob", "OU=closed"), dn("CN=mortal", "OU=inner"), dn("CN=kept", "OU=inner"), dn("CN=secret", "OU=hidden")

	// Every call into the lab takes a second, so that there are few.
	var pending strings.Builder
	add := func(lines ...string) { pending.WriteString(strings.Join(lines, "\n") + "\n\n") }
	flush := func(command string) {
		lab.RunInput(t, pending.String(), command, "-H", database)
		pending.Reset()
	}
	user := func(dn, name string) {
		add("dn: "+dn, "objectClass: user", "sAMAccountName: "+name+id, "description: a user", "telephoneNumber: 1", "userAccountControl: 512")
	}
	group := func(dn, name string, more ...string) {
		add(append([]string{"dn: " + dn, "objectClass: group", "sAMAccountName: " + name + id, "description: a group"}, more...)...)
	}
	for _, name := range []string{"closed", "inner", "hidden"} {
		add("dn: "+dn("OU="+name), "objectClass: organizationalUnit")
	}
	first, second := dn("CN=first"), dn("CN=second")
	group(first, "fi", "member: "+account.DN)
	group(second, "se", "member: "+first)
	user(alice, "al")
	user(bob, "bo")
	user(hidden, "hi")
	group(team, "te")
	group(own, "ow")
	user(mortal, "mo")
	group(kept, "ke")
	flush("ldbadd")
	groupSID := sidOf(t, lab, second)

	const (
		description = "bf967950-0de6-11d0-a285-00aa003049e2"
		telephone   = "bf967a49-0de6-11d0-a285-00aa003049e2"
		member      = "bf9679c0-0de6-11d0-a285-00aa003049e2"
		classUser   = "bf967aba-0de6-11d0-a285-00aa003049e2"
		classGroup  = "bf967a9c-0de6-11d0-a285-00aa003049e2"
		reset       = "00299570-246d-11d0-a768-00aa006e0529"
		whole       = "O:DAG:DAD:%s(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;LCRPRC;;;AU)%s"
	)
	set := func(dn, protected, aces string) {
		aces = strings.NewReplacer("ME", account.SID, "TEAM", groupSID).Replace(aces)
		deny := ""
		for strings.HasPrefix(aces, "(OD") || strings.HasPrefix(aces, "(D") {
			end := strings.Index(aces, ")") + 1
			deny, aces = deny+aces[:end], aces[end:]
		}
		add("dn: "+dn, "changetype: modify", "replace: nTSecurityDescriptor", "nTSecurityDescriptor: "+fmt.Sprintf(whole, protected+deny, aces))
	}
	set(ou, "", "(OD;CIIO;WP;"+telephone+";"+classUser+";TEAM)(OA;CIIO;WP;"+description+";"+classUser+";ME)(OA;CIIO;WP;"+telephone+";"+classUser+";ME)"+
		"(OA;CIIO;WP;"+member+";"+classGroup+";TEAM)(OA;;CC;"+classUser+";;ME)")
	set(closed, "P", "")
	set(inner, "", "(OA;;DC;"+classUser+";;ME)")
	set(alice, "", "(OA;;CR;"+reset+";;ME)(A;;WD;;;ME)")
	set(own, "P", "(OA;;SW;"+member+";;ME)")
	set(kept, "", "(D;;SD;;;WD)(A;;DT;;;ME)")
	add("dn: "+dn("OU=hidden"), "changetype: modify", "replace: nTSecurityDescriptor", "nTSecurityDescriptor: O:DAG:DAD:P(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)")
	flush("ldbmodify")
	lab.Run(t, "samba-tool", "service-account", "group-msa-membership", "add", "-H", database, "--name="+gmsa.SAMAccountName, "--principal="+account.DN)

	s := session(t, lab, account.SAMAccountName, lab.Keytab(t, account.SAMAccountName))
	values := func(dn, attr string) []string {
		got, err := s.LDAP().Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{attr}, nil))
		if err != nil || len(got.Entries) != 1 {
			return nil
		}
		return got.Entries[0].GetEqualFoldAttributeValues(attr)
	}
	says := func(dn, attr, name string) bool {
		return slices.ContainsFunc(values(dn, attr), func(v string) bool { return strings.EqualFold(v, name) })
	}
	may := func(err error) bool {
		switch {
		case err == nil:
			return true
		case ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights), ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject), ldap.IsErrorWithCode(err, ldap.LDAPResultConstraintViolation):
			return false
		}
		t.Errorf("the DC says something else: %v", err)
		return false
	}
	replace := func(dn, attr string, value ...string) bool {
		change := ldap.NewModifyRequest(dn, nil)
		change.Replace(attr, value)
		return may(s.LDAP().Modify(change))
	}
	join := func(group, who string) bool {
		change := ldap.NewModifyRequest(group, nil)
		change.Add("member", []string{who})
		return may(s.LDAP().Modify(change))
	}
	create := func(class, name string) bool {
		request := ldap.NewAddRequest("CN="+name+id+","+ou, nil)
		request.Attribute("objectClass", []string{class})
		request.Attribute("sAMAccountName", []string{name + id})
		return may(s.LDAP().Add(request))
	}
	remove := func(dn string) bool { return may(s.LDAP().Del(ldap.NewDelRequest(dn, nil))) }
	right := func(dn string, bit int) bool {
		n, _ := strconv.Atoi(strings.Join(values(dn, "sDRightsEffective"), ""))
		return n&bit != 0
	}
	var wide strings.Builder
	for _, r := range `"N3w-horse-battery"` {
		wide.WriteString(string([]byte{byte(r), 0}))
	}

	has := func(dn, attr string) bool { return len(values(dn, attr)) > 0 }
	questions := []struct {
		dn, right string
		effect    string
		dc        func() bool // what the DC lets it do
	}{
		{alice, "write:description", "granted", func() bool { return replace(alice, "description", "written") }},
		{alice, "write:displayName", "not-granted", func() bool { return replace(alice, "displayName", "x") }},
		{alice, "write:telephoneNumber", "denied", func() bool { return replace(alice, "telephoneNumber", "2") }},
		{team, "write:member", "granted", func() bool { return join(team, alice) }},
		{team, "write:description", "not-granted", func() bool { return replace(team, "description", "x") }},
		{bob, "write:description", "not-granted", func() bool { return replace(bob, "description", "x") }},
		{own, "write:member", "partial", func() bool { return join(own, alice) }},
		{own, "validated-write:member", "granted", func() bool { return join(own, account.DN) }},
		{team, "validated-write:member", "granted", func() bool { return says(team, "allowedAttributesEffective", "member") }},
		{alice, "extended:User-Force-Change-Password", "granted", func() bool { return replace(alice, "unicodePwd", wide.String()) }},
		{alice, "write:unicodePwd", "granted", func() bool { return replace(alice, "unicodePwd", wide.String()) }},
		{bob, "extended:User-Force-Change-Password", "not-granted", func() bool { return replace(bob, "unicodePwd", wide.String()) }},
		{alice, "write-dacl", "granted", func() bool { return right(alice, 4) }},
		{alice, "write-owner", "not-granted", func() bool { return right(alice, 1) }},
		{bob, "write-dacl", "not-granted", func() bool { return right(bob, 4) }},
		{ou, "create:user", "granted", func() bool { return create("user", "n1") }},
		{ou, "create:group", "not-granted", func() bool { return create("group", "n2") }},
		{ou, "create:computer", "not-granted", func() bool { return says(ou, "allowedChildClassesEffective", "computer") }},
		{alice, "create:user", "not-granted", func() bool { return says(alice, "allowedChildClassesEffective", "user") }},
		{alice, "read:description", "granted", func() bool { return has(alice, "description") }},
		{alice, "read:unicodePwd", "not-granted", func() bool { return has(alice, "unicodePwd") }},
		{alice, "list", "granted", func() bool { return has(alice, "objectClass") }},
		{hidden, "list", "not-granted", func() bool { return has(hidden, "objectClass") }},
		{hidden, "read:description", "not-granted", func() bool { return has(hidden, "description") }},
		{alice, "write:memberOf", "not-granted", func() bool { return replace(alice, "memberOf", team) }},
		{gmsa.DN, "read:msDS-ManagedPassword", "granted", func() bool { return has(gmsa.DN, "msDS-ManagedPassword") }},
		{kept, "delete", "denied", func() bool { return remove(kept) }},
		{kept, "delete-tree", "granted", func() bool {
			return may(s.LDAP().Del(ldap.NewDelRequest(kept, []ldap.Control{ldap.NewControlSubtreeDelete()})))
		}},
		{mortal, "delete", "granted", func() bool { return remove(mortal) }},
	}
	var asked strings.Builder
	for _, q := range questions {
		fmt.Fprintf(&asked, "%s\t%s\t%s\n", account.SAMAccountName, q.dn, q.right)
	}
	var stdout, stderr bytes.Buffer
	if code := (&app{stdin: strings.NewReader(asked.String()), stdout: &stdout, stderr: &stderr}).run(t.Context(), append([]string{"explain", "--lines"}, administrator(t, lab).flags...)); code != exitFindings {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	answers := json.NewDecoder(&stdout)
	for i, q := range questions {
		var got struct {
			Effect, Why string
			Ways        json.RawMessage
		}
		if err := answers.Decode(&got); err != nil {
			t.Fatalf("%s on %s: %v", q.right, q.dn, err)
		}
		if got.Effect != q.effect {
			t.Errorf("%d: %s on %s: %s (%s), want %s\n%s", i, q.right, q.dn, got.Effect, got.Why, q.effect, got.Ways)
		}
		if did := q.dc(); did != (q.effect == "granted") {
			t.Errorf("%d: %s on %s: the DC lets it: %v, explain says %s", i, q.right, q.dn, did, got.Effect)
		}
	}

	// The nested group is named with the way to it, and the entry with where it stands.
	text := administrator(t, lab).want(exitOK, "explain", account.SAMAccountName, team, "write:member").stdout
	for _, part := range []string{"through group CORP\\se" + id, "by way of CORP\\fi" + id, "inherited from " + ou} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}

	text = administrator(t, lab).want(exitFindings, "explain", lab.User, team, "extended:User-Force-Change-Password").stdout
	if !strings.Contains(strings.Join(strings.Fields(text), " "), "is no right to objects of class group") {
		t.Errorf("that a group has no password is not in\n%s", text)
	}

	// What was collected gives the same answer.
	u := administrator(t, lab)
	u.want(exitOK, "collect", account.SAMAccountName, "--target", alice, "--target", team, "--out", u.file("capture.ldif"))
	offline := &offlineUser{t: t, from: u.file("capture.ldif")}
	for _, q := range [][2]string{{alice, "write:description"}, {alice, "write:telephoneNumber"}, {team, "write:member"}, {ou, "create:user"}} {
		live, captured := u.run("explain", account.SAMAccountName, q[0], q[1], "-o", "json"), offline.run("explain", account.SAMAccountName, q[0], q[1], "-o", "json")
		if effectOf(t, live.stdout) != effectOf(t, captured.stdout) || live.code != captured.code {
			t.Errorf("%s on %s: live %s, from the capture %s", q[1], q[0], live.stdout, captured.stdout)
		}
	}
}

// For every attribute that objects may have, and every class that may stand below them,
// explain says what the domain controller says in allowedAttributesEffective and
// allowedChildClassesEffective. [MS-ADTS] 3.1.1.4.5.5, 3.1.1.4.5.7.
func TestExplainAgreesWithEffectiveAttributes(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "expe")
	account := lab.CreateUser(t, "expe", "Corr3ct-horse-battery")
	id := account.SAMAccountName[4:]
	var adds, sets strings.Builder
	objects := []string{ou}
	for class, name := range map[string]string{"user": "u", "group": "g", "computer": "c", "contact": "k", "container": "n", "organizationalUnit": "o", "inetOrgPerson": "i"} {
		rdn := "CN="
		if class == "organizationalUnit" {
			rdn = "OU="
		}
		objects = append(objects, rdn+name+","+ou)
		fmt.Fprintf(&adds, "dn: %s%s,%s\nobjectClass: %s\n", rdn, name, ou, class)
		if slices.Contains([]string{"user", "group", "computer", "inetOrgPerson"}, class) {
			if name += id; class == "computer" {
				name += "$"
			}
			fmt.Fprintf(&adds, "sAMAccountName: %s\n", name)
		}
		adds.WriteString("\n")
	}
	lab.RunInput(t, adds.String(), "ldbadd", "-H", database)
	aces := "(OD;CI;WP;e48d0154-bcf8-11d1-8702-00c04fb96050;;ME)" + // Public-Information
		"(OA;CI;WP;77b5b886-944a-11d1-aebd-0000f80367c1;;ME)(OA;CI;WP;e48d0154-bcf8-11d1-8702-00c04fb96050;;ME)" + // Personal-Information
		"(OA;CI;WP;bf967953-0de6-11d0-a285-00aa003049e2;;ME)(OA;CI;SW;bf9679c0-0de6-11d0-a285-00aa003049e2;;ME)(OA;CIIO;WP;;bf967a9c-0de6-11d0-a285-00aa003049e2;ME)" +
		"(OA;CI;WP;bf967a86-0de6-11d0-a285-00aa003049e2;;ME)" + // the class computer: all of it, there
		"(OA;CI;CC;bf967aba-0de6-11d0-a285-00aa003049e2;;ME)(OA;CIIO;CC;;bf967aa5-0de6-11d0-a285-00aa003049e2;ME)(A;CIIO;CC;;;AU)"
	fmt.Fprintf(&sets, "dn: %s\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor: O:DAG:DAD:%s(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;CI;LCRPRC;;;AU)\n",
		ou, strings.ReplaceAll(aces, "ME", account.SID))
	lab.RunInput(t, sets.String(), "ldbmodify", "-H", database)

	s := session(t, lab, account.SAMAccountName, lab.Keytab(t, account.SAMAccountName))
	type question struct {
		dn, right string
		allowed   bool
	}
	var questions []question
	for _, dn := range objects {
		got, err := s.LDAP().Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
			[]string{"allowedAttributes", "allowedAttributesEffective", "allowedChildClasses", "allowedChildClassesEffective"}, nil))
		if err != nil || len(got.Entries) != 1 {
			t.Fatalf("%s: %v", dn, err)
		}
		e := got.Entries[0]
		for _, of := range []struct{ all, effective, verb string }{{"allowedAttributes", "allowedAttributesEffective", "write:"}, {"allowedChildClasses", "allowedChildClassesEffective", "create:"}} {
			effective := e.GetAttributeValues(of.effective)
			for _, name := range e.GetAttributeValues(of.all) {
				questions = append(questions, question{dn, of.verb + name, slices.Contains(effective, name)})
			}
		}
		for _, class := range []string{"user", "group", "organizationalUnit", "computer", "container", "contact", "subnet", "top", "crossRef"} {
			if !slices.Contains(e.GetAttributeValues("allowedChildClasses"), class) {
				questions = append(questions, question{dn, "create:" + class, false})
			}
		}
	}
	var asked strings.Builder
	for _, q := range questions {
		fmt.Fprintf(&asked, "%s\t%s\t%s\n", account.SAMAccountName, q.dn, q.right)
	}
	var stdout, stderr bytes.Buffer
	begin := time.Now()
	if code := (&app{stdin: strings.NewReader(asked.String()), stdout: &stdout, stderr: &stderr}).run(t.Context(), append([]string{"explain", "--lines"}, administrator(t, lab).flags...)); code != exitFindings {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	took := time.Since(begin)
	answers := json.NewDecoder(&stdout)
	allowed, doubts, named := 0, 0, 0
	for _, q := range questions {
		var got struct {
			Effect, Why string
			Ways        []struct{ Effect string }
		}
		if err := answers.Decode(&got); err != nil {
			t.Fatalf("%s on %s: %v", q.right, q.dn, err)
		}
		effect := got.Effect
		switch {
		case slices.Contains([]string{"write:unicodePwd", "write:dBCSPwd", "write:nTSecurityDescriptor", "write:fSMORoleOwner", "write:sIDHistory", "write:sAMAccountType",
			"write:supplementalCredentials", "write:lmPwdHistory", "write:ntPwdHistory", "create:secret", "create:trustedDomain", "create:samServer",
			"write:isCriticalSystemObject", "write:badPasswordTime", "write:badPwdCount", "write:lastLogoff", "write:lastLogon", "write:lastLogonTimestamp", "write:logonCount",
			"write:creationTime", "write:modifiedCount", "write:modifiedCountAtLastProm", "write:serverState", "write:rid", "write:revision"}, q.right):
			// These take other rights than WriteProperty or CreateChild, or others as well, or are
			// the server's own; the right is all that Samba looks at for the list.
			if effect == "granted" && !slices.Contains([]string{"write:unicodePwd", "write:dBCSPwd", "write:nTSecurityDescriptor"}, q.right) {
				t.Errorf("%s on %s: %s (%s)", q.right, q.dn, effect, got.Why)
			}
			named++
			continue
		case effect == "unknown" && strings.Contains(got.Why, " is for the system only"):
			// There are special cases, such as wellKnownObjects; the list has none of them.
			doubts++
		}
		if q.allowed {
			allowed++
		}
		if (effect == "granted") != q.allowed {
			t.Errorf("%s on %s: explain says %s (%s), the DC lists it: %v", q.right, q.dn, got.Effect, got.Why, q.allowed)
		}
	}
	t.Logf("%d questions in %v; the DC allows %d; %d are for the system only, %d go by other rights", len(questions), took, allowed, doubts, named)
	if allowed < 50 || len(questions) < 1000 {
		t.Errorf("%d of %d questions are allowed: too few to prove anything", allowed, len(questions))
	}
}

// A sweep that was collected answers as the domain controller does, about every object in it.
func TestExplainFromASweepAgreesWithLive(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "expw")
	gmsa := lab.CreateGMSA(t, "expw")
	u := administrator(t, lab)
	lab.RunInput(t, "dn: CN=a,"+ou+"\nobjectClass: group\nsAMAccountName: a"+gmsa.SAMAccountName+"\n\ndn: OU=b,"+ou+"\nobjectClass: organizationalUnit\n\ndn: CN=c,OU=b,"+ou+"\nobjectClass: container\n", "ldbadd", "-H", database)
	users := "CN=Users," + lab.BaseDN
	u.want(exitOK, "collect", "--reach", "--target", ou, "--target", users, gmsa.SAMAccountName, lab.User, "--out", u.file("swept.ldif.gz"))
	var asked strings.Builder
	n := 0
	for _, who := range []string{lab.User, gmsa.SAMAccountName} {
		for _, dn := range []string{ou, "CN=a," + ou, "OU=b," + ou, "CN=c,OU=b," + ou, users, "CN=krbtgt," + users, "CN=Administrator," + users, "CN=Domain Admins," + users, gmsa.DN, lab.BaseDN} {
			for _, right := range []string{"list", "delete", "delete-tree", "write-dacl", "full-control", "read:description", "read:msDS-ManagedPassword", "write:description", "write:memberOf",
				"write:name", "write:cn", "write:objectSid", "write:tokenGroups", "write:sAMAccountType", "write:member", "create:user", "create:secret", "create:rIDSet", "create:trustedDomain",
				"create:applicationProcess", "delete-child:user", "extended:User-Force-Change-Password", "extended:DS-Replication-Get-Changes", "read:userPassword"} {
				fmt.Fprintf(&asked, "%s\t%s\t%s\n", who, dn, right)
				n++
			}
		}
	}
	answers := func(flags ...string) *json.Decoder {
		var stdout, stderr bytes.Buffer
		if code := (&app{stdin: strings.NewReader(asked.String()), stdout: &stdout, stderr: &stderr}).run(t.Context(), append([]string{"explain", "--lines"}, flags...)); code != exitFindings {
			t.Fatalf("exit code %d: %s\n%s", code, stderr.String(), stdout.String())
		}
		return json.NewDecoder(&stdout)
	}
	live, captured := answers(u.flags...), answers("--from", u.file("swept.ldif.gz"))
	effects := map[string]int{}
	for range n {
		type answer struct {
			Object             struct{ DN string }
			Right, Effect, Why string
		}
		var want, got answer
		if err := live.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if err := captured.Decode(&got); err != nil {
			t.Fatal(err)
		}
		effects[want.Effect]++
		// A capture says of itself what it does not hold; a value that is not set is one of these.
		got.Why = strings.ReplaceAll(got.Why, "the capture does not hold "+"msDS-GroupMSAMembership", "msDS-GroupMSAMembership is not set, or not readable to this identity")
		if got != want {
			t.Errorf("live %+v, captured %+v", want, got)
		}
	}
	t.Log(effects)
	if effects["granted"] < 20 || effects["not-granted"] < 20 {
		t.Errorf("%v: too few to prove anything", effects)
	}
}

// offlineUser runs the command on a capture.
type offlineUser struct {
	t    *testing.T
	from string
}

func (u *offlineUser) run(args ...string) answer {
	return (&user{t: u.t, flags: []string{"--from", u.from}}).run(args...)
}

func effectOf(t *testing.T, text string) string {
	t.Helper()
	var x struct{ Effect, Why string }
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return x.Effect + ": " + x.Why
}

func sidOf(t *testing.T, lab *labtest.Lab, dn string) string {
	t.Helper()
	out := lab.Run(t, "ldbsearch", "-H", database, "-s", "base", "-b", dn, "objectSid")
	for line := range strings.Lines(out) {
		if sid, ok := strings.CutPrefix(line, "objectSid: "); ok {
			return strings.TrimSpace(sid)
		}
	}
	t.Fatalf("no objectSid in\n%s", out)
	return ""
}

// A thousand questions over one connection: go test -run TestExplainLinesLive -v ./cmd/gmsactl
func TestExplainLinesLive(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	password, err := readPassword(lab)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ldapx.Dial(context.Background(), ldapx.Config{DC: lab.DC, User: lab.User, Timeout: time.Minute, Password: func() ([]byte, error) { return bytes.Clone(password), nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Elsewhere other tests remove what they created.
	var dns []string
	for e, err := range s.Read(context.Background(), directory.Query{Base: "CN=Configuration," + lab.BaseDN, Scope: directory.Subtree, Attrs: []string{"objectClass"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if dns = append(dns, e.DN); len(dns) == 250 {
			break
		}
	}
	var questions strings.Builder
	n := 0
	for _, dn := range dns {
		for _, right := range []string{"list", "write:description", "delete", "read:Personal-Information", "write-dacl", "full-control"} {
			if n == 1000 {
				break
			}
			fmt.Fprintf(&questions, "%s\t%s\t%s\n", "krbtgt", dn, right)
			n++
		}
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(questions.String()), stdout: &stdout, stderr: &stderr}
	begin := time.Now()
	code := a.run(context.Background(), append([]string{"explain", "--lines"}, u.flags...))
	t.Logf("%d questions about %d objects: %v, exit code %d", n, len(dns), time.Since(begin), code)
	if code != exitFindings || stderr.Len() > 0 {
		t.Errorf("exit code %d, want %d: %s", code, exitFindings, stderr.String())
	}
	if got := strings.Count(stdout.String(), "\n"); got != n {
		t.Errorf("%d answers, want %d", got, n)
	}
	if strings.Contains(stdout.String(), `"kind":"ExplanationError"`) {
		t.Error("some questions are in error")
	}
}

func readPassword(lab *labtest.Lab) ([]byte, error) {
	text, err := os.ReadFile(lab.PasswordFile)
	return bytes.TrimSpace(text), err
}
