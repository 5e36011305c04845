package audit

// Reach is what the objects that exist at and below a target say of each row.
type Reach struct {
	Objects int          `json:"objects"`
	Classes []ClassCount `json:"classes"`
	Rows    []ReachRow   `json:"rows"`
	Notes   []string     `json:"notes,omitempty"`

	// StaleAdminCount are objects with adminCount=1 that AdminSDHolder does not protect: the
	// mark stays when protection ends. [MS-ADTS] 3.1.1.6.1.
	StaleAdminCount *Marked `json:"staleAdminCount,omitempty"`
}

// Marked is a number of objects, with the DNs of some.
type Marked struct {
	Objects  int      `json:"objects"`
	Examples []string `json:"examples"`
}

// ReachRow is one rule on the objects that it is about.
type ReachRow struct {
	Policy       string       `json:"policy"`
	Rule         string       `json:"rule"`
	Objects      int          `json:"objects"` // that the rule is about
	Effective    int          `json:"effective"`
	NotEffective int          `json:"notEffective"`
	Protected    int          `json:"protected"` // not effective, for AdminSDHolder protects them
	Unknown      int          `json:"unknown"`
	Derived      int          `json:"derived"` // of derived classes, which it is not about
	Classes      []ClassReach `json:"classes"`
	Waived       bool         `json:"waived,omitempty"`     // what is not effective or protected is no finding
	Causes       []Cause      `json:"causes,omitempty"`     // most objects first
	MoreCauses   int          `json:"moreCauses,omitempty"` // groups beyond those listed
}

// ClassReach is one rule on the objects of one structural class.
type ClassReach struct {
	Class     string `json:"class"`
	Objects   int    `json:"objects"`
	Effective int    `json:"effective"`
	Unknown   int    `json:"unknown"`

	// Derived: the class is derived from the one that the rule is about. Entries for that do
	// not reach it, so that the rule does not count these objects. [MS-ADTS] 6.1.3.
	Derived bool `json:"derived,omitempty"`
}

// ClassCount is a number of objects of one structural class.
type ClassCount struct {
	Class   string `json:"class"`
	Objects int    `json:"objects"`
}

// Cause is a group of objects on which a rule is not effective, for the same reason.
type Cause struct {
	Cause    string       `json:"cause"`
	At       string       `json:"at,omitempty"` // DN of the place that the cause is at; empty: the objects themselves
	Why      string       `json:"why"`
	ACE      *ACE         `json:"ace,omitempty"` // the entry that denies
	Objects  int          `json:"objects"`
	Classes  []ClassCount `json:"classes"`
	Examples []string     `json:"examples"` // DNs
}

// The causes.
const (
	CauseBlocked       = "inheritance-blocked"
	CauseProtected     = "adminsdholder"
	CauseDeny          = "deny"
	CauseConditional   = "conditional"
	CauseNotPropagated = "not-propagated"
	CauseNoEntry       = "no-entry"
	CauseUnreadable    = "unreadable"    // unknown
	CauseClassUnknown  = "class-unknown" // unknown
	CauseUndecided     = "undecided"     // unknown
)

// Protection is what AdminSDHolder says of the account. [MS-ADTS] 3.1.1.6.1.
type Protection struct {
	DN         string          `json:"dn"`
	Unreadable string          `json:"unreadable,omitempty"` // why nobody can tell what it protects
	Entries    []ProtectionACE `json:"entries,omitempty"`    // of the account and its groups
}

// ProtectionACE is an entry that SDProp copies to every protected account and group.
type ProtectionACE struct {
	ACE
	Effective bool   `json:"effective"` // on a protected object
	Why       string `json:"why"`
}

// Excess is what the account may do beyond the policies.
type Excess struct {
	Objects   int           `json:"objects"` // looked at
	Unknown   int           `json:"unknown"` // of these, their descriptor or class is not known
	Heads     []Head        `json:"heads"`
	Entries   []ExcessEntry `json:"entries"` // named risks first
	More      int           `json:"more,omitempty"`
	Everybody *Everybody    `json:"everybody,omitempty"`
	Notes     []string      `json:"notes,omitempty"`
}

// Head is the head of a naming context.
type Head struct {
	DN         string `json:"dn"`
	Unreadable string `json:"unreadable,omitempty"`
}

// ExcessEntry is one entry that gives the account more than the policies ask for.
type ExcessEntry struct {
	ACE
	At       string       `json:"at,omitempty"`     // DN of the object that it stands on explicitly; empty: on the objects themselves
	Unseen   bool         `json:"unseen,omitempty"` // inherited, and where from was not seen
	Owner    bool         `json:"owner,omitempty"`  // no entry: what owning the objects gives
	Trustee  string       `json:"trustee"`
	Via      string       `json:"via"`    // own, group or well-known
	Beyond   string       `json:"beyond"` // the rights that no policy asks for, in SDDL letters
	Words    string       `json:"beyondWords"`
	Risks    []Risk       `json:"risks,omitempty"`
	StandsOn int          `json:"standsOn"` // objects that it stands on explicitly
	Objects  int          `json:"objects"`  // objects on which it is effective beyond the policies
	Classes  []ClassCount `json:"classes"`  // of those
	Examples []string     `json:"examples"`

	Conditional bool `json:"conditional,omitempty"`
}

// Risk is a named reason to look at an entry first.
type Risk struct {
	ID       string `json:"id"`
	Severity string `json:"severity"` // critical, high or medium
	Why      string `json:"why"`
}

// Everybody counts what the account has as everybody has it: through Everyone,
// Authenticated Users and the like. It is a finding where it has a named risk.
type Everybody struct {
	Entries int `json:"entries"`
	Risks   int `json:"risks"` // entries with a named risk
}

// SweepSummary counts over all targets; an object counts once for each rule that is
// about it.
type SweepSummary struct {
	Objects      int `json:"objects"`
	Checked      int `json:"checked"`
	Effective    int `json:"effective"`
	NotEffective int `json:"notEffective"`
	Protected    int `json:"protected"`
	Unknown      int `json:"unknown"`
	Derived      int `json:"derived"`          // of derived classes, which the rule is not about
	OnlyDerived  int `json:"onlyDerived"`      // rules that are about no object but those
	Waived       int `json:"waived,omitempty"` // not effective or protected, for a rule that is waived; not counted there
}

// ExcessSummary counts entries beyond the policies; of what everybody has, those with a
// named risk.
type ExcessSummary struct {
	Entries int `json:"entries"`
	Risks   int `json:"risks"`   // entries with a named risk
	Unknown int `json:"unknown"` // objects and heads that could not be judged
}

// clean says whether a sweep found nothing. A rule that none of the objects is of the class
// for, and some of derived ones, has no effect where one expects it.
func (s *SweepSummary) clean() bool {
	return s == nil || s.NotEffective == 0 && s.Protected == 0 && s.Unknown == 0 && s.OnlyDerived == 0
}

func (s *ExcessSummary) clean() bool { return s == nil || s.Entries == 0 && s.Unknown == 0 }
