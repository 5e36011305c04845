//go:build unix

package main

import "golang.org/x/sys/unix"

// forbidCoreFiles keeps passwords and keys out of core files.
func forbidCoreFiles() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}
