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

// placeBack returns the feed's place at position to, which must lie in what
// it has in common with a target whose checkpoint is at. It returns the end of
// that, too.
func placeBack(ctx context.Context, client *walk.Client, head *walk.Head, at checkpoint.Checkpoint, to int64) (place walk.Place, common int64, err error) {
	if to < 0 || to > at.Position {
		return place, 0, fmt.Errorf("position %d: %w, which is at %d", to, ErrPosition, at.Position)
	}
	common, err = head.Common(placeOf(at))
	if err != nil && (to > common || !isKnown(err)) {
		return place, common, fmt.Errorf("cannot go back to position %d: %w", to, err)
	}
	if err == nil && at.Position <= head.Last { // what was read is there to compare with
		own, err := client.PlaceAt(ctx, head, at.Position)
		if err != nil {
			return place, common, err
		}
		if own.Digest != at.Digest {
			return place, common, fmt.Errorf("%w: %w: %s: has digest %s at position %d, where %s was read",
				ErrMismatch, walk.ErrReplaced, head.URL.Redacted(), own.Digest, at.Position, at.Digest)
		}
	}
	place, err = client.PlaceAt(ctx, head, to)
	return place, common, err
}

// errNotWhole says that events are missing in the inbox.
var errNotWhole = errors.New("the inbox is not whole")

// checkInbox compares what is to stay in the inbox, if that is all of the
// history up to the place, with the feed. Epochs tell where histories part only
// if each new one began in time; events cannot be wrong about it.
func (c *Config) checkInbox(ctx context.Context, at checkpoint.Checkpoint, place walk.Place, head *walk.Head) (whole bool, err error) {
	chain := feed.Chain{Digest: feed.FirstDigest(head.ID), Epochs: head.Epochs}
	var hash feed.Digest
	var buffer []byte
	err = c.Into.read(ctx, at, place.Position, func(e *event.Placed) error {
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
		return false, fmt.Errorf("%w: %w: %s: has other events up to position %d than the inbox, where they have the digest %s: their histories part before, or the inbox was changed; go back further",
			ErrMismatch, walk.ErrReplaced, head.URL.Redacted(), place.Position, chain.Digest)
	}
	return chain.Position == place.Position, nil
}

func isKnown(err error) bool {
	lost, is := errors.AsType[*LostError](err)
	return is && lost.Known
}

func placeOf(c checkpoint.Checkpoint) walk.Place {
	return walk.Place{Epoch: c.Epoch, Position: c.Position, Digest: c.Digest}
}

// ofFeed returns a consumer's checkpoint of this feed.
func ofFeed(all []checkpoint.Checkpoint, head *walk.Head) (checkpoint.Checkpoint, error) {
	for _, c := range all {
		if c.FeedID == head.ID {
			return c, nil
		}
	}
	return checkpoint.Checkpoint{}, fmt.Errorf("%w: %w: %s: is feed %s (%s), but consumer %s reads feed %s (%s)",
		ErrMismatch, ErrOtherFeed, head.URL.Redacted(), head.Name, head.ID, all[0].Consumer, all[0].Feed, all[0].FeedID)
}
