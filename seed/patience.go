package seed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// retry calls do, which uses the target, and repeats it after a transient error until the
// retry timeout is over. Each commit starts the retry timeout again.
func (r *runner) retry(ctx context.Context, do func() error) error {
	tries, outage, commits := retry.Begin(50*time.Millisecond, 5*time.Second), retry.Outage{}, r.commits
	for {
		err := do()
		if r.target.Err != nil && (err == nil || r.commits > commits) {
			r.target.Err = nil
			r.report()
		}
		if (err == nil || r.commits > commits) && outage.Over() {
			r.Logger.Info("the " + r.what() + " is available again")
		}
		waited := tries.Lasted()
		if r.commits > commits {
			commits, waited = r.commits, 0
			tries.Again()
		}
		if err == nil || ctx.Err() != nil || isOfFeed(err) {
			return err
		}
		trouble := r.into.Diagnose(err)
		switch {
		case errors.Is(err, ErrHeld):
			// After a lost connection, this run's own session may still hold the lock.
			if !r.held || waited > heldPatience {
				return err
			}
		case trouble == checkpoint.Permanent || r.Patience >= 0 && waited > r.Patience:
			return err
		}
		r.claimed = false
		r.noteAway(err)
		wait := tries.Next()
		text, repeat := "the "+r.what()+" is unavailable, retrying", time.Duration(0)
		if trouble == checkpoint.Refused {
			text, repeat = "the "+r.what()+" failed a step, retrying", repeatInterval
		}
		r.Logger.Log(ctx, outage.Level(repeat), text, "error", err, "wait", wait.Round(time.Millisecond), "position", r.where())
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// what names the kind of the target in the log.
func (r *runner) what() string {
	if about := r.into.Describe(); about.IsLog() {
		return "broker"
	}
	return "target database"
}

// heldPatience is how long to wait for a consumer that this run has held before:
// PostgreSQL ends a session whose client is silent after a minute.
const heldPatience = 2 * time.Minute

// isOfFeed reports whether fetching a document failed, which has its own retry timeout. The
// type tells it from a broken connection to the target.
func isOfFeed(err error) bool {
	_, is := errors.AsType[*fetch.Error](err)
	return is
}

// where returns the feeds' positions for the log; empty before the consumer was claimed.
func (r *runner) where() string {
	var at []string
	for _, f := range r.feeds {
		if r.held {
			at = append(at, fmt.Sprintf("%s %d", f.checkpoint.Feed, f.checkpoint.Position))
		}
	}
	return strings.Join(at, ", ")
}

// repeatInterval is how often the warning is repeated while the target is available and
// keeps rejecting a transaction. An operator has to find the cause.
const repeatInterval = time.Minute
