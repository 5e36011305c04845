package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// JSONSchema describes the language of policies to editors, in JSON Schema, draft 2020-12. What Parse accepts is
// valid by it; it does not know every contradiction that Parse finds, nor any name of a directory's schema.
func JSONSchema() ([]byte, error) {
	d := describer{defs: map[string]any{}}
	root := d.mapping(reflect.TypeFor[Policy]())
	if d.err != nil {
		return nil, d.err
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "A policy of gmsactl"
	root["$defs"] = d.defs
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write the JSON schema of policies: %w", err)
	}
	return out.Bytes(), nil
}

// object is one JSON object; package json sorts its keys.
type object = map[string]any

// describer describes the types that decoder reads into. Each struct but the policy itself
// has one place in defs, by its name.
type describer struct {
	defs object
	err  error
}

func (d *describer) value(t reflect.Type) object {
	if v, ok := reflect.Zero(t).Interface().(vocabulary); ok {
		words := object{"enum": v.words()}
		if _, ok := v.(speaks); !ok {
			return words
		}
		// Who writes it anew should see the words; who copies it from the dialog should not be told off.
		return object{"anyOf": []object{words, {"type": "string", "pattern": dialogPattern()}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.value(t.Elem())
	case reflect.Struct:
		name := strings.ToLower(t.Name())
		if d.defs[name] == nil {
			d.defs[name] = object{} // it may hold itself
			d.defs[name] = d.mapping(t)
		}
		ref := object{"$ref": "#/$defs/" + name}
		if short, ok := shortForms[t]; ok {
			return object{"oneOf": []object{{"enum": short.words()}, ref}}
		}
		return ref
	case reflect.Slice:
		return object{"type": "array", "minItems": 1, "items": d.value(t.Elem())}
	case reflect.Map:
		return object{
			"type": "object", "minProperties": 1, "propertyNames": object{"pattern": nameForm.String()},
			"additionalProperties": d.value(t.Elem()),
		}
	case reflect.String:
		// YAML takes a text such as 512 or true for something else, which decoder does not mind.
		return object{"type": []string{"string", "number", "boolean"}, "pattern": `\S`}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int64:
		return object{"type": "integer"}
	}
	d.err = fmt.Errorf("nobody knows how a policy writes %s", t)
	return nil
}

// shortForms are the mappings that may be written as one word.
var shortForms = map[reflect.Type]vocabulary{reflect.TypeFor[Target](): PlaceName("")}

func (d *describer) mapping(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		one := d.value(t.FieldByIndex(f.index).Type)
		one["description"] = f.doc
		if f.key == "name" || f.key == "id" {
			one["pattern"] = nameForm.String()
		}
		properties[f.key] = one
		if f.required {
			required = append(required, f.key)
		}
	}
	out := object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	maps.Copy(out, together(t))
	if t == reflect.TypeFor[Limit]() {
		for _, key := range []string{"bits-set", "bits-clear"} {
			properties[key].(object)["minimum"] = 1
		}
		properties["attribute"].(object)["pattern"] = ldapName.String()
	}
	return out
}

// together is what check asks of several keys of a mapping.
func together(t reflect.Type) object {
	needs := func(keys ...string) object { return object{"required": keys} }
	switch t {
	case reflect.TypeFor[Policy]():
		return object{"anyOf": []object{needs("rules"), needs("include")}}
	case reflect.TypeFor[Rule]():
		kinds := []string{"rights", "any-of", "limits", "dacl"}
		var out []object
		for _, kind := range kinds {
			one, without := needs(kind), object{}
			if kind == "rights" {
				one = needs("rights", "scope")
			} else {
				for _, key := range keysOf(fieldsOf(reflect.TypeFor[Grant]())) {
					without[key] = false
				}
				without["forbidden"] = object{"const": false}
			}
			for _, other := range kinds {
				if other != kind {
					without[other] = false
				}
			}
			one["properties"] = without
			out = append(out, one)
		}
		return object{"oneOf": out}
	case reflect.TypeFor[Grant]():
		return needs("rights", "scope")
	case reflect.TypeFor[Target]():
		return object{"oneOf": []object{needs("place"), needs("dn")}, "dependentRequired": object{"under": []string{"dn"}}}
	case reflect.TypeFor[Limit]():
		return object{"minProperties": 2}
	}
	return nil
}

// dialogPattern is a pattern, in the dialect of JavaScript, of what fromDialog knows.
func dialogPattern() string {
	var out []string
	for _, d := range dialog {
		form := strings.TrimPrefix(d.said.String(), "(?i)")
		form = strings.TrimSuffix(strings.TrimPrefix(form, "^"), "$")
		if !slices.Contains(out, form) {
			out = append(out, form)
		}
	}
	// JavaScript has no (?i): each letter in both.
	var both strings.Builder
	for _, form := range out {
		if both.Len() > 0 {
			both.WriteByte('|')
		}
		escaped := false
		for _, r := range form {
			if upper := strings.ToUpper(string(r)); !escaped && upper != string(r) {
				fmt.Fprintf(&both, "[%c%s]", r, upper)
			} else {
				both.WriteRune(r)
			}
			escaped = r == '\\'
		}
	}
	return "^(?:" + both.String() + ")$"
}
