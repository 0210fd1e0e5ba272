package seed

import (
	"context"
	"iter"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// OnError says what is done with an event that cannot be applied because of an
// error of its own: SQLSTATE class 22, class 23 or P0001; in SQLite
// SQLITE_CONSTRAINT or SQLITE_MISMATCH; or ErrOwn. After any other error,
// whatever OnError is, a run tries again or stops.
type OnError int

const (
	// Stop ends the run with the error; nothing of that transaction is applied.
	Stop OnError = iota
	// Park puts the event aside in the target, in the transaction that moves the
	// checkpoint past it, and with it every later event of its entity: the events
	// of that feed with that subject. An event without a subject is parked alone.
	// They wait there for Retry, also in runs with Stop.
	//
	// A handler is called again then with events of a transaction that was
	// rolled back, few together or one alone, in savepoints.
	Park
)

// ErrOwn is for handlers: an error that wraps it is the event's own.
var ErrOwn = sink.ErrOwn

// ParkedEvent is an event that was put aside.
type ParkedEvent = checkpoint.Parked

// Shelf is a part of the parked events. Its zero value is all of them.
type Shelf = checkpoint.Shelf

// Parked returns the parked events of a target, in the order of consumers, of
// feed ids, and of positions. It may be called while a Run is at work, for
// another Target.
func Parked(ctx context.Context, into Target, of Shelf) iter.Seq2[ParkedEvent, error] {
	return func(yield func(ParkedEvent, error) bool) {
		defer into.close()
		goOn := true
		err := into.open(ctx)
		if err == nil {
			err = into.listParked(ctx, of, func(p ParkedEvent) bool {
				goOn = yield(p, nil)
				return goOn
			})
		}
		if err != nil && goOn {
			yield(ParkedEvent{}, err)
		}
	}
}

// shelves is what a target does with parked events.
type shelves interface {
	entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error)
	listParked(ctx context.Context, of checkpoint.Shelf, yield func(ParkedEvent) bool) error
	// unpark applies parked events of the consumer that has these checkpoints.
	unpark(ctx context.Context, all []checkpoint.Checkpoint, of checkpoint.Shelf) (Retried, error)
}

// shelf is where a keeper has parked events.
type shelf[T any] interface {
	Entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error)
	CountParked(ctx context.Context, consumer, feedID string, after int64) (int64, error)
	ListParked(ctx context.Context, of checkpoint.Shelf, yield func(checkpoint.Parked) bool) error
	Park(ctx context.Context, tx T, events []checkpoint.Parked) error
	NextParked(ctx context.Context, tx T, of checkpoint.Shelf, after checkpoint.ParkedPlace) ([]checkpoint.Parked, error)
	Unpark(ctx context.Context, tx T, e *checkpoint.Parked) error
	KeepParked(ctx context.Context, tx T, e *checkpoint.Parked) error
	Savepoints(ctx context.Context, tx T) (try func(do func() error) error, err error)
}

// parking is which entities' events are put aside. It is held in memory: some
// 100 bytes for each entity with a parked event.
type parking struct {
	on       bool // events that cannot be applied are, too
	entities map[checkpoint.Entity]bool
	first    func(e *event.Delivered, err error) // told of what could not be applied
}

func (p *parking) isOn() bool { return p != nil && p.on }

// waits reports whether an event has to wait for an earlier one of its entity.
func (p *parking) waits(e *event.Delivered) bool {
	if p == nil || len(p.entities) == 0 {
		return false
	}
	entity, is := checkpoint.EntityOf(e)
	return is && p.entities[entity]
}

// sort takes the events out of a batch that have to wait, and returns their
// indices. A batch without any is returned as it is.
func (p *parking) sort(b Batch) (ready Batch, waiting []int) {
	if p == nil || len(p.entities) == 0 {
		return b, nil
	}
	for i := range b.Events {
		if p.waits(&b.Events[i]) {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return b, nil
	}
	ready = Batch{Consumer: b.Consumer, Events: make([]event.Delivered, 0, len(b.Events)-len(waiting))}
	next := 0
	for _, i := range append(waiting, len(b.Events)) {
		ready.Events = append(ready.Events, b.Events[next:i]...)
		next = i + 1
	}
	return ready, waiting
}

// loadParked reads which entities' events wait.
func (r *runner) loadParked(ctx context.Context) (err error) {
	r.parking.on = r.OnError == Park
	r.parking.first = func(e *event.Delivered, err error) {
		r.Logger.Warn("an event cannot be applied and is parked", "feed", e.Feed, "position", e.Position,
			"id", e.ID, "type", e.Type, "subject", e.Subject, "error", err)
	}
	for _, f := range r.feeds {
		if f.waiting, err = r.Into.countParked(ctx, checkpoint.Checkpoint{Consumer: r.Consumer, FeedID: f.id}, 0); err != nil {
			return err
		}
	}
	r.parking.entities, err = r.Into.entities(ctx, r.Consumer)
	return err
}

// parked counts what was put aside.
func (r *runner) parked(s *step, outcome sink.Outcome) {
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

// park puts events of a batch aside that have to wait.
func (t *target[T]) park(ctx context.Context, tx T, w work, waiting []int) error {
	if len(waiting) == 0 {
		return nil
	}
	events := make([]checkpoint.Parked, len(waiting))
	for n, i := range waiting {
		events[n] = checkpoint.Parked{Consumer: w.Consumer, Delivered: w.Events[i]}
	}
	return t.keeper.Park(ctx, tx, events)
}

func (t *target[T]) entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error) {
	return t.keeper.Entities(ctx, consumer)
}

func (t *target[T]) listParked(ctx context.Context, of checkpoint.Shelf, yield func(ParkedEvent) bool) error {
	return t.keeper.ListParked(ctx, of, yield)
}

// IsOwn reports whether an error is an event's own, so that Park would put that
// event aside.
func IsOwn(err error) bool { return sink.IsOwn(err) }
