package waiver

import (
	"fmt"
	"slices"
	"strings"
)

func known(key string) bool { return slices.Contains(keys, key) }

// suggestion names the key that was meant, where one is near.
func suggestion(key string) string {
	best, least := "", 3
	for _, k := range keys {
		if d := distance(strings.ToLower(key), k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
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
