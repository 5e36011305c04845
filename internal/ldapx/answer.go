package ldapx

import (
	"errors"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// The tags of what is read here. RFC 4511, 4.
const (
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0a
	tagSequence   = 0x30
	tagSet        = 0x31
	tagControls   = 0xa0

	tagSearchEntry      = 0x64
	tagSearchDone       = 0x65
	tagSearchReference  = 0x73
	tagExtendedResponse = 0x78
	tagResponseName     = 0x8a
	tagCredentials      = 0x87
)

// oidNotice is the Notice of Disconnection. RFC 4511, 4.4.1.
const oidNotice = "1.3.6.1.4.1.1466.20036"

var errMalformed = errors.New("a message of the server is malformed")

// element cuts the first element off b, with a tag of one octet and a definite length. RFC 4511, 5.1.
func element(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	if octets := n & 0x7f; n >= 0x80 {
		if octets == 0 || octets > 4 || octets > len(b) {
			return 0, nil, nil, false
		}
		n = 0
		for _, o := range b[:octets] {
			n = n<<8 | int(o)
		}
		b = b[octets:]
	}
	if n > len(b) {
		return 0, nil, nil, false
	}
	return tag, b[:n:n], b[n:], true
}

// expect is element, of a tag that is known.
func expect(b []byte, want byte) (content, rest []byte, ok bool) {
	tag, content, rest, ok := element(b)
	return content, rest, ok && tag == want
}

// number reads an INTEGER or ENUMERATED that is not negative.
func number(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 8 || b[0] >= 0x80 {
		return 0, false
	}
	n := int64(0)
	for _, o := range b {
		n = n<<8 | int64(o)
	}
	return n, true
}

// openMessage is the message ID and what follows it: the operation, then the controls.
func openMessage(m []byte) (id int64, op []byte, ok bool) {
	content, rest, ok := expect(m, tagSequence)
	if !ok || len(rest) > 0 {
		return 0, nil, false
	}
	b, op, ok := expect(content, tagInteger)
	if !ok {
		return 0, nil, false
	}
	id, ok = number(b)
	return id, op, ok
}

// parseEntry reads a SearchResultEntry. What it returns shares the bytes. RFC 4511, 4.5.2.
func parseEntry(b []byte, names []string) (e directory.Entry, ok bool) {
	dn, b, ok := expect(b, tagOctets)
	if !ok {
		return e, false
	}
	list, rest, ok := expect(b, tagSequence)
	if !ok || len(rest) > 0 {
		return e, false
	}
	e = directory.Entry{DN: string(dn), Attrs: make([]directory.Attribute, 0, len(names))}
	for len(list) > 0 {
		var attribute, name, set []byte
		if attribute, list, ok = expect(list, tagSequence); !ok {
			return e, false
		}
		if name, attribute, ok = expect(attribute, tagOctets); !ok {
			return e, false
		}
		if set, rest, ok = expect(attribute, tagSet); !ok || len(rest) > 0 {
			return e, false
		}
		a := directory.Attribute{Name: known(name, names)}
		if n := elements(set); n > 0 {
			a.Values = make([][]byte, 0, n)
		}
		for len(set) > 0 {
			var value []byte
			if value, set, ok = expect(set, tagOctets); !ok {
				return e, false
			}
			a.Values = append(a.Values, value)
		}
		e.Attrs = append(e.Attrs, a)
	}
	return e, true
}

// elements counts, up to what is no element.
func elements(b []byte) (n int) {
	for ok := true; len(b) > 0; n++ {
		if _, _, b, ok = element(b); !ok {
			break
		}
	}
	return n
}

// known is the name as it was asked for, where it came so: the same few names come with every entry.
func known(name []byte, names []string) string {
	for _, n := range names {
		if string(name) == n {
			return n
		}
	}
	return string(name)
}

// parseResult reads an LDAPResult, and what follows it. RFC 4511, 4.1.9.
func parseResult(b []byte) (r *ldap.Error, rest []byte, ok bool) {
	b, rest, ok = expect(b, tagEnumerated)
	if !ok {
		return nil, nil, false
	}
	// From 200 on the numbers are go-ldap's own.
	code, ok := number(b)
	if !ok || code >= ldap.ErrorNetwork {
		return nil, nil, false
	}
	matched, rest, ok := expect(rest, tagOctets)
	if !ok {
		return nil, nil, false
	}
	message, rest, ok := expect(rest, tagOctets)
	if !ok {
		return nil, nil, false
	}
	return &ldap.Error{ResultCode: uint16(code), MatchedDN: string(matched), Err: errors.New(string(message))}, rest, true
}

// parseCookie finds the cookie of the paged results control; none is the end. RFC 2696, 2.
func parseCookie(controls []byte) (cookie []byte, ok bool) {
	if len(controls) == 0 {
		return nil, true
	}
	list, rest, ok := expect(controls, tagControls)
	if !ok || len(rest) > 0 {
		return nil, false
	}
	for len(list) > 0 {
		var control, oid []byte
		if control, list, ok = expect(list, tagSequence); !ok {
			return nil, false
		}
		if oid, control, ok = expect(control, tagOctets); !ok {
			return nil, false
		}
		if string(oid) != ldap.ControlTypePaging {
			continue
		}
		var value []byte
		for len(control) > 0 {
			var tag byte
			var content []byte
			if tag, content, control, ok = element(control); !ok {
				return nil, false
			}
			if tag == tagOctets {
				value = content
			}
		}
		value, rest, ok := expect(value, tagSequence)
		if !ok || len(rest) > 0 {
			return nil, false
		}
		if _, value, ok = expect(value, tagInteger); !ok {
			return nil, false
		}
		cookie, rest, ok = expect(value, tagOctets)
		if !ok || len(rest) > 0 {
			return nil, false
		}
	}
	return cookie, true
}

// parseNotice reads an ExtendedResponse with message ID 0; nil where it is no notice of
// disconnection.
func parseNotice(op []byte) (*NoticeError, error) {
	b, _, ok := expect(op, tagExtendedResponse)
	if !ok {
		return nil, errMalformed
	}
	result, rest, ok := parseResult(b)
	if !ok {
		return nil, errMalformed
	}
	for len(rest) > 0 {
		tag, content, after, ok := element(rest)
		if !ok {
			return nil, errMalformed
		}
		if tag == tagResponseName && string(content) != oidNotice {
			return nil, nil
		}
		rest = after
	}
	return &NoticeError{Code: result.ResultCode, Message: text(result)}, nil
}

// encodeSearch is a SearchRequest as a message. RFC 4511, 4.5.1.
func encodeSearch(id int64, r *ldap.SearchRequest) ([]byte, error) {
	filter, err := ldap.CompileFilter(r.Filter)
	if err != nil {
		return nil, err
	}
	octets := func(s string) *ber.Packet {
		return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
	}
	integer := func(tag ber.Tag, n int) *ber.Packet {
		return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, tag, int64(n), "")
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchRequest, nil, "")
	op.AppendChild(octets(r.BaseDN))
	op.AppendChild(integer(ber.TagEnumerated, r.Scope))
	op.AppendChild(integer(ber.TagEnumerated, r.DerefAliases))
	op.AppendChild(integer(ber.TagInteger, r.SizeLimit))
	op.AppendChild(integer(ber.TagInteger, r.TimeLimit))
	op.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, r.TypesOnly, ""))
	op.AppendChild(filter)
	names := ber.NewSequence("")
	for _, name := range r.Attributes {
		names.AppendChild(octets(name))
	}
	op.AppendChild(names)
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(op)
	if len(r.Controls) > 0 {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range r.Controls {
			controls.AppendChild(c.Encode())
		}
		message.AppendChild(controls)
	}
	return message.Bytes(), nil
}
