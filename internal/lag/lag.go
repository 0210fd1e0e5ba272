// Package lag computes the lag of consumers with requests to the feeds that they read.
package lag

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Lag is the number of a feed's events after a checkpoint, and since when.
type Lag struct {
	Events int64
	Since  time.Time // when the first of them got its position; zero if there is none
}

// For returns the lag as a duration at a time. It is never negative, although clocks may differ.
func (l Lag) For(now time.Time) time.Duration {
	if l.Since.IsZero() {
		return 0
	}
	return max(0, now.Sub(l.Since))
}

// Feed computes lags behind a feed of eventfeed's own. It can be used repeatedly, by one goroutine;
// later requests return only what is new.
type Feed struct {
	Client *walk.Client
	URL    *url.URL
	// Kept returns the places of the feed that a consumer keeps, in the order of positions.
	Kept func(ctx context.Context, consumer, feedID string) ([]walk.Place, error)

	head *walk.Subscription
	page *feed.Document // the last archive in which the first event after a checkpoint was
}

// Look fetches the feed's subscription document, with one request.
func (f *Feed) Look(ctx context.Context) error {
	etag := ""
	if f.head != nil {
		etag = f.head.ETag
	}
	head, err := f.Client.Subscription(ctx, f.URL, etag, false)
	if head != nil {
		if f.head == nil || len(head.Epochs) != len(f.head.Epochs) {
			f.page = nil
		}
		f.head = head
	}
	return err
}

// Lag returns the lag of a checkpoint behind the document of Look. It fetches nothing more unless
// the first event after the checkpoint is in an archive. An error that matches walk.ErrMismatch
// reports that the feed's history does not continue from the checkpoint; a walk.OldError, that the
// feed shows an earlier state.
func (f *Feed) Lag(ctx context.Context, s *checkpoint.Status) (lag Lag, err error) {
	if f.head.ID != s.FeedID {
		return lag, fmt.Errorf("%w: %s: is feed %s (%s) now", walk.ErrMismatch, f.URL.Redacted(), f.head.Name, f.head.ID)
	}
	at := walk.Place{Epoch: s.Epoch, Position: s.Position, Digest: s.Digest}
	kept := func(ctx context.Context) ([]walk.Place, error) { return f.Kept(ctx, s.Checkpoint.Consumer, s.FeedID) }
	if f.head, err = f.Client.Settle(ctx, f.URL, f.head, at, kept); err != nil {
		return lag, err
	}
	end := f.head.Last
	if !s.Consumer.AsOf.IsZero() { // the consumer leaves out later events
		end = min(end, s.SeedEnd)
	}
	if lag.Events = max(0, end-s.Position); lag.Events == 0 {
		return lag, nil
	}
	first, page, err := f.Client.EventAt(ctx, f.head, s.Position+1, f.page)
	if errors.Is(err, walk.ErrMissing) { // to be sure would take longer
		return Lag{}, fmt.Errorf("%s: the page with position %d is not available yet, or is missing", f.URL.Redacted(), s.Position+1)
	}
	if err != nil {
		return Lag{}, err
	}
	f.page, lag.Since = page, first.Recorded
	return lag, nil
}
