//go:build unix

package seedkafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/publishbench"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
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
	bench := publishbench.New(b, benchEvents)
	messages := benchMessages(bench.Messages)
	var transactions [2]int64
	for b.Loop() {
		topic, other := node.Topic(b, 1), node.Topic(b, 1)
		into, err := seedkafka.Open(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic})
		must.OK(b, err)
		bench.Publish(b, into)
		bench.Beside(benchClient(b, node, other, messages))
		transactions = [2]int64{transactionsOf(b, node, topic), transactionsOf(b, node, other)}
	}
	bench.Report(b)
	b.ReportMetric(float64(transactions[0]), "publisher-transactions")
	b.ReportMetric(float64(transactions[1]), "client-transactions")
}

// transactionsOf returns how many offsets of a topic have markers: one for each transaction.
func transactionsOf(b *testing.B, node *testkafka.Node, topic string) int64 {
	b.Helper()
	ends, err := node.Admin(b).ListEndOffsets(b.Context(), topic)
	must.OK(b, err)
	return ends[topic][0].Offset - benchEvents
}

// benchMessages returns the messages as records.
func benchMessages(messages []broker.Message) (all []kgo.Record) {
	for i := range messages {
		m := &messages[i]
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
