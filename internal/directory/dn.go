package directory

import (
	"encoding/hex"
	"strings"
)

// DNKey is a form of a DN in which two spellings of the same DN are equal: attribute
// types and values in lower case, no blanks around separators, escapes undone. It is a
// key for comparing, not a DN to send. RFC 4514, [MS-ADTS] 3.1.1.1.4.
func DNKey(dn string) string {
	parts := splitDN(dn)
	for i, rdn := range parts {
		attr, value, _ := strings.Cut(rdn, "=")
		parts[i] = strings.ToLower(strings.TrimSpace(attr)) + "=" + strings.ToLower(unescapeDN(trimDN(value)))
	}
	// A byte that no value holds separates, so that an escaped comma is not a separator.
	return strings.Join(parts, "\x00")
}

// SameDN says whether two spellings name the same object.
func SameDN(a, b string) bool { return DNKey(a) == DNKey(b) }

// IsBelow says whether dn is base or below it. Everything is below the empty DN.
func IsBelow(dn, base string) bool { return keyIsBelow(DNKey(dn), DNKey(base)) }

func keyIsBelow(dn, base string) bool {
	return base == "" || dn == base || strings.HasSuffix(dn, "\x00"+base)
}

// ParentDN is the DN of the container of dn; empty when there is none.
func ParentDN(dn string) string {
	parts := splitDN(dn)
	if len(parts) < 2 {
		return ""
	}
	return strings.TrimSpace(dn[len(parts[0])+1:])
}

// NameOfDN is the value of the first RDN of dn; empty when there is none.
func NameOfDN(dn string) string {
	parts := splitDN(dn)
	if len(parts) == 0 {
		return ""
	}
	_, value, _ := strings.Cut(parts[0], "=")
	return unescapeDN(trimDN(value))
}

// SplitExtended takes apart an extended DN, <GUID=...>;<SID=...>;CN=...; the SID is empty where the
// object has none, and ok is false for a DN that is not extended. [MS-ADTS] 3.1.1.3.4.1.5.
func SplitExtended(text string) (sid, dn string, ok bool) {
	for {
		part, rest, more := strings.Cut(text, ";")
		if !strings.HasPrefix(part, "<") || !strings.HasSuffix(part, ">") || !more {
			return sid, text, ok
		}
		if value, is := strings.CutPrefix(part, "<SID="); is {
			sid = strings.TrimSuffix(value, ">")
		}
		text, ok = rest, true
	}
}

// PlainDN is an extended DN without what makes it one, and any other as it is.
func PlainDN(text string) string {
	_, dn, _ := SplitExtended(text)
	return dn
}

// DepthDN is the number of RDNs of dn.
func DepthDN(dn string) int { return len(splitDN(dn)) }

// LooksLikeDN says whether text has the shape of a DN, attr=value,...
func LooksLikeDN(text string) bool {
	attr, _, found := strings.Cut(text, "=")
	return found && attr != "" && !strings.ContainsAny(attr, `\@,+" `)
}

// DomainDNS is the DNS name of a domain whose DN is dn: DC=corp,DC=example is corp.example.
func DomainDNS(dn string) string {
	var labels []string
	for _, rdn := range splitDN(dn) {
		if attr, value, _ := strings.Cut(rdn, "="); strings.EqualFold(strings.TrimSpace(attr), "DC") {
			labels = append(labels, unescapeDN(trimDN(value)))
		}
	}
	return strings.Join(labels, ".")
}

// splitDN cuts dn at its unescaped commas.
func splitDN(dn string) []string {
	if strings.TrimSpace(dn) == "" {
		return nil
	}
	var parts []string
	start := 0
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			parts = append(parts, dn[start:i])
			start = i + 1
		}
	}
	return append(parts, dn[start:])
}

// trimDN takes away the blanks around a value, but not an escaped one at its end.
func trimDN(value string) string {
	value = strings.TrimLeft(value, " ")
	for strings.HasSuffix(value, " ") && !strings.HasSuffix(value, `\ `) {
		value = value[:len(value)-1]
	}
	return value
}

func unescapeDN(value string) string {
	if !strings.Contains(value, `\`) {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' || i+1 == len(value) {
			b.WriteByte(value[i])
			continue
		}
		if i+2 < len(value) {
			if c, err := hex.DecodeString(value[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		i++
		b.WriteByte(value[i])
	}
	return b.String()
}
