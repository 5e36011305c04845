package plan

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// A plan and a backup hold descriptors, which are nobody else's business.
func TestNewFilesAreTheirOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.json")
	if err := WriteNew(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	d, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := sddl.ParseText(d.String(), sddl.Aliases{})
	if err != nil {
		t.Fatal(err)
	}
	if descriptor.DACL == nil || len(descriptor.DACL.ACEs) == 0 {
		t.Fatalf("no entries: %s", d)
	}
	for _, ace := range descriptor.DACL.ACEs {
		// Wine adds SYSTEM, and says nothing of protection.
		if sid := ace.SID.String(); sid != user.User.Sid.String() && sid != "S-1-5-18" {
			t.Errorf("%s is let in: %s", sid, d)
		}
	}
}
