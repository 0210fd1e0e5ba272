//go:build unix

package seedkafka_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

func TestMain(m *testing.M) { os.Exit(need.RunWithExamplesOf(m, "kafka", "ExampleOpen")) }

// A publisher passes the history of a feed on to a topic.
func ExampleOpen() {
	orders, _, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	brokers, topic := testkafka.ForExample() // as localhost:9092 and orders are
	ctx := context.Background()

	into, err := seedkafka.Open(seedkafka.Topic{URL: "kafka://" + brokers + "/" + topic})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: into}); err != nil {
		fmt.Println(err)
		return
	}

	consumer, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer consumer.Close()
	for n := 0; n < 5; {
		for _, r := range consumer.PollFetches(ctx).Records() {
			n++
			for _, h := range r.Headers {
				if h.Key == "ce_type" {
					fmt.Println(r.Offset, string(r.Key), string(h.Value))
				}
			}
		}
	}
	// Output:
	// 0 o-1 OrderCreated
	// 1 o-2 OrderCreated
	// 2 o-1 OrderShipped
	// 3 o-3 OrderCreated
	// 4 o-3 OrderShipped
}
