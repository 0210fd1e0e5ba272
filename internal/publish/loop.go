package publish

import (
	"context"
	"time"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
)

// lookLimit is how long a look for something to do may take at first. One that
// takes longer is given more time the next time, unless the database has gone.
const lookLimit = 10 * time.Second

// loop is what the sequencer's and the sealer's loops have in common.
type loop struct {
	log     Log
	metrics *loopMetrics
	steps   *steps
	outage  outage // of the database
	failed  string
	limit   time.Duration // of a look
}

// newLoop returns a loop whose feeds are moved on by do. failed and moved are said of
// a feed that cannot be moved on, and of one that can again.
func (p *publisher) newLoop(metrics *loopMetrics, do func(context.Context, string, int) (int, error), batch int, failed, moved string) *loop {
	return &loop{
		log: p.Log, metrics: metrics, failed: failed, limit: lookLimit,
		outage: outage{logger: p.Logger, over: "the database is available again"},
		steps: &steps{
			do: func(ctx context.Context, name string, batch int) (int, error) {
				n, err := do(ctx, name, batch)
				if n > 0 {
					p.Changed(name)
				}
				return n, err
			},
			maxBatch: batch, failed: failed, moved: moved, logger: p.Logger, metrics: metrics,
			well: make(chan struct{}, slotsWell), troubled: make(chan struct{}, slotsTroubled),
			feeds: make(map[string]*pace),
		},
	}
}

// look asks which feeds have something to do.
func (l *loop) look(ctx context.Context) (pending, unsealed []string, err error) {
	limited, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	pending, unsealed, err = l.log.Work(limited)
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case explainpostgres.IsLimit(err):
		l.limit = min(2*l.limit, maxStepLimit)
	case err == nil:
		l.limit = lookLimit
	}
	l.metrics.look(err)
	return pending, unsealed, err
}

// ended notes how a look and the round after it ended.
func (l *loop) ended(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.outage.is(l.failed, err)
	if err == nil && !l.steps.isFailing() {
		l.metrics.success.SetToCurrentTime()
	}
}
