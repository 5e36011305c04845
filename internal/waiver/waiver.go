// Package waiver reads the file in which an administrator says which rules need not pass,
// where, why and until when. It does not know what a waiver is applied to.
package waiver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/suggest"
)

// Waiver is one rule that need not pass on a target, for a reason and a time.
type Waiver struct {
	Policy string    // empty: a rule of that name of any policy
	Rule   string    // its id
	Target string    // DN, or [Everywhere]
	Why    string    // never empty
	Until  time.Time // the last day on which it holds, at midnight UTC
	Line   int       // 1-based, in its file
}

// Everywhere is the target of a waiver for all targets.
const Everywhere = "*"

// day is how a file writes a day.
const day = "2006-01-02"

// Name is the rule as the file names it: policy/rule, or the rule alone.
func (w Waiver) Name() string {
	if w.Policy == "" {
		return w.Rule
	}
	return w.Policy + "/" + w.Rule
}

// Day is the last day on which it holds, as the file writes it.
func (w Waiver) Day() string { return w.Until.Format(day) }

// Expired says whether its last day is over, by the calendar of UTC.
func (w Waiver) Expired(now time.Time) bool { return !now.UTC().Before(w.Until.AddDate(0, 0, 1)) }

// Names says whether it is for that rule of that policy.
func (w Waiver) Names(policy, rule string) bool {
	return w.Rule == rule && (w.Policy == "" || w.Policy == policy)
}

// At says whether it is for the object of that DN. Objects below it are others.
func (w Waiver) At(dn string) bool { return w.Target == Everywhere || directory.SameDN(w.Target, dn) }

// Error says where a file of waivers is wrong.
type Error struct {
	File         string
	Line, Column int // 1-based; 0 when unknown
	Why          string
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Why)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Why)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Why)
}

// Parse reads a list of waivers, strictly: an unknown key, a missing one, a day that no
// calendar has or the same waiver twice is an *Error. file names it in errors.
func Parse(file string, text []byte) ([]Waiver, error) {
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, syntaxError(file, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.SequenceNode {
		return nil, &Error{file, 1, 0, "want a list of waivers, each with rule, target, why and until"}
	}
	switch err := in.Decode(&more); {
	case err == nil:
		return nil, at(file, &more, "a second document follows, which would not be read")
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(file, err)
	}
	var out []Waiver
	for _, node := range doc.Content[0].Content {
		w, err := parseOne(file, node)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.Name() == w.Name() && (other.Target == w.Target || w.Target != Everywhere && other.Target != Everywhere && other.At(w.Target)) {
				return nil, at(file, node, fmt.Sprintf("rule %s is waived on %s already in line %d", w.Name(), w.Target, other.Line))
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// keys are those of a waiver. None may be left out.
var keys = []string{"rule", "target", "why", "until"}

func parseOne(file string, node *yaml.Node) (Waiver, error) {
	w := Waiver{Line: node.Line}
	if node.Kind != yaml.MappingNode {
		return w, at(file, node, "want a mapping with rule, target, why and until")
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case !slices.Contains(keys, key.Value):
			return w, at(file, key, fmt.Sprintf("unknown key %q%s, want one of %s", key.Value, suggest.Meant(key.Value, keys), strings.Join(keys, ", ")))
		case values[key.Value] != nil:
			return w, at(file, key, fmt.Sprintf("key %q stands here twice", key.Value))
		case value.Kind != yaml.ScalarNode:
			return w, at(file, value, fmt.Sprintf("%s: want one text", key.Value))
		case value.Tag == "!!null" || strings.TrimSpace(value.Value) == "":
			return w, at(file, value, fmt.Sprintf("key %q is empty", key.Value))
		}
		values[key.Value] = value
	}
	for _, key := range keys {
		if values[key] == nil {
			return w, at(file, node, fmt.Sprintf("key %q is missing", key))
		}
	}
	w.Rule, w.Target, w.Why = values["rule"].Value, values["target"].Value, values["why"].Value
	if policy, rule, both := strings.Cut(w.Rule, "/"); both {
		if policy == "" || rule == "" || strings.Contains(rule, "/") {
			return w, at(file, values["rule"], fmt.Sprintf("rule: %q is neither RULE nor POLICY/RULE", w.Rule))
		}
		w.Policy, w.Rule = policy, rule
	}
	if w.Target != Everywhere && !directory.LooksLikeDN(w.Target) {
		return w, at(file, values["target"], fmt.Sprintf(`target: %q is neither a DN such as OU=Sync,DC=corp,DC=example nor "*", which is every target`, w.Target))
	}
	var err error
	if w.Until, err = time.Parse(day, values["until"].Value); err != nil {
		return w, at(file, values["until"], fmt.Sprintf("until: %q is not a day such as 2027-06-30", values["until"].Value))
	}
	return w, nil
}

func at(file string, node *yaml.Node, why string) error {
	return &Error{file, node.Line, node.Column, why}
}

// syntaxError is what package yaml complains about, with the line apart from the text.
func syntaxError(file string, err error) error {
	e := &Error{File: file, Why: strings.TrimPrefix(err.Error(), "yaml: ")}
	if _, scan := fmt.Sscanf(e.Why, "line %d:", &e.Line); scan == nil {
		_, e.Why, _ = strings.Cut(e.Why, ": ")
	}
	return e
}
