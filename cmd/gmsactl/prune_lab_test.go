package main

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Full control on an OU becomes the rows of the policy, and comes back with rollback.
func TestPruneJourney(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "prune")
	ou := lab.CreateOU(t, "prune")
	full := "(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;" + gmsa.SID + ")"
	lab.Run(t, "samba-tool", "dsacl", "set", "--objectdn", ou, "--sddl", full)
	u := administrator(t, lab)
	before := descriptor(t, lab, ou)

	name := gmsa.SAMAccountName
	u.want(exitOK, "plan", name, "--target", ou)
	planned := u.want(exitFindings, "plan", "--prune", name, "--target", ou, "--out", u.file("plan.json"))
	says(t, planned.stdout, "1 to change: 8 to add, 1 to remove.")
	applied := u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
	says(t, applied.stdout, "Judged again: 8 of 8 pass")
	removed, added := sddl.DiffACEs(before.DACL.Explicit(), descriptor(t, lab, ou).DACL.Explicit())
	if len(removed) != 1 || removed[0].SID.String() != gmsa.SID || len(added) != 8 {
		t.Errorf("removed %v, added %v", removed, added)
	}
	says(t, u.want(exitOK, "apply", "--yes", "--prune", "--account", name, "--target", ou).stdout, "Nothing to write.")

	u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	if got, want := descriptor(t, lab, ou).Text(sddl.Aliases{}), before.Text(sddl.Aliases{}); got != want {
		t.Errorf("after rollback:\n%s\nwant:\n%s", got, want)
	}
}
