package sddl

// ClaimType is the type of a claim's values. [MS-DTYP] 2.4.10.1.
type ClaimType uint16

// The types of claims. [MS-DTYP] 2.4.10.1.
const (
	ClaimInt64  ClaimType = 0x01
	ClaimUint64 ClaimType = 0x02
	ClaimString ClaimType = 0x03
	ClaimSID    ClaimType = 0x05
	ClaimBool   ClaimType = 0x06
	ClaimOctets ClaimType = 0x10
)

// The flags of claims that matter to who compares them. [MS-DTYP] 2.4.10.1.
const (
	ClaimCaseSensitive  uint32 = 0x02
	ClaimUseForDenyOnly uint32 = 0x04
	ClaimDisabled       uint32 = 0x10
)

// Claim is a named, typed attribute of a user, a device or a resource. Its values are
// literals: integers of code TokenInt64 for the three integer types, else of the code of
// the type. [MS-DTYP] 2.4.10.1.
type Claim struct {
	Name   string // UTF-16, little-endian, without the terminating zero
	Type   ClaimType
	Flags  uint32
	Values []Token
}
