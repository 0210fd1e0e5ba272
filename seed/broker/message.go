package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Digest is the SHA-256 of a feed's history up to a position. String returns it as 64 hexadecimal
// digits.
type Digest = feed.Digest

// ParseDigest parses what Digest.String returns.
func ParseDigest(s string) (Digest, error) { return feed.ParseDigest(s) }

// Message is an event with its place in the feed's history, as a publisher sends it.
type Message struct {
	event.Delivered
	Generation   int64  // number of the publication, see docs/brokers.md
	Epoch        string // the feed's epoch at the event
	DigestBefore Digest // of the history before the event
	Digest       Digest // of the history with the event
}

// Extension attributes of messages, beside those of a delivered event.
const (
	PositionAttribute     = cloudevents.PositionAttribute
	FeedAttribute         = cloudevents.FeedAttribute
	FeedIDAttribute       = cloudevents.FeedIDAttribute
	EpochAttribute        = "efepoch"
	GenerationAttribute   = "efgeneration"
	DigestAttribute       = "efdigest"
	DigestBeforeAttribute = "efdigestbefore"
)

// ours are all attributes that describe the place of a message. An extension of the event's own
// under one of these names gives way.
var ours = []string{
	PositionAttribute, cloudevents.RecordedAttribute, cloudevents.VersionAttribute, cloudevents.LiveAttribute,
	FeedAttribute, FeedIDAttribute, EpochAttribute, GenerationAttribute, DigestAttribute, DigestBeforeAttribute,
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
	yield(PositionAttribute, strconv.FormatInt(m.Position, 10))
	if !m.Recorded.IsZero() {
		yield(cloudevents.RecordedAttribute, cloudevents.FormatTime(m.Recorded))
	}
	yield(FeedAttribute, m.Feed)
	yield(FeedIDAttribute, m.FeedID)
	yield(EpochAttribute, m.Epoch)
	yield(GenerationAttribute, strconv.FormatInt(m.Generation, 10))
	yield(DigestAttribute, m.Digest.String())
	yield(DigestBeforeAttribute, m.DigestBefore.String())
}

// String names the message in errors.
func (m *Message) String() string {
	if m.IsMarker() {
		return fmt.Sprintf("the marker of generation %d of feed %s", m.Generation, m.Feed)
	}
	return fmt.Sprintf("position %d of feed %s (event %s)", m.Position, m.Feed, m.ID)
}

// Place returns the place of the message.
func (m *Message) Place() Place {
	return Place{Feed: Feed{ID: m.FeedID, Name: m.Feed}, Generation: m.Generation, Epoch: m.Epoch, Position: m.Position, Digest: m.Digest}
}

// MarkerType is the type of the message that begins a generation.
const MarkerType = "eventfeed.marker"

// IsMarker reports whether the message begins a generation, instead of being an event.
func (m *Message) IsMarker() bool { return m.Type == MarkerType }

// Marker returns the message that begins a generation at a place: its position is the last one
// that the generation has in common with what was published before it.
func Marker(p Place) Message {
	return Message{
		Delivered: event.Delivered{
			Placed: event.Placed{
				Event: event.Event{
					ID:     fmt.Sprintf("marker-%d-%d", p.Generation, p.Position),
					Source: p.Feed.ID, Type: MarkerType, Time: time.Now().UTC().Truncate(time.Microsecond),
				},
				Position: p.Position,
			},
			Feed: p.Feed.Name, FeedID: p.Feed.ID,
		},
		Generation: p.Generation, Epoch: p.Epoch, DigestBefore: p.Digest, Digest: p.Digest,
	}
}
