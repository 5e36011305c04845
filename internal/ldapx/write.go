package ldapx

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
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
	if directory.IsDeletedObjects(dn) {
		request.Controls = append(request.Controls, showDeleted())
	}
	request.Replace(descriptorAttr, []string{string(descriptor)})
	return s.do(ctx, "write", dn, func() error { return s.ldap.Modify(request) })
}

// Add makes an object. Its descriptor is what its class and its container give it: an
// nTSecurityDescriptor among the attributes is an error, for whoever may only create may not
// send one where CVE-2021-42291 is enforced. [MS-ADTS] 3.1.1.5.2.1.1.
func (s *Session) Add(ctx context.Context, dn string, attrs []directory.Attribute) error {
	if dn == "" {
		return errors.New("add: an object without a name")
	}
	request := ldap.NewAddRequest(dn, nil)
	for _, a := range attrs {
		if strings.EqualFold(a.Name, descriptorAttr) {
			return fmt.Errorf("add %s: a new object takes its descriptor from its class and its container", name(dn))
		}
		request.Attribute(a.Name, texts(a.Values))
	}
	return s.do(ctx, "add", dn, func() error { return s.ldap.Add(request) })
}

// WriteAttribute gives an attribute of an object other values; none takes it away. The server
// refuses that where the values are not before any more. For values that are descriptors it
// compares nothing, so that only an attribute that was empty is safe from others there.
// RFC 4511, 4.6.
func (s *Session) WriteAttribute(ctx context.Context, dn, attr string, before, after [][]byte) error {
	if dn == "" || attr == "" || strings.EqualFold(attr, descriptorAttr) {
		return fmt.Errorf("write %s: %q is not an attribute to be written so", name(dn), attr)
	}
	request := ldap.NewModifyRequest(dn, nil)
	switch {
	case len(before) == 0 && len(after) == 0:
		return fmt.Errorf("write %s of %s: nothing before, and nothing after", attr, name(dn))
	case len(before) == 0:
		request.Add(attr, texts(after))
	case isDescriptor(before) && len(after) == 0:
		request.Delete(attr, nil)
	case isDescriptor(before):
		request.Replace(attr, texts(after))
	default:
		request.Delete(attr, texts(before))
		if len(after) > 0 {
			request.Add(attr, texts(after))
		}
	}
	return s.do(ctx, "write "+attr+" of", dn, func() error { return s.ldap.Modify(request) })
}

// isDescriptor says whether values are of syntax 2.5.5.15, which has no equality: a server
// that is asked to delete one of them by its value does not find it. [MS-ADTS] 3.1.1.2.2.4.
func isDescriptor(values [][]byte) bool {
	for _, v := range values {
		if _, err := sddl.Parse(v); err != nil {
			return false
		}
	}
	return true
}

func texts(values [][]byte) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
