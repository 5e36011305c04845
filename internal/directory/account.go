package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Account is a security principal and every SID that its access token would hold on a
// domain controller.
type Account struct {
	DN      string
	SID     sddl.SID
	Name    string // sAMAccountName
	Classes []string

	Groups    []sddl.SID // of tokenGroups: nested, with the primary group
	WellKnown []sddl.SID // Everyone, Authenticated Users, ..., and the groups that these are in

	// Global are those of Groups that count in other domains too, of
	// tokenGroupsGlobalAndUniversal: the global and the universal ones. Nil where they are not shown.
	Global []sddl.SID

	// Unseen says what of the token could not be read; empty when all of it was.
	Unseen string

	// Names are the names of the SIDs above as far as the domain has them.
	Names map[sddl.SID]string
}

// IsGMSA says whether the account is a group managed service account.
func (a *Account) IsGMSA() bool {
	return slices.ContainsFunc(a.Classes, func(c string) bool { return strings.EqualFold(c, ClassGMSA) })
}

// Qualified is DOMAIN\sAMAccountName, with the domain that the account is in.
func (a *Account) Qualified() string {
	if name := a.Names[a.SID]; name != "" {
		return name
	}
	return a.Name
}

// ClassGMSA is the class of group managed service accounts. [MS-ADSC] 2.165.
const ClassGMSA = "msDS-GroupManagedServiceAccount"

// AccountError says why a name does not stand for one account.
type AccountError struct {
	Name string
	Why  string
}

func (e *AccountError) Error() string { return fmt.Sprintf("account %q: %s", e.Name, e.Why) }

// wellKnown are the SIDs in the token of every account that logs on to a domain
// controller over the network with Kerberos. [MS-DTYP] 2.4.2.4.
var wellKnown = []struct{ sid, name string }{
	{"S-1-1-0", "Everyone"},
	{"S-1-5-2", "NETWORK"},
	{"S-1-5-11", "Authenticated Users"},
	{"S-1-5-15", "This Organization"},
	{"S-1-18-1", "Authentication authority asserted identity"},
}

// authenticatedUsers has a foreignSecurityPrincipal in every domain, for it is a member
// of Users from the start; so not seeing that object means not seeing enough.
const authenticatedUsers = "S-1-5-11"

var accountAttrs = []string{"objectClass", "objectSid", "sAMAccountName", "userPrincipalName"}

// FindAccount finds the account that a name stands for: a sAMAccountName with or
// without its $, DOMAIN\name, a UPN, a DN or a SID. An *AccountError says why not.
func FindAccount(ctx context.Context, r Reader, d *Domain, name string) (*Account, error) {
	found, err := findAccount(ctx, r, d, name)
	if err != nil {
		return nil, err
	}
	a := &Account{DN: found.DN, Name: found.Text("sAMAccountName"), Classes: found.Texts("objectClass"), Names: map[sddl.SID]string{}}
	if a.SID, err = sddl.ParseSIDBytes(found.Value("objectSid")); err != nil {
		return nil, &AccountError{name, fmt.Sprintf("%s is not a security principal: objectSid: %v", found.DN, err)}
	}
	// Computers and gMSAs are users too. What logs on has a token; groups, domains and
	// foreign principals have none here.
	if a.Name == "" || !slices.ContainsFunc(a.Classes, func(c string) bool { return strings.EqualFold(c, "user") }) {
		return nil, &AccountError{name, fmt.Sprintf("%s is not an account that logs on (its class is %s)", found.DN, lastOf(a.Classes))}
	}
	a.Names[a.SID] = d.Qualified(a.Name)
	return a, nil
}

func findAccount(ctx context.Context, r Reader, d *Domain, name string) (Entry, error) {
	search := func(any ...Match) ([]Entry, error) {
		return Collect(r.Read(ctx, Query{Base: d.DN, Scope: Subtree, Any: any, Attrs: accountAttrs}))
	}
	var found []Entry
	var err error
	domain, account, qualified := strings.Cut(name, `\`)
	user, suffix, isUPN := strings.Cut(name, "@")
	switch {
	case strings.TrimSpace(name) == "":
		return Entry{}, &AccountError{name, "the name is empty"}
	case strings.HasPrefix(strings.ToUpper(name), "S-1-"):
		sid, err := sddl.ParseSID(strings.ToUpper(name))
		if err != nil {
			return Entry{}, &AccountError{name, err.Error()}
		}
		found, err = search(Match{"objectSid", string(sid.Bytes())})
		if err != nil {
			return Entry{}, err
		}
	case LooksLikeDN(name):
		found, err = Collect(r.Read(ctx, Query{Base: name, Attrs: accountAttrs}))
		if missing := (*NotFoundError)(nil); errors.As(err, &missing) {
			return Entry{}, &AccountError{name, missing.Error()}
		}
	case qualified:
		if !strings.EqualFold(domain, d.NetBIOS) && !strings.EqualFold(domain, d.DNS) {
			return Entry{}, &AccountError{name, fmt.Sprintf("domain %s is not %s, the domain of this directory", domain, d.Qualified(d.DNS))}
		}
		found, err = search(samNames(account)...)
	case isUPN:
		found, err = search(Match{"userPrincipalName", name})
		// Without a userPrincipalName the implicit one holds: sAMAccountName@domain. [MS-ADTS] 5.1.1.1.1.
		if err == nil && len(found) == 0 && strings.EqualFold(suffix, d.DNS) {
			found, err = search(samNames(user)...)
		}
	default:
		found, err = search(samNames(name)...)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("find account %q: %w", name, err)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Entry{}, &AccountError{name, "no such account is visible in " + d.DNS}
	}
	var dns []string
	for _, e := range found {
		dns = append(dns, e.DN)
	}
	sort.Strings(dns)
	return Entry{}, &AccountError{name, "it stands for several accounts, name one by its DN: " + strings.Join(dns, "; ")}
}

// lastOf is the most specific class: a server names the classes from top down.
func lastOf(classes []string) string {
	if len(classes) == 0 {
		return "not readable"
	}
	return classes[len(classes)-1]
}

// samNames are the sAMAccountNames that a name may mean: gMSA and computer names end in
// $, which people leave out.
func samNames(name string) []Match {
	any := []Match{{"sAMAccountName", name}}
	if !strings.HasSuffix(name, "$") {
		any = append(any, Match{"sAMAccountName", name + "$"})
	}
	return any
}

// LoadToken reads the SIDs of the account's access token.
func (a *Account) LoadToken(ctx context.Context, r Reader, d *Domain) error {
	var unseen []string
	self, err := Collect(r.Read(ctx, Query{Base: a.DN, Attrs: []string{"tokenGroups", "tokenGroupsGlobalAndUniversal"}}))
	if err != nil {
		return fmt.Errorf("read the groups of %s: %w", a.DN, err)
	}
	if len(self) == 1 {
		for attr, list := range map[string]*[]sddl.SID{"tokenGroups": &a.Groups, "tokenGroupsGlobalAndUniversal": &a.Global} {
			for _, v := range self[0].Values(attr) {
				sid, err := sddl.ParseSIDBytes(v)
				if err != nil {
					return fmt.Errorf("read the groups of %s: %s: %w", a.DN, attr, err)
				}
				if sid != a.SID && !slices.Contains(*list, sid) {
					*list = append(*list, sid)
				}
			}
		}
	}
	// Every account has a primary group, so that an empty answer is no answer.
	if len(a.Groups) == 0 {
		unseen = append(unseen, "tokenGroups of the account")
	}
	missing, err := a.loadWellKnown(ctx, r, d)
	if err != nil {
		return err
	}
	unseen = append(unseen, missing...)
	a.Unseen = strings.Join(unseen, " and ")
	slices.SortFunc(a.Groups, compareSIDs)
	slices.SortFunc(a.Global, compareSIDs)
	slices.SortFunc(a.WellKnown, compareSIDs)
	return a.loadNames(ctx, r, d)
}

// loadWellKnown adds the well-known SIDs and the groups they are in: tokenGroups is
// computed from the account alone and leaves these out.
func (a *Account) loadWellKnown(ctx context.Context, r Reader, d *Domain) (unseen []string, err error) {
	q := Query{Base: d.DN, Scope: Subtree, Attrs: []string{"objectSid", "memberOf"}}
	known := map[sddl.SID]bool{}
	add := func(sid sddl.SID) {
		if !known[sid] {
			known[sid] = true
			a.WellKnown = append(a.WellKnown, sid)
		}
	}
	for _, w := range wellKnown {
		sid, err := sddl.ParseSID(w.sid)
		if err != nil {
			return nil, err
		}
		add(sid)
		a.Names[sid] = w.name
		q.Any = append(q.Any, Match{"objectSid", string(sid.Bytes())})
	}
	asked := map[string]string{} // the groups asked for, DNKey to DN, until they are seen
	seen := map[string]bool{}
	sawAuthenticatedUsers := false
	for len(q.Any) > 0 {
		var next []Match
		for e, err := range r.Read(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("read the groups of Everyone and Authenticated Users: %w", err)
			}
			sid, err := sddl.ParseSIDBytes(e.Value("objectSid"))
			if err != nil {
				return nil, fmt.Errorf("read the groups of Everyone and Authenticated Users: %s: objectSid: %w", e.DN, err)
			}
			groups := e.Texts("memberOf")
			sawAuthenticatedUsers = sawAuthenticatedUsers || sid.String() == authenticatedUsers && len(groups) > 0
			add(sid)
			seen[DNKey(e.DN)] = true
			delete(asked, DNKey(e.DN))
			for _, group := range groups {
				if key := DNKey(group); !seen[key] && asked[key] == "" {
					asked[key] = group
					next = append(next, Match{"distinguishedName", group})
				}
			}
		}
		q.Any = next
	}
	if !sawAuthenticatedUsers {
		unseen = append(unseen, "the groups of Authenticated Users")
	}
	return append(unseen, slices.Sorted(maps.Values(asked))...), nil
}

// loadNames asks for the names of the groups, for people to read.
func (a *Account) loadNames(ctx context.Context, r Reader, d *Domain) error {
	q := Query{Base: d.DN, Scope: Subtree, Attrs: []string{"objectSid", "sAMAccountName"}}
	for _, sid := range slices.Concat(a.Groups, a.WellKnown) {
		if _, named := a.Names[sid]; !named {
			q.Any = append(q.Any, Match{"objectSid", string(sid.Bytes())})
		}
	}
	if len(q.Any) == 0 {
		return nil
	}
	for e, err := range r.Read(ctx, q) {
		if err != nil {
			return fmt.Errorf("read the names of groups: %w", err)
		}
		if sid, err := sddl.ParseSIDBytes(e.Value("objectSid")); err == nil && e.Text("sAMAccountName") != "" {
			a.Names[sid] = d.groupName(sid, e.Text("sAMAccountName"))
		}
	}
	return nil
}

func compareSIDs(a, b sddl.SID) int { return strings.Compare(a.String(), b.String()) }
