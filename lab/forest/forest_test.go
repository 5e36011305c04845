package main

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// What SDProp would have protected inherits nothing.
func TestProtectedObjectsAreProtected(t *testing.T) {
	f, err := newForest(t.Context(), 5000, 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := sddl.Parse(f.protected)
	if err != nil || !d.Control.Has(sddl.DACLProtected) || len(d.DACL.ACEs) == 0 {
		t.Fatalf("%v: %s", err, d.Text(sddl.Aliases{}))
	}
	for _, a := range d.DACL.ACEs {
		if a.IsInherited() {
			t.Errorf("%v is inherited", a)
		}
	}
	found := 0
	for e, err := range f.Read(t.Context(), directory.Query{Base: f.domain.DN, Scope: directory.Subtree, Descriptor: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Value("adminCount")) == "1" && string(e.Value(descriptorAttr)) == string(f.protected) {
			found++
		}
	}
	if found < 20 {
		t.Errorf("%d protected objects of 5000", found)
	}
}
