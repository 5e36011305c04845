//go:build !windows

package main

import "os"

// obeysEscapes says whether a terminal obeys escape sequences: here all do that are not dumb.
func obeysEscapes(*os.File) bool { return true }
