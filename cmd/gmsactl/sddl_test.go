package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// What README.md and docs/sddl.md show is what the commands print.
func TestDocsShowRealDescriptors(t *testing.T) {
	for _, c := range []struct {
		file, prompt, end string
		stdin             string
		args              []string
		code              int
	}{
		{"../../README.md", "$ gmsactl sddl show '", "```", "", []string{"show"}, exitOK},
		{"../../docs/sddl.md", "    $ printf 'D:(A;;GA;;;SY)\\nD:(A;;GA;;;XX)\\n' | gmsactl sddl encode --lines -o hex\n", "\n\n", "D:(A;;GA;;;SY)\nD:(A;;GA;;;XX)\n", []string{"encode", "--lines", "-o", "hex"}, exitError},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		_, shown, found := strings.Cut(string(text), c.prompt)
		shown, _, closed := strings.Cut(shown, c.end)
		if !found || !closed {
			t.Fatalf("%s has no block that begins with %q", c.file, c.prompt)
		}
		args := append([]string{"sddl"}, c.args...)
		if strings.HasSuffix(c.prompt, "'") {
			var descriptor string
			descriptor, shown, _ = strings.Cut(shown, "'\n")
			args = append(args, descriptor)
		}
		var out bytes.Buffer
		a := &app{stdin: strings.NewReader(c.stdin), stdout: &out, stderr: &out}
		if code := a.run(t.Context(), args); code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.file, code, c.code)
		}
		shown = strings.TrimSuffix(strings.ReplaceAll("\n"+shown, "\n    ", "\n"), "\n")
		printed := strings.TrimSuffix(strings.ReplaceAll("\n"+out.String(), "\n    ", "\n"), "\n")
		if shown != printed {
			t.Errorf("%s shows:\n%s\nthe command prints:\n%s", c.file, shown, printed)
		}
	}
}

// The forms of input and output are completed, and the root's -o stays as it is.
func TestSDDLCompletion(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"show", "-o", ""}, "text\nsddl\nhex\nbase64\njson\n"},
		{[]string{"show", "--in", ""}, "auto\nsddl\nhex\nbase64\nraw\n"},
		{[]string{"encode", "--output", ""}, "base64\nhex\nraw\n"},
		{[]string{"diff", "-o", ""}, "text\njson\n"},
	} {
		var stdout, stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}
		if code := a.run(t.Context(), append([]string{"__complete", "sddl"}, c.args...)); code != exitOK || !strings.HasPrefix(stdout.String(), c.want) {
			t.Errorf("%v: exit code %d, %q, want %q", c.args, code, stdout.String(), c.want)
		}
	}
}
