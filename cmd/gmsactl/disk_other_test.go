//go:build !linux

package main

import "testing"

// smallDisk needs a tmpfs.
func smallDisk(t *testing.T) string {
	t.Helper()
	t.Skip("a full disk is tried on Linux only")
	return ""
}
