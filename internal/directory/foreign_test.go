package directory

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Whether no members shown are no members.
func TestShowsMembers(t *testing.T) {
	for _, tt := range []struct {
		name, sddl string
		want       bool
	}{
		{"everybody may read all", "O:BAG:BAD:(A;;RPLCLORC;;;AU)", true},
		{"Everyone may read all", "O:BAG:BAD:(A;;GR;;;WD)", true},
		{"everybody may read member", "O:BAG:BAD:(OA;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;AU)", true},
		{"everybody may read membership", "O:BAG:BAD:(OA;;RP;bc0ac240-79a9-11d0-9020-00c04fc2d4cf;;AU)", true},
		{"everybody may read something else", "O:BAG:BAD:(OA;;RP;bf967953-0de6-11d0-a285-00aa003049e2;;AU)", false},
		{"everybody below may", "O:BAG:BAD:(A;CIIO;RP;;;AU)", false},
		{"everybody may list", "O:BAG:BAD:(A;;LCLORC;;;AU)", false},
		{"somebody is denied it", "O:BAG:BAD:(A;;RP;;;AU)(OD;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;S-1-5-21-1-2-3-1000)", false},
		{"somebody is denied something else", "O:BAG:BAD:(A;;RP;;;AU)(OD;;RP;bf967953-0de6-11d0-a285-00aa003049e2;;WD)", true},
		{"administrators may", "O:BAG:BAD:(A;;GA;;;BA)", false},
		{"it depends", `O:BAG:BAD:(XA;;RP;;;AU;(Member_of {SID(BA)}))`, false},
		{"no DACL is shown", "O:BAG:BA", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := sddl.ParseText(tt.sddl, sddl.Aliases{})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := d.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := showsMembers(raw); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if showsMembers(nil) || showsMembers([]byte("damaged")) {
		t.Error("what cannot be read shows members")
	}
}
