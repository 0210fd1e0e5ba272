//go:build unix

package seedrabbitmq_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/testing/publishbench"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
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
	bench := publishbench.New(b, benchEvents)
	messages := benchMessages(bench.Messages)
	folder, round := b.TempDir(), 0
	for b.Loop() {
		round++
		publisher, err := seedrabbitmq.Open(seedrabbitmq.Exchange{URL: url + "?exchange=orders"})
		if err != nil {
			b.Fatal(err)
		}
		bench.Publish(b, seedsqlite.Open(filepath.Join(folder, fmt.Sprint(round, ".db"))).Publish(publisher))
		purge(b, channel)
		began := time.Now()
		benchClient(b, connection, messages)
		bench.Beside(time.Since(began))
		purge(b, channel)
	}
	bench.Report(b)
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

// benchMessages returns the messages as the client has them.
func benchMessages(messages []broker.Message) (all []amqp.Publishing) {
	for i := range messages {
		m := &messages[i]
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
