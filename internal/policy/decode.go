package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/gmsactl/gmsactl/internal/suggest"
)

// MaxText bounds the YAML of a policy, in bytes.
const MaxText = 1 << 20

// maxErrors is how many errors are told of one policy; who wrote more wrote something else.
const maxErrors = 50

// Position is a place in a file, 1-based; zero where it is not known.
type Position struct{ Line, Column int }

// Error says where a policy is wrong.
type Error struct {
	File string
	Position
	Why string
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

// origin is where a mapping was read from: its file, its own position and those of the values of its keys.
type origin struct {
	file string
	self Position
	keys map[string]Position
}

func (o *origin) from(read origin) { *o = read }

// byPosition orders errors as whoever mends a file meets them.
func byPosition(a, b error) int {
	var one, other *Error
	errors.As(a, &one)
	errors.As(b, &other)
	return cmp.Or(cmp.Compare(one.Line, other.Line), cmp.Compare(one.Column, other.Column))
}

// itemOf is the key of one value of a list, in an origin.
func itemOf(key string, i int) string { return fmt.Sprintf("%s/%d", key, i) }

// fail is an error about the value of a key, or about the whole mapping where it has no such key.
func (o *origin) fail(key, why string) error {
	at, ok := o.keys[key]
	if !ok {
		at = o.self
	}
	return &Error{o.file, at, why}
}

// vocabulary is a type of text that takes some words only.
type vocabulary interface{ words() []string }

// speaks is a vocabulary that knows what else is said for its words; check writes that in short.
type speaks interface{ knows(said string) bool }

// scalar is a mapping that may be written as one text.
type scalar interface{ fromText(text string) }

// document reads the one document of a file.
func document(file string, text []byte) (*yaml.Node, error) {
	if len(text) > MaxText {
		return nil, &Error{File: file, Why: fmt.Sprintf("longer than %d bytes", MaxText)}
	}
	if at, ok := notUTF8(text); ok {
		return nil, &Error{file, at, "this is no UTF-8"}
	}
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(file, err)
	}
	switch err := in.Decode(&more); {
	case err == nil:
		return nil, &Error{file, Position{more.Line, more.Column}, "a second document follows, which would not be read"}
	case !errors.Is(err, io.EOF):
		return nil, yamlError(file, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].Value == "" {
		return nil, &Error{file, Position{1, 0}, "there is nothing in it; want a mapping with name, title, source and rules"}
	}
	return doc.Content[0], nil
}

// notUTF8 is the first place where a text is not UTF-8; package yaml reads UTF-16 with its mark, too.
func notUTF8(text []byte) (Position, bool) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return Position{}, false
	}
	at := Position{1, 1}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			return at, true
		case r == '\n':
			at = Position{at.Line + 1, 1}
		default:
			at.Column++
		}
		text = text[n:]
	}
	return Position{}, false
}

var (
	yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)
	// Lines of what the parser of package yaml finds, unlike the scanner's, are counted from 0.
	yamlParser = regexp.MustCompile(`^did not find expected (?:<|node content|'-' indicator|key|',' or)|^found (?:undefined tag handle|duplicate %|incompatible YAML)`)
)

// yamlError is what package yaml complains about, with the line apart from the text.
func yamlError(file string, err error) *Error {
	e := &Error{File: file, Why: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Why = err.Error()[len(m[0]):]
	}
	if yamlParser.MatchString(e.Why) {
		e.Line++
	}
	return e
}

// decoder reads nodes into the types of the language, strictly, and goes on after what is
// wrong, so that one run shows all of it.
type decoder struct {
	file string
	errs []error
	more int // errors that are not told
}

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	if len(d.errs) == maxErrors {
		d.more++
		return
	}
	d.errs = append(d.errs, &Error{d.file, Position{n.Line, n.Column}, fmt.Sprintf(format, args...)})
}

// field is one key of a mapping.
type field struct {
	key      string
	required bool
	doc      string
	index    []int
}

// fieldsOf are the keys that a struct is read from: its exported fields with a yaml tag, those
// of embedded structs too.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("yaml"); key != "" && f.IsExported() {
			out = append(out, field{key, f.Tag.Get("need") != "", f.Tag.Get("doc"), f.Index})
		}
	}
	return out
}

func keysOf(fields []field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.key)
	}
	slices.Sort(out)
	return out
}

// value reads a node; name is the key that it is the value of.
func (d *decoder) value(n *yaml.Node, into reflect.Value, name string) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fail(n, "%s: anchors and aliases are not read, write it out", name)
		return
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "%s: the tag %s is not read", name, n.Tag)
		return
	case n.Tag == "!!null" || n.Kind == yaml.ScalarNode && strings.TrimSpace(n.Value) == "":
		// A class that was left blank is not every class.
		d.fail(n, "key %q is empty", name)
		return
	}
	if s, ok := into.Addr().Interface().(scalar); ok && n.Kind == yaml.ScalarNode {
		text := reflect.New(reflect.TypeFor[string]()).Elem()
		d.text(n, text, name)
		s.fromText(text.String())
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(n, into.Elem(), name)
	case reflect.Struct:
		d.mapping(n, into, name)
	case reflect.Slice:
		d.list(n, into, name)
	case reflect.Map:
		d.named(n, into, name)
	case reflect.String:
		d.text(n, into, name)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			d.fail(n, "%s: want true or false", name)
			return
		}
		into.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int64:
		number, err := strconv.ParseInt(n.Value, 0, 64)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || !numberForm.MatchString(n.Value) || err != nil {
			d.fail(n, "%s: want a whole number such as 512 or 0x200", name)
			return
		}
		into.SetInt(number)
	}
}

// numberForm leaves out what is not the same number to everybody: 010 is eight to YAML 1.1 and ten to 1.2.
var numberForm = regexp.MustCompile(`^[+-]?(?:0|[1-9][0-9]*|0x[0-9A-Fa-f]+)$`)

// prose are the keys whose texts may have several lines.
var prose = []string{"description", "notes", "source", "why"}

func (d *decoder) text(n *yaml.Node, into reflect.Value, name string) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, "%s: want one text", name)
		return
	}
	// The end of a text over several lines is how YAML writes it, not what it says.
	text := n.Value
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		text = strings.TrimRight(text, "\n")
	}
	for _, r := range text {
		if r == '\n' && slices.Contains(prose, name) {
			continue
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			d.fail(n, "%s: want one line without control characters, found %q", name, r)
			return
		}
	}
	if v, ok := into.Interface().(vocabulary); ok && !slices.Contains(v.words(), text) {
		if s, ok := v.(speaks); !ok || !s.knows(text) {
			d.fail(n, "%s", unknown(name, text, v.words()))
			return
		}
	}
	into.SetString(text)
}

// unknown says that a word is none of those that there are: the one that was meant, or else all of them.
func unknown(what, word string, words []string) string {
	if meant := suggest.Meant(word, words); meant != "" {
		return fmt.Sprintf("%s: unknown %q%s", what, word, meant)
	}
	return fmt.Sprintf("%s: unknown %q, want one of %s", what, word, strings.Join(words, ", "))
}

func (d *decoder) list(n *yaml.Node, into reflect.Value, name string) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "%s: want a list", name)
		return
	}
	if len(n.Content) == 0 {
		d.fail(n, "%s: the list is empty", name)
	}
	for _, item := range n.Content {
		one := reflect.New(into.Type().Elem()).Elem()
		d.value(item, one, name)
		into.Set(reflect.Append(into, one))
	}
}

// named reads a mapping whose keys are names of the writer's own.
func (d *decoder) named(n *yaml.Node, into reflect.Value, name string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s: want a mapping from names to what they are", name)
		return
	}
	if len(n.Content) == 0 {
		d.fail(n, "%s: the mapping is empty", name)
	}
	into.Set(reflect.MakeMap(into.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !d.key(key) {
			continue
		}
		if into.MapIndex(reflect.ValueOf(key.Value)).IsValid() {
			d.fail(key, "key %q stands here twice", key.Value)
			continue
		}
		one := reflect.New(into.Type().Elem()).Elem()
		d.value(n.Content[i+1], one, key.Value)
		into.SetMapIndex(reflect.ValueOf(key.Value), one)
	}
}

// key says whether the key of a mapping is a plain text.
func (d *decoder) key(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fail(n, "key %q: anchors and aliases are not read, write it out", n.Value)
	case n.Tag == "!!merge":
		d.fail(n, "merge keys are not read, write it out")
	case n.Kind != yaml.ScalarNode || n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "a key is one text")
	default:
		return true
	}
	return false
}

func (d *decoder) mapping(n *yaml.Node, into reflect.Value, name string) {
	fields := fieldsOf(into.Type())
	keys := keysOf(fields)
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s: want a mapping with %s", name, strings.Join(requiredOf(fields), ", "))
		return
	}
	if required := slices.ContainsFunc(fields, func(f field) bool { return f.required }); len(n.Content) == 0 && !required {
		d.fail(n, "%s: the mapping is empty", name)
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.key(key) {
			continue
		}
		at := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		switch {
		case at < 0:
			d.fail(key, "%s", unknown("key", key.Value, keys))
			continue
		case seen[key.Value] != nil:
			d.fail(key, "key %q stands here twice", key.Value)
			continue
		}
		seen[key.Value] = value
		d.value(value, into.FieldByIndex(fields[at].index), key.Value)
	}
	for _, f := range fields {
		if f.required && seen[f.key] == nil {
			d.fail(n, "key %q is missing", f.key)
		}
	}
	d.locate(n, into, seen)
}

func requiredOf(fields []field) []string {
	var out []string
	for _, f := range fields {
		if f.required {
			out = append(out, f.key)
		}
	}
	if out == nil {
		return keysOf(fields)
	}
	return out
}

// locate tells what was read where it comes from.
func (d *decoder) locate(n *yaml.Node, into reflect.Value, values map[string]*yaml.Node) {
	located, ok := into.Addr().Interface().(interface{ from(origin) })
	if !ok {
		return
	}
	at := origin{d.file, Position{n.Line, n.Column}, map[string]Position{}}
	for key, v := range values {
		at.keys[key] = Position{v.Line, v.Column}
		if v.Kind == yaml.SequenceNode {
			for i, item := range v.Content {
				at.keys[itemOf(key, i)] = Position{item.Line, item.Column}
			}
		}
	}
	located.from(at)
}
