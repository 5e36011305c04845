package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// nameForm is what names of policies, rules and parameters look like: they stand in reports, in
// waivers as POLICY/RULE, and on command lines.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// ldapName is what an lDAPDisplayName looks like. [MS-ADTS] 3.1.1.2.3.4, RFC 4512 1.4.
var ldapName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// check finds what is wrong with a policy without a schema, and writes scopes in short.
func (p *Policy) check() []error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !nameForm.MatchString(p.Name) {
		add(p.fail("name", fmt.Sprintf("name %q: want letters, digits, - and _", p.Name)))
	}
	if len(p.Rules) == 0 && len(p.Include) == 0 {
		add(p.fail("rules", "a policy without rules asks for nothing"))
	}
	for i, name := range p.Include {
		if slices.Contains(p.Include[:i], name) {
			add(p.fail(itemOf("include", i), fmt.Sprintf("include: %s is there twice", name)))
		}
	}
	used := map[string]bool{}
	for i := range p.Rules {
		for _, at := range p.Rules[i].places() {
			for _, m := range variable.FindAllStringSubmatch(*at.text, -1) {
				used[m[1]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		param := p.Parameters[name]
		if !nameForm.MatchString(name) {
			add(param.fail("", fmt.Sprintf("parameter %q: want letters, digits, - and _", name)))
		}
		if param.Default != "" {
			add(param.checkValue("default", name, param.Default))
		}
		if !used[name] {
			add(param.fail("", fmt.Sprintf("parameter %s: no rule of this policy uses ${%s}", name, name)))
		}
	}
	lines := map[string]int{}
	for i := range p.Rules {
		r := &p.Rules[i]
		id := strings.ToLower(r.ID) // two that differ by case only are one to whoever reads a report
		if first, twice := lines[id]; twice {
			add(r.fail("id", fmt.Sprintf("rule %q was there already in line %d", r.ID, first)))
		}
		lines[id] = r.self.Line
		add(r.check())
		add(p.checkVariables(r))
	}
	if errs == nil {
		add(p.contradiction())
	}
	return errs
}

// check finds what is wrong with a rule by itself.
func (r *Rule) check() error {
	fail := func(key, format string, args ...any) error {
		return r.fail(key, fmt.Sprintf("rule %s: %s", r.ID, fmt.Sprintf(format, args...)))
	}
	if !nameForm.MatchString(r.ID) {
		return fail("id", "want an id of letters, digits, - and _")
	}
	var kinds []string
	for _, k := range []struct {
		key string
		is  bool
	}{{"rights", r.Rights != nil}, {"any-of", r.AnyOf != nil}, {"limits", r.Limits != nil}, {"dacl", r.DACL != nil}} {
		if k.is {
			kinds = append(kinds, k.key)
		}
	}
	switch len(kinds) {
	case 0:
		return fail("", `key "rights" is missing, or one of any-of, limits, dacl in its place`)
	case 1:
	default:
		return fail(kinds[1], "%s and %s are two rules", kinds[0], kinds[1])
	}
	if kinds[0] != "rights" {
		for _, extra := range []struct{ key, value string }{{"object", r.Object}, {"scope", string(r.Scope)}, {"class", r.Class}, {"effective-on", strings.Join(r.On, ", ")}} {
			if extra.value != "" {
				return fail(extra.key, "%s does not go with %s", extra.key, kinds[0])
			}
		}
		if r.Forbidden {
			return fail("forbidden", "only rights can be forbidden; make each alternative a rule of its own")
		}
	}
	if err := r.Target.check(fail); err != nil {
		return err
	}
	names := false
	switch {
	case r.AnyOf != nil:
		if len(r.AnyOf) < 2 {
			return fail("any-of", "one alternative is none")
		}
		for i := range r.AnyOf {
			if err := r.AnyOf[i].check(r.ID); err != nil {
				return err
			}
			names = names || r.AnyOf[i].Object != "" || r.AnyOf[i].Class != ""
		}
	case r.Rights != nil:
		if err := r.Grant.check(r.ID); err != nil {
			return err
		}
		if r.Forbidden && r.On != nil {
			return fail("effective-on", "what is forbidden must be so on every class")
		}
		if r.Forbidden && slices.Contains(r.Rights, "full-control") {
			return fail("rights", "forbidden full-control would let everything but one right pass; name the rights that must not be there, such as modify-permissions, modify-owner and write-all-properties")
		}
		names = r.Object != "" || r.Class != ""
	case r.Limits != nil:
		for i := range r.Limits {
			if err := r.Limits[i].check(r.ID); err != nil {
				return err
			}
		}
		names = true
	case r.DACL != nil:
		if err := r.DACL.check(r.ID); err != nil {
			return err
		}
	}
	if r.Optional && !names {
		return fail("optional", "optional says nothing, for the rule names nothing that a schema may lack")
	}
	if r.When != nil {
		if r.When.Schema == nil && !r.When.Exchange {
			return fail("when", "the condition is empty")
		}
		for i, name := range r.When.Schema {
			if !ldapName.MatchString(name) {
				return r.When.fail(itemOf("schema", i), fmt.Sprintf("rule %s: when: %q is no lDAPDisplayName", r.ID, name))
			}
		}
	}
	return nil
}

func (t *Target) check(fail func(key, format string, args ...any) error) error {
	switch {
	case t.IsZero():
		return nil
	case t.Place != "" && (t.DN != "" || t.Under != ""):
		return fail("target", "target: place and dn are two targets")
	case t.Place != "" && !slices.Contains(t.Place.words(), string(t.Place)):
		return fail("target", "%s", unknown("target", string(t.Place), t.Place.words())+", or a mapping with dn")
	case t.Under != "" && t.DN == "":
		return fail("target", "target: under without dn")
	case t.Under == EveryDomain:
		return fail("target", "target: nothing is under every-domain; domain-root is that of the domain that is audited")
	case t.DN != "" && !strings.HasPrefix(t.DN, "${") && !looksLikeDN(t.DN):
		return fail("target", "target: dn %q is no DN", t.DN)
	}
	return nil
}

// check finds what is wrong with a grant without a schema, and writes its scope in short.
func (g *Grant) check(rule string) error {
	fail := func(key, format string, args ...any) error {
		return g.fail(key, fmt.Sprintf("rule %s: %s", rule, fmt.Sprintf(format, args...)))
	}
	if len(g.Rights) == 0 {
		return fail("rights", `key "rights" is missing`)
	}
	if g.Scope == "" {
		return fail("scope", `key "scope" is missing`)
	}
	kind := takesNothing
	for i, name := range g.Rights {
		right, _ := rightNamed(name)
		if i > 0 && right.takes != kind {
			return fail(itemOf("rights", i), "%s and %s take different objects, make them two rules", g.Rights[0], name)
		}
		if slices.Contains(g.Rights[:i], name) {
			return fail(itemOf("rights", i), "%s is there twice", name)
		}
		kind = right.takes
	}
	switch {
	case kind == takesNothing && g.Object != "":
		return fail("object", "%s takes no object", g.Rights[0])
	case kind != takesNothing && g.Object == "":
		return fail("rights", "%s needs an object", g.Rights[0])
	}
	if name, class, ok := fromDialog(string(g.Scope)); ok {
		if class != "" && g.Class != "" && !strings.EqualFold(class, g.Class) {
			return fail("class", "scope %q is about %s objects, class about %s", g.Scope, class, g.Class)
		}
		g.Scope = name
		if class != "" && g.Class == "" {
			g.Class, g.keys["class"] = class, g.keys["scope"]
		}
	}
	where, ok := scopeNamed(g.Scope)
	if !ok {
		return fail("scope", "%s", unknown("scope", string(g.Scope), g.Scope.words()))
	}
	switch {
	case g.On == nil:
	case where.name == "this-object":
		return fail("effective-on", "scope this-object reaches nothing below")
	case g.Class != "":
		return fail("effective-on", "class says already which objects it is about")
	}
	for i, name := range g.On {
		if slices.ContainsFunc(g.On[:i], func(other string) bool { return strings.EqualFold(other, name) }) {
			return fail("effective-on", "%s is there twice", name)
		}
	}
	// An entry for a class that is not inherit-only applies to the target whatever its
	// class is, so that one rule cannot say both. [MS-ADTS] 5.1.3.3.
	if g.Class != "" && (where.name == "this-object" || where.name == "this-object-and-descendants") {
		return fail("class", "scope %s takes no class, for it reaches the target itself", g.Scope)
	}
	return nil
}

func (l *Limit) check(rule string) error {
	fail := func(key, format string, args ...any) error {
		return l.fail(key, fmt.Sprintf("rule %s: %s: %s", rule, l.Attribute, fmt.Sprintf(format, args...)))
	}
	valued := l.Present || l.Equals != "" || l.OneOf != nil || l.Contains != "" || l.AtLeast != nil || l.AtMost != nil || l.BitsSet != nil
	settled := ""
	switch {
	case l.Equals != "":
		settled = "equals"
	case l.OneOf != nil:
		settled = "one-of"
	}
	switch {
	case !ldapName.MatchString(l.Attribute):
		return fail("attribute", "%q is no lDAPDisplayName", l.Attribute)
	case !valued && !l.Absent && l.Without == "" && l.BitsClear == nil:
		return fail("", "the limit says nothing")
	case l.Absent && (valued || l.Without != "" || l.BitsClear != nil):
		return fail("absent", "without a value, nothing else can hold")
	case l.Equals != "" && l.OneOf != nil:
		return fail("one-of", "equals says which one already")
	case settled != "" && (l.Contains != "" || l.Without != "" || l.AtLeast != nil || l.AtMost != nil || l.BitsSet != nil || l.BitsClear != nil):
		return fail(settled, "%s says all that the others could", settled)
	case l.BitsSet != nil && *l.BitsSet <= 0:
		return fail("bits-set", "want bits such as 0x2, found %d", *l.BitsSet)
	case l.BitsClear != nil && *l.BitsClear <= 0:
		return fail("bits-clear", "want bits such as 0x2, found %d", *l.BitsClear)
	case l.AtLeast != nil && l.AtMost != nil && *l.AtLeast > *l.AtMost:
		return fail("at-most", "nothing is at least %d and at most %d", *l.AtLeast, *l.AtMost)
	case l.BitsSet != nil && l.BitsClear != nil && *l.BitsSet&*l.BitsClear != 0:
		return fail("bits-clear", "bits 0x%X are to be set and clear", *l.BitsSet&*l.BitsClear)
	case l.Contains != "" && strings.EqualFold(l.Contains, l.Without):
		return fail("without", "contains says the contrary")
	}
	return nil
}

// anyDomain stands for the SIDs that aliases of SDDL are relative to, which only an audit knows.
func anyDomain() sddl.Aliases {
	sid, _ := sddl.ParseSID("S-1-5-21-1-2-3") // is one
	return sddl.Aliases{Domain: sid, Forest: sid}
}

func (d *DACL) check(rule string) error {
	for i, text := range d.Entries {
		fail := func(format string, args ...any) error {
			return d.fail(itemOf("entries", i), fmt.Sprintf("rule %s: entry %s: %s", rule, text, fmt.Sprintf(format, args...)))
		}
		ace, err := sddl.ParseACEText(text, anyDomain())
		switch {
		case err != nil:
			return fail("%v", err)
		case ace.Type != sddl.Allow && ace.Type != sddl.AllowObject:
			return fail("want an entry that allows without a condition, denies may always be there")
		case ace.IsInherited():
			return fail("an inherited entry is none of the explicit ones")
		case ace.Mask == 0 || ace.Data != "":
			return fail("it allows nothing, or has something behind it")
		case slices.Contains(d.Entries[:i], text):
			return fail("it is there twice")
		}
	}
	for i, text := range d.May {
		fail := func(format string, args ...any) error {
			return d.fail(itemOf("may", i), fmt.Sprintf("rule %s: may %s: %s", rule, text, fmt.Sprintf(format, args...)))
		}
		got, err := sddl.ParseText("O:"+text, anyDomain())
		switch {
		case err != nil:
			return fail("want a SID or an alias of SDDL such as PS")
		case got.Owner.IsZero() || !got.Group.IsZero() || got.DACL != nil || got.SACL != nil:
			return fail("want one SID or alias")
		}
	}
	return nil
}

// contradiction is an error where one rule forbids what another one asks for.
func (p *Policy) contradiction() error {
	for i := range p.Rules {
		no := &p.Rules[i]
		if !no.Forbidden {
			continue
		}
		for k := range p.Rules {
			yes := &p.Rules[k]
			if yes.Forbidden || yes.Target != no.Target {
				continue
			}
			// Of alternatives, one that is not forbidden is a way out.
			grants := yes.Grants()
			if grants != nil && !slices.ContainsFunc(grants, func(g Grant) bool { return !g.overlaps(&no.Grant) }) {
				return no.fail("rights", fmt.Sprintf("rule %s: rule %s in line %d asks for what this one forbids", no.ID, yes.ID, yes.self.Line))
			}
		}
	}
	return nil
}

// overlaps says whether two grants, by their words alone, have a right on an object in common.
func (g *Grant) overlaps(o *Grant) bool {
	if g.Object != "" && o.Object != "" && !strings.EqualFold(g.Object, o.Object) ||
		g.Class != "" && o.Class != "" && !strings.EqualFold(g.Class, o.Class) {
		return false
	}
	// Children are descendants, and only those scopes leave out the target.
	if (g.Scope == "this-object") != (o.Scope == "this-object") && g.Scope != "this-object-and-descendants" && o.Scope != "this-object-and-descendants" {
		return false
	}
	return g.mask()&o.mask() != 0
}

func (g *Grant) mask() sddl.Mask {
	var mask sddl.Mask
	for _, name := range g.Rights {
		right, _ := rightNamed(name)
		mask |= right.mask
	}
	return mask
}

// checkValue is an error where a parameter cannot have this value.
func (p *Parameter) checkValue(key, name, value string) error {
	if err := p.Kind.check(value); err != nil {
		return p.fail(key, fmt.Sprintf("parameter %s: %v", name, err))
	}
	return nil
}

func (k ParameterKind) check(value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return errors.New("the value is empty")
	case strings.Contains(value, "${"):
		return fmt.Errorf("%q refers to another one, which is not followed", value)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("%q has control characters or is no UTF-8", value)
	case k == DNParameter && !looksLikeDN(value):
		return fmt.Errorf("%q is no DN such as OU=Sync,DC=corp,DC=example", value)
	case k == NameParameter && (strings.ContainsAny(value, `,+"\<>;=#`) || strings.TrimSpace(value) != value):
		return fmt.Errorf("%q is not one plain component of a DN", value)
	}
	return nil
}
