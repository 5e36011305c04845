package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// What audit --reach says of every object is what the domain controller says of it to the
// account, in allowedAttributesEffective; and the causes are what the test made.
func TestReachAgreesWithTheDC(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "reach")
	account := lab.CreateUser(t, "rch", "Corr3ct-horse-battery")
	id := account.SAMAccountName[3:]
	dn := func(rdns ...string) string { return strings.Join(append(rdns, ou), ",") }

	var pending strings.Builder
	add := func(lines ...string) { pending.WriteString(strings.Join(lines, "\n") + "\n\n") }
	flush := func(command string) {
		lab.RunInput(t, pending.String(), command, "-H", database)
		pending.Reset()
	}
	var users, groups []string
	user := func(name string, above ...string) {
		users = append(users, dn(append([]string{"CN=" + name}, above...)...))
		add("dn: "+users[len(users)-1], "objectClass: user", "sAMAccountName: "+name+id, "userAccountControl: 512")
	}
	group := func(name string, more []string, above ...string) {
		groups = append(groups, dn(append([]string{"CN=" + name}, above...)...))
		add(append([]string{"dn: " + groups[len(groups)-1], "objectClass: group", "sAMAccountName: " + name + id}, more...)...)
	}
	for _, unit := range []string{"OU=closed", "OU=denied", "OU=extra", "OU=plain", "OU=sub,OU=closed"} {
		add("dn: "+dn(unit), "objectClass: organizationalUnit")
	}
	group("team", []string{"member: " + account.DN})
	group("open", nil, "OU=plain")
	group("closed", nil, "OU=closed")
	group("below", nil, "OU=sub", "OU=closed")
	group("protected", []string{"adminCount: 1"})
	group("stale", []string{"adminCount: 1"})
	user("one")
	user("two", "OU=plain")
	user("three", "OU=closed")
	user("four", "OU=denied")
	user("five")
	user("six", "OU=extra")
	flush("ldbadd")
	team := sidOf(t, lab, groups[0])

	const (
		description = "bf967950-0de6-11d0-a285-00aa003049e2"
		member      = "bf9679c0-0de6-11d0-a285-00aa003049e2"
		classUser   = "bf967aba-0de6-11d0-a285-00aa003049e2"
		classGroup  = "bf967a9c-0de6-11d0-a285-00aa003049e2"
		reset       = "00299570-246d-11d0-a768-00aa006e0529"
	)
	set := func(dn, denies, aces string) {
		text := "O:DAG:DAD:" + denies + "(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;LCRPRC;;;AU)" + aces
		add("dn: "+dn, "changetype: modify", "replace: nTSecurityDescriptor",
			"nTSecurityDescriptor: "+strings.NewReplacer("ME", account.SID, "TEAM", team).Replace(text))
	}
	set(ou, "", "(OA;CIIO;WP;"+member+";"+classGroup+";ME)(OA;CIIO;WP;"+description+";"+classUser+";ME)(OA;CIIO;CR;"+reset+";"+classUser+";TEAM)")
	set(dn("OU=closed"), "P", "")
	set(dn("OU=denied"), "(OD;CIIO;WP;"+description+";"+classUser+";TEAM)", "")
	set(dn("OU=extra"), "", "(A;CI;WD;;;ME)")
	set(dn("CN=five"), "(OD;;WP;"+description+";;ME)", "")
	// What SDProp does on Windows; Samba has none.
	holder := descriptor(t, lab, "CN=AdminSDHolder,CN=System,"+lab.BaseDN)
	aces := slices.Clone(holder.DACL.ACEs)
	for i := range aces {
		aces[i].Flags &^= sddl.Inherited
	}
	held := holder.WithDACL(&sddl.ACL{Revision: 4, ACEs: aces}).DACLOnly()
	held.Control |= sddl.DACLProtected
	add("dn: "+dn("CN=protected"), "changetype: modify", "replace: nTSecurityDescriptor", "nTSecurityDescriptor: O:DAG:DA"+held.Text(sddl.Aliases{}))
	flush("ldbmodify")

	u := administrator(t, lab)
	rules := `name: test
title: Test
source: test
rules:
  - {id: write-member, rights: [write-property], object: member, scope: descendants, class: group, source: test}
  - {id: write-description, rights: [write-property], object: description, scope: descendants, class: user, source: test}
`
	if err := os.WriteFile(u.file("rules.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	got := u.want(exitFindings, "audit", account.SAMAccountName, "--target", ou, "--policy", u.file("rules.yaml"),
		"--reach", "--excess", "--examples", "100", "-o", "json")
	var report audit.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatal(err)
	}
	reach := report.Targets[0].Reach
	missed := map[string]string{}
	var causes []string
	for _, row := range reach.Rows {
		for _, c := range row.Causes {
			causes = append(causes, fmt.Sprintf("%s: %s at %s on %d", row.Rule, c.Cause, strings.TrimSuffix(strings.TrimSuffix(c.At, ou), ","), c.Objects))
			for _, dn := range c.Examples {
				missed[dn] = c.Cause
			}
		}
	}
	slices.Sort(causes)
	want := []string{
		"write-description: deny at  on 1",
		"write-description: deny at OU=denied on 1",
		"write-description: inheritance-blocked at OU=closed on 1",
		"write-member: adminsdholder at CN=AdminSDHolder,CN=System," + lab.BaseDN + " on 1",
		"write-member: inheritance-blocked at OU=closed on 2",
	}
	if !slices.Equal(causes, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(causes, "\n"), strings.Join(want, "\n"))
	}
	for i, n := range []int{len(groups), len(users)} {
		if row := reach.Rows[i]; row.Objects != n || row.Unknown != 0 {
			t.Errorf("%s: %d objects, %d unknown, want %d", row.Rule, row.Objects, row.Unknown, n)
		}
	}
	if m := reach.StaleAdminCount; m == nil || len(m.Examples) != 1 || !strings.HasPrefix(m.Examples[0], "CN=stale,") {
		t.Errorf("stale: %+v", m)
	}
	if n := 1 + 5 + len(groups) + len(users); reach.Objects != n {
		t.Errorf("%d objects, want %d", reach.Objects, n)
	}

	var excess []string
	for _, e := range report.Excess.Entries {
		excess = append(excess, fmt.Sprintf("%s %s at %s on %d", e.Via, e.Beyond, strings.TrimSuffix(strings.TrimSuffix(e.At, ou), ","), e.Objects))
	}
	slices.Sort(excess)
	// Of the users, the one in OU=closed inherits nothing.
	if want := []string{"group CR at  on 5", "own WD at OU=extra on 2"}; !slices.Equal(excess, want) {
		t.Errorf("excess: got %q, want %q", excess, want)
	}

	s := session(t, lab, account.SAMAccountName, lab.Keytab(t, account.SAMAccountName))
	for _, list := range []struct {
		attr string
		dns  []string
	}{{"member", groups}, {"description", users}} {
		for _, dn := range list.dns {
			found, err := s.LDAP().Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"allowedAttributesEffective"}, nil))
			if err != nil || len(found.Entries) != 1 {
				t.Fatalf("%s: %v", dn, err)
			}
			may := slices.ContainsFunc(found.Entries[0].GetEqualFoldAttributeValues("allowedAttributesEffective"), func(v string) bool { return strings.EqualFold(v, list.attr) })
			if _, not := missed[dn]; may == not {
				t.Errorf("%s of %s: the DC lets it write: %v; reach says %q", list.attr, dn, may, missed[dn])
			}
		}
	}
}

// counted is a connection that says how much came over it.
type counted struct {
	net.Conn
	read func(n int)
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read(n)
	return n, err
}

// Interrupted near its end, a sweep shows nothing of what it has.
func TestInterruptedSweepShowsNothing(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "stop")
	u := administrator(t, lab)
	run := func(most int64, more ...string) (code int, total int64, stdout, stderr string) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var got atomic.Int64
		var out, errs bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return counted{conn, func(n int) {
				if got.Add(int64(n)) > most {
					cancel()
				}
			}}, err
		}}
		code = a.run(ctx, append([]string{"audit", gmsa.SAMAccountName, "--reach", "--excess"}, append(more, u.flags...)...))
		return code, got.Load(), out.String(), errs.String()
	}
	for _, connections := range []string{"1", "2", "4"} {
		code, whole, stdout, stderr := run(1<<40, "--connections", connections)
		if code != exitFindings || !strings.Contains(stdout, "\nReach: effective in ") {
			t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
		}
		// Other tests make and remove objects meanwhile.
		for _, share := range []int64{50, 85} {
			code, _, stdout, stderr := run(whole*share/100, "--connections", connections)
			if code != exitInterrupted || stdout != "" || stderr != "gmsactl: error: interrupted\n" {
				t.Errorf("after %d%% of it over %s connections: exit code %d: %s%s", share, connections, code, stdout, stderr)
			}
		}
	}
}

// A capture gives the report that the domain controller gives.
func TestSweptCaptureAgreesWithLive(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "swcp")
	ou := lab.CreateOU(t, "swcp")
	u := administrator(t, lab)
	lab.RunInput(t, "dn: CN=a,"+ou+"\nobjectClass: group\nsAMAccountName: a"+gmsa.SAMAccountName+"\n\ndn: OU=b,"+ou+"\nobjectClass: organizationalUnit\n", "ldbadd", "-H", database)
	args := []string{"audit", gmsa.SAMAccountName, "--target", ou, "--reach", "--excess", "-o", "json"}
	live := u.want(exitFindings, args...)
	u.want(exitOK, "collect", "--reach", "--target", ou, gmsa.SAMAccountName, "--out", u.file("swept.ldif.gz"))
	offline := &user{t: t, dir: u.dir, flags: []string{"--from", u.file("swept.ldif.gz")}}
	captured := offline.want(exitFindings, args...)
	var a, b audit.Report
	for text, into := range map[string]*audit.Report{live.stdout: &a, captured.stdout: &b} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
		// Only a capture says that it is one.
		into.Notes = nil
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("live\n%s\ncaptured\n%s", live.stdout, captured.stdout)
	}
	if a.ReachSummary.Objects != 3 || len(a.Excess.Heads) < 3 {
		t.Errorf("%+v %+v", a.ReachSummary, a.Excess)
	}
}
