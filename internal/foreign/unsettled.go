package foreign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// settleTime is how long a follower gives a publisher to replace a document,
// where it is patient for that long.
const settleTime = time.Minute

// malformedError is an error of a document that cannot be parsed.
type malformedError struct{ error }

func (e *malformedError) Unwrap() error { return e.error }

// isUnsettled reports whether an error is of a document that its publisher may
// be writing: many do so in place, or remove a file before there is another.
func isUnsettled(err error) bool {
	_, malformed := errors.AsType[*malformedError](err)
	return malformed || fetch.IsMissing(err)
}

// unsettled returns an error without the verdict that the feed does not add up,
// where the document may just not be written yet.
func unsettled(at *url.URL, err error) error {
	if malformed, is := errors.AsType[*malformedError](err); is {
		return fmt.Errorf("%s: %w", at.Redacted(), malformed)
	}
	if missing, is := errors.AsType[*fetch.Error](err); is && isUnsettled(err) {
		return missing
	}
	return err
}

// settled gets a document. While following it gets one that is missing or
// malformed again, past any cache, until it is neither or has been for too
// long. What is whole and does not add up is an error at once.
func (r *Reader) settled(ctx context.Context, get func(conditions ...string) error) error {
	patience := settleTime
	if r.Client.Patience >= 0 {
		patience = min(patience, r.Client.Patience)
	}
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, 5*time.Second
	level, began := slog.LevelWarn, time.Now()
	err := get()
	for ; r.following && isUnsettled(err) && time.Since(began) < patience; err = get("Cache-Control", "no-cache") {
		wait := min(policy.NextBackOff(), patience-time.Since(began))
		r.Logger.Log(ctx, level, "a document cannot be read, which its publisher may be writing; looking again", "feed", r.Name, "error", err, "wait", wait.Round(time.Millisecond))
		level = slog.LevelDebug // one warning each time
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err == nil && level == slog.LevelDebug {
		r.Logger.Info("the document can be read again", "feed", r.Name)
	}
	return err
}
