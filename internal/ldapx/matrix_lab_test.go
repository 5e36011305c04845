package ldapx

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/gss/gsstest"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// roots are those of a PEM file.
func roots(t testing.TB, path string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Fatalf("%s holds no certificate", path)
	}
	return pool
}

// identity is an account of the lab and every way to prove to be it.
type identity struct {
	name        string
	credentials map[string]func(*Config)
}

// newIdentity makes an account whose ticket for the service has a key of one type.
func newIdentity(t *testing.T, lab *labtest.Lab, etype string) identity {
	t.Helper()
	name := lab.CreateUser(t, "matrix", secret).SAMAccountName
	keytab := lab.Keytab(t, name)
	ccache := kinit(t, lab, name, "")
	service := kinit(t, lab, name, "kvno -e "+etype+" --out-cache FILE:$d/only ldap/"+lab.DC+" >/dev/null; mv $d/only $d/cc;")
	return identity{name, map[string]func(*Config){
		"password": func(c *Config) {
			c.User, c.Password = name, func() ([]byte, error) { return []byte(secret), nil }
		},
		"keytab":              func(c *Config) { c.User, c.Keytab = name, keytab },
		"ccache":              func(c *Config) { c.CCache = ccache },
		"ccache, one service": func(c *Config) { c.CCache = service },
	}}
}

var (
	transports = []Transport{Sealed, LDAPS, StartTLS}
	mechanisms = []gss.Mechanism{gss.SPNEGO, gss.GSSAPI}
)

// Every transport, mechanism, encryption type of a domain controller and credential binds,
// with a number of round trips that is known, to the domain and to the global catalog.
func TestLabMatrix(t *testing.T) {
	lab := labtest.Require(t)
	trust := roots(t, lab.CAFile)
	for _, etype := range []int32{krb5.AES256SHA1, krb5.AES128SHA1, krb5.RC4} {
		id := newIdentity(t, lab, krb5.EncryptionName(etype))
		for _, transport := range transports {
			for _, mechanism := range mechanisms {
				for credential, set := range id.credentials {
					t.Run(fmt.Sprintf("%s, %s, %s, %s", krb5.EncryptionName(etype), transport, mechanism, credential), func(t *testing.T) {
						c := Config{
							DC: lab.DC, Timeout: 20 * time.Second, Transport: transport, Roots: trust, Mechanism: mechanism,
							AllowRC4: etype == krb5.RC4, onlyTypes: []int32{etype},
						}
						set(&c)
						if credential == "ccache" {
							// The ticket to ask with has a key of AES, whatever is asked for with it.
							c.onlyTypes = append(c.onlyTypes, krb5.AES256SHA1)
						}
						s := dial(t, c)
						want := map[string]int64{"password": 4, "keytab": 4, "ccache": 2, "ccache, one service": 1}[credential]
						if mechanism == gss.GSSAPI {
							want += 2
						}
						if transport == StartTLS {
							want++
						}
						if got := s.Stats().RoundTrips; got != want {
							t.Errorf("%d round trips, want %d", got, want)
						}
						got := s.Server()
						if got.EncryptionType != krb5.EncryptionName(etype) || got.Mechanism != string(mechanism) {
							t.Errorf("bound with %s by %s", got.EncryptionType, got.Mechanism)
						}
						if strings.HasPrefix(got.Protection, "TLS 1.3 ") == (transport == Sealed) {
							t.Errorf("protected by %s", got.Protection)
						}
						if got := whoami(t, s); !strings.HasSuffix(strings.ToLower(got), `\`+strings.ToLower(id.name)) {
							t.Errorf("bound as %s, want %s", got, id.name)
						}
						if _, err := collect(t, s, directory.Query{Base: lab.BaseDN, Scope: directory.OneLevel, Descriptor: true}); err != nil {
							t.Error(err)
						}
					})
				}
			}
		}
	}
}

func TestLabGlobalCatalog(t *testing.T) {
	lab := labtest.Require(t)
	for _, transport := range transports {
		for _, mechanism := range mechanisms {
			t.Run(fmt.Sprintf("%s, %s", transport, mechanism), func(t *testing.T) {
				c := admin(lab)
				c.Transport, c.Mechanism, c.Roots, c.GlobalCatalog = transport, mechanism, roots(t, lab.CAFile), true
				s := dial(t, c)
				if !strings.HasSuffix(s.Server().Address, ":3268") && !strings.HasSuffix(s.Server().Address, ":3269") {
					t.Errorf("bound to %s", s.Server().Address)
				}
				// The whole forest is below no name.
				got, err := collect(t, s, directory.Query{Base: lab.BaseDN, Scope: directory.Subtree, Attrs: []string{"objectSid"},
					Any: []directory.Match{{Attr: "sAMAccountName", Value: lab.User}}})
				if err != nil || len(got) != 1 {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
	}
}

// crooked is a bind as this program never makes it: with a checksum of the test's own.
type crooked struct {
	*gss.Context
	token []byte
}

func (c crooked) Step(token []byte) ([]byte, error) {
	if token == nil {
		return c.token, nil
	}
	return nil, errors.New("the server goes on with what it should refuse")
}

// What a hardened domain controller must refuse, and how this one does.
func TestLabBindsThatAreRefused(t *testing.T) {
	lab := labtest.Require(t)
	trust := roots(t, lab.CAFile)
	c := admin(lab)
	c.Timeout = 20 * time.Second
	where, err := c.where()
	if err != nil {
		t.Fatal(err)
	}
	kdc := &krb5.Client{Realm: where.realm, Address: net.JoinHostPort(where.host, "88"), Timeout: c.Timeout}
	ticket, err := c.ticket(t.Context(), kdc, where)
	if err != nil {
		t.Fatal(err)
	}
	const (
		mutual, replay, sequence, conf, integ = 0x02, 0x04, 0x08, 0x10, 0x20

		plain = mutual | replay | sequence
	)
	checksum := func(flags uint32, binding []byte) types.Checksum {
		return types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: gsstest.Checksum(flags, binding)}
	}
	flipped := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)-1] ^= 1
		return b
	}
	tests := []struct {
		name      string
		transport Transport
		checksum  func(binding []byte) types.Checksum
		code      uint16
		message   string
	}{
		{"neither signed nor sealed", Sealed, func([]byte) types.Checksum { return checksum(plain, nil) },
			8, "Sign or Seal are required"},
		{"in LDAPS, without channel binding", LDAPS, func([]byte) types.Checksum { return checksum(plain, nil) },
			49, "80090346"},
		{"in LDAPS, with one bit of it wrong", LDAPS, func(b []byte) types.Checksum { return checksum(plain, flipped(b)) },
			49, "80090346"},
		{"in LDAPS, bound to another certificate's hash", LDAPS, func([]byte) types.Checksum {
			return checksum(plain, append([]byte("tls-server-end-point:"), make([]byte, 32)...))
		}, 49, "80090346"},
		{"in StartTLS, without channel binding", StartTLS, func([]byte) types.Checksum { return checksum(plain, nil) },
			49, "80090346"},
		{"in StartTLS, with one bit of it wrong", StartTLS, func(b []byte) types.Checksum { return checksum(plain, flipped(b)) },
			49, "80090346"},
		{"in LDAPS, sealed once more", LDAPS, func(b []byte) types.Checksum { return checksum(plain|conf|integ, b) },
			53, "Sign or Seal are not allowed if TLS is used"},
		{"in StartTLS, sealed once more", StartTLS, func(b []byte) types.Checksum { return checksum(plain|conf|integ, b) },
			53, "Sign or Seal are not allowed if TLS is used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := c
			c.Transport, c.Roots = tt.transport, trust
			where, err := c.where()
			if err != nil {
				t.Fatal(err)
			}
			var dialer net.Dialer
			ch, err := c.channel(t.Context(), counted(dialer.DialContext, new(counter), new(counter)), where)
			if err != nil {
				t.Fatal(err)
			}
			defer ch.raw.Close()
			token, err := gsstest.Initiate(ticket, tt.checksum(ch.binding))
			if err != nil {
				t.Fatal(err)
			}
			context, err := gss.New(ticket, gss.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = bind(t.Context(), ch.conn(), string(gss.SPNEGO), crooked{context, token}, c.Timeout)
			var refused *ResultError
			if !errors.As(err, &refused) || refused.Code != tt.code || !strings.Contains(refused.Message, tt.message) {
				t.Errorf("got %v, want result %d with %q", err, tt.code, tt.message)
			}
		})
	}
}

func TestLabTrust(t *testing.T) {
	lab := labtest.Require(t)
	elsewhere := func(host string) dialFunc {
		return func(ctx dialContext, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(address, host, lab.DC, 1))
		}
	}
	tests := []struct {
		name   string
		set    func(*Config)
		reason TrustReason
	}{
		{"an authority that is not the server's", func(c *Config) { c.Roots = roots(t, lab.OldCAFile) }, TrustAuthority},
		{"the system's authorities", func(c *Config) { c.Roots = nil }, TrustAuthority},
		{"another name", func(c *Config) {
			_, domain, _ := strings.Cut(lab.DC, ".")
			c.DC = "other." + domain
			c.Dial = elsewhere(c.DC)
			c.Password, c.CCache = nil, writeCache(t, "ldap", c.DC, time.Now().Add(time.Hour))
			c.User, c.Realm = "", "CORP.EXAMPLE"
		}, TrustHost},
	}
	for _, tt := range tests {
		for _, transport := range []Transport{LDAPS, StartTLS} {
			t.Run(fmt.Sprintf("%s, %s", transport, tt.name), func(t *testing.T) {
				c := admin(lab)
				c.Transport, c.Roots = transport, roots(t, lab.CAFile)
				tt.set(&c)
				s, err := Dial(t.Context(), c)
				if err == nil {
					s.Close()
					t.Fatal("bound")
				}
				var bind *BindError
				var untrusted *TrustError
				if !errors.As(err, &bind) || bind.Stage != StageTLS || !errors.As(err, &untrusted) || untrusted.Reason != tt.reason {
					t.Errorf("got %v, want the reason %q", err, tt.reason)
				}
			})
		}
	}
}

// A value larger than a buffer of the seal, and larger than a record of TLS, both ways.
func TestLabLargeValuesOverEachTransport(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "large", secret)
	n := byte(0)
	for _, transport := range transports {
		for _, mechanism := range mechanisms {
			t.Run(fmt.Sprintf("%s, %s", transport, mechanism), func(t *testing.T) {
				c := admin(lab)
				c.Transport, c.Mechanism, c.Roots = transport, mechanism, roots(t, lab.CAFile)
				s := dial(t, c)
				n++
				photo := bytes.Repeat([]byte{n, 0xff, '0', 0, 'a'}, 300<<10/5)
				m := ldap.NewModifyRequest(user.DN, nil)
				m.Replace("jpegPhoto", []string{string(photo)})
				if err := s.LDAP().Modify(m); err != nil {
					t.Fatal(err)
				}
				got, err := collect(t, s, directory.Query{Base: user.DN, Attrs: []string{"jpegPhoto"}})
				if err != nil || !bytes.Equal(got[0].Value("jpegPhoto"), photo) {
					t.Errorf("the value came back as %d bytes, %v", len(got[0].Value("jpegPhoto")), err)
				}
			})
		}
	}
}

func TestLabConcurrentSessions(t *testing.T) {
	lab := labtest.Require(t)
	var wg sync.WaitGroup
	counts := make([]int, 8*4)
	for i := range 8 {
		c := admin(lab)
		c.Transport, c.Mechanism, c.Roots = transports[i%3], mechanisms[i%2], roots(t, lab.CAFile)
		s := dial(t, c)
		for j := range 4 {
			wg.Go(func() {
				for range 3 {
					for _, err := range s.Read(t.Context(), directory.Query{Base: "CN=Extended-Rights,CN=Configuration," + lab.BaseDN, Scope: directory.OneLevel, Descriptor: true}) {
						if err != nil {
							t.Error(err)
							return
						}
						counts[i*4+j]++
					}
				}
			})
		}
	}
	wg.Wait()
	for _, n := range counts {
		if n != counts[0] || n < 3*50 {
			t.Fatalf("objects read: %v", counts)
		}
	}
}

// A server that takes the bind of one TLS connection to another is refused by the other: the
// relay has no key for the certificate that the bind is bound to.
func TestLabRelayedBind(t *testing.T) {
	lab := labtest.Require(t)
	relay := newAuthority(t, lab.DC)
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		// The relay shows its own certificate, which the client has been made to trust, and
		// passes on all that it hears inside a TLS connection of its own to the DC.
		victim := relay.serve(there)
		conn, err := net.Dial("tcp", net.JoinHostPort(lab.DC, "636"))
		if err != nil {
			t.Error(err)
			return
		}
		dc, _, err := secure(t.Context(), conn, lab.DC, roots(t, lab.CAFile))
		if err != nil {
			t.Error(err)
			return
		}
		go io.Copy(dc, victim)
		io.Copy(victim, dc)
		victim.Close()
	}()
	c := admin(lab)
	c.Transport, c.Roots = LDAPS, relay.pool
	c.Dial = func(ctx dialContext, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ":636") {
			return here, nil
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	s, err := Dial(t.Context(), c)
	if err == nil {
		s.Close()
		t.Fatal("bound through a relay")
	}
	var refused *ResultError
	if !errors.As(err, &refused) || refused.Code != 49 || !strings.Contains(refused.Message, "80090346") {
		t.Errorf("got %v, want the refusal of the channel binding", err)
	}
}
