package ldapx

import (
	"errors"
	"testing"

	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// A located domain controller proves a name that only domain controllers of the domain have.
func TestLabProvesTheDomain(t *testing.T) {
	lab := labtest.Require(t)
	c := admin(lab)
	for _, dc := range []string{lab.DC, lab.SecondDC, lab.RODC} {
		c.DC, c.Domain = dc, lab.Domain
		if got := whoami(t, dial(t, c)); got == "" {
			t.Errorf("nobody is bound to %s", dc)
		}
	}
	c.DC, c.Domain = lab.DC, "other.example"
	var refused *krb5.Error
	if _, err := Dial(t.Context(), c); !errors.As(err, &refused) || refused.Code != krb5.ServiceUnknown {
		t.Errorf("as a domain controller of another domain: %v", err)
	}
}

// One logon serves several domain controllers: the password is asked for once.
func TestLabLogonIsAskedOnce(t *testing.T) {
	lab := labtest.Require(t)
	asked := 0
	c := admin(lab)
	ask := c.Password
	c.Password = func() ([]byte, error) { asked++; return ask() }
	c.Logon = new(Logon)
	for _, dc := range []string{lab.DC, lab.SecondDC, lab.DC} {
		c.DC, c.Domain = dc, lab.Domain
		dial(t, c)
	}
	if asked != 1 || c.Logon.Spent() {
		t.Errorf("the password was asked for %d times; spent %v", asked, c.Logon.Spent())
	}
	c.Logon.Close()
	if _, err := Dial(t.Context(), c); !errors.Is(err, ErrSpent) {
		t.Errorf("after it was closed: %v", err)
	}

	wrong := as(lab, lab.User, "wrong")
	wrong.Logon = new(Logon)
	var refused *krb5.Error
	if _, err := Dial(t.Context(), wrong); !errors.As(err, &refused) {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := Dial(t.Context(), wrong); !errors.Is(err, ErrSpent) || !wrong.Logon.Spent() {
		t.Errorf("a wrong password again: %v", err)
	}
}
