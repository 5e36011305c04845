// Package netlogon knows the question that finds a domain controller, the LDAP ping, and reads the answer. It has no
// network, and believes nothing: who answers a ping has proven nothing. [MS-ADTS] 6.3.3.
package netlogon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Flags say what a domain controller is and does. [MS-ADTS] 6.3.1.2.
type Flags uint32

// The flags that a choice depends on.
const (
	PDC      Flags = 0x1    // holds the role of the PDC emulator
	GC       Flags = 0x4    // a global catalog
	LDAP     Flags = 0x8    // serves LDAP
	KDC      Flags = 0x20   // issues tickets
	Closest  Flags = 0x80   // is at the client's site, or at the one that stands in for it
	Writable Flags = 0x100  // holds the domain to be written to
	ReadOnly Flags = 0x800  // is read-only: some secrets and attributes are not there
	Full     Flags = 0x1000 // is writable, as an answer of 2008 and later says
)

// Has says whether all of these flags are set.
func (f Flags) Has(flags Flags) bool { return f&flags == flags }

// Response is what a domain controller says of itself. [MS-ADTS] 6.3.1.9.
type Response struct {
	Flags      Flags
	DomainGUID sddl.GUID
	Forest     string // DNS name
	Domain     string // DNS name
	Host       string // DNS name
	Site       string // of the domain controller
	ClientSite string // of the address that asked; empty where no subnet has it
}

// The operation codes of answers. [MS-ADTS] 6.3.1.3.
const (
	opPrimary       = 12
	opResponse      = 19
	opPause         = 20
	opUserUnknown   = 21
	opResponseEx    = 23
	opPauseEx       = 24
	opUserUnknownEx = 25
)

// PausedError is the answer of a domain controller that is there and accepts no logons now.
type PausedError struct{ Host string }

func (e *PausedError) Error() string { return "it is paused and accepts no logons" }

// ErrOld is an answer in a form from before Windows 2000's DNS, without what a choice needs to know.
var ErrOld = errors.New("the answer is in an older form, without names in DNS")

// maxResponse bounds an answer, in bytes: eight names of at most 255 and what is around them.
const maxResponse = 4096

// Parse reads the value of the attribute netlogon. The error is a *PausedError for a domain controller that is paused,
// and ErrOld for the forms without DNS names.
func Parse(b []byte) (*Response, error) {
	if len(b) < 2 {
		return nil, errors.New("the answer is cut short")
	}
	if len(b) > maxResponse {
		return nil, fmt.Errorf("the answer has %d bytes", len(b))
	}
	op := binary.LittleEndian.Uint16(b)
	switch op {
	case opResponseEx, opPauseEx, opUserUnknownEx:
	case opPrimary, opResponse, opPause, opUserUnknown:
		return nil, ErrOld
	default:
		return nil, fmt.Errorf("the answer has operation code %d", op)
	}
	// Operation code, two reserved bytes, flags, the GUID; names; version and two tokens.
	const head, tail = 24, 8
	if len(b) < head+tail {
		return nil, errors.New("the answer is cut short")
	}
	r := &Response{Flags: Flags(binary.LittleEndian.Uint32(b[4:]))}
	var err error
	if r.DomainGUID, err = sddl.ParseGUIDBytes(b[8:24]); err != nil {
		return nil, err
	}
	at := head
	var unused string // NetBIOS names and the account's
	for _, field := range []*string{&r.Forest, &r.Domain, &r.Host, &unused, &unused, &unused, &r.Site, &r.ClientSite} {
		var odd bool
		if *field, at, odd, err = name(b[:len(b)-tail], at); err != nil {
			return nil, err
		}
		if odd && field != &unused {
			return nil, fmt.Errorf("the answer has the name %q", *field)
		}
	}
	switch {
	case op == opPauseEx:
		return nil, &PausedError{Host: r.Host}
	case r.Domain == "" || r.Host == "":
		return nil, errors.New("the answer names no host or no domain")
	}
	return r, nil
}

// The most that a name may have, in bytes and labels. RFC 1035, 2.3.4.
const (
	maxName   = 255
	maxLabels = 128
)

// name reads a name that begins at an offset and says where what follows begins, and whether a label holds what would make
// another name of it. A pointer leads to an earlier place, so that there is no loop. RFC 1035, 4.1.4.
func name(b []byte, at int) (text string, next int, odd bool, err error) {
	var out strings.Builder
	earliest, jumped := at, false
	for labels := 0; ; labels++ {
		if at >= len(b) || labels > maxLabels {
			return "", 0, false, errors.New("a name in the answer is cut short")
		}
		length := int(b[at])
		switch length & 0xc0 {
		case 0:
			at++
			if length == 0 {
				if !jumped {
					next = at
				}
				return out.String(), next, odd, nil
			}
			if at+length > len(b) {
				return "", 0, false, errors.New("a name in the answer is cut short")
			}
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			if out.Len()+length > maxName {
				return "", 0, false, errors.New("a name in the answer is too long")
			}
			label := b[at : at+length]
			for _, c := range label {
				odd = odd || c < ' ' || c == '.' || c == 0x7f
			}
			out.Write(label)
			at += length
		case 0xc0:
			if at+1 >= len(b) {
				return "", 0, false, errors.New("a name in the answer is cut short")
			}
			to := length&0x3f<<8 | int(b[at+1])
			if to >= earliest {
				return "", 0, false, errors.New("a name in the answer points forward")
			}
			if !jumped {
				next, jumped = at+2, true
			}
			at, earliest = to, to
		default:
			return "", 0, false, errors.New("a name in the answer is malformed")
		}
	}
}
