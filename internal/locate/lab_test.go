package locate

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/netlogon"
)

func labLocator(t *testing.T, lab *labtest.Lab) *Locator {
	t.Helper()
	r, err := NewResolver(lab.DNS)
	if err != nil {
		t.Fatal(err)
	}
	return &Locator{Resolver: r}
}

// from has a locator's connections come from an address.
func from(address string) func(ctx context.Context, network, to string) (net.Conn, error) {
	ip := net.ParseIP(address)
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		var local net.Addr = &net.TCPAddr{IP: ip}
		if network == "udp" {
			local = &net.UDPAddr{IP: ip}
		}
		return (&net.Dialer{LocalAddr: local}).DialContext(ctx, network, to)
	}
}

func hosts(found *Found) string {
	var out []string
	for _, d := range found.DCs {
		out = append(out, d.Host)
	}
	return strings.Join(out, " ")
}

func TestLabFind(t *testing.T) {
	lab := labtest.Require(t)
	tests := []struct {
		name  string
		from  string
		query Query
		want  []string
		site  string
	}{
		{"from the default site", lab.HomeAddress, Query{}, []string{lab.DC, lab.SecondDC}, "Default-First-Site-Name"},
		{"from the branch", lab.BranchAddress, Query{}, []string{lab.SecondDC, lab.DC}, "Branch"},
		{"the PDC emulator from the branch", lab.BranchAddress, Query{PDC: true}, []string{lab.DC, lab.SecondDC}, "Branch"},
		{"the branch by choice", lab.HomeAddress, Query{Site: "branch"}, []string{lab.SecondDC, lab.DC, lab.RODC}, "branch"},
		{"the branch by choice, writable", lab.HomeAddress, Query{Site: "branch", Writable: true}, []string{lab.SecondDC, lab.DC}, "branch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := labLocator(t, lab)
			l.Dial = from(tt.from)
			tt.query.Domain = lab.Domain
			found, err := l.Find(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := hosts(found), strings.Join(tt.want, " "); got != want || found.Site != tt.site {
				t.Errorf("got %s at %s, want %s at %s; failures %v", got, found.Site, want, tt.site, found.Failures)
			}
		})
	}
}

func TestLabReadOnlyOne(t *testing.T) {
	lab := labtest.Require(t)
	d, err := labLocator(t, lab).Ask(t.Context(), lab.Domain, lab.RODC)
	if err != nil {
		t.Fatal(err)
	}
	if !d.ReadOnly() || d.Says.Site != "Branch" || d.Says.Flags.Has(netlogon.PDC) {
		t.Errorf("got %+v", d)
	}
}

func TestLabUDPBlocked(t *testing.T) {
	lab := labtest.Require(t)
	l := labLocator(t, lab)
	l.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
		if network == "udp" {
			// A sink of this machine: what is sent there is lost.
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			to = conn.LocalAddr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	found, err := l.Find(t.Context(), Query{Domain: lab.Domain})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.DCs) < 2 {
		t.Errorf("got %s; failures %v", hosts(found), found.Failures)
	}
}

// sixth knows one address of every host. This machine's hosts file has only those of IPv4, and goes before DNS.
type sixth struct {
	Resolver
	address string
}

func (s sixth) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr(s.address)}, nil
}

func TestLabIPv6(t *testing.T) {
	lab := labtest.Require(t)
	if lab.IPv6 == "" {
		if l, err := net.Listen("tcp", "[::1]:0"); err == nil && os.Getenv("GMSACTL_LAB") == "required" {
			l.Close()
			t.Fatal("this machine has IPv6, and the lab does not")
		}
		t.Skip("the lab has no IPv6 here")
	}
	r, err := NewResolver(lab.IPv6)
	if err != nil {
		t.Fatal(err)
	}
	l := &Locator{Resolver: sixth{r, lab.IPv6}}
	found, err := l.Find(t.Context(), Query{Domain: lab.Domain})
	if err != nil {
		t.Fatal(err)
	}
	if got := found.DCs[0]; len(found.DCs) != 1 || got.Host != lab.DC || got.Address.String() != lab.IPv6 || found.Site != "" {
		t.Errorf("got %+v at site %q; failures %v", got, found.Site, found.Failures)
	}
	// The other one's name leads to the first now.
	if len(found.Failures) != 1 || !strings.Contains(found.Failures[0].String(), "it calls itself "+lab.DC) {
		t.Errorf("failures %v", found.Failures)
	}
	conn, err := l.DialContext(t.Context(), "tcp", lab.DC+":389")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestLabKDCs(t *testing.T) {
	lab := labtest.Require(t)
	got, err := labLocator(t, lab).KDCs(t.Context(), strings.ToUpper(lab.Domain))
	if err != nil || len(got) != 2 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLabStoppedOne(t *testing.T) {
	lab := labtest.Require(t)
	lab.StopSecond(t)
	begun := time.Now()
	found, err := labLocator(t, lab).Find(t.Context(), Query{Domain: lab.Domain, Site: "Branch"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hosts(found), lab.DC+" "+lab.RODC; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(found.Failures) != 1 || !strings.Contains(found.Failures[0].String(), "connection refused") {
		t.Errorf("failures %v", found.Failures)
	}
	t.Logf("found after %v", time.Since(begun))
}
