package labtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Windows is the program of the package under test, built for Windows and run under Wine. Who
// is logged on there is whom LogOn got tickets for.
type Windows struct {
	// Dir is a folder that both systems see by the same name.
	Dir string

	script, program string
	env             []string
}

// Windows builds the package under test for Windows. Without Wine the test is skipped.
func (l *Lab) Windows(t testing.TB) *Windows {
	t.Helper()
	script := os.Getenv("GMSACTL_LAB_WINE")
	if script == "" {
		t.Skip("needs Wine (GMSACTL_LAB_WINE is not set): make wine")
	}
	w := &Windows{Dir: t.TempDir(), script: script}
	w.program = filepath.Join(w.Dir, "program.exe")
	build := exec.Command("go", "build", "-o", w.program, ".")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build for Windows: %v\n%s", err, out)
	}
	config, err := os.ReadFile(l.KRB5Config)
	if err != nil {
		t.Fatal(err)
	}
	// Not by KRB5CCNAME, which is a credential cache that somebody names; who is logged on has
	// the default one.
	const section = "[libdefaults]\n"
	text := strings.Replace(string(config), section, section+"\tdefault_ccache_name = FILE:"+filepath.Join(w.Dir, "cc")+"\n", 1)
	path := filepath.Join(w.Dir, "krb5.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KRB5") {
			w.env = append(w.env, variable)
		}
	}
	w.env = append(w.env, "KRB5_CONFIG="+path)
	return w
}

// LogOn gets tickets with the password in a file.
func (w *Windows) LogOn(t testing.TB, principal, passwordFile string) {
	t.Helper()
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(w.script, "unix", "kinit", principal)
	cmd.Env = w.env
	cmd.Stdin = bytes.NewReader(append(bytes.TrimSpace(password), '\n'))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("log on as %s: %v\n%s", principal, err, out)
	}
}

// Run runs the program.
func (w *Windows) Run(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(w.script, append([]string{"run", w.program}, args...)...)
	cmd.Env = w.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
