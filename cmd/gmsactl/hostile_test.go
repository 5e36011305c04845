package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
)

// demoWith is a capture file of the demo forest in which the descriptor of the head of
// the domain is another one; nil leaves it out.
func demoWith(t *testing.T, change func([]byte) []byte) string {
	t.Helper()
	c, err := demo.Capture()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	for e := range c.All() {
		if directory.SameDN(e.DN, "DC=corp,DC=example") {
			var attrs []directory.Attribute
			for _, a := range e.Attrs {
				if !strings.EqualFold(a.Name, "nTSecurityDescriptor") {
					attrs = append(attrs, a)
				} else if b := change(bytes.Clone(a.Values[0])); b != nil {
					attrs = append(attrs, directory.Attribute{Name: a.Name, Values: [][]byte{b}})
				}
			}
			e.Attrs = attrs
		}
		if err := directory.WriteLDIF(&file, e); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "capture.ldif")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A damaged descriptor is unknown, and nothing is planned for it.
func TestHostileDescriptor(t *testing.T) {
	tests := []struct {
		name   string
		change func([]byte) []byte
		why    string
	}{
		{"left out", func([]byte) []byte { return nil }, "the security descriptor is not readable to this identity"},
		{"empty", func([]byte) []byte { return []byte{} }, "the security descriptor is damaged: "},
		{"cut in the header", func(b []byte) []byte { return b[:12] }, "the security descriptor is damaged: "},
		{"cut in the DACL", func(b []byte) []byte { return b[:len(b)-40] }, "the security descriptor is damaged: "},
		{"an offset beyond the end", func(b []byte) []byte { b[19] = 0x7f; return b }, "the security descriptor is damaged: "},
		{"too many entries", func(b []byte) []byte { at := int(b[16]); b[at+4], b[at+5] = 0xff, 0xff; return b }, "the security descriptor is damaged: "},
		{"an owner that is no SID", func(b []byte) []byte { b[b[4]+1] = 200; return b }, "the security descriptor is damaged: "},
		{"no owner", func(b []byte) []byte { copy(b[4:8], make([]byte, 4)); return b }, "the security descriptor came without its owner or its DACL"},
		{"no DACL", func(b []byte) []byte { b[2] &^= 4; return b }, "the security descriptor came without its owner or its DACL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := &user{t: t, flags: []string{"--from", demoWith(t, tt.change)}}
			got := u.want(exitFindings, "audit", "provAgentgMSA$")
			says(t, got.stdout, "0 of 8 pass, 0 fail, 8 unknown")
			says(t, strings.Join(strings.Fields(got.stdout), " "), tt.why)
			says(t, u.want(exitFindings, "plan", "provAgentgMSA$").stdout, "Nothing to write.")
		})
	}
}

// Whatever the bytes, the command ends, and never says that all is well with a descriptor
// of noise.
func TestNoiseInDescriptor(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 25 {
		path := demoWith(t, func(b []byte) []byte {
			for range 1 + rnd.IntN(8) {
				b[rnd.IntN(len(b))] = byte(rnd.Uint32())
			}
			return b[:len(b)-rnd.IntN(3)*rnd.IntN(64)]
		})
		var stdout, stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}
		if code := a.run(context.Background(), []string{"audit", "provAgentgMSA$", "--from", path}); code != exitFindings {
			t.Errorf("exit code %d, want %d: %s", code, exitFindings, stderr.String())
		}
	}
}
