package checkpoint

import (
	"context"
	"fmt"
	"time"
)

// Work is a step: events, and the moves of the checkpoints for them.
type Work struct {
	Batch
	// Moved is called after the checkpoints were moved for the first n events.
	Moved func(n int, moves []Move, outcome Outcome)
}

// Apply applies a step: its events and the moves, in one transaction of the target. It
// parks events that wait for a parked event of their entity and, if Park was called, events
// that cannot be applied. For an external sink it moves the checkpoints as the sink
// acknowledges events.
func (s *Session) Apply(ctx context.Context, w Work) error {
	return s.at("apply "+w.String(), s.apply(ctx, w))
}

func (s *Session) apply(ctx context.Context, w Work) error {
	if s.about.External != nil {
		return s.deliver(ctx, w)
	}
	moves, err := w.After(len(w.Events))
	if err != nil {
		return err
	}
	var outcome Outcome
	ready, waiting := s.parking.sort(w.Batch)
	err = s.Step(ctx, moves, func(tx Tx) (err error) {
		started := time.Now()
		if len(ready.Events) > 0 {
			if outcome, err = tx.Apply(ctx, ready); err != nil {
				return err
			}
		}
		outcome.Parked = waiting
		outcome.Took = time.Since(started)
		outcome.Count(moves)
		return parkWaiting(ctx, tx, w, waiting)
	})
	if s.parking.on && IsOwn(err) {
		return s.applySingly(ctx, w)
	}
	if err == nil {
		w.Moved(len(w.Events), moves, outcome)
	}
	return err
}

// Count adds the skipped events to the moves.
func (o *Outcome) Count(moves []Move) {
	for kind, skipped := range o.Skipped {
		for i := range moves {
			if moves[i].To.FeedID == kind.FeedID {
				moves[i].To.Skipped += skipped
				moves[i].Skip(kind.Type, skipped)
			}
		}
	}
}

// String names the first and the last event, for messages.
func (w *Work) String() string {
	if len(w.Events) == 0 {
		return "nothing"
	}
	first, last := &w.Events[0], &w.Events[len(w.Events)-1]
	if first.FeedID == last.FeedID {
		return fmt.Sprintf("positions %d to %d", first.Position, last.Position)
	}
	return fmt.Sprintf("position %d of feed %s to position %d of feed %s", first.Position, first.Feed, last.Position, last.Feed)
}
