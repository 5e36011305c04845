package gmsa

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// KeyID says which key a password is made from: the value of msDS-ManagedPasswordId.
// [MS-GKDI] 2.2.4, [MS-ADTS] 3.1.1.4.5.39.
type KeyID struct {
	L0, L1, L2     uint32 // which of the keys that follow from the root key
	RootKey        sddl.GUID
	Domain, Forest string // DNS names
}

const (
	keyIDHeader = 52
	keyIDMagic  = 0x4b53444b
	// keyCycle is how long one key lasts. [MS-GKDI] 3.1.4.1.
	keyCycle = 10 * time.Hour
)

// ParseKeyID reads a key identifier. Lengths are checked, and nothing of it is trusted.
func ParseKeyID(b []byte) (KeyID, error) {
	var k KeyID
	if len(b) < keyIDHeader {
		return k, fmt.Errorf("a key identifier of %d bytes, want at least %d", len(b), keyIDHeader)
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	switch {
	case u32(0) != 1:
		return k, fmt.Errorf("a key identifier of version %d, want 1", u32(0))
	case u32(4) != keyIDMagic:
		return k, errors.New("not a key identifier: its magic is missing")
	}
	k.L0, k.L1, k.L2 = u32(12), u32(16), u32(20)
	if k.L1 > 31 || k.L2 > 31 {
		return k, fmt.Errorf("a key identifier with the indexes %d and %d, which go to 31", k.L1, k.L2)
	}
	var err error
	if k.RootKey, err = sddl.ParseGUIDBytes(b[24:40]); err != nil {
		return k, err
	}
	rest := b[keyIDHeader:]
	for _, part := range []struct {
		length uint32
		into   *string
	}{{u32(40), nil}, {u32(44), &k.Domain}, {u32(48), &k.Forest}} {
		if uint64(part.length) > uint64(len(rest)) {
			return k, fmt.Errorf("a key identifier with a part of %d bytes, where %d are left", part.length, len(rest))
		}
		if part.into != nil {
			*part.into = utf16Text(rest[:part.length])
		}
		rest = rest[part.length:]
	}
	return k, nil
}

func utf16Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}

// Start is when the period begins that the key is for: the password was not in use before, save
// for clocks that differ.
func (k KeyID) Start() time.Time {
	cycles := (int64(k.L0)*32+int64(k.L1))*32 + int64(k.L2)
	const epoch = -11644473600 // 1601, in seconds from 1970; a Duration would hold 292 years only
	return time.Unix(epoch+cycles*int64(keyCycle/time.Second), 0).UTC()
}
