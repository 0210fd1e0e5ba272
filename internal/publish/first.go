package publish

import (
	"context"
	"time"
)

// First gives events that are pending their positions, as many as it can before ctx is
// done, so that a reader that is started together with a server finds them. What it
// cannot do is left to [Run], which also says why. metrics are those of that Run.
func First(ctx context.Context, log Log, metrics *Metrics) {
	pending, _, err := log.Work(ctx)
	if err != nil {
		return
	}
	for _, name := range pending {
		began := time.Now()
		placed, err := log.Sequence(ctx, name, DefaultBatch)
		if err != nil {
			return
		}
		metrics.sequencer.step(began, placed)
	}
}
