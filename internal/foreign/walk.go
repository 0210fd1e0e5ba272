package foreign

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/prefetch"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Run is consecutive events after a place, and what the transaction that applies them has to mark.
type Run struct {
	Events   []event.Placed
	To       walk.Place           // the place of the last event
	Entries  []checkpoint.Version // the versions of the events' entries
	Archives []string             // URLs of the archives that are applied with the last event
	Done     func()               // frees the events' share of Room; may be nil

	from    walk.Place
	digests []feed.Digest // the digest at each event
}

// At returns the place at a position, from the one before the run's first event to that of its last.
func (r *Run) At(position int64) (walk.Place, error) {
	n := position - r.from.Position
	switch {
	case n < 0 || n > int64(len(r.digests)):
		return walk.Place{}, fmt.Errorf("position %d is not in the run after %d", position, r.from.Position)
	case n == 0:
		return r.from, nil
	}
	return walk.Place{Epoch: r.from.Epoch, Position: position, Digest: r.digests[n-1]}, nil
}

// Last returns the position of the feed's end after everything is applied. It is valid after Look.
func (r *Reader) Last() int64 { return r.look.last }

// Walk returns the events to apply after a place, in order, up to the end of the feed's own
// document as it was fetched last. The first error ends the walk. It calls Look first, unless Look
// was called for that place.
func (r *Reader) Walk(ctx context.Context, from walk.Place) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		if err := r.Look(ctx, from); err != nil {
			yield(Run{}, err)
			return
		}
		f := &forward{Reader: r, now: time.Now().UTC().Truncate(time.Microsecond), place: from}
		switch err := f.archives(ctx, yield); {
		case errors.Is(err, errEnough):
			return
		case err != nil:
			yield(Run{}, r.forgetting(ctx, err))
			return
		}
		f.trail = f.rest
		if run := f.run(r.head.pick(r.look.head)); len(run.Events) > 0 {
			yield(run, nil) // the next Look marks the rest
		}
	}
}

// errEnough reports that the caller wants no more runs.
var errEnough = errors.New("enough")

// forward is the state of one Walk.
type forward struct {
	*Reader
	now   time.Time
	place walk.Place
	trail []string // archives to mark with the next run
	rest  []string // archives after the last one with something to apply
}

// archives iterates over the archives that are not applied, oldest first, and prefetches those with
// something to apply.
func (f *forward) archives(ctx context.Context, yield func(Run, error) bool) error {
	bounds := prefetch.Bounds{AtOnce: f.Prefetch, Room: f.Room}
	for got := range prefetch.Fetch(ctx, bounds, f.steps(ctx), f.fetch) {
		if got.Err != nil {
			return got.Err
		}
		f.trail = got.Value.trail
		run := f.run(got.Value.picked)
		run.Done = got.Done
		if !yield(run, nil) {
			return errEnough
		}
	}
	return nil
}

// step is an archive with something to apply.
type step struct {
	*checkpoint.Archive
	pending map[string]int64
	trail   []string // its URL, and those of the archives before it with nothing to apply
	picked  []*version
}

// steps iterates over the stored archives. Applying entries meanwhile does not change the result,
// because an entry is pending in one archive only.
func (f *forward) steps(ctx context.Context) iter.Seq2[*step, error] {
	return func(yield func(*step, error) bool) {
		var trail []string
		for at := f.look.base; ; {
			s, err := f.after(ctx, at)
			if err != nil {
				yield(nil, err)
				return
			}
			if s == nil {
				f.rest = trail
				return
			}
			if at = s.URL; f.look.trail {
				trail = append(trail, s.URL)
			}
			if len(s.pending) == 0 {
				continue
			}
			s.trail, trail = trail, nil
			if !yield(s, nil) {
				return
			}
		}
	}
}

// after returns the archive that follows the one at a URL; nil after the last one.
func (f *forward) after(ctx context.Context, at string) (*step, error) {
	a, err := f.memory.After(ctx, at)
	if err != nil || a == nil {
		return nil, err
	}
	pending, err := f.memory.Pending(ctx, a.Number)
	for entry, updated := range f.look.head {
		if pending[entry] < updated { // the feed's own document has a later version
			delete(pending, entry)
		}
	}
	return &step{Archive: a, pending: pending}, err
}

// fetch fetches an archive again, checks that it has not changed since Look, and picks the entries
// to apply. Several goroutines call it.
func (f *forward) fetch(ctx context.Context, s *step, share *prefetch.Share) (*step, error) {
	d, err := f.again(fetch.WithRoom(ctx, share), s.Archive)
	if err != nil {
		return nil, err
	}
	if err := f.compare(d, s.Archive); err != nil {
		return nil, err
	}
	if s.picked = d.pick(s.pending); len(s.picked) != len(s.pending) {
		return nil, fmt.Errorf("%s: has %d of the %d entries that were to be applied from it", d.url.Redacted(), len(s.picked), len(s.pending))
	}
	return s, nil
}

// again fetches an archive again; a page it returns as Look has kept it.
func (f *forward) again(ctx context.Context, a *checkpoint.Archive) (*document, error) {
	if f.Kind == Paged {
		return f.kept(ctx, a)
	}
	target, err := url.Parse(a.URL)
	if err != nil {
		return nil, err
	}
	d, err := f.get(ctx, target)
	if err != nil {
		return nil, err
	}
	return d.document, nil
}

// kept returns a page as Look has kept it.
func (f *forward) kept(ctx context.Context, a *checkpoint.Archive) (*document, error) {
	if err := fetch.Hold(ctx, 2*f.pages.at[a.Number].size); err != nil {
		return nil, err
	}
	page, err := f.pages.get(a.Number)
	if err != nil {
		return nil, err
	}
	d, err := f.archive(ctx, page, page.from)
	if err != nil {
		return nil, err
	}
	return d, fetch.Hold(ctx, d.memory)
}

// run makes the next run, of the picked events.
func (f *forward) run(picked []*version) Run {
	chain := feed.Chain{Position: f.place.Position, Digest: f.place.Digest}
	run := Run{from: f.place}
	run.Events, run.digests = chained(&chain, picked, f.now)
	for _, v := range picked {
		run.Entries = append(run.Entries, v.version())
	}
	run.Archives, f.trail = f.trail, nil
	f.place.Position, f.place.Digest = chain.Position, chain.Digest
	run.To = f.place
	return run
}
