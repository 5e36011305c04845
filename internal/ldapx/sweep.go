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

// A sweep over several connections reads every object below a base in levels: the base, and
// what is right below each object that has something below it. Which those are is known by a
// list of everything below the base, without attributes, as one search gives it: whatever the
// server shows in that, it shows in the level of its parent, too. Containers are known before
// the list has come to them, for they come with the level above.
//
// A level is a search of its own, which a domain controller answers from an index. What is at and
// below a container would make parts as well, but Samba looks at the whole domain for each of
// those. Ranges of names or GUIDs make no parts: an object whose name the reader may list but not
// read fits no filter but objectClass=*, and would be lost. [MS-ADTS] 3.1.1.3.1.3.1.
//
// A level that is not found was renamed or moved, or is an object that the reader may not see
// though it sees what is below. Then, and where there are too many levels, all is read once more at
// the end, for what is in no level that was read.

// kind is what a part is for.
type kind int

const (
	whole kind = iota // all at and below the base, on one connection
	top               // the base itself
	level             // what is right below an object
	list              // what there is: it gives nothing
	rest              // what is in no level that was read
)

// maxLevels is how many objects may have a level when the list names another one.
const maxLevels = 5000

// part is what one search reads.
type part struct {
	kind   kind
	base   string // DN
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
	open    int             // parts that are not read yet
	levels  map[string]bool // by the DNKey of their base: whether it was read to the end
	missed  bool            // something may be in no level
	workers int             // that are left
	err     error
	ended   bool // over is closed
	sent    int  // objects
}

func (p *Pool) sweep(ctx context.Context, q directory.Query, yield func(directory.Entry, error) bool) {
	w := &sweep{pool: p, q: q, out: make(chan []directory.Entry), over: make(chan struct{}), workers: len(p.slots), levels: map[string]bool{}}
	w.more = sync.NewCond(&w.mu)
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
	hides := true
	if id == nil {
		w.workers = 1
	}
	if w.workers > 1 {
		s, err := w.pool.slots[0].session(ctx)
		if err != nil {
			return err
		}
		if hides, err = listsObjects(ctx, s, id.config); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if hides {
		w.push(whole, w.q.Base)
		return nil
	}
	w.push(top, w.q.Base)
	w.addLevel(w.q.Base)
	w.push(list, w.q.Base)
	return nil
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

// push adds a part. w.mu is held.
func (w *sweep) push(k kind, base string) {
	w.waiting = append(w.waiting, &part{kind: k, base: base, size: w.pool.size})
	w.open++
	w.more.Broadcast()
}

// addLevel adds what is right below an object, once. w.mu is held.
func (w *sweep) addLevel(base string) {
	key := directory.DNKey(base)
	if _, known := w.levels[key]; !known {
		w.levels[key] = false
		w.push(level, base)
	}
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

// done takes a part off those that are to be read; found is whether its base was there.
func (w *sweep) done(p *part, found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.kind == level && found:
		w.levels[directory.DNKey(p.base)] = true
	case p.kind == level:
		w.missed = true
	}
	w.open--
	if w.open == 0 && w.missed && !w.ended {
		w.missed = false
		w.push(rest, w.q.Base)
	}
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

func (w *sweep) work(ctx context.Context, at *slot) {
	for p := w.next(); p != nil; p = w.next() {
		for {
			err := w.read(ctx, at, p)
			missing := p.kind == level && isGone(err, p.base)
			if err == nil || missing {
				w.done(p, !missing)
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
	q := w.q
	switch p.kind {
	case top:
		q.Scope = directory.Base
		return s.read(ctx, q, func(e directory.Entry, _ error) bool { return w.give(p, []directory.Entry{e}) })
	case level:
		q.Base, q.Scope = p.base, directory.OneLevel
	case list:
		q = directory.Query{Base: q.Base, Scope: directory.Subtree}
	}
	for page, err := range s.pages(ctx, q, p.size) {
		if err != nil {
			return err
		}
		page.ahead()
		if p.kind == list {
			w.listed(page.entries)
			p.failed = 0
			continue
		}
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

// listed sees to it that every object of the list is in a level.
func (w *sweep) listed(entries []directory.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := ""
	for _, e := range entries {
		parent := directory.ParentDN(e.DN)
		if parent == last || directory.SameDN(e.DN, w.q.Base) {
			continue // what is below the same object often comes in a row
		}
		last = parent
		if _, known := w.levels[directory.DNKey(parent)]; !known && len(w.levels) >= w.pool.levels {
			w.missed = true
			continue
		}
		w.addLevel(parent)
	}
}

// inNoLevel leaves what is in no level that was read, and is not the base.
func (w *sweep) inNoLevel(entries []directory.Entry) []directory.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(entries, func(e directory.Entry) bool {
		return w.levels[directory.DNKey(directory.ParentDN(e.DN))] || directory.SameDN(e.DN, w.q.Base)
	})
}

// give passes on what did not come before; false when nobody wants it.
func (w *sweep) give(p *part, entries []directory.Entry) bool {
	if p.kind == rest {
		entries = w.inNoLevel(entries)
	}
	batch := entries[:0]
	for _, e := range entries {
		if p.seen.add(e.DN) {
			batch = append(batch, e)
		}
	}
	if len(batch) == 0 {
		return true
	}
	if p.kind == level {
		w.mu.Lock()
		for _, e := range batch {
			if isHolder(e) {
				w.addLevel(e.DN)
			}
		}
		w.mu.Unlock()
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

// isHolder says whether an object is of a class that is there to hold others. Objects of other
// classes may hold some, too: the list tells.
func isHolder(e directory.Entry) bool {
	return slices.ContainsFunc(e.Texts("objectClass"), func(class string) bool {
		return slices.ContainsFunc(holders, func(holder string) bool { return strings.EqualFold(class, holder) })
	})
}

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
