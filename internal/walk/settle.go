package walk

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// StaleFor is how long a server may be behind another one that serves the same
// log, where requests go now to the one and now to the other.
const StaleFor = 3 * time.Second

// Settle makes sure of a head whose history goes on from a place, and returns
// it. One that knows less than that may come from a cache or a server that is
// behind, and a partial one may not begin there, as a checkpoint can have gone
// back meanwhile: so the server is asked once more, for the whole.
func (c *Client) Settle(ctx context.Context, target *url.URL, h *Head, p Place) (*Head, error) {
	err := h.Check(p)
	if _, lost := errors.AsType[*LostError](err); !lost && (err == nil || !h.Partial) {
		return h, err
	}
	for since := time.Now(); ; {
		fresh, err := c.Head(ctx, target, "", true)
		if err != nil {
			return h, err
		}
		h = fresh
		if err = h.Check(p); !mayBeBehind(err) || time.Since(since) > StaleFor {
			return h, err
		}
		if err := sleep(ctx, StaleFor/20); err != nil {
			return h, err
		}
	}
}

// mayBeBehind reports whether a head that lacks what was read may just be too
// old to know it. One that tells of the epoch that began when it was lost is not.
func mayBeBehind(err error) bool {
	lost, is := errors.AsType[*LostError](err)
	return is && lost.Next == ""
}
