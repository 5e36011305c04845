package sddl

import (
	"fmt"
	"testing"
)

// large is a descriptor of about 6 KB, of the shapes and proportions that AD has.
func large(tb testing.TB) []byte {
	text := "O:DAG:DAD:AI(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)(A;;LCRPLORC;;;AU)"
	for i := range 60 {
		text += fmt.Sprintf("(OA;CIIO;RPWP;bf967a0%x-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-%d)", i%16, 1105+i)
	}
	for i := range 40 {
		text += fmt.Sprintf("(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;S-1-5-21-1000-2000-3000-%d)", 2105+i)
	}
	text += "S:(AU;SA;WPWDWO;;;WD)(OU;CISA;WP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;bf967aa5-0de6-11d0-a285-00aa003049e2;WD)"
	d, err := ParseText(text, corp)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := d.Append(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseAllocatesPerPartAndNotPerACE(t *testing.T) {
	b := large(t)
	if len(b) < 5800 || len(b) > 6200 {
		t.Errorf("%d bytes, want about 6000", len(b))
	}
	// The copy, the descriptor, and two for each ACL.
	if got := testing.AllocsPerRun(100, func() { Parse(b) }); got > 6 {
		t.Errorf("%v allocations, want at most 6", got)
	}
}

func BenchmarkParse(b *testing.B) {
	bytes := large(b)
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(bytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendUnmodified(b *testing.B) {
	benchmarkAppend(b, func(d *Descriptor) *Descriptor { return d })
}

func BenchmarkAppendModified(b *testing.B) {
	benchmarkAppend(b, func(d *Descriptor) *Descriptor { return d.WithDACL(d.DACL) })
}

func benchmarkAppend(b *testing.B, change func(*Descriptor) *Descriptor) {
	bytes := large(b)
	d, err := Parse(bytes)
	if err != nil {
		b.Fatal(err)
	}
	d = change(d)
	var dst []byte
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = d.Append(dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkText(b *testing.B) {
	bytes := large(b)
	d, err := Parse(bytes)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		_ = d.Text(corp)
	}
}

func BenchmarkParseText(b *testing.B) {
	bytes := large(b)
	d, err := Parse(bytes)
	if err != nil {
		b.Fatal(err)
	}
	text := d.Text(corp)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseText(text, corp); err != nil {
			b.Fatal(err)
		}
	}
}
