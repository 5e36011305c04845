package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/gmsactl/gmsactl/internal/describe"
)

// controlWords are the control bits in words; the others are shown by their names.
// [MS-DTYP] 2.4.6.
var controlWords = map[string]string{
	"OwnerDefaulted": "owner defaulted", "GroupDefaulted": "group defaulted",
	"DACLPresent": "DACL present", "DACLDefaulted": "DACL defaulted",
	"SACLPresent": "SACL present", "SACLDefaulted": "SACL defaulted",
	"DACLTrusted": "DACL trusted", "ServerSecurity": "server security",
	"DACLAutoInheritReq": "DACL to be auto-inherited", "SACLAutoInheritReq": "SACL to be auto-inherited",
	"DACLAutoInherited": "DACL auto-inherited", "SACLAutoInherited": "SACL auto-inherited",
	"DACLProtected": "DACL protected from inheritance", "SACLProtected": "SACL protected from inheritance",
	"RMControlValid": "resource manager byte valid", "SelfRelative": "self-relative",
}

// Descriptor writes a security descriptor, each entry as a block.
func Descriptor(w io.Writer, d *describe.Descriptor, style Style) error {
	p := &printer{w: w}
	const indent = "         "
	p.wrapped("Owner    ", indent, d.Owner.String())
	p.wrapped("Group    ", indent, d.Group.String())
	var bits []string
	for _, bit := range d.Control.Bits {
		bits = append(bits, controlWords[bit])
	}
	control := d.Control.Hex
	if len(bits) > 0 {
		control += ": " + strings.Join(bits, ", ")
	}
	p.wrapped("Control  ", indent, control)
	if d.ResourceManager != "" {
		p.printf("         resource manager byte %s\n", d.ResourceManager)
	}
	if d.Revision != 1 {
		p.printf("         revision %s\n", fmt.Sprint(d.Revision))
	}
	var state painted
	switch d.DACL.State {
	case describe.Absent:
		state = style.bad("absent: everybody has every right")
	case describe.Null:
		state = style.bad("present but null: everybody has every right")
	case describe.Empty:
		state = style.doubt(fmt.Sprintf("empty, revision %d: nobody has any right but what the owner always has", d.DACL.Revision))
	}
	aclText(p, "DACL", &d.DACL, state, style)
	state = ""
	switch d.SACL.State {
	case describe.Absent:
		state = "absent: nothing is audited"
	case describe.Null:
		state = "present but null: nothing is audited"
	case describe.Empty:
		state = painted(fmt.Sprintf("empty, revision %d: nothing is audited", d.SACL.Revision))
	}
	aclText(p, "SACL", &d.SACL, state, style)
	if d.DACL.Order != "" {
		p.printf("\n")
		p.wrapped("Note: ", "      ", "The DACL is not in canonical order: "+d.DACL.Order+".")
	}
	return p.err
}

func aclText(p *printer, name string, l *describe.ACL, state painted, style Style) {
	const indent = "         "
	if state == "" {
		state = painted(fmt.Sprintf("%s, revision %d", count(len(l.ACEs), "entry", "entries"), l.Revision))
	}
	p.printf("%s     %s\n", style.strong(name), state)
	if l.Sbz1 != "" {
		p.printf("%sreserved byte %s\n", indent, l.Sbz1)
	}
	if l.Sbz2 != "" {
		p.printf("%sreserved field %s\n", indent, l.Sbz2)
	}
	if l.Slack != "" {
		p.printf("%sbytes after the last entry: %s\n", indent, l.Slack)
	}
	if len(l.ACEs) > 0 {
		p.printf("\n")
	}
	for i, a := range l.ACEs {
		p.wrapped(fmt.Sprintf("%7d  ", i+1), indent, a.Words)
		if a.Condition != "" {
			p.printf("%sif:   %s\n", indent, a.Condition)
		}
		if a.ResourceAttribute != nil {
			p.printf("%snamed %s\n", indent, a.ResourceAttribute.Name)
		}
		if a.Unreadable != "" {
			p.wrapped(indent+"what belongs to it cannot be read: ", indent, a.Unreadable)
		}
		p.printf("%s%s\n", indent, a.SDDL)
	}
	if len(l.ACEs) > 0 && name == "DACL" {
		p.printf("\n")
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Difference writes in what two descriptors differ.
func Difference(w io.Writer, d *describe.Difference, style Style) error {
	p := &printer{w: w}
	for _, part := range d.Parts {
		p.printf("%s\n", style.strong(part.Part))
		p.printf("%s%s\n", style.bad("- "), part.A)
		p.printf("%s%s\n", style.good("+ "), part.B)
	}
	for _, l := range []struct {
		name    string
		changes []describe.Changed
	}{{"entries of the DACL", d.DACL}, {"entries of the SACL", d.SACL}} {
		if len(l.changes) > 0 {
			p.printf("%s\n", style.strong(l.name))
		}
		for _, c := range l.changes {
			switch c.Change {
			case describe.OnlyInA:
				p.printf("%s%s\n", style.bad("- "), c.SDDL)
			case describe.OnlyInB:
				p.printf("%s%s\n", style.good("+ "), c.SDDL)
			default:
				p.printf("%s%s\n", style.doubt("~ "), c.SDDL)
				p.printf("  in both; entry %s in A, %s in B\n", fmt.Sprint(c.A), fmt.Sprint(c.B))
			}
			p.wrapped("  ", "  ", c.Words)
		}
	}
	if !d.Same {
		p.printf("\n")
	}
	for _, note := range d.Notes {
		p.wrapped("Note: ", "      ", note)
	}
	switch {
	case d.Same && d.AsSDDL:
		p.printf("The same, as far as SDDL can say.\n")
		return p.err
	case d.Same:
		p.printf("The same.\n")
		return p.err
	}
	s := d.Summary
	p.printf("%s only in A, %s only in B, %s moved, %s in both.\n",
		count(s.OnlyInA, "entry", "entries"), fmt.Sprint(s.OnlyInB), fmt.Sprint(s.Moved), fmt.Sprint(s.Common))
	return p.err
}
