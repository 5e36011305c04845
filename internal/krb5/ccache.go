package krb5

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
// KRB5CCNAME, of krb5.conf's default_ccache_name, or the file of the user's number in /tmp.
// Anybody may make a file of that name there, and its session key would vouch for a false
// server: unless the user named it, it must be the user's own, and nobody else's to write.
func ReadDefaultCCache() (*CCache, error) {
	if name := os.Getenv("KRB5CCNAME"); name != "" {
		return ReadCCache(name)
	}
	name := ReadConf().DefaultCCache()
	if name == "" {
		uid := os.Getuid()
		if uid < 0 {
			// Windows: a file of that name would be anybody's.
			return nil, fmt.Errorf("read credential cache: this system has none by default: %w", fs.ErrNotExist)
		}
		name = fmt.Sprintf("/tmp/krb5cc_%d", uid)
	}
	path, err := cachePath(name)
	if err != nil {
		return nil, err
	}
	return readCCache(path, readOwnFile)
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

// parseCCache reads all four versions of the format. The first two are in the byte order of
// the machine that wrote them, which is taken to be this one.
// https://web.mit.edu/kerberos/krb5-latest/doc/formats/ccache_file_format.html
func parseCCache(b []byte) (*CCache, error) {
	if len(b) < 2 || b[0] != 5 || b[1] < 1 || b[1] > 4 {
		return nil, errors.New("not a credential cache")
	}
	version := b[1]
	r := reader{b: b[2:], native: version < 3}
	if version == 4 {
		r.short() // the header: a clock offset of the machine that wrote it
	}
	c := &CCache{Client: r.principal(version)}
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
		c.Wipe()
		return nil, r.err
	}
	return c, nil
}

func (r *reader) principal(version byte) (p Principal) {
	if version > 1 {
		p.Name.NameType = int32(r.uint32())
	}
	n := r.uint32()
	if version == 1 {
		n = max(n, 1) - 1 // the realm is counted
	}
	p.Realm = string(r.long())
	for i := uint32(0); i < n && r.err == nil; i++ {
		p.Name.NameString = append(p.Name.NameString, string(r.long()))
	}
	return p
}

func (r *reader) cacheEntry(version byte) (e cacheEntry) {
	e.client = r.principal(version)
	e.server = r.principal(version)
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
	return c.find(service.Name, service, now, func(t *Ticket) bool {
		return strings.EqualFold(t.Server.Realm, service.Realm)
	})
}

// TGT is a valid ticket-granting ticket for a realm, as Ticket is for a service. It may be
// from another realm's KDC.
func (c *CCache) TGT(realm string, now time.Time) (*Ticket, error) {
	service := ServicePrincipal("krbtgt", realm, c.Client.Realm)
	return c.find(service.Name, service, now, func(t *Ticket) bool {
		return sameName(t.Server.Name, service.Name)
	})
}

// find takes, of the tickets that are filed under a name and that fit, the one that is good
// for longest. The realm that a ticket is filed under does not count: after a referral MIT
// has none there, or the client's.
func (c *CCache) find(name types.PrincipalName, service Principal, now time.Time, fits func(*Ticket) bool) (*Ticket, error) {
	var found []*cacheEntry
	for i := range c.entries {
		if e := &c.entries[i]; !e.userToUser && sameName(e.server.Name, name) && c.Client.same(e.client) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *cacheEntry) int { return b.ends.Compare(a.ends) })
	for _, e := range found {
		t, err := c.open(e)
		switch {
		case err != nil:
			return nil, err
		case !fits(t):
		case !e.ends.After(now):
			return nil, &ExpiredError{Path: c.Path, Server: service, Ended: e.ends}
		default:
			return t, nil
		}
	}
	return nil, nil
}

// Wipe zeroes the session keys of the cache, which cannot be used after it.
func (c *CCache) Wipe() {
	for _, e := range c.entries {
		clear(e.key.KeyValue)
	}
	c.entries = nil
}

func (c *CCache) open(e *cacheEntry) (*Ticket, error) {
	if n := KeySize(e.key.KeyType); n == 0 || len(e.key.KeyValue) != n {
		return nil, fmt.Errorf("credential cache %s: ticket for %s has a session key of %s, with %d bytes",
			c.Path, e.server, EncryptionName(e.key.KeyType), len(e.key.KeyValue))
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
		Key:    types.EncryptionKey{KeyType: e.key.KeyType, KeyValue: slices.Clone(e.key.KeyValue)},
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
