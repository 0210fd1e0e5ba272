package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/explain"
)

// awaitMax is the longest time between two tries to use a database.
const awaitMax = 5 * time.Second

// awaitDatabase does something with the database until it is done, has failed for
// good, or ctx is done: programs that are started together come up in any order. It
// says once that it waits, and why.
func awaitDatabase(ctx context.Context, logger *slog.Logger, do func() error) error {
	waits := false
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, awaitMax) {
		err := do()
		switch {
		case err == nil && waits:
			logger.Info("the database can be used")
			return nil
		case err == nil || ctx.Err() != nil || !explain.Transient(err):
			return err
		case !waits:
			logger.Warn("the database cannot be used yet, trying again", "error", err)
			waits = true
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}
