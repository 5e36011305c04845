package whoami

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	head      = "DC=corp,DC=example"
	sales     = "OU=Sales,OU=Sync,DC=corp,DC=example"
	accounts  = "CN=Managed Service Accounts,DC=corp,DC=example"
	site      = "CN=Sites,CN=Configuration,DC=corp,DC=example"
	computer  = "CN=DC158,OU=Domain Controllers,DC=corp,DC=example"
	rootKeys  = "CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services,CN=Configuration,DC=corp,DC=example"
	serverDN  = "CN=DC158,CN=Servers,CN=Paris\\, rue X,CN=Sites,CN=Configuration,DC=corp,DC=example"
	serviceDN = "CN=NTDS Settings," + serverDN
)

// server is the demo's forest with what a capture does not have: answers that depend on who
// asks. said maps a DN and an attribute, joined by a bar, to values; gone are DNs that are
// not shown, hidden those whose descriptor is not.
type server struct {
	*directory.Capture
	authzID string
	said    map[string][]string
	gone    []string
	hidden  []string
	clock   func() time.Time
}

func (s *server) WhoAmI(context.Context) (string, error) { return s.authzID, nil }

func (s *server) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		if slices.Contains(s.gone, q.Base) {
			yield(directory.Entry{}, &directory.NotFoundError{DN: q.Base})
			return
		}
		var made []directory.Attribute
		for _, attr := range q.Attrs {
			values := s.said[q.Base+"|"+attr]
			if attr == "currentTime" && s.clock != nil {
				values = []string{s.clock().UTC().Format("20060102150405.0Z")}
			}
			if values == nil {
				continue
			}
			a := directory.Attribute{Name: attr}
			for _, v := range values {
				a.Values = append(a.Values, []byte(v))
			}
			made = append(made, a)
		}
		if q.Scope == directory.OneLevel && q.Base == rootKeys {
			if keys := s.said[rootKeys]; keys != nil {
				yield(directory.Entry{DN: "CN=x," + rootKeys}, nil)
			}
			return
		}
		if made != nil && q.Scope == directory.Base && q.Base != "" {
			yield(directory.Entry{DN: q.Base, Attrs: made}, nil)
			return
		}
		for e, err := range s.Capture.Read(ctx, q) {
			e.Attrs = append(slices.Clone(e.Attrs), made...)
			if slices.Contains(s.hidden, e.DN) {
				e.Attrs = slices.DeleteFunc(e.Attrs, func(a directory.Attribute) bool { return a.Name == "nTSecurityDescriptor" })
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

var demoCapture = sync.OnceValues(demo.Capture)

func binary(t *testing.T, text string) string {
	t.Helper()
	sid, err := sddl.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(sid.Bytes())
}

// bound is a session of the demo's gMSA, which may modify nothing there, and of whom the
// server says so.
func demoServer(t *testing.T) *server {
	t.Helper()
	c, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	const domain = "S-1-5-21-785912491-1317325197-797612093"
	return &server{
		Capture: c, authzID: `u:CORP\provAgentgMSA$`,
		said: map[string][]string{
			"|serverName":                              {serverDN},
			"|dsServiceName":                           {serviceDN},
			"|isGlobalCatalogReady":                    {"TRUE"},
			"|tokenGroups":                             {binary(t, domain+"-1105"), binary(t, domain+"-515"), binary(t, domain+"-1103"), binary(t, "S-1-5-11"), binary(t, "S-1-5-32-544")},
			head + "|fSMORoleOwner":                    {"CN=NTDS Settings,CN=DC2,CN=Servers,CN=Paris\\, rue X," + site},
			head + "|otherWellKnownObjects":            {"B:32:683A24E2E8164BD3AF86AC3C2CF3F981:CN=Keys," + head, "B:32:1eb93889e40c45df9f0c64d23bbb6237:" + accounts},
			serverDN + "|serverReference":              {computer},
			computer + "|operatingSystem":              {"Windows Server 2022 Datacenter"},
			computer + "|operatingSystemVersion":       {"10.0 (20348)"},
			head + "|sDRightsEffective":                {"0"},
			sales + "|sDRightsEffective":               {"0"},
			accounts + "|allowedChildClassesEffective": {},
			accounts + "|allowedChildClasses":          {"user", directory.ClassGMSA},
		},
	}
}

func report(t *testing.T, s *server, targets ...string) *Report {
	t.Helper()
	s.clock = time.Now
	r, err := load(t.Context(), s, Bound{Address: "192.0.2.1:389", Principal: "provAgentgMSA$@CORP.EXAMPLE"}, targets, timing{time.Now, func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReport(t *testing.T) {
	r := report(t, demoServer(t))
	want := DC{
		Host: "dc158.corp.example", Address: "192.0.2.1:389", Site: "Paris, rue X", Writable: true, PDC: No, GlobalCatalog: Yes,
		OperatingSystem: "Windows Server 2022 Datacenter 10.0 (20348)",
		Level:           Level{7, "Windows Server 2016"}, DomainLevel: Level{7, "Windows Server 2016"}, ForestLevel: Level{7, "Windows Server 2016"},
	}
	if r.DC != want {
		t.Errorf("the domain controller is %+v, want %+v", r.DC, want)
	}
	id := r.Identity
	if id.Name != `CORP\provAgentgMSA$` || id.Source != FromSession || id.Unseen != "" || !strings.HasPrefix(id.DN, "CN=provAgentgMSA,") || !strings.HasSuffix(id.SID, "-1105") {
		t.Errorf("bound is %+v", id)
	}
	var groups []string
	for _, g := range id.Groups {
		groups = append(groups, fmt.Sprintf("%s %v", g.Name, g.Privileged))
	}
	if want := []string{
		`BUILTIN\Administrators true`, `CORP\Restricted Service Accounts false`, `CORP\Domain Computers false`, "Authenticated Users false",
	}; !slices.Equal(groups, want) {
		t.Errorf("its groups are %q, want %q", groups, want)
	}
	if len(r.Targets) != 1 || r.Targets[0].DN != head || r.Targets[0].Descriptor.Word != Yes || r.Targets[0].WriteDACL.Word != No ||
		r.Targets[0].WriteDACL.Server != No || r.Targets[0].WriteDACL.Effect != "not-granted" {
		t.Errorf("targets are %+v", r.Targets)
	}
	if g := r.GMSA; g.Container != accounts || g.Word != No || g.Server != No || g.Effect != "not-granted" {
		t.Errorf("creating a gMSA is %+v", g)
	}
	if r.RootKeys.Word != Unknown || !r.Answered() {
		t.Errorf("root keys %+v, answered %v", r.RootKeys, r.Answered())
	}
	// The demo's gMSA is in a group by the directory that is in the session, too.
	if len(r.Notes) != 0 {
		t.Errorf("notes: %q", r.Notes)
	}
}

// What the server says and what the descriptors say are put together.
func TestJudged(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *server)
		want   Word
		why    string
	}{
		{"both say no", func(*server) {}, No, "no entry in effect here grants it"},
		{"the server says yes and the descriptor no", func(s *server) { s.said[head+"|sDRightsEffective"] = []string{"7"} }, Unknown, "the server says yes, and by the descriptor it is not-granted"},
		{"the server says nothing", func(s *server) { delete(s.said, head+"|sDRightsEffective") }, No, "(the server does not say)"},
		{"the server says something else", func(s *server) { s.said[head+"|sDRightsEffective"] = []string{"much"} }, No, "(the server does not say)"},
		{"owner and group, but not the DACL", func(s *server) { s.said[head+"|sDRightsEffective"] = []string{"3"} }, No, "no entry in effect here grants it"},
		{"the descriptor is not shown", func(s *server) { s.hidden = []string{head} }, No, "the server says so; by the descriptor it is unknown"},
		{"the descriptor is not shown, and the server says yes", func(s *server) {
			s.hidden, s.said[head+"|sDRightsEffective"] = []string{head}, []string{"4"}
		}, Yes, "the server says so; by the descriptor it is unknown"},
		{"neither says", func(s *server) {
			s.hidden = []string{head}
			delete(s.said, head+"|sDRightsEffective")
		}, Unknown, "the server does not say; "},
		{"an account of another domain, and the server says yes", func(s *server) {
			s.authzID, s.said[head+"|sDRightsEffective"] = `u:OTHER\bob`, []string{"15"}
		}, Yes, "not one of this domain"},
		{"an account of another domain, and the server does not say", func(s *server) {
			s.authzID = `u:OTHER\bob`
			delete(s.said, head+"|sDRightsEffective")
		}, Unknown, "not one of this domain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := demoServer(t)
			tt.change(s)
			r := report(t, s)
			got := r.Targets[0].WriteDACL
			if got.Word != tt.want || !strings.Contains(got.Why, tt.why) {
				t.Errorf("got %+v, want %v because %q", got, tt.want, tt.why)
			}
			if r.Answered() != (tt.want != Unknown && r.Targets[0].Descriptor.Word != Unknown && r.GMSA.Word != Unknown) {
				t.Errorf("answered: %v", r.Answered())
			}
		})
	}
}

func TestCreation(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *server)
		want   Creation
	}{
		{"the server allows it, the descriptor does not", func(s *server) {
			s.said[accounts+"|allowedChildClassesEffective"] = []string{"contact", "MSDS-GroupManagedServiceAccount"}
		}, Creation{accounts, Judged{Answer{Unknown, "the server says yes, and by the descriptor it is not-granted"}, Yes, "not-granted"}}},
		{"the server allows another class", func(s *server) {
			s.said[accounts+"|allowedChildClassesEffective"] = []string{"contact"}
		}, Creation{accounts, Judged{Answer{No, "no entry"}, No, "not-granted"}}},
		{"the server answers none of the two attributes", func(s *server) {
			delete(s.said, accounts+"|allowedChildClasses")
		}, Creation{accounts, Judged{Answer{No, "(the server does not say)"}, Unknown, "not-granted"}}},
		{"the head names no container", func(s *server) {
			s.said[head+"|otherWellKnownObjects"] = []string{"B:32:683A24E2E8164BD3AF86AC3C2CF3F981:CN=Keys," + head, "nonsense"}
		}, Creation{"", Judged{Answer{Unknown, "shows no container"}, Unknown, "unknown"}}},
		{"the container is not visible", func(s *server) { s.gone = []string{accounts} }, Creation{accounts, Judged{Answer{Unknown, "no object"}, Unknown, "unknown"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := demoServer(t)
			tt.change(s)
			got := report(t, s).GMSA
			if !strings.Contains(got.Why, tt.want.Why) {
				t.Errorf("why is %q, want %q", got.Why, tt.want.Why)
			}
			got.Why, tt.want.Why = "", ""
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestWhatIsNotShownIsUnknown(t *testing.T) {
	s := demoServer(t)
	for _, attr := range []string{"|serverName", "|dsServiceName", "|isGlobalCatalogReady", "|tokenGroups"} {
		delete(s.said, attr)
	}
	s.said[rootKeys] = []string{"one"}
	r := report(t, s, sales, "OU=no,DC=corp,DC=example", "ou=sales, ou=sync,dc=corp,dc=example")
	if dc := r.DC; dc.Site != "" || dc.PDC != Unknown || dc.GlobalCatalog != Unknown || dc.OperatingSystem != "" {
		t.Errorf("the domain controller is %+v", dc)
	}
	if r.Identity.Source != FromObject || len(r.Identity.Groups) < 3 {
		t.Errorf("bound is %+v", r.Identity)
	}
	if len(r.Targets) != 2 || r.Targets[0].DN != sales || r.Targets[1].Descriptor.Word != Unknown || r.Targets[1].WriteDACL.Word != Unknown {
		t.Errorf("targets are %+v", r.Targets)
	}
	if r.RootKeys.Word != Yes || r.Answered() {
		t.Errorf("root keys %+v, answered %v", r.RootKeys, r.Answered())
	}
	for _, authzID := range []string{"", "u:", "x:bob", `u:CORP\nobody`} {
		s.authzID = authzID
		if id := report(t, s).Identity; id.Source != "unknown" || id.Unseen == "" || len(id.Groups) != 0 {
			t.Errorf("%q is %+v", authzID, id)
		}
	}
}

func TestTheSessionsGroupsAreComparedWithTheDirectorys(t *testing.T) {
	s := demoServer(t)
	groups := s.said["|tokenGroups"]
	s.said["|tokenGroups"] = append(groups[:2:2], groups[3], binary(t, "S-1-5-21-1-2-3-512"), binary(t, "S-1-5-21-0-0-0-497"))
	r := report(t, s)
	if len(r.Notes) != 2 || !strings.Contains(r.Notes[0], `not in this session: CORP\Restricted Service Accounts.`) ||
		!strings.Contains(r.Notes[1], "not, or no longer, in the directory: S-1-5-21-1-2-3-512.") {
		t.Errorf("notes: %q", r.Notes)
	}
	if !r.Identity.Groups[0].Privileged || r.Identity.Groups[0].SID != "S-1-5-21-1-2-3-512" {
		t.Errorf("the first group is %+v", r.Identity.Groups[0])
	}
}

// The real offset is always within what is told, whatever the two clocks and the network do.
func TestClock(t *testing.T) {
	widest := 0.0
	for range 2000 {
		offset := time.Duration(rand.Int64N(int64(20*time.Minute))) - 10*time.Minute
		here := time.Date(2026, 1, 2, 3, 4, 5, rand.IntN(1e9), time.UTC)
		travel := func() { here = here.Add(time.Duration(rand.Int64N(int64(40 * time.Millisecond)))) }
		s := &server{clock: func() time.Time {
			travel()
			defer travel()
			return here.Add(offset)
		}}
		c, err := demoCapture()
		if err != nil {
			t.Fatal(err)
		}
		s.Capture = c
		got, err := readClock(t.Context(), s, timing{func() time.Time { return here }, func(_ context.Context, d time.Duration) error {
			here = here.Add(d)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if off := offset.Seconds() - got.Ahead; off > got.Within+0.001 || off < -got.Within-0.001 {
			t.Fatalf("it is %v, told %+v", offset, got)
		}
		widest = max(widest, got.Within)
	}
	// Half of one pause and of two exchanges.
	if widest > 0.2 {
		t.Errorf("an offset was told to within %v s", widest)
	}
}

func TestClockErrors(t *testing.T) {
	s := demoServer(t)
	if c, err := readClock(t.Context(), s, local); c != nil || err != nil {
		t.Errorf("a server that tells no time: %v, %v", c, err)
	}
	s.said["|currentTime"] = []string{"yesterday"}
	if c, err := readClock(t.Context(), s, local); err == nil {
		t.Errorf("no time: %v", c)
	}
	s.said["|currentTime"] = []string{"20260102030405.0Z"}
	ctx, cancel := context.WithCancel(t.Context())
	at := timing{time.Now, func(ctx context.Context, _ time.Duration) error { cancel(); return sleep(ctx, time.Hour) }}
	if c, err := readClock(ctx, s, at); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v, %v", c, err)
	}
}

func TestWord(t *testing.T) {
	for _, w := range []Word{Unknown, No, Yes} {
		text, err := w.MarshalText()
		var back Word
		if err != nil || back.UnmarshalText(text) != nil || back != w {
			t.Errorf("%v comes back as %v", w, back)
		}
	}
	if w := Yes; w.UnmarshalText([]byte("maybe")) == nil {
		t.Error("maybe is a word")
	}
}
