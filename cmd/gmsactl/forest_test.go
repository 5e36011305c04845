package main

import "testing"

// A user without a domain is the first domain's: in another one it is another account, whose
// wrong passwords count.
func TestQualified(t *testing.T) {
	for _, tt := range []struct{ user, home, want string }{
		{"admin", "corp.example", "admin@corp.example"},
		{"admin@mail.example", "corp.example", "admin@mail.example"},
		{`CORP\admin`, "child.corp.example", `CORP\admin`},
		{"", "corp.example", ""},
		{"admin", "", "admin"},
	} {
		if got := qualified(tt.user, tt.home); got != tt.want {
			t.Errorf("%q at %q is %q, want %q", tt.user, tt.home, got, tt.want)
		}
	}
}
