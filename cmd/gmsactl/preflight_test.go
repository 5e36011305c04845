package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// Through the proxy of the environment, of which the password is not told; nothing else is dialed.
func TestPreflightNetwork(t *testing.T) {
	t.Setenv("GMSACTL_PROXY", "http://user:s3cr3t@127.0.0.1:8080")
	var dialed []string
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, dial: func(_ context.Context, _, address string) (net.Conn, error) {
		dialed = append(dialed, address)
		return nil, errors.New("connection refused")
	}}
	if code := a.run(t.Context(), []string{"preflight", "--network", "--cloud", "usgov"}); code != exitFindings {
		t.Fatalf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	for _, address := range dialed {
		if address != "127.0.0.1:8080" {
			t.Errorf("dialed %s", address)
		}
	}
	if len(dialed) == 0 || !strings.Contains(stdout.String(), "fail     login.windows.us:443") || !strings.Contains(stdout.String(), "manual   *.msappproxy.us") {
		t.Errorf("dialed %q\n%s", dialed, stdout.String())
	}
	if strings.Contains(stdout.String()+stderr.String(), "s3cr3t") {
		t.Errorf("the password is told:\n%s%s", stdout.String(), stderr.String())
	}
}
