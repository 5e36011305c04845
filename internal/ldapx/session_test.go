package ldapx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
)

// one answers every request with the same.
func one(f func(r *request) []*ber.Packet) func(*dc, *request) []*ber.Packet {
	return func(_ *dc, r *request) []*ber.Packet { return f(r) }
}

func collect(t testing.TB, s *Session, q directory.Query) ([]directory.Entry, error) {
	t.Helper()
	return directory.Collect(s.Read(t.Context(), q))
}

func TestReadPages(t *testing.T) {
	var asked []*request
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		asked = append(asked, r)
		n := len(asked)
		page := &ldap.ControlPaging{}
		if n < 3 {
			page.SetCookie(fmt.Appendf(nil, "cookie %d", n))
		}
		if n == 2 {
			return []*ber.Packet{r.done(0, "", "", page)} // an empty page is not the end
		}
		return []*ber.Packet{
			r.entry(fmt.Sprintf("CN=a%d", n), values{"cn": {"a"}}),
			r.reference("ldap://other.example/DC=other"),
			r.entry(fmt.Sprintf("CN=b%d", n), values{"nTSecurityDescriptor": {"\x01\x00\xff"}}),
			r.done(0, "", "", page),
		}
	}))
	got, err := collect(t, s, directory.Query{
		Base: "DC=corp,DC=example", Scope: directory.Subtree, Attrs: []string{"cn"}, Descriptor: true,
		Any: []directory.Match{{Attr: "cn", Value: "a*)(b\x00\xff"}, {Attr: "sn", Value: "x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range got {
		names = append(names, e.DN)
	}
	if want := []string{"CN=a1", "CN=b1", "CN=a3", "CN=b3"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if v := got[1].Value("ntsecuritydescriptor"); !bytes.Equal(v, []byte("\x01\x00\xff")) {
		t.Errorf("descriptor % x", v)
	}
	for i, r := range asked {
		if r.scope != 2 || !slices.Equal(r.attrs, []string{"cn", "nTSecurityDescriptor"}) {
			t.Errorf("request %d: scope %d, attributes %v", i, r.scope, r.attrs)
		}
		if want := `(|(cn=a\2a\29\28b\00\ff)(sn=x))`; r.filter != want {
			t.Errorf("request %d: filter %s, want %s", i, r.filter, want)
		}
		if c := r.controls[oidSDFlags]; c == nil || !r.critical[oidSDFlags] || c.Children[0].Value.(int64) != 7 {
			t.Errorf("request %d: no critical SD flags control with value 7", i)
		}
		if _, ok := r.controls[oidDomainScope]; !ok {
			t.Errorf("request %d: no domain scope control", i)
		}
		page := r.controls[ldap.ControlTypePaging]
		if page == nil || page.Children[0].Value.(int64) != 1000 {
			t.Fatalf("request %d: no pages of 1000", i)
		}
		want := ""
		if i > 0 {
			want = fmt.Sprintf("cookie %d", i)
		}
		if got := string(page.Children[1].ByteValue); got != want {
			t.Errorf("request %d: cookie %q, want %q", i, got, want)
		}
	}
	if got := s.Stats().RoundTrips; got != 4 {
		t.Errorf("%d round trips, want the bind and three pages", got)
	}
}

func TestReadOfTheRootDSEIsPlain(t *testing.T) {
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		if r.base != "" || r.scope != 0 || len(r.controls) != 0 || r.filter != "(objectClass=*)" || !slices.Equal(r.attrs, []string{"dnsHostName"}) {
			return []*ber.Packet{r.done(2, "", "wrong")}
		}
		return []*ber.Packet{r.entry("", values{"DNSHOSTNAME": {"dc1.corp.example"}}), r.done(0, "", "")}
	}))
	got, err := collect(t, s, directory.Query{Attrs: []string{"dnsHostName"}})
	if err != nil || len(got) != 1 || got[0].Text("dnsHostName") != "dc1.corp.example" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNothingAskedIsNothingAnswered(t *testing.T) {
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		if !slices.Equal(r.attrs, []string{"1.1"}) {
			return []*ber.Packet{r.done(2, "", "wrong")}
		}
		return []*ber.Packet{r.entry("CN=a", nil), r.done(0, "", "")}
	}))
	if got, err := collect(t, s, directory.Query{Base: "CN=a"}); err != nil || len(got) != 1 || len(got[0].Attrs) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestReadFollowsRanges(t *testing.T) {
	var asked []string
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		asked = append(asked, r.attrs...)
		var attrs values
		switch r.attrs[0] {
		case "member":
			// As AD answers: the attribute empty, and a part of it under another name.
			attrs = values{"member": {}, "member;range=0-1": {"a", "b"}, "cn": {"g"}}
		case "member;range=2-*":
			attrs = values{"Member;Range=2-3": {"c", "d"}}
		case "member;range=4-*":
			attrs = values{"member;range=4-*": {"e"}}
		}
		return []*ber.Packet{r.entry("CN=g", attrs), r.done(0, "", "")}
	}))
	got, err := collect(t, s, directory.Query{Base: "CN=g", Attrs: []string{"member", "cn"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(got[0].Texts("member"), want) {
		t.Errorf("got %v, want %v", got[0].Texts("member"), want)
	}
	if len(got[0].Attrs) != 2 {
		t.Errorf("attributes %v", got[0].Attrs)
	}
	if want := []string{"member", "cn", "member;range=2-*", "member;range=4-*"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

func TestBrokenRangesAreErrors(t *testing.T) {
	tests := []struct {
		name  string
		first values
		then  values
	}{
		{"it starts later", values{"member;range=1-2": {"a", "b"}}, nil},
		{"fewer values than said", values{"member;range=0-2": {"a", "b"}}, nil},
		{"no numbers", values{"member;range=x-y": {"a"}}, nil},
		{"backwards", values{"member;range=3-1": {"a"}}, nil},
		{"no end", values{"member;range=0": {"a"}}, nil},
		{"then nothing", values{"member;range=0-0": {"a"}}, values{}},
		{"then an empty part", values{"member;range=0-0": {"a"}}, values{"member;range=1-*": {}}},
		{"then the same part", values{"member;range=0-0": {"a"}}, values{"member;range=0-0": {"a"}}},
		{"then a part too far", values{"member;range=0-0": {"a"}}, values{"member;range=2-*": {"a"}}},
		{"then another attribute", values{"member;range=0-0": {"a"}}, values{"memberOf;range=1-*": {"a"}}},
		{"then without a range", values{"member;range=0-0": {"a"}}, values{"member": {"a"}}},
		{"then fewer than said", values{"member;range=0-0": {"a"}}, values{"member;range=1-5": {"a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
				if n++; n == 1 {
					return []*ber.Packet{r.entry("CN=g", tt.first), r.done(0, "", "")}
				}
				return []*ber.Packet{r.entry("CN=g", tt.then), r.done(0, "", "")}
			}))
			if got, err := collect(t, s, directory.Query{Base: "CN=g", Attrs: []string{"member"}}); err == nil {
				t.Errorf("got %v", got)
			}
			if n > 2 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	for _, code := range []int64{1, 3, 4, 10, 11, 12, 34, 50, 51, 53} {
		t.Run(fmt.Sprintf("result %d after an entry", code), func(t *testing.T) {
			s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
				return []*ber.Packet{r.entry("CN=a", nil), r.done(code, "", "because\x00")}
			}))
			_, err := collect(t, s, directory.Query{Base: "DC=x", Scope: directory.OneLevel})
			var refused *ResultError
			if !errors.As(err, &refused) || int64(refused.Code) != code || refused.Message != "because" {
				t.Errorf("got %v", err)
			}
			if code == 10 && !strings.Contains(err.Error(), "read-only") {
				t.Errorf("a referral reads %q", err)
			}
		})
	}
	t.Run("no such object", func(t *testing.T) {
		s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
			return []*ber.Packet{r.done(32, "DC=x", "0000208D: NameErr")}
		}))
		_, err := collect(t, s, directory.Query{Base: "CN=a,DC=x"})
		var missing *directory.NotFoundError
		if !errors.As(err, &missing) || missing.DN != "CN=a,DC=x" || missing.Matched != "DC=x" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an attribute name that is none", func(t *testing.T) {
		s := serve(t, time.Second, one(func(r *request) []*ber.Packet { return []*ber.Packet{r.done(0, "", "")} }))
		for _, attr := range []string{"", "cn=*)(x", "cn:dn:", "c n"} {
			if _, err := collect(t, s, directory.Query{Base: "DC=x", Any: []directory.Match{{Attr: attr, Value: "x"}}}); err == nil {
				t.Errorf("%q: no error", attr)
			}
		}
		if n := s.Stats().RoundTrips; n != 1 {
			t.Errorf("%d round trips, want the bind only", n)
		}
	})
}

func TestReadMayBeLeft(t *testing.T) {
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		page := &ldap.ControlPaging{}
		page.SetCookie([]byte("more"))
		return []*ber.Packet{r.entry("CN=a", nil), r.entry("CN=b", nil), r.done(0, "", "", page)}
	}))
	for range 3 {
		for e, err := range s.Read(t.Context(), directory.Query{Base: "DC=x", Scope: directory.Subtree}) {
			if err != nil || e.DN != "CN=a" {
				t.Fatal(e.DN, err)
			}
			break
		}
	}
	if n := s.Stats().RoundTrips; n != 4 {
		t.Errorf("%d round trips, want the bind and one for each", n)
	}
}

// pages answers every search with two objects and says that there is more, up to the last.
func pages(last int) func(*dc, *request) []*ber.Packet {
	n := 0
	return one(func(r *request) []*ber.Packet {
		n++
		page := &ldap.ControlPaging{}
		if n < last {
			page.SetCookie([]byte("more"))
		}
		return []*ber.Packet{r.entry(fmt.Sprintf("CN=a%d", n), nil), r.entry(fmt.Sprintf("CN=b%d", n), nil), r.done(0, "", "", page)}
	})
}

func TestReadAsksForTheNextPageAhead(t *testing.T) {
	s := serve(t, time.Second, pages(3))
	var got []string
	for e, err := range s.Read(t.Context(), directory.Query{Base: "DC=x", Scope: directory.Subtree}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.DN)
		// The loop stands at the second object of the first page until the second was asked for.
		for begun := time.Now(); e.DN == "CN=b1" && s.Stats().RoundTrips < 3; time.Sleep(time.Millisecond) {
			if time.Since(begun) > 5*time.Second {
				t.Fatal("nobody asks for the second page")
			}
		}
	}
	if want := []string{"CN=a1", "CN=b1", "CN=a2", "CN=b2", "CN=a3", "CN=b3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := s.Stats().RoundTrips; n != 4 {
		t.Errorf("%d round trips, want the bind and three pages", n)
	}
}

func TestReadLeftWithAPageUnderWay(t *testing.T) {
	s := serve(t, time.Second, pages(1000))
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		for _, err := range s.Read(ctx, directory.Query{Base: "DC=x", Scope: directory.Subtree}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 4 {
				break
			}
		}
		// The loop is over: the session outlives its context.
		cancel()
	}
	if _, err := collect(t, s, directory.Query{Base: "DC=x"}); err != nil {
		t.Fatal(err)
	}
}

func TestReadCancelledWithAPageUnderWay(t *testing.T) {
	answer := pages(1000)
	n := 0
	s := serve(t, time.Minute, func(d *dc, r *request) []*ber.Packet {
		if n++; n == 3 {
			return nil // never
		}
		return answer(d, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begun := time.Now()
	got, err := directory.Collect(s.Read(ctx, directory.Query{Base: "DC=x", Scope: directory.Subtree}))
	if !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("ended after %v", d)
	}
}

// descriptor has an empty DACL and nothing else.
var descriptor = []byte{1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 8, 0, 0, 0, 0, 0}

func TestWriteDACL(t *testing.T) {
	var got *request
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		got = r
		return []*ber.Packet{r.modified(0, "")}
	}))
	if err := s.WriteDACL(t.Context(), "CN=a", descriptor); err != nil {
		t.Fatal(err)
	}
	if got.op.Tag != ldap.ApplicationModifyRequest || got.op.Children[0].Value != "CN=a" || len(got.op.Children[1].Children) != 1 {
		t.Fatalf("not a modification of one attribute")
	}
	change := got.op.Children[1].Children[0]
	if change.Children[0].Value.(int64) != 2 || change.Children[1].Children[0].Value != "nTSecurityDescriptor" ||
		!bytes.Equal(change.Children[1].Children[1].Children[0].ByteValue, descriptor) {
		t.Error("not a replacement by the descriptor")
	}
	if c := got.controls[oidSDFlags]; c == nil || !got.critical[oidSDFlags] || c.Children[0].Value.(int64) != 4 {
		t.Error("no critical SD flags control with value 4")
	}
}

func TestWriteDACLErrors(t *testing.T) {
	t.Run("a refusal is a ResultError", func(t *testing.T) {
		for _, code := range []int64{1, 10, 19, 32, 50, 51, 53} {
			s := serve(t, time.Second, one(func(r *request) []*ber.Packet { return []*ber.Packet{r.modified(code, "no")} }))
			err := s.WriteDACL(t.Context(), "CN=a", descriptor)
			var refused *ResultError
			if !errors.As(err, &refused) || int64(refused.Code) != code {
				t.Errorf("result %d: got %v", code, err)
			}
		}
	})
	unknown := []struct {
		name   string
		answer func(*dc, *request) []*ber.Packet
		want   error
	}{
		{"silence", func(*dc, *request) []*ber.Packet { return nil }, nil},
		{"a hang-up", func(d *dc, _ *request) []*ber.Packet {
			d.conn.Close()
			return nil
		}, nil},
		{"an unsealed answer", func(d *dc, r *request) []*ber.Packet {
			d.conn.Write(r.modified(0, "").Bytes())
			return nil
		}, gss.ErrIntegrity},
		{"a damaged answer", func(d *dc, r *request) []*ber.Packet {
			token := d.acceptor.Wrap(r.modified(0, "").Bytes(), 0, 28)
			token[len(token)-1] ^= 1
			d.conn.Write(append([]byte{0, 0, 0, byte(len(token))}, token...))
			return nil
		}, gss.ErrIntegrity},
		{"the answer to something else", func(_ *dc, r *request) []*ber.Packet {
			return []*ber.Packet{r.done(0, "", "")}
		}, nil},
		{"garbage", func(d *dc, r *request) []*ber.Packet {
			d.send([]byte("garbage"))
			return nil
		}, nil},
		{"a result beyond all numbers", func(_ *dc, r *request) []*ber.Packet {
			return []*ber.Packet{r.modified(4000, "")}
		}, nil},
		{"a notice of disconnection", func(d *dc, r *request) []*ber.Packet {
			d.send(message(0, result(ldap.ApplicationExtendedResponse, 52, "", "bye")).Bytes())
			d.conn.Close()
			return nil
		}, nil},
	}
	for _, tt := range unknown {
		t.Run(tt.name+" is a ConnectionError", func(t *testing.T) {
			s := serve(t, 300*time.Millisecond, tt.answer)
			err := s.WriteDACL(t.Context(), "CN=a", descriptor)
			var unknown *ConnectionError
			if !errors.As(err, &unknown) {
				t.Fatalf("got %T: %v", err, err)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			// The session is over: an answer that comes late must not be another's.
			if _, err := collect(t, s, directory.Query{Base: "DC=x"}); !errors.As(err, &unknown) {
				t.Errorf("then a read gives %v", err)
			}
		})
	}
	t.Run("a descriptor without a DACL is not sent", func(t *testing.T) {
		s := serve(t, time.Second, one(func(r *request) []*ber.Packet { return []*ber.Packet{r.modified(0, "")} }))
		for _, d := range [][]byte{
			nil,
			{1, 0, 4, 0x80},
			append([]byte{1, 0, 0, 0x80}, make([]byte, 16)...), // absent
			append([]byte{1, 0, 4, 0x80}, make([]byte, 16)...), // null
			descriptor[:27],
		} {
			if err := s.WriteDACL(t.Context(), "CN=a", d); err == nil {
				t.Errorf("% x: no error", d)
			}
		}
		if n := s.Stats().RoundTrips; n != 1 {
			t.Errorf("%d round trips, want the bind only", n)
		}
	})
	t.Run("a context that is over sends nothing", func(t *testing.T) {
		s := serve(t, time.Second, one(func(r *request) []*ber.Packet { return []*ber.Packet{r.modified(0, "")} }))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.WriteDACL(ctx, "CN=a", descriptor)
		var unknown *ConnectionError
		if !errors.Is(err, context.Canceled) || errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
		if err := s.WriteDACL(t.Context(), "CN=a", descriptor); err != nil {
			t.Errorf("the session is over: %v", err)
		}
	})
}

func TestCancelEndsTheSession(t *testing.T) {
	for _, op := range []string{"read", "write"} {
		t.Run(op, func(t *testing.T) {
			s := serve(t, 10*time.Second, one(func(*request) []*ber.Packet { return nil }))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			start := time.Now()
			var err error
			if op == "read" {
				_, err = directory.Collect(s.Read(ctx, directory.Query{Base: "DC=x"}))
			} else {
				err = s.WriteDACL(ctx, "CN=a", descriptor)
			}
			var unknown *ConnectionError
			if !errors.As(err, &unknown) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("it took %v", d)
			}
			if err := s.WriteDACL(t.Context(), "CN=a", descriptor); !errors.As(err, &unknown) || errors.Is(err, context.Canceled) {
				t.Errorf("then %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func TestWhere(t *testing.T) {
	t.Setenv("KRB5_CONFIG", os.DevNull)
	tests := []struct {
		name, dc, realm string
		want            endpoint // zero: an error
	}{
		{"a name", "DC1.Corp.Example", "", endpoint{"dc1.corp.example", "dc1.corp.example:389", "CORP.EXAMPLE"}},
		{"a name with its dot", "dc1.corp.example.", "", endpoint{"dc1.corp.example", "dc1.corp.example:389", "CORP.EXAMPLE"}},
		{"a port", "dc1.corp.example:10389", "", endpoint{"dc1.corp.example", "dc1.corp.example:10389", "CORP.EXAMPLE"}},
		{"the port of the global catalog, which holds a part of each object", "dc1.corp.example:3268", "", endpoint{}},
		{"a realm", "dc1.servers.example", "corp.example", endpoint{"dc1.servers.example", "dc1.servers.example:389", "CORP.EXAMPLE"}},
		{"a short name and a realm", "dc1", "CORP.EXAMPLE", endpoint{"dc1", "dc1:389", "CORP.EXAMPLE"}},
		{"a short name", "dc1", "", endpoint{}},
		{"an address", "127.0.0.1", "CORP.EXAMPLE", endpoint{}},
		{"an address and a port", "[::1]:389", "CORP.EXAMPLE", endpoint{}},
		{"nothing", "", "CORP.EXAMPLE", endpoint{}},
		{"a URL", "ldap://dc1.corp.example", "", endpoint{}},
		{"a service", "dc1.corp.example/x", "", endpoint{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Config{DC: tt.dc, Realm: tt.realm}.where()
			if got != tt.want || (err == nil) != (tt.want != endpoint{}) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestPortOfATransport(t *testing.T) {
	tests := []struct {
		transport Transport
		catalog   bool
		dc, want  string // no want: an error
	}{
		{"", false, "dc1.corp.example", "389"},
		{Sealed, false, "dc1.corp.example", "389"},
		{StartTLS, false, "dc1.corp.example", "389"},
		{LDAPS, false, "dc1.corp.example", "636"},
		{LDAPS, false, "dc1.corp.example:10636", "10636"},
		{Sealed, true, "dc1.corp.example", "3268"},
		{StartTLS, true, "dc1.corp.example", "3268"},
		{LDAPS, true, "dc1.corp.example", "3269"},
		{Sealed, true, "dc1.corp.example:3268", "3268"},
		{Sealed, false, "dc1.corp.example:636", ""},
		{StartTLS, false, "dc1.corp.example:636", ""},
		{LDAPS, false, "dc1.corp.example:389", ""},
		{LDAPS, false, "dc1.corp.example:3269", ""},
		{Sealed, true, "dc1.corp.example:3269", ""},
		{LDAPS, true, "dc1.corp.example:3268", ""},
		{"ssl", false, "dc1.corp.example", ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.transport, " ", tt.catalog, " ", tt.dc), func(t *testing.T) {
			got, err := Config{DC: tt.dc, Transport: tt.transport, GlobalCatalog: tt.catalog}.where()
			if tt.want == "" {
				if err == nil {
					t.Errorf("got %s", got.address)
				}
				return
			}
			if err != nil || got.address != "dc1.corp.example:"+tt.want {
				t.Errorf("got %s, %v", got.address, err)
			}
		})
	}
}

func TestWhoAmI(t *testing.T) {
	extended := func(r *request, code int64, text, value string) []*ber.Packet {
		op := result(ldap.ApplicationExtendedResponse, code, "", text)
		if value != "" {
			op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, value, ""))
		}
		return []*ber.Packet{message(r.id, op)}
	}
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		if oid := string(r.op.Children[0].ByteValue); oid != "" && oid != "1.3.6.1.4.1.4203.1.11.3" {
			t.Errorf("asked for the operation %q", oid)
		}
		return extended(r, 0, "", `u:CORP\alice`)
	}))
	if got, err := s.WhoAmI(t.Context()); got != `u:CORP\alice` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	s = serve(t, time.Second, one(func(r *request) []*ber.Packet { return extended(r, 2, "no such operation", "") }))
	var refused *ResultError
	if got, err := s.WhoAmI(t.Context()); !errors.As(err, &refused) || refused.Code != 2 {
		t.Errorf("got %q, %v", got, err)
	}
}

// Values come with SIDs where they are asked for, all of them, and objects by their DNs.
func TestReadExtendedDNs(t *testing.T) {
	const guid = "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>;"
	const critical = "1.2.840.113556.1.4.529"
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
		value, asked := r.controls[critical]
		if !asked || !r.critical[critical] || len(value.Children) != 1 || value.Children[0].Value.(int64) != 1 {
			t.Errorf("%q was asked for with %v", r.attrs, r.controls)
		}
		if slices.Contains(r.attrs, "member;range=2-*") {
			if r.base != "CN=g,DC=x" {
				t.Errorf("the rest is asked of %s", r.base)
			}
			return []*ber.Packet{r.entry(guid+r.base, values{"member;range=2-*": {guid + "<SID=S-1-5-18>;CN=c"}}), r.done(0, "", "")}
		}
		return []*ber.Packet{r.entry(guid+"<SID=S-1-5-32-544>;CN=g,DC=x", values{"member;range=0-1": {guid + "CN=a", guid + "<SID=S-1-1-0>;CN=b"}}), r.done(0, "", "")}
	}))
	got, err := collect(t, s, directory.Query{Base: "DC=x", Scope: directory.Subtree, Attrs: []string{"member"}, Extended: true})
	if err != nil || len(got) != 1 || got[0].DN != "CN=g,DC=x" {
		t.Fatalf("got %v, %v", got, err)
	}
	if members := got[0].Texts("member"); len(members) != 3 || members[2] != guid+"<SID=S-1-5-18>;CN=c" {
		t.Errorf("members %q", members)
	}
}
