package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gmsactl": main})
}

// TestScripts runs the real command without a directory.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
	})
}

// exits CODE ARGS... runs gmsactl and holds it to its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	err := ts.Exec("gmsactl", args[1:]...)
	got := "0"
	if err != nil {
		got = err.Error()[len("exit status "):]
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// The audit in README.md is what the command prints.
func TestREADMEShowsARealAudit(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const prompt = "$ gmsactl audit --from demo 'provAgentgMSA$'\n"
	_, shown, found := strings.Cut(string(readme), prompt)
	shown, _, closed := strings.Cut(shown, "```")
	if !found || !closed {
		t.Fatalf("README.md has no block that begins with %q", prompt)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"audit", "--from", "demo", "provAgentgMSA$"}, strings.NewReader(""), &stdout, &stderr); code != exitFindings {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if shown != stdout.String() {
		t.Errorf("README.md shows:\n%s\nthe command prints:\n%s", shown, stdout.String())
	}
}
