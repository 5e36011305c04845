package ldapx

import (
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Stage is how far a Dial came.
type Stage string

// The stages.
const (
	StageCredentials Stage = "read credentials"
	StageTicket      Stage = "get ticket"
	StageBind        Stage = "bind"
)

// BindError says at which stage no session came about. Inside are *krb5.Error,
// *krb5.ExpiredError, gss.ErrMutualAuth and others that say why.
type BindError struct {
	Stage Stage
	Err   error
}

func (e *BindError) Error() string { return string(e.Stage) + ": " + e.Err.Error() }

func (e *BindError) Unwrap() error { return e.Err }

// DialError says that the domain controller, or its KDC, cannot be reached.
type DialError struct {
	Address string
	Err     error
}

func (e *DialError) Error() string { return "connect to " + e.Address + ": " + e.Err.Error() }

func (e *DialError) Unwrap() error { return e.Err }

// ResultError is an LDAP result other than success: the server did not do what was asked.
// RFC 4511, 4.1.9.
type ResultError struct {
	Op      string // what was asked, as "read" or "write"
	DN      string
	Code    uint16
	Message string // the server's, for people
	Matched string // the longest part of DN that exists, where the server said it
}

func (e *ResultError) Error() string {
	what, ok := ldap.LDAPResultCodeMap[e.Code]
	if !ok {
		what = "result"
	}
	s := fmt.Sprintf("%s %s: %s (%d)", e.Op, name(e.DN), strings.ToLower(what), e.Code)
	if e.Code == ldap.LDAPResultReferral {
		s += ": this server is read-only or does not hold that naming context"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Refused says that the server answered, so that nothing of what was asked took effect.
func (e *ResultError) Refused() bool { return true }

// ConnectionError says that the connection ended before the answer came: whether the server
// did what was asked is not known.
type ConnectionError struct {
	Op  string
	DN  string
	Err error
}

func (e *ConnectionError) Error() string {
	return fmt.Sprintf("%s %s: no answer: %v", e.Op, name(e.DN), e.Err)
}

func (e *ConnectionError) Unwrap() error { return e.Err }

// maxDiagnostic is how much of a server's message is passed on, in bytes.
const maxDiagnostic = 1024

// text is the server's diagnostic message, which ends in a NUL on Windows.
func text(e *ldap.Error) string {
	if e.Err == nil {
		return ""
	}
	message := strings.TrimRight(e.Err.Error(), "\x00\r\n ")
	if len(message) > maxDiagnostic {
		message = message[:maxDiagnostic] + "..."
	}
	return message
}
