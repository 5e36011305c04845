package gss

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// A wrap token of RC4, after its frame: its kind, the algorithms, the number and the
// direction, encrypted; a checksum; then a confounder, the message and one byte of padding,
// encrypted where it is sealed. RFC 4757, 7.3, and RFC 1964, 1.2.2.
const (
	rc4HeaderLen     = 8
	rc4SequenceLen   = 8
	rc4ChecksumLen   = 8
	rc4ConfounderLen = 8
	// rc4Usage is the number of the usage in the checksum of a wrap token. RFC 4757, 7.3.
	rc4Usage = 13
)

var (
	rc4Sealed = []byte{0x02, 0x01, 0x11, 0x00, 0x10, 0x00, 0xff, 0xff}
	rc4Signed = []byte{0x02, 0x01, 0x11, 0x00, 0xff, 0xff, 0xff, 0xff}

	byInitiator = []byte{0, 0, 0, 0}
	byAcceptor  = []byte{0xff, 0xff, 0xff, 0xff}
)

// arcfour makes the tokens of RC4, which come in a frame as the older mechanism's did.
type arcfour struct{ key []byte }

func hmacMD5(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func rc4XOR(key, b []byte) error {
	c, err := rc4.NewCipher(key)
	if err != nil {
		return err
	}
	c.XORKeyStream(b, b)
	return nil
}

// frameLen is the most that the frame adds: its tag, a length of four bytes and the mechanism.
const frameLen = 1 + 5 + 11

func (a arcfour) overhead() int {
	return frameLen + rc4HeaderLen + rc4SequenceLen + rc4ChecksumLen + rc4ConfounderLen + 1
}

// checksum is over the header, the confounder, the message and its padding.
func (a arcfour) checksum(header, plain []byte) []byte {
	sign := hmacMD5(a.key, []byte("signaturekey\x00"))
	sum := md5.New()
	sum.Write(binary.LittleEndian.AppendUint32(nil, rc4Usage))
	sum.Write(header)
	sum.Write(plain)
	return hmacMD5(sign, sum.Sum(nil))[:rc4ChecksumLen]
}

// crypt seals or opens the confounder and the message of one number.
func (a arcfour) crypt(number, b []byte) error {
	local := bytes.Clone(a.key)
	for i := range local {
		local[i] ^= 0xf0
	}
	return rc4XOR(hmacMD5(hmacMD5(local, make([]byte, 4)), number), b)
}

// cryptNumber hides or shows the number and the direction.
func (a arcfour) cryptNumber(sum, b []byte) error {
	return rc4XOR(hmacMD5(hmacMD5(a.key, make([]byte, 4)), sum), b)
}

func (a arcfour) wrap(message []byte, seq uint64, sealed bool) ([]byte, error) {
	header := rc4Signed
	if sealed {
		header = rc4Sealed
	}
	number := binary.BigEndian.AppendUint32(nil, uint32(seq))
	plain := make([]byte, rc4ConfounderLen, rc4ConfounderLen+len(message)+1)
	if _, err := rand.Read(plain); err != nil {
		return nil, err
	}
	plain = append(append(plain, message...), 1)
	sum := a.checksum(header, plain)
	if sealed {
		if err := a.crypt(number, plain); err != nil {
			return nil, err
		}
	}
	hidden := append(number, byInitiator...)
	if err := a.cryptNumber(sum, hidden); err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(application0, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidKrb5)
		b.AddBytes(header)
		b.AddBytes(hidden)
		b.AddBytes(sum)
		b.AddBytes(plain)
	})
	return b.Bytes()
}

func (a arcfour) unwrap(token []byte, seq uint64, sealed bool) ([]byte, error) {
	in := cryptobyte.String(token)
	var inner cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&inner, application0) || !in.Empty() || !inner.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidKrb5) {
		return nil, errors.New("not a wrap token")
	}
	want := rc4Signed
	if sealed {
		want = rc4Sealed
	}
	var header, hidden, sum []byte
	if !inner.ReadBytes(&header, rc4HeaderLen) || !inner.ReadBytes(&hidden, rc4SequenceLen) ||
		!inner.ReadBytes(&sum, rc4ChecksumLen) || len(inner) < rc4ConfounderLen+1 {
		return nil, errors.New("wrap token is too short")
	}
	if !bytes.Equal(header, want) {
		return nil, fmt.Errorf("wrap token has the header % x, not % x", header, want)
	}
	number := bytes.Clone(hidden)
	if err := a.cryptNumber(sum, number); err != nil {
		return nil, err
	}
	if expected := append(binary.BigEndian.AppendUint32(nil, uint32(seq)), byAcceptor...); !hmac.Equal(number, expected) {
		return nil, errors.New("wrap token has another number or direction")
	}
	plain := bytes.Clone(inner)
	if sealed {
		if err := a.crypt(number[:4], plain); err != nil {
			return nil, err
		}
	}
	if !hmac.Equal(sum, a.checksum(header, plain)) {
		return nil, errors.New("wrap token's checksum is wrong")
	}
	if plain[len(plain)-1] != 1 {
		return nil, errors.New("wrap token's padding is wrong")
	}
	return plain[rc4ConfounderLen : len(plain)-1], nil
}
