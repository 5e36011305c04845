package locate

import (
	"fmt"
	"strings"
)

// domainName is a DNS name in lower case without a dot at its end. RFC 1035, 2.3.4.
func domainName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if len(name) > 253 {
		return "", fmt.Errorf("%q is longer than a DNS name may be", s[:32]+"...")
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return "", fmt.Errorf("%q is not a DNS name", s)
		}
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%q is an address, not a DNS name", s)
	}
	return name, nil
}

// isLabel says whether s can stand between two dots of a DNS name and change nothing around it.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// OutsideError is a domain controller whose name is not below the domain. Active Directory can be set up so, but DNS alone is no
// reason to believe it.
type OutsideError struct{ Host, Domain string }

func (e *OutsideError) Error() string {
	return fmt.Sprintf("its name %s is not below %s", e.Host, e.Domain)
}

func within(host, domain string) error {
	if strings.HasSuffix(host, "."+domain) {
		return nil
	}
	return &OutsideError{host, domain}
}
