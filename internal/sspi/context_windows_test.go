package sspi

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// https://learn.microsoft.com/windows/win32/api/sspi/ns-sspi-sec_channel_bindings: eight
// numbers, of which the last two are the length and the place of the application data.
func TestChannelBindings(t *testing.T) {
	got := hex.EncodeToString(channelBindings([]byte("tls-server-end-point:x")))
	zeros := "000000000000000000000000000000000000000000000000"
	if want := zeros + "16000000" + "20000000" + hex.EncodeToString([]byte("tls-server-end-point:x")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRequirements(t *testing.T) {
	for _, tt := range []struct {
		name       string
		gss, wants uint32
	}{
		{"sealed: mutual, replay, sequence, confidentiality, integrity", 0x3e, 0x2 | 0x4 | 0x8 | 0x10 | 0x10000},
		{"bound to TLS inside SPNEGO: mutual only", 0x0e, 0x2},
		{"bound to TLS alone: its layers are signed", 0x2e, 0x2 | 0x4 | 0x8 | 0x10000},
	} {
		if got := requirements(tt.gss); got != tt.wants {
			t.Errorf("%s: got %#x, want %#x", tt.name, got, tt.wants)
		}
	}
}

func TestContextsThatAreLessThanWhatWasAskedFor(t *testing.T) {
	c := &Context{require: requirements(0x3e)}
	for _, tt := range []struct {
		name       string
		attributes uint32
	}{
		{"without mutual authentication", c.require &^ 0x2},
		{"without sealing", c.require &^ 0x10},
		{"without integrity", c.require &^ 0x10000},
		{"without sequence", c.require &^ 0x8},
		{"that lends the tickets", c.require | 0x1},
		{"of nobody", c.require | 0x40000},
	} {
		// Such a context is refused before anything is asked about it, so that there need be none.
		if err := c.check(tt.attributes); err == nil || errors.As(err, new(*Error)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestEnds(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	_, offset := now.Zone()
	local := windows.NsecToFiletime(now.Add(time.Duration(offset) * time.Second).UnixNano())
	if got := (&Context{expiry: local}).Ends(); !got.Equal(now) {
		t.Errorf("got %v, want %v", got, now)
	}
	for _, never := range []windows.Filetime{{}, {LowDateTime: 0xffffffff, HighDateTime: 0x7fffffff}} {
		if got := (&Context{expiry: never}).Ends(); !got.IsZero() {
			t.Errorf("%x: got %v", never, got)
		}
	}
}

func TestTokensTooShortForWine(t *testing.T) {
	l := new(wineLayout)
	l.overhead.Store(60)
	c := &Context{handles: new(handles)}
	for _, token := range [][]byte{nil, make([]byte, 15), {5, 4, 3, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {5, 4, 1, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if got, _, err := l.decrypt(c, token); err == nil {
			t.Errorf("% x: %x", token, got)
		}
	}
}
