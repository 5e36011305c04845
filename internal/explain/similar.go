package explain

import (
	"slices"
	"strings"
)

// similar are the names that somebody may have mistyped as name, nearest first, three at
// most.
func similar(name string, names []string) []string {
	type near struct {
		name     string
		distance int
	}
	name = strings.ToLower(name)
	var list []near
	for _, n := range names {
		lower := strings.ToLower(n)
		d := distance(name, lower)
		// What somebody began to write counts too.
		if len(name) >= 4 && strings.HasPrefix(lower, name) {
			d = min(d, 2)
		}
		if d <= max(1, len(name)/4) {
			list = append(list, near{n, d})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, n := range list {
		if len(out) < 3 && !slices.Contains(out, n.name) {
			out = append(out, n.name)
		}
	}
	return out
}

// distance is how many letters must be inserted, dropped, changed or swapped with their
// neighbour to turn a into b.
func distance(a, b string) int {
	if d := len(a) - len(b); d > 8 || d < -8 {
		return 1 << 10
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
