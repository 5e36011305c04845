package gss

import (
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// tokens makes and reads the wrap tokens of one key. The numbers are those of RFC 4121 and
// RFC 1964: what a token must have, not what is looked for.
type tokens interface {
	// wrap makes a token of the initiator: sealed, or else signed only.
	wrap(message []byte, seq uint64, sealed bool) ([]byte, error)
	// unwrap reads one of the acceptor.
	unwrap(token []byte, seq uint64, sealed bool) ([]byte, error)
	// overhead is how much longer than its message a sealed token is, at most.
	overhead() int
}

// newTokens is the family of tokens of a key's encryption type.
func newTokens(key types.EncryptionKey, ofAcceptor bool) (tokens, error) {
	if key.KeyType == krb5.RC4 {
		return arcfour{key.KeyValue}, nil
	}
	return newCFX(key, ofAcceptor)
}

var (
	errNotEstablished = errors.New("security context is not established")
	errNoLayer        = errors.New("security context has no layer: TLS protects the connection")
)

// MaxMessage is how many bytes one call of Wrap can carry to the server.
func (c *Context) MaxMessage() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.max
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
	token, err := c.tokens.wrap(message, seq, true)
	if err != nil {
		return nil, c.stop(fmt.Errorf("seal: %w", err))
	}
	return token, nil
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
	message, err := c.tokens.unwrap(token, seq, true)
	if err != nil {
		return nil, c.stop(fmt.Errorf("%w: %w", ErrIntegrity, err))
	}
	return message, nil
}

func (c *Context) usable() error {
	switch {
	case c.failed != nil:
		return c.failed
	case c.state != stateDone:
		return errNotEstablished
	case !c.sealed:
		return errNoLayer
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
