package ldapx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// changes are the changes of a modification, as "0 attribute value" with 0 for add, 1 for delete,
// 2 for replace. RFC 4511, 4.6.
func changes(r *request) []string {
	var out []string
	for _, c := range r.op.Children[1].Children {
		line := fmt.Sprint(c.Children[0].Value, " ", c.Children[1].Children[0].Value)
		for _, v := range c.Children[1].Children[1].Children {
			line += " " + string(v.ByteValue)
		}
		out = append(out, line)
	}
	return out
}

// What was there is named, so that the server refuses where it is not there any more; of a
// descriptor it cannot be.
func TestWriteAttribute(t *testing.T) {
	one1 := func(text string) [][]byte { return [][]byte{[]byte(text)} }
	sd := string(descriptor)
	for _, c := range []struct {
		name          string
		before, after [][]byte
		want          []string
	}{
		{"a first value", nil, one1("24"), []string{"0 x 24"}},
		{"another value", one1("28"), one1("24"), []string{"1 x 28", "0 x 24"}},
		{"none any more", one1("28"), nil, []string{"1 x 28"}},
		{"a first descriptor", nil, one1(sd), []string{"0 x " + sd}},
		{"another descriptor", one1(sd), one1(sd), []string{"2 x " + sd}},
		{"no descriptor any more", one1(sd), nil, []string{"1 x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			s := serve(t, time.Second, one(func(r *request) []*ber.Packet {
				got = changes(r)
				return []*ber.Packet{r.modified(0, "")}
			}))
			if err := s.WriteAttribute(t.Context(), "CN=a", "x", c.before, c.after); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	s := serve(t, time.Second, one(func(r *request) []*ber.Packet { return []*ber.Packet{r.modified(16, "no such value")} }))
	var refused *ResultError
	if err := s.WriteAttribute(t.Context(), "CN=a", "x", one1("28"), one1("24")); !errors.As(err, &refused) || refused.Code != ldap.LDAPResultNoSuchAttribute {
		t.Errorf("got %v", err)
	}
	for name, err := range map[string]error{
		"nothing to nothing":      s.WriteAttribute(t.Context(), "CN=a", "x", nil, nil),
		"no object":               s.WriteAttribute(t.Context(), "", "x", nil, one1("24")),
		"the object's descriptor": s.WriteAttribute(t.Context(), "CN=a", "ntsecuritydescriptor", nil, one1(sd)),
		"a new descriptor":        s.Add(t.Context(), "CN=a", []directory.Attribute{{Name: "nTSecurityDescriptor", Values: one1(sd)}}),
		"an object without name":  s.Add(t.Context(), "", nil),
	} {
		if err == nil {
			t.Errorf("%s is written", name)
		}
	}
}

// The domain controller refuses a value that is not there any more, an attribute that has one by
// now, and a name that is taken.
func TestLabAddAndWriteAttribute(t *testing.T) {
	lab := labtest.Require(t)
	ou := lab.CreateOU(t, "write")
	s := dial(t, admin(lab))
	value := func(text string) [][]byte { return [][]byte{[]byte(text)} }
	dn := "CN=a," + ou
	attrs := []directory.Attribute{{Name: "objectClass", Values: value("contact")}}
	if err := s.Add(t.Context(), dn, attrs); err != nil {
		t.Fatal(err)
	}
	var refused *ResultError
	if err := s.Add(t.Context(), dn, attrs); !errors.As(err, &refused) || refused.Code != ldap.LDAPResultEntryAlreadyExists {
		t.Errorf("added again: %v", err)
	}
	for _, step := range []struct {
		name          string
		before, after [][]byte
		ok            bool
		now           string
	}{
		{"a first value", nil, value("one"), true, "one"},
		{"a first value, where there is one", nil, value("two"), false, "one"},
		{"another value, from one that is not there", value("three"), value("two"), false, "one"},
		{"another value", value("one"), value("two"), true, "two"},
		{"none any more, from one that is not there", value("one"), nil, false, "two"},
		{"none any more", value("two"), nil, true, ""},
	} {
		err := s.WriteAttribute(t.Context(), dn, "displayName", step.before, step.after)
		if (err == nil) != step.ok {
			t.Errorf("%s: %v", step.name, err)
		}
		got, err := collect(t, s, directory.Query{Base: dn, Attrs: []string{"displayName"}})
		if err != nil || len(got) != 1 || got[0].Text("displayName") != step.now {
			t.Errorf("%s: then it has %v, %v", step.name, got, err)
		}
	}
	if err := s.Add(t.Context(), "CN=b,OU=nowhere,"+lab.BaseDN, attrs); err == nil || !strings.Contains(err.Error(), "add CN=b") {
		t.Errorf("below nothing: %v", err)
	}
}
