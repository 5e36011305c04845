package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// In is the account with the token that a domain controller of another domain would make
// for it: its SID and its global and universal groups come along, its domain-local groups
// stay at home, and those of the other domain that any of these is in come on top. r reads the other domain,
// d; home is the account's own. LoadToken has read that. [MS-ADTS] 3.1.1.4.5.19,
// [MS-PAC] 2.5, 2.6.
func (a *Account) In(ctx context.Context, r Reader, home, d *Domain) (*Account, error) {
	b := &Account{DN: a.DN, SID: a.SID, Name: a.Name, Classes: a.Classes, Global: a.Global, Names: maps.Clone(a.Names)}
	var unseen []string
	if len(a.Global) == 0 {
		unseen = append(unseen, "tokenGroupsGlobalAndUniversal of the account")
	}
	sameForest := SameDN(home.ConfigurationDN, d.ConfigurationDN)
	for _, sid := range a.Global {
		// What a trust lets pass are the SIDs of its forest. Of a domain that was not read nobody
		// knows here which forest it is of: it may be one that the account has left.
		if !sameForest && sid.Domain() != home.SID {
			unseen = append(unseen, fmt.Sprintf("whether the trust lets %s pass", sid))
			continue
		}
		b.Groups = append(b.Groups, sid)
	}
	missing, err := b.loadWellKnown(ctx, r, d)
	if err != nil {
		return nil, err
	}
	unseen = append(unseen, missing...)
	local, err := readLocalGroups(ctx, r, d)
	if err != nil {
		return nil, err
	}
	b.Groups = append(b.Groups, local.of(append(slices.Clone(b.Groups), b.SID))...)
	for _, sid := range local.of(b.WellKnown) {
		if !slices.Contains(b.WellKnown, sid) {
			b.WellKnown = append(b.WellKnown, sid)
		}
	}
	unseen = append(unseen, local.unseen...)
	b.Unseen = strings.Join(unseen, " and ")
	slices.SortFunc(b.Groups, compareSIDs)
	slices.SortFunc(b.WellKnown, compareSIDs)
	return b, b.loadNames(ctx, r, d)
}

// localGroups are the domain-local security groups of a domain.
type localGroups struct {
	in     map[sddl.SID][]sddl.SID // by member
	unseen []string
}

// of are the groups that any of the SIDs is in, through others too.
func (g *localGroups) of(sids []sddl.SID) []sddl.SID {
	var out []sddl.SID
	seen := map[sddl.SID]bool{}
	for queue := slices.Clone(sids); len(queue) > 0; queue = queue[1:] {
		for _, group := range g.in[queue[0]] {
			if !seen[group] {
				seen[group] = true
				out = append(out, group)
				queue = append(queue, group)
			}
		}
	}
	return out
}

// The values of groupType of domain-local security groups, those of BUILTIN last.
// [MS-ADTS] 2.2.12.
const (
	localGroup   = "-2147483644"
	builtinGroup = "-2147483643"
)

// administrators is a group that every domain has and that is never empty: where its
// members are not shown, or not with their SIDs, nobody asked, or nobody may see.
const administrators = "S-1-5-32-544"

// localGroupsQuery asks for the domain-local groups with their members. Members of other
// domains are there under the name that they had when somebody looked last; their SIDs do not change.
func localGroupsQuery(d *Domain) Query {
	return Query{
		Base: d.DN, Scope: Subtree, Any: []Match{{"groupType", localGroup}, {"groupType", builtinGroup}},
		Attrs: []string{"objectSid", "member"}, Descriptor: true, Extended: true,
	}
}

// CollectLocalGroups reads what In reads of the domain that is not the account's, so that
// a recorder of r can answer for it.
func CollectLocalGroups(ctx context.Context, r Reader, d *Domain) error {
	_, err := readLocalGroups(ctx, r, d)
	return err
}

func readLocalGroups(ctx context.Context, r Reader, d *Domain) (*localGroups, error) {
	g := &localGroups{in: map[sddl.SID][]sddl.SID{}}
	witness := false
	var hidden []string
	for e, err := range r.Read(ctx, localGroupsQuery(d)) {
		if err != nil {
			return nil, fmt.Errorf("read the domain-local groups of %s: %w", d.DNS, err)
		}
		group, err := sddl.ParseSIDBytes(e.Value("objectSid"))
		if err != nil {
			return nil, fmt.Errorf("read the domain-local groups of %s: %s: objectSid: %w", d.DNS, e.DN, err)
		}
		members := e.Texts("member")
		if len(members) == 0 && !showsMembers(e.Value(descriptorAttr)) {
			hidden = append(hidden, e.DN)
		}
		for _, member := range members {
			text, _, extended := SplitExtended(member)
			if !extended {
				hidden = append(hidden, e.DN)
				break
			}
			if text == "" {
				continue // a contact
			}
			sid, err := sddl.ParseSID(strings.ToUpper(text))
			if err != nil {
				return nil, fmt.Errorf("read the domain-local groups of %s: %s: member %q: %w", d.DNS, e.DN, member, err)
			}
			g.in[sid] = append(g.in[sid], group)
			witness = witness || group.String() == administrators
		}
	}
	slices.Sort(hidden)
	switch {
	case !witness:
		g.unseen = append(g.unseen, "the domain-local groups of "+d.DNS)
	case len(hidden) > 3:
		g.unseen = append(g.unseen, fmt.Sprintf("the members of %s and %d more groups", hidden[0], len(hidden)-1))
	case len(hidden) > 0:
		g.unseen = append(g.unseen, "the members of "+strings.Join(hidden, ", "))
	}
	for _, groups := range g.in {
		slices.SortFunc(groups, compareSIDs)
	}
	return g, nil
}

// What an entry may be about that is about member: the attribute, and its property set,
// Membership. [MS-ADA2] 2.44, [MS-ADTS] 3.1.1.2.3.3.
var (
	memberGUID     = sddl.MustParseGUID("bf9679c0-0de6-11d0-a285-00aa003049e2")
	membershipGUID = sddl.MustParseGUID("bc0ac240-79a9-11d0-9020-00c04fc2d4cf")
)

// showsMembers says whether a group without members is one to everybody: everybody may read
// member there, and nobody is denied it.
func showsMembers(descriptor []byte) bool {
	d, err := sddl.Parse(descriptor)
	if err != nil || d.DACL == nil {
		return false
	}
	shown := false
	for _, a := range d.DACL.ACEs {
		about := !a.HasObjectType() || a.ObjectType == memberGUID || a.ObjectType == membershipGUID
		if a.Flags.Has(sddl.InheritOnly) || !about || a.Mask.MapGeneric()&sddl.ReadProperty == 0 {
			continue
		}
		switch sid := a.SID.String(); {
		case a.Type.IsDeny():
			return false
		case a.Type.IsAllow() && !a.Type.IsCallback() && (sid == authenticatedUsers || sid == everyone):
			shown = true
		}
	}
	return shown
}

const everyone = "S-1-1-0"
