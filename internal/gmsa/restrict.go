package gmsa

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// self is PRINCIPAL SELF: the account itself, in its own descriptor.
var self = sddl.MustParseSID("S-1-5-10")

// genericRead is GENERIC_READ as AD stores it: list contents, read all properties, list
// object, read permissions. [MS-ADTS] 5.1.3.2, 6.1.3.
const genericRead = sddl.ListContents | sddl.ReadProperty | sddl.ListObject | sddl.ReadControl

// RestrictedEntries are the entries of the published restricted permissions: full control for
// those who run the forest, and reading for domain controllers and who is logged on. The page
// lists the rights to read one by one, the published cmdlet writes GENERIC_READ, which is the
// right to list the object more. domain and forest are the SIDs of the account's domain and of the
// forest's root domain.
//
// Source: Set-AADCloudSyncRestrictedPermissions, how-to-gmsa-cmdlets of Microsoft Entra Cloud Sync;
// Set-ADSyncRestrictedPermissions of ADSyncConfig.
func RestrictedEntries(domain, forest sddl.SID) ([]sddl.ACE, error) {
	if forest.IsZero() {
		return nil, errors.New("the SID of the forest's root domain is not known, so Enterprise Admins cannot be named")
	}
	var out []sddl.ACE
	for _, e := range []struct {
		sid  string
		mask sddl.Mask
	}{
		{"S-1-5-18", sddl.FullControl},
		{forest.String() + "-519", sddl.FullControl},
		{domain.String() + "-512", sddl.FullControl},
		{"S-1-5-32-544", sddl.FullControl},
		{"S-1-5-9", genericRead},
		{"S-1-5-11", genericRead},
	} {
		sid, err := sddl.ParseSID(e.sid)
		if err != nil {
			return nil, fmt.Errorf("restricted permissions: %w", err)
		}
		out = append(out, sddl.ACE{Type: sddl.Allow, Mask: e.mask, SID: sid})
	}
	return out, nil
}

// Restrict is the DACL of an account with the published restricted permissions, to be written
// as a protected one: the explicit entries for SELF as they are, the six of RestrictedEntries, and
// nothing that is inherited. Explicit denies stay, the default one of Reset Password among
// them, unless dropDenies: taking a deny away would let somebody do more than before.
func Restrict(have *sddl.ACL, domain, forest sddl.SID, dropDenies bool) (*sddl.ACL, error) {
	entries, err := RestrictedEntries(domain, forest)
	if err != nil {
		return nil, err
	}
	var denies, selves []sddl.ACE
	for _, a := range have.Explicit() {
		switch {
		case a.Type.IsDeny() && !dropDenies:
			denies = append(denies, a)
		case !a.Type.IsDeny() && a.SID == self:
			selves = append(selves, a)
		}
	}
	out := *have
	out.Slack = ""
	out.ACEs = slices.Concat(denies, selves, entries)
	out.Revision = 2
	if slices.ContainsFunc(out.ACEs, func(a sddl.ACE) bool { return a.Type.IsObject() }) {
		out.Revision = 4
	}
	return &out, nil
}
