package seedkafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/event"
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
	values := make([]byte, 0, usualValues) // of all headers: one allocation instead of sixteen
	m.Attributes(func(name, value string) {
		from := len(values)
		values = append(values, value...)
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headerName(name), Value: values[from:len(values):len(values)]})
	})
	if m.DataContentType != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: contentType, Value: []byte(m.DataContentType)})
	}
	return r
}

// headers is how many headers a message has at most, without extensions of its own, and usualValues how
// many bytes their values have together in most messages.
const (
	headers     = 16
	usualValues = 512
)

// headerNames are the names of the headers of most messages, by attributes.
var headerNames = func() map[string]string {
	names := make(map[string]string)
	m := broker.Message{Delivered: event.Delivered{Placed: event.Placed{
		Event: event.Event{Subject: "s", DataSchema: "d", Time: time.Unix(0, 0)}, Recorded: time.Unix(0, 0),
	}}}
	m.Attributes(func(name, _ string) { names[name] = prefix + name })
	return names
}()

func headerName(attribute string) string {
	if name, is := headerNames[attribute]; is {
		return name
	}
	return prefix + attribute
}

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
