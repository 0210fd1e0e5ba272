package checkpoint

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/event"
)

// parking is which entities' events are parked. It is held in memory: some
// 100 bytes for each entity with a parked event.
type parking struct {
	on       bool // events that cannot be applied are, too
	entities map[Entity]bool
	first    func(e *event.Delivered, err error) // told of what could not be applied
}

// Park parks events that cannot be applied, from now on, and calls first with each.
func (s *Session) Park(first func(e *event.Delivered, err error)) {
	s.parking.on, s.parking.first = true, first
}

// LoadParked reads which entities' events wait. It must be called after each Claim.
func (s *Session) LoadParked(ctx context.Context) (err error) {
	if parker, can := s.Backend.(Parker); can {
		s.parking.entities, err = parker.Entities(ctx, s.consumer)
	}
	if s.parking.entities == nil {
		s.parking.entities = make(map[Entity]bool)
	}
	return s.at("read what is parked", err)
}

// CountParked counts the parked events of a checkpoint's feed behind a position.
func (s *Session) CountParked(ctx context.Context, c Checkpoint, after int64) (n int64, err error) {
	if parker, can := s.Backend.(Parker); can {
		n, err = parker.CountParked(ctx, c.Consumer, c.FeedID, after)
	}
	return n, s.at("count what is parked", err)
}

// ListParked is that of a Parker; nothing is parked where the backend is none, whatever
// the sink can do.
func (s *Session) ListParked(ctx context.Context, of ParkedFilter, yield func(Parked) bool) error {
	parker, can := s.Backend.(Parker)
	if !can {
		return nil
	}
	return s.at("read what is parked", parker.ListParked(ctx, of, yield))
}

// waits reports whether an event has to wait for an earlier one of its entity.
func (p *parking) waits(e *event.Delivered) bool {
	if len(p.entities) == 0 {
		return false
	}
	entity, is := EntityOf(e)
	return is && p.entities[entity]
}

// sort takes the events out of a batch that have to wait, and returns their
// indices. A batch without any is returned as it is.
func (p *parking) sort(b Batch) (ready Batch, waiting []int) {
	if len(p.entities) == 0 {
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

// parkWaiting parks events of a step that have to wait.
func parkWaiting(ctx context.Context, tx Tx, w Work, waiting []int) error {
	if len(waiting) == 0 {
		return nil
	}
	events := make([]Parked, len(waiting))
	for n, i := range waiting {
		events[n] = Parked{Consumer: w.Consumer, Delivered: w.Events[i]}
	}
	return tx.(ParkTx).Park(ctx, events)
}

// inner is an event's error without the event, which stands beside it wherever
// the error of a parked event is shown.
func inner(err error) error {
	if failed, is := errors.AsType[*EventError](err); is {
		return failed.Err
	}
	return err
}
