// Package ahead fetches what will be needed before it is, several at once, and
// hands it out in order.
package ahead

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Bounds of what is fetched ahead.
type Bounds struct {
	AtOnce int   // less than 1 means 1
	Room   int64 // that fetched values and those being fetched take, by the largest one so far, in bytes
}

// Fetched is what came of a key.
type Fetched[V any] struct {
	Value V
	Err   error

	done func()
}

// Done says that the value is not used any more, which lets more be fetched. It
// must be called for each.
func (f *Fetched[V]) Done() {
	if f.done != nil {
		f.done()
	}
}

// Fetch gets the value of each key, in order, and the bytes that it takes. The
// first error, of a key or a value, is handed out last. All goroutines end with
// the iteration, which keys is ranged over and get is called in. The first value
// is fetched alone: it tells how many there may be at once.
func Fetch[K, V any](ctx context.Context, b Bounds, keys iter.Seq2[K, error], get func(context.Context, K) (V, int64, error)) iter.Seq[Fetched[V]] {
	return func(yield func(Fetched[V]) bool) {
		f := &fetcher[K, V]{get: get, size: b.Room, room: semaphore.NewWeighted(b.Room), futures: make(chan chan Fetched[V], max(1, b.AtOnce)-1)}
		ctx, cancel := context.WithCancel(ctx)
		defer f.running.Wait()
		defer cancel()
		f.running.Go(func() {
			defer close(f.futures)
			f.run(ctx, keys)
		})
		for future := range f.futures {
			if got := <-future; !yield(got) || got.Err != nil {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Fetched[V]{Err: ctx.Err()})
		}
	}
}

type fetcher[K, V any] struct {
	get     func(context.Context, K) (V, int64, error)
	size    int64
	room    *semaphore.Weighted
	largest atomic.Int64         // value so far, in bytes
	futures chan chan Fetched[V] // each in flight, in order
	running sync.WaitGroup
}

// run hands out a future for each key, and only then fetches it: those behind it
// wait for a place among the futures.
func (f *fetcher[K, V]) run(ctx context.Context, keys iter.Seq2[K, error]) {
	isFirst := true
	for key, keyErr := range keys {
		weight, err := f.reserve(ctx)
		if err != nil {
			return
		}
		future := make(chan Fetched[V], 1)
		select {
		case f.futures <- future:
		case <-ctx.Done():
			return
		}
		switch {
		case keyErr != nil:
			future <- Fetched[V]{Err: keyErr}
			return
		case isFirst:
			future <- f.fetch(ctx, key, weight)
			isFirst = false
		default:
			f.running.Go(func() { future <- f.fetch(ctx, key, weight) })
		}
	}
}

// reserve waits for room for one more value.
func (f *fetcher[K, V]) reserve(ctx context.Context) (weight int64, err error) {
	weight = f.largest.Load()
	if weight == 0 || weight > f.size {
		weight = f.size
	}
	return weight, f.room.Acquire(ctx, weight)
}

// fetch gives back what it does not need of the weight that was reserved.
func (f *fetcher[K, V]) fetch(ctx context.Context, key K, weight int64) Fetched[V] {
	value, size, err := f.get(ctx, key)
	for largest := f.largest.Load(); size > largest && !f.largest.CompareAndSwap(largest, size); {
		largest = f.largest.Load()
	}
	held := min(weight, size)
	f.room.Release(weight - held)
	return Fetched[V]{Value: value, Err: err, done: sync.OnceFunc(func() { f.room.Release(held) })}
}
