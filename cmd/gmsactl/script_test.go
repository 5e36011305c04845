package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gmsactl/gmsactl/internal/foresttest"
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
			"exits":   exits,
			"without": without,
			"shorten": shorten,
			"forest":  forest,
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

// without REGEXP FROM TO copies a file but for the lines that match.
func without(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: without REGEXP FROM TO")
	}
	drop := regexp.MustCompile(args[0])
	var kept strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if !drop.MatchString(line) {
			kept.WriteString(line)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(kept.String()), 0o600))
}

// shorten FROM TO copies a file but for its last line.
func shorten(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shorten FROM TO")
	}
	text := ts.ReadFile(args[0])
	last := strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n')
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text[:last+1]), 0o600))
}

// forest writes parent.ldif and child.ldif, captures of the two domains of a forest.
func forest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: forest")
	}
	parent, child, err := foresttest.Forest()
	ts.Check(err)
	for name, entries := range map[string]foresttest.Entries{"parent.ldif": parent, "child.ldif": child} {
		var text bytes.Buffer
		ts.Check(entries.Write(&text))
		ts.Check(os.WriteFile(ts.MkAbs(name), text.Bytes(), 0o600))
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
