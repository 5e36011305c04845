package reach

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Each object is judged by itself, with all of its descriptor, by the access check alone; the
// sweep, which judges kinds of objects by what concerns the account, comes to the same.
func TestSweepAgreesWithEachObject(t *testing.T) {
	const text = writeMember + readUser +
		"  - {id: full, rights: [full-control], scope: this-object-and-descendants, source: test}\n" +
		"  - {id: dacl, rights: [modify-permissions], scope: descendants, source: test}\n" +
		"  - {id: self, rights: [validated-write], object: Self-Membership, scope: descendants, class: group, source: test}\n" +
		"  - {id: reset, rights: [extended-right], object: User-Force-Change-Password, scope: descendants, class: user, source: test}\n" +
		"  - {id: child, rights: [create-child, delete-child], object: user, scope: this-object-and-descendants, source: test}\n" +
		"  - {id: set, rights: [read-property], object: Personal-Information, scope: children, source: test}\n"
	for _, noToken := range []bool{false, true} {
		rnd := rand.New(rand.NewPCG(3, 5))
		pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
		sid := func() string {
			return pick("AGENT", "AGENT", "GROUPOFIT", "STRANGER", "SY", "AU", "WD", "PS", "CO", "OW", "BA", "S-1-5-21-0-0-0-497")
		}
		ace := func() string {
			rights := pick("GA", "RPWP", "RP", "WP", "CR", "SW", "WD", "CCDC", "RCWD", "SD")
			object := pick("", "", memberGUID, passwordGUID, userGUID, "77b5b886-944a-11d1-aebd-0000f80367c1")
			flags := pick("", "", "CI", "CIIO", "CINPIO", "ID", "CIID", "CIIOID")
			kind := pick("A", "A", "A", "D")
			switch {
			case rnd.IntN(20) == 0:
				return fmt.Sprintf("(X%s;%s;%s;;;%s;(Member_of {SID(BA)}))", kind, flags, rights, sid())
			case object == "":
				return fmt.Sprintf("(%s;%s;%s;;;%s)", kind, flags, rights, sid())
			}
			return fmt.Sprintf("(O%s;%s;%s;%s;;%s)", kind, flags, rights, object, sid())
		}
		dacl := func() string {
			var b strings.Builder
			fmt.Fprintf(&b, "O:%sG:%sD:%s", pick("AGENT", "GROUPOFIT", "STRANGER", "SY", "SY"), pick("SY", "GROUPOFIT"), pick("", "P", "AR"))
			for range rnd.IntN(6) {
				b.WriteString(ace())
			}
			return b.String()
		}
		f := newForest(t)
		f.noToken, f.shuffle = noToken, true
		f.add(target, "organizationalUnit", dacl())
		units := []string{target}
		for i := range 60 {
			dn := fmt.Sprintf("OU=%d,%s", i, units[rnd.IntN(len(units))])
			f.add(dn, "organizationalUnit", dacl())
			units = append(units, dn)
		}
		sids := []string{agent, its, stranger1}
		for i := range 1500 {
			dn := fmt.Sprintf("CN=%d,%s", i, units[rnd.IntN(len(units))])
			class := pick("user", "group", "computer", "contact", "inetOrgPerson", "gmsa", "container")
			var attrs []attr
			if class != "contact" && class != "container" && rnd.IntN(3) > 0 {
				attrs = append(attrs, withSID(sids[rnd.IntN(len(sids))]))
			}
			f.add(dn, class, dacl(), attrs...)
		}

		policies := rules(t, text)
		r := sweepOf(t, f, policies, Options{Reach: true, Excess: true, Examples: 2000})
		s, err := audit.Load(t.Context(), f, "provAgentgMSA$", []string{target})
		if err != nil {
			t.Fatal(err)
		}
		j, err := audit.NewJudge(s, policies, audit.AcceptAny)
		if err != nil {
			t.Fatal(err)
		}
		plain := &sweep{snapshot: s, judge: j, token: j.Token(), classes: map[string]*class{}}
		checked := 0
		for i, row := range r.Targets[0].Reach.Rows {
			req := &j.Requirements[i].Any[0]
			found := map[string]audit.Cause{}
			for _, c := range row.Causes {
				if len(c.Examples) != c.Objects {
					t.Fatalf("%s: %d of %d objects of %s", row.Rule, len(c.Examples), c.Objects, c.Cause)
				}
				for _, dn := range c.Examples {
					found[directory.DNKey(dn)] = c
				}
			}
			about, effective, unknown := 0, 0, 0
			for _, e := range f.entries {
				key := directory.DNKey(e.DN)
				if !directory.IsBelow(e.DN, target) {
					continue
				}
				k := kind{class: plain.classOf(e.Values("objectClass"))}
				if k.class.fault != "" {
					t.Fatal(k.class.fault)
				}
				_, above := cutDN(e.DN)
				switch {
				case directory.SameDN(e.DN, target):
					k.place = isTarget
				case directory.SameDN(above, target):
					k.place = isChild
				}
				if plain.relevance(req, &k) != relevant {
					continue
				}
				about++
				checked++
				o := audit.Object{Descriptor: f.dacls[key], Structural: k.class.structural, Class: k.class.acl}
				if b := e.Value("objectSid"); b != nil {
					_, o.SID = plain.standingOf(b)
				}
				d, _ := j.Check(o, req.Right)
				cause, not := found[key]
				if (d.Effect == acl.Granted) == not {
					t.Fatalf("%s on %s: the access check says %s, the sweep %q; %s", row.Rule, e.DN, d.Effect, cause.Cause, f.dacls[key].Text(sddl.Aliases{}))
				}
				switch isUnknown := cause.Cause == audit.CauseUndecided; {
				case d.Effect == acl.Granted:
					effective++
				case d.Effect == acl.Unknown:
					unknown++
					if !isUnknown {
						t.Fatalf("%s on %s: the access check does not know, the sweep says %q", row.Rule, e.DN, cause.Cause)
					}
				case isUnknown:
					t.Fatalf("%s on %s: the access check says %s, the sweep does not know", row.Rule, e.DN, d.Effect)
				}
			}
			if about != row.Objects || effective != row.Effective || unknown != row.Unknown {
				t.Errorf("%s: %d, %d effective, %d unknown; the sweep says %d, %d, %d", row.Rule, about, effective, unknown, row.Objects, row.Effective, row.Unknown)
			}
		}
		if checked < 4000 {
			t.Errorf("only %d cases", checked)
		}
	}
}
