package whoami

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/explain"
)

// abilities asks what the session may do.
type abilities struct {
	server    Server
	domain    *directory.Domain
	explainer *explain.Explainer
	account   *directory.Account // nil: not one of this domain
}

// effective is one of the attributes that a server works out for who asks. [MS-ADTS]
// 3.1.1.4.5.
func (a *abilities) effective(ctx context.Context, dn, attr string) ([]string, error) {
	found, err := directory.Collect(a.server.Read(ctx, directory.Query{Base: dn, Attrs: []string{attr}}))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].Texts(attr), nil
}

// dacl is the bit of sDRightsEffective that is about the DACL: DACL_SECURITY_INFORMATION.
// [MS-ADTS] 3.1.1.4.5.4.
const dacl = 4

func (a *abilities) target(ctx context.Context, dn string) (Target, error) {
	out := Target{DN: dn, WriteDACL: Judged{Effect: acl.Unknown.String()}}
	t, err := directory.LoadTarget(ctx, a.server, dn)
	if missing := (*directory.NotFoundError)(nil); errors.As(err, &missing) {
		out.Descriptor.Why, out.WriteDACL.Why = missing.Error(), missing.Error()
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.DN = t.DN
	out.Descriptor.Word = word(t.Descriptor != nil)
	out.Descriptor.Why = t.Unreadable
	values, err := a.effective(ctx, t.DN, "sDRightsEffective")
	if err != nil {
		return out, err
	}
	if len(values) == 1 {
		if n, err := strconv.ParseUint(values[0], 10, 32); err == nil {
			out.WriteDACL.Server = word(n&dacl != 0)
		}
	}
	return out, a.judge(ctx, &out.WriteDACL, t.DN, "write-dacl")
}

// judge adds our own judgement to the server's, and the answer that follows from both.
func (a *abilities) judge(ctx context.Context, j *Judged, dn, right string) error {
	j.Effect = acl.Unknown.String()
	why := "the account is not one of this domain, so that its descriptor was not judged"
	if a.account != nil {
		x, err := a.explainer.Explain(ctx, a.account.DN, dn, right)
		if err != nil {
			return err
		}
		j.Effect, why = x.Effect, x.Why
	}
	own := Unknown
	switch j.Effect {
	case acl.Granted.String():
		own = Yes
	case acl.NotGranted.String(), acl.Denied.String():
		own = No
	}
	switch {
	case j.Server == Unknown && own == Unknown:
		j.Why = "the server does not say; " + why
	case j.Server == Unknown:
		j.Word, j.Why = own, "by the descriptor; the server does not say"
		if own == No {
			j.Why = why + " (the server does not say)"
		}
	case own == Unknown:
		j.Word, j.Why = j.Server, "the server says so; by the descriptor it is "+j.Effect+": "+why
	case own != j.Server:
		j.Why = fmt.Sprintf("the server says %s, and by the descriptor it is %s: %s", j.Server, j.Effect, why)
	default:
		j.Word = own
		if own == No {
			j.Why = why
		}
	}
	return nil
}

// guidManagedServiceAccounts is GUID_MANAGED_SERVICE_ACCOUNTS_CONTAINER_W, by which the head
// of the domain names the container whatever it is called. [MS-ADTS] 6.1.1.4.
const guidManagedServiceAccounts = "1EB93889E40C45DF9F0C64D23BBB6237"

func (a *abilities) creation(ctx context.Context, head directory.Entry) (Creation, error) {
	c := Creation{Judged: Judged{Effect: acl.Unknown.String()}}
	values := slices.Concat(head.Texts("otherWellKnownObjects"), head.Texts("wellKnownObjects"))
	c.Container = wellKnownObject(values, guidManagedServiceAccounts)
	if c.Container == "" {
		c.Why = "the head of the domain shows no container of managed service accounts"
		return c, nil
	}
	classes, err := a.effective(ctx, c.Container, "allowedChildClassesEffective")
	if missing := (*directory.NotFoundError)(nil); errors.As(err, &missing) {
		c.Why = missing.Error()
		return c, nil
	}
	if err != nil {
		return c, err
	}
	// Where nothing may be created the attribute is absent, as where it is not answered. One
	// that the server works out from the schema alone, and the container always has, tells.
	if len(classes) == 0 {
		possible, err := a.effective(ctx, c.Container, "allowedChildClasses")
		if err != nil {
			return c, err
		}
		if len(possible) > 0 {
			c.Server = No
		}
	} else {
		c.Server = word(slices.ContainsFunc(classes, func(name string) bool { return strings.EqualFold(name, directory.ClassGMSA) }))
	}
	err = a.judge(ctx, &c.Judged, c.Container, "create:"+directory.ClassGMSA)
	if absent := (*explain.RightError)(nil); errors.As(err, &absent) {
		c.Judged = Judged{Answer: Answer{No, "the schema shows no class " + directory.ClassGMSA}, Server: c.Server, Effect: acl.Unknown.String()}
		if c.Server == Yes {
			c.Word = Unknown
		}
		return c, nil
	}
	return c, err
}

// wellKnownObject is the DN that a value B:32:GUID:DN gives to a GUID. [MS-ADTS] 3.1.1.1.6.
func wellKnownObject(values []string, guid string) string {
	for _, v := range values {
		parts := strings.SplitN(v, ":", 4)
		if len(parts) == 4 && parts[0] == "B" && strings.EqualFold(parts[2], guid) {
			return parts[3]
		}
	}
	return ""
}

// rootKeys says whether the forest has a key from which passwords of gMSAs are made. Most
// identities are shown none, so that seeing none means nothing. [MS-ADSC] 2.171.
func (a *abilities) rootKeys(ctx context.Context) (Answer, error) {
	q := directory.Query{
		Base:  "CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services," + a.domain.ConfigurationDN,
		Scope: directory.OneLevel,
		Any:   []directory.Match{{Attr: "objectClass", Value: "msKds-ProvRootKey"}},
		Attrs: []string{"cn"},
	}
	found, err := directory.Collect(a.server.Read(ctx, q))
	if missing := (*directory.NotFoundError)(nil); errors.As(err, &missing) || err == nil && len(found) == 0 {
		return Answer{Why: "none is shown to this identity"}, nil
	}
	if err != nil {
		return Answer{}, fmt.Errorf("look for KDS root keys: %w", err)
	}
	return Answer{Yes, fmt.Sprintf("%d shown", len(found))}, nil
}
