package checkpoint

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// External is a sink that works outside of the target's transactions, so that what it
// does cannot be undone. The checkpoints follow what it acknowledges: it gets each event
// at least once. It lasts no longer than the claim that it was made under, so what it is
// given follows the checkpoints that were read then.
type External interface {
	// Deliver hands events over, in order, and calls acknowledged with how many of them,
	// counted from the first, are done: whenever that has grown, and with all of them
	// before it returns nil. An error of acknowledged is returned as it is.
	Deliver(ctx context.Context, events []event.Delivered, acknowledged func(n int) error) error
	// Close ends it, and returns when nothing of it is at work any more.
	Close()
}

// Hold is a consumer that is held, for the external sink that works for it.
type Hold struct {
	Feeds map[string]string // that the consumer reads: their names, by id
	// Lost is closed when someone else may hold the consumer. The sink must end then.
	Lost <-chan struct{}
	// ShareLock is as in LockSharer; nil where the backend is none.
	ShareLock func(use func(fd uintptr) error) error
}

// deliver applies a step by an external sink.
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

// acknowledged moves the checkpoints behind the first n events.
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

// endExternal ends the external sink, if there is one: as long as it may be at work, no
// one else is to have the consumer.
func (s *Session) endExternal() {
	if s.external != nil {
		s.external.Close()
		s.external = nil
	}
}
