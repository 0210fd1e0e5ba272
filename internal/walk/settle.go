package walk

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/internal/retry"
)

// StaleFor is how long one server of a log may lag behind another one, if requests reach
// both in turn.
const StaleFor = 3 * time.Second

// OldError reports that a feed shows fewer events than before, and none that differ: the
// document comes from a cache, or from a server that lags. Nothing is known to be lost.
type OldError struct {
	URL      string // the feed's, without passwords
	Last     int64  // last position that it shows
	Position int64  // last position that it has shown before
}

func (e *OldError) Error() string {
	return fmt.Sprintf("%s: returned an older state, up to position %d, after position %d; it comes from a cache or a server that lags, and nothing is known to be lost",
		e.URL, e.Last, e.Position)
}

// Kept returns the places in a feed's history that a target keeps, in the order of
// positions.
type Kept func(ctx context.Context) ([]Place, error)

// Settle returns a subscription document whose history continues from a place: h, or a newer
// one. It trusts an error only from a complete document that was fetched bypassing all caches.
// The errors are:
//
//   - an OldError, if the document ends before the place and agrees with all kept places.
//   - a LostError, if the feed lacks events up to the place. If the feed does not know the
//     epoch, Settle retries for StaleFor.
//   - any other ErrMismatch, if the feed has other events.
func (c *Client) Settle(ctx context.Context, target *url.URL, h *Subscription, p Place, kept Kept) (*Subscription, error) {
	for since := time.Now(); ; {
		err := h.Check(p)
		if err == nil {
			return h, nil
		}
		if !h.Fresh {
			if h, err = c.again(ctx, target, h); err != nil {
				return h, err
			}
			continue
		}
		lost, is := errors.AsType[*LostError](err)
		if !is || lost.Next != "" {
			return h, err
		}
		isOld, lookErr := c.isOld(ctx, h, lost, kept)
		switch {
		case lookErr != nil:
			return h, lookErr
		case isOld:
			c.Meter.Old.Add(1)
			h.Fresh = false // the next Settle fetches it again
			return h, &OldError{URL: h.URL.Redacted(), Last: h.Last, Position: p.Position}
		case lost.Known || time.Since(since) > StaleFor:
			return h, err
		}
		if err := retry.Sleep(ctx, StaleFor/20); err != nil {
			return h, err
		}
		if h, err = c.again(ctx, target, h); err != nil {
			return h, err
		}
	}
}

// again fetches the complete subscription document, bypassing all caches. It returns h with
// an error.
func (c *Client) again(ctx context.Context, target *url.URL, h *Subscription) (*Subscription, error) {
	fresh, err := c.Subscription(ctx, target, "", true)
	if err != nil {
		return h, err
	}
	return fresh, nil
}

// isOld reports whether a document that lacks events that were read shows an earlier state of
// the same history: it ends earlier, and it has the last kept place that it shows. If it does
// not know the epoch, such a place must prove that it has no epoch that the history lacks.
func (c *Client) isOld(ctx context.Context, h *Subscription, lost *LostError, kept Kept) (bool, error) {
	if h.Last >= lost.Position {
		return false, nil
	}
	places, err := kept(ctx)
	if err != nil {
		return false, err
	}
	shown := h.shown(places)
	if len(shown) == 0 {
		return lost.Known, nil
	}
	last := shown[len(shown)-1]
	if !lost.Known && last.Position < h.Epochs[len(h.Epochs)-1].FirstPosition {
		return false, nil
	}
	return c.has(ctx, h.Uncached(), last)
}
