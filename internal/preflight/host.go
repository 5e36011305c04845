package preflight

// OfHost is the report of a host by itself: no directory was asked.
func OfHost(checks []Check, account string) *Report {
	r := &Report{Format: 1, Kind: "PreflightReport", Account: account, Checks: checks}
	for _, c := range checks {
		r.Summary.add(c.Result)
	}
	return r
}
