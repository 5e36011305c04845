package sddl

import (
	"fmt"
	"strings"
	"testing"
)

// samples are descriptors of the shapes and proportions that AD has, and of such that
// cost more than their size.
var samples = []struct {
	name        string
	least, most int // bytes
	text        string
}{
	{"6KB", 5800, 6200, "O:DAG:DAD:AI(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)(A;;LCRPLORC;;;AU)" +
		repeated(60, func(i int) string {
			return fmt.Sprintf("(OA;CIIO;RPWP;bf967a0%x-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;S-1-5-21-1000-2000-3000-%d)", i%16, 1105+i)
		}) +
		repeated(40, func(i int) string {
			return fmt.Sprintf("(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;S-1-5-21-1000-2000-3000-%d)", 2105+i)
		}) +
		"S:(AU;SA;WPWDWO;;;WD)(OU;CISA;WP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;bf967aa5-0de6-11d0-a285-00aa003049e2;WD)"},
	{"1.6KB", 1500, 1700, "O:DAG:DAD:AI(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;LCRPLORC;;;AU)(OA;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;PS)" +
		repeated(16, func(i int) string {
			return fmt.Sprintf("(OA;CIIOID;RP;4c16420%x-20c0-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;RU)", i%16)
		}) +
		"(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;EA)(A;CIID;LC;;;RU)(A;CIID;CCLCSWRPWPLOCRSDRCWDWO;;;BA)" +
		repeated(6, func(i int) string {
			return fmt.Sprintf("(OA;CIID;RPWPCR;91e647de-d96f-4b70-9557-d63ff4f3ccd%x;;S-1-5-21-1000-2000-3000-%d)", i, 1105+i)
		}) +
		"S:AI(OU;CIIOIDSA;WP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;bf967aa5-0de6-11d0-a285-00aa003049e2;WD)"},
	{"conditions", 2500, 3500, "O:BAG:SYD:" + repeated(12, func(i int) string {
		return fmt.Sprintf(`(XA;;FX;;;S-1-5-21-1000-2000-3000-%d;((@User.Project Any_of {"alpha %d", "beta", "gamma"} && @Device.Bitlocker == 1) || !(Member_of_any {SID(BA), SID(DA)}) && @Resource.Level <= 0x1f))`, 1105+i, i)
	})},
	{"claims", 1800, 2800, "O:BAG:SYD:(A;;FA;;;BA)S:AI" + repeated(12, func(i int) string {
		return fmt.Sprintf(`(RA;OICI;;;;WD;("Project_MS%d",TS,0x1,"alpha","beta %d"))(RA;;;;;WD;("Secrecy_MS%d",TU,0x3,%d))`, i, i, i, i)
	})},
}

func repeated(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
	}
	return b.String()
}

// bytesOf are the bytes that text becomes.
func bytesOf(tb testing.TB, text string) []byte {
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

func TestSamplesHaveTheSizeTheySay(t *testing.T) {
	for _, c := range samples {
		if n := len(bytesOf(t, c.text)); n < c.least || n > c.most {
			t.Errorf("%s: %d bytes, want %d to %d", c.name, n, c.least, c.most)
		}
	}
}

func TestAllocationsAreFewAndNotPerACE(t *testing.T) {
	for _, c := range samples[:2] {
		b := bytesOf(t, c.text)
		d, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		dst, text := make([]byte, 0, len(b)), make([]byte, 0, 4*len(b))
		for _, op := range []struct {
			name string
			most float64
			do   func()
		}{
			// The copy, the descriptor, and two for each ACL.
			{"Parse", 6, func() { Parse(b) }},
			{"Text", 5, func() { _ = d.Text(corp) }},
			{"AppendText", 0, func() { d.AppendText(text, corp) }},
			{"Append unmodified", 0, func() { d.Append(dst) }},
		} {
			if got := testing.AllocsPerRun(100, op.do); got > op.most {
				t.Errorf("%s of %s: %v allocations, want at most %v", op.name, c.name, got, op.most)
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	eachSample(b, func(b *testing.B, bytes []byte, _ *Descriptor) {
		for b.Loop() {
			if _, err := Parse(bytes); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendUnmodified(b *testing.B) {
	benchmarkAppend(b, func(d *Descriptor) *Descriptor { return d })
}

func BenchmarkAppendModified(b *testing.B) {
	benchmarkAppend(b, func(d *Descriptor) *Descriptor { return d.WithDACL(d.DACL) })
}

func benchmarkAppend(b *testing.B, change func(*Descriptor) *Descriptor) {
	eachSample(b, func(b *testing.B, _ []byte, d *Descriptor) {
		d = change(d)
		var dst []byte
		for b.Loop() {
			var err error
			if dst, err = d.Append(dst[:0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	eachSample(b, func(b *testing.B, _ []byte, d *Descriptor) {
		for b.Loop() {
			_ = d.Text(corp)
		}
	})
}

// BenchmarkTextToBytes reads what Windows prints and writes its bytes.
func BenchmarkTextToBytes(b *testing.B) {
	eachSample(b, func(b *testing.B, _ []byte, d *Descriptor) {
		text := d.Text(corp)
		var dst []byte
		for b.Loop() {
			d, err := ParseText(text, corp)
			if err != nil {
				b.Fatal(err)
			}
			if dst, err = d.Append(dst[:0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachSample(b *testing.B, run func(b *testing.B, bytes []byte, d *Descriptor)) {
	for _, c := range samples {
		bytes := bytesOf(b, c.text)
		d, err := Parse(bytes)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(bytes)))
			b.ReportAllocs()
			run(b, bytes, d)
		})
	}
}
