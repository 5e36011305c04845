package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/explain"
)

func demoExplanation(t *testing.T, dn, right string) *explain.Explanation {
	t.Helper()
	c, err := demoCapture()
	if err != nil {
		t.Fatal(err)
	}
	e, err := explain.New(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Explain(t.Context(), "provAgentgMSA$", dn, right)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// oddExplanation has what the demo has not.
func oddExplanation() *explain.Explanation {
	const group = "S-1-5-21-1-2-3-1103"
	deny := audit.ACE{SDDL: "(D;CIID;SD;;;" + group + ")", Words: `Deny CORP\Restricted: Delete; this object and descendant objects; inherited`}
	there := audit.ACE{SDDL: "(D;CI;SD;;;" + group + ")", Words: `Deny CORP\Restricted: Delete; this object and descendant objects`}
	return &explain.Explanation{
		Format: 1, Kind: "Explanation",
		Domain:  audit.Domain{DNS: "corp.example", DN: head, DC: "dc1.corp.example"},
		Account: explain.Account{Name: `CORP\agent$`, DN: "CN=agent," + head, SID: "S-1-5-21-1-2-3-1105", Unseen: "tokenGroups of the account"},
		// Others write in the directory: a name must not drive the terminal.
		Object: explain.Object{DN: "OU=\x1b[2Jgranted\r," + head, Protected: true},
		Right:  "delete", Access: "Delete the object", Effect: "denied", Why: "a deny entry inherited from OU=Sync,DC=corp,DC=example takes it away from group CORP\\Restricted",
		Ways: []explain.Way{
			{Effect: "denied", Checks: []explain.Check{{
				Object: "OU=\x1b[2Jgranted\r," + head, Descriptor: "nTSecurityDescriptor", Access: "Delete", Rights: "SD", Effect: "denied", Why: "a deny entry takes it away",
				Implicit: "the owner, CORP\\agent$ (S-1-5-21-1-2-3-1105), may read and change permissions without an entry",
				Decides: []explain.Decider{
					{ACE: deny, Deny: true, Rights: "SD", From: explain.Origin{DN: "OU=Sync," + head, There: &there},
						Through: explain.Through{SID: group, Name: `CORP\Restricted`, How: "group", Path: []string{`CORP\First`, `CORP\Second`, `CORP\Restricted`}}},
					{ACE: audit.ACE{SDDL: "(A;;SD;;;S-1-5-21-1-2-3-9)", Words: "Allow S-1-5-21-1-2-3-9: Delete; this object only"}, Rights: "SD",
						From: explain.Origin{Why: "inherited, but no container above has it now"}, Through: explain.Through{SID: "S-1-5-21-1-2-3-9", How: "perhaps"}},
				},
				Obstacles: []explain.Obstacle{{ACE: audit.ACE{SDDL: "(A;CIIO;SD;;;S-1-1-0)", Words: "Allow Everyone: Delete; descendant objects"}, On: head, Why: "OU=Sync does not inherit: its DACL is protected"}},
			}}},
			{Effect: "conditional", Limit: "only values that the server's check for validated writes accepts", Checks: []explain.Check{{
				Object: head, Descriptor: "msDS-GroupMSAMembership", Access: "Delete organizationalUnit objects", Effect: "conditional", Why: "it depends on the condition of an entry, which is not evaluated",
				Decides: []explain.Decider{
					{ACE: audit.ACE{SDDL: "(XA;;DC;;;PS;(x==1))", Words: "Allow SELF: Delete"}, From: explain.Origin{DN: head}, Through: explain.Through{SID: "S-1-5-10", Name: "SELF", How: "account"}},
					{ACE: audit.ACE{SDDL: "(A;;DC;;;OW)", Words: "Allow OWNER RIGHTS: Delete"}, From: explain.Origin{DN: head}, Through: explain.Through{SID: "S-1-3-4", Name: "OWNER RIGHTS", How: "owner", Path: []string{"A"}}},
				},
			}}},
		},
		Change: &explain.Change{Helps: true, Why: "the narrower way is closed: no entry on it helps", Add: []explain.Addition{
			{Object: head, Descriptor: "msDS-GroupMSAMembership", ACE: audit.ACE{SDDL: "(A;;DC;;;S-1-5-21-1-2-3-1105)", Words: `Allow CORP\agent$: Delete all child objects; this object only`}},
		}},
		Notes: []string{"Not readable: tokenGroups of the account; what depends on it is unknown."},
	}
}

func TestGoldenExplanations(t *testing.T) {
	blocked := oddExplanation()
	blocked.Effect, blocked.Ways, blocked.Notes = "not-granted", nil, nil
	blocked.Change = &explain.Change{Why: "no domain controller discloses unicodePwd to anybody"}
	for _, c := range []struct {
		name   string
		render func(*bytes.Buffer) error
	}{
		{"explain-granted.txt", func(b *bytes.Buffer) error {
			return Explanation(b, demoExplanation(t, sales, "read:description"), Style{})
		}},
		{"explain-change.txt", func(b *bytes.Buffer) error { return Explanation(b, demoExplanation(t, sales, "create:user"), Style{}) }},
		{"explain-change.json", func(b *bytes.Buffer) error { return JSON(b, demoExplanation(t, sales, "create:user")) }},
		{"explain-odd.txt", func(b *bytes.Buffer) error { return Explanation(b, oddExplanation(), Style{}) }},
		{"explain-odd-colour.txt", func(b *bytes.Buffer) error { return Explanation(b, oddExplanation(), colour) }},
		{"explain-blocked.txt", func(b *bytes.Buffer) error { return Explanation(b, blocked, Style{}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.render(&b); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("differs from %s; after a look, go test -update:\n%s", path, firstDifference(b.String(), string(want)))
			}
			if strings.Contains(b.String(), "\x1b[2J") || strings.Contains(b.String(), "\r") {
				t.Error("a name drives the terminal")
			}
		})
	}
	for left := range 40 {
		if err := Explanation(&narrow{left: left}, oddExplanation(), Style{}); !errors.Is(err, errPipe) {
			t.Errorf("a pipe that breaks after %d bytes: %v", left, err)
		}
	}
}
