package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// ForestReport is the answer of an audit of several domains: a Report of each that was
// read, and why the others were not. Its JSON form is stable: fields are added, never
// changed.
type ForestReport struct {
	Format      int           `json:"format"`
	Kind        string        `json:"kind"`    // ForestAuditReport
	Account     HomeAccount   `json:"account"` // as in its own domain
	Accept      Accept        `json:"accept"`
	Policies    []Policy      `json:"policies"`
	Reports     []*Report     `json:"reports"`           // in the order in which the domains were named
	Unreachable []Unreachable `json:"unreachable"`       // what of it is unknown, and why
	Waivers     []Waiver      `json:"waivers,omitempty"` // of the file, in its order
	NotAsked    []string      `json:"notAsked"`          // domains of the forests that nobody named, by DNS name
	Notes       []string      `json:"notes,omitempty"`
	Summary     ForestSummary `json:"summary"`
}

// HomeAccount is whom the audit judged, and where it is at home.
type HomeAccount struct {
	Name   string `json:"name"` // DOMAIN\sAMAccountName
	DN     string `json:"dn"`
	SID    string `json:"sid"`
	GMSA   bool   `json:"gmsa"`
	Domain string `json:"domain"` // DNS name
}

// Unreachable is a domain that was asked for and not read.
type Unreachable struct {
	Domain  string   `json:"domain"` // DNS name, or what was given for it
	Why     string   `json:"why"`
	Targets []string `json:"targets,omitempty"` // in it, of which all is unknown
}

// ForestSummary counts the domains, and the rows of all reports.
type ForestSummary struct {
	Domains     int `json:"domains"` // that were asked for
	Unreachable int `json:"unreachable"`
	Summary
}

// Clean says whether every domain that was asked for was read, and is clean. One that no rule is about, for
// they are about objects of others, has nothing to be clean of.
func (r *ForestReport) Clean() bool {
	return slices.ContainsFunc(r.Reports, func(one *Report) bool { return len(one.Targets) > 0 }) && len(r.Unreachable) == 0 && !expired(r.Waivers) &&
		!slices.ContainsFunc(r.Reports, func(one *Report) bool { return len(one.Targets) > 0 && !one.Clean() })
}

// Place is a domain to audit: what reads it, or why nothing does.
type Place struct {
	Name   string // what it was named by
	Reader directory.Reader
	Err    error

	domain   *directory.Domain
	targets  []string
	snapshot *Snapshot
}

// Domain is the place's, once it has been added; nil where it could not be read.
func (p *Place) Domain() *directory.Domain { return p.domain }

// Forest is several places, of one forest or of several.
type Forest struct {
	Places []*Place

	// Sweep adds to a report what is below its targets; nil adds nothing.
	Sweep func(ctx context.Context, r directory.Reader, s *Snapshot, rep *Report) error

	// Fatal says which errors end it all; others make the place unreachable.
	Fatal func(error) bool
}

// Add reads which domain a place is of.
func (f *Forest) Add(ctx context.Context, p *Place) error {
	if p.Err == nil {
		p.domain, p.Err = directory.LoadDomain(ctx, p.Reader)
	}
	if p.Err != nil && f.ends(ctx, p.Err) {
		return p.Err
	}
	for _, other := range f.Places {
		if p.domain != nil && other.domain != nil && other.domain.SID == p.domain.SID {
			return fmt.Errorf("%s and %s are both of %s", other.Name, p.Name, p.domain.DNS)
		}
	}
	f.Places = append(f.Places, p)
	// Only the root of a forest has its SID for sure.
	for _, root := range f.Places {
		for _, p := range f.Places {
			if root.domain != nil && p.domain != nil && p.domain.ForestSID.IsZero() && directory.SameDN(p.domain.ForestDN, root.domain.DN) {
				p.domain.ForestSID = root.domain.SID
			}
		}
	}
	return nil
}

func (f *Forest) ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || f.Fatal != nil && f.Fatal(err)
}

// Others are the domains of the forests of the places that no place is of, but for those of
// places that could not be read and are named by one.
func (f *Forest) Others() []directory.Partition {
	var out []directory.Partition
	for _, p := range f.Places {
		if p.domain == nil {
			continue
		}
		for _, d := range p.domain.Forest {
			known := func(other *Place) bool {
				return other.domain != nil && directory.SameDN(other.domain.DN, d.DN) || other.domain == nil && strings.EqualFold(other.Name, d.DNS)
			}
			same := func(have directory.Partition) bool { return directory.SameDN(have.DN, d.DN) }
			if !slices.ContainsFunc(f.Places, known) && !slices.ContainsFunc(out, same) {
				out = append(out, d)
			}
		}
	}
	return out
}

// Audit reads and judges all places. The account is looked for in the first place, or where
// its name says that it is.
func (f *Forest) Audit(ctx context.Context, account string, targets []string, policies []*policy.Policy, accept Accept) (*ForestReport, error) {
	if len(targets) > 0 && len(policies) > 0 && !looksWhereTold(policies) {
		return nil, &NoRuleError{targets}
	}
	home, found, err := f.find(ctx, account)
	if err != nil {
		return nil, err
	}
	if err := f.assign(targets); err != nil {
		return nil, err
	}
	if err := found.LoadToken(ctx, home.Reader, home.domain); err != nil {
		return nil, err
	}
	r := &ForestReport{
		Format: 1, Kind: "ForestAuditReport", Accept: accept, Reports: []*Report{}, Unreachable: []Unreachable{}, NotAsked: []string{},
		Account: HomeAccount{Name: found.Qualified(), DN: found.DN, SID: found.SID.String(), GMSA: found.IsGMSA(), Domain: home.domain.DNS},
	}
	for _, p := range policies {
		r.Policies = append(r.Policies, describePolicy(p))
	}
	schemas := map[string]*directory.Schema{} // by the DNKey of its DN: a forest has one
	for _, p := range f.Places {
		if len(targets) > 0 && len(p.targets) == 0 && p.Err == nil && len(ownTargets(policies)) == 0 {
			continue // nothing of it was asked for
		}
		r.Summary.Domains++
		err := f.read(ctx, p, home, found, schemas, len(targets) > 0, policies)
		var one *Report
		if err == nil {
			// Errors of judging are about the policies.
			if one, err = Evaluate(p.snapshot, policies, accept); err != nil {
				return nil, err
			}
			if f.Sweep != nil {
				err = f.Sweep(ctx, p.Reader, p.snapshot, one)
			}
		}
		var missing *directory.NotFoundError
		switch {
		case err == nil:
			r.Reports = append(r.Reports, one)
			r.Summary.Summary.sum(one.Summary)
		case f.ends(ctx, err), errors.As(err, &missing):
			return nil, err
		default:
			p.Err, p.snapshot = err, nil
			r.Unreachable = append(r.Unreachable, Unreachable{Domain: p.dns(), Why: err.Error(), Targets: p.targets})
		}
	}
	r.Summary.Unreachable = len(r.Unreachable)
	r.sumPolicies()
	for _, d := range f.Others() {
		r.NotAsked = append(r.NotAsked, d.DNS)
	}
	slices.Sort(r.NotAsked)
	r.addNotes(f, home)
	return r, nil
}

func (p *Place) dns() string {
	if p.domain != nil {
		return p.domain.DNS
	}
	return p.Name
}

// read reads the snapshot of a place.
func (f *Forest) read(ctx context.Context, p, home *Place, found *directory.Account, schemas map[string]*directory.Schema, told bool, policies []*policy.Policy) error {
	if p.Err != nil {
		return p.Err
	}
	s := &Snapshot{Domain: p.domain, Account: found, away: p != home}
	for _, other := range f.Places {
		if other != p && other.domain != nil {
			s.others = append(s.others, other.domain.DN)
		}
	}
	for _, d := range f.Others() {
		if slices.ContainsFunc(p.domain.Forest, func(own directory.Partition) bool { return directory.SameDN(own.DN, d.DN) }) {
			s.elsewhere = append(s.elsewhere, d)
		}
	}
	var err error
	if p != home {
		if s.Account, err = found.In(ctx, p.Reader, home.domain, p.domain); err != nil {
			return err
		}
	}
	if told && len(p.targets) == 0 {
		err = s.loadOwn(ctx, p.Reader, policies)
	} else {
		err = s.loadTargets(ctx, p.Reader, p.targets, policies)
	}
	if err != nil {
		return err
	}
	key := directory.DNKey(p.domain.SchemaDN)
	if schemas[key] == nil {
		if schemas[key], err = directory.LoadSchema(ctx, p.Reader, p.domain); err != nil {
			return err
		}
	}
	s.Schema = schemas[key]
	p.snapshot = s
	return nil
}

// find finds the account, and the place where it is at home.
func (f *Forest) find(ctx context.Context, name string) (*Place, *directory.Account, error) {
	var read []*Place
	for _, p := range f.Places {
		if p.domain != nil {
			read = append(read, p)
		}
	}
	if len(read) == 0 {
		if len(f.Places) == 0 {
			return nil, nil, errors.New("no domain is named")
		}
		return nil, nil, f.Places[0].Err
	}
	at := f.home(name)
	if at == nil {
		return nil, nil, &directory.AccountError{Name: name, Why: "it is of none of the domains that were named"}
	}
	if at.domain == nil {
		return nil, nil, fmt.Errorf("the account is to be looked for in %s: %w", at.Name, at.Err)
	}
	a, err := directory.FindAccount(ctx, at.Reader, at.domain, name)
	// A UPN says by its suffix at most where it might be.
	if unknown := (*directory.AccountError)(nil); errors.As(err, &unknown) && isUPN(name) {
		for _, p := range read {
			if p == at {
				continue
			}
			other, otherErr := directory.FindAccount(ctx, p.Reader, p.domain, name)
			if otherErr == nil {
				return p, other, nil
			}
			if !errors.As(otherErr, &unknown) {
				return nil, nil, otherErr
			}
		}
	}
	return at, a, err
}

func isUPN(name string) bool {
	return strings.Contains(name, "@") && !strings.Contains(name, `\`) && !directory.LooksLikeDN(name)
}

// home is the place where an account is looked for by its name: where the name says, else
// the first; nil where it says a domain that is not there.
func (f *Forest) home(name string) *Place {
	pick := func(is func(d *directory.Domain) bool) *Place {
		for _, p := range f.Places {
			if p.domain != nil && is(p.domain) {
				return p
			}
		}
		return nil
	}
	if domain, _, qualified := strings.Cut(name, `\`); qualified && !directory.LooksLikeDN(name) {
		return pick(func(d *directory.Domain) bool {
			return strings.EqualFold(domain, d.NetBIOS) || strings.EqualFold(domain, d.DNS)
		})
	}
	if directory.LooksLikeDN(name) {
		return f.holder(name)
	}
	if sid, err := sddl.ParseSID(strings.ToUpper(name)); err == nil {
		return pick(func(d *directory.Domain) bool { return sid.Domain() == d.SID })
	}
	if isUPN(name) {
		_, suffix, _ := strings.Cut(name, "@")
		if p := pick(func(d *directory.Domain) bool { return strings.EqualFold(suffix, d.DNS) }); p != nil {
			return p
		}
		return pick(func(*directory.Domain) bool { return true })
	}
	return f.Places[0]
}

// holder is the place that holds an object: the domain with the longest DN that it ends in,
// or the first of the forest for what the whole forest shares; nil where it is of none.
func (f *Forest) holder(dn string) *Place {
	var best *Place
	longest := 0
	for _, p := range f.Places {
		for _, head := range p.heads() {
			if n := directory.DepthDN(head); n > longest && directory.IsBelow(dn, head) {
				best, longest = p, n
			}
		}
	}
	// A domain of which nothing was read may have taken it, had it been.
	for _, d := range f.Others() {
		if n := directory.DepthDN(d.DN); n > longest && directory.IsBelow(dn, d.DN) {
			return nil
		}
	}
	return best
}

// heads are the naming contexts of a place. Of one that could not be read, what others of
// its forest, or its DNS name, say that it has.
func (p *Place) heads() []string {
	if p.domain != nil {
		return []string{p.domain.DN, p.domain.ConfigurationDN}
	}
	if p.Name == "" || strings.ContainsAny(p.Name, `/\,= `) || !strings.Contains(p.Name, ".") {
		return nil
	}
	return []string{"DC=" + strings.ReplaceAll(p.Name, ".", ",DC=")}
}

// assign gives each target to the place that holds it.
func (f *Forest) assign(targets []string) error {
	for _, p := range f.Places {
		p.targets = nil
	}
	for _, dn := range targets {
		p := f.holder(dn)
		if p == nil {
			var names []string
			for _, p := range f.Places {
				names = append(names, p.dns())
			}
			return fmt.Errorf("--target %s is in none of the domains that were named: %s", dn, strings.Join(names, ", "))
		}
		p.targets = append(p.targets, dn)
	}
	return nil
}

// addNotes says what is to be known of the whole.
func (r *ForestReport) addNotes(f *Forest, home *Place) {
	if len(r.NotAsked) > 0 {
		r.Notes = append(r.Notes, "Not asked for, though of the same forest: "+strings.Join(r.NotAsked, ", ")+".")
	}
	for _, p := range f.Places {
		if p.snapshot == nil || p == home {
			continue
		}
		if !directory.SameDN(p.domain.ConfigurationDN, home.domain.ConfigurationDN) {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is of another forest than %s: whether the trust between them lets %s log on there was not judged.",
				p.domain.DNS, home.domain.DNS, r.Account.Name))
		}
	}
}

func (c *Summary) sum(o Summary) {
	c.Rows += o.Rows
	c.Pass += o.Pass
	c.Fail += o.Fail
	c.Unknown += o.Unknown
	c.NotApplicable += o.NotApplicable
	c.Waived += o.Waived
	c.Warnings += o.Warnings
}
