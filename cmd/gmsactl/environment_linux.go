package main

import (
	"bytes"
	"os"
	"strconv"
)

// forget zeroes a variable where the kernel put the environment: /proc shows it there for as
// long as the process lives, and unsetting the variable leaves it. Where that cannot be done
// it stays.
func forget(name string) {
	start, end, ok := environment()
	if !ok {
		return
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer memory.Close()
	b := make([]byte, end-start)
	defer clear(b)
	if _, err := memory.ReadAt(b, start); err != nil {
		return
	}
	at := 0
	for variable := range bytes.SplitAfterSeq(b, []byte{0}) {
		if bytes.HasPrefix(variable, []byte(name+"=")) {
			_, _ = memory.WriteAt(make([]byte, len(variable)), start+int64(at))
		}
		at += len(variable)
	}
}

// maxEnvironment bounds what is looked through; Linux allows 6 MiB.
const maxEnvironment = 16 << 20

// environment is where the environment begins and ends. proc(5), /proc/pid/stat, 50 and 51.
func environment() (start, end int64, ok bool) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, false
	}
	// The second field, the program's name, may have spaces and parentheses in it.
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if i < 0 || len(fields) < 49 {
		return 0, 0, false
	}
	start, err1 := strconv.ParseInt(string(fields[47]), 10, 64)
	end, err2 := strconv.ParseInt(string(fields[48]), 10, 64)
	return start, end, err1 == nil && err2 == nil && 0 < start && start < end && end-start < maxEnvironment
}
