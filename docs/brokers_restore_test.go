//go:build unix

package docs_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// relay is a feed that is published to RabbitMQ, set up as brokers.md says.
type relay struct {
	folder  string
	env     []string
	address string // of feedserver
	broker  string // the vhost's URL
	login   string // of a consumer
	channel *amqp.Channel
}

// A consumer is seeded from the feed and continues with messages. After a restore of the source, it
// continues by itself if it has applied nothing that was lost, and stops otherwise.
func TestConsumersOfBrokersOutliveARestoreOfTheSource(t *testing.T) {
	t.Parallel()
	need.Tool(t, "psycopg")
	r := newRelay(t, testrabbit.Start(t))
	stopServer := r.serve(t)
	r.append(t, "OrderCreated", 1, 2, 3, 4, 5)
	r.publish(t)

	one, two := r.newConsumer(t), r.newConsumer(t)
	oneEnded, stopOne := r.start(t, one, "one")
	twoEnded, stopTwo := r.start(t, two, "two")
	one.wantState(t, oneEnded, stopOne, 5, 0) // applied from the feed: no mail
	two.wantState(t, twoEnded, stopTwo, 5, 0)
	r.append(t, "OrderPaid", 1, 2)
	r.publish(t)
	one.wantState(t, oneEnded, stopOne, 7, 2)
	two.wantState(t, twoEnded, stopTwo, 7, 2)
	if generation, _ := one.checkpoint(t); generation == 0 {
		t.Error("the events did not come with messages")
	}
	stopTwo()

	r.backUp(t)
	r.append(t, "OrderPaid", 3, 4)
	r.publish(t)
	one.wantState(t, oneEnded, stopOne, 9, 4)
	stopServer()
	r.restore(t)
	r.serve(t)
	r.append(t, "OrderPaid", 5)
	refused := r.fails(t, 3, "seeder", "run", "--from", r.feed(), "--publish", r.exchange(), "--into", "sqlite:relay.db")
	rewind := regexp.MustCompile("with: (seeder rewind .*)").FindStringSubmatch(refused)
	if rewind == nil {
		t.Fatalf("no command to go back with in:\n%s", refused)
	}
	r.run(t, append(strings.Fields(rewind[1]), "--yes")...)
	r.publish(t)

	if err := <-oneEnded; err == nil || !strings.Contains(stopOne(), "the feed lost its history after position 7") {
		t.Errorf("the consumer that has applied lost events ended with %v:\n%s", err, stopOne())
	}
	if _, position := one.checkpoint(t); position != 9 {
		t.Errorf("it is at position %d", position)
	}
	twoEnded, stopTwo = r.start(t, two, "two")
	two.wantState(t, twoEnded, stopTwo, 8, 3)
	r.append(t, "OrderPaid", 4)
	r.publish(t)
	two.wantState(t, twoEnded, stopTwo, 9, 4)
	stopTwo()
}

// newRelay sets up a vhost with the commands of brokers.md, and a feed.
func newRelay(t *testing.T, node *testrabbit.Node) *relay {
	t.Helper()
	vhost, url := node.VHost(t)
	r := &relay{folder: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", testprocess.FreePorts(t, 1)), broker: url}
	r.env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	connection, err := amqp.Dial(url)
	must.OK(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	r.channel, err = connection.Channel()
	must.OK(t, err)
	text := brokersText(t)
	exchange := regexp.MustCompile(`rabbitmqadmin declare exchange name=(\w+) type=(\w+) durable=true\n`).FindStringSubmatch(text)
	queue := regexp.MustCompile(`rabbitmqadmin declare queue name=shipping durable=true arguments='(.*)'\n`).FindStringSubmatch(text)
	binding := regexp.MustCompile(`rabbitmqadmin declare binding source=orders destination=shipping routing_key='(.*)'\n`).FindStringSubmatch(text)
	if exchange == nil || queue == nil || binding == nil {
		t.Fatal("brokers.md lacks a command that sets up RabbitMQ")
	}
	must.OK(t, r.channel.ExchangeDeclare(exchange[1], exchange[2], true, false, false, false, nil))
	var arguments map[string]any
	must.OK(t, json.Unmarshal([]byte(queue[1]), &arguments))
	for name, value := range arguments {
		if number, is := value.(float64); is {
			arguments[name] = int64(number)
		}
	}
	for _, name := range []string{"one", "two"} {
		_, err := r.channel.QueueDeclare(name, true, false, false, false, arguments)
		must.OK(t, err)
		must.OK(t, r.channel.QueueBind(name, binding[1], exchange[1], false, nil))
	}
	publisher, password := r.user(t, node, vhost, "publisher")
	r.env = append(r.env, "EVENTFEED_BROKER_USER="+publisher, "EVENTFEED_BROKER_PASSWORD="+password)
	consumer, password := r.user(t, node, vhost, "shipping")
	r.login = strings.Replace(url, "amqp://", "amqp://"+consumer+":"+password+"@", 1)
	r.run(t, "feedserver", "create", "orders", "--db", "sqlite:shop.db")
	return r
}

// user makes a user with the rights that brokers.md gives to one.
func (r *relay) user(t *testing.T, node *testrabbit.Node, vhost, name string) (user, password string) {
	t.Helper()
	rights := regexp.MustCompile(`rabbitmqctl set_permissions -p / ` + name + ` '(.*)' '(.*)' '(.*)'\n`).FindStringSubmatch(brokersText(t))
	if rights == nil {
		t.Fatalf("brokers.md gives no rights to %s", name)
	}
	return node.User(t, vhost, rights[1], rights[2], strings.Replace(rights[3], "shipping", "(one|two)", 1))
}

func (r *relay) feed() string     { return "http://" + r.address + "/feeds/orders" }
func (r *relay) exchange() string { return r.broker + "?exchange=orders" }

// run runs a program in the relay's folder.
func (r *relay) run(t *testing.T, command ...string) {
	t.Helper()
	if out, err := r.command(t, command...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
}

// fails runs a program that ends with a status, and returns what it prints.
func (r *relay) fails(t *testing.T, status int, command ...string) string {
	t.Helper()
	c := r.command(t, command...)
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != status {
		t.Fatalf("%q: %v, want status %d\n%s", command, err, status, out)
	}
	return string(out)
}

func (r *relay) command(t *testing.T, command ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), filepath.Join(programs, command[0]), command[1:]...)
	c.Dir, c.Env = r.folder, r.env
	return c
}

// serve starts feedserver.
func (r *relay) serve(t *testing.T) (stop func()) {
	t.Helper()
	server := r.command(t, "feedserver", "serve", "--db", "sqlite:shop.db", "--listen", r.address)
	must.OK(t, server.Start())
	stop = func() { _ = server.Process.Kill(); _ = server.Wait() }
	t.Cleanup(stop)
	return stop
}

// append appends an event for each order, and waits until they have positions.
func (r *relay) append(t *testing.T, kind string, orders ...int) {
	t.Helper()
	var events strings.Builder
	for _, order := range orders {
		fmt.Fprintf(&events, `{"specversion":"1.0","id":"%s-%d","source":"/shop","type":"%[1]s","subject":"o-%d","datacontenttype":"application/json","data":{"customer":"Ada"}}`+"\n", kind, order, order)
	}
	command := r.command(t, "feedserver", "append", "orders", "--db", "sqlite:shop.db")
	command.Stdin = strings.NewReader(events.String())
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wait(t, nil, func() string { return "" }, "the events have positions", func() bool {
		out, err := r.command(t, "feedserver", "list", "--db", "sqlite:shop.db", "--json").Output()
		must.OK(t, err)
		var feeds []struct{ Pending int }
		must.OK(t, json.Unmarshal(out, &feeds))
		return len(feeds) == 1 && feeds[0].Pending == 0
	})
}

// publish publishes what the publisher has not published yet.
func (r *relay) publish(t *testing.T) {
	t.Helper()
	r.run(t, "seeder", "run", "--from", r.feed(), "--publish", r.exchange(), "--into", "sqlite:relay.db")
}

// backUp copies the database of the source, and restore puts the copy in its place.
func (r *relay) backUp(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(r.folder, "shop.db"))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", filepath.Join(r.folder, "copy.db"))
	must.OK(t, err)
}

func (r *relay) restore(t *testing.T) {
	t.Helper()
	r.run(t, "feedserver", "new-epoch", "orders", "--db", "sqlite:copy.db")
	lost, err := filepath.Glob(filepath.Join(r.folder, "shop.db*"))
	must.OK(t, err)
	for _, path := range lost {
		must.OK(t, os.Remove(path))
	}
	must.OK(t, os.Rename(filepath.Join(r.folder, "copy.db"), filepath.Join(r.folder, "shop.db")))
}

// newConsumer returns a consumer with a database of its own, in Python.
func (r *relay) newConsumer(t *testing.T) *brokerConsumer {
	t.Helper()
	return newConsumerProgram(t, "Python", r.feed(), r.login)
}

// start starts a consumer, and returns when it takes messages.
func (r *relay) start(t *testing.T, c *brokerConsumer, queue string) (ended <-chan error, stop func() string) {
	t.Helper()
	ended, stop = c.startOn(t, queue)
	wait(t, ended, stop, "it consumes", func() bool {
		state, err := r.channel.QueueDeclarePassive(queue, true, false, false, false, nil)
		must.OK(t, err)
		return state.Consumers == 1
	})
	return ended, stop
}

// wantState waits until a consumer has a position, and checks what it has applied.
func (c *brokerConsumer) wantState(t *testing.T, ended <-chan error, stop func() string, want int64, paid int) {
	t.Helper()
	wait(t, ended, stop, fmt.Sprintf("position %d is applied", want), func() bool {
		_, position := c.checkpoint(t)
		return position == want
	})
	var shipments, of, mails int
	must.OK(t, c.pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE status = 'paid'), (SELECT count(*) FROM outgoing_mail) FROM shipments`).Scan(&shipments, &of, &mails))
	if shipments != 5 || of != paid || mails != paid {
		t.Errorf("%d shipments, %d of them paid, %d mails; want 5, %d, %[4]d", shipments, of, mails, paid)
	}
}
