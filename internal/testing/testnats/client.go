//go:build unix

package testnats

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Client returns a client of the servers, until the test ends. It reconnects.
func Client(t testing.TB, nodes ...*Node) jetstream.JetStream {
	t.Helper()
	var urls []string
	for _, n := range nodes {
		urls = append(urls, "nats://"+n.Address())
	}
	connection, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	must.OK(t, err)
	t.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	must.OK(t, err)
	return js
}

// patience is how long a cluster may take to create a stream on a machine that runs all tests at once.
const patience = 2 * time.Minute

// CreateStream creates a stream, and tries again while a cluster that was just started cannot do it.
func CreateStream(t testing.TB, js jetstream.JetStream, config jetstream.StreamConfig) jetstream.Stream {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		stream, createErr := js.CreateOrUpdateStream(ctx, config)
		cancel()
		if err = createErr; err == nil {
			return stream
		}
		if config.Replicas <= 1 {
			break
		}
	}
	t.Fatalf("create stream %s: %v", config.Name, err)
	return nil
}

// ForExample creates a stream on the server of [Start], for an example, and returns its URL. Without
// nats-server it panics: need.RunWithExamplesOf skips the example before.
func ForExample(stream, subjects string) (url string) {
	t := exampleTB{}
	n := Start(t)
	connection, err := nats.Connect("nats://" + n.Address())
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		panic(err)
	}
	_ = js.DeleteStream(context.Background(), stream) // of an earlier run of the example
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: stream, Subjects: []string{subjects}}); err != nil {
		panic(err)
	}
	return "nats://" + n.Address() + "/" + stream
}

// exampleTB is what a server needs of a test, where there is none.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                   {}
func (exampleTB) Context() context.Context  { return context.Background() }
func (exampleTB) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (exampleTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
