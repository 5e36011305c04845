package audit

import (
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// Report is the answer of an audit. Its JSON form is stable: fields are added, never
// changed.
type Report struct {
	Format   int      `json:"format"`
	Kind     string   `json:"kind"` // AuditReport
	Domain   Domain   `json:"domain"`
	Account  Account  `json:"account"`
	Accept   Accept   `json:"accept"`
	Policies []Policy `json:"policies"`
	Targets  []Target `json:"targets"`
	Waivers  []Waiver `json:"waivers,omitempty"` // of the file, in its order
	Notes    []string `json:"notes,omitempty"`
	Summary  Summary  `json:"summary"`

	// Only after a sweep over the objects that exist.
	AdminSDHolder *Protection    `json:"adminSDHolder,omitempty"`
	Excess        *Excess        `json:"excess,omitempty"`
	ReachSummary  *SweepSummary  `json:"reachSummary,omitempty"`
	ExcessSummary *ExcessSummary `json:"excessSummary,omitempty"`
}

// Domain is where the audit looked.
type Domain struct {
	DNS string `json:"dns"`
	DN  string `json:"dn"`
	SID string `json:"sid"`
	DC  string `json:"dc"`
}

// Account is whom the audit judged.
type Account struct {
	Name   string  `json:"name"` // DOMAIN\sAMAccountName
	DN     string  `json:"dn"`
	SID    string  `json:"sid"`
	GMSA   bool    `json:"gmsa"`
	Groups []Group `json:"groups"`
	Unseen string  `json:"unseen,omitempty"` // what of its token could not be read
}

// Group is one more SID of the account's token.
type Group struct {
	SID  string `json:"sid"`
	Name string `json:"name,omitempty"`
	Via  string `json:"via"` // group or well-known
}

// Policy is what the audit judged by.
type Policy struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Source string   `json:"source"`
	SHA256 string   `json:"sha256"` // of its YAML
	Notes  []string `json:"notes,omitempty"`

	Parameters map[string]string `json:"parameters,omitempty"` // their values

	Summary Summary `json:"summary"` // of its rules alone
}

// Target is one object with a row for each rule.
type Target struct {
	DN         string `json:"dn"`
	Class      string `json:"class,omitempty"`
	Unreadable string `json:"unreadable,omitempty"` // why its descriptor was not judged
	Rows       []Row  `json:"rows"`
	Reach      *Reach `json:"reach,omitempty"` // after a sweep
}

// Row is one rule on one target.
type Row struct {
	Policy    string `json:"policy"`
	Rule      string `json:"rule"`
	Access    string `json:"access"`
	AppliesTo string `json:"appliesTo"`
	Grant     string `json:"grant"`  // a word of acl.Grant, not-applicable, or of a rule about something else holds or violated
	Effect    string `json:"effect"` // a word of acl.Effect, not-applicable, holds or violated
	Pass      bool   `json:"pass"`
	Why       string `json:"why,omitempty"`     // where it does not pass, one sentence
	Missing   string `json:"missing,omitempty"` // rights that no entry grants, in SDDL letters
	Grants    []ACE  `json:"grants,omitempty"`  // the entries that grant it
	Decides   []ACE  `json:"decides,omitempty"` // the entries that take it away
	Source    string `json:"source"`

	Forbidden    bool   `json:"forbidden,omitempty"`    // it passes where the account has not what it names
	Severity     string `json:"severity,omitempty"`     // warning: where it fails, that is no finding; empty: error
	Verification string `json:"verification,omitempty"` // inferred or unverified: how sure it is that this is needed; empty: published

	Waived *Waived  `json:"waived,omitempty"` // it fails, and need not pass
	SameAs []string `json:"sameAs,omitempty"` // POLICY/RULE of other rows that ask for the very same

	// For a rule for a class: that class and those derived from it, on new objects.
	Classes []ClassVerdict `json:"classes,omitempty"`
}

// RowWaived is the result of a row that fails and need not pass.
const RowWaived = "waived"

// RowWarning is the result of a row that fails and is only advice.
const RowWarning = "warning"

// Result is one word for the row: pass, fail, warning, waived, unknown or not-applicable.
func (r Row) Result() string {
	switch {
	case r.Pass:
		return "pass"
	case r.Grant == NotApplicable:
		return NotApplicable
	case r.Severity == string(policy.SeverityWarning):
		return RowWarning // advice that cannot be seen is no more of a finding than one that is not taken
	case r.unseen():
		return "unknown"
	case r.Waived != nil:
		return RowWaived
	}
	return "fail"
}

// unseen says whether nobody can tell what the row comes to.
func (r Row) unseen() bool {
	return !r.Pass && (r.Grant == acl.Unclear.String() || r.Effect == acl.Unknown.String())
}

// ACE is an access control entry for people: as SDDL and in words.
type ACE struct {
	SDDL  string `json:"sddl"`
	Words string `json:"words"`
}

// Summary counts the rows of all targets.
type Summary struct {
	Rows          int `json:"rows"`
	Pass          int `json:"pass"`
	Fail          int `json:"fail"`
	Unknown       int `json:"unknown"`
	NotApplicable int `json:"notApplicable"`
	Waived        int `json:"waived,omitempty"`   // they fail, and need not pass
	Warnings      int `json:"warnings,omitempty"` // they fail, and are only advice
}

// NotApplicable is the grant and the effect of a rule for which the schema lacks a name.
const NotApplicable = "not-applicable"

// Clean says whether every applicable row passes or is waived, and every object that was
// swept, and no waiver has expired. A report in which nothing applies is not clean: it has
// seen nothing.
func (r *Report) Clean() bool {
	return r.Summary.Pass+r.Summary.Waived > 0 && r.Summary.Fail == 0 && r.Summary.Unknown == 0 && !expired(r.Waivers) &&
		r.ReachSummary.clean() && r.ExcessSummary.clean()
}

// Accept says which grants pass.
type Accept int

// The grants that pass, each with those before it. The zero value is the strictest.
const (
	AcceptOwn    Accept = iota // entries for the account's own SID
	AcceptGroups               // entries for its groups too
	AcceptAny                  // entries for Everyone and the like too, and implicit rights
)

var acceptNames = []string{"own", "groups", "any"}

func (a Accept) String() string { return acceptNames[a] }

// MarshalText is the word that --accept takes.
func (a Accept) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a word that --accept takes.
func (a *Accept) UnmarshalText(text []byte) error {
	for i, name := range acceptNames {
		if strings.EqualFold(name, string(text)) {
			*a = Accept(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(acceptNames, ", "))
}

// passes says whether a grant counts. A deny never passes: that is the effect's business.
func (a Accept) passes(g acl.Grant) bool {
	switch g {
	case acl.Exact, acl.Broader, acl.Split:
		return true
	case acl.ViaGroup:
		return a >= AcceptGroups
	case acl.ViaWellKnown, acl.Implicit:
		return a >= AcceptAny
	}
	return false
}
