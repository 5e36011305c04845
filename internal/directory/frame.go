package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// The comment lines that frame a capture, so that a file cut short is not taken for a
// directory that holds less. Where it has sweeps, these are named behind the entries that
// were recorded one by one, with the number of those, and their objects come after that.
const (
	captureBegin  = "gmsactl capture, format 1"
	captureSweep  = "gmsactl sweep of "
	captureSweeps = "gmsactl sweeps begin"
	captureEnd    = "gmsactl capture ends"
)

// sweep is a subtree of which a capture has every object.
type sweep struct {
	base  string // DNKey
	attrs []string
}

// lacks are the attributes that q asks for and the sweep did not.
func (s *sweep) lacks(q Query) []string {
	attrs := slices.Clone(q.Attrs)
	if q.Descriptor {
		attrs = append(attrs, descriptorAttr)
	}
	for _, m := range q.Any {
		attrs = append(attrs, m.Attr)
	}
	return slices.DeleteFunc(attrs, func(name string) bool {
		return strings.EqualFold(name, "distinguishedName") ||
			slices.ContainsFunc(s.attrs, func(has string) bool { return strings.EqualFold(has, name) })
	})
}

// appendSweep appends the comment that names a sweep.
func appendSweep(b []byte, base string, attrs []string) []byte {
	return appendLDIFLine(b, "# "+captureSweep+strings.Join(attrs, ","), []byte(base))
}

func parseSweep(text string) (sweep, error) {
	attrs, base, err := parseLDIFLine(text)
	if err != nil {
		return sweep{}, err
	}
	return sweep{base: DNKey(string(base)), attrs: strings.Split(attrs, ",")}, nil
}

// frameReader reads the entries of a capture, and holds it to its frame.
type frameReader struct {
	ldif ldifReader
	read int // entries

	begun, ended bool
	count        int // of all entries, as the end says
	sweeps       []sweep
	inSweeps     bool
	above        int // entries before the sweeps, as their beginning says
	damaged      error
}

func newFrameReader(r io.Reader) *frameReader {
	f := &frameReader{ldif: ldifReader{r: r}}
	f.ldif.onComment = f.comment
	return f
}

func (f *frameReader) comment(text string) {
	switch {
	case text == captureBegin:
		f.begun = true
	case strings.HasPrefix(text, captureSweep):
		s, err := parseSweep(strings.TrimPrefix(text, captureSweep))
		if err == nil && (!f.begun || f.inSweeps) {
			err = errors.New("a sweep is named where none can be")
		}
		f.sweeps = append(f.sweeps, s)
		f.damaged = errors.Join(f.damaged, err)
	case strings.HasPrefix(text, captureSweeps):
		n, err := fmt.Sscanf(text, captureSweeps+": %d entries above", &f.above)
		if n != 1 || err != nil || f.inSweeps || len(f.sweeps) == 0 {
			f.damaged = errors.Join(f.damaged, errors.New("sweeps begin where none can"))
		}
		f.inSweeps = true
		if f.above != f.read {
			f.damaged = errors.Join(f.damaged, fmt.Errorf("the capture says it has %d entries up to here, there are %d", f.above, f.read))
		}
	default:
		if n, err := fmt.Sscanf(text, captureEnd+": %d entries", &f.count); n == 1 && err == nil {
			f.ended = true
		}
	}
}

// entry is the next entry; io.EOF at the end of a file that is whole.
func (f *frameReader) entry() (Entry, error) {
	e, err := f.ldif.entry()
	if f.damaged != nil {
		return Entry{}, fmt.Errorf("line %d: %w", f.ldif.start, f.damaged)
	}
	if err == nil {
		f.read++
		return e, nil
	}
	if !errors.Is(err, io.EOF) {
		return Entry{}, fmt.Errorf("line %d: %w", f.ldif.start, err)
	}
	switch {
	case f.begun && !f.ended:
		return Entry{}, errors.New("the capture was cut short: its last line is missing")
	case f.ended && !f.begun:
		return Entry{}, errors.New("the capture was cut: its first line is missing")
	case f.begun && f.count != f.read:
		return Entry{}, fmt.Errorf("the capture says it has %d entries, %d are here", f.count, f.read)
	case len(f.sweeps) > 0 && !f.inSweeps:
		return Entry{}, errors.New("the capture names sweeps that do not follow")
	}
	return Entry{}, io.EOF
}

// captureTail is a part of a capture that stays in its file, up to the end of it.
type captureTail struct {
	place
	entries int // how many come before it
}

// The entries that are read ahead, in two batches, are bounded in number and in bytes.
const (
	batchEntries = 256
	batchBytes   = 1 << 20
)

// stream reads the entries of the tail, and ahead of the loop over them.
func (c *Capture) stream(ctx context.Context, from *captureTail) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if from == nil { // sweeps that found nothing
			return
		}
		file, err := c.open()
		if err == nil {
			err = skip(file, from.offset)
		}
		if err != nil {
			yield(Entry{}, fmt.Errorf("read the capture again: %w", err))
			return
		}
		type batch struct {
			entries []Entry
			err     error
		}
		batches, left := make(chan batch, 1), make(chan struct{})
		defer func() {
			close(left)
			for range batches { // until nobody reads the file
			}
			file.Close()
		}()
		go func() {
			defer close(batches)
			f := newFrameReader(file)
			f.ldif.line, f.ldif.offset, f.read = from.above, from.offset, from.entries
			f.begun, f.inSweeps, f.sweeps = c.framed, from == c.swept, c.sweeps
			for more := true; more; {
				b := batch{entries: make([]Entry, 0, batchEntries)}
				begin := f.ldif.record.offset
				for len(b.entries) < batchEntries && f.ldif.record.offset-begin < batchBytes && b.err == nil {
					var e Entry
					if e, b.err = f.entry(); b.err != nil {
						break
					}
					if f.inSweeps && from == c.rest {
						b.err = io.EOF // the sweeps are another part
						break
					}
					b.entries = append(b.entries, e)
				}
				more = b.err == nil
				select {
				case batches <- b:
				case <-left:
					return
				}
			}
		}()
		for {
			var b batch
			select {
			case <-ctx.Done():
			case b = <-batches:
			}
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range b.entries {
				if !yield(e, nil) {
					return
				}
			}
			if b.err != nil {
				if !errors.Is(b.err, io.EOF) {
					yield(Entry{}, b.err)
				}
				return
			}
		}
	}
}

// skip passes over the first n bytes of a file.
func skip(file io.Reader, n int64) error {
	if s, ok := file.(io.Seeker); ok {
		_, err := s.Seek(n, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, file, n)
	return err
}
