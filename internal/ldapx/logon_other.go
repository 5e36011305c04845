//go:build !windows

package ldapx

// systemLogon is nil where no system keeps the tickets of who is logged on.
var systemLogon func(service string, flags uint32, binding []byte) (systemKerberos, error)
