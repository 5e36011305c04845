package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// FutureSID stands for an account of a domain that is yet to be made: the domain's SID with the
// relative identifier 0, which no account has. It is as long as the account's own will be.
func FutureSID(domain sddl.SID) (sddl.SID, error) { return sddl.ParseSID(domain.String() + "-0") }

// FutureGMSA is a service account that is yet to be made, with the token that it will have: its
// SID is [FutureSID], its primary group is Domain Computers, and
// what that is in comes with it. [MS-SAMR] 3.1.1.8.1.
func FutureGMSA(ctx context.Context, r Reader, d *Domain, dn, sAMAccountName string) (*Account, error) {
	sid, err := FutureSID(d.SID)
	if err != nil {
		return nil, fmt.Errorf("name %s: %w", dn, err)
	}
	computers, err := sddl.ParseSID(d.SID.String() + "-515")
	if err != nil {
		return nil, fmt.Errorf("name Domain Computers: %w", err)
	}
	a := &Account{
		DN: dn, SID: sid, Name: sAMAccountName, Names: map[sddl.SID]string{sid: d.Qualified(sAMAccountName)},
		Classes: []string{"top", "person", "organizationalPerson", "user", "computer", ClassGMSA},
		Groups:  []sddl.SID{computers}, Global: []sddl.SID{computers},
	}
	unseen, err := a.loadGroupsOf(ctx, r, d, computers)
	if err != nil {
		return nil, err
	}
	missing, err := a.loadWellKnown(ctx, r, d)
	if err != nil {
		return nil, err
	}
	a.Unseen = strings.Join(append(unseen, missing...), " and ")
	slices.SortFunc(a.Groups, compareSIDs)
	slices.SortFunc(a.WellKnown, compareSIDs)
	return a, a.loadNames(ctx, r, d)
}

// loadGroupsOf adds the groups that a group is in, and says which of them are not shown.
func (a *Account) loadGroupsOf(ctx context.Context, r Reader, d *Domain, group sddl.SID) (unseen []string, err error) {
	asked := map[string]string{} // DNKey to DN, until they are seen
	seen := map[string]bool{}
	q := Query{Base: d.DN, Scope: Subtree, Attrs: []string{"objectSid", "memberOf"}, Any: []Match{{"objectSid", string(group.Bytes())}}}
	sawFirst := false
	for len(q.Any) > 0 {
		var next []Match
		for e, err := range r.Read(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("read the groups of %s: %w", a.Names[a.SID], err)
			}
			sid, err := sddl.ParseSIDBytes(e.Value("objectSid"))
			if err != nil {
				return nil, fmt.Errorf("read the groups of %s: %s: objectSid: %w", a.Names[a.SID], e.DN, err)
			}
			sawFirst = true
			if !slices.Contains(a.Groups, sid) {
				a.Groups = append(a.Groups, sid)
			}
			seen[DNKey(e.DN)] = true
			delete(asked, DNKey(e.DN))
			for _, above := range e.Texts("memberOf") {
				if key := DNKey(above); !seen[key] && asked[key] == "" {
					asked[key] = above
					next = append(next, Match{"distinguishedName", above})
				}
			}
		}
		q.Any = next
	}
	if !sawFirst {
		unseen = append(unseen, "Domain Computers")
	}
	for _, dn := range asked {
		unseen = append(unseen, dn)
	}
	slices.Sort(unseen)
	return unseen, nil
}
