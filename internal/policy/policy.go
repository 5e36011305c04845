// Package policy reads the permissions that an account needs, or must not have, from YAML
// and resolves their names against a schema. It does not judge whether they are granted.
package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/suggest"
	"github.com/gmsactl/gmsactl/policies"
)

// Policy is a set of rules with a name. docs/policies.md describes the language.
type Policy struct {
	origin

	Name         string                `yaml:"name" need:"yes" doc:"Its name: letters, digits, - and _."`
	Title        string                `yaml:"title" need:"yes" doc:"What it is for, in one line."`
	Source       string                `yaml:"source" need:"yes" doc:"Where it is published: a URL, or a page and its section."`
	Verification Verification          `yaml:"verification" doc:"How sure it is that its rules are what is needed; a rule may say otherwise."`
	Notes        []string              `yaml:"notes" doc:"What a reader of an audit should know: conflicts, what it does not cover."`
	Parameters   map[string]*Parameter `yaml:"parameters" doc:"Names that rules use as ${name}, given with --param name=value."`
	Include      []string              `yaml:"include" doc:"Names of built-in policies, or files, that are judged along with this one."`
	Rules        []Rule                `yaml:"rules" doc:"What the account needs, or must not have."`

	Text   []byte            // the YAML it was read from
	Values map[string]string // of its parameters, once it is bound
}

// Parameter is a name that whoever uses a policy gives a value.
type Parameter struct {
	origin

	Description string        `yaml:"description" need:"yes" doc:"What it is."`
	Kind        ParameterKind `yaml:"kind" doc:"What it must look like; text where it does not say."`
	Default     string        `yaml:"default" doc:"Its value where none is given."`
}

// Rule is one thing that must hold on each of its targets: a permission that the account has
// (rights, or any-of), or has not (forbidden), attributes of the target, or the whole of its DACL.
type Rule struct {
	origin

	ID string `yaml:"id" need:"yes" doc:"Its name within the policy: letters, digits, - and _."`
	Grant
	AnyOf        []Grant      `yaml:"any-of" doc:"Alternatives, in place of rights, object, scope and class: one of them is enough. The first that the schema has is what plan grants."`
	Forbidden    bool         `yaml:"forbidden" doc:"The account must not have any of the rights, nor a part of one."`
	Limits       []Limit      `yaml:"limits" doc:"What attributes of the target must be, in place of rights."`
	DACL         *DACL        `yaml:"dacl" doc:"What the explicit entries of the target must be, in place of rights."`
	Target       Target       `yaml:"target" doc:"The object that it is about; without it the objects that --target names, or the head of the domain."`
	When         *When        `yaml:"when" doc:"It is not applicable where this does not hold."`
	Optional     bool         `yaml:"optional" doc:"It is not applicable where the schema lacks its object or class; otherwise that is an error."`
	Severity     Severity     `yaml:"severity" doc:"What it means where it does not hold; error where it does not say."`
	Verification Verification `yaml:"verification" doc:"How sure it is that this is needed."`
	Why          string       `yaml:"why" doc:"What the permission is for."`
	Source       string       `yaml:"source" need:"yes" doc:"Where it is written: the page and the row."`
}

// Grant is a permission by its names.
type Grant struct {
	origin

	Rights []RightName `yaml:"rights" doc:"The rights that are asked for together."`
	Object string      `yaml:"object" doc:"What the rights are about: an attribute, property set, extended right, validated write or class, by lDAPDisplayName, cn, display name or GUID."`
	Scope  ScopeName   `yaml:"scope" doc:"Where: as the Windows permission dialog says it, or in short."`
	Class  string      `yaml:"class" doc:"Of descendants, those of this class only, by lDAPDisplayName, cn or GUID."`
	On     []string    `yaml:"effective-on" doc:"Of objects below, the classes on which it must be effective, the entry being for all; without it, every class that may stand there."`
}

// from keeps the origin of a rule and of the grant within it apart.
func (r *Rule) from(read origin) { r.origin, r.Grant.origin = read, read }

// Target is where a rule looks. The zero value: where the audit looks.
type Target struct {
	Place PlaceName `yaml:"place" doc:"A place that every domain has."`
	DN    string    `yaml:"dn" doc:"A DN, or one relative to under."`
	Under PlaceName `yaml:"under" doc:"What dn is relative to."`
}

func (t *Target) fromText(text string) { t.Place = PlaceName(text) }

// IsZero says whether the rule looks where the audit does.
func (t Target) IsZero() bool { return t == Target{} }

// String is the target as the policy names it.
func (t Target) String() string {
	switch {
	case t.DN != "" && t.Under != "":
		return t.DN + " under " + string(t.Under)
	case t.DN != "":
		return t.DN
	}
	return string(t.Place)
}

// Limit is what an attribute of a target must be. All of what it says must hold.
type Limit struct {
	origin

	Attribute string   `yaml:"attribute" need:"yes" doc:"Its lDAPDisplayName."`
	Absent    bool     `yaml:"absent" doc:"It has no value."`
	Present   bool     `yaml:"present" doc:"It has a value."`
	Equals    string   `yaml:"equals" doc:"Its one value, without regard to case."`
	OneOf     []string `yaml:"one-of" doc:"Its one value is one of these, without regard to case."`
	Contains  string   `yaml:"contains" doc:"One of its values, without regard to case."`
	Without   string   `yaml:"without" doc:"None of its values, without regard to case."`
	AtLeast   *int64   `yaml:"at-least" doc:"Its value as a number is not below this."`
	AtMost    *int64   `yaml:"at-most" doc:"Its value as a number is not above this."`
	BitsSet   *int64   `yaml:"bits-set" doc:"Its value as a number has all these bits."`
	BitsClear *int64   `yaml:"bits-clear" doc:"Its value as a number has none of these bits."`
}

// DACL is what the explicit entries of a target must be.
type DACL struct {
	origin

	Protected bool     `yaml:"protected" doc:"Inheritance from above is blocked."`
	Entries   []string `yaml:"entries" need:"yes" doc:"The entries that must be there, in SDDL; aliases are of the account's domain and forest."`
	May       []string `yaml:"may" doc:"SIDs or SDDL aliases whose explicit allow entries may be there besides, such as PS; denies always may."`
}

// When is a condition on the forest.
type When struct {
	origin

	Schema   []string `yaml:"schema" doc:"Classes and attributes, by lDAPDisplayName, that the schema has all of."`
	Exchange bool     `yaml:"exchange" doc:"The schema has been extended for Exchange."`
}

// Parse reads one policy, strictly: what is unknown, missing or contradicts itself is an error
// that holds an *Error with the position for each. file names it in errors.
func Parse(file string, text []byte) (*Policy, error) {
	root, err := document(file, text)
	if err != nil {
		return nil, err
	}
	p := &Policy{Text: text}
	d := &decoder{file: file}
	d.value(root, reflect.ValueOf(p).Elem(), "policy")
	// What could not be read must not be judged: it would say the same twice.
	if d.errs == nil {
		d.errs = p.check()
		if d.more = len(d.errs) - maxErrors; d.more > 0 {
			d.errs = d.errs[:maxErrors]
		}
	}
	if d.errs == nil {
		return p, nil
	}
	slices.SortStableFunc(d.errs, byPosition)
	if d.more > 0 {
		d.errs = append(d.errs, &Error{File: file, Why: fmt.Sprintf("and %d more", d.more)})
	}
	return nil, errors.Join(d.errs...)
}

// Builtin reads the built-in policy of that name.
func Builtin(name string) (*Policy, error) {
	text, err := policies.Files.ReadFile(name + ".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no built-in policy %q%s; gmsactl policy list names them", name, suggest.Meant(name, BuiltinNames()))
	}
	if err != nil {
		return nil, err
	}
	return Parse(name+".yaml", text)
}

// BuiltinNames are the names of the built-in policies, sorted.
func BuiltinNames() []string {
	entries, err := policies.Files.ReadDir(".")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names) // a.yaml comes behind a-b.yaml in a directory
	return names
}

// Access is what the rule asks for in the words of the Windows permission dialog:
// "Create user objects, Delete user objects".
func (r *Rule) Access() string {
	switch {
	case r.Limits != nil:
		var out []string
		for i := range r.Limits {
			out = append(out, r.Limits[i].String())
		}
		return strings.Join(out, ", ")
	case r.DACL != nil:
		text := fmt.Sprintf("no explicit entries but %d listed ones", len(r.DACL.Entries))
		if r.DACL.Protected {
			text += ", inheritance blocked"
		}
		return text
	case r.Forbidden:
		return "Not: " + r.Grant.Access()
	}
	return alternatives(r, Grant.Access)
}

// AppliesTo is where the rule asks for it in the words of the Windows permission
// dialog: "Descendant group objects".
func (r *Rule) AppliesTo() string {
	if r.Limits != nil || r.DACL != nil {
		return Grant{Scope: "this-object"}.AppliesTo()
	}
	return alternatives(r, Grant.AppliesTo)
}

// Grants are the permissions of which one is enough; none for a rule about something else.
func (r *Rule) Grants() []Grant {
	switch {
	case r.AnyOf != nil:
		return r.AnyOf
	case len(r.Rights) > 0:
		return []Grant{r.Grant}
	}
	return nil
}

func alternatives(r *Rule, words func(Grant) string) string {
	var out []string
	for _, g := range r.Grants() {
		if text := words(g); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(out, " or ")
}

// Access is the rights in the words of the Windows permission dialog.
func (g Grant) Access() string {
	var out []string
	for _, name := range g.Rights {
		right, _ := rightNamed(name)
		if right.takes != takesNothing {
			out = append(out, fmt.Sprintf(right.label, g.Object))
		} else {
			out = append(out, right.label)
		}
	}
	return strings.Join(out, ", ")
}

// AppliesTo is the scope in the words of the Windows permission dialog.
func (g Grant) AppliesTo() string {
	class := ""
	if g.Class != "" {
		class = g.Class + " "
	}
	where, _ := scopeNamed(g.Scope)
	text := where.label
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, class)
	}
	if g.On != nil {
		text += ", effective on " + strings.Join(g.On, ", ")
	}
	return text
}

// String is what the limit asks for in words.
func (l *Limit) String() string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if l.Absent {
		add("without a value")
	}
	if l.Present {
		add("with a value")
	}
	if l.Equals != "" {
		add("is %s", l.Equals)
	}
	if l.OneOf != nil {
		add("is one of %s", strings.Join(l.OneOf, ", "))
	}
	if l.Contains != "" {
		add("has %s", l.Contains)
	}
	if l.Without != "" {
		add("has not %s", l.Without)
	}
	if l.AtLeast != nil {
		add("is at least %d", *l.AtLeast)
	}
	if l.AtMost != nil {
		add("is at most %d", *l.AtMost)
	}
	if l.BitsSet != nil {
		add("has bits 0x%X", *l.BitsSet)
	}
	if l.BitsClear != nil {
		add("has no bits of 0x%X", *l.BitsClear)
	}
	return l.Attribute + " " + strings.Join(out, " and ")
}

// Aim is where the rule looks: its target, or the account for a rule about attributes or a whole
// DACL that names none. Zero: where the audit looks.
func (r *Rule) Aim() Target {
	if r.Target.IsZero() && (r.Limits != nil || r.DACL != nil) {
		return Target{Place: AccountItself}
	}
	return r.Target
}
