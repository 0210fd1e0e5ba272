//go:build unix

package seedrabbitmq_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

func TestMain(m *testing.M) { os.Exit(need.RunWithExamplesOf(m, "rabbitmq", "ExampleOpen")) }

// A publisher passes the history of a feed on to an exchange. It keeps its checkpoint in a file.
func ExampleOpen() {
	orders, folder, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	broker := testrabbit.ForExample() // as amqp://localhost:5672/ is
	ctx := context.Background()
	shipping, err := bindQueue(broker)
	if err != nil {
		fmt.Println(err)
		return
	}

	publisher, err := seedrabbitmq.Open(seedrabbitmq.Exchange{URL: broker + "?exchange=orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	into := seedsqlite.Open(filepath.Join(folder, "relay.db")).Publish(publisher)
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: into}); err != nil {
		fmt.Println(err)
		return
	}

	for range 6 {
		message := <-shipping
		fmt.Println(message.Headers["cloudEvents:efposition"], message.RoutingKey)
	}
	// Output:
	// 0 orders.eventfeed.marker
	// 1 orders.OrderCreated
	// 2 orders.OrderCreated
	// 3 orders.OrderShipped
	// 4 orders.OrderCreated
	// 5 orders.OrderShipped
}

// bindQueue makes an exchange and a queue that gets all of its messages, and consumes it.
func bindQueue(broker string) (<-chan amqp.Delivery, error) {
	connection, err := amqp.Dial(broker)
	if err != nil {
		return nil, err
	}
	channel, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	if err := channel.ExchangeDeclare("orders", "topic", true, false, false, false, nil); err != nil {
		return nil, err
	}
	if _, err := channel.QueueDeclare("shipping", true, false, false, false, nil); err != nil {
		return nil, err
	}
	if err := channel.QueueBind("shipping", "orders.#", "orders", false, nil); err != nil {
		return nil, err
	}
	return channel.Consume("shipping", "", true, false, false, false, nil)
}
