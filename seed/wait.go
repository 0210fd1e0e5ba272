package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// Wait returns once a consumer has applied, or parked, the event at a position of a feed:
// so a service reads in a target what it has written to the feed. The position comes from
// outbox.Position; a position of 0 or less is there at once. The feed is given by its
// name or id, and consumer is [DefaultConsumer] if it is empty. Any target in the same database
// works, whatever its sink.
//
// Wait only looks, again and again, with growing pauses of up to a quarter of a second: a
// seeder must be running. Without a deadline of ctx it waits forever, also for a consumer
// that has not begun. The error is ctx's, wrapped, with how far the consumer is, or the
// database's own.
func Wait(ctx context.Context, into Target, consumer, feed string, position int64) error {
	if into.target == nil {
		return errNoTarget
	}
	session := checkpoint.Open(into.target, false)
	defer session.Close()
	reader, can := session.Backend.(checkpoint.StatusReader)
	if !can {
		return &checkpoint.FeatureError{Target: session.Describe().Name, Feature: "status", Reason: "it keeps nothing but its checkpoint"}
	}
	consumer = cmp.Or(consumer, DefaultConsumer)
	for tries := retry.Begin(5*time.Millisecond, 250*time.Millisecond); ; {
		at, err := reached(ctx, reader, consumer, feed)
		if err == nil && at >= position {
			return nil
		}
		if err == nil {
			err = retry.Sleep(ctx, tries.Next())
		}
		if err != nil {
			return fmt.Errorf("wait for consumer %s, at position %d of feed %s, to reach position %d: %w", consumer, at, feed, position, err)
		}
	}
}

// reached returns how far a consumer is; 0 where it has not begun.
func reached(ctx context.Context, reader checkpoint.StatusReader, consumer, feed string) (int64, error) {
	all, err := reader.Statuses(ctx)
	if errors.Is(err, fs.ErrNotExist) { // the consumer makes its file
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for i := range all {
		if s := &all[i]; s.Checkpoint.Consumer == consumer && (s.FeedID == feed || s.Feed == feed) {
			return s.Position, nil
		}
	}
	return 0, nil
}
