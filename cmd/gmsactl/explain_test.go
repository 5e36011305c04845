package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// What README.md shows of explain is what the command prints.
func TestREADMEShowsARealExplanation(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const prompt = "$ gmsactl explain --from demo 'provAgentgMSA$' OU=Sales,OU=Sync,DC=corp,DC=example create:user\n"
	_, shown, found := strings.Cut(string(readme), prompt)
	shown, _, closed := strings.Cut(shown, "```")
	if !found || !closed {
		t.Fatalf("README.md has no block that begins with %q", prompt)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"explain", "--from", "demo", "provAgentgMSA$", "OU=Sales,OU=Sync,DC=corp,DC=example", "create:user"}, strings.NewReader(""), &stdout, &stderr); code != exitFindings {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if shown != stdout.String() {
		t.Errorf("README.md shows:\n%s\nthe command prints:\n%s", shown, stdout.String())
	}
}

const sales = "OU=Sales,OU=Sync,DC=corp,DC=example"

// A program can ask one question after another: each is answered before the next comes.
func TestExplainLinesAnswersEachAtOnce(t *testing.T) {
	in, questions := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan int)
	go func() {
		code := (&app{stdin: in, stdout: out, stderr: io.Discard}).run(t.Context(), []string{"explain", "--lines", "--from", "demo"})
		out.Close()
		done <- code
	}()
	lines := json.NewDecoder(answers)
	for _, right := range []string{"list", "nonsense", "create:user", "list"} {
		fmt.Fprintf(questions, "provAgentgMSA$\t%s\t%s\n", sales, right)
		var got struct{ Right, Error string }
		if err := lines.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.Right != right && (right != "nonsense" || got.Error == "") {
			t.Errorf("to %q: %+v", right, got)
		}
	}
	questions.Close()
	if code := <-done; code != exitError {
		t.Errorf("exit code %d, want %d: one was in error", code, exitError)
	}
}

// Interrupted while it waits for a question, it ends at once.
func TestExplainLinesInterrupted(t *testing.T) {
	in, questions := io.Pipe()
	defer questions.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- (&app{stdin: in, stdout: io.Discard, stderr: io.Discard}).run(ctx, []string{"explain", "--lines", "--from", "demo"})
	}()
	fmt.Fprintf(questions, "provAgentgMSA$\t%s\tlist\n", sales)
	interrupt()
	select {
	case code := <-done:
		if code != exitInterrupted {
			t.Errorf("exit code %d, want %d", code, exitInterrupted)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

// Lines that are no questions are answered with an error each, whatever is in them.
func TestExplainLinesMistakes(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"", "not 1 fields"},
		{"\t\t", "right \\\"\\\""},
		{"a\tb\tc\td", "not 4 fields"},
		{"provAgentgMSA$\tSales\tlist", "is not a DN"},
		{"provAgentgMSA$\tCN=\x1b[2J,DC=corp,DC=example\tlist", "no object CN="},
		{"\t" + sales + "\tlist", "the name is empty"},
		{"provAgentgMSA$\t" + sales + "\tread:\xff\xfe", "the schema has no attribute"},
		{strings.Repeat("x", longestQuestion+10), "the line is longer than"},
		{"provAgentgMSA$\t" + sales + "\tread:" + strings.Repeat("y", longestQuestion-200), "the schema has no attribute"},
	} {
		var stdout, stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(tt.line + "\nprovAgentgMSA$\t" + sales + "\tlist\r\n"), stdout: &stdout, stderr: &stderr}
		code := a.run(t.Context(), []string{"explain", "--lines", "--from", "demo"})
		first, rest, _ := strings.Cut(stdout.String(), "\n")
		if code != exitError || !strings.Contains(first, tt.want) || !strings.Contains(first, `"kind":"ExplanationError","line":1,`) || !json.Valid([]byte(first)) {
			t.Errorf("%.40q: exit code %d, %.300s", tt.line, code, first)
		}
		if !strings.Contains(rest, `"effect":"granted"`) {
			t.Errorf("%.40q: the next question is not answered: %s", tt.line, rest)
		}
		if strings.ContainsAny(stdout.String()+stderr.String(), "\x1b") {
			t.Errorf("%.40q: the answer drives the terminal", tt.line)
		}
	}
}
