package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Publisher is a sink that publishes events to a message broker. Package seed/seedrabbitmq
// creates one for an exchange of RabbitMQ. The target keeps the checkpoint, so the broker gets
// each event at least once, in order. docs/brokers.md has the rule by which a consumer of its
// messages applies each event once.
type Publisher struct{ about checkpoint.Description }

// NewPublisher is for the packages that create publishers.
func NewPublisher(about checkpoint.Description) Publisher {
	about.Sink.Sink = checkpoint.SinkPublisher
	about.Cannot = checkpoint.PublisherCannot()
	return Publisher{about}
}

// Description is for the packages that create targets.
func (p Publisher) Description() checkpoint.Description { return p.about }

// AtEnd is the value of Config.StartAt for the end of the feed.
const AtEnd = -1

// start returns the place after which a feed's first run begins.
func (r *runner) start(ctx context.Context, f *reading) (walk.Place, error) {
	client, head := f.Served()
	switch {
	case r.StartAt == 0 || client == nil:
		return f.Start(), nil
	case r.StartAt == AtEnd:
		return client.PlaceAt(ctx, head, head.Last)
	case r.StartAt > head.Last:
		return walk.Place{}, fmt.Errorf("feed %s: %w %d, it ends at %d", head.Name, refused.ErrStart, r.StartAt, head.Last)
	}
	place, err := client.PlaceAt(ctx, head, r.StartAt)
	return place, f.about(err)
}

// firstGeneration returns the generation of a publisher that begins, which is higher than those
// of any publisher before it, even if their checkpoints are lost, or their logs were deleted and
// created again: the Unix time in seconds.
func (c *opened) firstGeneration() int64 {
	if c.into.Describe().Sink.Sink != checkpoint.SinkPublisher {
		return 0
	}
	return time.Now().Unix()
}

// sinkAway reports that an external sink is unavailable; nil reports that it is available again.
func (r *runner) sinkAway(err error) {
	switch {
	case err != nil:
		r.noteAway(err)
	case r.target.Err != nil:
		r.target.Err = nil
		r.report()
	}
}
