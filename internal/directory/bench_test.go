package directory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
)

// many is a sweep of objects that share some descriptors of 3 KB.
type many struct{ objects, descriptors int }

func (m many) write(b *testing.B) []byte {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	descriptors := make([][]byte, m.descriptors)
	for i := range descriptors {
		descriptors[i] = make([]byte, 3000)
		for k := range descriptors[i] {
			descriptors[i][k] = byte(rng.Uint32())
		}
	}
	rec := NewRecorder(nothing{})
	if _, err := Collect(rec.Read(b.Context(), Query{})); err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := rec.WriteSweeps(b.Context(), &file, []string{"DC=corp"}, []string{"objectClass", "objectSid"}, nil); err != nil {
		b.Fatal(err)
	}
	// In the frame of a sweep that found nothing, with the number of what is put in.
	text := file.Bytes()
	end := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	out := append([]byte(nil), text[:end]...)
	var record bytes.Buffer
	for i := range m.objects {
		record.Reset()
		dn := "DC=corp"
		if i > 0 {
			dn = fmt.Sprintf("CN=Ada Lovelace %d,OU=Sales,OU=Berlin,DC=corp", i)
		}
		err := WriteLDIF(&record, Entry{DN: dn, Attrs: []Attribute{
			{descriptorAttr, [][]byte{descriptors[rng.IntN(m.descriptors)]}},
			{"objectClass", [][]byte{[]byte("top"), []byte("person"), []byte("organizationalPerson"), []byte("user")}},
			{"objectSid", [][]byte{fmt.Appendf(nil, "%028d", i)}},
		}})
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, record.Bytes()...)
	}
	return fmt.Appendf(out, "# %s: %d entries\n", captureEnd, m.objects+1)
}

func BenchmarkSweep(b *testing.B) {
	for _, m := range []many{{objects: 20000, descriptors: 100}, {objects: 20000, descriptors: 5000}, {objects: 20000, descriptors: 20000}} {
		b.Run(fmt.Sprintf("%d-descriptors", m.descriptors), func(b *testing.B) {
			text := m.write(b)
			c, err := ReadCapture(bytes.NewReader(text))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range c.Read(context.Background(), Query{Base: "DC=corp", Scope: Subtree, Attrs: []string{"objectClass", "objectSid"}, Descriptor: true}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != m.objects {
					b.Fatalf("%d objects", n)
				}
			}
			b.ReportMetric(float64(m.objects)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}
