// Package describe says what stands in a security descriptor and in what two of them
// differ, for people and for programs: every field with its name, every entry in words
// and in SDDL. It judges nothing; what a descriptor grants is package acl's business.
package describe

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/baseschema"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Context is what is known of where a descriptor comes from. Each part may be missing.
type Context struct {
	Aliases sddl.Aliases

	// SID and GUID are the names that a directory has; empty where it has none.
	SID  func(sddl.SID) string
	GUID func(sddl.GUID) string
}

// Names are the names of the directory and, where it has none, those that are the same
// everywhere.
func (c Context) Names() words.Names {
	return words.Names{
		Object: baseschema.Object,
		GUID:   c.GUID,
		SID: func(s sddl.SID) string {
			if name := c.nameOf(s); name != "" {
				return name
			}
			if name := words.AccountOfDomain(s); name != "" {
				// Of which domain, only the whole SID says.
				return s.String() + " (" + name + " of its domain)"
			}
			return ""
		},
	}
}

// nameOf is the name of a SID; empty where what is known of its domain is nothing.
func (c Context) nameOf(s sddl.SID) string {
	if c.SID != nil {
		if name := c.SID(s); name != "" {
			return name
		}
	}
	if name := words.WellKnownSID(s); name != "" {
		return name
	}
	if name := words.DomainSID(s, c.Aliases.Domain); name != "" {
		return name
	}
	if name := words.DomainSID(s, c.Aliases.Forest); name != "" {
		return name + " of the forest root domain"
	}
	// Only these two are the same on every machine.
	if rid, ok := s.RID(); ok && (rid == 500 || rid == 501) {
		if name := words.DomainSID(s, c.Aliases.Machine); name != "" {
			return name + " of the machine"
		}
	}
	return ""
}

// Descriptor is a security descriptor with everything that stands in it. Its JSON form is
// stable: fields are added, never changed. [MS-DTYP] 2.4.6.
type Descriptor struct {
	Format          int     `json:"format"`
	Kind            string  `json:"kind"` // SecurityDescriptor
	Revision        int     `json:"revision"`
	ResourceManager string  `json:"resourceManager,omitempty"` // the resource manager control byte, where it is not 0
	Control         Control `json:"control"`
	Owner           *SID    `json:"owner"`
	Group           *SID    `json:"group"`
	DACL            ACL     `json:"dacl"`
	SACL            ACL     `json:"sacl"`
	SDDL            string  `json:"sddl"`
	Base64          string  `json:"base64"` // the bytes
}

// Control are the control bits.
type Control struct {
	Hex  string   `json:"hex"`
	Bits []string `json:"bits"` // from the lowest
}

// SID is a SID with the names it has.
type SID struct {
	SID   string `json:"sid"`
	Alias string `json:"alias,omitempty"` // its two letters in SDDL, as far as the domain SIDs are known
	Name  string `json:"name,omitempty"`
}

// The states of an ACL.
const (
	Absent  = "absent"  // of a DACL: everybody has every right
	Null    = "null"    // present, but nothing: the same as absent
	Empty   = "empty"   // of a DACL: nobody has any right
	Present = "present" // it has entries
)

// ACL is an access control list. [MS-DTYP] 2.4.5.
type ACL struct {
	State    string `json:"state"`
	Revision int    `json:"revision,omitempty"`
	Sbz1     string `json:"sbz1,omitempty"` // where it is not 0, as it should be
	Sbz2     string `json:"sbz2,omitempty"`
	Slack    string `json:"slack,omitempty"` // bytes after the last entry, in hex
	Order    string `json:"order,omitempty"` // of a DACL, which entry is out of canonical order
	ACEs     []ACE  `json:"aces"`
}

// ACE is an access control entry. [MS-DTYP] 2.4.4.
type ACE struct {
	Type                string   `json:"type"` // a name, or Unknown
	TypeHex             string   `json:"typeHex"`
	Flags               []string `json:"flags"`
	FlagsHex            string   `json:"flagsHex"`
	Inherited           bool     `json:"inherited"`
	Mask                string   `json:"mask,omitempty"` // in hex; of an unknown type none
	Rights              []string `json:"rights,omitempty"`
	ObjectFlags         string   `json:"objectFlags,omitempty"` // of object types
	ObjectType          *GUID    `json:"objectType,omitempty"`
	InheritedObjectType *GUID    `json:"inheritedObjectType,omitempty"`
	SID                 *SID     `json:"sid,omitempty"`
	Condition           string   `json:"condition,omitempty"`
	ResourceAttribute   *Claim   `json:"resourceAttribute,omitempty"`
	Unreadable          string   `json:"unreadable,omitempty"` // why there is no condition or attribute where one belongs
	Data                string   `json:"data,omitempty"`       // what follows the SID, or the body of an unknown type, in hex
	SDDL                string   `json:"sddl"`
	Words               string   `json:"words"`
}

// GUID is a GUID with everything that it stands for.
type GUID struct {
	GUID  string `json:"guid"`
	Names []Name `json:"names,omitempty"`
}

// Name is one of the things that a GUID stands for.
type Name struct {
	Kind    string `json:"kind,omitempty"` // empty where only the directory knows it
	Name    string `json:"name"`
	Display string `json:"displayName,omitempty"`
}

// Claim is a resource attribute. [MS-DTYP] 2.4.10.1.
type Claim struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // as in SDDL: TI, TU, TS, TD, TX or TB
	Flags string `json:"flags"`
	Text  string `json:"text,omitempty"` // in SDDL; empty where SDDL cannot say it
}

// New describes a descriptor, unless it is one that has no bytes.
func New(d *sddl.Descriptor, c Context) (*Descriptor, error) {
	b, err := d.Append(nil)
	if err != nil {
		return nil, err
	}
	out := &Descriptor{
		Format: 1, Kind: "SecurityDescriptor",
		Revision: int(d.Revision),
		Control:  Control{Hex: fmt.Sprintf("0x%04x", uint16(d.Control)), Bits: Bits(d.Control)},
		Owner:    c.sid(d.Owner),
		Group:    c.sid(d.Group),
		DACL:     c.acl(d.DACL, d.Control.Has(sddl.DACLPresent)),
		SACL:     c.acl(d.SACL, d.Control.Has(sddl.SACLPresent)),
		SDDL:     d.Text(c.Aliases),
		Base64:   base64.StdEncoding.EncodeToString(b),
	}
	if d.Sbz1 != 0 {
		out.ResourceManager = fmt.Sprintf("0x%02x", d.Sbz1)
	}
	if err := d.DACL.Canonical(); err != nil {
		out.DACL.Order = order(err)
	}
	return out, nil
}

// order numbers entries from 1, as people do.
func order(err error) string {
	e, ok := err.(*sddl.OrderError)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("entry %d (%s) stands after entry %d (%s)", e.Index+1, e.Kind, e.After+1, e.AfterKind)
}

// controlBits are the names of the control bits. [MS-DTYP] 2.4.6.
var controlBits = [...]string{
	"OwnerDefaulted", "GroupDefaulted", "DACLPresent", "DACLDefaulted", "SACLPresent", "SACLDefaulted", "DACLTrusted", "ServerSecurity",
	"DACLAutoInheritReq", "SACLAutoInheritReq", "DACLAutoInherited", "SACLAutoInherited", "DACLProtected", "SACLProtected", "RMControlValid", "SelfRelative",
}

// Bits are the names of the control bits that are set, from the lowest.
func Bits(c sddl.Control) []string {
	out := []string{}
	for i, name := range controlBits {
		if c&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

func (c Context) sid(s sddl.SID) *SID {
	if s.IsZero() {
		return nil
	}
	out := &SID{SID: s.String(), Name: c.nameOf(s)}
	if out.Name == "" {
		if out.Name = words.AccountOfDomain(s); out.Name != "" {
			out.Name += " of its domain"
		}
	}
	if text := (&sddl.Descriptor{Owner: s}).Text(c.Aliases)[len("O:"):]; text != out.SID {
		out.Alias = text
	}
	return out
}

// State is the state of an ACL.
func State(l *sddl.ACL, present bool) string {
	switch {
	case l == nil && !present:
		return Absent
	case l == nil:
		return Null
	case len(l.ACEs) == 0:
		return Empty
	}
	return Present
}

func (c Context) acl(l *sddl.ACL, present bool) ACL {
	out := ACL{State: State(l, present), ACEs: []ACE{}}
	if l == nil {
		return out
	}
	out.Revision, out.Slack = int(l.Revision), hex.EncodeToString([]byte(l.Slack))
	if l.Sbz1 != 0 {
		out.Sbz1 = fmt.Sprintf("0x%02x", l.Sbz1)
	}
	if l.Sbz2 != 0 {
		out.Sbz2 = fmt.Sprintf("0x%04x", l.Sbz2)
	}
	names := c.Names()
	for _, a := range l.ACEs {
		out.ACEs = append(out.ACEs, c.ace(a, names))
	}
	return out
}

var typeNames = [...]string{
	"Allow", "Deny", "Audit", "Alarm", "AllowCompound", "AllowObject", "DenyObject", "AuditObject", "AlarmObject",
	"AllowCallback", "DenyCallback", "AllowCallbackObject", "DenyCallbackObject",
	"AuditCallback", "AlarmCallback", "AuditCallbackObject", "AlarmCallbackObject",
	"MandatoryLabel", "ResourceAttribute", "ScopedPolicyID", "ProcessTrustLabel",
}

var flagNames = [...]string{
	"ObjectInherit", "ContainerInherit", "NoPropagate", "InheritOnly", "Inherited", "0x20", "SuccessfulAccess", "FailedAccess",
}

// rightNames are the rights of directory objects. [MS-ADTS] 5.1.3.2.
var rightNames = map[sddl.Mask]string{
	sddl.CreateChild: "CreateChild", sddl.DeleteChild: "DeleteChild", sddl.ListContents: "ListContents",
	sddl.WriteSelf: "WriteSelf", sddl.ReadProperty: "ReadProperty", sddl.WriteProperty: "WriteProperty",
	sddl.DeleteTree: "DeleteTree", sddl.ListObject: "ListObject", sddl.ControlAccess: "ControlAccess",
	sddl.Delete: "Delete", sddl.ReadControl: "ReadControl", sddl.WriteDACL: "WriteDACL", sddl.WriteOwner: "WriteOwner",
	sddl.SystemSecurity: "SystemSecurity", sddl.GenericAll: "GenericAll", sddl.GenericExecute: "GenericExecute",
	sddl.GenericWrite: "GenericWrite", sddl.GenericRead: "GenericRead",
}

func (c Context) ace(a sddl.ACE, names words.Names) ACE {
	out := ACE{
		Type: "Unknown", TypeHex: fmt.Sprintf("0x%02x", byte(a.Type)),
		Flags: []string{}, FlagsHex: fmt.Sprintf("0x%02x", byte(a.Flags)), Inherited: a.IsInherited(),
		SID:  c.sid(a.SID),
		Data: hex.EncodeToString([]byte(a.Data)),
		SDDL: a.Text(c.Aliases), Words: words.ACE(a, names),
	}
	if int(a.Type) < len(typeNames) {
		out.Type = typeNames[a.Type]
	}
	for i, name := range flagNames {
		if a.Flags&(1<<i) != 0 {
			out.Flags = append(out.Flags, name)
		}
	}
	if a.IsOpaque() {
		return out
	}
	out.Mask = fmt.Sprintf("0x%08x", uint32(a.Mask))
	for bit := sddl.Mask(1); bit != 0; bit <<= 1 {
		if a.Mask&bit == 0 {
			continue
		}
		name := rightNames[bit]
		if name == "" {
			name = fmt.Sprintf("0x%08x", uint32(bit))
		}
		out.Rights = append(out.Rights, name)
	}
	if a.Type.IsObject() {
		out.ObjectFlags = fmt.Sprintf("0x%x", a.ObjectFlags)
		if a.HasObjectType() {
			out.ObjectType = c.guid(a.ObjectType)
		}
		if a.HasInheritedObjectType() {
			out.InheritedObjectType = c.guid(a.InheritedObjectType)
		}
	}
	out.Condition, out.ResourceAttribute, out.Unreadable = c.data(a)
	return out
}

// data is what the data of an entry says, and else why it says nothing.
func (c Context) data(a sddl.ACE) (condition string, claim *Claim, unreadable string) {
	switch {
	case a.Type.IsCallback():
		cond, err := a.Condition()
		if err != nil {
			return "", nil, err.Error()
		}
		if condition, err = cond.Text(c.Aliases); err != nil {
			return "", nil, err.Error()
		}
	case a.Type == sddl.ResourceAttribute:
		attribute, err := a.Claim()
		if err != nil {
			return "", nil, err.Error()
		}
		name, _ := sddl.DecodeWide(attribute.Name)
		claim = &Claim{Name: name, Type: attribute.Type.String(), Flags: fmt.Sprintf("0x%x", attribute.Flags)}
		if claim.Text, err = attribute.Text(c.Aliases); err != nil {
			return "", claim, err.Error()
		}
	}
	return condition, claim, ""
}

func (c Context) guid(g sddl.GUID) *GUID {
	out := &GUID{GUID: g.String()}
	for _, n := range baseschema.Names(g) {
		out.Names = append(out.Names, Name{n.Kind.String(), n.Name, n.Display})
	}
	if c.GUID != nil && len(out.Names) == 0 {
		if name := c.GUID(g); name != "" {
			out.Names = []Name{{Name: name}}
		}
	}
	return out
}

// String is the SID for people: its name with its alias and the SID itself.
func (s *SID) String() string {
	switch {
	case s == nil:
		return "none"
	case s.Name == "" && s.Alias == "":
		return s.SID
	}
	var more []string
	if s.Alias != "" {
		more = append(more, s.Alias)
	}
	if s.Name == "" {
		return s.SID + " (" + strings.Join(more, ", ") + ")"
	}
	return s.Name + " (" + strings.Join(append(more, s.SID), ", ") + ")"
}
