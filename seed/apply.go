package seed

import (
	"context"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// A transaction takes what has been fetched so far, up to these bounds: large
// enough that its commit costs nothing, small enough that little is done again
// after a crash.
const (
	maxBatchEvents = 20_000
	maxBatchBytes  = 32 << 20
)

// fetched is a run, or the error that ended the walk.
type fetched struct {
	walk.Run
	err error
}

// applyAll walks to the head in one goroutine and applies in this one what
// has arrived meanwhile. What came before an error is applied before it is
// returned.
func (r *runner) applyAll(ctx context.Context, head *walk.Head) error {
	ctx, cancel := context.WithCancel(ctx)
	runs := make(chan fetched, r.Prefetch)
	done := make(chan struct{})
	defer func() {
		cancel()
		<-done
	}()
	go func() {
		defer close(done)
		defer close(runs)
		for run, err := range r.client.Walk(ctx, head, r.place(), r.nextPage, r.Prefetch) {
			select {
			case runs <- fetched{run, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for first := range runs {
		events, to, err := gather(first, runs)
		if len(events) > 0 {
			if applyErr := r.apply(ctx, events, to); applyErr != nil {
				return applyErr
			}
			r.report(head)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// gather puts runs together that are there already, without waiting for more.
func gather(first fetched, runs <-chan fetched) (events []event.Placed, to walk.Place, err error) {
	bytes := 0
	for next := first; ; {
		if next.err != nil {
			return events, to, next.err
		}
		to = next.To
		for i := range next.Events {
			bytes += len(next.Events[i].Data)
		}
		if events == nil {
			events = next.Events
		} else {
			events = append(events, next.Events...)
		}
		if len(events) >= maxBatchEvents || bytes >= maxBatchBytes {
			return events, to, nil
		}
		select {
		case more, open := <-runs:
			if !open {
				return events, to, nil
			}
			next = more
		default:
			return events, to, nil
		}
	}
}

// apply hands events to the target, in the transaction that moves the
// checkpoint on to where they lead.
func (r *runner) apply(ctx context.Context, events []event.Placed, to walk.Place) error {
	next := r.checkpoint
	next.Epoch, next.Position, next.Digest = to.Epoch, to.Position, to.Digest
	batch := Batch{Consumer: next.Consumer, Feed: next.Feed, FeedID: next.FeedID, Events: events}
	if err := r.Into.apply(ctx, r.checkpoint, next, batch); err != nil {
		return err
	}
	r.checkpoint = next
	r.applied += int64(len(events))
	return nil
}
