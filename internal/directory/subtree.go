package directory

import "strings"

// subtree is a DN, to ask of many others whether they are at or below it. Working out
// keys would take most of the time of a sweep, and most DNs end in the one spelling that
// the server has for it.
type subtree struct {
	dn     string
	key    string // DNKey
	simple bool
	depth  int // RDNs
}

func newSubtree(dn string) subtree {
	return subtree{dn: dn, key: DNKey(dn), simple: isSimpleDN(dn), depth: DepthDN(dn)}
}

// holds says whether dn is at or below s, and whether it is s itself.
func (s *subtree) holds(dn string) (below, same bool) {
	if s.key == "" {
		return true, strings.TrimSpace(dn) == ""
	}
	if s.simple {
		if tail, sure := lastRDNs(dn, s.depth); sure {
			below = strings.EqualFold(tail, s.dn)
			return below, below && len(tail) == len(dn)
		}
	}
	key := DNKey(dn)
	return keyIsBelow(key, s.key), key == s.key
}

// lastRDNs are the last n RDNs of dn, or all it has. It is sure of them where nothing is
// escaped in them or right before them.
func lastRDNs(dn string, n int) (tail string, sure bool) {
	for end := len(dn); ; n-- {
		comma := strings.LastIndexByte(dn[:end], ',')
		switch {
		case comma < 0:
			return dn, isSimpleDN(dn)
		case n == 1:
			tail = dn[comma+1:]
			return tail, (comma == 0 || dn[comma-1] != '\\') && isSimpleDN(tail)
		}
		end = comma
	}
}

// isSimpleDN says whether the DNKey of dn is its text in lower case, but for what stands
// between RDNs: ASCII without escapes, and without blanks where they do not count.
func isSimpleDN(dn string) bool {
	before := byte(',')
	for i := range len(dn) {
		c := dn[i]
		switch {
		case c < ' ' || c > '~' || c == '\\':
			return false
		case c == ' ' && (before == ',' || before == '='):
			return false
		case before == ' ' && (c == ',' || c == '='):
			return false
		}
		before = c
	}
	return before != ' '
}
