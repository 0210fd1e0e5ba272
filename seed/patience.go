package seed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
)

// retry does something with the target until it is done, has failed for good,
// or patience has run out. Progress renews patience.
func (r *runner) retry(ctx context.Context, do func() error) error {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, 5*time.Second
	since, commits, said := time.Now(), r.commits, outageLog{logger: r.Logger}
	for {
		err := do()
		if r.target.Err != nil && (err == nil || r.commits > commits) {
			r.target.Err = nil
			r.report()
		}
		if err == nil || r.commits > commits {
			said.over()
		}
		waited := time.Since(since)
		if r.commits > commits {
			since, commits, waited = time.Now(), r.commits, 0
			policy.Reset()
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
		wait := policy.NextBackOff()
		said.failed(ctx, err, trouble, wait, r.where())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
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

// outageLog says that the target cannot be used: once, and again now and then where
// it answers.
type outageLog struct {
	logger *slog.Logger
	said   time.Time // last; zero if there is nothing that is over some time
}

func (o *outageLog) failed(ctx context.Context, err error, trouble checkpoint.Trouble, wait time.Duration, position string) {
	text, again := "the target is away, trying again", false
	if trouble == checkpoint.Refused {
		text, again = "the target refuses a step, trying again", time.Since(o.said) > repeatInterval
	}
	level := slog.LevelDebug
	if o.said.IsZero() || again {
		level, o.said = slog.LevelWarn, time.Now()
	}
	o.logger.Log(ctx, level, text, "error", err, "wait", wait.Round(time.Millisecond), "position", position)
}

func (o *outageLog) over() {
	if !o.said.IsZero() {
		o.said = time.Time{}
		o.logger.Info("the target can be used again")
	}
}
