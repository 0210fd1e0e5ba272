//go:build unix

package seedkafka_test

import (
	"slices"
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

const benchEvents = 100_000

// benchTransaction is how many bytes of messages the publisher puts into a transaction.
const benchTransaction = 8 << 20

// BenchmarkPublish publishes a history to a topic, by turns with the publisher, which reads the feed
// from a server, and with nothing but the client library, which has the same messages in memory and
// commits them in transactions of the same size. It reports the transactions of each, and the median
// of the rounds' ratios.
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
	var ratios []float64
	var transactions [2]int64
	for b.Loop() {
		topic, other := node.Topic(b, 1), node.Topic(b, 1)
		into, err := seedkafka.Open(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic})
		must.OK(b, err)
		began := time.Now()
		must.OK(b, seed.Run(b.Context(), seed.Config{From: []string{from}, Into: into}))
		publisher := time.Since(began)
		client := benchClient(b, node, other, messages)
		ours, theirs, ratios = ours+publisher, theirs+client, append(ratios, client.Seconds()/publisher.Seconds())
		transactions = [2]int64{transactionsOf(b, node, topic), transactionsOf(b, node, other)}
	}
	n := float64(benchEvents * len(ratios))
	b.ReportMetric(n/ours.Seconds(), "publisher-events/s")
	b.ReportMetric(n/theirs.Seconds(), "client-events/s")
	b.ReportMetric(float64(transactions[0]), "publisher-transactions")
	b.ReportMetric(float64(transactions[1]), "client-transactions")
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "median-ratio")
}

// transactionsOf returns how many offsets of a topic have markers: one for each transaction.
func transactionsOf(b *testing.B, node *testkafka.Node, topic string) int64 {
	b.Helper()
	ends, err := node.Admin(b).ListEndOffsets(b.Context(), topic)
	must.OK(b, err)
	return ends[topic][0].Offset - benchEvents
}

// benchMessages returns what the publisher sends for the events, with digests of the same length.
func benchMessages(events []event.Placed) (all []kgo.Record) {
	for i := range events {
		m := broker.Message{
			Delivered:  event.Delivered{Placed: events[i], Feed: "orders", FeedID: "urn:uuid:321f966e-5ede-4d71-900e-836b44dae192"},
			Generation: 1_800_000_000, Epoch: "e603573e-d703-4da4-85f8-0a1e2d34208f",
		}
		r := kgo.Record{Key: []byte(m.Subject), Value: m.Data}
		if m.Subject == "" {
			r.Key = []byte(m.FeedID)
		}
		m.Attributes(func(name, value string) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + name, Value: []byte(value)})
		})
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "content-type", Value: []byte(m.DataContentType)})
		all = append(all, r)
	}
	return all
}

// benchClient publishes the messages asynchronously, in transactions, with the client's own batches
// and window, and returns how long that took.
func benchClient(b *testing.B, node *testkafka.Node, topic string, messages []kgo.Record) time.Duration {
	b.Helper()
	client := node.Client(b, kgo.DefaultProduceTopic(topic), kgo.TransactionalID("bench/"+topic))
	failed := make(chan error, 1)
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}
	began := time.Now()
	for first := 0; first < len(messages); {
		must.OK(b, client.BeginTransaction())
		for size := 0; first < len(messages) && size < benchTransaction; first++ {
			r := messages[first] // a copy: the client writes into it
			size += sizeOf(&r)
			client.Produce(b.Context(), &r, promise)
		}
		must.OK(b, client.Flush(b.Context()))
		must.OK(b, client.EndTransaction(b.Context(), kgo.TryCommit))
	}
	took := time.Since(began)
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	return took
}

// sizeOf returns about how many bytes a record takes.
func sizeOf(r *kgo.Record) int {
	size := 100 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += 5 + len(h.Key) + len(h.Value)
	}
	return size
}
