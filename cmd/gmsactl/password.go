package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// maxPassword bounds a password, in bytes: AD takes 256 UTF-16 units.
const maxPassword = 1024

// password reads the password of --user: from the file, standard input, the environment
// or a prompt on the terminal, in this order.
func (a *app) password() ([]byte, error) {
	if a.kept != nil {
		return bytes.Clone(a.kept), nil
	}
	password, err := a.readPassword()
	if err == nil && a.connect.several() {
		a.kept = bytes.Clone(password)
	}
	return password, err
}

func (a *app) readPassword() ([]byte, error) {
	switch {
	case a.connect.passwordFile != "":
		f, err := os.Open(a.connect.passwordFile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return firstLine(f, "--password-file "+a.connect.passwordFile)
	case a.connect.passwordStdin:
		return firstLine(a.stdin, "--password-stdin")
	}
	if value := os.Getenv(passwordVariable); value != "" {
		password := []byte(value)
		os.Unsetenv(passwordVariable)
		forget(passwordVariable)
		return password, nil
	}
	tty, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return nil, errNoPassword
	}
	fmt.Fprintf(a.stderr, "Password of %s: ", a.connect.user)
	password, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(a.stderr)
	if err == nil && len(password) == 0 {
		err = errors.New("the password is empty")
	}
	return password, err
}

var errNoPassword = errors.New("no password is given, and there is no terminal to ask on")

// firstLine reads a password: the first line, without its end.
func firstLine(r io.Reader, what string) ([]byte, error) {
	// In one buffer, and no byte further: what is left elsewhere is not zeroed.
	b := make([]byte, 0, maxPassword)
	for {
		n, err := r.Read(b[len(b) : len(b)+1])
		b = b[:len(b)+n]
		switch {
		case n > 0 && b[len(b)-1] == '\n', errors.Is(err, io.EOF):
			line := bytes.TrimRight(b, "\r\n")
			if len(line) == 0 {
				return nil, fmt.Errorf("%s: the first line is empty", what)
			}
			return line, nil
		case err != nil:
			clear(b)
			return nil, fmt.Errorf("%s: %w", what, err)
		case len(b) == maxPassword:
			clear(b)
			return nil, fmt.Errorf("%s: the first line is longer than a password can be", what)
		}
	}
}
