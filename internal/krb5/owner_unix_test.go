//go:build unix

package krb5

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The session key of a cache vouches for the server, so that a cache that anybody may have
// left is not taken unasked.
func TestReadOwnFile(t *testing.T) {
	file := func(mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "cc")
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if b, err := readOwnFile(file(0o600)); err != nil || string(b) != "x" {
		t.Errorf("one's own: %q, %v", b, err)
	}
	if _, err := readOwnFile(file(0o620)); err == nil || !strings.Contains(err.Error(), "may be written by others") {
		t.Errorf("one that a group may write: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file(0o600), link); err != nil {
		t.Fatal(err)
	}
	if _, err := readOwnFile(link); err == nil {
		t.Error("a link was followed")
	}
	if _, err := readOwnFile(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	if os.Geteuid() == 0 {
		path := file(0o600)
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := readOwnFile(path); err == nil || !strings.Contains(err.Error(), "belongs to somebody else") {
			t.Errorf("somebody else's: %v", err)
		}
	}
}
