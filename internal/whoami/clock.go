package whoami

import (
	"context"
	"fmt"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// Clock compares the server's clock with the local one.
type Clock struct {
	Server time.Time `json:"serverTime"` // in whole seconds
	// Ahead is how far the server's clock is ahead of the local one, negative where it is
	// behind; it is right to within Within. Both in seconds.
	Ahead  float64 `json:"aheadSeconds"`
	Within float64 `json:"withinSeconds"`
}

// A server tells the time in whole seconds, [MS-ADTS] 3.1.1.3.2.7: where the second turns
// between two answers the offset is known to that distance.
const (
	clockLooks = 9
	clockEvery = 125 * time.Millisecond
)

// timing is the local clock.
type timing struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

var local = timing{time.Now, sleep}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readClock looks at the server's clock until its second turns.
func readClock(ctx context.Context, r directory.Reader, at timing) (*Clock, error) {
	// The server's time minus the local one is within [least, most].
	var least, most time.Duration
	var server time.Time
	for look := range clockLooks {
		if look > 0 {
			if err := at.sleep(ctx, clockEvery); err != nil {
				return nil, fmt.Errorf("read the server's clock: %w", err)
			}
		}
		before := at.now()
		root, err := directory.Collect(r.Read(ctx, directory.Query{Attrs: []string{"currentTime"}}))
		after := at.now()
		if err != nil {
			return nil, fmt.Errorf("read the server's clock: %w", err)
		}
		if len(root) != 1 || root[0].Text("currentTime") == "" {
			return nil, nil
		}
		told, err := directory.ParseTime(root[0].Text("currentTime"))
		if err != nil {
			return nil, fmt.Errorf("read the server's clock: %w", err)
		}
		turned := look > 0 && told.After(server)
		low, high := told.Sub(after), told.Add(time.Second).Sub(before)
		if look == 0 || low > most || high < least {
			least, most = low, high // the first one, or one of the clocks was set
		} else {
			least, most = max(least, low), min(most, high)
		}
		server = told
		if turned {
			break
		}
	}
	return &Clock{
		Server: server,
		Ahead:  ((least + most) / 2).Round(time.Millisecond).Seconds(),
		Within: ((most - least + 1) / 2).Round(time.Millisecond).Seconds(),
	}, nil
}
