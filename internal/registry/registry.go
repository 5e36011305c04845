// Package registry reads values of a Windows registry: of an export (.reg) anywhere, and of the
// machine itself on Windows. It judges nothing.
package registry

import "fmt"

// Kind is the type of a value. The numbers are those of Windows.
type Kind uint32

// The kinds that are told apart; others keep their number.
const (
	Text   Kind = 1 // REG_SZ
	Expand Kind = 2 // REG_EXPAND_SZ
	Binary Kind = 3 // REG_BINARY
	DWord  Kind = 4 // REG_DWORD
	Multi  Kind = 7 // REG_MULTI_SZ
	QWord  Kind = 11
)

// Value is one value: a number for DWord and QWord, a text for Text and Expand, else its bytes.
type Value struct {
	Kind   Kind
	Number uint64
	Text   string
	Bytes  []byte
}

// String is the value for people.
func (v Value) String() string {
	switch v.Kind {
	case DWord, QWord:
		return fmt.Sprintf("%d", v.Number)
	case Text, Expand:
		return v.Text
	}
	return fmt.Sprintf("%d bytes", len(v.Bytes))
}

// Presence is what is known of a value. The zero value is that nothing is.
type Presence int

// The presences.
const (
	Unknown Presence = iota // not in the export, which does not hold the key either, nor one that would have shown it
	Absent
	Present
)

// Registry is a registry that answers.
type Registry interface {
	// Value is a value by the path of its key, HKEY_LOCAL_MACHINE\..., and its name; both in any case.
	Value(key, name string) (Value, Presence, error)
}
