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
	Following bool           // the run has reached the ends that the feeds had when it started

	Applied int64 // events that this run applied, including skipped and without parked ones
	Skipped int64 // those of Applied for which the projection has no block
	Parked  int64 // events that this run parked
	LeftOut int64 // events later than Config.AsOf
	// Unroutable counts the events that a Publisher published and that went to no queue.
	Unroutable int64
	SameID     int64 // entries that were left out because another one has the same id, see Config.KeepSameID

	Types        map[string]int64 // the number of applied events by type, see OtherTypes
	SkippedTypes map[string]int64 // the number of skipped events by type
	ParkedTypes  map[string]int64 // the number of events that this run parked, by type
	First, Last  time.Time        // earliest and latest time of the applied events
	Pages        int64            // archives fetched
	Bytes        int64            // their size
	Old          int64            // answers that showed fewer events than before: an outdated cache or server

	// Unmatched lists the types for which the projection has blocks and that no event has
	// had, in the order of the file. It is empty if the run did not start with the feeds'
	// first events.
	Unmatched []Unmatched

	Target TargetProgress

	// The time that each activity took. Several pages are fetched and decoded at once, also
	// while others are applied, so the sum can exceed the time of the run.
	Fetch, Decode, Apply, Commit time.Duration
	// WaitPages is how long the run had nothing to apply, because the next page was not
	// fetched and decoded yet. It does not overlap with Apply and Commit.
	WaitPages time.Duration
}

// TargetProgress reports whether the target is available.
type TargetProgress struct {
	Err     error     // why the target is unavailable; nil if it is available
	Away    time.Time // since when it is unavailable
	Retries int64     // how often this run has retried
}

// FeedProgress is the state of a run in one feed.
type FeedProgress struct {
	Feed     string // the feed's name
	FeedID   string
	URL      string // without credentials
	Epoch    string
	Position int64  // of the last event applied
	Head     int64  // of the last event in the feed
	Digest   string // at Position
	Applied  int64  // events that this run applied, including skipped and without parked ones
	Skipped  int64  // those of Applied for which the projection has no block
	Parked   int64  // events that this run parked
	Waiting  int64  // all of the feed's events that are parked in the target
	Empty    string // why the feed shows no event, if it shows none and none is applied; otherwise empty
}

// totals are the counts of a run.
type totals struct {
	applied, skipped, parked, leftOut int64
	unroutable                        int64
	types, skippedTypes, parkedTypes  map[string]int64
	first, last                       time.Time
	apply, commit, waitPages          time.Duration
}

func newTotals() totals {
	return totals{types: make(map[string]int64), skippedTypes: make(map[string]int64), parkedTypes: make(map[string]int64)}
}

// count adds a step's events with index from to n-1, which were applied.
func (t *totals) count(s *step, from, n int, outcome checkpoint.Outcome) {
	parked := outcome.Parked
	for i := from; i < n; i++ {
		if len(parked) > 0 && parked[0] == i {
			parked = parked[1:]
			countBounded(t.parkedTypes, s.events[i].Type, 1)
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
	t.unroutable += outcome.Unroutable
	for kind, skipped := range outcome.Skipped {
		t.skipped += skipped
		t.countSkipped(kind.Type, skipped)
	}
}

// add adds the counts of others.
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
	for name, n := range others.parkedTypes {
		countBounded(t.parkedTypes, name, n)
	}
	if t.first.IsZero() || !others.first.IsZero() && others.first.Before(t.first) {
		t.first = others.first
	}
	if others.last.After(t.last) {
		t.last = others.last
	}
}

// maxTypes is the maximum number of types that are counted by name.
const maxTypes = 1000

// OtherTypes is the key in Progress.Types for all types after the first thousand.
const OtherTypes = "(other types)"

func (t *totals) countType(name string, n int64) { countBounded(t.types, name, n) }

// countBounded counts events of a type, by name for the first maxTypes types.
func countBounded(types map[string]int64, name string, n int64) {
	if _, known := types[name]; !known {
		if len(types) >= maxTypes {
			name = OtherTypes
		}
		name = strings.Clone(name) // so that it does not keep its page in memory
	}
	types[name] += n
}

// countSkipped counts skipped events. countType has counted them before.
func (t *totals) countSkipped(name string, n int64) {
	if _, known := t.types[name]; !known {
		name = OtherTypes
	}
	if _, known := t.skippedTypes[name]; !known {
		name = strings.Clone(name)
	}
	t.skippedTypes[name] += n
}

// report calls Config.Progress.
func (r *runner) report() {
	p := Progress{
		Following: r.following, Target: r.target,
		Applied: r.totals.applied, Skipped: r.totals.skipped, Parked: r.totals.parked, LeftOut: r.totals.leftOut, Unroutable: r.totals.unroutable,
		Types: maps.Clone(r.totals.types), SkippedTypes: maps.Clone(r.totals.skippedTypes), ParkedTypes: maps.Clone(r.totals.parkedTypes), Unmatched: unmatched(r.heads), First: r.totals.first, Last: r.totals.last,
		Apply: r.totals.apply, Commit: r.totals.commit, WaitPages: r.totals.waitPages,
	}
	for _, f := range r.feeds {
		if !r.held {
			break // no checkpoint was loaded yet
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
