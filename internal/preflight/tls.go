package preflight

import "strings"

// TLSRegistry is a .reg file that enables TLS 1.2 on an agent host, with the keys of the page and
// line ends as Windows writes them. The host is restarted after it was merged.
func TLSRegistry() string {
	const protocol = `[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2`
	lines := []string{
		"Windows Registry Editor Version 5.00", "",
		protocol + "]",
		protocol + `\Client]`, `"DisabledByDefault"=dword:00000000`, `"Enabled"=dword:00000001`,
		protocol + `\Server]`, `"DisabledByDefault"=dword:00000000`, `"Enabled"=dword:00000001`,
		`[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\.NETFramework\v4.0.30319]`, `"SchUseStrongCrypto"=dword:00000001`, "",
	}
	return strings.Join(lines, "\r\n")
}
