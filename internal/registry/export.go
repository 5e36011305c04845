package registry

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Error says where an export is wrong.
type Error struct {
	Line int // 1-based
	Why  string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// Export is what a .reg file says.
type Export struct {
	keys map[string]map[string]Value // both in lower case; a key that is there with what it holds
	dead map[string]bool             // keys that the file deletes
}

// MaxExport bounds a file, in bytes.
const MaxExport = 256 << 20

const (
	header5 = "Windows Registry Editor Version 5.00"
	header4 = "REGEDIT4"
)

// ParseExport reads a .reg file, in UTF-16 with its mark, UTF-8 or ASCII. Errors are *Error.
// Source: Microsoft Support, "How to add, modify, or delete registry subkeys and values by using a
// .reg file".
func ParseExport(b []byte) (*Export, error) {
	if len(b) > MaxExport {
		return nil, &Error{1, fmt.Sprintf("longer than %d bytes", MaxExport)}
	}
	text, err := decode(b)
	if err != nil {
		return nil, err
	}
	e := &Export{keys: map[string]map[string]Value{}, dead: map[string]bool{}}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if first := strings.TrimSpace(lines[0]); first != header5 && first != header4 {
		return nil, &Error{1, fmt.Sprintf("want %q", header5)}
	}
	key := ""
	for i := 1; i < len(lines); i++ {
		number := i + 1
		line := strings.TrimSpace(lines[i])
		if open := scan(line, 0); open == '"' {
			// A text with line ends in it stands over several lines, as it is.
			var whole strings.Builder
			whole.WriteString(line)
			for open == '"' && i+1 < len(lines) {
				i++
				next := strings.TrimSuffix(lines[i], "\r")
				whole.WriteString("\n" + next)
				open = scan(next, open)
			}
			line = strings.TrimSpace(whole.String())
		} else if goesOn(line) {
			var whole strings.Builder
			for goesOn(line) && i+1 < len(lines) {
				whole.WriteString(strings.TrimSuffix(line, `\`))
				i++
				line = strings.TrimSpace(lines[i])
			}
			whole.WriteString(line)
			line = whole.String()
		}
		switch {
		case line == "" || strings.HasPrefix(line, ";"):
		case strings.HasPrefix(line, "["):
			if key, err = e.key(line, number); err != nil {
				return nil, err
			}
		case key == "":
			return nil, &Error{number, "a value before any key"}
		default:
			if err := e.value(key, line, number); err != nil {
				return nil, err
			}
		}
	}
	return e, nil
}

// scan says what a line ends inside of, if it began inside of open: '"' a text, ';' a comment, '[' a
// key, or 0.
func scan(line string, open byte) byte {
	if open == 0 && strings.HasPrefix(line, "[") {
		return '['
	}
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"' && open == '"':
			open = 0
		case line[i] == '"':
			open = '"'
		case open == '"' && line[i] == '\\':
			i++
		case open == 0 && line[i] == ';':
			return ';'
		}
	}
	return open
}

// goesOn says whether a value of bytes goes on in the next line: it ends in a backslash that is part
// of no key, text or comment. Such a one would swallow the next line's value.
func goesOn(line string) bool { return strings.HasSuffix(line, `\`) && scan(line, 0) == 0 }

func decode(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		b = b[2:]
		if len(b)%2 != 0 {
			return "", &Error{1, "half a character of UTF-16 at the end"}
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
		return string(utf16.Decode(units)), nil
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return "", &Error{1 + bytes.Count(b[:i], []byte("\n")), "a zero byte: UTF-16 without its mark?"}
	}
	if !utf8.Valid(b) {
		// What regedit wrote before version 5 is in a code page of Windows; what is judged is ASCII.
		return strings.ToValidUTF8(string(b), "\ufffd"), nil
	}
	return string(b), nil
}

func (e *Export) key(line string, number int) (string, error) {
	name, ok := strings.CutSuffix(line, "]")
	if name = strings.TrimPrefix(name, "["); !ok || name == "" {
		return "", &Error{number, "a key without its end"}
	}
	name, deleted := strings.CutPrefix(name, "-")
	folded := fold(name)
	if folded == "" || !strings.HasPrefix(folded, "hkey_") {
		return "", &Error{number, fmt.Sprintf("%q is no path of a key", name)}
	}
	if deleted {
		e.dead[folded] = true
		maps.DeleteFunc(e.keys, func(key string, _ map[string]Value) bool {
			return key == folded || strings.HasPrefix(key, folded+`\`)
		})
		return folded, nil
	}
	delete(e.dead, folded)
	if e.keys[folded] == nil {
		e.keys[folded] = map[string]Value{}
	}
	return folded, nil
}

func fold(path string) string { return strings.ToLower(strings.Trim(strings.TrimSpace(path), `\`)) }

func (e *Export) value(key, line string, number int) error {
	if e.dead[key] {
		return &Error{number, "a value of a key that is deleted"}
	}
	name, rest, err := nameOf(line, number)
	if err != nil {
		return err
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(rest), "=")
	if !ok {
		return &Error{number, "want = behind the name"}
	}
	rest = strings.TrimSpace(rest)
	if rest == "-" {
		delete(e.keys[key], name)
		return nil
	}
	v, err := data(rest)
	if err != nil {
		return &Error{number, err.Error()}
	}
	if e.keys[key] == nil {
		e.keys[key] = map[string]Value{}
	}
	e.keys[key][name] = v
	return nil
}

// nameOf is the name of a value in lower case, empty for the key's own, and what is behind it.
func nameOf(line string, number int) (name, rest string, err error) {
	if rest, ok := strings.CutPrefix(line, "@"); ok {
		return "", rest, nil
	}
	name, rest, ok := quoted(line)
	if !ok {
		return "", "", &Error{number, "want a name in quotes, or @"}
	}
	return strings.ToLower(name), rest, nil
}

// quoted is a text in quotes, with its escapes undone, and what is behind it.
func quoted(s string) (text, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i >= len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// data reads what is behind the = of a value.
func data(s string) (Value, error) {
	if strings.HasPrefix(s, `"`) {
		text, rest, ok := quoted(s)
		if !ok || !comment(rest) {
			return Value{}, fmt.Errorf("a text without its end")
		}
		return Value{Kind: Text, Text: text}, nil
	}
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Value{}, fmt.Errorf("%.40q is no value", s)
	}
	if i := strings.IndexByte(rest, ';'); i >= 0 {
		rest = rest[:i]
	}
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case kind == "dword":
		n, err := strconv.ParseUint(strings.TrimSpace(rest), 16, 32)
		if err != nil {
			return Value{}, fmt.Errorf("%.40q is no number of 32 bits in hexadecimal", rest)
		}
		return Value{Kind: DWord, Number: n}, nil
	case kind == "hex":
		b, err := octets(rest)
		return Value{Kind: Binary, Bytes: b}, err
	case strings.HasPrefix(kind, "hex(") && strings.HasSuffix(kind, ")"):
		n, err := strconv.ParseUint(kind[4:len(kind)-1], 16, 32)
		if err != nil {
			return Value{}, fmt.Errorf("%.40q is no kind of value", kind)
		}
		b, err := octets(rest)
		if err != nil {
			return Value{}, err
		}
		return FromBytes(Kind(n), b), nil
	}
	return Value{}, fmt.Errorf("%.40q is no kind of value", kind)
}

func comment(rest string) bool {
	rest = strings.TrimSpace(rest)
	return rest == "" || strings.HasPrefix(rest, ";")
}

func octets(s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == ',' {
			return -1
		}
		return r
	}, s)
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("bytes that are no hexadecimal: %w", err)
	}
	return b, nil
}

// FromBytes is a value from the bytes that Windows stores for its kind.
func FromBytes(kind Kind, b []byte) Value {
	v := Value{Kind: kind, Bytes: b}
	switch {
	case kind == DWord && len(b) == 4:
		v.Number = uint64(binary.LittleEndian.Uint32(b))
	case kind == QWord && len(b) == 8:
		v.Number = binary.LittleEndian.Uint64(b)
	case kind == DWord || kind == QWord:
		v.Kind = Binary // a number of another length says nothing
	case kind == Text || kind == Expand:
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
		v.Text, _, _ = strings.Cut(string(utf16.Decode(units)), "\x00")
	}
	return v
}

// Value is a value of the export. An export of a key has all that is below it; so a value is absent
// where its key is there without it, or where a key above is there and this one is not.
func (e *Export) Value(key, name string) (Value, Presence, error) {
	key, name = fold(key), strings.ToLower(name)
	if values, ok := e.keys[key]; ok {
		if v, ok := values[name]; ok {
			return v, Present, nil
		}
		return Value{}, Absent, nil
	}
	for above := key; above != ""; above = parent(above) {
		if e.dead[above] {
			return Value{}, Absent, nil
		}
		if _, ok := e.keys[above]; ok {
			return Value{}, Absent, nil
		}
	}
	return Value{}, Unknown, nil
}

func parent(key string) string {
	i := strings.LastIndexByte(key, '\\')
	if i < 0 {
		return ""
	}
	return key[:i]
}
