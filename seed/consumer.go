package seed

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// What a consumer was begun with it must go on with. Errors that say otherwise
// are wrapped.
var (
	// ErrProjection says that the projection is another one than the target was
	// built by.
	ErrProjection = errors.New("the projection has changed")
	// ErrSink says that the consumer's events are applied by something else.
	ErrSink = errors.New("another kind of sink")
	// ErrAsOf says that the target was built as of a point in time, so that
	// events are left out in it.
	ErrAsOf = errors.New("events are left out in this target")
)

// agree compares what a consumer was begun with with what it is to go on with,
// and returns what is to be known of it from now on.
func (c *Config) agree(was checkpoint.Consumer) (checkpoint.Consumer, error) {
	now := c.consumer()
	switch {
	case !was.AsOf.Equal(now.AsOf) && !was.AsOf.IsZero():
		return now, fmt.Errorf("consumer %s: %w: those later than %s; what follows belongs into a fresh one",
			was.Name, ErrAsOf, event.FormatTime(was.AsOf))
	case !was.AsOf.Equal(now.AsOf):
		return now, fmt.Errorf("consumer %s: %w: it was begun without a point in time, which can only be given to a fresh one", was.Name, ErrAsOf)
	case was.Sink == "": // not known, from a version that did not write it down
	case was.Sink != now.Sink:
		return now, fmt.Errorf("consumer %s: %w: its events are applied by %s, not by %s", was.Name, ErrSink, describeSink(was), describeSink(now))
	case was.Schema != now.Schema:
		return now, fmt.Errorf("consumer %s: %w: its projection is in schema %q, not %q", was.Name, ErrSink, was.Schema, now.Schema)
	case !bytes.Equal(was.ProjectionHash, now.ProjectionHash) && !c.AcceptProjection:
		return now, fmt.Errorf("consumer %s: %w: %s is not the text that this target was built by, up to here; what has been applied stays as it is",
			was.Name, ErrProjection, now.Projection)
	}
	return now, nil
}

func (c *Config) consumer() checkpoint.Consumer {
	now := c.Into.describe()
	now.Name, now.AsOf = c.Consumer, c.AsOf.UTC().Truncate(time.Microsecond)
	if c.AsOf.IsZero() {
		now.AsOf = time.Time{}
	}
	return now
}

func describeSink(c checkpoint.Consumer) string {
	switch c.Sink {
	case checkpoint.SinkInbox:
		return "the inbox"
	case checkpoint.SinkProjection:
		return "the projection " + c.Projection
	case checkpoint.SinkProgram:
		return "a program"
	default:
		return "a handler of a Go program's"
	}
}
