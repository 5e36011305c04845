package directory

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLDIFLine bounds one logical LDIF line, in bytes, so that a hostile file cannot
// take all memory. A descriptor of 132,096 bytes has 176,128 in base64.
const maxLDIFLine = 64 << 20

// ldifColumns is where lines are folded.
const ldifColumns = 76

// ldifReader reads the content records of an LDIF stream, as ldapsearch and ldifde write
// them. RFC 2849.
type ldifReader struct {
	r     *bufio.Reader
	line  int // of the last physical line read
	start int // of the logical line in hand

	onComment func(text string) // may be nil
}

// logical reads one logical line: folded lines are joined, comments left out.
func (in *ldifReader) logical() (string, error) {
	for {
		text, err := in.physical()
		if err != nil {
			return "", err
		}
		in.start = in.line
		if text == "" {
			return "", nil
		}
		var b strings.Builder
		b.WriteString(text)
		for {
			next, err := in.r.Peek(1)
			if err != nil || next[0] != ' ' {
				break
			}
			more, err := in.physical()
			if err != nil {
				return "", err
			}
			b.WriteString(more[1:])
			if b.Len() > maxLDIFLine {
				return "", fmt.Errorf("longer than %d bytes", maxLDIFLine)
			}
		}
		text = b.String()
		if comment, ok := strings.CutPrefix(text, "#"); ok {
			if in.onComment != nil {
				in.onComment(strings.TrimSpace(comment))
			}
			continue
		}
		return text, nil
	}
}

// physical reads one line without its end.
func (in *ldifReader) physical() (string, error) {
	var b []byte
	for {
		chunk, err := in.r.ReadSlice('\n')
		b = append(b, chunk...)
		if len(b) > maxLDIFLine {
			in.line++
			in.start = in.line
			return "", fmt.Errorf("longer than %d bytes", maxLDIFLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(b) > 0 {
			err = nil
		}
		if err != nil {
			return "", err
		}
		in.line++
		return strings.TrimRight(string(b), "\r\n"), nil
	}
}

// entry reads the next record; io.EOF when there is none.
func (in *ldifReader) entry() (Entry, error) {
	line := ""
	for line == "" {
		var err error
		if line, err = in.logical(); err != nil {
			return Entry{}, err
		}
		if name, value, _ := strings.Cut(line, ":"); isBetweenRecords(name) {
			// A search that stopped at a limit has not shown all there is.
			if strings.EqualFold(name, "result") && !strings.HasPrefix(strings.TrimSpace(value), "0 ") {
				return Entry{}, fmt.Errorf("the search behind this file did not succeed: result:%s", value)
			}
			line = ""
		}
	}
	name, value, err := parseLDIFLine(line)
	if err != nil {
		return Entry{}, err
	}
	if !strings.EqualFold(name, "dn") {
		return Entry{}, fmt.Errorf("a record begins with %q, want dn", name)
	}
	entry := Entry{DN: string(value)}
	index := map[string]int{}
	for {
		line, err := in.logical()
		if errors.Is(err, io.EOF) || err == nil && line == "" {
			return entry, nil
		}
		if err != nil {
			return Entry{}, err
		}
		name, value, err := parseLDIFLine(line)
		if err != nil {
			return Entry{}, err
		}
		if strings.EqualFold(name, "changetype") {
			if !strings.EqualFold(string(value), "add") {
				return Entry{}, fmt.Errorf("changetype %q is a change, not what a directory said", value)
			}
			continue
		}
		key := strings.ToLower(name)
		i, seen := index[key]
		if !seen {
			i = len(entry.Attrs)
			index[key] = i
			entry.Attrs = append(entry.Attrs, Attribute{Name: name})
		}
		entry.Attrs[i].Values = append(entry.Attrs[i].Values, value)
	}
}

// isBetweenRecords knows the lines outside of records: the version, and what ldapsearch
// writes after its entries.
func isBetweenRecords(name string) bool {
	switch strings.ToLower(name) {
	case "version", "search", "result", "ref", "control", "pagedresults":
		return true
	}
	return false
}

func parseLDIFLine(line string) (name string, value []byte, err error) {
	name, rest, found := strings.Cut(line, ":")
	if !found || name == "" {
		return "", nil, errors.New("want attribute: value")
	}
	switch {
	case strings.HasPrefix(rest, ":"):
		value, err = base64.StdEncoding.DecodeString(strings.TrimSpace(rest[1:]))
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
	case strings.HasPrefix(rest, "<"):
		return "", nil, fmt.Errorf("%s: a value by URL is not read", name)
	default:
		value = []byte(strings.TrimLeft(rest, " "))
	}
	return name, value, nil
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
