package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// settleTime is how long a follower waits for a publisher to replace a document, at most for its
// retry timeout.
const settleTime = time.Minute

// malformedError is an error of a document that cannot be parsed.
type malformedError struct{ error }

func (e *malformedError) Unwrap() error { return e.error }

// isUnsettled reports whether an error may come from a document that its publisher is writing: many
// write in place, or delete a file before they create the next one.
func isUnsettled(err error) bool {
	_, malformed := errors.AsType[*malformedError](err)
	return malformed || fetch.IsMissing(err)
}

// unsettled returns an error that does not say that the feed fails verification, if the document
// may not be written yet.
func unsettled(at *url.URL, err error) error {
	if malformed, is := errors.AsType[*malformedError](err); is {
		return fmt.Errorf("%s: %w", at.Redacted(), malformed)
	}
	if missing, is := errors.AsType[*fetch.Error](err); is && isUnsettled(err) {
		return missing
	}
	return err
}

// settled gets a document. While following, it retries a missing or malformed document, bypassing
// all caches, until the document is neither or settleTime is over. A complete document that is
// inconsistent is an error at once.
func (r *Reader) settled(ctx context.Context, get func(conditions ...string) error) error {
	patience := settleTime
	if r.Client.Patience >= 0 {
		patience = min(patience, r.Client.Patience)
	}
	tries, outage := retry.Begin(50*time.Millisecond, 5*time.Second), retry.Outage{}
	err := get()
	for ; r.following && isUnsettled(err) && tries.Lasted() < patience; err = get("Cache-Control", "no-cache") {
		wait := min(tries.Next(), patience-tries.Lasted())
		r.Logger.Log(ctx, outage.Level(0), "cannot read a document that its publisher may still be writing, retrying", "feed", r.Name, "error", err, "wait", wait.Round(time.Millisecond))
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	if err == nil && outage.Over() {
		r.Logger.Info("the document can be read again", "feed", r.Name)
	}
	return err
}
