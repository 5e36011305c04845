package ldapx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// notice is what a server says that hangs up; the name is that of another one where it is given.
func notice(code int64, text, name string) *ber.Packet {
	op := result(ldap.ApplicationExtendedResponse, code, "", text)
	if name != "" {
		op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, name, ""))
	}
	return message(0, op)
}

func TestNoticeOfDisconnection(t *testing.T) {
	for _, name := range []string{oidNotice, ""} {
		t.Run("its code and text are in the error, named "+name, func(t *testing.T) {
			s := serve(t, time.Minute, func(d *dc, r *request) []*ber.Packet {
				return []*ber.Packet{r.entry("CN=a", nil), notice(52, "the server is going down\x00", name)}
			})
			_, err := collect(t, s, directory.Query{Base: "DC=x", Scope: directory.Subtree})
			var broken *ConnectionError
			var why *NoticeError
			if !errors.As(err, &broken) || !errors.As(err, &why) || why.Code != 52 || why.Message != "the server is going down" {
				t.Fatalf("got %v", err)
			}
			if want := "read DC=x: no answer: the server ended the session: unavailable (52): the server is going down"; err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if !Retryable(err) {
				t.Error("nobody would try again")
			}
			// What is asked later has the same answer.
			if err := s.WriteDACL(t.Context(), "CN=a", descriptor); !errors.As(err, &broken) || !errors.As(err, &why) {
				t.Errorf("then a write gives %v", err)
			}
		})
	}
	t.Run("another notice is ignored", func(t *testing.T) {
		s := serve(t, time.Minute, func(d *dc, r *request) []*ber.Packet {
			return []*ber.Packet{r.entry("CN=a", nil), notice(0, "", "1.2.3"), r.done(0, "", "")}
		})
		if got, err := collect(t, s, directory.Query{Base: "DC=x"}); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestOnlySilenceIsTooLong(t *testing.T) {
	// All of it takes longer than the server may be silent, and no entry does.
	const silence = 1500 * time.Millisecond
	slow := func(last bool) func(*dc, *request) []*ber.Packet {
		return func(d *dc, r *request) []*ber.Packet {
			for i := range 6 {
				time.Sleep(silence / 5)
				if err := d.send(r.entry(fmt.Sprintf("CN=%d", i), nil).Bytes()); err != nil {
					return nil
				}
			}
			if !last {
				return nil
			}
			return []*ber.Packet{r.done(0, "", "")}
		}
	}
	s := serve(t, silence, slow(true))
	if got, err := collect(t, s, directory.Query{Base: "DC=x"}); err != nil || len(got) != 6 {
		t.Errorf("a slow page: got %d entries, %v", len(got), err)
	}
	s = serve(t, silence, slow(false))
	_, err := collect(t, s, directory.Query{Base: "DC=x"})
	var broken *ConnectionError
	var silent *SilenceError
	if !errors.As(err, &broken) || !errors.As(err, &silent) || silent.For != silence || !Retryable(err) {
		t.Errorf("a stalled one: got %v", err)
	}
}

func TestABusyServerIsAskedAgain(t *testing.T) {
	for _, code := range []int64{51, 52} {
		n := 0
		s := serve(t, time.Minute, one(func(r *request) []*ber.Packet {
			if n++; n%4 != 0 || n < 0 {
				return []*ber.Packet{r.entry("CN=a", nil), r.done(code, "", "busy")}
			}
			page := &ldap.ControlPaging{}
			if n < 8 {
				page.Cookie = []byte("more")
			}
			return []*ber.Packet{r.entry(fmt.Sprintf("CN=%d", n), nil), r.done(0, "", "", page)}
		}))
		got, err := collect(t, s, directory.Query{Base: "DC=x", Scope: directory.Subtree})
		if err != nil || len(got) != 2 || got[0].DN != "CN=4" || got[1].DN != "CN=8" {
			t.Errorf("result %d three times: got %v, %v", code, got, err)
		}
		n = -103
		if _, err := collect(t, s, directory.Query{Base: "DC=x"}); !Retryable(err) || n != -99 {
			t.Errorf("result %d for ever: got %v after %d requests, want 4", code, err, n+103)
		}
		// A write is sent once.
		n = 0
		s = serve(t, time.Minute, one(func(r *request) []*ber.Packet {
			n++
			return []*ber.Packet{r.modified(code, "busy")}
		}))
		if err := s.WriteDACL(t.Context(), "CN=a", descriptor); err == nil || n != 1 {
			t.Errorf("result %d: a write was sent %d times, %v", code, n, err)
		}
	}
}

func TestAServerWithoutAnEnd(t *testing.T) {
	tests := []struct {
		name   string
		answer func(n int, r *request) []*ber.Packet
	}{
		{"the same page again and again", func(_ int, r *request) []*ber.Packet {
			page := &ldap.ControlPaging{Cookie: []byte("more")}
			return []*ber.Packet{r.entry("CN=a", nil), r.done(0, "", "", page)}
		}},
		{"pages with nothing in them", func(n int, r *request) []*ber.Packet {
			return []*ber.Packet{r.done(0, "", "", &ldap.ControlPaging{Cookie: fmt.Appendf(nil, "%d", n)})}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			s := serve(t, time.Minute, one(func(r *request) []*ber.Packet {
				n++
				return tt.answer(n, r)
			}))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := directory.Collect(s.Read(ctx, directory.Query{Base: "DC=x", Scope: directory.Subtree}))
			if !errors.Is(err, errNoEnd) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMalformedAnswers(t *testing.T) {
	octet := func(s string) *ber.Packet { return octets(s) }
	sequence := func(tag ber.Tag, class ber.Class, children ...*ber.Packet) *ber.Packet {
		p := ber.Encode(class, ber.TypeConstructed, tag, nil, "")
		for _, c := range children {
			p.AppendChild(c)
		}
		return p
	}
	const app, uni = ber.ClassApplication, ber.ClassUniversal
	tests := []struct {
		name   string
		answer func(r *request) *ber.Packet
	}{
		{"an entry of nothing", func(r *request) *ber.Packet { return message(r.id, sequence(4, app)) }},
		{"an entry without attributes' list", func(r *request) *ber.Packet { return message(r.id, sequence(4, app, octet("CN=a"))) }},
		{"more behind the list", func(r *request) *ber.Packet {
			return message(r.id, sequence(4, app, octet("CN=a"), sequence(ber.TagSequence, uni), octet("x")))
		}},
		{"an attribute that is none", func(r *request) *ber.Packet {
			return message(r.id, sequence(4, app, octet("CN=a"), sequence(ber.TagSequence, uni, octet("x"))))
		}},
		{"an attribute without values' set", func(r *request) *ber.Packet {
			return message(r.id, sequence(4, app, octet("CN=a"), sequence(ber.TagSequence, uni, sequence(ber.TagSequence, uni, octet("cn")))))
		}},
		{"a value that is no string", func(r *request) *ber.Packet {
			return message(r.id, sequence(4, app, octet("CN=a"), sequence(ber.TagSequence, uni,
				sequence(ber.TagSequence, uni, octet("cn"), sequence(ber.TagSet, uni, sequence(ber.TagSequence, uni))))))
		}},
		{"an end without a result", func(r *request) *ber.Packet { return message(r.id, sequence(5, app)) }},
		{"an end with half a result", func(r *request) *ber.Packet {
			return message(r.id, sequence(5, app, ber.NewInteger(uni, ber.TypePrimitive, ber.TagEnumerated, 0, "")))
		}},
		{"a control that is none", func(r *request) *ber.Packet {
			m := r.done(0, "", "")
			m.AppendChild(sequence(0, ber.ClassContext, octet("x")))
			return m
		}},
		{"a cookie that is none", func(r *request) *ber.Packet {
			return r.done(0, "", "", ldap.NewControlString(ldap.ControlTypePaging, false, "x"))
		}},
		{"something else than an answer", func(r *request) *ber.Packet { return r.modified(0, "") }},
		{"no message ID", func(*request) *ber.Packet { return sequence(ber.TagSequence, uni, octet("x")) }},
		{"an end that is none", func(*request) *ber.Packet { return message(0, sequence(ldap.ApplicationExtendedResponse, app)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, 5*time.Second, one(func(r *request) []*ber.Packet { return []*ber.Packet{tt.answer(r), r.done(0, "", "")} }))
			got, err := collect(t, s, directory.Query{Base: "DC=x"})
			var broken *ConnectionError
			if !errors.As(err, &broken) || got != nil {
				t.Fatalf("got %v, %v", got, err)
			}
			if !errors.Is(err, errMalformed) && !errors.Is(err, errNotLDAP) {
				t.Errorf("got %v", err)
			}
			if Retryable(err) {
				t.Error("one would try it again")
			}
		})
	}
}

func TestOneEntryWithEverything(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	s := serve(t, time.Minute, one(func(r *request) []*ber.Packet {
		return []*ber.Packet{r.entry("CN=a\\,b,DC=x", values{"objectclass": {"top", "user"}, "photo": {long, ""}, "empty": {}}), r.done(0, "", "")}
	}))
	got, err := collect(t, s, directory.Query{Base: "DC=x", Attrs: []string{"objectClass", "photo", "empty"}})
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	e := got[0]
	if e.DN != "CN=a\\,b,DC=x" || !slices.Equal(e.Texts("objectClass"), []string{"top", "user"}) || !slices.Equal(e.Texts("photo"), []string{long, ""}) || len(e.Attrs) != 2 {
		t.Errorf("got %.300v", e)
	}
}

// Whatever comes is read, or refused, without a look beyond it; an entry says the same when it is written again.
func FuzzEntry(f *testing.F) {
	r := &request{id: firstSearch}
	f.Add(r.entry("CN=a", values{"cn": {"a", ""}, "nTSecurityDescriptor": {"\x01\x00"}}).Bytes())
	f.Add(r.done(0, "DC=x", "text", &ldap.ControlPaging{PagingSize: 3, Cookie: []byte("c")}).Bytes())
	f.Add(notice(52, "bye", oidNotice).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		_, op, ok := openMessage(b)
		if !ok {
			return
		}
		if _, err := parseNotice(op); err != nil && !errors.Is(err, errMalformed) {
			t.Error(err)
		}
		tag, content, controls, ok := element(op)
		if !ok {
			return
		}
		if _, ok := parseCookie(controls); ok && len(controls) > len(b) {
			t.Error("beyond the end")
		}
		parseResult(content)
		e, ok := parseEntry(content, []string{"cn"})
		if !ok || tag != tagSearchEntry {
			return
		}
		// Written again, it is read as the same.
		list := ber.NewSequence("")
		for _, a := range e.Attrs {
			set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
			for _, v := range a.Values {
				set.AppendChild(octets(string(v)))
			}
			p := ber.NewSequence("")
			p.AppendChild(octets(a.Name))
			p.AppendChild(set)
			list.AppendChild(p)
		}
		again := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
		again.AppendChild(octets(e.DN))
		again.AppendChild(list)
		_, content, _, _ = element(again.Bytes())
		same, ok := parseEntry(content, nil)
		if !ok || same.DN != e.DN || len(same.Attrs) != len(e.Attrs) {
			t.Fatalf("got %v, want %v", same, e)
		}
		for i, a := range e.Attrs {
			if same.Attrs[i].Name != a.Name || !slices.EqualFunc(same.Attrs[i].Values, a.Values, bytes.Equal) {
				t.Fatalf("got %v, want %v", same.Attrs[i], a)
			}
		}
	})
}
