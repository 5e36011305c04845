// Package sspi is the Kerberos of Windows: it makes the tokens of a security context for who
// is logged on, whose tickets and keys Windows keeps to itself. The package that is asked
// speaks Kerberos and nothing else, never NTLM, and a context is refused that is less than
// what was asked for. It sends nothing, and knows neither SPNEGO nor SASL. On other systems
// there is only the Error.
package sspi

import "fmt"

// Status is what a function of SSPI returned. [MS-ERREF] 2.1.1.
type Status uint32

// The statuses that callers choose a next step by.
const (
	TargetUnknown  Status = 0x80090303 // no such service, or none of the Kerberos package
	NotSupported   Status = 0x80090302
	LogonDenied    Status = 0x8009030C
	NoCredentials  Status = 0x8009030E // who is logged on has no tickets
	NoAuthority    Status = 0x80090311 // no domain controller of who is logged on answers
	WrongPrincipal Status = 0x80090322 // the service cannot read the ticket
	TimeSkew       Status = 0x80090324
	NoCommonEtype  Status = 0x80090342
	Downgrade      Status = 0x80090350 // no domain controller answers, or somebody is in between
)

// Error says what SSPI did not do, and why.
type Error struct {
	Op     string
	Status Status
	Text   string // in the words of Windows
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (%#08x)", e.Op, e.Text, uint32(e.Status))
}
