package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func TestEffectiveOn(t *testing.T) {
	s := demoSchema(t)
	p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, rights: [read-all-properties], scope: this-object-and-descendants, effective-on: [container, ms-DS-Device]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Rules[0].AppliesTo(); got != "This object and all descendant objects, effective on container, ms-DS-Device" {
		t.Errorf("%q", got)
	}
	reqs, err := p.Resolve(s)
	if err != nil {
		t.Fatal(err)
	}
	if want := []sddl.GUID{s.Class("container").GUID, s.Class("msDS-Device").GUID}; !slices.Equal(reqs[0].On[0], want) {
		t.Errorf("effective on %v", reqs[0].On)
	}
	for _, c := range []struct{ rule, want string }{
		{"rights: [read-all-properties], scope: descendants, class: user, effective-on: [user]", "p.yaml:5:102: rule a: class says already"},
		{"rights: [read-all-properties], scope: this-object, effective-on: [user]", "p.yaml:5:89: rule a: scope this-object reaches nothing below"},
		{"rights: [read-all-properties], scope: descendants, effective-on: [user, User]", "p.yaml:5:89: rule a: User is there twice"},
		{"rights: [read-all-properties], scope: descendants, effective-on: []", "p.yaml:5:89: effective-on: the list is empty"},
		{"rights: [read-all-properties], scope: descendants, forbidden: true, effective-on: [user]", "p.yaml:5:106: rule a: what is forbidden must be so on every class"},
		{"limits: [{attribute: cn, present: true}], effective-on: [user]", "p.yaml:5:79: rule a: effective-on does not go with limits"},
	} {
		_, err := Parse("p.yaml", []byte(header+"  - {id: a, source: sources, "+c.rule+"}\n"))
		if at := (*Error)(nil); !errors.As(err, &at) || !strings.Contains(err.Error(), strings.SplitN(c.want, ": ", 2)[1]) {
			t.Errorf("%s: %v, want %s", c.rule, err, c.want)
		}
	}
	for rule, want := range map[string]string{
		"effective-on: [usr]":                 `rule a: the schema has no class "usr" (did you mean "user"?)`,
		"effective-on: [usr], optional: true": "",
	} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, rights: [read-property], object: cn, scope: descendants, "+rule+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		reqs, err := p.Resolve(s)
		switch {
		case want == "" && (err != nil || reqs[0].NotApplicable != `the schema has no class "usr"`):
			t.Errorf("%s: %v, %v", rule, reqs, err)
		case want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)):
			t.Errorf("%s: %v, want %s", rule, err, want)
		}
	}
}
