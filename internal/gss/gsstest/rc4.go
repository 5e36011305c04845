package gsstest

import (
	"bytes"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/crypto/rfc4757"
)

// frame is what is in front of a token of RC4 with so many bytes after it. RFC 1964, 1.1.
func frame(n int) []byte {
	mech := []byte("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
	n += len(mech)
	b := []byte{0x60}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	case n < 0x10000:
		b = binary.BigEndian.AppendUint16(append(b, 0x82), uint16(n))
	default:
		b = append(b, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, mech...)
}

func xor(key, b []byte) {
	c, err := rc4.NewCipher(key)
	if err != nil {
		panic(err)
	}
	c.XORKeyStream(b, b)
}

func sealRC4(key, number, b []byte) {
	local := make([]byte, len(key))
	for i := range key {
		local[i] = key[i] ^ 0xf0
	}
	xor(rfc4757.HMAC(rfc4757.HMAC(local, []byte{0, 0, 0, 0}), number), b)
}

func rc4Header(sealed bool) []byte {
	if sealed {
		return []byte("\x02\x01\x11\x00\x10\x00\xff\xff")
	}
	return []byte("\x02\x01\x11\x00\xff\xff\xff\xff")
}

// rc4Checksum is a checksum of RC4 with the usage of wrap tokens, cut to eight bytes.
// RFC 4757, 7.3.
func rc4Checksum(key, header, plain []byte) []byte {
	sum, err := rfc4757.Checksum(key, 13, append(bytes.Clone(header), plain...))
	if err != nil {
		panic(err)
	}
	return sum[:8]
}

func wrapRC4(key, message []byte, seq uint64, sealed bool) []byte {
	header := rc4Header(sealed)
	plain := make([]byte, 8)
	rand.Read(plain)
	plain = append(append(plain, message...), 1)
	sum := rc4Checksum(key, header, plain)
	number := binary.BigEndian.AppendUint32(nil, uint32(seq))
	if sealed {
		sealRC4(key, number, plain)
	}
	number = append(number, 0xff, 0xff, 0xff, 0xff)
	xor(rfc4757.HMAC(rfc4757.HMAC(key, []byte{0, 0, 0, 0}), sum), number)
	body := append(append(append(header, number...), sum...), plain...)
	return append(frame(len(body)), body...)
}

func unwrapRC4(key, token []byte, seq uint64, sealed bool) ([]byte, error) {
	i := bytes.Index(token, rc4Header(sealed))
	if i < 0 || len(token) < i+8+8+8+8+1 || !bytes.Equal(token[:i], frame(len(token)-i)) {
		return nil, fmt.Errorf("not a token of RC4: % x", token[:min(40, len(token))])
	}
	header, number, sum, plain := token[i:i+8], bytes.Clone(token[i+8:i+16]), token[i+16:i+24], bytes.Clone(token[i+24:])
	xor(rfc4757.HMAC(rfc4757.HMAC(key, []byte{0, 0, 0, 0}), sum), number)
	if want := append(binary.BigEndian.AppendUint32(nil, uint32(seq)), 0, 0, 0, 0); !bytes.Equal(number, want) {
		return nil, fmt.Errorf("number and direction % x, want % x", number, want)
	}
	if sealed {
		sealRC4(key, number[:4], plain)
	}
	if !bytes.Equal(sum, rc4Checksum(key, header, plain)) {
		return nil, errors.New("the checksum is wrong")
	}
	return plain[8 : len(plain)-1], nil
}
