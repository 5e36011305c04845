package gmsa

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func TestCheckName(t *testing.T) {
	for _, c := range []struct{ name, why string }{
		{"provAgentgMSA", ""}, {"provAgentgMSA$", ""}, {"a", ""}, {"A-b_9", ""}, {"fifteen-chars-x", ""},
		{"", "empty"}, {"$", "empty"}, {"sixteen-chars-xy", "16 characters"}, {"-a", "begins with"}, {"_a", "begins with"},
		{"a b", "no letter"}, {" a", "no letter"}, {"a ", "no letter"}, {"a.", "no letter"}, {"a$b", "no letter"}, {"a$$", "no letter"}, {"ä", "no letter"},
		{"a\x00b", "may not be in"}, {"a\nb", "may not be in"}, {"a\x1fb", "may not be in"}, {"\xff", "not text"}, {"12345", "a number"},
		{"a@b", "no letter"}, {"a'b", "no letter"}, {"a(b)", "no letter"}, {"a&b", "no letter"}, {"a#b", "no letter"}, {"a%b", "no letter"}, {"a!b", "no letter"},
	} {
		sam, cn, err := CheckName(c.name)
		var fault *NameError
		switch {
		case c.why == "" && (err != nil || sam != cn+"$" || cn != strings.TrimSuffix(c.name, "$")):
			t.Errorf("%q: got %q, %q, %v", c.name, sam, cn, err)
		case c.why != "" && (!errors.As(err, &fault) || !strings.Contains(fault.Why, c.why)):
			t.Errorf("%q: got %v, want %q", c.name, err, c.why)
		}
	}
	for _, r := range forbiddenChars {
		if _, _, err := CheckName("a" + string(r) + "b"); err == nil || !strings.Contains(err.Error(), "may not be in") {
			t.Errorf("%q: got %v", r, err)
		}
	}
}

func TestCheckDNSName(t *testing.T) {
	for name, ok := range map[string]bool{
		"agent.corp.example": true, "a.b": true, "prov_agent.corp.example": true,
		"": false, "agent": false, "agent.": false, ".corp": false, "a..b": false, "-a.b": false, "a-.b": false, "a b.c": false, "ä.b": false,
		strings.Repeat("a", 64) + ".b": false, strings.Repeat("a.", 128) + "b": false,
	} {
		if err := CheckDNSName(name); (err == nil) != ok {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// entries answers each query with what stands under its base.
type entries map[string][]directory.Entry

func (e entries) Read(_ context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		found, ok := e[q.Base]
		if !ok {
			yield(directory.Entry{}, &directory.NotFoundError{DN: q.Base})
			return
		}
		for _, one := range found {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func entry(dn string, pairs ...string) directory.Entry {
	e := directory.Entry{DN: dn}
	for i := 0; i < len(pairs); i += 2 {
		e.Attrs = append(e.Attrs, directory.Attribute{Name: pairs[i], Values: [][]byte{[]byte(pairs[i+1])}})
	}
	return e
}

func fileTimeText(t time.Time) string {
	return strconv.FormatInt((t.Unix()+11644473600)*1e7, 10)
}

func TestRootKeys(t *testing.T) {
	d := &directory.Domain{ConfigurationDN: "CN=Configuration,DC=corp,DC=example", Host: "dc1"}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	clock := entry("", "currentTime", "20260304120000.0Z")
	const keyA, keyB = "11111111-2222-3333-4444-555555555555", "21111111-2222-3333-4444-555555555555"
	dn := func(id string) string { return "CN=" + id + "," + KDSContainer(d) }
	key := func(id string, start, created time.Time) directory.Entry {
		return entry(dn(id), "msKds-UseStartTime", fileTimeText(start), "msKds-CreateTime", fileTimeText(created))
	}
	for _, c := range []struct {
		name  string
		have  entries
		sight Sight
		err   string // a part of it; empty: none
		from  time.Time
		notes int
	}{
		{"no container is shown", entries{"": {clock}}, NotVisible, "no KDS root key is visible", time.Time{}, 0},
		{"the container is empty", entries{"": {clock}, KDSContainer(d): nil}, NotVisible, "no KDS root key is visible", time.Time{}, 0},
		{"something else is in it", entries{"": {clock}, KDSContainer(d): {entry("CN=x," + KDSContainer(d))}}, NotVisible, "no KDS root key is visible", time.Time{}, 0},
		{"a key that may not be read", entries{"": {clock}, KDSContainer(d): {entry(dn(keyA))}}, Unreadable, "", time.Time{}, 1},
		{"a key that is old enough", entries{"": {clock}, KDSContainer(d): {key(keyA, now.Add(-time.Hour), now.Add(-24*time.Hour))}}, Readable, "", time.Time{}, 0},
		{"a key whose time is now", entries{"": {clock}, KDSContainer(d): {key(keyA, now, now.Add(-10*time.Hour))}}, Readable, "", time.Time{}, 0},
		{"a key whose time has been set back", entries{"": {clock}, KDSContainer(d): {key(keyA, now.Add(-10*time.Hour), now)}}, Readable, "", time.Time{}, 1},
		{"a key whose time will come", entries{"": {clock}, KDSContainer(d): {key(keyA, now.Add(3*time.Hour), now.Add(-7*time.Hour))}}, Readable, "may not be used before 2026-03-04 15:00 UTC", now.Add(3 * time.Hour), 0},
		{"two whose time will come", entries{"": {clock}, KDSContainer(d): {key(keyB, now.Add(5*time.Hour), now), key(keyA, now.Add(3*time.Hour), now)}}, Readable, "may not be used before 2026-03-04 15:00 UTC", now.Add(3 * time.Hour), 0},
		{"an old one and one whose time will come", entries{"": {clock}, KDSContainer(d): {key(keyB, now.Add(5*time.Hour), now), key(keyA, now.Add(-30*time.Hour), now.Add(-40*time.Hour))}}, Readable, "", time.Time{}, 0},
		{"one that may be read and one that may not", entries{"": {clock}, KDSContainer(d): {entry(dn(keyB)), key(keyA, now.Add(-30*time.Hour), now.Add(-40*time.Hour))}}, Readable, "", time.Time{}, 0},
		{"a server without a clock", entries{"": {entry("")}, KDSContainer(d): {key(keyA, now, now)}}, Readable, "", time.Time{}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := RootKeys(t.Context(), c.have, d)
			if err != nil {
				t.Fatal(err)
			}
			if k.Sight != c.sight {
				t.Errorf("sight %s, want %s", k.Sight, c.sight)
			}
			notes, err := k.Check()
			var fault *KeyError
			switch {
			case c.err == "" && err != nil:
				t.Errorf("got %v", err)
			case c.err != "" && (!errors.As(err, &fault) || !strings.Contains(fault.Why, c.err) || !fault.From.Equal(c.from)):
				t.Errorf("got %v, want %q from %s", err, c.err, c.from)
			case len(notes) != c.notes:
				t.Errorf("notes %q, want %d", notes, c.notes)
			}
		})
	}
}

func TestMembership(t *testing.T) {
	a, b := sddl.MustParseSID("S-1-5-21-1-2-3-1104"), sddl.MustParseSID("S-1-5-21-1-2-3-1105")
	raw, err := Membership([]Principal{{SID: a}, {SID: b}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := sddl.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Text(sddl.Aliases{}), "O:BAD:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;"+a.String()+")(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;"+b.String()+")"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := Membership(nil); err == nil {
		t.Error("nobody may have it, and that is no error")
	}
}

func TestRestrict(t *testing.T) {
	domain, forest := sddl.MustParseSID("S-1-5-21-1-2-3"), sddl.MustParseSID("S-1-5-21-4-5-6")
	acl := func(text string) *sddl.ACL {
		d, err := sddl.ParseText("D:"+text, sddl.Aliases{Domain: domain, Forest: forest})
		if err != nil {
			t.Fatal(err)
		}
		return d.DACL
	}
	const six = "(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;EA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;DA)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)(A;;LCRPLORC;;;ED)(A;;LCRPLORC;;;AU)"
	const reset = "(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)"
	const self = "(OA;;RPWP;77b5b886-944a-11d1-aebd-0000f80367c1;;PS)"
	for _, c := range []struct {
		name, have string
		drop       bool
		want       string
	}{
		{"nothing before", "", false, six},
		{"everybody else goes", "(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;AO)(A;;WP;;;WD)", false, six},
		{"what SELF may stays, after the denies", "(A;;WP;;;WD)" + self + reset, false, reset + self + six},
		{"denies go where that is asked for", reset + self, true, self + six},
		{"another deny stays", "(D;;WP;;;BU)" + reset, false, "(D;;WP;;;BU)" + reset + six},
		{"what SELF inherits goes", "(OA;CIID;RPWP;77b5b886-944a-11d1-aebd-0000f80367c1;;PS)", false, six},
		{"a deny that is inherited goes with its inheritance", "(D;CIID;WP;;;BU)", false, six},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Restrict(acl(c.have), domain, forest, c.drop)
			if err != nil {
				t.Fatal(err)
			}
			if want := acl(c.want); !equalACEs(got.ACEs, want.ACEs) {
				t.Errorf("got %v\nwant %v", got.ACEs, want.ACEs)
			}
			if err := got.Canonical(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := Restrict(acl(""), domain, sddl.SID{}, false); err == nil {
		t.Error("a forest that is not known is no error")
	}
}

func equalACEs(a, b []sddl.ACE) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestFindContainerInAnOldForest(t *testing.T) {
	var none *ContainerError
	if _, err := FindContainer(t.Context(), entries{}, &directory.Domain{}, &directory.Schema{}, ""); !errors.As(err, &none) || !strings.Contains(none.Why, "Windows Server 2012") {
		t.Errorf("got %v", err)
	}
}
