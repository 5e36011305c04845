package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A password in the environment is gone from it once it was read, from what /proc shows too.
func TestPasswordLeavesTheEnvironment(t *testing.T) {
	const password = "Pass-of-the-environment-1"
	shown := func() bool {
		b, err := os.ReadFile("/proc/self/environ")
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(b, []byte(password))
	}
	if os.Getenv("GMSACTL_TEST_CHILD") == "" {
		child := exec.Command(os.Args[0], "-test.run", "^TestPasswordLeavesTheEnvironment$", "-test.v")
		child.Env = append(os.Environ(), "GMSACTL_TEST_CHILD=1", passwordVariable+"="+password)
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestPasswordLeavesTheEnvironment") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if !shown() {
		t.Fatal("it was never there")
	}
	a := &app{stdin: strings.NewReader("")}
	got, err := a.password()
	if err != nil || string(got) != password {
		t.Errorf("got %q, %v", got, err)
	}
	if shown() {
		t.Error("/proc still shows it")
	}
	if value, ok := os.LookupEnv(passwordVariable); ok {
		t.Errorf("the variable is still set, to %q", value)
	}
}
