package ldapx

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/krb5"
)

// mit is a KDC of MIT Kerberos and OpenLDAP's server with Cyrus SASL, on ports of loopback
// that nobody else has: the only ones at hand with the encryption types of RFC 8009.
type mit struct {
	dir    string
	host   string // by which its certificate and its keys name it; no resolver knows it
	trust  *x509.CertPool
	ports  map[string]string // by the usual one
	keytab string
}

const (
	mitRealm = "MIT.EXAMPLE"
	mitBase  = "dc=mit,dc=example"
)

// mitTypes are the encryption types by the names that MIT's programs know.
var mitTypes = map[int32]string{
	krb5.AES256SHA384: "aes256-cts-hmac-sha384-192",
	krb5.AES128SHA256: "aes128-cts-hmac-sha256-128",
	krb5.AES256SHA1:   "aes256-cts-hmac-sha1-96",
	krb5.AES128SHA1:   "aes128-cts-hmac-sha1-96",
}

// needPrograms skips the test without them, or fails where everything is to be there.
func needPrograms(t *testing.T, paths ...string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("its servers are Debian's packages")
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		const need = "needs Debian's krb5-kdc, krb5-admin-server, slapd and libsasl2-modules-gssapi-mit: %s is missing"
		if os.Getenv("GMSACTL_LAB") == "required" {
			t.Fatalf(need, path)
		}
		t.Skipf(need, path)
	}
}

func (m *mit) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mit) write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.WriteFile(m.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return m.path(name)
}

func (m *mit) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+m.path("krb5.conf"), "KRB5_KDC_PROFILE="+m.path("kdc.conf"), "KRB5_KTNAME="+m.path("keytab"),
		"KRB5RCACHENAME=file2:"+m.path("replays"), "KRB5CCNAME=FILE:"+m.path("cc"))
	return cmd
}

func (m *mit) run(t *testing.T, input, name string, args ...string) {
	t.Helper()
	cmd := m.command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// start runs a server until the test ends.
func (m *mit) start(t *testing.T, port, name string, args ...string) {
	t.Helper()
	cmd := m.command(name, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		if t.Failed() {
			text := output.String()
			t.Logf("%s said:\n%s", name, text[max(0, len(text)-8000):])
		}
	})
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-done:
			t.Fatalf("%s ended:\n%s", name, output.String())
		default:
		}
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("%s does not listen: %v", name, err)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// newMIT starts the servers. Each account has keys of one encryption type, and is named by it.
func newMIT(t *testing.T) *mit {
	t.Helper()
	needPrograms(t, "/usr/sbin/krb5kdc", "/usr/sbin/kdb5_util", "/usr/sbin/kadmin.local", "/usr/sbin/slapd", "/usr/sbin/slapadd")
	if found, _ := filepath.Glob("/usr/lib/*/sasl2/libgssapiv2.so"); len(found) == 0 {
		needPrograms(t, "/usr/lib/sasl2/libgssapiv2.so")
	}
	m := &mit{dir: t.TempDir(), host: "server.mit.example", ports: map[string]string{"88": freePort(t), "389": freePort(t), "636": freePort(t)}}
	all := make([]string, 0, len(mitTypes))
	for _, etype := range krb5.EncryptionTypes(false) {
		all = append(all, mitTypes[etype])
	}
	types := strings.Join(all, " ")
	m.write(t, "krb5.conf", fmt.Sprintf(`[libdefaults]
default_realm = %[1]s
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
permitted_enctypes = %[2]s
default_tkt_enctypes = %[2]s
[realms]
%[1]s = {
	kdc = 127.0.0.1:%[3]s
}
[domain_realm]
.mit.example = %[1]s
`, mitRealm, types, m.ports["88"]))
	m.write(t, "kdc.conf", fmt.Sprintf(`[kdcdefaults]
kdc_listen = ""
kdc_tcp_listen = 127.0.0.1:%[3]s
[realms]
%[1]s = {
	database_name = %[4]s/principal
	key_stash_file = %[4]s/stash
	acl_file = %[4]s/acl
	master_key_type = aes256-cts-hmac-sha384-192
	supported_enctypes = %[2]s
}
[logging]
kdc = FILE:%[4]s/kdc.log
`, mitRealm, strings.ReplaceAll(types, " ", ":normal ")+":normal", m.ports["88"], m.dir))
	m.run(t, "", "/usr/sbin/kdb5_util", "create", "-s", "-r", mitRealm, "-P", "the master key of a test")
	kadmin := func(query string) { t.Helper(); m.run(t, "", "/usr/sbin/kadmin.local", "-q", query) }
	kadmin("addprinc -randkey ldap/" + m.host)
	kadmin("ktadd -k " + m.path("keytab") + " ldap/" + m.host)
	for etype, name := range mitTypes {
		kadmin(fmt.Sprintf("addprinc +requires_preauth -e %s:normal -pw %s user%d", name, secret, etype))
	}
	m.keytab = m.path("users")
	kadmin(fmt.Sprintf("ktadd -norandkey -k %s user%d user%d", m.keytab, krb5.AES256SHA384, krb5.AES128SHA256))
	m.start(t, m.ports["88"], "/usr/sbin/krb5kdc", "-n")

	a := newAuthority(t, m.host)
	m.trust = a.pool
	key, err := x509.MarshalPKCS8PrivateKey(a.host.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.host.Certificate[0]})))
	m.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	m.write(t, "slapd.conf", fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
sasl-host %[1]s
sasl-realm %[2]s
sasl-cbinding tls-endpoint
sasl-secprops noanonymous,noplain,minssf=56
authz-regexp uid=(user[0-9]+),.*cn=auth cn=$1,%[3]s
TLSCertificateFile %[4]s/cert.pem
TLSCertificateKeyFile %[4]s/key.pem
sockbuf_max_incoming_auth 4194303
database mdb
directory %[4]s
maxsize 33554432
suffix %[3]s
access to * by users write by * read
`, m.host, mitRealm, mitBase, m.dir))
	m.run(t, "dn: "+mitBase+"\nobjectClass: domain\ndc: mit\n\ndn: cn=photo,"+mitBase+"\nobjectClass: inetOrgPerson\ncn: photo\nsn: photo\n",
		"/usr/sbin/slapadd", "-f", m.path("slapd.conf"))
	m.start(t, m.ports["636"], "/usr/sbin/slapd", "-d", "0", "-f", m.path("slapd.conf"),
		"-h", fmt.Sprintf("ldap://127.0.0.1:%s ldaps://127.0.0.1:%s", m.ports["389"], m.ports["636"]))
	return m
}

func (m *mit) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+m.ports[port])
}

func (m *mit) config(etype int32) Config {
	return Config{
		DC: m.host, Realm: mitRealm, User: fmt.Sprintf("user%d", etype), Password: func() ([]byte, error) { return []byte(secret), nil },
		Timeout: 20 * time.Second, Roots: m.trust, Dial: m.dial, onlyTypes: []int32{etype},
	}
}

// The encryption types of RFC 8009, which the lab's domain controllers have not, and those of RFC 3962,
// against another implementation than a domain controller's: sealed, and bound to TLS.
func TestMITAcceptor(t *testing.T) {
	m := newMIT(t)
	photo := 0
	for _, etype := range krb5.EncryptionTypes(false) {
		for _, transport := range transports {
			for _, mechanism := range mechanisms {
				t.Run(fmt.Sprintf("%s, %s, %s", krb5.EncryptionName(etype), transport, mechanism), func(t *testing.T) {
					c := m.config(etype)
					c.Transport, c.Mechanism = transport, mechanism
					s := dial(t, c)
					if got := s.Server(); got.EncryptionType != krb5.EncryptionName(etype) {
						t.Errorf("bound with %s", got.EncryptionType)
					}
					if got, want := whoami(t, s), fmt.Sprintf("dn:cn=user%d,%s", etype, mitBase); got != want {
						t.Errorf("bound as %s, want %s", got, want)
					}
					// Of each length around the block of the cipher, then more than a buffer.
					dn := "cn=photo," + mitBase
					for _, n := range []int{1, 2, 3, 15, 16, 17, 31, 32, 33, 70 << 10, 300 << 10} {
						photo++
						value := bytes.Repeat([]byte{byte(photo), 0xff, 0}, n/3+1)[:n]
						r := ldap.NewModifyRequest(dn, nil)
						r.Replace("jpegPhoto", []string{string(value)})
						if err := s.LDAP().Modify(r); err != nil {
							t.Fatal(err)
						}
						got, err := directory.Collect(s.Read(t.Context(), directory.Query{Base: dn, Attrs: []string{"jpegPhoto"}}))
						if err != nil || !bytes.Equal(got[0].Value("jpegPhoto"), value) {
							t.Fatalf("%d bytes: got %v, %v", n, got, err)
						}
					}
				})
			}
		}
	}
	for _, etype := range []int32{krb5.AES256SHA384, krb5.AES128SHA256} {
		t.Run(krb5.EncryptionName(etype)+", keytab", func(t *testing.T) {
			c := m.config(etype)
			c.Password, c.Keytab = nil, m.keytab
			dial(t, c)
		})
	}
	t.Run("a wrong password", func(t *testing.T) {
		c := m.config(krb5.AES256SHA384)
		c.Password = func() ([]byte, error) { return []byte("wrong"), nil }
		_, err := Dial(t.Context(), c)
		var refused *krb5.Error
		if !errors.As(err, &refused) || refused.Code != krb5.PreauthFailed {
			t.Errorf("got %v", err)
		}
	})
	for _, mechanism := range mechanisms {
		t.Run("bound to another certificate, "+string(mechanism), func(t *testing.T) {
			c := m.config(krb5.AES256SHA384)
			c.Transport, c.Mechanism = LDAPS, mechanism
			where, err := c.where()
			if err != nil {
				t.Fatal(err)
			}
			ticket, err := c.ticket(t.Context(), &krb5.Client{Realm: mitRealm, Address: m.host + ":88", Dial: m.dial, Types: c.types()}, where)
			if err != nil {
				t.Fatal(err)
			}
			for _, flip := range []bool{false, true} {
				ch, err := c.channel(t.Context(), counted(m.dial, new(counter), new(counter)), where)
				if err != nil {
					t.Fatal(err)
				}
				defer ch.raw.Close()
				if flip {
					ch.binding[len(ch.binding)-1] ^= 1
				}
				_, _, err = c.bind(t.Context(), ch, ticketClient{ticket})
				var refused *ResultError
				if flip && (!errors.As(err, &refused) || refused.Code != 49) || !flip && err != nil {
					t.Errorf("flipped: %v, got %v", flip, err)
				}
			}
		})
	}
}
