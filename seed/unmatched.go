package seed

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// UnmatchedError reports that a projection has no block for any event of the feeds. Run changed
// nothing, so a corrected projection starts with the first event.
type UnmatchedError struct {
	Consumer   string
	Projection string           // the file's name
	Types      map[string]int64 // the number of events by type, see OtherTypes
	Unmatched  []Unmatched      // all types for which the projection has blocks
}

// Error names the projection, and the types of the events.
func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("consumer %s: the projection has no block for any of the events: %s has none for %s; the checkpoint was not moved", e.Consumer, e.Projection, CountTypes(e.Types))
}

// CountTypes returns a text such as "12 events (Created 10, Paid 2)", the most frequent types
// first.
func CountTypes(types map[string]int64) string {
	const most = 5
	names := slices.SortedFunc(maps.Keys(types), func(a, b string) int {
		return cmp.Or(cmp.Compare(types[b], types[a]), cmp.Compare(a, b))
	})
	var named []string
	total := int64(0)
	for i, name := range names {
		if total += types[name]; i < most {
			named = append(named, fmt.Sprintf("%s %d", name, types[name]))
		}
	}
	if more := len(names) - most; more > 0 {
		named = append(named, fmt.Sprintf("and %d more types", more))
	}
	what := "events"
	if total == 1 {
		what = "event"
	}
	return fmt.Sprintf("%d %s (%s)", total, what, strings.Join(named, ", "))
}

// withheld holds the moves of a run's first events while the projection has no block for any
// of them. They are committed together with the first event that has a block.
type withheld struct {
	heads  []checkpoint.BlockName // names of all blocks; nil if nothing is withheld
	moves  []checkpoint.Move
	totals totals
}

// expectMatch starts to withhold events, if the consumer has read none yet.
func (r *runner) expectMatch() {
	r.withheld = withheld{totals: newTotals()}
	hasRead := func(f *reading) bool { return f.checkpoint.Position > 0 }
	if !r.AllowUnmatched && !slices.ContainsFunc(r.feeds, hasRead) {
		r.withheld.heads = r.into.Describe().Heads
	}
}

// withholds reports whether a step has to be withheld.
func (w *withheld) withholds(s *step) bool {
	return len(w.heads) > 0 && !slices.ContainsFunc(s.events, func(e event.Delivered) bool {
		return slices.ContainsFunc(w.heads, func(h checkpoint.BlockName) bool { return h.Matches(e.Feed, e.FeedID, e.Type) })
	})
}

// withhold adds a step to the withheld ones.
func (r *runner) withhold(s *step) error {
	moves, err := s.after(len(s.events))
	if err != nil {
		return err
	}
	outcome := checkpoint.Outcome{Skipped: make(map[checkpoint.FeedType]int64)}
	for i := range s.events {
		outcome.Skipped[checkpoint.FeedType{FeedID: s.events[i].FeedID, Type: s.events[i].Type}]++
	}
	r.withheld.totals.count(s, 0, len(s.events), outcome)
	outcome.Count(moves)
	r.withheld.moves = joinMoves(r.withheld.moves, moves)
	for i := range moves {
		r.readingOf(&moves[i]).checkpoint = moves[i].To
	}
	s.done()
	r.report()
	return nil
}

// forgetWithheld drops what is withheld, and moves the feeds back to the target's checkpoints.
func (r *runner) forgetWithheld() {
	for i := range r.withheld.moves {
		m := &r.withheld.moves[i]
		r.readingOf(m).checkpoint = m.From
	}
	r.withheld = withheld{}
}

// endWithheld is called at the end of the history. If the history has events and all were
// withheld, it returns an UnmatchedError.
func (r *runner) endWithheld(ctx context.Context) error {
	w := &r.withheld
	if len(w.moves) == 0 {
		w.heads = nil
		return nil
	}
	if w.totals.skipped == 0 { // all events were left out by Config.AsOf
		w.heads = nil
		return r.apply(ctx, &step{})
	}
	err := &UnmatchedError{
		Consumer: r.Consumer, Projection: r.into.Describe().Sink.Projection, Types: w.totals.skippedTypes, Unmatched: unmatched(w.heads),
	}
	r.forgetWithheld()
	r.report()
	return err
}

func (r *runner) readingOf(m *checkpoint.Move) *reading {
	return r.feeds[slices.IndexFunc(r.feeds, func(f *reading) bool { return f.id == m.To.FeedID })]
}

// joinMoves returns moves from where first begins to where next ends. It does not modify its
// arguments.
func joinMoves(first, next []checkpoint.Move) []checkpoint.Move {
	joined := slices.Clone(first)
	for i := range joined {
		joined[i].SkippedTypes = maps.Clone(joined[i].SkippedTypes) // the caller counts on
	}
	for _, m := range next {
		i := slices.IndexFunc(joined, func(j checkpoint.Move) bool { return j.To.FeedID == m.To.FeedID })
		if i < 0 {
			joined = append(joined, m)
			continue
		}
		m.From = joined[i].From
		marks := checkpoint.Marks{}
		marks.Add(joined[i].Marks)
		marks.Add(m.Marks)
		m.Marks = marks
		m.Kept = keptOf(m, slices.Concat(joined[i].Kept, m.Kept))
		for name, n := range m.SkippedTypes {
			joined[i].Skip(name, n)
		}
		m.SkippedTypes = joined[i].SkippedTypes
		joined[i] = m
	}
	return joined
}

// warnSkipped logs which types were skipped, if there are more than at the last warning, and
// which blocks may be misspelt.
func (r *runner) warnSkipped() {
	types := r.totals.skippedTypes
	if len(types) <= r.warned {
		return
	}
	r.warned = len(types)
	arguments := []any{"skipped", CountTypes(types)}
	for _, u := range unmatched(r.heads) {
		if meant := u.Meant(types); meant != "" {
			arguments = append(arguments, "block", u.Place+": -- on "+u.Name, "meant", meant)
		}
	}
	r.Logger.Warn("events were skipped: the projection has no block for their types", arguments...)
}
