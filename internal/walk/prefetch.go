package walk

import (
	"context"
	"iter"

	"github.com/eventfeed/eventfeed/internal/ahead"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
)

// archives returns the archives from number first to the newest, fetched ahead.
func (c *Client) archives(ctx context.Context, h *Head, first int64, prefetch int) iter.Seq[ahead.Fetched[*feed.Document]] {
	room := c.Room
	if room <= 0 {
		room = DefaultRoom
	}
	numbers := func(yield func(int64, error) bool) {
		for number := first; number <= h.Archives && yield(number, nil); number++ {
		}
	}
	return ahead.Fetch(ctx, ahead.Bounds{AtOnce: prefetch, Room: room}, numbers,
		func(ctx context.Context, number int64, share *ahead.Share) (*feed.Document, error) {
			return c.Archive(fetch.WithRoom(ctx, share), h, number)
		})
}
