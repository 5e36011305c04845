// Package suggest finds the word that somebody meant who mistyped it.
package suggest

import (
	"fmt"
	"strings"
)

// Word is the one of words that is nearest to what was written, without regard to case; empty where none is near
// enough to be meant. Of two that are as near, it is the first.
func Word(written string, words []string) string {
	written = strings.ToLower(written)
	best, least := "", min(3, len(written)/2+1)
	for _, w := range words {
		// As far apart as this, the rest need not be looked at.
		if d := len(w) - len(written); d >= least || -d >= least {
			continue
		}
		if d := distance(written, strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	return best
}

// Meant is the end of an error about an unknown word: ` (did you mean "title"?)`, or nothing.
func Meant(written string, words []string) string {
	w := Word(written, words)
	if w == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", w)
}

// distance is the number of bytes to put in, leave out or replace to get from one to the
// other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
