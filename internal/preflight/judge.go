package preflight

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/gmsa"
)

func (s *snapshot) judge() *Report {
	r := &Report{Format: 1, Kind: "PreflightReport", Domain: Domain{s.domain.DNS, s.domain.Host}}
	if s.account != nil {
		r.Account = s.account.Account.Qualified()
	}
	add := func(group string, checks ...Check) {
		for _, c := range checks {
			c.Group = group
			r.Checks = append(r.Checks, c)
		}
	}
	add(groupForest, s.schemaChecks()...)
	add(groupForest, s.controllerCheck(), s.keyCheck())
	add(groupAccount, s.accountChecks()...)
	add(groupHosts, s.hostChecks()...)
	add(groupScope, s.scopeChecks()...)
	add(groupCaller, s.callerCheck())
	for _, c := range manual {
		c.Result = Manual
		add(groupManual, c)
	}
	for _, c := range r.Checks {
		r.Summary.add(c.Result)
	}
	return r
}

// schemaChecks are those of schema check.
func (s *snapshot) schemaChecks() (out []Check) {
	verdicts := map[audit.Verdict]Verdict{audit.Pass: Pass, audit.Warn: Warn, audit.Fail: Fail, audit.Unknown: Unknown}
	for _, c := range s.schema.Checks {
		out = append(out, Check{ID: c.ID, Title: c.Title, Result: verdicts[c.Result], Seen: c.Seen, Want: c.Want, Source: c.Source})
		if last := &out[len(out)-1]; last.Result == Fail {
			last.Fix = "extend the schema: adprep /forestprep of Windows Server 2016 or later"
		}
	}
	return out
}

// windowsVersion is operatingSystemVersion as Windows writes it: 10.0 (17763).
var windowsVersion = regexp.MustCompile(`^(\d+)\.(\d+) \((\d+)\)$`)

// build takes a version apart; ok is false for what Windows does not write.
func build(version string) (major, minor, number int, ok bool) {
	m := windowsVersion.FindStringSubmatch(version)
	if m == nil {
		return 0, 0, 0, false
	}
	major, _ = strconv.Atoi(m[1])
	minor, _ = strconv.Atoi(m[2])
	number, _ = strconv.Atoi(m[3])
	return major, minor, number, true
}

func (s *snapshot) controllerCheck() Check {
	c := Check{ID: "domain-controllers", Title: "Domain controllers", Want: "at least one of Windows Server 2012 or later in the domain of the service account", Source: sourcePage + "#prerequisites-for-gmsa",
		Fix: "promote a newer domain controller"}
	var seen []string
	unknown := 0
	for _, dc := range s.dcs {
		major, minor, _, ok := build(dc.version)
		switch {
		// Its own settings say what it can do; the name of its system is text that somebody may write.
		case dc.level >= 5 || dc.level < 0 && ok && (major > 6 || major == 6 && minor >= 2):
			c.Result = Pass
		case dc.level < 0 && !ok:
			unknown++
		}
		line := dc.name + ": " + cmp.Or(strings.TrimSpace(dc.os+" "+dc.version), "its system is not shown")
		if dc.level >= 0 {
			line += ", functional level " + strconv.Itoa(dc.level)
		}
		seen = append(seen, line)
	}
	slices.Sort(seen)
	c.Seen = cmp.Or(strings.Join(seen, "; "), "no domain controller is shown")
	switch {
	case c.Result == Pass:
		c.Fix = ""
	case len(s.dcs) > 0 && unknown == 0:
		c.Result = Fail
	}
	return c
}

func (s *snapshot) keyCheck() Check {
	c := Check{ID: "kds-root-key", Title: "KDS root key", Want: "a root key whose time has come, made ten hours ago or more", Source: sourceKDS}
	_, err := s.kds.Check()
	key, usable := s.kds.Usable()
	switch {
	case s.kds.Now.IsZero():
		c.Seen = "the domain controller does not say what time it is"
	case s.kds.Unrecorded:
		c.Seen = "whoever took the capture was shown none that may be read"
	case s.kds.Sight == gmsa.NotVisible && s.privileged():
		c.Result, c.Seen, c.Fix = Fail, "none is there: you are shown what there is", "Add-KdsRootKey -EffectiveImmediately, and wait ten hours"
	case s.kds.Sight == gmsa.NotVisible:
		c.Seen, c.Fix = "none is visible to you, who may not be shown it", "run it as a member of Domain Admins or Enterprise Admins"
	case s.kds.Sight == gmsa.Unreadable:
		c.Result, c.Seen, c.Fix = Warn, fmt.Sprintf("%d are visible, and you may not read how old they are", len(s.kds.Keys)), "run it as a member of Domain Admins or Enterprise Admins"
	case err != nil:
		c.Result, c.Seen, c.Fix = Fail, err.Error(), "wait until then"
	case usable && !s.kds.Converged(key):
		c.Result, c.Seen = Warn, fmt.Sprintf("%s may be used, and was made at %s, less than ten hours ago", key.ID, key.Created.Format("2006-01-02 15:04 UTC"))
		c.Fix = "wait until every domain controller has it"
	case usable:
		c.Result, c.Seen = Pass, fmt.Sprintf("%s, used since %s", key.ID, key.Start.Format("2006-01-02 15:04 UTC"))
	}
	return c
}

// privileged says whether whoever reads is shown every object: a member of Domain Admins or
// Enterprise Admins.
func (s *snapshot) privileged() bool {
	if s.caller == nil {
		return false
	}
	for _, sid := range s.caller.SIDs {
		if text := sid.String(); text == s.domain.SID.String()+"-512" || !s.domain.ForestSID.IsZero() && text == s.domain.ForestSID.String()+"-519" {
			return true
		}
	}
	return false
}

func (s *snapshot) accountChecks() []Check {
	exists := Check{ID: "account", Title: "Service account", Want: "an enabled group managed service account", Source: sourcePage + "#group-managed-service-accounts"}
	if s.account == nil {
		exists.Result, exists.Seen = Manual, "no account was named; the installer makes one"
		exists.Fix = "gmsactl gmsa create NAME --host AGENT1, or name the one that there is"
		return []Check{exists}
	}
	f := s.account
	uac, shown := f.Number("userAccountControl")
	switch {
	case !shown:
		exists.Seen = f.Account.Qualified() + ", and whether it is enabled is not shown"
	case uac&2 != 0:
		exists.Result, exists.Seen, exists.Fix = Fail, f.Account.Qualified()+" is disabled", "Enable-ADAccount -Identity "+f.Account.SID.String()
	default:
		exists.Result, exists.Seen = Pass, f.Account.Qualified()
	}
	types := Check{ID: "account-enctypes", Title: "Encryption types of the account", Want: "AES, and nothing weaker", Source: sourceGMSA,
		Fix: fmt.Sprintf("Set-ADServiceAccount -Identity %s -KerberosEncryptionType AES128,AES256", f.Account.SID)}
	switch n, ok := f.Number(gmsa.AttrEncTypes); {
	case !ok && !f.Sees(gmsa.AttrEncTypes):
		types.Seen = "not shown"
	case !ok:
		types.Result, types.Seen = Warn, "none are set, so that domain controllers take their default"
	case n&gmsa.EncTypesAES == 0:
		types.Result, types.Seen = Fail, strings.Join(gmsa.EncTypeNames(n), ", ")
	case n&0x7 != 0:
		types.Result, types.Seen = Warn, strings.Join(gmsa.EncTypeNames(n), ", ")
	default:
		types.Result, types.Seen, types.Fix = Pass, strings.Join(gmsa.EncTypeNames(n), ", "), ""
	}
	who := Check{ID: "account-retrievers", Title: "Who may have its password", Want: "the agent hosts, and nobody else", Source: sourceGMSA, Fix: "gmsactl gmsa harden " + strings.TrimSuffix(f.Account.Name, "$") + " --host AGENT1 --host AGENT2"}
	r := s.readers
	wide := slices.ContainsFunc(r.Entries, func(e gmsa.Entry) bool { return e.Access != "deny" && e.Wide != "" })
	// A group that is kept from whoever reads looks as if it were deleted.
	unseen := slices.ContainsFunc(r.Entries, func(e gmsa.Entry) bool {
		return e.Unseen != "" || e.Access == "conditional" || e.Access == "allow" && e.Kind == gmsa.KindUnresolved
	})
	who.Seen = fmt.Sprintf("%d hosts, %d people, %d others", r.Hosts, r.People, r.Others)
	switch {
	case !r.Shown && !f.Sees(gmsa.AttrMembership), r.Damaged != "":
		who.Seen = "not shown, or damaged"
	case !r.Shown:
		who.Result, who.Seen = Fail, "nobody"
	case r.Everyone || wide:
		who.Result, who.Seen = Fail, "everybody, or every computer"
	case r.Unknown > 0 || unseen:
		who.Seen += ", and others who are not shown"
	case r.Hosts == 0:
		who.Result = Fail
	case r.People+r.Others > 0:
		who.Result = Warn
	default:
		who.Result, who.Fix = Pass, ""
	}
	return []Check{exists, types, who, s.permissionsCheck()}
}

func (s *snapshot) permissionsCheck() Check {
	c := Check{ID: "account-permissions", Title: "Permissions of a custom account", Want: "every row of the page's table, at the head of the domain", Source: sourcePage + "#custom-gmsa-account"}
	sum := s.audit.Summary
	c.Seen = fmt.Sprintf("%d of %d rules pass, %d fail, %d unknown", sum.Pass, sum.Rows, sum.Fail, sum.Unknown)
	name := strings.TrimSuffix(s.account.Account.Name, "$")
	switch {
	case sum.Fail > 0:
		c.Result, c.Fix = Fail, "gmsactl audit "+name+" says which; gmsactl apply --account "+name+" grants them"
	case sum.Unknown > 0 || sum.Pass == 0:
		c.Fix = "gmsactl audit " + name
	default:
		c.Result = Pass
	}
	return c
}

// stale is how long a computer that is in use does not go without a logon: lastLogonTimestamp is up to
// fourteen days late. [MS-ADA1] 2.351.
const stale = 60 * 24 * time.Hour

func (s *snapshot) hostChecks() (out []Check) {
	count := Check{ID: "agents", Title: "Number of agents", Want: "three, so that one or two may fail", Source: sourcePage, Fix: "install the agent on more hosts"}
	if len(s.hosts) == 0 {
		count.Result, count.Seen, count.Fix = Manual, "no host is named, and none may have the password", "name them with --agent-host"
		return []Check{count}
	}
	known := 0
	for _, h := range s.hosts {
		if h.missing == "" && !h.disabled {
			known++
		}
	}
	count.Seen = fmt.Sprintf("%d hosts in use", known)
	count.Result = Warn
	if known >= 3 {
		count.Result, count.Fix = Pass, ""
	}
	out = append(out, count)
	for _, h := range s.hosts {
		out = append(out, s.hostCheck(h)...)
	}
	return out
}

func (s *snapshot) hostCheck(h host) (out []Check) {
	joined := Check{ID: "host", Title: h.name, Want: "a computer of the domain, enabled, with Windows Server 2016 or later", Source: sourcePage + "#in-your-on-premises-environment"}
	if h.missing != "" {
		joined.Seen, joined.Fix = h.missing, "look at the spelling, and whether it has joined the domain"
		if s.asked.Live {
			joined.Result = Fail
		}
		return []Check{joined}
	}
	major, _, number, ok := build(h.version)
	system := cmp.Or(strings.TrimSpace(h.os+" "+h.version), "not shown")
	joined.Seen = system
	switch {
	case !h.flags:
		joined.Seen += "; whether it is enabled is not shown"
	case h.disabled:
		joined.Result, joined.Seen, joined.Fix = Fail, system+"; it is disabled", "Enable-ADAccount -Identity "+h.name
	case !ok:
		joined.Seen = "its system is " + system + ", which says nothing of a version of Windows"
	case major < 10 || number < 14393:
		joined.Result, joined.Fix = Fail, "install the agent on Windows Server 2016 or later"
	case !strings.Contains(h.os, "Server"):
		joined.Result, joined.Fix = Fail, "install the agent on a server"
	case !s.kds.Now.IsZero() && !h.lastLogon.IsZero() && s.kds.Now.Sub(h.lastLogon) > stale:
		joined.Result, joined.Seen = Warn, fmt.Sprintf("%s; it has not logged on since %s", system, h.lastLogon.Format("2006-01-02"))
	case number < 17763:
		joined.Result, joined.Seen, joined.Fix = Warn, system+"; newer ones are recommended", "install the agent on Windows Server 2022 or 2025"
	default:
		joined.Result = Pass
	}
	out = append(out, joined)
	if s.account == nil {
		return out
	}
	may := Check{ID: "host-retrieves", Title: h.name + " and the password", Want: "it may have the account's password", Source: sourceGMSA}
	switch {
	case !h.mayKnown:
		may.Seen = "it cannot be told from what is shown"
	case h.mayRead:
		may.Result, may.Seen = Pass, "it may"
	default:
		may.Result, may.Seen = Fail, "it may not"
		may.Fix = "gmsactl gmsa harden " + strings.TrimSuffix(s.account.Account.Name, "$") + " --host " + strings.TrimSuffix(h.name, "$") + ", with the other hosts; restart it where it is in a new group"
	}
	types := Check{ID: "host-enctypes", Title: h.name + " and the encryption types", Want: "one in common with the account", Source: sourceTrouble}
	switch n, ok := s.account.Number(gmsa.AttrEncTypes); {
	case !ok || h.encTypes == nil:
		types.Result, types.Seen = Warn, "the host or the account does not say which it knows"
	case n&*h.encTypes&0x1f == 0:
		types.Result, types.Seen = Fail, fmt.Sprintf("the host: %s; the account: %s", strings.Join(gmsa.EncTypeNames(*h.encTypes), ", "), strings.Join(gmsa.EncTypeNames(n), ", "))
		types.Fix = "Set-ADComputer " + h.name + " -KerberosEncryptionType AES128,AES256"
	default:
		types.Result, types.Seen = Pass, strings.Join(gmsa.EncTypeNames(n&*h.encTypes), ", ")
	}
	return append(out, may, types)
}

// The limits of a configuration.
const (
	maxScope   = 59
	maxMembers = 50_000
)

func (s *snapshot) scopeChecks() (out []Check) {
	count := Check{ID: "scope", Title: "Scoping filter", Want: fmt.Sprintf("at most %d organizational units or groups in one configuration; those below one count with it", maxScope), Source: sourcePage + "#scoping-filter"}
	if len(s.scope) == 0 {
		count.Result, count.Seen, count.Fix = Manual, "the configuration is of the tenant", "name its organizational units and groups with --scope"
		return []Check{count}
	}
	count.Result, count.Seen = Pass, fmt.Sprintf("%d", len(s.scope))
	if len(s.scope) > maxScope {
		count.Result, count.Fix = Fail, "take one above several of them, or make a second configuration"
	}
	out = append(out, count)
	for _, one := range s.scope {
		c := Check{ID: "scope-object", Title: one.dn, Want: "an organizational unit, a container, or a group", Source: sourcePage + "#scoping-filter"}
		switch {
		case one.missing != "":
			c.Seen = one.missing
			if s.asked.Live {
				c.Result = Fail
			}
		case strings.EqualFold(one.class, "group"):
			c.Want = fmt.Sprintf("a group of at most %d members, for more are not in delta synchronization", maxMembers)
			switch {
			case one.members > maxMembers:
				c.Result, c.Seen, c.Fix = Fail, fmt.Sprintf("%d members", one.members), "use organizational units, or smaller groups"
			case !one.counted:
				c.Seen = fmt.Sprintf("%d members; others may not be shown, or have it as their primary group", one.members)
			case one.members == 0:
				c.Result, c.Seen = Warn, "no members"
			default:
				c.Result, c.Seen = Pass, fmt.Sprintf("%d members", one.members)
			}
		case slices.Contains([]string{"organizationalunit", "container", "domaindns", "builtindomain"}, strings.ToLower(one.class)):
			c.Result, c.Seen = Pass, one.class
		case one.class == "":
			c.Seen = "its class is not shown"
		default:
			c.Result, c.Seen = Fail, one.class
		}
		out = append(out, c)
	}
	return out
}

func (s *snapshot) callerCheck() Check {
	c := Check{ID: "caller", Title: "Your own rights", Want: "a member of Domain Admins or Enterprise Admins, or somebody who may create service accounts", Source: sourcePage, Fix: "run the rollout as a member of Domain Admins"}
	switch {
	case !s.asked.Live:
		c.Result, c.Seen = Manual, "a capture does not know who will run the rollout"
	case s.caller == nil || len(s.caller.SIDs) == 0:
		c.Seen = "the domain controller does not say which groups you are in"
	case s.privileged():
		c.Result, c.Seen, c.Fix = Pass, "you are one", ""
	case s.may:
		c.Result, c.Seen = Warn, "you are neither, and may create service accounts in "+s.create
		c.Fix = "gmsactl whoami says what else you may"
	default:
		c.Result, c.Seen = Fail, "you are neither, and may not create service accounts"
	}
	return c
}
