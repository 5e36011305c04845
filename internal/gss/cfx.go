package gss

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/common"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A wrap token of the newer encryption types: a header of 16 bytes, then the encryption of
// the message, a filler and the header; or, signed only, the message and a checksum.
// RFC 4121, 4.2.6.2 and 4.2.4.
const (
	headerLen = 16

	flagByAcceptor  = 0x01
	flagSealed      = 0x02
	flagAcceptorKey = 0x04

	confounderLen = 16
)

// cfx makes the tokens of the AES types. The keys are derived once: deriving takes longer
// than a short message.
type cfx struct {
	etype      etype.EType
	acceptor   byte // flagAcceptorKey where the key is the acceptor's
	send, recv cfxKeys
	hmacLen    int
	// cipherFirst says that the HMAC is over the ciphertext, not the plaintext. RFC 8009, 5.
	cipherFirst bool
}

// cfxKeys are derived for one direction. RFC 3961, 5.3.
type cfxKeys struct{ encrypt, integrity, sign []byte }

func newCFX(key types.EncryptionKey, ofAcceptor bool) (*cfx, error) {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	c := &cfx{etype: et, hmacLen: et.GetHMACBitLength() / 8}
	switch key.KeyType {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96:
	case etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
		c.cipherFirst = true
	default:
		return nil, fmt.Errorf("no wrap tokens for encryption type %d", key.KeyType)
	}
	if ofAcceptor {
		c.acceptor = flagAcceptorKey
	}
	if c.send, err = derive(et, key.KeyValue, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return nil, err
	}
	c.recv, err = derive(et, key.KeyValue, keyusage.GSSAPI_ACCEPTOR_SEAL)
	return c, err
}

func derive(et etype.EType, key []byte, usage uint32) (k cfxKeys, err error) {
	for _, d := range []struct {
		to    *[]byte
		usage []byte
	}{
		{&k.encrypt, common.GetUsageKe(usage)},
		{&k.integrity, common.GetUsageKi(usage)},
		{&k.sign, common.GetUsageKc(usage)},
	} {
		if *d.to, err = et.DeriveKey(key, d.usage); err != nil {
			return k, fmt.Errorf("derive key: %w", err)
		}
	}
	return k, nil
}

func appendHeader(b []byte, flags byte, ec, rrc uint16, seq uint64) []byte {
	b = append(b, 0x05, 0x04, flags, 0xff)
	b = binary.BigEndian.AppendUint16(b, ec)
	b = binary.BigEndian.AppendUint16(b, rrc)
	return binary.BigEndian.AppendUint64(b, seq)
}

func (c *cfx) overhead() int { return 2*headerLen + confounderLen + c.hmacLen }

func (c *cfx) mac(key []byte, parts ...[]byte) []byte {
	var h hash.Hash = hmac.New(c.etype.GetHashFunc(), key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)[:c.hmacLen]
}

func (c *cfx) wrap(message []byte, seq uint64, sealed bool) ([]byte, error) {
	if !sealed {
		// The checksum is over a header without EC and RRC.
		sum := c.mac(c.send.sign, message, appendHeader(nil, c.acceptor, 0, 0, seq))
		token := appendHeader(nil, c.acceptor, uint16(c.hmacLen), 0, seq)
		return append(append(token, message...), sum...), nil
	}
	header := appendHeader(make([]byte, 0, headerLen), flagSealed|c.acceptor, 0, 0, seq)
	plain := make([]byte, confounderLen, confounderLen+len(message)+headerLen)
	if _, err := rand.Read(plain); err != nil {
		return nil, err
	}
	plain = append(append(plain, message...), header...)
	defer clear(plain)
	_, cipher, err := c.etype.EncryptData(c.send.encrypt, plain)
	if err != nil {
		return nil, err
	}
	var sum []byte
	if c.cipherFirst {
		sum = c.mac(c.send.integrity, make([]byte, confounderLen), cipher)
	} else {
		sum = c.mac(c.send.integrity, plain)
	}
	token := make([]byte, 0, headerLen+len(cipher)+len(sum))
	return append(append(append(token, header...), cipher...), sum...), nil
}

func (c *cfx) unwrap(token []byte, seq uint64, sealed bool) ([]byte, error) {
	flags := flagByAcceptor | c.acceptor
	least := headerLen + c.hmacLen
	if sealed {
		flags |= flagSealed
		least = c.overhead()
	}
	if len(token) < least {
		return nil, errors.New("wrap token is too short")
	}
	header, body := token[:headerLen], token[headerLen:]
	ec := int(binary.BigEndian.Uint16(header[4:]))
	rrc := int(binary.BigEndian.Uint16(header[6:]))
	switch {
	case header[0] != 0x05 || header[1] != 0x04 || header[3] != 0xff:
		return nil, errors.New("not a wrap token")
	case header[2] != flags:
		return nil, fmt.Errorf("wrap token has flags %#x, not %#x", header[2], flags)
	case binary.BigEndian.Uint64(header[8:]) != seq:
		return nil, fmt.Errorf("wrap token has number %d, not %d", binary.BigEndian.Uint64(header[8:]), seq)
	}
	// The sender rotated to the right.
	n := rrc % len(body)
	body = append(append(make([]byte, 0, len(body)), body[n:]...), body[:n]...)
	end := len(body) - c.hmacLen
	sum := body[end:]
	if !sealed {
		if ec != c.hmacLen {
			return nil, fmt.Errorf("wrap token has a checksum of %d bytes, not %d", ec, c.hmacLen)
		}
		if !hmac.Equal(sum, c.mac(c.recv.sign, body[:end], appendHeader(nil, flags, 0, 0, seq))) {
			return nil, errors.New("wrap token's checksum is wrong")
		}
		return body[:end], nil
	}
	if c.cipherFirst && !hmac.Equal(sum, c.mac(c.recv.integrity, make([]byte, confounderLen), body[:end])) {
		return nil, errors.New("wrap token's checksum is wrong")
	}
	var plain []byte
	err := guard(func() (err error) {
		plain, err = c.etype.DecryptData(c.recv.encrypt, body[:end])
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !c.cipherFirst && !hmac.Equal(sum, c.mac(c.recv.integrity, plain)):
		return nil, errors.New("wrap token's checksum is wrong")
	}
	end = len(plain) - headerLen - ec
	if end < confounderLen {
		return nil, errors.New("wrap token's filler is longer than the token")
	}
	// The header was encrypted before it was rotated.
	if string(plain[len(plain)-headerLen:]) != string(appendHeader(nil, flags, uint16(ec), 0, seq)) {
		return nil, errors.New("wrap token's header was changed")
	}
	return plain[confounderLen:end], nil
}
