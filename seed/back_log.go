package seed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// rewindLog begins another generation of a log at a position. Messages are not deleted: the
// generation's marker tells consumers that the publication went back.
func (c *opened) rewindLog(ctx context.Context, from *url.URL, to int64, confirm func([]Change) error) error {
	client, head, err := c.subscription(ctx, from)
	if err != nil {
		return err
	}
	c.into.Bind(head.ID, strings.Clone(head.Name))
	if err := c.into.Claim(ctx, c.Consumer); err != nil {
		return err
	}
	at, err := c.published(ctx, client, head, to)
	if err != nil {
		return err
	}
	err = c.whileOld(ctx, func() (err error) {
		head, _, err = c.checkRewind(ctx, client, head, at, to)
		return err
	})
	if err != nil {
		return err
	}
	place, err := client.PlaceAt(ctx, head, to)
	if err != nil {
		return err
	}
	about := c.into.Describe().Sink
	if err := c.confirm(ctx, &about, []checkpoint.Checkpoint{at}, Change{To: to, Log: c.into.Describe().Name}, confirm); err != nil {
		return err
	}
	back := at
	back.Epoch, back.Position, back.Digest = strings.Clone(place.Epoch), place.Position, place.Digest
	back.Generation, back.GenerationStart = at.Generation+1, place.Position
	return c.into.Rewind(ctx, at, back)
}

// lostEnd is an error of a log that does not show what was published last.
type lostEnd interface {
	error
	// LastGeneration returns the generation of the last message; 0 if it is not known.
	LastGeneration() int64
}

// published returns the checkpoint that the end of a log is.
func (c *opened) published(ctx context.Context, client *walk.Client, head *walk.Subscription, to int64) (checkpoint.Checkpoint, error) {
	_, found, err := c.into.Load(ctx)
	if lost, is := errors.AsType[lostEnd](err); is {
		return c.lostPlace(ctx, client, head, to, lost.LastGeneration())
	}
	if err != nil {
		return checkpoint.Checkpoint{}, err
	}
	if len(found) == 0 {
		return checkpoint.Checkpoint{}, fmt.Errorf("%s: feed %s %w there: it was not published yet", c.into.Describe().Name, head.Name, ErrNoCheckpoint)
	}
	return ofFeed(found, head)
}

// lostPlace returns a checkpoint for a log that has lost its end. Nothing is known of the place, so
// the position to go back to is as good as any. If the last generation is not known either, the next
// one is the Unix time in seconds, which is higher than all before it.
func (c *opened) lostPlace(ctx context.Context, client *walk.Client, head *walk.Subscription, to, generation int64) (at checkpoint.Checkpoint, err error) {
	if to < 0 || to > head.Last {
		return at, fmt.Errorf("position %d: %w: the feed ends at %d", to, refused.ErrPosition, head.Last)
	}
	if generation == 0 {
		generation = time.Now().Unix() - 1
	}
	place, err := client.PlaceAt(ctx, head, to)
	return checkpoint.Checkpoint{
		Consumer: c.Consumer, Feed: strings.Clone(head.Name), FeedID: strings.Clone(head.ID), Epoch: strings.Clone(place.Epoch),
		Position: place.Position, Digest: place.Digest, SeedEnd: place.Position, Generation: generation,
	}, err
}
