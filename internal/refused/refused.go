// Package refused has the errors of package seed that only a command distinguishes, to print
// the next step. Errors that a program branches on are in package seed.
package refused

import "errors"

// They are wrapped.
var (
	// ErrFewerFeeds reports that the consumer reads a feed but no --from names it.
	ErrFewerFeeds = errors.New("a feed of the consumer is missing")
	// ErrUntil reports that a feed ends before the position to stop at.
	ErrUntil = errors.New("has no position")
	// ErrBeyond reports that the target has more events than up to the position to stop at.
	ErrBeyond = errors.New("the target has passed the position to stop at")
	// ErrNoWayBack reports that the feed is a foreign one, which cannot be read from a position on:
	// its positions belong to the consumer.
	ErrNoWayBack = errors.New("only a feed served by eventfeed can be rewound")
	// ErrStart reports that a feed ends before the position to start at.
	ErrStart = errors.New("has no position to start at")
	// ErrPosition reports that a position is not one to rewind to.
	ErrPosition = errors.New("must be between 0 and the checkpoint")
	// ErrAtStart reports, together with seed.ErrProjection, that only the setup of the projection
	// is applied.
	ErrAtStart = errors.New("the target is at position 0")
	// ErrSink reports that the consumer has another sink.
	ErrSink = errors.New("another kind of sink")
	// ErrAsOf reports that the target was built as of a point in time, so that it lacks events.
	ErrAsOf = errors.New("events are left out in this target")
)
