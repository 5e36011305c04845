package acl

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Whatever a directory may answer with, judging it ends, and says granted only where
// every bit is.
func FuzzJudge(f *testing.F) {
	for _, text := range []string{someDomain, "O:<me>D:", "O:<me>", "D:(XOD;CI;RP;<member>;<user>;PS)(Q;CI;RP;;;<me>)(OA;CI;RP;<zero>;;OW)"} {
		b, err := descriptor(f, text).Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, byte(0))
	}
	below := &Class{Name: "user", GUID: userClass, Attributes: testClass.Attributes}
	rights := []Right{readAll, fullControl, readMember, reset, createUser, selfMember, readACL, {sddl.WriteProperty, hostNameSet, PropertySet}}
	f.Fuzz(func(t *testing.T, b []byte, n byte) {
		d, err := sddl.Parse(b)
		if err != nil {
			return
		}
		of := *below
		of.Default = d
		req := Requirement{rights[int(n)%len(rights)], Scope(n / 16 % 4), []sddl.GUID{{}, userClass}[n/64%2]}
		asker := []Token{token, partialToken}[n/128]
		got := Judge(Target{DACL: d.DACL, Owner: d.Owner, SID: d.Group, Class: testClass}, asker, req, []*Class{&of})
		for _, c := range got.Cases {
			k := c.Decision
			if k.Granted|k.Denied|k.Missing != req.Right.bits() || (k.Effect == Granted) != (k.Granted == req.Right.bits()) {
				t.Errorf("%+v does not add up", k)
			}
		}
		if d.DACL == nil {
			return
		}
		after := *d.DACL
		after.ACEs = append(after.ACEs[:len(after.ACEs):len(after.ACEs)], MissingACEs(d.DACL, account, []Requirement{req}, setOfTest)...)
		if got := Cover(&after, d.Owner, asker, req, setOfTest); got.Grant != Exact && got.Grant != Broader && got.Grant != Split {
			t.Errorf("with what was missing: %v", got.Grant)
		}
	})
}
