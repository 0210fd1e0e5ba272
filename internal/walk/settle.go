package walk

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/internal/retry"
)

// StaleFor is how long a server may be behind another one that serves the same
// log, where requests go now to the one and now to the other.
const StaleFor = 3 * time.Second

// OldError reports that a feed shows less than it has shown before, and nothing
// that differs from that: the document is from a cache, or from a server that is
// behind. Nothing is known to be lost.
type OldError struct {
	URL      string // the feed's, without passwords
	Last     int64  // last position that it shows
	Position int64  // last position that it has shown before
}

func (e *OldError) Error() string {
	return fmt.Sprintf("%s: returned an older state, up to position %d, after position %d; it comes from a cache or a server that lags, and nothing is known to be lost",
		e.URL, e.Last, e.Position)
}

// Kept returns the places that a target keeps of what it has read of a feed, in
// the order of positions.
type Kept func(ctx context.Context) ([]Place, error)

// Settle makes sure of a head whose history goes on from a place, and returns
// it. What is wrong with a head is believed only of one that was fetched past
// every cache, and that is whole. The errors are:
//
//   - an OldError, if it ends before the place and agrees with all that is kept.
//   - a LostError, if events up to the place are not in the feed; an epoch that
//     it does not know is asked for again for StaleFor.
//   - any other ErrMismatch, if they are others.
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
			h.Fresh = false // the next time that it is settled
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

// again fetches the whole head past every cache. With an error it returns h.
func (c *Client) again(ctx context.Context, target *url.URL, h *Subscription) (*Subscription, error) {
	fresh, err := c.Subscription(ctx, target, "", true)
	if err != nil {
		return h, err
	}
	return fresh, nil
}

// isOld reports whether a head that lacks what was read is an earlier state of
// that history: it ends before, and the last kept place that it shows is in it. A
// head that does not know the epoch must prove by such a place that it has no
// epoch that the history lacks.
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
