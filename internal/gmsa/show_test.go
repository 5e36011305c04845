package gmsa

import (
	"encoding/binary"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// keyIDBytes is a key identifier as a domain controller writes it. [MS-GKDI] 2.2.4.
func keyIDBytes(l0, l1, l2 uint32, root sddl.GUID, domain, forest string) []byte {
	text := func(s string) []byte {
		var out []byte
		for _, u := range utf16.Encode([]rune(s + "\x00")) {
			out = binary.LittleEndian.AppendUint16(out, u)
		}
		return out
	}
	var b []byte
	for _, n := range []uint32{1, keyIDMagic, 2, l0, l1, l2} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = append(b, root[:]...)
	d, f := text(domain), text(forest)
	for _, n := range []int{0, len(d), len(f)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return append(append(b, d...), f...)
}

func TestParseKeyID(t *testing.T) {
	root := sddl.GUID{1, 2, 3}
	good := keyIDBytes(363, 17, 5, root, "corp.example", "corp.example")
	k, err := ParseKeyID(good)
	if err != nil || k.L0 != 363 || k.L1 != 17 || k.L2 != 5 || k.RootKey != root || k.Domain != "corp.example" || k.Forest != "corp.example" {
		t.Fatalf("got %+v, %v", k, err)
	}
	// The period of 1 January 2026, 00:00: 13411699200 s since 1601 are 372547.2 periods of ten hours.
	k = KeyID{L0: 363, L1: 26, L2: 3}
	if got := k.Start(); got.After(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || got.Before(time.Date(2025, 12, 31, 14, 0, 0, 0, time.UTC)) {
		t.Errorf("begins at %s", got)
	}
	edit := func(at int, v byte) []byte {
		b := append([]byte{}, good...)
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut in its header": good[:51], "cut in its names": good[:len(good)-1], "another version": edit(0, 2), "no magic": edit(4, 0),
		"an index beyond its end": edit(16, 32), "a length beyond its end": edit(47, 0xff), "another length beyond its end": edit(48, 0xff),
	} {
		if k, err := ParseKeyID(b); err == nil {
			t.Errorf("%s: got %+v", name, k)
		}
	}
}

func FuzzParseKeyID(f *testing.F) {
	f.Add(keyIDBytes(363, 17, 5, sddl.GUID{1}, "corp.example", "corp.example"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKeyID(b)
		if err != nil {
			return
		}
		if k.L1 > 31 || k.L2 > 31 || k.Start().Year() < 1601 {
			t.Errorf("%x: %+v begins at %s", b, k, k.Start())
		}
	})
}
