package krb5

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// The vectors of RFC 3962, appendix B.
func TestPasswordKey(t *testing.T) {
	tests := []struct {
		iter                         uint32
		password, salt, want, want32 string
	}{
		{1, "password", "ATHENA.MIT.EDUraeburn",
			"42263c6e89f4fc28b8df68ee09799f15",
			"fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161"},
		{1200, "password", "ATHENA.MIT.EDUraeburn",
			"4c01cd46d632d01e6dbe230a01ed642a",
			"55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a"},
		{1200, strings.Repeat("X", 65), "pass phrase exceeds block size",
			"cb8005dc5f90179a7f02104c0018751d",
			"d78c5c9cb872a8c9dad4697f0bb5b2d21496c82beb2caeda2112fceea057401b"},
		{50, "\U0001d11e", "EXAMPLE.COMpianist",
			"f149c1f2e154a73452d43e7fe62a56e5",
			"4b6d9839f84406df1f09cc166db4b83c571848b784a3d6bdc346589a3e393f9e"},
	}
	for _, tt := range tests {
		for etype, want := range map[int32]string{17: tt.want, 18: tt.want32} {
			key, err := Password(tt.password).key(Principal{}, []keyParams{{etype, tt.salt, tt.iter}})
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(key.KeyValue); got != want {
				t.Errorf("%q, %d rounds, etype %d: got %s, want %s", tt.password, tt.iter, etype, got, want)
			}
		}
	}
}

// The vectors of RFC 8009, appendix A, whose salt holds 16 bytes at random.
func TestPasswordKeyOfSHA2(t *testing.T) {
	const salt = "\x10\xdf\x9d\xd7\x83\xe5\xbc\x8a\xce\xa1\x73\x0e\x74\x35\x5f\x61ATHENA.MIT.EDUraeburn"
	for etype, want := range map[int32]string{
		AES128SHA256: "089bca48b105ea6ea77ca5d2f39dc5e7",
		AES256SHA384: "45bd806dbf6a833a9cffc1c94589a222367a79bc21c413718906e9f578a78467",
	} {
		key, err := Password("password").key(Principal{}, []keyParams{{etype, salt, 32768}})
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(key.KeyValue); got != want {
			t.Errorf("%s: got %s, want %s", EncryptionName(etype), got, want)
		}
	}
}

// RFC 4757 has one vector, "foo"; beyond ASCII the password is in UTF-16, so that
// code points above U+FFFF are two units; that vector is what Samba 4.22 makes of it.
func TestPasswordKeyOfRC4(t *testing.T) {
	for password, want := range map[string]string{
		"foo":                    "ac8e657f83df82beea5d43bdaf7800cc",
		"\u00e4\u20ac\U0001d11e": "ffabbbec91d11c5f61e53409206bdf80",
	} {
		key, err := Password(password).key(Principal{}, []keyParams{{etype: RC4, salt: "not used"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(key.KeyValue); got != want {
			t.Errorf("%q: got %s, want %s", password, got, want)
		}
	}
	if _, err := Password("a\xff").key(Principal{}, []keyParams{{etype: RC4}}); err == nil {
		t.Error("a password that is not UTF-8 has a key")
	}
}

func TestUserPrincipal(t *testing.T) {
	tests := []struct {
		name, user string
		nameType   int32
		want       string // empty: an error
	}{
		{"a bare name", "bob", 1, "bob@CORP.EXAMPLE"},
		{"a machine's name", "gmsa$", 1, "gmsa$@CORP.EXAMPLE"},
		{"a UPN of the realm", "bob@Corp.Example", 1, "bob@CORP.EXAMPLE"},
		{"a UPN of another suffix", "bob@mail.example", 10, "bob@mail.example@CORP.EXAMPLE"},
		{"a UPN with two signs", "bob@home@mail.example", 10, "bob@home@mail.example@CORP.EXAMPLE"},
		{"the domain's first label", `corp\bob`, 1, "bob@CORP.EXAMPLE"},
		{"the domain's DNS name", `corp.example\bob`, 1, "bob@CORP.EXAMPLE"},
		{"another short name is for the KDC to judge", `ad01\bob`, 1, "bob@AD01"},
		{"empty", "", 0, ""},
		{"no name after the domain", `corp\`, 0, ""},
		{"no domain", `\bob`, 0, ""},
		{"both forms", `corp\bob@corp.example`, 0, ""},
		{"no suffix", "bob@", 0, ""},
		{"no name", "@corp.example", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := UserPrincipal(tt.user, "CORP.EXAMPLE")
			if err != nil {
				if tt.want != "" {
					t.Error(err)
				}
				return
			}
			if p.String() != tt.want || p.Name.NameType != tt.nameType {
				t.Errorf("got %s, type %d", p, p.Name.NameType)
			}
		})
	}
}

// file builds keytabs and credential caches.
type file []byte

func (f file) u16(n int) file      { return binary.BigEndian.AppendUint16(f, uint16(n)) }
func (f file) u32(n int64) file    { return binary.BigEndian.AppendUint32(f, uint32(n)) }
func (f file) short(s string) file { return append(f.u16(len(s)), s...) }
func (f file) long(s string) file  { return append(f.u32(int64(len(s))), s...) }

func (f file) keytabKey(realm, name string, kvno int, etype int, key string) file {
	e := file{}.u16(1).short(realm).short(name).u32(1).u32(0)
	e = append(e, byte(kvno)).u16(etype).short(key).u32(int64(kvno))
	return f.long(string(e))
}

var key32 = strings.Repeat("k", 32)

func TestKeytabFindsTheNewestKeyWithoutRegardToCase(t *testing.T) {
	b := file{5, 2}.
		keytabKey("CORP.EXAMPLE", "Bob", 3, 18, strings.Repeat("3", 32)).
		u32(-8).u32(0).u32(0). // a hole
		keytabKey("CORP.EXAMPLE", "BOB", 300, 18, strings.Repeat("n", 32)).
		keytabKey("CORP.EXAMPLE", "bob", 4, 18, strings.Repeat("4", 32)).
		keytabKey("CORP.EXAMPLE", "bob", 400, 23, strings.Repeat("r", 16)).
		keytabKey("OTHER.EXAMPLE", "bob", 500, 18, strings.Repeat("o", 32)).
		keytabKey("CORP.EXAMPLE", "eve", 600, 18, strings.Repeat("e", 32))
	path := filepath.Join(t.TempDir(), "keytab")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := ReadKeytab("FILE:" + path)
	if err != nil {
		t.Fatal(err)
	}
	client := principal(1, "bob", "corp.example")
	key, err := k.key(client, []keyParams{{etype: 18}, {etype: 17}})
	if err != nil || string(key.KeyValue) != strings.Repeat("n", 32) {
		t.Errorf("got %q, %v", key.KeyValue, err)
	}
	clear(key.KeyValue)
	if again, _ := k.key(client, []keyParams{{etype: 18}}); string(again.KeyValue) != strings.Repeat("n", 32) {
		t.Error("a caller that zeroes its key zeroes the keytab's")
	}
	var none *NoKeyError
	if _, err := k.key(client, []keyParams{{etype: 17}}); !errors.As(err, &none) {
		t.Errorf("no key of the type: got %v", err)
	}
	if p, ok := k.First(); !ok || p.String() != "Bob@CORP.EXAMPLE" {
		t.Errorf("first principal is %s", p)
	}
}

func TestKeytabChoosesAKey(t *testing.T) {
	client := principal(1, "bob", "CORP.EXAMPLE")
	tests := []struct {
		name  string
		keys  file
		asked []int32
		want  string // the first letter of the key; empty: an error
	}{
		{"the KDC's first of one version", file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 3, 17, "a"+key32[:15]).keytabKey("CORP.EXAMPLE", "bob", 3, 18, "b"+key32[:31]), []int32{18, 17}, "b"},
		{"the KDC's first, whatever the order", file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 3, 18, "b"+key32[:31]).keytabKey("CORP.EXAMPLE", "bob", 3, 17, "a"+key32[:15]), []int32{17, 18}, "a"},
		{"a newer one of another type", file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 3, 18, "b"+key32[:31]).keytabKey("CORP.EXAMPLE", "bob", 4, 17, "a"+key32[:15]), []int32{18, 17}, "a"},
		{"not a newer one of a type that is not asked for", file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 3, 18, "b"+key32[:31]).keytabKey("CORP.EXAMPLE", "bob", 4, 23, "r"+key32[:15]), []int32{18, 17}, "b"},
		{"not one of the wrong length", file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 3, 18, "b"+key32[:31]).keytabKey("CORP.EXAMPLE", "bob", 4, 18, "s"), []int32{18}, "b"},
		{"none", file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 4, 23, "r"+key32[:15]), []int32{18, 17}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := parseKeytab(tt.keys)
			if err != nil {
				t.Fatal(err)
			}
			var params []keyParams
			for _, etype := range tt.asked {
				params = append(params, keyParams{etype: etype})
			}
			key, err := k.key(client, params)
			var none *NoKeyError
			switch {
			case tt.want == "":
				if !errors.As(err, &none) || !slices.Equal(none.Held, []int32{23}) {
					t.Errorf("got %v", err)
				}
			case err != nil || string(key.KeyValue[:1]) != tt.want:
				t.Errorf("got %q, %v", key.KeyValue, err)
			}
		})
	}
}

func ticketBytes(t testing.TB, name ...string) string {
	t.Helper()
	return ticketOf(t, "CORP.EXAMPLE", name...)
}

func ticketOf(t testing.TB, realm string, name ...string) string {
	t.Helper()
	ticket := messages.Ticket{TktVNO: 5, Realm: realm, SName: types.PrincipalName{NameType: 2, NameString: name},
		EncPart: types.EncryptedData{EType: 18, Cipher: []byte("opaque")}}
	b, err := ticket.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (f file) principal(realm string, name ...string) file {
	f = f.u32(1).u32(int64(len(name))).long(realm)
	for _, n := range name {
		f = f.long(n)
	}
	return f
}

func cache(version byte) file {
	f := file{5, version}
	if version == 4 {
		f = f.short("\x00\x01\x00\x08\xff\xff\xff\xff\x00\x00\x00\x00")
	}
	return f.principal("CORP.EXAMPLE", "bob")
}

// credential is a ticket that is good from an hour before it ends, and renewable for an hour
// after that.
func (f file) credential(realm string, name []string, key string, ends time.Time, ticket string) file {
	version := f[1]
	f = f.principal("CORP.EXAMPLE", "bob").principal(realm, name...).u16(18)
	if version == 3 {
		f = f.u16(18)
	}
	f = f.long(key).u32(ends.Unix() - 3600).u32(0).u32(ends.Unix()).u32(ends.Unix() + 3600)
	f = append(f, 0).u32(0)
	f = f.u32(1).u16(2).long("\x7f\x00\x00\x01").u32(0)
	return f.long(ticket).long("")
}

var (
	ldapName = []string{"ldap", "DC1.corp.example"}
	tgtName  = []string{"krbtgt", "CORP.EXAMPLE"}
)

func TestCCache(t *testing.T) {
	now := time.Now()
	later, past := now.Add(time.Hour), now.Add(-time.Hour)
	service := ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE")
	for _, version := range []byte{3, 4} {
		b := cache(version).
			credential("X-CACHECONF:", []string{"krb5_ccache_conf_data", "pa_type"}, "", now, "2").
			credential("CORP.EXAMPLE", tgtName, key32, past, ticketBytes(t, tgtName...)).
			credential("", ldapName, key32, later, ticketBytes(t, ldapName...)).
			credential("CORP.EXAMPLE", ldapName, key32, past, ticketBytes(t, ldapName...))
		c, err := parseCCache(b)
		if err != nil {
			t.Fatal(err)
		}
		if c.Client.String() != "bob@CORP.EXAMPLE" || len(c.entries) != 3 {
			t.Errorf("version %d: %d tickets of %s", version, len(c.entries), c.Client)
		}
		ticket, err := c.Ticket(service, now)
		if err != nil || ticket == nil || ticket.Ends.Unix() != later.Unix() {
			t.Errorf("version %d: service ticket %v, %v", version, ticket, err)
		} else if ticket.Starts.Unix() != now.Unix() || ticket.Renew.Unix() != later.Add(time.Hour).Unix() {
			t.Errorf("version %d: the service ticket is good from %v, renewable until %v", version, ticket.Starts, ticket.Renew)
		}
		var expired *ExpiredError
		if _, err := c.TGT("CORP.EXAMPLE", now); !errors.As(err, &expired) || expired.Ended.Unix() != past.Unix() {
			t.Errorf("version %d: expired ticket-granting ticket: %v", version, err)
		}
		if ticket, err := c.TGT("OTHER.EXAMPLE", now); ticket != nil || err != nil {
			t.Errorf("version %d: another realm's: %v, %v", version, ticket, err)
		}
	}
}

func TestCCacheRefusesKeysItCannotUse(t *testing.T) {
	later := time.Now().Add(time.Hour)
	tests := []struct {
		name, key, ticket string
	}{
		{"a short key", "short", ticketBytes(t, ldapName...)},
		{"garbage for a ticket", key32, "garbage"},
		{"no ticket", key32, ""},
		{"a ticket for nobody", key32, ticketBytes(t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseCCache(cache(4).credential("CORP.EXAMPLE", ldapName, tt.key, later, tt.ticket))
			if err != nil {
				t.Fatal(err)
			}
			if ticket, err := c.Ticket(ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE"), time.Now()); err == nil {
				t.Errorf("got %v", ticket)
			}
		})
	}
}

func TestEveryTruncationOfAFileFails(t *testing.T) {
	ccache := cache(4).credential("CORP.EXAMPLE", ldapName, key32, time.Now(), "t")
	start := len(cache(4))
	for n := range ccache {
		if n == start {
			continue // a cache without tickets
		}
		if _, err := parseCCache(ccache[:n]); err == nil {
			t.Errorf("a credential cache of %d bytes of %d", n, len(ccache))
		}
	}
	keytab := file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 1, 18, key32)
	for n := range keytab {
		if n == 2 {
			continue // a keytab without keys
		}
		if _, err := parseKeytab(keytab[:n]); err == nil {
			t.Errorf("a keytab of %d bytes of %d", n, len(keytab))
		}
	}
}

func TestHostileFiles(t *testing.T) {
	huge := int64(0x7fffffff)
	tests := map[string]file{
		"2^31 components":     file{5, 4}.u16(0).u32(1).u32(huge).long("R"),
		"2^32-1 components":   file{5, 4}.u16(0).u32(1).u32(-1).long("R"),
		"2^31 addresses":      cache(4).principal("R", "a").principal("R", "b").u16(18).long(key32).u32(0).u32(0).u32(0).u32(0).long("").u32(huge),
		"a realm of 2^31":     file{5, 4}.u16(0).u32(1).u32(1).u32(huge),
		"a negative realm":    file{5, 4}.u16(0).u32(1).u32(1).u32(-1),
		"an older version":    {5, 2, 0, 0},
		"nothing":             {},
		"a keytab's hole":     file{5, 2}.u32(-0x80000000),
		"a keytab's big hole": file{5, 2}.u32(-1000),
	}
	for name, b := range tests {
		if _, err := parseCCache(b); err == nil {
			t.Errorf("credential cache of %s: no error", name)
		}
		if _, err := parseKeytab(b); err == nil {
			t.Errorf("keytab of %s: no error", name)
		}
	}
}

func TestCachePath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "primary"), []byte("tktABC\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	evil := t.TempDir()
	if err := os.WriteFile(filepath.Join(evil, "primary"), []byte("tkt/../../x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	tests := []struct {
		name, want string // empty: an error
	}{
		{"/tmp/krb5cc_0", "/tmp/krb5cc_0"},
		{"cc", "cc"},
		{"./a:b", "./a:b"},
		{`C:\cc`, `C:\cc`},
		{"FILE:/tmp/cc", "/tmp/cc"},
		{"WRFILE:cc", "cc"},
		{"DIR:" + dir, filepath.Join(dir, "tktABC")},
		{"DIR::" + dir + "/tktX", dir + "/tktX"},
		{"DIR:" + empty, filepath.Join(empty, "tkt")},
		{"DIR:" + evil, ""},
		{"KCM:", ""},
		{"KCM:1000", ""},
		{"KEYRING:persistent:0", ""},
		{"API:x", ""},
		{"MSLSA:", ""},
	}
	for _, tt := range tests {
		got, err := cachePath(tt.name)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
	var kind *CacheTypeError
	if _, err := ReadCCache("KEYRING:persistent:0"); !errors.As(err, &kind) || kind.Name != "KEYRING:persistent:0" {
		t.Errorf("got %v", err)
	}
}

// The oldest formats are in the byte order of the machine, count the realm among the
// components, and know no types of names.
func TestOldFormats(t *testing.T) {
	native := func(n int, v uint32) []byte {
		if n == 2 {
			return binary.NativeEndian.AppendUint16(nil, uint16(v))
		}
		return binary.NativeEndian.AppendUint32(nil, v)
	}
	field := func(size int, s string) []byte { return append(native(size, uint32(len(s))), s...) }
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	u16 := func(v uint32) []byte { return native(2, v) }
	u32 := func(v uint32) []byte { return native(4, v) }

	entry := join(u16(2), field(2, "CORP.EXAMPLE"), field(2, "bob"), u32(0), []byte{7}, u16(18), field(2, key32))
	k, err := parseKeytab(join([]byte{5, 1}, u32(uint32(len(entry))), entry))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.key(principal(1, "bob", "CORP.EXAMPLE"), []keyParams{{etype: 18}})
	if err != nil || string(key.KeyValue) != key32 || k.keys[0].kvno != 7 {
		t.Errorf("keytab of version 1: %+v, %v", k, err)
	}

	for _, version := range []byte{1, 2} {
		name := func(names ...string) []byte {
			var b []byte
			n := uint32(len(names))
			if version == 1 {
				n++
			} else {
				b = u32(1)
			}
			b = join(b, u32(n), field(4, "CORP.EXAMPLE"))
			for _, s := range names {
				b = join(b, field(4, s))
			}
			return b
		}
		later := time.Now().Add(time.Hour)
		c, err := parseCCache(join([]byte{5, version}, name("bob"), name("bob"), name(ldapName...), u16(18), field(4, key32),
			u32(0), u32(0), u32(uint32(later.Unix())), u32(0), []byte{0}, u32(0), u32(0), u32(0), field(4, ticketBytes(t, ldapName...)), field(4, "")))
		if err != nil {
			t.Fatalf("credential cache of version %d: %v", version, err)
		}
		ticket, err := c.Ticket(ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE"), time.Now())
		if err != nil || ticket == nil || ticket.Ends.Unix() != later.Unix() || ticket.Client.String() != "bob@CORP.EXAMPLE" {
			t.Errorf("credential cache of version %d: %+v, %v", version, ticket, err)
		}
	}
}

// The times of a cache have 32 bits without a sign: they end in 2106, not in 2038.
func TestTicketsThatEndAfter2038(t *testing.T) {
	ends := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	c, err := parseCCache(cache(4).credential("CORP.EXAMPLE", ldapName, key32, ends, ticketBytes(t, ldapName...)))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := c.Ticket(ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE"), time.Now())
	if err != nil || ticket == nil || !ticket.Ends.Equal(ends) {
		t.Errorf("got %+v, %v", ticket, err)
	}
}

// Which realm's a ticket is, it says itself: MIT files what it got by referral under the
// client's realm.
func TestTicketsOfOtherRealms(t *testing.T) {
	later := time.Now().Add(time.Hour)
	old := ticketOf(t, "OLD.EXAMPLE", "ldap", "dc1.old.example")
	cross := ticketOf(t, "CORP.EXAMPLE", "krbtgt", "OLD.EXAMPLE")
	c, err := parseCCache(cache(4).
		credential("CORP.EXAMPLE", []string{"ldap", "dc1.old.example"}, key32, later, old).
		credential("MID.EXAMPLE", []string{"krbtgt", "OLD.EXAMPLE"}, key32, later, cross))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := c.Ticket(ServicePrincipal("ldap", "dc1.old.example", "OLD.EXAMPLE"), time.Now())
	if err != nil || ticket == nil || ticket.Server.Realm != "OLD.EXAMPLE" {
		t.Errorf("the service's: %+v, %v", ticket, err)
	}
	if ticket, err := c.Ticket(ServicePrincipal("ldap", "dc1.old.example", "CORP.EXAMPLE"), time.Now()); ticket != nil || err != nil {
		t.Errorf("one of this name in another realm: %+v, %v", ticket, err)
	}
	if ticket, err := c.TGT("OLD.EXAMPLE", time.Now()); err != nil || ticket == nil {
		t.Errorf("the ticket-granting ticket: %+v, %v", ticket, err)
	}
}

func TestWipe(t *testing.T) {
	c, err := parseCCache(cache(4).credential("CORP.EXAMPLE", ldapName, key32, time.Now().Add(time.Hour), ticketBytes(t, ldapName...)))
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := c.Ticket(ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	held := c.entries[0].key.KeyValue
	c.Wipe()
	if string(held) != strings.Repeat("\x00", 32) || string(ticket.Key.KeyValue) != key32 {
		t.Errorf("credential cache: its key is %q, the ticket's %q", held, ticket.Key.KeyValue)
	}
	k, err := parseKeytab(file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 1, 18, key32))
	if err != nil {
		t.Fatal(err)
	}
	held = k.keys[0].key.KeyValue
	k.Wipe()
	if string(held) != strings.Repeat("\x00", 32) {
		t.Errorf("keytab: its key is %q", held)
	}
}

// The cache of krb5.conf is taken where KRB5CCNAME names none.
func TestReadDefaultCCache(t *testing.T) {
	needNumber(t)
	dir := t.TempDir()
	path := filepath.Join(dir, fmt.Sprintf("cc_%d", os.Getuid()))
	if err := os.WriteFile(path, cache(4), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := func(name string) {
		if err := os.WriteFile(dir+"/krb5.conf", []byte("[libdefaults]\n default_ccache_name = "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KRB5_CONFIG", dir+"/krb5.conf")
	t.Setenv("KRB5CCNAME", "")
	conf("FILE:" + dir + "/cc_%{uid}")
	if c, err := ReadDefaultCCache(); err != nil || c.Path != path || c.Client.String() != "bob@CORP.EXAMPLE" {
		t.Errorf("got %+v, %v", c, err)
	}
	conf("KEYRING:persistent:%{uid}")
	var kind *CacheTypeError
	if _, err := ReadDefaultCCache(); !errors.As(err, &kind) || kind.Name != fmt.Sprintf("KEYRING:persistent:%d", os.Getuid()) {
		t.Errorf("a cache in the kernel: got %v", err)
	}
	t.Setenv("KRB5CCNAME", "FILE:"+path)
	if c, err := ReadDefaultCCache(); err != nil || c.Path != path {
		t.Errorf("the environment before the file: got %+v, %v", c, err)
	}
}

func FuzzCCache(f *testing.F) {
	f.Add([]byte(cache(4).credential("CORP.EXAMPLE", ldapName, key32, time.Now().Add(time.Hour), ticketBytes(f, ldapName...))))
	f.Add([]byte(cache(3).credential("", tgtName, key32, time.Now(), ticketBytes(f, tgtName...))))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCCache(b)
		if err != nil {
			return
		}
		for _, e := range c.entries {
			ticket, err := c.Ticket(e.server, time.Time{})
			if err == nil && ticket != nil && len(ticket.Key.KeyValue) != KeySize(ticket.Key.KeyType) {
				t.Fatal("a key of the wrong size")
			}
		}
	})
}

func FuzzKeytab(f *testing.F) {
	f.Add([]byte(file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 300, 18, key32)))
	f.Add([]byte(file{5, 2}.u32(-4).u32(0).keytabKey("CORP.EXAMPLE", "bob", 1, 17, key32[:16])))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseKeytab(b)
		if err != nil {
			return
		}
		// What was read can be written and read again.
		out := file{5, 2}
		for _, key := range k.keys {
			p := key.principal
			e := file{}.u16(len(p.Name.NameString)).short(p.Realm)
			for _, n := range p.Name.NameString {
				e = e.short(n)
			}
			e = e.u32(int64(p.Name.NameType)).u32(0)
			e = append(e, byte(key.kvno)).u16(int(key.key.KeyType)).short(string(key.key.KeyValue)).u32(int64(key.kvno))
			out = out.long(string(e))
		}
		again, err := parseKeytab(out)
		if err != nil || !reflect.DeepEqual(again.keys, k.keys) {
			t.Fatalf("got %v, %v\nwant %v", again, err, k)
		}
	})
}
