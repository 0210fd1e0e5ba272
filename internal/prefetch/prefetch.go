// Package prefetch fetches what will be needed before it is, several at once, and
// hands it out in order.
package prefetch

import (
	"context"
	"iter"
	"sync"
)

// Bounds of what is fetched ahead.
type Bounds struct {
	AtOnce int   // less than 1 means 1
	Room   int64 // bytes that all values hold together, fetched and being fetched, see [Share.Hold]
}

// Fetched is what came of a key.
type Fetched[V any] struct {
	Value V
	Err   error

	share *Share
}

// Done says that the value is not used any more, which lets more be fetched. It
// must be called for each.
func (f *Fetched[V]) Done() {
	if f.share != nil {
		f.share.giveBack()
	}
}

// Getter gets the value of a key. It asks its share for memory before it uses it.
type Getter[K, V any] func(ctx context.Context, key K, share *Share) (V, error)

// Fetch gets the value of each key, in order. The first error, of a key or a value,
// is handed out last. All goroutines end with the iteration, which keys is ranged
// over and get is called in.
func Fetch[K, V any](ctx context.Context, b Bounds, keys iter.Seq2[K, error], get Getter[K, V]) iter.Seq[Fetched[V]] {
	return func(yield func(Fetched[V]) bool) {
		f := &fetcher[K, V]{get: get, room: &room{size: b.Room}, futures: make(chan chan Fetched[V], max(1, b.AtOnce)-1)}
		ctx, cancel := context.WithCancel(ctx)
		defer f.running.Wait()
		defer cancel()
		f.running.Go(func() {
			defer close(f.futures)
			f.run(ctx, keys)
		})
		for future := range f.futures {
			got := <-future
			if !yield(got) || got.Err != nil {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Fetched[V]{Err: ctx.Err()})
		}
	}
}

type fetcher[K, V any] struct {
	get     Getter[K, V]
	room    *room
	futures chan chan Fetched[V] // each in flight, in order
	running sync.WaitGroup
}

// run hands out a future for each key, and only then fetches it: those after it
// wait for a place among the futures.
func (f *fetcher[K, V]) run(ctx context.Context, keys iter.Seq2[K, error]) {
	for key, keyErr := range keys {
		future := make(chan Fetched[V], 1)
		select {
		case f.futures <- future:
		case <-ctx.Done():
			return
		}
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

// fetch gets a value once there is room for one as large as those before it.
func (f *fetcher[K, V]) fetch(ctx context.Context, key K, share *Share) (value V, err error) {
	if err := share.Hold(ctx, f.room.expected()); err != nil {
		return value, err
	}
	return f.get(ctx, key, share)
}
