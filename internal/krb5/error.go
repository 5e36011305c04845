package krb5

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Codes of a refusal that callers decide by. RFC 4120, 7.5.9.
const (
	ClientUnknown   = errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN
	ServiceUnknown  = errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN
	Policy          = errorcode.KDC_ERR_POLICY
	NoCommonEtype   = errorcode.KDC_ERR_ETYPE_NOSUPP
	ClientRevoked   = errorcode.KDC_ERR_CLIENT_REVOKED // disabled, locked or expired: Status says which
	PasswordExpired = errorcode.KDC_ERR_KEY_EXPIRED
	PreauthFailed   = errorcode.KDC_ERR_PREAUTH_FAILED // the wrong password or key
	PreauthRequired = errorcode.KDC_ERR_PREAUTH_REQUIRED
	Unavailable     = errorcode.KDC_ERR_SVC_UNAVAILABLE
	TicketExpired   = errorcode.KRB_AP_ERR_TKT_EXPIRED
	TicketNotYet    = errorcode.KRB_AP_ERR_TKT_NYV
	WrongClient     = errorcode.KRB_AP_ERR_BADMATCH // the ticket is another client's
	ClockSkew       = errorcode.KRB_AP_ERR_SKEW
	Modified        = errorcode.KRB_AP_ERR_MODIFIED // the ticket is for another key
	Generic         = errorcode.KRB_ERR_GENERIC
	WrongRealm      = errorcode.KDC_ERR_WRONG_REALM
)

// Statuses that a domain controller adds to a refusal. [MS-ERREF] 2.3.1.
const (
	StatusAccountRestriction = 0xC000006E
	StatusInvalidLogonHours  = 0xC000006F
	StatusInvalidWorkstation = 0xC0000070
	StatusPasswordExpired    = 0xC0000071
	StatusAccountDisabled    = 0xC0000072
	StatusLogonTypeDenied    = 0xC000015B
	StatusAccountExpired     = 0xC0000193
	StatusPasswordMustChange = 0xC0000224
	StatusLockedOut          = 0xC0000234
	StatusFirewall           = 0xC0000413 // selective authentication, or an authentication policy
)

// Error is a KRB-ERROR: what a KDC or a service refused with. RFC 4120, 5.9.1.
type Error struct {
	Code       int32
	Status     uint32        // NTSTATUS from the e-data; 0 if there was none. [MS-KILE] 2.2.1
	Text       string        // the e-text, for people
	Realm      string        // the client's realm, where the server named one (WrongRealm)
	ServerTime time.Time     // the server's clock
	Skew       time.Duration // how far the local clock was ahead of the server's
}

func (e *Error) Error() string {
	s := "kerberos error " + errorcode.Lookup(e.Code)
	if e.Code == WrongRealm {
		s = fmt.Sprintf("kerberos error (%d) KDC_ERR_WRONG_REALM The principal is of another realm", e.Code)
		if e.Realm != "" {
			s += ", " + e.Realm
		}
	}
	if e.Status != 0 {
		s += fmt.Sprintf(", status %08X", e.Status)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// ExpiredError says that a credential cache holds the ticket, but no longer a valid one.
type ExpiredError struct {
	Path   string
	Server Principal
	Ended  time.Time
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("credential cache %s: ticket for %s expired at %s",
		e.Path, e.Server, e.Ended.UTC().Format(time.RFC3339))
}

// CacheTypeError says that a credential cache is not kept in a file, so that only the
// system's own Kerberos can read it.
type CacheTypeError struct {
	Name    string    // as KCM: or KEYRING:persistent:1000
	Service Principal // what a ticket was looked for
}

func (e *CacheTypeError) Error() string {
	return fmt.Sprintf("credential cache %s is not a file", e.Name)
}

// PreauthError says that the KDC wants a proof of identity that this package cannot give.
type PreauthError struct{ Offered []int32 } // by number

func (e *PreauthError) Error() string {
	var names []string
	for _, o := range e.Offered {
		if name := preauthName(o); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return fmt.Sprintf("the KDC takes neither a password nor a key for this account; it takes %s", or(names))
}

// preauthName is how a pre-authentication type is known; empty where it only comes along.
func preauthName(t int32) string {
	switch t {
	case patype.PA_PK_AS_REQ, patype.PA_PK_AS_REQ_OLD, patype.PA_PK_AS_REP, patype.PA_PK_AS_REP_OLD, 147: // 147: PA-PKINIT-KX
		return "a certificate (PKINIT)"
	case patype.PA_FX_FAST, patype.PA_ENCRYPTED_CHALLENGE:
		return "an armored request (FAST)"
	case 141, 142: // PA-OTP-CHALLENGE, PA-OTP-REQUEST
		return "a one-time password"
	case 151: // PA-SPAKE
		return "SPAKE"
	case patype.PA_ETYPE_INFO, patype.PA_ETYPE_INFO2, patype.PA_PW_SALT, patype.PA_FX_COOKIE, patype.PA_FX_ERROR, 150, 165:
		return "" // 150, 165: PA-AS-FRESHNESS, PA-SUPPORTED-ENCTYPES
	}
	return fmt.Sprintf("type %d", t)
}

func or(names []string) string {
	switch n := len(names); n {
	case 0:
		return "nothing that it names"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

// NoKeyError says that a keytab has no key of the right encryption type for a principal.
type NoKeyError struct {
	Path   string
	Client Principal
	Wanted []int32 // encryption types, by number
	Held   []int32 // of the keys that the principal has; none: it is not in the keytab
}

func (e *NoKeyError) Error() string {
	if len(e.Held) == 0 {
		return fmt.Sprintf("keytab %s has no key of %s", e.Path, e.Client)
	}
	return fmt.Sprintf("keytab %s has a key of %s for %s, and the KDC asks for one of %s",
		e.Path, anyType(e.Held), e.Client, anyType(e.Wanted))
}

func anyType(types []int32) string {
	var names []string
	for _, t := range types {
		names = append(names, EncryptionName(t))
	}
	return or(names)
}

// OldKeyError says that the KDC did not accept the newest key of a keytab.
type OldKeyError struct {
	Path    string
	Client  Principal
	Version uint32 // of the key
	Err     *Error
}

func (e *OldKeyError) Error() string {
	return fmt.Sprintf("the KDC does not accept version %d of the key of %s in keytab %s: %v", e.Version, e.Client, e.Path, e.Err)
}

func (e *OldKeyError) Unwrap() error { return e.Err }

// ReferralError says that the KDC of a realm sent the request to another, and why that was
// not followed.
type ReferralError struct {
	From, Realm string
	Why         string
}

func (e *ReferralError) Error() string {
	return fmt.Sprintf("the KDC of %s refers to realm %s, %s", e.From, e.Realm, e.Why)
}

// RealmError says that the KDCs of a realm cannot be found.
type RealmError struct {
	Realm string
	Err   error
}

func (e *RealmError) Error() string { return "find a KDC of realm " + e.Realm + ": " + e.Err.Error() }

func (e *RealmError) Unwrap() error { return e.Err }

// UnreachableError says that no KDC of a realm could be reached.
type UnreachableError struct {
	Realm string
	Tried []*DialError
}

func (e *UnreachableError) Error() string {
	var all []string
	for _, t := range e.Tried {
		all = append(all, t.Error())
	}
	return fmt.Sprintf("no KDC of realm %s can be reached: %s", e.Realm, strings.Join(all, "; "))
}

func (e *UnreachableError) Unwrap() []error {
	var all []error
	for _, t := range e.Tried {
		all = append(all, t)
	}
	return all
}

// DialError says that the KDC could not be reached.
type DialError struct {
	Address string
	Err     error
}

func (e *DialError) Error() string { return "connect to KDC " + e.Address + ": " + e.Err.Error() }

func (e *DialError) Unwrap() error { return e.Err }

// ParseError reads a KRB-ERROR; now is when it arrived.
func ParseError(b []byte, now time.Time) (*Error, error) {
	_, e, err := parseError(b, now)
	return e, err
}

func parseError(b []byte, now time.Time) (m messages.KRBError, e *Error, err error) {
	err = guard(func() error { return m.Unmarshal(b) })
	if err != nil {
		return m, nil, fmt.Errorf("parse KRB-ERROR: %w", err)
	}
	server := m.STime.Add(time.Duration(m.Susec) * time.Microsecond)
	return m, &Error{
		Code:       m.ErrorCode,
		Status:     status(m.EData),
		Text:       capped(m.EText),
		Realm:      m.CRealm,
		ServerTime: server,
		Skew:       now.Sub(server),
	}, nil
}

// maxText is how much of a server's text is passed on, in bytes: nobody has proven it.
const maxText = 1024

func capped(text string) string {
	if len(text) > maxText {
		return text[:maxText] + "..."
	}
	return text
}

// status finds the NTSTATUS in the e-data of an error. Domain controllers send a
// KERB-ERROR-DATA or a list of them. [MS-KILE] 2.2.1, 2.2.2.
func status(edata []byte) uint32 {
	var list types.PADataSequence
	if guard(func() error { return list.Unmarshal(edata) }) != nil {
		var one types.PAData
		if guard(func() error { return one.Unmarshal(edata) }) != nil {
			return 0
		}
		list = types.PADataSequence{one}
	}
	for _, d := range list {
		// KERB_ERR_TYPE_EXTENDED has the number of pw-salt; a salt is not 12 bytes
		// that start with an error status.
		if v := d.PADataValue; d.PADataType == patype.PA_PW_SALT && len(v) == 12 && v[3]>>4 == 0xc {
			return uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24
		}
	}
	return 0
}

var errMalformed = errors.New("malformed message")

// guard turns a panic of the decoders, which slice without looking, into an error. The
// panic's text is dropped: it may quote what was decoded.
func guard(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errMalformed
		}
	}()
	return f()
}
