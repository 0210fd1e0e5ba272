package seed

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// keptNothing is the walk.Kept of a consumer without checkpoints.
func keptNothing(context.Context) ([]walk.Place, error) { return nil, nil }

// kept returns a function that loads the places that the target keeps for a checkpoint's
// feed.
func (c *opened) kept(at checkpoint.Checkpoint) walk.Kept {
	return func(ctx context.Context) ([]walk.Place, error) { return c.into.Kept(ctx, at) }
}

// check checks that a feed's history continues from its checkpoint.
func (r *runner) check(ctx context.Context, f *reading) error {
	err := f.Check(ctx, f.place(), r.kept(f.checkpoint))
	if err == nil {
		return nil
	}
	return r.explain(ctx, f, err)
}

// explain returns a LostError with the last common position, if err shows that the feed
// lacks events that were applied. Otherwise it returns err.
func (r *runner) explain(ctx context.Context, f *reading, err error) error {
	lost, isLost := errors.AsType[*walk.LostError](err)
	client, head := f.Served()
	if !isLost && !errors.Is(err, walk.ErrReplaced) || client == nil {
		return err
	}
	var lookErr error
	if !head.Fresh {
		if head, lookErr = client.Subscription(ctx, f.url, "", true); lookErr != nil {
			return fmt.Errorf("%w; cannot determine what both have in common: %w", err, f.about(lookErr))
		}
	}
	common, lookErr := r.common(ctx, client, head, f.checkpoint)
	switch {
	case lookErr != nil:
		return fmt.Errorf("%w; cannot determine what both have in common: %w", err, f.about(lookErr))
	case common >= f.checkpoint.Position:
		return err // the feed has all applied events, but contradicts itself
	case !isLost:
		lost = &walk.LostError{URL: f.url.Redacted(), Epoch: f.checkpoint.Epoch, Position: f.checkpoint.Position, Known: true, Cause: err}
	}
	lost.Common, lost.Compared = common, true
	return f.about(lost)
}

// common returns the last position up to which the feed, as head shows it, is known to
// have the history that was applied up to a checkpoint. It compares the places that the
// target keeps, and between two of them the events in the inbox.
func (c *opened) common(ctx context.Context, client *walk.Client, head *walk.Subscription, at checkpoint.Checkpoint) (int64, error) {
	places, err := c.into.Kept(ctx, at)
	if err != nil {
		return 0, err
	}
	agreed, err := client.Agreement(ctx, head, append(places, placeOf(at)))
	if err != nil || agreed.Position >= at.Position {
		return agreed.Position, err
	}
	end := min(head.Last, at.Position)
	for _, e := range head.Epochs { // equal events do not show that the epochs are equal
		if e.FirstPosition > agreed.Position {
			end = min(end, e.FirstPosition-1)
		}
	}
	return c.compareInbox(ctx, client, head.Uncached(), at, agreed.Position, end)
}

// compareEvents is how many events of an inbox are compared at a time.
const compareEvents = 10_000

// compareInbox returns the last position up to which the inbox holds the feed's
// events, from one position to another. It fetches nothing while it reads.
func (c *opened) compareInbox(ctx context.Context, client *walk.Client, head *walk.Subscription, at checkpoint.Checkpoint, from, to int64) (int64, error) {
	var page *feed.Document
	var buffer []byte
	for from < to {
		hashes, err := c.inboxHashes(ctx, at, from, min(to, from+compareEvents))
		if err != nil || len(hashes) == 0 {
			return from, err
		}
		for _, hash := range hashes {
			served, d, err := client.EventAt(ctx, head, from+1, page)
			if err != nil {
				return from, err
			}
			page = d
			var servedHash feed.Digest
			if servedHash, buffer = feed.EventHash(&served.Event, buffer); servedHash != hash {
				return from, nil
			}
			from++
		}
	}
	return from, nil
}

// inboxHashes returns the hashes of the inbox's events after one position and up
// to another, or up to the first that is missing.
func (c *opened) inboxHashes(ctx context.Context, at checkpoint.Checkpoint, from, to int64) (hashes []feed.Digest, err error) {
	var buffer []byte
	err = c.readInbox(ctx, at, from, to, func(e *event.Placed) error {
		if e.Position != from+1+int64(len(hashes)) {
			return errNotWhole
		}
		var hash feed.Digest
		hash, buffer = feed.EventHash(&e.Event, buffer)
		hashes = append(hashes, hash)
		return nil
	})
	if errors.Is(err, errNotWhole) {
		err = nil
	}
	return hashes, err
}
