//go:build unix

package seedrabbitmqstream_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmqstream"
)

func TestMain(m *testing.M) { os.Exit(need.RunWithExamplesOf(m, "rabbitmq", "ExampleOpen")) }

// A target publishes the history of a feed to a stream. The stream keeps the checkpoint.
func ExampleOpen() {
	orders, _, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	stream, read := testrabbit.StreamForExample("orders") // as rabbitmq-stream://localhost/?stream=orders is

	target, err := seedrabbitmqstream.Open(seedrabbitmqstream.Stream{URL: stream})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := seed.Run(context.Background(), seed.Config{From: []string{orders}, Into: target}); err != nil {
		fmt.Println(err)
		return
	}

	for _, message := range read() {
		fmt.Println(message.Headers["cloudEvents:efposition"], message.Headers["cloudEvents:type"])
	}
	// Output:
	// 1 OrderCreated
	// 2 OrderCreated
	// 3 OrderShipped
	// 4 OrderCreated
	// 5 OrderShipped
}
