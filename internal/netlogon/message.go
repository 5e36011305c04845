package netlogon

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The version bits of the question: the answer with DNS names, the next closest site counted as close, no pretence of
// NT 4. [MS-ADTS] 6.3.1.1.
const version = "\x16\x00\x00\x01"

// Request is the LDAP ping that asks for a domain, as one LDAP message, for UDP as for TCP. [MS-ADTS] 6.3.3.1.
func Request(id uint16, domain string) []byte {
	equals := func(attr, value string) []byte {
		return element(0xa3, element(0x04, []byte(attr)), element(0x04, []byte(value)))
	}
	search := element(0x63,
		element(0x04),            // base: the rootDSE
		element(0x0a, []byte{0}), // scope: base
		element(0x0a, []byte{0}), // aliases: never
		element(0x02, []byte{0}), // no size limit
		element(0x02, []byte{0}), // no time limit
		element(0x01, []byte{0}), // types and values
		element(0xa0, equals("DnsDomain", domain), equals("NtVer", version)),
		element(0x30, element(0x04, []byte("Netlogon"))),
	)
	return element(0x30, element(0x02, []byte{0, byte(id >> 8), byte(id)}[leading(id):]), search)
}

// leading is how many bytes in front of an ID BER leaves out.
func leading(id uint16) int {
	switch {
	case id < 0x80:
		return 2
	case id < 0x8000:
		return 1
	}
	return 0
}

// element is a BER element of the parts. X.690, 8.1.
func element(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := []byte{tag}
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// ErrNotHosted is the answer of a domain controller that does not host the domain.
var ErrNotHosted = errors.New("it answers, but does not host the domain")

// ErrNotOurs is a message that answers another question.
var ErrNotOurs = errors.New("the answer is to another question")

// MaxAnswer bounds the messages of an answer, in bytes.
const MaxAnswer = 2 * maxResponse

// ParseAnswer reads the messages that answer Request(id, ...). The error is io.ErrUnexpectedEOF where more must come,
// ErrNotOurs for the answer to another question, ErrNotHosted for a server of other domains, and what Parse says
// otherwise. RFC 4511, 4.5.2.
func ParseAnswer(b []byte, id uint16) (*Response, error) {
	if len(b) > MaxAnswer {
		return nil, fmt.Errorf("the answer has %d bytes", len(b))
	}
	var found *Response
	for {
		body, rest, err := next(b, 0x30)
		if err != nil {
			return nil, err
		}
		b = rest
		got, body, err := whole(body, 0x02)
		if err != nil {
			return nil, err
		}
		if !isID(got, id) {
			return nil, ErrNotOurs
		}
		if len(body) == 0 {
			return nil, errMalformed
		}
		switch body[0] {
		case 0x64: // an entry
			if found != nil {
				return nil, errMalformed
			}
			if body, _, err = whole(body, 0x64); err != nil {
				return nil, err
			}
			value, err := netlogon(body)
			if err != nil {
				return nil, err
			}
			if found, err = Parse(value); err != nil {
				return nil, err
			}
		case 0x73: // a reference to another server, which is not asked
		case 0x65: // the end
			if body, _, err = whole(body, 0x65); err != nil {
				return nil, err
			}
			code, _, err := whole(body, 0x0a)
			switch {
			case err != nil:
				return nil, err
			case len(code) != 1 || code[0] != 0:
				return nil, fmt.Errorf("it refuses the question (LDAP result %x)", code)
			case found == nil:
				return nil, ErrNotHosted
			}
			return found, nil
		default:
			return nil, errMalformed
		}
	}
}

var errMalformed = errors.New("the answer is malformed")

// isID compares an INTEGER with an ID, whatever number of bytes it takes.
func isID(b []byte, id uint16) bool {
	if len(b) == 0 || len(b) > 4 {
		return false
	}
	n := uint32(0)
	for _, c := range b {
		n = n<<8 | uint32(c)
	}
	return n == uint32(id)
}

// netlogon finds the one value of the attribute in an entry.
func netlogon(entry []byte) ([]byte, error) {
	_, entry, err := whole(entry, 0x04) // the DN
	if err != nil {
		return nil, err
	}
	attrs, _, err := whole(entry, 0x30)
	if err != nil {
		return nil, err
	}
	for len(attrs) > 0 {
		var attr []byte
		if attr, attrs, err = whole(attrs, 0x30); err != nil {
			return nil, err
		}
		kind, attr, err := whole(attr, 0x04)
		if err != nil {
			return nil, err
		}
		if !strings.EqualFold(string(kind), "netlogon") {
			continue
		}
		values, _, err := whole(attr, 0x31)
		if err != nil {
			return nil, err
		}
		value, _, err := whole(values, 0x04)
		return value, err
	}
	return nil, errMalformed
}

// whole is next where nothing more can come.
func whole(b []byte, tag byte) (content, rest []byte, err error) {
	content, rest, err = next(b, tag)
	if err == io.ErrUnexpectedEOF {
		err = errMalformed
	}
	return content, rest, err
}

// next takes the next element, whose tag is known. Lengths may be written longer than need be, as Windows does; the
// indefinite form is not LDAP. RFC 4511, 5.1.
func next(b []byte, tag byte) (content, rest []byte, err error) {
	if len(b) > 0 && b[0] != tag {
		return nil, nil, errMalformed
	}
	if len(b) < 2 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 4 {
			return nil, nil, errMalformed
		}
		if len(b) < 2+size {
			return nil, nil, io.ErrUnexpectedEOF
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
			if n > MaxAnswer {
				return nil, nil, fmt.Errorf("the answer has %d bytes or more", n)
			}
		}
		at += size
	}
	if len(b)-at < n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return b[at : at+n], b[at+n:], nil
}
