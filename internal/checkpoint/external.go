package checkpoint

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// External is a sink outside of the target's transactions, so what it does cannot be rolled
// back. The checkpoints follow its acknowledgements: it gets each event at least once. It
// lives at most as long as one claim, so its events follow the checkpoints that were loaded
// with that claim.
type External interface {
	// Deliver passes events on, in order. Whenever more of them are done, it calls
	// acknowledged with the number of events done, counted from the first; before it returns
	// nil, with all of them. It returns an error of acknowledged unchanged.
	Deliver(ctx context.Context, events []event.Delivered, acknowledged func(n int) error) error
	// Close stops the sink, and returns when all of its work has ended.
	Close()
}

// Hold is a held consumer, for its external sink.
type Hold struct {
	Feeds map[string]string // the names of the consumer's feeds, by id
	// Lost is closed when another process may hold the consumer. Then the sink must stop.
	Lost <-chan struct{}
	// ShareLock is that of a LockSharer; nil if the backend is none.
	ShareLock func(use func(fd uintptr) error) error
}

// deliver applies a step with an external sink.
func (s *Session) deliver(ctx context.Context, w Work) error {
	if len(w.Events) == 0 {
		return s.acknowledged(ctx, w, 0, 0)
	}
	if s.external == nil {
		hold := Hold{Feeds: s.feeds, Lost: s.Lost()}
		if sharer, can := s.Backend.(LockSharer); can {
			hold.ShareLock = sharer.ShareLock
		}
		s.external = s.about.External(hold)
	}
	started := time.Now()
	return s.external.Deliver(ctx, w.Events, func(n int) error {
		defer func() { started = time.Now() }()
		return s.acknowledged(context.WithoutCancel(ctx), w, n, time.Since(started))
	})
}

// acknowledged moves the checkpoints past the first n events.
func (s *Session) acknowledged(ctx context.Context, w Work, n int, took time.Duration) error {
	moves, err := w.After(n)
	if err != nil {
		return err
	}
	if err := s.Step(ctx, moves, func(Tx) error { return nil }); err != nil {
		return err
	}
	w.Moved(n, moves, Outcome{Took: took})
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
