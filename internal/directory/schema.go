package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Schema is what a forest's schema and its extended rights say.
type Schema struct {
	DN      string
	Version int // objectVersion; 0 when it could not be read. [MS-ADTS] 3.1.1.2.4

	classes    map[string]*Class // by lDAPDisplayName in lower case
	attributes map[string]*AttributeSchema
	rights     []*ControlAccessRight
	byGUID     map[sddl.GUID]string
	children   map[*Class][]*Class // what may be created under a structural class
}

// Class is one classSchema object. [MS-ADTS] 3.1.1.2.4.8.
type Class struct {
	Name              string // lDAPDisplayName
	OID               string
	GUID              sddl.GUID
	Category          int // objectClassCategory: 0 of 1988, 1 structural, 2 abstract, 3 auxiliary
	SubClassOf        string
	Auxiliary         []string
	Contains          []string // attributes it names itself, must and may
	PossibleSuperiors []string // as it names them itself
	DefaultDescriptor string   // SDDL; empty when there is none
	Defunct           bool
}

// AttributeSchema is one attributeSchema object. [MS-ADTS] 3.1.1.2.3.
type AttributeSchema struct {
	Name        string // lDAPDisplayName
	OID         string
	GUID        sddl.GUID
	Syntax      string    // attributeSyntax, an OID
	OMSyntax    int       // oMSyntax
	PropertySet sddl.GUID // attributeSecurityGUID; zero when in none
	SearchFlags int
	Defunct     bool
}

// Confidential says whether reading the attribute takes the right of control access too.
// [MS-ADTS] 2.2.9, 3.1.1.4.4.
func (a *AttributeSchema) Confidential() bool { return a.SearchFlags&0x80 != 0 }

// ControlAccessRight is an extended right, a property set or a validated write.
// [MS-ADTS] 5.1.3.2.1.
type ControlAccessRight struct {
	Name          string // cn
	DisplayName   string
	GUID          sddl.GUID
	ValidAccesses sddl.Mask // 0x100 extended right, 0x30 property set, 0x8 validated write
}

// LoadSchema reads the schema and the extended rights of a forest.
func LoadSchema(ctx context.Context, r Reader, d *Domain) (*Schema, error) {
	s := &Schema{
		DN:         d.SchemaDN,
		classes:    map[string]*Class{},
		attributes: map[string]*AttributeSchema{},
		byGUID:     map[sddl.GUID]string{},
	}
	head, err := Collect(r.Read(ctx, Query{Base: d.SchemaDN, Attrs: []string{"objectVersion"}}))
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	if len(head) == 1 {
		s.Version, _ = strconv.Atoi(head[0].Text("objectVersion"))
	}
	q := Query{
		Base:  d.SchemaDN,
		Scope: OneLevel,
		Any:   []Match{{"objectClass", "classSchema"}, {"objectClass", "attributeSchema"}},
		Attrs: []string{
			"objectClass", "lDAPDisplayName", "schemaIDGUID", "isDefunct",
			"governsID", "objectClassCategory", "subClassOf", "auxiliaryClass", "systemAuxiliaryClass",
			"mustContain", "systemMustContain", "mayContain", "systemMayContain",
			"possSuperiors", "systemPossSuperiors", "defaultSecurityDescriptor",
			"attributeID", "attributeSyntax", "oMSyntax", "attributeSecurityGUID", "searchFlags",
		},
	}
	for e, err := range r.Read(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
		if err := s.add(e); err != nil {
			return nil, fmt.Errorf("read the schema: %s: %w", e.DN, err)
		}
	}
	if len(s.classes) == 0 || len(s.attributes) == 0 {
		return nil, fmt.Errorf("read the schema: %s shows no classes or no attributes to this reader", d.SchemaDN)
	}
	q = Query{
		Base:  "CN=Extended-Rights," + d.ConfigurationDN,
		Scope: OneLevel,
		Any:   []Match{{"objectClass", "controlAccessRight"}},
		Attrs: []string{"objectClass", "cn", "displayName", "rightsGuid", "validAccesses"},
	}
	for e, err := range r.Read(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("read the extended rights: %w", err)
		}
		right := &ControlAccessRight{Name: e.Text("cn"), DisplayName: e.Text("displayName")}
		if right.GUID, err = sddl.ParseGUID(e.Text("rightsGuid")); err != nil {
			return nil, fmt.Errorf("read the extended rights: %s: %w", e.DN, err)
		}
		accesses, _ := strconv.Atoi(e.Text("validAccesses"))
		right.ValidAccesses = sddl.Mask(accesses)
		s.rights = append(s.rights, right)
	}
	sort.Slice(s.rights, func(i, j int) bool { return s.rights[i].Name < s.rights[j].Name })
	for _, right := range s.rights {
		// A property set and an extended right may share a GUID with an attribute: the
		// attribute's name is the better known one.
		if _, taken := s.byGUID[right.GUID]; !taken {
			s.byGUID[right.GUID] = right.Name
		}
	}
	s.children = map[*Class][]*Class{}
	for _, c := range s.classes {
		if c.Defunct || c.Category > 1 {
			continue
		}
		for _, superior := range s.Superiors(c.Name) {
			s.children[superior] = append(s.children[superior], c)
		}
	}
	return s, nil
}

func (s *Schema) add(e Entry) error {
	name := e.Text("lDAPDisplayName")
	if name == "" {
		return fmt.Errorf("no lDAPDisplayName in the answer")
	}
	guid, err := sddl.ParseGUIDBytes(e.Value("schemaIDGUID"))
	if err != nil {
		return fmt.Errorf("schemaIDGUID: %w", err)
	}
	defunct := strings.EqualFold(e.Text("isDefunct"), "TRUE")
	number := func(attr string) int { n, _ := strconv.Atoi(e.Text(attr)); return n }
	if slices.Contains(e.Texts("objectClass"), "attributeSchema") {
		a := &AttributeSchema{
			Name: name, OID: e.Text("attributeID"), GUID: guid, Defunct: defunct,
			Syntax: e.Text("attributeSyntax"), OMSyntax: number("oMSyntax"), SearchFlags: number("searchFlags"),
		}
		if set := e.Value("attributeSecurityGUID"); set != nil {
			if a.PropertySet, err = sddl.ParseGUIDBytes(set); err != nil {
				return fmt.Errorf("attributeSecurityGUID: %w", err)
			}
		}
		// A defunct definition may be followed by a live one of the same name.
		if old := s.attributes[strings.ToLower(name)]; old == nil || old.Defunct {
			s.attributes[strings.ToLower(name)] = a
		}
	} else {
		c := &Class{
			Name: name, OID: e.Text("governsID"), GUID: guid, Defunct: defunct,
			Category: number("objectClassCategory"), SubClassOf: e.Text("subClassOf"),
			DefaultDescriptor: e.Text("defaultSecurityDescriptor"),
		}
		c.Auxiliary = append(e.Texts("auxiliaryClass"), e.Texts("systemAuxiliaryClass")...)
		for _, attr := range []string{"mustContain", "systemMustContain", "mayContain", "systemMayContain"} {
			c.Contains = append(c.Contains, e.Texts(attr)...)
		}
		c.PossibleSuperiors = append(e.Texts("possSuperiors"), e.Texts("systemPossSuperiors")...)
		if old := s.classes[strings.ToLower(name)]; old == nil || old.Defunct {
			s.classes[strings.ToLower(name)] = c
		}
	}
	s.byGUID[guid] = name
	return nil
}

// Class is the class of that lDAPDisplayName, in any case; nil when the schema has none.
func (s *Schema) Class(name string) *Class { return s.classes[strings.ToLower(name)] }

// Attribute is the attribute of that lDAPDisplayName, in any case; nil when the schema
// has none.
func (s *Schema) Attribute(name string) *AttributeSchema { return s.attributes[strings.ToLower(name)] }

// Right is the extended right, property set or validated write of that name, display
// name or rightsGuid, in any case, that is used with the given access; nil when there is none.
func (s *Schema) Right(name string, access sddl.Mask) *ControlAccessRight {
	if g, err := sddl.ParseGUID(name); err == nil {
		return s.RightOf(g, access)
	}
	for _, r := range s.rights {
		if r.ValidAccesses&access != 0 && (strings.EqualFold(r.Name, name) || strings.EqualFold(r.DisplayName, name)) {
			return r
		}
	}
	return nil
}

// NameOf is the name that the schema has for a GUID; empty when it has none.
func (s *Schema) NameOf(g sddl.GUID) string { return s.byGUID[g] }

// PropertySetOf is the property set that the attribute with this schemaIDGUID is in;
// zero when it is in none.
func (s *Schema) PropertySetOf(attribute sddl.GUID) sddl.GUID {
	if a := s.attributes[strings.ToLower(s.byGUID[attribute])]; a != nil && a.GUID == attribute {
		return a.PropertySet
	}
	return sddl.GUID{}
}

// Lineage is the class, its superclasses and all their auxiliary classes, in lower
// case. [MS-ADTS] 3.1.1.2.4.
func (s *Schema) Lineage(class string) []string {
	var out []string
	queue := []string{strings.ToLower(class)}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		c := s.classes[name]
		if c == nil || slices.Contains(out, name) {
			continue
		}
		out = append(out, name)
		queue = append(queue, strings.ToLower(c.SubClassOf))
		for _, aux := range c.Auxiliary {
			queue = append(queue, strings.ToLower(aux))
		}
	}
	return out
}

// Attributes are the attributes that objects of the class may have: name in lower case
// to definition. Defunct ones are left out. [MS-ADTS] 3.1.1.2.4.5.
func (s *Schema) Attributes(class string) map[string]*AttributeSchema {
	out := map[string]*AttributeSchema{}
	for _, name := range s.Lineage(class) {
		for _, attr := range s.classes[name].Contains {
			key := strings.ToLower(attr)
			if a := s.attributes[key]; a != nil && !a.Defunct {
				out[key] = a
			}
		}
	}
	return out
}

// Gap says what the schema does not show of a class: a name that it refers to, or the
// attributes of all of its lineage. Judging without that would overlook what a deny is
// about. Empty where nothing is missing.
func (s *Schema) Gap(class string) string {
	attributes := 0
	for _, name := range s.Lineage(class) {
		c := s.classes[name]
		for _, other := range append([]string{c.SubClassOf}, c.Auxiliary...) {
			if s.Class(other) == nil {
				return fmt.Sprintf("class %q, which class %s refers to", other, c.Name)
			}
		}
		for _, attr := range c.Contains {
			if s.Attribute(attr) == nil {
				return fmt.Sprintf("attribute %s of class %s", attr, c.Name)
			}
		}
		attributes += len(c.Contains)
	}
	if attributes == 0 {
		return "the attributes of class " + class
	}
	return ""
}

// Below are the structural classes that objects below one of the class may have, at any
// depth, sorted by name; defunct ones are left out. A head of a naming context is never
// below another. [MS-ADTS] 3.1.1.2.4.6, 3.1.1.1.5.
func (s *Schema) Below(class string) []*Class {
	found := map[*Class]bool{}
	queue := []*Class{s.Class(class)}
	for len(queue) > 0 {
		for _, c := range s.children[queue[0]] {
			if !found[c] && !strings.EqualFold(c.Name, domainDNS) {
				found[c] = true
				queue = append(queue, c)
			}
		}
		queue = queue[1:]
	}
	out := slices.Collect(maps.Keys(found))
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// domainDNS is the class of the heads of domains.
const domainDNS = "domainDNS"

// Superiors are the structural classes that objects of the class may be created under,
// sorted by name. [MS-ADTS] 3.1.1.2.4.6.
func (s *Schema) Superiors(class string) []*Class {
	seen := map[*Class]bool{}
	var out []*Class
	for _, name := range s.Lineage(class) {
		for _, superior := range s.classes[name].PossibleSuperiors {
			if c := s.Class(superior); c != nil && !c.Defunct && c.Category <= 1 && !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// StructuralClass is the most specific class of an object, from the values of its
// objectClass; nil where the schema does not show one of them. [MS-ADTS] 3.1.1.1.4.
func (s *Schema) StructuralClass(objectClass []string) *Class {
	var best *Class
	depth := -1
	for _, name := range objectClass {
		c := s.Class(name)
		if c == nil {
			return nil
		}
		if c.Category > 1 {
			continue
		}
		n := 0
		for up := c; up != nil && !strings.EqualFold(up.SubClassOf, up.Name); up = s.Class(up.SubClassOf) {
			n++
		}
		if n > depth {
			best, depth = c, n
		}
	}
	return best
}
