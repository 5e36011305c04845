package ldapx

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// WriteDACL replaces the DACL of an object by that of a descriptor in self-relative form.
// Its owner, group and SACL are not written. The error is a *ResultError where the server
// refused, and a *ConnectionError where it is not known whether it did. It is sent once.
// [MS-ADTS] 3.1.1.3.4.1.11.
func (s *Session) WriteDACL(ctx context.Context, dn string, descriptor []byte) error {
	d, err := sddl.Parse(descriptor)
	if err == nil && d.DACL == nil {
		err = errors.New("the descriptor has no DACL, which would grant everything to everyone")
	}
	if err == nil && dn == "" {
		err = errors.New("the rootDSE has no descriptor")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name(dn), err)
	}
	request := ldap.NewModifyRequest(dn, []ldap.Control{sdFlags(sdDACL)})
	request.Replace(descriptorAttr, []string{string(descriptor)})
	return s.do(ctx, "write", dn, func() error { return s.ldap.Modify(request) })
}
