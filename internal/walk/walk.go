// Package walk reads feeds that eventfeed serves: it finds the pages to read, fetches them
// ahead, and returns their events in order, each page verified.
package walk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
)

// ErrMismatch is returned, wrapped, for any inconsistency: a gap, a wrong digest, another
// epoch or feed. The error names the URL.
var ErrMismatch = errors.New("the feed fails verification")

// ErrMissing is returned, wrapped, for an archive that the subscription document counts, and
// that was missing for the whole retry timeout: the server lags, or a cache does. It is wrapped
// together with ErrMismatch if an epoch has begun meanwhile, which changes pages.
var ErrMissing = errors.New("a page that the feed lists is missing")

// ErrReplaced is returned, wrapped and together with ErrMismatch, if a feed has other events
// than those that were read.
var ErrReplaced = errors.New("its history differs from the one that was read")

// ErrNotFeed is returned, wrapped, if a URL does not lead to a feed.
var ErrNotFeed = errors.New("no feed at this URL")

// Client reads feeds.
type Client struct {
	*fetch.Client
	// Room is the maximum size, in bytes, of the archives that are being fetched or were
	// fetched and not used yet. A single archive may be larger. 0 means DefaultRoom.
	Room  int64
	Meter Meter
}

// DefaultRoom is a size in bytes into which sixteen pages of the default size almost always
// fit.
const DefaultRoom = 64 << 20

// Meter counts the archives that were read, and the time. The times of archives that are read
// at once are summed.
type Meter struct {
	Pages, Bytes  atomic.Int64
	Old           atomic.Int64 // answers that showed fewer events than before
	Fetch, Decode atomic.Int64 // in nanoseconds
}

// Place is a place in a feed's history.
type Place = feed.Place

// Start returns the place before the feed's first event.
func (h *Subscription) Start() Place {
	return Place{Epoch: h.Epochs[0].ID, Digest: feed.FirstDigest(h.ID)}
}

// Run is consecutive events after a place, and the place of the last one.
type Run struct {
	Events []event.Placed
	To     Place
	// At returns the place at a position of the run's events.
	At func(position int64) (Place, error)
	// Release frees the run's share of Room; see Done. It may be nil.
	Release func()
}

// Done reports that the run is not used any more, so that more pages can be fetched. The
// caller must call it for each run.
func (r *Run) Done() {
	if r.Release != nil {
		r.Release()
	}
}

// Check checks, with the subscription document alone, that the feed's history continues from
// a place. It returns a LostError if the feed lacks events up to there, and another
// ErrMismatch if it has other events, or if the document is partial and begins too late. A
// document from a cache may be too old to show an error.
func (h *Subscription) Check(p Place) error {
	if lost := h.Lost(p); lost != nil {
		return lost
	}
	for _, e := range h.Epochs {
		if e.FirstPosition == p.Position+1 && e.DigestBefore != p.Digest {
			return h.digestMismatch(p, e.DigestBefore)
		}
	}
	if h.Partial && p.Position < h.First-1 {
		return fmt.Errorf("%w: %s: sent only what follows position %d, where %d is the last one read",
			ErrMismatch, h.URL.Redacted(), h.First-1, p.Position)
	}
	if p.Position < h.First-1 || p.Position > h.Last {
		return nil
	}
	digest, err := h.DigestAt(p.Position)
	if err != nil {
		return err
	}
	if digest != p.Digest {
		return h.digestMismatch(p, digest)
	}
	return nil
}

func (h *Subscription) digestMismatch(p Place, theirs feed.Digest) error {
	return fmt.Errorf("%w: %w: %s: has digest %s at position %d, where %s was read",
		ErrMismatch, ErrReplaced, h.URL.Redacted(), theirs, p.Position, p.Digest)
}

// Walk returns the runs of events after a place, in order, up to the end of the subscription
// document; none if the document ends before the place. It fetches up to prefetch archives at
// once, fewer where the network has little delay. It verifies that each run follows the one before it; the first error ends the walk. The
// caller must call Done for each run. A partial document must not begin after the place.
//
// firstPage is the number of the first page that can have events after the place; 0 if it is
// unknown and Walk has to search for it.
func (c *Client) Walk(ctx context.Context, h *Subscription, from Place, firstPage int64, prefetch int) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		place := from
		if place.Position > h.Last {
			return
		}
		if place.Position < h.First-1 {
			if firstPage == 0 {
				var err error
				if firstPage, _, err = c.findPage(ctx, h, place.Position+1); err != nil {
					yield(Run{}, fmt.Errorf("after position %d: %w", place.Position, err))
					return
				}
			}
			for p := range c.archives(ctx, h, firstPage, prefetch) {
				var run Run
				err := p.Err
				if err == nil {
					run, err = c.followArchive(ctx, h, p.Value, place)
				}
				if err != nil {
					yield(Run{}, fmt.Errorf("after position %d: %w", place.Position, err))
					return
				}
				place, run.Release = run.To, p.Done
				if len(run.Events) == 0 {
					run.Done()
				} else if !yield(run, nil) {
					return
				}
				if place.Position >= h.First-1 {
					break // the subscription document holds the rest
				}
			}
		}
		run, err := h.follow(h.Document, place)
		if err != nil {
			yield(Run{}, fmt.Errorf("after position %d: %w", place.Position, err))
			return
		}
		if len(run.Events) > 0 {
			yield(run, nil)
		}
	}
}

// followArchive returns the archive's events after a place. It fetches an archive that does not
// follow the place again, bypassing all caches.
func (c *Client) followArchive(ctx context.Context, h *Subscription, d *feed.Document, place Place) (Run, error) {
	run, err := h.follow(d, place)
	if err == nil {
		return run, nil
	}
	if d, err = c.Archive(ctx, h.Uncached(), d.Page); err != nil {
		return Run{}, err
	}
	return h.follow(d, place)
}

// follow returns the document's events after a place, which must be in the document or right
// before it.
func (h *Subscription) follow(d *feed.Document, place Place) (Run, error) {
	if place.Position < d.First-1 || place.Position > d.Last {
		return Run{}, fmt.Errorf("%w: %s: page %d holds positions %d to %d",
			ErrMismatch, h.URL.Redacted(), d.Page, d.First, d.Last)
	}
	digest, err := d.DigestAt(place.Position)
	if err != nil {
		return Run{}, err
	}
	if digest != place.Digest {
		return Run{}, fmt.Errorf("%w: %w: %s: page %d has digest %s at position %d, where %s was read",
			ErrMismatch, ErrReplaced, h.URL.Redacted(), d.Page, digest, place.Position, place.Digest)
	}
	at := func(position int64) (Place, error) {
		digest, err := d.DigestAt(position)
		return Place{Epoch: feed.EpochOfPosition(d.Epochs, position), Position: position, Digest: digest}, err
	}
	to, err := at(d.Last)
	return Run{Events: d.Entries[place.Position-d.First+1:], To: to, At: at}, err
}
