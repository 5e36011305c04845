package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// readAll reads the records of an LDIF stream.
func readAll(r io.Reader) ([]Entry, error) {
	in := ldifReader{r: bufio.NewReader(r)}
	var out []Entry
	for {
		e, err := in.entry()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", in.start, err)
		}
		out = append(out, e)
	}
}

func readLDIF(t *testing.T, text string) []Entry {
	t.Helper()
	entries, err := readAll(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestReadLDIF(t *testing.T) {
	entry := func(dn string, attrs ...string) Entry {
		e := Entry{DN: dn}
		for i := 0; i < len(attrs); i += 2 {
			e.Attrs = append(e.Attrs, Attribute{attrs[i], [][]byte{[]byte(attrs[i+1])}})
		}
		return e
	}
	tests := []struct {
		name string
		text string
		want []Entry
	}{
		{"a folded line is one line", "dn: CN=a,\n DC=b\ncn: a\n", []Entry{entry("CN=a,DC=b", "cn", "a")}},
		{"base64 is decoded", "dn:: Q049YQ==\ncn:: YQ==\n", []Entry{entry("CN=a", "cn", "a")}},
		{"the rootDSE has an empty dn", "dn:\nx: 1\n", []Entry{entry("", "x", "1")}},
		{"what ldapsearch adds is left out", "# extended LDIF\n#\n\ndn: CN=a\ncn: a\n\n# search result\nsearch: 2\nresult: 0 Success\n\n# numEntries: 1\n", []Entry{entry("CN=a", "cn", "a")}},
		{"what ldifde adds is left out", "dn: CN=a\r\nchangetype: add\r\ncn: a\r\n\r\n", []Entry{entry("CN=a", "cn", "a")}},
		{"the version may stand right above", "version: 1\ndn: CN=a\ncn: a\n", []Entry{entry("CN=a", "cn", "a")}},
		{"a comment may be folded", "# dn: CN=b,\n DC=c\ndn: CN=a\n", []Entry{entry("CN=a")}},
		{"references are left out", "dn: CN=a\n\n# search reference\nref: ldap://x/DC=y\n\ndn: CN=b\n", []Entry{entry("CN=a"), entry("CN=b")}},
		{"the last line may lack its end", "dn: CN=a\ncn: a", []Entry{entry("CN=a", "cn", "a")}},
		{"nothing is nothing", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := readLDIF(t, tt.text); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadLDIFNamesTheLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no dn", "cn: a\n", `line 1: a record begins with "cn", want dn`},
		{"no colon", "dn: CN=a\n\ndn: CN=b\nnonsense\n", "line 4: want attribute: value"},
		{"bad base64", "dn: CN=a\ncn:: !!\n", "line 2: cn: illegal base64 data at input byte 0"},
		{"a URL", "dn: CN=a\nphoto:< file:///etc/shadow\n", "line 2: photo: a value by URL is not read"},
		{"a search that stopped at a limit", "dn: CN=a\n\nsearch: 2\nresult: 4 Size limit exceeded\n", "line 4: the search behind this file did not succeed: result: 4 Size limit exceeded"},
		{"two objects in one record", "dn: CN=a\ncn: a\ndn: CN=b\n", "line 3: a record has a second dn"},
		{"a change", "dn: CN=a\nchangetype: modify\n", `line 2: changetype "modify" is a change, not what a directory said`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func FuzzReadLDIF(f *testing.F) {
	f.Add([]byte("dn: CN=a,\n DC=b\ncn:: YQ==\ncn: b\n\ndn: CN=c\n"))
	f.Add([]byte("version: 1\n\ndn:\nnamingContexts: DC=a\n"))
	f.Add([]byte("dn: \x00\ncn:  b \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := readAll(bytes.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		for _, e := range entries {
			if err := WriteLDIF(&out, e); err != nil {
				t.Fatal(err)
			}
		}
		again, err := readAll(&out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(again) != len(entries) {
			t.Fatalf("%d records became %d", len(entries), len(again))
		}
		for i := range entries {
			if again[i].DN != entries[i].DN || len(again[i].Attrs) != len(entries[i].Attrs) {
				t.Fatalf("record %d: got %q, want %q", i, again[i], entries[i])
			}
			for k, a := range entries[i].Attrs {
				if b := again[i].Attrs[k]; a.Name != b.Name || len(a.Values) != len(b.Values) {
					t.Fatalf("record %d: got %q, want %q", i, b, a)
				}
				for v := range a.Values {
					if !bytes.Equal(a.Values[v], again[i].Attrs[k].Values[v]) {
						t.Fatalf("record %d: %s: got %q, want %q", i, a.Name, again[i].Attrs[k].Values[v], a.Values[v])
					}
				}
			}
		}
	})
}

const smallForest = `dn:
namingContexts: DC=corp
namingContexts: CN=Configuration,DC=corp

dn: DC=corp
objectClass: domainDNS
nTSecurityDescriptor:: AQ==

dn: CN=Users,DC=corp
objectClass: container
cn: Users

dn: CN=jo,CN=Users,DC=corp
objectClass: user
cn: jo
sAMAccountName: Jo

dn: CN=Configuration,DC=corp
objectClass: configuration
cn: Configuration

dn: CN=x,CN=Configuration,DC=corp
objectClass: user
cn: x
`

func TestCaptureAnswersAsAServer(t *testing.T) {
	c, err := ReadCapture(strings.NewReader(smallForest))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		q    Query
		want []string
	}{
		{"the base alone", Query{Base: "cn=users,dc=corp"}, []string{"CN=Users,DC=corp"}},
		{"the rootDSE", Query{}, []string{""}},
		{"one level", Query{Base: "DC=corp", Scope: OneLevel}, []string{"CN=Users,DC=corp"}},
		{"a subtree ends at the next naming context", Query{Base: "DC=corp", Scope: Subtree}, []string{"DC=corp", "CN=Users,DC=corp", "CN=jo,CN=Users,DC=corp"}},
		{"a value in another case", Query{Base: "DC=corp", Scope: Subtree, Any: []Match{{"samaccountname", "JO"}}}, []string{"CN=jo,CN=Users,DC=corp"}},
		{"any of several", Query{Base: "DC=corp", Scope: Subtree, Any: []Match{{"cn", "users"}, {"cn", "jo"}, {"cn", "x"}}}, []string{"CN=Users,DC=corp", "CN=jo,CN=Users,DC=corp"}},
		{"a DN in another spelling", Query{Base: "DC=corp", Scope: Subtree, Any: []Match{{"distinguishedName", "cn=JO, cn=users,dc=corp"}}}, []string{"CN=jo,CN=Users,DC=corp"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries, err := Collect(c.Read(context.Background(), tt.q))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				got = append(got, e.DN)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	t.Run("only what was asked for is answered", func(t *testing.T) {
		entries, err := Collect(c.Read(context.Background(), Query{Base: "DC=corp", Attrs: []string{"objectclass"}}))
		if err != nil {
			t.Fatal(err)
		}
		if e := entries[0]; e.Text("objectClass") != "domainDNS" || e.Value("nTSecurityDescriptor") != nil {
			t.Errorf("got %q", e)
		}
	})
	t.Run("a base that is not there is not found", func(t *testing.T) {
		_, err := Collect(c.Read(context.Background(), Query{Base: "CN=a,CN=b,CN=Users,DC=corp"}))
		gone := (*NotFoundError)(nil)
		if !errors.As(err, &gone) || gone.Matched != "CN=Users,DC=corp" {
			t.Errorf("got %v", err)
		}
	})
}

// byName puts attributes in an order, for they come in none.
func byName(entries []Entry) []Entry {
	for _, e := range entries {
		slices.SortFunc(e.Attrs, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	}
	return entries
}

func TestRecorderAnswersTheSameAgain(t *testing.T) {
	ctx := context.Background()
	c, err := ReadCapture(strings.NewReader(smallForest))
	if err != nil {
		t.Fatal(err)
	}
	rec := NewRecorder(c)
	queries := []Query{
		{Attrs: []string{"namingContexts"}},
		{Base: "DC=corp", Attrs: []string{"objectClass"}, Descriptor: true},
		{Base: "DC=corp", Scope: Subtree, Any: []Match{{"sAMAccountName", "jo"}}, Attrs: []string{"cn"}},
		{Base: "CN=Users,DC=corp", Scope: OneLevel, Any: []Match{{"cn", "nobody"}}},
	}
	var want [][]Entry
	for _, q := range queries {
		if _, err := Collect(rec.Read(ctx, q)); err != nil {
			t.Fatal(err)
		}
		entries, err := Collect(c.Read(ctx, q))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, entries)
	}
	var file bytes.Buffer
	if n, err := rec.WriteTo(&file); err != nil || n != int64(file.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, file.Len(), err)
	}
	whole := file.String()
	again, err := ReadCapture(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range queries {
		got, err := Collect(again.Read(ctx, q))
		if err != nil || !reflect.DeepEqual(byName(got), byName(want[i])) {
			t.Errorf("query %d: got %q, %v; want %q", i, got, err, want[i])
		}
	}

	for name, cut := range map[string]string{
		"its begin":      whole[strings.Index(whole, "version"):],
		"its end":        whole[:strings.LastIndex(whole, "#")],
		"its last entry": strings.Replace(whole, "dn: CN=jo,CN=Users,DC=corp\ncn: jo\nsAMAccountName: Jo\n", "", 1),
	} {
		if cut == whole {
			t.Fatalf("without %s: nothing was cut from %q", name, whole)
		}
		if _, err := ReadCapture(strings.NewReader(cut)); err == nil {
			t.Errorf("a capture without %s was read as whole", name)
		}
	}
}
