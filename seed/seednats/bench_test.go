//go:build unix

package seednats

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/publishbench"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
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
	bench := publishbench.New(b, benchEvents)
	messages := benchMessages(bench.Messages)
	for b.Loop() {
		url := benchStream(b, node, client)
		into, err := Open(Stream{URL: url, Route: "bench.{feed}.{type}"})
		if err != nil {
			b.Fatal(err)
		}
		bench.Publish(b, into)
		wantMessages(b, client)
		benchStream(b, node, client)
		began := time.Now()
		benchClient(b, node, messages)
		bench.Beside(time.Since(began))
		wantMessages(b, client)
	}
	bench.Report(b)
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

// benchMessages returns the messages as the client has them, with sequences of the same length.
func benchMessages(messages []broker.Message) (all []*nats.Msg) {
	for i := range messages {
		m := &messages[i]
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
