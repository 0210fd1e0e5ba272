package walk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// MissingFor is how long a client without a retry timeout waits for a missing page.
const MissingFor = time.Minute

// await retries an archive that h counts, after the error err of status 404 or 410. The
// document may come from a cache, or from another server than the archive, so a missing
// archive alone proves no loss: await returns err at the end of the retry timeout, or of
// MissingFor. If the feed begins another epoch, which changes pages, the error matches
// ErrMismatch.
//
// Every second try asks for the subscription document, too. So of two servers that answer in
// turn, both are asked for the archive.
func (c *Client) await(ctx context.Context, h *Subscription, number int64, err error) (*feed.Document, error) {
	tries, outage := retry.Begin(50*time.Millisecond, 5*time.Second), retry.Outage{}
	limit := c.Patience
	if limit < 0 {
		limit = MissingFor
	}
	uncached := h.Uncached()
	for try := 0; ; try++ {
		wait := tries.Next()
		if left := limit - tries.Lasted(); left > 0 {
			wait = min(wait, left)
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return nil, err
		}
		d, again := c.archive(ctx, uncached, number)
		if !errors.Is(again, ErrMissing) {
			if again == nil && outage.Over() {
				c.Logger.Info("the missing page is available", "url", h.URL.Redacted(), "page", number)
			}
			return d, again
		}
		ends := tries.Lasted() >= limit
		if ends || try%2 == 1 {
			fresh, headErr := c.Subscription(ctx, h.URL, "", true)
			if headErr != nil {
				return nil, headErr
			}
			if hasMoved(h, fresh) {
				return nil, fmt.Errorf("%w: %w", ErrMismatch, err)
			}
		}
		if ends {
			return nil, err
		}
		c.Meter.Old.Add(1)
		if tries.Lasted() > StaleFor {
			c.Logger.Log(ctx, outage.Level(0), "a page that the feed lists is missing, retrying", "url", h.URL.Redacted(), "page", number, "error", err)
		}
	}
}

// hasMoved reports whether the other document has a new epoch, or another history. An
// older document of the same history has fewer epochs, and no others.
func hasMoved(h, newer *Subscription) bool {
	n := min(len(h.Epochs), len(newer.Epochs))
	return len(newer.Epochs) > len(h.Epochs) || !slices.Equal(h.Epochs[:n], newer.Epochs[:n]) || newer.ID != h.ID
}
