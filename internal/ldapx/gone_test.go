package ldapx

import (
	"maps"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// That one object is gone says nothing about the part that it was found in.
func TestAnObjectThatIsGoneBeforeItsRangeIsReadLosesNoOther(t *testing.T) {
	f := ordinary(t)
	gone := "CN=many 40,CN=flat," + stubBase
	find := func(dn string) int {
		return slices.IndexFunc(f.objects, func(o stubObject) bool { return o.dn == dn })
	}
	f.objects[find(gone)].values["member;range=0-0"] = []string{"a"}
	f.disturb = func(_ int, _ *dc, r *request, m *ber.Packet) ([]*ber.Packet, bool) {
		if len(r.attrs) != 1 || !strings.HasPrefix(r.attrs[0], "member;range=") {
			return []*ber.Packet{m}, false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if i := find(gone); i >= 0 {
			f.objects = slices.Delete(f.objects, i, i+1)
		}
		return []*ber.Packet{r.done(ldap.LDAPResultNoSuchObject, "0000208D: NameErr: DSID-1", "")}, false
	}
	query := sweepQuery
	query.Attrs = []string{"objectClass", "member;range=0-0"}
	got := map[string]int{}
	for e, err := range f.pool(2).Read(t.Context(), query) {
		if err != nil {
			t.Fatal(err)
		}
		got[e.DN]++
	}
	if !maps.Equal(got, f.want()) {
		t.Errorf("%d objects, want %d", len(got), len(f.objects))
	}
}
