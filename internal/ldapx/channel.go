package ldapx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gmsactl/gmsactl/internal/gss"
)

// channel is a connection on which a bind may go.
type channel struct {
	raw     *countingConn
	tls     *tls.Conn // nil where the bind is to seal
	binding []byte    // what the bind is to be bound to, with TLS
	trips   int64     // requests until now
}

// channel connects to the domain controller, and makes the connection one of TLS where it is
// to be. The error is a *DialError or a *BindError.
func (c Config) channel(ctx context.Context, dial dialFunc, at endpoint) (*channel, error) {
	ctx, cancel := context.WithTimeout(ctx, min(c.Timeout, reachTimeout))
	defer cancel()
	conn, err := dial(ctx, "tcp", at.address)
	if err != nil {
		return nil, &DialError{Address: at.address, Err: err}
	}
	ch := &channel{raw: conn.(*countingConn)}
	if c.Transport == Sealed {
		return ch, nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = ch.secure(ctx, c, at.host)
	var untrusted *TrustError
	if !stop() && !errors.As(err, &untrusted) {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, &BindError{Stage: StageTLS, Err: err}
	}
	return ch, nil
}

func (ch *channel) secure(ctx context.Context, c Config, host string) (err error) {
	if c.Transport == StartTLS {
		ch.trips++
		if err := startTLS(c.Trace.ldap(ch.raw), host); err != nil {
			return err
		}
	}
	begun := time.Now()
	ch.tls, ch.binding, err = secure(ctx, ch.raw, host, c.Roots)
	c.Trace.tls(ch.tls, begun, err)
	return err
}

// conn is what the bind is sent on. Closing it does not wait for the server.
func (ch *channel) conn() net.Conn {
	if ch.tls == nil {
		return ch.raw
	}
	return abrupt{ch.tls, ch.raw}
}

// abrupt closes the connection below, where TLS would say goodbye to somebody who may not
// listen.
type abrupt struct {
	net.Conn
	raw net.Conn
}

func (a abrupt) Close() error { return a.raw.Close() }

// protected is the connection after the bind: what goes over it is sealed, or in TLS.
func (ch *channel) protected(layer gss.Layer, timeout time.Duration) net.Conn {
	if ch.tls == nil {
		return gss.NewConn(ch.raw, layer, timeout)
	}
	return &tlsConn{ch.tls, timeout}
}

// TLS is what TLS a session goes through, by the names of the registries.
type TLS struct {
	Version        string
	CipherSuite    string
	ChannelBinding string // that the bind was bound to it by. RFC 5929
}

func (ch *channel) described() *TLS {
	if ch.tls == nil {
		return nil
	}
	s := ch.tls.ConnectionState()
	return &TLS{tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), "tls-server-end-point"}
}

// protection says in words what protects the connection.
func (ch *channel) protection(mechanism gss.Mechanism) string {
	if ch.tls == nil {
		return fmt.Sprintf("sealed by Kerberos (%s)", mechanism)
	}
	s := ch.tls.ConnectionState()
	return fmt.Sprintf("%s (%s), Kerberos (%s) bound to its certificate", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), mechanism)
}
