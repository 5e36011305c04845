package ldapx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// ticket gets a ticket for the LDAP service: from the credential cache, or with one of its
// ticket-granting tickets, or with a password or a keytab.
func (c Config) ticket(ctx context.Context, kdc *krb5.Client, at endpoint) (*krb5.Ticket, error) {
	service := krb5.ServicePrincipal("ldap", at.host, at.realm)
	if c.Domain != "" {
		service.Name.NameString = append(service.Name.NameString, strings.ToLower(c.Domain))
	}
	if c.Password != nil && c.Keytab != "" {
		return nil, &BindError{StageCredentials, errors.New("both a password and a keytab are given")}
	}
	login := c.Password != nil || c.Keytab != ""
	if c.CCache != "" || !login {
		t, err := c.cached(ctx, kdc, service)
		if err != nil {
			// With another way to go on, an empty cache is none.
			var missing *NoTicketError
			var expired *krb5.ExpiredError
			if !login || !errors.As(err, &missing) && !errors.As(err, &expired) {
				return nil, err
			}
		} else {
			return t, nil
		}
	}
	logon := c.Logon
	if logon == nil {
		logon = new(Logon)
		defer logon.Close()
	}
	tgt, err := logon.ticket(ctx, c, kdc, at.realm)
	if err != nil {
		return nil, err
	}
	t, err := kdc.Service(ctx, tgt, service)
	if err != nil {
		return nil, kdcError(err)
	}
	return t, nil
}

// wipe zeroes what a client proves itself with.
func wipe(secret krb5.Secret) {
	switch s := secret.(type) {
	case krb5.Password:
		clear(s)
	case *krb5.Keytab:
		s.Wipe()
	}
}

// kdcError is the error of the pinned KDC, or of another realm's, as Dial returns it.
func kdcError(err error) error {
	var dial *krb5.DialError
	var none *krb5.UnreachableError
	if errors.As(err, &dial) && !errors.As(err, &none) {
		return &DialError{Address: dial.Address, Err: dial.Err}
	}
	return &BindError{StageTicket, err}
}

// NoTicketError says that a credential cache holds nothing to reach the service with.
type NoTicketError struct {
	Path    string
	Client  krb5.Principal
	Service krb5.Principal
}

func (e *NoTicketError) Error() string {
	return fmt.Sprintf("credential cache %s of %s has neither a ticket for %s nor a ticket-granting ticket to ask for it with",
		e.Path, e.Client, e.Service)
}

func (c Config) cached(ctx context.Context, kdc *krb5.Client, service krb5.Principal) (*krb5.Ticket, error) {
	read := krb5.ReadDefaultCCache
	if c.CCache != "" {
		read = func() (*krb5.CCache, error) { return krb5.ReadCCache(c.CCache) }
	}
	cache, err := read()
	var kind *krb5.CacheTypeError
	if errors.As(err, &kind) {
		err = &krb5.CacheTypeError{Name: kind.Name, Service: service}
	}
	if err != nil {
		return nil, &BindError{StageCredentials, err}
	}
	defer cache.Wipe()
	if c.User != "" {
		want, err := krb5.UserPrincipal(c.User, service.Realm)
		if err != nil {
			return nil, &BindError{StageCredentials, err}
		}
		if !isCacheOf(cache.Client, want) && !strings.EqualFold(cache.Client.String(), c.User) {
			return nil, &BindError{StageCredentials, fmt.Errorf("credential cache %s is of %s, not of %s", cache.Path, cache.Client, c.User)}
		}
	}
	now := time.Now()
	if c.now != nil {
		now = c.now()
	}
	// A ticket for the service itself needs no KDC, and may be all that there is.
	t, err := cache.Ticket(service, now)
	if t != nil {
		return t, nil
	}
	// Next best is one for the service's realm, and then that of the account's own.
	for _, realm := range []string{service.Realm, cache.Client.Realm} {
		tgt, tgtErr := cache.TGT(realm, now)
		if tgt != nil {
			defer clear(tgt.Key.KeyValue)
			t, err := kdc.Service(ctx, tgt, service)
			if err != nil {
				return nil, kdcError(err)
			}
			return t, nil
		}
		if tgtErr != nil {
			err = tgtErr
		}
	}
	if err == nil {
		err = &NoTicketError{Path: cache.Path, Client: cache.Client, Service: service}
	}
	return nil, &BindError{StageCredentials, err}
}

// isCacheOf says whether a cache of one principal is that of another, in whose realm the
// name of a short domain counts for any: only the KDC knows that.
func isCacheOf(have, want krb5.Principal) bool {
	return strings.EqualFold(have.Name.PrincipalNameString(), want.Name.PrincipalNameString()) &&
		(strings.EqualFold(have.Realm, want.Realm) || !strings.Contains(want.Realm, "."))
}

// secret is who logs in, and with what.
func (c Config) secret(realm string) (krb5.Principal, krb5.Secret, error) {
	if c.Keytab != "" {
		keytab, err := krb5.ReadKeytab(c.Keytab)
		if err != nil {
			return krb5.Principal{}, nil, err
		}
		if c.User == "" {
			first, ok := keytab.First()
			if !ok {
				return krb5.Principal{}, nil, fmt.Errorf("keytab %s has no keys", keytab.Path)
			}
			return first, keytab, nil
		}
		client, err := krb5.UserPrincipal(c.User, realm)
		return client, keytab, err
	}
	client, err := krb5.UserPrincipal(c.User, realm)
	if err != nil {
		return krb5.Principal{}, nil, err
	}
	password, err := c.Password()
	if err != nil {
		return krb5.Principal{}, nil, fmt.Errorf("password: %w", err)
	}
	return client, krb5.Password(password), nil
}
