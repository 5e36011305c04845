//go:build race

package plan

// rounds of random cases: the race detector has nothing to find in one goroutine, and
// makes it five times slower.
const rounds = 1
