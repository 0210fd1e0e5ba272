//go:build unix

package seednats

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

const benchEvents = 50_000

// BenchmarkPublish publishes a history to a stream, by turns with the publisher, which reads the feed
// from a server, and with nothing but the client library, which has the same messages in memory, expects
// no sequences, and waits for the acknowledgements of the same window.
//
//	go test ./seed/seednats -run '^$' -bench Publish -benchtime 5x
func BenchmarkPublish(b *testing.B) {
	node := testnats.Start(b)
	client := testnats.Client(b, node)
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
		url := benchStream(b, node, client)
		into, err := Open(Stream{URL: url, Route: "bench.{feed}.{type}"})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := seed.Run(b.Context(), seed.Config{From: []string{from}, Into: into}); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		wantMessages(b, client)
		benchStream(b, node, client)
		began = time.Now()
		benchClient(b, node, messages)
		theirs += time.Since(began)
		wantMessages(b, client)
	}
	n := float64(benchEvents * round)
	b.ReportMetric(n/ours.Seconds(), "publisher-events/s")
	b.ReportMetric(n/theirs.Seconds(), "client-events/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

// benchStream creates the stream, without a message.
func benchStream(b *testing.B, node *testnats.Node, client jetstream.JetStream) (url string) {
	b.Helper()
	_ = client.DeleteStream(b.Context(), "BENCH") // there is none in the first round
	testnats.CreateStream(b, client, jetstream.StreamConfig{Name: "BENCH", Subjects: []string{"bench.>"}})
	return "nats://" + node.Address() + "/BENCH"
}

func wantMessages(b *testing.B, client jetstream.JetStream) {
	b.Helper()
	stream, err := client.Stream(b.Context(), "BENCH")
	if err != nil || stream.CachedInfo().State.Msgs != benchEvents {
		b.Fatalf("%+v: %v", stream, err)
	}
}

// benchMessages returns what the publisher sends for the events, with digests and sequences of the same
// length.
func benchMessages(events []event.Placed) (all []*nats.Msg) {
	for i := range events {
		m := broker.Message{
			Delivered: event.Delivered{Placed: events[i], Feed: "orders", FeedID: "urn:uuid:321f966e-5ede-4d71-900e-836b44dae192"}, Generation: 1_800_000_000,
			Epoch: "e603573e-d703-4da4-85f8-0a1e2d34208f",
		}
		msg := &nats.Msg{Subject: "bench.orders.Counted", Header: nats.Header{}, Data: m.Data}
		m.Attributes(func(name, value string) { msg.Header[prefix+name] = []string{value} })
		msg.Header[prefix+contentType] = []string{m.DataContentType}
		msg.Header["efrun"] = []string{"5A66SLVH5DIBKR2PSELTQPRDTQ"}
		msg.Header["Expected-Last-Sequence-As-Long"] = []string{strconv.Itoa(i)}
		all = append(all, msg)
	}
	return all
}

// benchClient publishes the messages asynchronously.
func benchClient(b *testing.B, node *testnats.Node, messages []*nats.Msg) {
	b.Helper()
	connection, err := nats.Connect("nats://" + node.Address())
	if err != nil {
		b.Fatal(err)
	}
	defer connection.Close()
	var failed error
	client, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(windowMessages),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { failed = fmt.Errorf("%s: %w", m.Subject, err) }))
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range messages {
		if _, err := client.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-client.PublishAsyncComplete()
	if failed != nil {
		b.Fatal(failed)
	}
}
