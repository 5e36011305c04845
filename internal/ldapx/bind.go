package ldapx

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// countingConn counts the bytes on the wire, of the KDC's connections too.
type countingConn struct {
	net.Conn
	in, out *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.out.Add(int64(n))
	return n, err
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func counted(dial dialFunc, in, out *atomic.Int64) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countingConn{conn, in, out}, nil
	}
}

// security is a security context of a SASL mechanism: Kerberos of this program, or that of
// the system.
type security interface {
	// Step takes the server's token, nil at first, and returns the next one to send: nil
	// where there is none, empty where an empty one is due.
	Step(token []byte) ([]byte, error)
	// Established tells whether the server is proven and nothing is left to agree on.
	Established() bool
	gss.Layer
}

// bind does the SASL bind on the bare connection, before go-ldap has it: go-ldap knows no
// GSS-SPNEGO, and its reader must never see a byte that is not sealed. It returns the number
// of round trips. RFC 4511, 4.2.
func bind(ctx context.Context, conn net.Conn, mechanism string, s security, timeout time.Duration) (trips int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	trips, err = negotiate(conn, mechanism, s)
	if !stop() {
		// The connection is closed, or about to be.
		return trips, ctx.Err()
	}
	return trips, err
}

// maxRounds caps how often a server may ask for more: GSSAPI takes three.
const maxRounds = 5

func negotiate(conn io.ReadWriter, mechanism string, s security) (trips int64, err error) {
	token, err := s.Step(nil)
	if err != nil {
		return 0, err
	}
	for id := int64(1); id <= maxRounds; id++ {
		if _, err := conn.Write(bindRequest(id, mechanism, token)); err != nil {
			return trips, fmt.Errorf("send bind: %w", err)
		}
		trips++
		b, err := readMessage(conn)
		if err != nil {
			return trips, fmt.Errorf("read bind answer: %w", err)
		}
		answer, err := parseBindResponse(b, id)
		if err != nil {
			return trips, fmt.Errorf("read bind answer: %w", err)
		}
		switch {
		case answer.code == ldap.LDAPResultSuccess:
			return trips, conclude(s, answer.credentials)
		case answer.code != ldap.LDAPResultSaslBindInProgress:
			return trips, refusal(s, answer)
		case !s.Established():
			token, err = s.Step(answer.credentials)
		default:
			token = nil
		}
		if err != nil {
			return trips, err
		}
		if token == nil {
			return trips, fmt.Errorf("the server asks for more than there is to say: %w", &ResultError{Op: "bind", Code: answer.code, Message: answer.message})
		}
	}
	return trips, fmt.Errorf("bind: the server still asks for more after %d rounds", maxRounds)
}

// conclude holds a server to the success that it claims. Success is its word; the proof is in
// the tokens, without which nothing would be protected either.
func conclude(s security, credentials []byte) error {
	if len(credentials) > 0 {
		token, err := s.Step(credentials)
		if err == nil && token != nil {
			err = errors.New("before the negotiation is over")
		}
		if err != nil {
			// A refusal of the ticket along with success proves nothing either.
			if !errors.Is(err, gss.ErrMutualAuth) {
				err = fmt.Errorf("%w: it says that the bind succeeded: %w", gss.ErrMutualAuth, err)
			}
			return err
		}
	}
	if !s.Established() {
		return fmt.Errorf("%w: it says that the bind succeeded, and proves nothing", gss.ErrMutualAuth)
	}
	return nil
}

// refusal is the error of a bind that the server refused.
func refusal(s security, answer bindAnswer) error {
	result := &ResultError{Op: "bind", Code: answer.code, Message: answer.message}
	// A refused ticket comes with the reason of the service.
	if len(answer.credentials) > 0 {
		var refused *krb5.Error
		if _, err := s.Step(answer.credentials); errors.As(err, &refused) {
			return fmt.Errorf("%w; %w", refused, result)
		}
	}
	return result
}

func bindRequest(id int64, mechanism string, token []byte) []byte {
	auth := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "sasl")
	auth.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, mechanism, "mechanism"))
	auth.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(token), "credentials"))
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationBindRequest, nil, "BindRequest")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, "version"))
	request.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "name"))
	request.AppendChild(auth)
	message := ber.NewSequence("LDAPMessage")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "messageID"))
	message.AppendChild(request)
	return message.Bytes()
}

// maxBindAnswer caps what a server that is not known yet may send.
const maxBindAnswer = 256 << 10

// readMessage reads one LDAP message and no byte after it: what follows is sealed.
func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if head[0] != 0x30 {
		return nil, errors.New("not an LDAP message")
	}
	n := uint32(head[1])
	if head[1] >= 0x80 {
		size := int(head[1] & 0x7f)
		if size == 0 || size > 4 {
			return nil, errors.New("not an LDAP message")
		}
		head = head[:2+size]
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, unexpected(err)
		}
		var length [4]byte
		copy(length[4-size:], head[2:])
		n = binary.BigEndian.Uint32(length[:])
	}
	if n > maxBindAnswer {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	b := append(head, make([]byte, n)...)
	if _, err := io.ReadFull(r, b[len(head):]); err != nil {
		return nil, unexpected(err)
	}
	return b, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

type bindAnswer struct {
	code        uint16
	message     string
	credentials []byte
}

// parseBindResponse reads the BindResponse to a message. RFC 4511, 4.2.2.
func parseBindResponse(b []byte, id int64) (bindAnswer, error) {
	return parseAnswer(b, id, ldap.ApplicationBindResponse)
}

// parseAnswer reads an answer of a kind to a message, or the notice of a server that hangs up.
// RFC 4511, 4.4.1.
func parseAnswer(b []byte, want int64, kind ber.Tag) (a bindAnswer, err error) {
	// Not go-ldap's decoder, which copies what is nested once for each level: whoever answers
	// has proven nothing yet.
	id, op, ok := openMessage(b)
	if !ok {
		return a, errors.New("malformed message")
	}
	tag, content, _, ok := element(op)
	notice := id == 0 && tag == tagExtendedResponse
	if !ok || !notice && (id != want || tag != byte(ber.ClassApplication)|byte(ber.TypeConstructed)|byte(kind)) {
		return a, errors.New("not the answer to what was asked")
	}
	result, rest, ok := parseResult(content)
	if !ok {
		return a, errors.New("malformed result")
	}
	a.code, a.message = result.ResultCode, text(result)
	if notice {
		if a.code == ldap.LDAPResultSuccess {
			return a, errors.New("the server hung up")
		}
		return a, nil
	}
	for len(rest) > 0 {
		var value []byte
		if tag, value, rest, ok = element(rest); !ok {
			return bindAnswer{}, errors.New("malformed message")
		}
		if tag == tagCredentials {
			a.credentials = value
		}
	}
	return a, nil
}
