package walk

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// PlaceAt returns the place at a position of the feed, from 0 to the end of
// the subscription document.
func (c *Client) PlaceAt(ctx context.Context, h *Head, position int64) (Place, error) {
	if position == 0 {
		return h.Start(), nil
	}
	if position > h.Last {
		return Place{}, fmt.Errorf("%s: shows positions up to %d so far, not %d; try again in a while", h.URL.Redacted(), h.Last, position)
	}
	d, err := c.documentAt(ctx, h, position)
	if err != nil {
		return Place{}, err
	}
	if position < d.First-1 || position > d.Last {
		return Place{}, fmt.Errorf("%w: %s: page %d holds positions %d to %d, where position %d should be",
			ErrMismatch, h.URL.Redacted(), d.Page, d.First, d.Last, position)
	}
	digest, err := d.DigestAt(position)
	if err != nil {
		return Place{}, err
	}
	return Place{Epoch: feed.EpochOfPosition(h.Epochs, position), Position: position, Digest: digest}, nil
}

// documentAt returns the document that holds a position, checked.
func (c *Client) documentAt(ctx context.Context, h *Head, position int64) (*feed.Document, error) {
	if position >= h.First-1 {
		return h.Document, nil
	}
	page, err := c.findPage(ctx, h, position)
	if err != nil {
		return nil, err
	}
	d, _, err := c.Archive(ctx, h, page)
	return d, err
}
