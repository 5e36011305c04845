package ldapx

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Who answers a bind has proven nothing, and must not be able to take more memory than it sends.
func TestAnswersBeforeTheProofTakeNoMoreMemoryThanTheyHave(t *testing.T) {
	nested := bytes.Repeat([]byte{0}, 200<<10)
	wrap := func(tag byte, b []byte) []byte {
		n := len(b)
		return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, b...)
	}
	nested = wrap(0x04, nested)
	for range 900 {
		nested = wrap(0x30, nested)
	}
	message := wrap(0x30, append([]byte{2, 1, 1}, wrap(0x61, append([]byte{10, 1, 0, 4, 0, 4, 0}, nested...))...))
	if len(message) > maxBindAnswer {
		t.Fatalf("%d bytes", len(message))
	}
	takes := func(what string, read func()) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read()
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 4*maxBindAnswer {
			t.Errorf("%s: %d bytes of memory for a message of %d", what, taken, len(message))
		}
	}
	takes("to bind", func() {
		if a, err := parseAnswer(message, 1, ldap.ApplicationBindResponse); err != nil || a.credentials != nil {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	takes("to tell of it", func() {
		if got := describeResult(message); got != "result 0 (success)" {
			t.Errorf("got %q", got)
		}
	})
}
