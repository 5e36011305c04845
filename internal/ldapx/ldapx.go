// Package ldapx talks LDAP to one domain controller: it binds with Kerberos, seals everything
// after that or has bound itself to TLS before, reads queries and writes a DACL. It finds no
// domain controller, follows no referral, keeps no password, and has no session that is
// neither sealed nor in TLS.
package ldapx

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// Config says where to connect and as whom. At most one of Password and Keytab is set. A
// credential cache is used first; without any of the three the default one is, or, on Windows
// where none is named by the environment either, the current logon.
type Config struct {
	// DC is the DNS name of the domain controller, as host or host:port. The service is
	// ldap/host, so an address or an alias will not do, and neither will the ports of the
	// global catalog. The KDC is port 88 of the host.
	DC string
	// Realm is the DNS name of the domain in upper case. Empty, it is what krb5.conf says of
	// the host, or else the host name without its first label: a domain controller is named
	// in its own domain unless somebody took care that it is not. The wrong realm gets no
	// ticket.
	Realm string
	// User is a sAMAccountName, DOMAIN\name or a user principal name. With a credential
	// cache it is empty, or the cache must be this user's; with a keytab it may be empty
	// for the keytab's first principal.
	User     string
	Password func() ([]byte, error) // called at most once; what it returns is zeroed
	Keytab   string                 // path
	CCache   string                 // path, FILE:path or DIR:path
	// Domain is the DNS name of a domain of which the server must be a domain controller. The
	// service is ldap/host/Domain then, which no other machine can be: to be asked for where
	// nobody but DNS says that host is one. [MS-ADTS] 3.1.1.5.3.1.1.4.
	Domain string
	// Logon keeps what the password or the keytab brought for other sessions; nil keeps
	// nothing.
	Logon *Logon
	// Timeout is how long the server may be silent while it is to answer. Zero is 150 s: more
	// than a domain controller spends on a page of a search. Connecting, the KDC and the bind
	// are given 20 s each if that is less.
	Timeout time.Duration
	// Transport is what the session goes over; empty is Sealed.
	Transport Transport
	// Roots are whom TLS trusts: authorities, or the server's own certificate; nil is whom
	// the system trusts.
	Roots *x509.CertPool
	// GlobalCatalog is for looking up objects of the whole forest, and for nothing else: it
	// holds a part of each object, by which no rights can be judged.
	GlobalCatalog bool
	// Mechanism is how SASL carries Kerberos: GSS-SPNEGO, which is meant where it is empty, or
	// GSSAPI.
	Mechanism gss.Mechanism
	// AllowRC4 takes keys of RC4 where there are none of AES.
	AllowRC4 bool
	// KDCs finds the KDCs of a realm that is not the domain controller's, as host:port, the
	// first to be asked first. Nil finds none, and then only accounts of its realm can bind.
	KDCs func(ctx context.Context, realm string) ([]string, error)
	// Dial connects to KDCs and to the domain controller; nil is net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace is told what goes over the wire; nil: nobody is.
	Trace Trace

	now       func() time.Time // nil: time.Now
	onlyTypes []int32          // of encryption, for tests
	held      *held            // of an earlier session with the same server; nil: this is the first
}

// types are the encryption types to ask for.
func (c Config) types() []int32 {
	if c.onlyTypes != nil {
		return c.onlyTypes
	}
	return krb5.EncryptionTypes(c.AllowRC4)
}

const (
	defaultTimeout = 150 * time.Second
	reachTimeout   = 20 * time.Second
	maxMessage     = 64 << 20
)

// Session is a bound and sealed connection. It may be used by several goroutines. A request
// that is cancelled, times out or finds the connection broken ends it.
type Session struct {
	ldap     *ldap.Conn
	wire     *wire
	raw      *countingConn
	timeout  time.Duration
	backoff  []time.Duration
	another  func(ctx context.Context) (*Session, error) // with the same server; no password is asked for
	server   Server
	requests atomic.Int64
	before   int64 // round trips until the session was bound

	mu    sync.Mutex
	cause error // why the session was ended
}

// Server says where a session goes and what protects it.
type Server struct {
	Host           string // DNS name
	Address        string // IP address and port
	Realm          string
	Identity       string // who is bound, as the KDC names it
	EncryptionType string // of the session key
	TicketKey      string // the encryption type of the key that the service has, by which it reads the ticket
	TicketStarts   time.Time
	TicketEnds     time.Time // when the server ends the session
	TicketRenew    time.Time // until when it can be renewed; zero: it cannot
	Transport      Transport
	Mechanism      string        // of SASL
	Protection     string        // in words
	TLS            *TLS          // nil where Kerberos seals
	BindTrips      int64         // requests until the session was bound, those to the KDC included
	BindTime       time.Duration // that this took, but for a password that was waited for
}

// Stats counts what a session did, its Kerberos exchanges included.
type Stats struct {
	RoundTrips int64 // requests that waited for an answer
	BytesIn    int64 // as on the wire
	BytesOut   int64
}

// ber.MaxPacketLengthBytes is the only limit that go-ldap's reader has, and a variable of
// the process.
var limitMessages = sync.OnceFunc(func() { ber.MaxPacketLengthBytes = maxMessage })

// Dial gets a ticket, connects, binds and seals. The error is a *DialError where the domain
// controller cannot be reached, and a *BindError otherwise; a server that did not prove
// itself is gss.ErrMutualAuth inside.
func Dial(ctx context.Context, c Config) (*Session, error) {
	limitMessages()
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Mechanism == "" {
		c.Mechanism = gss.SPNEGO
	}
	if c.Transport == "" {
		c.Transport = Sealed
	}
	where, err := c.where()
	if err != nil {
		return nil, &BindError{Stage: StageCredentials, Err: err}
	}
	if c.held == nil {
		c.held = &held{}
	}
	if c.held.address != "" {
		where.address = c.held.address
	}
	begun := time.Now()
	var waited time.Duration
	if ask := c.Password; ask != nil {
		c.Password = func() ([]byte, error) {
			asked := time.Now()
			defer func() { waited = time.Since(asked) }()
			return ask()
		}
	}
	var in, out atomic.Int64
	dial := counted(c.Trace.dialing(c.Dial), &in, &out)
	early := newAhead(ctx, dial, func(ctx context.Context) (*channel, error) { return c.channel(ctx, dial, where) })
	defer early.end()
	kdc := &krb5.Client{
		Realm:   where.realm,
		Address: net.JoinHostPort(where.host, "88"),
		Others:  c.KDCs,
		Timeout: min(c.Timeout, reachTimeout),
		Dial:    c.Trace.kdc(early.kdc(c.exchanges())),
		Types:   c.types(),
		Now:     c.now,
	}
	var who client
	if c.byLogon() {
		who = &logonClient{service: "ldap/" + where.host}
	} else {
		ticket, err := c.held.get(func() (*krb5.Ticket, error) { return c.ticket(ctx, kdc, where) }, c.Password != nil)
		if err != nil {
			return nil, err
		}
		who = ticketClient{ticket}
	}
	ch, err := early.channel()
	if err != nil {
		return nil, err
	}
	trips, layer, err := c.bind(ctx, ch, who)
	if err != nil {
		ch.raw.Close()
		return nil, err
	}
	server := Server{
		Host:       where.host,
		Address:    ch.raw.RemoteAddr().String(),
		Realm:      where.realm,
		Mechanism:  string(c.Mechanism),
		Transport:  c.Transport,
		Protection: ch.protection(c.Mechanism),
		TLS:        ch.described(),
		BindTrips:  kdc.Exchanges() + ch.trips + trips,
		BindTime:   time.Since(begun) - waited,
	}
	who.describe(&server)
	c.Trace.bound(server, trips)
	s := start(ch.protected(layer, c.Timeout), ch.raw, c.Timeout, server.BindTrips, c.Trace, server)
	if server.Identity == "" {
		// The system keeps the name to itself; the server knows it.
		name, err := s.WhoAmI(ctx)
		if err != nil {
			s.Close()
			return nil, &BindError{Stage: StageBind, Err: err}
		}
		s.server.Identity = strings.TrimPrefix(name, "u:")
	}
	if c.held.address == "" {
		c.held.address = s.server.Address
	}
	s.another = func(ctx context.Context) (*Session, error) { return Dial(ctx, c) }
	return s, nil
}

// held is what a session leaves to others with the same server: where that is, whatever its
// name means by then, and the ticket.
type held struct {
	address string // IP address and port; set when the first session is bound

	mu     sync.Mutex
	ticket *krb5.Ticket
}

// ticketMargin is for how long a ticket must be good yet to begin a session with it.
const ticketMargin = time.Minute

// get is the ticket that is held, or another one where that ends; a password is asked for once.
// The error is a *TicketEndedError where there is no other.
func (h *held) get(another func() (*krb5.Ticket, error), once bool) (*krb5.Ticket, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ticket != nil && time.Until(h.ticket.Ends) > ticketMargin {
		return h.ticket, nil
	}
	if h.ticket != nil && once {
		return nil, &TicketEndedError{Identity: h.ticket.Client.String(), Ended: h.ticket.Ends}
	}
	ticket, err := another()
	if err != nil {
		var missing *NoTicketError
		var expired *krb5.ExpiredError
		if h.ticket != nil && (errors.As(err, &missing) || errors.As(err, &expired)) {
			err = &TicketEndedError{Identity: h.ticket.Client.String(), Ended: h.ticket.Ends, Err: err}
		}
		return nil, err
	}
	h.ticket = ticket
	return ticket, nil
}

// exchanges is how many requests to the KDC the credentials may take.
func (c Config) exchanges() int {
	if c.Password != nil || c.Keytab != "" {
		return 3 // how to prove it, the proof, and the ticket for the service
	}
	return 1
}

// bind does the bind, and returns what seals the connection after it. The error is a
// *BindError.
func (c Config) bind(ctx context.Context, ch *channel, who client) (trips int64, layer gss.Layer, err error) {
	security, err := who.security(ctx, gss.Options{Mechanism: c.Mechanism, ChannelBinding: ch.binding, Types: c.types()})
	if err != nil {
		return 0, nil, err
	}
	trips, err = bind(ctx, c.Trace.ldap(ch.conn()), string(c.Mechanism), security, min(c.Timeout, reachTimeout))
	if err != nil {
		return trips, nil, &BindError{Stage: StageBind, Err: err}
	}
	return trips, security, nil
}

// start has go-ldap on a bound connection, which it sees only through what protects it.
func start(protected net.Conn, raw *countingConn, timeout time.Duration, trips int64, trace Trace, server Server) *Session {
	s := &Session{
		wire:    newWire(trace.ldap(protected)),
		raw:     raw,
		timeout: timeout,
		backoff: backoff(),
		before:  trips,
		server:  server,
	}
	s.ldap = ldap.NewConn(s.wire, true) // "TLS" only keeps go-ldap from StartTLS
	s.ldap.SetTimeout(timeout)
	s.ldap.Start()
	return s
}

// Server says where the session goes.
func (s *Session) Server() Server { return s.server }

// Stats counts what the session did until now.
func (s *Session) Stats() Stats {
	return Stats{
		RoundTrips: s.before + s.requests.Load(),
		BytesIn:    s.raw.in.Load(),
		BytesOut:   s.raw.out.Load(),
	}
}

// LDAP is the connection itself, for what this package does not do. Its requests are not
// counted and know no context.
func (s *Session) LDAP() *ldap.Conn { return s.ldap }

// Close ends the session.
func (s *Session) Close() error {
	s.end(errClosed)
	if err := s.ldap.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

var errClosed = errors.New("session is closed")

// over says why the session has ended; nil while it has not.
func (s *Session) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return s.cause
	}
	return s.wire.failure()
}

// backoff is how long to wait before one more attempt, after each that failed.
func backoff() []time.Duration {
	return []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second}
}

// wait waits, but no longer than the context.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err()
}

// watch ends the session when the server has been silent for too long, until it is stopped.
func (s *Session) watch() (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped, begun := false, time.Now()
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(s.timeout, func() {
		mu.Lock()
		defer mu.Unlock()
		switch left := s.timeout - s.wire.silent(begun); {
		case stopped:
		case left > 0:
			timer.Reset(left)
		default:
			s.end(&SilenceError{s.timeout})
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// end closes the connection under go-ldap, which would otherwise wait for a stalled write.
func (s *Session) end(cause error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = cause
	}
	s.mu.Unlock()
	s.raw.Close()
}

// do runs one request. An error is a *ResultError where the server answered with one, a
// *ConnectionError where it is not known whether the request took effect, and anything else
// where it was never sent.
func (s *Session) do(ctx context.Context, op, dn string, request func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", op, name(dn), err)
	}
	// There is no taking back a request, only an end of the connection.
	stop := context.AfterFunc(ctx, func() { s.end(ctx.Err()) })
	defer stop()
	defer s.watch()()
	s.requests.Add(1)
	err := request()
	if err == nil {
		return nil
	}
	var result *ldap.Error
	if errors.As(err, &result) {
		if result.ResultCode == ldap.ErrorFilterCompile {
			return fmt.Errorf("%s %s: %w", op, name(dn), err)
		}
		// Numbers from 200 are go-ldap's own.
		if result.ResultCode < ldap.ErrorNetwork {
			return &ResultError{Op: op, DN: dn, Code: result.ResultCode, Message: text(result), Matched: result.MatchedDN}
		}
	}
	s.end(err)
	s.mu.Lock()
	cause := s.cause
	s.mu.Unlock()
	if first := s.wire.failure(); cause == err && first != nil && !errors.Is(first, net.ErrClosed) {
		cause = first // go-ldap kept only its text
	}
	if ctx.Err() == nil && (errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded)) {
		cause = fmt.Errorf("another request ended the session: %v", cause) // not a cancellation of this one
	}
	if cause == io.EOF {
		cause = fmt.Errorf("the server closed the connection: %w", io.EOF)
	}
	return &ConnectionError{Op: op, DN: dn, Err: cause}
}

type endpoint struct{ host, address, realm string }

// where reads the names of the domain controller and its realm.
func (c Config) where() (endpoint, error) {
	switch c.Transport {
	case "", Sealed, LDAPS, StartTLS:
	default:
		return endpoint{}, fmt.Errorf("transport %q: want %s, %s or %s", c.Transport, Sealed, LDAPS, StartTLS)
	}
	host, port := c.DC, c.Transport.port(c.GlobalCatalog)
	if h, p, err := net.SplitHostPort(c.DC); err == nil {
		host, port = h, p
	}
	switch {
	case !c.GlobalCatalog && (port == "3268" || port == "3269"):
		return endpoint{}, fmt.Errorf("domain controller %q: the global catalog holds only a part of each object, and no rights can be judged by it", c.DC)
	case c.Transport != LDAPS && (port == "636" || port == "3269"):
		return endpoint{}, fmt.Errorf("domain controller %q: port %s takes TLS from the first byte, which is the transport %s", c.DC, port, LDAPS)
	case c.Transport == LDAPS && (port == "389" || port == "3268"):
		return endpoint{}, fmt.Errorf("domain controller %q: port %s does not take TLS from the first byte, which is what the transport %s is", c.DC, port, LDAPS)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || strings.ContainsAny(host, "/@: ") || net.ParseIP(host) != nil {
		return endpoint{}, fmt.Errorf("domain controller %q: want its DNS name, which Kerberos proves", c.DC)
	}
	realm := strings.ToUpper(c.Realm)
	if realm == "" {
		_, domain, ok := strings.Cut(host, ".")
		if !ok {
			return endpoint{}, fmt.Errorf("domain controller %q: want its full DNS name, or the realm", c.DC)
		}
		realm = strings.ToUpper(cmp.Or(krb5.ReadConf().Realm(host), domain))
	}
	return endpoint{host: host, address: net.JoinHostPort(host, port), realm: realm}, nil
}

func name(dn string) string {
	if dn == "" {
		return "rootDSE"
	}
	return dn
}
