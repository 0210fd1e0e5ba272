// Package prefetch fetches values ahead, several at once, and returns them in order.
package prefetch

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Usual is how many pages are fetched at once where the delay of the network is not the limit, or is
// not known yet.
const Usual = 16

// Bounds are the limits of prefetching.
type Bounds struct {
	AtOnce int   // number of values fetched at once in the beginning, and at least; less than 1 means 1
	Most   int   // maximum number of values fetched at once, where the delay is the limit; less than AtOnce means AtOnce
	Room   int64 // maximum size of all values, fetched and being fetched, in bytes; see [Share.Hold]
}

// Fetched is the value of a key, or the error.
type Fetched[V any] struct {
	Value V
	Err   error

	share *Share
}

// Done reports that the value is not used any more, so that more can be fetched. The caller must
// call it for each value.
func (f *Fetched[V]) Done() {
	if f.share != nil {
		f.share.giveBack()
	}
}

// Getter gets the value of a key. It must reserve memory in its share before it uses it.
type Getter[K, V any] func(ctx context.Context, key K, share *Share) (V, error)

// Fetch returns the value of each key, in order. It ends after the first error of a key or a value.
// Keys and get are called from goroutines, all of which end with the iteration.
func Fetch[K, V any](ctx context.Context, b Bounds, keys iter.Seq2[K, error], get Getter[K, V]) iter.Seq[Fetched[V]] {
	return func(yield func(Fetched[V]) bool) {
		w := newWindow(b)
		f := &fetcher[K, V]{get: get, room: &room{size: b.Room}, window: w, futures: make(chan chan Fetched[V], w.most)}
		ctx, cancel := context.WithCancel(ctx)
		defer f.running.Wait()
		defer cancel()
		f.running.Go(func() {
			defer close(f.futures)
			f.run(ctx, keys)
		})
		for future := range f.futures {
			waits := len(future) == 0
			got := <-future
			if !yield(got) || got.Err != nil {
				return
			}
			w.next(waits)
		}
		if ctx.Err() != nil {
			yield(Fetched[V]{Err: ctx.Err()})
		}
	}
}

type fetcher[K, V any] struct {
	get     Getter[K, V]
	room    *room
	window  *window
	futures chan chan Fetched[V] // the fetches that have begun, in order
	running sync.WaitGroup
}

// run sends a future for each key that the window has room for, and fetches the key.
func (f *fetcher[K, V]) run(ctx context.Context, keys iter.Seq2[K, error]) {
	for key, keyErr := range keys {
		future := make(chan Fetched[V], 1)
		select {
		case <-f.window.free:
		case <-ctx.Done():
			return
		}
		f.futures <- future
		if keyErr != nil {
			future <- Fetched[V]{Err: keyErr}
			return
		}
		share := f.room.share()
		f.running.Go(func() {
			value, err := f.fetch(ctx, key, share)
			future <- Fetched[V]{Value: value, Err: err, share: share}
		})
	}
}

// fetch gets a value when there is room for one as large as the largest before.
func (f *fetcher[K, V]) fetch(ctx context.Context, key K, share *Share) (value V, err error) {
	if err := share.Hold(ctx, f.room.expected()); err != nil {
		return value, err
	}
	began := time.Now()
	value, err = f.get(ctx, key, share)
	if err == nil {
		f.window.took(time.Since(began))
	}
	return value, err
}
