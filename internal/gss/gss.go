// Package gss is the initiator of a GSS-SPNEGO security context with Kerberos as its only
// mechanism, always with mutual authentication and always sealed, and a net.Conn that
// carries bytes in its wrap tokens. There is no acceptor, no NTLM, no delegation, and no
// way to ask for less than confidentiality.
package gss

import (
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

	contextFlags = flagMutual | flagReplay | flagSequence | flagConf | flagInteg
)

// Context is one security context. Wrap and Unwrap may be used at the same time by one
// writer and one reader. After the first failure both fail for ever.
type Context struct {
	session types.EncryptionKey
	subkey  types.EncryptionKey // ours
	ctime   time.Time
	cusec   int

	established bool
	key         types.EncryptionKey // of the messages
	acceptorKey bool                // key is the acceptor's

	mu      sync.Mutex
	failed  error
	sendSeq uint64
	recvSeq uint64
}

// NewContext starts a context with a service ticket, and returns the token for the server.
func NewContext(t *krb5.Ticket) (*Context, []byte, error) {
	size := krb5.KeySize(t.Key.KeyType)
	if size == 0 || len(t.Key.KeyValue) != size {
		return nil, nil, fmt.Errorf("make AP-REQ: session key of %s", t.Encryption())
	}
	auth, err := types.NewAuthenticator(t.Client.Realm, t.Client.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	var random [4]byte
	auth.SubKey = types.EncryptionKey{KeyType: t.Key.KeyType, KeyValue: make([]byte, size)}
	if _, err := rand.Read(auth.SubKey.KeyValue); err != nil {
		return nil, nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	if _, err := rand.Read(random[:]); err != nil {
		return nil, nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	// Not zero, which the encoder drops as an absent field; below 2^30, as some peers
	// read a signed number.
	auth.SeqNumber = int64(binary.BigEndian.Uint32(random[:])&0x3fffffff) | 1
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: checksum()}

	ap, err := messages.NewAPReq(t.Ticket, t.Key, auth)
	if err != nil {
		return nil, nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	types.SetFlag(&ap.APOptions, flags.APOptionMutualRequired)
	b, err := ap.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("make AP-REQ: %w", err)
	}
	token, err := appendInit(b)
	if err != nil {
		return nil, nil, fmt.Errorf("make SPNEGO token: %w", err)
	}
	return &Context{
		session: t.Key,
		subkey:  auth.SubKey,
		ctime:   auth.CTime,
		cusec:   auth.Cusec,
		sendSeq: uint64(auth.SeqNumber),
	}, token, nil
}

// checksum is the authenticator's: no channel bindings, and what the context is to be.
// RFC 4121, 4.1.1.
func checksum() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 16)
	b = append(b, make([]byte, 16)...)
	return binary.LittleEndian.AppendUint32(b, contextFlags)
}

// Accept reads the server's answer, which must complete the context. It is ErrMutualAuth if
// the server proved nothing, and a *krb5.Error if it refused the ticket.
func (c *Context) Accept(token []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return c.failed
	}
	if c.established {
		return c.fail(errors.New("security context: a second answer"))
	}
	if err := c.accept(token); err != nil {
		return c.fail(err)
	}
	return nil
}

func (c *Context) fail(err error) error {
	c.failed = err
	clear(c.subkey.KeyValue)
	return err
}

func (c *Context) accept(token []byte) error {
	r, err := parseResponse(token)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMutualAuth, err)
	}
	rep, err := parseMechToken(r.token)
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
	if r.state != acceptCompleted {
		return fmt.Errorf("%w: negotiation state %d", ErrMutualAuth, r.state)
	}
	part, err := decryptAPRep(rep.message, c.session)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMutualAuth, err)
	}
	// The seconds and the microseconds go separately; an old answer has another pair.
	if part.CTime.Unix() != c.ctime.Unix() || part.Cusec != c.cusec {
		return fmt.Errorf("%w: the AP-REP answers another request", ErrMutualAuth)
	}
	c.key = c.subkey
	if k := part.Subkey; k.KeyType != 0 || len(k.KeyValue) != 0 {
		if n := krb5.KeySize(k.KeyType); n == 0 || len(k.KeyValue) != n {
			return fmt.Errorf("%w: acceptor subkey of %s", ErrMutualAuth, krb5.EncryptionName(k.KeyType))
		}
		c.key, c.acceptorKey = k, true
	}
	// 32 bits; some peers encode them as a signed number.
	c.recvSeq = uint64(uint32(part.SequenceNumber))
	c.established = true
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
