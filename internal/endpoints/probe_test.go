package endpoints

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/preflight"
)

const name = "login.windows.net"

// authority signs a certificate for a host.
func authority(t *testing.T, organization, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{organization}, CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	if raw, err = x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pool
}

// listen serves each connection on loopback until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

func secured(t *testing.T, config *tls.Config) string {
	return listen(t, func(c net.Conn) { _ = tls.Server(c, config).Handshake() })
}

// says answers every request with the same text.
func says(t *testing.T, text string) string {
	return listen(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, text)
		}
	})
}

// to is a probe of which every connection goes to address, whatever the name.
func to(address string, roots *x509.CertPool, endpoints ...Endpoint) *Probe {
	return &Probe{
		Cloud: Cloud{Name: "test", Endpoints: endpoints}, Timeout: 2 * time.Second, Roots: roots,
		Resolve: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
}

func only(t *testing.T, p *Probe, id string) preflight.Check {
	t.Helper()
	checks, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no %s in %+v", id, checks)
	return preflight.Check{}
}

func TestEndpoints(t *testing.T) {
	public, publicRoots := authority(t, "Microsoft Corporation", name)
	corporate, corporateRoots := authority(t, "Corp Proxy", name)
	other, otherRoots := authority(t, "Microsoft Corporation", "other.example")
	https, httpOnly := Endpoint{name, "443", "x"}, Endpoint{"crl.microsoft.com", "80", "x"}
	refuses := to("", nil, https)
	refuses.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	hole := to("", nil, https)
	hole.Timeout = 50 * time.Millisecond
	hole.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	nowhere := to("", nil, https)
	nowhere.Resolve = func(context.Context, string) ([]string, error) {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	mute := to(listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), nil, https)
	mute.Timeout = 50 * time.Millisecond
	for _, c := range []struct {
		name  string
		probe *Probe
		want  preflight.Verdict
		seen  string
	}{
		{"TLS 1.3", to(secured(t, &tls.Config{Certificates: []tls.Certificate{public}}), publicRoots, https), preflight.Pass, "TLS 1.3, certificate of Microsoft Corporation"},
		{"TLS 1.2", to(secured(t, &tls.Config{Certificates: []tls.Certificate{public}, MaxVersion: tls.VersionTLS12}), publicRoots, https), preflight.Pass, "TLS 1.2"},
		{"TLS 1.1 only", to(secured(t, &tls.Config{Certificates: []tls.Certificate{public}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), publicRoots, https), preflight.Fail, "no TLS 1.2"},
		{"a proxy's own authority that is trusted", to(secured(t, &tls.Config{Certificates: []tls.Certificate{corporate}}), corporateRoots, https), preflight.Warn, "Corp Proxy"},
		{"a proxy's own authority that is not", to(secured(t, &tls.Config{Certificates: []tls.Certificate{corporate}}), publicRoots, https), preflight.Fail, "not trusted here"},
		{"another one's certificate", to(secured(t, &tls.Config{Certificates: []tls.Certificate{other}}), otherRoots, https), preflight.Fail, "not trusted here"},
		{"no TLS at all", to(says(t, "HTTP/1.1 200 OK\r\n\r\n"), nil, https), preflight.Fail, "no TLS 1.2"},
		{"silence", mute, preflight.Fail, "no TLS 1.2"},
		{"nobody there", refuses, preflight.Fail, "no connection: connection refused"},
		{"a black hole", hole, preflight.Fail, "no connection"},
		{"no such name", nowhere, preflight.Fail, "not resolved"},

		{"plain", to(says(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), nil, httpOnly), preflight.Pass, "HTTP/1.1"},
		{"plain, and not found", to(says(t, "HTTP/1.1 404 Not Found\r\n\r\n"), nil, httpOnly), preflight.Pass, "HTTP/1.1"},
		{"plain, and a filter's page", to(says(t, "HTTP/1.1 403 Forbidden\r\n\r\n"), nil, httpOnly), preflight.Warn, "a filter between"},
		{"plain, and an error that may be a filter's", to(says(t, "HTTP/1.1 503 Service Unavailable\r\n\r\n"), nil, httpOnly), preflight.Warn, "a filter between"},
		{"plain, and a logon asked for", to(says(t, "HTTP/1.1 401 Unauthorized\r\n\r\n"), nil, httpOnly), preflight.Warn, "a filter between"},
		{"a portal that says so", to(says(t, "HTTP/1.1 511 Network Authentication Required\r\n\r\n"), nil, httpOnly), preflight.Fail, "a portal to log on at"},
		{"plain, and further on the same site", to(says(t, "HTTP/1.1 301 Moved\r\nLocation: https://www.microsoft.com/\r\n\r\n"), nil, httpOnly), preflight.Pass, ""},
		{"a portal to log on at", to(says(t, "HTTP/1.1 302 Found\r\nLocation: http://portal.hotel.example/\r\n\r\n"), nil, httpOnly), preflight.Warn, "portal.hotel.example"},
		{"plain, and no HTTP", to(says(t, "SSH-2.0\r\n"), nil, httpOnly), preflight.Fail, "no answer in HTTP"},
		{"plain, and an endless head", to(says(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 2*maxHead)), nil, httpOnly), preflight.Fail, "no answer in HTTP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := only(t, c.probe, "endpoint"); got.Result != c.want || !strings.Contains(got.Seen, c.seen) {
				t.Errorf("%s: %s, want %s with %q", got.Result, got.Seen, c.want, c.seen)
			}
		})
	}
}

// tunnel is a proxy that makes tunnels to one address for who has the password.
func tunnel(t *testing.T, address, authorization string) string {
	return listen(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		if r.Header.Get("Proxy-Authorization") != authorization {
			_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
			return
		}
		if r.Method != http.MethodConnect {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		up, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		defer up.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(up, c) }()
		_, _ = io.Copy(c, up)
	})
}

func TestProxy(t *testing.T) {
	certificate, roots := authority(t, "Microsoft Corporation", name)
	behind := secured(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	https, plain := Endpoint{name, "443", "x"}, Endpoint{"crl.microsoft.com", "80", "x"}
	const basic = "Basic dXNlcjpzM2NyM3Q=" // user:s3cr3t
	through := func(proxy string, endpoints ...Endpoint) *Probe {
		p := to("", roots, endpoints...)
		p.Dial = nil
		p.Proxy = &url.URL{Scheme: "http", Host: proxy, User: url.UserPassword("user", "s3cr3t")}
		return p
	}
	for _, c := range []struct {
		name, proxy, id string
		of              Endpoint
		want            preflight.Verdict
		seen            string
	}{
		{"a tunnel", tunnel(t, behind, basic), "endpoint", https, preflight.Pass, "TLS 1.3"},
		{"a tunnel for somebody else", tunnel(t, behind, "Basic other"), "endpoint", https, preflight.Fail, "407"},
		{"no tunnel", says(t, "HTTP/1.1 403 Forbidden\r\n\r\n"), "endpoint", https, preflight.Fail, "403 Forbidden"},
		{"plain", tunnel(t, behind, basic), "endpoint", plain, preflight.Pass, "HTTP/1.1"},
		{"plain that it does not reach", says(t, "HTTP/1.1 502 Bad Gateway\r\n\r\n"), "endpoint", plain, preflight.Fail, "502"},
		{"chunks", tunnel(t, behind, basic), "proxy", plain, preflight.Pass, "chunks was taken"},
		{"chunks for somebody else", tunnel(t, behind, "Basic other"), "proxy", plain, preflight.Fail, "407"},
		{"no chunks", says(t, "HTTP/1.1 411 Length Required\r\n\r\n"), "proxy", plain, preflight.Fail, "411"},
		{"HTTP/1.0", says(t, "HTTP/1.0 200 OK\r\n\r\n"), "proxy", plain, preflight.Fail, "HTTP/1.0"},
		{"a filter's page", says(t, "HTTP/1.1 403 Forbidden\r\n\r\n"), "proxy", plain, preflight.Unknown, "nothing of chunks"},
		{"an error of its own", says(t, "HTTP/1.1 500 s3cr3t\r\n\r\n"), "proxy", plain, preflight.Unknown, "nothing of chunks"},
		{"nothing to try it with", tunnel(t, behind, basic), "proxy", https, preflight.Unknown, "nothing to try"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := only(t, through(c.proxy, c.of), c.id)
			if got.Result != c.want || !strings.Contains(got.Seen, c.seen) {
				t.Errorf("%s: %s, want %s with %q", got.Result, got.Seen, c.want, c.seen)
			}
			if text, err := json.Marshal(got); err != nil || strings.Contains(strings.ReplaceAll(string(text), "500 s3cr3t", ""), "s3cr3t") {
				t.Errorf("the password is in %s (%v)", text, err)
			}
		})
	}
	if _, err := (&Probe{Proxy: &url.URL{Scheme: "socks5", Host: "x"}}).Run(t.Context()); err == nil {
		t.Error("a proxy of another kind is no error")
	}
}

// Port 8080 need not be open; whether it is, directly or through a proxy, is said.
func TestStatusPort(t *testing.T) {
	status := Endpoint{"a.msappproxy.net", "8080", "x"}
	if got := only(t, to(listen(t, func(net.Conn) {}), nil, status), "endpoint"); got.Result != preflight.Pass || got.Seen != "open" {
		t.Errorf("open: %s, %s", got.Result, got.Seen)
	}
	shut := to("", nil, status)
	shut.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	if got := only(t, shut, "endpoint"); got.Result != preflight.Warn || !strings.Contains(got.Seen, "connection refused") {
		t.Errorf("shut: %s, %s", got.Result, got.Seen)
	}
	proxied := to("", nil, status)
	proxied.Dial, proxied.Proxy = nil, &url.URL{Scheme: "http", Host: says(t, "HTTP/1.1 403 Forbidden\r\n\r\n")}
	if got := only(t, proxied, "endpoint"); got.Result != preflight.Warn || !strings.Contains(got.Seen, "403") {
		t.Errorf("through a proxy that makes no tunnel: %s, %s", got.Result, got.Seen)
	}
}

func TestHostsOfOnesOwn(t *testing.T) {
	public, _ := CloudNamed("public")
	got, err := public.With([]string{"Tenant.msappproxy.net."})
	if err != nil || len(got.Endpoints) != len(public.Endpoints)+2 {
		t.Fatalf("got %+v, %v", got.Endpoints, err)
	}
	last := got.Endpoints[len(public.Endpoints):]
	if last[0].Host != "tenant.msappproxy.net" || last[0].Port != "443" || last[1].Host != "tenant.msappproxy.net" || last[1].Port != "8080" {
		t.Errorf("got %+v", last)
	}
	for _, host := range []string{"", "msappproxy.net", ".msappproxy.net", "example.com", "msappproxy.net.example.com", "xmsappproxy.net", "user@a.msappproxy.net", "a/b.msappproxy.net", "a.msappproxy.us"} {
		if _, err := public.With([]string{host}); err == nil {
			t.Errorf("%q is taken", host)
		}
	}
}

func TestClouds(t *testing.T) {
	for _, c := range Clouds {
		if len(c.Endpoints) == 0 || len(c.Suffixes) == 0 {
			t.Errorf("%s has nothing", c.Name)
		}
		for _, e := range c.Endpoints {
			if strings.Contains(e.Host, "*") || e.Port != "80" && e.Port != "443" {
				t.Errorf("%s: %+v", c.Name, e)
			}
		}
		for _, s := range c.Suffixes {
			if !strings.HasPrefix(s, "*.") {
				t.Errorf("%s: %s", c.Name, s)
			}
		}
	}
	if _, ok := CloudNamed("moon"); ok {
		t.Error("there is a cloud on the moon")
	}
}

func TestRunEndsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := to("", nil, Endpoint{name, "443", "x"}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
