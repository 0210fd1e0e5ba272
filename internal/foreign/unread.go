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

// ErrMore is returned, wrapped, if counting what is not applied would take more than a few requests.
var ErrMore = errors.New("has more that is not applied than its newest documents show")

// maxUnread is the maximum number of archives or pages that Unread fetches.
const maxUnread = 5

// Unread describes what a consumer has not applied of a feed.
type Unread struct {
	Events  int64     // entries whose latest version is not applied
	Since   time.Time // the earliest of those versions; zero if none has a time
	Undated bool      // some of them have no time
}

// Unread returns what would be applied now, and changes nothing: what is stored and not applied,
// and later versions in the feed's documents, back to an archive that is applied. It fetches at
// most five archives that are not stored, and returns ErrMore if that is not enough. In a paged
// feed it goes back to a page with nothing new, as Look does.
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

// count is the state of one Unread.
type count struct {
	*Reader
	counts   checkpoint.Counts
	versions map[string]int64 // the latest version of each entry in the documents seen
	fetched  int
}

// back follows the chain back to what is applied, as Reader.chain does.
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
		if c.Kind != Paged { // what is stored about pages is deleted before the next Look
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

// pass makes a step past an archive that is not stored. It reports whether to continue.
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

// add adds a document's entries. It reports whether earlier documents may have something new.
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

// sum returns the totals of what is not applied.
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
		if !k.Pending { // otherwise it replaces a version that is counted already
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
