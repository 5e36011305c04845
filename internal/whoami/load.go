package whoami

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/explain"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Server is the bound session.
type Server interface {
	directory.Reader
	// WhoAmI asks whom the server takes the session for. RFC 4532.
	WhoAmI(ctx context.Context) (string, error)
}

// Bound is what is known of a session without asking.
type Bound struct {
	Address   string
	Principal string // the KDC's name of who is bound
	Session   Session
	Ticket    *Ticket
}

// Load asks a session about itself, and about the targets, by DN; none is the head of the
// domain.
func Load(ctx context.Context, s Server, bound Bound, targets []string) (*Report, error) {
	return load(ctx, s, bound, targets, local)
}

func load(ctx context.Context, s Server, bound Bound, targets []string, at timing) (*Report, error) {
	r := &Report{Format: 1, Kind: "WhoAmI", Session: bound.Session, Ticket: bound.Ticket, Targets: []Target{}}
	var err error
	if r.Identity.AuthzID, err = s.WhoAmI(ctx); err != nil {
		return nil, err
	}
	r.Identity.Principal = bound.Principal
	if r.Clock, err = readClock(ctx, s, at); err != nil {
		return nil, err
	}
	d, err := directory.LoadDomain(ctx, s)
	if err != nil {
		return nil, err
	}
	r.Domain = audit.Domain{DNS: d.DNS, DN: d.DN, SID: d.SID.String(), DC: d.Host}
	root, head, err := loadHeads(ctx, s, d)
	if err != nil {
		return nil, err
	}
	if r.DC, err = describeDC(ctx, s, d, root, head); err != nil {
		return nil, err
	}
	r.DC.Address = bound.Address
	account, err := r.loadIdentity(ctx, s, d, root)
	if err != nil {
		return nil, err
	}
	e, err := explain.New(ctx, s, false)
	if err != nil {
		return nil, err
	}
	a := abilities{server: s, domain: d, explainer: e, account: account}
	if len(targets) == 0 {
		targets = []string{d.DN}
	}
	seen := map[string]bool{}
	for _, dn := range targets {
		t, err := a.target(ctx, dn)
		if err != nil {
			return nil, err
		}
		if key := directory.DNKey(t.DN); !seen[key] {
			seen[key] = true
			r.Targets = append(r.Targets, t)
		}
	}
	if r.GMSA, err = a.creation(ctx, head); err != nil {
		return nil, err
	}
	if r.RootKeys, err = a.rootKeys(ctx); err != nil {
		return nil, err
	}
	r.addNotes()
	return r, nil
}

func (r *Report) addNotes() {
	if !r.DC.Writable {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is a read-only domain controller: what it says of writing holds on writable ones only as far as they agree.", r.DC.Host))
	}
	if r.Identity.Unseen != "" {
		r.Notes = append(r.Notes, fmt.Sprintf("Not readable of this identity: %s; what depends on it is unknown.", r.Identity.Unseen))
	}
	// Kerberos refuses five minutes, [MS-KILE] 3.1.5 by way of RFC 4120, 1.6.
	if r.Clock != nil && max(r.Clock.Ahead, -r.Clock.Ahead)-r.Clock.Within > 60 {
		r.Notes = append(r.Notes, "The clocks are more than a minute apart; Kerberos refuses five.")
	}
}

// loadHeads reads the rootDSE, for what concerns the session, and the head of the domain.
func loadHeads(ctx context.Context, s Server, d *directory.Domain) (root, head directory.Entry, err error) {
	one := func(base string, attrs ...string) (directory.Entry, error) {
		found, err := directory.Collect(s.Read(ctx, directory.Query{Base: base, Attrs: attrs}))
		if err != nil || len(found) == 0 {
			return directory.Entry{}, err
		}
		return found[0], nil
	}
	if root, err = one("", "serverName", "dsServiceName", "domainControllerFunctionality", "isGlobalCatalogReady", "tokenGroups"); err != nil {
		return root, head, fmt.Errorf("read the rootDSE: %w", err)
	}
	if head, err = one(d.DN, "fSMORoleOwner", "wellKnownObjects", "otherWellKnownObjects"); err != nil {
		return root, head, fmt.Errorf("read the head of the domain: %w", err)
	}
	return root, head, nil
}

func describeDC(ctx context.Context, s Server, d *directory.Domain, root, head directory.Entry) (DC, error) {
	level := func(n int) Level { return Level{n, audit.FunctionalLevel(n)} }
	dc := DC{Host: d.Host, Writable: !d.ReadOnly, DomainLevel: level(d.DomainLevel), ForestLevel: level(d.ForestLevel), Level: Level{Number: -1}}
	if n, err := strconv.Atoi(root.Text("domainControllerFunctionality")); err == nil {
		dc.Level = level(n)
	}
	switch strings.ToUpper(root.Text("isGlobalCatalogReady")) {
	case "TRUE":
		dc.GlobalCatalog = Yes
	case "FALSE":
		dc.GlobalCatalog = No
	}
	service, owner := root.Text("dsServiceName"), head.Text("fSMORoleOwner")
	if service != "" && owner != "" {
		dc.PDC = word(directory.SameDN(service, owner))
	}
	// CN=DC1,CN=Servers,CN=Site,CN=Sites,CN=Configuration,... [MS-ADTS] 6.1.1.2.2.1.
	server := root.Text("serverName")
	if server == "" {
		return dc, nil
	}
	dc.Site = directory.NameOfDN(directory.ParentDN(directory.ParentDN(server)))
	var err error
	dc.OperatingSystem, err = operatingSystem(ctx, s, server)
	return dc, err
}

// operatingSystem reads what the computer of a server object runs; empty where that is not
// shown.
func operatingSystem(ctx context.Context, s Server, server string) (string, error) {
	dn := server
	for _, attr := range []string{"serverReference", ""} {
		q := directory.Query{Base: dn, Attrs: []string{attr}}
		if attr == "" {
			q.Attrs = []string{"operatingSystem", "operatingSystemVersion"}
		}
		found, err := directory.Collect(s.Read(ctx, q))
		if missing := (*directory.NotFoundError)(nil); errors.As(err, &missing) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read the domain controller's own object: %w", err)
		}
		if len(found) == 0 {
			return "", nil
		}
		if attr == "" {
			return strings.TrimSpace(found[0].Text("operatingSystem") + " " + found[0].Text("operatingSystemVersion")), nil
		}
		if dn = found[0].Text(attr); dn == "" {
			return "", nil
		}
	}
	return "", nil
}

// loadIdentity reads the account that is bound and its groups: those of the session where
// the server shows them, for it decides by these. The account is nil where it is not one of
// this domain.
func (r *Report) loadIdentity(ctx context.Context, s Server, d *directory.Domain, root directory.Entry) (*directory.Account, error) {
	id := &r.Identity
	id.Groups, id.Source = []Group{}, Unknown.String()
	account, err := find(ctx, s, d, id.AuthzID)
	if err != nil {
		var unknown *directory.AccountError
		if !errors.As(err, &unknown) {
			return nil, err
		}
		account = nil
		id.Unseen = "its object (" + unknown.Why + ")"
	}
	names := map[sddl.SID]string{}
	var own []sddl.SID
	if account != nil {
		if err := account.LoadToken(ctx, s, d); err != nil {
			return nil, err
		}
		id.Name, id.DN, id.SID, id.Unseen = d.Qualified(account.Name), account.DN, account.SID.String(), account.Unseen
		names = account.Names
		own = slices.Concat(account.Groups, account.WellKnown)
	}
	var session []sddl.SID
	for _, v := range root.Values("tokenGroups") {
		sid, err := sddl.ParseSIDBytes(v)
		if err != nil {
			return nil, fmt.Errorf("read the rootDSE: tokenGroups: %w", err)
		}
		if account == nil || sid != account.SID {
			session = append(session, sid)
		}
	}
	token := own
	switch {
	case len(session) > 0:
		id.Source, token = FromSession, session
		if err := nameSIDs(ctx, s, d, session, names); err != nil {
			return nil, err
		}
		if account != nil {
			r.compareTokens(account, session, names)
		}
	case account != nil:
		id.Source = FromObject
	}
	for _, sid := range token {
		id.Groups = append(id.Groups, Group{SID: sid.String(), Name: nameOf(sid, d, names), Privileged: isPrivileged(sid), rank: rankOf(sid)})
	}
	// The ones to look at first.
	slices.SortStableFunc(id.Groups, func(a, b Group) int {
		if a.Privileged != b.Privileged {
			if a.Privileged {
				return -1
			}
			return 1
		}
		return cmp.Or(a.rank-b.rank, strings.Compare(a.SID, b.SID))
	})
	id.Groups = slices.Compact(id.Groups)
	return account, nil
}

// The kinds of SIDs, in the order in which they are shown.
const (
	rankDomain = iota // issued by a domain
	rankBuiltin
	rankOther
)

func rankOf(sid sddl.SID) int {
	switch text := sid.String(); {
	case strings.HasPrefix(text, "S-1-5-32-"):
		return rankBuiltin
	// S-1-5-21-0-0-0 is nobody's: what a ticket has is said with it. [MS-DTYP] 2.4.2.4.
	case strings.HasPrefix(text, "S-1-5-21-") && !strings.HasPrefix(text, "S-1-5-21-0-0-0-"):
		return rankDomain
	}
	return rankOther
}

// find is the account that an authzId is about.
func find(ctx context.Context, s Server, d *directory.Domain, authzID string) (*directory.Account, error) {
	kind, name, ok := strings.Cut(authzID, ":")
	if !ok || name == "" {
		return nil, &directory.AccountError{Name: authzID, Why: "the server names nobody"}
	}
	if !strings.EqualFold(kind, "u") && !strings.EqualFold(kind, "dn") {
		return nil, &directory.AccountError{Name: authzID, Why: "the server names it in a form that is not known"}
	}
	return directory.FindAccount(ctx, s, d, name)
}

// nameSIDs looks up the SIDs that have no name yet and may have one in this domain.
func nameSIDs(ctx context.Context, s Server, d *directory.Domain, sids []sddl.SID, names map[sddl.SID]string) error {
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: []string{"objectSid", "sAMAccountName"}}
	for _, sid := range sids {
		if names[sid] == "" && sid.Domain() == d.SID {
			q.Any = append(q.Any, directory.Match{Attr: "objectSid", Value: string(sid.Bytes())})
		}
	}
	if len(q.Any) == 0 {
		return nil
	}
	for e, err := range s.Read(ctx, q) {
		if err != nil {
			return fmt.Errorf("read the names of groups: %w", err)
		}
		if sid, err := sddl.ParseSIDBytes(e.Value("objectSid")); err == nil && e.Text("sAMAccountName") != "" {
			names[sid] = d.Qualified(e.Text("sAMAccountName"))
		}
	}
	return nil
}

func nameOf(sid sddl.SID, d *directory.Domain, names map[sddl.SID]string) string {
	if name := names[sid]; name != "" {
		return name
	}
	if name := words.DomainSID(sid, d.SID); name != "" {
		return d.Qualified(name)
	}
	name := words.WellKnownSID(sid)
	if name != "" && rankOf(sid) == rankBuiltin {
		return `BUILTIN\` + name
	}
	return name
}

// compareTokens says which groups of domains the account has come into, or gone from, since
// its ticket was made.
func (r *Report) compareTokens(account *directory.Account, session []sddl.SID, names map[sddl.SID]string) {
	if account.Unseen != "" {
		return
	}
	issued := func(sid sddl.SID) bool { return rankOf(sid) == rankDomain }
	list := func(a, b []sddl.SID) string {
		var out []string
		for _, sid := range a {
			if issued(sid) && !slices.Contains(b, sid) {
				name := names[sid]
				if name == "" {
					name = sid.String()
				}
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	if since := list(account.Groups, session); since != "" {
		r.Notes = append(r.Notes, "In the directory, but not in this session: "+since+". A new ticket will have it.")
	}
	if gone := list(session, slices.Concat(account.Groups, account.WellKnown)); gone != "" {
		r.Notes = append(r.Notes, "In this session, but not, or no longer, in the directory: "+gone+".")
	}
}

// Groups whose members can become administrators of the domain, or of the forest: those that
// SDProp protects, [MS-ADTS] 3.1.1.6.1, and some that control what it does not protect -
// group policy, the trusts, the keys of accounts, the virtual machines that domain
// controllers may be.
var (
	privilegedOfDomain  = []uint32{512, 516, 518, 519, 520, 526, 527}
	privilegedOfBuiltin = []uint32{544, 548, 549, 550, 551, 552, 557, 578}
)

func isPrivileged(sid sddl.SID) bool {
	rid, ok := sid.RID()
	switch issuer := sid.Domain().String(); {
	case !ok:
		return false
	case issuer == "S-1-5-32":
		return slices.Contains(privilegedOfBuiltin, rid)
	case strings.HasPrefix(issuer, "S-1-5-21-"):
		return slices.Contains(privilegedOfDomain, rid)
	}
	return false
}
