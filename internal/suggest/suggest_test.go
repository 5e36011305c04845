package suggest

import "testing"

func TestWord(t *testing.T) {
	words := []string{"rights", "scope", "source", "why", "write-property", "read-property"}
	for _, c := range []struct{ written, want string }{
		{"right", "rights"},
		{"Scope", "scope"},
		{"suorce", "source"},
		{"write-propery", "write-property"},
		{"writ-property", "write-property"},
		{"wy", "why"},
		{"x", ""},
		{"", ""},
		{"everything", ""},
	} {
		if got := Word(c.written, words); got != c.want {
			t.Errorf("%q: got %q, want %q", c.written, got, c.want)
		}
	}
}

func TestMeant(t *testing.T) {
	if got := Meant("titel", []string{"title"}); got != ` (did you mean "title"?)` {
		t.Errorf("got %q", got)
	}
	if got := Meant("zzzzz", []string{"title"}); got != "" {
		t.Errorf("got %q for what nobody meant", got)
	}
}
