package ldapx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const database = "/var/lib/samba/private/sam.ldb"

// admin is the lab's administrator, with a password.
func admin(lab *labtest.Lab) Config {
	return Config{
		DC:       lab.DC,
		User:     lab.User,
		Password: func() ([]byte, error) { return os.ReadFile(lab.PasswordFile) },
		Timeout:  20 * time.Second,
	}
}

func as(lab *labtest.Lab, user, password string) Config {
	return Config{
		DC:       lab.DC,
		User:     user,
		Password: func() ([]byte, error) { return []byte(password), nil },
		Timeout:  20 * time.Second,
	}
}

func dial(t testing.TB, c Config) *Session {
	t.Helper()
	s, err := Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

const secret = "Lab-Secret-1."

// whoami asks the server who is bound.
func whoami(t testing.TB, s *Session) string {
	t.Helper()
	id, err := s.WhoAmI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// kinit runs MIT's kinit and then more on the DC, and returns the path of the cache.
func kinit(t testing.TB, lab *labtest.Lab, user, then string, options ...string) string {
	t.Helper()
	script := `set -e; d=$(mktemp -d); trap 'rm -r $d' EXIT; export KRB5CCNAME=FILE:$d/cc
user=$1; shift; kinit "$@" "$user" >/dev/null; ` + then + ` cat $d/cc`
	b := lab.RunInput(t, secret+"\n", append([]string{"sh", "-c", script, "_", user}, options...)...)
	path := filepath.Join(t.TempDir(), "cc")
	if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLabBind(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "bind", secret)
	name := user.SAMAccountName
	lab.RunInput(t, "dn: "+user.DN+"\nchangetype: modify\nreplace: userPrincipalName\nuserPrincipalName: alias."+name+"@mail.example\n",
		"ldbmodify", "-H", database)
	keytab := lab.Keytab(t, name)
	ccache := kinit(t, lab, name, "")
	onlyService := kinit(t, lab, name, "kvno --out-cache FILE:$d/only ldap/"+lab.DC+" >/dev/null; mv $d/only $d/cc;")
	dir := t.TempDir()
	b, err := os.ReadFile(ccache)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{"primary": []byte("tktX\n"), "tktX": b} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := Config{DC: lab.DC, Timeout: 20 * time.Second}
	with := func(change func(c *Config)) Config {
		c := base
		change(&c)
		return c
	}
	netbios, _, _ := strings.Cut(lab.Domain, ".")
	tests := []struct {
		name  string
		c     Config
		trips int64
	}{
		{"password", as(lab, name, secret), 4},
		{"password, name in capitals", as(lab, strings.ToUpper(name), secret), 4},
		{`password, DOMAIN\name`, as(lab, netbios+`\`+name, secret), 4},
		{"password, UPN of the realm", as(lab, name+"@"+lab.Domain, secret), 4},
		{"password, UPN of another suffix", as(lab, "alias."+name+"@mail.example", secret), 4},
		{"keytab", with(func(c *Config) { c.Keytab, c.User = keytab, name }), 4},
		{"keytab, name in capitals", with(func(c *Config) { c.Keytab, c.User = keytab, strings.ToUpper(name) }), 4},
		{"keytab, its own principal", with(func(c *Config) { c.Keytab = keytab }), 4},
		{"credential cache", with(func(c *Config) { c.CCache = ccache }), 2},
		{"credential cache, FILE: and the user", with(func(c *Config) { c.CCache, c.User = "FILE:"+ccache, name }), 2},
		{"credential cache, DIR:", with(func(c *Config) { c.CCache = "DIR:" + dir }), 2},
		{"credential cache with a ticket for the service only", with(func(c *Config) { c.CCache = onlyService }), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := dial(t, tt.c)
			if got := s.Stats().RoundTrips; got != tt.trips || got != s.Server().BindTrips {
				t.Errorf("%d round trips, want %d; the server says %d", got, tt.trips, s.Server().BindTrips)
			}
			if got, want := whoami(t, s), "u:"+strings.ToUpper(netbios)+`\`+name; !strings.EqualFold(got, want) {
				t.Errorf("bound as %s, want %s", got, want)
			}
			if got := s.Server().Identity; !strings.EqualFold(got, name+"@"+lab.Domain) {
				t.Errorf("identity %s", got)
			}
			if got := s.Server(); got.EncryptionType != "aes256-cts-hmac-sha1-96" || got.TicketKey != "aes256-cts-hmac-sha1-96" ||
				time.Until(got.TicketEnds) < time.Hour || time.Since(got.TicketStarts) < -time.Minute || time.Since(got.TicketStarts) > time.Hour ||
				!got.TicketRenew.IsZero() && got.TicketRenew.Before(got.TicketEnds) || got.BindTime <= 0 {
				t.Errorf("server is %+v", got)
			}
			got, err := directory.Collect(s.Read(t.Context(), directory.Query{Attrs: []string{"dnsHostName"}}))
			if err != nil || len(got) != 1 || !strings.EqualFold(got[0].Text("dnsHostName"), lab.DC) {
				t.Errorf("rootDSE: %v, %v", got, err)
			}
		})
	}
	t.Run("the environment's credential cache", func(t *testing.T) {
		t.Setenv("KRB5CCNAME", "FILE:"+ccache)
		dial(t, base)
	})
	t.Run("a name and a password beyond ASCII", func(t *testing.T) {
		password := "Pässwört-€-1"
		name := lab.CreateUser(t, "jürgen", password).SAMAccountName
		dial(t, as(lab, name, password))
		dial(t, Config{DC: lab.DC, Keytab: lab.Keytab(t, name), User: name})
	})
	t.Run("a short domain name that the KDC knows better", func(t *testing.T) {
		c := &krb5.Client{Address: net.JoinHostPort(lab.DC, "88"), Timeout: 20 * time.Second}
		p, err := krb5.UserPrincipal(netbios+`\`+name, "AD01.EXAMPLE")
		if err != nil {
			t.Fatal(err)
		}
		tgt, err := c.Login(t.Context(), p, krb5.Password(secret))
		if err != nil || !strings.EqualFold(tgt.Server.Realm, lab.Domain) || !strings.EqualFold(tgt.Client.Realm, lab.Domain) {
			t.Errorf("as %s: got %+v, %v", p, tgt, err)
		}
	})
	t.Run("a credential cache of somebody else", func(t *testing.T) {
		_, err := Dial(t.Context(), with(func(c *Config) { c.CCache, c.User = ccache, lab.User }))
		var bind *BindError
		if !errors.As(err, &bind) || bind.Stage != StageCredentials {
			t.Errorf("got %v", err)
		}
	})
}

// badPwdCount reads how often the account's password was wrong, as the administrator.
func badPwdCount(t *testing.T, s *Session, dn string) string {
	t.Helper()
	got, err := directory.Collect(s.Read(t.Context(), directory.Query{Base: dn, Attrs: []string{"badPwdCount"}}))
	if err != nil {
		t.Fatal(err)
	}
	return got[0].Text("badPwdCount")
}

func TestLabRefusals(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "refused", secret)
	s := dial(t, admin(lab))

	refusal := func(t *testing.T, c Config) *krb5.Error {
		t.Helper()
		s, err := Dial(t.Context(), c)
		if err == nil {
			s.Close()
			t.Fatal("bound")
		}
		var bind *BindError
		var refused *krb5.Error
		if !errors.As(err, &bind) || bind.Stage != StageTicket || !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), "wrong-secret") {
			t.Errorf("the password is in %v", err)
		}
		return refused
	}
	t.Run("a wrong password counts once", func(t *testing.T) {
		for want := range 3 {
			if got := badPwdCount(t, s, user.DN); got != fmt.Sprint(want) {
				t.Fatalf("badPwdCount is %s, want %d", got, want)
			}
			var given []byte
			c := as(lab, user.SAMAccountName, "")
			c.Password = func() ([]byte, error) {
				given = []byte("wrong-secret")
				return given, nil
			}
			if e := refusal(t, c); e.Code != krb5.PreauthFailed {
				t.Errorf("got %v", e)
			}
			if !bytes.Equal(given, make([]byte, len(given))) {
				t.Error("the password is still in memory")
			}
		}
	})
	t.Run("an unknown user", func(t *testing.T) {
		if e := refusal(t, as(lab, "nobody-of-this-name", secret)); e.Code != krb5.ClientUnknown {
			t.Errorf("got %v", e)
		}
	})
	t.Run("a disabled user", func(t *testing.T) {
		lab.Run(t, "samba-tool", "user", "disable", user.SAMAccountName)
		if e := refusal(t, as(lab, user.SAMAccountName, secret)); e.Code != krb5.ClientRevoked || e.Status != 0xc0000072 {
			t.Errorf("got %v", e)
		}
	})
	t.Run("another realm", func(t *testing.T) {
		c := as(lab, user.SAMAccountName, secret)
		c.Realm = "NOWHERE.EXAMPLE"
		if e := refusal(t, c); e.Code != krb5.WrongRealm && e.Code != krb5.ClientUnknown {
			t.Errorf("got %v", e)
		}
	})
	t.Run("a host that has no service", func(t *testing.T) {
		c := admin(lab)
		c.DC = "other." + lab.Domain
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(address, c.DC, lab.DC, 1))
		}
		if e := refusal(t, c); e.Code != krb5.ServiceUnknown {
			t.Errorf("got %v", e)
		}
	})
	t.Run("another server in the DC's place", func(t *testing.T) {
		c := admin(lab)
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ":389") {
				address = net.JoinHostPort(lab.OldDC, "389")
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		s, err := Dial(t.Context(), c)
		if err == nil {
			s.Close()
			t.Fatal("bound")
		}
		var bind *BindError
		if !errors.As(err, &bind) || bind.Stage != StageBind {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c := admin(lab)
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:1")
		}
		_, err := Dial(t.Context(), c)
		var dial *DialError
		if !errors.As(err, &dial) || dial.Address != lab.DC+":88" {
			t.Errorf("got %v", err)
		}
	})
}

func TestLabExpiredCache(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "expired", secret)
	ccache := kinit(t, lab, user.SAMAccountName, "sleep 6;", "-l", "5s")
	_, err := Dial(t.Context(), Config{DC: lab.DC, CCache: ccache, Timeout: 20 * time.Second})
	var expired *krb5.ExpiredError
	if !errors.As(err, &expired) || time.Since(expired.Ended) > time.Minute || time.Since(expired.Ended) < 0 {
		t.Errorf("got %v", err)
	}
}

func TestLabReadsEveryDescriptor(t *testing.T) {
	lab := labtest.Require(t)
	s := dial(t, admin(lab))
	base := "CN=Schema,CN=Configuration," + lab.BaseDN
	want := strings.Count("\n"+lab.Run(t, "ldbsearch", "-H", database, "-b", base, "dn"), "\ndn: ")
	if want < 1000 {
		t.Fatalf("the schema has %d objects", want)
	}
	before := s.Stats()
	got, err := collect(t, s, directory.Query{Base: base, Scope: directory.Subtree, Descriptor: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != want {
		t.Errorf("%d objects, want %d", len(got), want)
	}
	for _, e := range got {
		d, err := sddl.Parse(e.Value("nTSecurityDescriptor"))
		if err != nil {
			t.Fatalf("%s: %v", e.DN, err)
		}
		if d.Owner == (sddl.SID{}) || d.Group == (sddl.SID{}) || d.DACL == nil {
			t.Errorf("%s: no owner, group or DACL", e.DN)
		}
	}
	after := s.Stats()
	if n := after.RoundTrips - before.RoundTrips; n != int64((want+pageSize-1)/pageSize) {
		t.Errorf("%d round trips for %d objects", n, want)
	}
	if n := after.BytesIn - before.BytesIn; n < 300<<10 {
		t.Errorf("%d bytes came", n)
	}
}

func TestLabLargeValues(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "large", secret)
	s := dial(t, admin(lab))
	photo := bytes.Repeat([]byte("\x00\xff0123456789abcd"), 300<<10/16)
	m := ldap.NewModifyRequest(user.DN, nil)
	m.Replace("jpegPhoto", []string{string(photo)})
	if err := s.LDAP().Modify(m); err != nil {
		t.Fatal(err)
	}
	got, err := collect(t, s, directory.Query{Base: user.DN, Attrs: []string{"jpegPhoto"}})
	if err != nil || !bytes.Equal(got[0].Value("jpegPhoto"), photo) {
		t.Errorf("the value came back as %d bytes, %v", len(got[0].Value("jpegPhoto")), err)
	}
}

func TestLabNotFound(t *testing.T) {
	lab := labtest.Require(t)
	s := dial(t, admin(lab))
	_, err := collect(t, s, directory.Query{Base: "OU=none,OU=neither," + lab.BaseDN, Attrs: []string{"cn"}})
	var missing *directory.NotFoundError
	if !errors.As(err, &missing) || missing.DN != "OU=none,OU=neither,"+lab.BaseDN {
		t.Errorf("got %#v", err)
	}
}

func TestLabFilterTakesRawBytes(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "filter", secret)
	other := lab.CreateUser(t, "filter", secret)
	s := dial(t, admin(lab))
	byDN, err := collect(t, s, directory.Query{Base: user.DN, Attrs: []string{"objectSid"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(t, s, directory.Query{Base: lab.BaseDN, Scope: directory.Subtree, Attrs: []string{"cn"}, Any: []directory.Match{
		{Attr: "objectSid", Value: string(byDN[0].Value("objectSid"))},
		{Attr: "sAMAccountName", Value: other.SAMAccountName},
		{Attr: "sAMAccountName", Value: "*"},
	}})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func descriptorOf(t *testing.T, s *Session, dn string) []byte {
	t.Helper()
	got, err := collect(t, s, directory.Query{Base: dn, Descriptor: true})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].Value("nTSecurityDescriptor")
}

func TestLabWriteDACL(t *testing.T) {
	lab := labtest.Require(t)
	user := lab.CreateUser(t, "writer", secret)
	from, to := lab.CreateOU(t, "from"), lab.CreateOU(t, "to")
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+from, "--sddl=(A;CI;WP;;;"+user.SID+")")
	s := dial(t, admin(lab))
	want := descriptorOf(t, s, from)
	before := descriptorOf(t, s, to)
	if bytes.Equal(want, before) {
		t.Fatal("both have the same descriptor")
	}
	sacl := sacls(t, lab, to)
	if err := s.WriteDACL(t.Context(), to, want); err != nil {
		t.Fatal(err)
	}
	if got := descriptorOf(t, s, to); !bytes.Equal(got, want) {
		t.Errorf("got  % x\nwant % x", got, want)
	}
	if got := sacls(t, lab, to); got != sacl || sacl == "" {
		t.Errorf("the SACL was %s, now it is %s", sacl, got)
	}

	t.Run("without the right it is refused", func(t *testing.T) {
		c := dial(t, as(lab, user.SAMAccountName, secret))
		err := c.WriteDACL(t.Context(), to, before)
		var refused *ResultError
		if !errors.As(err, &refused) || refused.Code != ldap.LDAPResultInsufficientAccessRights {
			t.Errorf("got %v", err)
		}
		if got := descriptorOf(t, s, to); !bytes.Equal(got, want) {
			t.Error("the DACL changed")
		}
		// A normal user sees the descriptor, as the control asks for no SACL.
		if got := descriptorOf(t, c, to); !bytes.Equal(got, want) {
			t.Errorf("the user sees % x", got)
		}
	})
}

// sacls is the SACL's text, read as root beside the database.
func sacls(t *testing.T, lab *labtest.Lab, dn string) string {
	t.Helper()
	_, sacl, _ := strings.Cut(lab.Run(t, "samba-tool", "dsacl", "get", "-H", database, "--objectdn="+dn), "S:")
	return sacl
}

// proxy passes connections on to the DC until it is told to stall, and keeps a record.
type proxy struct {
	mu      sync.Mutex
	stalled bool
	sent    bytes.Buffer // from us to the DC's LDAP port
	came    bytes.Buffer
}

func (p *proxy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || !strings.HasSuffix(address, ":389") {
		return conn, err
	}
	here, there := net.Pipe()
	go p.copy(conn, there, &p.sent)
	go p.copy(there, conn, &p.came)
	return &proxied{Conn: here, address: conn.RemoteAddr()}, nil
}

func (p *proxy) copy(to, from net.Conn, record *bytes.Buffer) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		stalled := p.stalled
		record.Write(b[:n])
		p.mu.Unlock()
		if stalled {
			n = 0 // it goes nowhere, but the connection stays
		}
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = true
}

type proxied struct {
	net.Conn
	address net.Addr
}

func (p *proxied) RemoteAddr() net.Addr { return p.address }

func TestLabStalledConnection(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "stalled")
	t.Run("a read ends with its context", func(t *testing.T) {
		var p proxy
		c := admin(lab)
		c.Dial = p.dial
		s := dial(t, c)
		p.stall()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := directory.Collect(s.Read(ctx, directory.Query{Base: ou, Descriptor: true}))
		var unknown *ConnectionError
		if !errors.As(err, &unknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("it took %v", d)
		}
	})
	t.Run("a write ends with the timeout of a request", func(t *testing.T) {
		var p proxy
		c := admin(lab)
		c.Dial, c.Timeout = p.dial, 2*time.Second
		s := dial(t, c)
		d := descriptorOf(t, s, ou)
		p.stall()
		start := time.Now()
		err := s.WriteDACL(t.Context(), ou, d)
		var unknown *ConnectionError
		if !errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d < 1500*time.Millisecond || d > 6*time.Second {
			t.Errorf("it took %v, want 2 s", d)
		}
	})
	t.Run("a bind ends with the timeout", func(t *testing.T) {
		var p proxy
		p.stall()
		c := admin(lab)
		c.Dial, c.Timeout = p.dial, time.Second
		_, err := Dial(t.Context(), c)
		var bind *BindError
		if !errors.As(err, &bind) || bind.Stage != StageBind || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestLabNothingIsInClear(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "clear")
	var p proxy
	c := admin(lab)
	c.Dial = p.dial
	s := dial(t, c)
	p.mu.Lock()
	bound := p.sent.Len()
	p.mu.Unlock()
	d := descriptorOf(t, s, ou)
	if err := s.WriteDACL(t.Context(), ou, d); err != nil {
		t.Fatal(err)
	}
	if bound == 0 {
		t.Fatal("nothing was recorded")
	}
	password, err := os.ReadFile(lab.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sent, came := p.sent.Bytes(), p.came.Bytes()
	if !bytes.Contains(sent[:bound], []byte("GSS-SPNEGO")) {
		t.Error("the record has no bind")
	}
	if len(sent) == bound {
		t.Error("the record has nothing after the bind")
	}
	for _, word := range []string{"nTSecurityDescriptor", "ntsecuritydescriptor", "1.2.840.113556.1.4.801", ou, "objectClass", string(d[:16]), string(bytes.TrimSpace(password))} {
		if bytes.Contains(sent, []byte(word)) || bytes.Contains(came, []byte(word)) {
			t.Errorf("%q went in clear", word)
		}
	}
	// What follows the bind is buffers with their length and a wrap token's header: a
	// sealed one, of the initiator, under the acceptor's subkey.
	for rest := sent[bound:]; len(rest) > 0; {
		n := 4 + int(uint32(rest[0])<<24|uint32(rest[1])<<16|uint32(rest[2])<<8|uint32(rest[3]))
		if n > len(rest) || !bytes.HasPrefix(rest[4:], []byte{5, 4, 6, 0xff}) {
			t.Fatalf("not a sealed buffer: % x", rest[:min(20, len(rest))])
		}
		rest = rest[n:]
	}
}

func TestLabConcurrentReads(t *testing.T) {
	lab := labtest.Require(t)
	s := dial(t, admin(lab))
	var wg sync.WaitGroup
	counts := make([]int, 4)
	for i := range counts {
		wg.Go(func() {
			for _, err := range s.Read(t.Context(), directory.Query{Base: "CN=Schema,CN=Configuration," + lab.BaseDN, Scope: directory.OneLevel, Descriptor: true}) {
				if err != nil {
					t.Error(err)
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	for _, n := range counts {
		if n != counts[0] || n < 1000 {
			t.Errorf("objects read: %v", counts)
			break
		}
	}
}
