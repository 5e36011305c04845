package reach

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// large is a directory of any number of objects below the target: 4,000 organizational
// units, of which one in 50 blocks inheritance, and users, groups and computers in them
// with a few thousand distinct descriptors. It makes them as they are read.
type large struct {
	*forest
	objects     int
	descriptors [][]byte
	peak        uint64 // bytes of the heap in use, seen on the way
}

const (
	largeUnits  = 4000
	largeShapes = 1500 // of descriptors, for each of three classes
)

func newLarge(t testing.TB, objects int) *large {
	l := &large{forest: newForest(t), objects: objects}
	l.add(target, "organizationalUnit", "O:SYD:"+grantMember+"(OA;CIIO;RP;;"+userGUID+";AGENT)(A;CIIO;LC;;;GROUPOFIT)")
	for i, class := range []string{"user", "group", "computer"} {
		for j := range largeShapes {
			dn := fmt.Sprintf("CN=Shape,%s", target)
			deny := ""
			if j%300 == 0 {
				deny = "(OD;;WP;" + memberGUID + ";;GROUPOFIT)"
			}
			l.add(dn, class, fmt.Sprintf("O:%s-%dD:%s(A;;RP;;;PS)(A;;RC;;;AU)(OA;;CR;%s;;WD)(A;;GA;;;%s-%d)(A;;RPWP;;;BA)", domainSID, 3000+j+i*largeShapes, deny, passwordGUID, domainSID, 5000+j))
			l.descriptors = append(l.descriptors, l.entries[l.byKey[directory.DNKey(dn)]].Value("nTSecurityDescriptor"))
		}
	}
	return l
}

func (l *large) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if q.Scope != directory.Subtree || len(q.Any) > 0 {
		return l.forest.Read(ctx, q)
	}
	return func(yield func(directory.Entry, error) bool) {
		one, err := directory.Collect(l.forest.Read(ctx, directory.Query{Base: target, Attrs: q.Attrs, Descriptor: true}))
		if err != nil || !yield(one[0], nil) {
			return
		}
		plain := one[0].Value("nTSecurityDescriptor")
		d, err := sddl.Parse(plain)
		if err != nil {
			l.t.Fatal(err)
		}
		d.Control |= sddl.DACLProtected
		d = d.WithDACL(d.DACL)
		blocked, err := d.Append(nil)
		if err != nil {
			l.t.Fatal(err)
		}
		values := map[string][][]byte{}
		for class, lineage := range lineages {
			for _, name := range lineage {
				values[class] = append(values[class], []byte(name))
			}
		}
		entry := func(dn, class string, raw []byte) bool {
			return yield(directory.Entry{DN: dn, Attrs: []directory.Attribute{
				{Name: "nTSecurityDescriptor", Values: [][]byte{raw}}, {Name: "objectClass", Values: values[class]},
			}}, ctx.Err())
		}
		for i := range largeUnits {
			raw := plain
			if i%50 == 0 {
				raw = blocked
			}
			if !entry(fmt.Sprintf("OU=Unit %d,%s", i, target), "organizationalUnit", raw) {
				return
			}
		}
		for i := range l.objects {
			k := i % 3
			raw := l.descriptors[k*largeShapes+i/largeUnits%largeShapes]
			if !entry(fmt.Sprintf("CN=Object %d,OU=Unit %d,%s", i, i%largeUnits, target), []string{"user", "group", "computer"}[k], raw) {
				return
			}
			if i%100000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				l.peak = max(l.peak, m.HeapInuse)
			}
		}
	}
}

func benchmarkSweep(b *testing.B, objects int) {
	l := newLarge(b, objects)
	p, err := policy.Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		r := sweepOf(b, l, []*policy.Policy{p}, Options{Reach: true, Excess: true, Examples: 3})
		if got := r.Targets[0].Reach.Objects; got != objects+largeUnits+1 {
			b.Fatalf("%d objects", got)
		}
	}
	b.ReportMetric(float64(l.peak)/(1<<20), "MB-heap")
}

func BenchmarkSweep100000(b *testing.B)  { benchmarkSweep(b, 100_000) }
func BenchmarkSweep1000000(b *testing.B) { benchmarkSweep(b, 1_000_000) }

// What a sweep holds depends on descriptors and containers, and hardly on objects.
func TestMemoryDoesNotGrowWithObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 600,000 objects")
	}
	held := func(objects int) uint64 {
		l := newLarge(t, objects)
		sweepOf(t, l, rules(t, readUser), Options{Reach: true, Excess: true, Examples: 3})
		return l.peak
	}
	small, big := held(120_000), held(480_000)
	if big > small+small/2+(16<<20) {
		t.Errorf("%d MB with 120,000 objects, %d MB with 480,000", small>>20, big>>20)
	}
}

// BenchmarkCauses is the phase after reading: 20 rows that have no effect below 20,000
// organizational units, four levels deep.
func BenchmarkCauses(b *testing.B) {
	f, policies := newCauses(b, 20_000)
	b.ResetTimer()
	for range b.N {
		r := sweepOf(b, f, policies, Options{Reach: true, Examples: 3})
		for _, row := range r.Targets[0].Reach.Rows {
			if row.NotEffective != 20_000 || len(row.Causes) == 0 {
				b.Fatalf("%s", told(row))
			}
		}
	}
}

// newCauses is a forest with a group in each unit, of which one in ten blocks inheritance and
// one in seven has entries of its own for the account, and 20 rules on groups.
func newCauses(t testing.TB, units int) (*forest, []*policy.Policy) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(OA;CIIO;WP;;"+userGUID+";AGENT)(A;CI;RP;;;AGENT)")
	dns := []string{target}
	for i := range units {
		dn := fmt.Sprintf("OU=%d,%s", i, dns[i/12])
		own := fmt.Sprintf("(A;CI;WP;;;%s-%d)", domainSID, 4000+i)
		if i%7 == 0 {
			own += fmt.Sprintf("(OA;CIIO;WP;0000%04x-0de6-11d0-a285-00aa003049e2;;AGENT)", i)
		}
		protected := ""
		if i%10 == 0 {
			protected = "P"
		}
		f.add(dn, "organizationalUnit", "O:SYD:"+protected+own)
		f.add("CN=G,"+dn, "group", "O:SYD:(A;;RC;;;AU)")
		dns = append(dns, dn)
	}
	text := ""
	for i := range 20 {
		attribute := []string{"member", "description", "displayName", "mail", "info"}[i%5]
		text += fmt.Sprintf("  - {id: rule-%d, rights: [write-property], object: %s, scope: descendants, class: group, source: test}\n", i, attribute)
	}
	return f, rules(t, text)
}
