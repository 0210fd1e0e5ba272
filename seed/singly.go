package seed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// partEvents is how many events are tried together in a step that holds one
// that cannot be applied.
const partEvents = 64

// applySingly applies events in savepoints of one transaction, and puts aside
// those that cannot be applied and those that have to wait for them. Events are
// tried a few together, and where that fails one by one.
func (t *target[T]) applySingly(ctx context.Context, w work) error {
	moves, err := w.after(len(w.Events))
	if err != nil {
		return err
	}
	var s *singly[T]
	atCommit := false
	err = t.keeper.Move(ctx, moves, func(tx T) error {
		try, err := t.keeper.Savepoints(ctx, tx)
		if err != nil {
			return err
		}
		s = &singly[T]{sink: t.sink, try: try, consumer: w.Consumer, failed: make(map[checkpoint.Entity]bool)}
		started := time.Now()
		for from := 0; from < len(w.Events); from += partEvents {
			if err := s.part(ctx, tx, from, w.Events[from:min(from+partEvents, len(w.Events))], w.parking); err != nil {
				return err
			}
		}
		s.outcome.Took = time.Since(started)
		count(moves, s.outcome)
		err = t.keeper.Park(ctx, tx, s.parked)
		atCommit = err == nil
		return err
	})
	if err != nil {
		return notOwn(err, atCommit)
	}
	for entity := range s.failed {
		w.parking.entities[entity] = true
	}
	for i := range s.parked {
		if s.parked[i].Attempts > 0 {
			w.parking.first(&s.parked[i].Delivered, s.errors[i])
		}
	}
	w.moved(len(w.Events), moves, s.outcome)
	return nil
}

// notOwn says of an error that shows at the commit only that nobody knows
// whose it is.
func notOwn(err error, atCommit bool) error {
	if atCommit && sink.IsOwn(err) {
		return fmt.Errorf("a constraint of the target that is checked at the commit only, where it is not known which event it is about, so none is parked; make it one that is checked at once: %w", err)
	}
	return err
}

// singly is events being applied in savepoints.
type singly[T any] struct {
	sink     sink.Sink[T]
	try      func(do func() error) error // in a savepoint
	consumer string
	failed   map[checkpoint.Entity]bool
	outcome  sink.Outcome
	parked   []checkpoint.Parked
	errors   []error // of the parked events
}

// part applies some of a step's events, the first of which is its event from.
func (s *singly[T]) part(ctx context.Context, tx T, from int, events []event.Delivered, known *parking) error {
	var ready []event.Delivered
	for i := range events {
		if !s.waits(&events[i], known) {
			ready = append(ready, events[i])
		}
	}
	together := len(ready) > 1
	if together {
		if err := s.apply(ctx, tx, ready); err != nil && !sink.IsOwn(err) {
			return err
		} else if err != nil {
			together = false
		}
	}
	for i := range events {
		e := &events[i]
		if s.waits(e, known) {
			s.park(from+i, checkpoint.Parked{Consumer: s.consumer, Delivered: *e}, nil)
			continue
		}
		if together {
			continue
		}
		if err := s.one(ctx, tx, from+i, e); err != nil {
			return err
		}
	}
	return nil
}

// waits reports whether an event has to wait for an earlier one of its entity,
// in this step or before.
func (s *singly[T]) waits(e *event.Delivered, known *parking) bool {
	entity, is := checkpoint.EntityOf(e)
	return is && s.failed[entity] || known.waits(e)
}

// one applies an event, or puts it aside.
func (s *singly[T]) one(ctx context.Context, tx T, i int, e *event.Delivered) error {
	err := s.apply(ctx, tx, []event.Delivered{*e})
	if err == nil || !sink.IsOwn(err) {
		return err
	}
	if _, is := checkpoint.EntityOf(e); is { // the event's strings lie in the page, which is used again
		s.failed[checkpoint.Entity{FeedID: e.FeedID, Subject: strings.Clone(e.Subject)}] = true
	}
	err = inner(err)
	s.park(i, checkpoint.Parked{Consumer: s.consumer, Delivered: *e, Error: err.Error(), Attempts: 1}, err)
	return nil
}

// apply applies all of some events, or none.
func (s *singly[T]) apply(ctx context.Context, tx T, events []event.Delivered) error {
	var outcome sink.Outcome
	err := s.try(func() (err error) {
		outcome, err = s.sink.Apply(ctx, tx, sink.Batch{Consumer: s.consumer, Events: events})
		return err
	})
	if err != nil {
		return err
	}
	for kind, n := range outcome.Skipped {
		if s.outcome.Skipped == nil {
			s.outcome.Skipped = make(map[sink.Kind]int64)
		}
		s.outcome.Skipped[kind] += n
	}
	return nil
}

func (s *singly[T]) park(i int, p checkpoint.Parked, err error) {
	s.outcome.Parked = append(s.outcome.Parked, i)
	s.parked = append(s.parked, p)
	s.errors = append(s.errors, err)
}
