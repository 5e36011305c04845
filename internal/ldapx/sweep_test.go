package ldapx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// stubForest is a domain controller for any number of connections. It pages, finds objects by
// their DN and their GUID, keeps to size limits, and gives every search in an order of its own.
// What it sends may be disturbed.
type stubForest struct {
	t       testing.TB
	timeout time.Duration

	mu         sync.Mutex
	objects    []stubObject
	cursors    map[string][]stubObject
	service    string
	heuristics string
	unfound    bool // what is hidden is no base of a search
	bound      int
	requests   []string
	sent       int // messages that answer searches for descriptors and lists
	random     *rand.Rand

	// disturb is called before a message is sent, with its number. It returns what to send in its
	// place, and whether to hang up then.
	disturb func(n int, d *dc, r *request, m *ber.Packet) (instead []*ber.Packet, hangUp bool)
	refuse  func(n int) error // of the connection with that number
	broken  func(n int) bool  // whether it breaks at the first request
}

type stubObject struct {
	dn, parent string
	class      string
	guid       string
	hidden     bool // not in lists: nobody may list its parent
	values     values
}

const (
	stubBase   = "DC=corp,DC=example"
	stubConfig = "CN=Configuration,DC=corp,DC=example"
	stubDC     = "CN=NTDS Settings,CN=DC1,CN=Sites," + stubConfig
)

func newStubForest(t testing.TB) *stubForest {
	f := &stubForest{t: t, timeout: time.Minute, cursors: map[string][]stubObject{}, service: stubDC, random: rand.New(rand.NewPCG(1, 2))}
	f.add(stubBase, "domainDNS")
	return f
}

func (f *stubForest) add(dn, class string) {
	_, parent, _ := strings.Cut(dn, ",")
	f.objects = append(f.objects, stubObject{dn: dn, parent: parent, class: class, guid: fmt.Sprintf("%016d", len(f.objects)),
		values: values{"objectClass": {"top", class}, "nTSecurityDescriptor": {string(descriptor)}}})
}

// ordinary is a forest with containers, objects that hold others though their class is none for
// that, and a container of many objects.
func ordinary(t testing.TB) *stubForest {
	f := newStubForest(t)
	for i := range 4 {
		ou := fmt.Sprintf("OU=%d,%s", i, stubBase)
		f.add(ou, "organizationalUnit")
		for j := range 9 {
			f.add(fmt.Sprintf("CN=user %d,%s", j, ou), "user")
		}
		f.add("OU=below,"+ou, "organizationalUnit")
		f.add("CN=deep,OU=below,"+ou, "user")
	}
	f.add("CN=host,"+stubBase, "computer")
	f.add("CN=key,CN=host,"+stubBase, "msFVE-RecoveryInformation")
	f.add("CN=flat,"+stubBase, "container")
	for j := range 90 {
		f.add(fmt.Sprintf("CN=many %d,CN=flat,%s", j, stubBase), "user")
	}
	return f
}

// small is one of the same kind, of so few objects that everything can be tried with it.
func small(t testing.TB) *stubForest {
	f := newStubForest(t)
	for i := range 2 {
		ou := fmt.Sprintf("OU=%d,%s", i, stubBase)
		f.add(ou, "organizationalUnit")
		for j := range 6 {
			f.add(fmt.Sprintf("CN=user %d,%s", j, ou), "user")
		}
		f.add("OU=below,"+ou, "organizationalUnit")
		f.add("CN=deep,OU=below,"+ou, "user")
	}
	f.add("CN=host,"+stubBase, "computer")
	f.add("CN=key,CN=host,"+stubBase, "msFVE-RecoveryInformation")
	return f
}

func (f *stubForest) want() map[string]int {
	want := map[string]int{}
	for _, o := range f.objects {
		want[o.dn] = 1
	}
	return want
}

func (f *stubForest) session() (*Session, error) {
	f.mu.Lock()
	n := f.bound
	f.bound++
	f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse(n); err != nil {
			return nil, err
		}
	}
	answer := f.answer
	if f.broken != nil && f.broken(n) {
		answer = func(d *dc, _ *request) []*ber.Packet {
			d.conn.Close()
			return nil
		}
	}
	s, err := connectTo(f.t, f.timeout, answer)
	if err != nil {
		return nil, err
	}
	s.another = func(context.Context) (*Session, error) { return f.session() }
	return s, nil
}

// pool is a Pool of so many connections, with pages of a few objects.
func (f *stubForest) pool(connections int) *Pool {
	f.t.Helper()
	s, err := f.session()
	if err != nil {
		f.t.Fatal(err)
	}
	p := NewPool(s, connections)
	p.size = 5
	f.t.Cleanup(func() { p.Close() })
	return p
}

var sweepQuery = directory.Query{Base: stubBase, Scope: directory.Subtree, Attrs: []string{"objectClass"}, Descriptor: true}

// sweep counts how often each object comes.
func (f *stubForest) sweep(p *Pool) (map[string]int, error) {
	got := map[string]int{}
	for e, err := range p.Read(f.t.Context(), sweepQuery) {
		if err != nil {
			return got, err
		}
		got[e.DN]++
	}
	return got, nil
}

func (f *stubForest) answer(d *dc, r *request) []*ber.Packet {
	if r.op.Tag != ldap.ApplicationSearchRequest {
		return nil
	}
	messages, counts := f.find(r)
	for _, m := range messages {
		list, hangUp := []*ber.Packet{m}, false
		if counts && f.disturb != nil {
			f.mu.Lock()
			n := f.sent
			f.sent++
			f.mu.Unlock()
			list, hangUp = f.disturb(n, d, r, m)
		}
		for _, m := range list {
			if d.send(m.Bytes()) != nil {
				return nil
			}
		}
		if hangUp {
			d.conn.Close()
			return nil
		}
	}
	return nil
}

// find answers a search; counts is for those of objects and lists of them.
func (f *stubForest) find(r *request) (messages []*ber.Packet, counts bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, fmt.Sprintf("%d %s", r.scope, r.base))
	switch r.base {
	case "":
		return []*ber.Packet{r.entry("", values{"dsServiceName": {f.service}, "configurationNamingContext": {stubConfig}}), r.done(0, "", "")}, false
	case f.service:
		return []*ber.Packet{r.entry(r.base, values{"invocationId": {"0123456789abcdef"}}), r.done(0, "", "")}, false
	case "CN=Directory Service,CN=Windows NT,CN=Services," + stubConfig:
		v := values{}
		if f.heuristics != "" {
			v["dSHeuristics"] = []string{f.heuristics}
		}
		return []*ber.Packet{r.entry(r.base, v), r.done(0, "", "")}, false
	}
	at := slices.IndexFunc(f.objects, func(o stubObject) bool {
		return o.dn == r.base || fmt.Sprintf("<GUID=%x>", o.guid) == r.base
	})
	if at < 0 || f.unfound && f.objects[at].hidden {
		return []*ber.Packet{r.done(32, "", "no such object")}, true
	}
	base := f.objects[at].dn
	page := r.controls[ldap.ControlTypePaging]
	var list []stubObject
	cookie := ""
	if page != nil {
		cookie = string(page.Children[1].ByteValue)
	}
	if cookie == "" {
		for _, o := range f.objects {
			if r.scope == 0 && o.dn == base || r.scope == 1 && o.parent == base && !o.hidden || r.scope == 2 && !o.hidden && (o.dn == base || strings.HasSuffix(o.dn, ","+base)) {
				list = append(list, o)
			}
		}
		f.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	} else {
		var known bool
		if list, known = f.cursors[cookie]; !known {
			return []*ber.Packet{r.done(53, "", "00000057: LdapErr: DSID-0C090A34, comment: Error processing control, data 0")}, true
		}
		delete(f.cursors, cookie)
	}
	var rest []stubObject
	code := int64(0)
	if page != nil {
		if n := int(page.Children[0].Value.(int64)); len(list) > n {
			list, rest = list[:n], list[n:]
		}
	}
	if limit := int(r.op.Children[3].Value.(int64)); limit > 0 && len(list) > limit {
		list, code = list[:limit], 4
	}
	for _, o := range list {
		v := values{}
		for name, vs := range o.values {
			if asked, _, _ := strings.Cut(name, ";"); slices.Contains(r.attrs, asked) {
				v[name] = vs
			}
		}
		if slices.Contains(r.attrs, "objectGUID") {
			v["objectGUID"] = []string{o.guid}
		}
		messages = append(messages, r.entry(o.dn, v))
	}
	if page == nil {
		return append(messages, r.done(code, "", "")), true
	}
	next := &ldap.ControlPaging{}
	if len(rest) > 0 {
		next.Cookie = []byte(strconv.Itoa(len(f.requests)))
		f.cursors[string(next.Cookie)] = rest
	}
	return append(messages, r.done(code, "", "", next)), true
}

func TestSweep(t *testing.T) {
	for connections := 1; connections <= MaxConnections; connections++ {
		t.Run(fmt.Sprintf("%d connections", connections), func(t *testing.T) {
			f := ordinary(t)
			got, err := f.sweep(f.pool(connections))
			if err != nil || !maps.Equal(got, f.want()) {
				t.Errorf("%d objects, %v, want %d, each once", len(got), err, len(f.objects))
			}
			if f.bound > connections {
				t.Errorf("%d sessions", f.bound)
			}
			split := slices.ContainsFunc(f.requests, func(r string) bool { return strings.HasPrefix(r, "1 ") })
			if split != (connections > 1) {
				t.Errorf("split: %v", split)
			}
			// Pages of five objects: all of them and, where it is split, once more for the list.
			if n := len(f.requests); n > 120 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// levels is how many levels were asked for.
func (f *stubForest) levels() (n int) {
	for _, r := range f.requests {
		if strings.HasPrefix(r, "1 ") {
			n++
		}
	}
	return n
}

func TestSweepWhereSomethingIsHidden(t *testing.T) {
	t.Run("the forest has turned on the list object right", func(t *testing.T) {
		f := ordinary(t)
		f.heuristics = "001"
		got, err := f.sweep(f.pool(2))
		if err != nil || !maps.Equal(got, f.want()) || f.levels() != 0 {
			t.Errorf("%d objects, %v, %d levels", len(got), err, f.levels())
		}
	})
	t.Run("other heuristics do not matter", func(t *testing.T) {
		f := ordinary(t)
		f.heuristics = "000000000001"
		if _, err := f.sweep(f.pool(2)); err != nil || f.levels() == 0 {
			t.Errorf("%v, %d levels", err, f.levels())
		}
	})
	// hide leaves in view what is below the children of the base, but not those.
	hide := func(f *stubForest) (want map[string]int) {
		want = f.want()
		for i, o := range f.objects {
			if o.parent == stubBase {
				f.objects[i].hidden = true
				delete(want, o.dn)
			}
		}
		return want
	}
	t.Run("objects are not shown, but what is below them", func(t *testing.T) {
		f := ordinary(t)
		want := hide(f)
		got, err := f.sweep(f.pool(2))
		if err != nil || !maps.Equal(got, want) || f.levels() < 6 {
			t.Errorf("%d objects, want %d, %v, %d levels", len(got), len(want), err, f.levels())
		}
	})
	t.Run("nor found", func(t *testing.T) {
		f := ordinary(t)
		want := hide(f)
		f.unfound = true
		got, err := f.sweep(f.pool(2))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%d objects, want %d, %v", len(got), len(want), err)
		}
	})
}

// Many objects may hold something though they are of no class for that.
func TestSweepOfManyLevels(t *testing.T) {
	for _, most := range []int{1, 4, 20, 100} {
		f := ordinary(t)
		for i := range 30 {
			host := fmt.Sprintf("CN=host %d,OU=1,%s", i, stubBase)
			f.add(host, "computer")
			f.add("CN=key,"+host, "msFVE-RecoveryInformation")
		}
		p := f.pool(2)
		p.levels = most
		got, err := f.sweep(p)
		if err != nil || !maps.Equal(got, f.want()) {
			t.Errorf("at most %d levels: %d objects, want %d, %v", most, len(got), len(f.objects), err)
		}
	}
}

// Whatever goes wrong once, and wherever, each object comes once.
func TestSweepGetsOverAnyFault(t *testing.T) {
	faults := []struct {
		name    string
		disturb func(d *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool)
	}{
		{"the connection breaks", func(*dc, *request, *ber.Packet) ([]*ber.Packet, bool) { return nil, true }},
		{"the connection breaks after the message", func(_ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) { return []*ber.Packet{m}, true }},
		{"a notice of disconnection", func(*dc, *request, *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{notice(52, "bye", oidNotice)}, true
		}},
		{"busy", func(_ *dc, r *request, _ *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.done(51, "", "busy")}, false
		}},
		{"the time limit", func(_ *dc, r *request, _ *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.done(3, "", "")}, false
		}},
		{"the size limit", func(_ *dc, r *request, _ *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.done(4, "", "")}, false
		}},
		{"the administrator's limit", func(_ *dc, r *request, _ *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.done(11, "", "")}, false
		}},
		{"the cookie is lost", func(_ *dc, r *request, _ *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.done(12, "", "00000057: LdapErr: Error processing control")}, false
		}},
		{"the server forgot who asks", func(_ *dc, r *request, _ *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.done(1, "", "000004DC: LdapErr: a successful bind must be completed")}, false
		}},
		{"an entry comes twice", func(_ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) {
			if m.Children[1].Tag != ldap.ApplicationSearchResultEntry {
				return []*ber.Packet{m}, false
			}
			return []*ber.Packet{m, m}, false
		}},
		{"a referral in between", func(_ *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
			return []*ber.Packet{r.reference("ldap://other.example/DC=other"), m}, false
		}},
	}
	for connections := 1; connections <= 2; connections++ {
		calm := small(t)
		calm.disturb = func(_ int, _ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) { return []*ber.Packet{m}, false }
		if _, err := calm.sweep(calm.pool(connections)); err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults {
			t.Run(fmt.Sprintf("%s, %d connections", fault.name, connections), func(t *testing.T) {
				for at := range calm.sent {
					f := small(t)
					happened := false
					f.disturb = func(n int, d *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
						if n != at {
							return []*ber.Packet{m}, false
						}
						happened = true
						return fault.disturb(d, r, m)
					}
					p := f.pool(connections)
					got, err := f.sweep(p)
					p.Close()
					if err != nil || !maps.Equal(got, f.want()) {
						t.Fatalf("at message %d: %d objects, want %d: %v", at, len(got), len(f.objects), err)
					}
					if !happened {
						t.Fatalf("there was no message %d", at)
					}
				}
			})
		}
	}
}

func TestSweepEndsInAnError(t *testing.T) {
	always := func(from int, disturb func(r *request) ([]*ber.Packet, bool)) func(int, *dc, *request, *ber.Packet) ([]*ber.Packet, bool) {
		return func(n int, _ *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
			if n < from {
				return []*ber.Packet{m}, false
			}
			return disturb(r)
		}
	}
	code := func(code int64, text string) func(r *request) ([]*ber.Packet, bool) {
		return func(r *request) ([]*ber.Packet, bool) { return []*ber.Packet{r.done(code, "", text)}, false }
	}
	isResult := func(code uint16) func(error) bool {
		return func(err error) bool {
			var refused *ResultError
			return errors.As(err, &refused) && refused.Code == code
		}
	}
	isBroken := func(err error) bool {
		var broken *ConnectionError
		return errors.As(err, &broken) && Retryable(err)
	}
	tests := []struct {
		name    string
		disturb func(r *request) ([]*ber.Packet, bool)
		want    func(error) bool
	}{
		{"the domain controller is gone", func(*request) ([]*ber.Packet, bool) { return nil, true }, isBroken},
		{"it is busy", code(51, ""), isResult(51)},
		{"the time limit", code(3, ""), isResult(3)},
		{"the size limit", code(4, ""), isResult(4)},
		{"the administrator's limit", code(11, ""), isResult(11)},
		{"no right", code(50, ""), isResult(50)},
		{"a referral", code(10, ""), isResult(10)},
		{"no cookie is kept", code(53, "00000057: Error processing control"), isResult(53)},
		{"something else is refused", code(53, "0000208D"), isResult(53)},
	}
	for _, tt := range tests {
		for connections := 1; connections <= 2; connections++ {
			for _, from := range []int{0, 40, 100} {
				t.Run(fmt.Sprintf("%s after %d messages, %d connections", tt.name, from, connections), func(t *testing.T) {
					f := ordinary(t)
					f.disturb = always(from, tt.disturb)
					got, err := f.sweep(f.pool(connections))
					if err == nil || !tt.want(err) {
						t.Fatalf("got %v", err)
					}
					if len(got) >= len(f.objects) {
						t.Error("everything came")
					}
					for dn, n := range got {
						if n != 1 {
							t.Errorf("%s came %d times", dn, n)
						}
					}
					if len(got) > 0 && !strings.HasSuffix(strings.SplitAfter(err.Error(), "had come, and not all")[0], "had come, and not all") {
						t.Errorf("it does not say that something is missing: %v", err)
					}
				})
			}
		}
	}
}

// A size limit after the last object is a limit all the same: nobody knows what is behind it.
func TestALimitAfterEverythingIsAnError(t *testing.T) {
	f := ordinary(t)
	f.disturb = func(_ int, _ *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
		if m.Children[1].Tag == ldap.ApplicationSearchResultDone {
			return []*ber.Packet{r.done(4, "", "")}, false
		}
		return []*ber.Packet{m}, false
	}
	f.objects = f.objects[:3]
	if got, err := f.sweep(f.pool(1)); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestAnotherServerIsRefused(t *testing.T) {
	t.Run("after the first session broke", func(t *testing.T) {
		f := ordinary(t)
		f.disturb = func(n int, _ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) {
			if n == 50 {
				f.mu.Lock()
				f.service = "CN=NTDS Settings,CN=DC2,CN=Sites," + stubConfig
				f.mu.Unlock()
				return nil, true
			}
			return []*ber.Packet{m}, false
		}
		_, err := f.sweep(f.pool(1))
		var other *OtherServerError
		if !errors.As(err, &other) || !strings.Contains(other.Got, "DC2") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("beside the first one it is done without", func(t *testing.T) {
		f := ordinary(t)
		f.refuse = func(n int) error {
			if n == 1 {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.service = "CN=NTDS Settings,CN=DC2,CN=Sites," + stubConfig
			}
			return nil
		}
		got, err := f.sweep(f.pool(2))
		if err != nil || !maps.Equal(got, f.want()) {
			t.Errorf("%d objects, %v", len(got), err)
		}
	})
}

func TestSweepWithoutASecondConnection(t *testing.T) {
	for _, err := range []error{
		&DialError{Address: "dc1", Err: io.EOF},
		&BindError{Stage: StageBind, Err: &ResultError{Op: "bind", Code: CodeBusy}},
	} {
		f := ordinary(t)
		f.refuse = func(n int) error {
			if n > 0 {
				return err
			}
			return nil
		}
		got, failed := f.sweep(f.pool(3))
		if failed != nil || !maps.Equal(got, f.want()) {
			t.Errorf("%v: %d objects, %v", err, len(got), failed)
		}
	}
}

func TestTicketEndsInMidSweep(t *testing.T) {
	ends := &TicketEndedError{Identity: "admin@CORP.EXAMPLE", Ended: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}
	for connections := 1; connections <= 2; connections++ {
		f := ordinary(t)
		over := false
		f.disturb = func(n int, _ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if over = over || n > 60; over {
				return []*ber.Packet{notice(52, "the session has expired", oidNotice)}, true
			}
			return []*ber.Packet{m}, false
		}
		f.refuse = func(int) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if over {
				return ends
			}
			return nil
		}
		got, err := f.sweep(f.pool(connections))
		var ended *TicketEndedError
		if !errors.As(err, &ended) || Retryable(err) || len(got) == 0 {
			t.Fatalf("%d objects, %v", len(got), err)
		}
		if want := fmt.Sprintf("%d objects had come, and not all: the ticket of admin@CORP.EXAMPLE ended at 2026-11-25 10:00:00 UTC", len(got)); err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestSweepIsCancelledAtOnce(t *testing.T) {
	for connections := 1; connections <= 2; connections++ {
		for _, stall := range []int{0, 30, 100} {
			f := ordinary(t)
			ctx, cancel := context.WithCancel(t.Context())
			f.disturb = func(n int, _ *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) {
				if n < stall {
					return []*ber.Packet{m}, false
				}
				if n == stall {
					time.AfterFunc(20*time.Millisecond, cancel)
				}
				return nil, false // silence
			}
			p := f.pool(connections)
			var err error
			begun := time.Now()
			for _, err = range p.Read(ctx, sweepQuery) {
				if err != nil {
					break
				}
			}
			if !errors.Is(err, context.Canceled) || Retryable(err) {
				t.Errorf("got %v", err)
			}
			if d := time.Since(begun); d > 5*time.Second {
				t.Errorf("it took %v", d)
			}
		}
	}
}

func TestAStalledServerIsLeft(t *testing.T) {
	for connections := 1; connections <= 2; connections++ {
		f := ordinary(t)
		f.timeout = 500 * time.Millisecond
		f.disturb = func(n int, d *dc, _ *request, m *ber.Packet) ([]*ber.Packet, bool) {
			if n == 70 {
				time.Sleep(2 * f.timeout)
				return nil, true
			}
			return []*ber.Packet{m}, false
		}
		got, err := f.sweep(f.pool(connections))
		if err != nil || !maps.Equal(got, f.want()) {
			t.Errorf("%d objects, %v", len(got), err)
		}
	}
}

func TestSweepMayBeLeft(t *testing.T) {
	f := ordinary(t)
	p := f.pool(2)
	for i := range 20 {
		n := 0
		for _, err := range p.Read(t.Context(), sweepQuery) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > i {
				break
			}
			// The loop may ask something else.
			if _, err := directory.Collect(p.Read(t.Context(), directory.Query{Base: stubBase, Attrs: []string{"objectClass"}})); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := f.sweep(p); err != nil || !maps.Equal(got, f.want()) {
		t.Errorf("%d objects, %v", len(got), err)
	}
	if f.bound != 2 {
		t.Errorf("%d sessions", f.bound)
	}
}

// What changes between a level and the next one.
func TestSweepWhileTheForestChanges(t *testing.T) {
	change := func(f *stubForest, from string, to func(o *stubObject)) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.objects {
			o := &f.objects[i]
			if o.dn == from || strings.HasSuffix(o.dn, ","+from) {
				to(o)
			}
		}
	}
	moved := func(from, to string) func(*stubObject) {
		return func(o *stubObject) {
			o.dn = strings.TrimSuffix(o.dn, from) + to
			_, o.parent, _ = strings.Cut(o.dn, ",")
		}
	}
	// after the level of the base was found, and before it came.
	after := func(f *stubForest, what func()) *Pool {
		p := f.pool(2)
		p.size = 100
		once := sync.OnceFunc(what)
		f.disturb = func(_ int, _ *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
			if r.scope == 1 && r.base == stubBase && m.Children[1].Tag == ldap.ApplicationSearchResultDone {
				once()
			}
			return []*ber.Packet{m}, false
		}
		return p
	}
	const before = "OU=2," + stubBase
	t.Run("a container is renamed", func(t *testing.T) {
		f := ordinary(t)
		const now = "OU=two," + stubBase
		got, err := f.sweep(after(f, func() { change(f, before, moved(before, now)) }))
		want := f.want()
		delete(want, now) // it had come
		want[before] = 1
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%d objects, want %d, %v", len(got), len(want), err)
		}
	})
	t.Run("a container is removed", func(t *testing.T) {
		f := ordinary(t)
		got, err := f.sweep(after(f, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.objects = slices.DeleteFunc(f.objects, func(o stubObject) bool { return strings.HasSuffix(o.dn, before) })
		}))
		want := f.want()
		want[before] = 1 // it had come
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%d objects, want %d, %v", len(got), len(want), err)
		}
	})
	t.Run("an object is removed before all its values came", func(t *testing.T) {
		for connections := 1; connections <= 2; connections++ {
			f := ordinary(t)
			const group = "CN=group,OU=2," + stubBase
			f.add(group, "group")
			f.objects[len(f.objects)-1].values["member;range=0-1"] = []string{"a", "b"}
			f.disturb = func(_ int, _ *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
				if r.attrs[0] != "member;range=2-*" {
					return []*ber.Packet{m}, false
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				f.objects = slices.DeleteFunc(f.objects, func(o stubObject) bool { return o.dn == group })
				return []*ber.Packet{r.done(32, "", "no such object")}, false
			}
			q := sweepQuery
			q.Attrs = []string{"member"}
			got := map[string]int{}
			for e, err := range f.pool(connections).Read(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				got[e.DN]++
			}
			if !maps.Equal(got, f.want()) {
				t.Errorf("%d objects, want %d", len(got), len(f.objects))
			}
		}
	})
	t.Run("the base is not there", func(t *testing.T) {
		f := ordinary(t)
		f.objects = f.objects[1:]
		_, err := f.sweep(f.pool(2))
		var missing *directory.NotFoundError
		if !errors.As(err, &missing) || missing.DN != stubBase {
			t.Errorf("got %v", err)
		}
	})
}

// The order of a range's values is fixed on one connection only.
func TestRangesAreReadAnewOnAnotherConnection(t *testing.T) {
	f := newStubForest(t)
	f.add("CN=group,"+stubBase, "group")
	members := []string{"a", "b", "c", "d", "e"}
	broken := false
	f.objects[1].values["member;range=0-1"] = []string{"c", "d"}
	query := sweepQuery
	query.Attrs = []string{"member"}
	s, err := f.session()
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	connections := 0
	var connect func() (*Session, error)
	connect = func() (*Session, error) {
		connections++
		order := slices.Clone(members)
		if connections > 1 {
			slices.Reverse(order)
		}
		s, err := connectTo(t, time.Minute, func(d *dc, r *request) []*ber.Packet {
			switch {
			case r.scope == 2:
				return []*ber.Packet{r.entry("CN=before", nil), r.entry("CN=group,"+stubBase, values{"member;range=0-1": order[:2]}), r.done(0, "", "")}
			case len(r.attrs) == 1 && r.attrs[0] == "member;range=2-*":
				return []*ber.Packet{r.entry(r.base, values{"member;range=2-3": order[2:4]}), r.done(0, "", "")}
			case len(r.attrs) == 1 && r.attrs[0] == "member;range=4-*":
				if !broken {
					broken = true
					d.conn.Close()
					return nil
				}
				return []*ber.Packet{r.entry(r.base, values{"member;range=4-*": order[4:]}), r.done(0, "", "")}
			}
			m, _ := f.find(r)
			return m
		})
		if err == nil {
			s.another = func(context.Context) (*Session, error) { return connect() }
		}
		return s, err
	}
	if s, err = connect(); err != nil {
		t.Fatal(err)
	}
	got, err := directory.Collect(NewPool(s, 1).Read(t.Context(), query))
	if err != nil || len(got) != 2 || connections != 2 {
		t.Fatalf("got %v, %v over %d connections", got, err, connections)
	}
	if want := []string{"e", "d", "c", "b", "a"}; !slices.Equal(got[1].Texts("member"), want) {
		t.Errorf("got %v, want %v", got[1].Texts("member"), want)
	}
}

func TestSeen(t *testing.T) {
	var s seen
	for i := range maxSeen - 1 {
		if !s.add(strconv.Itoa(i)) {
			t.Fatalf("%d is taken for another", i)
		}
	}
	if s.full || s.add("0") {
		t.Error("0 is new again")
	}
	if !s.add("one more") || !s.full || s.keys != nil || !s.add("0") {
		t.Error("it does not forget when it is full")
	}
}
