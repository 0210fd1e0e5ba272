package seed

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// retry does something with the target until it is done, has failed for good,
// or patience has run out. Progress renews patience.
func (r *runner) retry(ctx context.Context, do func() error) error {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, 5*time.Second
	since, commits, level := time.Now(), r.commits, slog.LevelWarn
	for {
		err := do()
		if r.target.Err != nil && (err == nil || r.commits > commits) {
			r.target.Err = nil
			r.report()
		}
		if level == slog.LevelDebug && (err == nil || r.commits > commits) {
			r.Logger.Info("the target can be used again")
		}
		waited := time.Since(since)
		if r.commits > commits {
			since, commits, waited, level = time.Now(), r.commits, 0, slog.LevelWarn
			policy.Reset()
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, ErrHeld):
			// After a lost connection it may be our own session, not yet gone.
			if !r.held || waited > DefaultPatience {
				return err
			}
		case isOfFeed(err) || !r.Into.mayPass(err) || r.Patience >= 0 && waited > r.Patience:
			return err
		}
		r.claimed = false
		r.noteAway(err)
		wait := policy.NextBackOff()
		r.Logger.Log(ctx, level, "the target is away, trying again", "error", err, "wait", wait.Round(time.Millisecond))
		level = slog.LevelDebug // one warning an outage
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isOfFeed reports whether an error is of fetching a document, which had its own
// patience. A broken connection looks the same, whoever is at its other end.
func isOfFeed(err error) bool {
	_, is := errors.AsType[*fetch.Error](err)
	return is
}
