package report

import (
	"bytes"
	"testing"

	"github.com/gmsactl/gmsactl/internal/preflight"
)

// everyVerdict has each.
func everyVerdict() *preflight.Report {
	const source = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-prerequisites"
	check := func(group, id, title string, v preflight.Verdict, seen, fix string) preflight.Check {
		return preflight.Check{Group: group, ID: id, Title: title, Result: v, Seen: seen, Want: "what is wanted of it, in a sentence that is longer than one line of eighty columns", Source: source, Fix: fix}
	}
	return &preflight.Report{
		Format: 1, Kind: "PreflightReport", Domain: preflight.Domain{DNS: "corp.example", DC: "dc1.corp.example"}, Account: `CORP\provAgentgMSA$`,
		Checks: []preflight.Check{
			check("Forest", "schema-version", "Schema version", preflight.Pass, "objectVersion 88", ""),
			check("Forest", "kds-root-key", "KDS root key", preflight.Warn, "2 are visible, and you may not read how old they are", "run it as a member of Domain Admins"),
			check("Agent hosts", "host", "AGENT1$", preflight.Fail, "Windows Server 2012 R2 6.3 (9600)", "install the agent on Windows Server 2016 or later"),
			check("Agent hosts", "host", "esc\x1b[31m", preflight.Unknown, "its class is not shown", ""),
			check("To be looked at", "idfix", "IdFix", preflight.Manual, "nothing shows whether it was run", "run IdFix"),
		},
		Summary: preflight.Summary{Pass: 1, Fail: 1, Warn: 1, Unknown: 1, Manual: 1},
	}
}

func TestPreflightGolden(t *testing.T) {
	for name, render := range map[string]func(*bytes.Buffer) error{
		"preflight.txt":        func(b *bytes.Buffer) error { return Preflight(b, everyVerdict(), Style{}) },
		"preflight-colour.txt": func(b *bytes.Buffer) error { return Preflight(b, everyVerdict(), colour) },
		"preflight.json":       func(b *bytes.Buffer) error { return JSON(b, everyVerdict()) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := render(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
		})
	}
}
