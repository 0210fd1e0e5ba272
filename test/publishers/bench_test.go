//go:build unix

package publishers_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	amqp "github.com/rabbitmq/amqp091-go"
	_ "modernc.org/sqlite" // the driver

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// bench is a feed, an exchange whose messages all go to each queue, and a publisher's target.
type bench struct {
	source
	node       *testrabbit.Node
	vhost, url string
	into       string // the publisher's target
}

// queue is the name of the queue.
const queue = "all"

func newBench(t *testing.T, node *testrabbit.Node, random *rand.Rand, into string, queues ...string) *bench {
	t.Helper()
	b := &bench{source: source{random: random}, node: node, into: into}
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

// place returns the position of the publisher's checkpoint in PostgreSQL; 0 before there is one.
func (b *bench) place(t *testing.T) (position int64) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), b.into)
	must.OK(t, err)
	defer func() { _ = db.Close(t.Context()) }()
	err = db.QueryRow(t.Context(), "SELECT coalesce(max(position), 0) FROM eventfeed_seed.checkpoints").Scan(&position)
	if missing, is := errors.AsType[*pgconn.PgError](err); is && missing.Code == "42P01" {
		return 0
	}
	must.OK(t, err)
	return position
}

// loseSessions ends all sessions of the publisher's database, and with them the lock of the one that
// publishes: another one then begins, while the first one still has messages on their way.
func (b *bench) loseSessions(t *testing.T) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), b.into)
	must.OK(t, err)
	defer func() { _ = db.Close(t.Context()) }()
	_, err = db.Exec(t.Context(), `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
		WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()`)
	must.OK(t, err)
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
