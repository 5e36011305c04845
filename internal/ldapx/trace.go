package ldapx

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/krb5"
)

// Trace is told what goes over the wire: dials, messages of Kerberos and of LDAP, with names,
// sizes and times. It never gets a password, a key, a token, or a value of an attribute; a
// name or a server's message may hold anything else, what a terminal obeys too. Each call is
// for one line; several goroutines may call at once. A nil Trace costs nothing.
type Trace func(format string, args ...any)

// dialing tells of each connection, and of what goes over it where it is one to a KDC.
func (t Trace) dialing(dial dialFunc) dialFunc {
	if t == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		begun := time.Now()
		t("connect to %s over %s", address, network)
		conn, err := dial(ctx, network, address)
		if err != nil {
			t("connect to %s: %v, after %s", address, err, since(begun))
			return nil, err
		}
		t("connected to %s, %s", conn.RemoteAddr(), since(begun))
		return conn, nil
	}
}

// kdc tells of the one request and the one reply of each connection to a KDC.
func (t Trace) kdc(dial dialFunc) dialFunc {
	if t == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &kdcConn{Conn: conn, trace: t}, nil
	}
}

// kdcConn reads along. RFC 4120, 7.2.2: four bytes of length are before each message.
type kdcConn struct {
	net.Conn
	trace Trace
	sent  time.Time
	reply []byte
	once  sync.Once
}

func (c *kdcConn) Write(b []byte) (int, error) {
	c.sent = time.Now()
	if len(b) > 4 {
		c.trace("> %s; %d bytes", krb5.Describe(b[4:], c.sent), len(b))
	}
	return c.Conn.Write(b)
}

func (c *kdcConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.reply = append(c.reply, b[:n]...)
	if len(c.reply) > 4 && uint64(len(c.reply)) >= 4+uint64(binary.BigEndian.Uint32(c.reply)) {
		c.tell(nil)
	} else if err != nil {
		c.tell(err)
	}
	return n, err
}

func (c *kdcConn) tell(err error) {
	c.once.Do(func() {
		if err != nil {
			c.trace("< no reply of the KDC: %v, after %s", err, since(c.sent))
			return
		}
		c.trace("< %s; %d bytes, %s", krb5.Describe(c.reply[4:], time.Now()), len(c.reply), since(c.sent))
	})
	c.reply = nil
}

// tls tells of a handshake: what it came to, and the server's certificate.
func (t Trace) tls(conn *tls.Conn, begun time.Time, err error) {
	switch {
	case t == nil:
	case err != nil:
		t("TLS: %v, after %s", err, since(begun))
	default:
		s := conn.ConnectionState()
		leaf := s.PeerCertificates[0]
		t("%s with %s, %s; certificate of %s by %s until %s, signed with %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), since(begun),
			leaf.Subject, leaf.Issuer, leaf.NotAfter.UTC().Format(time.RFC3339), leaf.SignatureAlgorithm)
	}
}

// bound tells of a bind that came about: the server has proven who it is.
func (t Trace) bound(s Server, trips int64) {
	if t == nil {
		return
	}
	t("bound to ldap/%s@%s as %s, bind requests: %d, session key %s, until %s",
		s.Host, s.Realm, s.Identity, trips, s.EncryptionType, s.TicketEnds.UTC().Format(time.RFC3339))
}

// ldap tells of the messages of LDAP that go over a connection in clear, before it is
// sealed or inside of it.
func (t Trace) ldap(conn net.Conn) net.Conn {
	if t == nil {
		return conn
	}
	return &ldapConn{Conn: conn, trace: t, asked: map[int64]*asked{}}
}

// ldapConn reads along. Each Write is of one whole message.
type ldapConn struct {
	net.Conn
	trace Trace

	mu    sync.Mutex
	asked map[int64]*asked // by the number of the message
	in    []byte           // of a message that is not whole
	lost  bool
}

// asked is a request without its answer.
type asked struct {
	what    string
	at      time.Time
	entries int
	bytes   int
}

func (c *ldapConn) Write(b []byte) (int, error) {
	if id, what, done := describeRequest(b); what != "" {
		c.trace("> %d %s; %d bytes", id, what, len(b))
		if !done {
			kind, _, _ := strings.Cut(what, " ")
			c.mu.Lock()
			c.asked[id] = &asked{what: kind, at: time.Now()}
			c.mu.Unlock()
		}
	}
	return c.Conn.Write(b)
}

func (c *ldapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && !c.lost {
		c.in = append(c.in, b[:n]...)
		c.messages()
	}
	return n, err
}

// messages takes whole messages off c.in.
func (c *ldapConn) messages() {
	used := 0
	for {
		n, whole := messageSize(c.in[used:])
		if n < 0 {
			c.trace("< what is not LDAP")
			c.lost, c.in = true, nil
			return
		}
		if !whole {
			break
		}
		c.message(c.in[used : used+n])
		used += n
	}
	c.in = append(c.in[:0], c.in[used:]...)
}

// messageSize is the size of the message that b begins with, and whether all of it is there;
// negative where b begins with none.
func messageSize(b []byte) (n int, whole bool) {
	switch {
	case len(b) == 0:
		return 0, false
	case b[0] != 0x30:
		return -1, false
	case len(b) < 2:
		return 0, false
	case b[1] < 0x80:
		n = 2 + int(b[1])
		return n, len(b) >= n
	}
	size := int(b[1] & 0x7f)
	if size == 0 || size > 4 {
		return -1, false
	}
	if len(b) < 2+size {
		return 0, false
	}
	length := uint64(0)
	for _, octet := range b[2 : 2+size] {
		length = length<<8 | uint64(octet)
	}
	if length > maxMessage {
		return -1, false
	}
	n = 2 + size + int(length)
	return n, len(b) >= n
}

// message tells of one message of the server's, or counts it where it is one of many.
func (c *ldapConn) message(b []byte) {
	id, op := numberAndKind(b)
	a := c.asked[id]
	if a == nil {
		a = &asked{at: time.Now()}
	}
	a.bytes += len(b)
	switch op {
	case ldap.ApplicationSearchResultEntry:
		a.entries++
		return
	case ldap.ApplicationSearchResultReference:
		return
	}
	delete(c.asked, id)
	what := a.what
	switch {
	case id == 0:
		what = "notice"
	case what == "":
		what = "answer to nothing that was asked"
	}
	said := describeResult(b)
	if op == ldap.ApplicationSearchResultDone {
		said += fmt.Sprintf("; entries: %d", a.entries)
	}
	c.trace("< %d %s: %s; %d bytes, %s", id, what, said, a.bytes, since(a.at))
}

// numberAndKind are the number of a message and the tag of its operation, without decoding
// what may be large; -1 where it has none.
func numberAndKind(b []byte) (id int64, op ber.Tag) {
	head := 2
	if b[1] >= 0x80 {
		head += int(b[1] & 0x7f)
	}
	b = b[head:]
	if len(b) < 3 || b[0] != 2 || b[1] > 8 || len(b) < 3+int(b[1]) {
		return -1, 0
	}
	for _, octet := range b[2 : 2+b[1]] {
		id = id<<8 | int64(octet)
	}
	return id, ber.Tag(b[2+b[1]] & 0x1f)
}

// decode is a packet of b; nil where it is none.
func decode(b []byte) (p *ber.Packet) {
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	p, err := ber.DecodePacketErr(b)
	if err != nil || len(p.Children) < 2 {
		return nil
	}
	return p
}

// describeRequest says what a request asks; done where no answer is to come.
func describeRequest(b []byte) (id int64, what string, done bool) {
	id, _ = numberAndKind(append([]byte{0x30, 0}, skipHead(b)...))
	p := decode(b)
	if p == nil {
		return id, "", false
	}
	defer func() {
		if recover() != nil {
			what = "a request"
		}
	}()
	op := p.Children[1]
	switch op.Tag {
	case ldap.ApplicationBindRequest:
		auth := op.Children[2]
		token := 0
		if len(auth.Children) > 1 {
			token = len(auth.Children[1].ByteValue)
		}
		what = fmt.Sprintf("bind by %s, with a token of %d bytes", auth.Children[0].ByteValue, token)
	case ldap.ApplicationSearchRequest:
		filter, err := ldap.DecompileFilter(op.Children[6])
		if err != nil {
			filter = "a filter that cannot be read"
		}
		if len(filter) > maxFilterText {
			filter = fmt.Sprintf("%s... (%d bytes more)", filter[:maxFilterText], len(filter)-maxFilterText)
		}
		var attrs []string
		for _, a := range op.Children[7].Children {
			attrs = append(attrs, string(a.ByteValue))
		}
		scope := "unknown scope"
		if n, ok := op.Children[1].Value.(int64); ok && n >= 0 && int(n) < len(scopeNames) {
			scope = scopeNames[n]
		}
		what = fmt.Sprintf("search %s, %s, %s, for %s", name(string(op.Children[0].ByteValue)), scope, filter, strings.Join(attrs, " "))
	case ldap.ApplicationModifyRequest:
		what = "modify " + string(op.Children[0].ByteValue)
		for _, change := range op.Children[1].Children {
			size := 0
			for _, v := range change.Children[1].Children[1].Children {
				size += len(v.ByteValue)
			}
			what += fmt.Sprintf(", %s: %d bytes", change.Children[1].Children[0].ByteValue, size)
		}
	case ldap.ApplicationExtendedRequest:
		oid := op.Children[0].Data.String()
		what = "extended operation " + oid
		if name := extendedNames[oid]; name != "" {
			what += " (" + name + ")"
		}
	case ldap.ApplicationUnbindRequest:
		what, done = "unbind", true
	case ldap.ApplicationAbandonRequest:
		what, done = "abandon", true
	default:
		what = fmt.Sprintf("operation %d", op.Tag)
	}
	if len(p.Children) > 2 {
		var controls []string
		for _, c := range p.Children[2].Children {
			controls = append(controls, controlText(c))
		}
		what += "; controls: " + strings.Join(controls, ", ")
	}
	return id, what, done
}

// maxFilterText is how much of a filter is told, in bytes: one may name a thousand SIDs.
const maxFilterText = 300

func skipHead(b []byte) []byte {
	head := 2
	if len(b) > 1 && b[1] >= 0x80 {
		head += int(b[1] & 0x7f)
	}
	return b[min(head, len(b)):]
}

var (
	scopeNames    = []string{"base", "one level", "subtree"}
	extendedNames = map[string]string{"1.3.6.1.4.1.4203.1.11.3": "who am I", "1.3.6.1.4.1.1466.20037": "StartTLS"}
	controlNames  = map[string]string{oidShowDeleted: "show deleted", oidSDFlags: "SD flags", oidDomainScope: "domain scope", oidExtendedDN: "extended DN", ldap.ControlTypePaging: "paged results"}
)

// controlText is the name of a control, and what is in those that this package sends.
func controlText(c *ber.Packet) string {
	oid := string(c.Children[0].ByteValue)
	text := controlNames[oid]
	if text == "" {
		return oid
	}
	value := decode(c.Children[len(c.Children)-1].ByteValue)
	if oid == ldap.ControlTypePaging && value != nil {
		return fmt.Sprintf("%s (%v, cookie of %d bytes)", text, value.Children[0].Value, len(value.Children[1].ByteValue))
	}
	return text
}

// describeResult says what an answer says in clear. RFC 4511, 4.1.9, 4.2.2. Who sent it need not have proven anything:
// it is read without what a decoder copies for each level of nesting.
func describeResult(b []byte) string {
	const unreadable = "cannot be read"
	_, message, ok := openMessage(b)
	if !ok {
		return unreadable
	}
	op, content, _, ok := element(message)
	if !ok {
		return unreadable
	}
	result, rest, ok := parseResult(content)
	if !ok {
		return unreadable
	}
	text := fmt.Sprintf("result %d", result.ResultCode)
	if name, known := ldap.LDAPResultCodeMap[result.ResultCode]; known {
		text += " (" + strings.ToLower(name) + ")"
	}
	if result.MatchedDN != "" {
		text += ", matched " + result.MatchedDN
	}
	if message := strings.TrimRight(result.Err.Error(), "\x00\r\n "); message != "" {
		text += ", message " + message
	}
	for op == 0x60|ldap.ApplicationBindResponse && len(rest) > 0 {
		var tag byte
		var value []byte
		if tag, value, rest, ok = element(rest); !ok {
			break
		}
		if tag == tagCredentials {
			text += fmt.Sprintf(", with a token of %d bytes", len(value))
		}
	}
	return text
}

func since(begun time.Time) string {
	return fmt.Sprintf("%.1f ms", float64(time.Since(begun).Microseconds())/1000)
}
