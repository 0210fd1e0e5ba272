package seed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Change is what Rewind or Reset does to one checkpoint of a consumer.
type Change struct {
	Consumer string
	Feed     string // the feed's name
	FeedID   string
	From, To int64 // positions of the checkpoint
	Deleted  bool  // the checkpoint is deleted, instead of moved back to To

	// Inbox is the table from which Events events after To are deleted; empty if the sink is
	// not an inbox. What another sink wrote is the caller's to undo before the checkpoint
	// goes back.
	Inbox  string
	Events int64
	// Sink is inbox, handler, projection, program or publisher; empty if it is not known.
	Sink string
	// Log names the message log in which a marker is published; empty for another target.
	Log string
	// Projection is the name of the projection file; empty for another sink.
	Projection string
	// Parked is the number of parked events after To, which are deleted.
	Parked int64

	// Compared reports that the inbox has all events up to To and that they equal those of the
	// feed. If some were deleted from the inbox there is nothing to compare.
	Compared bool
}

var errNoDryRun = errors.New("seed: Config.DryRun is for Run only")

// Rewind moves a consumer's checkpoint back to a position. In the same transaction it deletes
// later events from the inbox and from the parked events. Use it after a LostError. Rewind
// compares the events that stay in an inbox with the feed; it returns a LostError if to is after
// the last position that the feed and the target are known to have in common. What a projection,
// a handler or a program wrote stays, so Rewind returns a NotUndoneError unless Config.Undone is
// set. A Publisher begins another generation with the next run, and needs no Undone.
//
// Before it changes anything Rewind calls confirm, if that is not nil. If confirm returns an
// error, Rewind changes nothing.
func Rewind(ctx context.Context, config Config, to int64, confirm func([]Change) error) error {
	return public(rewind(ctx, config, to, confirm))
}

func rewind(ctx context.Context, config Config, to int64, confirm func([]Change) error) error {
	if config.DryRun {
		return errNoDryRun
	}
	if len(config.From) != 1 {
		return errors.New("seed: one feed at a time can be rewound, Config.From must hold its URL")
	}
	from, err := fetch.ParseURL(config.From[0])
	if err != nil {
		return err
	}
	c, err := openTarget(config)
	if err != nil {
		return err
	}
	defer c.into.Close()
	if c.into.Describe().IsLog() {
		return c.rewindLog(ctx, from, to, confirm)
	}
	if err := c.openConsumer(ctx); err != nil {
		return err
	}
	client, head, err := c.subscription(ctx, from)
	if err != nil {
		return err
	}
	was, all, err := c.claimConsumer(ctx)
	if err != nil {
		return err
	}
	at, err := ofFeed(all, head)
	if err != nil {
		return err
	}
	var common int64
	err = c.whileOld(ctx, func() (err error) {
		head, common, err = c.checkRewind(ctx, client, head, at, to)
		return err
	})
	if err != nil {
		return err
	}
	place, err := client.PlaceAt(ctx, head, to)
	if err != nil {
		return err
	}
	if err := c.checkUndone(&was, []checkpoint.Checkpoint{at}, to); err != nil {
		return err
	}
	whole, err := c.checkInbox(ctx, at, place, head)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, &was, []checkpoint.Checkpoint{at}, Change{To: to, Compared: whole}, confirm); err != nil {
		return err
	}
	back := at
	back.Epoch, back.Position, back.Digest = place.Epoch, place.Position, place.Digest
	if was.Sink == checkpoint.SinkPublisher {
		back.Generation, back.GenerationStart = at.Generation+1, place.Position
	}
	back.SeedEnd = max(at.SeedEnd, common) // an event that was applied before is not live the second time
	return c.into.Rewind(ctx, at, back)
}

// subscription fetches the subscription document of a feed, whose server must be eventfeed's.
func (c *opened) subscription(ctx context.Context, from *url.URL) (*walk.Client, *walk.Subscription, error) {
	client := &walk.Client{Client: c.fetcher(from)}
	head, err := client.Subscription(ctx, from, "", true)
	if errors.Is(err, feed.ErrNotOurs) {
		err = fmt.Errorf("%s: %w", from.Redacted(), refused.ErrNoWayBack)
	}
	return client, head, err
}

// Reset deletes a consumer's checkpoints, its parked events and its events in the inbox, in one
// transaction. The next Run starts at position 1. If something other than an inbox applied the
// events, undone must say that the caller has undone what it wrote; otherwise Reset returns a
// NotUndoneError. confirm is as in Rewind. An empty consumer means DefaultConsumer. Reset returns
// ErrNoCheckpoint if there is no such consumer.
func Reset(ctx context.Context, into Target, consumer string, undone bool, confirm func([]Change) error) error {
	c, err := openTarget(Config{Into: into, Consumer: consumer, Undone: undone})
	if err != nil {
		return err
	}
	defer c.into.Close()
	for _, feature := range []checkpoint.Feature{checkpoint.GoingBack, checkpoint.StartingOver} {
		if err := c.into.Lacks(feature); err != nil {
			return err
		}
	}
	if err := c.openConsumer(ctx); err != nil {
		return err
	}
	was, all, err := c.claimConsumer(ctx)
	if err != nil {
		return err
	}
	if err := c.checkUndone(&was, all, 0); err != nil {
		return err
	}
	if err := c.confirm(ctx, &was, all, Change{Deleted: true}, confirm); err != nil {
		return err
	}
	return c.into.Reset(ctx, all)
}

// openTarget opens the target for an operation other than Run.
func openTarget(config Config) (*opened, error) {
	if config.Into.target == nil {
		return nil, errNoTarget
	}
	config, err := config.withDefaults()
	return config.open(), err
}

// openConsumer opens the target without creating anything, and checks that the
// consumer has a checkpoint there.
func (c *opened) openConsumer(ctx context.Context) error {
	rewinder, err := c.rewinder()
	if err != nil {
		return err
	}
	all, err := rewinder.Consumers(ctx)
	switch {
	case err != nil:
		return err
	case len(all) == 0:
		return fmt.Errorf("consumer %s: %w, nor has any other", c.Consumer, ErrNoCheckpoint)
	case !slices.Contains(all, c.Consumer):
		return fmt.Errorf("consumer %s: %w; the consumers there are: %s", c.Consumer, ErrNoCheckpoint, strings.Join(all, ", "))
	}
	return nil
}

// claimConsumer claims the consumer, and loads it and its checkpoints.
func (c *opened) claimConsumer(ctx context.Context) (was checkpoint.Consumer, all []checkpoint.Checkpoint, err error) {
	if err := c.into.Claim(ctx, c.Consumer); err != nil {
		return was, nil, err
	}
	was, all, err = c.into.Load(ctx)
	if err == nil && len(all) == 0 { // deleted since openConsumer
		err = fmt.Errorf("consumer %s: %w", c.Consumer, ErrNoCheckpoint)
	}
	return was, all, err
}

// confirm passes the planned changes to the caller's function. The consumer is
// claimed, so they do not change meanwhile.
func (c *opened) confirm(ctx context.Context, was *checkpoint.Consumer, all []checkpoint.Checkpoint, change Change, confirm func([]Change) error) error {
	if confirm == nil {
		return nil
	}
	change.Sink, change.Projection = was.Sink, was.Projection
	var changes []Change
	for _, at := range all {
		table, events, err := c.countInbox(ctx, at, change.To)
		if err != nil {
			return err
		}
		if change.Parked, err = c.into.CountParked(ctx, at, change.To); err != nil {
			return err
		}
		change.Consumer, change.Feed, change.FeedID, change.From = at.Consumer, at.Feed, at.FeedID, at.Position
		change.Inbox, change.Events = table, events
		changes = append(changes, change)
	}
	return confirm(changes)
}

// checkRewind checks that the feed has the applied events up to position to. It
// returns the subscription document that shows this, and the last position that
// feed and target have in common.
func (c *opened) checkRewind(ctx context.Context, client *walk.Client, head *walk.Subscription, at checkpoint.Checkpoint, to int64) (_ *walk.Subscription, common int64, err error) {
	if to < 0 || to > at.Position {
		return head, 0, fmt.Errorf("position %d: %w, which is at %d", to, refused.ErrPosition, at.Position)
	}
	head, verdict := client.Settle(ctx, client.Feed, head, placeOf(at), c.kept(at))
	if verdict != nil && !isOld(verdict) && !errors.Is(verdict, ErrMismatch) {
		return head, 0, verdict
	}
	if common, err = c.common(ctx, client, head, at); err != nil || to <= common {
		return head, common, err
	}
	lost, isLost := errors.AsType[*walk.LostError](verdict)
	switch {
	case isOld(verdict):
		return head, 0, fmt.Errorf("cannot go back to position %d: %w", to, verdict)
	case !isLost:
		lost = &walk.LostError{URL: head.URL.Redacted(), Epoch: at.Epoch, Position: at.Position, Known: true, Cause: verdict}
	}
	lost.Common, lost.Compared = common, true
	return head, 0, fmt.Errorf("cannot go back to position %d: %w", to, lost)
}

// NotUndoneError reports that Rewind or Reset changed nothing: something other than an inbox
// applied the consumer's events, and the caller has not said that what it wrote is undone.
type NotUndoneError struct {
	Consumer   string
	Sink       string // handler, projection, program; empty if it is not known
	Projection string // name of the projection; empty where something else applied the events
	After, To  int64  // what was written for the positions after After and up to To is to be undone
}

// Error names the consumer, what applied its events, and the positions.
func (e *NotUndoneError) Error() string {
	return fmt.Sprintf("consumer %s: its events were applied by %s, and only you can undo what that wrote for positions %d to %d; nothing was changed",
		e.Consumer, describeSink(checkpoint.Consumer{Sink: e.Sink, Projection: e.Projection}), e.After+1, e.To)
}

// checkUndone returns a NotUndoneError if something other than an inbox has applied
// events after a position, and the caller has not confirmed that they are undone.
func (c *opened) checkUndone(was *checkpoint.Consumer, all []checkpoint.Checkpoint, to int64) error {
	if c.Undone || was.KeepsEvents || was.Sink == checkpoint.SinkPublisher { // whose consumers a new generation tells
		return nil
	}
	for _, at := range all {
		if at.Position > to {
			return &NotUndoneError{Consumer: c.Consumer, Sink: was.Sink, Projection: was.Projection, After: to, To: at.Position}
		}
	}
	return nil
}
