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

func connect(ctx context.Context, dial dialFunc, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return dial(ctx, "tcp", address)
}

// bind does the SASL bind on the bare connection, before go-ldap has it: go-ldap knows no
// GSS-SPNEGO, and its reader must never see a byte that is not sealed. RFC 4511, 4.2.
func bind(ctx context.Context, conn net.Conn, ticket *krb5.Ticket, timeout time.Duration) (*gss.Context, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	security, err := negotiate(conn, ticket)
	if !stop() {
		// The connection is closed, or about to be.
		return nil, ctx.Err()
	}
	return security, err
}

func negotiate(conn io.ReadWriter, ticket *krb5.Ticket) (*gss.Context, error) {
	security, token, err := gss.NewContext(ticket)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(bindRequest(token)); err != nil {
		return nil, fmt.Errorf("send bind: %w", err)
	}
	b, err := readMessage(conn)
	if err != nil {
		return nil, fmt.Errorf("read bind answer: %w", err)
	}
	answer, err := parseBindResponse(b)
	if err != nil {
		return nil, fmt.Errorf("read bind answer: %w", err)
	}
	if answer.code != ldap.LDAPResultSuccess {
		result := &ResultError{Op: "bind", Code: answer.code, Message: answer.message}
		// A refused ticket comes with the reason of the service.
		var refused *krb5.Error
		if len(answer.credentials) > 0 && errors.As(security.Accept(answer.credentials), &refused) {
			return nil, errors.Join(refused, result)
		}
		return nil, result
	}
	// Success is the server's word. Its proof is in the token, without which nothing
	// would be sealed either.
	if len(answer.credentials) == 0 {
		return nil, fmt.Errorf("%w: it says that the bind succeeded, and proves nothing", gss.ErrMutualAuth)
	}
	if err := security.Accept(answer.credentials); err != nil {
		// Success along with a service's refusal of the ticket proves nothing either.
		if !errors.Is(err, gss.ErrMutualAuth) {
			err = fmt.Errorf("%w: it says that the bind succeeded: %w", gss.ErrMutualAuth, err)
		}
		return nil, err
	}
	return security, nil
}

const mechanism = "GSS-SPNEGO"

func bindRequest(token []byte) []byte {
	auth := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "sasl")
	auth.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, mechanism, "mechanism"))
	auth.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(token), "credentials"))
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationBindRequest, nil, "BindRequest")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, "version"))
	request.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "name"))
	request.AppendChild(auth)
	message := ber.NewSequence("LDAPMessage")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, bindID, "messageID"))
	message.AppendChild(request)
	return message.Bytes()
}

const (
	bindID = 1
	// maxBindAnswer caps what a server that is not known yet may send.
	maxBindAnswer = 256 << 10
)

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

// parseBindResponse reads a BindResponse, or the notice of a server that hangs up.
// RFC 4511, 4.2.2 and 4.4.1.
func parseBindResponse(b []byte) (a bindAnswer, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("malformed message")
		}
	}()
	message, err := ber.DecodePacketErr(b)
	if err != nil {
		return a, err
	}
	if len(message.Children) < 2 {
		return a, errors.New("malformed message")
	}
	id, ok := message.Children[0].Value.(int64)
	response := message.Children[1]
	notice := id == 0 && response.Tag == ldap.ApplicationExtendedResponse
	if !ok || response.ClassType != ber.ClassApplication || len(response.Children) < 3 ||
		!notice && (id != bindID || response.Tag != ldap.ApplicationBindResponse) {
		return a, errors.New("not the answer to a bind")
	}
	code, ok := response.Children[0].Value.(int64)
	if !ok || code < 0 || code >= ldap.ErrorNetwork {
		return a, errors.New("malformed result")
	}
	a.code = uint16(code)
	a.message = text(&ldap.Error{Err: errors.New(string(response.Children[2].ByteValue))})
	if notice {
		if a.code == ldap.LDAPResultSuccess {
			return a, errors.New("the server hung up")
		}
		return a, nil
	}
	for _, c := range response.Children[3:] {
		if c.ClassType == ber.ClassContext && c.TagType == ber.TypePrimitive && c.Tag == 7 {
			a.credentials = c.Data.Bytes()
		}
	}
	return a, nil
}
