package sspi

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/alexbrainman/sspi"
	"golang.org/x/sys/windows"
)

// layout is in which buffers a system wants a message and its protection.
type layout interface {
	encrypt(c *Context, message []byte, qop uint32) ([]byte, error)
	decrypt(c *Context, token []byte) (message []byte, qop uint32, err error)
}

func (c *Context) newLayout() (layout, error) {
	if isWine() {
		return new(wineLayout), nil
	}
	var l windowsLayout
	if err := c.query("ask for the sizes of the context", attrSizes, unsafe.Pointer(&l)); err != nil {
		return nil, err
	}
	return &l, nil
}

// windowsLayout is that of Windows, for tokens as GSS-API has them: a header, the message and
// its padding go to the peer one after the other; a token from the peer is a stream, in which
// the message is found wherever the peer has put it. It is what SSPI says of sizes.
// https://learn.microsoft.com/windows/win32/secauthn/sspi-kerberos-interoperability-with-gssapi
type windowsLayout struct{ maxToken, maxSignature, blockSize, trailer uint32 }

func (l *windowsLayout) encrypt(c *Context, message []byte, qop uint32) ([]byte, error) {
	header, data, padding := make([]byte, l.trailer), slices.Clone(message), make([]byte, l.blockSize)
	var b [3]sspi.SecBuffer
	b[0].Set(sspi.SECBUFFER_TOKEN, header)
	b[1].Set(sspi.SECBUFFER_DATA, data)
	b[2].Set(sspi.SECBUFFER_PADDING, padding)
	if err := failure("protect message", sspi.EncryptMessage(&c.context, qop, sspi.NewSecBufferDesc(b[:]), 0)); err != nil {
		return nil, err
	}
	return slices.Concat(header[:b[0].BufferSize], data[:b[1].BufferSize], padding[:b[2].BufferSize]), nil
}

func (l *windowsLayout) decrypt(c *Context, token []byte) ([]byte, uint32, error) {
	var b [2]sspi.SecBuffer
	b[0].Set(sspi.SECBUFFER_STREAM, slices.Clone(token))
	b[1].Set(sspi.SECBUFFER_DATA, nil)
	var qop uint32
	if err := failure("open message", sspi.DecryptMessage(&c.context, sspi.NewSecBufferDesc(b[:]), 0, &qop)); err != nil {
		return nil, 0, err
	}
	return slices.Clone(b[1].Bytes()), qop, nil
}

// wineLayout is that of Wine 10, which knows no stream and cuts a token where the message's
// length is: what comes first of it is in the buffer of the message, whatever it is, and the
// rest in the other one. The sizes that it says are those of DES, too small for AES. Nothing
// but where the bytes are is different; how a token is judged is not.
type wineLayout struct {
	overhead atomic.Int64 // of a sealed message, as the first one that was sent has it
}

const (
	wineRest = 128 // more than any encryption type adds

	headerLen  = 16 // of the tokens of RFC 4121, 4.2.6.2
	flagSealed = 0x02
)

func (l *wineLayout) encrypt(c *Context, message []byte, qop uint32) ([]byte, error) {
	first, rest := slices.Clone(message), make([]byte, wineRest)
	var b [2]sspi.SecBuffer
	b[0].Set(sspi.SECBUFFER_DATA, first)
	b[1].Set(sspi.SECBUFFER_TOKEN, rest)
	if err := failure("protect message", sspi.EncryptMessage(&c.context, qop, sspi.NewSecBufferDesc(b[:]), 0)); err != nil {
		return nil, err
	}
	if qop == 0 {
		l.overhead.Store(int64(b[1].BufferSize))
	}
	return append(first, rest[:b[1].BufferSize]...), nil
}

func (l *wineLayout) decrypt(c *Context, token []byte) ([]byte, uint32, error) {
	if len(token) < headerLen {
		return nil, 0, errors.New("open message: it is too short")
	}
	// How long the message is has to be known beforehand: a filler of EC bytes comes with a
	// sealed one, and a checksum of EC bytes with one that is only signed. RFC 4121, 4.2.4.
	overhead := int64(headerLen)
	if token[2]&flagSealed != 0 {
		if overhead = l.overhead.Load(); overhead == 0 {
			return nil, 0, errors.New("open message: none was sent yet")
		}
	}
	n := int64(len(token)) - overhead - int64(binary.BigEndian.Uint16(token[4:]))
	if n < 0 {
		return nil, 0, errors.New("open message: it is too short")
	}
	token = slices.Clone(token)
	var b [2]sspi.SecBuffer
	b[0].Set(sspi.SECBUFFER_DATA, token[:n])
	b[1].Set(sspi.SECBUFFER_TOKEN, token[n:])
	var qop uint32
	if err := failure("open message", sspi.DecryptMessage(&c.context, sspi.NewSecBufferDesc(b[:]), 0, &qop)); err != nil {
		return nil, 0, err
	}
	return token[:n:n], qop, nil
}

// isWine says whether this Windows is Wine, which alone has this function.
var isWine = sync.OnceValue(func() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
})
