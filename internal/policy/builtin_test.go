package policy

import (
	"cmp"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

var update = flag.Bool("update", false, "rewrite the golden files and the page of the built-in policies; git diff reviews them")

// holder is the account that the built-in policies are tried with.
const holder = "S-1-5-21-1000-2000-3000-1105"

// examples are values for the parameters of built-in policies.
var examples = map[string]string{
	"guid": "5b2d6b5c-3c5a-4a0e-9f6e-2f6f0c8d1e77",
	"ou":   "OU=Autopilot,DC=corp,DC=example",
}

// loadBuiltin is a built-in policy with example values, and behind it those that it includes.
func loadBuiltin(t *testing.T, name string) []*Policy {
	t.Helper()
	p, err := Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for param := range p.Parameters {
		if examples[param] == "" {
			t.Fatalf("parameter %s of %s has no example", param, name)
		}
		values[param] = examples[param]
	}
	list, err := Load([]string{name}, values, func(file string) (*Policy, error) {
		return nil, fmt.Errorf("a built-in policy asks for the file %s", file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBuiltinPoliciesSayWhyAndWhere(t *testing.T) {
	for _, name := range BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			list := loadBuiltin(t, name)
			p := list[0]
			if p.Name != name {
				t.Errorf("it calls itself %s", p.Name)
			}
			if len(list) != 1+len(p.Include) {
				t.Errorf("it comes with %d others and includes %d", len(list)-1, len(p.Include))
			}
			ids := map[string]bool{}
			for i := range p.Rules {
				r := &p.Rules[i]
				if r.Why == "" || r.Source == "" {
					t.Errorf("rule %s: why %q, source %q", r.ID, r.Why, r.Source)
				}
				if ids[strings.ToLower(r.ID)] {
					t.Errorf("rule %s is there twice", r.ID)
				}
				ids[strings.ToLower(r.ID)] = true
			}
		})
	}
}

// granted are the entries that the account lacks where there are none, in SDDL.
func granted(s *directory.Schema, sid sddl.SID, reqs ...acl.Requirement) []string {
	var out []string
	for _, a := range acl.MissingACEs(&sddl.ACL{}, sid, reqs, s.PropertySetOf) {
		out = append(out, a.String())
	}
	return out
}

// What each rule comes to on a schema of Windows Server 2019, and what plan would grant for all of them.
func TestBuiltinACEs(t *testing.T) {
	s := demoSchema(t)
	sid, err := sddl.ParseSID(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			together := map[string][]acl.Requirement{}
			for i, p := range loadBuiltin(t, name) {
				reqs, err := p.Resolve(s)
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					fmt.Fprintf(&b, "includes %s\n", p.Name)
				}
				for k := range reqs {
					req := &reqs[k]
					where := cmp.Or(req.Rule.Aim().String(), "default target")
					if asked := req.Asked(); asked != nil && req.Rule.Severity != SeverityWarning {
						together[where] = append(together[where], asked[0])
					}
					if i > 0 {
						continue
					}
					fmt.Fprintf(&b, "%s -> %s\n", req.Rule.ID, where)
					switch {
					case req.NotApplicable != "":
						fmt.Fprintf(&b, "  not applicable: %s\n", req.NotApplicable)
					case req.Any == nil:
						fmt.Fprintf(&b, "  %s\n", req.Rule.Access())
						if req.Rule.DACL != nil {
							fmt.Fprintf(&b, "  %s\n", strings.Join(req.Rule.DACL.Entries, "\n  "))
						}
					}
					for n, one := range req.Any {
						if n > 0 {
							b.WriteString("  or\n")
						}
						fmt.Fprintf(&b, "  %s\n", strings.Join(granted(s, sid, one), "\n  "))
					}
				}
			}
			for _, where := range slices.Sorted(maps.Keys(together)) {
				fmt.Fprintf(&b, "together -> %s\n  %s\n", where, strings.Join(granted(s, sid, together[where]...), "\n  "))
			}
			compare(t, filepath.Join("testdata", "builtin", name+".golden"), b.String())
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "builtin", "*.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".golden"); !slices.Contains(BuiltinNames(), name) {
			t.Errorf("%s is of no built-in policy", file)
		}
	}
}

// compare holds a text to a file, or rewrites the file.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s; after a look, go test -update; got:\n%s", file, got)
	}
}

// Entries as bytes, encoded by hand from [MS-DTYP] 2.4.4.
func TestBuiltinACEsAsBytes(t *testing.T) {
	const sidBytes = "010500000000000515000000e8030000d0070000b80b000051040000"
	s := demoSchema(t)
	sid, err := sddl.ParseSID(holder)
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct{ policy, rule, ace string }{
		{"cloud-sync-custom-gmsa", "read-device", "050a380010000000020000008e7a96bfe60dd011a28500aa003049e2"},
		{"cloud-sync-custom-gmsa", "read-inetorgperson", "050a3800100000000200000014cc28483714bc459b07ad6f015e5f28"},
		{"cloud-sync-custom-gmsa", "read-computer", "050a38001000000002000000867a96bfe60dd011a28500aa003049e2"},
		{"cloud-sync-custom-gmsa", "read-foreignsecurityprincipal", "050a38001000000002000000121ce3893085d011afda00c04fd930c9"},
		{"cloud-sync-custom-gmsa", "full-control-group", "050a3800ff010f00020000009c7a96bfe60dd011a28500aa003049e2"},
		{"cloud-sync-custom-gmsa", "read-user", "050a38001000000002000000ba7a96bfe60dd011a28500aa003049e2"},
		{"cloud-sync-custom-gmsa", "read-contact", "050a38001000000002000000d01eb45c4c0ed011a28600aa003049e2"},
		{"cloud-sync-custom-gmsa", "create-delete-user", "050238000300000001000000ba7a96bfe60dd011a28500aa003049e2"},
		{"cloud-sync-basic-read", "get-changes", "050038000001000001000000aaf63111079cd111f79f00c04fc2dcd2"},
		{"cloud-sync-password-hash-sync", "get-changes", "050038000001000001000000aaf63111079cd111f79f00c04fc2dcd2"},
		{"cloud-sync-password-writeback", "reset-password", "050a48000001000003000000709529006d24d011a76800aa006e0529ba7a96bfe60dd011a28500aa003049e2"},
	}
	byPolicy := map[string]int{}
	for _, row := range rows {
		byPolicy[row.policy]++
		reqs, err := loadBuiltin(t, row.policy)[0].Resolve(s)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(reqs, func(r Requirement) bool { return r.Rule.ID == row.rule })
		if at < 0 || len(reqs[at].Any) != 1 {
			t.Errorf("%s has no rule %s with one permission", row.policy, row.rule)
			continue
		}
		var got []string
		for _, a := range acl.MissingACEs(&sddl.ACL{}, sid, reqs[at].Any, s.PropertySetOf) {
			got = append(got, hex.EncodeToString(a.Append(nil)))
		}
		if want := []string{row.ace + sidBytes}; !slices.Equal(got, want) {
			t.Errorf("%s/%s takes %q, want %q", row.policy, row.rule, got, want)
		}
	}
	if p := loadBuiltin(t, "cloud-sync-custom-gmsa")[0]; len(p.Rules) != byPolicy[p.Name] {
		t.Errorf("%d rules, want the %d published rows", len(p.Rules), byPolicy[p.Name])
	}
}

// The whole DACL that the account is to have, read as the audit reads it.
func TestBuiltinRestrictedDACL(t *testing.T) {
	p := loadBuiltin(t, "cloud-sync-restricted")[0]
	domain, err := sddl.ParseSID("S-1-5-21-1000-2000-3000")
	if err != nil {
		t.Fatal(err)
	}
	aliases := sddl.Aliases{Domain: domain, Forest: domain}
	rule := p.Rules[0].DACL
	text := "D:P" + strings.Join(rule.Entries, "")
	d, err := sddl.ParseText(text, aliases)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Text(aliases); got != text || !rule.Protected {
		t.Errorf("%s, protected %v, want %s", got, rule.Protected, text)
	}
	var got []string
	for _, a := range d.DACL.ACEs {
		got = append(got, hex.EncodeToString(a.Append(nil)))
	}
	if want := "000014009400020001010000000000050b000000"; !slices.Contains(got, want) {
		t.Errorf("%q without the generic read of Authenticated Users, %s", got, want)
	}
	if may, err := sddl.ParseText("O:"+rule.May[0], aliases); err != nil || may.Owner.String() != "S-1-5-10" || len(rule.May) != 1 {
		t.Errorf("besides %q, %v", rule.May, err)
	}
}

// generated is the line of the page below which this test writes.
const generated = "<!-- Below this line: written from policies/*.yaml by go test ./internal/policy -run TestBuiltinPage -update -->\n"

func TestBuiltinPage(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "builtin-policies.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(text), generated)
	if !ok {
		t.Fatalf("%s has no line %s", file, generated)
	}
	var b strings.Builder
	b.WriteString(head + generated)
	for _, name := range BuiltinNames() {
		p, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		section(&b, p)
	}
	compare(t, file, b.String())
}

// section is what the page says about one policy.
func section(b *strings.Builder, p *Policy) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\nSource: %s\n", p.Name, p.Title, p.Source)
	for i, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if i == 0 {
			b.WriteString("\n")
		}
		param := p.Parameters[name]
		fmt.Fprintf(b, "- parameter `%s` (%s): %s\n", name, cmp.Or(param.Kind, TextParameter), param.Description)
	}
	if p.Include != nil {
		b.WriteString("\nIncludes ")
		for i, name := range p.Include {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(b, "[%s](#%s)", name, name)
		}
		b.WriteString(".\n")
	}
	if p.Rules != nil {
		b.WriteString("\n| Rule | Access | Applies To | Target | Severity | Verification |\n|---|---|---|---|---|---|\n")
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		target := "default"
		if aim := r.Aim(); !aim.IsZero() {
			target = "`" + aim.String() + "`"
		}
		id := r.ID
		if r.Optional {
			id += " (optional)"
		}
		if r.When != nil {
			with := slices.Clone(r.When.Schema)
			if r.When.Exchange {
				with = append(with, "Exchange")
			}
			id += " (with " + strings.Join(with, ", ") + ")"
		}
		for _, cell := range []string{id, r.Access(), r.AppliesTo(), target, string(cmp.Or(r.Severity, SeverityError)), string(cmp.Or(r.Verification, p.Verification, Published))} {
			fmt.Fprintf(b, "| %s ", strings.ReplaceAll(cell, "|", `\|`))
		}
		b.WriteString("|\n")
	}
	for i, note := range p.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "- %s\n", note)
	}
}
