package checkpoint

import (
	"context"
	"time"
)

// External is a sink outside of the target's transactions, so what it does cannot be rolled
// back. The checkpoints follow its acknowledgements: it gets each event at least once. It
// lives at most as long as one claim, so its events follow the checkpoints of that claim.
type External interface {
	// Start prepares the sink, before any event is fetched. It retries transient errors.
	Start(ctx context.Context) error
	// Deliver passes events on, in order. Whenever more of them are done, it calls
	// acknowledged with the number of events done, counted from the first; before it returns
	// nil, with all of them. It returns an error of acknowledged unchanged.
	Deliver(ctx context.Context, b Batch, acknowledged func(Acknowledged) error) error
	// Close stops the sink, and returns when all of its work has ended.
	Close()
}

// Acknowledged is what an external sink has done of a batch.
type Acknowledged struct {
	Events     int   // number of events done, counted from the first of the batch
	Unroutable int64 // number of those that went to no queue, since the last call
}

// Hold is a held consumer, for its external sink.
type Hold struct {
	Checkpoints []Checkpoint // of the consumer's feeds, in the order of feed ids
	// Lost is closed when another process may hold the consumer. Then the sink must stop.
	Lost <-chan struct{}
	// ShareLock is that of a LockSharer; nil if the backend is none.
	ShareLock func(use func(fd uintptr) error) error
	// Away reports that the sink is unavailable and why, or that it is available again: nil.
	// Only Start and Deliver may call it, before they return.
	Away func(err error)
}

// Watch makes external sinks report to away that they are unavailable, or available again: nil.
func (s *Session) Watch(away func(err error)) { s.away = away }

// startExternal starts the external sink, if the target has one, for the checkpoints that were
// loaded and begun.
func (s *Session) startExternal(ctx context.Context) error {
	if s.about.External == nil {
		return nil
	}
	s.endExternal()
	hold := Hold{Checkpoints: s.held(), Lost: s.Lost(), Away: s.away}
	if hold.Away == nil {
		hold.Away = func(error) {}
	}
	if sharer, can := s.Backend.(LockSharer); can {
		hold.ShareLock = sharer.ShareLock
	}
	s.external = s.about.External(hold)
	return s.external.Start(ctx)
}

// deliver applies a step with an external sink.
func (s *Session) deliver(ctx context.Context, w Work) error {
	if len(w.Events) == 0 {
		return s.acknowledged(ctx, w, Acknowledged{}, 0)
	}
	started := time.Now()
	return s.external.Deliver(ctx, w.Batch, func(done Acknowledged) error {
		defer func() { started = time.Now() }()
		return s.acknowledged(context.WithoutCancel(ctx), w, done, time.Since(started))
	})
}

// acknowledged moves the checkpoints past the events that are done.
func (s *Session) acknowledged(ctx context.Context, w Work, done Acknowledged, took time.Duration) error {
	moves, err := w.After(done.Events)
	if err != nil {
		return err
	}
	if err := s.Step(ctx, moves, func(Tx) error { return nil }); err != nil {
		return err
	}
	w.Moved(done.Events, moves, Outcome{Unroutable: done.Unroutable, Took: took})
	return nil
}

// endExternal stops the external sink, if there is one. No other process may hold the
// consumer while the sink may be working.
func (s *Session) endExternal() {
	if s.external != nil {
		s.external.Close()
		s.external = nil
	}
}
