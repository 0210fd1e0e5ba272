//go:build unix

package seednats_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seednats"
)

func TestMain(m *testing.M) { os.Exit(need.RunWithExamplesOf(m, "nats-server", "ExampleOpen")) }

// A publisher passes the history of a feed on to a stream.
func ExampleOpen() {
	orders, _, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	stream := testnats.ForExample("ORDERS", "orders.>") // as nats://localhost:4222/ORDERS is
	ctx := context.Background()

	into, err := seednats.Open(seednats.Stream{URL: stream})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: into}); err != nil {
		fmt.Println(err)
		return
	}

	if err := printStream(ctx, strings.TrimSuffix(stream, "/ORDERS")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 orders.OrderCreated
	// 2 orders.OrderCreated
	// 3 orders.OrderShipped
	// 4 orders.OrderCreated
	// 5 orders.OrderShipped
}

// printStream consumes the stream from its first message to its last one.
func printStream(ctx context.Context, server string) error {
	connection, err := nats.Connect(server)
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, "ORDERS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	batch, err := consumer.FetchNoWait(100)
	if err != nil {
		return err
	}
	for message := range batch.Messages() {
		fmt.Println(message.Headers().Get("ce-efposition"), message.Subject())
	}
	return batch.Error()
}
