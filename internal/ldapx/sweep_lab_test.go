package ldapx

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/labtest"
)

// createMany makes OUs with a thousand users each below one, on the DC. Not all in one
// transaction: others write to the DC, too.
const createMany = `
import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm(); lp.load_default()
db = SamDB(url=sys.argv[1], session_info=system_session(), lp=lp)
base, prefix, n = sys.argv[2], sys.argv[3], int(sys.argv[4])
for first in range(0, n, 250):
    db.transaction_start()
    ou = "OU=%d,%s" % (first // 1000, base)
    if first % 1000 == 0:
        db.add({"dn": ou, "objectClass": "organizationalUnit"})
    for i in range(first, min(first + 250, n)):
        db.add({"dn": "CN=%s %d,%s" % (prefix, i, ou), "objectClass": "user", "sAMAccountName": "%s%d" % (prefix, i)})
    db.transaction_commit()
`

// removeMany takes away what createMany made: in one transaction it would take the DC 10 GB.
const removeMany = `
import sys, ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm(); lp.load_default()
db = SamDB(url=sys.argv[1], session_info=system_session(), lp=lp)
dns = [m.dn for m in db.search(sys.argv[2], scope=ldb.SCOPE_SUBTREE, attrs=["1.1"], expression="(objectClass=user)")]
for first in range(0, len(dns), 250):
    db.transaction_start()
    for dn in dns[first:first + 250]:
        db.delete(dn)
    db.transaction_commit()
`

// What a sweep costs over one connection and over two, next to ldapsearch reading the same from
// the same server over one, all sealed, in turns. GMSACTL_BENCH_SWEEP is how many objects to
// make for it. GMSACTL_BENCH_ONLY, of "1", "2" and "ldapsearch", leaves the others out, for a profile.
func BenchmarkLabSweep(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("GMSACTL_BENCH_SWEEP"))
	if n < 1 {
		b.Skip("makes many objects: GMSACTL_BENCH_SWEEP says how many, as in make bench-sweep")
	}
	lab := labtest.Require(b)
	if _, err := exec.LookPath("ldapsearch"); err != nil {
		b.Fatal(err)
	}
	user := lab.CreateUser(b, "sweep", secret)
	ccache := kinit(b, lab, user.SAMAccountName, "")
	ou := lab.CreateOU(b, "sweep")
	b.Cleanup(func() { lab.Run(b, "python3", "-c", removeMany, database, ou) })
	begun := time.Now()
	lab.Run(b, "python3", "-c", createMany, database, ou, user.SAMAccountName, strconv.Itoa(n))
	b.Logf("made %d objects in %v", n, time.Since(begun).Round(time.Second))
	want := n + 1 + (n+999)/1000

	q := directory.Query{Base: ou, Scope: directory.Subtree, Attrs: []string{"objectClass", "objectSid", "adminCount"}, Descriptor: true}
	ours := func(connections int) func() time.Duration {
		p := NewPool(dial(b, Config{DC: lab.DC, CCache: ccache}), connections)
		b.Cleanup(func() { p.Close() })
		return func() time.Duration {
			begun, got := time.Now(), 0
			for e, err := range p.Read(b.Context(), q) {
				if err != nil {
					b.Fatal(err)
				}
				if e.Value(descriptorAttr) == nil {
					b.Fatalf("%s: no descriptor", e.DN)
				}
				got++
			}
			if got != want {
				b.Fatalf("%d objects, want %d", got, want)
			}
			return time.Since(begun)
		}
	}
	theirs := func() time.Duration {
		begun := time.Now()
		// Owner, group and DACL; pages of a thousand; no referrals. It binds each time, as we do once.
		cmd := exec.Command("ldapsearch", "-LLL", "-N", "-Q", "-Y", "GSSAPI", "-O", "minssf=56", "-H", "ldap://"+lab.DC, "-b", ou,
			"-E", "pr=1000/noprompt", "-E", "!1.2.840.113556.1.4.801=::MAMCAQc=", "-E", "1.2.840.113556.1.4.1339",
			"-o", "ldif-wrap=no", "(objectClass=*)", "objectClass", "objectSid", "adminCount", descriptorAttr)
		cmd.Env = append(os.Environ(), "KRB5CCNAME=FILE:"+ccache, "KRB5_CONFIG="+lab.KRB5Config)
		// To a file, so that it waits for nobody.
		out, err := os.Create(filepath.Join(b.TempDir(), "out.ldif"))
		if err != nil {
			b.Fatal(err)
		}
		defer out.Close()
		var messages bytes.Buffer
		cmd.Stdout, cmd.Stderr = out, &messages
		if err := cmd.Run(); err != nil {
			b.Fatalf("%v\n%s", err, messages.Bytes())
		}
		d := time.Since(begun)
		text, err := os.ReadFile(out.Name())
		if err != nil {
			b.Fatal(err)
		}
		if got := bytes.Count(text, []byte("\n"+descriptorAttr+":: ")); got != want {
			b.Fatalf("%d objects from ldapsearch, want %d", got, want)
		}
		return d
	}
	readers := []struct {
		name string
		read func() time.Duration
		took []time.Duration
	}{{"1", ours(1), nil}, {"2", ours(2), nil}, {"ldapsearch", theirs, nil}}
	only := os.Getenv("GMSACTL_BENCH_ONLY")
	for i := range readers {
		if only == "" || only == readers[i].name {
			readers[i].read()
		}
	}
	for b.Loop() {
		for i := range readers {
			if r := &readers[i]; only == "" || only == r.name {
				r.took = append(r.took, r.read())
			}
		}
	}
	median := map[string]float64{}
	for _, r := range readers {
		if len(r.took) == 0 {
			continue
		}
		slices.Sort(r.took)
		median[r.name] = r.took[len(r.took)/2].Seconds()
		b.ReportMetric(median[r.name], "s/"+r.name)
		b.ReportMetric(float64(want)/median[r.name], "objects/s/"+r.name)
		b.Log(r.name, r.took)
	}
	if only == "" {
		b.ReportMetric(median["1"]/median["ldapsearch"], "ratio/1")
		b.ReportMetric(median["2"]/median["ldapsearch"], "ratio/2")
	}
	b.ReportMetric(0, "ns/op")
}
