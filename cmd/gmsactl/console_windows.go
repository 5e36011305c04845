package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// obeysEscapes says whether a terminal obeys escape sequences, and asks it to: a console of
// Windows shows them as they are, unless it is told.
func obeysEscapes(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	return windows.GetConsoleMode(h, &mode) == nil &&
		windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
