//go:build !windows

package agenthost

// Memory is how much this machine has, in bytes; 0 where it does not say.
func Memory() uint64 { return 0 }
