package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// captureFile is a capture that is read more than once: its sweeps stay in it.
type captureFile struct {
	file       *os.File
	temporary  string // the name of a copy, to be removed; empty: file is the capture itself
	size       int64
	modified   time.Time
	compressed bool
}

// openCaptureFile opens a capture. What can be read only once, a pipe for example, is
// copied to a file that nobody else may read and that is gone with the process.
func openCaptureFile(ctx context.Context, path string) (*captureFile, error) {
	// Opening a named pipe waits for who writes to it, and an interrupt does not end that.
	f, err := patiently(ctx, func() (*os.File, error) { return os.Open(path) })
	if err != nil {
		return nil, err
	}
	c := &captureFile{file: f}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory")
	}
	if err == nil && !info.Mode().IsRegular() {
		if err = c.copy(ctx); err == nil {
			info, err = c.file.Stat()
		}
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("read capture %s: %w", path, err)
	}
	c.size, c.modified = info.Size(), info.ModTime()
	magic := make([]byte, 2)
	n, _ := c.file.ReadAt(magic, 0)
	c.compressed = strings.HasSuffix(path, ".gz") || bytes.Equal(magic[:n], []byte{0x1f, 0x8b})
	return c, nil
}

// copy puts a copy of what is in the file in its place.
func (c *captureFile) copy(ctx context.Context) error {
	source := c.file
	copied, err := os.CreateTemp("", "gmsactl-capture-")
	if err != nil {
		return err
	}
	c.file, c.temporary = copied, copied.Name()
	// Where an open file may lose its name, nothing is left behind even if this is killed.
	if os.Remove(c.temporary) == nil {
		c.temporary = ""
	}
	_, err = patiently(ctx, func() (int64, error) {
		defer source.Close()
		return io.Copy(copied, source)
	})
	return err
}

// patiently waits for what may never end, or for the end of ctx.
func patiently[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := do()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (c *captureFile) close() {
	c.file.Close()
	if c.temporary != "" {
		os.Remove(c.temporary)
	}
}

var errCaptureChanged = errors.New("the file was changed while it was being used")

// open gives what is in the file, from its start.
func (c *captureFile) open() (io.ReadCloser, error) {
	info, err := c.file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != c.size || !info.ModTime().Equal(c.modified) {
		return nil, errCaptureChanged
	}
	section := io.NewSectionReader(c.file, 0, c.size)
	if !c.compressed {
		return uncompressed{section}, nil
	}
	zip, err := gzip.NewReader(bufio.NewReaderSize(section, 1<<16))
	if err != nil {
		return nil, err
	}
	return zip, nil
}

// uncompressed can go to where it is wanted. Closing it leaves the file open.
type uncompressed struct{ *io.SectionReader }

func (uncompressed) Close() error { return nil }
