package directory

import "strings"

// subtree is a DN, to ask of many others whether they are at or below it: most DNs are
// spelled in one way, and are compared without a key.
type subtree struct {
	dn     string
	key    string // DNKey
	simple bool
}

func newSubtree(dn string) subtree {
	return subtree{dn: dn, key: DNKey(dn), simple: isSimpleDN(dn)}
}

// holds says whether dn is at or below s.
func (s *subtree) holds(dn string) bool {
	if s.key == "" {
		return true
	}
	if s.simple && isSimpleDN(dn) {
		above := len(dn) - len(s.dn)
		return above >= 0 && strings.EqualFold(dn[above:], s.dn) && (above == 0 || dn[above-1] == ',')
	}
	return keyIsBelow(DNKey(dn), s.key)
}

// is says whether dn is another spelling of s.
func (s *subtree) is(dn string) bool {
	if s.simple && isSimpleDN(dn) {
		return strings.EqualFold(dn, s.dn)
	}
	return DNKey(dn) == s.key
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
