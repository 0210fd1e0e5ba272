package walk

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// PlaceAt returns the place at a position of the feed, from 0 to the end of
// the subscription document.
func (c *Client) PlaceAt(ctx context.Context, h *Subscription, position int64) (Place, error) {
	if position == 0 {
		return h.Start(), nil
	}
	if position > h.Last {
		return Place{}, fmt.Errorf("%s: has positions up to %d so far, not %d; retry later", h.URL.Redacted(), h.Last, position)
	}
	d, err := c.documentAt(ctx, h, position)
	if err != nil {
		return Place{}, err
	}
	if position < d.First-1 || position > d.Last {
		return Place{}, misplaced(h, d, position)
	}
	digest, err := d.DigestAt(position)
	if err != nil {
		return Place{}, err
	}
	return Place{Epoch: feed.EpochOfPosition(h.Epochs, position), Position: position, Digest: digest}, nil
}

// EventAt returns the event at a position, from 1 to the end of the subscription document,
// and the document that contains it. It fetches nothing if known, which may be nil, or the
// subscription document contains the position.
func (c *Client) EventAt(ctx context.Context, h *Subscription, position int64, known *feed.Document) (*event.Placed, *feed.Document, error) {
	d, err := known, error(nil)
	switch {
	case position >= h.First:
		d = h.Document
	case d == nil || position < d.First || position > d.Last:
		d, err = c.archiveAt(ctx, h, position)
	}
	if err != nil {
		return nil, nil, err
	}
	if position < d.First || position > d.Last {
		return nil, nil, misplaced(h, d, position)
	}
	return &d.Entries[position-d.First], d, nil
}

func misplaced(h *Subscription, d *feed.Document, position int64) error {
	return fmt.Errorf("%w: %s: page %d holds positions %d to %d, where position %d should be",
		ErrMismatch, h.URL.Redacted(), d.Page, d.First, d.Last, position)
}

// documentAt returns the document that states the digest at a position, checked.
func (c *Client) documentAt(ctx context.Context, h *Subscription, position int64) (*feed.Document, error) {
	if position >= h.First-1 {
		return h.Document, nil
	}
	return c.archiveAt(ctx, h, position)
}

// archiveAt returns the archive that contains a position, checked.
func (c *Client) archiveAt(ctx context.Context, h *Subscription, position int64) (*feed.Document, error) {
	page, d, err := c.findPage(ctx, h, position)
	if err == nil && d == nil {
		d, err = c.Archive(ctx, h, page)
	}
	return d, err
}

// findPage returns the number of the archive that contains a position, and the archive
// itself if the search has fetched it. Most pages hold about the same number of events, so
// the search interpolates. Every third guess halves the rest, so that no feed takes many.
func (c *Client) findPage(ctx context.Context, h *Subscription, position int64) (number int64, d *feed.Document, err error) {
	low, high := int64(1), h.Archives
	before, last := int64(0), max(h.First-1, position) // the pages from low to high hold about the positions between these
	for guesses := 1; low < high; guesses++ {
		if position == before+1 {
			break // the first position of page low
		}
		guess := (low + high) / 2
		if guesses%3 != 0 {
			share := float64(position-1-before) / float64(last-before)
			guess = min(high, low+int64(share*float64(high-low+1)))
		}
		d, err := c.Archive(ctx, h, guess)
		switch {
		case err != nil:
			return 0, nil, err
		case position < d.First:
			high, last = guess-1, d.First-1
		case position > d.Last:
			low, before = guess+1, d.Last
		default:
			return guess, d, nil
		}
	}
	return low, nil, nil
}
