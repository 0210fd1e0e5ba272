//go:build unix

package publishers_test

import (
	"database/sql"
	"math/rand/v2"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	_ "modernc.org/sqlite" // the driver

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// bench is a feed, an exchange whose messages all go to each queue, and a publisher's target.
type bench struct {
	source
	node       *testrabbit.Node
	vhost, url string
	into       string
}

// queue is the name of the queue.
const queue = "all"

func newBench(t *testing.T, node *testrabbit.Node, random *rand.Rand, queues ...string) *bench {
	t.Helper()
	b := &bench{source: source{random: random}, node: node, into: testdb.SQLite(t)}
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

// exchange is the URL for --publish, by way of an address that leads to the node.
func (b *bench) exchange(address string) string {
	return "amqp://" + address + "/" + b.vhost + "?exchange=orders"
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

// read returns what a queue holds, and empties it.
func (b *bench) read(t *testing.T, queue string) []message {
	t.Helper()
	var all []message
	for _, m := range testrabbit.Read(t, b.url, queue, testrabbit.Until{}) {
		all = append(all, parse(t, m))
	}
	return all
}
