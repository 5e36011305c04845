package sddl

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// sambaScript reads lines SDDL TAB bytes, and for each prints, from the SDDL, the bytes
// and the SDDL that Samba makes of it, and the SDDL that it makes of the bytes.
const sambaScript = `
import sys
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
domain = security.dom_sid(sys.argv[1])
for line in sys.stdin:
    text, packed = line.rstrip("\n").split("\t")
    try:
        sd = security.descriptor.from_sddl(text, domain)
        theirs = ndr_unpack(security.descriptor, bytes.fromhex(packed))
        print(ndr_pack(sd).hex(), sd.as_sddl(domain), theirs.as_sddl(domain), sep="\t")
    except Exception as e:
        print("error", repr(e).replace("\t", " "), "", sep="\t")
`

// sambaRules are how Samba's SDDL is known to differ from that of Windows, which this
// package follows: what Samba prints is rewritten to what Windows prints.
var sambaRules = []struct {
	name string
	in   *regexp.Regexp
	out  string
}{
	// It has no names for the masks of registry keys, and prints their rights.
	{"KA", regexp.MustCompile(`;CCDCLCSWRPWPSDRCWDWO;`), ";KA;"},
	{"KR", regexp.MustCompile(`;CCSWRPRC;`), ";KR;"},
	{"KW", regexp.MustCompile(`;DCLCRC;`), ";KW;"},
	// It keeps an object ACE without GUIDs, which Windows stores as a plain one.
	{"OA without GUIDs", regexp.MustCompile(`\(O([AD]);([^;]*);([^;]*);;;`), "($1;$2;$3;;;"},
	{"OU without GUIDs", regexp.MustCompile(`\(O([UL]);([^;]*);([^;]*);;;`), "(A$1;$2;$3;;;"},
	// It has no alias for User Mode Hardware Operators.
	{"HO", regexp.MustCompile(`S-1-5-32-584([^0-9-]|$)`), "HO$1"},
}

// TestSambaAgrees compares text and bytes of random descriptors with those of Samba, whose
// code has nothing in common with this one. Beyond sambaRules, Samba's bytes have another
// layout, its ACLs always have revision 4, and it pads hex authorities with zeros.
func TestSambaAgrees(t *testing.T) {
	lab := labtest.Require(t)
	const count = 4000
	random := rand.New(rand.NewPCG(1, 2))
	var (
		texts       []string
		descriptors []*Descriptor
		in          strings.Builder
	)
	for range count {
		text := randomText(random)
		d, err := ParseText(text, corp)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		b, err := d.Append(nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		texts, descriptors = append(texts, text), append(descriptors, d)
		fmt.Fprintf(&in, "%s\t%x\n", text, b)
	}
	out := lab.RunInput(t, in.String(), "python3", "-c", sambaScript, corp.Domain.String())
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != count {
		t.Fatalf("Samba answered %d lines to %d", len(lines), count)
	}
	used := map[string]int{}
	for i, line := range lines {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || fields[0] == "error" {
			t.Errorf("%s\nSamba: %s", texts[i], line)
			continue
		}
		want := descriptors[i].Text(corp)
		for j, what := range []string{"its text of our text", "its text of our bytes"} {
			if got := asWindows(fields[1+j], used); got != want {
				t.Errorf("%s\n%s: %s\nours: %s", texts[i], what, got, want)
			}
		}
		b, err := hex.DecodeString(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := Parse(b)
		if err != nil {
			t.Errorf("%s: read Samba's bytes: %v", texts[i], err)
			continue
		}
		sameAsSamba(t, texts[i], theirs, descriptors[i])
		if t.Failed() && i > 100 {
			t.Fatal("and more")
		}
	}
	for _, rule := range sambaRules {
		if used[rule.name] == 0 {
			t.Errorf("the rule %q was of no use", rule.name)
		}
	}
}

var paddedAuthority = regexp.MustCompile(`S-1-0x0*([0-9a-f]+)`)

// asWindows is Samba's text as Windows prints it; used counts the rules that it took.
func asWindows(text string, used map[string]int) string {
	for _, rule := range sambaRules {
		if rule.in.MatchString(text) {
			used[rule.name]++
			// Twice, because matches that share a separator do not both match at once.
			text = rule.in.ReplaceAllString(rule.in.ReplaceAllString(text, rule.out), rule.out)
		}
	}
	return paddedAuthority.ReplaceAllStringFunc(text, func(s string) string {
		return "S-1-0x" + strings.ToUpper(paddedAuthority.FindStringSubmatch(s)[1])
	})
}

func sameAsSamba(t *testing.T, text string, theirs, ours *Descriptor) {
	t.Helper()
	if theirs.Owner != ours.Owner || theirs.Group != ours.Group || theirs.Control != ours.Control {
		t.Errorf("%s\nSamba has %s, control %#x\nwe have   %s, control %#x", text, theirs.Text(corp), theirs.Control, ours.Text(corp), ours.Control)
	}
	for _, acls := range [...][2]*ACL{{theirs.SACL, ours.SACL}, {theirs.DACL, ours.DACL}} {
		theirs, ours := acls[0], acls[1]
		if (theirs == nil) != (ours == nil) {
			t.Errorf("%s\nSamba has %+v\nwe have   %+v", text, theirs, ours)
		}
		if theirs == nil || ours == nil {
			continue
		}
		var stored []ACE
		for _, a := range theirs.ACEs {
			stored = append(stored, a.asStored())
		}
		if theirs.Revision != 4 || theirs.Slack != "" || !slices.Equal(stored, ours.ACEs) {
			t.Errorf("%s\nSamba has %+v\nwe have   %+v", text, theirs, ours)
		}
	}
}

// randomText is a descriptor that ParseText and Samba read, spelled in one of many ways.
func randomText(r *rand.Rand) string {
	var parts []string
	if r.IntN(2) == 0 {
		parts = append(parts, "O:"+randomSID(r))
	}
	if r.IntN(2) == 0 {
		parts = append(parts, "G:"+randomSID(r))
	}
	if r.IntN(8) != 0 {
		parts = append(parts, "D:"+randomACL(r, "A", "D", "OA", "OD"))
	}
	if r.IntN(3) == 0 || len(parts) == 0 {
		parts = append(parts, "S:"+randomACL(r, "AU", "OU", "AL", "OL"))
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return strings.Join(parts, "")
}

func randomACL(r *rand.Rand, types ...string) string {
	var b strings.Builder
	for _, i := range r.Perm(len(aclFlags)) {
		if r.IntN(3) == 0 {
			b.WriteString(aclFlags[i].name)
		}
	}
	for range r.IntN(8) {
		kind := types[r.IntN(len(types))]
		b.WriteString("(" + kind + ";")
		for _, i := range r.Perm(len(aceFlags)) {
			if r.IntN(4) == 0 {
				b.WriteString(aceFlags[i].name)
			}
		}
		b.WriteString(";" + randomMask(r) + ";")
		if kind[0] == 'O' {
			b.WriteString(randomGUID(r) + ";" + randomGUID(r))
		} else {
			b.WriteString(";")
		}
		b.WriteString(";" + randomSID(r) + ")")
	}
	return b.String()
}

func randomMask(r *rand.Rand) string {
	var m Mask
	switch r.IntN(4) {
	case 0:
		m = Mask(r.Uint32())
	case 1:
		m = wholeMasks[r.IntN(len(wholeMasks))].mask
	default:
		for range r.IntN(14) {
			m |= rights[r.IntN(len(rights))].mask
		}
	}
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("0x%x", uint32(m))
	case 1:
		return fmt.Sprintf("0%o", uint32(m))
	case 2:
		return fmt.Sprint(uint32(m))
	}
	var names []string
	rest := m
	for _, right := range rights {
		if rest&right.mask != 0 {
			names = append(names, right.name)
			rest &^= right.mask
		}
	}
	if rest != 0 {
		return fmt.Sprintf("0x%x", uint32(m))
	}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return strings.Join(names, "")
}

func randomGUID(r *rand.Rand) string {
	var g GUID
	switch r.IntN(6) {
	case 0, 1:
		return ""
	case 2: // zero
	default:
		for i := range g {
			g[i] = byte(r.Uint32())
		}
	}
	if r.IntN(2) == 0 {
		return strings.ToUpper(g.String())
	}
	return g.String()
}

func randomSID(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		for {
			if a := wellKnown[r.IntN(len(wellKnown))]; a.name != "HO" {
				return a.name
			}
		}
	case 1:
		return relative[r.IntN(len(relative))].name
	case 2:
		return wellKnown[r.IntN(len(wellKnown))].sid.String()
	case 3:
		a := relative[r.IntN(len(relative))]
		return [...]SID{corp.Domain, child.Domain}[r.IntN(2)].WithRID(a.rid).String()
	case 4:
		return corp.Domain.WithRID(r.Uint32()).String()
	}
	var subs []uint32
	for range 1 + r.IntN(15) {
		subs = append(subs, r.Uint32()>>r.IntN(32))
	}
	return newSID(r.Uint64()>>(16+r.IntN(48)), subs...).String()
}

// forestScript prints the domain's SID, then for every object of the directory its
// descriptor's bytes and SDDL, and for every class its default descriptor in SDDL.
const forestScript = `
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.auth import system_session
lp = LoadParm()
lp.load_default()
db = SamDB(url=lp.samdb_url(), lp=lp, session_info=system_session())
domain = security.dom_sid(db.get_domain_sid())
print("domain", domain, "", sep="\t")
for base in db.get_default_basedn(), db.get_config_basedn(), db.get_schema_basedn():
    for o in db.search(base, attrs=["nTSecurityDescriptor", "defaultSecurityDescriptor"], controls=["sd_flags:1:15"]):
        b = o["nTSecurityDescriptor"][0]
        print("descriptor", bytes(b).hex(), ndr_unpack(security.descriptor, b).as_sddl(domain), sep="\t")
        if "defaultSecurityDescriptor" in o:
            print("default", str(o["defaultSecurityDescriptor"][0]), "", sep="\t")
`

// TestEveryDescriptorOfAForestIsLossless reads what a real directory holds: Microsoft's
// default descriptors, and the descriptors that a domain controller has made of them.
func TestEveryDescriptorOfAForestIsLossless(t *testing.T) {
	lab := labtest.Require(t)
	var ctx Aliases
	used, counts := map[string]int{}, map[string]int{}
	for line := range strings.Lines(lab.Run(t, "python3", "-c", forestScript)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Fatalf("%q", line)
		}
		counts[fields[0]]++
		switch fields[0] {
		case "domain":
			sid := mustSID(fields[1])
			ctx = Aliases{Domain: sid, Forest: sid, Machine: sid}
		case "default":
			d, err := ParseText(fields[1], ctx)
			if err != nil {
				t.Errorf("%s: %v", fields[1], err)
				continue
			}
			text := d.Text(ctx)
			again, err := ParseText(text, ctx)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			sameParts(t, again, d)
		case "descriptor":
			b, err := hex.DecodeString(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			d, err := Parse(b)
			if err != nil {
				t.Errorf("%x: %v", b, err)
				continue
			}
			if got := d.Text(ctx); got != asWindows(fields[2], used) {
				t.Errorf("got   %s\nSamba %s", got, fields[2])
			}
			if same, err := d.Append(nil); err != nil || string(same) != string(b) {
				t.Errorf("%x is appended as %x, %v", b, same, err)
			}
			rebuilt, err := d.WithDACL(d.DACL).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(rebuilt)
			if err != nil {
				t.Fatal(err)
			}
			sameParts(t, again, d)
			if err := d.DACL.Canonical(); err != nil {
				t.Logf("not canonical: %v: %s", err, d.Text(ctx))
			}
		}
	}
	t.Logf("%d descriptors, %d default descriptors", counts["descriptor"], counts["default"])
	if counts["descriptor"] < 3000 || counts["default"] < 200 {
		t.Errorf("%d descriptors and %d defaults are too few for a forest", counts["descriptor"], counts["default"])
	}
}
