// Package policy reads the permissions that an account needs from YAML and resolves
// their names against a schema. It does not judge whether they are granted.
package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gmsactl/gmsactl/policies"
)

// Policy is a set of rules with a name.
type Policy struct {
	Name   string
	Title  string
	Source string   // where it is published
	Notes  []string // what a reader of an audit should know
	Rules  []Rule

	Text []byte // the YAML it was read from
	file string // for errors
}

// Rule is one permission that the account needs on each target.
type Rule struct {
	ID       string
	Rights   []string // names of rights.go
	Object   string   // attribute, property set, extended right or child class, by name; empty: all
	Scope    string   // names of rights.go
	Class    string   // descendants of this class only; empty: of every class
	Optional bool     // not applicable, rather than an error, where the schema lacks Object or Class
	Why      string
	Source   string

	line int
	file string
}

// Error says where a policy is wrong.
type Error struct {
	File string
	Line int // 1-based; 0 when unknown
	Why  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Why)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Why)
}

// Parse reads one policy, strictly: an unknown key, a missing one or a contradiction is
// an *Error with the line. file names it in errors.
func Parse(file string, text []byte) (*Policy, error) {
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(file, err)
	}
	if err := in.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &Error{file, more.Line, "a second document follows, which would not be read"}
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{file, 1, "want a mapping with name, title, source and rules"}
	}
	p := &Policy{Text: text, file: file}
	root := mapping{file, doc.Content[0]}
	var rules []*yaml.Node
	err := root.decode(map[string]any{
		"name": &p.Name, "title": &p.Title, "source": &p.Source, "notes": &p.Notes, "rules": &rules,
	}, "name", "title", "source", "rules")
	if err != nil {
		return nil, err
	}
	if len(rules) == 0 {
		return nil, root.fail("a policy without rules asks for nothing")
	}
	lines := map[string]int{}
	for _, node := range rules {
		rule, err := parseRule(file, node)
		if err != nil {
			return nil, err
		}
		if first, twice := lines[rule.ID]; twice {
			return nil, &Error{file, rule.line, fmt.Sprintf("rule %q was there already in line %d", rule.ID, first)}
		}
		lines[rule.ID] = rule.line
		p.Rules = append(p.Rules, rule)
	}
	return p, nil
}

func parseRule(file string, node *yaml.Node) (Rule, error) {
	r := Rule{line: node.Line, file: file}
	m := mapping{file, node}
	if node.Kind != yaml.MappingNode {
		return r, m.fail("want a mapping with id, rights and scope")
	}
	err := m.decode(map[string]any{
		"id": &r.ID, "rights": &r.Rights, "object": &r.Object, "scope": &r.Scope, "class": &r.Class,
		"optional": &r.Optional, "why": &r.Why, "source": &r.Source,
	}, "id", "rights", "scope", "source")
	if err != nil {
		return r, err
	}
	if err := r.check(); err != nil {
		return r, m.fail(err.Error())
	}
	return r, nil
}

// mapping decodes a YAML mapping with the line in its errors.
type mapping struct {
	file string
	node *yaml.Node
}

func (m mapping) fail(why string) error { return &Error{m.file, m.node.Line, why} }

func (m mapping) decode(fields map[string]any, required ...string) error {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		key, value := m.node.Content[i], m.node.Content[i+1]
		into, known := fields[key.Value]
		if !known {
			names := make([]string, 0, len(fields))
			for name := range fields {
				names = append(names, name)
			}
			slices.Sort(names)
			return &Error{m.file, key.Line, fmt.Sprintf("unknown key %q, want one of %s", key.Value, strings.Join(names, ", "))}
		}
		if seen[key.Value] {
			return &Error{m.file, key.Line, fmt.Sprintf("key %q stands here twice", key.Value)}
		}
		seen[key.Value] = true
		if nodes, ok := into.(*[]*yaml.Node); ok {
			if value.Kind != yaml.SequenceNode {
				return &Error{m.file, value.Line, fmt.Sprintf("%s: want a list", key.Value)}
			}
			*nodes = value.Content
			continue
		}
		// A class that was left blank is not every class.
		if value.Tag == "!!null" || slices.ContainsFunc(value.Content, func(n *yaml.Node) bool { return n.Tag == "!!null" }) {
			return &Error{m.file, value.Line, fmt.Sprintf("key %q is empty", key.Value)}
		}
		if err := value.Decode(into); err != nil {
			why := yamlError(m.file, err).Why
			return &Error{m.file, value.Line, fmt.Sprintf("%s: %s", key.Value, why)}
		}
		if text, ok := into.(*string); ok && strings.TrimSpace(*text) == "" {
			return &Error{m.file, value.Line, fmt.Sprintf("key %q is empty", key.Value)}
		}
	}
	for _, name := range required {
		if !seen[name] {
			return m.fail(fmt.Sprintf("key %q is missing", name))
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// yamlError is what package yaml complains about, with the line apart from the text.
func yamlError(file string, err error) *Error {
	e := &Error{File: file, Why: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		fmt.Sscan(m[1], &e.Line)
		e.Why = m[2]
	}
	return e
}

// Builtin reads the built-in policy of that name.
func Builtin(name string) (*Policy, error) {
	text, err := policies.Files.ReadFile(name + ".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no built-in policy %q, there are: %s", name, strings.Join(BuiltinNames(), ", "))
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
