package seed

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// Retried is what Retry has done.
type Retried struct {
	Applied int64 // events that were parked and are applied now
	Skipped int64 // of them those that the sink had no use for
	Left    int64 // of those that it was about, events that are still parked
	Others  int64 // parked events of the consumer that it was not about
	// Failed are the events that could still not be applied, without their data:
	// the first of each entity, and those without a subject. No more than
	// MaxFailed are listed.
	Failed []ParkedEvent
}

// MaxFailed is how many events Retried lists.
const MaxFailed = 100

// Retry applies parked events of a consumer by the target's sink: of each entity
// in the order of the feed, up to the first that still cannot be applied. That
// one and those behind it stay parked. What was applied is gone from the parked
// events in the same transaction. Of config it needs no more than Into and
// Consumer, and which of the consumer's parked events it is about; DryRun and
// AcceptProjection are as in Run.
func Retry(ctx context.Context, config Config, of Shelf) (Retried, error) {
	if len(config.From) == 0 {
		config.From = []string{""} // it is not needed
	}
	config.Follow, config.OnError = false, Stop
	config, err := config.withDefaults()
	if err != nil {
		return Retried{}, err
	}
	defer config.Into.close()
	if config.Into.describe().Sink == checkpoint.SinkProgram {
		return Retried{}, errors.New("seed: a program's events are never parked")
	}
	if err := config.openConsumer(ctx); err != nil {
		return Retried{}, err
	}
	defer config.Into.release()
	all, err := config.claimConsumer(ctx)
	if err != nil {
		return Retried{}, err
	}
	parked := int64(0)
	for _, at := range all {
		n, err := config.Into.countParked(ctx, at, 0)
		if err != nil {
			return Retried{}, err
		}
		parked += n
	}
	if err := config.resume(ctx, all); err != nil {
		return Retried{}, err
	}
	of.Consumer = config.Consumer
	done, err := config.Into.unpark(ctx, all, of)
	if err == nil {
		done.Others = parked - done.Applied - done.Left
	}
	return done, err
}

// resume makes sure that the sink is the one that the consumer was begun with,
// and prepares it.
func (c *Config) resume(ctx context.Context, all []checkpoint.Checkpoint) error {
	was, known, err := c.Into.consumer(ctx, c.Consumer)
	if err != nil {
		return err
	}
	c.AsOf = was.AsOf // its parked events are none that were left out
	now := c.consumer()
	if known {
		if now, err = c.agree(ctx, was, all); err != nil {
			return err
		}
	}
	return c.Into.check(ctx, now)
}

func (t *target[T]) unpark(ctx context.Context, all []checkpoint.Checkpoint, of checkpoint.Shelf) (Retried, error) {
	u := &unparking[T]{target: t, of: of, failed: make(map[checkpoint.Entity]bool)}
	moves := make([]checkpoint.Move, len(all)) // to where they are: so they are still ours
	for i := range all {
		moves[i] = checkpoint.Move{From: all[i], To: all[i]}
	}
	for more := true; more; {
		before := u.done
		atCommit := false
		err := t.keeper.Move(ctx, moves, func(tx T) (err error) {
			more, err = u.page(ctx, tx, moves)
			atCommit = err == nil
			return err
		})
		if err != nil {
			return before, notOwn(err, atCommit)
		}
		for i := range moves {
			moves[i].From, moves[i].SkippedTypes = moves[i].To, nil
		}
	}
	return u.done, nil
}

// unparking is parked events being applied.
type unparking[T any] struct {
	target *target[T]
	of     checkpoint.Shelf
	at     checkpoint.ParkedPlace // behind it is what has not been looked at
	failed map[checkpoint.Entity]bool
	done   Retried
}

// page applies what is read at a time. It reports whether there was anything.
func (u *unparking[T]) page(ctx context.Context, tx T, moves []checkpoint.Move) (more bool, err error) {
	events, err := u.target.keeper.NextParked(ctx, tx, u.of, u.at)
	if err != nil || len(events) == 0 {
		return false, err
	}
	try, err := u.target.keeper.Savepoints(ctx, tx)
	if err != nil {
		return false, err
	}
	s := &singly[T]{sink: u.target.sink, try: try, consumer: u.of.Consumer}
	for i := range events {
		if err := u.apply(ctx, tx, s, &events[i]); err != nil {
			return false, err
		}
	}
	count(moves, s.outcome)
	for _, n := range s.outcome.Skipped {
		u.done.Skipped += n
	}
	last := &events[len(events)-1]
	u.at = checkpoint.ParkedPlace{FeedID: last.FeedID, Position: last.Position}
	return true, nil
}

func (u *unparking[T]) apply(ctx context.Context, tx T, s *singly[T], e *checkpoint.Parked) error {
	entity, is := checkpoint.EntityOf(&e.Delivered)
	if is && u.failed[entity] {
		u.done.Left++
		return nil
	}
	err := s.apply(ctx, tx, []event.Delivered{e.Delivered})
	switch {
	case err == nil:
		u.done.Applied++
		return u.target.keeper.Unpark(ctx, tx, e)
	case !sink.IsOwn(err):
		return err
	}
	if is {
		u.failed[entity] = true
	}
	e.Error = inner(err).Error()
	e.Attempts++
	u.done.Left++
	if len(u.done.Failed) < MaxFailed {
		listed := *e
		listed.Data = nil
		u.done.Failed = append(u.done.Failed, listed)
	}
	return u.target.keeper.KeepParked(ctx, tx, e)
}
