package describe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// Difference is what two descriptors, A and B, do not share. Its JSON form is stable:
// fields are added, never changed.
type Difference struct {
	Format  int       `json:"format"`
	Kind    string    `json:"kind"` // SecurityDescriptorDifference
	Same    bool      `json:"same"`
	AsSDDL  bool      `json:"asSDDL"` // one of them was SDDL: what SDDL cannot say was not compared
	Parts   []Part    `json:"parts"`  // what differs besides entries
	DACL    []Changed `json:"dacl"`
	SACL    []Changed `json:"sacl"`
	Summary Summary   `json:"summary"`
	Notes   []string  `json:"notes,omitempty"` // what was not compared, or differs and counts for nothing
}

// Part is one part other than an entry that is not the same.
type Part struct {
	Part string `json:"part"` // owner, group, control, DACL, ...
	A    string `json:"a"`
	B    string `json:"b"`
}

// Changed is an entry that only one has, or that stands elsewhere among those that both have.
type Changed struct {
	Change string `json:"change"`      // only-in-a, only-in-b or moved
	A      int    `json:"a,omitempty"` // its number in A, from 1
	B      int    `json:"b,omitempty"`
	SDDL   string `json:"sddl"`
	Words  string `json:"words"`
}

// The changes of entries.
const (
	OnlyInA = "only-in-a"
	OnlyInB = "only-in-b"
	Moved   = "moved"
)

// Summary counts the entries of both lists.
type Summary struct {
	OnlyInA int `json:"onlyInA"`
	OnlyInB int `json:"onlyInB"`
	Moved   int `json:"moved"`
	Common  int `json:"common"` // those of both, moved or not
}

// sayable are the control bits that SDDL can say. [MS-DTYP] 2.5.1.1.
const (
	sayableDACL = sddl.DACLProtected | sddl.DACLAutoInheritReq | sddl.DACLAutoInherited
	sayableSACL = sddl.SACLProtected | sddl.SACLAutoInheritReq | sddl.SACLAutoInherited
)

// Compare says in what a and b differ. Where fromText, one of them at least was SDDL, and
// what SDDL cannot say is not compared: it would always differ.
func Compare(a, b *sddl.Descriptor, fromText bool, c Context) (*Difference, error) {
	d := &Difference{Format: 1, Kind: "SecurityDescriptorDifference", AsSDDL: fromText, Parts: []Part{}, DACL: []Changed{}, SACL: []Changed{}}
	part := func(name, a, b string) {
		if a != b {
			d.Parts = append(d.Parts, Part{name, a, b})
		}
	}
	part("owner", c.sid(a.Owner).String(), c.sid(b.Owner).String())
	part("group", c.sid(a.Group).String(), c.sid(b.Group).String())
	stateA, stateB := State(a.DACL, a.Control.Has(sddl.DACLPresent)), State(b.DACL, b.Control.Has(sddl.DACLPresent))
	part("DACL", meaning(stateA), meaning(stateB))
	saclA, saclB := State(a.SACL, a.Control.Has(sddl.SACLPresent)), State(b.SACL, b.Control.Has(sddl.SACLPresent))
	part("SACL", saclA, saclB)

	compared := ^sddl.Control(0)
	if fromText {
		compared = 0
		if stateA != Absent && stateB != Absent {
			compared |= sayableDACL
		}
		if saclA != Absent && saclB != Absent {
			compared |= sayableSACL
		}
		d.Notes = append(d.Notes, "SDDL cannot say revisions, what is defaulted, the resource manager byte or slack: these were not compared.")
	}
	for i, name := range controlBits {
		if bit := sddl.Control(1 << i); compared&bit != 0 {
			part("control bit "+name, set(a.Control&bit), set(b.Control&bit))
		}
	}
	if !fromText {
		part("revision", fmt.Sprint(a.Revision), fmt.Sprint(b.Revision))
		part("resource manager byte", fmt.Sprintf("0x%02x", a.Sbz1), fmt.Sprintf("0x%02x", b.Sbz1))
		for _, l := range []struct {
			name string
			a, b *sddl.ACL
		}{{"DACL", a.DACL, b.DACL}, {"SACL", a.SACL, b.SACL}} {
			if l.a == nil || l.b == nil {
				continue
			}
			part("revision of the "+l.name, fmt.Sprint(l.a.Revision), fmt.Sprint(l.b.Revision))
			part("reserved bytes of the "+l.name, reserved(l.a), reserved(l.b))
			part("slack of the "+l.name, hex.EncodeToString([]byte(l.a.Slack)), hex.EncodeToString([]byte(l.b.Slack)))
		}
	}
	d.DACL = d.entries(a.DACL, b.DACL, fromText, c)
	d.SACL = d.entries(a.SACL, b.SACL, fromText, c)
	if !fromText && len(d.Parts)+len(d.DACL)+len(d.SACL) == 0 {
		bytesA, gapsA, err := layout(a)
		if err != nil {
			return nil, err
		}
		bytesB, gapsB, err := layout(b)
		if err != nil {
			return nil, err
		}
		switch {
		case string(bytesA) == string(bytesB):
		case gapsA || gapsB:
			// What stands there is part of the bytes, though it means nothing.
			part("bytes", digest(bytesA), digest(bytesB))
		default:
			d.Notes = append(d.Notes, "The bytes differ, but only in where the parts stand.")
		}
	}
	d.Same = len(d.Parts) == 0 && len(d.DACL) == 0 && len(d.SACL) == 0
	return d, nil
}

// layout is the descriptor's bytes, and whether some of them belong to no part or to two.
func layout(d *sddl.Descriptor) (b []byte, gaps bool, err error) {
	if b, err = d.Append(nil); err != nil {
		return nil, false, err
	}
	parts, err := d.WithDACL(d.DACL).Append(nil)
	return b, len(b) != len(parts), err
}

func digest(b []byte) string {
	return fmt.Sprintf("%d bytes, SHA-256 %.16x..., some outside of the parts or shared by two", len(b), sha256.Sum256(b))
}

// meaning is the state of a DACL with what it comes to: the difference of a few bytes may
// be that of nobody and everybody.
func meaning(state string) string {
	switch state {
	case Absent, Null:
		return state + ": everybody has every right"
	case Empty:
		return state + ": nobody has a right but the owner"
	}
	return state
}

func set(c sddl.Control) string {
	if c == 0 {
		return "clear"
	}
	return "set"
}

func reserved(l *sddl.ACL) string { return fmt.Sprintf("0x%02x 0x%04x", l.Sbz1, l.Sbz2) }

// entries compares two lists as sequences in which an entry may stand more than once.
func (d *Difference) entries(a, b *sddl.ACL, fromText bool, c Context) []Changed {
	listA, listB := aces(a), aces(b)
	// Two entries that SDDL says alike are the same where one of them was SDDL.
	key := func(e sddl.ACE) any {
		if fromText {
			return e.AsStored().String()
		}
		return e
	}
	where := map[any][]int{}
	for j, e := range listB {
		k := key(e)
		where[k] = append(where[k], j)
	}
	names := c.Names()
	out := []Changed{}
	changed := func(change string, i, j int, e sddl.ACE) {
		out = append(out, Changed{change, i + 1, j + 1, e.Text(c.Aliases), words.ACE(e, names)})
	}
	inA := make([]bool, len(listB))
	var places [][2]int // of those that both have, in A's order
	for i, e := range listA {
		k := key(e)
		if rest := where[k]; len(rest) > 0 {
			places = append(places, [2]int{i, rest[0]})
			inA[rest[0]], where[k] = true, rest[1:]
			continue
		}
		changed(OnlyInA, i, -1, e)
		d.Summary.OnlyInA++
	}
	for j, e := range listB {
		if !inA[j] {
			changed(OnlyInB, -1, j, e)
			d.Summary.OnlyInB++
		}
	}
	stay := longestRising(places)
	for n, p := range places {
		if !stay[n] {
			changed(Moved, p[0], p[1], listA[p[0]])
			d.Summary.Moved++
		}
	}
	d.Summary.Common += len(places)
	return out
}

func aces(l *sddl.ACL) []sddl.ACE {
	if l == nil {
		return nil
	}
	return l.ACEs
}

// longestRising marks a longest run of places that stand in the same order in both, so
// that as few as possible count as moved.
func longestRising(places [][2]int) []bool {
	var ends []int // ends[n] is the place with the lowest B that a run of n+1 ends with
	before := make([]int, len(places))
	for i, p := range places {
		n, _ := slices.BinarySearchFunc(ends, p[1], func(end, b int) int { return places[end][1] - b })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	stay := make([]bool, len(places))
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			stay[i] = true
		}
	}
	return stay
}
