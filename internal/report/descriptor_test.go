package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/describe"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// hostile is a descriptor with what a terminal would obey in every place that others can
// write to.
func hostile(t *testing.T) *describe.Descriptor {
	t.Helper()
	const escape = "\x1b]0;owned\x07\u202e"
	d, err := sddl.ParseText(`O:SYD:(A;;GA;;;BA)(OA;;WP;11111111-2222-3333-4444-555555555555;;BA)(XA;;RP;;;WD;(@User.x == "`+escape+`"))S:(RA;;;;;WD;("`+`n",TS,0,"`+escape+`"))`, sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := describe.New(d, describe.Context{
		SID:  func(sddl.SID) string { return "CORP\\" + escape },
		GUID: func(sddl.GUID) string { return escape },
	})
	if err != nil {
		t.Fatal(err)
	}
	shown.SACL.ACEs[0].ResourceAttribute.Name = escape
	shown.SACL.ACEs[0].Unreadable = escape
	return shown
}

func TestDescriptorIsFitForATerminal(t *testing.T) {
	shown := hostile(t)
	var plain, coloured bytes.Buffer
	if err := Descriptor(&plain, shown, Style{}); err != nil {
		t.Fatal(err)
	}
	if err := Descriptor(&coloured, shown, colour); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(plain.String(), func(r rune) bool { return r != '\n' && isUnprintable(r) }); i >= 0 {
		t.Errorf("a terminal gets %q", plain.String()[i:])
	}
	if strings.Count(plain.String(), `\x1b]0;owned`) < 8 {
		t.Errorf("what is there is not shown:\n%s", plain.String())
	}
	// Colour only marks.
	bare := strings.NewReplacer("\x1b[1m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(coloured.String())
	if bare != plain.String() || bare == coloured.String() {
		t.Errorf("with colour:\n%q\nwithout:\n%q", coloured.String(), plain.String())
	}
}

func TestDifferenceIsFitForATerminal(t *testing.T) {
	const escape = "\x1b[2J"
	d := &describe.Difference{
		Parts: []describe.Part{{Part: "owner", A: "CORP\\" + escape, B: "none"}},
		DACL: []describe.Changed{
			{Change: describe.OnlyInA, A: 1, SDDL: "(" + escape + ")", Words: "Allow " + escape},
			{Change: describe.OnlyInB, B: 1, SDDL: "(b)", Words: "Allow b"},
			{Change: describe.Moved, A: 2, B: 3, SDDL: "(c)", Words: "Allow c"},
		},
		Notes: []string{escape},
	}
	var plain, coloured bytes.Buffer
	if err := Difference(&plain, d, Style{}); err != nil {
		t.Fatal(err)
	}
	if err := Difference(&coloured, d, colour); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String()+coloured.String(), escape) {
		t.Errorf("a terminal gets %q", plain.String())
	}
	bare := strings.NewReplacer("\x1b[1m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(coloured.String())
	if bare != plain.String() || bare == coloured.String() {
		t.Errorf("with colour:\n%q\nwithout:\n%q", coloured.String(), plain.String())
	}
}
