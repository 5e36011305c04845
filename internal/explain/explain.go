// Package explain answers single questions: may this account do that to this object,
// which entry decides it, where does that entry come from, what stands in the way, and
// which is the smallest change that would grant it. It judges by permissions alone, as
// [MS-ADTS] 5.1.3 has them, and writes nothing. What it could not see is unknown.
package explain

import (
	"context"
	"errors"
	"fmt"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Explanation is the answer to one question. Its JSON form is stable: fields are added,
// never changed.
type Explanation struct {
	Format  int          `json:"format"`
	Kind    string       `json:"kind"` // Explanation
	Domain  audit.Domain `json:"domain"`
	Account Account      `json:"account"`
	Object  Object       `json:"object"`
	Right   string       `json:"right"`  // as it was asked for
	Access  string       `json:"access"` // in words
	Effect  string       `json:"effect"` // a word of acl.Effect
	Why     string       `json:"why"`    // one sentence
	Ways    []Way        `json:"ways"`   // any of them suffices; none where permissions do not matter
	Change  *Change      `json:"change,omitempty"`
	Notes   []string     `json:"notes,omitempty"`
}

// Granted says whether the account may do it.
func (x *Explanation) Granted() bool { return x.Effect == acl.Granted.String() }

// Account is whom the question is about.
type Account struct {
	Name   string `json:"name"` // DOMAIN\sAMAccountName
	DN     string `json:"dn"`
	SID    string `json:"sid"`
	Unseen string `json:"unseen,omitempty"` // what of its token could not be read
}

// Object is what the question is about.
type Object struct {
	DN        string `json:"dn"`
	Class     string `json:"class,omitempty"` // the most specific one
	Owner     string `json:"owner,omitempty"`
	Protected bool   `json:"protected"` // its DACL inherits nothing
}

// Way is one way to be allowed: all of its checks must be granted.
type Way struct {
	Effect string  `json:"effect"`
	Limit  string  `json:"limit,omitempty"` // what this way does not allow
	Checks []Check `json:"checks"`
}

// Check is one access check.
type Check struct {
	Object     string     `json:"object"`     // whose descriptor decides
	Descriptor string     `json:"descriptor"` // the attribute that it is in
	Access     string     `json:"access"`     // in words
	Rights     string     `json:"rights"`     // SDDL letters
	Effect     string     `json:"effect"`
	Why        string     `json:"why"`
	Implicit   string     `json:"implicit,omitempty"` // what grants some of it without an entry
	Decides    []Decider  `json:"decides,omitempty"`
	Obstacles  []Obstacle `json:"obstacles,omitempty"`
}

// Decider is an entry that decided some of the rights.
type Decider struct {
	audit.ACE
	Deny    bool    `json:"deny"`
	Rights  string  `json:"rights"` // that it decided, SDDL letters
	From    Origin  `json:"from"`
	Through Through `json:"through"`
}

// Origin is where an entry stands: explicit on the object, or on a container that hands
// it down.
type Origin struct {
	DN    string     `json:"dn,omitempty"` // empty where it is not known
	There *audit.ACE `json:"there,omitempty"`
	Why   string     `json:"why,omitempty"` // why it is not known
}

// Through is how an account comes by the SID of an entry.
type Through struct {
	SID  string   `json:"sid"`
	Name string   `json:"name,omitempty"`
	How  string   `json:"how"`            // account, group, well-known, owner, perhaps
	Path []string `json:"path,omitempty"` // the groups in between and the group itself, where they can be read
}

// Obstacle is an entry that would grant some of it, and why it does not.
type Obstacle struct {
	audit.ACE
	On  string `json:"on"` // where it stands
	Why string `json:"why"`
}

// Change is the smallest change that would grant it, or why adding entries does not.
type Change struct {
	Helps bool       `json:"helps"`
	Add   []Addition `json:"add,omitempty"`
	Why   string     `json:"why,omitempty"`
}

// Addition is an entry to add.
type Addition struct {
	Object     string `json:"object"`
	Descriptor string `json:"descriptor"` // the attribute that it goes into
	audit.ACE
}

// cacheSize is how many answers of each kind an Explainer keeps: a run over a whole forest
// is not to keep the forest.
const cacheSize = 20000

// Explainer answers questions to one directory and keeps what it read, so that the next
// question is cheap. It is not for several goroutines.
type Explainer struct {
	reader  directory.Reader
	capture bool

	domain *directory.Domain
	schema *directory.Schema

	heads      map[string]bool // DNKeys of the naming contexts
	heuristics *heuristics
	accounts   map[string]*account // by the name that was given, and by DN
	objects    map[string]*object  // by DNKey
	requests   map[string]*request
	classes    map[string]*acl.Class
	faults     map[string]string
}

// New is an Explainer of what r answers; capture says that r is not the directory itself.
// It reads the domain and the schema.
func New(ctx context.Context, r directory.Reader, capture bool) (*Explainer, error) {
	e := newExplainer(r, capture)
	err := e.loadHeads(ctx)
	if err != nil {
		return nil, err
	}
	if e.schema, err = directory.LoadSchema(ctx, r, e.domain); err != nil {
		return nil, err
	}
	return e, nil
}

func newExplainer(r directory.Reader, capture bool) *Explainer {
	return &Explainer{
		reader: r, capture: capture, heads: map[string]bool{},
		accounts: map[string]*account{}, objects: map[string]*object{}, requests: map[string]*request{},
		classes: map[string]*acl.Class{}, faults: map[string]string{},
	}
}

// loadHeads reads the domain and the naming contexts.
func (e *Explainer) loadHeads(ctx context.Context) error {
	var err error
	if e.domain, err = directory.LoadDomain(ctx, e.reader); err != nil {
		return err
	}
	root, err := directory.Collect(e.reader.Read(ctx, directory.Query{Attrs: []string{"namingContexts"}}))
	if err != nil {
		return fmt.Errorf("read the rootDSE: %w", err)
	}
	for _, entry := range root {
		for _, dn := range entry.Texts("namingContexts") {
			e.heads[directory.DNKey(dn)] = true
		}
	}
	if len(e.heads) == 0 {
		return errors.New("read the rootDSE: it names no naming contexts")
	}
	return nil
}

// Explain answers one question. Errors are about the question, a *directory.AccountError,
// *directory.NotFoundError, *NotDNError or *RightError, or come from the reader.
func (e *Explainer) Explain(ctx context.Context, accountName, dn, right string) (*Explanation, error) {
	q, err := e.request(ctx, right)
	if err != nil {
		return nil, err
	}
	a, err := e.account(ctx, accountName)
	if err != nil {
		return nil, err
	}
	if !directory.LooksLikeDN(dn) {
		return nil, &NotDNError{dn}
	}
	chain, err := e.chain(ctx, dn)
	if err != nil {
		return nil, err
	}
	ev := &evidence{
		domain: e.domain, schema: e.schema, request: q, account: a, chain: chain, names: e.names(a),
		classOf: e.class, capture: e.capture,
	}
	if ev.heuristics, err = e.readHeuristics(ctx); err != nil {
		return nil, err
	}
	return ev.explain(), nil
}

// NotDNError is a text where a DN should be.
type NotDNError struct{ Text string }

func (e *NotDNError) Error() string {
	return fmt.Sprintf("%q is not a DN such as CN=Alice,OU=Sales,DC=corp,DC=example", e.Text)
}

// sid is how a SID is shown: with its name, if it has one.
func (ev *evidence) sid(s sddl.SID) string {
	if name := ev.names.SID(s); name != "" {
		return fmt.Sprintf("%s (%s)", name, s)
	}
	return s.String()
}
