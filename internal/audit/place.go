package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// found is where the target of a rule is, in one domain.
type found struct {
	targets []*directory.Target
	unseen  []unseen
	away    bool // it is in another domain of the run, which answers for it
}

// unseen is an object that a rule is about and that could not be looked at.
type unseen struct{ dn, why string }

// wellKnown are the GUIDs by which the head of a domain says where it keeps its containers.
// [MS-ADTS] 6.1.1.4.
var wellKnown = map[policy.PlaceName]string{
	policy.Users:             "A9D1CA15768811D1ADED00C04FD8D5CD",
	policy.Computers:         "AA312825768811D1ADED00C04FD8D5CD",
	policy.System:            "AB1D30F3768811D1ADED00C04FD8D5CD",
	policy.DomainControllers: "A361B2FFFFD211D1AA4B00C04FD7D83A",
	policy.DeletedObjects:    "18E2EA80684F11D2B9AA00C04F79F805",
	policy.ProgramData:       "09460C08AE1E4A4EA0F64AEE7DAA1E5A",
	policy.ManagedAccounts:   "1EB93889E40C45DF9F0C64D23BBB6237",
}

// finder looks for the targets that rules name themselves.
type finder struct {
	s    *Snapshot
	read directory.Reader
	head *directory.Entry // with the well-known objects; nil before it was asked for
}

// ownTargets are the targets that rules of the policies name themselves.
func ownTargets(policies []*policy.Policy) []policy.Target {
	var out []policy.Target
	for _, p := range policies {
		for i := range p.Rules {
			if t := p.Rules[i].Aim(); !t.IsZero() && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// looksWhereTold says whether a rule is about the targets of the audit.
func looksWhereTold(policies []*policy.Policy) bool {
	return slices.ContainsFunc(policies, func(p *policy.Policy) bool {
		return slices.ContainsFunc(p.Rules, func(r policy.Rule) bool { return r.Aim().IsZero() })
	})
}

// place finds the targets of the rules, and reads what limits are about.
func (s *Snapshot) place(ctx context.Context, r directory.Reader, policies []*policy.Policy) error {
	s.policies, s.places = policies, map[policy.Target]found{}
	recorded, ok := r.(interface{ Recorded() bool })
	s.recorded = ok && recorded.Recorded()
	f := finder{s: s, read: r}
	for _, t := range ownTargets(policies) {
		at, err := f.find(ctx, t)
		if err != nil {
			return fmt.Errorf("target %s: %w", t, err)
		}
		s.places[t] = at
	}
	return s.loadAttributes(ctx, r)
}

func (f *finder) find(ctx context.Context, t policy.Target) (found, error) {
	var at found
	add := func(dn, why string) error {
		if why != "" {
			at.unseen = append(at.unseen, unseen{dn, why})
			return nil
		}
		one, err := f.s.own(ctx, f.read, dn)
		if notShown(err) {
			at.unseen = append(at.unseen, unseen{dn, "it is not there, or not visible to this identity"})
			return nil
		}
		if err == nil && !slices.Contains(at.targets, one) {
			at.targets = append(at.targets, one)
		}
		return err
	}
	d := f.s.Domain
	switch {
	case t.Place == policy.EveryDomain:
		for _, other := range f.s.elsewhere {
			at.unseen = append(at.unseen, unseen{other.DN, fmt.Sprintf("it is the head of %s, which was not asked; audit the forest with --forest", other.DNS)})
		}
		for _, dn := range []string{d.DN, d.ForestDN} {
			if !slices.ContainsFunc(d.Forest, func(p directory.Partition) bool { return directory.SameDN(p.DN, dn) }) {
				at.unseen = append(at.unseen, unseen{"every domain of " + d.ForestDN, "the forest does not show which domains it has"})
				break
			}
		}
		return at, add(d.DN, "")
	case (t.Place == policy.AccountItself || t.Under == policy.AccountItself) && f.s.away:
		return found{away: true}, nil
	case t.DN == "":
		dn, why, err := f.container(ctx, t.Place)
		if err != nil {
			return at, err
		}
		return at, add(dn, why)
	}
	dn := policy.Replace(t.DN, f.s.variables())
	if strings.Contains(dn, "${") {
		return at, add(dn, "it is not known here what it is")
	}
	if t.Under != "" {
		upper, why, err := f.container(ctx, t.Under)
		if err != nil {
			return at, err
		}
		if why != "" {
			return at, add(dn+" under "+string(t.Under), why)
		}
		dn += "," + upper
	}
	if !directory.LooksLikeDN(dn) {
		return at, fmt.Errorf("%q is no DN", dn)
	}
	switch other, asked := f.s.holder(dn); {
	case asked:
		return found{away: true}, nil
	case other != "":
		return at, add(dn, fmt.Sprintf("it is in %s, which was not asked; audit the forest with --forest", other))
	}
	return at, add(dn, "")
}

// holder is the DNS name of another domain that holds an object, empty for one of this domain; asked says that the
// run looks there, too.
func (s *Snapshot) holder(dn string) (dns string, asked bool) {
	longest := 0
	try := func(head, name string, isAsked bool) {
		if n := directory.DepthDN(head); head != "" && n > longest && directory.IsBelow(dn, head) {
			longest, dns, asked = n, name, isAsked
		}
	}
	try(s.Domain.DN, "", false)
	try(s.Domain.ConfigurationDN, "", false)
	for _, p := range s.elsewhere {
		try(p.DN, p.DNS, false)
	}
	for _, head := range s.others {
		try(head, directory.DomainDNS(head), true)
	}
	return dns, asked
}

// container is where a place is in the domain, or why that is not known.
func (f *finder) container(ctx context.Context, place policy.PlaceName) (dn, why string, err error) {
	d := f.s.Domain
	switch place {
	case policy.DomainRoot:
		return d.DN, "", nil
	case policy.Configuration:
		return d.ConfigurationDN, "", nil
	case policy.Schema:
		return d.SchemaDN, "", nil
	case policy.AccountItself:
		if f.s.future() {
			return f.s.Account.DN, "the account is yet to be made", nil
		}
		return f.s.Account.DN, "", nil
	case policy.AdminSDHolder:
		return policy.AdminSDHolder.UsualDN(d.DN), "", nil // it is never moved
	}
	guid, ok := wellKnown[place]
	if !ok {
		return "", "", fmt.Errorf("nobody knows where %s is", place)
	}
	if f.head == nil {
		list, err := directory.Collect(f.read.Read(ctx, directory.Query{Base: d.DN, Attrs: []string{"wellKnownObjects", "otherWellKnownObjects"}}))
		if err != nil && !notShown(err) {
			return "", "", err
		}
		f.head = &directory.Entry{}
		if len(list) == 1 {
			f.head = &list[0]
		}
	}
	for _, value := range slices.Concat(f.head.Texts("wellKnownObjects"), f.head.Texts("otherWellKnownObjects")) {
		// B:32:GUID:DN, [MS-ADTS] 3.1.1.1.6.
		if parts := strings.SplitN(value, ":", 4); len(parts) == 4 && strings.EqualFold(parts[2], guid) {
			return parts[3], "", nil
		}
	}
	// A domain keeps these where they always were, unless its head says otherwise; which it may, unseen.
	return string(place) + " of " + d.DN, "the head of the domain does not show where it is", nil
}

// own is the target with that DN, one that is there already or a new one that only rules name.
func (s *Snapshot) own(ctx context.Context, r directory.Reader, dn string) (*directory.Target, error) {
	for _, t := range s.Targets {
		if directory.SameDN(t.DN, dn) {
			return t, nil
		}
	}
	t, err := directory.LoadTarget(ctx, r, dn)
	if err != nil {
		return nil, err
	}
	for _, have := range s.Targets {
		if directory.SameDN(have.DN, t.DN) {
			return have, nil
		}
	}
	s.Targets = append(s.Targets, t)
	s.named[directory.DNKey(t.DN)] = true
	return t, nil
}

// Asked says whether the audit was told to look at a target, or looks there by default; false where
// it is there only because rules name it themselves.
func (s *Snapshot) Asked(t *directory.Target) bool { return !s.named[directory.DNKey(t.DN)] }

// variables are the values of what rules may refer to.
func (s *Snapshot) variables() map[string]string {
	d := s.Domain
	out := map[string]string{
		"account.dn": s.Account.DN, "account.name": s.Account.Name,
		"domain.dn": d.DN, "domain.dns": d.DNS, "domain.sid": d.SID.String(),
		"forest.dn": d.ForestDN, "configuration.dn": d.ConfigurationDN,
	}
	if !s.future() {
		out["account.sid"] = s.Account.SID.String()
	}
	if !d.ForestSID.IsZero() {
		out["forest.sid"] = d.ForestSID.String()
	}
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

// future says whether the account is yet to be made.
func (s *Snapshot) future() bool {
	sid, err := directory.FutureSID(s.Domain.SID)
	return err == nil && s.Account.SID == sid
}

// notShown says whether an error is that something is not there to be seen, here or in a capture.
func notShown(err error) bool {
	missing, unrecorded := (*directory.NotFoundError)(nil), (*directory.NotRecordedError)(nil)
	return errors.As(err, &missing) || errors.As(err, &unrecorded)
}

// About says whether a requirement is about a target.
func (j *Judge) About(t *directory.Target, req *Requirement) bool {
	aim := req.Rule.Aim()
	if aim.IsZero() {
		return j.s.Asked(t)
	}
	return slices.ContainsFunc(j.s.places[aim].targets, func(one *directory.Target) bool { return directory.SameDN(one.DN, t.DN) })
}

// Unseen are the objects that rules are about and that could not be looked at, each with the rules' rows,
// which are unknown.
func (j *Judge) Unseen() []Target {
	var out []Target
	asked := slices.ContainsFunc(j.s.Targets, j.s.Asked)
	for _, req := range j.Requirements {
		var missing []unseen
		// A rule without a row would be one that nobody misses.
		switch at, looked := j.s.places[req.Rule.Aim()]; {
		case req.Rule.Aim().IsZero():
			if !asked && !j.s.told {
				missing = []unseen{{j.s.Domain.DN, "it was not looked at"}}
			}
		case !looked:
			missing = []unseen{{req.Rule.Aim().String(), "it was not looked for"}}
		case len(at.targets)+len(at.unseen) == 0 && !at.away:
			missing = []unseen{{req.Rule.Aim().String(), "nothing was found"}}
		default:
			missing = at.unseen
		}
		for _, u := range missing {
			at := slices.IndexFunc(out, func(t Target) bool { return t.DN == u.dn })
			if at < 0 {
				at = len(out)
				out = append(out, Target{DN: u.dn, Unreadable: u.why})
			}
			row := j.blank(req)
			if req.NotApplicable == "" {
				row.Why = u.why
			}
			out[at].Rows = append(out[at].Rows, row)
		}
	}
	return out
}
