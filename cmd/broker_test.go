//go:build unix

package cmd_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// ownRabbitMQ has the nodes that belong to one script, by its folder.
var ownRabbitMQ sync.Map

// rabbitNode returns the script's node of RabbitMQ: its own, or the one that all share.
func rabbitNode(ts *testscript.TestScript) *testrabbit.Node {
	if own, is := ownRabbitMQ.Load(ts.Getenv("WORK")); is {
		return own.(*testrabbit.Node)
	}
	return testrabbit.Start(testOf(ts))
}

// rabbitmq sets AMQP to the URL of a vhost of RabbitMQ in which exchange orders has the queue all, and
// VHOST, BROKER and BROKER_TLS to its name and to the addresses of the broker. AMQP_USER and
// AMQP_PASSWORD have the right to write to that exchange only; ca.pem is the authority of the broker.
//
// rabbitmq own starts a broker for the script. On that one, rabbitmq alarm BOOLEAN sets and ends the alarm
// of the disk, and rabbitmq limit BYTES bounds a message. rabbitmq full binds a queue that takes one message.
func rabbitmq(ts *testscript.TestScript, _ bool, arguments []string) {
	switch {
	case len(arguments) == 0:
		newVHost(ts)
	case arguments[0] == "own":
		ownRabbitMQ.Store(ts.Getenv("WORK"), testrabbit.Own(testOf(ts)))
	case arguments[0] == "alarm":
		on, err := strconv.ParseBool(arguments[1])
		ts.Check(err)
		rabbitNode(ts).SetDiskAlarm(testOf(ts), on)
	case arguments[0] == "limit":
		rabbitNode(ts).Eval(testOf(ts), "application:set_env(rabbit, max_message_size, "+arguments[1]+").")
	case arguments[0] == "full":
		withChannel(ts, func(channel *amqp.Channel) error {
			_, err := channel.QueueDeclare("full", true, false, false, false, amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
			return errors.Join(err, channel.QueueBind("full", "#", "orders", false, nil))
		})
	default:
		ts.Fatalf("rabbitmq %s", arguments[0])
	}
}

func newVHost(ts *testscript.TestScript) {
	t, node := testOf(ts), rabbitNode(ts)
	vhost, url := node.VHost(t)
	user, password := node.User(t, vhost, "^$", "^orders$", "^$")
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), node.Authority.PEM, 0o600))
	for name, value := range map[string]string{
		"AMQP": url, "VHOST": vhost, "BROKER": node.Address(), "BROKER_TLS": node.AddressTLS(), "AMQP_USER": user, "AMQP_PASSWORD": password,
	} {
		ts.Setenv(name, value)
	}
	withChannel(ts, func(channel *amqp.Channel) error {
		if err := channel.ExchangeDeclare("orders", "topic", true, false, false, false, nil); err != nil {
			return err
		}
		if _, err := channel.QueueDeclare("all", true, false, false, false, nil); err != nil {
			return err
		}
		for _, key := range []string{"orders.OrderPlaced", "orders.OrderPaid", "orders.eventfeed.marker"} {
			if err := channel.QueueBind("all", key, "orders", false, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// withChannel does something with a channel of AMQP in the script's vhost.
func withChannel(ts *testscript.TestScript, do func(*amqp.Channel) error) {
	connection, err := amqp.Dial(ts.Getenv("AMQP"))
	ts.Check(err)
	defer func() { _ = connection.Close() }()
	channel, err := connection.Channel()
	ts.Check(err)
	ts.Check(do(channel))
}

// queue writes the routing keys and positions of the messages of queue all into the file messages,
// one that came again at once only once, and empties the queue.
func queue(ts *testscript.TestScript, _ bool, _ []string) {
	var lines []string
	for _, m := range testrabbit.Read(testOf(ts), ts.Getenv("AMQP"), "all", testrabbit.Until{}) {
		lines = append(lines, m.RoutingKey+" "+m.Headers["cloudEvents:efposition"]+"\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs("messages"), []byte(strings.Join(slices.Compact(lines), "")), 0o600))
}

// kafka sets KAFKA to the URL of a new topic of Kafka with one partition, KAFKA_TOPIC to its name, and
// BROKER, BROKER_TLS, BROKER_SASL to addresses of the broker, BROKER_OLD to that of an old one. KAFKA_USER and KAFKA_PASSWORD log in and
// have no rights; ca.pem is the authority of the broker.
func kafka(ts *testscript.TestScript, _ bool, _ []string) {
	t := testOf(ts)
	node := testkafka.Start(t)
	node.Checkpoints(t)
	name := node.Topic(t, 1, "max.message.bytes=20000")
	user, password := node.User(t)
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), node.Authority.PEM, 0o600))
	for variable, value := range map[string]string{
		"KAFKA": "kafka://" + node.Address() + "/" + name, "KAFKA_TOPIC": name, "BROKER": node.Address(), "BROKER_TLS": node.AddressTLS(),
		"BROKER_SASL": node.AddressSASL(), "BROKER_OLD": testkafka.Old(t), "KAFKA_USER": user, "KAFKA_PASSWORD": password,
	} {
		ts.Setenv(variable, value)
	}
}

// topic writes the types, generations and positions of the messages of the topic into the file messages.
// Generations are counted from 1. topic SETTING changes a setting of the topic instead.
func topic(ts *testscript.TestScript, _ bool, arguments []string) {
	if len(arguments) > 0 {
		t := testOf(ts)
		testkafka.Start(t).Set(t, ts.Getenv("KAFKA_TOPIC"), arguments...)
		return
	}
	var lines strings.Builder
	t, count := testOf(ts), newGenerations()
	for _, m := range testkafka.Start(t).Read(t, ts.Getenv("KAFKA_TOPIC")) {
		_, _ = fmt.Fprintf(&lines, "%s %d:%s\n", m.Headers["ce_type"], count(m.Headers["ce_efgeneration"]), m.Headers["ce_efposition"])
	}
	ts.Check(os.WriteFile(ts.MkAbs("messages"), []byte(lines.String()), 0o600))
}

// startNATS sets NATS to the URL of a new stream of JetStream, NATS_STREAM to its name, and BROKER to the
// address of the server, BROKER_OLD to that of an old one, and BROKER_LOGIN to that of one without JetStream
// where user publisher has the password right. EVENTFEED_ROUTE leads to the stream. It discards new messages after the ninth.
func startNATS(ts *testscript.TestScript, _ bool, _ []string) {
	t := testOf(ts)
	node := testnats.Start(t)
	name := "T" + rand.Text()[:10]
	testnats.CreateStream(t, testnats.Client(t, node), jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, MaxMsgs: 9, Discard: jetstream.DiscardNew, MaxMsgSize: 20_000,
	})
	for variable, value := range map[string]string{
		"NATS": "nats://" + node.Address() + "/" + name, "NATS_STREAM": name, "BROKER": node.Address(), "BROKER_OLD": testnats.Old(t, "2.8.4"),
		"BROKER_LOGIN": testnats.Own(t, "accounts { A { users: [ { user: publisher, password: right } ] } }").Address(), "EVENTFEED_ROUTE": name + ".{feed}.{type}",
	} {
		ts.Setenv(variable, value)
	}
}

// stream writes the subjects, generations (counted from 1) and positions of the messages of the stream into
// the file messages; stream purge deletes all messages, stream age gives the stream an age limit, and stream more
// lets it have more messages.
func stream(ts *testscript.TestScript, _ bool, arguments []string) {
	t, name := testOf(ts), ts.Getenv("NATS_STREAM")
	node := testnats.Start(t)
	if len(arguments) > 0 {
		js := testnats.Client(t, node)
		s, err := js.Stream(t.Context(), name)
		ts.Check(err)
		config := s.CachedInfo().Config
		switch arguments[0] {
		case "purge":
			ts.Check(s.Purge(t.Context()))
			return
		case "age":
			config.MaxAge = time.Hour
		case "more":
			config.MaxMsgs, config.MaxAge = 100, 0
		}
		_, err = js.UpdateStream(t.Context(), config)
		ts.Check(err)
		return
	}
	var lines strings.Builder
	count := newGenerations()
	for _, m := range node.Read(t, name) {
		attributes := m.Attributes(t)
		_, _ = fmt.Fprintf(&lines, "%s %d:%s\n", strings.TrimPrefix(m.Subject, name+"."), count(attributes["efgeneration"]), attributes["efposition"])
	}
	ts.Check(os.WriteFile(ts.MkAbs("messages"), []byte(lines.String()), 0o600))
}

// mqstream makes a stream of RabbitMQ and sets MQSTREAM to its URL, and VHOST, BROKER and BROKER_TLS to
// its vhost and to addresses of the broker. MQ_USER and MQ_PASSWORD may publish to it and read it; ca.pem
// is the authority of the broker. mqstream read writes the types, generations and positions of its
// messages into the file messages, and mqstream other publishes a message that is not eventfeed's.
func mqstream(ts *testscript.TestScript, _ bool, arguments []string) {
	t, node := testOf(ts), rabbitNode(ts)
	switch {
	case len(arguments) == 0:
		vhost, url := node.VHost(t)
		node.Stream(t, vhost, "orders", nil)
		user, password := node.User(t, vhost, "^$", "^orders$", "^orders$")
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), node.Authority.PEM, 0o600))
		for variable, value := range map[string]string{
			"MQSTREAM": "rabbitmq-stream://" + node.AddressStream() + "/" + vhost + "?stream=orders", "AMQP": url, "VHOST": vhost,
			"BROKER": node.AddressStream(), "BROKER_TLS": node.AddressStreamTLS(), "MQ_USER": user, "MQ_PASSWORD": password,
		} {
			ts.Setenv(variable, value)
		}
	case arguments[0] == "other":
		withChannel(ts, func(channel *amqp.Channel) error {
			if err := channel.Confirm(false); err != nil {
				return err
			}
			confirmation, err := channel.PublishWithDeferredConfirm("", "orders", true, false, amqp.Publishing{Headers: amqp.Table{"cloudEvents:type": "other"}})
			if err == nil {
				_, err = confirmation.WaitContext(t.Context())
			}
			return err
		})
	default:
		var lines strings.Builder
		count := newGenerations()
		for _, m := range node.ReadStream(t, ts.Getenv("VHOST"), ts.Getenv("AMQP"), "orders") {
			_, _ = fmt.Fprintf(&lines, "%s %d:%s\n", m.Headers["cloudEvents:type"], count(m.Headers["cloudEvents:efgeneration"]), m.Headers["cloudEvents:efposition"])
		}
		ts.Check(os.WriteFile(ts.MkAbs("messages"), []byte(lines.String()), 0o600))
	}
}

// newGenerations returns a function that counts generations.
func newGenerations() func(generation string) int {
	seen := make(map[string]int)
	return func(generation string) int {
		if seen[generation] == 0 {
			seen[generation] = len(seen) + 1
		}
		return seen[generation]
	}
}
