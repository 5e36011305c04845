// Package whoami says of a bound session who it is, what it talks to, how far its clock is
// off, and what it may do there: it asks the domain controller, judges the descriptors by
// itself, and tells where the two disagree. It writes nothing, and binds nothing. What is
// not shown is unknown.
package whoami

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
)

// Report is the answer. Its JSON form is stable: fields are added, never changed.
type Report struct {
	Format   int          `json:"format"`
	Kind     string       `json:"kind"` // WhoAmI
	Domain   audit.Domain `json:"domain"`
	DC       DC           `json:"dc"`
	Session  Session      `json:"session"`
	Ticket   *Ticket      `json:"ticket,omitempty"` // nil where the system keeps it to itself
	Identity Identity     `json:"identity"`
	Clock    *Clock       `json:"clock,omitempty"` // nil where the server tells no time
	Targets  []Target     `json:"targets"`
	GMSA     Creation     `json:"createGMSA"`
	RootKeys Answer       `json:"kdsRootKeys"` // whether the forest has any
	Notes    []string     `json:"notes,omitempty"`
}

// DC is the domain controller. What it does not say of itself is empty, or unknown.
type DC struct {
	Host            string `json:"host"`
	Address         string `json:"address"` // IP address and port
	Site            string `json:"site,omitempty"`
	Writable        bool   `json:"writable"`
	PDC             Word   `json:"pdcEmulator"`
	GlobalCatalog   Word   `json:"globalCatalog"`
	OperatingSystem string `json:"operatingSystem,omitempty"`
	Level           Level  `json:"functionalLevel"`
	DomainLevel     Level  `json:"domainFunctionalLevel"`
	ForestLevel     Level  `json:"forestFunctionalLevel"`
}

// Level is a functional level; -1 is not known. [MS-ADTS] 6.1.4.
type Level struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`
}

// Session is how the domain controller is talked to.
type Session struct {
	Transport  string  `json:"transport"`
	Mechanism  string  `json:"mechanism"`
	Protection string  `json:"protection"`
	TLS        *TLS    `json:"tls,omitempty"`
	RoundTrips int64   `json:"bindRoundTrips"` // until it was bound, those to the KDC included
	BindTime   float64 `json:"bindMilliseconds"`
}

// TLS is what protects a session that Kerberos does not seal.
type TLS struct {
	Version        string `json:"version"`
	CipherSuite    string `json:"cipherSuite"`
	ChannelBinding string `json:"channelBinding"`
}

// Ticket is the ticket for the LDAP service.
type Ticket struct {
	SessionKey string     `json:"sessionKey"`           // encryption type
	ServiceKey string     `json:"serviceKey"`           // encryption type
	Starts     time.Time  `json:"starts,omitzero"`      // UTC, as are the others; zero: the system keeps it to itself
	Ends       time.Time  `json:"ends,omitzero"`        // then the session ends, too
	Renew      *time.Time `json:"renewUntil,omitempty"` // nil: it cannot be renewed
}

// Identity is who is bound.
type Identity struct {
	AuthzID   string  `json:"authzId"`   // the server's word for it. RFC 4532
	Principal string  `json:"principal"` // the KDC's
	Name      string  `json:"name,omitempty"`
	DN        string  `json:"dn,omitempty"`
	SID       string  `json:"sid,omitempty"`
	Groups    []Group `json:"groups"`
	Source    string  `json:"groupsFrom"`       // session, object or unknown
	Unseen    string  `json:"unseen,omitempty"` // what of it could not be read
}

// The sources of the groups.
const (
	FromSession = "session" // the token by which the server decides
	FromObject  = "object"  // what a new session would have
)

// Group is one more SID of the token.
type Group struct {
	SID        string `json:"sid"`
	Name       string `json:"name,omitempty"`
	Privileged bool   `json:"privileged"` // whoever is in it can become the administrator of the domain

	rank int
}

// Word is yes, no or unknown; the zero value is unknown on purpose.
type Word int

// The words.
const (
	Unknown Word = iota
	No
	Yes
)

var wordNames = []string{"unknown", "no", "yes"}

func (w Word) String() string { return wordNames[w] }

// MarshalText is the word.
func (w Word) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads the word.
func (w *Word) UnmarshalText(text []byte) error {
	i := slices.Index(wordNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(wordNames, ", "))
	}
	*w = Word(i)
	return nil
}

func word(yes bool) Word {
	if yes {
		return Yes
	}
	return No
}

// Answer is a word, with a sentence where there is something to say.
type Answer struct {
	Word Word   `json:"answer"`
	Why  string `json:"why,omitempty"`
}

// Target is what the session may do with one object.
type Target struct {
	DN         string `json:"dn"`
	Descriptor Answer `json:"readDescriptor"` // it was read
	WriteDACL  Judged `json:"writeDACL"`
}

// Creation is whether the session may create a gMSA where they belong.
type Creation struct {
	Container string `json:"container,omitempty"`
	Judged
}

// Judged is an answer of which there are two: the server's, from an attribute that it works
// out for who asks, and ours, from the descriptor. Where they disagree it is unknown.
type Judged struct {
	Answer
	Server Word   `json:"server"`
	Effect string `json:"effect"` // a word of acl.Effect: our own judgement
}

// Answered says whether there is a yes or a no to everything that was asked: of each
// target, and about creating a gMSA.
func (r *Report) Answered() bool {
	for _, t := range r.Targets {
		if t.Descriptor.Word == Unknown || t.WriteDACL.Word == Unknown {
			return false
		}
	}
	return r.GMSA.Word != Unknown
}
