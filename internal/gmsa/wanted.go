package gmsa

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Wanted is a service account that is to be.
type Wanted struct {
	DN             string
	SAMAccountName string // with its $
	IntervalDays   int    // fixed once the account is made
	DNSHostName    string
	EncTypes       int    // msDS-SupportedEncryptionTypes. [MS-KILE] 2.2.7
	Description    string // empty: none
	Membership     []byte // msDS-GroupMSAMembership
}

// EncTypesAES are the encryption types of AES with keys of 128 and 256 bits; EncTypeRC4 is
// what no account should need. [MS-KILE] 2.2.7.
const (
	EncTypesAES = 0x18
	EncTypeRC4  = 0x4
)

// AttrMembership says who may have the password. [MS-ADA2] 2.320.
const AttrMembership = "msDS-GroupMSAMembership"

// AttrEncTypes are the encryption types that an account says it knows. [MS-ADA2] 2.481.
const AttrEncTypes = "msDS-SupportedEncryptionTypes"

// Value is one attribute with its one value.
type Value struct {
	Name string
	Raw  []byte
}

// Values are what is written after the account was made. Who may have the password comes last:
// until then nobody may.
func (w *Wanted) Values() []Value {
	out := []Value{{"dNSHostName", []byte(w.DNSHostName)}, {AttrEncTypes, []byte(strconv.Itoa(w.EncTypes))}}
	if w.Description != "" {
		out = append(out, Value{"description", []byte(w.Description)})
	}
	return append(out, Value{AttrMembership, w.Membership})
}

// Existing is an account that is there already and may become the one that is wanted.
type Existing struct {
	DN   string
	GUID sddl.GUID
	SID  sddl.SID
	Have map[string][][]byte // by the names of Values
}

// TakenError says that a name is somebody else's.
type TakenError struct{ Name, DN, Why string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is taken by %s: %s", e.Name, e.DN, e.Why)
}

// Look looks for who has the names of the account that is wanted: nil where nobody does, and
// the account itself where an earlier run has begun it. A *TakenError says that they are somebody
// else's. elsewhere reads the whole forest, below no name, as a global catalog does; nil: nobody looks there.
func Look(ctx context.Context, r directory.Reader, d *directory.Domain, w *Wanted, elsewhere directory.Reader) (*Existing, error) {
	attrs := []string{"objectClass", "objectGUID", "objectSid", "sAMAccountName", "dNSHostName", "msDS-ManagedPasswordInterval"}
	for _, v := range w.Values() {
		attrs = append(attrs, v.Name)
	}
	attrs = append(attrs, "description")
	at, err := directory.Collect(r.Read(ctx, directory.Query{Base: w.DN, Attrs: attrs}))
	if gone := (*directory.NotFoundError)(nil); err != nil && !errors.As(err, &gone) {
		return nil, fmt.Errorf("look for %s: %w", w.DN, err)
	}
	name := strings.TrimSuffix(w.SAMAccountName, "$")
	others := directory.Query{Scope: directory.Subtree, Attrs: []string{"sAMAccountName", "dNSHostName"}, Any: []directory.Match{
		{Attr: "sAMAccountName", Value: w.SAMAccountName}, {Attr: "sAMAccountName", Value: name}, {Attr: "dNSHostName", Value: w.DNSHostName}}}
	for _, place := range []struct {
		r    directory.Reader
		base string
	}{{r, d.DN}, {elsewhere, ""}} {
		if place.r == nil {
			continue
		}
		others.Base = place.base
		found, err := directory.Collect(place.r.Read(ctx, others))
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", w.SAMAccountName, err)
		}
		for _, e := range found {
			switch {
			case directory.SameDN(e.DN, w.DN):
			case strings.EqualFold(e.Text("dNSHostName"), w.DNSHostName):
				return nil, &TakenError{w.DNSHostName, e.DN, "its dNSHostName is the same"}
			default:
				return nil, &TakenError{w.SAMAccountName, e.DN, "its sAMAccountName is " + e.Text("sAMAccountName")}
			}
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	return existing(at[0], w)
}

func existing(e directory.Entry, w *Wanted) (*Existing, error) {
	taken := func(why string) (*Existing, error) { return nil, &TakenError{w.SAMAccountName, e.DN, why} }
	if !is(e.Texts("objectClass"), directory.ClassGMSA) {
		return taken("its class is " + lastOf(e.Texts("objectClass")))
	}
	if sam := e.Text("sAMAccountName"); !strings.EqualFold(sam, w.SAMAccountName) {
		return taken("its sAMAccountName is " + sam)
	}
	if days := e.Text("msDS-ManagedPasswordInterval"); days != strconv.Itoa(w.IntervalDays) {
		return taken(fmt.Sprintf("its password interval is %s days, which cannot be changed", cmp.Or(days, "not readable")))
	}
	x := &Existing{DN: e.DN, Have: map[string][][]byte{}}
	var err error
	if x.GUID, err = sddl.ParseGUIDBytes(e.Value("objectGUID")); err != nil {
		return taken("its objectGUID is not readable")
	}
	if x.SID, err = sddl.ParseSIDBytes(e.Value("objectSid")); err != nil {
		return taken("its objectSid is not readable")
	}
	// As long as nobody may have its password, nobody uses it: an earlier run stopped there.
	begun := e.Values(AttrMembership) == nil
	for _, v := range w.Values() {
		x.Have[v.Name] = e.Values(v.Name)
		if have := x.Have[v.Name]; len(have) > 0 && !begun && !x.Has(v) {
			return taken("it has another " + v.Name)
		}
	}
	return x, nil
}

// Has says whether the account has a value already.
func (x *Existing) Has(v Value) bool {
	have := x.Have[v.Name]
	if len(have) != 1 {
		return false
	}
	if v.Name == AttrMembership {
		return sameMembership(have[0], v.Raw)
	}
	return bytes.Equal(have[0], v.Raw)
}

// sameMembership says whether two descriptors let the same principals have a password, entry by
// entry, in any order.
func sameMembership(a, b []byte) bool {
	x, errX := sddl.Parse(a)
	y, errY := sddl.Parse(b)
	if errX != nil || errY != nil || x.DACL == nil || y.DACL == nil {
		return false
	}
	removed, added := sddl.DiffACEs(x.DACL.ACEs, y.DACL.ACEs)
	return len(removed) == 0 && len(added) == 0 && x.Owner == y.Owner
}

// DNFor is the DN of an account of that common name in a container. CheckName leaves nothing in
// the name that would have to be escaped.
func DNFor(cn, container string) string { return "CN=" + cn + "," + container }

// CheckDNSName says what is wrong with a DNS name of a host; nil: nothing. RFC 1123, 2.1.
func CheckDNSName(name string) error {
	fault := func(why string) error { return fmt.Errorf("DNS name %q: %s", name, why) }
	labels := strings.Split(name, ".")
	if len(name) > 255 || len(labels) < 2 {
		return fault("want a full name such as agent.corp.example, of at most 255 characters")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return fault(fmt.Sprintf("%q is no part of one", label))
		}
		if i := slices.IndexFunc([]byte(label), func(b byte) bool {
			return !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_')
		}); i >= 0 {
			return fault(fmt.Sprintf("%q may not be in it", label[i:i+1]))
		}
	}
	return nil
}
