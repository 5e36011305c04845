package gss

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// Provider is a Kerberos that keeps its keys to itself, as that of the system does. It makes
// and reads tokens of RFC 4121; what is around them, SPNEGO and the layers of GSSAPI, is done
// here. Wrap and Unwrap may be called at the same time.
type Provider interface {
	// Init takes the acceptor's token, nil at first, and returns the initiator's. It is done
	// when the acceptor has proven itself and the context is everything that was asked for.
	Init(token []byte) (reply []byte, done bool, err error)
	// Wrap seals a message, or else only signs it.
	Wrap(message []byte, sealed bool) ([]byte, error)
	// Unwrap opens what was sealed, or else what was only signed, and refuses the other.
	Unwrap(token []byte, sealed bool) ([]byte, error)
}

// Request is what an AP-REQ says in the clear.
type Request struct {
	Service    krb5.Principal // whom the ticket is for
	SessionKey int32          // the encryption type of the key that the initiator has
	ServiceKey int32          // and of the one that the service has
}

// Use makes a context whose Kerberos a provider speaks, and says what that asks the service.
func Use(p Provider, o Options) (*Context, Request, error) {
	o, err := o.complete()
	if err != nil {
		return nil, Request{}, err
	}
	token, done, err := p.Init(nil)
	if err != nil {
		return nil, Request{}, err
	}
	if done {
		return nil, Request{}, errors.New("make AP-REQ: the context is done before the server has said anything")
	}
	request, err := readRequest(token)
	if err != nil {
		return nil, Request{}, fmt.Errorf("make AP-REQ: %w", err)
	}
	if !slices.Contains(o.Types, request.SessionKey) {
		return nil, request, &krb5.WeakError{What: "the session key of the ticket for " + request.Service.String(), EType: request.SessionKey}
	}
	if o.Mechanism == SPNEGO {
		if token, err = spnegoInit(token); err != nil {
			return nil, request, fmt.Errorf("make %s token: %w", o.Mechanism, err)
		}
	}
	return &Context{
		mechanism: o.Mechanism,
		sealed:    o.ChannelBinding == nil,
		types:     o.Types,
		first:     token,
		provider:  p,
	}, request, nil
}

// readRequest reads an initiator's first token, and refuses one that asks for no proof.
func readRequest(token []byte) (r Request, err error) {
	kind, message, err := openMech(token)
	if err == nil && !bytes.Equal(kind, tokenAPReq) {
		err = fmt.Errorf("read Kerberos token: kind %x", kind)
	}
	if err != nil {
		return r, err
	}
	err = guard(func() error {
		var req messages.APReq
		if err := req.Unmarshal(message); err != nil {
			return err
		}
		if !types.IsFlagSet(&req.APOptions, flags.APOptionMutualRequired) {
			return errors.New("it does not ask the server to prove itself")
		}
		r = Request{
			Service:    krb5.Principal{Name: req.Ticket.SName, Realm: req.Ticket.Realm},
			SessionKey: req.EncryptedAuthenticator.EType,
			ServiceKey: req.Ticket.EncPart.EType,
		}
		return nil
	})
	return r, err
}

// acceptProvided has the provider judge an acceptor's proof.
func (c *Context) acceptProvided(token []byte) error {
	reply, done, err := c.provider.Init(token)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMutualAuth, err)
	case !done || len(reply) > 0:
		return fmt.Errorf("%w: the AP-REP leaves something to be said", ErrMutualAuth)
	}
	c.tokens = &provided{Provider: c.provider, rc4: slices.Contains(c.types, krb5.RC4)}
	return nil
}

// provided are the wrap tokens that a provider makes. What their headers say in the clear is
// checked here too: that they are sealed, who made them, and that none is missing.
type provided struct {
	Provider
	rc4 bool // tokens of RC4, whose numbers are encrypted, are allowed too

	begun bool   // base is known
	base  uint64 // the peer's number for what is number 0 here
}

// mostOverhead is that of the type that needs most, AES with SHA-384, and something to spare.
const mostOverhead = 128

func (p *provided) overhead() int { return mostOverhead }

func (p *provided) wrap(message []byte, _ uint64, sealed bool) ([]byte, error) {
	token, err := p.Wrap(message, sealed)
	if err != nil {
		return nil, err
	}
	header, err := p.header(token)
	switch {
	case err != nil:
		return nil, err
	case header == nil:
	case header[2]&flagByAcceptor != 0 || (header[2]&flagSealed != 0) != sealed:
		return nil, fmt.Errorf("wrap token was made with flags %#x", header[2])
	}
	return token, nil
}

func (p *provided) unwrap(token []byte, seq uint64, sealed bool) ([]byte, error) {
	header, err := p.header(token)
	if err != nil {
		return nil, err
	}
	if header != nil {
		number := binary.BigEndian.Uint64(header[8:])
		if !p.begun {
			p.begun, p.base = true, number-seq
		}
		switch {
		case header[2]&flagByAcceptor == 0 || (header[2]&flagSealed != 0) != sealed:
			return nil, fmt.Errorf("wrap token has flags %#x", header[2])
		case number != p.base+seq:
			return nil, fmt.Errorf("wrap token has number %d, not %d", number, p.base+seq)
		}
	}
	return p.Unwrap(token, sealed)
}

// header is the clear one of a token of the newer types; nil where there is none.
func (p *provided) header(token []byte) ([]byte, error) {
	switch {
	case len(token) >= headerLen && token[0] == 0x05 && token[1] == 0x04:
		return token[:headerLen], nil
	case p.rc4 && len(token) > 0 && token[0] == byte(application0):
		return nil, nil
	}
	return nil, errors.New("not a wrap token")
}
