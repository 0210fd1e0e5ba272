//go:build unix

package seedrabbitmq_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

const benchEvents = 50_000

// BenchmarkPublish publishes a history to a durable queue, by turns with the publisher, which reads
// the feed from a server, and with nothing but the client library, which has the same messages in
// memory and waits for the confirms of the same window.
//
//	go test ./seed/seedrabbitmq -run '^$' -bench Publish -benchtime 5x
func BenchmarkPublish(b *testing.B) {
	node := testrabbit.Start(b)
	_, url := node.VHost(b)
	connection, err := amqp.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	channel := benchChannel(b, connection)
	log := storetest.Open(b, storetest.Databases["sqlite"](b))
	storetest.Create(b, log, "orders", 500)
	for first := 1; first <= benchEvents; first += 10_000 {
		storetest.Append(b, log, "orders", storetest.Events(first, first+9_999))
	}
	storetest.Drain(b, log, "orders")
	from := servertest.Publish(b, log).URL + "/feeds/orders"
	messages := benchMessages(storetest.Read(b, log, "orders"))

	var ours, theirs time.Duration
	folder, round := b.TempDir(), 0
	for b.Loop() {
		round++
		publisher, err := seedrabbitmq.Open(seedrabbitmq.Exchange{URL: url + "?exchange=orders"})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		config := seed.Config{From: []string{from}, Into: seedsqlite.Open(filepath.Join(folder, fmt.Sprint(round, ".db"))).Publish(publisher)}
		if err := seed.Run(b.Context(), config); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		purge(b, channel)
		began = time.Now()
		benchClient(b, connection, messages)
		theirs += time.Since(began)
		purge(b, channel)
	}
	n := float64(benchEvents * round)
	b.ReportMetric(n/ours.Seconds(), "publisher-events/s")
	b.ReportMetric(n/theirs.Seconds(), "client-events/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

func benchChannel(b *testing.B, connection *amqp.Connection) *amqp.Channel {
	b.Helper()
	channel, err := connection.Channel()
	if err == nil {
		err = channel.ExchangeDeclare("orders", "topic", true, false, false, false, nil)
	}
	if err == nil {
		_, err = channel.QueueDeclare(queue, true, false, false, false, nil)
	}
	if err == nil {
		err = channel.QueueBind(queue, "#", "orders", false, nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	return channel
}

func purge(b *testing.B, channel *amqp.Channel) {
	b.Helper()
	if n, err := channel.QueuePurge(queue, false); err != nil || n < benchEvents {
		b.Fatalf("the queue had %d messages: %v", n, err)
	}
}

// benchMessages returns what the publisher sends for the events, with digests of the same length.
func benchMessages(events []event.Placed) (all []amqp.Publishing) {
	for i := range events {
		m := broker.Message{
			Delivered: event.Delivered{Placed: events[i], Feed: "orders", FeedID: "urn:uuid:321f966e-5ede-4d71-900e-836b44dae192"}, Generation: 1_800_000_000,
			Epoch: "e603573e-d703-4da4-85f8-0a1e2d34208f",
		}
		p := amqp.Publishing{Headers: amqp.Table{}, DeliveryMode: amqp.Persistent, MessageId: m.ID, ContentType: m.DataContentType, Body: m.Data}
		m.Attributes(func(name, value string) { p.Headers["cloudEvents:"+name] = value })
		all = append(all, p)
	}
	return all
}

// benchClient publishes the messages over a channel in confirm mode.
func benchClient(b *testing.B, connection *amqp.Connection, messages []amqp.Publishing) {
	b.Helper()
	const window = 2048
	channel, err := connection.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = channel.Close() }()
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, window))
	slots := make(chan struct{}, window)
	go func() {
		for i := range messages {
			slots <- struct{}{}
			_ = channel.PublishWithContext(context.Background(), "orders", "orders.T", true, false, messages[i])
		}
	}()
	for range messages {
		if c := <-confirms; !c.Ack {
			b.Fatal("refused")
		}
		<-slots
	}
}
