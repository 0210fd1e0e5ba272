package walk

import (
	"context"
	"sort"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Agreement returns the last one of these places that is in the feed's history,
// as far as the feed shows it. The places must be of one history, in the order
// of positions. If none of them is in the feed's history it is the feed's start.
//
// The digest at a position stands for all of the history up to there, so the
// places up to the one returned are in the feed, too, and the others are not, or
// are not shown. A few archives are fetched; those that decide, past every cache.
func (c *Client) Agreement(ctx context.Context, h *Subscription, places []Place) (Place, error) {
	shown, uncached := h.shown(places), h.Uncached()
	others, err := c.agree(ctx, h, shown)
	if err == nil && others > 0 {
		if has, hasErr := c.has(ctx, uncached, shown[others-1]); hasErr != nil || !has {
			others, err = c.agree(ctx, uncached, shown)
		}
	}
	if err == nil && others < len(shown) {
		if has, hasErr := c.has(ctx, uncached, shown[others]); hasErr != nil || has {
			others, err = c.agree(ctx, uncached, shown)
		}
	}
	if err != nil || others == 0 {
		return h.Start(), err
	}
	return shown[others-1], nil
}

// agree returns how many of the places are in the feed's history: the first ones.
func (c *Client) agree(ctx context.Context, h *Subscription, shown []Place) (n int, err error) {
	n = sort.Search(len(shown), func(i int) bool {
		if err != nil {
			return false
		}
		var has bool
		has, err = c.has(ctx, h, shown[i])
		return !has
	})
	return n, err
}

// shown returns those of the places whose digest the feed tells.
func (h *Subscription) shown(places []Place) (shown []Place) {
	for _, p := range places {
		if p.Position > 0 && h.shows(p.Position) {
			shown = append(shown, p)
		}
	}
	return shown
}

// shows reports whether the feed tells the digest at a position: where an epoch
// begins it does, even before the events up to there are shown.
func (h *Subscription) shows(position int64) bool {
	if position <= h.Last {
		return true
	}
	_, begins := h.beforeEpoch(position)
	return begins
}

// beforeEpoch returns the digest at the position before an epoch.
func (h *Subscription) beforeEpoch(position int64) (digest feed.Digest, begins bool) {
	for _, e := range h.Epochs {
		if e.FirstPosition == position+1 {
			return e.DigestBefore, true
		}
	}
	return digest, false
}

// has reports whether a place that the feed shows is in its history.
func (c *Client) has(ctx context.Context, h *Subscription, p Place) (bool, error) {
	if feed.EpochOfPosition(h.Epochs, p.Position) != p.Epoch {
		return false, nil
	}
	if digest, begins := h.beforeEpoch(p.Position); begins {
		return digest == p.Digest, nil
	}
	theirs, err := c.PlaceAt(ctx, h, p.Position)
	return theirs.Digest == p.Digest, err
}
