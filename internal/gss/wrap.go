package gss

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A sealed wrap token: a header of 16 bytes, then the encryption of the message, a filler
// and the header. RFC 4121, 4.2.6.2 and 4.2.4.
const (
	headerLen = 16

	flagByAcceptor  = 0x01
	flagSealed      = 0x02
	flagAcceptorKey = 0x04

	confounderLen = 16
	hmacLen       = 12 // of both etypes. RFC 3962, 6

	// overhead is what sealing adds: the header, clear and encrypted, and what the
	// cipher adds.
	overhead = 2*headerLen + confounderLen + hmacLen
)

var errNotEstablished = errors.New("security context is not established")

func appendHeader(b []byte, flags byte, ec, rrc uint16, seq uint64) []byte {
	b = append(b, 0x05, 0x04, flags, 0xff)
	b = binary.BigEndian.AppendUint16(b, ec)
	b = binary.BigEndian.AppendUint16(b, rrc)
	return binary.BigEndian.AppendUint64(b, seq)
}

// Wrap seals a message for the server.
func (c *Context) Wrap(message []byte) ([]byte, error) {
	c.mu.Lock()
	if err := c.usable(); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	seq := c.sendSeq
	c.sendSeq++
	c.mu.Unlock()

	var flags byte = flagSealed
	if c.acceptorKey {
		flags |= flagAcceptorKey
	}
	token, err := seal(c.key, keyusage.GSSAPI_INITIATOR_SEAL, appendHeader(nil, flags, 0, 0, seq), message)
	if err != nil {
		return nil, c.stop(fmt.Errorf("seal: %w", err))
	}
	return token, nil
}

// seal encrypts the message and the header and puts the header in front.
func seal(key types.EncryptionKey, usage uint32, header, message []byte) ([]byte, error) {
	plain := make([]byte, 0, len(message)+headerLen)
	plain = append(append(plain, message...), header...)
	defer clear(plain)
	ed, err := crypto.GetEncryptedData(plain, key, usage, 0)
	if err != nil {
		return nil, err
	}
	return append(header, ed.Cipher...), nil
}

// Unwrap opens a message of the server. The messages must come sealed and in their order,
// with none missing: anything else is ErrIntegrity, and the end of the context.
func (c *Context) Unwrap(token []byte) ([]byte, error) {
	c.mu.Lock()
	if err := c.usable(); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	seq := c.recvSeq
	c.recvSeq++
	c.mu.Unlock()

	var flags byte = flagByAcceptor | flagSealed
	if c.acceptorKey {
		flags |= flagAcceptorKey
	}
	message, err := unseal(c.key, keyusage.GSSAPI_ACCEPTOR_SEAL, flags, seq, token)
	if err != nil {
		return nil, c.stop(fmt.Errorf("%w: %w", ErrIntegrity, err))
	}
	return message, nil
}

func (c *Context) usable() error {
	if c.failed != nil {
		return c.failed
	}
	if !c.established {
		return errNotEstablished
	}
	return nil
}

func (c *Context) stop(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
	return err
}

// unseal opens a token that must have these flags and this number.
func unseal(key types.EncryptionKey, usage uint32, flags byte, seq uint64, token []byte) ([]byte, error) {
	if len(token) < overhead {
		return nil, errors.New("wrap token is too short")
	}
	header, body := token[:headerLen], token[headerLen:]
	ec := binary.BigEndian.Uint16(header[4:])
	rrc := binary.BigEndian.Uint16(header[6:])
	switch {
	case header[0] != 0x05 || header[1] != 0x04 || header[3] != 0xff:
		return nil, errors.New("not a wrap token")
	case header[2] != flags:
		return nil, fmt.Errorf("wrap token has flags %#x, not %#x", header[2], flags)
	case binary.BigEndian.Uint64(header[8:]) != seq:
		return nil, fmt.Errorf("wrap token has number %d, not %d", binary.BigEndian.Uint64(header[8:]), seq)
	}
	// The sender rotated to the right.
	n := int(rrc) % len(body)
	cipher := append(append(make([]byte, 0, len(body)), body[n:]...), body[:n]...)
	var plain []byte
	err := guard(func() (err error) {
		plain, err = crypto.DecryptMessage(cipher, key, usage)
		return err
	})
	if err != nil {
		return nil, err
	}
	end := len(plain) - headerLen - int(ec)
	if end < 0 {
		return nil, errors.New("wrap token's filler is longer than the token")
	}
	// The header was encrypted before it was rotated.
	if !bytes.Equal(plain[len(plain)-headerLen:], appendHeader(nil, flags, ec, 0, seq)) {
		return nil, errors.New("wrap token's header was changed")
	}
	return plain[:end], nil
}
