package main

import (
	"slices"
	"testing"

	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// What gmsa harden writes, and what the policy asks for, are the same published entries.
func TestThePolicyOfRestrictedPermissionsIsWhatHardenWrites(t *testing.T) {
	domain, forest := sddl.MustParseSID("S-1-5-21-1-2-3"), sddl.MustParseSID("S-1-5-21-4-5-6")
	want, err := gmsa.RestrictedEntries(domain, forest)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Builtin("cloud-sync-restricted")
	if err != nil {
		t.Fatal(err)
	}
	var got []sddl.ACE
	for _, text := range p.Rules[0].DACL.Entries {
		d, err := sddl.ParseText("D:"+text, sddl.Aliases{Domain: domain, Forest: forest})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.DACL.ACEs...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the policy has %v, harden writes %v", got, want)
	}
}
