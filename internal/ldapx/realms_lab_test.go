package ldapx

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// labKDCs finds the KDCs of the lab's realms.
func labKDCs(lab *labtest.Lab) func(context.Context, string) ([]string, error) {
	return func(_ context.Context, realm string) ([]string, error) {
		switch {
		case strings.EqualFold(realm, lab.Domain):
			return []string{net.JoinHostPort(lab.DC, "88")}, nil
		case strings.EqualFold(realm, lab.OldDomain):
			return []string{net.JoinHostPort(lab.OldDC, "88")}, nil
		}
		return nil, errors.New("not a realm of the lab")
	}
}

// An account of one forest binds to a domain controller of another that trusts its own, in
// both directions, however it proves itself.
func TestLabOtherRealm(t *testing.T) {
	lab := labtest.Require(t)
	lab.Trust(t)
	user := lab.CreateUser(t, "across", secret)
	name := user.SAMAccountName
	alias := "alias." + name + "@" + lab.Domain
	lab.RunInput(t, "dn: "+user.DN+"\nchangetype: modify\nreplace: userPrincipalName\nuserPrincipalName: "+alias+"\n",
		"ldbmodify", "-H", database)
	keytab := lab.Keytab(t, name)
	tgt := kinit(t, lab, name, "")
	crossTGT := kinit(t, lab, name, "kvno --out-cache FILE:$d/cc krbtgt/OLD.EXAMPLE >/dev/null;")
	service := kinit(t, lab, name, "kvno ldap/"+lab.OldDC+" >/dev/null;")
	onlyService := kinit(t, lab, name, "kvno --out-cache FILE:$d/only ldap/"+lab.OldDC+" >/dev/null; mv $d/only $d/cc;")

	base := Config{DC: lab.OldDC, KDCs: labKDCs(lab), Timeout: 20 * time.Second}
	with := func(change func(c *Config)) Config {
		c := base
		change(&c)
		return c
	}
	password := func(user string) Config {
		return with(func(c *Config) {
			c.User = user
			c.Password = func() ([]byte, error) { return []byte(secret), nil }
		})
	}
	tests := []struct {
		name  string
		c     Config
		trips int64
	}{
		// The KDC of the domain controller refers to the account's, which asks for a proof
		// and gives two tickets; the DC's KDC gives the last one.
		{"password, UPN of its realm", password(name + "@" + lab.Domain), 6},
		{"password, UPN with another name", password(alias), 6},
		{`password, DOMAIN\name`, password(`CORP\` + name), 7},
		{`password, DNS name of the domain and name`, password(lab.Domain + `\` + name), 5},
		{"keytab, its own principal", with(func(c *Config) { c.Keytab = keytab }), 5},
		{"keytab, UPN", with(func(c *Config) { c.Keytab, c.User = keytab, name+"@"+lab.Domain }), 6},
		{"credential cache with a ticket-granting ticket", with(func(c *Config) { c.CCache = tgt }), 3},
		{"credential cache with a ticket-granting ticket for the other realm", with(func(c *Config) { c.CCache = crossTGT }), 2},
		{"credential cache with a ticket for the service", with(func(c *Config) { c.CCache = service }), 1},
		{"credential cache with nothing else", with(func(c *Config) { c.CCache = onlyService }), 1},
		{"credential cache, and its user by UPN", with(func(c *Config) { c.CCache, c.User = tgt, name+"@"+lab.Domain }), 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := dial(t, tt.c)
			if got, want := whoami(t, s), `u:CORP\`+name; !strings.EqualFold(got, want) {
				t.Errorf("bound as %s, want %s", got, want)
			}
			if got := s.Server().Identity; !strings.EqualFold(got, name+"@"+lab.Domain) {
				t.Errorf("identity %s", got)
			}
			if got := s.Server().BindTrips; got != tt.trips {
				t.Errorf("%d round trips, want %d", got, tt.trips)
			}
		})
	}
	t.Run("the other way round", func(t *testing.T) {
		s := dial(t, Config{
			DC: lab.DC, KDCs: labKDCs(lab), Timeout: 20 * time.Second, User: lab.User + "@" + lab.OldDomain,
			Password: func() ([]byte, error) { return os.ReadFile(lab.OldPasswordFile) },
		})
		if got, want := whoami(t, s), `u:OLD\`+lab.User; !strings.EqualFold(got, want) {
			t.Errorf("bound as %s, want %s", got, want)
		}
	})
	t.Run("the other way round, with a keytab", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keytab")
		b := lab.RunOld(t, "sh", "-c", `d=$(mktemp -d); samba-tool domain exportkeytab $d/k --principal="$1" >/dev/null; cat $d/k; rm -r $d`, "_", lab.User)
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		dial(t, Config{DC: lab.DC, KDCs: labKDCs(lab), Timeout: 20 * time.Second, Keytab: path})
	})
	t.Run("a wrong password counts once", func(t *testing.T) {
		s := dial(t, admin(lab))
		c := password(name + "@" + lab.Domain)
		c.Password = func() ([]byte, error) { return []byte("wrong-secret"), nil }
		_, err := Dial(t.Context(), c)
		var e *krb5.Error
		if !errors.As(err, &e) || e.Code != krb5.PreauthFailed {
			t.Errorf("got %v", err)
		}
		if got := badPwdCount(t, s, user.DN); got != "1" {
			t.Errorf("badPwdCount is %s, want 1", got)
		}
	})
	t.Run("an account that neither realm knows", func(t *testing.T) {
		_, err := Dial(t.Context(), password("nobody-here@"+lab.Domain))
		var e *krb5.Error
		if !errors.As(err, &e) || e.Code != krb5.ClientUnknown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a realm whose KDC is not found", func(t *testing.T) {
		c := password(name + "@" + lab.Domain)
		c.KDCs = func(context.Context, string) ([]string, error) { return nil, errors.New("no records") }
		_, err := Dial(t.Context(), c)
		var e *krb5.RealmError
		if !errors.As(err, &e) || !strings.EqualFold(e.Realm, lab.Domain) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a realm whose KDC does not answer", func(t *testing.T) {
		c := password(name + "@" + lab.Domain)
		c.KDCs = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1:1", "127.0.0.1:2"}, nil }
		_, err := Dial(t.Context(), c)
		var e *krb5.UnreachableError
		if !errors.As(err, &e) || len(e.Tried) != 2 {
			t.Errorf("got %v", err)
		}
	})
}

// A group managed service account binds with the keytab that a host of its has.
func TestLabBindAsGMSA(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "self")
	keytab := lab.Keytab(t, gmsa.SAMAccountName)
	for _, user := range []string{"", gmsa.SAMAccountName, strings.ToUpper(gmsa.SAMAccountName)} {
		s := dial(t, Config{DC: lab.DC, Keytab: keytab, User: user, Timeout: 20 * time.Second})
		if got, want := whoami(t, s), `u:CORP\`+gmsa.SAMAccountName; !strings.EqualFold(got, want) {
			t.Errorf("bound as %s, want %s", got, want)
		}
	}
}
