package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
)

// protection is what a session goes over and what protects it.
type protection struct {
	transport string
	caFile    string
	mechanism string
	allowRC4  bool
}

func (p *protection) register(flags *pflag.FlagSet) {
	flags.StringVar(&p.transport, "transport", string(ldapx.Sealed), "`way` to the domain controller: ldap (sealed by Kerberos), ldaps or starttls")
	flags.StringVar(&p.caFile, "ca-file", "", "`file` with whom ldaps and starttls trust: authorities, or the domain controller's own certificate (default: the system's)")
	flags.StringVar(&p.mechanism, "mechanism", string(gss.SPNEGO), "SASL `mechanism`: GSS-SPNEGO or GSSAPI")
	flags.BoolVar(&p.allowRC4, "allow-rc4", false, "take Kerberos keys of RC4, which is broken, where there are none of AES")
}

// check finds contradictions before anything is dialed.
func (p *protection) check() error {
	switch ldapx.Transport(p.transport) {
	case ldapx.LDAPS, ldapx.StartTLS:
	case ldapx.Sealed:
		if p.caFile != "" {
			return errors.New("--ca-file is for TLS: it needs --transport ldaps or --transport starttls")
		}
	default:
		return fmt.Errorf("--transport %q: want ldap, ldaps or starttls", p.transport)
	}
	switch gss.Mechanism(p.mechanism) {
	case gss.SPNEGO, gss.GSSAPI:
	default:
		return fmt.Errorf("--mechanism %q: want GSS-SPNEGO or GSSAPI", p.mechanism)
	}
	return nil
}

// apply sets what the flags say.
func (p *protection) apply(c *ldapx.Config) error {
	c.Transport, c.Mechanism, c.AllowRC4 = ldapx.Transport(p.transport), gss.Mechanism(p.mechanism), p.allowRC4
	if p.caFile == "" {
		return nil
	}
	b, err := os.ReadFile(p.caFile)
	if err != nil {
		return fmt.Errorf("--ca-file: %w", err)
	}
	if c.Roots, err = readRoots(b); err != nil {
		return fmt.Errorf("--ca-file %s: %w", p.caFile, err)
	}
	return nil
}

// readRoots reads certificates: one in DER, as Windows exports it, or any number in PEM.
func readRoots(b []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if len(b) > 0 && b[0] == 0x30 {
		c, err := x509.ParseCertificate(b)
		if err != nil {
			return nil, err
		}
		pool.AddCert(c)
		return pool, nil
	}
	n := 0
	for rest := bytes.TrimSpace(b); ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds a %s, not only certificates", strings.ToLower(block.Type))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n+1, err)
		}
		pool.AddCert(c)
	}
	if n == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return pool, nil
}

// protectionHint is the next step after an error of TLS, or of a key that is too weak; empty
// for others.
func protectionHint(err error) string {
	var (
		untrusted *ldapx.TrustError
		unbound   *ldapx.BindingError
		weak      *krb5.WeakError
		bind      *ldapx.BindError
	)
	const sealed = "--transport ldap needs no certificate: Kerberos proves the domain controller and seals the session"
	switch {
	case errors.As(err, &untrusted):
		switch untrusted.Reason {
		case ldapx.TrustAuthority:
			return "give the domain's certificate authority with --ca-file; " + sealed
		case ldapx.TrustHost:
			return "--dc must be the name in the certificate; " + sealed
		case ldapx.TrustNoName:
			return "such a certificate, as Samba makes for itself, is trusted where --ca-file holds exactly it, not its authority; " + sealed
		case ldapx.TrustSerial:
			return "such a certificate, as old versions of Samba make for themselves, is trusted where --ca-file holds exactly it; " + sealed
		case ldapx.TrustExpired, ldapx.TrustEarly:
			return "look at the clock here, and have the certificate renewed; " + sealed
		}
		return sealed
	case errors.As(err, &unbound):
		return "no domain controller could check a bind over it; " + sealed
	case errors.As(err, &weak):
		return "RC4 is broken: set the account's password once, so that it gets keys of AES, or msDS-SupportedEncryptionTypes; --allow-rc4 takes RC4 until then"
	case errors.As(err, &bind) && bind.Stage == ldapx.StageTLS:
		return "a domain controller without a certificate takes no TLS; " + sealed
	}
	return ""
}
