package krb5

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Keytab holds the keys of a keytab file.
type Keytab struct {
	Path string
	keys []keytabKey
}

type keytabKey struct {
	principal Principal
	kvno      uint32
	key       types.EncryptionKey
}

// maxFile caps a keytab or credential cache file.
const maxFile = 16 << 20

// ReadKeytab reads a keytab file; a leading FILE: or WRFILE: is dropped.
func ReadKeytab(path string) (*Keytab, error) {
	for _, prefix := range []string{"FILE:", "WRFILE:"} {
		path = strings.TrimPrefix(path, prefix)
	}
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keytab: %w", err)
	}
	defer clear(b)
	k, err := parseKeytab(b)
	if err != nil {
		return nil, fmt.Errorf("read keytab %s: %w", path, err)
	}
	k.Path = path
	return k, nil
}

func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a regular file of at most %d MiB", path, maxFile>>20)
	}
	return os.ReadFile(path)
}

// parseKeytab reads both versions of the format. The first is in the byte order of the
// machine that wrote it, which is taken to be this one.
// https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html
func parseKeytab(b []byte) (_ *Keytab, err error) {
	if len(b) < 2 || b[0] != 5 || b[1] != 1 && b[1] != 2 {
		return nil, errors.New("not a keytab")
	}
	version := b[1]
	r := reader{b: b[2:], native: version == 1}
	var k Keytab
	defer func() {
		if err != nil {
			k.Wipe()
		}
	}()
	for len(r.b) > 0 {
		size := int32(r.uint32())
		if r.err == nil && size == 0 {
			break // the end, where a writer pads the file
		}
		if size < 0 {
			r.bytes(-int64(size)) // a hole that a removed key left
			if r.err != nil {
				return nil, r.err
			}
			continue
		}
		record := reader{b: r.bytes(int64(size)), native: r.native}
		if r.err != nil {
			return nil, r.err
		}
		key := record.keytabKey(version)
		if record.err != nil {
			return nil, record.err
		}
		k.keys = append(k.keys, key)
	}
	return &k, r.err
}

func (r *reader) keytabKey(version byte) (k keytabKey) {
	n := int(r.uint16())
	if version == 1 {
		n-- // the realm is counted
	}
	k.principal.Realm = string(r.short())
	for i := 0; i < n && r.err == nil; i++ {
		k.principal.Name.NameString = append(k.principal.Name.NameString, string(r.short()))
	}
	k.principal.Name.NameType = nametype.KRB_NT_PRINCIPAL
	if version > 1 {
		k.principal.Name.NameType = int32(r.uint32())
	}
	r.uint32() // the time it was written
	k.kvno = uint32(r.byte())
	k.key.KeyType = int32(r.uint16())
	k.key.KeyValue = append([]byte(nil), r.short()...)
	// Newer writers append the whole version number; 0 says that it is absent.
	if r.err == nil && len(r.b) >= 4 {
		if v := r.uint32(); v != 0 {
			k.kvno = v
		}
	}
	return k
}

// key finds the newest key of the principal, and of those the one that the KDC wants most.
// Names are compared as a domain controller does, without regard to case.
func (t *Keytab) key(client Principal, params []keyParams) (types.EncryptionKey, error) {
	found, err := t.find(client, params)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	// A copy, for the caller zeroes what it is given.
	return types.EncryptionKey{KeyType: found.key.KeyType, KeyValue: slices.Clone(found.key.KeyValue)}, nil
}

func (t *Keytab) find(client Principal, params []keyParams) (*keytabKey, error) {
	none := &NoKeyError{Path: t.Path, Client: client}
	var found *keytabKey
	for _, p := range params {
		none.Wanted = append(none.Wanted, p.etype)
		for i := range t.keys {
			k := &t.keys[i]
			if k.key.KeyType != p.etype || len(k.key.KeyValue) != KeySize(p.etype) || !t.matches(k.principal, client) {
				continue
			}
			if found == nil || k.kvno > found.kvno || k.kvno == found.kvno && k.key.KeyType == found.key.KeyType {
				found = k
			}
		}
	}
	if found != nil {
		return found, nil
	}
	for _, k := range t.keys {
		if t.matches(k.principal, client) && !slices.Contains(none.Held, k.key.KeyType) {
			none.Held = append(none.Held, k.key.KeyType)
		}
	}
	return nil, none
}

// among is those of some encryption types that the principal has keys of; all of them where it
// is not in the keytab under the name that it has now.
func (t *Keytab) among(client Principal, types []int32) []int32 {
	var have []int32
	for _, etype := range types {
		if _, none := t.find(client, []keyParams{{etype: etype}}); none == nil {
			have = append(have, etype)
		}
	}
	if len(have) == 0 {
		return types
	}
	return have
}

// refused adds to a KDC's refusal which key it was.
func (t *Keytab) refused(client Principal, etype int32, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Code != PreauthFailed {
		return err
	}
	k, none := t.find(client, []keyParams{{etype: etype}})
	if none != nil {
		return err
	}
	return &OldKeyError{Path: t.Path, Client: client, Version: k.kvno, Err: e}
}

func (t *Keytab) matches(have, want Principal) bool {
	if sameName(have.Name, want.Name) {
		return strings.EqualFold(have.Realm, want.Realm)
	}
	if len(want.Name.NameString) != 1 {
		return false
	}
	// An enterprise name is one component, NAME@SUFFIX; a keytab may have it split, and has
	// the long name of a domain where the suffix is the short one.
	enterprise := want.Name.NameString[0]
	name, suffix, _ := strings.Cut(enterprise, "@")
	return strings.EqualFold(have.String(), enterprise) ||
		suffix != "" && shortRealm(suffix) && strings.EqualFold(have.Name.PrincipalNameString(), name) && strings.EqualFold(have.Realm, want.Realm)
}

// First is the principal of the first key, whom a keytab of one account belongs to. ok is
// false for an empty keytab.
func (t *Keytab) First() (p Principal, ok bool) {
	if len(t.keys) == 0 {
		return Principal{}, false
	}
	return t.keys[0].principal, true
}

// Wipe zeroes the keys of the keytab, which cannot be used after it.
func (t *Keytab) Wipe() {
	for _, k := range t.keys {
		clear(k.key.KeyValue)
	}
	t.keys = nil
}
