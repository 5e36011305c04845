package byhand

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// PowerShell is one script that makes all grants, for Windows PowerShell 5.1 and later,
// and empty where there are none. It names everything by GUID, so that it is the same in
// any locale, and needs no module. It is ASCII, so that it is also the same in any code page,
// and one block without empty lines, so that pasting it cannot run a part of it after
// another has failed.
// The names, which name may know or may not, are comments.
func PowerShell(account string, grants []Grant, name func(sddl.GUID) string) (string, error) {
	if len(grants) == 0 {
		return "", nil
	}
	who, isSID := principal(account)
	switch {
	case who == "":
		return "", errors.New("write a PowerShell script: there is no account")
	case !utf8.ValidString(who):
		return "", fmt.Errorf("write a PowerShell script for account %q: it is not UTF-8", account)
	}
	var dns []string
	rules := map[string][]string{}
	for i := range grants {
		g := &grants[i]
		rule, err := g.rule(name)
		if err != nil {
			return "", fmt.Errorf("write a PowerShell script for %q: %w", g.DN, err)
		}
		if rules[g.DN] == nil {
			dns = append(dns, g.DN)
		}
		rules[g.DN] = append(rules[g.DN], rule)
	}

	var b strings.Builder
	b.WriteString("& {\n$ErrorActionPreference = 'Stop'\n")
	if isSID {
		fmt.Fprintf(&b, "$sid = [System.Security.Principal.SecurityIdentifier]%s\n", quote(who))
	} else {
		fmt.Fprintf(&b, "$sid = [System.Security.Principal.NTAccount]::new(%s).Translate([System.Security.Principal.SecurityIdentifier])\n", quote(who))
	}
	for _, dn := range dns {
		// PSBase, because some objects have an attribute called options. RefreshCache, because
		// PowerShell says nothing of an error in a property, here that there is no such object.
		// The masks keep owner and SACL out of what is read, and so out of what is written.
		fmt.Fprintf(&b, "$entry = [System.DirectoryServices.DirectoryEntry]::new(%s)\n", quote("LDAP://"+adsPath(dn)))
		b.WriteString("$entry.PSBase.RefreshCache()\n$entry.PSBase.Options.SecurityMasks = 'Dacl'\n")
		for _, rule := range rules[dn] {
			b.WriteString(rule)
		}
		b.WriteString("$entry.PSBase.CommitChanges()\n")
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// inheritance is ActiveDirectorySecurityInheritance.
var inheritance = map[sddl.ACEFlags]string{
	thisObject:      "None",
	all:             "All",
	descendants:     "Descendents",
	children:        "Children",
	selfAndChildren: "SelfAndChildren",
}

// rule is the line that adds the grant to the DACL.
func (g *Grant) rule(name func(sddl.GUID) string) (string, error) {
	if err := g.check(); err != nil {
		return "", err
	}
	if !utf8.ValidString(g.DN) {
		return "", errors.New("it is not UTF-8")
	}
	a := g.ACE
	how, ok := inheritance[a.Flags]
	if !ok {
		return "", fmt.Errorf("ActiveDirectoryAccessRule has no name for the flags 0x%02x of the entry", byte(a.Flags))
	}
	return fmt.Sprintf("$entry.PSBase.ObjectSecurity.AddAccessRule([System.DirectoryServices.ActiveDirectoryAccessRule]::new($sid, [System.DirectoryServices.ActiveDirectoryRights]%d, 'Allow', [guid]'%s', '%s', [guid]'%s')) # %s\n",
		uint32(a.Mask), a.ObjectType, how, a.InheritedObjectType, comment(a, name)), nil
}

func comment(a sddl.ACE, name func(sddl.GUID) string) string {
	text := letters(a.Mask)
	if name == nil {
		return text
	}
	if a.HasObjectType() {
		if n := name(a.ObjectType); n != "" {
			text += " " + harmless(n)
		}
	}
	if a.HasInheritedObjectType() {
		if n := name(a.InheritedObjectType); n != "" {
			text += " for " + harmless(n)
		}
	}
	return text
}

// harmless is a name that ends no comment of either kind, in any code page.
func harmless(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r >= unicode.MaxASCII {
			return '?'
		}
		return r
	}, name)
	return strings.ReplaceAll(name, "#>", "# >")
}

// adsPath is the DN in a path of ADSI, where a slash separates.
func adsPath(dn string) string {
	var b strings.Builder
	escaped := false
	for i := range len(dn) {
		if dn[i] == '/' && !escaped {
			b.WriteByte('\\')
		}
		escaped = dn[i] == '\\' && !escaped
		b.WriteByte(dn[i])
	}
	return b.String()
}

// quote is text as an expression of PowerShell, in ASCII: strings in single quotes, and
// the code units of all other characters between them. Windows PowerShell reads a file
// without a byte order mark in the code page of the system, where the bytes of many letters
// in UTF-8 are curly quotes, and takes those for quotes.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	open, joined := true, false
	for _, unit := range utf16.Encode([]rune(text)) {
		if unit < ' ' || unit >= unicode.MaxASCII {
			if open {
				b.WriteByte('\'')
			}
			fmt.Fprintf(&b, " + [char]0x%04X", unit)
			open, joined = false, true
			continue
		}
		if !open {
			b.WriteString(" + '")
			open = true
		}
		if unit == '\'' {
			b.WriteByte('\'')
		}
		b.WriteByte(byte(unit))
	}
	if open {
		b.WriteByte('\'')
	}
	if joined {
		return "(" + b.String() + ")"
	}
	return b.String()
}
