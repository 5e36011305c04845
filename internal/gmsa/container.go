package gmsa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// wellKnownContainer is the GUID by which the head of a domain names its container of managed
// service accounts, wherever that was moved. [MS-ADTS] 6.1.1.4.
const wellKnownContainer = "1EB93889E40C45DF9F0C64D23BBB6237"

// ContainerError says why accounts cannot be made in a container.
type ContainerError struct{ DN, Why string }

func (e *ContainerError) Error() string {
	if e.DN == "" {
		return "container: " + e.Why
	}
	return fmt.Sprintf("container %s: %s", e.DN, e.Why)
}

// DefaultContainer is the DN of the domain's container of managed service accounts.
func DefaultContainer(ctx context.Context, r directory.Reader, d *directory.Domain) (string, error) {
	head, err := directory.Collect(r.Read(ctx, directory.Query{Base: d.DN, Attrs: []string{"otherWellKnownObjects"}}))
	if err != nil {
		return "", fmt.Errorf("find the container of managed service accounts: %w", err)
	}
	for _, e := range head {
		for _, value := range e.Texts("otherWellKnownObjects") {
			// B:32:GUID:DN. [MS-ADTS] 3.1.1.2.2.2.1.
			if parts := strings.SplitN(value, ":", 4); len(parts) == 4 && strings.EqualFold(parts[2], wellKnownContainer) {
				return parts[3], nil
			}
		}
	}
	return "", &ContainerError{"", "the head of " + d.DNS + " names none for managed service accounts, or does not show it"}
}

// Container is where an account is to be made.
type Container struct {
	DN string

	// MayCreate is what the server says of whoever reads: a capture says nothing, and then it is false.
	MayCreate bool
}

// FindContainer is the container of that DN, or the domain's own where dn is empty. A
// *ContainerError says why no service account can be in it.
func FindContainer(ctx context.Context, r directory.Reader, d *directory.Domain, s *directory.Schema, dn string) (*Container, error) {
	if class := s.Class(directory.ClassGMSA); class == nil || class.Defunct {
		return nil, &ContainerError{"", "the schema has no class of group managed service accounts, which came with Windows Server 2012, or does not show it"}
	}
	if dn == "" {
		var err error
		if dn, err = DefaultContainer(ctx, r, d); err != nil {
			return nil, err
		}
	}
	found, err := directory.Collect(r.Read(ctx, directory.Query{Base: dn, Attrs: []string{"objectClass", "allowedChildClassesEffective"}}))
	if gone := (*directory.NotFoundError)(nil); errors.As(err, &gone) || err == nil && len(found) != 1 {
		return nil, &ContainerError{dn, "no such object is visible here"}
	}
	if err != nil {
		return nil, fmt.Errorf("read container %s: %w", dn, err)
	}
	e := found[0]
	if !directory.IsBelow(e.DN, d.DN) {
		return nil, &ContainerError{dn, "it is not in " + d.DNS}
	}
	if class := s.StructuralClass(e.Texts("objectClass")); class == nil || !slices.Contains(s.Superiors(directory.ClassGMSA), class) {
		return nil, &ContainerError{e.DN, "it is no object that service accounts may be below (its class is " + lastOf(e.Texts("objectClass")) + ")"}
	}
	c := &Container{DN: e.DN}
	allowed := e.Texts("allowedChildClassesEffective")
	c.MayCreate = slices.ContainsFunc(allowed, func(class string) bool { return strings.EqualFold(class, directory.ClassGMSA) })
	return c, nil
}

func lastOf(classes []string) string {
	if len(classes) == 0 {
		return "not readable"
	}
	return classes[len(classes)-1]
}
