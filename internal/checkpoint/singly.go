package checkpoint

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// partEvents is how many events are tried together in a step that contains an event that
// cannot be applied.
const partEvents = 64

// applySingly applies events in savepoints of one transaction. It parks the events that cannot
// be applied, and those that have to wait for them. It tries a few events together, and if that
// fails one by one.
func (s *Session) applySingly(ctx context.Context, w Work) error {
	moves, err := w.After(len(w.Events))
	if err != nil {
		return err
	}
	var one *singly
	atCommit := false
	err = s.Step(ctx, moves, func(tx Tx) error {
		started := time.Now()
		if one, err = newSingly(ctx, tx.(ParkTx), w.Consumer); err != nil {
			return err
		}
		for from := 0; from < len(w.Events); from += partEvents {
			if err := one.part(ctx, from, w.Events[from:min(from+partEvents, len(w.Events))], &s.parking); err != nil {
				return err
			}
		}
		one.outcome.Took = time.Since(started)
		one.outcome.Count(moves)
		err := one.tx.Park(ctx, one.parked)
		atCommit = err == nil
		return err
	})
	if err != nil {
		return notOwn(err, atCommit)
	}
	for entity := range one.failed {
		s.parking.entities[entity] = true
	}
	for i := range one.parked {
		if one.parked[i].Attempts > 0 {
			s.parking.first(&one.parked[i].Delivered, one.errors[i])
		}
	}
	w.Moved(len(w.Events), moves, one.outcome)
	return nil
}

// notOwn explains an error that appears only at the commit: it is unknown which event caused
// it.
func notOwn(err error, atCommit bool) error {
	if atCommit && IsOwn(err) {
		return fmt.Errorf("a deferred constraint of the target failed at the commit, where it is unknown which event caused it, so none is parked; make the constraint immediate: %w", err)
	}
	return err
}

// singly is the state of applying events in savepoints.
type singly struct {
	tx       ParkTx
	try      func(do func() error) error // runs do in a savepoint
	consumer string
	failed   map[Entity]bool
	outcome  Outcome
	parked   []Parked
	errors   []error // the errors of the parked events
}

func newSingly(ctx context.Context, tx ParkTx, consumer string) (*singly, error) {
	try, err := tx.Savepoints(ctx)
	return &singly{tx: tx, try: try, consumer: consumer, failed: make(map[Entity]bool)}, err
}

// part applies some of a step's events. The first one has index from in the step.
func (s *singly) part(ctx context.Context, from int, events []event.Delivered, known *parking) error {
	var ready []event.Delivered
	for i := range events {
		if !s.waits(&events[i], known) {
			ready = append(ready, events[i])
		}
	}
	together := len(ready) > 1
	if together {
		if err := s.apply(ctx, ready); err != nil && !IsOwn(err) {
			return err
		} else if err != nil {
			together = false
		}
	}
	for i := range events {
		e := &events[i]
		if s.waits(e, known) {
			s.park(from+i, Parked{Consumer: s.consumer, Delivered: *e}, nil)
			continue
		}
		if together {
			continue
		}
		if err := s.one(ctx, from+i, e); err != nil {
			return err
		}
	}
	return nil
}

// waits reports whether an event has to wait for an earlier one of its entity, in this step or
// an earlier one.
func (s *singly) waits(e *event.Delivered, known *parking) bool {
	entity, is := EntityOf(e)
	return is && s.failed[entity] || known.waits(e)
}

// one applies an event, or parks it.
func (s *singly) one(ctx context.Context, i int, e *event.Delivered) error {
	err := s.apply(ctx, []event.Delivered{*e})
	if err == nil || !IsOwn(err) {
		return err
	}
	if _, is := EntityOf(e); is { // a clone, because the event's page is reused
		s.failed[Entity{FeedID: e.FeedID, Subject: strings.Clone(e.Subject)}] = true
	}
	err = inner(err)
	s.park(i, Parked{Consumer: s.consumer, Delivered: *e, Error: err.Error(), Attempts: 1}, err)
	return nil
}

// apply applies all of the events or none.
func (s *singly) apply(ctx context.Context, events []event.Delivered) error {
	var outcome Outcome
	err := s.try(func() (err error) {
		outcome, err = s.tx.Apply(ctx, Batch{Consumer: s.consumer, Events: events})
		return err
	})
	if err != nil {
		return err
	}
	for kind, n := range outcome.Skipped {
		if s.outcome.Skipped == nil {
			s.outcome.Skipped = make(map[FeedType]int64)
		}
		s.outcome.Skipped[kind] += n
	}
	return nil
}

func (s *singly) park(i int, p Parked, err error) {
	s.outcome.Parked = append(s.outcome.Parked, i)
	s.parked = append(s.parked, p)
	s.errors = append(s.errors, err)
}
