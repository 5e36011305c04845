package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"strings"
)

// Capture is a directory as it was: entries that answer queries as the server did that
// they were read from. Its sweeps stay in the file, so that memory does not grow with
// them. It may be used by several goroutines.
type Capture struct {
	entries  []Entry
	keys     []string // DNKey of each entry
	byKey    map[string]int
	contexts []subtree // the naming contexts, longest first

	open   func() (io.ReadCloser, error)
	framed bool         // it was recorded: what nobody asked for is not in it
	rest   *captureTail // the entries that are not held; nil when all are
	swept  *captureTail // the objects of the sweeps; nil without
	sweeps []sweep
}

// maxHeld is how much of a capture is held in memory, in bytes: about what its entries
// take. What comes after that stays in the file, and is read again for each query.
const maxHeld = 32 << 20

// NotRecordedError says that a capture has no answer to a query, for nobody asked it when
// the capture was taken.
type NotRecordedError struct {
	DN    string
	Attrs []string // what nobody asked of the objects there; empty: not every object is here
}

func (e *NotRecordedError) Error() string {
	if len(e.Attrs) > 0 {
		return fmt.Sprintf("the capture holds %s without %s", e.DN, strings.Join(e.Attrs, ", "))
	}
	return "the capture does not hold every object below " + e.DN
}

// ReadCapture reads LDIF from a stream into memory. OpenCapture says what it takes.
func ReadCapture(r io.Reader) (*Capture, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return OpenCapture(func() (io.ReadCloser, error) { return memory{bytes.NewReader(text)}, nil })
}

// memory is a file in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// OpenCapture reads LDIF: what a Recorder wrote, or an export of other tools. Errors name
// the line. An incomplete capture of gmsactl is an error.
//
// A capture that has sweeps, or is too large to be held, is opened again for a query about
// what stayed in the file; from its start, but where the file is an io.Seeker. It must
// have the same bytes each time. That the sweeps are whole is known only when the last
// object of a query about them has come without an error.
func OpenCapture(open func() (io.ReadCloser, error)) (*Capture, error) {
	return openCapture(open, maxHeld)
}

func openCapture(open func() (io.ReadCloser, error), held int) (*Capture, error) {
	file, err := open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c := &Capture{byKey: map[string]int{}}
	in := newFrameReader(file)
	size := 0
	for {
		entry, err := in.entry()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if in.inSweeps {
			c.swept = &captureTail{in.ldif.record, in.read - 1}
			break
		}
		switch {
		case size < held || entry.DN == "":
			if err := c.add(entry); err != nil {
				return nil, fmt.Errorf("line %d: %w", in.ldif.start, err)
			}
			size += sizeOf(entry)
		case c.rest == nil:
			c.rest = &captureTail{in.ldif.record, in.read - 1}
		}
	}
	c.framed, c.sweeps = in.begun, in.sweeps
	if c.rest != nil || c.swept != nil {
		c.open = open
	}
	if len(c.entries) == 0 {
		return nil, errors.New("there is no LDIF record in it")
	}
	root, ok := c.byKey[""]
	if !ok {
		return nil, errors.New("it holds no rootDSE (the record whose dn is empty)")
	}
	for _, nc := range c.entries[root].Texts("namingContexts") {
		c.contexts = append(c.contexts, newSubtree(nc))
	}
	sort.Slice(c.contexts, func(i, j int) bool { return len(c.contexts[i].key) > len(c.contexts[j].key) })
	return c, nil
}

// Recorded says that what has no value here may only be what nobody asked.
func (c *Capture) Recorded() bool { return true }

// Swept is how many objects the sweeps have whose bases are just these, as the end of the file
// says; 0 where the sweeps are others, or the end cannot be seen before the rest. It is not
// checked before all of them have come.
func (c *Capture) Swept(bases []string) int {
	if c.swept == nil || len(bases) != len(c.sweeps) {
		return 0
	}
	for _, base := range bases {
		key := DNKey(base)
		if !slices.ContainsFunc(c.sweeps, func(s sweep) bool { return s.base == key }) {
			return 0
		}
	}
	file, err := c.open()
	if err != nil {
		return 0
	}
	defer file.Close()
	end, ok := file.(io.ReadSeeker)
	if !ok {
		return 0
	}
	size, err := end.Seek(0, io.SeekEnd)
	if err != nil {
		return 0
	}
	const most = 200 // bytes of the last lines
	if _, err := end.Seek(max(0, size-most), io.SeekStart); err != nil {
		return 0
	}
	tail, err := io.ReadAll(io.LimitReader(end, most))
	if err != nil {
		return 0
	}
	_, last, _ := strings.Cut(string(tail), "\n# "+captureEnd)
	n := 0
	if _, err := fmt.Sscanf(last, ": %d entries", &n); err != nil {
		return 0
	}
	return max(0, n-c.swept.entries)
}

// sizeOf is about how much memory an entry takes that is held, in bytes.
func sizeOf(e Entry) int {
	n := 2*len(e.DN) + 150
	for _, a := range e.Attrs {
		n += 64
		for _, v := range a.Values {
			n += 24
			if !isShared(a.Name) {
				n += len(v)
			}
		}
	}
	return n
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
// A query for every object, in a capture that gmsactl recorded, is answered where there is
// a sweep of them and a *NotRecordedError where there is none.
func (c *Capture) Read(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := c.read(ctx, q, yield); err != nil {
			yield(Entry{}, err)
		}
	}
}

func (c *Capture) read(ctx context.Context, q Query, yield func(Entry, error) bool) error {
	base := newSubtree(q.Base)
	at, held := c.byKey[base.key]
	if q.Scope == Base && held {
		e := c.entries[at]
		// A group may be held for its name alone, and its descriptor be in a sweep.
		if q.Descriptor && e.Value(descriptorAttr) == nil && c.sweepOf(base.key) != nil {
			for swept, err := range c.sweptObject(ctx, base) {
				if err != nil {
					return err
				}
				e.Attrs = slices.Clone(e.Attrs)
				for _, a := range swept.Attrs {
					if e.Values(a.Name) == nil {
						e.Attrs = append(e.Attrs, a)
					}
				}
			}
		}
		if q.matches(e) {
			yield(q.project(e), nil)
		}
		return nil
	}
	every := q.Scope != Base && len(q.Any) == 0
	if !held && !every && c.rest != nil {
		// What was asked for by itself says more than what a sweep has of the same object.
		err := c.recorded(ctx, q, base, false, yield)
		if gone := (*NotFoundError)(nil); !errors.As(err, &gone) || c.sweepOf(base.key) == nil {
			return err
		}
	}
	if s := c.sweepOf(base.key); s != nil && (every || !held) {
		lacks := s.lacks(q)
		switch {
		case q.Scope != Base && !every:
			return &NotRecordedError{DN: q.Base}
		case q.Scope != Base && len(lacks) > 0:
			return &NotRecordedError{DN: q.Base, Attrs: lacks}
		}
		return c.scan(ctx, q, base, c.swept, false, func(e Entry, err error) bool {
			// Of an object that is not there nothing is missing.
			if len(lacks) > 0 && err == nil {
				return yield(Entry{}, &NotRecordedError{DN: e.DN, Attrs: lacks})
			}
			return yield(e, err)
		})
	}
	if every && held && c.framed {
		return &NotRecordedError{DN: q.Base}
	}
	if !held && c.rest == nil {
		return &NotFoundError{DN: q.Base, Matched: c.matched(q.Base)}
	}
	return c.recorded(ctx, q, base, held, yield)
}

// recorded answers from the entries that are no objects of sweeps; held says whether the
// base is one that is held.
func (c *Capture) recorded(ctx context.Context, q Query, base subtree, held bool, yield func(Entry, error) bool) error {
	context := c.context(base.key)
	depth := strings.Count(base.key, "\x00") + 1
	for i, key := range c.keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		if q.Scope == Base || !keyIsBelow(key, base.key) || c.context(key) != context {
			continue
		}
		if q.Scope == OneLevel && strings.Count(key, "\x00") != depth {
			continue
		}
		if !q.matches(c.entries[i]) {
			continue
		}
		if !yield(q.project(c.entries[i]), nil) {
			return nil
		}
	}
	if c.rest == nil {
		return nil
	}
	return c.scan(ctx, q, base, c.rest, held, yield)
}

// scan answers from a part of the file that is not held. The base has to be in it, but
// where it was seen elsewhere.
func (c *Capture) scan(ctx context.Context, q Query, base subtree, from *captureTail, seen bool, yield func(Entry, error) bool) error {
	context := c.context(base.key)
	var others []subtree // naming contexts below the one that is asked about
	for _, nc := range c.contexts {
		if nc.key != context && keyIsBelow(nc.key, context) {
			others = append(others, nc)
		}
	}
	depth := DepthDN(q.Base) + 1
	for e, err := range c.stream(ctx, from) {
		if err != nil {
			return err
		}
		below, is := base.holds(e.DN)
		for i := range others {
			if below {
				elsewhere, _ := others[i].holds(e.DN)
				below = !elsewhere
			}
		}
		if !below {
			continue
		}
		seen = seen || is
		if q.Scope == Base && !is || q.Scope == OneLevel && DepthDN(e.DN) != depth || !q.matches(e) {
			continue
		}
		// Nobody else has the entry.
		if e.Attrs = slices.DeleteFunc(e.Attrs, func(a Attribute) bool { return !q.wants(a.Name) }); len(e.Attrs) == 0 {
			e.Attrs = nil
		}
		if !yield(e, nil) || q.Scope == Base {
			return nil
		}
	}
	if !seen {
		return &NotFoundError{DN: q.Base, Matched: c.matched(q.Base)}
	}
	return nil
}

// sweptObject is what the sweeps have of an object; nothing where it is not in them.
func (c *Capture) sweptObject(ctx context.Context, object subtree) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range c.stream(ctx, c.swept) {
			if _, same := object.holds(e.DN); err != nil || same {
				yield(e, err)
				return
			}
		}
	}
}

// sweepOf is a sweep that has what is at and below a DNKey; nil when none has.
func (c *Capture) sweepOf(base string) *sweep {
	for i, s := range c.sweeps {
		if keyIsBelow(base, s.base) && c.context(base) == c.context(s.base) {
			return &c.sweeps[i]
		}
	}
	return nil
}

// context is the naming context that key is in.
func (c *Capture) context(key string) string {
	for _, nc := range c.contexts {
		if keyIsBelow(key, nc.key) {
			return nc.key
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
		if q.wants(a.Name) {
			out.Attrs = append(out.Attrs, a)
		}
	}
	return out
}

// wants says whether q asked for an attribute.
func (q *Query) wants(name string) bool {
	if q.Descriptor && strings.EqualFold(name, descriptorAttr) {
		return true
	}
	return slices.ContainsFunc(q.Attrs, func(asked string) bool { return strings.EqualFold(name, asked) })
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
	buffer := bufio.NewWriter(w)
	out := &countingWriter{w: buffer}
	_, err := r.write(context.Background(), out, nil, nil, nil)
	if err == nil {
		err = buffer.Flush()
	}
	return out.n, err
}

// WriteSweeps writes the capture, and behind it every object at and below each of the
// bases, with its descriptor and the attributes named: read from the recorded Reader and
// written as they come. It returns the number of those objects. A file that it did not
// finish is one that OpenCapture, or a query about the sweeps, refuses. progress, if not
// nil, is called with the number after each.
func (r *Recorder) WriteSweeps(ctx context.Context, w io.Writer, bases, attrs []string, progress func(objects int)) (int, error) {
	out := bufio.NewWriterSize(w, ldifBuffer)
	n, err := r.write(ctx, out, r.disjoint(bases), attrs, progress)
	if err == nil {
		err = out.Flush()
	}
	return n, err
}

func (r *Recorder) write(ctx context.Context, out io.Writer, bases, attrs []string, progress func(int)) (swept int, err error) {
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
		return 0, err
	}
	for _, key := range keys {
		if err := WriteLDIF(out, sorted(*r.entries[key])); err != nil {
			return 0, err
		}
	}
	if len(bases) > 0 {
		var names []byte
		for _, base := range bases {
			names = appendSweep(names, base, append(slices.Clone(attrs), descriptorAttr))
		}
		if _, err := fmt.Fprintf(out, "%s# %s: %d entries above\n\n", names, captureSweeps, len(keys)); err != nil {
			return 0, err
		}
	}
	for _, base := range bases {
		for e, err := range r.from.Read(ctx, Query{Base: base, Scope: Subtree, Attrs: attrs, Descriptor: true}) {
			if err != nil {
				return swept, err
			}
			if err := WriteLDIF(out, sorted(e)); err != nil {
				return swept, err
			}
			if swept++; progress != nil {
				progress(swept)
			}
		}
	}
	_, err = fmt.Fprintf(out, "# %s: %d entries\n", captureEnd, len(keys)+swept)
	return swept, err
}

// sorted is e with its attributes sorted by name.
func sorted(e Entry) Entry {
	e.Attrs = slices.Clone(e.Attrs)
	sort.Slice(e.Attrs, func(i, j int) bool {
		return strings.ToLower(e.Attrs[i].Name) < strings.ToLower(e.Attrs[j].Name)
	})
	return e
}

// disjoint are the bases but for those that another one has below it. A naming context
// is not in the one above it.
func (r *Recorder) disjoint(bases []string) []string {
	var contexts []string // DNKeys, longest first
	if root := r.entries[""]; root != nil {
		for _, nc := range root.Texts("namingContexts") {
			contexts = append(contexts, DNKey(nc))
		}
	}
	slices.SortFunc(contexts, func(a, b string) int { return len(b) - len(a) })
	in := func(key string) int {
		return slices.IndexFunc(contexts, func(nc string) bool { return keyIsBelow(key, nc) })
	}
	var out []string
	for i, base := range bases {
		key := DNKey(base)
		covered := false
		for k, other := range bases {
			above := DNKey(other)
			if keyIsBelow(key, above) && in(key) == in(above) && (key != above || k < i) {
				covered = true
			}
		}
		if !covered {
			out = append(out, base)
		}
	}
	return out
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

// All are the entries of the capture that are held, in the order of the file: all but the
// objects of sweeps, and what did not fit.
func (c *Capture) All() iter.Seq[Entry] { return slices.Values(c.entries) }
