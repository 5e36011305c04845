package gmsa

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const accountDN = "CN=a,CN=Managed Service Accounts,DC=corp,DC=example"

var probeKey = sddl.GUID{1, 2, 3}

// sound is an account that has nothing wrong with it, and its forest; more is what it has besides, or
// instead, as pairs of an attribute and a value, where an empty value takes the attribute away.
func sound(t *testing.T, dacl string, more ...string) (*Facts, shown) {
	t.Helper()
	d := &directory.Domain{DN: "DC=corp,DC=example", DNS: "corp.example", SchemaDN: "CN=Schema,DC=corp,DC=example", ConfigurationDN: "CN=Configuration,DC=corp,DC=example",
		SID: sddl.MustParseSID(probeDomain), ForestSID: sddl.MustParseSID(probeDomain)}
	list := shown{
		entry(d.SchemaDN, "objectVersion", "88"),
		entry("CN=top,"+d.SchemaDN, "objectClass", "classSchema", "lDAPDisplayName", "top", "objectClassCategory", "2", "subClassOf", "top", "schemaIDGUID", string(append(make([]byte, 15), 1))),
		entry("CN=container,"+d.SchemaDN, "objectClass", "classSchema", "lDAPDisplayName", "container", "objectClassCategory", "1", "subClassOf", "top", "schemaIDGUID", string(append(make([]byte, 15), 2))),
	}
	class := entry("CN=gmsa,"+d.SchemaDN, "objectClass", "classSchema", "lDAPDisplayName", directory.ClassGMSA, "objectClassCategory", "1", "subClassOf", "top", "schemaIDGUID", string(append(make([]byte, 15), 3)))
	var may [][]byte
	for i, name := range factAttrs {
		guid := append(make([]byte, 14), 9, byte(i))
		if name == AttrMembership {
			guid = membershipGUID[:]
		}
		list = append(list, entry("CN="+name+","+d.SchemaDN, "objectClass", "attributeSchema", "lDAPDisplayName", name, "schemaIDGUID", string(guid)))
		may = append(may, []byte(name))
	}
	class.Attrs = append(class.Attrs, directory.Attribute{Name: "mayContain", Values: may})
	list = append(list, class)
	schema, err := directory.LoadSchema(t.Context(), list, d)
	if err != nil {
		t.Fatal(err)
	}
	membership, err := Membership([]Principal{{SID: sddl.MustParseSID(probeHost)}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	pairs := map[string]string{
		"objectClass": directory.ClassGMSA, "sAMAccountName": "a$", "dNSHostName": "a.corp.example", attrUAC: "4096", attrInterval: "30", AttrEncTypes: "24",
		AttrMembership: string(membership), attrKeyID: string(keyIDBytes(363, 30, 29, probeKey, "corp.example", "corp.example")),
	}
	for i := 0; i < len(more); i += 2 {
		if pairs[more[i]] = more[i+1]; more[i+1] == "" {
			delete(pairs, more[i])
		}
	}
	e := directory.Entry{DN: accountDN}
	for name, value := range pairs {
		e.Attrs = append(e.Attrs, directory.Attribute{Name: name, Values: [][]byte{[]byte(value)}})
	}
	host := entry("CN=h,"+d.DN, "objectClass", "computer", "sAMAccountName", "H$", "objectSid", sidBytes(probeHost), attrUAC, "4096", AttrEncTypes, "24")
	f := &Facts{
		Domain: d, Schema: schema, Home: "CN=Managed Service Accounts,DC=corp,DC=example", entry: e,
		Account: &directory.Account{DN: accountDN, Name: "a$", SID: sddl.MustParseSID(probeDomain + "-1105"), Names: map[sddl.SID]string{}, Groups: []sddl.SID{sddl.MustParseSID(probeDomain + "-515")}},
		Object:  &directory.Target{DN: accountDN, SID: sddl.MustParseSID(probeDomain + "-1105"), Descriptor: descriptor(t, "O:DAD:"+dacl)},
		Parent:  &directory.Target{Classes: []string{"top", "container"}, Descriptor: descriptor(t, "O:DAD:(A;;GA;;;DA)")},
		Caller:  &directory.Caller{SIDs: []sddl.SID{sddl.MustParseSID(probeReader)}},
		KDS:     &KDS{Sight: Readable, Now: now, Keys: []RootKey{{ID: probeKey, Created: now.Add(-1000 * time.Hour), Start: now.Add(-900 * time.Hour)}}},
	}
	return f, shown{host}
}

const everythingIsRead = "(A;;GA;;;DA)(A;;RPLCRC;;;" + probeReader + ")"

// Each thing that an auditor asks for is found where it is there, and is unknown where whoever reads
// may not read it; of an account that is as it ought to be nothing is said.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name string
		more []string
		with func(f *Facts, list *shown)
		want string // "severity id", empty: nothing
	}{
		{name: "nothing"},
		{name: "unconstrained delegation", more: []string{attrUAC, "528384"}, want: "critical unconstrained-delegation"},
		{name: "protocol transition", more: []string{attrUAC, "16781312"}, want: "high protocol-transition"},
		{name: "no preauthentication", more: []string{attrUAC, "4198400"}, want: "high no-preauthentication"},
		{name: "DES only", more: []string{attrUAC, "2101248"}, want: "high des-only"},
		{name: "no password needed", more: []string{attrUAC, "4128"}, want: "medium password-not-required"},
		{name: "disabled", more: []string{attrUAC, "4098"}, want: "info disabled"},
		{name: "delegation to services", more: []string{attrDelegateTo, "cifs/dc1"}, want: "high constrained-delegation"},
		{name: "delegation by others", more: []string{attrActFor, "x"}, want: "high resource-delegation"},
		{name: "keys", more: []string{attrKeyLink, "x"}, want: "high key-credentials"},
		{name: "adminCount", more: []string{attrAdminCount, "1"}, want: "medium admin-count"},
		{name: "adminCount 0", more: []string{attrAdminCount, "0"}},
		{name: "sIDHistory", more: []string{attrHistory, "x"}, want: "high sid-history"},
		{name: "a service principal name", more: []string{attrSPN, "HTTP/a"}, want: "low spn"},
		{name: "RC4", more: []string{AttrEncTypes, "28"}, want: "medium weak-enctypes"},
		{name: "DES", more: []string{AttrEncTypes, "25"}, want: "high weak-enctypes"},
		{name: "RC4 only, which the host does not know", more: []string{AttrEncTypes, "4"}, want: "high no-aes, high enctypes-apart"},
		{name: "no encryption types", more: []string{AttrEncTypes, ""}, want: "medium enctypes-default"},
		{name: "nobody may have the password", more: []string{AttrMembership, ""}, want: "medium nobody-retrieves"},
		{name: "no DNS name", more: []string{"dNSHostName", ""}, want: "low no-dns-name"},
		{name: "a long interval", more: []string{attrInterval, "90"}, want: "low long-interval"},
		{name: "no password yet", more: []string{attrKeyID, ""}, want: "info no-password-yet"},
		{name: "another root key", with: func(f *Facts, _ *shown) { f.KDS.Keys[0].ID = sddl.GUID{9} }, want: "high root-key-gone"},
		{name: "no root key is shown", with: func(f *Facts, _ *shown) { f.KDS = &KDS{Now: f.KDS.Now} }, want: "unknown root-key"},
		{name: "elsewhere", with: func(f *Facts, _ *shown) { f.Home = "CN=other,DC=corp,DC=example" }, want: "low location"},
		{name: "nobody knows where it belongs", with: func(f *Facts, _ *shown) { f.Home = "" }, want: "unknown location"},
		{name: "a privileged group", with: func(f *Facts, _ *shown) {
			f.Account.Groups = append(f.Account.Groups, sddl.MustParseSID(probeDomain+"-512"))
		}, want: "critical privileged-group"},
		{name: "groups that are not shown", with: func(f *Facts, _ *shown) { f.Account.Unseen = "tokenGroups" }, want: "unknown groups"},
		{name: "the same service principal name elsewhere", more: []string{attrSPN, "HTTP/a"}, with: func(_ *Facts, list *shown) {
			*list = append(*list, entry("CN=other,DC=corp,DC=example", attrSPN, "HTTP/a"))
		}, want: "low spn, medium spn-twice"},
		{name: "a host of DES", with: func(_ *Facts, list *shown) {
			(*list)[0] = entry("CN=h,DC=corp,DC=example", "objectClass", "computer", "sAMAccountName", "H$", "objectSid", sidBytes(probeHost), attrUAC, "4096", AttrEncTypes, "3")
		}, want: "high enctypes-apart"},
		{name: "a host that says nothing", with: func(_ *Facts, list *shown) {
			(*list)[0] = entry("CN=h,DC=corp,DC=example", "objectClass", "computer", "sAMAccountName", "H$", "objectSid", sidBytes(probeHost), attrUAC, "4096")
		}, want: "info host-enctypes"},
		{name: "a disabled host", with: func(_ *Facts, list *shown) {
			(*list)[0] = entry("CN=h,DC=corp,DC=example", "objectClass", "computer", "sAMAccountName", "H$", "objectSid", sidBytes(probeHost), attrUAC, "4098", AttrEncTypes, "24")
		}, want: "low disabled-host"},
		{name: "permissions that are not shown", with: func(f *Facts, _ *shown) { f.Object.Descriptor, f.Object.Unreadable = nil, "not shown" },
			want: "unknown admin-count, unknown constrained-delegation, unknown holders, unknown key-credentials, unknown resource-delegation, unknown sid-history, unknown spn"},
		{name: "a container that is not shown", with: func(f *Facts, _ *shown) { f.Parent = nil }, want: "unknown container"},
		{name: "a capture of which nobody knows who took it", with: func(f *Facts, _ *shown) { f.Caller = &directory.Caller{} },
			want: "unknown admin-count, unknown constrained-delegation, unknown key-credentials, unknown resource-delegation, unknown sid-history, unknown spn"},
		{name: "an account of which nothing but its name is shown", more: []string{attrUAC, "", AttrEncTypes, "", AttrMembership, "", attrKeyID, "", attrInterval, "", "dNSHostName", ""},
			with: func(f *Facts, _ *shown) { f.Caller = &directory.Caller{} },
			want: "unknown admin-count, unknown constrained-delegation, unknown enctypes, unknown flags, unknown key-credentials, unknown resource-delegation, unknown retrievers, unknown root-key, unknown sid-history, unknown spn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, list := sound(t, everythingIsRead, c.more...)
			if c.with != nil {
				c.with(f, &list)
			}
			r, err := Show(t.Context(), list, f)
			if err != nil {
				t.Fatal(err)
			}
			var unknown, known []string
			for _, one := range r.Findings {
				if one.What == "" || one.Source == "" {
					t.Errorf("%s lacks something: %+v", one.ID, one)
				}
				if one.Unknown {
					unknown = append(unknown, "unknown "+one.ID)
				} else {
					known = append(known, fmt.Sprintf("%s %s", one.Severity, one.ID))
				}
			}
			got := append(known, unknown...)
			slices.Sort(got)
			var want []string
			if c.want != "" {
				want = strings.Split(c.want, ", ")
				slices.Sort(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("found %q\nwant  %q", got, want)
			}
			clean := len(unknown) == 0 && !slices.ContainsFunc(r.Findings, func(one Finding) bool { return one.Severity >= Medium })
			if r.Clean() != clean {
				t.Errorf("clean is %v of %q", r.Clean(), got)
			}
		})
	}
}

// An attribute that has no value is none only for who may read it.
func TestSees(t *testing.T) {
	for _, c := range []struct {
		name, dacl string
		want       bool
	}{
		{"who may read all", everythingIsRead, true},
		{"who may read nothing", "(A;;GA;;;DA)", false},
		{"who is denied it", "(D;;RP;;;" + probeReader + ")" + everythingIsRead, false},
		{"who may under a condition", "(XA;;RP;;;" + probeReader + ";(@User.a == 1))", false},
	} {
		f, _ := sound(t, c.dacl)
		if got := f.Sees(attrAdminCount); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if !f.Sees(attrUAC) {
			t.Errorf("%s: an attribute that is there is not seen", c.name)
		}
	}
}
