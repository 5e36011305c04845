package registry

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/windows/registry"
)

// Machine is the registry of this machine, as programs of 64 bits see it.
func Machine() (Registry, error) { return machine{}, nil }

type machine struct{}

func (machine) Value(key, name string) (Value, Presence, error) {
	path, ok := strings.CutPrefix(key, `HKEY_LOCAL_MACHINE\`)
	root := registry.LOCAL_MACHINE
	if !ok {
		if path, ok = strings.CutPrefix(key, `HKEY_CURRENT_USER\`); !ok {
			return Value{}, Unknown, fmt.Errorf("read %s: it is of another hive", key)
		}
		root = registry.CURRENT_USER
	}
	k, err := registry.OpenKey(root, path, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if errors.Is(err, registry.ErrNotExist) {
		return Value{}, Absent, nil
	}
	if err != nil {
		return Value{}, Unknown, nil // who may not read it does not know
	}
	defer k.Close()
	n, _, err := k.GetValue(name, nil)
	if errors.Is(err, registry.ErrNotExist) {
		return Value{}, Absent, nil
	}
	if err != nil {
		return Value{}, Unknown, fmt.Errorf("read %s of %s: %w", name, key, err)
	}
	b := make([]byte, n)
	n, kind, err := k.GetValue(name, b)
	if err != nil {
		return Value{}, Unknown, fmt.Errorf("read %s of %s: %w", name, key, err)
	}
	return FromBytes(Kind(kind), b[:n]), Present, nil
}
