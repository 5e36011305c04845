package directory

import (
	"slices"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// AttributeOf is the attribute with that schemaIDGUID; nil when the schema has none.
// A live definition beats a defunct one. [MS-ADTS] 3.1.1.2.3.
func (s *Schema) AttributeOf(g sddl.GUID) *AttributeSchema {
	if a := s.attributes[strings.ToLower(s.byGUID[g])]; a != nil && a.GUID == g {
		return a
	}
	return nil
}

// ClassOf is the class with that schemaIDGUID; nil when the schema has none.
// [MS-ADTS] 3.1.1.2.4.8.
func (s *Schema) ClassOf(g sddl.GUID) *Class {
	if c := s.classes[strings.ToLower(s.byGUID[g])]; c != nil && c.GUID == g {
		return c
	}
	return nil
}

// RightOf is the extended right, property set or validated write with that rightsGuid
// that is used with the given access; nil when there is none. [MS-ADTS] 5.1.3.2.1.
func (s *Schema) RightOf(g sddl.GUID, access sddl.Mask) *ControlAccessRight {
	for _, r := range s.rights {
		if r.GUID == g && r.ValidAccesses&access != 0 {
			return r
		}
	}
	return nil
}

// FindAttribute is the attribute of that lDAPDisplayName, schemaIDGUID, or cn as the base schema forms it
// from the lDAPDisplayName (Ms-DS-Key-Credential-Link), in any case; nil where there is none, or more than one. A GUID that is
// a property set's, too, is the attribute's.
func (s *Schema) FindAttribute(name string) *AttributeSchema {
	if a := s.Attribute(name); a != nil {
		return a
	}
	if g, err := sddl.ParseGUID(name); err == nil {
		return s.AttributeOf(g)
	}
	return named(s.attributes, name)
}

// FindClass is [Schema.FindAttribute] for classes.
func (s *Schema) FindClass(name string) *Class {
	if c := s.Class(name); c != nil {
		return c
	}
	if g, err := sddl.ParseGUID(name); err == nil {
		return s.ClassOf(g)
	}
	return named(s.classes, name)
}

// named is what goes by a name that differs in hyphens and blanks only; nil where that is nothing, or several things.
func named[T any](all map[string]*T, name string) *T {
	want := plain(name)
	var found *T
	for key, one := range all {
		if plain(key) == want {
			if found != nil {
				return nil
			}
			found = one
		}
	}
	return found
}

// plain leaves out what cn has and lDAPDisplayName has not.
func plain(name string) string { return hyphens.Replace(strings.ToLower(name)) }

var hyphens = strings.NewReplacer("-", "", " ", "")

// Rename gives rights other display names, where display has one for a right with these accesses.
func (s *Schema) Rename(display func(g sddl.GUID, accesses sddl.Mask) string) {
	for i, r := range s.rights {
		if name := display(r.GUID, r.ValidAccesses); name != "" {
			renamed := *r
			renamed.DisplayName = name
			s.rights[i] = &renamed
		}
	}
}

// AttributeNames are the names of the attributes that are not defunct, sorted.
func (s *Schema) AttributeNames() []string {
	var out []string
	for _, a := range s.attributes {
		if !a.Defunct {
			out = append(out, a.Name)
		}
	}
	slices.Sort(out)
	return out
}

// ClassNames are the names of the classes that are not defunct, sorted.
func (s *Schema) ClassNames() []string {
	var out []string
	for _, c := range s.classes {
		if !c.Defunct {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return out
}

// RightNames are the names, and the display names that say something else, of the extended rights, property sets and
// validated writes that are used with the given access.
func (s *Schema) RightNames(access sddl.Mask) []string {
	var out []string
	for _, r := range s.rights {
		if r.ValidAccesses&access != 0 {
			out = append(out, r.Name)
			if r.DisplayName != "" && !strings.EqualFold(r.DisplayName, strings.ReplaceAll(r.Name, "-", " ")) {
				out = append(out, r.DisplayName)
			}
		}
	}
	return out
}
