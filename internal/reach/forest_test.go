package reach

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

const (
	head      = "DC=corp,DC=example"
	target    = "OU=T,DC=corp,DC=example"
	holderDN  = "CN=AdminSDHolder,CN=System,DC=corp,DC=example"
	domainSID = "S-1-5-21-785912491-1317325197-797612093"
	agent     = domainSID + "-1105" // provAgentgMSA$ of the demo
	its       = domainSID + "-1103" // a group that it is in
	stranger1 = domainSID + "-2000"

	userGUID     = "bf967aba-0de6-11d0-a285-00aa003049e2"
	groupGUID    = "bf967a9c-0de6-11d0-a285-00aa003049e2"
	memberGUID   = "bf9679c0-0de6-11d0-a285-00aa003049e2"
	passwordGUID = "00299570-246d-11d0-a768-00aa006e0529"
)

var lineages = map[string][]string{
	"domainDNS":          {"top", "domain", "domainDNS"},
	"organizationalUnit": {"top", "organizationalUnit"},
	"container":          {"top", "container"},
	"user":               {"top", "person", "organizationalPerson", "user"},
	"inetOrgPerson":      {"top", "person", "organizationalPerson", "user", "inetOrgPerson"},
	"computer":           {"top", "person", "organizationalPerson", "user", "computer"},
	"group":              {"top", "group"},
	"contact":            {"top", "person", "organizationalPerson", "contact"},
	"gmsa":               {"top", "person", "organizationalPerson", "user", "computer", "msDS-GroupManagedServiceAccount"},
}

var demoOnce = sync.OnceValues(demo.Capture)

// forest is the demo's domain, schema and account with objects of a test's own.
type forest struct {
	t       testing.TB
	demo    directory.Reader
	entries []directory.Entry
	byKey   map[string]int
	dacls   map[string]*sddl.Descriptor
	unseen  map[string]bool // not there to be seen
	shuffle bool
	noToken bool // the account does not show its groups
}

func newForest(t testing.TB) *forest {
	t.Helper()
	c, err := demoOnce()
	if err != nil {
		t.Fatal(err)
	}
	f := &forest{t: t, demo: c, byKey: map[string]int{}, dacls: map[string]*sddl.Descriptor{}, unseen: map[string]bool{}}
	for _, nc := range []string{"CN=Configuration," + head, "CN=Schema,CN=Configuration," + head, "DC=DomainDnsZones," + head, "DC=ForestDnsZones," + head} {
		f.add(nc, "container", "O:SYD:P(A;;GA;;;SY)")
	}
	f.add(head, "domainDNS", "O:SYD:(A;;GA;;;SY)")
	f.add(holderDN, "container", "O:SYD:P(A;;GA;;;SY)(A;;RP;;;AU)")
	return f
}

type attr func(*directory.Entry)

func with(name, value string) attr {
	return func(e *directory.Entry) {
		e.Attrs = slices.DeleteFunc(e.Attrs, func(a directory.Attribute) bool { return a.Name == name })
		if value != "" {
			e.Attrs = append(e.Attrs, directory.Attribute{Name: name, Values: [][]byte{[]byte(value)}})
		}
	}
}

// add adds an object with these explicit entries, and those that it inherits from the
// object above it; unless the SDDL says that it is protected. Flags AR: what it should
// inherit has not come yet.
func (f *forest) add(dn, class, text string, attrs ...attr) {
	f.t.Helper()
	text = strings.NewReplacer("AGENT", agent, "GROUPOFIT", its, "STRANGER", stranger1).Replace(text)
	d, err := sddl.ParseText(text, sddl.Aliases{})
	if err != nil {
		f.t.Fatalf("%s: %v", dn, err)
	}
	_, above := cutDN(dn)
	parent := f.dacls[directory.DNKey(above)]
	late := d.Control.Has(sddl.DACLAutoInheritReq)
	d.Control &^= sddl.DACLAutoInheritReq
	if parent != nil && !late && !d.Control.Has(sddl.DACLProtected) && class != "domainDNS" {
		dacl := *d.DACL
		dacl.Revision = 4
		var classes []sddl.GUID
		if c := f.schema().Class(lineages[class][len(lineages[class])-1]); c != nil {
			classes = append(classes, c.GUID)
		}
		dacl.ACEs = append(slices.Clone(dacl.ACEs), acl.Inherit(parent.DACL.ACEs, classes, d.Owner, d.Group)...)
		d = d.WithDACL(&dacl)
	}
	raw, err := d.Append(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	key := directory.DNKey(dn)
	f.dacls[key] = d
	e := directory.Entry{DN: dn}
	var values [][]byte
	for _, name := range lineages[class] {
		values = append(values, []byte(name))
	}
	e.Attrs = append(e.Attrs, directory.Attribute{Name: "objectClass", Values: values})
	with("nTSecurityDescriptor", string(raw))(&e)
	for _, a := range attrs {
		a(&e)
	}
	if i, twice := f.byKey[key]; twice {
		f.entries[i] = e
		return
	}
	f.byKey[key] = len(f.entries)
	f.entries = append(f.entries, e)
}

var schemaOnce = sync.OnceValues(func() (*directory.Schema, error) {
	c, err := demoOnce()
	if err != nil {
		return nil, err
	}
	d, err := directory.LoadDomain(context.Background(), c)
	if err != nil {
		return nil, err
	}
	return directory.LoadSchema(context.Background(), c, d)
})

func (f *forest) schema() *directory.Schema {
	s, err := schemaOnce()
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *forest) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	i, ours := f.byKey[directory.DNKey(q.Base)]
	if f.noToken && slices.Contains(q.Attrs, "tokenGroups") {
		return func(yield func(directory.Entry, error) bool) { yield(directory.Entry{DN: q.Base}, nil) }
	}
	every := q.Scope == directory.Subtree && len(q.Any) == 0
	if f.unseen[directory.DNKey(q.Base)] {
		return func(yield func(directory.Entry, error) bool) {
			yield(directory.Entry{}, &directory.NotFoundError{DN: q.Base})
		}
	}
	// The head of the domain has its SID and GUID in the demo.
	described := q.Descriptor || !directory.SameDN(q.Base, head)
	if !ours || !described || !every && q.Scope != directory.Base {
		return f.demo.Read(ctx, q)
	}
	return func(yield func(directory.Entry, error) bool) {
		if !every {
			yield(f.entries[i], nil)
			return
		}
		list := slices.Clone(f.entries)
		if f.shuffle {
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		for _, e := range list {
			if !directory.IsBelow(e.DN, q.Base) || directory.SameDN(q.Base, head) && (strings.Contains(e.DN, "Configuration") || strings.Contains(e.DN, "DnsZones")) {
				continue
			}
			if !yield(e, ctx.Err()) {
				return
			}
		}
	}
}

func rules(t testing.TB, text string) []*policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("name: test\ntitle: Test\nsource: test\nrules:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return []*policy.Policy{p}
}

const writeMember = "  - {id: write-member, rights: [write-property], object: member, scope: descendants, class: group, source: test}\n"
const readUser = "  - {id: read-user, rights: [read-all-properties], scope: descendants, class: user, source: test}\n"

// sweepOf is the whole way from a directory to a report.
func sweepOf(t testing.TB, r directory.Reader, policies []*policy.Policy, opts Options, targets ...string) *audit.Report {
	t.Helper()
	report, err := trySweep(t.Context(), r, policies, opts, targets...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func trySweep(ctx context.Context, r directory.Reader, policies []*policy.Policy, opts Options, targets ...string) (*audit.Report, error) {
	if len(targets) == 0 {
		targets = []string{target}
	}
	s, err := audit.Load(ctx, r, "provAgentgMSA$", targets)
	if err != nil {
		return nil, err
	}
	report, err := audit.Evaluate(s, policies, audit.AcceptAny)
	if err != nil {
		return nil, err
	}
	j, err := audit.NewJudge(s, policies, audit.AcceptAny)
	if err != nil {
		return nil, err
	}
	return report, Sweep(ctx, r, s, j, report, opts)
}
