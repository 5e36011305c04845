//go:build !windows

package plan

import "os"

// create makes a new file that only its owner may read.
func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}
