package feedstate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrCutOff reports that the database has not answered, so that nobody can tell
// whether the states are the present ones.
var ErrCutOff = errors.New("the database has not answered")

// errBusy reports that more requests wait for a look than may.
var errBusy = errors.New("too many requests wait for the database")

const (
	// cutOffAfter is the age of the states from which on they count as old.
	// Looks are a second apart.
	cutOffAfter = 5 * time.Second
	// freshTimeout is how long a request waits for its look.
	freshTimeout = 5 * time.Second
	// maxWaiters is how many requests wait for one look.
	maxWaiters = 4096
)

// look is one look at the database that requests wait for.
type look struct {
	waiters int
	done    chan struct{}
	err     error // once done is closed
}

// Look reads what has changed, at once. It also serves those who wait in Fresh.
func (f *Feeds) Look(ctx context.Context) error {
	f.looking.Lock()
	defer f.looking.Unlock()
	began := time.Now()
	waited := f.take()
	err := f.readChanged(ctx)
	if err == nil {
		f.seen.Store(&began)
	}
	if waited != nil {
		waited.err = err
		close(waited.done)
	}
	return err
}

// take returns the look that requests wait for. Who comes from now on waits for
// the next one.
func (f *Feeds) take() *look {
	f.asking.Lock()
	defer f.asking.Unlock()
	taken := f.next
	f.next = nil
	return taken
}

func (f *Feeds) isAsked() bool {
	f.asking.Lock()
	defer f.asking.Unlock()
	return f.next != nil
}

// Fresh waits for a look at the database that begins after the call: afterwards
// the states hold whatever was committed before it. One look serves all who wait,
// and looks begin at most every 250 ms, so no number of calls floods the database.
//
// Fresh returns ErrCutOff, wrapped, if the look takes longer than 5 s, and at
// once while [Feeds.CutOff]; another error if the look fails or too many wait.
// It needs Run.
func (f *Feeds) Fresh(ctx context.Context) error {
	if age, is := f.CutOff(); is {
		return fmt.Errorf("%w for %v", ErrCutOff, age.Round(time.Second))
	}
	l, err := f.join()
	if err != nil {
		return err
	}
	timeout := time.NewTimer(freshTimeout)
	defer timeout.Stop()
	select {
	case <-l.done:
		return l.err
	case <-timeout.C:
		return fmt.Errorf("%w for %v", ErrCutOff, freshTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the next look, with the caller among its waiters.
func (f *Feeds) join() (*look, error) {
	f.asking.Lock()
	defer f.asking.Unlock()
	if f.next == nil {
		f.next = &look{done: make(chan struct{})}
		select {
		case f.asked <- struct{}{}:
		default:
		}
	}
	if f.next.waiters == maxWaiters {
		return nil, errBusy
	}
	f.next.waiters++
	return f.next, nil
}

// Age is how old the states may be: the time since the last look that succeeded
// began.
func (f *Feeds) Age() time.Duration { return time.Since(*f.seen.Load()) }

// CutOff returns the age of the states, and whether they count as old, since
// looks fail or hang.
func (f *Feeds) CutOff() (age time.Duration, is bool) {
	age = f.Age()
	return age, age > cutOffAfter
}
