package agenthost

import "testing"

func TestMemory(t *testing.T) {
	if got := Memory(); got < 64<<20 || got > 1<<50 {
		t.Errorf("this machine has %d bytes", got)
	}
}
