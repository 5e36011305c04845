package directory

import (
	"strings"
	"testing"
)

func TestSameDN(t *testing.T) {
	tests := []struct {
		name string
		a, b string
		want bool
	}{
		{"case does not count", "CN=Users,DC=Corp,DC=Example", "cn=users,dc=corp,dc=example", true},
		{"blanks around separators do not count", "CN=Users, DC=corp , DC = example", "CN=Users,DC=corp,DC=example", true},
		{"an escaped comma is part of the value", `CN=Doe\, John,DC=corp`, "CN=Doe,CN=John,DC=corp", false},
		{"hex and backslash escapes say the same", `CN=Doe\2C John,DC=corp`, `CN=Doe\, John,DC=corp`, true},
		{"UTF-8 in hex is the character", `CN=J\C3\BCrgen,DC=corp`, "CN=Jürgen,DC=corp", true},
		{"an escaped blank at the end counts", `CN=a\ ,DC=corp`, "CN=a,DC=corp", false},
		{"a parent is not its child", "DC=corp,DC=example", "CN=Users,DC=corp,DC=example", false},
		{"the empty DN is only itself", "", "DC=corp", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SameDN(tt.a, tt.b); got != tt.want {
				t.Errorf("SameDN(%q, %q) = %v, want %v", tt.a, tt.b, got, tt.want)
			}
		})
	}
}

func TestIsBelow(t *testing.T) {
	tests := []struct {
		name     string
		dn, base string
		want     bool
	}{
		{"a child", "OU=a,DC=corp", "dc=corp", true},
		{"itself", "DC=corp", "DC=corp", true},
		{"the end of a name is not a parent", "OU=xDC=corp,DC=org", "DC=corp,DC=org", false},
		{"a value that ends like the base", `CN=a\,DC=corp`, "DC=corp", false},
		{"everything is below the root", "DC=corp", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := IsBelow(tt.dn, tt.base); got != tt.want {
				t.Errorf("IsBelow(%q, %q) = %v, want %v", tt.dn, tt.base, got, tt.want)
			}
		})
	}
}

func TestParentDN(t *testing.T) {
	for dn, want := range map[string]string{
		`CN=Doe\, John,OU=a, DC=corp`: "OU=a, DC=corp",
		"DC=corp":                     "",
		"":                            "",
		`CN=a\`:                       "",
	} {
		if got := ParentDN(dn); got != want {
			t.Errorf("ParentDN(%q) = %q, want %q", dn, got, want)
		}
	}
}

func TestDomainDNS(t *testing.T) {
	if got, want := DomainDNS("OU=x,DC=corp,dc=example"), "corp.example"; got != want {
		t.Errorf("DomainDNS = %q, want %q", got, want)
	}
}

func FuzzDNKey(f *testing.F) {
	for _, s := range []string{`CN=Doe\, J,DC=a`, `CN=\`, `=,=`, `CN=\4`, "", ",", `CN=a\ ,DC=b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		if !SameDN(dn, dn) || !IsBelow(dn, dn) {
			t.Errorf("%q is not itself", dn)
		}
		if parent := ParentDN(dn); parent != "" && DepthDN(parent) >= DepthDN(dn) {
			t.Errorf("parent of %q is %q, which is no shorter", dn, parent)
		}
	})
}

func TestSplitExtended(t *testing.T) {
	tests := []struct {
		name, text, sid, dn string
		ok                  bool
	}{
		{"a principal", "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>;<SID=S-1-5-32-544>;CN=a,DC=b", "S-1-5-32-544", "CN=a,DC=b", true},
		{"a contact has no SID", "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>;CN=a,DC=b", "", "CN=a,DC=b", true},
		{"a DN that is not extended", "CN=a,DC=b", "", "CN=a,DC=b", false},
		{"a DN with a semicolon", "CN=<SID=S-1-1-0>;x,DC=b", "", "CN=<SID=S-1-1-0>;x,DC=b", false},
		{"a GUID and no DN", "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>", "", "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>", false},
		{"a DN that looks extended behind one that is", "<SID=S-1-1-0>;CN=<SID=S-1-5-18>;x", "S-1-1-0", "CN=<SID=S-1-5-18>;x", true},
		{"nothing", "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sid, dn, ok := SplitExtended(tt.text)
			if sid != tt.sid || dn != tt.dn || ok != tt.ok || PlainDN(tt.text) != tt.dn {
				t.Errorf("got %q, %q, %v", sid, dn, ok)
			}
		})
	}
}

func FuzzSplitExtended(f *testing.F) {
	f.Add("<GUID=x>;<SID=S-1-1-0>;CN=a")
	f.Add("<;>;<>;")
	f.Fuzz(func(t *testing.T, text string) {
		_, dn, ok := SplitExtended(text)
		if !strings.HasSuffix(text, dn) || ok == (dn == text) {
			t.Fatalf("%q becomes %q, %v", text, dn, ok)
		}
	})
}
