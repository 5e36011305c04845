package ldapx

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/gss"
)

// Transport is what a session goes over.
type Transport string

// The transports. There is no other, and none falls back to another.
const (
	Sealed   Transport = "ldap"     // port 389, sealed by Kerberos
	LDAPS    Transport = "ldaps"    // port 636, TLS from the first byte
	StartTLS Transport = "starttls" // port 389, then TLS. RFC 4511, 4.14
)

// port is where domain controllers listen. [MS-ADTS] 3.1.1.3.1.10.
func (t Transport) port(catalog bool) string {
	switch {
	case t == LDAPS && catalog:
		return "3269"
	case t == LDAPS:
		return "636"
	case catalog:
		return "3268"
	}
	return "389"
}

// TrustReason is why a certificate is not trusted.
type TrustReason string

// The reasons.
const (
	TrustAuthority TrustReason = "unknown authority"
	TrustHost      TrustReason = "another host"
	TrustNoName    TrustReason = "no host name"
	TrustSerial    TrustReason = "negative serial number"
	TrustExpired   TrustReason = "expired"
	TrustEarly     TrustReason = "not yet valid"
	TrustOther     TrustReason = "not acceptable"
)

// TrustError says that the certificate of a server is not trusted. Nothing was sent to it
// but a greeting.
type TrustError struct {
	Host   string
	Reason TrustReason
	Err    error
}

func (e *TrustError) Error() string {
	return fmt.Sprintf("the certificate that %s shows is not trusted: %v", e.Host, e.Err)
}

func (e *TrustError) Unwrap() error { return e.Err }

// BindingError says that a certificate is of a kind to which no bind can be bound.
type BindingError struct{ Algorithm x509.SignatureAlgorithm }

func (e *BindingError) Error() string {
	return fmt.Sprintf("no channel binding is defined for a certificate that is signed with %v", e.Algorithm)
}

// trust decides whether a server is the one that was asked for by its certificates, the first
// of which is its own. Roots are nil for the system's. A certificate that is itself among the
// roots is named by whoever put it there: it may have a negative serial number, and its host
// in the common name only, as those have that Samba makes for itself.
func trust(certs []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) error {
	refuse := func(reason TrustReason, err error) error { return &TrustError{host, reason, err} }
	if len(certs) == 0 {
		return refuse(TrustOther, errors.New("there is none"))
	}
	leaf := certs[0]
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err != nil {
		return refuse(chainReason(err, leaf, now), err)
	}
	named := roots != nil && len(chains[0]) == 1
	nameless := len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.URIs)+len(leaf.EmailAddresses) == 0
	if named && nameless {
		if !strings.EqualFold(leaf.Subject.CommonName, host) {
			return refuse(TrustHost, fmt.Errorf("it is of %q", leaf.Subject.CommonName))
		}
		return nil
	}
	if !named {
		// What a root says of itself does not matter: it is trusted for being named.
		for _, c := range chains[0][:len(chains[0])-1] {
			if c.SerialNumber.Sign() < 0 {
				return refuse(TrustSerial, fmt.Errorf("that of %q has a negative serial number", c.Subject.CommonName))
			}
		}
	}
	if err := leaf.VerifyHostname(host); err != nil {
		if nameless {
			return refuse(TrustNoName, fmt.Errorf("it names no host but in its common name, %q", leaf.Subject.CommonName))
		}
		return refuse(TrustHost, err)
	}
	return nil
}

func chainReason(err error, leaf *x509.Certificate, now time.Time) TrustReason {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return TrustAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if now.Before(leaf.NotBefore) {
			return TrustEarly
		}
		return TrustExpired
	}
	return TrustOther
}

// endpointBinding is the application data of the channel binding tls-server-end-point: the
// hash of the server's certificate by the hash of its signature, or SHA-256 for the weaker
// ones. It is undefined where a signature has no hash of its own, as Ed25519. RFC 5929, 4.1.
func endpointBinding(leaf *x509.Certificate) ([]byte, error) {
	var hash crypto.Hash
	switch leaf.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256, x509.DSAWithSHA256:
		hash = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	default:
		return nil, &BindingError{leaf.SignatureAlgorithm}
	}
	h := hash.New()
	h.Write(leaf.Raw)
	return h.Sum([]byte("tls-server-end-point:")), nil
}

// secure makes a connection one of TLS, and says what a bind on it is bound to.
func secure(ctx context.Context, conn net.Conn, host string, roots *x509.CertPool) (*tls.Conn, []byte, error) {
	var untrusted error
	c := tls.Client(conn, &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12,
		// The checks are those of trust: the library's own know no certificate that is
		// trusted by itself. They are as strict for all others.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			untrusted = trust(s.PeerCertificates, host, roots, time.Now())
			return untrusted
		},
	})
	if err := c.HandshakeContext(ctx); err != nil {
		// A server that does not take the alert must not hide why there is one.
		if untrusted != nil {
			return nil, nil, untrusted
		}
		// The certificate does not even parse, unless the program is built to take it.
		if strings.Contains(err.Error(), "negative serial number") {
			err = &TrustError{host, TrustSerial, err}
		}
		return nil, nil, err
	}
	binding, err := endpointBinding(c.ConnectionState().PeerCertificates[0])
	return c, binding, err
}

const oidStartTLS = "1.3.6.1.4.1.1466.20037"

// startTLS asks the server for TLS and reads its answer, and no byte after it: whatever
// somebody put there is read as TLS. RFC 4511, 4.14.
func startTLS(conn net.Conn, host string) error {
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "ExtendedRequest")
	request.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oidStartTLS, "requestName"))
	message := ber.NewSequence("LDAPMessage")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(1), "messageID"))
	message.AppendChild(request)
	if _, err := conn.Write(message.Bytes()); err != nil {
		return err
	}
	b, err := readMessage(conn)
	if err != nil {
		return err
	}
	answer, err := parseAnswer(b, 1, ldap.ApplicationExtendedResponse)
	if err != nil {
		return err
	}
	if answer.code != ldap.LDAPResultSuccess {
		return &ResultError{Op: "start TLS with", DN: host, Code: answer.code, Message: answer.message}
	}
	return nil
}

// tlsConn is a TLS connection whose writes do not wait for ever, and whose damage is called
// by its name.
type tlsConn struct {
	*tls.Conn
	timeout time.Duration
}

func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, damage(err)
}

func (c *tlsConn) Write(p []byte) (int, error) {
	if c.timeout > 0 {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Write(p)
	return n, damage(err)
}

// damage is gss.ErrIntegrity for what TLS found to be tampered with: a record that is none,
// and what made this side send an alert.
func damage(err error) error {
	var record tls.RecordHeaderError
	var alert *net.OpError
	if errors.As(err, &record) || errors.As(err, &alert) && alert.Op == "local error" {
		return fmt.Errorf("%w: %w", gss.ErrIntegrity, err)
	}
	return err
}
