package gmsa

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// shown answers queries by their base, scope and values.
type shown []directory.Entry

func (s shown) Read(_ context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		for _, e := range s {
			same := directory.SameDN(q.Base, e.DN)
			if q.Scope == directory.Base && !same || q.Scope != directory.Base && !same && !directory.IsBelow(e.DN, q.Base) {
				continue
			}
			fits := len(q.Any) == 0 || slices.ContainsFunc(q.Any, func(m directory.Match) bool {
				return slices.Contains(e.Texts(m.Attr), m.Value)
			})
			if fits && !yield(e, nil) {
				return
			}
		}
	}
}

const (
	probeDomain = "S-1-5-21-1-2-3"
	probeReader = probeDomain + "-1500"
	probeGroup  = probeDomain + "-1200"
	probeHost   = probeDomain + "-1100"
)

func sidBytes(text string) string { return string(sddl.MustParseSID(text).Bytes()) }

func descriptor(t *testing.T, text string) *sddl.Descriptor {
	t.Helper()
	d, err := sddl.ParseText(text, sddl.Aliases{Domain: sddl.MustParseSID(probeDomain), Forest: sddl.MustParseSID(probeDomain)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func descriptorBytes(t *testing.T, text string) string {
	t.Helper()
	b, err := descriptor(t, text).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Who may have the password is never said to be well where somebody may be hidden.
func TestHiddenRetrieversAreUnknown(t *testing.T) {
	d := &directory.Domain{DN: "DC=corp,DC=example", DNS: "corp.example", SID: sddl.MustParseSID(probeDomain)}
	membership, err := Membership([]Principal{{SID: sddl.MustParseSID(probeHost)}, {SID: sddl.MustParseSID(probeGroup)}})
	if err != nil {
		t.Fatal(err)
	}
	host := entry("CN=a,DC=corp,DC=example", "objectClass", "computer", "sAMAccountName", "A$", "objectSid", sidBytes(probeHost), attrUAC, "4096", AttrEncTypes, "24")
	inside := entry("CN=b,DC=corp,DC=example", "objectClass", "computer", "sAMAccountName", "B$", "objectSid", sidBytes(probeDomain+"-1101"), attrUAC, "4096", "memberOf", "CN=g,DC=corp,DC=example")
	group := func(pairs ...string) directory.Entry {
		return entry("CN=g,DC=corp,DC=example", append([]string{"objectClass", "group", "sAMAccountName", "G", "objectSid", sidBytes(probeGroup)}, pairs...)...)
	}
	root := entry("", "tokenGroups", sidBytes(probeReader))
	const member, memberships = "bf9679c0-0de6-11d0-a285-00aa003049e2", "bc0ac240-79a9-11d0-9020-00c04fc2d4cf"
	guarded := func(dacl string) directory.Entry {
		return group("nTSecurityDescriptor", descriptorBytes(t, "O:SYD:"+dacl))
	}
	const readable = "(A;;RPLCRC;;;" + probeReader + ")"
	for _, c := range []struct {
		name string
		have shown
		id   string // of the finding that is unknown; empty: none
	}{
		{"a group that shows it is empty", shown{root, host, guarded(readable)}, ""},
		{"a group that shows its member", shown{root, host, inside, group("member", inside.DN)}, ""},
		{"a group that is not shown, or was deleted", shown{root, host}, "unresolved-retriever"},
		{"a group whose permissions are not shown", shown{root, host, group()}, "unseen-members"},
		{"a group whose members nothing lets the reader see", shown{root, host, guarded("(A;;LCRC;;;" + probeReader + ")")}, "unseen-members"},
		{"a group whose members are denied", shown{root, host, guarded("(OD;;RP;" + member + ";;" + probeReader + ")" + readable)}, "unseen-members"},
		{"a group whose memberships are denied as a set", shown{root, host, guarded("(OD;;RP;" + memberships + ";;" + probeReader + ")" + readable)}, "unseen-members"},
		{"a group whose members are denied, of whom one is found", shown{root, host, inside, guarded("(OD;;RP;" + member + ";;" + probeReader + ")" + readable)}, "unseen-members"},
		{"a reader who is not known", shown{entry(""), host, guarded(readable)}, "unseen-members"},
		{"a member that is not shown", shown{root, host, group("member", "CN=b,DC=corp,DC=example")}, "unseen-members"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := FindReaders(t.Context(), c.have, d, membership)
			if err != nil {
				t.Fatal(err)
			}
			f := &Facts{Domain: d, Account: &directory.Account{Name: "x$"}}
			var unknown []string
			for _, one := range f.judgeReaders(r) {
				if one.Unknown {
					unknown = append(unknown, one.ID)
				}
			}
			if got := strings.Join(unknown, " "); got != c.id {
				t.Errorf("unknown are %q, want %q", got, c.id)
			}
		})
	}
}

// What an account's container lets others do counts by every way to have the right.
func TestParentHolders(t *testing.T) {
	d := &directory.Domain{DN: "DC=corp,DC=example", SchemaDN: "CN=Schema,DC=corp,DC=example", ConfigurationDN: "CN=Configuration,DC=corp,DC=example", SID: sddl.MustParseSID(probeDomain), ForestSID: sddl.MustParseSID(probeDomain)}
	class := func(name string, number byte) directory.Entry {
		return entry("CN="+name+","+d.SchemaDN, "objectClass", "classSchema", "lDAPDisplayName", name, "objectClassCategory", "1", "subClassOf", "top",
			"schemaIDGUID", string(append(make([]byte, 15), number)))
	}
	schema, err := directory.LoadSchema(t.Context(), shown{
		entry(d.SchemaDN, "objectVersion", "88"), class("top", 1), class("container", 2), class(directory.ClassGMSA, 3),
		entry("CN=cn,"+d.SchemaDN, "objectClass", "attributeSchema", "lDAPDisplayName", "cn", "schemaIDGUID", string(append(make([]byte, 15), 4))),
	}, d)
	if err != nil {
		t.Fatal(err)
	}
	gmsaGUID := schema.Class(directory.ClassGMSA).GUID.String()
	const somebody = probeDomain + "-1500"
	for _, c := range []struct {
		name            string
		parent, account string // descriptors
		rights, unclear string // of the one who holds them
	}{
		{"only who runs the forest", "O:DAD:(A;;GA;;;SY)(A;;GA;;;DA)", "O:DAD:", "", ""},
		{"the permissions may be changed", "O:DAD:(A;;WD;;;" + somebody + ")", "O:DAD:", "change what it inherits", ""},
		{"the container may be taken", "O:DAD:(A;;WO;;;" + somebody + ")", "O:DAD:", "own its container, and so change what it inherits", ""},
		{"the container is owned", "O:" + somebody + "D:(A;;GA;;;SY)", "O:DAD:", "change what it inherits", ""},
		{"owners may nothing there", "O:" + somebody + "D:(A;;RC;;;OW)", "O:DAD:", "", ""},
		{"all of it, and the account inherits nothing", "O:DAD:(A;;GA;;;" + somebody + ")", "O:DAD:P", "delete it from its container", ""},
		{"only service accounts may be deleted", "O:DAD:(OA;;DC;" + gmsaGUID + ";;" + somebody + ")", "O:DAD:", "delete it from its container", ""},
		{"only others may be deleted", "O:DAD:(OA;;DC;bf967aba-0de6-11d0-a285-00aa003049e2;;" + somebody + ")", "O:DAD:", "", ""},
		{"a condition decides", `O:DAD:(XA;;WD;;;` + somebody + `;(@User.a == 1))`, "O:DAD:", "", "change what it inherits"},
		{"no DACL at all", "O:DAD:NO_ACCESS_CONTROL", "O:DAD:P", "delete it from its container", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &Facts{Domain: d, Schema: schema, Account: &directory.Account{}, Object: &directory.Target{Descriptor: descriptor(t, c.account)},
				Parent: &directory.Target{Classes: []string{"top", "container"}, Descriptor: descriptor(t, c.parent)}}
			list, fault := f.ParentHolders()
			if fault != "" || len(list) > 1 {
				t.Fatalf("got %+v, %q", list, fault)
			}
			var rights, unclear string
			for _, h := range list {
				rights, unclear = strings.Join(h.Rights, ", "), strings.Join(h.Unclear, ", ")
			}
			if rights != c.rights || unclear != c.unclear {
				t.Errorf("can %q, perhaps %q; want %q, %q", rights, unclear, c.rights, c.unclear)
			}
		})
	}
}

// The groups of a forest's root are known by their numbers where its SID is not.
func TestPrivileged(t *testing.T) {
	f := &Facts{Domain: &directory.Domain{SID: sddl.MustParseSID(probeDomain)}, Account: &directory.Account{Names: map[sddl.SID]string{sddl.MustParseSID(probeDomain + "-1101"): `CORP\DnsAdmins`}}}
	for sid, want := range map[string]Severity{
		"S-1-5-32-544": Critical, "S-1-5-32-548": High, "S-1-5-32-545": Info, probeDomain + "-512": Critical, probeDomain + "-515": Info, probeDomain + "-1101": High,
		"S-1-5-21-7-8-9-519": Critical, "S-1-5-21-7-8-9-518": Critical, "S-1-5-21-7-8-9-527": Critical, "S-1-5-21-7-8-9-1519": Info, probeDomain + "-517": High,
	} {
		if _, got := f.privileged(sddl.MustParseSID(sid)); got != want {
			t.Errorf("%s is %s, want %s", sid, got, want)
		}
	}
}
