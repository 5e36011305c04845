package gmsa

import (
	"errors"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// What takes control from Domain Admins or from whoever is bound is refused, and so is what cannot
// be told.
func TestCheckControl(t *testing.T) {
	domain := sddl.MustParseSID(probeDomain)
	d := &directory.Domain{DN: "DC=corp,DC=example", SchemaDN: "CN=Schema,DC=corp,DC=example", ConfigurationDN: "CN=Configuration,DC=corp,DC=example", SID: domain, ForestSID: domain}
	schema, err := directory.LoadSchema(t.Context(), shown{
		entry(d.SchemaDN, "objectVersion", "88"),
		entry("CN=top,"+d.SchemaDN, "objectClass", "classSchema", "lDAPDisplayName", "top", "objectClassCategory", "2", "subClassOf", "top", "schemaIDGUID", string(append(make([]byte, 15), 1))),
		entry("CN=gmsa,"+d.SchemaDN, "objectClass", "classSchema", "lDAPDisplayName", directory.ClassGMSA, "objectClassCategory", "1", "subClassOf", "top", "schemaIDGUID", string(append(make([]byte, 15), 2)),
			"mayContain", AttrMembership),
		entry("CN=m,"+d.SchemaDN, "objectClass", "attributeSchema", "lDAPDisplayName", AttrMembership, "schemaIDGUID", string(membershipGUID[:])),
	}, d)
	if err != nil {
		t.Fatal(err)
	}
	const membership = "888eedd6-ce04-df40-b462-b8a50e41ba38"
	admin := &directory.Caller{SIDs: []sddl.SID{sddl.MustParseSID(probeDomain + "-500"), sddl.MustParseSID(probeDomain + "-512"), sddl.MustParseSID("S-1-1-0"), sddl.MustParseSID("S-1-5-11")}}
	delegate := &directory.Caller{SIDs: []sddl.SID{sddl.MustParseSID(probeReader), sddl.MustParseSID("S-1-1-0"), sddl.MustParseSID("S-1-5-11")}}
	const all = "(A;;GA;;;SY)(A;;GA;;;DA)(A;;GA;;;BA)"
	for _, c := range []struct {
		name, dacl string
		caller     *directory.Caller
		who, why   string // of the refusal; empty: none
	}{
		{"an administrator", all, admin, "", ""},
		{"nobody is looked at", all, nil, "", ""},
		{"a delegate", all, delegate, "whoever is bound", "change its permissions"},
		{"a delegate who keeps an entry", all + "(A;;WDWP;;;" + probeReader + ")", delegate, "", ""},
		{"a delegate who may change permissions only", all + "(A;;WD;;;" + probeReader + ")", delegate, "whoever is bound", "say who may have its password"},
		{"a delegate who owns it", all, delegate, "whoever is bound", "not-granted"},
		{"Domain Admins are not in it", "(A;;GA;;;SY)(A;;GA;;;BA)", nil, "Domain Admins", "change its permissions"},
		{"everybody is denied", "(D;;WD;;;WD)" + all, admin, "Domain Admins", "denied"},
		{"Authenticated Users are denied the membership", "(OD;;WP;" + membership + ";;AU)" + all, admin, "Domain Admins", "say who may have its password would be denied"},
		{"Domain Admins under a condition", "(XA;;GA;;;DA;(@User.a == 1))(A;;GA;;;SY)", nil, "Domain Admins", "conditional"},
		{"a caller of whom nothing is known", all, &directory.Caller{}, "whoever is bound", "does not say which groups"},
		{"another deny", "(OD;;CR;00299570-246d-11d0-a768-00aa006e0529;;WD)" + all, admin, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			object := &directory.Target{DN: "CN=a", SID: sddl.MustParseSID(probeDomain + "-1105"), Descriptor: descriptor(t, "O:"+probeReader+"D:")}
			err := CheckControl(d, schema, object, []byte(descriptorBytes(t, "O:"+probeReader+"D:P"+c.dacl)), c.caller)
			var lockout *LockoutError
			switch {
			case c.who == "" && err != nil:
				t.Errorf("got %v", err)
			case c.who != "" && (!errors.As(err, &lockout) || lockout.Who != c.who || !strings.Contains(lockout.Why, c.why)):
				t.Errorf("got %v, want %s: %s", err, c.who, c.why)
			}
		})
	}
	if err := CheckControl(d, &directory.Schema{}, &directory.Target{DN: "CN=a"}, []byte(descriptorBytes(t, "O:SYD:P"+all)), nil); err == nil {
		t.Error("a schema that does not show the class is no reason")
	}
	if err := CheckControl(d, schema, &directory.Target{DN: "CN=a"}, []byte{1}, nil); err == nil {
		t.Error("a descriptor that is none is no reason")
	}
}
