package agenthost

import (
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/preflight"
	"github.com/gmsactl/gmsactl/internal/registry"
)

// whole is an export of SOFTWARE and SYSTEM in which nothing of what is judged is set.
const whole = "Windows Registry Editor Version 5.00\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\n[HKEY_LOCAL_MACHINE\\SYSTEM]\n"

func set(key string, values ...string) string {
	return "[" + key + "]\n" + strings.Join(values, "\n") + "\n"
}

func judged(t *testing.T, text, account string) map[string]preflight.Check {
	t.Helper()
	e, err := registry.ParseExport([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	checks, err := Judge(e, account, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]preflight.Check{}
	for _, c := range checks {
		if c.Seen == "" || c.Want == "" || c.Source == "" || c.Title == "" || out[c.ID].ID != "" {
			t.Errorf("%s lacks something, or is there twice: %+v", c.ID, c)
		}
		out[c.ID] = c
	}
	return out
}

func TestJudge(t *testing.T) {
	const (
		pass, fail, warn, unknown, manual = preflight.Pass, preflight.Fail, preflight.Warn, preflight.Unknown, preflight.Manual

		client = protocols + "Client"
	)
	for _, c := range []struct {
		name, id, text string
		want           preflight.Verdict
	}{
		{"TLS 1.2 as the page sets it", "tls-client", whole + set(client, `"Enabled"=dword:1`, `"DisabledByDefault"=dword:0`), pass},
		{"on with all bits", "tls-client", whole + set(client, `"Enabled"=dword:ffffffff`, `"DisabledByDefault"=dword:0`), pass},
		{"off", "tls-client", whole + set(client, `"Enabled"=dword:0`, `"DisabledByDefault"=dword:0`), fail},
		{"off by default", "tls-client", whole + set(client, `"Enabled"=dword:1`, `"DisabledByDefault"=dword:1`), fail},
		{"off by default alone", "tls-client", whole + set(client, `"DisabledByDefault"=dword:1`), fail},
		{"on, and nothing of the default", "tls-client", whole + set(client, `"Enabled"=dword:1`), warn},
		{"a text that says 1", "tls-client", whole + set(client, `"Enabled"="1"`, `"DisabledByDefault"=dword:0`), fail},
		{"nothing set", "tls-client", whole, warn},
		{"not in the export", "tls-client", set0(), unknown},
		{"the server's", "tls-server", whole + set(protocols+"Server", `"Enabled"=dword:1`, `"DisabledByDefault"=dword:0`), pass},
		{"the client's is not the server's", "tls-server", whole + set(client, `"Enabled"=dword:1`, `"DisabledByDefault"=dword:0`), warn},

		{"strong", "strong-crypto", whole + set(dotNet, `"SchUseStrongCrypto"=dword:1`), pass},
		{"weak", "strong-crypto", whole + set(dotNet, `"SchUseStrongCrypto"=dword:0`), fail},
		{"neither", "strong-crypto", whole, warn},
		{"that of 32 bits is another", "strong-crypto", whole + set(dotNet32, `"SchUseStrongCrypto"=dword:1`), warn},
		{"that of 32 bits", "strong-crypto-32", whole + set(dotNet32, `"SchUseStrongCrypto"=dword:0`), fail},

		{"461308 in hexadecimal", "dotnet", whole + set(release, `"Release"=dword:`+hex(461308)), pass},
		{"461307", "dotnet", whole + set(release, `"Release"=dword:`+hex(461307)), fail},
		{"no .NET 4", "dotnet", whole, fail},

		{"no policy at all", "execution-policy", whole, pass},
		{"RemoteSigned", "execution-policy", whole + set(shell, `"ExecutionPolicy"="RemoteSigned"`), pass},
		{"Unrestricted", "execution-policy", whole + set(shell, `"ExecutionPolicy"="Unrestricted"`), fail},
		{"Restricted", "execution-policy", whole + set(shell, `"ExecutionPolicy"="Restricted"`), fail},
		{"a group policy that wins", "execution-policy", whole + set(shell, `"ExecutionPolicy"="RemoteSigned"`) + set(shellGPO, `"EnableScripts"=dword:1`, `"ExecutionPolicy"="Unrestricted"`), fail},
		{"a group policy that saves", "execution-policy", whole + set(shell, `"ExecutionPolicy"="Unrestricted"`) + set(shellGPO, `"EnableScripts"=dword:1`, `"ExecutionPolicy"="RemoteSigned"`), pass},
		{"a group policy that is not turned on saves nothing", "execution-policy", whole + set(shell, `"ExecutionPolicy"="Unrestricted"`) + set(shellGPO, `"ExecutionPolicy"="RemoteSigned"`), fail},
		{"a group policy that turns scripts off", "execution-policy", whole + set(shellGPO, `"EnableScripts"=dword:0`), fail},
		{"the group policies are not in the export", "execution-policy", set0() + set(shell, `"ExecutionPolicy"="RemoteSigned"`), unknown},

		{"NTLM denied", "ntlm", whole + set(ntlm, `"RestrictSendingNTLMTraffic"=dword:2`), pass},
		{"NTLM audited", "ntlm", whole + set(ntlm, `"RestrictSendingNTLMTraffic"=dword:1`), warn},
		{"NTLM allowed", "ntlm", whole + set(ntlm, `"RestrictSendingNTLMTraffic"=dword:0`), fail},
		{"NTLM as it comes", "ntlm", whole, fail},

		{"Server 2022", "os", whole + set(version, `"CurrentBuildNumber"="20348"`), pass},
		{"Server 2016", "os", whole + set(version, `"CurrentBuildNumber"="14393"`), warn},
		{"Server 2012 R2", "os", whole + set(version, `"CurrentBuildNumber"="9600"`), fail},
		{"no build", "os", whole, unknown},
		{"a build that is none", "os", whole + set(version, `"CurrentBuildNumber"="x"`), unknown},
		{"a full server", "server-core", whole + set(version, `"InstallationType"="Server"`), pass},
		{"a core", "server-core", whole + set(version, `"InstallationType"="Server Core"`), fail},
		{"a client", "server-core", whole + set(version, `"InstallationType"="Client"`), fail},
		{"nothing of that", "server-core", whole, unknown},

		{"the vault is on", "credential-manager", whole + set(vault, `"Start"=dword:3`), pass},
		{"the vault is off", "credential-manager", whole + set(vault, `"Start"=dword:4`), fail},

		{"the agent as a gMSA", "agent-service", whole + set(agent, `"ObjectName"="CORP\\provAgentgMSA$"`), pass},
		{"the agent as a user", "agent-service", whole + set(agent, `"ObjectName"="CORP\\sync"`), fail},
		{"no agent", "agent-service", whole, manual},
		{"services that are not in the export", "agent-service", set0(), unknown},
		{"memory", "memory", whole, manual},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judged(t, c.text, "")[c.id]; got.Result != c.want {
				t.Errorf("%s: %s, want %s (%s)", c.id, got.Result, c.want, got.Seen)
			}
		})
	}
	t.Run("the agent as another gMSA than the one that was named", func(t *testing.T) {
		text := whole + set(agent, `"ObjectName"="CORP\\provAgentgMSA$"`)
		if got := judged(t, text, "other")["agent-service"].Result; got != fail {
			t.Errorf("got %s", got)
		}
		if got := judged(t, text, "PROVAGENTGMSA$")["agent-service"].Result; got != pass {
			t.Errorf("got %s", got)
		}
	})
}

// set0 is an export of something else.
func set0() string {
	return "Windows Registry Editor Version 5.00\n[HKEY_LOCAL_MACHINE\\HARDWARE]\n"
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 8)
	for i := range out {
		out[7-i] = digits[n>>(4*i)&15]
	}
	return string(out)
}

func TestMemoryOfTheHost(t *testing.T) {
	e, err := registry.ParseExport([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	for bytes, want := range map[uint64]preflight.Verdict{0: preflight.Manual, 1 << 30: preflight.Fail, 3 << 30: preflight.Fail, 4<<30 - 64<<20: preflight.Pass, 16 << 30: preflight.Pass} {
		checks, err := Judge(e, "", bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := checks[len(checks)-1]; got.ID != "memory" || got.Result != want {
			t.Errorf("%d bytes: %s %s, want %s", bytes, got.ID, got.Result, want)
		}
	}
}

// Of an empty export nothing passes.
func TestNothingSeenIsNothingPassed(t *testing.T) {
	for id, c := range judged(t, set0(), "") {
		if c.Result == preflight.Pass {
			t.Errorf("%s passes: %s", id, c.Seen)
		}
	}
}

// What --tls-reg prints is what the checks ask for.
func TestTLSRegistryIsEnough(t *testing.T) {
	got := judged(t, preflight.TLSRegistry(), "")
	for _, id := range []string{"tls-client", "tls-server", "strong-crypto"} {
		if got[id].Result != preflight.Pass {
			t.Errorf("%s: %s (%s)", id, got[id].Result, got[id].Seen)
		}
	}
	if ids := []string{"ntlm", "os", "dotnet", "execution-policy"}; slices.ContainsFunc(ids, func(id string) bool { return got[id].Result != preflight.Unknown }) {
		t.Errorf("what the file does not hold is judged: %+v", got)
	}
}
