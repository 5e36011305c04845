package gmsa

import (
	"fmt"
	"slices"
	"strings"
)

// Severity is how bad a finding is. The zero value is for what is only worth knowing.
type Severity int

// The severities.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = []string{"info", "low", "medium", "high", "critical"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText is the word for it.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word for it.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(severityNames, ", "))
	}
	*s = Severity(i)
	return nil
}

// Finding is one thing that is not as it ought to be, or that cannot be told.
type Finding struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Unknown  bool     `json:"unknown,omitempty"` // it could not be seen; the severity is what it may come to
	What     string   `json:"what"`
	Source   string   `json:"source"`
	Fix      string   `json:"fix,omitempty"` // a command, or what to do
}

// Summary counts findings.
type Summary struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
	Info     int `json:"info"`
	Unknown  int `json:"unknown"`
}

func (s *Summary) add(f Finding) {
	switch {
	case f.Unknown:
		s.Unknown++
	case f.Severity == Critical:
		s.Critical++
	case f.Severity == High:
		s.High++
	case f.Severity == Medium:
		s.Medium++
	case f.Severity == Low:
		s.Low++
	default:
		s.Info++
	}
}

// Where the findings come from.
const (
	sourceRetrieve   = "https://learn.microsoft.com/en-us/windows-server/identity/ad-ds/manage/group-managed-service-accounts/group-managed-service-accounts/getting-started-with-group-managed-service-accounts"
	sourceSecure     = "https://learn.microsoft.com/en-us/entra/architecture/service-accounts-group-managed"
	sourceGolden     = "https://learn.microsoft.com/en-us/troubleshoot/windows-server/windows-security/recover-from-golden-gmsa-attack"
	sourceRestricted = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-gmsa-cmdlets"
	sourceClass      = "https://learn.microsoft.com/en-us/windows/win32/adschema/c-msds-groupmanagedserviceaccount"
	sourceUAC        = "[MS-ADTS] 2.2.16"
	sourceEncTypes   = "[MS-KILE] 2.2.7"
	sourceSDProp     = "[MS-ADTS] 3.1.1.6.1"
	sourceDelegation = "[MS-SFU] 3.2.5"
)

func unseen(id string, severity Severity, source, format string, args ...any) Finding {
	return Finding{ID: id, Severity: severity, Unknown: true, What: fmt.Sprintf(format, args...), Source: source}
}
