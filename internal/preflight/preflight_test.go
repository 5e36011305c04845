package preflight

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func sid(t testing.TB, text string) sddl.SID {
	t.Helper()
	s, err := sddl.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// forest has nothing wrong with it, and no account.
func forest(t testing.TB) *snapshot {
	domain := sid(t, "S-1-5-21-1-2-3")
	return &snapshot{
		asked:  Asked{Live: true},
		domain: &directory.Domain{DNS: "corp.example", SID: domain, ForestSID: domain, Host: "dc1"},
		schema: &audit.SchemaReport{},
		kds:    &gmsa.KDS{Container: "CN=keys", Sight: gmsa.Readable, Now: now, Keys: []gmsa.RootKey{{Start: now.Add(-time.Hour), Created: now.Add(-48 * time.Hour)}}},
		caller: &directory.Caller{SIDs: []sddl.SID{sid(t, "S-1-5-21-1-2-3-512")}},
		dcs:    []controller{{name: "dc1", os: "Windows Server 2022 Standard", version: "10.0 (20348)", level: 7}},
	}
}

func result(t *testing.T, r *Report, id, title string) Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == id && (title == "" || c.Title == title) })
	if i < 0 {
		t.Fatalf("no check %s %s", id, title)
	}
	return r.Checks[i]
}

func TestJudge(t *testing.T) {
	aes, rc4 := int64(24), int64(4)
	good := host{name: "A$", dn: "CN=A", os: "Windows Server 2022 Standard", version: "10.0 (20348)", flags: true, encTypes: &aes, lastLogon: now.Add(-24 * time.Hour)}
	as := func(change func(h *host)) func(s *snapshot) {
		return func(s *snapshot) {
			h := good
			change(&h)
			s.hosts = []host{h}
		}
	}
	for _, c := range []struct {
		name string
		with func(s *snapshot)
		id   string
		want Verdict
		seen string
	}{
		{"a forest that is ready", func(*snapshot) {}, "domain-controllers", Pass, "10.0 (20348), functional level 7"},
		{"an old domain controller", func(s *snapshot) { s.dcs = []controller{{"dc1", "Windows Server 2008 R2", "6.1 (7601)", 4}} }, "domain-controllers", Fail, "functional level 4"},
		{"one that only says that it is new", func(s *snapshot) { s.dcs = []controller{{"dc1", "Windows Server 2022", "10.0 (20348)", 4}} }, "domain-controllers", Fail, ""},
		{"one that shows its system only", func(s *snapshot) { s.dcs = []controller{{"dc1", "Windows Server 2022", "10.0 (20348)", -1}} }, "domain-controllers", Pass, ""},
		{"one that shows nothing", func(s *snapshot) { s.dcs = []controller{{"dc1", "", "", -1}} }, "domain-controllers", Unknown, "not shown"},
		{"an old one and one that shows nothing", func(s *snapshot) { s.dcs = []controller{{"a", "", "6.1 (7601)", 4}, {"b", "", "", -1}} }, "domain-controllers", Unknown, ""},
		{"no domain controller", func(s *snapshot) { s.dcs = nil }, "domain-controllers", Unknown, "no domain controller"},

		{"a root key", func(*snapshot) {}, "kds-root-key", Pass, ""},
		{"none, for an administrator", func(s *snapshot) { s.kds = &gmsa.KDS{Now: now} }, "kds-root-key", Fail, "none is there"},
		{"none, for somebody else", func(s *snapshot) { s.kds = &gmsa.KDS{Now: now}; s.caller = nil }, "kds-root-key", Unknown, "none is visible to you"},
		{"one that may not be read", func(s *snapshot) { s.kds = &gmsa.KDS{Now: now, Sight: gmsa.Unreadable, Keys: make([]gmsa.RootKey, 2)} }, "kds-root-key", Warn, "2 are visible"},
		{"one whose time will come", func(s *snapshot) { s.kds.Keys[0].Start = now.Add(time.Hour) }, "kds-root-key", Fail, "2026-03-04 13:00 UTC"},
		{"one that is new", func(s *snapshot) { s.kds.Keys[0].Created = now.Add(-time.Hour) }, "kds-root-key", Warn, "less than ten hours"},
		{"a capture that was shown none", func(s *snapshot) { s.kds = &gmsa.KDS{Now: now, Unrecorded: true} }, "kds-root-key", Unknown, "capture"},
		{"no clock", func(s *snapshot) { s.kds.Now = time.Time{} }, "kds-root-key", Unknown, "what time"},

		{"no account", func(*snapshot) {}, "account", Manual, "no account was named"},
		{"no host", func(*snapshot) {}, "agents", Manual, "no host is named"},
		{"one host", as(func(*host) {}), "agents", Warn, "1 hosts"},
		{"three hosts", func(s *snapshot) { s.hosts = []host{good, good, good} }, "agents", Pass, "3 hosts"},
		{"three, one of them disabled", func(s *snapshot) {
			off := good
			off.disabled = true
			s.hosts = []host{good, good, off}
		}, "agents", Warn, "2 hosts"},
		{"a good host", as(func(*host) {}), "host", Pass, "20348"},
		{"a disabled host", as(func(h *host) { h.disabled = true }), "host", Fail, "disabled"},
		{"a host whose flags are not shown", as(func(h *host) { h.flags = false }), "host", Unknown, "not shown"},
		{"an old host", as(func(h *host) { h.os, h.version = "Windows Server 2012 R2 Standard", "6.3 (9600)" }), "host", Fail, ""},
		{"a client", as(func(h *host) { h.os, h.version = "Windows 11 Enterprise", "10.0 (26100)" }), "host", Fail, ""},
		{"Server 2016", as(func(h *host) { h.os, h.version = "Windows Server 2016 Standard", "10.0 (14393)" }), "host", Warn, "recommended"},
		{"a host that shows no system", as(func(h *host) { h.os, h.version = "", "" }), "host", Unknown, "not shown"},
		{"a host that is no Windows", as(func(h *host) { h.os, h.version = "Samba", "4.22" }), "host", Unknown, "Samba"},
		{"a host that was not seen for long", as(func(h *host) { h.lastLogon = now.Add(-90 * 24 * time.Hour) }), "host", Warn, "not logged on"},
		{"a host that is not there", as(func(h *host) { h.missing = "0 computers" }), "host", Fail, "0 computers"},
		{"a host that a capture does not hold", func(s *snapshot) { s.asked.Live = false; s.hosts = []host{{name: "A", missing: "0 computers"}} }, "host", Unknown, ""},
		{"a host of RC4", as(func(h *host) { h.encTypes = &rc4 }), "host", Pass, ""},

		{"no scope", func(*snapshot) {}, "scope", Manual, ""},
		{"59 units", func(s *snapshot) { s.scope = slices.Repeat([]scoped{{dn: "OU=a", class: "organizationalUnit"}}, 59) }, "scope", Pass, "59"},
		{"60 units", func(s *snapshot) { s.scope = slices.Repeat([]scoped{{dn: "OU=a", class: "organizationalUnit"}}, 60) }, "scope", Fail, "60"},
		{"a group of 50,000", func(s *snapshot) { s.scope = []scoped{{dn: "CN=g", class: "group", members: 50_000, counted: true}} }, "scope-object", Pass, "50000"},
		{"a group of 50,001", func(s *snapshot) { s.scope = []scoped{{dn: "CN=g", class: "group", members: 50_001, counted: true}} }, "scope-object", Fail, "50001"},
		{"a group that was not counted whole", func(s *snapshot) { s.scope = []scoped{{dn: "CN=g", class: "group", members: 3}} }, "scope-object", Unknown, "3 members; others may not be shown"},
		{"a group too large, not counted whole", func(s *snapshot) { s.scope = []scoped{{dn: "CN=g", class: "group", members: 50_001}} }, "scope-object", Fail, ""},
		{"a group of nobody", func(s *snapshot) { s.scope = []scoped{{dn: "CN=g", class: "group", counted: true}} }, "scope-object", Warn, "no members"},
		{"a group that may hide its members", func(s *snapshot) { s.scope = []scoped{{dn: "CN=g", class: "group"}} }, "scope-object", Unknown, "may not be shown"},
		{"a user as scope", func(s *snapshot) { s.scope = []scoped{{dn: "CN=u", class: "user"}} }, "scope-object", Fail, "user"},
		{"a class that is not shown", func(s *snapshot) { s.scope = []scoped{{dn: "CN=u"}} }, "scope-object", Unknown, ""},
		{"a scope that is not there", func(s *snapshot) { s.scope = []scoped{{dn: "CN=u", missing: "no such object"}} }, "scope-object", Fail, ""},

		{"an administrator", func(*snapshot) {}, "caller", Pass, ""},
		{"a delegate", func(s *snapshot) { s.caller.SIDs = []sddl.SID{{}}; s.may = true }, "caller", Warn, ""},
		{"nobody special", func(s *snapshot) { s.caller.SIDs = []sddl.SID{{}} }, "caller", Fail, ""},
		{"nobody knows", func(s *snapshot) { s.caller.SIDs = nil }, "caller", Unknown, ""},
		{"a capture", func(s *snapshot) { s.asked.Live = false }, "caller", Manual, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := forest(t)
			c.with(s)
			r := s.judge()
			got := result(t, r, c.id, "")
			if got.Result != c.want || !strings.Contains(got.Seen, c.seen) {
				t.Errorf("%s: %s, want %s with %q", got.Result, got.Seen, c.want, c.seen)
			}
			if (got.Result == Fail || got.Result == Unknown) && r.Clean() {
				t.Error("and the report is clean")
			}
		})
	}
}

// Each requirement of the page is in every report, by the name that it has here.
func TestEveryRequirementIsThere(t *testing.T) {
	s := forest(t)
	s.schema = audit.EvaluateSchema(s.domain, &directory.Schema{})
	r := s.judge()
	for _, id := range []string{
		"hybrid-administrator", "custom-domain", "idfix", "agent-resources", "execution-policy", "server-core", "tls", "ntlm", "firewall", "proxy",
		"tier-0", "dedicated-accounts", "mfa", "federation", "rsat", "inetorgperson-hashes", "renames",
		"caller", "account", "agents", "external-directory-object-id", "schema-version", "gmsa-class", "domain-controllers", "kds-root-key", "scope",
	} {
		c := result(t, r, id, "")
		if c.Title == "" || c.Seen == "" || c.Want == "" || c.Source == "" || c.Group == "" {
			t.Errorf("%s lacks something: %+v", id, c)
		}
	}
}

func TestTLSRegistry(t *testing.T) {
	text := TLSRegistry()
	for _, line := range []string{
		"Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\",
		"Protocols\\TLS 1.2\\Client]\r\n\"DisabledByDefault\"=dword:00000000\r\n\"Enabled\"=dword:00000001\r\n",
		"Protocols\\TLS 1.2\\Server]\r\n\"DisabledByDefault\"=dword:00000000\r\n\"Enabled\"=dword:00000001\r\n",
		"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\.NETFramework\\v4.0.30319]\r\n\"SchUseStrongCrypto\"=dword:00000001\r\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") || !strings.HasSuffix(text, "\r\n") {
		t.Errorf("line ends: %q", text)
	}
}
