package reach

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// risk is a bit for each named risk, worst first.
type risk uint

const (
	riskReplication risk = 1 << iota
	riskProtectedGroup
	riskProtectedDACL
	riskFullControl
	riskWriteDACL
	riskWriteOwner
	riskPassword
	riskKeyCredential
	riskActOnBehalf
	riskManagedPassword
	riskCreateAny
)

// risks say why a right is to be looked at first.
var risks = []struct {
	bit risk
	audit.Risk
}{
	{riskReplication, audit.Risk{ID: "replicate-secrets", Severity: "critical", Why: "With both replication rights it can ask a domain controller for the password hashes of every account, krbtgt among them."}},
	{riskProtectedGroup, audit.Risk{ID: "write-protected-group", Severity: "critical", Why: "It can add members, itself among them, to a group that AdminSDHolder protects, such as Domain Admins."}},
	{riskProtectedDACL, audit.Risk{ID: "control-protected-object", Severity: "critical", Why: "It controls the head of a naming context, AdminSDHolder or an object that it protects, and with that the domain."}},
	{riskFullControl, audit.Risk{ID: "full-control", Severity: "high", Why: "It can do everything with the object, and give the same to others."}},
	{riskWriteDACL, audit.Risk{ID: "write-dacl", Severity: "high", Why: "Who can modify permissions can give itself every other right."}},
	{riskWriteOwner, audit.Risk{ID: "write-owner", Severity: "high", Why: "Who can become the owner can then modify permissions, and so have every other right."}},
	{riskPassword, audit.Risk{ID: "reset-password", Severity: "high", Why: "It can set a new password without the old one, and log on as the account."}},
	{riskKeyCredential, audit.Risk{ID: "write-key-credential", Severity: "high", Why: "It can add a key of its own to the account, and log on as it without the password being changed."}},
	{riskActOnBehalf, audit.Risk{ID: "write-allowed-to-act", Severity: "high", Why: "It can let an account of its own act on behalf of any user towards the services of the account."}},
	{riskManagedPassword, audit.Risk{ID: "write-gmsa-membership", Severity: "high", Why: "It can let itself read the password of a group managed service account."}},
	{riskCreateAny, audit.Risk{ID: "create-any-class", Severity: "medium", Why: "It can create objects of every class that may stand there, and owns what it creates."}},
}

// The extended rights that named risks are about. [MS-ADTS] 5.1.3.2.1.
var (
	guidGetChanges    = sddl.MustParseGUID("1131f6aa-9c07-11d1-f79f-00c04fc2dcd2")
	guidGetChangesAll = sddl.MustParseGUID("1131f6ad-9c07-11d1-f79f-00c04fc2dcd2")
	guidResetPassword = sddl.MustParseGUID("00299570-246d-11d0-a768-00aa006e0529")
)

// about says whether an entry is about a right, or about everything.
func about(a *sddl.ACE, g sddl.GUID) bool { return !a.HasObjectType() || a.ObjectType == g }

// aboutAttribute says whether an entry is about an attribute that objects of the class
// may have: by itself, by its property set or with all others.
func (s *sweep) aboutAttribute(a *sddl.ACE, name string, c *class) bool {
	attribute := s.snapshot.Schema.Attribute(name)
	if attribute == nil {
		return false
	}
	if c != nil && c.acl != nil {
		if _, has := c.acl.Attributes[attribute.GUID]; !has {
			return false
		}
	}
	return about(a, attribute.GUID) || !attribute.PropertySet.IsZero() && a.ObjectType == attribute.PropertySet
}

// risksOf names what is dangerous about the bits of an entry on an object. A class that is
// nil is any class; k are the objects, nil where the bits are for what is below; precious is an object that AdminSDHolder protects, or should.
func (s *sweep) risksOf(a *sddl.ACE, bits sddl.Mask, c *class, k *kindState, precious bool) risk {
	var r risk
	is := func(superclass string) bool { return c == nil || s.isA(c, superclass) }
	head := k != nil && c != nil && c.isHead()
	if head && bits&sddl.ControlAccess != 0 && (about(a, guidGetChanges) || about(a, guidGetChangesAll)) && s.replicates(k) {
		r |= riskReplication
	}
	if bits&sddl.ControlAccess != 0 && is("user") && about(a, guidResetPassword) {
		r |= riskPassword
	}
	if bits&sddl.WriteDACL != 0 {
		r |= riskWriteDACL
	}
	if bits&sddl.WriteOwner != 0 {
		r |= riskWriteOwner
	}
	if bits&sddl.CreateChild != 0 && !a.HasObjectType() {
		r |= riskCreateAny
	}
	if bits&sddl.WriteProperty != 0 {
		if (is("user") || is("computer")) && s.aboutAttribute(a, "msDS-KeyCredentialLink", c) {
			r |= riskKeyCredential
		}
		if (is("user") || is("computer")) && s.aboutAttribute(a, "msDS-AllowedToActOnBehalfOfOtherIdentity", c) {
			r |= riskActOnBehalf
		}
		if s.aboutAttribute(a, "msDS-GroupMSAMembership", c) {
			r |= riskManagedPassword
		}
	}
	if precious && bits&(sddl.WriteProperty|sddl.WriteSelf) != 0 && is("group") && s.aboutAttribute(a, "member", c) {
		r |= riskProtectedGroup
	}
	if precious && r&(riskWriteDACL|riskWriteOwner|riskPassword|riskKeyCredential|riskActOnBehalf) != 0 || head && r&(riskWriteDACL|riskWriteOwner) != 0 {
		r |= riskProtectedDACL
	}
	// Full control, of which the policies may ask for a part, is one word for the lesser ones.
	if bits&sddl.WriteDACL != 0 && a.Mask.MapGeneric()&sddl.FullControl == sddl.FullControl && !a.HasObjectType() {
		r = r&(riskReplication|riskProtectedGroup|riskProtectedDACL) | riskFullControl
	}
	return r
}

// preciousRIDs are the accounts and groups of every domain, and of BUILTIN, that SDProp
// protects, with their members. [MS-ADTS] 3.1.1.6.1.
var (
	preciousOfDomain  = []uint32{500, 502, 512, 516, 518, 519, 521, 526, 527}
	preciousOfBuiltin = []uint32{544, 548, 549, 550, 551, 552}
)

var builtin = sddl.MustParseSID("S-1-5-32")

// isPrecious says whether a SID is one that SDProp protects by its number, whether it has
// done so or not.
func (s *sweep) isPrecious(sid sddl.SID) bool {
	rid, ok := sid.RID()
	if !ok {
		return false
	}
	switch sid.Domain() {
	case s.snapshot.Domain.SID:
		return slices.Contains(preciousOfDomain, rid)
	case builtin:
		return slices.Contains(preciousOfBuiltin, rid)
	}
	return false
}

// replicates says whether the account has both rights that replicating secrets takes.
func (s *sweep) replicates(k *kindState) bool {
	d := k.descriptor
	if d.DACL == nil {
		return true
	}
	var one, all bool
	for i := range d.DACL.ACEs {
		a := &d.DACL.ACEs[i]
		if s.effective(k, i)&sddl.ControlAccess == 0 {
			continue
		}
		one = one || about(a, guidGetChanges)
		all = all || about(a, guidGetChangesAll)
	}
	return one && all
}

func (r risk) list() []audit.Risk {
	var out []audit.Risk
	for _, known := range risks {
		if r&known.bit != 0 {
			out = append(out, known.Risk)
		}
	}
	return out
}

// rank orders risks: the worst first, then the one with more of them.
func (r risk) rank() int {
	for i, known := range risks {
		if r&known.bit != 0 {
			return i
		}
	}
	return len(risks)
}
