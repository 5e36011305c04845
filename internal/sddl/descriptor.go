// Package sddl reads and writes Windows security descriptors, in bytes and as SDDL
// text, without losing anything: unknown ACEs, order, revisions and slack are kept.
// It judges nothing; what a descriptor grants is package acl's business.
package sddl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Control are the control bits of a descriptor. [MS-DTYP] 2.4.6.
type Control uint16

// The control bits. [MS-DTYP] 2.4.6.
const (
	OwnerDefaulted     Control = 0x0001
	GroupDefaulted     Control = 0x0002
	DACLPresent        Control = 0x0004
	DACLDefaulted      Control = 0x0008
	SACLPresent        Control = 0x0010
	SACLDefaulted      Control = 0x0020
	DACLTrusted        Control = 0x0040
	ServerSecurity     Control = 0x0080
	DACLAutoInheritReq Control = 0x0100
	SACLAutoInheritReq Control = 0x0200
	DACLAutoInherited  Control = 0x0400
	SACLAutoInherited  Control = 0x0800
	DACLProtected      Control = 0x1000
	SACLProtected      Control = 0x2000
	RMControlValid     Control = 0x4000
	SelfRelative       Control = 0x8000
)

// Has says whether all of the given bits are set.
func (c Control) Has(bits Control) bool { return c&bits == bits }

// Descriptor is one security descriptor. Its parts are read only: to change one, use
// a With method, which leaves the rest as it was. [MS-DTYP] 2.4.6.
type Descriptor struct {
	Revision byte
	Sbz1     byte // the resource manager control byte, where RMControlValid is set
	Control  Control
	Owner    SID
	Group    SID
	SACL     *ACL // nil: absent
	DACL     *ACL // nil: absent, which grants everybody everything; not the same as empty

	original string // the bytes it was parsed from; empty once a part was replaced
}

// ACL is an access control list. [MS-DTYP] 2.4.5.
type ACL struct {
	Revision byte
	Sbz1     byte
	Sbz2     uint16
	ACEs     []ACE
	Slack    string // bytes after the last ACE that AclSize counts
}

const (
	// The header's size and where its offsets stand. [MS-DTYP] 2.4.6.
	descriptorHeader = 20
	ownerOffset      = 4
	groupOffset      = 8
	saclOffset       = 12
	daclOffset       = 16

	aclHeader = 8

	// MaxACL is the most bytes an ACL can have: its size field has 16 bits. [MS-DTYP] 2.4.5.
	MaxACL = 65535
	// MaxDescriptor is the most bytes AD stores: rangeUpper of nTSecurityDescriptor. [MS-ADA3] 2.37.
	MaxDescriptor = 132096
)

// Parse reads a self-relative descriptor. Every offset and length is checked; parts may
// stand in any order and may overlap. [MS-DTYP] 2.4.6.
func Parse(b []byte) (*Descriptor, error) {
	if len(b) < descriptorHeader {
		return nil, fmt.Errorf("security descriptor has %d bytes, its header alone has %d", len(b), descriptorHeader)
	}
	s := string(b)
	d := &Descriptor{Revision: s[0], Sbz1: s[1], Control: Control(le16(s, 2)), original: s}
	if d.Revision != 1 {
		return nil, fmt.Errorf("security descriptor revision is %d, want 1", d.Revision)
	}
	if !d.Control.Has(SelfRelative) {
		return nil, errors.New("security descriptor is not self-relative")
	}
	for _, part := range [...]struct {
		field int
		what  string
		sid   *SID
	}{{ownerOffset, "owner", &d.Owner}, {groupOffset, "group", &d.Group}} {
		rest, err := partAt(s, part.field)
		if err == nil && rest != "" {
			*part.sid, _, err = sidPrefix(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.what, err)
		}
	}
	for _, part := range [...]struct {
		field   int
		what    string
		present Control
		acl     **ACL
	}{{saclOffset, "SACL", SACLPresent, &d.SACL}, {daclOffset, "DACL", DACLPresent, &d.DACL}} {
		// Where the bit is clear the offset means nothing, whatever it is.
		if !d.Control.Has(part.present) {
			continue
		}
		rest, err := partAt(s, part.field)
		if err == nil && rest != "" {
			*part.acl, err = parseACL(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return d, nil
}

// partAt is s from the offset that stands at field; empty where that is 0.
func partAt(s string, field int) (string, error) {
	off := le32(s, field)
	if off == 0 {
		return "", nil
	}
	if off < descriptorHeader || uint64(off) >= uint64(len(s)) {
		return "", fmt.Errorf("offset %d is outside the %d bytes after the header", off, len(s)-descriptorHeader)
	}
	return s[off:], nil
}

func parseACL(s string) (*ACL, error) {
	if len(s) < aclHeader {
		return nil, fmt.Errorf("ACL header needs %d bytes, has %d", aclHeader, len(s))
	}
	acl := &ACL{Revision: s[0], Sbz1: s[1], Sbz2: le16(s, 6)}
	size, count := int(le16(s, 2)), int(le16(s, 4))
	if size < aclHeader || size > len(s) {
		return nil, fmt.Errorf("ACL size %d does not fit into the %d bytes left", size, len(s))
	}
	rest := s[aclHeader:size]
	// The smallest ACE is its 4-byte header: refuse a count that cannot be before allocating for it.
	if count*4 > len(rest) {
		return nil, fmt.Errorf("ACL of %d bytes cannot hold %d ACEs", size, count)
	}
	acl.ACEs = make([]ACE, count)
	for i := range acl.ACEs {
		ace, n, err := parseACE(rest)
		if err != nil {
			return nil, fmt.Errorf("ACE %d: %w", i, err)
		}
		acl.ACEs[i], rest = ace, rest[n:]
	}
	acl.Slack = rest
	return acl, nil
}

// Len is the number of bytes of the binary form.
func (l *ACL) Len() int {
	n := aclHeader + len(l.Slack)
	for _, a := range l.ACEs {
		n += a.Len()
	}
	return n
}

// Append appends the binary form to dst, unless the ACL is too large or an ACE of it has
// no SID. [MS-DTYP] 2.4.5.
func (l *ACL) Append(dst []byte) ([]byte, error) {
	size := l.Len()
	if size > MaxACL {
		return dst, fmt.Errorf("ACL would have %d bytes, at most %d fit", size, MaxACL)
	}
	for i := range l.ACEs {
		if l.ACEs[i].SID.IsZero() && !l.ACEs[i].IsOpaque() {
			return dst, fmt.Errorf("ACE %d has no SID", i)
		}
	}
	dst = append(dst, l.Revision, l.Sbz1)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(size))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(l.ACEs)))
	dst = binary.LittleEndian.AppendUint16(dst, l.Sbz2)
	for _, a := range l.ACEs {
		dst = a.Append(dst)
	}
	return append(dst, l.Slack...), nil
}

// WithDACL is d with another DACL and every other part as it was. With nil it has none,
// which grants everybody everything and which AD refuses; for an empty one, which grants
// nobody anything, pass an ACL without ACEs.
func (d *Descriptor) WithDACL(dacl *ACL) *Descriptor {
	changed := *d
	changed.DACL, changed.original = dacl, ""
	if dacl != nil {
		changed.Control |= DACLPresent
	}
	return &changed
}

// DACLOnly is the descriptor to write where only the DACL is to change: no owner, no
// group, no SACL, and the control bits that belong to the DACL. [MS-ADTS] 6.1.3.2.
func (d *Descriptor) DACLOnly() *Descriptor {
	const daclBits = SelfRelative | DACLPresent | DACLDefaulted | DACLTrusted | DACLAutoInheritReq | DACLAutoInherited | DACLProtected | RMControlValid
	return &Descriptor{Revision: d.Revision, Sbz1: d.Sbz1, Control: d.Control & daclBits, DACL: d.DACL}
}

// Append appends the binary form to dst: of an unmodified descriptor, the very bytes it
// was parsed from; otherwise in the layout of Windows, header, SACL, DACL, owner, group.
func (d *Descriptor) Append(dst []byte) ([]byte, error) {
	if d.original != "" {
		return append(dst, d.original...), nil
	}
	start := len(dst)
	control := d.Control | SelfRelative
	// An ACL whose bit is clear would be read as absent: a DACL as granting everything.
	if d.SACL != nil {
		control |= SACLPresent
	}
	if d.DACL != nil {
		control |= DACLPresent
	}
	dst = append(dst, d.Revision, d.Sbz1)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(control))
	dst = append(dst, make([]byte, 16)...)
	offset := func(field int) {
		binary.LittleEndian.PutUint32(dst[start+field:], uint32(len(dst)-start))
	}
	var err error
	for _, part := range [...]struct {
		field int
		what  string
		acl   *ACL
	}{{saclOffset, "SACL", d.SACL}, {daclOffset, "DACL", d.DACL}} {
		if part.acl == nil {
			continue
		}
		offset(part.field)
		if dst, err = part.acl.Append(dst); err != nil {
			return dst[:start], fmt.Errorf("%s: %w", part.what, err)
		}
	}
	for _, part := range [...]struct {
		field int
		sid   SID
	}{{ownerOffset, d.Owner}, {groupOffset, d.Group}} {
		if part.sid.IsZero() {
			continue
		}
		offset(part.field)
		dst = append(dst, part.sid.b...)
	}
	return dst, nil
}
