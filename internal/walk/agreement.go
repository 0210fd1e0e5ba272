package walk

import (
	"context"
	"sort"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Agreement returns the last of the places that is in the history that the feed
// shows, or the feed's start if none is. The places must be of one history, in the
// order of positions.
//
// The digest at a position covers the whole history up to there. So the feed also
// has the places before the returned one, and not those after it, or it does not
// show them. Agreement fetches a few archives, and bypasses all caches for those
// that decide.
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

// agree returns how many of the places are in the feed's history. These are the first ones.
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

// shown returns the places at whose positions the feed states a digest.
func (h *Subscription) shown(places []Place) (shown []Place) {
	for _, p := range places {
		if p.Position > 0 && h.shows(p.Position) {
			shown = append(shown, p)
		}
	}
	return shown
}

// shows reports whether the feed states the digest at a position. Before the first
// position of an epoch it does so even if it does not show the events up to there.
func (h *Subscription) shows(position int64) bool {
	if position <= h.Last {
		return true
	}
	_, begins := h.beforeEpoch(position)
	return begins
}

// beforeEpoch returns the digest at a position, if an epoch begins at the next one.
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
