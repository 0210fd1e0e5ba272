//go:build unix

package seedrabbitmqstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

const benchEvents = 100_000

// BenchmarkPublish publishes a history to a stream, by turns with the publisher, which reads the feed
// from a server, and with nothing but RabbitMQ's own client, which has the same messages in memory and
// waits for the confirms of the same window. It downloads that client.
//
//	go test ./seed/seedrabbitmqstream -run '^$' -bench Publish -benchtime 5x
func BenchmarkPublish(b *testing.B) {
	node := testrabbit.Start(b)
	log := storetest.Open(b, storetest.Databases["sqlite"](b))
	storetest.Create(b, log, "orders", 500)
	for first := 1; first <= benchEvents; first += 10_000 {
		storetest.Append(b, log, "orders", storetest.Events(first, first+9_999))
	}
	storetest.Drain(b, log, "orders")
	from := servertest.Publish(b, log).URL + "/feeds/orders"
	messages := benchMessages(b, storetest.Read(b, log, "orders"))
	client := filepath.Join(b.TempDir(), "client")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-C", "../../test/streamclient", "-o", client).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}

	var ours, theirs time.Duration
	round := 0
	for b.Loop() {
		round++
		place := newBench(b, node)
		began := time.Now()
		if err := seed.Run(b.Context(), seed.Config{From: []string{from}, Into: place.into(b)}); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		place.wantAll(b)
		place = newBench(b, node)
		theirs += place.benchClient(b, client, messages)
		place.wantAll(b)
	}
	n := float64(benchEvents * round)
	b.ReportMetric(n/ours.Seconds(), "publisher-events/s")
	b.ReportMetric(n/theirs.Seconds(), "client-events/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

// wantAll makes sure that the stream holds all events, and deletes it.
func (b *bench) wantAll(t testing.TB) {
	t.Helper()
	if end := b.node.StreamEnd(t, b.vhost, name); end != benchEvents-1 {
		t.Fatalf("the stream ends at offset %d", end)
	}
	b.node.Eval(t, fmt.Sprintf(`rabbit_vhost:delete(<<"%s">>, <<"test">>).`, b.vhost))
}

// benchMessages returns what the publisher sends for the events, with digests of the same length, as
// test/streamclient reads it.
func benchMessages(t testing.TB, events []event.Placed) []byte {
	t.Helper()
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	for i := range events {
		m := broker.Message{
			Delivered: event.Delivered{Placed: events[i], Feed: "orders", FeedID: "urn:uuid:321f966e-5ede-4d71-900e-836b44dae192"}, Generation: 1,
			Epoch: "e603573e-d703-4da4-85f8-0a1e2d34208f",
		}
		properties := make(map[string]string)
		m.Attributes(func(name, value string) { properties[prefix+name] = value })
		err := encoder.Encode(map[string]any{"ContentType": m.DataContentType, "Properties": properties, "Data": m.Data})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

// benchClient publishes the messages with RabbitMQ's client, and returns how long that took.
func (b *bench) benchClient(t testing.TB, client string, messages []byte) time.Duration {
	t.Helper()
	host, port, err := net.SplitHostPort(b.node.AddressStream())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), client, host, port, b.vhost, name)
	command.Stdin = bytes.NewReader(messages)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", client, err)
	}
	took, err := time.ParseDuration(strings.TrimSpace(string(out)) + "ns")
	if err != nil {
		t.Fatal(err)
	}
	return took
}
