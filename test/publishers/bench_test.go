//go:build unix

package publishers_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	_ "modernc.org/sqlite" // the driver

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// patience is how long something may take on a machine that runs all tests at once.
const patience = 3 * time.Minute

// bench is a feed, an exchange whose messages all go to each queue, and a publisher's target.
type bench struct {
	log        *store.Log
	from       string // URL of the feed
	node       *testrabbit.Node
	vhost, url string
	into       string
	random     *rand.Rand
	appended   int
}

const (
	pageSize = 200
	queue    = "all"
)

func newBench(t *testing.T, node *testrabbit.Node, random *rand.Rand, queues ...string) *bench {
	t.Helper()
	b := &bench{node: node, into: testdb.SQLite(t), random: random}
	b.vhost, b.url = node.VHost(t)
	connection, err := amqp.Dial(b.url)
	must.OK(t, err)
	defer func() { _ = connection.Close() }()
	channel, err := connection.Channel()
	must.OK(t, err)
	must.OK(t, channel.ExchangeDeclare("orders", amqp.ExchangeTopic, true, false, false, false, nil))
	for _, name := range queues {
		_, err = channel.QueueDeclare(name, true, false, false, false, nil)
		must.OK(t, err)
		must.OK(t, channel.QueueBind(name, "#", "orders", false, nil))
	}
	return b
}

// serve serves a log as the feed.
func (b *bench) serve(t *testing.T, log *store.Log) {
	t.Helper()
	b.log = log
	b.from = servertest.Publish(t, log).URL + "/feeds/orders"
}

// exchange is the URL for --publish, by way of an address that leads to the node.
func (b *bench) exchange(address string) string {
	return "amqp://" + address + "/" + b.vhost + "?exchange=orders"
}

// append appends events and waits until they have positions.
func (b *bench) append(t *testing.T, n int) {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		b.appended++
		events[i] = b.event(b.appended)
	}
	storetest.Append(t, b.log, "orders", events)
	b.waitUntil(t, fmt.Sprintf("%d more events have positions", n), func() bool {
		pending, _, err := b.log.Work(t.Context())
		must.OK(t, err)
		return len(pending) == 0
	})
}

// event returns an event of random content.
func (b *bench) event(n int) event.Event {
	e := event.Event{
		ID: fmt.Sprint(n), Source: "/shop", Type: []string{"OrderPlaced", "OrderPaid", "OrderShipped"}[b.random.IntN(3)],
		Time: time.Date(2026, 1, 1, 0, 0, n, b.random.IntN(1e6)*1000, time.UTC),
	}
	if b.random.IntN(4) > 0 {
		e.Subject = fmt.Sprintf("order %d ü", b.random.IntN(1000))
	}
	if b.random.IntN(4) == 0 {
		e.Extensions = map[string]string{"traceparent": fmt.Sprintf("00-%032x", b.random.Uint64())}
	}
	switch b.random.IntN(3) {
	case 0:
		e.DataContentType = "application/json"
		e.Data = fmt.Appendf(nil, `{ "n": %d,  "total": 1.10, "text": "%s" }`, n, strings.Repeat("é", b.random.IntN(300)))
	case 1:
		e.DataContentType = "application/octet-stream"
		e.Data = make([]byte, 1+b.random.IntN(1500))
		for i := range e.Data {
			e.Data[i] = byte(b.random.Uint32())
		}
	}
	return e
}

// place returns the position of the publisher's checkpoint; 0 before there is one.
func (b *bench) place(t *testing.T) (position int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(b.into, "sqlite:")+"?mode=ro&_pragma=busy_timeout(60000)")
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	err = db.QueryRowContext(t.Context(), "SELECT coalesce(max(position), 0) FROM main.eventfeed_checkpoints").Scan(&position)
	if err != nil && !strings.Contains(err.Error(), "no such table") && !strings.Contains(err.Error(), "unable to open") {
		t.Fatal(err)
	}
	return position
}

// waitUntil waits until something holds.
func (*bench) waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// read returns what a queue holds, and empties it.
func (b *bench) read(t *testing.T, queue string) []message {
	t.Helper()
	var all []message
	for _, m := range testrabbit.Read(t, b.url, queue, testrabbit.Until{}) {
		all = append(all, parse(t, m))
	}
	return all
}
