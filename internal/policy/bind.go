package policy

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/suggest"
)

// variable is a name in a text whose value somebody else knows.
var variable = regexp.MustCompile(`\$\{([^{}]*)\}`)

// Known are the variables that every audit has a value for. They may stand in a target and in limits.
var Known = []string{"account.dn", "account.name", "account.sid", "configuration.dn", "domain.dn", "domain.dns", "domain.sid", "forest.dn", "forest.sid"}

func looksLikeDN(text string) bool { return directory.LooksLikeDN(text) }

// place is a text of a rule in which variables may stand.
type place struct {
	at    *origin
	key   string
	text  *string
	known bool // those of the audit, too
}

// places are the texts of a rule in which variables may stand.
func (r *Rule) places() []place {
	out := []place{{&r.origin, "target", &r.Target.DN, true}}
	grants := []*Grant{&r.Grant}
	for i := range r.AnyOf {
		grants = append(grants, &r.AnyOf[i])
	}
	for _, g := range grants {
		out = append(out, place{&g.origin, "object", &g.Object, false}, place{&g.origin, "class", &g.Class, false})
	}
	for i := range r.Limits {
		l := &r.Limits[i]
		out = append(out, place{&l.origin, "equals", &l.Equals, true}, place{&l.origin, "contains", &l.Contains, true}, place{&l.origin, "without", &l.Without, true})
		for k := range l.OneOf {
			out = append(out, place{&l.origin, itemOf("one-of", k), &l.OneOf[k], true})
		}
	}
	return out
}

// checkVariables is an error where a rule uses a variable that nobody knows, or where none is replaced.
func (p *Policy) checkVariables(r *Rule) error {
	declared := slices.Sorted(maps.Keys(p.Parameters))
	for _, at := range r.places() {
		names := declared
		if at.known {
			names = slices.Concat(declared, Known)
		}
		for _, m := range variable.FindAllStringSubmatch(*at.text, -1) {
			if !slices.Contains(names, m[1]) {
				return at.at.fail(at.key, fmt.Sprintf("rule %s: unknown parameter %q%s; declare it under parameters", r.ID, m[1], suggest.Meant(m[1], names)))
			}
			// A comma in the value would make another object of it.
			if param := p.Parameters[m[1]]; param != nil && at.key == "target" && param.Kind != DNParameter && param.Kind != NameParameter {
				return at.at.fail(at.key, fmt.Sprintf("rule %s: parameter %s is part of a DN, so its kind is to be name or dn", r.ID, m[1]))
			}
		}
		if slices.ContainsFunc(variable.Split(*at.text, -1), func(rest string) bool { return strings.Contains(rest, "${") }) {
			return at.at.fail(at.key, fmt.Sprintf("rule %s: %q begins a parameter and does not end it", r.ID, *at.text))
		}
	}
	return nil
}

// Replace puts values in the place of variables; those without a value stay.
func Replace(text string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(m string) string {
		if v, ok := values[m[2:len(m)-1]]; ok {
			return v
		}
		return m
	})
}

// Bind is the policy with values for its parameters; those of others are left out. A parameter
// without a value and without a default is an error.
func (p *Policy) Bind(values map[string]string) (*Policy, error) { return p.bind(values, false) }

// BindKnown is [Policy.Bind] that leaves a parameter without a value as it is written.
func (p *Policy) BindKnown(values map[string]string) (*Policy, error) { return p.bind(values, true) }

func (p *Policy) bind(values map[string]string, partly bool) (*Policy, error) {
	out := *p
	out.Values = map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		param := p.Parameters[name]
		value, given := values[name]
		if !given {
			value = param.Default
		}
		switch {
		case value == "" && !given && partly:
			continue
		case value == "" && !given:
			errs = append(errs, fmt.Errorf("policy %s: parameter %s has no value: %s; give it with --param %s=VALUE", p.Name, name, strings.TrimSuffix(param.Description, "."), name))
		default:
			if err := param.Kind.check(value); err != nil {
				errs = append(errs, fmt.Errorf("policy %s: parameter %s: %w", p.Name, name, err))
			}
		}
		out.Values[name] = value
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	out.Rules = make([]Rule, len(p.Rules))
	for i := range p.Rules {
		out.Rules[i] = p.Rules[i].clone()
		for _, at := range out.Rules[i].places() {
			*at.text = Replace(*at.text, out.Values)
		}
		if t := out.Rules[i].Target; t.DN != "" && !strings.Contains(t.DN, "${") && !looksLikeDN(t.DN) {
			return nil, out.Rules[i].origin.fail("target", fmt.Sprintf("rule %s: %q is no DN", out.Rules[i].ID, t.DN))
		}
	}
	return &out, nil
}

func (r *Rule) clone() Rule {
	c := *r
	c.AnyOf = slices.Clone(r.AnyOf)
	c.Limits = slices.Clone(r.Limits)
	for i := range c.Limits {
		c.Limits[i].OneOf = slices.Clone(c.Limits[i].OneOf)
	}
	return c
}

// maxPolicies bounds how many policies include each other.
const maxPolicies = 100

// LooksLikeFile says whether the name of a policy is that of a file, and not of a built-in one.
func LooksLikeFile(name string) bool { return strings.ContainsAny(name, `/\.`) }

// Load reads the named policies, each followed by those that it includes, and gives all of them the
// values of their parameters. One that is included more than once is there once. open reads a file; what a file includes
// is relative to its folder, and what a built-in policy includes is built in.
func Load(names []string, values map[string]string, open func(file string) (*Policy, error)) ([]*Policy, error) {
	list, err := LoadUnbound(names, open)
	if err != nil {
		return nil, err
	}
	declared := map[string]bool{}
	var out []*Policy
	for _, p := range list {
		bound, err := p.Bind(values)
		if err != nil {
			return nil, err
		}
		for name := range p.Parameters {
			declared[name] = true
		}
		out = append(out, bound)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !declared[name] {
			known := slices.Sorted(maps.Keys(declared))
			if len(known) == 0 {
				return nil, fmt.Errorf("no policy has a parameter %q, nor any other", name)
			}
			return nil, errors.New(unknown("parameter", name, known))
		}
	}
	return out, nil
}

// LoadUnbound is [Load] without values: rules name parameters as they are written.
func LoadUnbound(names []string, open func(file string) (*Policy, error)) ([]*Policy, error) {
	l := loader{open: open, by: map[string]*Policy{}}
	for _, name := range names {
		if err := l.add(name, "", nil); err != nil {
			return nil, err
		}
	}
	return l.list, nil
}

type loader struct {
	open func(file string) (*Policy, error)
	list []*Policy
	by   map[string]*Policy // by name in lower case
}

func (l *loader) add(name string, folder string, within []string) error {
	if len(within) > maxPolicies {
		return fmt.Errorf("policy %s: more than %d policies include each other", name, maxPolicies)
	}
	var p *Policy
	var err error
	if LooksLikeFile(name) {
		file := name
		if folder != "" && !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, `\`) && !strings.Contains(name, ":") {
			file = join(folder, name)
		}
		p, err = l.open(file)
		folder = folderOf(file)
	} else {
		p, err = Builtin(name)
	}
	if err != nil {
		return err
	}
	if slices.Contains(within, p.Name) {
		return fmt.Errorf("policy %s includes itself, by %s", p.Name, strings.Join(append(within, p.Name), ", "))
	}
	if other := l.by[strings.ToLower(p.Name)]; other != nil {
		if string(other.Text) != string(p.Text) {
			return p.fail("name", fmt.Sprintf("another policy is named %q, too: %s", p.Name, other.file))
		}
		return nil
	}
	l.by[strings.ToLower(p.Name)] = p
	l.list = append(l.list, p)
	for i, included := range p.Include {
		if err := l.add(included, folder, append(within, p.Name)); err != nil {
			if located := (*Error)(nil); errors.As(err, &located) {
				return err
			}
			return p.fail(itemOf("include", i), err.Error())
		}
	}
	return nil
}

// folderOf is where a file is, with slashes. It may be on a server: //server/share.
func folderOf(file string) string {
	file = strings.ReplaceAll(file, `\`, "/")
	return server(file) + path.Dir(file)
}

// join is a file beside those of a folder.
func join(folder, name string) string { return server(folder) + path.Join(folder, name) }

// server is the slash that package path takes away from the name of a server.
func server(file string) string {
	if strings.HasPrefix(file, "//") {
		return "/"
	}
	return ""
}
