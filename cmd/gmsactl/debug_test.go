package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDebugIsPrintable(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{stderr: &stderr}
	if a.trace() != nil {
		t.Error("there is a trace that nobody asked for")
	}
	a.debug = true
	a.trace()("< search: message %s", "\x1b[2J\r\ngmsactl: debug: forged\x9b\xff")
	got := stderr.String()
	if bytes.ContainsAny([]byte(got[:len(got)-1]), "\x1b\r\n") || !strings.HasPrefix(got, "gmsactl: debug: ") || !strings.HasSuffix(got, `\x1b[2J\r\ngmsactl: debug: forged\x9b\xff`+"\n") {
		t.Errorf("got %q", got)
	}
}
