package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A terminal gets no raw bytes, nothing that it would obey, and is not read where nothing
// was asked of it.
func TestSDDLOnATerminal(t *testing.T) {
	keyboard, screen := terminal(t)
	on := func(args ...string) (int, string) {
		var stderr bytes.Buffer
		a := &app{stdin: screen, stdout: screen, stderr: &stderr}
		return a.run(t.Context(), append([]string{"sddl"}, args...)), stderr.String()
	}
	code, stderr := on("encode", "-o", "raw", "D:")
	if code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	says(t, stderr, "error: -o raw would write bytes to the terminal")
	says(t, stderr, "hint: send standard output to a file or a pipe, or use -o base64 or -o hex")

	code, stderr = on("show")
	if code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	says(t, stderr, "error: no descriptor is given, and standard input is a terminal")

	if code, stderr = on("show", "-o", "sddl", "D:(XA;;RP;;;WD;(@User.x == \"\x1b]0;owned\x07\"))"); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := keyboard.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Log(err)
	}
	shown := make([]byte, 1000)
	n, err := keyboard.Read(shown)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(shown[:n]); strings.Contains(text, "\x1b") || !strings.Contains(text, `\x1b]0;owned`) {
		t.Errorf("the terminal gets %q", text)
	}
}
