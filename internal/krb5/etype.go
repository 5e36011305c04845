package krb5

import (
	"fmt"
	"slices"

	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
)

// The encryption types that this program has, by their numbers in the IANA registry.
const (
	AES256SHA384 = etypeID.AES256_CTS_HMAC_SHA384_192 // RFC 8009
	AES128SHA256 = etypeID.AES128_CTS_HMAC_SHA256_128 // RFC 8009
	AES256SHA1   = etypeID.AES256_CTS_HMAC_SHA1_96    // RFC 3962
	AES128SHA1   = etypeID.AES128_CTS_HMAC_SHA1_96    // RFC 3962
	RC4          = etypeID.RC4_HMAC                   // RFC 4757; broken, and only where it is asked for
)

// encryption is what is known of an encryption type. gokrb5's own key size for AES256SHA384
// is that of its checksum's key.
type encryption struct {
	etype int32
	name  string // in the IANA registry
	size  int    // of a key, in bytes
	// rounds of PBKDF2 for a password, where a KDC asks for no other number. RFC 3962, 4;
	// RFC 8009, 4.
	rounds uint32
	// salted is whether the type's name is a part of the salt. RFC 8009, 4.
	salted bool
}

// encryptions has the types in the order in which they are asked for: the strongest first.
var encryptions = []encryption{
	{AES256SHA384, "aes256-cts-hmac-sha384-192", 32, 32768, true},
	{AES256SHA1, "aes256-cts-hmac-sha1-96", 32, 4096, false},
	{AES128SHA256, "aes128-cts-hmac-sha256-128", 16, 32768, true},
	{AES128SHA1, "aes128-cts-hmac-sha1-96", 16, 4096, false},
	{RC4, "rc4-hmac", 16, 0, false},
}

func encryptionOf(etype int32) (encryption, bool) {
	i := slices.IndexFunc(encryptions, func(e encryption) bool { return e.etype == etype })
	if i < 0 {
		return encryption{}, false
	}
	return encryptions[i], true
}

// EncryptionTypes are the encryption types to ask a KDC for, the strongest first: those of
// AES, and RC4 as the last where it is allowed.
func EncryptionTypes(rc4 bool) []int32 {
	var types []int32
	for _, e := range encryptions {
		if e.etype != RC4 || rc4 {
			types = append(types, e.etype)
		}
	}
	return types
}

// EncryptionName is the registered name of an encryption type, or its number.
func EncryptionName(etype int32) string {
	if e, ok := encryptionOf(etype); ok {
		return e.name
	}
	return fmt.Sprintf("etype %d", etype)
}

// KeySize is the length in bytes of a key of an encryption type that this program has, and
// 0 for any other.
func KeySize(etype int32) int {
	e, _ := encryptionOf(etype)
	return e.size
}

// WeakError says that something is encrypted in a way that was not asked for: RC4, where it
// is not allowed.
type WeakError struct {
	What  string
	EType int32
}

func (e *WeakError) Error() string {
	return fmt.Sprintf("%s is of %s, which is not allowed here", e.What, EncryptionName(e.EType))
}

// CheckKey finds fault with a key of which only its size and its encryption type are known.
// The error is a *WeakError where the type exists and is not among those allowed.
func CheckKey(what string, etype int32, size int, allowed []int32) error {
	switch n := KeySize(etype); {
	case n == 0 || size != n:
		return fmt.Errorf("%s is of %s, with %d bytes", what, EncryptionName(etype), size)
	case !slices.Contains(allowed, etype):
		return &WeakError{what, etype}
	}
	return nil
}
