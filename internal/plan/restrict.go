package plan

import (
	"errors"
	"fmt"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// checkRestricted holds a change that blocks inheritance to the one that plans have: the
// restricted permissions of the account itself.
func (p *Plan) checkRestricted(c *Change, before, after *sddl.Descriptor) error {
	if c.Protection != ProtectOn {
		return fmt.Errorf("no plan turns protection %q", c.Protection)
	}
	if !directory.SameDN(c.DN, p.Account.DN) {
		return errors.New("it blocks inheritance, and is not the account of the plan")
	}
	domain, err := sddl.ParseSID(p.Domain.SID)
	if err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	forest, err := sddl.ParseSID(p.Domain.ForestSID)
	if err != nil {
		return fmt.Errorf("forest: %w", err)
	}
	for _, drop := range []bool{false, true} {
		want, err := gmsa.Restrict(before.DACL, domain, forest, drop)
		if err != nil {
			return err
		}
		if sameACL(want, after.DACL) {
			return nil
		}
	}
	return errors.New("it is not what restricted permissions are")
}
