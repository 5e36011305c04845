package ldapx

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
)

var _ directory.Reader = (*Pool)(nil)

// MaxConnections is how many sessions a Pool may have: a domain controller has four threads a
// processor, and a cache of paging cookies that all of its clients share.
const MaxConnections = 4

// Pool reads from one domain controller over several sessions. A query for every object below
// a base is split into parts that are read side by side, where there is more than one; when a session breaks, another one
// reads its part to the end, and what came before comes no second time. Other queries go over
// one session. It writes nothing: a session does that.
type Pool struct {
	slots   []*slot
	again   func(ctx context.Context) (*Session, error) // another session with the same domain controller
	backoff []time.Duration
	size    uint32 // of pages, in objects
	levels  int    // how many a sweep reads one by one

	mu     sync.Mutex
	closed bool
	server *serverIdentity // of the first session; nil: it is not known, and there can be no other one
}

// slot is one place for a session, in which another one follows when it ends.
type slot struct {
	pool *Pool
	mu   sync.Mutex
	s    *Session // nil: none yet
}

// NewPool reads over so many sessions, of which first is one. The others are opened when there
// is something to do for them; that they cannot be is no error.
func NewPool(first *Session, connections int) *Pool {
	p := &Pool{again: first.another, backoff: first.backoff, size: pageSize, levels: maxLevels}
	for range max(1, min(connections, MaxConnections)) {
		p.slots = append(p.slots, &slot{pool: p})
	}
	p.slots[0].s = first
	return p
}

// Close ends all sessions, the first one, too.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	var errs []error
	for _, at := range p.slots {
		at.mu.Lock()
		if at.s != nil {
			errs = append(errs, at.s.Close())
		}
		at.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Read answers a query. Objects come in no order. Where a part of them could not be read, the
// last thing that comes is an error: Retryable says whether all of it may succeed when it is
// begun anew. An object that is renamed or moved meanwhile may come twice, or not at all, as
// with any search that takes time.
func (p *Pool) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	if q.Scope == directory.Subtree && len(q.Any) == 0 {
		return func(yield func(directory.Entry, error) bool) { p.sweep(ctx, q, yield) }
	}
	return func(yield func(directory.Entry, error) bool) {
		for try := 0; ; try++ {
			given := false
			s, err := p.slots[0].session(ctx)
			if err == nil {
				err = s.read(ctx, q, func(e directory.Entry, err error) bool {
					given = true
					return yield(e, err)
				})
			}
			if err == nil {
				return
			}
			var broken *ConnectionError
			if given || !errors.As(err, &broken) || !Retryable(err) || p.known() == nil || try >= len(p.backoff) || wait(ctx, p.backoff[try]) != nil {
				yield(directory.Entry{}, err)
				return
			}
		}
	}
}

// session is the one in the slot, or where it has ended another one with the same domain
// controller.
func (at *slot) session(ctx context.Context) (*Session, error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	p := at.pool
	server := p.known()
	if at.s != nil && (at.s.over() == nil || server == nil) {
		return at.s, nil // whoever uses it hears why it is over
	}
	s, err := p.again(ctx)
	if err != nil {
		return nil, err
	}
	if err := server.check(ctx, s); err != nil {
		_ = s.Close()
		return nil, err
	}
	at.s = s
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = s.Close()
		return nil, errClosed
	}
	return s, nil
}

// serverIdentity tells one domain controller from another, and from the one that has its name
// after it was set up anew or restored. [MS-ADTS] 3.1.1.3.2.17, 3.1.1.1.9.
type serverIdentity struct {
	service    string // DN of its settings
	invocation string // in hex; empty where the reader may not see it
	config     string // DN of the configuration naming context
}

// identify asks the session who its server is; nil where it does not say.
func identify(ctx context.Context, s *Session) (*serverIdentity, error) {
	root, err := directory.Collect(s.Read(ctx, directory.Query{Attrs: []string{"dsServiceName", "configurationNamingContext"}}))
	if err != nil || len(root) != 1 || root[0].Text("dsServiceName") == "" {
		return nil, err
	}
	id := &serverIdentity{service: root[0].Text("dsServiceName"), config: root[0].Text("configurationNamingContext")}
	settings, err := directory.Collect(s.Read(ctx, directory.Query{Base: id.service, Attrs: []string{"invocationId"}}))
	if unseen := (*directory.NotFoundError)(nil); err != nil && !errors.As(err, &unseen) {
		return nil, err
	}
	for _, e := range settings {
		id.invocation = hex.EncodeToString(e.Value("invocationId"))
	}
	return id, nil
}

// check refuses a session with another server: that may not have seen yet what this one has.
func (id *serverIdentity) check(ctx context.Context, s *Session) error {
	got, err := identify(ctx, s)
	switch {
	case err != nil:
		return err
	case got == nil:
		return &OtherServerError{Want: id.service, Got: "one that does not say which it is"}
	case !strings.EqualFold(got.service, id.service) || got.invocation != id.invocation:
		return &OtherServerError{Want: id.service, Got: got.service}
	}
	return nil
}

// known is the server that every session must be with; nil where it is not known.
func (p *Pool) known() *serverIdentity {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server
}

// identify asks the first session, unless the answer is known.
func (p *Pool) identify(ctx context.Context) (*serverIdentity, error) {
	if known := p.known(); known != nil {
		return known, nil
	}
	s, err := p.slots[0].session(ctx)
	if err != nil {
		return nil, err
	}
	id, err := identify(ctx, s)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = id
	return id, nil
}

// OtherServerError says that another domain controller answered than the one that a reading
// was begun with, or that it was restored meanwhile.
type OtherServerError struct{ Want, Got string } // the DNs of their settings

func (e *OtherServerError) Error() string {
	if strings.EqualFold(e.Want, e.Got) {
		return "the domain controller " + e.Want + " is not the same as before: it was restored or set up anew"
	}
	return "another domain controller answered: " + e.Got + ", not " + e.Want
}

// listsObjects says whether an object may be hidden in a container that shows others: in a
// forest that has turned on the list object right. It does where nobody can tell. [MS-ADTS]
// 5.1.3.3.6, 6.1.1.2.4.1.2.
func listsObjects(ctx context.Context, s *Session, config string) (bool, error) {
	found, err := directory.Collect(s.Read(ctx, directory.Query{
		Base: "CN=Directory Service,CN=Windows NT,CN=Services," + config, Attrs: []string{"dSHeuristics"},
	}))
	if unseen := (*directory.NotFoundError)(nil); errors.As(err, &unseen) {
		return true, nil
	}
	if err != nil || len(found) != 1 {
		return true, err
	}
	heuristics := found[0].Text("dSHeuristics")
	return len(heuristics) > 2 && heuristics[2] != '0', nil
}
