package seedkafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// The headers of a message: the Kafka binding of CloudEvents, binary mode (section 3.2.3).
const (
	prefix      = "ce_"
	contentType = "content-type"
)

// newRecord returns a message as Kafka gets it. Its timestamp is the time of publication, since
// retention goes by it; the event's own is ce_time.
func newRecord(topic string, m *broker.Message) *kgo.Record {
	r := &kgo.Record{Topic: topic, Key: []byte(keyOf(m)), Value: m.Data, Headers: make([]kgo.RecordHeader, 0, headers+len(m.Extensions))}
	m.Attributes(func(name, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: prefix + name, Value: []byte(value)})
	})
	if m.DataContentType != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: contentType, Value: []byte(m.DataContentType)})
	}
	return r
}

// headers is how many headers a message has at most, without extensions of its own.
const headers = 16

// keyOf returns the key of a message, which decides about its partition.
func keyOf(m *broker.Message) string {
	if m.Subject != "" && !m.IsMarker() {
		return m.Subject
	}
	return m.FeedID
}

// Upper bounds of what a record takes beside its key, its value and the names and values of its
// headers, in bytes: lengths, deltas, and the batch around it.
const (
	recordOverhead = 61 + 40
	headerOverhead = 2 + 3
)

// sizeOf returns the size of a record that is alone in its batch, in bytes. It is an upper bound.
func sizeOf(r *kgo.Record) int {
	size := recordOverhead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += headerOverhead + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return size
}

// attributes returns the attributes of a record, for broker.ReadPlace.
func attributes(r *kgo.Record) func(name string) string {
	return func(name string) string {
		for i := range r.Headers {
			if r.Headers[i].Key == prefix+name {
				return string(r.Headers[i].Value)
			}
		}
		return ""
	}
}

// isOf reports whether a record is a message of a feed.
func isOf(r *kgo.Record, feed broker.Feed) bool {
	return attributes(r)(broker.FeedIDAttribute) == feed.ID
}
