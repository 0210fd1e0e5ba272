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

// errNotWhole reports that the inbox lacks events.
var errNotWhole = errors.New("the inbox is not whole")

// checkInbox compares the inbox's events up to a place with the feed, by their
// digest. It returns whole as false, and compares nothing, if the inbox lacks some.
func (c *opened) checkInbox(ctx context.Context, at checkpoint.Checkpoint, place walk.Place, head *walk.Subscription) (whole bool, err error) {
	chain := feed.Chain{Digest: feed.FirstDigest(head.ID), Epochs: head.Epochs}
	var hash feed.Digest
	var buffer []byte
	err = c.readInbox(ctx, at, 0, place.Position, func(e *event.Placed) error {
		if e.Position != chain.Position+1 {
			return errNotWhole
		}
		hash, buffer = feed.EventHash(&e.Event, buffer)
		chain.Next(hash)
		return nil
	})
	switch {
	case errors.Is(err, errNotWhole):
		return false, nil
	case err != nil:
		return false, err
	case chain.Position == place.Position && chain.Digest != place.Digest:
		return false, fmt.Errorf("%w: %w: %s: has other events up to position %d than the inbox, where they have the digest %s, although it has all that was applied: the inbox was changed",
			ErrMismatch, walk.ErrReplaced, head.URL.Redacted(), place.Position, chain.Digest)
	}
	return chain.Position == place.Position, nil
}

// readInbox calls yield with the inbox's events after one position and up to another, in
// order. It reads nothing if the sink is not an inbox.
func (c *opened) readInbox(ctx context.Context, at checkpoint.Checkpoint, after, to int64, yield func(*event.Placed) error) error {
	inbox := c.inbox()
	if inbox == nil {
		return nil
	}
	return inbox.Read(ctx, at.Consumer, at.FeedID, after, to, yield)
}

// countInbox counts the inbox's events after a position. The table is empty if the sink
// is not an inbox.
func (c *opened) countInbox(ctx context.Context, at checkpoint.Checkpoint, after int64) (table string, events int64, err error) {
	inbox := c.inbox()
	if inbox == nil {
		return "", 0, nil
	}
	events, err = inbox.Count(ctx, at.Consumer, at.FeedID, after)
	return inbox.Table(), events, err
}

// inbox returns the sink's inbox; nil if the sink is not one.
func (c *opened) inbox() checkpoint.Inbox {
	rewinder, can := c.into.Backend.(checkpoint.Rewinder)
	if !can {
		return nil
	}
	return rewinder.Inbox()
}

func placeOf(c checkpoint.Checkpoint) walk.Place {
	return walk.Place{Epoch: c.Epoch, Position: c.Position, Digest: c.Digest}
}

// ofFeed returns a consumer's checkpoint of this feed.
func ofFeed(all []checkpoint.Checkpoint, head *walk.Subscription) (checkpoint.Checkpoint, error) {
	for _, c := range all {
		if c.FeedID == head.ID {
			return c, nil
		}
	}
	return checkpoint.Checkpoint{}, fmt.Errorf("%w: %w: %s: is feed %s (%s), but consumer %s reads feed %s (%s)",
		ErrMismatch, ErrOtherFeed, head.URL.Redacted(), head.Name, head.ID, all[0].Consumer, all[0].Feed, all[0].FeedID)
}
