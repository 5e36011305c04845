package krb5

import (
	"errors"
	"fmt"

	"github.com/jcmturner/gofork/x/crypto/pbkdf2"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
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

// The rounds of PBKDF2: what a domain controller asks for, and what is accepted at most.
// RFC 3962, 4.
const (
	defaultIterations = 4096
	maxIterations     = 1 << 20
)

func (p Password) key(_ Principal, params []keyParams) (types.EncryptionKey, error) {
	if len(p) == 0 {
		return types.EncryptionKey{}, errors.New("password is empty")
	}
	k := params[0]
	et, err := crypto.GetEtype(k.etype)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	// Not et.StringToKey: it wants a string, which cannot be zeroed.
	seed := pbkdf2.Key64(p, []byte(k.salt), int64(k.iter), int64(KeySize(k.etype)), et.GetHashFunc())
	defer clear(seed)
	b, err := et.DeriveKey(et.RandomToKey(seed), []byte("kerberos"))
	if err != nil {
		return types.EncryptionKey{}, fmt.Errorf("derive key: %w", err)
	}
	return types.EncryptionKey{KeyType: k.etype, KeyValue: b}, nil
}
