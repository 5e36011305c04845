package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
)

func TestProgressLine(t *testing.T) {
	tests := []struct {
		name           string
		objects, total int
		since          time.Duration
		want           string
	}{
		{"nobody knows how many", 5000, 0, 2 * time.Second, "5000 objects, 2500 a second"},
		{"it is known how many", 5000, 20000, 2 * time.Second, "5000 of 20000 objects, 25%, 2500 a second, 6s left"},
		{"a long time", 1000, 1000000, time.Second, "1000 of 1000000 objects, 0%, 1000 a second, 16m39s left"},
		{"the end", 20000, 20000, 8 * time.Second, "20000 of 20000 objects, 100%, 2500 a second, 0s left"},
		{"more than there were to be", 20001, 20000, 8 * time.Second, "20001 objects, 2500 a second"},
		{"nothing yet", 0, 20000, time.Second, "0 objects, 0 a second"},
	}
	for _, tt := range tests {
		if got := progressLine(tt.objects, tt.total, tt.since); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// crowd is the demo forest with many more objects below it.
type crowd struct {
	directory.Reader
	objects int
}

func (c crowd) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if q.Scope != directory.Subtree || len(q.Any) > 0 {
		return c.Reader.Read(ctx, q)
	}
	return func(yield func(directory.Entry, error) bool) {
		head, err := directory.Collect(c.Reader.Read(ctx, directory.Query{Base: q.Base, Attrs: q.Attrs, Descriptor: true}))
		if err != nil || !yield(head[0], nil) {
			return
		}
		e := directory.Entry{Attrs: []directory.Attribute{{Name: "objectClass", Values: [][]byte{[]byte("top"), []byte("group")}},
			{Name: "nTSecurityDescriptor", Values: [][]byte{head[0].Value("nTSecurityDescriptor")}}}}
		for i := range c.objects {
			e.DN = fmt.Sprintf("CN=%d,%s", i, q.Base)
			if !yield(e, nil) {
				return
			}
		}
	}
}

// On a terminal a sweep says how far it is, where the capture says how many objects it has how
// much time is left, and leaves nothing behind.
func TestProgressOnATerminal(t *testing.T) {
	from, err := demo.Capture()
	if err != nil {
		t.Fatal(err)
	}
	const objects = 10_000
	r := crowd{from, objects}
	capture, err := audit.Collect(t.Context(), r, []string{"provAgentgMSA$"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bases, err := sweepBases(t.Context(), capture, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "crowd.ldif")
	if err := writeNew(path, func(w io.Writer) error {
		_, err := capture.WriteSweeps(t.Context(), w, bases, sweepAttrs(), nil)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	sweep := func(path string) string {
		keyboard, screen := terminal(t)
		shown := make(chan string, 1)
		go func() {
			var all bytes.Buffer
			b := make([]byte, 4096)
			for {
				n, err := keyboard.Read(b)
				all.Write(b[:n])
				if err != nil || bytes.HasSuffix(all.Bytes(), []byte("end")) {
					shown <- all.String()
					return
				}
			}
		}()
		var stdout bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: screen, progressEvery: time.Nanosecond}
		if code := a.run(t.Context(), []string{"audit", "provAgentgMSA$", "--from", path, "--reach", "--excess"}); code != exitFindings {
			t.Fatalf("exit code %d: %s", code, stdout.String())
		}
		fmt.Fprint(screen, "end")
		return <-shown
	}
	got := sweep(path)
	if !regexp.MustCompile(fmt.Sprintf(`^(\r\d+ of %d objects, \d+%%, \d+ a second, [\dmhs.]+ left\x1b\[K)+\r\x1b\[Kend$`, objects+1)).MatchString(got) {
		t.Errorf("got %q", got)
	}
	// Where the end of the file can only be read after the rest, nobody knows.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path+".gz", func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := sweep(path + ".gz"); !regexp.MustCompile(`^(\r\d+ objects, \d+ a second\x1b\[K)+\r\x1b\[Kend$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
}
