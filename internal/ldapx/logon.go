package ldapx

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// Logon is one logon with a password or a keytab, for sessions with several domain
// controllers, one after another: the secret is asked for once and proven once, and the
// ticket-granting ticket that it brings serves the others. It keeps the secret only until it has been
// proven.
type Logon struct {
	mu     sync.Mutex
	client krb5.Principal
	secret krb5.Secret
	tgt    *krb5.Ticket
	spent  error // why there will be no ticket
}

// ErrSpent says that the secret was proven before, to a KDC that did not answer or did not
// take it. It may have counted against the account, so it is not tried again.
var ErrSpent = errors.New("the password or key has been tried, and is not tried again")

// Close forgets the secret and the ticket.
func (l *Logon) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	if l.tgt != nil {
		clear(l.tgt.Key.KeyValue)
		l.tgt = nil
	}
	l.spent = ErrSpent
}

func (l *Logon) forget() {
	if l.secret != nil {
		wipe(l.secret)
	}
	l.secret = nil
}

// ticket is the ticket-granting ticket, from a KDC where there is none yet.
func (l *Logon) ticket(ctx context.Context, c Config, kdc *krb5.Client, realm string) (*krb5.Ticket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tgt != nil && l.tgt.Ends.After(time.Now()) {
		return l.tgt, nil
	}
	if l.spent != nil {
		return nil, &BindError{StageTicket, l.spent}
	}
	if l.secret == nil {
		var err error
		if l.client, l.secret, err = c.secret(realm); err != nil {
			l.spent = ErrSpent
			return nil, &BindError{StageCredentials, err}
		}
	}
	before := kdc.Exchanges()
	tgt, err := kdc.Login(ctx, l.client, l.secret)
	if err == nil {
		l.tgt, l.spent = tgt, ErrSpent
		l.forget()
		return tgt, nil
	}
	// The first request proves nothing, and one that is refused is the end. After a second one
	// nobody knows whether the proof arrived.
	var refused *krb5.Error
	if errors.As(err, &refused) || kdc.Exchanges()-before > 1 {
		l.spent = ErrSpent
		l.forget()
	}
	return nil, kdcError(err)
}

// Spent says whether the secret was proven, or refused, and would not be tried again without
// a ticket.
func (l *Logon) Spent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spent != nil && l.tgt == nil
}
