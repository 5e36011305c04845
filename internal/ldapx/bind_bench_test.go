package ldapx

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// far is a network in which everything takes a round trip longer, and which counts how many
// of them come one after the other: what waits for nothing but the clock costs nothing.
type far struct {
	trip time.Duration
	now  atomic.Int64 // how many round trips have been waited for until now
}

// wait raises the count to a moment that has come.
func (f *far) wait(until int64) {
	for {
		now := f.now.Load()
		if now >= until || f.now.CompareAndSwap(now, until) {
			return
		}
	}
}

// dial takes a round trip: a connection is made of a question and an answer.
func (f *far) dial(ctx context.Context, network, address string) (net.Conn, error) {
	asked := f.now.Load()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	time.Sleep(f.trip)
	f.wait(asked + 1)
	c := &farConn{Conn: conn, far: f, come: make(chan arrival, 1024)}
	go c.receive()
	return c, nil
}

// farConn delays what comes by a whole round trip, and what goes by none.
type farConn struct {
	net.Conn
	far   *far
	asked atomic.Int64 // when something was last sent, in round trips
	come  chan arrival
	rest  arrival
}

type arrival struct {
	at   time.Time
	data []byte
	err  error
}

func (c *farConn) receive() {
	for {
		b := make([]byte, 64<<10)
		n, err := c.Conn.Read(b)
		c.come <- arrival{time.Now().Add(c.far.trip), b[:n], err}
		if err != nil {
			return
		}
	}
}

func (c *farConn) Write(p []byte) (int, error) {
	c.asked.Store(c.far.now.Load())
	return c.Conn.Write(p)
}

func (c *farConn) Read(p []byte) (int, error) {
	for len(c.rest.data) == 0 {
		if c.rest.err != nil {
			return 0, c.rest.err
		}
		a, ok := <-c.come
		if !ok {
			return 0, io.EOF
		}
		time.Sleep(time.Until(a.at))
		c.rest = a
		if len(a.data) > 0 {
			c.far.wait(c.asked.Load() + 1)
		}
	}
	n := copy(p, c.rest.data)
	c.rest.data = c.rest.data[n:]
	return n, nil
}

// The time of one bind, here and over a network with 50 ms of latency. requests/op are the
// requests to the KDC and the domain controller; trips/op are the round trips that come one
// after the other, those that make connections included.
func BenchmarkLabBind(b *testing.B) {
	lab := labtest.Require(b)
	user := lab.CreateUser(b, "bench", secret)
	ccache := kinit(b, lab, user.SAMAccountName, "")
	service := kinit(b, lab, user.SAMAccountName, "kvno ldap/"+lab.DC+" >/dev/null;")
	trust := roots(b, lab.CAFile)
	credentials := []struct {
		name string
		c    Config
	}{
		{"password", as(lab, user.SAMAccountName, secret)},
		{"keytab", Config{DC: lab.DC, User: user.SAMAccountName, Keytab: lab.Keytab(b, user.SAMAccountName)}},
		{"ccache", Config{DC: lab.DC, CCache: ccache}},
		{"service-ticket", Config{DC: lab.DC, CCache: service}},
	}
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		for _, transport := range transports {
			for _, mechanism := range []gss.Mechanism{gss.SPNEGO, gss.GSSAPI} {
				for _, credential := range credentials {
					b.Run(fmt.Sprintf("%v/%s/%s/%s", latency, transport, mechanism, credential.name), func(b *testing.B) {
						c := credential.c
						c.Transport, c.Mechanism, c.Roots = transport, mechanism, trust
						var requests, trips int64
						for b.Loop() {
							network := &far{trip: latency}
							if latency > 0 {
								c.Dial = network.dial
							}
							s, err := Dial(b.Context(), c)
							if err != nil {
								b.Fatal(err)
							}
							requests, trips = s.Stats().RoundTrips, network.now.Load()
							s.Close()
						}
						b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
						b.ReportMetric(0, "ns/op")
						b.ReportMetric(float64(requests), "requests/op")
						if latency > 0 {
							b.ReportMetric(float64(trips), "trips/op")
						}
					})
				}
			}
		}
	}
}
