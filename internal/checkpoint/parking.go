package checkpoint

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/event"
)

// parking keeps the entities that have parked events, in memory: about 100 bytes for each.
type parking struct {
	on       bool // also park events that cannot be applied
	entities map[Entity]bool
	first    func(e *event.Delivered, err error) // called with each event that could not be applied
}

// Park makes the session park events that cannot be applied, and call first with each.
func (s *Session) Park(first func(e *event.Delivered, err error)) {
	s.parking.on, s.parking.first = true, first
}

// LoadParked loads the entities that have parked events. It must be called after each Claim.
func (s *Session) LoadParked(ctx context.Context) (err error) {
	if parker, can := s.Backend.(Parker); can {
		s.parking.entities, err = parker.Entities(ctx, s.consumer)
	}
	if s.parking.entities == nil {
		s.parking.entities = make(map[Entity]bool)
	}
	return s.at("read what is parked", err)
}

// CountParked counts the parked events of a checkpoint's feed after a position.
func (s *Session) CountParked(ctx context.Context, c Checkpoint, after int64) (n int64, err error) {
	if parker, can := s.Backend.(Parker); can {
		n, err = parker.CountParked(ctx, c.Consumer, c.FeedID, after)
	}
	return n, s.at("count what is parked", err)
}

// ListParked is that of a Parker. If the backend is none, nothing is parked, whatever the sink
// supports.
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

// sort removes the events that have to wait from a batch, and returns their indices. It
// returns a batch without such events unchanged.
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

// parkWaiting parks the events of a step that have to wait.
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

// inner returns an event's error without the event's name, which is shown beside the error of
// a parked event.
func inner(err error) error {
	if failed, is := errors.AsType[*EventError](err); is {
		return failed.Err
	}
	return err
}
