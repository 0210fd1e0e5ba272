package seed_test

import (
	"context"

	"github.com/eventfeed/eventfeed/seed"
)

// reset resets the consumer of a configuration.
func reset(ctx context.Context, c seed.Config, confirm func([]seed.Change) error) error {
	return seed.Reset(ctx, c.Into, c.Consumer, c.Undone, confirm)
}

// retry retries parked events of the consumer of a configuration.
func retry(ctx context.Context, c seed.Config, of seed.ParkedFilter) (seed.Retried, error) {
	return seed.Retry(ctx, c.Into, c.Consumer, seed.RetryOptions{
		Feed: of.Feed, Subject: of.Subject, DryRun: c.DryRun, AcceptProjection: c.AcceptProjection, Logger: c.Logger,
	})
}
