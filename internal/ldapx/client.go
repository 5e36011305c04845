package ldapx

import (
	"context"
	"os"
	"time"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// client is who binds, and how that is proven: with a ticket, or by the system.
type client interface {
	// security makes a security context with the server. The error is a *BindError.
	security(ctx context.Context, o gss.Options) (security, error)
	// describe says what is known of it when the bind is done.
	describe(s *Server)
}

// ticketClient is whose ticket it is.
type ticketClient struct{ ticket *krb5.Ticket }

func (c ticketClient) security(_ context.Context, o gss.Options) (security, error) {
	s, err := gss.New(c.ticket, o)
	if err != nil {
		return nil, &BindError{Stage: StageBind, Err: err}
	}
	return s, nil
}

func (c ticketClient) describe(s *Server) {
	s.Identity = c.ticket.Client.String()
	s.EncryptionType = c.ticket.Encryption()
	s.TicketKey = krb5.EncryptionName(c.ticket.Ticket.EncPart.EType)
	s.TicketStarts, s.TicketEnds, s.TicketRenew = c.ticket.Starts, c.ticket.Ends, c.ticket.Renew
}

// byLogon says whether who is logged on is to bind: on a system that keeps tickets, where
// nothing else is asked for, not even a credential cache by the environment.
func (c Config) byLogon() bool {
	return systemLogon != nil && c.User == "" && c.Password == nil && c.Keytab == "" && c.CCache == "" && os.Getenv("KRB5CCNAME") == ""
}

// systemKerberos is a context of the Kerberos of the system, for who is logged on.
type systemKerberos interface {
	gss.Provider
	Client() string  // empty: the system does not say
	Ends() time.Time // zero: the system does not say
}

// logonClient is who is logged on.
type logonClient struct {
	service  string // ldap/dc1.corp.example
	kerberos systemKerberos
	request  gss.Request
}

func (c *logonClient) security(ctx context.Context, o gss.Options) (security, error) {
	type made struct {
		kerberos systemKerberos
		context  *gss.Context
		request  gss.Request
		err      error
	}
	done := make(chan made, 1)
	// The system asks the KDC in its own time, and cannot be interrupted.
	go func() {
		var m made
		if m.kerberos, m.err = systemLogon(c.service, o.Flags(), o.ChannelBinding); m.err == nil {
			m.context, m.request, m.err = gss.Use(m.kerberos, o)
		}
		done <- m
	}()
	select {
	case m := <-done:
		c.kerberos, c.request = m.kerberos, m.request
		if m.err != nil {
			return nil, &BindError{Stage: StageTicket, Err: m.err}
		}
		return m.context, nil
	case <-ctx.Done():
		return nil, &BindError{Stage: StageTicket, Err: ctx.Err()}
	}
}

func (c *logonClient) describe(s *Server) {
	s.Identity = c.kerberos.Client()
	s.Realm = c.request.Service.Realm
	s.EncryptionType = krb5.EncryptionName(c.request.SessionKey)
	s.TicketKey = krb5.EncryptionName(c.request.ServiceKey)
	s.TicketEnds = c.kerberos.Ends()
}
