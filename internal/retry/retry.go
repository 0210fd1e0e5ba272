// Package retry has the waits between retries, which grow, and logs one warning per outage,
// however long the outage lasts.
package retry

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Tries is one row of tries, from the first failure on.
type Tries struct {
	policy *backoff.ExponentialBackOff
	since  time.Time
}

// Begin begins a row of tries. The waits between them grow from about first to about
// longest, and differ by chance, so that not all who wait come at once.
func Begin(first, longest time.Duration) *Tries {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = first, longest
	return &Tries{policy, time.Now()}
}

// Again starts over, as after progress.
func (t *Tries) Again() {
	t.policy.Reset()
	t.since = time.Now()
}

// Lasted is how long this row of tries has lasted.
func (t *Tries) Lasted() time.Duration { return time.Since(t.since) }

// Next returns how long to wait before the next try.
func (t *Tries) Next() time.Duration { return t.policy.NextBackOff() }

// Sleep waits for d, or returns ctx's error if ctx is done before.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Outage is what is not there at the moment, and is to be told of once. Its zero value is
// none.
type Outage struct{ told time.Time }

// Level returns the level at which to log one more failure: a warning for the first one of
// an outage, and for the next one after each interval of repeat, if that is not 0.
func (o *Outage) Level(repeat time.Duration) slog.Level {
	if o.told.IsZero() || repeat > 0 && time.Since(o.told) > repeat {
		o.told = time.Now()
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Over ends an outage, and reports whether there was one.
func (o *Outage) Over() bool {
	was := !o.told.IsZero()
	o.told = time.Time{}
	return was
}
