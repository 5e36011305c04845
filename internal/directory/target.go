package directory

import (
	"context"
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Target is an object whose descriptor is judged.
type Target struct {
	DN      string
	GUID    sddl.GUID // objectGUID; zero when not readable
	SID     sddl.SID  // objectSid; zero when it has none
	Classes []string  // objectClass

	Raw        []byte           // nTSecurityDescriptor with owner, group and DACL, as it came
	Descriptor *sddl.Descriptor // nil when it could not be read
	Unreadable string           // why; empty when it was read
}

// IsDeletedObjects says whether a DN is that of a container of deleted objects, which is itself marked as
// deleted and not shown without being asked for. Its name is fixed. [MS-ADTS] 6.1.1.4.2.
func IsDeletedObjects(dn string) bool {
	return strings.HasPrefix(DNKey(dn), "cn=deleted objects\x00")
}

// LoadTarget reads an object and its descriptor. An object that is there but does not
// show a sound descriptor is a Target whose Unreadable says why; one that is not there
// is a *NotFoundError.
func LoadTarget(ctx context.Context, r Reader, dn string) (*Target, error) {
	found, err := Collect(r.Read(ctx, Query{Base: dn, Attrs: []string{"objectClass", "objectGUID", "objectSid"}, Descriptor: true, Deleted: IsDeletedObjects(dn)}))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, &NotFoundError{DN: dn}
	}
	e := found[0]
	t := &Target{DN: e.DN, Classes: e.Texts("objectClass"), Raw: e.Value(descriptorAttr)}
	if b := e.Value("objectGUID"); b != nil {
		if t.GUID, err = sddl.ParseGUIDBytes(b); err != nil {
			return nil, fmt.Errorf("read %s: objectGUID: %w", dn, err)
		}
	}
	if b := e.Value("objectSid"); b != nil {
		if t.SID, err = sddl.ParseSIDBytes(b); err != nil {
			return nil, fmt.Errorf("read %s: objectSid: %w", dn, err)
		}
	}
	// A domain controller leaves out a descriptor that the reader may not see, without an error.
	if t.Raw == nil {
		t.Unreadable = "the security descriptor is not readable to this identity"
		return t, nil
	}
	if t.Descriptor, err = sddl.Parse(t.Raw); err != nil {
		t.Unreadable = fmt.Sprintf("the security descriptor is damaged: %v", err)
		return t, nil
	}
	if t.Descriptor.Owner.IsZero() || !t.Descriptor.Control.Has(sddl.DACLPresent) {
		// AD stores both with every object, [MS-ADTS] 6.1.3, so parts of it were held back.
		t.Descriptor, t.Unreadable = nil, "the security descriptor came without its owner or its DACL"
	}
	return t, nil
}
