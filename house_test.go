// Package gmsactl_test keeps the house: which package may know which.
package gmsactl_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gmsactl/gmsactl/"

// rooms are the packages, and the packages of ours that each may import. Imports point
// down; docs/architecture.md says what each room is for.
var rooms = map[string][]string{
	"cmd/gmsactl": {"internal/sspi", "internal/byhand", "internal/acl", "internal/agenthost", "internal/audit", "internal/waiver", "internal/baseschema", "internal/demo", "internal/describe", "internal/directory", "internal/endpoints", "internal/explain", "internal/gmsa", "internal/gss",
		"internal/krb5", "internal/ldapx", "internal/locate", "internal/plan", "internal/policy", "internal/preflight", "internal/reach", "internal/registry", "internal/report", "internal/sddl", "internal/whoami", "internal/words"},
	"internal/report":      {"internal/audit", "internal/describe", "internal/explain", "internal/gmsa", "internal/plan", "internal/policy", "internal/preflight", "internal/whoami"},
	"internal/registry":    {},
	"internal/endpoints":   {"internal/preflight"},
	"internal/agenthost":   {"internal/preflight", "internal/registry"},
	"internal/preflight":   {"internal/audit", "internal/directory", "internal/gmsa", "internal/policy", "internal/sddl"},
	"internal/whoami":      {"internal/acl", "internal/audit", "internal/directory", "internal/explain", "internal/sddl", "internal/words"},
	"internal/explain":     {"internal/acl", "internal/audit", "internal/directory", "internal/sddl", "internal/words"},
	"internal/describe":    {"internal/baseschema", "internal/sddl", "internal/words"},
	"internal/plan":        {"internal/acl", "internal/audit", "internal/directory", "internal/gmsa", "internal/policy", "internal/sddl", "internal/words"},
	"internal/gmsa":        {"internal/acl", "internal/directory", "internal/sddl", "internal/words"},
	"internal/reach":       {"internal/acl", "internal/audit", "internal/directory", "internal/policy", "internal/sddl"},
	"internal/audit":       {"internal/acl", "internal/directory", "internal/policy", "internal/sddl", "internal/waiver", "internal/words"},
	"internal/waiver":      {"internal/directory", "internal/suggest"},
	"internal/suggest":     {},
	"internal/policy":      {"internal/acl", "internal/baseschema", "internal/directory", "internal/sddl", "internal/suggest", "policies"},
	"internal/byhand":      {"internal/directory", "internal/sddl"},
	"internal/demo":        {"internal/directory"},
	"internal/ldapx":       {"internal/directory", "internal/gss", "internal/krb5", "internal/sddl", "internal/sspi"},
	"internal/gss":         {"internal/krb5"},
	"internal/gss/gsstest": {"internal/krb5"},
	"internal/krb5":        {},
	"internal/sspi":        {},
	"internal/directory":   {"internal/sddl"},
	"internal/acl":         {"internal/sddl"},
	"internal/words":       {"internal/sddl"},
	"internal/baseschema":  {"internal/sddl"},
	"internal/locate":      {"internal/netlogon"},
	"internal/netlogon":    {"internal/sddl"},
	"internal/sddl":        {},
	"internal/labtest":     {},
	"internal/foresttest":  {"internal/demo", "internal/directory", "internal/sddl"},
	"policies":             {},
	"lab/forest":           {"internal/acl", "internal/audit", "internal/demo", "internal/directory", "internal/sddl"},
}

// walls are the packages of others that only some rooms may use, and why.
var walls = []struct {
	path, why string
	rooms     []string
}{
	{"github.com/go-ldap/ldap/v3", "only ldapx talks LDAP", []string{"internal/ldapx"}},
	{"github.com/jcmturner/gokrb5/v8", "only krb5 and gss speak Kerberos", []string{"internal/krb5", "internal/gss", "internal/gss/gsstest"}},
	{"github.com/alexbrainman/sspi", "only sspi asks Windows for tokens", []string{"internal/sspi"}},
	{"unsafe", "only what asks Windows itself hands memory to a system", []string{"internal/agenthost", "internal/sspi", "internal/plan"}},
	{"github.com/spf13/cobra", "only the command has flags", []string{"cmd/gmsactl"}},
	{"gopkg.in/yaml.v3", "only policies and waivers are YAML", []string{"internal/policy", "internal/waiver"}},
	{"net", "only the session, what is below it, and what finds it have a network, and what looks at the network", []string{"internal/endpoints", "internal/locate", "internal/ldapx", "internal/krb5", "internal/gss", "internal/gss/gsstest", "cmd/gmsactl"}},
	{"os", "judging needs no files", []string{"internal/plan", "internal/krb5", "internal/ldapx", "internal/labtest", "cmd/gmsactl", "lab/forest"}},
	{"log", "a package returns errors, it does not print them", nil},
	{"os/exec", "nothing is run but by the tests", []string{"internal/labtest"}},
}

func TestEveryPackageIsInItsRoom(t *testing.T) {
	seen := map[string]bool{}
	// Some files are of one system only.
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...", "./cmd/...", "./policies", "./lab/...")
		list.Env = append(os.Environ(), "GOOS="+system)
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			room := strings.TrimPrefix(fields[0], module)
			seen[room] = true
			allowed, known := rooms[room]
			if !known {
				t.Errorf("%s has no room: say in house_test.go what it may import", room)
			}
			for _, path := range fields[1:] {
				if ours, ok := strings.CutPrefix(path, module); ok && !slices.Contains(allowed, ours) {
					t.Errorf("%s imports %s on %s, which is not below it", room, ours, system)
				}
				for _, wall := range walls {
					if (path == wall.path || strings.HasPrefix(path, wall.path+"/") && strings.Contains(wall.path, ".")) && !slices.Contains(wall.rooms, room) {
						t.Errorf("%s imports %s on %s: %s", room, path, system, wall.why)
					}
				}
			}
		}
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("%s is in the list and not in the house", room)
		}
	}
}
