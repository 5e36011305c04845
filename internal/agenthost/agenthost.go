// Package agenthost judges the host of a provisioning agent by its registry: of an export, or of
// the machine itself. What the registry does not say it does not guess.
package agenthost

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/preflight"
	"github.com/gmsactl/gmsactl/internal/registry"
)

const (
	group   = "This host"
	page    = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-prerequisites"
	trouble = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-troubleshoot"

	machine   = `HKEY_LOCAL_MACHINE\`
	protocols = machine + `SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\`
	dotNet    = machine + `SOFTWARE\Microsoft\.NETFramework\v4.0.30319`
	dotNet32  = machine + `SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319`
	release   = machine + `SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full`
	shellGPO  = machine + `SOFTWARE\Policies\Microsoft\Windows\PowerShell`
	shell     = machine + `SOFTWARE\Microsoft\PowerShell\1\ShellIds\Microsoft.PowerShell`
	ntlm      = machine + `SYSTEM\CurrentControlSet\Control\Lsa\MSV1_0`
	version   = machine + `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	vault     = machine + `SYSTEM\CurrentControlSet\Services\VaultSvc`
	agent     = machine + `SYSTEM\CurrentControlSet\Services\AADConnectProvisioningAgent`
)

// Judge judges a host. account is the sAMAccountName that the agent is to run as; empty: any.
// memory is how much the host has, in bytes; 0: not known, for the registry does not say.
func Judge(r registry.Registry, account string, memory uint64) ([]preflight.Check, error) {
	j := &judge{r: r}
	j.system()
	j.tls("Client")
	j.tls("Server")
	j.strongCrypto("strong-crypto", "Strong cryptography of .NET", dotNet)
	j.strongCrypto("strong-crypto-32", "Strong cryptography of .NET, programs of 32 bits", dotNet32)
	j.dotNet()
	j.executionPolicy()
	j.ntlm()
	j.vault()
	j.agent(account)
	j.memory(memory)
	return j.checks, j.err
}

type judge struct {
	r      registry.Registry
	checks []preflight.Check
	err    error
}

// leastMemory is 4 GB, less what a firmware keeps for itself.
const leastMemory = 4 << 30 / 100 * 95

func (j *judge) memory(bytes uint64) {
	verdict, seen := preflight.Manual, "the registry does not say how much there is"
	switch {
	case bytes >= leastMemory:
		verdict, seen = preflight.Pass, fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes > 0:
		verdict, seen = preflight.Fail, fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	}
	j.add("memory", "Memory", verdict, seen, "4 GB or more", page+"#in-your-on-premises-environment", "Get-ComputerInfo -Property CsTotalPhysicalMemory")
}

func (j *judge) add(id, title string, v preflight.Verdict, seen, want, source, fix string) {
	if v == preflight.Pass {
		fix = ""
	}
	j.checks = append(j.checks, preflight.Check{Group: group, ID: id, Title: title, Result: v, Seen: seen, Want: want, Source: source, Fix: fix})
}

func (j *judge) value(key, name string) (registry.Value, registry.Presence) {
	v, p, err := j.r.Value(key, name)
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("judge the host: %w", err)
	}
	return v, p
}

// words says what is known of a value.
func words(name string, v registry.Value, p registry.Presence) string {
	switch p {
	case registry.Present:
		return name + " = " + v.String()
	case registry.Absent:
		return name + " is not set"
	}
	return name + " is not in the export"
}

func number(v registry.Value, p registry.Presence) (uint64, bool) {
	return v.Number, p == registry.Present && (v.Kind == registry.DWord || v.Kind == registry.QWord)
}

func (j *judge) system() {
	kind, p := j.value(version, "InstallationType")
	build, pb := j.value(version, "CurrentBuildNumber")
	n, err := strconv.Atoi(build.Text)
	verdict := preflight.Unknown
	switch {
	case pb != registry.Present || err != nil:
	case n < 14393:
		verdict = preflight.Fail
	case n < 17763:
		verdict = preflight.Warn
	default:
		verdict = preflight.Pass
	}
	j.add("os", "Version of Windows", verdict, words("CurrentBuildNumber", build, pb), "14393 (Windows Server 2016) or later; 2022 or 2025 are recommended", page+"#in-your-on-premises-environment", "install the agent on a newer server")
	verdict = preflight.Unknown
	if p == registry.Present {
		verdict = preflight.Fail
		if strings.EqualFold(kind.Text, "Server") {
			verdict = preflight.Pass
		}
	}
	j.add("server-core", "Server Core", verdict, words("InstallationType", kind, p), "Server: neither Server Core nor Client is supported", page+"#in-your-on-premises-environment", "install the agent on a full server")
}

func (j *judge) tls(side string) {
	enabled, pe := j.value(protocols+side, "Enabled")
	off, po := j.value(protocols+side, "DisabledByDefault")
	on, okOn := number(enabled, pe)
	disabled, okOff := number(off, po)
	verdict := preflight.Unknown
	switch {
	case pe == registry.Present && (!okOn || on == 0) || po == registry.Present && (!okOff || disabled != 0):
		verdict = preflight.Fail
	case okOn && okOff:
		verdict = preflight.Pass
	case pe != registry.Unknown && po != registry.Unknown:
		verdict = preflight.Warn // Windows Server 2016 and later have it on by default
	}
	j.add("tls-"+strings.ToLower(side), "TLS 1.2, "+strings.ToLower(side), verdict, words("Enabled", enabled, pe)+", "+words("DisabledByDefault", off, po),
		"Enabled = 1 and DisabledByDefault = 0; where neither is set, the system's default holds", page+"#tls-requirements", "gmsactl preflight --tls-reg prints the .reg file that sets it; restart the host")
}

func (j *judge) strongCrypto(id, title, key string) {
	v, p := j.value(key, "SchUseStrongCrypto")
	n, ok := number(v, p)
	verdict := preflight.Unknown
	switch {
	case p == registry.Present && ok && n == 1:
		verdict = preflight.Pass
	case p == registry.Present:
		verdict = preflight.Fail
	case p == registry.Absent:
		verdict = preflight.Warn
	}
	if id != "strong-crypto" && verdict == preflight.Unknown {
		return // the page does not ask for it
	}
	j.add(id, title, verdict, words("SchUseStrongCrypto", v, p), "SchUseStrongCrypto = 1", page+"#tls-requirements", "gmsactl preflight --tls-reg prints the .reg file that sets it; restart the host")
}

func (j *judge) dotNet() {
	v, p := j.value(release, "Release")
	n, ok := number(v, p)
	verdict := preflight.Unknown
	switch {
	case ok && n >= 461308:
		verdict = preflight.Pass
	case p != registry.Unknown:
		verdict = preflight.Fail
	}
	j.add("dotnet", ".NET Framework", verdict, words("Release", v, p), "461308 (4.7.1) or later", page+"#more-requirements", "install .NET Framework 4.7.1 or later")
}

func (j *judge) executionPolicy() {
	scripts, ps := j.value(shellGPO, "EnableScripts")
	gpo, pg := j.value(shellGPO, "ExecutionPolicy")
	local, pl := j.value(shell, "ExecutionPolicy")
	good := func(v registry.Value) bool {
		return v.Kind == registry.Text && (strings.EqualFold(v.Text, "RemoteSigned") || strings.EqualFold(v.Text, "Undefined"))
	}
	verdict := preflight.Unknown
	seen := "group policy: " + words("EnableScripts", scripts, ps) + ", " + words("ExecutionPolicy", gpo, pg) + "; this machine: " + words("ExecutionPolicy", local, pl)
	n, ok := number(scripts, ps)
	switch {
	case ps == registry.Present && (!ok || n == 0), pg == registry.Present && !good(gpo):
		verdict = preflight.Fail
	case ps == registry.Unknown || pg == registry.Unknown:
	case pg == registry.Present && ok && n == 1:
		verdict = preflight.Pass // it wins over the machine's own, and without EnableScripts it does not
	case pl == registry.Present && !good(local):
		verdict = preflight.Fail
	case pl != registry.Unknown:
		verdict = preflight.Pass
	}
	j.add("execution-policy", "PowerShell execution policy", verdict, seen, "Undefined or RemoteSigned, by group policy or of the machine; a user's own policy is not looked at", page+"#in-your-on-premises-environment", "Get-ExecutionPolicy -List; Set-ExecutionPolicy RemoteSigned -Scope LocalMachine")
}

func (j *judge) ntlm() {
	v, p := j.value(ntlm, "RestrictSendingNTLMTraffic")
	n, ok := number(v, p)
	verdict := preflight.Unknown
	switch {
	case ok && n == 2:
		verdict = preflight.Pass
	case ok && n == 1:
		verdict = preflight.Warn
	case p != registry.Unknown:
		verdict = preflight.Fail
	}
	j.add("ntlm", "NTLM", verdict, words("RestrictSendingNTLMTraffic", v, p), "2 (deny all outgoing); 1 only audits", page+"#ntlm-requirement", "Network security: Restrict NTLM: Outgoing NTLM traffic to remote servers: Deny all")
}

func (j *judge) vault() {
	v, p := j.value(vault, "Start")
	n, ok := number(v, p)
	verdict := preflight.Unknown
	switch {
	case ok && n == 4:
		verdict = preflight.Fail
	case ok:
		verdict = preflight.Pass
	case p == registry.Absent:
		verdict = preflight.Warn
	default:
		return // the page that is judged by does not ask for it
	}
	j.add("credential-manager", "Credential Manager service (VaultSvc)", verdict, words("Start", v, p), "not 4 (disabled)", page, "Set-Service VaultSvc -StartupType Manual")
}

func (j *judge) agent(account string) {
	v, p := j.value(agent, "ObjectName")
	verdict, fix := preflight.Manual, "install the agent"
	seen := "the agent is not installed"
	_, name, _ := strings.Cut(v.Text, `\`)
	switch {
	case p == registry.Unknown:
		verdict, seen, fix = preflight.Unknown, "its service is not in the export", `export HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services, too`
	case p == registry.Present:
		seen, fix = "it logs on as "+cmp.Or(v.Text, "nobody"), "run the agent's configuration with that account"
		switch {
		case account == "" && strings.HasSuffix(name, "$"):
			verdict = preflight.Pass
		case account == "":
			verdict = preflight.Fail
		case strings.EqualFold(strings.TrimSuffix(name, "$"), strings.TrimSuffix(account, "$")) && strings.HasSuffix(name, "$"):
			verdict = preflight.Pass
		default:
			verdict = preflight.Fail
		}
	}
	j.add("agent-service", "Provisioning agent", verdict, seen, "a service that logs on as a group managed service account"+named(account), trouble, fix)
}

func named(account string) string {
	if account == "" {
		return ""
	}
	return ", " + account
}
