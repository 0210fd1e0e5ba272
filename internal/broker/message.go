// Package broker has what publishers to all message brokers have in common: which attributes a
// message carries, how its route is made of them, and errors that need an operator.
package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Message is an event with its place in the feed's history, as a publisher sends it.
type Message struct {
	event.Delivered
	Generation int64
	Before, At feed.Place // the places before and after the event
}

// Extension attributes of messages, beside those of a delivered event.
const (
	EpochAttribute        = "efepoch"
	GenerationAttribute   = "efgeneration"
	DigestAttribute       = "efdigest"
	DigestBeforeAttribute = "efdigestbefore"
)

// ours are all attributes that describe the place of a message. An extension of the event's own
// under one of these names gives way.
var ours = []string{
	cloudevents.PositionAttribute, cloudevents.RecordedAttribute, cloudevents.VersionAttribute, cloudevents.LiveAttribute,
	cloudevents.FeedAttribute, cloudevents.FeedIDAttribute, EpochAttribute, GenerationAttribute, DigestAttribute, DigestBeforeAttribute,
}

// Attributes calls yield with each CloudEvents attribute of the message and its value as a string,
// but for datacontenttype, for which each protocol has its own place.
func (m *Message) Attributes(yield func(name, value string)) {
	yield("specversion", "1.0")
	yield("id", m.ID)
	yield("source", m.Source)
	yield("type", m.Type)
	if m.Subject != "" {
		yield("subject", m.Subject)
	}
	if !m.Time.IsZero() {
		yield("time", cloudevents.FormatTime(m.Time))
	}
	if m.DataSchema != "" {
		yield("dataschema", m.DataSchema)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Extensions)) {
		if !slices.Contains(ours, name) {
			yield(name, m.Extensions[name])
		}
	}
	yield(cloudevents.PositionAttribute, strconv.FormatInt(m.Position, 10))
	if !m.Recorded.IsZero() {
		yield(cloudevents.RecordedAttribute, cloudevents.FormatTime(m.Recorded))
	}
	yield(cloudevents.FeedAttribute, m.Feed)
	yield(cloudevents.FeedIDAttribute, m.FeedID)
	yield(EpochAttribute, m.At.Epoch)
	yield(GenerationAttribute, strconv.FormatInt(m.Generation, 10))
	yield(DigestAttribute, m.At.Digest.String())
	yield(DigestBeforeAttribute, m.Before.Digest.String())
}

// String names the message in errors.
func (m *Message) String() string {
	if m.Type == MarkerType {
		return fmt.Sprintf("the marker of generation %d of feed %s", m.Generation, m.Feed)
	}
	return fmt.Sprintf("position %d of feed %s (event %s)", m.Position, m.Feed, m.ID)
}

// MarkerType is the type of the message that begins a generation.
const MarkerType = "eventfeed.marker"

// Marker returns the message that begins a checkpoint's generation: its position is the last one
// that the generation has in common with what was published before it.
func Marker(c *checkpoint.Checkpoint) Message {
	place := feed.Place{Epoch: c.Epoch, Position: c.Position, Digest: c.Digest}
	return Message{
		Delivered: event.Delivered{
			Placed: event.Placed{
				Event: event.Event{
					ID:     fmt.Sprintf("marker-%d-%d", c.Generation, c.Position),
					Source: c.FeedID, Type: MarkerType, Time: time.Now().UTC().Truncate(time.Microsecond),
				},
				Position: c.Position,
			},
			Feed: c.Feed, FeedID: c.FeedID,
		},
		Generation: c.Generation, Before: place, At: place,
	}
}
