package sddl

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// EncodeWide is the UTF-16 of text in little-endian bytes, as strings and names are
// stored in conditions and claims. What is not UTF-8 becomes U+FFFD.
func EncodeWide(text string) string {
	return string(appendWide(make([]byte, 0, 2*len(text)), text))
}

func appendWide(dst []byte, text string) []byte {
	var units [2]uint16
	for _, r := range text {
		for _, unit := range utf16.AppendRune(units[:0], r) {
			dst = binary.LittleEndian.AppendUint16(dst, unit)
		}
	}
	return dst
}

// DecodeWide is the text that wide, UTF-16 in little-endian bytes, says; false where it
// is not valid UTF-16, and what is not valid is U+FFFD then.
func DecodeWide(wide string) (string, bool) {
	var b strings.Builder
	b.Grow(len(wide) / 2)
	valid := len(wide)%2 == 0
	for i := 0; i+1 < len(wide); i += 2 {
		r := rune(le16(wide, i))
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if i+3 < len(wide) {
				low = rune(le16(wide, i+2))
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				valid = false
			} else {
				i += 2
			}
		}
		b.WriteRune(r)
	}
	return b.String(), valid
}
