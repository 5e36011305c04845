package ldapx

import (
	"context"
	"net"
	"sync"
)

// ahead connects before there is a need, so that a connection costs no time of its own: the
// domain controller's while the KDC is asked, and the KDC's next while it answers. It sends
// no request, so that whatever comes of it, a password is tried as often as without it.
type ahead struct {
	ctx    context.Context
	cancel context.CancelFunc
	dial   dialFunc

	begin func(context.Context) (*channel, error)
	once  sync.Once
	done  chan struct{}
	ch    *channel
	err   error

	mu    sync.Mutex
	spare map[string][]chan dialed // by address
}

type dialed struct {
	conn net.Conn
	err  error
}

func newAhead(ctx context.Context, dial dialFunc, begin func(context.Context) (*channel, error)) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	return &ahead{ctx: ctx, cancel: cancel, dial: dial, begin: begin, done: make(chan struct{}), spare: map[string][]chan dialed{}}
}

// start begins to connect to the domain controller, once.
func (a *ahead) start() {
	a.once.Do(func() {
		go func() {
			defer close(a.done)
			a.ch, a.err = a.begin(a.ctx)
		}()
	})
}

// kdc dials for a client that will dial the same KDC up to so many times, one after the
// other: the first time for all of them.
func (a *ahead) kdc(times int) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		a.start()
		a.mu.Lock()
		waiting, known := a.spare[address]
		var next chan dialed
		switch {
		case len(waiting) > 0:
			next, a.spare[address] = waiting[0], waiting[1:]
		case !known:
			for range times - 1 {
				c := make(chan dialed, 1)
				a.spare[address] = append(a.spare[address], c)
				go func() {
					conn, err := a.dial(a.ctx, network, address)
					c <- dialed{conn, err}
				}()
			}
		}
		a.mu.Unlock()
		if next != nil {
			select {
			case d := <-next:
				if d.err == nil {
					return d.conn, nil
				}
			case <-ctx.Done():
				a.put(address, next)
				return nil, ctx.Err()
			}
		}
		return a.dial(ctx, network, address)
	}
}

// put gives back what was not waited for, to be closed in the end.
func (a *ahead) put(address string, c chan dialed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spare[address] = append(a.spare[address], c)
}

// channel waits for the connection to the domain controller.
func (a *ahead) channel() (*channel, error) {
	a.start()
	<-a.done
	ch := a.ch
	a.ch = nil // it is the caller's to close
	return ch, a.err
}

// end closes what nobody has taken.
func (a *ahead) end() {
	a.cancel()
	a.once.Do(func() { close(a.done) })
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, waiting := range a.spare {
		for _, c := range waiting {
			go func() {
				if d := <-c; d.conn != nil {
					d.conn.Close()
				}
			}()
		}
	}
	go func() {
		<-a.done
		if a.ch != nil {
			a.ch.raw.Close()
		}
	}()
}
