//go:build unix

package krb5

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// readOwnFile reads a file that belongs to this user or to root, that nobody else may
// write, and that is not a link to another.
func readOwnFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return nil, fmt.Errorf("%s is not a regular file of at most %d MiB", path, maxFile>>20)
	case !ok || owner.Uid != 0 && int64(owner.Uid) != int64(os.Geteuid()):
		return nil, fmt.Errorf("%s belongs to somebody else: name it with --ccache if it is meant", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s may be written by others: name it with --ccache if it is meant", path)
	}
	// In one buffer, for it holds keys and is zeroed.
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		clear(b)
		return nil, err
	}
	return b, nil
}
