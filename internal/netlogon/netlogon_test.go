package netlogon

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

// Datagrams of Samba 4.22.11, as they came from the lab's domain controllers for corp.example.
const (
	fromFirst  = "308180020101647b04003077307504086e65746c6f676f6e31690467170000007dd301009afad583788ae04fae24e15f8a1abbfe04636f7270076578616d706c6500c018056463323035c01804434f52500005444332303500001744656661756c742d46697273742d536974652d4e616d6500064272616e63680005000000ffffffff300c02010165070a010004000400"
	fromSecond = "306b020101646604003062306004086e65746c6f676f6e3154045217000000fcd301009afad583788ae04fae24e15f8a1abbfe04636f7270076578616d706c6500c01806646332303562c01804434f525000064443323035420000064272616e636800c04005000000ffffffff300c02010165070a010004000400"
	fromRODC   = "306d020101646804003064306204086e65746c6f676f6e3156045417000000fcca01009afad583788ae04fae24e15f8a1abbfe04636f7270076578616d706c6500c01807726f6463323035c01804434f52500007524f44433230350000064272616e636800c04205000000ffffffff300c02010165070a010004000400"
	// Over IPv6, where no subnet has the client's address.
	fromNoSite = "3079020101647404003070306e04086e65746c6f676f6e31620460170000007dd301009afad583788ae04fae24e15f8a1abbfe04636f7270076578616d706c6500c018056463323035c01804434f52500005444332303500001744656661756c742d46697273742d536974652d4e616d65000005000000ffffffff300c02010165070a010004000400"
	// NtVer 0x1600001e... asked for the address as well.
	withAddress = "30819402010164818e040030818930818604086e65746c6f676f6e317a0478170000007dd301009afad583788ae04fae24e15f8a1abbfe04636f7270076578616d706c6500c018056463323035c01804434f52500005444332303500001744656661756c742d46697273742d536974652d4e616d6500064272616e63680010020000007f47cd0100000000000000000d000000ffffffff300c02010165070a010004000400"
	// NtVer 2: the form before DNS names came compressed into it.
	oldForm     = "307f020101647a04003076307404086e65746c6f676f6e3168046613005c005c00440043003200300035000000000043004f005200500000009afad583788ae04fae24e15f8a1abbfe0000000000000000000000000000000004636f7270076578616d706c6500c03e056463323035c03e01cd477f7dd3010003000000ffffffff300c02010165070a010004000400"
	otherDomain = "300c02010165070a010004000400"
)

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswersOfARealDomainController(t *testing.T) {
	const guid = "83d5fa9a-8a78-4fe0-ae24-e15f8a1abbfe"
	tests := []struct {
		name, answer string
		want         Response
		has, not     Flags
	}{
		{"the one with every role", fromFirst, Response{Host: "dc205.corp.example", Site: "Default-First-Site-Name", ClientSite: "Branch"}, PDC | GC | LDAP | KDC | Writable | Full, Closest | ReadOnly},
		{"one at the client's site", fromSecond, Response{Host: "dc205b.corp.example", Site: "Branch", ClientSite: "Branch"}, Closest | Writable, PDC | ReadOnly},
		{"a read-only one", fromRODC, Response{Host: "rodc205.corp.example", Site: "Branch", ClientSite: "Branch"}, Closest | ReadOnly, PDC | Writable | Full},
		{"to a client of no site", fromNoSite, Response{Host: "dc205.corp.example", Site: "Default-First-Site-Name"}, Writable, Closest},
		{"with the address in it", withAddress, Response{Host: "dc205.corp.example", Site: "Default-First-Site-Name", ClientSite: "Branch"}, Writable, ReadOnly},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAnswer(decode(t, tt.answer), 1)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Flags.Has(tt.has) || got.Flags&tt.not != 0 {
				t.Errorf("flags 0x%x, want 0x%x and not 0x%x", uint32(got.Flags), uint32(tt.has), uint32(tt.not))
			}
			want := tt.want
			want.Forest, want.Domain, want.Flags, want.DomainGUID = "corp.example", "corp.example", got.Flags, got.DomainGUID
			if *got != want || got.DomainGUID.String() != guid {
				t.Errorf("got %+v, want %+v and GUID %s", *got, want, guid)
			}
		})
	}
}

func TestAnswersThatSayNo(t *testing.T) {
	paused := bytes.Replace(decode(t, fromFirst), []byte{0x17, 0, 0, 0}, []byte{24, 0, 0, 0}, 1)
	noSuch := bytes.Replace(decode(t, otherDomain), []byte{0x0a, 1, 0}, []byte{0x0a, 1, 32}, 1)
	unknown := bytes.Replace(decode(t, fromFirst), []byte{0x17, 0, 0, 0}, []byte{99, 0, 0, 0}, 1)
	dotted := bytes.Replace(decode(t, fromFirst), []byte("dc205\xc0"), []byte("d.205\xc0"), 1)
	nowhere := bytes.Replace(decode(t, fromFirst), []byte("\x05dc205\xc0\x18"), []byte("\x00\x01a\x01a\x01a\x00"), 1)
	tests := []struct {
		name   string
		answer []byte
		want   string
	}{
		{"a domain controller of another domain", decode(t, otherDomain), ErrNotHosted.Error()},
		{"an older form", decode(t, oldForm), ErrOld.Error()},
		{"a paused one", paused, (&PausedError{}).Error()},
		{"a refusal", noSuch, "it refuses the question (LDAP result 20)"},
		{"a code of no form", unknown, "the answer has operation code 99"},
		{"a dot in a label", dotted, `the answer has the name "d.205.corp.example"`},
		{"no host", nowhere, "names no host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAnswer(tt.answer, 1)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v and %v, want %q", got, err, tt.want)
			}
		})
	}
	if _, err := ParseAnswer(decode(t, fromFirst), 2); !errors.Is(err, ErrNotOurs) {
		t.Errorf("the answer to another question: %v", err)
	}
}

func TestEveryPartOfAnAnswerWantsMore(t *testing.T) {
	for _, answer := range []string{fromFirst, withAddress, otherDomain} {
		b := decode(t, answer)
		for n := range b {
			if _, err := ParseAnswer(b[:n], 1); err != io.ErrUnexpectedEOF {
				t.Fatalf("the first %d bytes of %d: %v", n, len(b), err)
			}
		}
	}
}

func TestLengthsOfWindows(t *testing.T) {
	// The same messages with each length in four bytes.
	long := func(tag byte, content []byte) []byte {
		n := len(content)
		return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
	}
	value, _, err := next(decode(t, fromFirst), 0x30)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(value, []byte{0x17, 0, 0, 0})
	value = value[at:]
	attr := append(long(4, []byte("Netlogon")), long(0x31, long(4, value))...)
	entry := append([]byte{2, 1, 1}, long(0x64, append([]byte{4, 0}, long(0x30, long(0x30, attr))...))...)
	done := append([]byte{2, 1, 1}, long(0x65, []byte{0x0a, 1, 0, 4, 0, 4, 0})...)
	got, err := ParseAnswer(append(long(0x30, entry), long(0x30, done)...), 1)
	if err != nil || got.Host != "dc205.corp.example" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 5) + "\x00"
	tests := []struct {
		name string
		in   string
		at   int
		want string
		next int
		bad  bool
	}{
		{"labels", "\x04corp\x07example\x00.", 0, "corp.example", 14, false},
		{"the root", "\x00", 0, "", 1, false},
		{"a pointer behind a label", "\x04corp\x00\x02dc\xc0\x00", 6, "dc.corp", 11, false},
		{"a pointer to a pointer", "\x04corp\x00\xc0\x00\xc0\x06", 8, "corp", 10, false},
		{"a pointer to itself", "\xc0\x00", 0, "", 0, true},
		{"a pointer forward", "\xc0\x02\x01a\x00", 0, "", 0, true},
		{"two that point at each other", "\x01a\xc0\x04\x01b\xc0\x00", 4, "", 0, true},
		{"a loop through its own beginning", "\x01a\xc0\x00", 0, "", 0, true},
		{"half a pointer", "\x01a\xc0", 0, "", 0, true},
		{"a label that is cut short", "\x05ab", 0, "", 0, true},
		{"no end", "\x01a", 0, "", 0, true},
		{"a kind of label that does not exist", "\x41a\x00", 0, "", 0, true},
		{"more than a name may have", long, 0, "", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, next, _, err := name([]byte(tt.in), tt.at)
			if got != tt.want || next != tt.next || (err != nil) != tt.bad {
				t.Errorf("got %q, %d, %v; want %q, %d, error %v", got, next, err, tt.want, tt.next, tt.bad)
			}
		})
	}
}

// The question that the answers above were given to.
func TestRequest(t *testing.T) {
	const want = "304e020101634904000a01000a0100020100020100010100a02aa319" +
		"0409446e73446f6d61696e040c636f72702e6578616d706c65a30d04054e74566572040416000001300a04084e65746c6f676f6e"
	if got := hex.EncodeToString(Request(1, "corp.example")); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	for _, id := range []uint16{1, 0x7f, 0x80, 0x7fff, 0x8000, 0xffff} {
		body, _, err := next(Request(id, strings.Repeat("long.", 40)+"example"), 0x30)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := next(body, 0x02); err != nil || !isID(got, id) || got[0] >= 0x80 {
			t.Errorf("the ID 0x%x is % x, %v", id, got, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{fromFirst, fromSecond, fromRODC, fromNoSite, withAddress, oldForm, otherDomain} {
		f.Add(decode(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseAnswer(b, 1)
		if err != nil {
			if r != nil {
				t.Fatalf("both %+v and %v", r, err)
			}
			return
		}
		for _, name := range []string{r.Forest, r.Domain, r.Host, r.Site, r.ClientSite} {
			if len(name) > maxName || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Fatalf("the name %q", name)
			}
		}
		if r.Domain == "" || r.Host == "" {
			t.Fatalf("no names in %+v", r)
		}
		again, err := ParseAnswer(b, 1)
		if err != nil || *again != *r {
			t.Fatalf("read twice: %+v and %+v, %v", r, again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{fromFirst, withAddress, oldForm} {
		b := decode(f, s)
		f.Add(b[bytes.IndexByte(b, 0x31)+4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Parse(b); err == nil && (r.Domain == "" || r.Host == "") {
			t.Fatalf("no names in %+v", r)
		}
	})
}
