package preflight

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Asked is what the checklist is for.
type Asked struct {
	Account string   // empty: none yet
	Hosts   []string // agent hosts, by name; none: those that may have the account's password
	Scope   []string // DNs of the organizational units and groups that are to be synchronized
	Live    bool     // a domain controller is asked, and whoever asks is who will run the rollout
}

// snapshot is all that the checks judge by.
type snapshot struct {
	asked   Asked
	domain  *directory.Domain
	schema  *audit.SchemaReport
	kds     *gmsa.KDS
	caller  *directory.Caller
	create  string // where accounts are made; empty: not known
	may     bool   // whoever reads may make them there
	dcs     []controller
	account *gmsa.Facts
	readers *gmsa.Readers
	audit   *audit.Report // of the account, by the table of the page
	hosts   []host
	scope   []scoped
}

// controller is a domain controller of the domain.
type controller struct {
	name, os, version string
	level             int // msDS-Behavior-Version of its settings; -1: not shown
}

// host is an agent host.
type host struct {
	name, dn          string
	missing           string // why it is not known
	os, version       string
	disabled, flags   bool // flags: userAccountControl is shown
	encTypes          *int64
	lastLogon         time.Time
	mayRead, mayKnown bool // whether it may have the account's password
}

// scoped is one organizational unit or group of the scope.
type scoped struct {
	dn, missing, class string
	members            int
	counted            bool // all of them: those whose primary group it is, too, and none is hidden
}

var hostAttrs = []string{"objectClass", "objectSid", "sAMAccountName", "dNSHostName", "operatingSystem", "operatingSystemVersion", "userAccountControl", gmsa.AttrEncTypes, "lastLogonTimestamp"}

// Run reads what the checks are about and judges it.
func Run(ctx context.Context, r directory.Reader, asked Asked) (*Report, error) {
	s, err := load(ctx, r, asked)
	if err != nil {
		return nil, err
	}
	return s.judge(), nil
}

func load(ctx context.Context, r directory.Reader, asked Asked) (*snapshot, error) {
	s := &snapshot{asked: asked}
	var err error
	if s.domain, err = directory.LoadDomain(ctx, r); err != nil {
		return nil, err
	}
	schema, err := directory.LoadSchema(ctx, r, s.domain)
	if err != nil {
		return nil, err
	}
	s.schema = audit.EvaluateSchema(s.domain, schema)
	if s.kds, err = gmsa.RootKeys(ctx, r, s.domain); err != nil {
		return nil, err
	}
	if s.caller, err = directory.WhoReads(ctx, r, s.domain); err != nil {
		return nil, err
	}
	container, err := gmsa.FindContainer(ctx, r, s.domain, schema, "")
	var none *gmsa.ContainerError
	switch {
	case err == nil:
		s.create, s.may = container.DN, container.MayCreate
	case !errors.As(err, &none):
		return nil, err
	}
	if s.dcs, err = controllers(ctx, r, s.domain); err != nil {
		return nil, err
	}
	if asked.Account != "" {
		if s.account, err = gmsa.Load(ctx, r, asked.Account); err != nil {
			return nil, err
		}
		if s.readers, err = gmsa.FindReaders(ctx, r, s.domain, s.account.Membership()); err != nil {
			return nil, err
		}
	}
	if s.account != nil {
		if s.audit, err = permissions(ctx, r, s.account.Account.SID.String()); err != nil {
			return nil, err
		}
	}
	if s.hosts, err = s.agentHosts(ctx, r); err != nil {
		return nil, err
	}
	for _, dn := range asked.Scope {
		one, err := scopeOf(ctx, r, s.domain, dn, asked.Live)
		if err != nil {
			return nil, err
		}
		s.scope = append(s.scope, one)
	}
	return s, nil
}

// controllers are the domain controllers, read-only ones too, with what their settings say.
func controllers(ctx context.Context, r directory.Reader, d *directory.Domain) ([]controller, error) {
	var out []controller
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: []string{"sAMAccountName", "dNSHostName", "operatingSystem", "operatingSystemVersion", "serverReferenceBL"},
		Any: []directory.Match{{Attr: "primaryGroupID", Value: "516"}, {Attr: "primaryGroupID", Value: "521"}}}
	for e, err := range r.Read(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("find the domain controllers: %w", err)
		}
		c := controller{name: e.Text("dNSHostName"), os: e.Text("operatingSystem"), version: e.Text("operatingSystemVersion"), level: -1}
		if c.name == "" {
			c.name = e.DN
		}
		for _, server := range e.Texts("serverReferenceBL") {
			settings, err := directory.Collect(r.Read(ctx, directory.Query{Base: "CN=NTDS Settings," + server, Attrs: []string{"msDS-Behavior-Version"}}))
			if notShown(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read the settings of %s: %w", c.name, err)
			}
			for _, one := range settings {
				if n, err := strconv.Atoi(one.Text("msDS-Behavior-Version")); err == nil {
					c.level = n
				}
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func notShown(err error) bool {
	missing, unrecorded := (*directory.NotFoundError)(nil), (*directory.NotRecordedError)(nil)
	return errors.As(err, &missing) || errors.As(err, &unrecorded)
}

// agentHosts are those that are named or, where none is, those that may have the password.
func (s *snapshot) agentHosts(ctx context.Context, r directory.Reader) ([]host, error) {
	var out []host
	for _, name := range s.asked.Hosts {
		sam := strings.TrimSuffix(name, "$") + "$"
		q := directory.Query{Base: s.domain.DN, Scope: directory.Subtree, Attrs: hostAttrs, Any: []directory.Match{{Attr: "sAMAccountName", Value: sam}, {Attr: "dNSHostName", Value: name}}}
		found, err := directory.Collect(r.Read(ctx, q))
		if err != nil {
			return nil, fmt.Errorf("find host %s: %w", name, err)
		}
		if len(found) != 1 {
			out = append(out, host{name: name, missing: fmt.Sprintf("%d computers of that name are visible in %s", len(found), s.domain.DNS)})
			continue
		}
		out = append(out, s.hostOf(found[0]))
	}
	if len(s.asked.Hosts) > 0 || s.readers == nil {
		return out, nil
	}
	for _, m := range s.readers.Members {
		if m.Kind != gmsa.KindHost || m.Verdict == "no" || len(out) >= maxHosts {
			continue
		}
		found, err := directory.Collect(r.Read(ctx, directory.Query{Base: m.DN, Attrs: hostAttrs}))
		switch {
		case notShown(err) || err == nil && len(found) != 1:
			out = append(out, host{name: m.Name, missing: "it is not shown"})
		case err != nil:
			return nil, fmt.Errorf("read host %s: %w", m.Name, err)
		default:
			out = append(out, s.hostOf(found[0]))
		}
	}
	return out, nil
}

// maxHosts is how many hosts of a large group are looked at one by one.
const maxHosts = 50

func (s *snapshot) hostOf(e directory.Entry) host {
	h := host{name: e.Text("sAMAccountName"), dn: e.DN, os: e.Text("operatingSystem"), version: e.Text("operatingSystemVersion")}
	if uac, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 64); err == nil {
		h.flags, h.disabled = true, uac&2 != 0
	}
	if n, err := strconv.ParseInt(e.Text(gmsa.AttrEncTypes), 10, 64); err == nil {
		h.encTypes = &n
	}
	if logon, err := directory.ParseFileTime(e.Text("lastLogonTimestamp")); err == nil {
		h.lastLogon = logon
	}
	if s.readers != nil && s.readers.Shown && s.readers.Damaged == "" {
		h.mayKnown = true
		h.mayRead = s.readers.Everyone
		for _, entry := range s.readers.Entries {
			h.mayRead = h.mayRead || entry.Access == "allow" && entry.Wide != ""
			h.mayKnown = h.mayKnown && entry.Unseen == "" && entry.Kind != gmsa.KindUnresolved && entry.Kind != gmsa.KindForeign
		}
		for _, m := range s.readers.Members {
			if directory.SameDN(m.DN, e.DN) {
				h.mayRead, h.mayKnown = m.Verdict == "yes", m.Verdict != "unknown"
				break
			}
		}
	}
	return h
}

// permissions judges the account by the table of the page, at the head of the domain.
func permissions(ctx context.Context, r directory.Reader, sid string) (*audit.Report, error) {
	p, err := policy.Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		return nil, err
	}
	snapshot, err := audit.Load(ctx, r, sid, nil)
	if err != nil {
		return nil, err
	}
	return audit.Evaluate(snapshot, []*policy.Policy{p}, audit.AcceptGroups)
}

// scopeOf counts what a scoping filter would hold. Whose primary group it is, is counted live only:
// nobody records it.
func scopeOf(ctx context.Context, r directory.Reader, d *directory.Domain, dn string, live bool) (scoped, error) {
	out := scoped{dn: dn}
	found, err := directory.Collect(r.Read(ctx, directory.Query{Base: dn, Attrs: []string{"objectClass", "objectSid", "member"}}))
	if notShown(err) || err == nil && len(found) != 1 {
		out.missing = "no such object is visible here"
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read %s: %w", dn, err)
	}
	e := found[0]
	out.dn, out.members = e.DN, len(e.Values("member"))
	if classes := e.Texts("objectClass"); len(classes) > 0 {
		out.class = classes[len(classes)-1]
	}
	if !strings.EqualFold(out.class, "group") || !live {
		return out, nil
	}
	sid, err := sddl.ParseSIDBytes(e.Value("objectSid"))
	if err != nil {
		return out, nil
	}
	text := sid.String()
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: []string{"primaryGroupID"}, Any: []directory.Match{{Attr: "primaryGroupID", Value: text[strings.LastIndexByte(text, '-')+1:]}}}
	for _, err := range r.Read(ctx, q) {
		if err != nil {
			return out, fmt.Errorf("count the members of %s: %w", dn, err)
		}
		out.members++
	}
	out.counted = true
	if len(e.Values("member")) == 0 {
		// It may list members that are kept from whoever reads.
		if out.counted, err = gmsa.ShowsMembers(ctx, r, d, e.DN); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Collect reads what Run reads of a domain, so that a recorder of r can answer for it; for scopes and
// hosts that nobody named then, a capture says that they are not known.
func Collect(ctx context.Context, r directory.Reader) error {
	d, err := directory.LoadDomain(ctx, r)
	if err != nil {
		return err
	}
	if _, err := controllers(ctx, r, d); err != nil {
		return err
	}
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: hostAttrs, Any: []directory.Match{{Attr: "objectClass", Value: "computer"}}}
	for _, err := range r.Read(ctx, q) {
		if err != nil {
			return fmt.Errorf("read the hosts: %w", err)
		}
	}
	groups := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: []string{"objectClass", "objectSid", "member"}, Any: []directory.Match{{Attr: "objectClass", Value: "group"}}}
	for _, err := range r.Read(ctx, groups) {
		if err != nil {
			return fmt.Errorf("read the groups: %w", err)
		}
	}
	return nil
}
