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

	"github.com/jcmturner/gofork/encoding/asn1"
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

// Client asks the KDC of one realm, and those of the realms that it refers to.
type Client struct {
	Realm   string // of Address
	Address string // host:port of the KDC
	// Others finds the KDCs of another realm as host:port, the first to be asked first. Nil
	// finds none.
	Others  func(ctx context.Context, realm string) ([]string, error)
	Timeout time.Duration // of one request to one KDC; 0: none
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Now     func() time.Time // the clock; nil is time.Now
	// Types are the encryption types that are asked for and taken, the best first; nil is
	// EncryptionTypes(false).
	Types []int32

	exchanges atomic.Int64
}

// maxReferrals is how many realms may lie between the client's and the service's.
const maxReferrals = 8

// Exchanges is how many requests were answered or waited for.
func (c *Client) Exchanges() int64 { return c.exchanges.Load() }

func (c *Client) types() []int32 {
	if c.Types == nil {
		return EncryptionTypes(false)
	}
	return c.Types
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Login proves who it is to the KDC and returns a ticket-granting ticket. The KDC of another
// realm may say whose account it is; the proof is for the KDC of that realm then. A refusal
// is an *Error. A wrong secret is sent once, so it counts once against the account.
// RFC 4120, 3.1; RFC 6806, 7.
func (c *Client) Login(ctx context.Context, client Principal, secret Secret) (*Ticket, error) {
	asked := []string{client.Realm}
	for {
		tgt, elsewhere, err := c.login(ctx, client, secret)
		if elsewhere == "" {
			return tgt, err
		}
		if err := follow(asked, elsewhere); err != nil {
			return nil, err
		}
		asked = append(asked, elsewhere)
		client.Realm = elsewhere
	}
}

// follow says why a referral is not followed: it goes in circles, or on for ever.
func follow(asked []string, next string) error {
	last := asked[len(asked)-1]
	if slices.ContainsFunc(asked, func(r string) bool { return strings.EqualFold(r, next) }) {
		return &ReferralError{From: last, Realm: next, Why: "which was asked before"}
	}
	if len(asked) > maxReferrals {
		return &ReferralError{From: last, Realm: next, Why: "after too many others"}
	}
	return nil
}

// login asks the KDC of one realm, or says to which realm that refers.
func (c *Client) login(ctx context.Context, client Principal, secret Secret) (_ *Ticket, elsewhere string, err error) {
	sname := types.PrincipalName{
		NameType:   nametype.KRB_NT_SRV_INST,
		NameString: []string{"krbtgt", client.Realm},
	}
	etypes := c.types()
	if keytab, ok := secret.(*Keytab); ok {
		// Some KDCs offer their best encryption type alone.
		etypes = keytab.among(client, etypes)
	}
	req, err := messages.NewASReq(client.Realm, settings(etypes), client.Name, sname)
	if err != nil {
		return nil, "", fmt.Errorf("make AS-REQ: %w", err)
	}
	canonical := client.Name.NameType == nametype.KRB_NT_ENTERPRISE || shortRealm(client.Realm)
	if canonical {
		types.SetFlag(&req.ReqBody.KDCOptions, flags.Canonicalize)
	}

	// The first request asks how to prove it: with which key and which salt.
	reply, err := c.as(ctx, client.Realm, req)
	var key types.EncryptionKey
	var refused *refusal
	switch {
	case err == nil:
		// The account needs no pre-authentication.
		key, err = replyKey(reply, client, secret, c.types())
		if err != nil {
			return nil, "", err
		}
		defer clear(key.KeyValue)
	case !errors.As(err, &refused):
		return nil, "", err
	case canonical && refused.err.Code == WrongRealm && refused.err.Realm != "":
		return nil, refused.err.Realm, nil
	case refused.err.Code == ClientUnknown && c.Realm != "" && shortRealm(client.Realm) && client.Name.NameType == nametype.KRB_NT_PRINCIPAL:
		// It may be the short name of a domain that this KDC's trusts. Those it looks for in
		// enterprise names only.
		name := client.Name.PrincipalNameString() + "@" + client.Realm
		return c.login(ctx, principal(nametype.KRB_NT_ENTERPRISE, name, c.Realm), secret)
	case refused.err.Code != PreauthRequired:
		return nil, "", err
	default:
		key, err = preauthKey(refused.edata, client, secret, c.types())
		if err != nil {
			return nil, "", err
		}
		defer clear(key.KeyValue)
		pa, err := timestamp(key, c.now())
		if err != nil {
			return nil, "", err
		}
		req.PAData = types.PADataSequence{pa}
		// Nothing after this line sends again, whatever comes back.
		reply, err = c.as(ctx, client.Realm, req)
		if errors.As(err, &refused) && refused.err.Code == PreauthRequired {
			return nil, "", &PreauthError{Offered: offered(refused.edata)} // the proof is not enough
		}
		if keytab, ok := secret.(*Keytab); ok && err != nil {
			err = keytab.refused(client, key.KeyType, err)
		}
		if err != nil {
			return nil, "", err
		}
	}

	part, err := decrypt(reply.EncPart, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		return nil, "", fmt.Errorf("read AS-REP: %w", err)
	}
	home, ok := grants(part.SName)
	switch {
	case part.Nonce != req.ReqBody.Nonce:
		err = errors.New("the nonce is not ours")
	case !ok || !strings.EqualFold(home, part.SRealm):
		err = fmt.Errorf("the ticket is for %s", Principal{part.SName, part.SRealm})
	case !strings.EqualFold(home, client.Realm) && !shortRealm(client.Realm):
		err = fmt.Errorf("the ticket is for %s, not of %s", Principal{part.SName, part.SRealm}, client.Realm)
	case !strings.EqualFold(reply.CRealm, part.SRealm), !canonical && !sameName(reply.CName, client.Name):
		err = fmt.Errorf("it is for %s", Principal{reply.CName, reply.CRealm})
	}
	if err != nil {
		clear(part.Key.KeyValue)
		return nil, "", fmt.Errorf("read AS-REP: %w", err)
	}
	tgt, err := ticket(reply.KDCRepFields, part, c.types())
	return tgt, "", err
}

// grants is the realm whose KDC takes tickets for a name, and false where they are for
// another service.
func grants(name types.PrincipalName) (realm string, ok bool) {
	if s := name.NameString; len(s) == 2 && s[0] == "krbtgt" {
		return s[1], true
	}
	return "", false
}

// Service asks for a ticket to a service with a ticket-granting ticket, from realm to realm
// until it is the service's. RFC 4120, 3.3; RFC 6806, 8.
func (c *Client) Service(ctx context.Context, tgt *Ticket, service Principal) (*Ticket, error) {
	realm, ok := grants(tgt.Server.Name)
	if !ok {
		return nil, fmt.Errorf("ticket for %s cannot ask for others", tgt.Server)
	}
	asked := []string{realm}
	byRealm := false
	for {
		// A KDC knows the realm of a service, or at least the way to the realm that we know.
		want := service.Name
		if byRealm && !strings.EqualFold(realm, service.Realm) {
			want = ServicePrincipal("krbtgt", service.Realm, "").Name
		}
		t, err := c.tgs(ctx, realm, tgt, want)
		var refused *Error
		if errors.As(err, &refused) && refused.Code == ServiceUnknown && !byRealm && !strings.EqualFold(realm, service.Realm) {
			byRealm = true
			continue
		}
		if len(asked) > 1 {
			clear(tgt.Key.KeyValue) // nobody else has it
		}
		if err != nil {
			if !strings.EqualFold(realm, c.Realm) && c.Realm != "" {
				err = fmt.Errorf("ask realm %s: %w", realm, err)
			}
			return nil, err
		}
		next, ok := grants(t.Server.Name)
		if !ok {
			if !strings.EqualFold(realm, service.Realm) {
				clear(t.Key.KeyValue)
				return nil, fmt.Errorf("read TGS-REP: the ticket is for %s", t.Server)
			}
			return t, nil
		}
		err = follow(asked, next)
		if strings.EqualFold(realm, service.Realm) {
			err = &ReferralError{From: realm, Realm: next, Why: "in which the service is, it says"}
		}
		if err != nil {
			clear(t.Key.KeyValue)
			return nil, err
		}
		asked = append(asked, next)
		realm, tgt = next, t
	}
}

// tgs asks the KDC of a realm for a ticket. The ticket is for what was asked for, or for the
// KDC of another realm.
func (c *Client) tgs(ctx context.Context, realm string, tgt *Ticket, name types.PrincipalName) (*Ticket, error) {
	if err := CheckKey("the key of the ticket for "+tgt.Server.String(), tgt.Key.KeyType, len(tgt.Key.KeyValue), c.types()); err != nil {
		return nil, err
	}
	req, err := tgsRequest(tgt, Principal{name, realm}, c.types(), c.now())
	if err != nil {
		return nil, fmt.Errorf("make TGS-REQ: %w", err)
	}
	b, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make TGS-REQ: %w", err)
	}
	b, err = c.exchange(ctx, realm, b)
	if err != nil {
		return nil, err
	}
	reply, err := parseTGSReply(b, c.now())
	if err != nil {
		return nil, err
	}
	part, err := decrypt(reply.EncPart, tgt.Key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if err != nil {
		return nil, fmt.Errorf("read TGS-REP: %w", err)
	}
	next, refers := grants(part.SName)
	switch {
	case part.Nonce != req.ReqBody.Nonce:
		err = errors.New("the nonce is not ours")
	case !sameName(part.SName, name) && (!refers || strings.EqualFold(next, realm)),
		!sameName(reply.Ticket.SName, part.SName), !strings.EqualFold(part.SRealm, realm):
		err = fmt.Errorf("the ticket is for %s", Principal{part.SName, part.SRealm})
	case !sameName(reply.CName, tgt.Client.Name):
		err = fmt.Errorf("it is for %s", Principal{reply.CName, reply.CRealm})
	}
	if err != nil {
		clear(part.Key.KeyValue)
		return nil, fmt.Errorf("read TGS-REP: %w", err)
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

func tgsRequest(tgt *Ticket, service Principal, etypes []int32, now time.Time) (*messages.TGSReq, error) {
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
	auth.CTime, auth.Cusec = now.UTC(), now.Nanosecond()/1000
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

func (c *Client) as(ctx context.Context, realm string, req messages.ASReq) (*messages.ASRep, error) {
	b, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make AS-REQ: %w", err)
	}
	b, err = c.exchange(ctx, realm, b)
	if err != nil {
		return nil, err
	}
	return parseASReply(b, c.now())
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
func timestamp(key types.EncryptionKey, now time.Time) (types.PAData, error) {
	b, err := asn1.Marshal(types.PAEncTSEnc{PATimestamp: now.UTC(), PAUSec: now.Nanosecond() / 1000})
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
		return types.EncryptionKey{}, &PreauthError{Offered: offered(methodData)}
	}
	params, err := parseParams(methods, client, etypes)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	return secret.key(client, params)
}

// offered is the types of a KDC's METHOD-DATA.
func offered(methodData []byte) []int32 {
	var methods types.PADataSequence
	if guard(func() error { return methods.Unmarshal(methodData) }) != nil {
		return nil
	}
	var all []int32
	for _, m := range methods {
		all = append(all, m.PADataType)
	}
	return all
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

// kdcs is the KDCs of a realm. A realm without a dot may be a short name, which any KDC of the
// forest knows better.
func (c *Client) kdcs(ctx context.Context, realm string) ([]string, error) {
	if c.Realm == "" || strings.EqualFold(realm, c.Realm) || shortRealm(realm) {
		return []string{c.Address}, nil
	}
	if c.Others == nil {
		return nil, &RealmError{Realm: realm, Err: errors.New("no other realm than " + c.Realm + " is asked")}
	}
	addresses, err := c.Others(ctx, realm)
	if err == nil && len(addresses) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, &RealmError{Realm: realm, Err: err}
	}
	return addresses, nil
}

// exchange sends a request to a KDC of a realm and reads one reply: the first KDC that can be
// reached gets it, and no other. RFC 4120, 7.2.2.
func (c *Client) exchange(ctx context.Context, realm string, req []byte) ([]byte, error) {
	addresses, err := c.kdcs(ctx, realm)
	if err != nil {
		return nil, err
	}
	var tried []*DialError
	for _, address := range addresses {
		reply, err := c.ask(ctx, address, req)
		var dial *DialError
		if !errors.As(err, &dial) {
			return reply, err
		}
		tried = append(tried, dial)
		if ctx.Err() != nil {
			break
		}
	}
	if len(addresses) == 1 && addresses[0] == c.Address {
		return nil, tried[0]
	}
	return nil, &UnreachableError{Realm: realm, Tried: tried}
}

func (c *Client) ask(ctx context.Context, address string, req []byte) ([]byte, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, &DialError{address, err}
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
		return nil, fmt.Errorf("ask KDC %s: %w", address, err)
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
