package foreign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// ErrMore is returned, wrapped, where more is not applied than can be counted
// with a few requests.
var ErrMore = errors.New("has more that is not applied than its newest documents show")

// maxUnread is how many archives or pages Unread fetches.
const maxUnread = 5

// Unread is what of a feed a consumer has not applied.
type Unread struct {
	Events  int64     // entries whose latest version is not applied
	Since   time.Time // the earliest of those versions; zero if none has a time
	Undated bool      // some of them have no time
}

// Unread tells what would be applied now, and changes nothing: what is
// remembered and not applied, and what the feed's documents have that is later,
// back to an archive that is applied. It fetches no more than five of those that
// are not remembered, and returns ErrMore if that is not enough. Of a paged feed
// it goes back to a page with nothing new, as Look does.
func (r *Reader) Unread(ctx context.Context) (Unread, error) {
	counts, err := r.memory.Counts(ctx)
	if err != nil {
		return Unread{}, err
	}
	c := &count{Reader: r, counts: counts, versions: make(map[string]int64)}
	more, err := c.add(ctx, r.head)
	if err == nil && more {
		err = c.back(ctx)
	}
	if err != nil {
		return Unread{}, err
	}
	known, err := r.memory.Known(ctx, slices.Collect(maps.Keys(c.versions)))
	if err != nil {
		return Unread{}, err
	}
	return c.sum(known), nil
}

// count is a count that is being made.
type count struct {
	*Reader
	counts   checkpoint.Counts
	versions map[string]int64 // the latest of each entry in the documents that were seen
	fetched  int
}

// back goes back to what is applied, as Reader.chain does.
func (c *count) back(ctx context.Context) (err error) {
	w, err := c.newWay(ctx)
	if err != nil {
		return err
	}
	for w.next != nil {
		if err := c.check(w); err != nil {
			return err
		}
		var a *checkpoint.Archive
		if c.Kind != Paged { // what is remembered of pages is forgotten before the next look
			a, err = c.memory.Archive(ctx, w.next.String())
		}
		if err != nil || a != nil && a.Applied {
			return err
		}
		more := true
		if a != nil {
			err = w.pass(a)
		} else {
			more, err = c.pass(ctx, w)
		}
		if err != nil || !more {
			return err
		}
	}
	return w.ended()
}

// pass takes a step along an archive that is not remembered. It reports whether
// to go on.
func (c *count) pass(ctx context.Context, w *backwalk) (more bool, err error) {
	if c.fetched++; c.fetched > maxUnread {
		return false, fmt.Errorf("%s: %w", c.URL.Redacted(), ErrMore)
	}
	d := c.seen[w.next.String()]
	if d == nil {
		f, err := c.get(ctx, w.next)
		if err != nil {
			return false, unsettled(w.next, err)
		}
		d = f.document
		d.dropEvents()
		c.seen[w.next.String()] = d
	}
	if err := c.belongs(d, w); err != nil {
		return false, err
	}
	next, err := d.before(c.Kind)
	if err != nil {
		return false, err
	}
	w.passed++
	w.known.Open++
	w.at, w.names, w.next = w.next, append(d.names(), w.next.String()), next
	return c.add(ctx, d)
}

// add takes over a document's entries. It reports whether there may be
// something new before it.
func (c *count) add(ctx context.Context, d *document) (more bool, err error) {
	for _, v := range d.latest() {
		if before, seen := c.versions[v.Entry]; !seen || v.Updated > before {
			c.versions[v.Entry] = v.Updated
		}
	}
	if c.Kind != Paged {
		return true, nil
	}
	return c.hasNews(ctx, d)
}

// sum adds up what is not applied.
func (c *count) sum(known map[string]checkpoint.Known) Unread {
	u := Unread{Events: c.counts.Pending}
	if u.Events > 0 {
		u.see(c.counts.Earliest)
	}
	for entry, updated := range c.versions {
		k, isKnown := known[entry]
		if isKnown && updated <= k.Latest {
			continue
		}
		if !k.Pending { // else it takes the place of one that is counted
			u.Events++
		}
		u.see(updated)
	}
	return u
}

func (u *Unread) see(updated int64) {
	at := time.UnixMicro(updated).UTC()
	switch {
	case at.IsZero():
		u.Undated = true
	case u.Since.IsZero() || at.Before(u.Since):
		u.Since = at
	}
}
