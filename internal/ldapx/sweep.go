package ldapx

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
)

// A sweep reads every object below a base in parts, each by a subtree search of its own: what
// is at and below an object is the object, and what is at and below each of its children. That
// holds for whatever the server shows of the base, with two conditions: the list of the
// children must be whole, and every child must be in it of which something below is shown.
//
// It is not split by a filter, as on ranges of names or GUIDs: an object whose name the reader
// may list but not read fits no filter but objectClass=*, and would be lost. [MS-ADTS]
// 3.1.1.3.1.3.1. So a container that has its objects right below it is one part.

// Of children that may be there to hold others, so many make parts of their own; of the other
// classes, each of which is a part, too, and a request for hardly more than one object, so many
// at most. The first look at the children of a container is at a few.
const (
	maxChildren = 1000
	maxLeaves   = 64
	firstLook   = 64
	// enough is how many parts are to wait before containers are taken as a whole.
	enough = 32
)

// part is what one search reads.
type part struct {
	base   string // DN, or GUID of an object that was in a list
	dn     string
	scope  directory.Scope
	listed bool // it was in a list, and may be gone since
	holds  bool // it may have been split
	size   uint32
	seen   seen
	failed int // attempts since something new came
	broken int // attempts
}

// sweep is the reading of all parts.
type sweep struct {
	pool *Pool
	q    directory.Query

	out  chan []directory.Entry
	over chan struct{} // closed when the loop was left, or when it failed

	mu      sync.Mutex
	more    *sync.Cond // with each change of what follows
	waiting []*part
	open    int // parts that are not read yet
	workers int // that are left
	err     error
	ended   bool // over is closed
	sent    int  // objects
}

func (p *Pool) sweep(ctx context.Context, q directory.Query, yield func(directory.Entry, error) bool) {
	w := &sweep{pool: p, q: q, out: make(chan []directory.Entry), over: make(chan struct{}), workers: len(p.slots)}
	w.more = sync.NewCond(&w.mu)
	w.push(&part{base: q.Base, dn: q.Base, scope: directory.Subtree, size: p.size})
	if err := w.prepare(ctx); err != nil {
		yield(directory.Entry{}, err)
		return
	}
	stop := context.AfterFunc(ctx, func() { w.end(fmt.Errorf("read %s: %w", name(q.Base), ctx.Err())) })
	defer stop()
	defer w.end(nil)
	var running sync.WaitGroup
	for _, at := range p.slots[:w.workers] {
		running.Go(func() { w.work(ctx, at) })
	}
	finished := make(chan struct{})
	go func() {
		running.Wait()
		close(finished)
	}()
	for {
		select {
		case batch := <-w.out:
			for i, e := range batch {
				batch[i] = directory.Entry{}
				if ctx.Err() != nil {
					break // w.over is closed, or about to be
				}
				if !yield(e, nil) {
					return
				}
			}
			continue
		case <-w.over:
		case <-finished:
		}
		if err := w.failure(ctx); err != nil {
			yield(directory.Entry{}, err)
		}
		return
	}
}

// prepare asks which server it is, and whether what it shows can be split.
func (w *sweep) prepare(ctx context.Context) error {
	id, err := w.pool.identify(ctx)
	if err != nil {
		return err
	}
	if id == nil {
		w.workers = 1
	}
	if w.workers == 1 {
		return nil
	}
	s, err := w.pool.slots[0].session(ctx)
	if err != nil {
		return err
	}
	hides, err := listsObjects(ctx, s, id.config)
	w.waiting[0].holds = !hides
	return err
}

// end closes over, once; err is nil where the loop was left.
func (w *sweep) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.ended, w.err = true, err
	close(w.over)
	w.more.Broadcast()
}

func (w *sweep) failure(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", name(w.q.Base), ctx.Err())
	}
	if w.err == nil && w.open > 0 {
		return fmt.Errorf("read %s: nobody is left to read %d parts", name(w.q.Base), w.open)
	}
	return w.err
}

func (w *sweep) push(parts ...*part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, parts...)
	w.open += len(parts)
	w.more.Broadcast()
}

// next waits for a part; nil when there will be no more.
func (w *sweep) next() *part {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) == 0 && w.open > 0 && !w.ended {
		w.more.Wait()
	}
	if w.ended || len(w.waiting) == 0 {
		return nil
	}
	p := w.waiting[0]
	w.waiting = w.waiting[1:]
	return p
}

// done takes a part off those that are to be read.
func (w *sweep) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	w.more.Broadcast()
}

// leave ends a worker unless it is the last one; its part is another one's then.
func (w *sweep) leave(p *part) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.workers == 1 {
		return false
	}
	w.workers--
	p.failed = 0
	w.waiting = slices.Insert(w.waiting, 0, p)
	w.more.Broadcast()
	return true
}

func (w *sweep) hungry() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) < enough
}

func (w *sweep) work(ctx context.Context, at *slot) {
	for p := w.next(); p != nil; p = w.next() {
		for {
			err := w.read(ctx, at, p)
			if err == nil || p.listed && isGone(err, p.base) {
				w.done()
				break
			}
			pause, next := w.judge(at, p, err)
			if next == leave && w.leave(p) {
				return
			}
			if next == giveUp {
				w.end(w.incomplete(p, err))
				return
			}
			if wait(ctx, pause) != nil {
				return
			}
		}
	}
}

// verdict is what to do about an error.
type verdict int

const (
	giveUp verdict = iota
	again
	leave // let others do it, if there are any
)

// maxBroken is how often a part may break, with something new each time.
const maxBroken = 50

// judge says what to do about an error, and after which pause.
func (w *sweep) judge(at *slot, p *part, err error) (pause time.Duration, next verdict) {
	p.failed++
	p.broken++
	waits := w.pool.backoff
	if p.failed > len(waits)+1 || p.broken > maxBroken || p.seen.full {
		return 0, giveUp
	}
	if p.failed > 1 {
		pause = waits[p.failed-2]
	}
	var result *ResultError
	var other *OtherServerError
	var none *noSessionError
	isResult := errors.As(err, &result)
	switch {
	case isForged(err):
	case errors.As(err, &none) && at != w.pool.slots[0]:
		return pause, leave
	case errors.As(err, &other):
	case isResult && isLimit(result.Code) && p.size > smallestPage:
		p.size = max(p.size/4, smallestPage)
		return 0, again
	case isResult && isLostCookie(result):
		return pause, leave
	case isResult && isLostSession(result):
		at.drop(result)
		return pause, again
	case !isGone(err, p.base) && isGone(err, ""):
		return pause, again // an object that was removed before all values of it had come
	case Retryable(err):
		return pause, again
	}
	return 0, giveUp
}

// isGone says whether an object does not exist: the base of a search or, without one, any.
func isGone(err error, base string) bool {
	var gone *directory.NotFoundError
	return errors.As(err, &gone) && (base == "" || gone.DN == base)
}

// isForged is a server that is not the one that was asked for.
func isForged(err error) bool {
	return errors.Is(err, gss.ErrMutualAuth) || errors.Is(err, gss.ErrIntegrity)
}

// smallestPage is how few objects are asked for at a time before limits of the server end a sweep.
const smallestPage = 1

// isLimit is a server that stopped before the end: the time or the size that it allows.
func isLimit(code uint16) bool {
	return code == CodeTimeLimit || code == CodeSizeLimit || code == CodeAdminLimit
}

// isLostCookie is a server that does not know any more where a search was: it keeps only so
// many cookies for all of its clients. [MS-ADTS] 3.1.1.3.4.6, MaxResultSetSize.
func isLostCookie(e *ResultError) bool {
	return (e.Code == ldap.LDAPResultUnavailableCriticalExtension || e.Code == ldap.LDAPResultUnwillingToPerform) && strings.HasPrefix(e.Message, "00000057")
}

// isLostSession is a server that does not know any more who asks. [MS-ADTS] 5.1.1.
func isLostSession(e *ResultError) bool {
	return e.Code == ldap.LDAPResultOperationsError && strings.HasPrefix(e.Message, "000004DC")
}

// drop ends the session in the slot.
func (at *slot) drop(cause error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.s != nil {
		at.s.end(cause)
	}
}

// incomplete is why the sweep ends, with how far it came.
func (w *sweep) incomplete(p *part, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Errors of a search name its base, which may be a GUID.
	var broken *ConnectionError
	var result *ResultError
	switch {
	case errors.As(err, &broken) && broken.DN == p.base:
		broken.DN = p.dn
	case errors.As(err, &result) && result.DN == p.base:
		result.DN = p.dn
	}
	if w.sent == 0 {
		return err
	}
	return fmt.Errorf("%d objects had come, and not all: %w", w.sent, err)
}

// noSessionError is that there is no session in a slot.
type noSessionError struct{ err error }

func (e *noSessionError) Error() string { return e.err.Error() }
func (e *noSessionError) Unwrap() error { return e.err }

// read reads what is left of a part.
func (w *sweep) read(ctx context.Context, at *slot, p *part) error {
	s, err := at.session(ctx)
	if err != nil {
		return &noSessionError{err}
	}
	if p.holds && w.hungry() {
		p.holds = false
		children, err := w.split(ctx, s, p)
		if err != nil {
			p.holds = true
			return err
		}
		if children != nil {
			p.scope = directory.Base
			for _, c := range children {
				c.size = w.pool.size
			}
			w.push(children...)
		}
	}
	q := w.q
	q.Base, q.Scope = p.base, p.scope
	if p.scope == directory.Base {
		return s.read(ctx, q, func(e directory.Entry, _ error) bool { return w.give(p, []directory.Entry{e}) })
	}
	for page, err := range s.pages(ctx, q, p.size) {
		if err != nil {
			return err
		}
		page.ahead()
		for i := range page.entries {
			// Its ranges have an order on this connection only: on another it is read anew.
			if page.entries[i], err = s.entry(ctx, page.entries[i]); err != nil {
				return err
			}
		}
		if !w.give(p, page.entries) {
			return nil
		}
	}
	return nil
}

// give passes on what did not come before; false when nobody wants it.
func (w *sweep) give(p *part, entries []directory.Entry) bool {
	batch := entries[:0]
	for _, e := range entries {
		if p.seen.add(e.DN) {
			batch = append(batch, e)
		}
	}
	if len(batch) == 0 {
		return true
	}
	n := len(batch)
	select {
	case w.out <- batch:
		p.failed = 0
		w.mu.Lock()
		w.sent += n
		w.mu.Unlock()
		return true
	case <-w.over:
		return false
	}
}

// split lists the children of a part's base; nil where they do not make parts.
func (w *sweep) split(ctx context.Context, s *Session, p *part) ([]*part, error) {
	children, whole, err := s.children(ctx, p.base, firstLook)
	if err != nil {
		return nil, err
	}
	if !whole {
		leaves := 0
		for _, c := range children {
			if !c.holds {
				leaves++
			}
		}
		if leaves > firstLook/4 {
			return nil, nil
		}
		if children, whole, err = s.children(ctx, p.base, maxChildren); err != nil || !whole {
			return nil, err
		}
	}
	holders := 0
	for _, c := range children {
		if c.holds {
			holders++
		}
	}
	// Without children, the reader may not see them, and see what is below them.
	if holders == 0 || len(children)-holders > maxLeaves {
		return nil, nil
	}
	return children, nil
}

// children are the objects right below one, as parts, or the first few of them.
func (s *Session) children(ctx context.Context, base string, most int) (children []*part, whole bool, err error) {
	request, err := searchRequest(directory.Query{Base: base, Scope: directory.OneLevel, Attrs: []string{"objectClass", "objectGUID"}})
	if err != nil {
		return nil, false, err
	}
	// Without pages: those of a list that is left would keep a cookie of the server.
	request.SizeLimit = most
	found, err := s.search(ctx, request)
	var result *ResultError
	switch {
	case err == nil:
		whole = true
	case errors.As(err, &result) && isLimit(result.Code):
	default:
		return nil, false, err
	}
	once := map[string]bool{}
	for _, e := range found.entries {
		if once[e.DN] {
			continue
		}
		once[e.DN] = true
		c := &part{base: e.DN, dn: e.DN, scope: directory.Subtree, listed: true}
		// By its GUID it is found when it was renamed or moved since.
		if guid := e.Value("objectGUID"); len(guid) == 16 {
			c.base = fmt.Sprintf("<GUID=%x>", guid)
		}
		c.holds = slices.ContainsFunc(e.Texts("objectClass"), func(class string) bool {
			return slices.ContainsFunc(holders, func(holder string) bool { return strings.EqualFold(class, holder) })
		})
		children = append(children, c)
	}
	return children, whole, nil
}

// holders are the classes of objects that are there to hold many others. Objects of others may
// hold some, too.
var holders = []string{"organizationalUnit", "container", "builtinDomain", "lostAndFound", "domainDNS", "organization", "locality", "country"}

// seen are the objects of a part that have come, by their DNs: what is read again after a
// session broke does not come again. It holds 16 bytes of hash for each, up to maxSeen.
type seen struct {
	seeds [2]maphash.Seed
	keys  map[[2]uint64]struct{}
	full  bool // there were more: the part cannot be read again
}

// maxSeen is how many objects of one part may have come when it is read again.
const maxSeen = 1 << 20

func (s *seen) add(dn string) (isNew bool) {
	if s.full {
		return true
	}
	if s.keys == nil {
		s.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
		s.keys = map[[2]uint64]struct{}{}
	}
	key := [2]uint64{maphash.String(s.seeds[0], dn), maphash.String(s.seeds[1], dn)}
	if _, known := s.keys[key]; known {
		return false
	}
	if s.keys[key] = struct{}{}; len(s.keys) >= maxSeen {
		s.keys, s.full = nil, true
	}
	return true
}
