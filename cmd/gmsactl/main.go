// Half of the certificates that Samba 4.22 makes for itself have a negative
// serial number, with which they would not even parse. They are trusted by name only: see
// ldapx.TrustError.
//
//go:debug x509negativeserial=1

// Command gmsactl audits the Active Directory permissions of a service account and
// writes what is missing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
)

// The exit codes, a contract: gmsactl help exit-codes. 2 stays unused, for that is what
// a Go program that panics exits with.
const (
	exitOK          = 0
	exitError       = 1
	exitFindings    = 3
	exitPartly      = 4
	exitMutualAuth  = 5
	exitInterrupted = 130
)

func main() {
	forbidCoreFiles()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return (&app{stdin: stdin, stdout: stdout, stderr: stderr}).run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	defer a.logon.Close()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return a.finish(ctx, root.ExecuteContext(ctx))
}

// outcome is an error whose exit code is not 1. Without a cause it says nothing: what
// there is to say has been said.
type outcome struct {
	code  int
	cause error
}

func (o *outcome) Error() string {
	if o.cause == nil {
		return fmt.Sprintf("exit code %d", o.code)
	}
	return o.cause.Error()
}

func (o *outcome) Unwrap() error { return o.cause }

// findings is how a command ends that has done its work and found something.
func findings(clean bool) error {
	if clean {
		return nil
	}
	return &outcome{code: exitFindings}
}

// finish says what went wrong, if anything did, and turns it into an exit code.
func (a *app) finish(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitError
	end := (*outcome)(nil)
	switch {
	case errors.As(err, &end):
		code = end.code
		if end.cause == nil {
			return code
		}
	case isMutualAuth(err):
		code = exitMutualAuth
	case ctx.Err() != nil:
		code, err = exitInterrupted, errors.New("interrupted")
	}
	// A server's message or a name may hold what a terminal would obey.
	for _, text := range sentences(err) {
		fmt.Fprintf(a.stderr, "gmsactl: error: %s\n", report.Printable(text))
	}
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(a.stderr, "gmsactl: hint: %s\n", report.Printable(hint))
	}
	return code
}

// sentences are the sentences of an error: one, but for the mistakes of a policy, which are told all at once.
func sentences(err error) []string {
	list, several := err.(interface{ Unwrap() []error })
	if !several {
		return []string{oneLine(err.Error())}
	}
	var out []string
	for _, one := range list.Unwrap() {
		if mistake := (*policy.Error)(nil); !errors.As(one, &mistake) {
			return []string{oneLine(err.Error())}
		}
		out = append(out, sentences(one)...)
	}
	return out
}

// oneLine joins the lines of a message that other packages broke.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}
