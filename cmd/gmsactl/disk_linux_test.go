package main

import (
	"syscall"
	"testing"
)

// smallDisk is a file system of one page, so that a backup does not fit.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("gmsactl-test", dir, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatalf("mount a small file system, as root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
