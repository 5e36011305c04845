// Package krb5 gets Kerberos tickets: the AS and TGS exchanges of RFC 4120 on gokrb5's
// messages and crypto, over TCP, with a context, from realm to realm where one refers to
// another. Credentials come from a password, a keytab file or a credential cache file. It
// reads krb5.conf, looks nothing up in DNS, keeps no cache and never sends a password twice.
package krb5

import (
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Principal is a name in a realm. RFC 4120, 6.
type Principal struct {
	Name  types.PrincipalName
	Realm string
}

func (p Principal) String() string {
	if p.Realm == "" {
		return p.Name.PrincipalNameString()
	}
	return p.Name.PrincipalNameString() + "@" + p.Realm
}

// ServicePrincipal is the principal of a service on a host, such as ldap/dc1.corp.example.
func ServicePrincipal(service, host, realm string) Principal {
	return Principal{types.PrincipalName{
		NameType:   nametype.KRB_NT_SRV_INST,
		NameString: []string{service, host},
	}, realm}
}

// UserPrincipal is the principal for what a person types: a sAMAccountName, DOMAIN\name
// or a user principal name. A UPN whose suffix is not the realm becomes an enterprise name,
// which the KDC translates. RFC 6806, 5.
func UserPrincipal(user, realm string) (Principal, error) {
	if domain, name, ok := strings.Cut(user, `\`); ok {
		if name == "" || domain == "" || strings.ContainsAny(name, `\@`) {
			return Principal{}, fmt.Errorf("user name %q: want NAME, DOMAIN\\NAME or NAME@SUFFIX", user)
		}
		// The short name of a domain need not be the first label of the long one, so
		// the KDC is asked: it knows its own and refuses another's.
		first, _, _ := strings.Cut(realm, ".")
		if !strings.EqualFold(domain, realm) && !strings.EqualFold(domain, first) {
			realm = strings.ToUpper(domain)
		}
		return principal(nametype.KRB_NT_PRINCIPAL, name, realm), nil
	}
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		name, suffix := user[:i], user[i+1:]
		if name == "" || suffix == "" {
			return Principal{}, fmt.Errorf("user name %q: want NAME, DOMAIN\\NAME or NAME@SUFFIX", user)
		}
		if !strings.EqualFold(suffix, realm) {
			return principal(nametype.KRB_NT_ENTERPRISE, user, realm), nil
		}
		user = name
	}
	if user == "" {
		return Principal{}, fmt.Errorf("user name is empty")
	}
	return principal(nametype.KRB_NT_PRINCIPAL, user, realm), nil
}

func principal(nameType int32, name, realm string) Principal {
	return Principal{types.PrincipalName{NameType: nameType, NameString: []string{name}}, realm}
}

// sameName tells whether two names are one to a domain controller, which folds case.
func sameName(a, b types.PrincipalName) bool {
	if len(a.NameString) != len(b.NameString) {
		return false
	}
	for i := range a.NameString {
		if !strings.EqualFold(a.NameString[i], b.NameString[i]) {
			return false
		}
	}
	return true
}

// Ticket is a ticket and what its client knows of it. Key is secret.
type Ticket struct {
	Ticket messages.Ticket
	Key    types.EncryptionKey
	Client Principal
	Server Principal
	Starts time.Time
	Ends   time.Time
	Renew  time.Time // until when it can be renewed; zero: it cannot
}

// Encryption is the encryption type of the ticket's session key, by its name in the IANA
// registry.
func (t *Ticket) Encryption() string { return EncryptionName(t.Key.KeyType) }
