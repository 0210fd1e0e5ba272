package checkpoint

import (
	"context"
	"errors"
)

// ErrHolderUnknown reports that a target does not tell whether a seeder holds a consumer.
var ErrHolderUnknown = errors.New("a message log does not tell whether a publisher runs")

// Status is a checkpoint with the state of its consumer, for monitoring. Reading it changes
// nothing and needs no lock.
type Status struct {
	Checkpoint
	Consumer Consumer
	Parked   int64 // number of parked events
	Held     bool  // a seeder holds the consumer now
	HeldErr  error // why Held is unknown; otherwise nil
}

// StatusReader is a Backend that tells how all consumers stand.
type StatusReader interface {
	// Statuses returns the status of each checkpoint of every consumer.
	Statuses(ctx context.Context) ([]Status, error)
}
