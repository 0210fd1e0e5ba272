package seed

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Target is a database with a sink: it receives the events and keeps the checkpoints.
// Packages seed/seedpgx and seed/seedsqlite create targets for PostgreSQL and SQLite. A
// target can be used any number of times, for example for a dry run and then for a real one.
// It holds no connection, lock or file between two calls.
//
// Only one run of a consumer is active at a time: the second one gets ErrHeld. If a target
// does not support what a Config asks for, Run returns an error that matches
// errors.ErrUnsupported before it does anything.
type Target struct{ target checkpoint.Target }

// NewTarget is for the packages that create targets.
func NewTarget(t checkpoint.Target) Target { return Target{t} }

// Checkpoint is for the commands, which look at a target without a run.
func (t Target) Checkpoint() checkpoint.Target { return t.target }

// opened is a configuration whose target is open.
type opened struct {
	Config
	into *checkpoint.Session
}

// open opens the target.
func (c Config) open() *opened {
	return &opened{Config: c, into: checkpoint.Open(c.Into.target, c.DryRun)}
}

// missing returns an error if the target does not support what the configuration asks for.
func (c *opened) missing() error {
	for _, is := range []struct {
		asked   bool
		feature checkpoint.Feature
	}{
		{c.DryRun, checkpoint.DryRun},
		{c.OnError == Park, checkpoint.Parking},
		{len(c.From) > 1 || c.AddFeed, checkpoint.SeveralFeeds},
		{!c.AsOf.IsZero(), checkpoint.AsOf},
	} {
		if err := c.into.Lacks(is.feature); is.asked && err != nil {
			return err
		}
	}
	if c.StartAt != 0 && c.into.Describe().Sink.Sink != checkpoint.SinkPublisher {
		return errors.New("seed: Config.StartAt is for a Publisher; other sinks need the history from its first event on")
	}
	return nil
}

// rewinder returns the target's Rewinder, or an error if it has none.
func (c *opened) rewinder() (checkpoint.Rewinder, error) {
	if err := c.into.Lacks(checkpoint.GoingBack); err != nil {
		return nil, err
	}
	return c.into.Backend.(checkpoint.Rewinder), nil
}

// memory returns what the target stores about a foreign feed for the consumer.
func (c *opened) memory(feedID string) (checkpoint.Memory, error) {
	if err := c.into.Lacks(checkpoint.ForeignFeeds); err != nil {
		return nil, err
	}
	return c.into.Memory(c.Consumer, feedID), nil
}

// parkErrors makes the target park events that cannot be applied.
func (r *runner) parkErrors() {
	r.into.Park(func(e *event.Delivered, err error) {
		r.Logger.Warn("an event cannot be applied and is parked", "feed", e.Feed, "position", e.Position,
			"id", e.ID, "type", e.Type, "subject", e.Subject, "error", err)
	})
}

// parked counts the events that a step parked.
func (r *runner) parked(s *step, outcome checkpoint.Outcome) {
	for _, i := range outcome.Parked {
		for _, f := range r.feeds {
			if f.checkpoint.FeedID == s.events[i].FeedID {
				f.applied--
				f.parked++
				f.waiting++
			}
		}
	}
}

// loadParked loads the entities that have parked events, and counts the events of each feed.
func (r *runner) loadParked(ctx context.Context) error {
	if err := r.into.LoadParked(ctx); err != nil {
		return err
	}
	for _, f := range r.feeds {
		waiting, err := r.into.CountParked(ctx, checkpoint.Checkpoint{Consumer: r.Consumer, FeedID: f.id}, 0)
		if err != nil {
			return err
		}
		f.waiting = waiting
	}
	return nil
}
