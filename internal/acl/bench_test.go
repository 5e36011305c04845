package acl

import (
	"encoding/binary"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// bigDomain is a DACL of about 6 KB as domains have it: mostly entries for one attribute
// or set of one class each, for many groups.
func bigDomain(t testing.TB) (*sddl.ACL, []sddl.GUID) {
	d := dacl(t, someDomain)
	var seeds []sddl.GUID
	for i := range 400 {
		var g sddl.GUID
		binary.LittleEndian.PutUint64(g[:], uint64(i)*0x9e3779b97f4a7c15+1)
		g[15] = 0x77
		seeds = append(seeds, g)
	}
	for i := 0; d.Len() < 6000; i++ {
		class := []sddl.GUID{userClass, groupClass, computerClass, {}}[i%4]
		trustee := []sddl.SID{group, stranger, everyone, stranger, stranger}[i%5]
		d.ACEs = append(d.ACEs, sddl.ObjectACE(sddl.Allow, sddl.ContainerInherit|sddl.InheritOnly, sddl.ReadProperty|sddl.WriteProperty, seeds[i], class, trustee))
	}
	return d, seeds
}

// bigClass has as many attributes as class user has in a forest without Exchange.
func bigClass(seeds []sddl.GUID, g sddl.GUID, name string, t testing.TB) *Class {
	c := &Class{Name: name, GUID: g, Attributes: map[sddl.GUID]sddl.GUID{}, Default: descriptor(t, "D:(A;;RPLCRC;;;PS)(OA;;RP;<set:general>;;AU)(OA;;RP;<set:public>;;AU)(A;;GA;;;SY)")}
	for i, a := range seeds {
		c.Attributes[a] = []sddl.GUID{{}, generalSet, publicSet, {}}[i%4]
	}
	return c
}

// The fifty requirements a policy may come to: the published table, and attributes.
func fiftyRequirements(seeds []sddl.GUID) []Requirement {
	var reqs []Requirement
	for _, row := range cloudSync {
		reqs = append(reqs, row.req)
	}
	for i := 0; len(reqs) < 50; i++ {
		reqs = append(reqs, Requirement{Right{sddl.ReadProperty | sddl.WriteProperty, seeds[i], Attribute}, Descendants, userClass})
	}
	return reqs
}

func BenchmarkCheck(b *testing.B) {
	d, seeds := bigDomain(b)
	class := bigClass(seeds, groupClass, "group", b)
	reqs := fiftyRequirements(seeds)
	b.ReportAllocs()
	for b.Loop() {
		for i := range reqs {
			Check(d, stranger, token, sddl.SID{}, class, reqs[i].Right)
		}
	}
}

func BenchmarkCover(b *testing.B) {
	d, seeds := bigDomain(b)
	reqs := fiftyRequirements(seeds)
	b.ReportAllocs()
	for b.Loop() {
		for i := range reqs {
			Cover(d, stranger, token, reqs[i], setOfTest)
		}
	}
}

func BenchmarkMissingACEs(b *testing.B) {
	d, seeds := bigDomain(b)
	reqs := fiftyRequirements(seeds)
	b.ReportAllocs()
	for b.Loop() {
		MissingACEs(d, account, reqs, setOfTest)
	}
}

func BenchmarkJudge(b *testing.B) {
	d, seeds := bigDomain(b)
	target := Target{DACL: d, Owner: stranger, Class: bigClass(seeds, ouClass, "organizationalUnit", b)}
	user := []*Class{bigClass(seeds, userClass, "user", b)}
	reqs := fiftyRequirements(seeds)
	b.ReportAllocs()
	for b.Loop() {
		for i := range reqs {
			Judge(target, token, reqs[i], user)
		}
	}
}
