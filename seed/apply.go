package seed

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/prefetch"
)

// advance applies the events after the feeds' checkpoints, up to the positions
// that to returns. If reading a feed fails, it applies the events read before the
// error, and then returns it.
func (r *runner) advance(ctx context.Context, feeds []*reading, to func(*reading) int64) error {
	for {
		failed, err := r.applyAll(ctx, feeds, to)
		if err == nil || failed == nil {
			return err
		}
		if err := failed.Again(ctx, err); err != nil {
			return r.explain(ctx, failed, err)
		}
		failed.note()
		if err := r.check(ctx, failed); err != nil {
			return err
		}
	}
}

// applyAll is one attempt of advance. It returns the feed that could not be read
// to its end.
func (r *runner) applyAll(ctx context.Context, feeds []*reading, to func(*reading) int64) (failed *reading, err error) {
	m := newMerge(ctx, feeds, to, r.AsOf, max(1, min(r.Prefetch, prefetch.Usual)/len(feeds)))
	defer m.close()
	for {
		began := time.Now()
		s, err := m.step()
		r.totals.waitPages += time.Since(began)
		if s == nil {
			if err == nil {
				err = ctx.Err()
			}
			return m.failed, err
		}
		if err := r.apply(ctx, s); err != nil {
			return nil, err
		}
	}
}

// apply applies a step to the target and moves the checkpoints, in one transaction.
func (r *runner) apply(ctx context.Context, s *step) error {
	if r.withheld.withholds(s) {
		return r.withhold(s)
	}
	counted := 0
	started := time.Now()
	var applying time.Duration
	err := r.into.Apply(ctx, checkpoint.Work{
		Batch: checkpoint.Batch{Consumer: r.Consumer, Events: s.events, Places: s.places, After: func(n int) ([]checkpoint.Move, error) {
			moves, err := s.after(n)
			return joinMoves(r.withheld.moves, moves), err
		}},
		Moved: func(n int, moves []checkpoint.Move, outcome checkpoint.Outcome) {
			r.moved(moves)
			r.totals.add(&r.withheld.totals)
			r.withheld = withheld{}
			r.parked(s, outcome)
			r.totals.count(s, counted, n, outcome)
			r.matchHeads(s.events[counted:n])
			counted = n
			applying += outcome.Took
			r.commits++
			if n < len(s.events) {
				r.report() // the program may need a long time for the other events
			}
		},
	})
	r.totals.apply += applying
	r.totals.commit += time.Since(started) - applying
	if err != nil {
		return err
	}
	s.done()
	r.report()
	return nil
}

// moved updates the feeds after the target has committed moves.
func (r *runner) moved(moves []checkpoint.Move) {
	for _, m := range moves {
		for _, f := range r.feeds {
			if f.checkpoint.FeedID == m.To.FeedID {
				left := m.To.LeftOut - m.From.LeftOut
				r.totals.leftOut += left
				f.skipped += m.To.Skipped - m.From.Skipped
				f.applied += m.To.Position - m.From.Position - left
				f.checkpoint = m.To
			}
		}
	}
}
