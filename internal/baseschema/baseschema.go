// Package baseschema names the GUIDs that are the same in every forest: the attributes and
// classes of the base schema, and the property sets, extended rights and validated writes
// that come with it. What a forest has added to its schema is package directory's business.
package baseschema

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

//go:embed names.txt
var text string

// Kind says what a GUID in an access control entry stands for. [MS-ADTS] 5.1.3.2.
type Kind byte

// The kinds. The zero value is none.
const (
	Attribute Kind = 1 + iota
	Class
	PropertySet
	ExtendedRight
	ValidatedWrite
)

var kindNames = [...]string{"", "attribute", "class", "property set", "extended right", "validated write"}

func (k Kind) String() string { return kindNames[k] }

// Name is one of the things that a GUID stands for.
type Name struct {
	Kind    Kind
	Name    string // lDAPDisplayName of an attribute or a class, cn of a right
	Display string // of a right, its displayName; empty where that says no more than the name
}

// String is the name, with what dialogs show where that says something else.
func (n Name) String() string {
	if n.Display == "" {
		return n.Name
	}
	return n.Name + " (" + n.Display + ")"
}

// table is read at its first use: most commands never ask.
var table = sync.OnceValue(func() map[sddl.GUID][]Name {
	names := make(map[sddl.GUID][]Name, 2000)
	kind := Kind(0)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			kind = kindOf(strings.Trim(line, "[]"))
		default:
			// The tests hold the file to its form.
			digits, rest, _ := strings.Cut(line, " ")
			if g, err := sddl.ParseGUID(digits); err == nil {
				name, display, _ := strings.Cut(rest, " ")
				names[g] = append(names[g], Name{kind, name, display})
			}
		}
	}
	return names
})

func kindOf(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return Kind(k)
		}
	}
	return 0
}

// Names are the things that a GUID stands for, in the order of their kinds; none for one
// that is not of the base schema. The slice is shared: it is not to be changed.
func Names(g sddl.GUID) []Name { return table()[g] }

// GUIDs are those that go by a name, or by what dialogs show for it, as something of these kinds;
// in any case, in no particular order.
func GUIDs(name string, kinds ...Kind) []sddl.GUID {
	var out []sddl.GUID
	for g, names := range table() {
		for _, n := range names {
			if slices.Contains(kinds, n.Kind) && (strings.EqualFold(n.Name, name) || strings.EqualFold(n.Display, name)) {
				out = append(out, g)
				break
			}
		}
	}
	return out
}

// Display is what dialogs show for a GUID as something of this kind; empty where it has no such name.
func Display(g sddl.GUID, kind Kind) string {
	for _, n := range Names(g) {
		if n.Kind == kind {
			return cmp.Or(n.Display, strings.ReplaceAll(n.Name, "-", " "))
		}
	}
	return ""
}

// lookFor is what a right of an entry makes of the entry's GUID, the first that fits.
// [MS-ADTS] 5.1.3.2.
var lookFor = [...]struct {
	right sddl.Mask
	kinds []Kind
}{
	// A set that has the GUID of one of its attributes reaches its other attributes too.
	{sddl.ReadProperty | sddl.WriteProperty, []Kind{PropertySet, Attribute}},
	{sddl.ControlAccess, []Kind{ExtendedRight}},
	{sddl.WriteSelf, []Kind{ValidatedWrite}},
	{sddl.CreateChild | sddl.DeleteChild, []Kind{Class}},
}

// Object is the GUID in words, as the object of one right of an entry: for reading and
// writing a property set or an attribute, for control access an extended right, and so
// on. What has a name but is nothing that the right is about is named with its kind.
// Empty for a GUID that is not of the base schema.
func Object(g sddl.GUID, right sddl.Mask) string {
	names := Names(g)
	if len(names) == 0 {
		return ""
	}
	for _, look := range lookFor {
		if right&look.right == 0 || right&^look.right != 0 {
			continue
		}
		for _, kind := range look.kinds {
			for _, n := range names {
				if n.Kind == kind {
					return object(n, names)
				}
			}
		}
	}
	name := names[0].Kind.String() + " " + names[0].String()
	if right == sddl.ControlAccess {
		// Of an attribute or a property set it is what reading confidential attributes takes.
		// [MS-ADTS] 3.1.1.4.4.
		return "on " + name
	}
	return name
}

func object(n Name, all []Name) string {
	switch n.Kind {
	case PropertySet:
		return n.Kind.String() + " " + n.String()
	case ValidatedWrite:
		// A validated write has the GUID of the attribute that it writes, and that is the
		// better known name.
		for _, other := range all {
			if other.Kind == Attribute {
				return other.Name
			}
		}
	}
	return n.String()
}
