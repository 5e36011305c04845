package gmsa

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is how many characters a name may have before its $: more than fifteen do not fit
// into a NetBIOS name, and tools cut them off or refuse them. New-ADServiceAccount, -Name.
const maxName = 15

// NameError says why a name cannot be an account's.
type NameError struct{ Name, Why string }

func (e *NameError) Error() string { return fmt.Sprintf("name %q: %s", e.Name, e.Why) }

// forbiddenChars may not be in a sAMAccountName. [MS-SAMR] 3.1.1.6.
const forbiddenChars = "\"/\\[]:|<>+=;?,*"

// CheckName is the sAMAccountName and the common name for an account to be called name, which
// may have its $ or not: one to fifteen letters, digits, hyphens and underscores, beginning with a
// letter or a digit. [MS-SAMR] 3.1.1.6 would allow more, which DNS names and older tools do not.
func CheckName(name string) (sam, cn string, err error) {
	cn = strings.TrimSuffix(name, "$")
	fault := func(format string, args ...any) (string, string, error) {
		return "", "", &NameError{name, fmt.Sprintf(format, args...)}
	}
	switch {
	case cn == "":
		return fault("it is empty")
	case !utf8.ValidString(cn):
		return fault("it is not text")
	}
	for i, r := range cn {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
		case (r == '-' || r == '_') && i > 0:
		case r == '-' || r == '_':
			return fault("it begins with %q", r)
		case strings.ContainsRune(forbiddenChars, r) || r < 0x20:
			return fault("%q may not be in an account's name", r)
		default:
			return fault("%q is no letter A to Z, digit, hyphen or underscore, which is all that DNS names and older tools take", r)
		}
	}
	if n := len(cn); n > maxName {
		return fault("it has %d characters, at most %d are taken everywhere", n, maxName)
	}
	if strings.Trim(cn, "0123456789") == "" {
		return fault("it is a number, which tools take for something else")
	}
	return cn + "$", cn, nil
}
