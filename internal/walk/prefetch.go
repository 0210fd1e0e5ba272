package walk

import (
	"context"
	"iter"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/prefetch"
)

// archives returns the archives from number first to the newest, fetched ahead: most of them at
// once at most, and as many as the delay of the network is worth.
func (c *Client) archives(ctx context.Context, h *Subscription, first int64, most int) iter.Seq[prefetch.Fetched[*feed.Document]] {
	room := c.Room
	if room <= 0 {
		room = DefaultRoom
	}
	numbers := func(yield func(int64, error) bool) {
		for number := first; number <= h.Archives && yield(number, nil); number++ {
		}
	}
	return prefetch.Fetch(ctx, prefetch.Bounds{AtOnce: min(most, prefetch.Usual), Most: most, Room: room}, numbers,
		func(ctx context.Context, number int64, share *prefetch.Share) (*feed.Document, error) {
			return c.Archive(fetch.WithRoom(ctx, share), h, number)
		})
}
