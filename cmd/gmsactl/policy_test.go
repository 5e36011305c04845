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

func TestDomainByDN(t *testing.T) {
	for _, c := range []struct{ name, dn, want string }{
		{"a head is its own", "DC=corp,DC=example", "DC=corp,DC=example"},
		{"an OU is in one", "OU=Sync,dc=corp,dc=example", "dc=corp,dc=example"},
		{"blanks are no part of a name", "OU=Sync, DC=corp, DC=example", "DC=corp, DC=example"},
		{"nor do they hide one", "OU=Sync,DC =corp,DC=example", "DC =corp,DC=example"},
		{"a comma in a name begins no DC", `OU=a\,DC=b,DC=corp,DC=example`, "DC=corp,DC=example"},
		{"a zone in the domain is no domain", "DC=@,DC=zone,CN=MicrosoftDNS,CN=System,DC=corp,DC=example", "DC=corp,DC=example"},
		{"nor is a partition of zones", "DC=zone,CN=MicrosoftDNS,DC=DomainDnsZones,DC=corp,DC=example", ""},
		{"the configuration is of the domain of the forest", "CN=Services,CN=Configuration,DC=corp,DC=example", "DC=corp,DC=example"},
		{"an OU alone is in none", "OU=Sync", ""},
		{"nor is what ends otherwise", "DC=corp,O=example", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := domainByDN(c.dn); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
