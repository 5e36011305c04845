// Package gsstest is the other side of a security context, for tests: an acceptor of
// Kerberos, inside SPNEGO or alone, that can be told to answer wrongly. It needs no KDC, as it is
// told the session key, and judges nothing but what would make the test meaningless.
package gsstest

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	kasn1 "github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// Key is a random key of an encryption type.
func Key(etype int32) types.EncryptionKey {
	b := make([]byte, krb5.KeySize(etype))
	rand.Read(b)
	return types.EncryptionKey{KeyType: etype, KeyValue: b}
}

// Ticket is a ticket for ldap/dc1.corp.example with a random session key. Nobody can
// decrypt it, and an Acceptor need not.
func Ticket(etype int32) *krb5.Ticket {
	service := krb5.ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE")
	client, _ := krb5.UserPrincipal("bob", "CORP.EXAMPLE")
	return &krb5.Ticket{
		Ticket: messages.Ticket{
			TktVNO:  5,
			Realm:   service.Realm,
			SName:   service.Name,
			EncPart: types.EncryptedData{EType: etype, KVNO: 2, Cipher: []byte("not a ticket's encrypted part")},
		},
		Key:    Key(etype),
		Client: client,
		Server: service,
		Ends:   time.Now().Add(time.Hour),
	}
}

// Acceptor is a service that shares a session key.
type Acceptor struct {
	Session types.EncryptionKey
	Subkey  *types.EncryptionKey // its own, if any
	RecvSeq uint64               // of the next token to unwrap
	SendSeq uint64               // of the next token to wrap

	SPNEGO  bool                // the initiator's token was inside it
	Auth    types.Authenticator // what the initiator sent
	APReq   messages.APReq
	initial types.EncryptionKey
}

// NewAcceptor is the service that a ticket is for, with a subkey of its own, as a domain
// controller has.
func NewAcceptor(t *krb5.Ticket) *Acceptor {
	sub := Key(t.Key.KeyType)
	return &Acceptor{Session: t.Key, Subkey: &sub, SendSeq: 1000}
}

// Read reads the initiator's first token.
func (a *Acceptor) Read(token []byte) error {
	var outer, inner, seq, mechs, field cryptobyte.String
	var oid asn1.ObjectIdentifier
	mech := cryptobyte.String(token)
	in := cryptobyte.String(token)
	if in.ReadASN1(&outer, 0x60) && outer.ReadASN1ObjectIdentifier(&oid) && oid.String() == "1.3.6.1.5.5.2" {
		a.SPNEGO = true
		if !outer.ReadASN1(&inner, 0xa0) || !inner.ReadASN1(&seq, der.SEQUENCE) ||
			!seq.ReadASN1(&field, 0xa0) || !field.ReadASN1(&mechs, der.SEQUENCE) ||
			!mechs.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(Krb5) || !mechs.Empty() ||
			!seq.ReadASN1(&field, 0xa2) || !field.ReadASN1(&mech, der.OCTET_STRING) {
			return errors.New("not an initial token")
		}
	}
	var kind []byte
	if !mech.ReadASN1(&inner, 0x60) || !inner.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(Krb5) ||
		!inner.ReadBytes(&kind, 2) || !bytes.Equal(kind, []byte{1, 0}) {
		return errors.New("not an AP-REQ")
	}
	if err := a.APReq.Unmarshal(inner); err != nil {
		return err
	}
	if err := a.APReq.DecryptAuthenticator(a.Session); err != nil {
		return err
	}
	a.Auth = a.APReq.Authenticator
	a.initial = a.Auth.SubKey
	a.RecvSeq = uint64(a.Auth.SeqNumber)
	return nil
}

// Part is the part of an AP-REP that proves the acceptor: right, unless it is changed.
func (a *Acceptor) Part() messages.EncAPRepPart {
	p := messages.EncAPRepPart{CTime: a.Auth.CTime, Cusec: a.Auth.Cusec, SequenceNumber: int64(a.SendSeq)}
	if a.Subkey != nil {
		p.Subkey = *a.Subkey
	}
	return p
}

// APRep encrypts a part with a key.
func APRep(p messages.EncAPRepPart, key types.EncryptionKey) ([]byte, error) {
	b, err := kasn1.Marshal(p)
	if err != nil {
		return nil, err
	}
	ed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(b, asnAppTag.EncAPRepPart), key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	b, err = kasn1.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: ed})
	return asn1tools.AddASNAppTag(b, asnAppTag.APREP), err
}

// Token is a Kerberos token of a kind.
func Token(kind, message []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(0x60, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(Krb5)
		b.AddBytes(kind)
		b.AddBytes(message)
	})
	return b.BytesOrPanic()
}

// Response is a NegTokenResp with a Kerberos token of a kind in it; no token without one.
func Response(state int, mech asn1.ObjectIdentifier, kind, message []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(0xa1, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(0xa0, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(state)) })
			b.AddASN1(0xa1, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(mech) })
			if message == nil {
				return
			}
			b.AddASN1(0xa2, func(b *cryptobyte.Builder) { b.AddASN1OctetString(Token(kind, message)) })
		})
	})
	return b.BytesOrPanic()
}

// The mechanism, and the kinds of its tokens.
var (
	Krb5      = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
	MSKrb5    = asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2}
	KindAPRep = []byte{2, 0}
	KindError = []byte{3, 0}
)

// Accept reads the initiator's token and answers it rightly.
func (a *Acceptor) Accept(token []byte) ([]byte, error) {
	if err := a.Read(token); err != nil {
		return nil, err
	}
	rep, err := APRep(a.Part(), a.Session)
	if err != nil {
		return nil, err
	}
	if !a.SPNEGO {
		return Token(KindAPRep, rep), nil
	}
	return Response(0, MSKrb5, KindAPRep, rep), nil
}

// Offer is the acceptor's offer of layers, signed, rotated by rrc: a bit for each, and the
// longest buffer that it takes. RFC 4752, 3.2.
func (a *Acceptor) Offer(layers byte, longest uint32, rrc uint16) []byte {
	return a.Sign(binary.BigEndian.AppendUint32(nil, uint32(layers)<<24|longest), rrc)
}

// Sign wraps a message without sealing it.
func (a *Acceptor) Sign(message []byte, rrc uint16) []byte {
	key, flag := a.key()
	if key.KeyType == krb5.RC4 {
		a.SendSeq++
		return wrapRC4(key.KeyValue, message, a.SendSeq-1, false)
	}
	sum := checksum(key, append(bytes.Clone(message), Header(1|flag, 0, 0, a.SendSeq)...), keyusage.GSSAPI_ACCEPTOR_SEAL)
	body := append(bytes.Clone(message), sum...)
	n := len(body) - int(rrc)%len(body)
	token := Header(1|flag, uint16(len(sum)), rrc, a.SendSeq)
	a.SendSeq++
	return append(append(token, body[n:]...), body[:n]...)
}

// ReadChoice reads the initiator's choice of a layer and the longest buffer that it takes.
func (a *Acceptor) ReadChoice(token []byte) (layer byte, longest uint32, err error) {
	key, flag := a.key()
	if key.KeyType == krb5.RC4 {
		a.RecvSeq++
		message, err := unwrapRC4(key.KeyValue, token, a.RecvSeq-1, false)
		if err != nil || len(message) != 4 {
			return 0, 0, fmt.Errorf("% x, %v", message, err)
		}
		return message[0], binary.BigEndian.Uint32(message) & 0xffffff, nil
	}
	if len(token) < 16+4 || token[2] != flag || binary.BigEndian.Uint64(token[8:]) != a.RecvSeq {
		return 0, 0, fmt.Errorf("not a signed token: % x", token)
	}
	sum := checksum(key, append(bytes.Clone(token[16:20]), Header(flag, 0, 0, a.RecvSeq)...), keyusage.GSSAPI_INITIATOR_SEAL)
	if !bytes.Equal(token[20:], sum) || int(binary.BigEndian.Uint16(token[4:])) != len(sum) {
		return 0, 0, errors.New("the checksum is wrong")
	}
	a.RecvSeq++
	return token[16], binary.BigEndian.Uint32(token[16:]) & 0xffffff, nil
}

func checksum(key types.EncryptionKey, data []byte, usage uint32) []byte {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		panic(err)
	}
	sum, err := et.GetChecksumHash(key.KeyValue, data, usage)
	if err != nil {
		panic(err)
	}
	return sum
}

func (a *Acceptor) key() (types.EncryptionKey, byte) {
	if a.Subkey != nil {
		return *a.Subkey, 4
	}
	return a.initial, 0
}

// Header is a wrap token's. RFC 4121, 4.2.6.2.
func Header(flags byte, ec, rrc uint16, seq uint64) []byte {
	b := []byte{5, 4, flags, 0xff}
	b = binary.BigEndian.AppendUint16(b, ec)
	b = binary.BigEndian.AppendUint16(b, rrc)
	return binary.BigEndian.AppendUint64(b, seq)
}

// Wrap seals a message with a filler of ec bytes, rotated by rrc.
func (a *Acceptor) Wrap(message []byte, ec, rrc uint16) []byte {
	key, flag := a.key()
	if key.KeyType == krb5.RC4 {
		a.SendSeq++
		return wrapRC4(key.KeyValue, message, a.SendSeq-1, true)
	}
	flags := 1 | 2 | flag
	plain := append(append(bytes.Clone(message), make([]byte, ec)...), Header(flags, ec, 0, a.SendSeq)...)
	ed, err := crypto.GetEncryptedData(plain, key, keyusage.GSSAPI_ACCEPTOR_SEAL, 0)
	if err != nil {
		panic(err)
	}
	c := ed.Cipher
	n := len(c) - int(rrc)%len(c)
	token := Header(flags, ec, rrc, a.SendSeq)
	a.SendSeq++
	return append(append(token, c[n:]...), c[:n]...)
}

// Unwrap opens a message of the initiator, which does not rotate.
func (a *Acceptor) Unwrap(token []byte) ([]byte, error) {
	key, flag := a.key()
	if key.KeyType == krb5.RC4 {
		a.RecvSeq++
		return unwrapRC4(key.KeyValue, token, a.RecvSeq-1, true)
	}
	want := Header(2|flag, 0, 0, a.RecvSeq)
	if len(token) < 16 || !bytes.Equal(token[:16], want) {
		return nil, fmt.Errorf("header % x, want % x", token[:min(16, len(token))], want)
	}
	a.RecvSeq++
	plain, err := crypto.DecryptMessage(token[16:], key, keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(plain, want) {
		return nil, errors.New("the encrypted header differs")
	}
	return plain[:len(plain)-16], nil
}

// Checksum is the checksum of an authenticator with any flags and channel bindings.
// RFC 4121, 4.1.1.
func Checksum(flags uint32, binding []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 16)
	if binding == nil {
		b = append(b, make([]byte, 16)...)
	} else {
		sum := md5.Sum(append(binary.LittleEndian.AppendUint32(make([]byte, 16), uint32(len(binding))), binding...))
		b = append(b, sum[:]...)
	}
	return binary.LittleEndian.AppendUint32(b, flags)
}

// Initiate is an initiator's first token inside SPNEGO with a checksum that no initiator of
// this program makes.
func Initiate(t *krb5.Ticket, sum types.Checksum) ([]byte, error) {
	auth, err := types.NewAuthenticator(t.Client.Realm, t.Client.Name)
	if err != nil {
		return nil, err
	}
	auth.SubKey, auth.SeqNumber, auth.Cksum = Key(t.Key.KeyType), 1, sum
	ap, err := messages.NewAPReq(t.Ticket, t.Key, auth)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&ap.APOptions, 2)
	b, err := ap.Marshal()
	if err != nil {
		return nil, err
	}
	var out cryptobyte.Builder
	out.AddASN1(0x60, func(b2 *cryptobyte.Builder) {
		b2.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2})
		b2.AddASN1(0xa0, func(b2 *cryptobyte.Builder) {
			b2.AddASN1(der.SEQUENCE, func(b2 *cryptobyte.Builder) {
				b2.AddASN1(0xa0, func(b2 *cryptobyte.Builder) {
					b2.AddASN1(der.SEQUENCE, func(b2 *cryptobyte.Builder) { b2.AddASN1ObjectIdentifier(Krb5) })
				})
				b2.AddASN1(0xa2, func(b2 *cryptobyte.Builder) { b2.AddASN1OctetString(Token([]byte{1, 0}, b)) })
			})
		})
	})
	return out.Bytes()
}
