package krb5

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxReply caps what a KDC may send: a ticket with a large PAC has some 64 KiB.
const maxReply = 1 << 20

// Client asks one KDC.
type Client struct {
	Address string // host:port of the KDC
	Timeout time.Duration
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	// Types are the encryption types that are asked for and taken, the best first; nil is
	// EncryptionTypes(false).
	Types []int32

	exchanges atomic.Int64
}

// Exchanges is how many requests were answered or waited for.
func (c *Client) Exchanges() int64 { return c.exchanges.Load() }

func (c *Client) types() []int32 {
	if c.Types == nil {
		return EncryptionTypes(false)
	}
	return c.Types
}

// Login proves who it is to the KDC and returns a ticket-granting ticket. A refusal is an
// *Error. A wrong secret is sent once, so it counts once against the account. RFC 4120, 3.1.
func (c *Client) Login(ctx context.Context, client Principal, secret Secret) (*Ticket, error) {
	sname := types.PrincipalName{
		NameType:   nametype.KRB_NT_SRV_INST,
		NameString: []string{"krbtgt", client.Realm},
	}
	req, err := messages.NewASReq(client.Realm, settings(c.types()), client.Name, sname)
	if err != nil {
		return nil, fmt.Errorf("make AS-REQ: %w", err)
	}
	if client.Name.NameType == nametype.KRB_NT_ENTERPRISE || shortRealm(client.Realm) {
		types.SetFlag(&req.ReqBody.KDCOptions, flags.Canonicalize)
	}

	// The first request asks how to prove it: with which key and which salt.
	reply, err := c.as(ctx, req)
	var key types.EncryptionKey
	var refused *refusal
	if errors.As(err, &refused) && refused.err.Code == PreauthRequired {
		key, err = preauthKey(refused.edata, client, secret, c.types())
		if err != nil {
			return nil, err
		}
		defer clear(key.KeyValue)
		pa, err := timestamp(key)
		if err != nil {
			return nil, err
		}
		req.PAData = types.PADataSequence{pa}
		// Nothing after this line sends again, whatever comes back.
		reply, err = c.as(ctx, req)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	} else {
		// The account needs no pre-authentication.
		key, err = replyKey(reply, client, secret, c.types())
		if err != nil {
			return nil, err
		}
		defer clear(key.KeyValue)
	}

	part, err := decrypt(reply.EncPart, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		return nil, fmt.Errorf("read AS-REP: %w", err)
	}
	canonical := types.IsFlagSet(&req.ReqBody.KDCOptions, flags.Canonicalize)
	switch {
	case part.Nonce != req.ReqBody.Nonce:
		return nil, errors.New("read AS-REP: the nonce is not ours")
	case !canonical && (!sameName(reply.CName, client.Name) || !strings.EqualFold(reply.CRealm, client.Realm)):
		return nil, fmt.Errorf("read AS-REP: it is for %s", Principal{reply.CName, reply.CRealm})
	case len(part.SName.NameString) != 2 || part.SName.NameString[0] != "krbtgt":
		return nil, fmt.Errorf("read AS-REP: the ticket is for %s", part.SName.PrincipalNameString())
	case !strings.EqualFold(part.SName.NameString[1], part.SRealm) && !canonical:
		return nil, fmt.Errorf("read AS-REP: the ticket is for %s", part.SName.PrincipalNameString())
	}
	return ticket(reply.KDCRepFields, part, c.types())
}

// Service asks for a ticket to a service with a ticket-granting ticket for the service's
// realm. RFC 4120, 3.3.
func (c *Client) Service(ctx context.Context, tgt *Ticket, service Principal) (*Ticket, error) {
	kdc := tgt.Server
	if len(kdc.Name.NameString) != 2 || kdc.Name.NameString[0] != "krbtgt" {
		return nil, fmt.Errorf("ticket for %s cannot ask for others", kdc)
	}
	if err := CheckKey("the key of the ticket for "+kdc.String(), tgt.Key.KeyType, len(tgt.Key.KeyValue), c.types()); err != nil {
		return nil, err
	}
	req, err := tgsRequest(tgt, service, c.types())
	if err != nil {
		return nil, fmt.Errorf("make TGS-REQ: %w", err)
	}
	b, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make TGS-REQ: %w", err)
	}
	b, err = c.exchange(ctx, b)
	if err != nil {
		return nil, err
	}
	reply, err := parseTGSReply(b, time.Now())
	if err != nil {
		return nil, err
	}
	part, err := decrypt(reply.EncPart, tgt.Key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if err != nil {
		return nil, fmt.Errorf("read TGS-REP: %w", err)
	}
	if part.Nonce != req.ReqBody.Nonce {
		return nil, errors.New("read TGS-REP: the nonce is not ours")
	}
	if s := part.SName.NameString; len(s) == 2 && s[0] == "krbtgt" {
		return nil, &ReferralError{Realm: s[1]}
	}
	if !sameName(part.SName, service.Name) || !sameName(reply.Ticket.SName, service.Name) || !strings.EqualFold(part.SRealm, service.Realm) {
		return nil, fmt.Errorf("read TGS-REP: the ticket is for %s", Principal{part.SName, part.SRealm})
	}
	if !sameName(reply.CName, tgt.Client.Name) {
		return nil, fmt.Errorf("read TGS-REP: it is for %s", Principal{reply.CName, reply.CRealm})
	}
	t, err := ticket(reply.KDCRepFields, part, c.types())
	if err != nil {
		return nil, err
	}
	// Nothing protects the client's name in the answer; what the TGT said is known.
	t.Client = tgt.Client
	return t, nil
}

// settings are gokrb5's, made in memory: it panics on some krb5.conf files.
func settings(etypes []int32) *config.Config {
	c := config.New()
	c.LibDefaults.DefaultTktEnctypeIDs = etypes
	c.LibDefaults.DefaultTGSEnctypeIDs = etypes
	c.LibDefaults.TicketLifetime = 10 * time.Hour
	return c
}

// shortRealm tells whether a realm is the short name of a domain, which the KDC replaces by
// the long one.
func shortRealm(realm string) bool { return !strings.Contains(realm, ".") }

func tgsRequest(tgt *Ticket, service Principal, etypes []int32) (*messages.TGSReq, error) {
	nonce, err := rand.Int(rand.Reader, big.NewInt(1<<31-1))
	if err != nil {
		return nil, err
	}
	req := &messages.TGSReq{KDCReqFields: messages.KDCReqFields{
		PVNO:    iana.PVNO,
		MsgType: msgtype.KRB_TGS_REQ,
		ReqBody: messages.KDCReqBody{
			KDCOptions: types.NewKrbFlags(),
			Realm:      service.Realm,
			SName:      service.Name,
			Till:       tgt.Ends.UTC(),
			Nonce:      int(nonce.Int64()),
			EType:      etypes,
		},
	}}
	types.SetFlag(&req.ReqBody.KDCOptions, flags.Canonicalize)
	body, err := req.ReqBody.Marshal()
	if err != nil {
		return nil, err
	}
	et, err := crypto.GetEtype(tgt.Key.KeyType)
	if err != nil {
		return nil, err
	}
	sum, err := et.GetChecksumHash(tgt.Key.KeyValue, body, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM)
	if err != nil {
		return nil, err
	}
	// The realm is the client's. gokrb5's own request takes the ticket's, which is wrong
	// for a ticket of another realm's KDC.
	auth, err := types.NewAuthenticator(tgt.Client.Realm, tgt.Client.Name)
	if err != nil {
		return nil, err
	}
	auth.Cksum = types.Checksum{CksumType: et.GetHashID(), Checksum: sum}
	ap, err := messages.NewAPReq(tgt.Ticket, tgt.Key, auth)
	if err != nil {
		return nil, err
	}
	b, err := ap.Marshal()
	if err != nil {
		return nil, err
	}
	req.PAData = types.PADataSequence{{PADataType: patype.PA_TGS_REQ, PADataValue: b}}
	return req, nil
}

// refusal is an *Error with its e-data, which says how to go on.
type refusal struct {
	err   *Error
	edata []byte
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

func (c *Client) as(ctx context.Context, req messages.ASReq) (*messages.ASRep, error) {
	b, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make AS-REQ: %w", err)
	}
	b, err = c.exchange(ctx, b)
	if err != nil {
		return nil, err
	}
	return parseASReply(b, time.Now())
}

// parseASReply reads an AS-REP; a KRB-ERROR in its place is a *refusal.
func parseASReply(b []byte, now time.Time) (*messages.ASRep, error) {
	if err := parseRefusal(b, now); err != nil {
		return nil, err
	}
	var reply messages.ASRep
	if err := guard(func() error { return reply.Unmarshal(b) }); err != nil {
		return nil, fmt.Errorf("read AS-REP: %w", err)
	}
	return &reply, nil
}

// parseTGSReply reads a TGS-REP; a KRB-ERROR in its place is a *refusal.
func parseTGSReply(b []byte, now time.Time) (*messages.TGSRep, error) {
	if err := parseRefusal(b, now); err != nil {
		return nil, err
	}
	var reply messages.TGSRep
	if err := guard(func() error { return reply.Unmarshal(b) }); err != nil {
		return nil, fmt.Errorf("read TGS-REP: %w", err)
	}
	return &reply, nil
}

func parseRefusal(b []byte, now time.Time) error {
	if len(b) == 0 || b[0] != 0x60|asnAppTag.KRBError {
		return nil
	}
	m, e, err := parseError(b, now)
	if err != nil {
		return err
	}
	return &refusal{e, m.EData}
}

// decrypt opens the encrypted part of a reply.
func decrypt(ed types.EncryptedData, key types.EncryptionKey, usage uint32) (*messages.EncKDCRepPart, error) {
	if ed.EType != key.KeyType {
		return nil, fmt.Errorf("it is encrypted with %s, not %s", EncryptionName(ed.EType), EncryptionName(key.KeyType))
	}
	var part messages.EncKDCRepPart
	err := guard(func() error {
		b, err := crypto.DecryptEncPart(ed, key, usage)
		if err != nil {
			return err
		}
		defer clear(b)
		return part.Unmarshal(b)
	})
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return &part, nil
}

func ticket(rep messages.KDCRepFields, part *messages.EncKDCRepPart, etypes []int32) (*Ticket, error) {
	if err := CheckKey("the session key that the KDC chose", part.Key.KeyType, len(part.Key.KeyValue), etypes); err != nil {
		return nil, err
	}
	starts := part.StartTime
	if starts.IsZero() {
		starts = part.AuthTime // RFC 4120, 5.4.2
	}
	return &Ticket{
		Ticket: rep.Ticket,
		Key:    part.Key,
		Client: Principal{rep.CName, rep.CRealm},
		Server: Principal{part.SName, part.SRealm},
		Starts: starts,
		Ends:   part.EndTime,
		Renew:  part.RenewTill,
	}, nil
}

// timestamp is the proof of a key: the time, encrypted. RFC 4120, 5.2.7.2.
func timestamp(key types.EncryptionKey) (types.PAData, error) {
	b, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return types.PAData{}, fmt.Errorf("make timestamp: %w", err)
	}
	ed, err := crypto.GetEncryptedData(b, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, 0)
	if err != nil {
		return types.PAData{}, fmt.Errorf("encrypt timestamp: %w", err)
	}
	b, err = ed.Marshal()
	if err != nil {
		return types.PAData{}, fmt.Errorf("make timestamp: %w", err)
	}
	return types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: b}, nil
}

// preauthKey makes the key that the KDC's METHOD-DATA asks for. RFC 4120, 5.2.7.5.
func preauthKey(methodData []byte, client Principal, secret Secret, etypes []int32) (types.EncryptionKey, error) {
	var methods types.PADataSequence
	if err := guard(func() error { return methods.Unmarshal(methodData) }); err != nil {
		return types.EncryptionKey{}, fmt.Errorf("read the KDC's pre-authentication methods: %w", err)
	}
	if !methods.Contains(patype.PA_ENC_TIMESTAMP) {
		var offered []int32
		for _, m := range methods {
			offered = append(offered, m.PADataType)
		}
		return types.EncryptionKey{}, &PreauthError{Offered: offered}
	}
	params, err := parseParams(methods, client, etypes)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	return secret.key(client, params)
}

// replyKey makes the key that a reply without pre-authentication is encrypted with.
func replyKey(reply *messages.ASRep, client Principal, secret Secret, etypes []int32) (types.EncryptionKey, error) {
	params, err := parseParams(reply.PAData, client, etypes)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	for _, p := range params {
		if p.etype == reply.EncPart.EType {
			return secret.key(client, []keyParams{p})
		}
	}
	return types.EncryptionKey{}, fmt.Errorf("read AS-REP: it is encrypted with %s", EncryptionName(reply.EncPart.EType))
}

// keyParams is how a password becomes a key of an encryption type.
type keyParams struct {
	etype int32
	salt  string
	iter  uint32
}

// parseParams reads PA-ETYPE-INFO2, keeping what is among etypes, in the KDC's order.
func parseParams(methods types.PADataSequence, client Principal, etypes []int32) ([]keyParams, error) {
	var info types.ETypeInfo2
	for _, m := range methods {
		if m.PADataType != patype.PA_ETYPE_INFO2 {
			continue
		}
		if err := guard(func() error { return info.Unmarshal(m.PADataValue) }); err != nil {
			return nil, fmt.Errorf("read ETYPE-INFO2: %w", err)
		}
	}
	var out []keyParams
	for _, i := range info {
		known, ok := encryptionOf(i.EType)
		if !ok || !slices.Contains(etypes, i.EType) {
			continue
		}
		p := keyParams{etype: i.EType, salt: i.Salt, iter: known.rounds}
		if p.salt == "" {
			p.salt = client.Name.GetSalt(client.Realm)
		}
		if len(i.S2KParams) == 4 && known.rounds > 0 {
			p.iter = binary.BigEndian.Uint32(i.S2KParams)
		}
		// Nobody has vouched for these numbers yet. Fewer rounds make our proof cheap
		// to guess from, more keep us busy for hours.
		if p.iter < known.rounds || p.iter > maxIterations {
			return nil, fmt.Errorf("read ETYPE-INFO2: %d rounds for a password is out of range", p.iter)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		var offered []string
		for _, i := range info {
			offered = append(offered, EncryptionName(i.EType))
		}
		var asked []string
		for _, e := range etypes {
			asked = append(asked, EncryptionName(e))
		}
		return nil, &Error{
			Code: NoCommonEtype,
			Text: fmt.Sprintf("the KDC offers %v, asked for were %v", offered, asked),
		}
	}
	return out, nil
}

// exchange sends a request and reads one reply. RFC 4120, 7.2.2.
func (c *Client) exchange(ctx context.Context, req []byte) ([]byte, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", c.Address)
	if err != nil {
		return nil, &DialError{c.Address, err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c.exchanges.Add(1)
	reply, err := roundTrip(conn, req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("ask KDC %s: %w", c.Address, err)
	}
	return reply, nil
}

func roundTrip(conn net.Conn, req []byte) ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(req)))
	if _, err := conn.Write(append(b, req...)); err != nil {
		return nil, err
	}
	return readReply(conn)
}

// readReply reads a reply with its length in front, and no byte more.
func readReply(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("read length: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxReply {
		return nil, fmt.Errorf("reply of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	return b, nil
}
