// Package byhand writes grants as commands for administrators who apply changes
// themselves: dsacls for cmd.exe, or a script for Windows PowerShell. What it cannot write
// so that exactly the grant comes out is an error. It runs nothing and judges nothing.
package byhand

import (
	"errors"
	"fmt"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Grant is an allow entry on an object. The entry's SID does not matter: who is granted
// is said once for all grants.
type Grant struct {
	DN  string
	ACE sddl.ACE
}

// The flags of the entries that can be written. [MS-DTYP] 2.4.4.1.
const (
	thisObject      = sddl.ACEFlags(0)
	all             = sddl.ContainerInherit
	descendants     = sddl.ContainerInherit | sddl.InheritOnly
	children        = sddl.ContainerInherit | sddl.InheritOnly | sddl.NoPropagate
	selfAndChildren = sddl.ContainerInherit | sddl.NoPropagate
)

// objectBits are the rights that the GUID of an entry narrows. [MS-ADTS] 5.1.3.3.
const objectBits = sddl.CreateChild | sddl.DeleteChild | sddl.ReadProperty | sddl.WriteProperty | sddl.ControlAccess | sddl.WriteSelf

// check says why a grant is none that commands could make.
func (g *Grant) check() error {
	a := g.ACE
	if !directory.LooksLikeDN(g.DN) {
		return errors.New("it is not a DN")
	}
	if a.Type != sddl.Allow && a.Type != sddl.AllowObject {
		return errors.New("the entry is not an unconditional allow")
	}
	if a.IsInherited() {
		return errors.New("the entry is inherited")
	}
	plain := sddl.ObjectACE(sddl.Allow, a.Flags, a.Mask, a.ObjectType, a.InheritedObjectType, a.SID)
	if a.Type == sddl.AllowObject {
		plain.Type = sddl.AllowObject
	}
	if a != plain {
		return errors.New("the entry's GUIDs contradict its type or its flags, or bytes follow it")
	}
	if a.Mask == 0 || a.Mask&^sddl.FullControl != 0 {
		return fmt.Errorf("mask 0x%x is not of the rights of a directory object", uint32(a.Mask))
	}
	// Without these two the tools would drop the GUID, and grant more.
	if a.HasObjectType() && a.Mask&objectBits == 0 {
		return fmt.Errorf("the rights %s are about the whole object, and the entry is for %s", a.Mask, a.ObjectType)
	}
	if a.HasInheritedObjectType() && !a.Flags.Has(sddl.ContainerInherit) {
		return errors.New("the entry is for one class below, and is not inherited")
	}
	return nil
}

// principal is the account as the commands name it, and whether that is a SID.
func principal(account string) (name string, isSID bool) {
	if sid, err := sddl.ParseSID(account); err == nil {
		return sid.String(), true
	}
	return account, false
}
