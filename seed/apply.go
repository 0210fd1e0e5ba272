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
		gathered, err := gather(first, runs)
		if len(gathered) > 0 {
			if applyErr := r.apply(ctx, gathered); applyErr != nil {
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

// gather takes runs that are there already, without waiting for more.
func gather(first fetched, runs <-chan fetched) (gathered []walk.Run, err error) {
	events, bytes := 0, 0
	for next := first; ; {
		if next.err != nil {
			return gathered, next.err
		}
		gathered = append(gathered, next.Run)
		events += len(next.Events)
		for i := range next.Events {
			bytes += len(next.Events[i].Data)
		}
		if events >= maxBatchEvents || bytes >= maxBatchBytes {
			return gathered, nil
		}
		select {
		case more, open := <-runs:
			if !open {
				return gathered, nil
			}
			next = more
		default:
			return gathered, nil
		}
	}
}

// apply hands consecutive runs to the target, in the transaction that moves
// the checkpoint on to where they lead.
func (r *runner) apply(ctx context.Context, runs []walk.Run) error {
	next, to := r.checkpoint, runs[len(runs)-1].To
	next.Epoch, next.Position, next.Digest = to.Epoch, to.Position, to.Digest
	var events []event.Delivered
	for i := range runs {
		for _, e := range runs[i].Events {
			events = append(events, event.Delivered{Placed: e, Feed: next.Feed, FeedID: next.FeedID})
		}
	}
	batch := Batch{Consumer: next.Consumer, Events: events}
	if err := r.Into.apply(ctx, r.checkpoint, next, batch); err != nil {
		return err
	}
	r.checkpoint = next
	r.applied += int64(len(events))
	for i := range runs {
		runs[i].Done()
	}
	return nil
}
