package endpoints

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/preflight"
)

const (
	group = "This network"
	page  = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-prerequisites#firewall-and-proxy-requirements"
)

// Probe is how to look.
type Probe struct {
	Cloud   Cloud
	Proxy   *url.URL      // http://host:port, with a user and a password or not; nil: none
	Timeout time.Duration // for each step

	// What stands in for the network and the system in tests; nil: these.
	Resolve func(ctx context.Context, host string) ([]string, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Roots   *x509.CertPool
}

// maxHead bounds what is read of an answer, in bytes.
const maxHead = 64 << 10

// Run looks at every endpoint, one after another.
func (p *Probe) Run(ctx context.Context) ([]preflight.Check, error) {
	if p.Proxy != nil && p.Proxy.Scheme != "http" {
		return nil, fmt.Errorf("proxy: %q is not spoken, want http://host:port", p.Proxy.Scheme)
	}
	var out []preflight.Check
	if p.Proxy != nil {
		out = append(out, p.proxy(ctx))
	}
	for _, e := range p.Cloud.Endpoints {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := preflight.Check{Group: group, ID: "endpoint", Title: e.Host + ":" + e.Port, Want: "reachable, " + e.Use, Source: page, Fix: "allow it in the firewall, or in the proxy"}
		switch e.Port {
		case "80":
			c.Result, c.Seen = p.plain(ctx, e)
		case "8080":
			c.Result, c.Seen = p.optional(ctx, e)
		default:
			c.Want = "reachable with TLS 1.2 or later and its own certificate, " + e.Use
			c.Result, c.Seen = p.secure(ctx, e)
		}
		if c.Result == preflight.Pass {
			c.Fix = ""
		}
		out = append(out, c)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, suffix := range p.Cloud.Suffixes {
		out = append(out, preflight.Check{Group: group, ID: "suffix", Title: suffix, Result: preflight.Manual, Seen: "no host behind it is published; those that you name are tried", Want: "outbound ports 443 and, where that is not open, 8080",
			Source: page, Fix: "look at the firewall's rules"})
	}
	return out, nil
}

// stepError says at which step it ended.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// connect is a connection to an endpoint, or through the proxy's tunnel to it.
func (p *Probe) connect(ctx context.Context, e Endpoint, tunnel bool) (net.Conn, error) {
	host, port := e.Host, e.Port
	if p.Proxy != nil {
		host, port = p.Proxy.Hostname(), p.Proxy.Port()
		if port == "" {
			port = "80"
		}
	}
	addresses := []string{host}
	if net.ParseIP(host) == nil {
		resolve := p.Resolve
		if resolve == nil {
			resolve = net.DefaultResolver.LookupHost
		}
		within, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		var err error
		if addresses, err = resolve(within, host); err != nil {
			return nil, &stepError{"its name is not resolved", err}
		}
		if len(addresses) == 0 {
			return nil, &stepError{"its name is not resolved", errors.New("no address")}
		}
	}
	dial := p.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	var conn net.Conn
	var err error
	for _, address := range addresses {
		within, cancel := context.WithTimeout(ctx, p.Timeout)
		conn, err = dial(within, "tcp", net.JoinHostPort(address, port))
		cancel()
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, &stepError{"no connection", err}
	}
	if err := conn.SetDeadline(time.Now().Add(p.Timeout)); err != nil {
		conn.Close()
		return nil, err
	}
	if p.Proxy == nil || !tunnel {
		return conn, nil
	}
	target := net.JoinHostPort(e.Host, e.Port)
	answer, err := p.ask(conn, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n"+p.credentials()+"\r\n", http.MethodConnect)
	if err == nil && answer.StatusCode/100 != 2 {
		err = refusal(answer)
	}
	if err != nil {
		conn.Close()
		return nil, &stepError{"the proxy makes no tunnel", err}
	}
	return conn, nil
}

// refusal is what an answer of a proxy that is no success says.
func refusal(answer *http.Response) error {
	if answer.StatusCode == http.StatusProxyAuthRequired {
		return errors.New("it asks for a user and a password (407), or for others")
	}
	return fmt.Errorf("it answers %.100s", answer.Status)
}

// credentials are the header with which a proxy is told who asks; empty where nobody is named.
func (p *Probe) credentials() string {
	if p.Proxy == nil || p.Proxy.User == nil {
		return ""
	}
	password, _ := p.Proxy.User.Password()
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.Proxy.User.Username()+":"+password)) + "\r\n"
}

// ask sends a request and reads the head of its answer.
func (p *Probe) ask(conn net.Conn, request, method string) (*http.Response, error) {
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHead)), &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("no answer in HTTP: %w", err)
	}
	answer.Body.Close()
	return answer, nil
}

// knownIssuers are the organizations that sign for what is published; another one that this
// system trusts is one of its own, which a proxy that reads TLS has. A public one more is a
// warning, no more.
var knownIssuers = []string{"Microsoft Corporation", "DigiCert Inc", "DigiCert, Inc.", "Entrust, Inc.", "GlobalSign nv-sa", "Baltimore"}

// secure looks at an endpoint with TLS.
func (p *Probe) secure(ctx context.Context, e Endpoint) (preflight.Verdict, string) {
	conn, err := p.connect(ctx, e, true)
	if err != nil {
		return preflight.Fail, p.hide(err)
	}
	defer conn.Close()
	// Verified below: what is wrong with a certificate is what is looked for here. Nothing is sent.
	session := tls.Client(conn, &tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	within, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	if err := session.HandshakeContext(within); err != nil {
		return preflight.Fail, "no TLS 1.2 or later: " + p.hide(err)
	}
	state := session.ConnectionState()
	seen := tls.VersionName(state.Version)
	chain := x509.VerifyOptions{DNSName: e.Host, Roots: p.Roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		chain.Intermediates.AddCert(c)
	}
	leaf := state.PeerCertificates[0]
	issuer := strings.Join(append(slices.Clone(leaf.Issuer.Organization), leaf.Issuer.CommonName), ", ")
	if _, err := leaf.Verify(chain); err != nil {
		return preflight.Fail, fmt.Sprintf("%s, and a certificate of %q that is not trusted here, so that somebody between may read it: %v", seen, issuer, err)
	}
	if !slices.ContainsFunc(leaf.Issuer.Organization, func(o string) bool { return slices.Contains(knownIssuers, o) }) {
		return preflight.Warn, fmt.Sprintf("%s, and a certificate of %q: if that is your own authority, a proxy reads what is sent, which is not supported", seen, issuer)
	}
	return preflight.Pass, fmt.Sprintf("%s, certificate of %s", seen, issuer)
}

// optional looks whether a port that need not be open is.
func (p *Probe) optional(ctx context.Context, e Endpoint) (preflight.Verdict, string) {
	conn, err := p.connect(ctx, e, true)
	if err != nil {
		return preflight.Warn, p.hide(err)
	}
	conn.Close()
	return preflight.Pass, "open"
}

// plain looks at an endpoint without TLS.
func (p *Probe) plain(ctx context.Context, e Endpoint) (preflight.Verdict, string) {
	conn, err := p.connect(ctx, e, false)
	if err != nil {
		return preflight.Fail, p.hide(err)
	}
	defer conn.Close()
	path := "/"
	if p.Proxy != nil {
		path = "http://" + e.Host + "/"
	}
	answer, err := p.ask(conn, "GET "+path+" HTTP/1.1\r\nHost: "+e.Host+"\r\n"+p.credentials()+"Connection: close\r\n\r\n", http.MethodGet)
	if err != nil {
		return preflight.Fail, p.hide(err)
	}
	to, _ := answer.Location()
	switch {
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return preflight.Fail, refusal(answer).Error()
	case p.Proxy != nil && answer.StatusCode >= 502 && answer.StatusCode <= 504:
		return preflight.Fail, "the proxy does not reach it: " + refusal(answer).Error()
	case answer.StatusCode == http.StatusNetworkAuthenticationRequired:
		return preflight.Fail, refusal(answer).Error() + ": a portal to log on at"
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusUnavailableForLegalReasons, answer.StatusCode >= 500:
		return preflight.Warn, refusal(answer).Error() + ": itself, or a filter between?"
	case to != nil && !sameSite(to.Hostname(), e.Host):
		return preflight.Warn, fmt.Sprintf("it sends elsewhere, to %.100s: a portal to log on at?", to.Hostname())
	}
	return preflight.Pass, fmt.Sprintf("answers in HTTP/%d.%d", answer.ProtoMajor, answer.ProtoMinor)
}

// sameSite says whether two hosts end in the same two labels.
func sameSite(a, b string) bool {
	end := func(host string) string {
		labels := strings.Split(strings.ToLower(host), ".")
		return strings.Join(labels[max(0, len(labels)-2):], ".")
	}
	return a == "" || end(a) == end(b)
}

// proxy looks at the proxy itself: HTTP/1.1, and a request in chunks.
func (p *Probe) proxy(ctx context.Context) preflight.Check {
	c := preflight.Check{Group: group, ID: "proxy", Title: "Proxy " + p.Proxy.Host, Want: "HTTP/1.1 and chunked encoding", Source: page, Fix: "look at the proxy's settings"}
	i := slices.IndexFunc(p.Cloud.Endpoints, func(e Endpoint) bool { return e.Port == "80" })
	if i < 0 {
		c.Seen = "there is nothing to try it with"
		return c
	}
	e := p.Cloud.Endpoints[i]
	conn, err := p.connect(ctx, e, false)
	if err != nil {
		c.Result, c.Seen = preflight.Fail, p.hide(err)
		return c
	}
	defer conn.Close()
	answer, err := p.ask(conn, "POST http://"+e.Host+"/ HTTP/1.1\r\nHost: "+e.Host+"\r\n"+p.credentials()+"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n.\r\n0\r\n\r\n", http.MethodPost)
	switch {
	case err != nil:
		c.Result, c.Seen = preflight.Fail, p.hide(err)
	case answer.StatusCode == http.StatusProxyAuthRequired:
		c.Result, c.Seen, c.Fix = preflight.Fail, refusal(answer).Error(), "name them in --proxy by GMSACTL_PROXY, or let agents through without"
	case !answer.ProtoAtLeast(1, 1):
		c.Result, c.Seen = preflight.Fail, "it answers in "+answer.Proto
	case answer.StatusCode == http.StatusLengthRequired || answer.StatusCode == http.StatusNotImplemented:
		c.Result, c.Seen = preflight.Fail, fmt.Sprintf("it refuses a request in chunks: %.100s", answer.Status)
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusForbidden:
		c.Seen = fmt.Sprintf("it answers %.100s, which says nothing of chunks", answer.Status)
	default:
		c.Result, c.Seen, c.Fix = preflight.Pass, answer.Proto+", and a request in chunks was taken", ""
	}
	return c
}

// hide is an error without the proxy's password, which some of them repeat.
func (p *Probe) hide(err error) string {
	text := err.Error()
	if p.Proxy != nil && p.Proxy.User != nil {
		if password, ok := p.Proxy.User.Password(); ok && password != "" {
			text = strings.ReplaceAll(text, password, "xxxxx")
		}
	}
	return text
}
