package audit

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/foresttest"
)

// An entry for all that is below is not effective on classes that block inheritance by default, such as
// groupPolicyContainer. A rule may say on which classes it must be.
func TestEffectiveOn(t *testing.T) {
	for _, c := range []struct {
		on     string
		pass   bool
		effect acl.Effect
	}{
		{"", false, acl.Partial},
		{", effective-on: [container, contact]", true, acl.Granted},
		{", effective-on: [container, groupPolicyContainer]", false, acl.Partial},
	} {
		policies := rules(t, "  - {id: r, rights: [modify-owner], scope: this-object-and-descendants"+c.on+", source: t}\n")
		dacl := string(descriptor(t, "O:SYD:(A;CI;WO;;;"+foresttest.ParentSID+"-1105)"))
		r := edited{demoCapture(t), with(foresttest.Parent, "nTSecurityDescriptor", dacl)}
		if row := only(t, audited(t, r, policies)); row.Pass != c.pass || c.pass && row.Effect != c.effect.String() || row.Grant != acl.Exact.String() {
			t.Errorf("%q: %+v, want pass %v", c.on, row, c.pass)
		}
	}
}
