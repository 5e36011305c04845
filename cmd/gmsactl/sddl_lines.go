package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"github.com/gmsactl/gmsactl/internal/describe"
	"github.com/gmsactl/gmsactl/internal/report"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// sddlLines turns each line of an input into one line of the answer.
func (a *app) sddlLines(ctx context.Context, in *input, f *sddlFlags, c describe.Context) error {
	if f.in == formRaw {
		return errors.New("--in raw: raw bytes are no lines")
	}
	r, done, err := in.open()
	if err != nil {
		return err
	}
	defer done()
	l := liner{workers: runtime.GOMAXPROCS(0), longest: maxText, convert: func() lineFunc { return convertLine(f, c, isTerminal(a.stdout)) }}
	lines, failed, err := l.run(ctx, r, a.stdout)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("line %d: %w", lines+1, err)
	case failed > 0:
		return fmt.Errorf("%d of %d lines (answered with !) are in error", failed, lines)
	}
	return nil
}

// convertLine is the conversion that the flags ask for, with buffers of its own; for a
// terminal, without what that might obey.
func convertLine(f *sddlFlags, c describe.Context, terminal bool) lineFunc {
	read := reading{in: f.in, lenient: f.lenient, aliases: c.Aliases}
	var scratch []byte
	return func(dst, line []byte) ([]byte, error) {
		// A file may begin with a byte order mark.
		d, _, err := read.descriptor(bytes.TrimPrefix(line, []byte("\ufeff")))
		if err != nil {
			return dst, err
		}
		if f.output == "json" {
			return appendJSON(dst, d, c)
		}
		start := len(dst)
		dst, err = appendForm(dst, d, f.output, c.Aliases, &scratch)
		if err == nil && f.output == formSDDL && bytes.ContainsAny(dst[start:], "\r\n") {
			err = errors.New("its SDDL has a line end in it, so that it is not one line; -o json can say it")
		}
		if err == nil && f.output == formSDDL && terminal {
			dst = append(dst[:start], report.Printable(string(dst[start:]))...)
		}
		return dst, err
	}
}

// appendJSON appends the description of a descriptor on one line, without the line end.
func appendJSON(dst []byte, d *sddl.Descriptor, c describe.Context) ([]byte, error) {
	shown, err := describe.New(d, c)
	if err != nil {
		return dst, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(shown); err != nil {
		return dst, err
	}
	return append(dst, report.EscapeJSON(bytes.TrimSuffix(out.Bytes(), []byte("\n")))...), nil
}

// lineFunc appends the answer to one line to dst.
type lineFunc func(dst, line []byte) ([]byte, error)

// liner converts lines on several processors and answers in their order, in constant
// memory. What has been read is answered before more is waited for, so that a program can
// ask line by line.
type liner struct {
	workers int
	longest int // of a line; one that is longer is a line in error
	convert func() lineFunc
}

// batch is some whole lines on their way from the input to the output.
type batch struct {
	lines   []byte
	tooLong bool // and after them one line that was not kept
	out     []byte
	count   int
	failed  int
	err     error         // why there is nothing to read after it
	done    chan struct{} // out is complete
}

const batchSize = 128 << 10

// run returns how many lines were answered, and how many of them were in error.
func (l *liner) run(ctx context.Context, r io.Reader, w io.Writer) (lines, failed int, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	inFlight := 2*l.workers + 1
	ordered := make(chan *batch, inFlight) // in the order of the input
	work := make(chan *batch, inFlight)
	free := make(chan *batch, inFlight)
	for range inFlight {
		free <- &batch{done: make(chan struct{}, 1)}
	}
	for range l.workers {
		go func() {
			convert := l.convert()
			for b := range work {
				b.answer(convert, l.longest)
				b.done <- struct{}{}
			}
		}()
	}
	// It may wait for input that never comes, and then ends with the process.
	go func() {
		defer close(work)
		l.read(ctx, r, free, func(b *batch) {
			ordered <- b // there is room for every batch
			work <- b
		})
	}()
	for {
		var b *batch
		select {
		case <-ctx.Done():
			return lines, failed, ctx.Err()
		case b = <-ordered:
		}
		<-b.done
		if _, err := w.Write(b.out); err != nil {
			return lines, failed, err
		}
		lines, failed = lines+b.count, failed+b.failed
		switch b.err {
		case nil:
			free <- b
		case io.EOF:
			return lines, failed, nil
		default:
			return lines, failed, b.err
		}
	}
}

// read cuts the input into batches. The last one has the error that ended it, io.EOF too.
func (l *liner) read(ctx context.Context, r io.Reader, free <-chan *batch, send func(*batch)) {
	var rest []byte // of a line whose end has not come
	skipping := false
	for {
		var b *batch
		select {
		case <-ctx.Done():
			return
		case b = <-free:
		}
		b.tooLong, b.err = false, nil
		buf := append(b.lines[:0], rest...)
		var err error
		for {
			if cap(buf)-len(buf) < batchSize/2 {
				buf = append(buf, make([]byte, max(batchSize, len(buf)))...)[:len(buf)]
			}
			var n int
			n, err = r.Read(buf[len(buf):cap(buf)])
			from := len(buf)
			buf = buf[:from+n]
			if skipping {
				end := bytes.IndexByte(buf, '\n')
				if end < 0 {
					buf = buf[:0]
				} else {
					buf, skipping = append(buf[:0], buf[end+1:]...), false
				}
				from = 0
			}
			if err != nil || bytes.IndexByte(buf[from:], '\n') >= 0 {
				break
			}
			if len(buf) > l.longest {
				buf, b.tooLong, skipping = buf[:0], true, true
				break
			}
		}
		end := bytes.LastIndexByte(buf, '\n') + 1
		if err != nil {
			end = len(buf) // the last line may have no end
		}
		rest = append(rest[:0], buf[end:]...)
		b.lines, b.err = buf[:end], err
		send(b)
		if err != nil {
			return
		}
	}
}

// answer converts the lines of a batch.
func (b *batch) answer(convert lineFunc, longest int) {
	b.out, b.count, b.failed = b.out[:0], 0, 0
	tooLong := fmt.Errorf("the line is longer than %d bytes", longest)
	for rest := b.lines; len(rest) > 0; {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		start := len(b.out)
		out, err := b.out, tooLong
		if len(line) <= longest {
			out, err = convert(b.out, line)
		}
		if err != nil {
			out = b.complain(out[:start], err)
		}
		b.out = append(out, '\n')
		b.count++
	}
	if b.tooLong {
		b.out = append(b.complain(b.out, tooLong), '\n')
		b.count++
	}
}

// complain appends the answer to a line in error: ! and the offset, a blank, and why.
func (b *batch) complain(dst []byte, err error) []byte {
	b.failed++
	offset, why := place(err)
	dst = strconv.AppendInt(append(dst, '!'), int64(offset), 10)
	return append(append(dst, ' '), report.Printable(oneLine(why))...)
}
