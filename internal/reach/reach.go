package reach

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// relevance says whether a row is about an object.
type relevance int

const (
	irrelevant relevance = iota
	derived              // its class is derived from the row's, whose entries do not reach it
	relevant
	undecided // nobody knows its class
)

// verdict is one row on one kind of object.
type verdict struct {
	relevance relevance
	effect    acl.Effect
	missing   sddl.Mask  // bits that no entry decides
	denies    []sddl.ACE // entries that take bits away
	cause     string     // where it is unknown
	why       string
}

func (v *verdict) passes() bool { return v.relevance < relevant || v.effect == acl.Granted }

// judgeKind judges all rows on the objects of a kind; it is asked once for each.
func (s *sweep) judgeKind(p *pass, k *kindState) {
	if s.opts.Reach {
		k.verdicts = make([]verdict, len(p.rows))
		for i, row := range p.rows {
			req := &p.asked[row]
			v := &k.verdicts[i]
			if v.relevance = s.relevance(req, &k.kind); v.relevance == irrelevant {
				continue
			}
			if on := p.on[row]; on != nil && k.place != isTarget && k.class.fault == "" && !slices.Contains(on, k.class.acl.GUID) {
				v.relevance = irrelevant
				continue
			}
			s.verdict(k, req.Right, v)
			for _, other := range p.others[row] {
				if v.passes() || s.relevance(&other, &k.kind) != relevant {
					continue
				}
				// One alternative is enough, on each object.
				got := verdict{relevance: v.relevance}
				if s.verdict(k, other.Right, &got); got.effect == acl.Granted {
					*v = got
				}
			}
			k.shown = k.shown || !v.passes()
		}
	}
	if s.opts.Excess && p.top {
		k.beyond = s.beyond(k)
		for _, b := range k.beyond {
			k.shown = k.shown || s.lists(&b)
		}
	}
}

func (s *sweep) verdict(k *kindState, right acl.Right, v *verdict) {
	switch {
	case k.class.fault != "":
		v.cause, v.why = audit.CauseClassUnknown, k.class.fault
		return
	case k.descriptor.Descriptor == nil:
		v.cause, v.why = audit.CauseUnreadable, k.descriptor.fault
		return
	}
	d, doubt := s.judge.Check(s.object(k, k.descriptor.Descriptor), right)
	v.effect, v.missing = d.Effect, d.Missing
	if d.Effect == acl.Unknown {
		v.cause, v.why = audit.CauseUndecided, doubt
		return
	}
	for _, by := range d.Deciding {
		if by.Deny {
			v.denies = append(v.denies, by.ACE)
		}
	}
}

func (s *sweep) object(k *kindState, d *sddl.Descriptor) audit.Object {
	return audit.Object{Descriptor: d, SID: k.sid, Structural: k.class.structural, Class: k.class.acl}
}

// relevance follows what the audit judges new objects by: the class that the row names,
// the classes that may hold what it is to create, those that have the attribute.
func (s *sweep) relevance(req *acl.Requirement, k *kind) relevance {
	if k.place == isTarget {
		if req.Scope == acl.ThisObject || req.Scope == acl.ThisObjectAndDescendants {
			return relevant
		}
		return irrelevant
	}
	if req.Scope == acl.ThisObject || req.Scope == acl.Children && k.place != isChild {
		return irrelevant
	}
	if k.class.fault != "" {
		return undecided
	}
	schema := s.snapshot.Schema
	switch {
	case !req.Class.IsZero():
		if k.class.acl.GUID == req.Class {
			return relevant
		}
		if slices.Contains(schema.Lineage(k.class.name), strings.ToLower(schema.NameOf(req.Class))) {
			return derived
		}
		return irrelevant
	case req.Right.Kind == acl.ChildClass:
		if slices.Contains(schema.Superiors(schema.NameOf(req.Right.Object)), k.class.structural) {
			return relevant
		}
		return irrelevant
	case req.Right.Kind == acl.Attribute:
		if _, has := k.class.acl.Attributes[req.Right.Object]; !has {
			return irrelevant
		}
	case req.Right.Kind == acl.PropertySet:
		for _, set := range k.class.acl.Attributes {
			if set == req.Right.Object {
				return relevant
			}
		}
		return irrelevant
	}
	return relevant
}

// causeKey is what objects of one group have in common.
type causeKey struct {
	cause, at, why string
	ace            sddl.ACE
}

// group is objects with the same finding.
type group struct {
	objects  int
	classes  map[string]int
	examples []string
}

func (g *group) add(class string, objects int) {
	if g.classes == nil {
		g.classes = map[string]int{}
	}
	g.classes[class] += objects
	g.objects += objects
}

func (g *group) example(dn string, most int) { g.examples = first(g.examples, dn, most) }

// first adds a name to a sorted list, and keeps the first so many: those are the same in
// whatever order the names come.
func first(list []string, name string, most int) []string {
	if len(list) >= most && (most == 0 || name >= list[most-1]) {
		return list
	}
	at, _ := slices.BinarySearch(list, name)
	list = slices.Insert(list, at, strings.Clone(name))
	return list[:min(len(list), most)]
}

func counts(classes map[string]int) []audit.ClassCount {
	out := make([]audit.ClassCount, 0, len(classes))
	for class, n := range classes {
		out = append(out, audit.ClassCount{Class: class, Objects: n})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Objects != out[j].Objects {
			return out[i].Objects > out[j].Objects
		}
		return out[i].Class < out[j].Class
	})
	return out
}

// So many groups are listed for each row; the others are counted.
const maxGroups = 500

// reach turns what a pass has counted into an answer.
func (s *sweep) reach(ctx context.Context, p *pass) (*audit.Reach, error) {
	all := map[string]int{}
	for c, n := range p.counts {
		all[c.name] += n
	}
	out := &audit.Reach{Objects: p.objects, Classes: counts(all), Rows: []audit.ReachRow{}}
	for i, row := range p.rows {
		found, err := s.row(ctx, p, i, &s.judge.Requirements[row])
		if err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, found)
	}
	if p.stale > 0 {
		out.StaleAdminCount = &audit.Marked{Objects: p.stale, Examples: append([]string{}, p.staleDNs...)}
	}
	if s.unprotected != "" {
		out.Notes = append(out.Notes, "Objects that AdminSDHolder protects cannot be told from others that block inheritance: "+s.unprotected+".")
	}
	if p.overflow {
		out.Notes = append(out.Notes, fmt.Sprintf("There are more than %d parents; below the others the place of a cause was not looked for.", maxParents))
	}
	return out, nil
}

func (s *sweep) row(ctx context.Context, p *pass, i int, req *audit.Requirement) (audit.ReachRow, error) {
	row := audit.ReachRow{Policy: req.Policy, Rule: req.Rule.ID, Classes: []audit.ClassReach{}}
	classes := map[string]*audit.ClassReach{}
	groups := map[causeKey]*group{}
	p.answers = map[answerKey]answer{}
	blocked := map[string]bool{}
	add := func(key causeKey, class string, n int) *group {
		g := groups[key]
		if g == nil {
			g = &group{}
			groups[key] = g
		}
		g.add(class, n)
		return g
	}
	for _, k := range p.kinds {
		v := &k.verdicts[i]
		if v.relevance == irrelevant {
			continue
		}
		if err := ctx.Err(); err != nil {
			return row, err
		}
		name := k.class.name
		if classes[name] == nil {
			classes[name] = &audit.ClassReach{Class: name, Derived: v.relevance == derived}
		}
		class := classes[name]
		class.Objects += k.objects
		switch v.effect {
		case acl.Granted:
			class.Effective += k.objects
		case acl.Unknown:
			class.Unknown += k.objects
		}
		if v.relevance == derived {
			row.Derived += k.objects
			continue
		}
		row.Objects += k.objects
		switch {
		case v.effect == acl.Granted:
			row.Effective += k.objects
			continue
		case v.effect == acl.Unknown:
			row.Unknown += k.objects
		case k.descriptor.adminSDHolder:
			row.Protected += k.objects
		default:
			row.NotEffective += k.objects
		}
		for parent, c := range k.cells {
			if err := ctx.Err(); err != nil {
				return row, err
			}
			g := add(s.cause(p, k, v, &p.asked[p.rows[i]], parent), name, c.objects)
			for _, rdn := range c.examples {
				g.example(join(rdn, parent.dn), s.opts.Examples)
			}
		}
	}
	for _, a := range p.protected {
		v := &a.state.verdicts[i]
		if v.passes() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return row, err
		}
		rdn, above := cutDN(a.dn)
		key := s.cause(p, a.state, v, &p.asked[p.rows[i]], s.parentOf(p, above))
		if key.cause == audit.CauseBlocked {
			key.at, key.why = a.dn, whyBlocked+strings.TrimPrefix(key.why, whyBlockedItself)
			if key.why == whyBlocked {
				blocked[a.dn] = true
			}
		}
		add(key, a.state.class.name, 1).example(join(rdn, above), s.opts.Examples)
	}
	// What blocks inheritance for nothing but itself, and is not there to hold others, is
	// not a place.
	for dn := range blocked {
		key := causeKey{cause: audit.CauseBlocked, at: dn, why: whyBlocked}
		here := s.containers[directory.DNKey(dn)]
		if g := groups[key]; g.objects == 1 && (here == nil || !here.class.holds) {
			delete(groups, key)
			for class := range g.classes {
				into := add(causeKey{cause: audit.CauseBlocked, why: whyBlockedItself}, class, 1)
				into.example(dn, s.opts.Examples)
			}
		}
	}
	for _, c := range classes {
		row.Classes = append(row.Classes, *c)
	}
	sort.Slice(row.Classes, func(i, j int) bool { return row.Classes[i].Class < row.Classes[j].Class })
	for key, g := range groups {
		c := audit.Cause{Cause: key.cause, At: key.at, Why: key.why, Objects: g.objects, Classes: counts(g.classes), Examples: append([]string{}, g.examples...)}
		if key.cause == audit.CauseDeny {
			view := s.judge.View(key.ace)
			c.ACE = &view
		}
		row.Causes = append(row.Causes, c)
	}
	sort.Slice(row.Causes, func(i, j int) bool {
		a, b := &row.Causes[i], &row.Causes[j]
		if a.Objects != b.Objects {
			return a.Objects > b.Objects
		}
		if a.Cause != b.Cause {
			return a.Cause < b.Cause
		}
		if a.At != b.At {
			return a.At < b.At
		}
		return fmt.Sprint(a.Why, a.ACE) < fmt.Sprint(b.Why, b.ACE)
	})
	if len(row.Causes) > maxGroups {
		row.MoreCauses = len(row.Causes) - maxGroups
		row.Causes = row.Causes[:maxGroups]
	}
	return row, nil
}
