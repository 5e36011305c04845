package directory

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, text := range []string{"20260102030405.0Z", "20260102030405Z", "20260102030405.123Z"} {
		if got, err := ParseTime(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "Z", "20260102030405", "20260102030405.0+0100", "2026010203Z", "20261302030405.0Z"} {
		if got, err := ParseTime(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestParseFileTime(t *testing.T) {
	if got, err := ParseFileTime("134117966450000000"); err != nil || !got.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("got %s, %v", got, err)
	}
	for _, text := range []string{"", "0", "-1", "x", "9223372036854775807", "9223372036854775808"} {
		if got, err := ParseFileTime(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}
