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

// retry does something with the target until it is done, has failed for good,
// or patience has run out. Progress renews patience.
func (r *runner) retry(ctx context.Context, do func() error) error {
	tries, outage, commits := retry.Begin(50*time.Millisecond, 5*time.Second), retry.Outage{}, r.commits
	for {
		err := do()
		if r.target.Err != nil && (err == nil || r.commits > commits) {
			r.target.Err = nil
			r.report()
		}
		if (err == nil || r.commits > commits) && outage.Over() {
			r.Logger.Info("the target database is available again")
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
			// After a lost connection it may be our own session, not yet gone.
			if !r.held || waited > heldPatience {
				return err
			}
		case trouble == checkpoint.Permanent || r.Patience >= 0 && waited > r.Patience:
			return err
		}
		r.claimed = false
		r.noteAway(err)
		wait := tries.Next()
		text, repeat := "the target database is unavailable, retrying", time.Duration(0)
		if trouble == checkpoint.Refused {
			text, repeat = "the target database failed a step, retrying", repeatInterval
		}
		r.Logger.Log(ctx, outage.Level(repeat), text, "error", err, "wait", wait.Round(time.Millisecond), "position", r.where())
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// heldPatience is how long a consumer is waited for that this run has held: the
// server ends a session that gives no sign of life after a minute.
const heldPatience = 2 * time.Minute

// isOfFeed reports whether an error is of fetching a document, which had its own
// patience. A broken connection looks the same, whoever is at its other end.
func isOfFeed(err error) bool {
	_, is := errors.AsType[*fetch.Error](err)
	return is
}

// where says how far the feeds have got, as far as that is known.
func (r *runner) where() string {
	var at []string
	for _, f := range r.feeds {
		if r.held {
			at = append(at, fmt.Sprintf("%s %d", f.checkpoint.Feed, f.checkpoint.Position))
		}
	}
	return strings.Join(at, ", ")
}

// repeatInterval is how often it is said that the target refuses a step again and
// again, though it answers: someone has to look into that.
const repeatInterval = time.Minute
