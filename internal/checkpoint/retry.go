package checkpoint

import (
	"context"

	"github.com/eventfeed/eventfeed/event"
)

// Retried is what Retry has done.
type Retried struct {
	Applied int64 // events that were parked and are applied now
	Skipped int64 // of them those that the sink had no use for
	Left    int64 // of those that it was about, events that are still parked
	// Failed are the events that could still not be applied, without their data: the
	// first of each entity, and those without a subject. No more than MaxFailed are
	// listed.
	Failed []Parked
}

// MaxFailed is how many events Retried lists: seed.MaxFailed.
const MaxFailed = 100

// Retry applies parked events of the consumer that has these checkpoints: of each entity
// in the order of the feed, up to the first that still cannot be applied. The target must
// not lack Parking, and the sink must be prepared.
func (s *Session) Retry(ctx context.Context, all []Checkpoint, of ParkedFilter) (Retried, error) {
	done, err := s.retry(ctx, all, of)
	return done, s.at("apply what is parked", err)
}

func (s *Session) retry(ctx context.Context, all []Checkpoint, of ParkedFilter) (Retried, error) {
	u := &retrying{of: of, failed: make(map[Entity]bool)}
	moves := make([]Move, len(all)) // to where they are: so they are still ours
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

// retrying is parked events being applied.
type retrying struct {
	of     ParkedFilter
	at     ParkedPlace // behind it is what has not been looked at
	failed map[Entity]bool
	done   Retried
}

// page applies what is read at a time. It reports whether there was anything.
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
