package byhand

import (
	"slices"
	"strings"
	"testing"
)

func TestComments(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing is no line", " \n", nil},
		{"a line is one", "a/b is advice: Full control", []string{"rem a/b is advice: Full control"}},
		{"words are broken at the columns", strings.Repeat("words ", 16), []string{"rem" + strings.Repeat(" words", 12), "rem  " + strings.Repeat(" words", 4)}},
		{"a longer word is cut", strings.Repeat("x", 100), []string{"rem " + strings.Repeat("x", 76), "rem   " + strings.Repeat("x", 24)}},
		{"what a shell reads is not there", "a (b) & {c}; 'd' 100%", []string{"rem a [b] [c], d 100"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := DsaclsComment(c.text); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got, want := PowerShellComment("a (b) & 'c' ö"), []string{"# a (b) & 'c' ?"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Whoever wrote the policy must not run anything where its comments are pasted.
func TestHostileComments(t *testing.T) {
	for _, text := range []string{
		"a\ncalc", "a\r\ncalc", "a\u2028calc", "a\u0085calc", "a\x00calc", "a & calc", "a | calc", "a > file", "a < file", "a ^", "%PATH%", "!PATH!",
		"$(calc)", "(calc)", "@(calc)", "{calc}", "a; calc", "`n calc", "a \" & calc", "a 'calc", "a #> calc <# b", "\uff06 calc", "\u201c calc", "a\xffcalc", "\x1b[2J",
		strings.Repeat("a", 8191) + "calc", strings.Repeat("a ", 8191) + "calc", strings.Repeat("&", 200) + " calc", "/?",
	} {
		for mark, comment := range map[string]func(string) []string{"rem ": DsaclsComment, "# ": PowerShellComment} {
			for _, line := range comment(text) {
				if !strings.HasPrefix(line, mark) || len(line) > 80 || !isASCII(line) || strings.ContainsAny(line, "\r\n\x00\x1b") || strings.Contains(line, "#>") {
					t.Errorf("%.40q: %.100q", text, line)
				}
				if mark == "rem " && strings.ContainsAny(line, "&|<>^%!$@(){};`\"'#") {
					t.Errorf("%.40q: %.100q", text, line)
				}
			}
		}
	}
	if got := strings.Join(PowerShellComment(strings.Repeat("x", 500)), ""); strings.Count(got, "x") != 500 {
		t.Errorf("a long word has lost %d letters", 500-strings.Count(got, "x"))
	}
}
