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

// unsettled returns an error without the verdict that the feed fails verification,
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
