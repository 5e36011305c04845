package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/gmsactl/gmsactl/internal/netlogon"
)

const (
	one   = "dc1.corp.example"
	two   = "dc2.corp.example"
	three = "dc3.corp.example"
)

func TestFind(t *testing.T) {
	tests := []struct {
		name  string
		setup func(w *world)
		query Query
		want  string // hosts in their order, or what the error says
		fails string // what is said of those that cannot be used
	}{
		{"the client's site comes first", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Branch")
			w.dc(two, "192.0.2.2", writable|netlogon.Closest, "Branch", "Branch")
			w.record(everywhere, one, two)
		}, Query{}, "dc2 dc1", ""},
		{"who is near is looked up once more where nobody who answers is", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Branch")
			w.dc(two, "192.0.2.2", writable|netlogon.Closest, "Branch", "Branch")
			w.record(everywhere, one)
			w.record(branch, two)
		}, Query{}, "dc2 dc1", ""},
		{"a site without records changes nothing", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Nowhere")
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"a site whose name would lead out of DNS's tree is not looked up", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "x y")
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"the next closest site counts", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Branch")
			w.dc(two, "192.0.2.2", writable|netlogon.Closest, "Town", "Branch")
			w.record(everywhere, one, two)
		}, Query{}, "dc2 dc1", ""},
		{"a site by choice beats the client's", func(w *world) {
			w.dc(one, "192.0.2.1", writable|netlogon.Closest, "Main", "Main")
			w.dc(two, "192.0.2.2", writable, "Branch", "Main")
			w.record(everywhere, one, two)
			w.record(branch, two)
		}, Query{Site: "Branch"}, "dc2 dc1", ""},
		{"a site by choice that does not exist is an error", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Main")
			w.record(everywhere, one)
		}, Query{Site: "Typo"}, "no domain controllers in DNS for corp.example (_ldap._tcp.Typo._sites.dc._msdcs.corp.example)", ""},
		{"a site by choice is a name and nothing else", func(w *world) {}, Query{Site: "a.b"}, `site "a.b"`, ""},
		{"the PDC emulator by choice", func(w *world) {
			w.dc(one, "192.0.2.1", writable|netlogon.PDC, "Main", "Branch")
			w.dc(two, "192.0.2.2", writable|netlogon.Closest, "Branch", "Branch")
			w.record(everywhere, one, two)
			w.record("_ldap._tcp.pdc._msdcs.corp.example", one)
		}, Query{PDC: true}, "dc1 dc2", ""},
		{"without a record of the PDC emulator the others do", func(w *world) {
			w.dc(two, "192.0.2.2", writable, "Main", "Main")
			w.record(everywhere, two)
		}, Query{PDC: true}, "dc2", ""},
		{"a record makes nobody the PDC emulator who does not say so", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Branch")
			w.dc(two, "192.0.2.2", writable, "Branch", "Branch")
			w.record(everywhere, one, two)
			w.record("_ldap._tcp.pdc._msdcs.corp.example", one)
		}, Query{PDC: true}, "dc2 dc1", ""},
		{"a read-only one is the last resort, however close", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Branch")
			w.dc(two, "192.0.2.2", readOnly|netlogon.Closest, "Branch", "Branch")
			w.record(everywhere, one)
			w.record(branch, two)
		}, Query{}, "dc1 dc2", ""},
		{"one that does not say that it is writable is not", func(w *world) {
			w.dc(one, "192.0.2.1", writable&^netlogon.Writable, "Main", "Main")
			w.record(everywhere, one)
		}, Query{Writable: true}, "dc1.corp.example: it is read-only", ""},
		{"no read-only one to write to", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Main")
			w.dc(two, "192.0.2.2", readOnly, "Main", "Main")
			w.record(everywhere, one, two)
		}, Query{Writable: true}, "dc1", "dc2.corp.example: it is read-only"},
		{"the order of priorities", func(w *world) {
			for i, host := range []string{one, two, three} {
				w.dc(host, fmt.Sprintf("192.0.2.%d", i+1), writable, "Main", "Main")
				w.srv[everywhere] = append(w.srv[everywhere], net.SRV{Target: host + ".", Port: ldapPort, Priority: uint16(9 - i)})
			}
		}, Query{}, "dc3 dc2 dc1", ""},
		{"TCP where UDP is dropped", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Main").udp = silent
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"TCP where UDP is refused", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Main").udp = refuses
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"UDP where TCP is refused", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Main").tcp = refuses
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"an answer that comes a byte at a time", func(w *world) {
			f := w.dc(one, "192.0.2.1", writable, "Main", "Main")
			f.udp, f.tcp = silent, drips
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"TCP where UDP brings garbage", func(w *world) {
			w.dc(one, "192.0.2.1", writable, "Main", "Main").udp = garbles
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"garbage both ways", func(w *world) {
			f := w.dc(one, "192.0.2.1", writable, "Main", "Main")
			f.udp, f.tcp = garbles, garbles
			w.dc(two, "192.0.2.2", writable, "Main", "Main")
			w.record(everywhere, one, two)
		}, Query{}, "dc2", "dc1.corp.example: "},
		{"all of them down", func(w *world) {
			for i, host := range []string{one, two} {
				f := w.dc(host, fmt.Sprintf("192.0.2.%d", i+1), writable, "Main", "Main")
				f.udp, f.tcp = refuses, refuses
			}
			w.record(everywhere, one, two)
		}, Query{}, "no domain controller of corp.example can be used: ", ""},
		{"one that is down is told", func(w *world) {
			f := w.dc(one, "192.0.2.1", writable, "Main", "Main")
			f.udp, f.tcp = refuses, refuses
			w.dc(two, "192.0.2.2", writable, "Main", "Main")
			w.record(everywhere, one, two)
		}, Query{}, "dc2", "dc1.corp.example: 192.0.2.1: UDP port 389: connection refused; TCP port 389: connection refused"},
		{"one that says nothing is not waited for", func(w *world) {
			f := w.dc(one, "192.0.2.1", writable, "Main", "Main")
			f.udp, f.tcp = silent, silent
			w.dc(two, "192.0.2.2", writable, "Main", "Main")
			w.record(everywhere, one, two)
		}, Query{}, "dc2", "dc1.corp.example: it had not answered"},
		{"nobody says anything", func(w *world) {
			w.locator.Timeout = 400 * time.Millisecond
			f := w.dc(one, "192.0.2.1", writable, "Main", "Main")
			f.udp, f.tcp = silent, silent
			w.record(everywhere, one)
		}, Query{}, "dc1.corp.example: no answer within 400ms to UDP or TCP port 389 (192.0.2.1)", ""},
		{"one of two addresses is dead", func(w *world) {
			w.hosts[one] = []string{"192.0.2.9"}
			w.dc(one, "192.0.2.1", writable, "Main", "Main")
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
		{"a host that DNS has no address of", func(w *world) {
			w.record(everywhere, one)
		}, Query{}, "dc1.corp.example: DNS has no address of it", ""},
		{"a domain controller of another domain", func(w *world) {
			w.dc(one, "192.0.2.1", 0, "", "").answer = done
			w.record(everywhere, one)
		}, Query{}, netlogon.ErrNotHosted.Error(), ""},
		{"one that claims another domain", func(w *world) {
			w.dc(one, "192.0.2.1", 0, "", "").answer = says(writable, one, "evil.example", "Main", "Main")
			w.record(everywhere, one)
		}, Query{}, "it is of the domain evil.example", ""},
		{"one that calls itself something else", func(w *world) {
			w.dc(one, "192.0.2.1", 0, "", "").answer = says(writable, "dc9.corp.example", "corp.example", "Main", "Main")
			w.record(everywhere, one)
		}, Query{}, "it calls itself dc9.corp.example", ""},
		{"one without a KDC", func(w *world) {
			w.dc(one, "192.0.2.1", writable&^netlogon.KDC, "Main", "Main")
			w.record(everywhere, one)
		}, Query{}, "it does not serve both LDAP and Kerberos", ""},
		{"a name outside the domain is not even asked", func(w *world) {
			w.dc("dc1.evil.example", "192.0.2.66", writable, "Main", "Main")
			w.dc(one, "192.0.2.1", writable, "Main", "Main")
			w.record(everywhere, "dc1.evil.example", one)
		}, Query{}, "dc1", "dc1.evil.example: its name dc1.evil.example is not below corp.example"},
		{"nor one that only ends like the domain", func(w *world) {
			w.record(everywhere, "dc1.xcorp.example")
		}, Query{}, "its name dc1.xcorp.example is not below corp.example", ""},
		{"a port that no domain controller has", func(w *world) {
			w.srv[everywhere] = []net.SRV{{Target: one + ".", Port: 22}}
		}, Query{}, "DNS says port 22", ""},
		{"no such domain", func(w *world) {}, Query{}, "no domain controllers in DNS for corp.example (_ldap._tcp.dc._msdcs.corp.example)", ""},
		{"a domain that says that it has none", func(w *world) {
			w.srv[everywhere] = []net.SRV{{Target: ".", Port: 0}}
		}, Query{}, "can be used", ""},
		{"a DNS server that fails", func(w *world) {
			w.code = dnsmessage.RCodeServerFailure
		}, Query{}, "look up the domain controllers of corp.example (_ldap._tcp.dc._msdcs.corp.example): server misbehaving", ""},
		{"a list that does not fit a datagram", func(w *world) {
			w.truncate = true
			w.dc(one, "192.0.2.1", writable, "Main", "Main")
			w.record(everywhere, one)
		}, Query{}, "dc1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.setup(w)
			tt.query.Domain = "Corp.Example."
			found, err := w.start().Find(t.Context(), tt.query)
			if _, asked := w.asked.Load("192.0.2.66"); asked {
				t.Error("an address outside the domain was dialed")
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) || strings.HasPrefix(tt.want, "dc") && !strings.Contains(tt.want, ":") {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			var hosts, failures []string
			for _, d := range found.DCs {
				short, _, _ := strings.Cut(d.Host, ".")
				hosts = append(hosts, short)
			}
			for _, f := range found.Failures {
				failures = append(failures, f.String())
			}
			if got := strings.Join(hosts, " "); got != tt.want {
				t.Errorf("got %q, want %q (%q)", got, tt.want, failures)
			}
			if got := strings.Join(failures, "\n"); !strings.Contains(got, tt.fails) || tt.fails == "" && got != "" {
				t.Errorf("failures %q, want %q", got, tt.fails)
			}
		})
	}
}

func TestThousandsOfRecords(t *testing.T) {
	w := newWorld(t)
	w.truncate = true
	for i := range 1200 { // as many as a DNS message holds
		host := fmt.Sprintf("h%d.corp.example", i)
		w.dc(host, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1), writable, "Main", "Main")
		w.record(everywhere, host)
	}
	found, err := w.start().Find(t.Context(), Query{Domain: "corp.example"})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(found.DCs); n == 0 || n > wave {
		t.Errorf("%d answered, want some of the first %d", n, wave)
	}
	if w.overTCP.Load() == 0 {
		t.Error("the list did not come over TCP")
	}
	dialed := 0
	w.asked.Range(func(any, any) bool { dialed++; return true })
	if dialed > wave {
		t.Errorf("%d were asked when the first %d had answered", dialed, wave)
	}
}

func TestNoMoreThanTheMostAreAsked(t *testing.T) {
	w := newWorld(t)
	w.truncate = true
	for i := range most + 44 {
		host := fmt.Sprintf("h%d.corp.example", i)
		f := w.dc(host, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1), writable, "Main", "Main")
		f.udp, f.tcp = refuses, refuses
		w.record(everywhere, host)
	}
	_, err := w.start().Find(t.Context(), Query{Domain: "corp.example"})
	var none *NoneError
	if !errors.As(err, &none) || len(none.Failures) != most+1 {
		t.Fatalf("got %v", err)
	}
	if last := none.Failures[most].String(); last != "44 more: no more than 256 are asked" {
		t.Errorf("the last failure is %q", last)
	}
	if !strings.HasSuffix(err.Error(), fmt.Sprintf("; and %d more", most+1-named)) {
		t.Errorf("the error is %q", err)
	}
}

func TestIPv6(t *testing.T) {
	w := newWorld(t)
	w.dc(one, "2001:db8::1", writable, "Main", "Main")
	w.record(everywhere, one)
	found, err := w.start().Find(t.Context(), Query{Domain: "corp.example"})
	if err != nil {
		t.Fatal(err)
	}
	if got := found.DCs[0].Address.String(); got != "2001:db8::1" {
		t.Errorf("the address is %s", got)
	}
}

// noAddress skips a test of IPv6 where this machine has none; every machine has 127.0.0.1.
func noAddress(t *testing.T, address string, err error) {
	t.Helper()
	if !strings.HasPrefix(address, "[::1]") {
		t.Fatal(err)
	}
	t.Skipf("no IPv6 here: %v", err)
}

// Over sockets, where a datagram is one, not over pipes.
func TestPingOverSockets(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(network+" "+address, func(t *testing.T) {
				answer := says(writable, one, "corp.example", "Main", "Main")
				var to string
				if network == "udp" {
					conn, err := net.ListenPacket("udp", address)
					if err != nil {
						noAddress(t, address, err)
					}
					defer conn.Close()
					to = conn.LocalAddr().String()
					go func() {
						b := make([]byte, 4096)
						for {
							n, from, err := conn.ReadFrom(b)
							if err != nil {
								return
							}
							_, _ = conn.WriteTo(answer(idOf(b[:n])+1), from) // to another question
							_, _ = conn.WriteTo(answer(idOf(b[:n])), from)
						}
					}()
				} else {
					l, err := net.Listen("tcp", address)
					if err != nil {
						noAddress(t, address, err)
					}
					defer l.Close()
					to = l.Addr().String()
					go func() {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						(&fake{answer: answer}).serve(conn, answers)
					}()
				}
				l := &Locator{Dial: func(ctx context.Context, n, _ string) (net.Conn, error) {
					if n != network {
						return nil, errNone
					}
					return new(net.Dialer).DialContext(ctx, n, to)
				}}
				got, err := l.ping(t.Context(), mustAddr("192.0.2.1"), "corp.example")
				if err != nil || got.Host != one {
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
	}
}

func TestCancelledSearchEnds(t *testing.T) {
	w := newWorld(t)
	f := w.dc(one, "192.0.2.1", writable, "Main", "Main")
	f.udp, f.tcp = silent, silent
	w.record(everywhere, one)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := w.start().Find(ctx, Query{Domain: "corp.example"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAsk(t *testing.T) {
	w := newWorld(t)
	w.dc(one, "192.0.2.1", readOnly, "Main", "Main")
	d, err := w.start().Ask(t.Context(), "corp.example", "DC1.corp.example")
	if err != nil || !d.ReadOnly() || d.Host != one || d.Address != mustAddr("192.0.2.1") {
		t.Errorf("got %+v, %v", d, err)
	}
	outside := (*OutsideError)(nil)
	if _, err := w.locator.Ask(t.Context(), "corp.example", "dc1.evil.example"); !errors.As(err, &outside) {
		t.Errorf("outside the domain: %v", err)
	}
	if _, err := w.locator.Ask(t.Context(), "corp.example", "192.0.2.1"); err == nil {
		t.Error("an address was taken for a name")
	}
}

func TestKDCs(t *testing.T) {
	w := newWorld(t)
	w.srv["_kerberos._tcp.corp.example"] = []net.SRV{{Target: two + ".", Port: 88, Priority: 2}, {Target: one + ".", Port: 8888, Priority: 1}}
	got, err := w.start().KDCs(t.Context(), "CORP.EXAMPLE")
	if want := []string{one + ":8888", two + ":88"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	none := (*NoRecordsError)(nil)
	if _, err := w.locator.KDCs(t.Context(), "OTHER.EXAMPLE"); !errors.As(err, &none) {
		t.Errorf("a realm without KDCs: %v", err)
	}
}

func TestDialContextPassesDeadAddresses(t *testing.T) {
	w := newWorld(t)
	dead := w.dc(one, "192.0.2.1", writable, "Main", "Main")
	dead.tcp = refuses
	w.hosts[one] = append(w.hosts[one], "192.0.2.7") // never answers
	w.dc(one, "192.0.2.2", writable, "Main", "Main")
	conn, err := w.start().DialContext(t.Context(), "tcp", one+":389")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for _, address := range []string{"nowhere.corp.example:389", one, one + ":x"} {
		if _, err := w.locator.DialContext(t.Context(), "tcp", address); err == nil {
			t.Errorf("%s was dialed", address)
		}
	}
}

func TestNewResolver(t *testing.T) {
	for _, good := range []string{"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53", "fe80::1%lo"} {
		if _, err := NewResolver(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "dns.corp.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:99999", "0.0.0.0", "[::]:53", "192.0.2", "ff02::1"} {
		if _, err := NewResolver(bad); err == nil {
			t.Errorf("%q is taken for a DNS server", bad)
		}
	}
}

func TestDomainName(t *testing.T) {
	for in, want := range map[string]string{
		"Corp.Example.": "corp.example", "corp": "corp", "_msdcs.corp.example": "_msdcs.corp.example", "1.corp.example": "1.corp.example",
		"": "", ".": "", "a..b": "", "a b.example": "", "corp.example/x": "", "192.0.2.1": "", "::1": "",
		strings.Repeat("a", 64) + ".example": "", strings.Repeat("a.", 130) + "example": "", "c\x00rp.example": "",
	} {
		if got, err := domainName(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}
