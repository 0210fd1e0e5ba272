package seed

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/refused"
)

// checkConsumer checks that the configuration fits the stored consumer, whose
// checkpoints are at. It returns the consumer to store from now on.
func (c *opened) checkConsumer(ctx context.Context, was checkpoint.Consumer, at []checkpoint.Checkpoint) (checkpoint.Consumer, error) {
	now := c.consumer()
	switch {
	case !was.AsOf.Equal(now.AsOf) && !was.AsOf.IsZero():
		return now, fmt.Errorf("consumer %s: %w: those later than %s; later events need a fresh target",
			was.Name, refused.ErrAsOf, cloudevents.FormatTime(was.AsOf))
	case !was.AsOf.Equal(now.AsOf):
		return now, fmt.Errorf("consumer %s: %w: it was started without a point in time, which only a fresh target accepts", was.Name, refused.ErrAsOf)
	case was.Sink != now.Sink:
		return now, fmt.Errorf("consumer %s: %w: its events are applied by %s, not by %s", was.Name, refused.ErrSink, describeSink(was), describeSink(now))
	case was.PublishesTo != now.PublishesTo:
		return now, fmt.Errorf("consumer %s: %w: it publishes to %s, not to %s", was.Name, refused.ErrSink, was.PublishesTo, now.PublishesTo)
	case was.Schema != now.Schema:
		return now, fmt.Errorf("consumer %s: %w: its projection is in schema %q, not %q", was.Name, refused.ErrSink, was.Schema, now.Schema)
	case was.TimeZone != now.TimeZone && !c.AcceptProjection:
		return now, fmt.Errorf("consumer %s: %w: its rows were made in time zone %q, not %q; nothing was changed", was.Name, ErrProjection, was.TimeZone, now.TimeZone)
	case !bytes.Equal(was.ProjectionHash, now.ProjectionHash):
		return now, c.checkProjection(ctx, was, now, at)
	}
	return now, nil
}

// ChangedError is an ErrProjection of a target to which another version of the projection file
// has applied events.
type ChangedError struct {
	Consumer   string
	Projection string // the file's name
	// Missed counts the events, by type, that the earlier version skipped and for which this
	// version has blocks. To continue leaves them out for good.
	Missed map[string]int64
}

// Error names the projection, and the events that the earlier version skipped.
func (e *ChangedError) Error() string {
	missed := ""
	if len(e.Missed) > 0 {
		missed = fmt.Sprintf(", which skipped %s that it has blocks for", CountTypes(e.Missed))
	}
	return fmt.Sprintf("consumer %s: %s: %s differs from what has filled this target so far%s; nothing was changed", e.Consumer, ErrProjection, e.Projection, missed)
}

// Unwrap returns ErrProjection.
func (e *ChangedError) Unwrap() error { return ErrProjection }

// checkProjection returns an error for a changed projection, unless the change is
// accepted, or nothing is applied yet and the setup is the same.
func (c *opened) checkProjection(ctx context.Context, was, now checkpoint.Consumer, at []checkpoint.Checkpoint) error {
	atStart := !slices.ContainsFunc(at, func(c checkpoint.Checkpoint) bool { return c.Position > 0 })
	if atStart && bytes.Equal(was.SetupHash, now.SetupHash) {
		return nil // the tables are the same and still empty
	}
	if atStart && !c.AcceptProjection {
		return fmt.Errorf("consumer %s: %w: %s differs from what has made its tables; %w",
			was.Name, ErrProjection, now.Projection, refused.ErrAtStart)
	}
	missed, err := c.missed(ctx)
	if err != nil {
		return err
	}
	if !c.AcceptProjection {
		return &ChangedError{Consumer: was.Name, Projection: now.Projection, Missed: missed}
	}
	if len(missed) > 0 {
		c.Logger.Warn("events that were skipped before the projection changed stay skipped", "skipped", CountTypes(missed))
	}
	return nil
}

// missed counts, by type, the events that were skipped and for which the projection
// now has blocks.
func (c *opened) missed(ctx context.Context) (map[string]int64, error) {
	skipped, err := c.into.SkippedTypes(ctx)
	missed := make(map[string]int64)
	for _, s := range skipped {
		if slices.ContainsFunc(c.into.Describe().Heads, func(h checkpoint.BlockName) bool { return h.Matches(s.Feed, s.FeedID, s.Type) }) {
			missed[s.Type] += s.Events
		}
	}
	return missed, err
}

func (c *opened) consumer() checkpoint.Consumer {
	now := c.into.Describe().Sink
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
	case checkpoint.SinkPublisher:
		return "a publisher"
	case checkpoint.SinkHandler:
		return "a handler of a Go program's"
	default:
		return "the sink " + c.Sink
	}
}
