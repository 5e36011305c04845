//go:build !windows

package registry

import "errors"

// ErrNoRegistry says that this is no Windows.
var ErrNoRegistry = errors.New("this machine has no Windows registry")

// Machine is the registry of this machine; an error where it has none.
func Machine() (Registry, error) { return nil, ErrNoRegistry }
