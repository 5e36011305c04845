package main

import (
	"os"
	"testing"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// What is waived is not written; the rest is, and all of it is once the waiver has expired.
func TestWaiverJourney(t *testing.T) {
	lab := labtest.Require(t)
	gmsa := lab.CreateGMSA(t, "waived")
	ou := lab.CreateOU(t, "waived")
	u := administrator(t, lab)
	name := gmsa.SAMAccountName
	waive := func(file, until string) string {
		text := "- {rule: cloud-sync-custom-gmsa/create-delete-user, target: '" + ou + "', why: Users are made elsewhere., until: " + until + "}\n"
		if err := os.WriteFile(u.file(file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return u.file(file)
	}
	in, over := waive("in.yaml", "9999-12-31"), waive("over.yaml", "2020-01-01")

	applied := u.want(exitOK, "apply", "--yes", "--account", name, "--target", ou, "--waivers", in, "--backup", u.file("backup.json"))
	says(t, applied.stdout, "1 to change: 7 to add, 0 to remove.")
	says(t, applied.stdout, "Judged again: 7 of 8 pass, 0 fail, 0 unknown, 0 not applicable, 1 waived")
	u.want(exitFindings, "audit", name, "--target", ou)
	u.want(exitOK, "audit", name, "--target", ou, "--waivers", in)
	u.want(exitOK, "audit", name, "--target", ou, "--waivers", in, "--reach")
	says(t, u.want(exitOK, "plan", name, "--target", ou, "--waivers", in).stdout, "Nothing to write.")

	u.want(exitFindings, "plan", name, "--target", ou, "--waivers", over, "--out", u.file("plan.json"))
	applied = u.want(exitFindings, "apply", "--yes", u.file("plan.json"), "--waivers", over, "--backup", u.file("second.json"))
	says(t, applied.stdout, "Judged again: 8 of 8 pass")
	says(t, applied.stdout, "expired")
}
