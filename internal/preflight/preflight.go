// Package preflight judges the prerequisites of Microsoft Entra Cloud Sync, requirement by
// requirement of the published page: what the directory shows, and what somebody has to look at.
// It reads through a directory.Reader and writes nothing.
package preflight

import "slices"

// Verdict is what a check came to. The zero value is Unknown on purpose.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // it could not be seen
	Fail
	Warn
	Manual // nothing here can see it: somebody has to look
	Pass
)

var verdictNames = []string{"unknown", "fail", "warn", "manual", "pass"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText is the word for the verdict.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Check is one requirement, or one thing that it comes to.
type Check struct {
	Group  string  `json:"group"`
	ID     string  `json:"id"`
	Title  string  `json:"title"`
	Result Verdict `json:"result"`
	Seen   string  `json:"seen"`
	Want   string  `json:"want"`
	Source string  `json:"source"`
	Fix    string  `json:"fix,omitempty"`
}

// Report is the checklist. Its JSON form is stable: fields are added, never changed.
type Report struct {
	Format  int     `json:"format"`
	Kind    string  `json:"kind"` // PreflightReport
	Domain  Domain  `json:"domain"`
	Account string  `json:"account,omitempty"` // DOMAIN\sAMAccountName
	Checks  []Check `json:"checks"`            // in the order of the page
	Summary Summary `json:"summary"`
}

// Domain is where the checks looked.
type Domain struct {
	DNS string `json:"dns"`
	DC  string `json:"dc"`
}

// Summary counts the checks.
type Summary struct {
	Pass    int `json:"pass"`
	Fail    int `json:"fail"`
	Warn    int `json:"warn"`
	Unknown int `json:"unknown"`
	Manual  int `json:"manual"`
}

func (s *Summary) add(v Verdict) {
	switch v {
	case Pass:
		s.Pass++
	case Fail:
		s.Fail++
	case Warn:
		s.Warn++
	case Manual:
		s.Manual++
	default:
		s.Unknown++
	}
}

// Clean says whether nothing failed and nothing could not be seen. What is to be looked at by
// somebody is clean: it is in every report.
func (r *Report) Clean() bool {
	return len(r.Checks) > 0 && !slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Result == Fail || c.Result == Unknown })
}

// The groups, in their order.
const (
	groupForest  = "Forest"
	groupAccount = "Service account"
	groupHosts   = "Agent hosts"
	groupScope   = "Scope"
	groupCaller  = "You"
	groupManual  = "To be looked at"
)

// Where the requirements come from.
const (
	sourcePage    = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-prerequisites"
	sourceKDS     = "https://learn.microsoft.com/en-us/windows-server/identity/ad-ds/manage/group-managed-service-accounts/create-the-key-distribution-services-kds-root-key"
	sourceGMSA    = "https://learn.microsoft.com/en-us/windows-server/identity/ad-ds/manage/group-managed-service-accounts/group-managed-service-accounts/getting-started-with-group-managed-service-accounts"
	sourceTrouble = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-troubleshoot"
)
