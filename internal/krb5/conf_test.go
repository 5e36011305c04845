package krb5

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parseConf reads a krb5.conf of files in memory, the first of which is "".
func parseConf(files map[string]string) *Conf {
	p := confParser{
		read: func(path string) ([]byte, error) {
			text, ok := files[filepath.ToSlash(path)]
			if !ok {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		},
		list: func(dir string) ([]string, error) {
			var names []string
			for path := range files {
				if p := filepath.FromSlash(path); filepath.Dir(p) == filepath.FromSlash(dir) {
					names = append(names, filepath.Base(p))
				}
			}
			slices.Sort(names)
			return names, nil
		},
	}
	p.file("", 0)
	return &p.conf
}

func TestConf(t *testing.T) {
	const corp = "\n[realms]\nCORP.EXAMPLE = {\nkdc = dc1.corp.example\n}\n"
	tests := []struct {
		name string
		text string
		more map[string]string
		want string // default realm; KDCs of CORP.EXAMPLE; realm of dc1.corp.example
	}{
		{"empty", "", nil, "; ; "},
		{"all three", "[libdefaults]\n\tdefault_realm = CORP.EXAMPLE\n[realms]\n\tCORP.EXAMPLE = {\n\t\tkdc = dc1.corp.example\n\t\tkdc = dc2.corp.example:750\n\t}\n[domain_realm]\n\t.corp.example = CORP.EXAMPLE\n",
			nil, "CORP.EXAMPLE; dc1.corp.example:88 dc2.corp.example:750; CORP.EXAMPLE"},
		{"the line ends of Windows, and a byte order mark", "\ufeff[libdefaults]\r\ndefault_realm = R\r\n", nil, "R; ; "},
		{"comments", "# [libdefaults]\n;default_realm = X\n[libdefaults]\n # default_realm = Y\n default_realm = R\n", nil, "R; ; "},
		{"the first of two counts", "[libdefaults]\ndefault_realm = A\ndefault_realm = B\n", nil, "A; ; "},
		{"quotes", "[libdefaults]\ndefault_realm = \"A \\\"B\\\"\" trailing\n", nil, `A "B"; ; `},
		{"a relation outside all sections", "default_realm = A\n", nil, "; ; "},
		{"a section that is not closed", "[libdefaults\ndefault_realm = A\n[libdefaults]\ndefault_realm = B\n", nil, "B; ; "},
		{"realms without regard to case", "[realms]\ncorp.Example = {\nKDC = dc1\n}\n", nil, "; dc1:88; "},
		{"a section that comes twice", "[realms]\nCORP.EXAMPLE = {\nkdc = a\n}\n[libdefaults]\n[realms]\nCORP.EXAMPLE = {\nkdc = b\n}\n", nil, "; a:88 b:88; "},
		{"braces in braces", "[realms]\nCORP.EXAMPLE = {\nauth_to_local_names = {\nkdc = no\nx = {\ny = z\n}\n}\nkdc = yes\n}\n", nil, "; yes:88; "},
		{"a brace on the next line", "[realms]\nCORP.EXAMPLE =\n{\nkdc = a\n}\n", nil, "; a:88; "},
		{"a brace without a name", "[realms]\nCORP.EXAMPLE = {\n = {\nkdc = no\n}\nkdc = yes\n}\n", nil, "; yes:88; "},
		{"a brace too many", "[realms]\n}\n}\nCORP.EXAMPLE = {\nkdc = a\n}\n}\n", nil, "; a:88; "},
		{"a brace too few", "[realms]\nCORP.EXAMPLE = {\nkdc = a\n[libdefaults]\ndefault_realm = R\n", nil, "R; a:88; "},
		{"braces deeper than anyone has them", "[realms]\n" + strings.Repeat("a = {\n", 50) + "kdc = no\n" + strings.Repeat("}\n", 50) + corp, nil, "; dc1.corp.example:88; "},
		{"the stock file of a Red Hat system", "includedir /d\n[logging]\n default = FILE:/var/log/krb5libs.log\n[libdefaults]\n dns_lookup_realm = false\n dns_canonicalize_hostname = fallback\n pkinit_anchors = FILE:/etc/pki/tls/certs/ca-bundle.crt\n qualify_shortname = \"\"\n default_ccache_name = KEYRING:persistent:%{uid}\n default_realm = R\n",
			map[string]string{"/d/crypto-policies": "[libdefaults]\npermitted_enctypes = aes256-cts-hmac-sha1-96\n", "/d/kcm": "[libdefaults]\ndefault_realm = KCM\n"}, "KCM; ; "},
		{"an include in a section, which goes on after it", "[libdefaults]\ninclude /a\ndefault_realm = R\n", map[string]string{"/a": corp}, "R; dc1.corp.example:88; "},
		{"an include in braces", "[realms]\nCORP.EXAMPLE = {\ninclude /a\nkdc = x\n}\n", map[string]string{"/a": "[libdefaults]\ndefault_realm = A\n"}, "A; x:88; "},
		{"an included file that is not there", "include /b\ninclude\nincludedir\nincludedir /c\n[libdefaults]\ndefault_realm = R\n", nil, "R; ; "},
		{"an include with a tab and quotes", "include\t\"/a\"\n", map[string]string{"/a": "[libdefaults]\ndefault_realm = A\n"}, "A; ; "},
		{"a file that includes itself", "[libdefaults]\ninclude /a\n", map[string]string{"/a": "include /a\ninclude /a\n[libdefaults]\ndefault_realm = A\n"}, "A; ; "},
		{"the files of a folder that editors leave", "includedir /d\n", map[string]string{"/d/a~": corp, "/d/.b.conf": corp, "/d/c.rpmsave": corp, "/d/d.conf": "[libdefaults]\ndefault_realm = D\n"}, "D; ; "},
		{"a relation of the name include", "[libdefaults]\ninclude = x\ndefault_realm = R\n", nil, "R; ; "},
		{"a final relation", "[realms]\nCORP.EXAMPLE = {\nkdc* = a\nkdc = b\n}\n", nil, "; a:88; "},
		{"a final section", "[realms]*\nCORP.EXAMPLE = {\nkdc = a\n}\n[realms]\nCORP.EXAMPLE = {\nkdc = b\n}\n", nil, "; a:88; "},
		{"final braces", "[realms]\nCORP.EXAMPLE = {\nkdc = a\n}*\n[realms]\nCORP.EXAMPLE = {\nkdc = b\n}\n", nil, "; a:88; "},
		{"what is included comes after what is final", "[libdefaults]\ndefault_realm* = A\ninclude /a\n", map[string]string{"/a": "[libdefaults]\ndefault_realm = B\n"}, "A; ; "},
		{"KDCs in every form", "[realms]\nCORP.EXAMPLE = {\nkdc = a b:1\nkdc = tcp/c\nkdc = udp/d\nkdc = https://e/KdcProxy\nkdc = [2001:db8::1]:88\nkdc = 2001:db8::2\nkdc = [2001:db8::3]\nkdc = 192.0.2.1:750\nkdc = f:x\nkdc = :88\nkdc = g:\nkdc = a\nmaster_kdc = m\n}\n",
			nil, "; a:88 b:1 c:88 [2001:db8::1]:88 [2001:db8::2]:88 [2001:db8::3]:88 192.0.2.1:750 m:88; "},
		{"a host before its domain", "[domain_realm]\n.corp.example = A\nDC1.corp.example = B\n", nil, "; ; B"},
		{"the longest domain", "[domain_realm]\nexample = A\n.corp.example = B\n", nil, "; ; B"},
		{"a domain without its dot", "[domain_realm]\ncorp.example = B\n", nil, "; ; B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"": tt.text}
			for path, text := range tt.more {
				files[path] = text
			}
			c := parseConf(files)
			got := fmt.Sprintf("%s; %s; %s", c.first("libdefaults", "default_realm"), strings.Join(c.KDCs("CORP.EXAMPLE"), " "), c.Realm("dc1.corp.example."))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// KRB5_CONFIG lists files; the first that says something counts, and one that is not there or
// is no file is passed over.
func TestReadConf(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a", "[libdefaults]\ndefault_realm = A\n")
	b := write("b", "[libdefaults]\ndefault_realm = B\n[realms]\nB = {\nkdc = dc\n}\nincludedir "+dir+"/d\n")
	if err := os.Mkdir(dir+"/d", 0o700); err != nil {
		t.Fatal(err)
	}
	write("d/one.conf", "[realms]\nB = {\nkdc = dc2\n}\n")
	big := write("big", "[libdefaults]\ndefault_realm = BIG\n"+strings.Repeat("#", maxConfFile))
	list := strings.Join([]string{dir, dir + "/none", big, a, b, ""}, string(filepath.ListSeparator))
	t.Setenv("KRB5_CONFIG", list)
	c := ReadConf()
	if got := c.first("libdefaults", "default_realm"); got != "A" {
		t.Errorf("default realm %q", got)
	}
	if got := c.KDCs("b"); !slices.Equal(got, []string{"dc:88", "dc2:88"}) {
		t.Errorf("KDCs %q", got)
	}
}

// needNumber skips a test on systems whose users have no number to name a cache by.
func needNumber(t *testing.T) {
	t.Helper()
	if os.Getuid() < 0 {
		t.Skip("users have no number here")
	}
}

func TestDefaultCCacheName(t *testing.T) {
	needNumber(t)
	uid := fmt.Sprint(os.Getuid())
	for name, want := range map[string]string{
		"FILE:/tmp/krb5cc_%{uid}":   "FILE:/tmp/krb5cc_" + uid,
		"%{TEMP}/cc%{null}_%{euid}": os.TempDir() + "/cc_" + uid,
		"KEYRING:persistent:%{uid}": "KEYRING:persistent:" + uid,
		"KCM:":                      "KCM:",
		"FILE:%{nobody knows}":      "",
		"FILE:%{uid":                "",
	} {
		c := parseConf(map[string]string{"": "[libdefaults]\ndefault_ccache_name = " + name + "\n"})
		if got := c.DefaultCCache(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func FuzzConf(f *testing.F) {
	f.Add("[libdefaults]\ndefault_realm = R\ndefault_ccache_name = FILE:/tmp/cc_%{uid}\n[realms]*\nR = {\nkdc = tcp/a:88\nx = {\n}\n}*\n[domain_realm]\n.r = \"R\"\n")
	f.Add("include a\nincludedir b\n[realms]\nR =\n{\nkdc = [::1]:88 c\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseConf(map[string]string{"": text, "a": text, "b/c.conf": text})
		for _, r := range c.relations {
			if len(r.path) > maxConfNesting+1 || slices.Contains(r.path, "") && r.path[0] != "" {
				t.Fatalf("a relation of %q", r.path)
			}
			for _, kdc := range c.KDCs(r.path[min(1, len(r.path)-1)]) {
				if kdcAddress(kdc) != kdc {
					t.Fatalf("KDC %q becomes %q", kdc, kdcAddress(kdc))
				}
			}
			c.Realm(r.path[len(r.path)-1])
		}
		c.DefaultCCache()
	})
}
