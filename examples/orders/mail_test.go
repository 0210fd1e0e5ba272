//go:build unix

package orders_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// mailRoom is a feed of orders, an exchange to which it is published, and the queue of the mail service.
type mailRoom struct {
	log     *store.Log
	feed    string
	broker  string
	folder  string
	channel *amqp.Channel
	events  int
}

// A mail is written for each order that is shipped after the seed, once, although RabbitMQ loses a
// message, and the publisher loses its checkpoint and publishes everything again.
func TestMailIsWrittenOnceForEachNewShipment(t *testing.T) {
	t.Parallel()
	m := newMailRoom(t)
	m.append(t, "OrderCreated", 1, 2, 3, 4)
	m.append(t, "OrderShipped", 1)
	m.publish(t, "relay.db")
	path := filepath.Join(m.folder, "mail.db")
	start(t, build(t), "mail", "--from", m.feed, "--into", path, "--broker", m.broker, "--queue", "mail")
	eventually(t, "the service takes messages", func() bool {
		state, err := m.channel.QueueDeclarePassive("mail", true, false, false, false, nil)
		must.OK(t, err)
		return state.Consumers == 1
	})

	m.append(t, "OrderShipped", 2)
	m.publish(t, "relay.db")
	m.waitFor(t, path)
	must.OK(t, m.channel.QueueUnbind("mail", "orders.#", "orders", nil))
	m.append(t, "OrderShipped", 3)
	m.publish(t, "relay.db")
	must.OK(t, m.channel.QueueBind("mail", "orders.#", "orders", false, nil))
	m.append(t, "OrderShipped", 4)
	m.publish(t, "relay.db")
	m.waitFor(t, path)
	m.publish(t, "another relay.db")
	m.append(t, "OrderDelivered", 2)
	m.publish(t, "another relay.db")
	m.waitFor(t, path)

	mails := table(t, "sqlite:"+path, "SELECT number, text FROM outgoing")
	want := []string{"2", "3", "4"}
	for i, order := range want {
		want[i] = fmt.Sprintf("Dear Ada, your order %s is on its way.", order)
	}
	if got := slices.Sorted(maps.Values(mails)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func newMailRoom(t *testing.T) *mailRoom {
	t.Helper()
	m := &mailRoom{log: storetest.Open(t, testdb.SQLite(t)), folder: t.TempDir()}
	storetest.Create(t, m.log, "orders", 3)
	m.feed = servertest.Serve(t, m.log).URL + "/feeds/orders"
	_, m.broker = testrabbit.Start(t).VHost(t)
	connection, err := amqp.Dial(m.broker)
	must.OK(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	m.channel, err = connection.Channel()
	must.OK(t, err)
	must.OK(t, m.channel.ExchangeDeclare("orders", "topic", true, false, false, false, nil))
	_, err = m.channel.QueueDeclare("mail", true, false, false, false, nil)
	must.OK(t, err)
	must.OK(t, m.channel.QueueBind("mail", "orders.#", "orders", false, nil))
	return m
}

// append appends an event for each order.
func (m *mailRoom) append(t *testing.T, kind string, of ...int) {
	t.Helper()
	var events []event.Event
	for _, order := range of {
		m.events++
		events = append(events, event.Event{
			ID: fmt.Sprint(m.events), Source: "/shop", Type: kind, Subject: fmt.Sprint(order),
			DataContentType: "application/json", Data: []byte(`{"customer":"Ada"}`),
		})
	}
	storetest.Append(t, m.log, "orders", events)
	storetest.Drain(t, m.log, "orders")
}

// publish publishes the feed up to its end, with the checkpoint in a file. A message that goes to no
// queue counts as published.
func (m *mailRoom) publish(t *testing.T, relay string) {
	t.Helper()
	publisher, err := seedrabbitmq.Open(seedrabbitmq.Exchange{URL: m.broker + "?exchange=orders", Unroutable: seedrabbitmq.Count})
	must.OK(t, err)
	into := seedsqlite.Open(filepath.Join(m.folder, relay)).Publish(publisher)
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{m.feed}, Into: into}))
}

// waitFor waits until the service has applied the last event.
func (m *mailRoom) waitFor(t *testing.T, path string) {
	t.Helper()
	db := open(t, "sqlite:"+path)
	eventually(t, fmt.Sprintf("event %d is applied", m.events), func() bool {
		var position int
		must.OK(t, db.QueryRowContext(t.Context(), "SELECT position FROM eventfeed_checkpoints").Scan(&position))
		return position == m.events
	})
}
