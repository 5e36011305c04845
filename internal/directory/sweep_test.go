package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"testing"
)

// sweptForest is a forest of n objects, and the capture of it with a sweep of what is
// below OU=a and OU=b, and of a few objects that were asked for one by one.
func sweptForest(t testing.TB, n int, bases ...string) (forest *Capture, file string) {
	t.Helper()
	var text strings.Builder
	text.WriteString(smallForest + "\n")
	for _, ou := range []string{"OU=a,DC=corp", "OU=b,DC=corp", "OU=x,OU=a,DC=corp", "OU=M\\C3\\BCller\\, Söhne,OU=b,DC=corp"} {
		if err := WriteLDIF(&text, Entry{DN: ou, Attrs: []Attribute{{"objectClass", [][]byte{[]byte("top"), []byte("organizationalUnit")}}, {descriptorAttr, [][]byte{{1}}}}}); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			e := Entry{DN: fmt.Sprintf("CN=u%d,%s", i, ou), Attrs: []Attribute{
				{"cn", [][]byte{fmt.Appendf(nil, "u%d", i)}},
				{"objectClass", [][]byte{[]byte("top"), []byte("user")}},
				{descriptorAttr, [][]byte{bytes.Repeat([]byte{byte(i), 0xff}, 100)}},
				{"objectSid", [][]byte{{byte(i), byte(i >> 8)}}},
			}}
			if err := WriteLDIF(&text, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	forest, err := ReadCapture(strings.NewReader("\n" + text.String()))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rec := NewRecorder(forest)
	for _, q := range []Query{
		{Attrs: []string{"namingContexts"}},
		{Base: "DC=corp", Attrs: []string{"objectClass"}},
		{Base: "OU=a,DC=corp", Attrs: []string{"objectClass", "cn"}},
		{Base: "DC=corp", Scope: Subtree, Any: []Match{{"sAMAccountName", "jo"}}, Attrs: []string{"cn"}},
	} {
		if _, err := Collect(rec.Read(ctx, q)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := rec.WriteSweeps(ctx, &out, bases, []string{"objectClass", "objectSid"}, nil); err != nil {
		t.Fatal(err)
	}
	return forest, out.String()
}

func sweepQuery(base string) Query {
	return Query{Base: base, Scope: Subtree, Attrs: []string{"objectClass", "objectSid"}, Descriptor: true}
}

// nothing is a Reader that shows no object.
type nothing struct{}

func (nothing) Read(context.Context, Query) iter.Seq2[Entry, error] {
	return func(func(Entry, error) bool) {}
}

func TestSweepThatFoundNothing(t *testing.T) {
	rec := NewRecorder(nothing{})
	if _, err := Collect(rec.Read(t.Context(), Query{})); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if n, err := rec.WriteSweeps(t.Context(), &file, []string{"OU=a"}, nil, nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	c, err := ReadCapture(&file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Collect(c.Read(t.Context(), Query{Base: "OU=a", Scope: Subtree, Descriptor: true}))
	if missing := (*NotFoundError)(nil); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

// onlyReader hides that a file can go to an offset, as a compressed one cannot.
type onlyReader struct{ io.Reader }

func (onlyReader) Close() error { return nil }

func TestSweepAnswersAsTheForestDoes(t *testing.T) {
	const n = 700 // more than two batches
	forest, text := sweptForest(t, n, "OU=b,DC=corp", "OU=a,DC=corp", "OU=x,OU=a,DC=corp", "ou=A, dc=corp", "CN=Configuration,DC=corp")
	seekable, err := ReadCapture(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := OpenCapture(func() (io.ReadCloser, error) { return onlyReader{strings.NewReader(text)}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if held := len(seekable.entries); held != 4 {
		t.Errorf("%d entries are held, want the four that were asked for", held)
	}
	if got := strings.Count(text, "\ndn: CN=u0,OU=x,OU=a,DC=corp\n"); got != 1 {
		t.Errorf("an object below two bases is in the file %d times", got)
	}
	for _, q := range []Query{
		sweepQuery("OU=a,DC=corp"),
		sweepQuery("OU=b,DC=corp"),
		sweepQuery("ou=A, dc=CORP"),
		sweepQuery("OU=x,OU=a,DC=corp"),
		sweepQuery(`OU=Müller\2C Söhne,OU=b,DC=corp`),
		sweepQuery("CN=Configuration,DC=corp"),
		{Base: "OU=a,DC=corp", Scope: OneLevel, Attrs: []string{"OBJECTCLASS"}},
		{Base: "OU=a,DC=corp", Scope: Subtree},
		{Base: "CN=u650,OU=x,OU=a,DC=corp", Attrs: []string{"objectSid"}, Descriptor: true},
		{Base: "CN=u650,OU=x,OU=a,DC=corp", Any: []Match{{"objectClass", "group"}}},
		{Base: "CN=u3,OU=b,DC=corp", Scope: Subtree, Attrs: []string{"objectSid"}},
	} {
		want, err := Collect(forest.Read(t.Context(), q))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]*Capture{"seekable": seekable, "not seekable": stream} {
			got, err := Collect(c.Read(t.Context(), q))
			if err != nil || !reflect.DeepEqual(byName(got), byName(want)) {
				t.Errorf("%s: %+v: %d objects, %v; want %d", name, q, len(got), err, len(want))
			}
		}
	}
}

func TestCaptureRefusesWhatNobodyAsked(t *testing.T) {
	_, text := sweptForest(t, 3, "OU=a,DC=corp")
	c, err := ReadCapture(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		q    Query
		want error
	}{
		{"every object above the sweep", sweepQuery("DC=corp"), &NotRecordedError{DN: "DC=corp"}},
		{"every object of one level above the sweep", Query{Base: "DC=corp", Scope: OneLevel}, &NotRecordedError{DN: "DC=corp"}},
		{"an attribute more", Query{Base: "OU=a,DC=corp", Scope: Subtree, Attrs: []string{"objectClass", "cn"}}, &NotRecordedError{DN: "OU=a,DC=corp", Attrs: []string{"cn"}}},
		{"an attribute more of one object", Query{Base: "CN=u1,OU=a,DC=corp", Attrs: []string{"cn"}}, &NotRecordedError{DN: "CN=u1,OU=a,DC=corp", Attrs: []string{"cn"}}},
		{"a filter below an object that nobody asked for", Query{Base: "OU=x,OU=a,DC=corp", Scope: Subtree, Any: []Match{{"objectClass", "user"}}}, &NotRecordedError{DN: "OU=x,OU=a,DC=corp"}},
		{"an object that is not there", Query{Base: "CN=u9,OU=a,DC=corp"}, &NotFoundError{DN: "CN=u9,OU=a,DC=corp", Matched: "OU=a,DC=corp"}},
		{"what is below an object that is not there", sweepQuery("CN=u9,OU=a,DC=corp"), &NotFoundError{DN: "CN=u9,OU=a,DC=corp", Matched: "OU=a,DC=corp"}},
		{"an object beside the sweep", Query{Base: "OU=b,DC=corp"}, &NotFoundError{DN: "OU=b,DC=corp", Matched: "DC=corp"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Collect(c.Read(t.Context(), tt.q))
			if !reflect.DeepEqual(err, tt.want) {
				t.Errorf("got %d objects, %v; want %v", len(got), err, tt.want)
			}
		})
	}
	// Of an object that was asked for without its descriptor, the sweep has it.
	one, err := Collect(c.Read(t.Context(), Query{Base: "OU=a,DC=corp", Attrs: []string{"objectClass"}, Descriptor: true}))
	if err != nil || len(one) != 1 || !bytes.Equal(one[0].Value(descriptorAttr), []byte{1}) || len(one[0].Texts("objectClass")) != 2 {
		t.Errorf("got %v, %v", one, err)
	}
	// What was asked for is answered from what was recorded, sweep or not.
	found, err := Collect(c.Read(t.Context(), Query{Base: "DC=corp", Scope: Subtree, Any: []Match{{"sAMAccountName", "jo"}}, Attrs: []string{"cn"}}))
	if err != nil || len(found) != 1 {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestSweepThatWasCutIsNotWhole(t *testing.T) {
	_, whole := sweptForest(t, 300, "OU=a,DC=corp")
	sweeps := strings.Index(whole, "# "+captureSweep)
	begin := strings.Index(whole, "# "+captureSweeps)
	record := strings.Index(whole, "dn: CN=u7,OU=a,DC=corp\n")
	next := record + strings.Index(whole[record:], "\n\n") + 2
	if sweeps < 0 || begin < 0 || record < begin {
		t.Fatal("the capture is not what this test is about")
	}
	tests := []struct {
		name, text string
		opens      bool // and only a query about the sweep is refused
	}{
		{"without its end", whole[:strings.LastIndex(whole, "#")], true},
		{"cut in a record", whole[:record+40], true},
		{"without an object", whole[:record] + whole[next:], true},
		{"with an object twice", whole[:next] + whole[record:], true},
		{"with a line that is none", whole[:next] + "nonsense\n\n" + whole[next:], true},
		{"with a sweep named late", whole[:next] + "# " + captureSweep + "objectClass: DC=corp\n\n" + whole[next:], true},
		{"without what comes before", strings.Replace(whole, "dn: CN=jo,CN=Users,DC=corp\ncn: jo\nsAMAccountName: Jo\n", "", 1), false},
		{"without its begin", whole[strings.Index(whole, "version"):], false},
		{"without the names of its sweeps", whole[:sweeps] + whole[begin:], false},
		{"without what is swept", whole[:begin], false},
		{"without the mark", whole[:begin] + whole[begin+strings.Index(whole[begin:], "\n")+1:], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.text == whole {
				t.Fatal("nothing was changed")
			}
			c, err := ReadCapture(strings.NewReader(tt.text))
			if !tt.opens {
				if err == nil {
					t.Fatal("it was read as whole")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Collect(c.Read(t.Context(), sweepQuery("OU=a,DC=corp"))); err == nil {
				t.Errorf("%d objects, and no error", len(got))
			}
			if _, err := Collect(c.Read(t.Context(), Query{Base: "OU=a,DC=corp", Attrs: []string{"cn"}})); err != nil {
				t.Errorf("what is whole is refused: %v", err)
			}
		})
	}
}

// A file that is too large to be held answers as one that is.
func TestCaptureThatIsNotHeld(t *testing.T) {
	forest, _ := sweptForest(t, 100)
	var text bytes.Buffer
	for e := range forest.All() {
		if err := WriteLDIF(&text, e); err != nil {
			t.Fatal(err)
		}
	}
	opened := 0
	c, err := openCapture(func() (io.ReadCloser, error) { opened++; return onlyReader{bytes.NewReader(text.Bytes())}, nil }, 2000)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.entries) > 10 || c.rest == nil {
		t.Fatalf("%d entries are held", len(c.entries))
	}
	for _, q := range []Query{
		{Attrs: []string{"namingContexts"}},
		sweepQuery("DC=corp"), sweepQuery("OU=b,DC=corp"), sweepQuery("CN=Configuration,DC=corp"),
		{Base: "DC=corp", Scope: OneLevel, Attrs: []string{"cn"}},
		{Base: "CN=u99,OU=b,DC=corp", Attrs: []string{"cn"}},
		{Base: "CN=jo,CN=Users,DC=corp", Attrs: []string{"cn"}},
		{Base: "DC=corp", Scope: Subtree, Any: []Match{{"cn", "U7"}, {"sAMAccountName", "jo"}}, Attrs: []string{"cn"}},
		{Base: "CN=nobody,DC=corp"},
		{Base: "CN=nobody,DC=corp", Scope: Subtree},
	} {
		want, wantErr := Collect(forest.Read(t.Context(), q))
		got, err := Collect(c.Read(t.Context(), q))
		if !reflect.DeepEqual(err, wantErr) || !reflect.DeepEqual(byName(got), byName(want)) {
			t.Errorf("%+v: %d objects, %v; want %d, %v", q, len(got), err, len(want), wantErr)
		}
	}
	if opened < 5 {
		t.Errorf("opened %d times", opened)
	}
}

func TestSweepMayBeLeftAndCancelled(t *testing.T) {
	_, text := sweptForest(t, 2000, "OU=a,DC=corp")
	closed := 0
	c, err := OpenCapture(func() (io.ReadCloser, error) { return &watched{strings.NewReader(text), &closed}, nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, err := range c.Read(t.Context(), sweepQuery("OU=a,DC=corp")) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range c.Read(ctx, sweepQuery("OU=a,DC=corp")) {
		if last = err; err != nil {
			break
		}
		if n++; n == 10 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || n > 2*batchEntries {
		t.Errorf("%d objects, %v", n, last)
	}
	if closed != 5 {
		t.Errorf("closed %d times, want after opening and after each of four", closed)
	}
}

type watched struct {
	*strings.Reader
	closed *int
}

func (w *watched) Close() error { *w.closed++; return nil }

func TestSubtreeIsWhatKeysSay(t *testing.T) {
	dns := []string{
		"", "DC=corp", "dc=CORP", "DC=corp ", "DC = corp", "OU=a,DC=corp", "OU=a, DC=corp", "ou=A,dc=corp", `OU=a\,DC=corp`, `OU=x\,OU=a,DC=corp`,
		`OU=x\\,OU=a,DC=corp`, "CN=x,OU=a,DC=corp", "CN=x,OU=aa,DC=corp", "CN=x,OU=b,DC=corp", "OU=Zürich,DC=corp", `OU=Z\C3\BCrich,DC=corp`,
		"CN=x,OU=ZÜRICH,DC=corp", `CN=x\ ,OU=a,DC=corp`, "CN=\u212Aa,OU=a,DC=corp", "OU=\u212A,DC=corp", "OU=k,DC=corp", "CN=x,OU=K,DC=corp", "OU=a", "a,DC=corp", ",DC=corp", `\,DC=corp`,
		`CN=x\2COU=a,DC=corp`, "CN=x ,OU=a,DC=corp", "CN= x,OU=a,DC=corp", "OU=a\x00,DC=corp",
	}
	for _, base := range dns {
		s := newSubtree(base)
		for _, dn := range dns {
			below, same := s.holds(dn)
			if below != IsBelow(dn, base) || same != SameDN(dn, base) {
				t.Errorf("%q in %q: below %t, same %t; want %t, %t", dn, base, below, same, IsBelow(dn, base), SameDN(dn, base))
			}
		}
	}
}

// What was asked for by itself and is not held comes before the sweeps, and not twice.
func TestSweptCaptureThatIsNotHeld(t *testing.T) {
	_, file := sweptForest(t, 3, "DC=corp")
	all, err := ReadCapture(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCapture(func() (io.ReadCloser, error) { return memory{bytes.NewReader([]byte(file))}, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.entries) > 2 || c.rest == nil || c.swept == nil {
		t.Fatalf("%d entries are held", len(c.entries))
	}
	for _, q := range []Query{
		{Base: "CN=jo,CN=Users,DC=corp", Attrs: []string{"cn", "sAMAccountName"}},
		{Base: "DC=corp", Scope: Subtree, Any: []Match{{"sAMAccountName", "jo"}}, Attrs: []string{"cn"}},
		{Base: "CN=u1,OU=a,DC=corp", Attrs: []string{"objectClass"}},
		{Base: "CN=nobody,DC=corp", Attrs: []string{"objectClass"}},
		sweepQuery("OU=a,DC=corp"), sweepQuery("DC=corp"),
	} {
		want, wantErr := Collect(all.Read(t.Context(), q))
		got, err := Collect(c.Read(t.Context(), q))
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(byName(got), byName(want)) {
			t.Errorf("%+v: %v, %v; want %v, %v", q, got, err, want, wantErr)
		}
	}
}

func TestSweptIsWhatTheEndSays(t *testing.T) {
	forest, file := sweptForest(t, 10, "OU=a,DC=corp", "OU=b,DC=corp")
	want := 0
	for _, base := range []string{"OU=a,DC=corp", "OU=b,DC=corp"} {
		got, err := Collect(forest.Read(t.Context(), sweepQuery(base)))
		if err != nil {
			t.Fatal(err)
		}
		want += len(got)
	}
	swept := func(text string, open func(string) io.ReadCloser, bases ...string) int {
		c, err := OpenCapture(func() (io.ReadCloser, error) { return open(text), nil })
		if err != nil {
			t.Fatal(err)
		}
		return c.Swept(bases)
	}
	seekable := func(text string) io.ReadCloser { return memory{bytes.NewReader([]byte(text))} }
	stream := func(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
	const huge = "9999999999999999999999999999"
	end := strings.LastIndex(file, ": ")
	tests := []struct {
		name string
		got  int
		want int
	}{
		{"all of its sweeps", swept(file, seekable, "OU=b,DC=corp", "ou=A, dc=corp"), want},
		{"one of them", swept(file, seekable, "OU=a,DC=corp"), 0},
		{"another one", swept(file, seekable, "OU=a,DC=corp", "OU=c,DC=corp"), 0},
		{"a file that is read from its start only", swept(file, stream, "OU=a,DC=corp", "OU=b,DC=corp"), 0},
		{"a number beyond all numbers", swept(file[:end]+": "+huge+" entries\n", seekable, "OU=a,DC=corp", "OU=b,DC=corp"), 0},
		{"no number", swept(file[:end]+"\n", seekable, "OU=a,DC=corp", "OU=b,DC=corp"), 0},
		{"less than before the sweeps", swept(file[:end]+": 1 entries\n", seekable, "OU=a,DC=corp", "OU=b,DC=corp"), 0},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %d objects, want %d", tt.name, tt.got, tt.want)
		}
	}
	if want < 20 {
		t.Errorf("%d objects", want)
	}
}
