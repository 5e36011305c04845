// Package gss is the initiator of a security context with Kerberos as its only mechanism,
// inside SPNEGO or alone, always with mutual authentication, and either sealed or bound to
// a TLS connection; and a net.Conn that carries bytes in its wrap tokens. There is no
// acceptor, no NTLM, no delegation, and no way to ask for less.
package gss

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// ErrMutualAuth says that the server did not prove that it holds the key of the service:
// it is not the host that was asked for, or somebody is in between.
var ErrMutualAuth = errors.New("the server failed mutual authentication")

// ErrIntegrity says that what came over an established context was not sealed by the peer,
// or not in its turn.
var ErrIntegrity = errors.New("the sealed connection was damaged or tampered with")

// The flags of the authenticator's checksum. RFC 4121, 4.1.1.1.
const (
	flagMutual   = 0x02
	flagReplay   = 0x04
	flagSequence = 0x08
	flagConf     = 0x10
	flagInteg    = 0x20
)

// Mechanism is a SASL mechanism.
type Mechanism string

// The mechanisms: Kerberos inside SPNEGO, one round trip; and Kerberos alone, three.
// [MS-ADTS] 5.1.1.1.2, RFC 4752.
const (
	SPNEGO Mechanism = "GSS-SPNEGO"
	GSSAPI Mechanism = "GSSAPI"
)

// Options say what a context is for.
type Options struct {
	Mechanism Mechanism // empty: SPNEGO
	// ChannelBinding is the application data of the TLS connection that the context is
	// bound to; nil where there is no TLS. With it the context has no layer of its own,
	// which domain controllers refuse inside TLS, and Wrap and Unwrap fail; without it
	// everything is sealed. There is nothing in between. [MS-ADTS] 5.1.2.1, 5.1.2.2.
	ChannelBinding []byte
	// Types are the encryption types that its keys may be of; nil is
	// krb5.EncryptionTypes(false), which has no RC4.
	Types []int32
}

// complete fills in what is meant where nothing is said.
func (o Options) complete() (Options, error) {
	if o.Mechanism == "" {
		o.Mechanism = SPNEGO
	}
	if o.Mechanism != SPNEGO && o.Mechanism != GSSAPI {
		return o, fmt.Errorf("SASL mechanism %q: want %s or %s", o.Mechanism, SPNEGO, GSSAPI)
	}
	if o.Types == nil {
		o.Types = krb5.EncryptionTypes(false)
	}
	return o, nil
}

// Flags are those that a context must have, in the bits of GSS-API. RFC 4121, 4.1.1.1.
func (o Options) Flags() uint32 {
	var wanted uint32 = flagMutual | flagReplay | flagSequence
	switch {
	case o.ChannelBinding == nil:
		wanted |= flagConf | flagInteg
	case o.Mechanism == GSSAPI:
		// With SPNEGO the flags are what chooses a layer; with GSSAPI it is chosen later, in
		// tokens that need integrity.
		wanted |= flagInteg
	}
	return wanted
}

// state is how far a negotiation has come.
type state int

const (
	stateStart  state = iota
	stateAsked        // the AP-REQ is out
	stateProven       // the server has proven itself; with GSSAPI its offer of layers is next
	stateDone
)

// Context is one security context. Wrap and Unwrap may be used at the same time by one
// writer and one reader. After the first failure both fail for ever.
type Context struct {
	mechanism Mechanism
	sealed    bool
	types     []int32
	first     []byte   // the token that starts it
	provider  Provider // whose Kerberos it is; nil: the one here, whose keys these are

	session types.EncryptionKey
	subkey  types.EncryptionKey // ours
	ctime   time.Time
	cusec   int

	tokens tokens // the wrap tokens of the key that was agreed on
	max    int    // the longest message in one of them, in bytes

	mu      sync.Mutex
	state   state
	failed  error
	sendSeq uint64
	recvSeq uint64
}

// New makes a context from a service ticket.
func New(t *krb5.Ticket, o Options) (*Context, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	size := len(t.Key.KeyValue)
	if err := krb5.CheckKey("the session key of the ticket for "+t.Server.String(), t.Key.KeyType, size, o.Types); err != nil {
		return nil, err
	}
	auth, err := types.NewAuthenticator(t.Client.Realm, t.Client.Name)
	if err != nil {
		return nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	var random [8]byte
	auth.SubKey = types.EncryptionKey{KeyType: t.Key.KeyType, KeyValue: make([]byte, size)}
	if _, err := rand.Read(auth.SubKey.KeyValue); err != nil {
		return nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	// The answer repeats the time, which must be no other request's, and two of them may be made
	// in one tick of a clock. All of these take as many bytes.
	auth.Cusec = 100_000 + int(binary.BigEndian.Uint32(random[4:])%900_000)
	// Not zero, which the encoder drops as an absent field; below 2^30, as some peers
	// read a signed number.
	auth.SeqNumber = int64(binary.BigEndian.Uint32(random[:])&0x3fffffff) | 1
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: checksum(o)}

	ap, err := messages.NewAPReq(t.Ticket, t.Key, auth)
	if err != nil {
		return nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	types.SetFlag(&ap.APOptions, flags.APOptionMutualRequired)
	b, err := ap.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	token, err := mechInit(b)
	if err == nil && o.Mechanism == SPNEGO {
		token, err = spnegoInit(token)
	}
	if err != nil {
		return nil, fmt.Errorf("make %s token: %w", o.Mechanism, err)
	}
	return &Context{
		mechanism: o.Mechanism,
		sealed:    o.ChannelBinding == nil,
		types:     o.Types,
		first:     token,
		session:   t.Key,
		subkey:    auth.SubKey,
		ctime:     auth.CTime,
		cusec:     auth.Cusec,
		sendSeq:   uint64(auth.SeqNumber),
	}, nil
}

// checksum is the authenticator's: the channel bindings, and what the context is to be.
// RFC 4121, 4.1.1.
func checksum(o Options) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 16)
	if o.ChannelBinding == nil {
		b = append(b, make([]byte, 16)...)
	} else {
		b = append(b, bindingHash(o.ChannelBinding)...)
	}
	return binary.LittleEndian.AppendUint32(b, o.Flags())
}

// bindingHash is the MD5 of channel bindings without addresses. RFC 4121, 4.1.1.2.
func bindingHash(application []byte) []byte {
	b := make([]byte, 16, 20+len(application))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(application)))
	sum := md5.Sum(append(b, application...))
	return sum[:]
}

// Established tells whether the server has proven itself and there is nothing left to agree on.
func (c *Context) Established() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed == nil && c.state == stateDone
}

// Step takes the server's token, nil at first, and returns the next one to send: nil where
// there is none, empty where an empty one is due. The error is ErrMutualAuth if the server
// proved nothing, and a *krb5.Error if it refused the ticket; it is the end of the context.
func (c *Context) Step(token []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return nil, c.failed
	}
	reply, err := c.step(token)
	if err != nil {
		c.failed = err
		clear(c.subkey.KeyValue)
		return nil, err
	}
	return reply, nil
}

func (c *Context) step(token []byte) ([]byte, error) {
	switch c.state {
	case stateStart:
		if len(token) > 0 {
			return nil, errors.New("security context: an answer before the question")
		}
		c.state = stateAsked
		return c.first, nil
	case stateAsked:
		if c.mechanism == GSSAPI {
			if err := c.accept(token); err != nil {
				return nil, err
			}
			c.state = stateProven
			// The offer of layers comes for an empty answer. RFC 4752, 3.1.
			return []byte{}, nil
		}
		r, err := parseResponse(token)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMutualAuth, err)
		}
		if err := c.acceptSPNEGO(r); err != nil {
			return nil, err
		}
		if c.sealed {
			c.max = maxSend - c.tokens.overhead()
		}
		c.state = stateDone
		return nil, nil
	case stateProven:
		reply, err := c.agree(token)
		if err != nil {
			return nil, err
		}
		c.state = stateDone
		return reply, nil
	}
	return nil, errors.New("security context: an answer too many")
}

func (c *Context) acceptSPNEGO(r response) error {
	// A service's refusal says more than the state of the negotiation.
	var refused *krb5.Error
	err := c.accept(r.token)
	if r.state != acceptCompleted && !errors.As(err, &refused) {
		return fmt.Errorf("%w: negotiation state %d", ErrMutualAuth, r.state)
	}
	return err
}

// accept reads the token of a Kerberos acceptor, which must prove that it has the key.
func (c *Context) accept(token []byte) error {
	rep, err := parseMechToken(token)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMutualAuth, err)
	}
	if rep.isError {
		// Not authenticated, but there is nothing to do with it but stop.
		e, err := krb5.ParseError(rep.message, time.Now())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMutualAuth, err)
		}
		return e
	}
	if c.provider != nil {
		return c.acceptProvided(token)
	}
	part, err := decryptAPRep(rep.message, c.session)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMutualAuth, err)
	}
	// The seconds and the microseconds go separately; an old answer has another pair.
	if part.CTime.Unix() != c.ctime.Unix() || part.Cusec != c.cusec {
		return fmt.Errorf("%w: the AP-REP answers another request", ErrMutualAuth)
	}
	key, ofAcceptor := c.subkey, false
	if k := part.Subkey; k.KeyType != 0 || len(k.KeyValue) != 0 {
		if err := krb5.CheckKey("the acceptor's subkey", k.KeyType, len(k.KeyValue), c.types); err != nil {
			return fmt.Errorf("%w: %w", ErrMutualAuth, err)
		}
		key, ofAcceptor = k, true
	}
	if c.tokens, err = newTokens(key, ofAcceptor); err != nil {
		return fmt.Errorf("%w: %w", ErrMutualAuth, err)
	}
	// 32 bits; some peers encode them as a signed number.
	c.recvSeq = uint64(uint32(part.SequenceNumber))
	return nil
}

func decryptAPRep(b []byte, key types.EncryptionKey) (part messages.EncAPRepPart, err error) {
	err = guard(func() error {
		var rep messages.APRep
		if err := rep.Unmarshal(b); err != nil {
			return fmt.Errorf("read AP-REP: %w", err)
		}
		if rep.EncPart.EType != key.KeyType {
			return fmt.Errorf("read AP-REP: encrypted with %s", krb5.EncryptionName(rep.EncPart.EType))
		}
		plain, err := crypto.DecryptEncPart(rep.EncPart, key, keyusage.AP_REP_ENCPART)
		if err != nil {
			return fmt.Errorf("read AP-REP: %w", err)
		}
		defer clear(plain)
		return part.Unmarshal(plain)
	})
	return part, err
}

var errMalformed = errors.New("malformed token")

// guard turns a panic of the decoders, which slice without looking, into an error.
func guard(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errMalformed
		}
	}()
	return f()
}
