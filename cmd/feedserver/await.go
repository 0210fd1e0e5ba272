package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// awaitMax is the longest time between two tries to use a database.
const awaitMax = 5 * time.Second

// awaitDatabase does something with the database until it is done, has failed for
// good, or ctx is done: programs that are started together come up in any order. It
// says once that it waits, and why.
func awaitDatabase(ctx context.Context, logger *slog.Logger, do func() error) error {
	tries, outage := retry.Begin(100*time.Millisecond, awaitMax), retry.Outage{}
	for {
		err := do()
		switch {
		case err == nil && outage.Over():
			logger.Info("the database is available")
			return nil
		case err == nil || ctx.Err() != nil || !explain.Transient(err):
			return err
		}
		logger.Log(ctx, outage.Level(0), "the database is not available yet, retrying", "error", err)
		if retry.Sleep(ctx, tries.Next()) != nil {
			return err
		}
	}
}
