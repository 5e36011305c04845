package ldapx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/gss"
)

// Stage is how far a Dial came.
type Stage string

// The stages.
const (
	StageCredentials Stage = "read credentials"
	StageTicket      Stage = "get ticket"
	StageTLS         Stage = "TLS"
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
	s := fmt.Sprintf("%s %s: %s (%d)", e.Op, name(e.DN), codeName(e.Code), e.Code)
	if e.Op == "bind" {
		s = fmt.Sprintf("refused: %s (%d)", codeName(e.Code), e.Code)
	}
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

// Retryable says whether the same reading may succeed when it is begun anew, over another
// connection or with another domain controller: this one is gone, silent, or too busy, or an object went meanwhile. It does
// not where the reader gave up, where the server did not prove what it sent, where it does not
// speak LDAP, and where it refused. What was being written must be read before it is written again.
func Retryable(err error) bool {
	for _, never := range []error{context.Canceled, gss.ErrMutualAuth, gss.ErrIntegrity, errMalformed, errNotLDAP} {
		if errors.Is(err, never) {
			return false
		}
	}
	var (
		expired *TicketEndedError
		broken  *ConnectionError
		unreach *DialError
		bind    *BindError
		result  *ResultError
		other   *OtherServerError
	)
	switch {
	case errors.Is(err, errGone):
		return true
	case errors.As(err, &expired):
		return false
	case errors.As(err, &other):
		return true
	case errors.As(err, &result):
		return result.Code == CodeBusy || result.Code == CodeUnavailable
	case errors.As(err, &unreach):
		return true
	case errors.As(err, &bind):
		network := net.Error(nil)
		return bind.Stage == StageBind && (errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
	case errors.As(err, &broken):
		return !errors.Is(err, context.DeadlineExceeded)
	}
	return false
}

// TicketEndedError says that a session ended with its ticket, and that there is none to go on with.
type TicketEndedError struct {
	Identity string
	Ended    time.Time
	Err      error // why there is no other; nil: there is nothing to get one with
}

func (e *TicketEndedError) Error() string {
	s := fmt.Sprintf("the ticket of %s ended at %s", e.Identity, e.Ended.Format(time.DateTime+" MST"))
	if e.Err != nil {
		s += ", and there is no other: " + e.Err.Error()
	}
	return s
}

func (e *TicketEndedError) Unwrap() error { return e.Err }

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
