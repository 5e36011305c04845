package byhand

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Dsacls is one dsacls command a grant, to be typed or pasted into cmd.exe. It is an error
// where cmd.exe or dsacls would take a text for something else, or where the schema has
// no name for a GUID: dsacls takes names only. PowerShell has neither limit.
//
//	dsacls "OU=Sync,DC=corp,DC=example" /I:S /G "CORP\acct$:RPWP;proxyAddresses;user"
func Dsacls(account string, grants []Grant, s *directory.Schema) ([]string, error) {
	name, _ := principal(account)
	if name == "" {
		return nil, errors.New("write dsacls commands: there is no account")
	}
	if err := quotable(name, ":;/"); err != nil {
		return nil, fmt.Errorf("write dsacls commands for account %q: %w; use the PowerShell script", account, err)
	}
	var out []string
	for i := range grants {
		line, err := grants[i].dsacls(name, s)
		if err != nil {
			return nil, fmt.Errorf("write dsacls command for %q: %w", grants[i].DN, err)
		}
		out = append(out, line)
	}
	return out, nil
}

func (g *Grant) dsacls(account string, s *directory.Schema) (string, error) {
	if err := g.check(); err != nil {
		return "", err
	}
	// What dsacls makes of a slash in a DN is not documented.
	if err := quotable(g.DN, "/"); err != nil {
		return "", fmt.Errorf("%w; use the PowerShell script", err)
	}
	inherit, ok := dsaclsInherit[g.ACE.Flags]
	if !ok {
		return "", fmt.Errorf("dsacls has no option for the flags 0x%02x of the entry; use the PowerShell script", byte(g.ACE.Flags))
	}
	parts := []string{letters(g.ACE.Mask), "", ""}
	var err error
	if g.ACE.HasObjectType() {
		if parts[1], err = objectName(g.ACE.Mask, g.ACE.ObjectType, s); err != nil {
			return "", fmt.Errorf("%w; use the PowerShell script", err)
		}
	}
	if g.ACE.HasInheritedObjectType() {
		if parts[2], err = className(g.ACE.InheritedObjectType, s); err != nil {
			return "", fmt.Errorf("%w; use the PowerShell script", err)
		}
	}
	for _, name := range parts[1:] {
		if err := quotable(name, ";"); err != nil {
			return "", fmt.Errorf("name %q: %w; use the PowerShell script", name, err)
		}
	}
	what := strings.TrimRight(strings.Join(parts, ";"), ";")
	line := fmt.Sprintf(`dsacls "%s"%s /G "%s:%s"`, g.DN, inherit, account, what)
	if len(line) > maxLine {
		return "", fmt.Errorf("the command has %d bytes, and cmd.exe takes %d; use the PowerShell script", len(line), maxLine)
	}
	return line, nil
}

// maxLine is how long a line of cmd.exe may be.
const maxLine = 8191

var dsaclsInherit = map[sddl.ACEFlags]string{
	thisObject:  "",
	all:         " /I:T",
	descendants: " /I:S",
	children:    " /I:P",
}

// dsaclsLetters are what dsacls calls the rights; two are not as in SDDL.
var dsaclsLetters = [...]struct {
	name string
	mask sddl.Mask
}{
	{"SD", sddl.Delete}, {"DT", sddl.DeleteTree}, {"RC", sddl.ReadControl}, {"WD", sddl.WriteDACL}, {"WO", sddl.WriteOwner},
	{"LC", sddl.ListContents}, {"CC", sddl.CreateChild}, {"DC", sddl.DeleteChild}, {"WS", sddl.WriteSelf},
	{"RP", sddl.ReadProperty}, {"WP", sddl.WriteProperty}, {"CA", sddl.ControlAccess}, {"LO", sddl.ListObject},
}

func letters(m sddl.Mask) string {
	if m == sddl.FullControl {
		return "GA"
	}
	var b strings.Builder
	for _, l := range dsaclsLetters {
		if m&l.mask != 0 {
			b.WriteString(l.name)
		}
	}
	return b.String()
}

// objectName is what the GUID is called as the object of all rights of the mask. One GUID
// may be an attribute and a validated write, which have two names, and the command takes one.
func objectName(m sddl.Mask, g sddl.GUID, s *directory.Schema) (string, error) {
	name := ""
	for _, kind := range []struct {
		bits sddl.Mask
		name func(sddl.GUID, *directory.Schema) (string, error)
	}{
		{sddl.CreateChild | sddl.DeleteChild, className},
		{sddl.ControlAccess, extendedRightName},
		{sddl.WriteSelf, validatedWriteName},
		{sddl.ReadProperty | sddl.WriteProperty, propertyName},
	} {
		if m&kind.bits == 0 {
			continue
		}
		n, err := kind.name(g, s)
		if err != nil {
			return "", err
		}
		if name != "" && name != n {
			return "", fmt.Errorf("GUID %s is %q for one right and %q for another", g, name, n)
		}
		name = n
	}
	return name, nil
}

func className(g sddl.GUID, s *directory.Schema) (string, error) {
	if c := s.ClassOf(g); c != nil && !c.Defunct {
		return c.Name, nil
	}
	return "", nameless(g, "class")
}

func extendedRightName(g sddl.GUID, s *directory.Schema) (string, error) {
	return rightName(g, s, sddl.ControlAccess, "extended right")
}

func validatedWriteName(g sddl.GUID, s *directory.Schema) (string, error) {
	return rightName(g, s, sddl.WriteSelf, "validated write")
}

func propertyName(g sddl.GUID, s *directory.Schema) (string, error) {
	const access = sddl.ReadProperty | sddl.WriteProperty
	a := s.AttributeOf(g)
	if a == nil || a.Defunct {
		name, err := rightName(g, s, access, "attribute or property set")
		if err == nil && s.Attribute(name) != nil {
			return "", ambiguous(g, name)
		}
		return name, err
	}
	if other := s.Right(a.Name, access); other != nil && other.GUID != g {
		return "", ambiguous(g, a.Name)
	}
	return a.Name, nil
}

func rightName(g sddl.GUID, s *directory.Schema, access sddl.Mask, kind string) (string, error) {
	r := s.RightOf(g, access)
	if r == nil || r.DisplayName == "" {
		return "", nameless(g, kind)
	}
	if other := s.Right(r.DisplayName, access); other != nil && other.GUID != g {
		return "", ambiguous(g, r.DisplayName)
	}
	return r.DisplayName, nil
}

func nameless(g sddl.GUID, kind string) error {
	return fmt.Errorf("dsacls takes names, and the schema has no %s of the GUID %s", kind, g)
}

func ambiguous(g sddl.GUID, name string) error {
	return fmt.Errorf("dsacls takes names, and the schema has %q more than once, not only for the GUID %s", name, g)
}

// quotable says why text cannot stand between the double quotes of a command. Nothing is
// escaped: what % and ! do depends on how cmd.exe was started, and on whether a line is
// typed or in a file. ^ does nothing there without a !.
func quotable(text, separators string) error {
	if strings.HasPrefix(text, "-") {
		return errors.New("it begins like an option")
	}
	last := ' '
	for _, r := range text {
		if !isPlain(r) || strings.ContainsRune(separators, r) {
			return fmt.Errorf("%q cannot be quoted safely for cmd.exe and dsacls", r)
		}
		last = r
	}
	// A backslash would escape the quote; the lead byte of another code page would take it along.
	if last == '\\' || last >= unicode.MaxASCII {
		return fmt.Errorf("%q before a quote cannot be quoted safely for cmd.exe and dsacls", last)
	}
	// Whoever pastes the line into PowerShell instead would run what is in the parentheses.
	if strings.Contains(text, "$(") {
		return errors.New("\"$(\" cannot be quoted safely")
	}
	return nil
}

// isPlain says whether r is itself and nothing else in every code page: Windows turns
// characters that a code page lacks into others that look like them, fullwidth quotation
// marks into plain ones.
func isPlain(r rune) bool {
	switch {
	case r <= unicode.MaxASCII:
		return r >= ' ' && r != 0x7f && !strings.ContainsRune("\"%!`", r)
	case r >= 0x1c0 && r <= 0x1c3, r >= 0x2b0 && r <= 0x36f: // clicks, modifier letters, accents of their own
		return false
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd)
}
