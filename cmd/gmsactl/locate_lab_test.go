package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/plan"
)

// guest is the administrator with the name of the domain, and no domain controller's, at an address.
func guest(t *testing.T, lab *labtest.Lab, from string) *user {
	return &user{
		t: t, dir: t.TempDir(), dial: callFrom(from),
		flags: []string{"--domain", lab.Domain, "--dns", lab.DNS, "--user", lab.User, "--password-file", lab.PasswordFile},
	}
}

// callFrom has connections come from an address, which puts the client at a site.
func callFrom(address string) func(ctx context.Context, network, to string) (net.Conn, error) {
	ip := net.ParseIP(address)
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		var local net.Addr = &net.TCPAddr{IP: ip}
		if network == "udp" {
			local = &net.UDPAddr{IP: ip}
		}
		return (&net.Dialer{LocalAddr: local}).DialContext(ctx, network, to)
	}
}

func TestTheDomainAloneIsEnough(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "find")
	ou := lab.CreateOU(t, "find")
	u := guest(t, lab, lab.HomeAddress)
	says(t, u.want(exitFindings, "audit", gmsa.SAMAccountName, "--target", ou).stdout, "read from "+lab.DC)
	says(t, u.want(exitFindings, "audit", gmsa.SAMAccountName, "--target", ou, "--reach").stdout, "read from "+lab.DC)
	says(t, u.want(exitFindings, "explain", gmsa.SAMAccountName, ou, "create:user").stdout, "read from "+lab.DC)
	u.want(exitOK, "schema", "check")
	says(t, u.want(exitOK, "whoami").stdout, lab.DC)
	u.want(exitOK, "collect", "--out", u.file("corp.ldif"))
	u.want(exitFindings, "plan", gmsa.SAMAccountName, "--target", ou, "--out", u.file("plan.json"))
	backup := u.file("backup.json")
	u.want(exitOK, "apply", u.file("plan.json"), "--yes", "--backup", backup)
	u.want(exitOK, "audit", gmsa.SAMAccountName, "--target", ou)
	u.want(exitOK, "rollback", backup, "--yes", "--backup", u.file("again.json"))
}

func TestTheClientsSiteDecides(t *testing.T) {
	lab := labtest.Require(t)
	says(t, guest(t, lab, lab.HomeAddress).want(exitOK, "schema", "check").stdout, "read from "+lab.DC)
	branch := guest(t, lab, lab.BranchAddress)
	says(t, branch.want(exitOK, "schema", "check").stdout, "read from "+lab.SecondDC)
	says(t, branch.want(exitOK, "schema", "check", "--prefer-pdc").stdout, "read from "+lab.DC)
	says(t, guest(t, lab, lab.HomeAddress).want(exitOK, "schema", "check", "--site", "Branch").stdout, "read from "+lab.SecondDC)
	got := guest(t, lab, lab.HomeAddress).want(exitError, "schema", "check", "--site", "Brunch")
	says(t, got.stderr, "_ldap._tcp.Brunch._sites.dc._msdcs."+lab.Domain)
	says(t, got.stderr, "look at the spelling of --site")
}

func TestTheDomainOfATicket(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "find", "Lab-Secret-1.")
	cmd := guest(t, lab, lab.HomeAddress)
	keytab := lab.Keytab(t, user.SAMAccountName)
	cmd.flags = []string{"--dns", lab.DNS, "--user", user.SAMAccountName, "--keytab", keytab}
	says(t, cmd.want(exitOK, "schema", "check").stdout, "read from "+lab.DC)
	cmd.flags = []string{"--dns", lab.DNS, "--user", user.SAMAccountName + "@" + lab.Domain, "--keytab", keytab}
	says(t, cmd.want(exitOK, "schema", "check").stdout, "read from "+lab.DC)
}

func TestAuditMovesToAnotherDomainController(t *testing.T) {
	lab := labtest.Require(t)
	lab.Stop(t)
	u := guest(t, lab, lab.HomeAddress)
	// The DNS server is the domain controller that is stopped; the other one serves the domain's names, too.
	u.flags = append(u.flags, "--dns", secondDNS(lab))
	got := u.want(exitOK, "audit", lab.User, "--target", "CN=Users,"+lab.BaseDN)
	says(t, got.stdout, "read from "+lab.SecondDC)
}

// secondDNS is the address of the second domain controller, where DNS is, too.
func secondDNS(lab *labtest.Lab) string {
	addrs, err := net.LookupHost(lab.SecondDC)
	if err != nil || len(addrs) == 0 {
		return ""
	}
	return addrs[0]
}

// severed ends connections to LDAP at an address after so many bytes from there.
type severed struct {
	net.Conn
	left *atomic.Int64
}

func (c *severed) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left.Add(-int64(n)) < 0 {
		c.Conn.Close()
		return 0, errors.New("severed")
	}
	return n, err
}

func TestAuditIsReadAgainWhereTheConnectionBreaks(t *testing.T) {
	lab := labtest.Require(t)
	u := guest(t, lab, lab.HomeAddress)
	first, err := net.LookupHost(lab.DC)
	if err != nil {
		t.Fatal(err)
	}
	whole := u.want(exitOK, "audit", lab.User, "--target", "CN=Users,"+lab.BaseDN, "-o", "json")
	var left atomic.Int64
	left.Store(40_000) // in the middle of the schema
	call := callFrom(lab.HomeAddress)
	u.dial = func(ctx context.Context, network, to string) (net.Conn, error) {
		conn, err := call(ctx, network, to)
		if err == nil && network == "tcp" && to == net.JoinHostPort(first[0], "389") {
			return &severed{conn, &left}, nil
		}
		return conn, err
	}
	got := u.want(exitOK, "audit", lab.User, "--target", "CN=Users,"+lab.BaseDN, "-o", "json")
	says(t, got.stderr, "gmsactl: warning: "+lab.DC+" broke off")
	says(t, got.stdout, lab.SecondDC)
	if strings.ReplaceAll(got.stdout, lab.SecondDC, lab.DC) != whole.stdout {
		t.Errorf("the other domain controller gives another report:\n%s\n%s", got.stdout, whole.stdout)
	}
	// With --dc there is no other one.
	left.Store(40_000)
	u.dial = func(ctx context.Context, network, to string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, to)
		if err == nil && strings.HasSuffix(to, ":389") {
			return &severed{conn, &left}, nil
		}
		return conn, err
	}
	u.flags = administrator(t, lab).flags
	got = u.want(exitError, "audit", lab.User, "--target", "CN=Users,"+lab.BaseDN)
	if got.stdout != "" {
		t.Errorf("a part of a report was shown: %s", got.stdout)
	}
}

func TestAWrongPasswordGoesToOneDomainController(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "find", "Lab-Secret-1.")
	lab.Replicate(t)
	u := guest(t, lab, lab.HomeAddress)
	if err := os.WriteFile(u.file("wrong"), []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.flags = []string{"--domain", lab.Domain, "--dns", lab.DNS, "--user", user.SAMAccountName, "--password-file", u.file("wrong")}
	says(t, u.want(exitError, "schema", "check").stderr, "the password is wrong")
	query := []string{"ldbsearch", "-H", database, "-b", user.DN, "-s", "base", "badPwdCount"}
	says(t, lab.Run(t, query...), "badPwdCount: 1\n")
	if out := lab.RunSecond(t, query...); strings.Contains(out, "badPwdCount: ") && !strings.Contains(out, "badPwdCount: 0\n") {
		t.Errorf("the second domain controller was asked, too:\n%s", out)
	}
}

func TestAPlanIsPinned(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "pin")
	ou := lab.CreateOU(t, "pin")
	lab.Replicate(t)
	branch := guest(t, lab, lab.BranchAddress)
	home := guest(t, lab, lab.HomeAddress)
	file := branch.file("plan.json")
	says(t, branch.want(exitFindings, "plan", gmsa.SAMAccountName, "--target", ou, "--out", file).stdout, "read from "+lab.SecondDC)
	p := readPlan(t, file)
	if s := p.Server; s == nil || s.Host != lab.SecondDC || s.InvocationID == "" || s.USN == 0 || !strings.HasPrefix(s.NTDS, "CN=NTDS Settings,") {
		t.Fatalf("the plan is of %+v", p.Server)
	}

	t.Run("the pinned one is down", func(t *testing.T) {
		lab.StopSecond(t)
		got := home.want(exitError, "apply", file, "--yes", "--backup", home.file("refused.json"))
		says(t, got.stderr, "the domain controller that this was made from, "+lab.SecondDC+", cannot be used")
		says(t, got.stderr, "--dc-failover")
		if _, err := os.Stat(home.file("refused.json")); err == nil {
			t.Error("there is a backup of what was not written")
		}
		backup := home.file("failover.json")
		got = home.want(exitOK, "apply", file, "--yes", "--dc-failover", "--backup", backup)
		says(t, got.stderr, lab.SecondDC+" cannot be used, so this goes to "+lab.DC)
		says(t, strings.Join(strings.Fields(got.stdout), " "), "This was made from "+lab.SecondDC+" and goes to "+lab.DC)
		if b := readBackup(t, backup); b.Server == nil || b.Server.Host != lab.DC {
			t.Errorf("the backup is of %+v", b.Server)
		}
		// What was written to one goes back there.
		says(t, home.want(exitOK, "rollback", backup, "--yes", "--backup", home.file("back.json")).stdout, "read from "+lab.DC)
	})
	lab.Replicate(t)

	t.Run("the pinned one is up, and another one nearer", func(t *testing.T) {
		// Replicated, the descriptor is the same bytes again.
		backup := home.file("pinned.json")
		got := home.want(exitOK, "apply", file, "--yes", "--backup", backup)
		says(t, got.stdout, "read from "+lab.SecondDC)
		home.want(exitOK, "audit", gmsa.SAMAccountName, "--target", ou, "--site", "Branch")
		says(t, home.want(exitOK, "rollback", backup, "--yes", "--backup", home.file("pinnedback.json")).stdout, "read from "+lab.SecondDC)
	})

	t.Run("another one by choice", func(t *testing.T) {
		lab.Replicate(t)
		got := home.want(exitOK, "apply", file, "--yes", "--backup", home.file("chosen.json"), "--dc", lab.DC)
		says(t, strings.Join(strings.Fields(got.stdout), " "), "This was made from "+lab.SecondDC+" and goes to "+lab.DC)
		home.want(exitOK, "rollback", home.file("chosen.json"), "--yes", "--backup", home.file("chosenback.json"))
	})

	t.Run("the pinned one was restored", func(t *testing.T) {
		lab.Replicate(t)
		p.Server.InvocationID = "11111111-2222-3333-4444-555555555555"
		restored := home.file("restored.json")
		writePlan(t, restored, p)
		got := home.want(exitOK, "apply", restored, "--yes", "--backup", home.file("restoredbackup.json"))
		says(t, strings.Join(strings.Fields(got.stdout), " "), lab.SecondDC+" has been restored or made anew since")
		home.want(exitOK, "rollback", home.file("restoredbackup.json"), "--yes", "--backup", home.file("restoredback.json"))
	})

	t.Run("a plan of an earlier version", func(t *testing.T) {
		p.Server = nil
		old := home.file("old.json")
		writePlan(t, old, p)
		if text, err := os.ReadFile(old); err != nil || strings.Contains(string(text), `"server"`) {
			t.Fatalf("%v\n%s", err, text)
		}
		got := home.want(exitOK, "apply", old, "--yes", "--backup", home.file("oldbackup.json"))
		says(t, got.stdout, "read from "+lab.SecondDC)
		home.want(exitOK, "rollback", home.file("oldbackup.json"), "--yes", "--backup", home.file("oldback.json"))
	})

	t.Run("a plan that names a host outside its domain", func(t *testing.T) {
		p.Domain.DC = "dc1.evil.example"
		evil := home.file("evil.json")
		writePlan(t, evil, p)
		says(t, home.want(exitError, "apply", evil, "--yes").stderr, "its name dc1.evil.example is not below "+lab.Domain)
	})
}

func readPlan(t *testing.T, path string) *plan.Plan {
	t.Helper()
	p, err := readFile("plan", path, plan.Read)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readBackup(t *testing.T, path string) *plan.Backup {
	t.Helper()
	b, err := readFile("backup", path, plan.ReadBackup)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writePlan(t *testing.T, path string, p *plan.Plan) {
	t.Helper()
	text, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyDomainController(t *testing.T) {
	lab := labtest.Require(t)
	rodc := administrator(t, lab)
	rodc.flags[1] = lab.RODC
	got := rodc.want(exitOK, "audit", lab.User, "--target", "CN=Users,"+lab.BaseDN)
	says(t, strings.Join(strings.Fields(got.stdout), " "), lab.RODC+" is a read-only domain controller")

	// By name it is refused, and one that is writable is named.
	rodc.flags = append(rodc.flags, "--dns", lab.DNS)
	for _, args := range [][]string{
		{"plan", lab.User, "--target", "CN=Users," + lab.BaseDN},
		{"apply", "--account", lab.User, "--target", "CN=Users," + lab.BaseDN, "--yes"},
	} {
		got := rodc.want(exitError, args...)
		says(t, got.stderr, lab.RODC+" is a read-only domain controller, and changes take a writable one")
		says(t, got.stderr, "is writable")
		if !strings.Contains(got.stderr, "--dc "+lab.DC+" is") && !strings.Contains(got.stderr, "--dc "+lab.SecondDC+" is") {
			t.Errorf("no writable one is named: %s", got.stderr)
		}
	}

	// Found, it is the last resort: the writable ones cannot be reached.
	branch := guest(t, lab, lab.BranchAddress)
	call := branch.dial
	deaf := map[string]bool{}
	for _, host := range []string{lab.DC, lab.SecondDC} {
		addrs, err := net.LookupHost(host)
		if err != nil {
			t.Fatal(err)
		}
		deaf[addrs[0]] = true
	}
	branch.dial = func(ctx context.Context, network, to string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(to); err == nil && (deaf[host] || strings.Contains(host, ":")) {
			return nil, errors.New("unreachable")
		}
		return call(ctx, network, to)
	}
	got = branch.want(exitOK, "audit", lab.User, "--target", "CN=Users,"+lab.BaseDN, "--site", "Branch")
	says(t, got.stderr, "gmsactl: warning: "+lab.RODC+" is read-only, and no writable domain controller of "+lab.Domain+" answers")
	got = branch.want(exitError, "plan", lab.User, "--target", "CN=Users,"+lab.BaseDN, "--site", "Branch")
	says(t, got.stderr, "no domain controller of "+lab.Domain+" can be used: ")
	says(t, got.stderr, lab.RODC+": it is read-only")
}

func TestUDPIsBlocked(t *testing.T) {
	lab := labtest.Require(t)
	u := guest(t, lab, lab.HomeAddress)
	call := u.dial
	u.dial = func(ctx context.Context, network, to string) (net.Conn, error) {
		if network == "udp" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return call(ctx, network, to)
	}
	says(t, u.want(exitOK, "schema", "check").stdout, "read from "+lab.DC)
}

// deafKDC takes the AS-REQ of a number, counted over all connections, and does not answer it. RFC 4120, 5.4.1.
type deafKDC struct {
	net.Conn
	requests *atomic.Int32
	deaf     int32
}

func (d *deafKDC) Write(b []byte) (int, error) {
	if len(b) > 4 && b[4] == 0x6a && d.requests.Add(1) == d.deaf {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

// A password that was sent may have counted, whether an answer came or not. One that was not sent has not.
func TestAPasswordIsProvenOnce(t *testing.T) {
	lab := labtest.Require(t)
	for _, tt := range []struct {
		name string
		deaf int32
		code int
		want int32 // AS-REQs in all
	}{
		{"the question how to prove it is not answered", 1, exitOK, 3},
		{"the proof is not answered", 2, exitError, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := guest(t, lab, lab.HomeAddress)
			u.flags = append(u.flags, "--timeout", "5s")
			var requests atomic.Int32
			call := u.dial
			u.dial = func(ctx context.Context, network, to string) (net.Conn, error) {
				conn, err := call(ctx, network, to)
				if err == nil && strings.HasSuffix(to, ":88") {
					conn = &deafKDC{conn, &requests, tt.deaf}
				}
				return conn, err
			}
			got := u.want(tt.code, "schema", "check")
			if n := requests.Load(); n != tt.want {
				t.Errorf("%d AS-REQs, want %d\n%s", n, tt.want, got.stderr)
			}
		})
	}
}
