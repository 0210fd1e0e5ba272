package seed

import (
	"maps"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Progress is the state of a run. The last one that a run reports is its result.
type Progress struct {
	Feeds     []FeedProgress // in the order of Config.From; none before the target was read
	Following bool           // the end that the feeds had when the run began has been reached

	Applied int64 // events, by this run, without those that it parked
	Skipped int64 // of them those that a projection has no block for
	Parked  int64 // events parked, by this run
	LeftOut int64 // events later than Config.AsOf
	SameID  int64 // entries that were left out because another one has the same id, see Config.KeepSameID

	Types        map[string]int64 // applied and skipped, by type, see OtherTypes
	SkippedTypes map[string]int64 // of them those that a projection has no block for
	First, Last  time.Time        // smallest and largest time of those events
	Pages        int64            // archives fetched
	Bytes        int64            // in them
	Old          int64            // answers that showed less than was known already, by a cache or a server that is behind

	// Unmatched are the types that a projection has blocks for and that no event
	// has had so far, in the order of its file. It is empty for a run that did not
	// begin with the feeds' first events.
	Unmatched []Unmatched

	Target TargetProgress

	// Where the time went. Fetching and decoding go on beside applying, several
	// at once, so all together is more than has passed.
	Fetch, Decode, Apply, Commit time.Duration
}

// TargetProgress reports whether the target is available.
type TargetProgress struct {
	Err     error     // why it cannot be; nil if it can
	Away    time.Time // since when, if it cannot
	Retries int64     // tries that failed and were made again, by this run
}

// FeedProgress is the state of a run in one feed.
type FeedProgress struct {
	Feed     string // its name
	FeedID   string
	URL      string // without credentials
	Epoch    string
	Position int64  // of the last event applied
	Head     int64  // of the last event there is
	Digest   string // at Position
	Applied  int64  // events, by this run, without those that it parked
	Skipped  int64  // of them those that a projection has no block for
	Parked   int64  // events parked, by this run
	Waiting  int64  // all of its events that are parked in the target
	Empty    string // why there is no event, where the feed has shown none and none is applied; else ""
}

// totals is what a run has done so far.
type totals struct {
	applied, skipped, parked, leftOut int64
	types, skippedTypes               map[string]int64
	first, last                       time.Time
	apply, commit                     time.Duration
}

func newTotals() totals {
	return totals{types: make(map[string]int64), skippedTypes: make(map[string]int64)}
}

// count counts a step that was applied, up to its event n, from event from on.
func (t *totals) count(s *step, from, n int, outcome checkpoint.Outcome) {
	parked := outcome.Parked
	for i := from; i < n; i++ {
		if len(parked) > 0 && parked[0] == i {
			parked = parked[1:]
			continue
		}
		e := &s.events[i]
		t.countType(e.Type, 1)
		if t.first.IsZero() || e.Time.Before(t.first) {
			t.first = e.Time
		}
		if e.Time.After(t.last) {
			t.last = e.Time
		}
	}
	t.applied += int64(n - from - len(outcome.Parked))
	t.parked += int64(len(outcome.Parked))
	for kind, skipped := range outcome.Skipped {
		t.skipped += skipped
		t.countSkipped(kind.Type, skipped)
	}
}

// add takes over what others count.
func (t *totals) add(others *totals) {
	t.applied += others.applied
	t.skipped += others.skipped
	t.parked += others.parked
	for name, n := range others.types {
		t.countType(name, n)
	}
	for name, n := range others.skippedTypes {
		t.countSkipped(name, n)
	}
	if t.first.IsZero() || !others.first.IsZero() && others.first.Before(t.first) {
		t.first = others.first
	}
	if others.last.After(t.last) {
		t.last = others.last
	}
}

// maxTypes is how many types are counted by name.
const maxTypes = 1000

// OtherTypes stands for all further types in Progress.Types, where there are more
// than a thousand.
const OtherTypes = "(other types)"

func (t *totals) countType(name string, n int64) {
	if _, known := t.types[name]; !known {
		if len(t.types) >= maxTypes {
			name = OtherTypes
		}
		name = strings.Clone(name) // it lies in its page, which is not to be kept for it
	}
	t.types[name] += n
}

// countSkipped counts events of a type that was counted.
func (t *totals) countSkipped(name string, n int64) {
	if _, known := t.types[name]; !known {
		name = OtherTypes
	}
	if _, known := t.skippedTypes[name]; !known {
		name = strings.Clone(name)
	}
	t.skippedTypes[name] += n
}

// report tells the caller how far the run has got.
func (r *runner) report() {
	p := Progress{
		Following: r.following, Target: r.target,
		Applied: r.totals.applied, Skipped: r.totals.skipped, Parked: r.totals.parked, LeftOut: r.totals.leftOut,
		Types: maps.Clone(r.totals.types), SkippedTypes: maps.Clone(r.totals.skippedTypes), Unmatched: unmatched(r.heads), First: r.totals.first, Last: r.totals.last,
		Apply: r.totals.apply, Commit: r.totals.commit,
	}
	for _, f := range r.feeds {
		if !r.held {
			break // no checkpoint was read so far
		}
		c := &f.checkpoint
		p.SameID += f.SameID()
		empty := ""
		if c.Position == 0 {
			empty = f.empty
		}
		p.Feeds = append(p.Feeds, FeedProgress{
			Feed: c.Feed, FeedID: c.FeedID, URL: c.URL, Epoch: c.Epoch, Position: c.Position,
			Head: max(f.shows, c.Position), Digest: c.Digest.String(), Applied: f.applied, Skipped: f.skipped, Parked: f.parked, Waiting: f.waiting, Empty: empty,
		})
	}
	for _, m := range r.meters {
		p.Pages += m.Pages.Load()
		p.Bytes += m.Bytes.Load()
		p.Old += m.Old.Load()
		p.Fetch += time.Duration(m.Fetch.Load())
		p.Decode += time.Duration(m.Decode.Load())
	}
	r.Progress(p)
}
