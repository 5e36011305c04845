package krb5

import (
	"encoding/binary"
	"errors"
)

var errTruncated = errors.New("truncated")

// reader takes fields off the front of b, big-endian unless they are in the machine's own
// order. After the first field that is not there it returns zeros and keeps the error.
type reader struct {
	b      []byte
	native bool
	err    error
}

func (r *reader) bytes(n int64) []byte {
	if r.err != nil || n < 0 || n > int64(len(r.b)) {
		r.err = errTruncated
		r.b = nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		if r.native {
			return binary.NativeEndian.Uint16(b)
		}
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		if r.native {
			return binary.NativeEndian.Uint32(b)
		}
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// short takes bytes with a length of 16 bits in front, long with one of 32 bits.
func (r *reader) short() []byte { return r.bytes(int64(r.uint16())) }
func (r *reader) long() []byte  { return r.bytes(int64(r.uint32())) }
