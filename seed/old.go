package seed

import (
	"context"
	"errors"
	"time"

	"github.com/eventfeed/eventfeed/internal/retry"
	"github.com/eventfeed/eventfeed/internal/walk"
)

func isOld(err error) bool {
	_, is := errors.AsType[*walk.OldError](err)
	return is
}

// outdated records since when a feed has been showing an older state than before.
type outdated struct {
	since time.Time // zero while the feed shows the current state
	noted bool      // a warning was logged
}

// observe updates the state after an attempt that returned err. It logs a warning once the
// older state has lasted for walk.StaleFor, and a message when it is over. It returns how
// long it has lasted.
func (o *outdated) observe(c *Config, err error) time.Duration {
	old, is := errors.AsType[*walk.OldError](err)
	if !is {
		if o.noted {
			c.Logger.Info("the server returns the current state of the feed again")
		}
		*o = outdated{}
		return 0
	}
	if o.since.IsZero() {
		o.since = time.Now()
	}
	lasts := time.Since(o.since)
	if !o.noted && lasts > walk.StaleFor {
		o.noted = true
		c.Logger.Warn("the server returned an older state of the feed, retrying", "url", old.URL, "shows", old.Last, "shown before", old.Position)
	}
	return lasts
}

// whileOld calls do, and repeats it while it fails because a feed shows an older state than
// was read, until the retry timeout is over.
func (c *Config) whileOld(ctx context.Context, do func() error) error {
	tries := retry.Begin(50*time.Millisecond, time.Second)
	var state outdated
	for {
		err := do()
		lasts := state.observe(c, err)
		if !isOld(err) || c.Patience >= 0 && lasts >= c.Patience {
			return err
		}
		if err := retry.Sleep(ctx, tries.Next()); err != nil {
			return err
		}
	}
}
