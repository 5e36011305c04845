package ldapx

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// writeCache writes a credential cache of bob@CORP.EXAMPLE with one ticket, and returns its
// path. https://web.mit.edu/kerberos/krb5-latest/doc/formats/ccache_file_format.html
func writeCache(t *testing.T, service, host string, ends time.Time) string {
	t.Helper()
	ticket := gsstest.Ticket(18)
	ticket.Ticket.SName.NameString = []string{service, host}
	der, err := ticket.Ticket.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{5, 4, 0, 0}
	u32 := func(ns ...int64) {
		for _, n := range ns {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
	}
	field := func(s string) {
		u32(int64(len(s)))
		b = append(b, s...)
	}
	principal := func(names ...string) {
		u32(1, int64(len(names)))
		field("CORP.EXAMPLE")
		for _, n := range names {
			field(n)
		}
	}
	principal("bob")
	principal("bob")
	principal(service, host)
	b = binary.BigEndian.AppendUint16(b, 18)
	field(string(ticket.Key.KeyValue))
	u32(0, 0, ends.Unix(), 0)
	b = append(b, 0)
	u32(0, 0, 0)
	field(string(der))
	field("")
	path := filepath.Join(t.TempDir(), "cc")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTicketSources(t *testing.T) {
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	const host = "dc1.corp.example"
	good := writeCache(t, "ldap", host, later)
	expired := writeCache(t, "ldap", host, past)
	tgt := writeCache(t, "krbtgt", "CORP.EXAMPLE", later)
	oldTGT := writeCache(t, "krbtgt", "CORP.EXAMPLE", past)
	other := writeCache(t, "ldap", "dc2.corp.example", later)
	password := func() ([]byte, error) { return []byte("Secret1."), nil }
	broken := func() ([]byte, error) { return nil, os.ErrPermission }
	var kdcAsked *DialError // there is no KDC here; asking it is what is tested

	tests := []struct {
		name string
		c    Config
		want any // pointer to an error type; nil: a ticket
	}{
		{"a ticket for the service", Config{CCache: good}, nil},
		{"a ticket for the service, and its user", Config{CCache: good, User: "BOB@corp.example"}, nil},
		{"a ticket before a password", Config{CCache: good, User: "bob", Password: password}, nil},
		{"a ticket that expired", Config{CCache: expired}, new(*krb5.ExpiredError)},
		{"a ticket-granting ticket", Config{CCache: tgt}, &kdcAsked},
		{"a ticket-granting ticket that expired", Config{CCache: oldTGT}, new(*krb5.ExpiredError)},
		{"a ticket for another server", Config{CCache: other}, new(*NoTicketError)},
		{"an expired ticket, then the password", Config{CCache: expired, User: "bob", Password: password}, &kdcAsked},
		{"no ticket, then the password", Config{CCache: other, User: "bob", Password: password}, &kdcAsked},
		{"somebody else's tickets", Config{CCache: good, User: "eve"}, new(*BindError)},
		{"somebody else's tickets, and a password", Config{CCache: good, User: "eve", Password: password}, new(*BindError)},
		{"no file", Config{CCache: "/nonexistent/cc"}, new(*BindError)},
		{"no file, and a password", Config{CCache: "/nonexistent/cc", User: "bob", Password: password}, new(*BindError)},
		{"a cache in the kernel", Config{CCache: "KEYRING:persistent:0"}, new(*krb5.CacheTypeError)},
		{"a password only", Config{User: "bob", Password: password}, &kdcAsked},
		{"a password of nobody", Config{Password: password}, new(*BindError)},
		{"a password that cannot be had", Config{User: "bob", Password: broken}, new(*BindError)},
		{"no keytab", Config{User: "bob", Keytab: "/nonexistent/keytab"}, new(*BindError)},
		{"a password and a keytab", Config{User: "bob", Password: password, Keytab: "keytab"}, new(*BindError)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kdcAsked = nil
			kdc := &krb5.Client{Address: host + ":88", Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("refused")
			}}
			got, err := tt.c.ticket(t.Context(), kdc, endpoint{host, host + ":389", "CORP.EXAMPLE"})
			if tt.want == nil {
				if err != nil || got.Server.String() != "ldap/dc1.corp.example@CORP.EXAMPLE" {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || !errors.As(err, tt.want) {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
	t.Run("the environment's cache", func(t *testing.T) {
		t.Setenv("KRB5CCNAME", "FILE:"+good)
		if _, err := (Config{}).ticket(t.Context(), new(krb5.Client), endpoint{host, host + ":389", "CORP.EXAMPLE"}); err != nil {
			t.Error(err)
		}
	})
}

// krb5.conf knows where a host is not named in its domain.
func TestRealmOfTheHost(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "krb5.conf")
	if err := os.WriteFile(conf, []byte("[domain_realm]\n.branch.example = corp.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, conf, dc, realm, want string }{
		{"a host of a domain that is mapped", conf, "dc1.branch.example", "", "CORP.EXAMPLE"},
		{"a host of another domain", conf, "dc1.old.example", "", "OLD.EXAMPLE"},
		{"a realm that is given", conf, "dc1.branch.example", "OLD.EXAMPLE", "OLD.EXAMPLE"},
		{"a short name", conf, "dc1", "", ""},
		{"no mapping", os.DevNull, "dc1.branch.example", "", "BRANCH.EXAMPLE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("KRB5_CONFIG", tt.conf)
			at, err := Config{DC: tt.dc, Realm: tt.realm}.where()
			if at.realm != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v", at.realm, err)
			}
		})
	}
}

// A cache of another realm is somebody else's, whatever the name.
func TestCacheIsOfTheUser(t *testing.T) {
	principal := func(user, realm string) krb5.Principal {
		p, err := krb5.UserPrincipal(user, realm)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	have := principal("admin", "CORP.EXAMPLE")
	for _, tt := range []struct {
		name, user, realm string
		want              bool
	}{
		{"the name alone", "admin", "CORP.EXAMPLE", true},
		{"the name in another case", "ADMIN", "CORP.EXAMPLE", true},
		{"the name with its realm", "admin@corp.example", "CORP.EXAMPLE", true},
		{"the short name of the domain", `CORP\admin`, "CORP.EXAMPLE", true},
		{"a short name that only the KDC knows", `ACME\admin`, "CORP.EXAMPLE", true},
		{"another name", "guest", "CORP.EXAMPLE", false},
		{"the name in another realm", "admin", "EVIL.EXAMPLE", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := isCacheOf(have, principal(tt.user, tt.realm)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
