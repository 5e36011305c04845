package gss

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The sizes of a buffer on the wire, without its length. Every server takes 64 KiB, and no
// more than 16 MiB are taken from one, which is the most that GSSAPI can say. RFC 4422, 3.7.
const (
	maxSend    = 64 << 10
	maxReceive = 1<<24 - 1
)

// Layer is what seals and opens the buffers of a Conn: a Context, or one of another library.
type Layer interface {
	// Wrap seals a message of at most MaxMessage bytes.
	Wrap(message []byte) ([]byte, error)
	// Unwrap opens one. The error is ErrIntegrity where the peer did not seal it.
	Unwrap(token []byte) ([]byte, error)
	// MaxMessage is how many bytes one buffer can carry to the peer.
	MaxMessage() int
}

// Conn carries bytes over a connection in sealed buffers, each with its length in front.
// RFC 4422, 3.7. It is closed by the first failure.
type Conn struct {
	net.Conn
	layer   Layer
	timeout time.Duration

	read struct {
		sync.Mutex
		rest []byte
		err  error
	}
	write struct {
		sync.Mutex
		err error
	}

	mu    sync.Mutex
	first error
}

// NewConn seals a connection with the layer of an established context. A write that takes
// longer than timeout fails; zero waits for ever.
func NewConn(conn net.Conn, layer Layer, timeout time.Duration) *Conn {
	return &Conn{Conn: conn, layer: layer, timeout: timeout}
}

// Err is the first failure, nil while there is none. Readers above this one may know it
// only as text.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// fail keeps the first failure and closes the connection.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	if c.first == nil {
		c.first = err
	}
	c.mu.Unlock()
	c.Conn.Close()
	return err
}

// Read reads what the server sealed.
func (c *Conn) Read(p []byte) (int, error) {
	c.read.Lock()
	defer c.read.Unlock()
	for len(c.read.rest) == 0 {
		if c.read.err != nil {
			return 0, c.read.err
		}
		if len(p) == 0 {
			return 0, nil
		}
		message, err := c.next()
		if err != nil {
			c.read.err = c.fail(err)
			return 0, err
		}
		c.read.rest = message
	}
	n := copy(p, c.read.rest)
	c.read.rest = c.read.rest[n:]
	return n, nil
}

func (c *Conn) next() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
		return nil, err // io.EOF where the server closed between two buffers
	}
	n := binary.BigEndian.Uint32(head[:])
	// A plain LDAP message starts with 30, which makes a length far above the limit.
	if n == 0 || n > maxReceive {
		return nil, fmt.Errorf("%w: a buffer of %d bytes", ErrIntegrity, n)
	}
	// Beyond what servers send it is grown as it comes: a length alone costs the peer nothing.
	token := make([]byte, min(n, maxSend))
	_, err := io.ReadFull(c.Conn, token)
	if err == nil && int(n) > len(token) {
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(c.Conn, int64(n)-int64(len(token))))
		token = append(token, rest...)
	}
	if errors.Is(err, io.EOF) || err == nil && len(token) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read sealed buffer: %w", err)
	}
	return c.layer.Unwrap(token)
}

// Write seals and sends all of p.
func (c *Conn) Write(p []byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()
	n, most := 0, c.layer.MaxMessage()
	for n < len(p) {
		if c.write.err != nil {
			return n, c.write.err
		}
		if most <= 0 {
			return n, errors.New("write sealed buffer: the server takes none")
		}
		part := p[n:min(n+most, len(p))]
		if err := c.send(part); err != nil {
			c.write.err = c.fail(err)
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

func (c *Conn) send(p []byte) error {
	token, err := c.layer.Wrap(p)
	if err != nil {
		return err
	}
	if c.timeout > 0 {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return err
		}
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(token)), uint32(len(token)))
	_, err = c.Conn.Write(append(b, token...))
	return err
}
