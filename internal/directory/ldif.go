package directory

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxLDIFLine bounds one logical LDIF line, in bytes, so that a hostile file cannot
// take all memory. A descriptor of 132,096 bytes has 176,128 in base64.
const maxLDIFLine = 64 << 20

// ldifColumns is where lines are folded.
const ldifColumns = 76

// ldifBuffer is how much of a stream is read at once, in bytes.
const ldifBuffer = 256 << 10

// ldifReader reads the content records of an LDIF stream, as ldapsearch and ldifde write
// them. RFC 2849.
type ldifReader struct {
	r     io.Reader
	line  int // of the last physical line read
	start int // of the logical line in hand

	record place // where the record in hand begins

	onComment func(text string) // may be nil

	buf      []byte // buf[pos:end] is read from r and not yet used
	pos, end int
	offset   int64 // of buf[0] in the stream, in bytes
	begins   int64 // where the logical line in hand does
	err      error // why r gives no more; io.EOF at its end

	names  map[string]string // attribute names, each once
	shared sharedValues

	// Of the record in hand; used again for the next.
	unfolded []byte
	bytes    []byte
	fields   []ldifField
	attrs    []Attribute
	counts   []int
	index    map[string]int // name in lower case to its place in attrs; only for many
}

// place is where a line begins.
type place struct {
	offset int64 // in the stream, in bytes
	above  int   // how many lines come before it
}

// ldifField is a value of a record: shared, or a part of ldifReader.bytes.
type ldifField struct {
	attr     int
	shared   []byte
	from, to int
}

// manyAttributes is where looking through a record's attributes one by one ends.
const manyAttributes = 32

// fill reads more behind buf[:end]; false at the end of the stream.
func (in *ldifReader) fill() (bool, error) {
	if in.err != nil {
		if errors.Is(in.err, io.EOF) {
			return false, nil
		}
		return false, in.err
	}
	if in.pos > 0 {
		in.offset += int64(in.pos)
		in.end = copy(in.buf, in.buf[in.pos:in.end])
		in.pos = 0
	}
	if in.end == len(in.buf) {
		if in.end > maxLDIFLine {
			return false, fmt.Errorf("longer than %d bytes", maxLDIFLine)
		}
		grown := make([]byte, max(ldifBuffer, 2*len(in.buf)))
		copy(grown, in.buf[:in.end])
		in.buf = grown
	}
	for range 100 {
		n, err := in.r.Read(in.buf[in.end:])
		in.end += n
		in.err = err
		if n > 0 || err != nil {
			if n == 0 {
				return in.fill()
			}
			return true, nil
		}
	}
	return false, io.ErrNoProgress
}

// folded takes the physical lines of the next logical one from the stream, as they stand
// but for the last line end. They are good until the next call.
func (in *ldifReader) folded() ([]byte, error) {
	first := in.line + 1
	for next, seen := 0, 0; ; {
		n := bytes.IndexByte(in.buf[in.pos+seen:in.end], '\n')
		if n < 0 {
			seen = in.end - in.pos
			more, err := in.fill()
			if err != nil {
				in.line, in.start = in.line+1, first
				return nil, err
			}
			if more {
				continue
			}
			if in.pos+next == in.end {
				return nil, io.EOF // nothing is left; what a fold needs has been looked for below
			}
			n = 0
		}
		in.line++
		last := seen + n // of the text; a line end may follow
		next = min(last+1, in.end-in.pos)
		seen = next
		if last > maxLDIFLine {
			in.start = first
			return nil, fmt.Errorf("longer than %d bytes", maxLDIFLine)
		}
		folds := false
		if len(bytes.TrimRight(in.buf[in.pos:in.pos+last], "\r")) > 0 {
			if in.pos+next == in.end {
				if _, err := in.fill(); err != nil {
					in.start = first
					return nil, err
				}
			}
			folds = in.pos+next < in.end && in.buf[in.pos+next] == ' '
		}
		if !folds {
			line := in.buf[in.pos : in.pos+last]
			in.start, in.begins = first, in.offset+int64(in.pos)
			in.pos += next
			return bytes.TrimRight(line, "\r"), nil
		}
	}
}

// unfold joins the physical lines of a logical one. What it returns is good until the
// next call.
func (in *ldifReader) unfold(folded []byte) []byte {
	first, rest, found := bytes.Cut(folded, []byte{'\n'})
	if !found {
		return folded
	}
	in.unfolded = append(in.unfolded[:0], bytes.TrimRight(first, "\r")...)
	for found {
		first, rest, found = bytes.Cut(rest, []byte{'\n'})
		in.unfolded = append(in.unfolded, bytes.TrimRight(first[1:], "\r")...)
	}
	return in.unfolded
}

// logical takes the next logical line, which may be blank, and leaves out comments.
func (in *ldifReader) logical() ([]byte, error) {
	for {
		line, err := in.folded()
		if err != nil || len(line) == 0 || line[0] != '#' {
			return line, err
		}
		if in.onComment != nil {
			in.onComment(string(bytes.TrimSpace(in.unfold(line)[1:])))
		}
	}
}

// entry reads the next record; io.EOF when there is none. Equal values may be one, so
// that they must not be changed.
func (in *ldifReader) entry() (Entry, error) {
	var folded, line []byte
	for len(line) == 0 {
		var err error
		if folded, err = in.logical(); err != nil {
			return Entry{}, err
		}
		line = in.unfold(folded)
		if name, value, _ := bytes.Cut(line, []byte{':'}); isBetweenRecords(name) {
			// A search that stopped at a limit has not shown all there is.
			if strings.EqualFold(string(name), "result") && !bytes.HasPrefix(bytes.TrimSpace(value), []byte("0 ")) {
				return Entry{}, fmt.Errorf("the search behind this file did not succeed: result:%s", value)
			}
			line = nil
		}
	}
	in.record = place{in.begins, in.start - 1}
	in.bytes = in.bytes[:0]
	name, from, to, err := in.parse(line)
	if err != nil {
		return Entry{}, err
	}
	if !strings.EqualFold(string(name), "dn") {
		return Entry{}, fmt.Errorf("a record begins with %q, want dn", name)
	}
	entry := Entry{DN: string(in.bytes[from:to])}
	in.bytes, in.fields, in.attrs, in.counts, in.index = in.bytes[:0], in.fields[:0], in.attrs[:0], in.counts[:0], nil
	for {
		folded, err := in.logical()
		if errors.Is(err, io.EOF) || err == nil && len(folded) == 0 {
			entry.Attrs = in.take()
			return entry, nil
		}
		if err != nil {
			return Entry{}, err
		}
		if known, ok := in.shared.of(folded); ok {
			attr := in.attribute(known.name)
			in.fields = append(in.fields, ldifField{attr: attr, shared: known.value})
			in.counts[attr]++
			continue
		}
		name, from, to, err := in.parse(in.unfold(folded))
		if err != nil {
			return Entry{}, err
		}
		value := in.bytes[from:to]
		if strings.EqualFold(string(name), "changetype") {
			if !strings.EqualFold(string(value), "add") {
				return Entry{}, fmt.Errorf("changetype %q is a change, not what a directory said", value)
			}
			continue
		}
		// The blank line is lost that kept two objects apart.
		if strings.EqualFold(string(name), "dn") {
			return Entry{}, errors.New("a record has a second dn")
		}
		text, ok := in.names[string(name)]
		if !ok {
			if text = string(name); len(in.names) < 1000 && len(text) < 100 {
				if in.names == nil {
					in.names = map[string]string{}
				}
				in.names[text] = text
			}
		}
		field := ldifField{attr: in.attribute(text), from: from, to: to}
		if isShared(text) && len(folded) < maxShared/16 {
			field.shared = in.shared.keep(folded, text, value)
			in.bytes = in.bytes[:from]
		}
		in.fields = append(in.fields, field)
		in.counts[field.attr]++
	}
}

// attribute is the place of an attribute in the record in hand.
func (in *ldifReader) attribute(name string) int {
	if n := len(in.attrs) - 1; n >= 0 && in.attrs[n].Name == name {
		return n
	}
	if in.index == nil {
		for i := range in.attrs {
			if strings.EqualFold(in.attrs[i].Name, name) {
				return i
			}
		}
	} else if i, seen := in.index[strings.ToLower(name)]; seen {
		return i
	}
	in.attrs = append(in.attrs, Attribute{Name: name})
	in.counts = append(in.counts, 0)
	n := len(in.attrs) - 1
	if in.index != nil {
		in.index[strings.ToLower(name)] = n
	} else if n == manyAttributes {
		in.index = map[string]int{}
		for i := range in.attrs {
			in.index[strings.ToLower(in.attrs[i].Name)] = i
		}
	}
	return n
}

// take makes the attributes of the record in hand, with three allocations.
func (in *ldifReader) take() []Attribute {
	if len(in.attrs) == 0 {
		return nil
	}
	values := make([][]byte, len(in.fields))
	data := append(make([]byte, 0, len(in.bytes)), in.bytes...)
	attrs := slices.Clone(in.attrs)
	next := 0
	for i := range attrs {
		attrs[i].Values = values[next : next : next+in.counts[i]]
		next += in.counts[i]
	}
	for _, f := range in.fields {
		value := f.shared
		if value == nil {
			value = data[f.from:f.to:f.to]
		}
		attrs[f.attr].Values = append(attrs[f.attr].Values, value)
	}
	return attrs
}

// isBetweenRecords knows the lines outside of records: the version, and what ldapsearch
// writes after its entries.
func isBetweenRecords(name []byte) bool {
	switch strings.ToLower(string(name)) {
	case "version", "search", "result", "ref", "control", "pagedresults":
		return true
	}
	return false
}

// parse puts the value of a line behind in.bytes.
func (in *ldifReader) parse(line []byte) (name []byte, from, to int, err error) {
	name, rest, found := bytes.Cut(line, []byte{':'})
	if !found || len(name) == 0 {
		return nil, 0, 0, errors.New("want attribute: value")
	}
	from = len(in.bytes)
	switch {
	case bytes.HasPrefix(rest, []byte{':'}):
		in.bytes, err = base64.StdEncoding.AppendDecode(in.bytes, bytes.TrimSpace(rest[1:]))
		if err != nil {
			return nil, 0, 0, fmt.Errorf("%s: %w", name, err)
		}
	case bytes.HasPrefix(rest, []byte{'<'}):
		return nil, 0, 0, fmt.Errorf("%s: a value by URL is not read", name)
	default:
		in.bytes = append(in.bytes, bytes.TrimLeft(rest, " ")...)
	}
	return name, from, len(in.bytes), nil
}

// parseLDIFLine cuts a line into its name and its value.
func parseLDIFLine(line string) (name string, value []byte, err error) {
	var in ldifReader
	text, _, _, err := in.parse([]byte(line))
	return string(text), in.bytes, err
}

// sharedValues holds the values that many objects have in common, by the line they stood
// in: most descriptors are a copy of one that was decoded before.
type sharedValues struct {
	known map[string]sharedValue
	size  int
}

type sharedValue struct {
	name  string
	value []byte
}

// maxShared bounds what is held, in bytes of lines and values, so that memory does not
// grow with a file in which every object has a descriptor of its own.
const maxShared = 40 << 20

// isShared says whether objects have the values of the attribute in common.
func isShared(name string) bool {
	return strings.EqualFold(name, descriptorAttr) || strings.EqualFold(name, "objectClass") || strings.EqualFold(name, "adminCount")
}

func (s *sharedValues) of(line []byte) (sharedValue, bool) {
	v, ok := s.known[string(line)]
	return v, ok
}

// keep is a copy of value to share.
func (s *sharedValues) keep(line []byte, name string, value []byte) []byte {
	const overhead = 100
	if s.known == nil || s.size > maxShared {
		s.known, s.size = map[string]sharedValue{}, 0
	}
	value = append(make([]byte, 0, len(value)), value...)
	s.known[string(line)] = sharedValue{name, value}
	s.size += len(line) + len(value) + overhead
	return value
}

// WriteLDIF writes one content record. RFC 2849.
func WriteLDIF(w io.Writer, e Entry) error {
	var b []byte
	b = appendLDIFLine(b, "dn", []byte(e.DN))
	for _, a := range e.Attrs {
		for _, v := range a.Values {
			b = appendLDIFLine(b, a.Name, v)
		}
	}
	_, err := w.Write(append(b, '\n'))
	return err
}

// appendLDIFLine appends name and value, in base64 where RFC 2849 asks for it, folded
// at 76 columns.
func appendLDIFLine(b []byte, name string, value []byte) []byte {
	line := name + ":"
	switch {
	case len(value) == 0:
	case isSafeLDIF(value):
		line += " " + string(value)
	default:
		line += ": " + base64.StdEncoding.EncodeToString(value)
	}
	for width := ldifColumns; len(line) > width; width = ldifColumns - 1 {
		b = append(append(b, line[:width]...), "\n "...)
		line = line[width:]
	}
	return append(append(b, line...), '\n')
}

// isSafeLDIF is SAFE-STRING of RFC 2849, and no blank at the end.
func isSafeLDIF(value []byte) bool {
	if c := value[0]; c == ' ' || c == ':' || c == '<' || c == '#' {
		return false
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return value[len(value)-1] != ' '
}
