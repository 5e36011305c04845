package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func TestJSONSchemaIsTheGolden(t *testing.T) {
	got, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	again, err := JSONSchema()
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("another run says something else: %v", err)
	}
	if !bytes.HasSuffix(got, []byte("}\n")) {
		t.Error("no newline at the end")
	}
	golden := filepath.Join("testdata", "policy.schema.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; run go test ./internal/policy -update", golden)
	}
}

// Every key has a description, which is all the documentation that an editor shows.
func TestEveryKeyIsDescribed(t *testing.T) {
	for _, of := range languageTypes {
		for _, f := range fieldsOf(of) {
			if !strings.HasSuffix(f.doc, ".") {
				t.Errorf("%s: key %s is described as %q", of.Name(), f.key, f.doc)
			}
		}
	}
}

// languageTypes are the mappings of the language.
var languageTypes = []reflect.Type{
	reflect.TypeFor[Policy](), reflect.TypeFor[Parameter](), reflect.TypeFor[Rule](), reflect.TypeFor[Grant](),
	reflect.TypeFor[Target](), reflect.TypeFor[Limit](), reflect.TypeFor[DACL](), reflect.TypeFor[When](),
}

// compiledSchema is what an editor has of JSONSchema.
func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate judges YAML by the schema, as an editor does.
func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

func TestBuiltinsAreValidByTheSchema(t *testing.T) {
	s := compiledSchema(t)
	for _, name := range BuiltinNames() {
		p, err := Builtin(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := validate(t, s, p.Text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Parse accepts is valid by the schema, and what an editor can see to be wrong is not.
func TestSchemaAndParseAgree(t *testing.T) {
	s := compiledSchema(t)
	one := func(rule string) string { return header + "  - {id: a, source: s, " + rule + "}\n" }
	for _, c := range []struct {
		name, text string
		valid      bool
	}{
		{"a right", one("rights: [delete], scope: this-object"), true},
		{"every key of a rule", one("rights: [write-property], object: member, scope: descendants, class: group, target: domain-root, when: {exchange: true, schema: [msDS-KeyCredentialLink]}, optional: true, severity: warning, verification: inferred, why: w"), true},
		{"a scope of the dialog", one("rights: [delete], scope: Descendant User objects"), true},
		{"a scope of the dialog in other letters", one("rights: [delete], scope: THIS OBJECT ONLY"), true},
		{"a target below a place", one("rights: [delete], scope: this-object, target: {dn: CN=x, under: system}"), true},
		{"a place in a mapping", one("rights: [delete], scope: this-object, target: {place: system}"), true},
		{"alternatives", one("any-of: [{rights: [delete], scope: this-object}, {rights: [delete-subtree], scope: this-object}]"), true},
		{"alternatives that are not forbidden", one("any-of: [{rights: [delete], scope: this-object}, {rights: [delete-subtree], scope: this-object}], forbidden: false"), true},
		{"limits", one("limits: [{attribute: userAccountControl, bits-set: 0x200, bits-clear: 2}, {attribute: adminCount, absent: true}]"), true},
		{"a number as a text", one("limits: [{attribute: adminCount, equals: 0}]"), true},
		{"a DACL", one("dacl: {protected: true, entries: ['(A;;GA;;;SY)'], may: [PS]}"), true},
		{"an include alone", "name: n\ntitle: T\nsource: s\ninclude: [x]\n", true},
		{"parameters", "name: n\ntitle: T\nsource: s\nparameters: {x: {description: D, kind: name, default: y}}\nrules:\n  - {id: a, source: s, rights: [create-child], object: '${x}', scope: this-object}\n", true},

		{"a key that there is not", one("rights: [delete], scope: this-object, colour: red"), false},
		{"a right that there is not", one("rights: [fly], scope: this-object"), false},
		{"a scope that there is not", one("rights: [delete], scope: everywhere"), false},
		{"no scope", one("rights: [delete]"), false},
		{"no source", header + "  - {id: a, rights: [delete], scope: this-object}\n", false},
		{"an id of two words", header + "  - {id: a b, source: s, rights: [delete], scope: this-object}\n", false},
		{"an empty text", one("rights: [delete], scope: this-object, why: ' '"), false},
		{"an empty list", one("rights: [], scope: this-object"), false},
		{"nothing asked", header + "  - {id: a, source: s}\n", false},
		{"rights and limits", one("rights: [delete], scope: this-object, limits: [{attribute: a, absent: true}]"), false},
		{"limits with a scope", one("scope: this-object, limits: [{attribute: a, absent: true}]"), false},
		{"a limit that says nothing", one("limits: [{attribute: a}]"), false},
		{"bits that are none", one("limits: [{attribute: a, bits-set: 0}]"), false},
		{"forbidden limits", one("forbidden: true, limits: [{attribute: a, absent: true}]"), false},
		{"a DACL without entries", one("dacl: {protected: true}"), false},
		{"a place that there is not", one("rights: [delete], scope: this-object, target: nowhere"), false},
		{"two targets", one("rights: [delete], scope: this-object, target: {place: system, dn: CN=x}"), false},
		{"under without a dn", one("rights: [delete], scope: this-object, target: {under: system}"), false},
		{"an empty target", one("rights: [delete], scope: this-object, target: {}"), false},
		{"an empty condition", one("rights: [delete], scope: this-object, when: {}"), false},
		{"a severity that there is not", one("rights: [delete], scope: this-object, severity: info"), false},
		{"a verification that there is not", one("rights: [delete], scope: this-object, verification: sure"), false},
		{"a kind that there is not", "name: n\ntitle: T\nsource: s\nparameters: {x: {description: D, kind: sid}}\ninclude: [x]\n", false},
		{"neither rules nor include", "name: n\ntitle: T\nsource: s\n", false},
		{"a text for a truth", one("rights: [delete], scope: this-object, optional: 'true'"), false},
		{"a text for a number", one("limits: [{attribute: a, at-most: '5'}]"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := validate(t, s, []byte(c.text)); (err == nil) != c.valid {
				t.Errorf("by the schema: %v", err)
			}
			if _, err := Parse("p.yaml", []byte(c.text)); (err == nil) != c.valid {
				t.Errorf("by Parse: %v", err)
			}
		})
	}
}
