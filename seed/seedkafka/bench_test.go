//go:build unix

package seedkafka_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

const benchEvents = 50_000

// BenchmarkPublish publishes a history to a topic, by turns with the publisher, which reads the feed
// from a server, and with nothing but the client library, which has the same messages in memory and
// is idempotent, without transactions.
//
//	go test ./seed/seedkafka -run '^$' -bench Publish -benchtime 5x
func BenchmarkPublish(b *testing.B) {
	node := testkafka.Start(b)
	node.Checkpoints(b)
	log := storetest.Open(b, storetest.Databases["sqlite"](b))
	storetest.Create(b, log, "orders", 500)
	for first := 1; first <= benchEvents; first += 10_000 {
		storetest.Append(b, log, "orders", storetest.Events(first, first+9_999))
	}
	storetest.Drain(b, log, "orders")
	from := servertest.Publish(b, log).URL + "/feeds/orders"
	messages := benchMessages(storetest.Read(b, log, "orders"))

	var ours, theirs time.Duration
	round := 0
	for b.Loop() {
		round++
		into, err := seedkafka.Open(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + node.Topic(b, 1)})
		must.OK(b, err)
		began := time.Now()
		must.OK(b, seed.Run(b.Context(), seed.Config{From: []string{from}, Into: into}))
		ours += time.Since(began)
		theirs += benchClient(b, node, node.Topic(b, 1), messages)
	}
	n := float64(benchEvents * round)
	b.ReportMetric(n/ours.Seconds(), "publisher-events/s")
	b.ReportMetric(n/theirs.Seconds(), "client-events/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

// benchMessages returns what the publisher sends for the events, with digests of the same length.
func benchMessages(events []event.Placed) (all []kgo.Record) {
	for i := range events {
		m := broker.Message{
			Delivered:  event.Delivered{Placed: events[i], Feed: "orders", FeedID: "urn:uuid:321f966e-5ede-4d71-900e-836b44dae192"},
			Generation: 1, Epoch: "e603573e-d703-4da4-85f8-0a1e2d34208f",
		}
		r := kgo.Record{Key: []byte(m.Subject), Value: m.Data}
		m.Attributes(func(name, value string) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + name, Value: []byte(value)})
		})
		all = append(all, r)
	}
	return all
}

// benchClient publishes the messages asynchronously, with the client's own batches and window.
func benchClient(b *testing.B, node *testkafka.Node, topic string, messages []kgo.Record) time.Duration {
	b.Helper()
	client := node.Client(b, kgo.DefaultProduceTopic(topic))
	began := time.Now()
	var left sync.WaitGroup
	left.Add(len(messages))
	for i := range messages {
		r := messages[i]
		client.Produce(context.Background(), &r, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
			left.Done()
		})
	}
	left.Wait()
	return time.Since(began)
}
