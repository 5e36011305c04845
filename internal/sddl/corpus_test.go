package sddl

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// addCorpus gives a fuzz test the inputs that earlier runs found to reach new code, one
// Go string literal a line; make corpora writes them.
func addCorpus(f *testing.F, add func(input string)) {
	b, err := os.ReadFile("testdata/corpus/" + f.Name() + ".txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		input, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			f.Fatalf("testdata/corpus/%s.txt: %q: %v", f.Name(), line, err)
		}
		add(input)
	}
}
