package krb5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/jcmturner/gofork/x/crypto/pbkdf2"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
	//lint:ignore SA1019 the key of RC4 is made with it, which is asked for only by those who need it
	"golang.org/x/crypto/md4"
)

// Secret is what a client proves itself with: a Password or a *Keytab.
type Secret interface {
	// key makes or finds a key for the first of the parameters that it can serve.
	key(client Principal, params []keyParams) (types.EncryptionKey, error)
}

// Password is a password in UTF-8. It is the caller's to zero.
type Password []byte

// String keeps the password out of messages.
func (Password) String() string { return "password" }

// GoString keeps the password out of messages.
func (Password) GoString() string { return "password" }

// maxIterations is how many rounds of PBKDF2 are done for a KDC that nobody has vouched for.
const maxIterations = 1 << 20

func (p Password) key(_ Principal, params []keyParams) (types.EncryptionKey, error) {
	if len(p) == 0 {
		return types.EncryptionKey{}, errors.New("password is empty")
	}
	k := params[0]
	et, err := crypto.GetEtype(k.etype)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	known, ok := encryptionOf(k.etype)
	if !ok {
		return types.EncryptionKey{}, fmt.Errorf("no key of %s", EncryptionName(k.etype))
	}
	if k.etype == RC4 {
		b, err := ntHash(p)
		return types.EncryptionKey{KeyType: k.etype, KeyValue: b}, err
	}
	salt := []byte(k.salt)
	if known.salted {
		salt = append(append([]byte(known.name), 0), salt...)
	}
	// Not et.StringToKey: it wants a string, which cannot be zeroed.
	seed := pbkdf2.Key64(p, salt, int64(k.iter), int64(known.size), et.GetHashFunc())
	defer clear(seed)
	b, err := et.DeriveKey(et.RandomToKey(seed), []byte("kerberos"))
	if err != nil {
		return types.EncryptionKey{}, fmt.Errorf("derive key: %w", err)
	}
	return types.EncryptionKey{KeyType: k.etype, KeyValue: b}, nil
}

// ntHash is the key of RC4: the MD4 of the password in UTF-16. RFC 4757, 2.
func ntHash(p Password) ([]byte, error) {
	wide := make([]byte, 0, 4*len(p))
	defer func() { clear(wide) }()
	for b := []byte(p); len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n < 2 {
			return nil, errors.New("password is not UTF-8")
		}
		b = b[n:]
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			wide = binary.LittleEndian.AppendUint16(wide, uint16(hi))
			r = lo
		}
		wide = binary.LittleEndian.AppendUint16(wide, uint16(r))
	}
	h := md4.New()
	h.Write(wide)
	return h.Sum(nil), nil
}
