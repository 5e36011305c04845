package ldapx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// wire stands between go-ldap and a protected connection. It cuts what the server sends into
// messages, takes out the answers to the searches of this package and the notices of a server
// that hangs up, and leaves the rest to go-ldap: that knows no notice, and decodes an entry at
// the price of a domain controller finding it.
type wire struct {
	net.Conn
	in   *bufio.Reader
	rest []byte // what go-ldap has not read yet of its message

	heard atomic.Int64 // when the last message or part of one came, in nanoseconds since 1970
	last  atomic.Int64 // number of the last search

	mu       sync.Mutex
	searches map[int64]*answers
	err      error // why nothing more comes
}

// firstSearch is the message ID of the first search. go-ldap counts its own from 1.
const firstSearch = 1 << 30

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, searches: map[int64]*answers{}}
	w.in = bufio.NewReaderSize(listener{w}, 64<<10)
	w.last.Store(firstSearch - 1)
	w.heard.Store(time.Now().UnixNano())
	return w
}

// listener notes when something comes.
type listener struct{ w *wire }

func (l listener) Read(p []byte) (int, error) {
	n, err := l.w.Conn.Read(p)
	if n > 0 {
		l.w.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// Read is for go-ldap's one reader.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		m, err := w.message()
		if err == nil {
			w.rest, err = w.sort(m)
		}
		if err != nil {
			w.fail(err)
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.fail(err)
	}
	return n, err
}

// Close is called by go-ldap, too, when it understands the server no more.
func (w *wire) Close() error {
	w.fail(net.ErrClosed)
	return w.Conn.Close()
}

// fail ends all searches, and those to come.
func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	for id, a := range w.searches {
		a.add(nil, w.err)
		delete(w.searches, id)
	}
}

// failure is why nothing more comes; nil while there is none.
func (w *wire) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

var errNotLDAP = errors.New("what the server sent is not LDAP")

// message is the next message, whole. RFC 4511, 5.1: lengths are definite.
func (w *wire) message() ([]byte, error) {
	head, err := w.in.Peek(2)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	size, n := 2, int(head[1])
	if head[0] != 0x30 {
		return nil, errNotLDAP
	}
	if octets := n & 0x7f; n >= 0x80 {
		if octets == 0 || octets > 4 {
			return nil, errNotLDAP
		}
		if head, err = w.in.Peek(2 + octets); err != nil {
			return nil, unexpected(err)
		}
		size, n = 2+octets, 0
		for _, b := range head[2:] {
			n = n<<8 | int(b)
		}
	}
	if n > maxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes", errNotLDAP, n)
	}
	// A length alone costs the server nothing: beyond what is usual it is read as it comes.
	if n <= 1<<20 {
		m := make([]byte, size+n)
		_, err := io.ReadFull(w.in, m)
		return m, unexpected(err)
	}
	m, err := io.ReadAll(io.LimitReader(w.in, int64(size+n)))
	if err == nil && len(m) < size+n {
		err = io.ErrUnexpectedEOF
	}
	return m, err
}

// sort gives a message to the search that waits for it, or returns it.
func (w *wire) sort(m []byte) ([]byte, error) {
	id, op, ok := openMessage(m)
	switch {
	case !ok:
		return nil, errNotLDAP
	case id >= firstSearch:
		w.mu.Lock()
		defer w.mu.Unlock()
		// One that nobody waits for any more is let go.
		if a := w.searches[id]; a != nil {
			a.add(m, nil)
		}
		return nil, nil
	case id == 0 && len(op) > 0 && op[0] == tagExtendedResponse:
		notice, err := parseNotice(op)
		if err != nil || notice == nil {
			return nil, err // a client ignores other notices. RFC 4511, 4.4
		}
		return nil, notice
	}
	return m, nil
}

// expect is the message ID of a new search, and what will answer it.
func (w *wire) expect() (int64, *answers, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, nil, w.err
	}
	id := w.last.Add(1)
	a := &answers{come: make(chan struct{}, 1)}
	w.searches[id] = a
	return id, a, nil
}

// forget lets go what still comes for a search.
func (w *wire) forget(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.searches, id)
}

// silent is how long nothing has come since a moment.
func (w *wire) silent(since time.Time) time.Duration {
	return time.Since(time.Unix(0, max(w.heard.Load(), since.UnixNano())))
}

// answers are the messages of one search. They are held until they are taken: the connection
// is for others, too, and must not wait for one that does not take them.
type answers struct {
	mu   sync.Mutex
	list [][]byte
	err  error
	come chan struct{} // has an element when there is something
}

func (a *answers) add(m []byte, err error) {
	a.mu.Lock()
	if err == nil {
		a.list = append(a.list, m)
	} else {
		a.err = err
	}
	a.mu.Unlock()
	select {
	case a.come <- struct{}{}:
	default:
	}
}

// take waits for messages. After an error there are none.
func (a *answers) take() ([][]byte, error) {
	for {
		a.mu.Lock()
		list, err := a.list, a.err
		a.list = nil
		a.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return list, nil
		}
		<-a.come
	}
}

// NoticeError is a server that hangs up and says why. RFC 4511, 4.4.1.
type NoticeError struct {
	Code    uint16
	Message string // the server's, for people
}

func (e *NoticeError) Error() string {
	s := fmt.Sprintf("the server ended the session: %s (%d)", codeName(e.Code), e.Code)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// SilenceError is a server of which nothing came any more.
type SilenceError struct{ For time.Duration }

func (e *SilenceError) Error() string {
	return fmt.Sprintf("nothing came from the server for %v", e.For)
}

func codeName(code uint16) string {
	if name, ok := ldap.LDAPResultCodeMap[code]; ok {
		return strings.ToLower(name)
	}
	return "result"
}
