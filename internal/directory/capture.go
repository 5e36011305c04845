package directory

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"strings"
)

// The comment lines that frame a capture, so that a file cut short is not taken for a
// directory that holds less.
const (
	captureBegin = "gmsactl capture, format 1"
	captureEnd   = "gmsactl capture ends"
)

// Capture is a directory as it was: entries that answer queries as the server did that
// they were read from.
type Capture struct {
	entries  []Entry
	keys     []string // DNKey of each entry
	byKey    map[string]int
	contexts []string // DNKeys of the naming contexts, longest first
}

// ReadCapture reads LDIF: what Record wrote, or an export of other tools. Errors name
// the line. An incomplete capture of gmsactl is an error.
func ReadCapture(r io.Reader) (*Capture, error) {
	var begun, ended bool
	var count int
	in := ldifReader{r: bufio.NewReaderSize(r, 1<<16)}
	in.onComment = func(text string) {
		if text == captureBegin {
			begun = true
		}
		if n, err := fmt.Sscanf(text, captureEnd+": %d entries", &count); n == 1 && err == nil {
			ended = true
		}
	}
	c := &Capture{byKey: map[string]int{}}
	for {
		entry, err := in.entry()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", in.start, err)
		}
		if err := c.add(entry); err != nil {
			return nil, fmt.Errorf("line %d: %w", in.start, err)
		}
	}
	switch {
	case begun && !ended:
		return nil, errors.New("the capture was cut short: its last line is missing")
	case ended && !begun:
		return nil, errors.New("the capture was cut: its first line is missing")
	case begun && count != len(c.entries):
		return nil, fmt.Errorf("the capture says it has %d entries, %d are here", count, len(c.entries))
	case len(c.entries) == 0:
		return nil, errors.New("there is no LDIF record in it")
	}
	root, ok := c.byKey[""]
	if !ok {
		return nil, errors.New("it holds no rootDSE (the record whose dn is empty)")
	}
	for _, nc := range c.entries[root].Texts("namingContexts") {
		c.contexts = append(c.contexts, DNKey(nc))
	}
	sort.Slice(c.contexts, func(i, j int) bool { return len(c.contexts[i]) > len(c.contexts[j]) })
	return c, nil
}

func (c *Capture) add(e Entry) error {
	key := DNKey(e.DN)
	if _, twice := c.byKey[key]; twice {
		return fmt.Errorf("%q is here twice", e.DN)
	}
	c.byKey[key] = len(c.entries)
	c.entries = append(c.entries, e)
	c.keys = append(c.keys, key)
	return nil
}

// Read answers from the capture. A server keeps naming contexts apart, and so does this.
func (c *Capture) Read(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		base := DNKey(q.Base)
		at, ok := c.byKey[base]
		if !ok {
			yield(Entry{}, &NotFoundError{DN: q.Base, Matched: c.matched(q.Base)})
			return
		}
		if q.Scope == Base {
			if q.matches(c.entries[at]) {
				yield(q.project(c.entries[at]), nil)
			}
			return
		}
		context := c.context(base)
		depth := strings.Count(base, "\x00") + 1
		for i, key := range c.keys {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !keyIsBelow(key, base) || c.context(key) != context {
				continue
			}
			if q.Scope == OneLevel && strings.Count(key, "\x00") != depth {
				continue
			}
			if !q.matches(c.entries[i]) {
				continue
			}
			if !yield(q.project(c.entries[i]), nil) {
				return
			}
		}
	}
}

// context is the naming context that key is in.
func (c *Capture) context(key string) string {
	for _, nc := range c.contexts {
		if keyIsBelow(key, nc) {
			return nc
		}
	}
	return ""
}

// matched is the longest part of dn that the capture holds.
func (c *Capture) matched(dn string) string {
	for dn = ParentDN(dn); dn != ""; dn = ParentDN(dn) {
		if _, ok := c.byKey[DNKey(dn)]; ok {
			return dn
		}
	}
	return ""
}

// matches judges as a server does: text without regard to case, DNs by their meaning.
func (q Query) matches(e Entry) bool {
	if len(q.Any) == 0 {
		return true
	}
	for _, m := range q.Any {
		if strings.EqualFold(m.Attr, "distinguishedName") {
			if SameDN(e.DN, m.Value) {
				return true
			}
			continue
		}
		for _, v := range e.Values(m.Attr) {
			if isBinary(m.Attr) && string(v) == m.Value || !isBinary(m.Attr) && strings.EqualFold(string(v), m.Value) {
				return true
			}
		}
	}
	return false
}

// isBinary says whether an attribute that queries ask for is octets, not text.
func isBinary(attr string) bool {
	return strings.EqualFold(attr, "objectSid") || strings.EqualFold(attr, "objectGUID") || strings.EqualFold(attr, "schemaIDGUID")
}

// project is what q asked for of e, and no more.
func (q Query) project(e Entry) Entry {
	out := Entry{DN: e.DN}
	for _, a := range e.Attrs {
		wanted := q.Descriptor && strings.EqualFold(a.Name, descriptorAttr)
		for _, name := range q.Attrs {
			wanted = wanted || strings.EqualFold(a.Name, name)
		}
		if wanted {
			out.Attrs = append(out.Attrs, a)
		}
	}
	return out
}

const descriptorAttr = "nTSecurityDescriptor"

// Recorder passes queries on to a Reader and keeps every answer, so that the same
// queries can be answered again without it.
type Recorder struct {
	from    Reader
	entries map[string]*Entry
}

// NewRecorder is a Recorder of what from answers.
func NewRecorder(from Reader) *Recorder {
	return &Recorder{from: from, entries: map[string]*Entry{}}
}

// Read answers as the recorded Reader does. It also asks for the attributes that the
// query matches by: without them the capture could not answer the same query.
func (r *Recorder) Read(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	q.Attrs = slices.Clone(q.Attrs)
	for _, m := range q.Any {
		if !slices.ContainsFunc(q.Attrs, func(name string) bool { return strings.EqualFold(name, m.Attr) }) {
			q.Attrs = append(q.Attrs, m.Attr)
		}
	}
	return func(yield func(Entry, error) bool) {
		for e, err := range r.from.Read(ctx, q) {
			if err == nil {
				r.keep(e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
		// The base is there, even where it did not match: that is an answer too.
		r.keep(Entry{DN: q.Base})
	}
}

// keep merges e into what is known of the object.
func (r *Recorder) keep(e Entry) {
	key := DNKey(e.DN)
	known := r.entries[key]
	if known == nil {
		known = &Entry{DN: e.DN}
		r.entries[key] = known
	}
	for _, a := range e.Attrs {
		if known.Values(a.Name) == nil {
			known.Attrs = append(known.Attrs, a)
		}
	}
}

// WriteTo writes the capture: LDIF, sorted, framed so that a file cut short is noticed.
func (r *Recorder) WriteTo(w io.Writer) (int64, error) {
	out := &countingWriter{w: bufio.NewWriter(w)}
	keys := make([]string, 0, len(r.entries))
	for key := range r.entries {
		keys = append(keys, key)
	}
	// Parents first: by depth, then by name.
	sort.Slice(keys, func(i, j int) bool {
		a, b := strings.Count(keys[i], "\x00"), strings.Count(keys[j], "\x00")
		if a != b {
			return a < b
		}
		return keys[i] < keys[j]
	})
	if _, err := fmt.Fprintf(out, "# %s\nversion: 1\n\n", captureBegin); err != nil {
		return out.n, err
	}
	for _, key := range keys {
		e := *r.entries[key]
		e.Attrs = append([]Attribute(nil), e.Attrs...)
		sort.Slice(e.Attrs, func(i, j int) bool {
			return strings.ToLower(e.Attrs[i].Name) < strings.ToLower(e.Attrs[j].Name)
		})
		if err := WriteLDIF(out, e); err != nil {
			return out.n, err
		}
	}
	if _, err := fmt.Fprintf(out, "# %s: %d entries\n", captureEnd, len(keys)); err != nil {
		return out.n, err
	}
	return out.n, out.w.(*bufio.Writer).Flush()
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Len is the number of objects recorded.
func (r *Recorder) Len() int { return len(r.entries) }

// All are the entries of the capture, in the order of the file.
func (c *Capture) All() iter.Seq[Entry] { return slices.Values(c.entries) }
