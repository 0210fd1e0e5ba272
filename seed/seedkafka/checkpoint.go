package seedkafka

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// checkpoint is the value of a record in the topic of the checkpoints. It is of the same transaction
// as the messages that it is about.
type checkpoint struct {
	Feed       string  `json:"feed"`
	FeedID     string  `json:"feed_id"`
	TopicID    string  `json:"topic_id"` // a topic that was created again is another one
	Generation int64   `json:"generation"`
	Epoch      string  `json:"epoch"`
	Position   int64   `json:"position"`
	Digest     string  `json:"digest"`
	Partitions []last  `json:"partitions"`
	Begins     []begin `json:"begins,omitempty"`

	offset int64 // of the record
}

// noTopicID is the id of each topic of a broker that has no ids: one before Kafka 2.8.
var noTopicID = kadm.TopicID{}.String()

// last is the last message in a partition.
type last struct {
	Offset     int64 `json:"offset"` // -1 if there is none
	Generation int64 `json:"generation,omitempty"`
	Position   int64 `json:"position,omitempty"`
}

// begin is the marker of a generation: the messages of earlier generations up to its position belong
// to the history of this one. Both rise from one begin to the next.
type begin struct {
	Generation int64 `json:"generation"`
	Position   int64 `json:"position"`
}

// newCheckpoint returns one before the first message.
func newCheckpoint(feed broker.Feed, topicID string, partitions int) checkpoint {
	c := checkpoint{Feed: feed.Name, FeedID: feed.ID, TopicID: topicID}
	for range partitions {
		c.Partitions = append(c.Partitions, last{Offset: -1})
	}
	return c
}

// clone returns a copy that shares nothing.
func (c checkpoint) clone() checkpoint {
	c.Partitions, c.Begins = slices.Clone(c.Partitions), slices.Clone(c.Begins)
	return c
}

// isAt reports whether two checkpoints are at the same place.
func (c *checkpoint) isAt(other *checkpoint) bool {
	return c.Generation == other.Generation && c.Position == other.Position && c.Digest == other.Digest
}

// moveTo moves the checkpoint to a message.
func (c *checkpoint) moveTo(m *broker.Message) {
	c.Generation, c.Epoch, c.Position, c.Digest = m.Generation, m.Epoch, m.Position, m.Digest.String()
	c.Feed = m.Feed
	if m.IsMarker() {
		c.Begins = slices.DeleteFunc(c.Begins, func(b begin) bool { return b.Position >= m.Position })
		c.Begins = append(c.Begins, begin{m.Generation, m.Position})
	}
}

// reaches returns the last position of a generation that belongs to the history of the checkpoint.
func (c *checkpoint) reaches(generation int64) int64 {
	for _, b := range c.Begins {
		if b.Generation > generation {
			return b.Position
		}
	}
	return c.Position
}

func (c *checkpoint) place() (broker.Place, error) {
	digest, err := broker.ParseDigest(c.Digest)
	return broker.Place{Feed: broker.Feed{ID: c.FeedID, Name: c.Feed}, Generation: c.Generation, Epoch: c.Epoch, Position: c.Position, Digest: digest}, err
}

func (c *checkpoint) encode() []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and strings
	}
	return text
}

func decodeCheckpoint(text []byte) (c checkpoint, err error) {
	if err = json.Unmarshal(text, &c); err == nil {
		_, err = c.place()
	}
	if err != nil {
		return c, fmt.Errorf("is not a checkpoint of eventfeed: %w", err)
	}
	return c, nil
}

// keepOffsets notes the last record of each partition, given records that are acknowledged, in their
// order. Their offsets may be lower than what is noted: the topic may have lost its end.
func (c *checkpoint) keepOffsets(records []*kgo.Record) {
	noted := make(map[int32]bool, len(c.Partitions))
	for _, r := range slices.Backward(records) {
		if noted[r.Partition] {
			continue
		}
		noted[r.Partition] = true
		if place, err := broker.ReadPlace(attributes(r)); err == nil {
			c.Partitions[r.Partition] = last{Offset: r.Offset, Generation: place.Generation, Position: place.Position}
		}
	}
}
