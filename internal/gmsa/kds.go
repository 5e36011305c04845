package gmsa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Sight is how much of something the reader may see. The zero value says nothing was seen.
type Sight int

// The three answers about the root keys.
const (
	NotVisible Sight = iota // no key object is shown: there is none, or it may not be seen
	Unreadable              // key objects are shown, and nothing of them
	Readable
)

var sightNames = []string{"not-visible", "unreadable", "readable"}

func (s Sight) String() string { return sightNames[s] }

// MarshalText is the word for it.
func (s Sight) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word for it.
func (s *Sight) UnmarshalText(text []byte) error {
	i := slices.Index(sightNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not one of %v", text, sightNames)
	}
	*s = Sight(i)
	return nil
}

// RootKey is a root key of the Key Distribution Service, without its secret, which is never
// asked for. [MS-ADSC] 2.168, [MS-GKDI] 2.2.
type RootKey struct {
	ID      sddl.GUID
	DN      string
	Created time.Time // msKds-CreateTime; else whenCreated; zero where neither is shown
	Start   time.Time // msKds-UseStartTime; zero where it is not shown
}

// KDS is what is seen of the forest's root keys.
type KDS struct {
	Container string // DN
	Sight     Sight
	Keys      []RootKey // the one that is used from the latest time on comes last
	Now       time.Time // the domain controller's clock; zero where it does not say

	// Unrecorded says that a capture cannot tell NotVisible from Unreadable: nobody listed what is there.
	Unrecorded bool
}

// convergence is how long domain controllers wait before they use a new key, so that all of
// them have it. Windows Server documentation, "Create the Key Distribution Services KDS root key".
const convergence = 10 * time.Hour

// KDSContainer is the DN of the object below which root keys are.
func KDSContainer(d *directory.Domain) string {
	return "CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services," + d.ConfigurationDN
}

// RootKeys reads what there is of root keys, and the domain controller's clock.
func RootKeys(ctx context.Context, r directory.Reader, d *directory.Domain) (*KDS, error) {
	k := &KDS{Container: KDSContainer(d)}
	root, err := directory.Collect(r.Read(ctx, directory.Query{Attrs: []string{"currentTime"}}))
	if err != nil {
		return nil, fmt.Errorf("read the clock of %s: %w", d.Host, err)
	}
	for _, e := range root {
		k.Now = timeOf(directory.ParseTime, e.Text("currentTime"))
	}
	q := directory.Query{
		Base: k.Container, Scope: directory.OneLevel, Any: []directory.Match{{Attr: "objectClass", Value: "msKds-ProvRootKey"}},
		Attrs: []string{"cn", "msKds-UseStartTime", "msKds-CreateTime", "whenCreated"},
	}
	found, err := directory.Collect(r.Read(ctx, q))
	if err == nil && len(found) == 0 {
		// Who may not read an object may still list it, and then no filter fits it.
		q.Any = nil
		found, err = directory.Collect(r.Read(ctx, q))
	}
	missing, unrecorded := (*directory.NotFoundError)(nil), (*directory.NotRecordedError)(nil)
	switch {
	case errors.As(err, &missing):
		return k, nil
	case errors.As(err, &unrecorded):
		k.Unrecorded = true
		return k, nil
	case err != nil:
		return nil, fmt.Errorf("read the root keys: %w", err)
	}
	for _, e := range found {
		id, err := sddl.ParseGUID(directory.NameOfDN(e.DN))
		if err != nil {
			continue // something else that was put there
		}
		key := RootKey{ID: id, DN: e.DN, Created: timeOf(directory.ParseFileTime, e.Text("msKds-CreateTime")), Start: timeOf(directory.ParseFileTime, e.Text("msKds-UseStartTime"))}
		if key.Created.IsZero() {
			key.Created = timeOf(directory.ParseTime, e.Text("whenCreated"))
		}
		k.Sight = max(k.Sight, Unreadable)
		if !key.Start.IsZero() {
			k.Sight = Readable
		}
		k.Keys = append(k.Keys, key)
	}
	slices.SortFunc(k.Keys, func(a, b RootKey) int {
		if order := a.Start.Compare(b.Start); order != 0 {
			return order
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return k, nil
}

// Usable is the key that a domain controller would use now: of those whose time has come, the
// one whose time came last. [MS-GKDI] 3.1.4.1.1.
func (k *KDS) Usable() (RootKey, bool) {
	for _, key := range slices.Backward(k.Keys) {
		if !key.Start.IsZero() && !k.Now.IsZero() && !key.Start.After(k.Now) {
			return key, true
		}
	}
	return RootKey{}, false
}

// Converged says whether the key is old enough for every domain controller to have it.
func (k *KDS) Converged(key RootKey) bool {
	return !key.Created.IsZero() && !k.Now.IsZero() && k.Now.Sub(key.Created) >= convergence
}

// KeyError says that service accounts cannot be made yet.
type KeyError struct {
	Why  string
	From time.Time // when they can be; zero: when somebody has made a root key
}

func (e *KeyError) Error() string { return e.Why }

// Check is a *KeyError where it is certain that no account can be made, and otherwise the
// notes about what is not.
func (k *KDS) Check() (notes []string, err error) {
	switch {
	case k.Now.IsZero():
		return []string{"The domain controller does not say what time it is, so whether a root key is old enough is unknown."}, nil
	case k.Unrecorded:
		return []string{"Whoever took the capture was shown no KDS root key that may be read, so whether there is one is unknown."}, nil
	case k.Sight == NotVisible:
		return nil, &KeyError{Why: "no KDS root key is visible in " + k.Container + ", and without one no domain controller can make a password"}
	case k.Sight == Unreadable:
		return []string{fmt.Sprintf("%d KDS root keys are visible and may not be read, so whether one is old enough is unknown: the domain controller will say.", len(k.Keys))}, nil
	}
	key, ok := k.Usable()
	if !ok {
		first := time.Time{}
		for _, key := range k.Keys {
			if !key.Start.IsZero() && (first.IsZero() || key.Start.Before(first)) {
				first = key.Start
			}
		}
		return nil, &KeyError{
			Why:  fmt.Sprintf("the KDS root key may not be used before %s (it is %s at %s)", stamp(first), stamp(k.Now), "the domain controller"),
			From: first,
		}
	}
	if !k.Converged(key) {
		notes = append(notes, fmt.Sprintf("KDS root key %s was made at %s, less than ten hours ago: a domain controller that it has not reached yet cannot give out passwords made from it.", key.ID, stamp(key.Created)))
	}
	return notes, nil
}

// stamp is a time for people everywhere.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// timeOf is a time that an attribute shows; zero where it shows none.
func timeOf(parse func(string) (time.Time, error), text string) time.Time {
	t, err := parse(text)
	if err != nil {
		return time.Time{}
	}
	return t
}
