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

	"github.com/eventfeed/eventfeed/internal/testing/publishbench"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
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
	bench := publishbench.New(b, benchEvents)
	messages := benchMessages(b, bench.Messages)
	client := filepath.Join(b.TempDir(), "client")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-C", "../../test/streamclient", "-o", client).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}

	for b.Loop() {
		place := newBench(b, node)
		bench.Publish(b, place.into(b))
		place.wantAll(b)
		place = newBench(b, node)
		bench.Beside(place.benchClient(b, client, messages))
		place.wantAll(b)
	}
	bench.Report(b)
}

// wantAll makes sure that the stream holds all events, and deletes it.
func (b *bench) wantAll(t testing.TB) {
	t.Helper()
	if end := b.node.StreamEnd(t, b.vhost, name); end != benchEvents-1 {
		t.Fatalf("the stream ends at offset %d", end)
	}
	b.node.Eval(t, fmt.Sprintf(`rabbit_vhost:delete(<<"%s">>, <<"test">>).`, b.vhost))
}

// benchMessages returns the messages as test/streamclient reads them.
func benchMessages(t testing.TB, messages []broker.Message) []byte {
	t.Helper()
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	for i := range messages {
		m := &messages[i]
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
