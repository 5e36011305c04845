// Package plan turns what an audit found missing, a service account that is wanted, or one
// that is to be hardened into changes, writes them, and takes them back. What apply does is
// described by the plan in full: the bytes before, the bytes after, and nothing else.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// The kinds of files that this package reads and writes.
const (
	kindPlan   = "Plan"
	kindBackup = "Backup"
	format     = 1

	// maxFile bounds a file, in bytes. A change takes four times its descriptors at most.
	maxFile = 256 << 20
)

// Plan is a list of changes to one domain, and what they were made from.
type Plan struct {
	Format   int          `json:"format"`
	Kind     string       `json:"kind"`
	Created  time.Time    `json:"created"`
	Tool     string       `json:"tool"` // gmsactl and its version
	Domain   Domain       `json:"domain"`
	Server   *Server      `json:"server,omitempty"` // nil in plans of earlier versions
	Account  Account      `json:"account"`
	Accept   audit.Accept `json:"accept"`
	Prune    bool         `json:"prune,omitempty"` // entries of the account are taken away, too
	Policies []Policy     `json:"policies"`
	Targets  []string     `json:"targets"`         // DNs, those without a change too
	Named    []string     `json:"named,omitempty"` // DNs that only rules name, those without a change too

	AdminSDHolder bool `json:"adminSDHolder,omitempty"` // it may be changed, too

	// In the order in which they are written. Where the plan creates the account, its SID is directory.FutureSID.
	Create     *Creation         `json:"create,omitempty"`
	Attributes []AttributeChange `json:"attributes,omitempty"` // of the account
	Changes    []Change          `json:"changes"`

	Blocked []Blocked `json:"blocked,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
}

// Domain pins the domain that a plan is for.
type Domain struct {
	DNS  string `json:"dns"`
	SID  string `json:"sid"`
	GUID string `json:"guid"` // objectGUID of its head
	DC   string `json:"dc"`   // the domain controller that was read

	ForestSID string `json:"forestSID,omitempty"` // of the forest's root domain, where it was known
}

// Account is whom the changes are for.
type Account struct {
	Name string `json:"name"`
	SID  string `json:"sid"`
	DN   string `json:"dn,omitempty"` // where the plan changes the account itself
}

// Policy is a policy in full, so that what was written can be judged again by it.
type Policy struct {
	Name string `json:"name"`
	YAML string `json:"yaml"`

	Parameters map[string]string `json:"parameters,omitempty"` // their values
}

// Rule names a rule of a policy.
type Rule struct {
	Policy string `json:"policy"`
	Rule   string `json:"rule"`
}

// Change is one descriptor to be written. Before pins what it was made from.
type Change struct {
	DN           string      `json:"dn"`
	ObjectGUID   string      `json:"objectGUID"`
	Rules        []Rule      `json:"rules,omitempty"` // that it makes pass
	Add          []audit.ACE `json:"add,omitempty"`
	Remove       []audit.ACE `json:"remove,omitempty"`
	Before       []byte      `json:"before"` // the descriptor with owner, group and DACL, as it was read
	BeforeSHA256 string      `json:"beforeSHA256"`
	After        []byte      `json:"after"` // the descriptor to write: its DACL alone

	// Protection is set where inheritance from above is to be blocked (on), or let in again (off).
	Protection Protection `json:"protection,omitempty"`
}

// Protection is what a change does to the inheritance of an object. Empty: nothing.
type Protection string

// What a change may do to it. [MS-DTYP] 2.4.6, SE_DACL_PROTECTED.
const (
	ProtectOn  Protection = "on"
	ProtectOff Protection = "off"
)

// control are the control bits of a DACL after the change.
func (p Protection) control(before sddl.Control) sddl.Control {
	switch p {
	case ProtectOn:
		return before | sddl.DACLProtected
	case ProtectOff:
		return before &^ sddl.DACLProtected
	}
	return before
}

// Blocked is a rule that adding entries cannot make pass.
type Blocked struct {
	DN string `json:"dn"`
	Rule
	Why string `json:"why"`
}

// digest pins a descriptor.
func digest(descriptor []byte) string {
	sum := sha256.Sum256(descriptor)
	return hex.EncodeToString(sum[:])
}

// Write writes the plan as JSON.
func (p *Plan) Write(w io.Writer) error { return writeJSON(w, p) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Read reads a plan and refuses one whose parts contradict each other: what is shown
// must be what is written.
func Read(r io.Reader) (*Plan, error) {
	p := &Plan{}
	if err := readJSON(r, kindPlan, p); err != nil {
		return nil, err
	}
	if err := checkChanges(p.Changes); err != nil {
		return nil, err
	}
	if err := p.checkAccount(); err != nil {
		return nil, err
	}
	if err := p.checkGrants(); err != nil {
		return nil, err
	}
	return p, nil
}

// checkAccount holds what a plan does to its account itself to what plans are: it makes it
// with nothing but what it must have, and writes attributes of nothing else.
func (p *Plan) checkAccount() error {
	if p.Create == nil && strings.HasSuffix(p.Account.SID, "-0") {
		return fmt.Errorf("account %s: %s is nobody, and the plan creates no account", p.Account.Name, p.Account.SID)
	}
	if p.Create != nil {
		if err := p.Create.check(); err != nil {
			return err
		}
		domain, err := sddl.ParseSID(p.Domain.SID)
		if err != nil {
			return fmt.Errorf("domain %s: %w", p.Domain.DNS, err)
		}
		future, err := directory.FutureSID(domain)
		if err != nil {
			return fmt.Errorf("domain %s: %w", p.Domain.DNS, err)
		}
		if p.Account.SID != future.String() || !directory.SameDN(p.Account.DN, p.Create.DN) {
			return fmt.Errorf("creation of %s: the plan is for another account", p.Create.DN)
		}
	}
	return checkAttributes(p.Attributes, p.Account.DN, p.Create != nil)
}

func checkAttributes(changes []AttributeChange, account string, creates bool) error {
	seen := map[string]bool{}
	for i := range changes {
		c := &changes[i]
		if err := c.check(); err != nil {
			return err
		}
		switch {
		case !directory.SameDN(c.DN, account):
			return fmt.Errorf("change of %s of %s: it is not the account of the plan", c.Name, c.DN)
		case seen[c.Name]:
			return fmt.Errorf("change of %s of %s: it is there twice", c.Name, c.DN)
		case creates && (len(c.Before) > 0 || c.ObjectGUID != ""):
			return fmt.Errorf("change of %s of %s: an account that is yet to be made has none", c.Name, c.DN)
		case !creates && c.ObjectGUID == "":
			return fmt.Errorf("change of %s of %s: it does not say of which object", c.Name, c.DN)
		}
		seen[c.Name] = true
	}
	return nil
}

// checkGrants holds a plan to what Build and Prune make: entries for its account, and no
// other change, on its targets.
func (p *Plan) checkGrants() error {
	for _, c := range p.Changes {
		if !slices.ContainsFunc(slices.Concat(p.Targets, p.Named), func(dn string) bool { return directory.SameDN(dn, c.DN) }) {
			return fmt.Errorf("change of %s: it is not a target of the plan", c.DN)
		}
		if !p.AdminSDHolder && strings.HasPrefix(directory.DNKey(c.DN), directory.DNKey("CN=AdminSDHolder,CN=System,DC=")) {
			return &unaskedError{c.DN}
		}
		before, after, err := c.parse()
		if err != nil {
			return fmt.Errorf("change of %s: %w", c.DN, err)
		}
		if c.Protection != "" {
			if err := p.checkRestricted(&c, before, after); err != nil {
				return fmt.Errorf("change of %s: %w", c.DN, err)
			}
			continue
		}
		removed, added := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
		for _, a := range removed {
			if !p.Prune {
				return fmt.Errorf("change of %s: it takes entries away, and the plan is not one that prunes", c.DN)
			}
			if !prunable(a, p.Account.SID) {
				return fmt.Errorf("change of %s: it takes away what is no allow entry of the account: %s", c.DN, a)
			}
		}
		for _, a := range added {
			if a.SID.String() != p.Account.SID {
				return fmt.Errorf("change of %s: it adds an entry for somebody else: %s", c.DN, a)
			}
		}
		// What is made of these entries there is the one thing that a plan may do with them.
		want, err := before.DACL.WithoutAllows(removed...)
		if err == nil {
			want, err = want.WithAllows(added...)
		}
		if err != nil {
			return fmt.Errorf("change of %s: %w", c.DN, err)
		}
		if !sameACL(want, after.DACL) {
			return fmt.Errorf("change of %s: its entries do not stand where they belong", c.DN)
		}
	}
	return nil
}

// unaskedError says that a plan changes AdminSDHolder and is not one that may.
type unaskedError struct{ dn string }

func (e *unaskedError) Error() string {
	return fmt.Sprintf("change of %s: the plan was not made with --write-adminsdholder, and every protected account and group would take it over", e.dn)
}

// CheckDomain is a *WrongDomainError where d is not the domain of the plan.
func (p *Plan) CheckDomain(d *directory.Domain) error { return p.Domain.check(d) }

func (want Domain) check(here *directory.Domain) error {
	if here.SID.String() != want.SID || here.GUID.String() != want.GUID {
		return &WrongDomainError{Plan: want.DNS + " (" + want.SID + ")", Here: here.DNS + " (" + here.SID.String() + ")"}
	}
	return nil
}

// Describe says everything in the plan anew, by the directory as it is now: whatever a
// file said in words, what is shown is what its bytes mean. The snapshot is of the plan's
// account and targets. Where it is not from the domain controller that the plan was made
// from, as that was then, a note says so.
func (p *Plan) Describe(s *audit.Snapshot) error {
	now := domainOf(s.Domain)
	if p.Domain.ForestSID != "" && p.Domain.ForestSID != now.ForestSID {
		return &StaleError{[]string{"the SID of the forest is not the one that the plan was made for"}}
	}
	p.Domain = now
	here := serverOf(s.Domain)
	moved := p.Server.moved(here)
	p.Server = here
	p.Account.Name = s.Domain.Qualified(s.Account.Name)
	if p.Account.DN != "" && !directory.SameDN(p.Account.DN, s.Account.DN) {
		return &StaleError{[]string{p.Account.DN + " is not the account of the plan any more"}}
	}
	if (len(p.Attributes) > 0 || slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Protection != "" })) && !s.Account.IsGMSA() {
		return fmt.Errorf("%s is no group managed service account, and no plan changes another account itself", s.Account.DN)
	}
	p.Blocked = nil
	for i := range p.Attributes {
		if err := p.Attributes[i].describe(audit.Names(s)); err != nil {
			return fmt.Errorf("change of %s: %w", p.Attributes[i].DN, err)
		}
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		at := slices.IndexFunc(s.Targets, func(t *directory.Target) bool { return t.GUID.String() == c.ObjectGUID })
		if at < 0 {
			return &StaleError{[]string{c.DN + " is another object now"}}
		}
		c.DN = s.Targets[at].DN
		// The file may have named it by its GUID.
		if !p.AdminSDHolder && isAdminSDHolder(s, c.DN) {
			return &unaskedError{c.DN}
		}
		if err := c.describe(audit.Names(s)); err != nil {
			return fmt.Errorf("change of %s: %w", c.DN, err)
		}
	}
	p.Notes = append(moved, p.spread(s)...)
	for i := range p.Changes {
		if p.Changes[i].Protection != ProtectOn {
			continue
		}
		before, after, err := p.Changes[i].parse()
		if err != nil {
			return fmt.Errorf("change of %s: %w", p.Changes[i].DN, err)
		}
		notes, err := restrictionNotes(s, before, after)
		if err != nil {
			return fmt.Errorf("change of %s: %w", p.Changes[i].DN, err)
		}
		p.Notes = append(p.Notes, notes...)
	}
	return checkChanges(p.Changes)
}

// ParsePolicies reads the policies of the plan. A change for a rule that they do not have
// is an error.
func (p *Plan) ParsePolicies() ([]*policy.Policy, error) {
	known := map[Rule]bool{}
	var out []*policy.Policy
	for _, saved := range p.Policies {
		parsed, err := policy.Parse(saved.Name, []byte(saved.YAML))
		if err != nil {
			return nil, err
		}
		if parsed, err = parsed.Bind(saved.Parameters); err != nil {
			return nil, err
		}
		for _, r := range parsed.Rules {
			known[Rule{parsed.Name, r.ID}] = true
		}
		out = append(out, parsed)
	}
	for _, c := range p.Changes {
		for _, r := range c.Rules {
			if !known[r] {
				return nil, fmt.Errorf("change of %s: its policies have no rule %s/%s", c.DN, r.Policy, r.Rule)
			}
		}
	}
	return out, nil
}

// describe shows what the bytes add and remove.
func (c *Change) describe(names words.Names) error {
	before, after, err := c.parse()
	if err != nil {
		return err
	}
	removed, added := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
	c.Add, c.Remove = nil, nil
	for _, a := range added {
		c.Add = append(c.Add, audit.View(a, names))
	}
	for _, a := range removed {
		c.Remove = append(c.Remove, audit.View(a, names))
	}
	return nil
}

// readJSON reads a file of the given kind, strictly. What it is comes first: a later
// format may have keys that this version does not know.
func readJSON(r io.Reader, kind string, v any) error {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return err
	}
	if len(text) > maxFile {
		return fmt.Errorf("longer than %d bytes", maxFile)
	}
	var is struct {
		Kind   string `json:"kind"`
		Format int    `json:"format"`
	}
	switch err := json.Unmarshal(text, &is); {
	case err != nil:
		return fmt.Errorf("not a file of gmsactl: %w", err)
	case is.Kind != kind:
		return fmt.Errorf("kind is %q, want %q", is.Kind, kind)
	case is.Format != format:
		return fmt.Errorf("format is %d, this version of gmsactl knows %d", is.Format, format)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("not a file of gmsactl: %w", err)
	}
	return nil
}

func checkChanges(changes []Change) error {
	seen := map[string]bool{}
	for i := range changes {
		c := &changes[i]
		if seen[directory.DNKey(c.DN)] {
			return fmt.Errorf("%s is changed twice", c.DN)
		}
		seen[directory.DNKey(c.DN)] = true
		if err := c.check(); err != nil {
			return fmt.Errorf("change of %s: %w", c.DN, err)
		}
	}
	return nil
}

// check holds the change to its own words.
func (c *Change) check() error {
	if c.BeforeSHA256 != digest(c.Before) {
		return errors.New("beforeSHA256 is not the digest of before")
	}
	switch guid, err := sddl.ParseGUID(c.ObjectGUID); {
	case err != nil:
		return fmt.Errorf("objectGUID: %w", err)
	case guid.IsZero():
		return errors.New("objectGUID: it is that of no object") // one that is not shown reads like this
	}
	before, after, err := c.parse()
	if err != nil {
		return err
	}
	if after.DACL == nil || !after.Control.Has(sddl.DACLPresent) {
		return errors.New("after has no DACL, which would open the object to everybody")
	}
	if !after.Owner.IsZero() || !after.Group.IsZero() || after.SACL != nil {
		return errors.New("after holds more than a DACL")
	}
	if got, want := after.Control, c.Protection.control(before.DACLOnly().Control); got != want {
		return fmt.Errorf("after has control bits 0x%04x, before 0x%04x", uint16(got), uint16(want))
	}
	// The rest of the bytes says what before says: nothing hides between or behind the parts.
	want := before.WithDACL(after.DACL).DACLOnly()
	want.Control = c.Protection.control(want.Control)
	if want, err := want.Append(nil); err != nil || !bytes.Equal(c.After, want) {
		return errors.New("after is not its before with another DACL")
	}
	removed, added := sddl.DiffACEs(before.DACL.ACEs, after.DACL.ACEs)
	if !sameSDDL(added, c.Add) || !sameSDDL(removed, c.Remove) {
		return errors.New("what it says it adds and removes is not what its bytes do")
	}
	// Moving an entry is no difference, but a deny behind the allows denies less.
	if err := after.DACL.Canonical(); err != nil && before.DACL.Canonical() == nil {
		return fmt.Errorf("after is not in canonical order, and before is: %w", err)
	}
	return nil
}

// sameACL says whether two lists are the same bytes.
func sameACL(a, b *sddl.ACL) bool {
	x, errX := a.Append(nil)
	y, errY := b.Append(nil)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (c *Change) parse() (before, after *sddl.Descriptor, err error) {
	if before, err = sddl.Parse(c.Before); err != nil {
		return nil, nil, fmt.Errorf("before: %w", err)
	}
	if before.DACL == nil {
		return nil, nil, errors.New("before has no DACL")
	}
	if after, err = sddl.Parse(c.After); err != nil {
		return nil, nil, fmt.Errorf("after: %w", err)
	}
	return before, after, nil
}

func sameSDDL(aces []sddl.ACE, views []audit.ACE) bool {
	return slices.EqualFunc(aces, views, func(a sddl.ACE, v audit.ACE) bool { return a.String() == v.SDDL })
}

// newChange is the change from a descriptor to another DACL. Text for people is filled in.
func newChange(t *directory.Target, dacl *sddl.ACL, protection Protection, s *audit.Snapshot) (Change, error) {
	written := t.Descriptor.WithDACL(dacl).DACLOnly()
	written.Control = protection.control(written.Control)
	after, err := written.Append(nil)
	if err != nil {
		return Change{}, err
	}
	c := Change{DN: t.DN, ObjectGUID: t.GUID.String(), Before: t.Raw, BeforeSHA256: digest(t.Raw), After: after, Protection: protection}
	if err := c.describe(audit.Names(s)); err != nil {
		return Change{}, err
	}
	return c, c.check()
}

// Pending says whether there is anything to write.
func (p *Plan) Pending() bool {
	return p.Create != nil || len(p.Attributes) > 0 || len(p.Changes) > 0
}
