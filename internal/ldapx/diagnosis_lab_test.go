package ldapx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// A domain controller says why an account may not log on, and we hear it.
func TestLabWhyNot(t *testing.T) {
	lab := labtest.Require(t)
	tests := []struct {
		name    string
		attrs   []string // of the account, as "attribute: value"
		code    int32
		status  uint32
		correct bool // the password
	}{
		{"disabled", []string{"userAccountControl: 514"}, krb5.ClientRevoked, krb5.StatusAccountDisabled, true},
		{"expired", []string{"accountExpires: 132223104000000000"}, krb5.ClientRevoked, krb5.StatusAccountExpired, true},
		{"must change the password", []string{"pwdLastSet: 0"}, krb5.PasswordExpired, krb5.StatusPasswordMustChange, true},
		{"no hour of the week", []string{"logonHours:: " + strings.Repeat("A", 28)}, krb5.ClientRevoked, krb5.StatusInvalidLogonHours, true},
		{"a wrong password", nil, krb5.PreauthFailed, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user := lab.CreateUser(t, "why", secret)
			for _, a := range tt.attrs {
				name, _, _ := strings.Cut(a, ":")
				lab.RunInput(t, "dn: "+user.DN+"\nchangetype: modify\nreplace: "+name+"\n"+a+"\n", "ldbmodify", "-H", database)
			}
			password := secret
			if !tt.correct {
				password = "wrong-secret"
			}
			s, err := Dial(t.Context(), as(lab, user.SAMAccountName, password))
			if err == nil {
				s.Close()
				t.Fatal("bound")
			}
			var e *krb5.Error
			if !errors.As(err, &e) || e.Code != tt.code || tt.status != 0 && e.Status != tt.status {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An account that is locked out says so, to the right password too; and one that is not was
// asked once for each wrong one.
func TestLabLockedOut(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "locked", secret)
	s := dial(t, admin(lab))
	// As many as the lab's policy allows would take a while: the DC is told that it was.
	lab.RunInput(t, "dn: "+user.DN+"\nchangetype: modify\nreplace: lockoutTime\nlockoutTime: "+
		fmt.Sprint((time.Now().Unix()+11644473600)*1e7)+"\n", "ldbmodify", "-H", database)
	for range 2 {
		_, err := Dial(t.Context(), as(lab, user.SAMAccountName, secret))
		var e *krb5.Error
		if !errors.As(err, &e) || e.Code != krb5.ClientRevoked || e.Status != krb5.StatusLockedOut {
			t.Errorf("got %v", err)
		}
	}
	got, err := directory.Collect(s.Read(t.Context(), directory.Query{Base: user.DN, Attrs: []string{"lockoutTime"}}))
	if err != nil || got[0].Text("lockoutTime") == "0" {
		t.Errorf("not locked: %v, %v", got, err)
	}
}

// The offset of the clocks is exact, and the same whether a proof or a ticket is dated wrong.
func TestLabClockSkew(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "skew", secret)
	cache := kinit(t, lab, user.SAMAccountName, "")
	for _, ahead := range []time.Duration{10*time.Minute + 2*time.Second, -3 * time.Hour} {
		for name, c := range map[string]Config{
			"a password":               as(lab, user.SAMAccountName, secret),
			"a ticket-granting ticket": {DC: lab.DC, CCache: cache, Timeout: 20 * time.Second},
		} {
			t.Run(fmt.Sprintf("%s, %v", name, ahead), func(t *testing.T) {
				c.now = func() time.Time { return time.Now().Add(ahead) }
				_, err := Dial(t.Context(), c)
				var e *krb5.Error
				if !errors.As(err, &e) || e.Code != krb5.ClockSkew {
					t.Fatalf("got %v", err)
				}
				if off := e.Skew - ahead; off < -2*time.Second || off > 2*time.Second {
					t.Errorf("the clock is said to be %v ahead, and is %v", e.Skew, ahead)
				}
			})
		}
	}
}

func TestLabKeytabs(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "kvno", secret)
	name := user.SAMAccountName
	old := lab.Keytab(t, name)
	bind := func(keytab, user string) error {
		s, err := Dial(t.Context(), Config{DC: lab.DC, Keytab: keytab, User: user, Timeout: 20 * time.Second})
		if err == nil {
			s.Close()
		}
		return err
	}
	// It has keys of several types; MIT's ktutil makes one that has fewer.
	only := func(etype string) string {
		b := lab.RunInput(t, "", "bash", "-euc", `d=$(mktemp -d); trap 'rm -r $d' EXIT
			printf 'addent -password -p %s@CORP.EXAMPLE -k 2 -e %s\n%s\nwkt %s/k\n' "$1" "$2" "$3" "$d" | ktutil >/dev/null
			cat $d/k`, "_", name, etype, secret)
		path := filepath.Join(t.TempDir(), "keytab")
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("one of AES with 128 bits", func(t *testing.T) {
		if err := bind(only("aes128-cts-hmac-sha1-96"), name); err != nil {
			t.Error(err)
		}
	})
	t.Run("one of RC4", func(t *testing.T) {
		err := bind(only("arcfour-hmac"), name)
		var none *krb5.NoKeyError
		if !errors.As(err, &none) || len(none.Held) != 1 || none.Held[0] != 23 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("somebody else's", func(t *testing.T) {
		err := bind(old, lab.User)
		var none *krb5.NoKeyError
		if !errors.As(err, &none) || len(none.Held) != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one that is older than the password", func(t *testing.T) {
		s := dial(t, admin(lab))
		lab.Run(t, "samba-tool", "user", "setpassword", name, "--newpassword=Another-Secret-2.")
		err := bind(old, name)
		var stale *krb5.OldKeyError
		if !errors.As(err, &stale) || stale.Version == 0 {
			t.Fatalf("got %v", err)
		}
		if got := badPwdCount(t, s, user.DN); got != "1" && got != "0" {
			// Samba does not count a proof made with the password before.
			t.Errorf("badPwdCount is %s", got)
		}
		if err := bind(lab.Keytab(t, name), name); err != nil {
			t.Errorf("a new one: %v", err)
		}
	})
}
