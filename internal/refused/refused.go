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
	// ErrBeyond reports that the target holds more than it is to be filled to.
	ErrBeyond = errors.New("the target has passed the position to stop at")
	// ErrNoWayBack reports that the feed is not eventfeed's own, so that it cannot be
	// read from a position on: its positions are those of this consumer's reading.
	ErrNoWayBack = errors.New("only a feed served by eventfeed can be rewound")
	// ErrPosition reports that a position is not one to rewind to.
	ErrPosition = errors.New("must be between 0 and the checkpoint")
	// ErrAtStart reports, together with seed.ErrProjection, that no more than the
	// set-up of the projection is applied.
	ErrAtStart = errors.New("the target is at position 0")
	// ErrSink reports that the consumer's events are applied by something else.
	ErrSink = errors.New("another kind of sink")
	// ErrAsOf reports that the target was built as of a point in time, so that events
	// are left out in it.
	ErrAsOf = errors.New("events are left out in this target")
)
