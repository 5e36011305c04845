package gss

import (
	"encoding/binary"
	"fmt"
)

// The layers that GSSAPI negotiates. RFC 4752, 3.3.
const (
	layerNone = 0x01
	layerConf = 0x04
)

// agree answers the server's offer of layers: sealed without TLS, none inside it. Both
// tokens are signed only, so that each side can read what the other proposes. RFC 4752, 3.1.
func (c *Context) agree(token []byte) ([]byte, error) {
	offer, err := c.tokens.unwrap(token, c.recvSeq, false)
	if err != nil {
		return nil, fmt.Errorf("%w: read the offer of layers: %w", ErrIntegrity, err)
	}
	c.recvSeq++
	want := byte(layerNone)
	if c.sealed {
		want = layerConf
	}
	if c.max, err = readOffer(offer, want, c.tokens.overhead()); err != nil {
		return nil, err
	}
	// The largest buffer that is taken here. Samba refuses 0, which is due from those who
	// know no layer at all.
	answer := binary.BigEndian.AppendUint32(nil, uint32(want)<<24|maxReceive)
	reply, err := c.tokens.wrap(answer, c.sendSeq, false)
	if err != nil {
		return nil, fmt.Errorf("answer the offer of layers: %w", err)
	}
	c.sendSeq++
	return reply, nil
}

// readOffer reads which layers a server has and how long a buffer it takes, and returns how
// long a message in one may be.
func readOffer(b []byte, want byte, overhead int) (max int, err error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("the offer of layers has %d bytes, not 4", len(b))
	}
	if b[0]&want == 0 {
		return 0, fmt.Errorf("the server offers layers %#x, without %#x", b[0], want)
	}
	if want == layerNone {
		return 0, nil
	}
	most := int(binary.BigEndian.Uint32(b) & maxReceive)
	if most <= overhead {
		return 0, fmt.Errorf("the server takes buffers of %d bytes, in which nothing fits", most)
	}
	return min(most, maxSend) - overhead, nil
}
