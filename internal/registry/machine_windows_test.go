package registry

import "testing"

func TestMachine(t *testing.T) {
	r, err := Machine()
	if err != nil {
		t.Fatal(err)
	}
	const version = `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	if v, p, err := r.Value(version, "CurrentBuildNumber"); err != nil || p != Present || v.Text == "" {
		t.Errorf("the build: %v, %d, %v", v, p, err)
	}
	if _, p, err := r.Value(version, "there is no such value"); err != nil || p != Absent {
		t.Errorf("a value that is not there: %d, %v", p, err)
	}
	if _, p, err := r.Value(version+`\there is no such key`, "x"); err != nil || p != Absent {
		t.Errorf("a key that is not there: %d, %v", p, err)
	}
	if _, _, err := r.Value(`HKEY_CLASSES_ROOT\x`, "x"); err == nil {
		t.Error("another hive is no error")
	}
}
