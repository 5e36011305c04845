package report

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/foresttest"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// threeDomains is an audit of which one domain could not be reached.
func threeDomains(t *testing.T) *audit.ForestReport {
	t.Helper()
	parent, child, err := foresttest.Forest()
	if err != nil {
		t.Fatal(err)
	}
	f := &audit.Forest{}
	p, err := parent.Capture()
	if err != nil {
		t.Fatal(err)
	}
	c, err := child.Capture()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		f.Add(t.Context(), &audit.Place{Name: "corp.example", Reader: p}),
		f.Add(t.Context(), &audit.Place{Name: "child.corp.example", Reader: c}),
		f.Add(t.Context(), &audit.Place{Name: "far.corp.example", Err: errors.New("connect to dc9.far.corp.example:88: refused \x1b[2J")}),
	); err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Builtin("cloud-sync-custom-gmsa")
	if err != nil {
		t.Fatal(err)
	}
	targets := []string{head, "OU=Sales,OU=Sync,DC=child,DC=corp,DC=example", "OU=Sync,DC=far,DC=corp,DC=example"}
	r, err := f.Audit(t.Context(), "provAgentgMSA$", targets, []*policy.Policy{rules}, audit.AcceptGroups)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestForestAudit(t *testing.T) {
	r := threeDomains(t)
	var text, coloured, json bytes.Buffer
	if err := errors.Join(ForestAudit(&text, r, Style{}), ForestAudit(&coloured, r, colour), JSON(&json, r)); err != nil {
		t.Fatal(err)
	}
	golden(t, "forest.txt", text.Bytes())
	golden(t, "forest.json", json.Bytes())
	if got := escape.ReplaceAllString(coloured.String(), ""); got != text.String() {
		t.Errorf("without its colours\n%s\nis not\n%s", got, text.String())
	}
	for left := range 60 {
		if err := ForestAudit(&narrow{left: left}, r, Style{}); !errors.Is(err, errPipe) {
			t.Errorf("a pipe that breaks after %d bytes: %v", left, err)
		}
	}
}
