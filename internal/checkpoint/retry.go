package checkpoint

import (
	"context"

	"github.com/eventfeed/eventfeed/event"
)

// Retried is the result of Retry.
type Retried struct {
	Applied int64 // parked events that were applied
	Skipped int64 // those of Applied that the sink skipped
	Left    int64 // selected events that are still parked
	// Failed lists the events that failed again, without their data: the first of each
	// entity, and those without a subject. It has at most MaxFailed events.
	Failed []Parked
}

// MaxFailed is the maximum number of events in Retried.Failed. It equals seed.MaxFailed.
const MaxFailed = 100

// Retry applies the parked events of the consumer with these checkpoints: for each entity in
// feed order, up to the first event that still cannot be applied. The target must not lack
// Parking, and the sink must be prepared.
func (s *Session) Retry(ctx context.Context, all []Checkpoint, of ParkedFilter) (Retried, error) {
	done, err := s.retry(ctx, all, of)
	return done, s.at("apply what is parked", err)
}

func (s *Session) retry(ctx context.Context, all []Checkpoint, of ParkedFilter) (Retried, error) {
	u := &retrying{of: of, failed: make(map[Entity]bool)}
	moves := make([]Move, len(all)) // to the same place: they check that this process still holds the consumer
	for i := range all {
		moves[i] = Move{From: all[i], To: all[i]}
	}
	for more := true; more; {
		before := u.done
		atCommit := false
		err := s.Step(ctx, moves, func(tx Tx) (err error) {
			more, err = u.page(ctx, tx.(ParkTx), moves)
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

// retrying is the state of one Retry.
type retrying struct {
	of     ParkedFilter
	at     ParkedPlace // the place of the last event that was tried
	failed map[Entity]bool
	done   Retried
}

// page applies the next page of parked events. It reports whether there were any.
func (u *retrying) page(ctx context.Context, tx ParkTx, moves []Move) (more bool, err error) {
	events, err := tx.NextParked(ctx, u.of, u.at)
	if err != nil || len(events) == 0 {
		return false, err
	}
	s, err := newSingly(ctx, tx, u.of.Consumer)
	if err != nil {
		return false, err
	}
	for i := range events {
		if err := u.apply(ctx, s, &events[i]); err != nil {
			return false, err
		}
	}
	s.outcome.Count(moves)
	for _, n := range s.outcome.Skipped {
		u.done.Skipped += n
	}
	last := &events[len(events)-1]
	u.at = ParkedPlace{FeedID: last.FeedID, Position: last.Position}
	return true, nil
}

func (u *retrying) apply(ctx context.Context, s *singly, e *Parked) error {
	entity, is := EntityOf(&e.Delivered)
	if is && u.failed[entity] {
		u.done.Left++
		return nil
	}
	err := s.apply(ctx, []event.Delivered{e.Delivered})
	switch {
	case err == nil:
		u.done.Applied++
		return s.tx.Unpark(ctx, e)
	case !IsOwn(err):
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
	return s.tx.KeepParked(ctx, e)
}
