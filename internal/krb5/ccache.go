package krb5

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// CCache is what a credential cache file holds.
type CCache struct {
	Path    string
	Client  Principal // whose cache it is
	entries []cacheEntry
}

type cacheEntry struct {
	client, server Principal
	key            types.EncryptionKey
	starts, ends   time.Time
	renew          time.Time // zero: not renewable
	userToUser     bool
	ticket         []byte
}

// ReadDefaultCCache reads the cache that MIT's programs use when none is given: that of
// KRB5CCNAME, or the file of the user's number in /tmp. Anybody may make a file of that
// name there, and its session key would vouch for a false server: it must be the user's
// own, and nobody else's to write.
func ReadDefaultCCache() (*CCache, error) {
	if name := os.Getenv("KRB5CCNAME"); name != "" {
		return ReadCCache(name)
	}
	return readCCache(fmt.Sprintf("/tmp/krb5cc_%d", os.Getuid()), readOwnFile)
}

// ReadCCache reads a credential cache: a path, FILE:path or DIR:path. A cache that is not a
// file is a *CacheTypeError.
func ReadCCache(name string) (*CCache, error) {
	path, err := cachePath(name)
	if err != nil {
		return nil, err
	}
	return readCCache(path, readFile)
}

func readCCache(path string, read func(string) ([]byte, error)) (*CCache, error) {
	b, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read credential cache: %w", err)
	}
	defer clear(b)
	c, err := parseCCache(b)
	if err != nil {
		return nil, fmt.Errorf("read credential cache %s: %w", path, err)
	}
	c.Path = path
	return c, nil
}

func cachePath(name string) (string, error) {
	kind, rest, ok := strings.Cut(name, ":")
	// A single letter is a Windows drive.
	if !ok || len(kind) < 2 || strings.ContainsAny(kind, `/\.`) {
		return name, nil
	}
	switch kind {
	case "FILE", "WRFILE":
		return rest, nil
	case "DIR":
		// DIR::/path/tktX names one cache, DIR:/path the one that "primary" names.
		if one, ok := strings.CutPrefix(rest, ":"); ok {
			return one, nil
		}
		b, err := readFile(filepath.Join(rest, "primary"))
		if errors.Is(err, os.ErrNotExist) {
			return filepath.Join(rest, "tkt"), nil
		}
		if err != nil {
			return "", fmt.Errorf("read credential cache: %w", err)
		}
		primary := strings.TrimSpace(string(b))
		if !strings.HasPrefix(primary, "tkt") || primary != filepath.Base(primary) {
			return "", fmt.Errorf("read credential cache %s: its primary names %q", name, primary)
		}
		return filepath.Join(rest, primary), nil
	}
	return "", &CacheTypeError{Name: name}
}

// parseCCache reads the third and fourth versions of the format, the big-endian ones:
// https://web.mit.edu/kerberos/krb5-latest/doc/formats/ccache_file_format.html
func parseCCache(b []byte) (*CCache, error) {
	if len(b) < 2 || b[0] != 5 || b[1] != 3 && b[1] != 4 {
		return nil, errors.New("not a credential cache of version 3 or 4")
	}
	version := b[1]
	r := reader{b: b[2:]}
	if version == 4 {
		r.short() // the header: a clock offset of the machine that wrote it
	}
	c := &CCache{Client: r.principal()}
	for len(r.b) > 0 {
		e := r.cacheEntry(version)
		if r.err != nil {
			break
		}
		// Settings are kept as tickets for a realm that cannot be.
		if !strings.HasPrefix(e.server.Realm, "X-CACHECONF:") {
			c.entries = append(c.entries, e)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, nil
}

func (r *reader) principal() (p Principal) {
	p.Name.NameType = int32(r.uint32())
	n := r.uint32()
	p.Realm = string(r.long())
	for i := uint32(0); i < n && r.err == nil; i++ {
		p.Name.NameString = append(p.Name.NameString, string(r.long()))
	}
	return p
}

func (r *reader) cacheEntry(version byte) (e cacheEntry) {
	e.client = r.principal()
	e.server = r.principal()
	e.key.KeyType = int32(r.uint16())
	if version == 3 {
		r.uint16() // the type once more
	}
	e.key.KeyValue = append([]byte(nil), r.long()...)
	e.starts = time.Unix(int64(r.uint32()), 0) // authtime, which stands for a starttime of 0
	if starts := r.uint32(); starts != 0 {
		e.starts = time.Unix(int64(starts), 0)
	}
	e.ends = time.Unix(int64(r.uint32()), 0)
	if renew := r.uint32(); renew != 0 {
		e.renew = time.Unix(int64(renew), 0)
	}
	e.userToUser = r.byte() != 0
	r.uint32()    // ticket flags
	for range 2 { // addresses, then authorization data
		n := r.uint32()
		for i := uint32(0); i < n && r.err == nil; i++ {
			r.uint16()
			r.long()
		}
	}
	e.ticket = append([]byte(nil), r.long()...)
	r.long() // second ticket
	return e
}

// Ticket is a valid ticket for a service, and nil if the cache has none. When it has one
// that expired before now the error is an *ExpiredError.
func (c *CCache) Ticket(service Principal, now time.Time) (*Ticket, error) {
	var best, old *cacheEntry
	for i := range c.entries {
		e := &c.entries[i]
		if e.userToUser || !sameName(e.server.Name, service.Name) || !c.Client.same(e.client) {
			continue
		}
		// MIT files a ticket that was asked for by referral under the empty realm.
		if e.server.Realm != "" && !strings.EqualFold(e.server.Realm, service.Realm) {
			continue
		}
		switch {
		case !e.ends.After(now):
			if old == nil || e.ends.After(old.ends) {
				old = e
			}
		case best == nil || e.ends.After(best.ends):
			best = e
		}
	}
	if best == nil {
		if old != nil {
			return nil, &ExpiredError{Path: c.Path, Server: service, Ended: old.ends}
		}
		return nil, nil
	}
	return c.open(best)
}

// TGT is a valid ticket-granting ticket for a realm, as Ticket is for a service.
func (c *CCache) TGT(realm string, now time.Time) (*Ticket, error) {
	return c.Ticket(ServicePrincipal("krbtgt", realm, c.Client.Realm), now)
}

func (c *CCache) open(e *cacheEntry) (*Ticket, error) {
	if n := KeySize(e.key.KeyType); n == 0 || len(e.key.KeyValue) != n {
		return nil, fmt.Errorf("credential cache %s: ticket for %s has a session key of %s, AES with SHA-1 is needed",
			c.Path, e.server, EncryptionName(e.key.KeyType))
	}
	var t messages.Ticket
	if err := guard(func() error { return t.Unmarshal(e.ticket) }); err != nil {
		return nil, fmt.Errorf("credential cache %s: ticket for %s: %w", c.Path, e.server, err)
	}
	if len(t.SName.NameString) == 0 {
		return nil, fmt.Errorf("credential cache %s: ticket for %s names no service", c.Path, e.server)
	}
	return &Ticket{
		Ticket: t,
		Key:    e.key,
		Client: e.client,
		Server: Principal{t.SName, t.Realm},
		Starts: e.starts,
		Ends:   e.ends,
		Renew:  e.renew,
	}, nil
}

func (p Principal) same(q Principal) bool {
	return sameName(p.Name, q.Name) && strings.EqualFold(p.Realm, q.Realm)
}
