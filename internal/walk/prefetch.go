package walk

import (
	"context"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// page is an archive that was fetched ahead.
type page struct {
	*feed.Document
	err  error
	done func() // gives its bytes back
}

// archives returns the archives from number first to the newest, fetched
// ahead by goroutines that end with the iteration. The first one is fetched
// alone: it tells how many there may be at once.
func (c *Client) archives(ctx context.Context, h *Head, first int64, prefetch int) iter.Seq[page] {
	return func(yield func(page) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		fetching := make(chan chan page, max(1, prefetch)-1) // each in flight, in order
		go func() {
			defer close(fetching)
			room := c.Room
			if room <= 0 {
				room = DefaultRoom
			}
			f := &fetcher{client: c, head: h, size: room, room: semaphore.NewWeighted(room)}
			for number := first; number <= h.Archives; number++ {
				future := make(chan page, 1)
				weight, err := f.reserve(ctx)
				if err != nil {
					return
				}
				if number == first {
					future <- f.fetch(ctx, number, weight)
				} else {
					go func() { future <- f.fetch(ctx, number, weight) }()
				}
				select {
				case fetching <- future:
				case <-ctx.Done():
					return
				}
			}
		}()
		for future := range fetching {
			if p := <-future; !yield(p) || p.err != nil {
				return
			}
		}
		if ctx.Err() != nil {
			yield(page{err: ctx.Err()})
		}
	}
}

// fetcher fetches archives within a room of bytes.
type fetcher struct {
	client  *Client
	head    *Head
	size    int64
	room    *semaphore.Weighted
	largest atomic.Int64 // document so far, in bytes
}

// reserve waits for room for one more document.
func (f *fetcher) reserve(ctx context.Context) (weight int64, err error) {
	weight = f.largest.Load()
	if weight == 0 || weight > f.size {
		weight = f.size
	}
	return weight, f.room.Acquire(ctx, weight)
}

// fetch gives back what it does not need of the weight that was reserved.
func (f *fetcher) fetch(ctx context.Context, number, weight int64) page {
	d, size, err := f.client.Archive(ctx, f.head, number)
	for largest := f.largest.Load(); size > largest && !f.largest.CompareAndSwap(largest, size); {
		largest = f.largest.Load()
	}
	held := min(weight, size)
	f.room.Release(weight - held)
	return page{Document: d, err: err, done: func() { f.room.Release(held) }}
}
