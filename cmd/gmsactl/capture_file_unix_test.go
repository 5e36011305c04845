//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
)

const smallCapture = `# gmsactl capture, format 1
version: 1

dn:
namingContexts: DC=corp

# gmsactl sweep of objectClass,nTSecurityDescriptor: DC=corp
# gmsactl sweeps begin: 1 entries above

dn: DC=corp
objectClass: domainDNS

dn: CN=a,DC=corp
objectClass: user

# gmsactl capture ends: 3 entries
`

var smallSweep = directory.Query{Base: "DC=corp", Scope: directory.Subtree, Attrs: []string{"objectClass"}}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	if _, err := zip.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpenCaptureIsReadAgain(t *testing.T) {
	for name, content := range map[string][]byte{"plain.ldif": []byte(smallCapture), "small.ldif.gz": zipped(t, smallCapture), "zipped.ldif": zipped(t, smallCapture)} {
		for _, pipe := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), name)
			if pipe {
				t.Setenv("TMPDIR", t.TempDir())
				if err := syscall.Mkfifo(path, 0o600); err != nil {
					t.Fatal(err)
				}
				go os.WriteFile(path, content, 0o600)
			} else if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			r, done, err := openCapture(t.Context(), path)
			if err != nil {
				t.Fatalf("%s, pipe %t: %v", name, pipe, err)
			}
			for range 2 {
				if got, err := directory.Collect(r.Read(t.Context(), smallSweep)); err != nil || len(got) != 2 {
					t.Errorf("%s, pipe %t: %v, %v", name, pipe, got, err)
				}
			}
			done()
			if pipe {
				if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
					t.Errorf("%s: left behind: %v, %v", name, left, err)
				}
			}
		}
	}
}

func TestOpenCaptureNoticesAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.ldif")
	if err := os.WriteFile(path, []byte(smallCapture), 0o600); err != nil {
		t.Fatal(err)
	}
	r, done, err := openCapture(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := os.WriteFile(path, []byte(strings.Replace(smallCapture, "CN=a,", "CN=abc,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = directory.Collect(r.Read(t.Context(), smallSweep))
	named := (*captureError)(nil)
	if !errors.Is(err, errCaptureChanged) || !errors.As(err, &named) || named.path != path {
		t.Errorf("got %v", err)
	}
}

func TestOpenCaptureWaitsNoLongerThanWanted(t *testing.T) {
	silent := filepath.Join(t.TempDir(), "silent")
	half := filepath.Join(t.TempDir(), "half")
	for _, path := range []string{silent, half} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened := make(chan *os.File, 1)
	go func() {
		f, err := os.OpenFile(half, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(smallCapture[:50])
		}
		if err != nil {
			t.Error(err)
		}
		opened <- f
	}()
	for _, path := range []string{silent, half} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begun := time.Now()
		if _, _, err := openCapture(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", path, err)
		}
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("%s: ended after %v", path, d)
		}
		cancel()
	}
	(<-opened).Close()
	// Whoever still waits for the silent one is let go.
	if f, err := os.OpenFile(silent, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
}

func TestOpenCaptureOfADirectory(t *testing.T) {
	if _, _, err := openCapture(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "it is a directory") {
		t.Errorf("got %v", err)
	}
}

// A file that is cut while it is written does not stay.
func TestWriteNewLeavesNothingHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.ldif.gz")
	broken := errors.New("broken")
	if err := writeNew(path, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}
