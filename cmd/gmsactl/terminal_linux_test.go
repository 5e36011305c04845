package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// terminal is a pseudo-terminal: what a user types at keyboard, the command reads from
// screen.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// On a terminal the password and the confirmation are asked for; only yes is yes.
func TestPrompts(t *testing.T) {
	lab := labtest.Require(t)
	password, err := os.ReadFile(lab.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	ou := lab.CreateOU(t, "ask")
	gmsa := lab.CreateGMSA(t, "ask")
	dir := t.TempDir()
	ask := func(answer string, more ...string) (int, string) {
		keyboard, screen := terminal(t)
		var stdout, stderr bytes.Buffer
		a := &app{stdin: screen, stdout: &stdout, stderr: &stderr}
		if _, err := keyboard.WriteString(strings.TrimSpace(string(password)) + "\n" + answer + "\n"); err != nil {
			t.Fatal(err)
		}
		code := a.run(context.Background(), append([]string{"apply", "--account", gmsa.SAMAccountName, "--target", ou,
			"--dc", lab.DC, "--user", lab.User, "--backup", filepath.Join(dir, "backup.json")}, more...))
		if strings.Contains(stdout.String()+stderr.String(), strings.TrimSpace(string(password))) {
			t.Error("the password is in the output")
		}
		return code, stderr.String()
	}
	for _, answer := range []string{"y", "no", "", "YES"} {
		code, stderr := ask(answer)
		if code != exitError {
			t.Errorf("%q: exit code %d, want %d: %s", answer, code, exitError, stderr)
		}
		says(t, stderr, "Password of "+lab.User+": ")
		says(t, stderr, "not confirmed, so nothing was written")
	}
	// With JSON on standard output, what is asked about stands beside the question.
	if _, stderr := ask("no", "-o", "json"); !strings.Contains(stderr, "1 to change: 8 to add, 0 to remove.") {
		t.Errorf("asked about what was not shown: %s", stderr)
	}
	if code, stderr := ask("yes"); code != exitOK {
		t.Errorf("yes: exit code %d, want %d: %s", code, exitOK, stderr)
	}
}
