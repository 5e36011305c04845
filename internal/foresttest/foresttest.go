// Package foresttest makes captures of a forest of two domains for tests, from the demo's one:
// Samba has no child domains. It judges nothing.
package foresttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// The two domains, and the account, which is at home in the parent.
const (
	Parent    = "DC=corp,DC=example"
	Child     = "DC=child,DC=corp,DC=example"
	ParentSID = "S-1-5-21-785912491-1317325197-797612093"
	ChildSID  = "S-1-5-21-1111111111-222222222-333333333"
	Account   = "CN=provAgentgMSA,CN=Managed Service Accounts," + Parent
	AccountID = ParentSID + "-1105"

	// Agents is a domain-local group of the child, in which the account is: the child's head
	// grants it what the parent's grants the account. Restricted is another one, to which it denies what
	// the parent's denies; a group of the parent with the account in it is in it.
	Agents     = ChildSID + "-2001"
	Restricted = ChildSID + "-1103"

	partitions = "CN=Partitions,CN=Configuration," + Parent
)

// Entries are what a capture of a domain holds.
type Entries []directory.Entry

// Forest is what captures of the parent and of its child hold, made of one another: the
// same configuration and schema, and the same things in both.
func Forest() (parent, child Entries, err error) {
	c, err := demo.Capture()
	if err != nil {
		return nil, nil, err
	}
	for held := range c.All() {
		e := clone(held)
		switch {
		case directory.SameDN(e.DN, "CN=CORP,"+partitions):
			e.Set("dnsRoot", "corp.example")
			e.Set("systemFlags", "3")
		case directory.SameDN(e.DN, Account):
			e.Set("tokenGroupsGlobalAndUniversal", string(SID(ParentSID+"-515")), string(SID(ParentSID+"-1103")))
		}
		parent = append(parent, e.Entry)
	}
	ref := entry{directory.Entry{DN: "CN=CHILD," + partitions}}
	ref.Set("objectClass", "top", "crossRef")
	ref.Set("nCName", Child)
	ref.Set("nETBIOSName", "CHILD")
	ref.Set("dnsRoot", "child.corp.example")
	ref.Set("systemFlags", "3")
	parent = append(parent, ref.Entry)
	for _, e := range parent {
		child = append(child, toChild(e))
	}
	child.Set("CN=CORP,"+partitions, "nCName", Member(ParentSID, Parent))
	child.Put(Group("Administrators,CN=Builtin", "S-1-5-32-544", "-2147483643", Member(ChildSID+"-512", "CN=Domain Admins,CN=Users,"+Child)))
	child.Put(Group("Sync Agents", Agents, "-2147483644", Member(AccountID, Account)))
	child.Put(Group("Restricted Service Accounts,OU=Sync", Restricted, "-2147483644", Member(ParentSID+"-1103", "CN=Restricted Service Accounts,"+Parent)))
	return parent, child, nil
}

// toChild is an entry of the parent as one of the child; what the forest shares stays.
func toChild(e directory.Entry) directory.Entry {
	if directory.IsBelow(e.DN, "CN=Configuration,"+Parent) {
		return e
	}
	out := clone(e)
	if out.DN != "" {
		out.DN = rename(out.DN)
	}
	for i, a := range out.Attrs {
		for k, v := range a.Values {
			switch name := strings.ToLower(a.Name); {
			case e.DN == "" && name == "dnshostname":
				a.Values[k] = []byte("dc7.child.corp.example")
			case e.DN == "" && name != "defaultnamingcontext" && name != "namingcontexts":
			case name == "objectguid":
				a.Values[k] = append([]byte{^v[0]}, v[1:]...)
			case name == "ntsecuritydescriptor", name == "objectsid", strings.HasPrefix(name, "tokengroups"):
				a.Values[k] = reissue(v)
			default:
				a.Values[k] = []byte(rename(string(v)))
			}
		}
		out.Attrs[i] = a
	}
	return out.Entry
}

func rename(dn string) string {
	if strings.HasSuffix(dn, Parent) && !strings.HasSuffix(dn, "CN=Configuration,"+Parent) {
		return strings.TrimSuffix(dn, Parent) + Child
	}
	return dn
}

// reissue makes the SIDs of the parent those of the child, but for the groups that only the
// root of a forest has, and the account's the one of Agents.
func reissue(b []byte) []byte {
	from, to := SID(ParentSID)[8:], SID(ChildSID)[8:]
	b = bytes.Clone(b)
	for at := 0; ; {
		i := bytes.Index(b[at:], from)
		if i < 0 {
			return b
		}
		at += i
		end := at + len(from)
		rid := uint32(0)
		if end+4 <= len(b) {
			rid = binary.LittleEndian.Uint32(b[end:])
		}
		if rid != 518 && rid != 519 {
			copy(b[at:], to)
		}
		if rid == 1105 {
			binary.LittleEndian.PutUint32(b[end:], 2001)
		}
		at = end
	}
}

// Group is a domain-local group of the child, with members as a domain controller names
// them when it is asked for their SIDs.
func Group(name, sid, kind string, members ...string) directory.Entry {
	e := entry{directory.Entry{DN: "CN=" + name + "," + Child}}
	e.Set("objectClass", "top", "group")
	e.Set("objectSid", string(SID(sid)))
	simple, _, _ := strings.Cut(name, ",")
	e.Set("sAMAccountName", simple)
	e.Set("groupType", kind)
	if len(members) > 0 {
		e.Set("member", members...)
	}
	e.Set("nTSecurityDescriptor", string(Descriptor("O:BAG:BAD:(A;;RPLCLORC;;;AU)(A;;GA;;;SY)")))
	return e.Entry
}

// Descriptor is SDDL in bytes.
func Descriptor(text string) []byte {
	d, err := sddl.ParseText(text, sddl.Aliases{})
	if err != nil {
		panic(err)
	}
	raw, err := d.Append(nil)
	if err != nil {
		panic(err)
	}
	return raw
}

// Member is a value of member with the SID in it.
func Member(sid, dn string) string {
	return "<GUID=2f0a9b5e-4c1d-4f3a-9a57-0d6c2f6f8c11>;<SID=" + sid + ">;" + dn
}

// SID is a SID in bytes.
func SID(text string) []byte {
	sid, err := sddl.ParseSID(text)
	if err != nil {
		panic(err)
	}
	return sid.Bytes()
}

// Put adds an entry, in the place of one of the same name.
func (es *Entries) Put(e directory.Entry) {
	es.Drop(e.DN)
	*es = append(*es, e)
}

// Drop takes an entry away.
func (es *Entries) Drop(dn string) {
	*es = slices.DeleteFunc(*es, func(have directory.Entry) bool { return directory.SameDN(have.DN, dn) })
}

// Set gives an attribute of an entry other values; none takes it away.
func (es Entries) Set(dn, attr string, values ...string) {
	for i, e := range es {
		if directory.SameDN(e.DN, dn) {
			changed := clone(e)
			changed.Set(attr, values...)
			es[i] = changed.Entry
		}
	}
}

// Write writes the entries as LDIF.
func (es Entries) Write(w io.Writer) error {
	for _, e := range es {
		if err := directory.WriteLDIF(w, e); err != nil {
			return err
		}
	}
	return nil
}

// Capture is a capture that holds the entries.
func (es Entries) Capture() (*directory.Capture, error) {
	var text bytes.Buffer
	if err := es.Write(&text); err != nil {
		return nil, err
	}
	return directory.ReadCapture(&text)
}

type entry struct{ directory.Entry }

func clone(e directory.Entry) entry {
	attrs := slices.Clone(e.Attrs)
	for i, a := range attrs {
		attrs[i].Values = slices.Clone(a.Values)
	}
	return entry{directory.Entry{DN: e.DN, Attrs: attrs}}
}

func (e *entry) Set(attr string, values ...string) {
	e.Attrs = slices.DeleteFunc(e.Attrs, func(a directory.Attribute) bool { return strings.EqualFold(a.Name, attr) })
	if len(values) == 0 {
		return
	}
	a := directory.Attribute{Name: attr}
	for _, v := range values {
		a.Values = append(a.Values, []byte(v))
	}
	e.Attrs = append(e.Attrs, a)
}
