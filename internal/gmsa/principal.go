package gmsa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Principal is a host or a group that may be given the password.
type Principal struct {
	Name string // sAMAccountName
	DN   string
	SID  sddl.SID
	Note string // what should be known before it is used; empty: nothing
}

// PrincipalError says why a name is nobody who may be given the password.
type PrincipalError struct{ Name, Why string }

func (e *PrincipalError) Error() string { return fmt.Sprintf("%q: %s", e.Name, e.Why) }

// accountDisabled is UF_ACCOUNTDISABLE of userAccountControl. [MS-ADTS] 2.2.16.
const accountDisabled = 0x2

// securityEnabled is GROUP_TYPE_SECURITY_ENABLED of groupType. [MS-ADTS] 2.2.12.
const securityEnabled = 1 << 31

// Retrievers are the hosts and groups of those names, each once. A host is a computer of the
// domain, a group one of its security groups that does not hold half of it.
func Retrievers(ctx context.Context, r directory.Reader, d *directory.Domain, hosts, groups []string) ([]Principal, error) {
	var out []Principal
	add := func(p Principal) {
		if !slices.ContainsFunc(out, func(have Principal) bool { return have.SID == p.SID }) {
			out = append(out, p)
		}
	}
	for _, name := range hosts {
		p, err := host(ctx, r, d, name)
		if err != nil {
			return nil, err
		}
		add(p)
	}
	for _, name := range groups {
		p, err := group(ctx, r, d, name)
		if err != nil {
			return nil, err
		}
		add(p)
	}
	return out, nil
}

func host(ctx context.Context, r directory.Reader, d *directory.Domain, name string) (Principal, error) {
	e, err := find(ctx, r, d, name, true)
	if err != nil {
		return Principal{}, err
	}
	p, err := principal(e, name)
	if err != nil {
		return p, err
	}
	switch classes := e.Texts("objectClass"); {
	case is(classes, directory.ClassGMSA) || is(classes, "msDS-ManagedServiceAccount"):
		return p, &PrincipalError{name, e.DN + " is a service account, not a host"}
	case !is(classes, "computer"):
		return p, &PrincipalError{name, fmt.Sprintf("%s is no computer (its class is %s)", e.DN, lastOf(classes))}
	}
	uac, err := strconv.ParseInt(e.Text("userAccountControl"), 10, 64)
	switch {
	case err != nil:
		p.Note = fmt.Sprintf("Whether host %s is enabled is not readable.", p.Name)
	case uac&accountDisabled != 0:
		p.Note = fmt.Sprintf("Host %s is disabled: it cannot fetch the password until it is enabled.", p.Name)
	}
	return p, nil
}

func group(ctx context.Context, r directory.Reader, d *directory.Domain, name string) (Principal, error) {
	e, err := find(ctx, r, d, name, false)
	if err != nil {
		return Principal{}, err
	}
	p, err := principal(e, name)
	if err != nil {
		return p, err
	}
	classes := e.Texts("objectClass")
	if is(classes, "foreignSecurityPrincipal") {
		return p, &PrincipalError{name, e.DN + " stands for somebody of another forest, whom no domain controller here gives the password: take hosts or groups of " + d.DNS}
	}
	if !is(classes, "group") {
		return p, &PrincipalError{name, fmt.Sprintf("%s is no group (its class is %s)", e.DN, lastOf(classes))}
	}
	if why := TooWide(p.SID, d); why != "" {
		return p, &PrincipalError{name, why}
	}
	kind, err := strconv.ParseInt(e.Text("groupType"), 10, 64)
	switch {
	case err != nil:
		return p, &PrincipalError{name, "its groupType is not readable, so whether it is a security group is unknown"}
	case kind&securityEnabled == 0:
		return p, &PrincipalError{name, e.DN + " is a distribution group, which nobody has in a token"}
	}
	return p, nil
}

// TooWide says why a principal is not one to be given a password: everybody is in it, or every
// computer. Empty where it is not.
func TooWide(sid sddl.SID, d *directory.Domain) string {
	wide := map[string]string{
		"S-1-1-0":  "Everyone is everybody",
		"S-1-5-2":  "NETWORK is everybody who comes over the network",
		"S-1-5-7":  "ANONYMOUS LOGON is everybody",
		"S-1-5-11": "Authenticated Users are all accounts of the forest and of those it trusts",
		"S-1-5-15": "This Organization is every account of the forest",

		"S-1-5-32-545": "Users holds all accounts of the domain",
		"S-1-5-32-546": "Guests holds accounts without a secret",
		"S-1-5-32-554": "Pre-Windows 2000 Compatible Access mostly holds all accounts",
	}
	if d != nil && !d.SID.IsZero() {
		domain := d.SID.String()
		wide[domain+"-513"] = "Domain Users holds all users of the domain"
		wide[domain+"-514"] = "Domain Guests holds accounts without a secret"
		wide[domain+"-515"] = "Domain Computers holds all computers of the domain, and who may join one may have the password"
	}
	return wide[sid.String()]
}

func principal(e directory.Entry, name string) (Principal, error) {
	sid, err := sddl.ParseSIDBytes(e.Value("objectSid"))
	if err != nil {
		return Principal{}, &PrincipalError{name, e.DN + " is no security principal: objectSid: " + err.Error()}
	}
	return Principal{Name: e.Text("sAMAccountName"), DN: e.DN, SID: sid}, nil
}

func is(classes []string, class string) bool {
	return slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, class) })
}

var principalAttrs = []string{"objectClass", "objectSid", "sAMAccountName", "userAccountControl", "groupType"}

// find is the one object of the domain that a sAMAccountName, DOMAIN\name, SID, DN or, for a
// host, DNS name stands for.
func find(ctx context.Context, r directory.Reader, d *directory.Domain, name string, host bool) (directory.Entry, error) {
	none := directory.Entry{}
	fault := func(format string, args ...any) (directory.Entry, error) {
		return none, &PrincipalError{name, fmt.Sprintf(format, args...)}
	}
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: principalAttrs}
	domain, account, qualified := strings.Cut(name, `\`)
	switch {
	case strings.TrimSpace(name) == "":
		return fault("the name is empty")
	case strings.HasPrefix(strings.ToUpper(name), "S-1-"):
		sid, err := sddl.ParseSID(strings.ToUpper(name))
		if err != nil {
			return fault("%v", err)
		}
		if why := TooWide(sid, d); why != "" {
			return fault("%s", why)
		}
		q.Any = []directory.Match{{Attr: "objectSid", Value: string(sid.Bytes())}}
	case directory.LooksLikeDN(name):
		if !directory.IsBelow(name, d.DN) {
			return fault("it is not in %s", d.DNS)
		}
		q.Base, q.Scope = name, directory.Base
	case qualified:
		if !strings.EqualFold(domain, d.NetBIOS) && !strings.EqualFold(domain, d.DNS) {
			return fault("domain %s is not %s: who may have the password must be in the account's own domain", domain, d.DNS)
		}
		q.Any = named(account, host)
	case host && strings.Contains(name, "."):
		q.Any = []directory.Match{{Attr: "dNSHostName", Value: strings.TrimSuffix(name, ".")}}
	default:
		q.Any = named(name, host)
	}
	found, err := directory.Collect(r.Read(ctx, q))
	if gone := (*directory.NotFoundError)(nil); errors.As(err, &gone) {
		return fault("%v", gone)
	}
	if err != nil {
		return none, fmt.Errorf("find %q: %w", name, err)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return fault("no such %s is visible in %s; it may have been deleted, or be in another domain", kind(host), d.DNS)
	}
	var dns []string
	for _, e := range found {
		dns = append(dns, e.DN)
	}
	slices.Sort(dns)
	return fault("it stands for several objects, name one by its DN: %s", strings.Join(dns, "; "))
}

func named(name string, host bool) []directory.Match {
	if host && !strings.HasSuffix(name, "$") {
		name += "$"
	}
	return []directory.Match{{Attr: "sAMAccountName", Value: name}}
}

func kind(host bool) string {
	if host {
		return "host"
	}
	return "group"
}

// Membership is the msDS-GroupMSAMembership that gives the password to these principals and to
// nobody else, in self-relative form: an entry of full control each, as the Windows cmdlets write
// it; what a domain controller looks for among its rights is the one to read properties.
// [MS-ADTS] 3.1.1.4.4, 3.1.1.4.5.39.
func Membership(who []Principal) ([]byte, error) {
	if len(who) == 0 {
		return nil, errors.New("nobody is named who may have the password")
	}
	dacl := &sddl.ACL{Revision: 2}
	for _, p := range who {
		dacl.ACEs = append(dacl.ACEs, sddl.ACE{Type: sddl.Allow, Mask: sddl.FullControl, SID: p.SID})
	}
	d := (&sddl.Descriptor{Revision: 1, Control: sddl.SelfRelative | sddl.DACLPresent, Owner: sddl.MustParseSID("S-1-5-32-544")}).WithDACL(dacl)
	return d.Append(nil)
}

// Named are the principals of a membership that the domain shows.
func Named(ctx context.Context, r directory.Reader, d *directory.Domain, membership []byte) ([]Principal, error) {
	descriptor, err := sddl.Parse(membership)
	if err != nil || descriptor.DACL == nil {
		return nil, nil // whoever shows it will say so
	}
	q := directory.Query{Base: d.DN, Scope: directory.Subtree, Attrs: principalAttrs}
	for _, a := range descriptor.DACL.ACEs {
		if !a.SID.IsZero() {
			q.Any = append(q.Any, directory.Match{Attr: "objectSid", Value: string(a.SID.Bytes())})
		}
	}
	if len(q.Any) == 0 {
		return nil, nil
	}
	var out []Principal
	for e, err := range r.Read(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("read who may have the password: %w", err)
		}
		if p, err := principal(e, e.DN); err == nil && p.Name != "" {
			out = append(out, p)
		}
	}
	return out, nil
}
