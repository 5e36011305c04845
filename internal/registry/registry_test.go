package registry

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
)

const sample = `Windows Registry Editor Version 5.00

; what somebody wrote
[HKEY_LOCAL_MACHINE\SOFTWARE\A]
@="own"
"Text"="a \"b\" \\c" ; behind it
"Number"=dword:0000001F
"Bytes"=hex:01,02,\
  03,04
"Expand"=hex(2):25,00,41,00,25,00,00,00
"Long"=hex(b):01,00,00,00,00,00,00,00
"None"=hex(0):
"Gone"=-

[HKEY_LOCAL_MACHINE\SOFTWARE\A\Below]

[-HKEY_LOCAL_MACHINE\SOFTWARE\Dead]
`

func wide(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

func TestParseExport(t *testing.T) {
	for form, text := range map[string][]byte{
		"as text": []byte(sample), "with line ends of Windows": []byte(strings.ReplaceAll(sample, "\n", "\r\n")), "as regedit writes it": wide(strings.ReplaceAll(sample, "\n", "\r\n")),
		"with a mark of UTF-8": append([]byte{0xef, 0xbb, 0xbf}, sample...), "of an old regedit": []byte(strings.Replace(sample, header5, header4, 1)),
	} {
		t.Run(form, func(t *testing.T) {
			e, err := ParseExport(text)
			if err != nil {
				t.Fatal(err)
			}
			const a = `HKEY_LOCAL_MACHINE\SOFTWARE\A`
			for _, c := range []struct {
				key, name string
				want      Presence
				says      string
			}{
				{a, "", Present, "own"}, {a, "text", Present, `a "b" \c`}, {strings.ToUpper(a), "NUMBER", Present, "31"}, {a, "Bytes", Present, "4 bytes"},
				{a, "Expand", Present, "%A%"}, {a, "Long", Present, "1"}, {a, "None", Present, "0 bytes"}, {a, "Gone", Absent, ""}, {a, "never", Absent, ""},
				{a + `\Below`, "x", Absent, ""}, {a + `\Other\Deep`, "x", Absent, ""}, {`HKEY_LOCAL_MACHINE\SOFTWARE\AB`, "x", Unknown, ""},
				{`HKEY_LOCAL_MACHINE\SOFTWARE`, "x", Unknown, ""}, {`HKEY_LOCAL_MACHINE\SOFTWARE\Dead\Below`, "x", Absent, ""}, {`HKEY_LOCAL_MACHINE\SYSTEM`, "x", Unknown, ""},
			} {
				v, p, err := e.Value(c.key, c.name)
				if err != nil || p != c.want || p == Present && v.String() != c.says {
					t.Errorf("%s %s: %v, %d, %v; want %q, %d", c.key, c.name, v, p, err, c.says, c.want)
				}
			}
		})
	}
}

func TestParseExportRefuses(t *testing.T) {
	const key = header5 + "\n[HKEY_LOCAL_MACHINE\\A]\n"
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"nothing": {"", 1}, "another file": {"PK", 1}, "another version": {"Windows Registry Editor Version 6.00\n", 1}, "UTF-16 without its mark": {"W\x00i\x00", 1},
		"half a character": {"\xff\xfeW\x00i", 1}, "a value before any key": {header5 + "\n\"a\"=dword:1\n", 2}, "a key without its end": {header5 + "\n[HKEY_LOCAL_MACHINE\\A\n", 2},
		"a key of no hive": {header5 + "\n[SOFTWARE\\A]\n", 2}, "an empty key": {header5 + "\n[]\n", 2}, "a name without quotes": {key + "a=dword:1\n", 3}, "a name without its end": {key + "\"a=dword:1\n", 3},
		"no value": {key + "\"a\"\n", 3}, "an empty value": {key + "\"a\"=\n", 3}, "a text without its end": {key + "\"a\"=\"b\n", 3}, "a text that ends in the next value": {key + "\"a\"=\"b\n\"EnableScripts\"=dword:0\n", 3}, "something behind a text": {key + "\"a\"=\"b\" c\n", 3},
		"a number that is none": {key + "\"a\"=dword:xyz\n", 3}, "a number too large": {key + "\"a\"=dword:100000000\n", 3}, "bytes that are none": {key + "\"a\"=hex:0g\n", 3}, "half a byte": {key + "\"a\"=hex:012\n", 3},
		"a kind that is none": {key + "\"a\"=hex(zz):00\n", 3}, "an unknown kind": {key + "\"a\"=float:1\n", 3}, "a value of a deleted key": {header5 + "\n[-HKEY_LOCAL_MACHINE\\A]\n\"a\"=dword:1\n", 3},
		"an escape at the end": {key + "\"a\\", 3},
	} {
		_, err := ParseExport([]byte(c.text))
		var fault *Error
		if !errors.As(err, &fault) || fault.Line != c.line {
			t.Errorf("%s: %v, want line %d", name, err, c.line)
		}
	}
}

// A backslash at the end of a comment or text takes nothing from the next line, and a key that is
// deleted takes with it what was below it: else a value is not set, or set, that is the other.
func TestParseExportLosesAndKeepsNothing(t *testing.T) {
	const key = `HKEY_LOCAL_MACHINE\A`
	for name, c := range map[string]struct {
		text, key string
		want      Presence
	}{
		"a comment that ends in a backslash":                          {"[" + key + "]\n; C:\\\n\"x\"=dword:0\n", key, Present},
		"a comment behind a number that does":                         {"[" + key + "]\n\"y\"=dword:1 ; C:\\\n\"x\"=dword:0\n", key, Present},
		"a comment behind a text that does":                           {"[" + key + "]\n\"y\"=\";\\\"\" ; C:\\\n\"x\"=dword:0\n", key, Present},
		"bytes that go on, of a name with a semicolon":                {"[" + key + "]\n\"y;\"=hex:01,\\\n  02\n\"x\"=dword:0\n", key, Present},
		"a text over two lines, of which the second looks like a key": {"[" + key + "]\n\"y\"=\"one\n[HKEY_LOCAL_MACHINE\\B]\"\n\"x\"=dword:0\n", key, Present},
		"a text over two lines with a quote in it":                    {"[" + key + "]\n\"y\"=\"one \\\"\ntwo\" ; behind it\n\"x\"=dword:0\n", key, Present},
		"a key whose parent is deleted behind it":                     {"[" + key + "\\B]\n\"x\"=dword:1\n[-" + key + "]\n", key + `\B`, Absent},
		"a key whose parent is deleted and made again":                {"[" + key + "\\B]\n\"x\"=dword:1\n[-" + key + "]\n[" + key + "]\n", key + `\B`, Absent},
		"a key that is made behind its parent's deletion":             {"[-" + key + "]\n[" + key + "\\B]\n\"x\"=dword:1\n", key + `\B`, Present},
		"a key of which another's name that is deleted begins":        {"[" + key + "B]\n\"x\"=dword:1\n[-" + key + "]\n", key + "B", Present},
	} {
		e, err := ParseExport([]byte(header5 + "\n" + c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, p, _ := e.Value(c.key, "x"); p != c.want {
			t.Errorf("%s: %d, want %d", name, p, c.want)
		}
	}
}

// A number of another length is no number: what it says is not guessed.
func TestFromBytes(t *testing.T) {
	if v := FromBytes(DWord, []byte{1, 0, 0}); v.Kind != Binary || v.Number != 0 {
		t.Errorf("three bytes are %+v", v)
	}
	if v := FromBytes(Text, []byte{'a', 0, 0, 0, 'b', 0}); v.Text != "a" {
		t.Errorf("the text is %q", v.Text)
	}
}

func FuzzParseExport(f *testing.F) {
	f.Add([]byte(sample))
	f.Add(wide(sample))
	f.Add([]byte(header5 + "\n[HKEY_LOCAL_MACHINE\\A]\n\"a\"=hex:01,\\"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseExport(b)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || fault.Line < 1 {
				t.Errorf("%v", err)
			}
			return
		}
		for key, values := range e.keys {
			for name := range values {
				if _, p, err := e.Value(key, name); p != Present || err != nil {
					t.Errorf("%q %q: %d, %v", key, name, p, err)
				}
			}
		}
	})
}
