package seedkafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// window counts the records of a transaction that are not yet acknowledged.
type window struct {
	mu    sync.Mutex
	left  int
	err   error
	epoch int16         // of the producer, in all acknowledgements
	moved chan struct{} // gets a value after an acknowledgement; has room for one
}

// produce publishes records, and returns when all of them are acknowledged, or after the first error.
func (l *log) produce(ctx context.Context, records []*kgo.Record) error {
	w := &window{left: len(records), moved: make(chan struct{}, 1)}
	_, epoch, err := l.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	w.epoch = epoch
	for _, r := range records {
		l.client.Produce(ctx, r, w.acknowledge)
	}
	err = w.wait(ctx, l.options.silence)
	if err != nil {
		l.abort(ctx)
		l.client.Close() // which ends all that is left with an error
		w.drain()
	}
	return err
}

// acknowledge is called once for each record.
func (w *window) acknowledge(r *kgo.Record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left--
	// The library begins another epoch after some errors, and with it another transaction.
	if err == nil && r.ProducerEpoch != w.epoch {
		err = fmt.Errorf("the client changed its epoch from %d to %d within a transaction", w.epoch, r.ProducerEpoch)
	}
	if w.err == nil {
		w.err = err
	}
	select {
	case w.moved <- struct{}{}:
	default:
	}
}

// state returns how many records are left, and the first error.
func (w *window) state() (left int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left, w.err
}

// wait waits until all records are acknowledged, or for an error, or for a silence that is too long.
func (w *window) wait(ctx context.Context, silence time.Duration) error {
	silent := time.NewTimer(silence)
	defer silent.Stop()
	for {
		if left, err := w.state(); left == 0 || err != nil {
			return err
		}
		select {
		case <-w.moved:
			silent.Reset(silence)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silent.C:
			left, _ := w.state()
			return fmt.Errorf("%w within %v: %d messages are not acknowledged", errSilent, silence, left)
		}
	}
}

// drain waits until no record is used any more.
func (w *window) drain() {
	for left, _ := w.state(); left > 0; left, _ = w.state() {
		<-w.moved
	}
}
