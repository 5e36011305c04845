package ldapx

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// WriteDACL replaces the DACL of an object by that of a descriptor in self-relative form.
// Its owner, group and SACL are not written. The error is a *ResultError where the server
// refused, and a *ConnectionError where it is not known whether it did. It is sent once.
// [MS-ADTS] 3.1.1.3.4.1.11.
func (s *Session) WriteDACL(ctx context.Context, dn string, descriptor []byte) error {
	// An absent DACL grants everything to everyone; [MS-DTYP] 2.4.6 has the flag.
	if dn == "" || len(descriptor) < 20 || descriptor[2]&0x04 == 0 {
		return fmt.Errorf("write %s: %w", name(dn), errors.New("the descriptor has no DACL"))
	}
	request := ldap.NewModifyRequest(dn, []ldap.Control{sdFlags(sdDACL)})
	request.Replace(descriptorAttr, []string{string(descriptor)})
	return s.do(ctx, "write", dn, func() error { return s.ldap.Modify(request) })
}
