package gmsa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Report is everything about one service account that an auditor asks for. Its JSON form is
// stable: fields are added, never changed.
type Report struct {
	Format   int         `json:"format"`
	Kind     string      `json:"kind"` // ServiceAccountReport
	Domain   DomainView  `json:"domain"`
	Account  AccountView `json:"account"`
	Password Password    `json:"password"`
	Readers  *Readers    `json:"retrievers"`
	Holders  []Holder    `json:"holders"` // who can take it over
	Groups   []GroupView `json:"groups"`
	Findings []Finding   `json:"findings"` // worst first
	Notes    []string    `json:"notes,omitempty"`
	Summary  Summary     `json:"summary"`
}

// Clean says whether nothing was found that is more than low, and nothing could not be seen.
func (r *Report) Clean() bool {
	s := r.Summary
	return s.Critical+s.High+s.Medium+s.Unknown == 0
}

// DomainView is where the report looked.
type DomainView struct {
	DNS string `json:"dns"`
	SID string `json:"sid"`
	DC  string `json:"dc"`
}

// AccountView is the account. What is empty has no value, or does not show it.
type AccountView struct {
	Name         string     `json:"name"` // DOMAIN\sAMAccountName
	DN           string     `json:"dn"`
	SID          string     `json:"sid"`
	DNSHostName  string     `json:"dNSHostName,omitempty"`
	Description  string     `json:"description,omitempty"`
	Created      *time.Time `json:"created,omitempty"`
	Flags        []string   `json:"flags"` // of userAccountControl, in words
	EncTypes     *int64     `json:"encTypes,omitempty"`
	EncTypeNames []string   `json:"encTypeNames"`
	SPNs         []string   `json:"servicePrincipalNames"`
	DelegateTo   []string   `json:"allowedToDelegateTo"`
	AdminCount   *int64     `json:"adminCount,omitempty"`
	Owner        string     `json:"owner,omitempty"`
	Protected    bool       `json:"protected"` // its DACL inherits nothing
}

// Password is what is known of the password, which is never read.
type Password struct {
	IntervalDays *int64     `json:"intervalDays,omitempty"`
	Since        *time.Time `json:"since,omitempty"` // when the period of its key began
	RootKey      string     `json:"rootKey,omitempty"`
	RootKeyMade  *time.Time `json:"rootKeyMade,omitempty"`
	RootKeys     Sight      `json:"rootKeys"` // how much of the forest's root keys is shown
	Unreadable   string     `json:"unreadable,omitempty"`
}

// GroupView is a group that the account is in.
type GroupView struct {
	SID        string `json:"sid"`
	Name       string `json:"name,omitempty"`
	Privileged string `json:"privileged,omitempty"` // why it matters
}

// uacFlags are the flags of userAccountControl that are told. [MS-ADTS] 2.2.16.
var uacFlags = []struct {
	bit  int64
	name string
}{
	{0x2, "disabled"}, {0x10, "locked out"}, {0x20, "password not required"}, {0x1000, "workstation trust account"}, {0x10000, "password does not expire"},
	{0x80000, "trusted for delegation"}, {0x100000, "not delegated"}, {0x200000, "DES only"}, {0x400000, "no preauthentication"},
	{0x1000000, "trusted to authenticate for delegation"},
}

// encTypeNames are the bits of msDS-SupportedEncryptionTypes. [MS-KILE] 2.2.7.
var encTypeNames = []struct {
	bit  int64
	name string
}{{0x1, "DES-CBC-CRC"}, {0x2, "DES-CBC-MD5"}, {0x4, "RC4"}, {0x8, "AES128"}, {0x10, "AES256"}, {0x20, "AES256-SK"}}

// EncTypeNames are the names of the encryption types in a msDS-SupportedEncryptionTypes.
func EncTypeNames(types int64) []string {
	out := []string{}
	for _, e := range encTypeNames {
		if types&e.bit != 0 {
			out = append(out, e.name)
		}
	}
	return out
}

// Show judges an account. What it reads besides: who is in the groups that may have the password,
// and who else has its service principal names.
func Show(ctx context.Context, r directory.Reader, f *Facts) (*Report, error) {
	readers, err := FindReaders(ctx, r, f.Domain, f.Membership())
	if err != nil {
		return nil, err
	}
	out := &Report{
		Format: 1, Kind: "ServiceAccountReport", Readers: readers, Holders: []Holder{}, Groups: []GroupView{}, Findings: []Finding{},
		Domain:  DomainView{f.Domain.DNS, f.Domain.SID.String(), f.Domain.Host},
		Account: f.view(),
	}
	add := func(found ...Finding) { out.Findings = append(out.Findings, found...) }
	add(f.judgeReaders(readers)...)
	holders, found := f.judgeHolders()
	out.Holders = append(out.Holders, holders...)
	add(found...)
	groups, found := f.judgeGroups()
	out.Groups = append(out.Groups, groups...)
	add(found...)
	add(f.judgeFlags()...)
	add(f.judgeDelegation()...)
	add(f.judgeEncTypes(readers)...)
	spns, err := f.judgeSPNs(ctx, r)
	if err != nil {
		return nil, err
	}
	add(spns...)
	out.Password, found = f.judgePassword()
	add(found...)
	add(f.judgePlace()...)
	slices.SortStableFunc(out.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	for _, found := range out.Findings {
		out.Summary.add(found)
	}
	if f.Domain.ReadOnly {
		out.Notes = append(out.Notes, f.Domain.Host+" is a read-only domain controller: what is kept from it looks as if it were not there.")
	}
	out.Notes = append(out.Notes, "Containers above the account's own were not looked at: who may change what is inherited there may change what the account inherits, unless it is protected.")
	return out, nil
}

func (f *Facts) view() AccountView {
	a := AccountView{
		Name: f.Account.Qualified(), DN: f.Account.DN, SID: f.Account.SID.String(),
		DNSHostName: f.entry.Text("dNSHostName"), Description: f.entry.Text("description"),
		Flags: []string{}, EncTypeNames: []string{}, SPNs: append([]string{}, f.Texts(attrSPN)...), DelegateTo: append([]string{}, f.Texts(attrDelegateTo)...),
	}
	if t := f.Created(); !t.IsZero() {
		a.Created = &t
	}
	if uac, ok := f.Number(attrUAC); ok {
		for _, flag := range uacFlags {
			if uac&flag.bit != 0 {
				a.Flags = append(a.Flags, flag.name)
			}
		}
	}
	if n, ok := f.Number(AttrEncTypes); ok {
		a.EncTypes, a.EncTypeNames = &n, EncTypeNames(n)
	}
	if n, ok := f.Number(attrAdminCount); ok {
		a.AdminCount = &n
	}
	if d := f.Object.Descriptor; d != nil {
		a.Owner, a.Protected = f.NameOf(d.Owner), d.Control.Has(sddl.DACLProtected)
	}
	return a
}

// NameOf is a name for a SID, or the SID.
func (f *Facts) NameOf(sid sddl.SID) string {
	return cmp.Or(f.Account.Names[sid], words.DomainSID(sid, f.Domain.SID), words.DomainSID(sid, f.Domain.ForestSID), words.WellKnownSID(sid), sid.String())
}

// short is the name by which commands take the account.
func (f *Facts) short() string { return strings.TrimSuffix(f.Account.Name, "$") }

func (f *Facts) hardenHosts() string {
	return "gmsactl gmsa harden " + f.short() + " --host AGENT1 --host AGENT2"
}

func (f *Facts) judgeReaders(r *Readers) (out []Finding) {
	switch {
	case !r.Shown && f.Sees(AttrMembership):
		return []Finding{{ID: "nobody-retrieves", Severity: Medium, Source: sourceRetrieve, Fix: f.hardenHosts(),
			What: "Nobody may have its password: it has no msDS-GroupMSAMembership, so no host can run a service as it."}}
	case !r.Shown:
		return []Finding{unseen("retrievers", Critical, sourceRetrieve, "Who may have its password is not shown to whoever read this.")}
	case r.Damaged != "":
		return []Finding{unseen("retrievers", Critical, sourceRetrieve, "Its msDS-GroupMSAMembership is damaged: %s.", r.Damaged)}
	case r.Everyone:
		return []Finding{{ID: "wide-retriever", Severity: Critical, Source: sourceRetrieve, Fix: f.hardenHosts(),
			What: "Everybody may have its password: its msDS-GroupMSAMembership has no DACL."}}
	}
	for _, e := range r.Entries {
		name := cmp.Or(e.Name, e.SID)
		if e.Access == "deny" {
			continue
		}
		may := "may have its password"
		if e.Access == "conditional" {
			out = append(out, unseen("conditional-retriever", High, sourceRetrieve, "Whether %s may have its password depends on a condition or on a kind of object, which is not evaluated.", name))
			may = "may have its password under a condition"
		}
		switch {
		case e.Wide != "":
			out = append(out, Finding{ID: "wide-retriever", Severity: Critical, Source: sourceRetrieve, Fix: f.hardenHosts(),
				What: fmt.Sprintf("%s %s: %s.", name, may, e.Wide)})
		case e.Kind == KindWellKnown && !f.runsTheForest(e.sid):
			out = append(out, Finding{ID: "well-known-retriever", Severity: High, Source: sourceRetrieve, Fix: f.hardenHosts(),
				What: fmt.Sprintf("%s %s, which is no host and no group of hosts.", name, may)})
		case e.Kind == KindUnresolved:
			// A group that is kept from whoever reads looks as if it were deleted.
			open := unseen("unresolved-retriever", High, sourceRetrieve, "%s %s, and %s: who that is, and who is in it, is unknown.", name, may, e.Note)
			open.Fix = f.hardenHosts()
			out = append(out, open)
		case e.Kind == KindForeign:
			out = append(out, Finding{ID: "foreign-retriever", Severity: Medium, Source: sourceRetrieve, Fix: f.hardenHosts(),
				What: fmt.Sprintf("%s %s and is of another domain, where it was not looked at.", name, may)})
		}
		if e.Unseen != "" {
			out = append(out, unseen("unseen-members", High, sourceRetrieve, "Of %s, which %s, %s.", name, may, e.Unseen))
		}
	}
	var people, foreign, off []string
	for _, m := range r.Members {
		switch {
		case m.Verdict == "no":
		case m.Kind == KindUser || m.Kind == KindService:
			people = append(people, cmp.Or(m.Name, m.SID))
		case (m.Kind == KindForeign || m.Kind == KindOther) && len(m.Via) > 0:
			foreign = append(foreign, cmp.Or(m.Name, m.SID))
		case m.Kind == KindHost && m.Disabled:
			off = append(off, m.Name)
		}
	}
	if len(people) > 0 {
		out = append(out, Finding{ID: "person-retriever", Severity: High, Source: sourceRetrieve, Fix: f.hardenHosts(),
			What: fmt.Sprintf("%d who may have its password are no hosts: %s.", len(people), some(people))})
	}
	if len(foreign) > 0 {
		out = append(out, Finding{ID: "foreign-retriever", Severity: Medium, Source: sourceRetrieve, Fix: f.hardenHosts(),
			What: fmt.Sprintf("%d members of its groups are of other domains, or something else: %s.", len(foreign), some(foreign))})
	}
	if len(off) > 0 {
		out = append(out, Finding{ID: "disabled-host", Severity: Low, Source: sourceRetrieve, Fix: f.hardenHosts(),
			What: fmt.Sprintf("%d hosts that may have its password are disabled: %s.", len(off), some(off))})
	}
	if r.Unknown > 0 {
		out = append(out, unseen("unclear-retriever", High, sourceRetrieve, "Of %d members it cannot be told whether they may have its password.", r.Unknown))
	}
	if r.Hosts == 0 && len(r.Entries) > 0 && !slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Access != "deny" && (e.Wide != "" || e.Unseen != "") }) {
		out = append(out, Finding{ID: "no-host", Severity: Medium, Source: sourceRetrieve, Fix: f.hardenHosts(), What: "No host may have its password, so no service can run as it."})
	}
	return out
}

// some names the first of a list.
func some(list []string) string {
	const most = 5
	slices.Sort(list)
	if len(list) > most {
		return strings.Join(list[:most], ", ") + ", ..."
	}
	return strings.Join(list, ", ")
}

func (f *Facts) judgeHolders() (list []Holder, out []Finding) {
	list, fault := f.Holders()
	if fault != "" {
		return nil, []Finding{unseen("holders", Critical, sourceClass, "Who can take it over is unknown: %s.", fault)}
	}
	harden := "gmsactl gmsa harden " + f.short()
	for _, h := range list {
		switch {
		case h.Expected:
		case len(h.Rights) > 0:
			finding := Finding{ID: "takeover", Severity: h.Worst, Source: sourceRestricted, Fix: harden,
				What: fmt.Sprintf("%s can %s.", h.Name, strings.Join(h.Rights, ", "))}
			if h.SID == "S-1-5-32-548" {
				finding.ID, finding.Source = "account-operators", sourceClass
				finding.What = "Account Operators, by the default of its class, can " + strings.Join(h.Rights, ", ") + "."
			}
			if f.keyAdmins(h.sid) && slices.Equal(h.Rights, []string{"give it a key to log on with"}) {
				finding.ID, finding.Severity = "key-admins", Low
			}
			if h.Owner {
				finding.Fix += ", and make Domain Admins its owner, whom that does not change"
				finding.What = strings.TrimSuffix(finding.What, ".") + ", as its owner or by an entry."
			}
			out = append(out, finding)
		}
		if len(h.Unclear) > 0 && !h.Expected {
			out = append(out, unseen("takeover-unclear", High, sourceRestricted, "Whether %s can %s cannot be told.", h.Name, strings.Join(h.Unclear, ", ")))
		}
	}
	above, fault := f.ParentHolders()
	if fault != "" {
		out = append(out, unseen("container", Medium, sourceRestricted, "Who can delete it, or change what it inherits, is unknown: %s.", fault))
	}
	for _, h := range above {
		if len(h.Rights) > 0 {
			out = append(out, Finding{ID: "container", Severity: h.Worst, Source: sourceRestricted, Fix: harden,
				What: fmt.Sprintf("%s can %s.", h.Name, strings.Join(h.Rights, ", "))})
		}
		if len(h.Unclear) > 0 {
			out = append(out, unseen("container", High, sourceRestricted, "Whether %s can %s cannot be told.", h.Name, strings.Join(h.Unclear, ", ")))
		}
	}
	return list, out
}

// privileged are groups whose members have the domain, or can get it. [MS-ADTS] 3.1.1.6.1,
// 6.1.1.4.12.
func (f *Facts) privileged(sid sddl.SID) (why string, severity Severity) {
	text := sid.String()
	switch text {
	case "S-1-5-32-544":
		return "it has the domain or the forest", Critical
	case "S-1-5-32-548", "S-1-5-32-549", "S-1-5-32-550", "S-1-5-32-551", "S-1-5-32-552":
		return "it is one of the protected operators' groups", High
	}
	// In every domain of the forest these numbers are these groups: the SID of its root is not
	// always known.
	if strings.HasPrefix(text, "S-1-5-21-") {
		switch text[strings.LastIndexByte(text, '-')+1:] {
		case "512", "518", "519":
			return "it has the domain or the forest", Critical
		case "498", "516", "521":
			return "it holds domain controllers", Critical
		case "520":
			return "it writes group policies", Critical
		case "526", "527":
			return "it writes keys to log on with", Critical
		case "517":
			return "it publishes certificates", High
		}
	}
	name := strings.ToLower(f.Account.Names[sid])
	for _, known := range []string{"dnsadmins", "exchange windows permissions", "exchange trusted subsystem", "organization management"} {
		if strings.HasSuffix(name, `\`+known) || name == known {
			return "its members can get the domain", High
		}
	}
	return "", Info
}

func (f *Facts) judgeGroups() (list []GroupView, out []Finding) {
	for _, sid := range f.Account.Groups {
		view := GroupView{SID: sid.String(), Name: f.NameOf(sid)}
		why, severity := f.privileged(sid)
		if view.Privileged = why; why != "" {
			out = append(out, Finding{ID: "privileged-group", Severity: severity, Source: sourceSecure,
				What: fmt.Sprintf("It is in %s: %s.", view.Name, why),
				Fix:  fmt.Sprintf("Remove-ADGroupMember -Identity %s -Members %s", sid, f.Account.SID)})
		}
		list = append(list, view)
	}
	if f.Account.Unseen != "" {
		out = append(out, unseen("groups", High, sourceSecure, "Not all of its groups are shown: %s.", f.Account.Unseen))
	}
	switch n, ok := f.Number(attrAdminCount); {
	case ok && n > 0:
		out = append(out, Finding{ID: "admin-count", Severity: Medium, Source: sourceSDProp,
			What: "Its adminCount is set: it is or was in a protected group, and its permissions are or were those of AdminSDHolder.",
			Fix:  fmt.Sprintf("Get-ADPrincipalGroupMembership %s; where it is in none of them: Set-ADObject -Identity '%s' -Clear adminCount", f.short(), psQuote(f.Account.DN))})
	case !ok && !f.Sees(attrAdminCount):
		out = append(out, unseen("admin-count", Medium, sourceSDProp, "Whether its adminCount is set is not shown."))
	}
	switch n := len(f.entry.Values(attrHistory)); {
	case n > 0:
		out = append(out, Finding{ID: "sid-history", Severity: High, Source: "[MS-ADA3] 2.236", What: fmt.Sprintf("It has %d other SIDs in its sIDHistory, whose rights it has, too.", n),
			Fix: fmt.Sprintf("Get-ADServiceAccount %s -Properties sIDHistory", f.short())})
	case !f.Sees(attrHistory):
		out = append(out, unseen("sid-history", High, "[MS-ADA3] 2.236", "Whether it has other SIDs in its sIDHistory is not shown."))
	}
	return list, out
}

// psQuote is text for a PowerShell string in single quotes.
func psQuote(text string) string { return strings.ReplaceAll(text, "'", "''") }

func (f *Facts) judgeFlags() (out []Finding) {
	uac, ok := f.Number(attrUAC)
	if !ok {
		return []Finding{unseen("flags", High, sourceUAC, "Its userAccountControl is not shown.")}
	}
	set := func(bit int64, id string, severity Severity, what, fix string) {
		if uac&bit != 0 {
			out = append(out, Finding{ID: id, Severity: severity, What: what, Source: sourceUAC, Fix: fix})
		}
	}
	control := "Set-ADAccountControl -Identity " + f.Account.SID.String()
	set(0x80000, "unconstrained-delegation", Critical, "It is trusted for delegation: whoever logs on to it leaves a ticket with which it is them everywhere.", control+" -TrustedForDelegation $false")
	set(0x1000000, "protocol-transition", High, "It is trusted to authenticate for delegation: it can be anybody on the services that it may delegate to.", control+" -TrustedToAuthForDelegation $false")
	set(0x400000, "no-preauthentication", High, "It needs no preauthentication, so that anybody is given something to guess its password by.", control+" -DoesNotRequirePreAuth $false")
	set(0x200000, "des-only", High, "It may use DES only.", control+" -UseDESKeyOnly $false")
	set(0x20, "password-not-required", Medium, "It is marked as needing no password.", control+" -PasswordNotRequired $false")
	set(0x2, "disabled", Info, "It is disabled.", "Enable-ADAccount -Identity "+f.Account.SID.String())
	return out
}

func (f *Facts) judgeDelegation() (out []Finding) {
	switch to := f.Texts(attrDelegateTo); {
	case len(to) > 0:
		out = append(out, Finding{ID: "constrained-delegation", Severity: High, Source: sourceDelegation,
			What: fmt.Sprintf("It may act for others on %d services: %s.", len(to), some(to)),
			Fix:  fmt.Sprintf("Set-ADServiceAccount -Identity %s -Clear msDS-AllowedToDelegateTo", f.Account.SID)})
	case !f.Sees(attrDelegateTo):
		out = append(out, unseen("constrained-delegation", High, sourceDelegation, "Whether it may act for others on services is not shown."))
	}
	switch value := f.entry.Value(attrActFor); {
	case value != nil:
		out = append(out, Finding{ID: "resource-delegation", Severity: High, Source: sourceDelegation,
			What: "Others may act in anybody's name on it: " + descriptorWords(value, f) + ".",
			Fix:  fmt.Sprintf("Set-ADServiceAccount -Identity %s -PrincipalsAllowedToDelegateToAccount $null", f.Account.SID)})
	case !f.Sees(attrActFor):
		out = append(out, unseen("resource-delegation", High, sourceDelegation, "Whether others may act in anybody's name on it is not shown."))
	}
	switch n := len(f.entry.Values(attrKeyLink)); {
	case n > 0:
		out = append(out, Finding{ID: "key-credentials", Severity: High, Source: "[MS-ADTS] 2.2.20",
			What: fmt.Sprintf("%d keys can log on as it without its password (msDS-KeyCredentialLink); a service account has none.", n),
			Fix:  fmt.Sprintf("Set-ADServiceAccount -Identity %s -Clear msDS-KeyCredentialLink", f.Account.SID)})
	case f.Schema.Attribute(attrKeyLink) != nil && !f.Sees(attrKeyLink):
		out = append(out, unseen("key-credentials", High, "[MS-ADTS] 2.2.20", "Whether keys can log on as it is not shown."))
	}
	return out
}

// descriptorWords names who an attribute with a descriptor lets in.
func descriptorWords(value []byte, f *Facts) string {
	d, err := sddl.Parse(value)
	if err != nil {
		return "its descriptor is damaged"
	}
	if d.DACL == nil {
		return "everybody, for its descriptor has no DACL"
	}
	var who []string
	for _, a := range d.DACL.ACEs {
		if a.Type.IsAllow() {
			who = append(who, f.NameOf(a.SID))
		}
	}
	if len(who) == 0 {
		return "nobody"
	}
	return some(who)
}

func (f *Facts) judgeEncTypes(r *Readers) (out []Finding) {
	set := fmt.Sprintf("Set-ADServiceAccount -Identity %s -KerberosEncryptionType AES128,AES256", f.Account.SID)
	types, ok := f.Number(AttrEncTypes)
	if !ok {
		if !f.Sees(AttrEncTypes) {
			return []Finding{unseen("enctypes", Medium, sourceEncTypes, "Its encryption types are not shown.")}
		}
		return []Finding{{ID: "enctypes-default", Severity: Medium, Source: sourceEncTypes, Fix: set,
			What: "It does not say which encryption types it knows: domain controllers take their default, which may be RC4."}}
	}
	switch {
	case types&EncTypesAES == 0:
		out = append(out, Finding{ID: "no-aes", Severity: High, Source: sourceEncTypes, Fix: set, What: "It knows no AES: " + orNone(EncTypeNames(types)) + "."})
	case types&0x3 != 0:
		out = append(out, Finding{ID: "weak-enctypes", Severity: High, Source: sourceEncTypes, Fix: set, What: "It knows DES: " + orNone(EncTypeNames(types)) + "."})
	case types&EncTypeRC4 != 0:
		out = append(out, Finding{ID: "weak-enctypes", Severity: Medium, Source: sourceEncTypes, Fix: set, What: "It knows RC4: " + orNone(EncTypeNames(types)) + "."})
	}
	var apart, silent []string
	for _, m := range r.Members {
		switch {
		case m.Kind != KindHost || m.Verdict == "no":
		case m.EncTypes == nil:
			silent = append(silent, m.Name)
		case *m.EncTypes&types&0x1f == 0:
			apart = append(apart, m.Name)
		}
	}
	if len(apart) > 0 {
		out = append(out, Finding{ID: "enctypes-apart", Severity: High, Source: sourceEncTypes, Fix: set,
			What: fmt.Sprintf("%d hosts have no encryption type in common with it: %s.", len(apart), some(apart))})
	}
	if len(silent) > 0 {
		out = append(out, Finding{ID: "host-enctypes", Severity: Info, Source: sourceEncTypes,
			What: fmt.Sprintf("%d hosts do not say, or do not show, which encryption types they know: %s.", len(silent), some(silent))})
	}
	return out
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (f *Facts) judgeSPNs(ctx context.Context, r directory.Reader) (out []Finding, err error) {
	spns := f.Texts(attrSPN)
	if len(spns) == 0 {
		if !f.Sees(attrSPN) {
			return []Finding{unseen("spn", Low, sourceRetrieve, "Its service principal names are not shown.")}, nil
		}
		return nil, nil
	}
	out = append(out, Finding{ID: "spn", Severity: Low, Source: sourceRetrieve,
		What: fmt.Sprintf("It has %d service principal names, for which anybody is given a ticket: %s. The provisioning agent needs none.", len(spns), some(slices.Clone(spns))),
		Fix:  fmt.Sprintf("Set-ADServiceAccount -Identity %s -ServicePrincipalNames @{Remove='...'}", f.Account.SID)})
	q := directory.Query{Base: f.Domain.DN, Scope: directory.Subtree, Attrs: []string{"sAMAccountName", attrSPN}}
	for _, spn := range spns {
		q.Any = append(q.Any, directory.Match{Attr: attrSPN, Value: spn})
	}
	for e, err := range r.Read(ctx, q) {
		var missing *directory.NotRecordedError
		if errors.As(err, &missing) {
			return append(out, unseen("spn-twice", Medium, sourceRetrieve, "Whether others have its service principal names was not recorded.")), nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for who has its service principal names: %w", err)
		}
		if !directory.SameDN(e.DN, f.Account.DN) {
			out = append(out, Finding{ID: "spn-twice", Severity: Medium, Source: sourceRetrieve, What: fmt.Sprintf("%s has one of its service principal names, too, so that Kerberos gives tickets for neither.", e.DN),
				Fix: "setspn -X"})
		}
	}
	return out, nil
}

func (f *Facts) judgePassword() (p Password, out []Finding) {
	p.RootKeys = f.KDS.Sight
	if n, ok := f.Number(attrInterval); ok {
		p.IntervalDays = &n
		if n > 30 {
			out = append(out, Finding{ID: "long-interval", Severity: Low, Source: sourceGolden,
				What: fmt.Sprintf("Its password changes every %d days, by default it is 30; that cannot be changed, only another account made.", n), Fix: "gmsactl gmsa create NAME --interval 30"})
		}
	}
	key, err := f.Key()
	if err != nil {
		p.Unreadable = err.Error()
		if f.Sees(attrKeyID) {
			return p, append(out, Finding{ID: "no-password-yet", Severity: Info, Source: sourceGolden, What: "It has no password yet: " + err.Error() + "."})
		}
		return p, append(out, unseen("root-key", Low, sourceGolden, "Which root key its password is made from is unknown: %s.", err))
	}
	since := key.Start()
	p.Since, p.RootKey = &since, key.RootKey.String()
	known := false
	for _, k := range f.KDS.Keys {
		if k.ID == key.RootKey {
			known = true
			if made := k.Created; !made.IsZero() {
				p.RootKeyMade = &made
			}
		}
	}
	switch {
	case !known && f.KDS.Sight == NotVisible:
		out = append(out, unseen("root-key", Low, sourceGolden, "Its password is made from root key %s; no root key is shown.", key.RootKey))
	case !known:
		out = append(out, Finding{ID: "root-key-gone", Severity: High, Source: sourceGolden,
			What: fmt.Sprintf("Its password is made from root key %s, which is not among the %d that are shown: domain controllers cannot make its password.", key.RootKey, len(f.KDS.Keys)),
			Fix:  "Get-KdsRootKey"})
	}
	if p.IntervalDays != nil && !f.KDS.Now.IsZero() {
		if due := since.Add(time.Duration(*p.IntervalDays) * 24 * time.Hour); f.KDS.Now.After(due.Add(24 * time.Hour)) {
			out = append(out, Finding{ID: "password-due", Severity: Info, Source: "[MS-ADTS] 3.1.1.4.5.39",
				What: fmt.Sprintf("Its password was due to change at %s: nobody has asked for it since.", stamp(due))})
		}
	}
	return p, out
}

func (f *Facts) judgePlace() (out []Finding) {
	if f.Home == "" {
		return []Finding{unseen("location", Low, sourceSecure, "Where service accounts belong in this domain is not shown.")}
	}
	if !directory.IsBelow(f.Account.DN, f.Home) {
		out = append(out, Finding{ID: "location", Severity: Low, Source: sourceSecure,
			What: fmt.Sprintf("It is not below %s, so that others than those of service accounts may have rights to it.", f.Home),
			Fix:  fmt.Sprintf("Move-ADObject -Identity '%s' -TargetPath '%s'", psQuote(f.Account.DN), psQuote(f.Home))})
	}
	if f.entry.Text("dNSHostName") != "" {
		return out
	}
	if f.Sees("dNSHostName") {
		out = append(out, Finding{ID: "no-dns-name", Severity: Low, Source: sourceRetrieve, What: "It has no dNSHostName, which some tools ask for.",
			Fix: fmt.Sprintf("Set-ADServiceAccount -Identity %s -DNSHostName %s.%s", f.Account.SID, strings.ToLower(f.short()), f.Domain.DNS)})
	}
	return out
}
