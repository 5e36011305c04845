package locate

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/gmsactl/gmsactl/internal/netlogon"
)

// world is a DNS server and domain controllers, all on loopback, and a locator that knows no other.
type world struct {
	t        *testing.T
	srv      map[string][]net.SRV
	hosts    map[string][]string
	truncate bool             // answers over UDP say that there is more
	code     dnsmessage.RCode // answers nothing but this
	overTCP  atomic.Int32     // questions
	dcs      map[string]*fake // by address
	asked    sync.Map         // addresses that were dialed
	locator  *Locator
	start    func() *Locator // when everything is in its place
}

// fake is how one domain controller behaves.
type fake struct {
	answer   func(id uint16) []byte
	udp, tcp behaviour
}

type behaviour int

const (
	answers behaviour = iota
	silent
	refuses
	garbles
	drips // a byte at a time
)

func newWorld(t *testing.T) *world {
	w := &world{t: t, srv: map[string][]net.SRV{}, hosts: map[string][]string{}, dcs: map[string]*fake{}}
	udp, tcp := listenBoth(t)
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	w.start = func() *Locator {
		go w.serveUDP(udp)
		go w.serveTCP(tcp)
		return w.locator
	}
	resolver, err := NewResolver(udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.locator = &Locator{Resolver: resolver, Dial: w.dial, Timeout: defaultTimeout}
	return w
}

// listenBoth listens with UDP and TCP on one port. One that is free for the one need not be for
// the other.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for try := 0; ; try++ {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		udp.Close()
		if try == 20 {
			t.Fatal(err)
		}
	}
}

func (w *world) serveUDP(conn net.PacketConn) {
	b := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(w.reply(b[:n], w.truncate), from)
	}
}

func (w *world) serveTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			head := make([]byte, 2)
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			b := make([]byte, binary.BigEndian.Uint16(head))
			if _, err := io.ReadFull(conn, b); err != nil {
				return
			}
			w.overTCP.Add(1)
			reply := w.reply(b, false)
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
		}()
	}
}

func (w *world) reply(question []byte, truncate bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")
	_, service := w.srv[name]
	_, host := w.hosts[name]
	h.Response, h.Authoritative, h.RecursionAvailable, h.Truncated, h.RCode = true, true, true, truncate, w.code
	if !service && !host && w.code == 0 {
		h.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	_ = b.StartQuestions()
	_ = b.Question(q)
	_ = b.StartAnswers()
	resource := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
	if h.RCode == 0 && !truncate {
		if q.Type == dnsmessage.TypeSRV {
			for _, r := range w.srv[name] {
				_ = b.SRVResource(resource, dnsmessage.SRVResource{Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: dnsmessage.MustNewName(r.Target)})
			}
		}
		for _, a := range w.hosts[name] {
			addr := netip.MustParseAddr(a)
			switch {
			case q.Type == dnsmessage.TypeA && addr.Is4():
				_ = b.AResource(resource, dnsmessage.AResource{A: addr.As4()})
			case q.Type == dnsmessage.TypeAAAA && addr.Is6():
				_ = b.AAAAResource(resource, dnsmessage.AAAAResource{AAAA: addr.As16()})
			}
		}
	}
	out, err := b.Finish()
	if err != nil {
		w.t.Error(err)
	}
	return out
}

// dial leads to the fakes, whatever their addresses: 192.0.2.1 is none of this machine.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	at := netip.MustParseAddrPort(address)
	w.asked.Store(at.Addr().String(), true)
	f := w.dcs[at.Addr().String()]
	if at.Port() != ldapPort || f == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	how := f.udp
	if network == "tcp" {
		how = f.tcp
	}
	if how == refuses {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	go f.serve(there, how)
	return here, nil
}

func (f *fake) serve(conn net.Conn, how behaviour) {
	b := make([]byte, 4096)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		reply := f.answer(idOf(b[:n]))
		switch how {
		case silent:
			continue
		case garbles:
			_, _ = conn.Write(reply[:len(reply)/2])
			reply = []byte("\x30\x84\xff\xff\xff\xff garbage")
		case drips:
			for i := range reply {
				if _, err := conn.Write(reply[i : i+1]); err != nil {
					return
				}
			}
			continue
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// idOf reads the message ID of a question.
func idOf(b []byte) uint16 {
	id := uint16(0)
	for _, c := range b[4 : 4+b[3]] {
		id = id<<8 | uint16(c)
	}
	return id
}

// says is what a domain controller answers with.
func says(flags netlogon.Flags, host, domain, site, clientSite string) func(id uint16) []byte {
	value := binary.LittleEndian.AppendUint32([]byte{23, 0, 0, 0}, uint32(flags))
	value = append(value, make([]byte, 16)...)
	for _, name := range []string{domain, domain, host, "CORP", "DC", "", site, clientSite} {
		for label := range strings.SplitSeq(name, ".") {
			if label != "" {
				value = append(append(value, byte(len(label))), label...)
			}
		}
		value = append(value, 0)
	}
	value = append(value, 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
	return func(id uint16) []byte {
		attr := tlv(0x30, tlv(4, []byte("Netlogon")), tlv(0x31, tlv(4, value)))
		return append(message(id, tlv(0x64, tlv(4), tlv(0x30, attr))), done(id)...)
	}
}

func done(id uint16) []byte { return message(id, tlv(0x65, []byte{0x0a, 1, 0, 4, 0, 4, 0})) }

func message(id uint16, op []byte) []byte {
	return tlv(0x30, []byte{2, 3, 0, byte(id >> 8), byte(id)}, op)
}

func tlv(tag byte, parts ...[]byte) []byte {
	var content []byte
	for _, p := range parts {
		content = append(content, p...)
	}
	n := len(content)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
}

const (
	writable = netlogon.Writable | netlogon.LDAP | netlogon.KDC | netlogon.Full
	readOnly = netlogon.ReadOnly | netlogon.LDAP | netlogon.KDC
)

// dc puts a domain controller of corp.example at an address and under its name.
func (w *world) dc(host, address string, flags netlogon.Flags, site, clientSite string) *fake {
	f := &fake{answer: says(flags, host, "corp.example", site, clientSite)}
	w.dcs[address] = f
	w.hosts[host] = append(w.hosts[host], address)
	return f
}

const (
	everywhere = "_ldap._tcp.dc._msdcs.corp.example"
	branch     = "_ldap._tcp.branch._sites.dc._msdcs.corp.example"
)

func (w *world) record(name string, hosts ...string) {
	for _, h := range hosts {
		w.srv[name] = append(w.srv[name], net.SRV{Target: h + ".", Port: ldapPort, Weight: 100})
	}
}

var errNone = errors.New("none")

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }
