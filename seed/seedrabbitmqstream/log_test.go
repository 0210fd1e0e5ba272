//go:build unix

package seedrabbitmqstream

import (
	amqp "github.com/rabbitmq/amqp091-go"

	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// bench is a vhost with an empty stream.
type bench struct {
	node       *testrabbit.Node
	vhost, url string // the URL is for AMQP 0-9-1
	config     Stream
}

const name = "orders"

func newBench(t testing.TB, node *testrabbit.Node) *bench { return newBenchWith(t, node, nil) }

// newBenchWith makes a stream with arguments.
func newBenchWith(t testing.TB, node *testrabbit.Node, arguments map[string]any) *bench {
	t.Helper()
	b := &bench{node: node}
	b.vhost, b.url = node.VHost(t)
	node.Stream(t, b.vhost, name, arguments)
	b.config.URL = b.at(node.AddressStream())
	return b
}

// at returns the URL of the stream at an address that leads to the node.
func (b *bench) at(address string) string {
	return "rabbitmq-stream://" + address + "/" + b.vhost + "?stream=" + name
}

func (b *bench) into(t testing.TB) seed.Target {
	t.Helper()
	target, err := Open(b.config)
	must.OK(t, err)
	return target
}

// log returns a log of the stream that is not open: another publisher.
func (b *bench) log(t testing.TB) *log {
	t.Helper()
	_, err := Open(b.config)
	must.OK(t, err)
	to, err := parseURL(b.config.URL)
	must.OK(t, err)
	return &log{Stream: b.config, to: to}
}

// read returns all messages as pika reads them over AMQP 0-9-1.
func (b *bench) read(t *testing.T) (all []logtest.Message) {
	t.Helper()
	for _, m := range b.node.ReadStream(t, b.vhost, b.url, name) {
		read := logtest.Message{Attributes: make(map[string]string), Data: m.Body}
		for header, value := range m.Headers {
			if attribute, is := strings.CutPrefix(header, "cloudEvents:"); is {
				read.Attributes[attribute] = value
			}
		}
		if m.ContentType != "" {
			read.Attributes["datacontenttype"] = m.ContentType
		}
		all = append(all, read)
	}
	return all
}

func TestALogPassesTheTestsOfLogs(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	for name, arguments := range map[string]map[string]any{
		"a stream": nil,
		// Each segment begins with a record of the broker's own, which takes an offset.
		"segments of a few messages": {"x-stream-max-segment-size-bytes": 3000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logtest.Run(t, func(t *testing.T) logtest.Place {
				b := newBenchWith(t, node, arguments)
				return logtest.Place{
					NewLog: func() broker.Log { return b.log(t) }, Read: b.read,
					MaxData: 600_000, // of the 1 MiB that a frame has by default
				}
			})
		})
	}
}

func TestAFeedIsPublishedToAStream(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	logtest.RunFeed(t, func(t *testing.T) logtest.FeedPlace {
		b := newBench(t, node)
		return logtest.FeedPlace{Into: func() seed.Target { return b.into(t) }, Read: b.read}
	})
}

// publishOther publishes a message over AMQP 0-9-1.
func (b *bench) publishOther(t *testing.T) {
	t.Helper()
	connection, err := amqp.Dial(b.url)
	must.OK(t, err)
	defer func() { _ = connection.Close() }()
	channel, err := connection.Channel()
	must.OK(t, err)
	must.OK(t, channel.Confirm(false))
	confirmation, err := channel.PublishWithDeferredConfirm("", name, true, false, amqp.Publishing{Headers: amqp.Table{"a": "b", "n": int32(1)}, Body: []byte("other")})
	must.OK(t, err)
	if acknowledged, err := confirmation.WaitContext(t.Context()); err != nil || !acknowledged {
		t.Fatal(acknowledged, err)
	}
}
