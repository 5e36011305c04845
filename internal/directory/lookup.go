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
