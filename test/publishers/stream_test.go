//go:build unix

package publishers_test

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmqstream"
)

func TestPublishersToAStreamOfRabbitMQ(t *testing.T) {
	t.Parallel()
	node := testrabbit.Own(t)
	vhost, url := node.VHost(t)
	node.Stream(t, vhost, "orders", nil)
	at := func(address string) string { return "rabbitmq-stream://" + address + "/" + vhost + "?stream=orders" }
	proxy := testproxy.NewFaulty(t, node.AddressStream())
	logKills(t, build(t), &logUnderTest{
		proxy: proxy, publish: at(proxy.Address()),
		restart: func(t *testing.T) {
			t.Helper()
			node.Restart(t)
		},
		target: func() (seed.Target, error) {
			return seedrabbitmqstream.Open(seedrabbitmqstream.Stream{URL: at(node.AddressStream())})
		},
		read: func(t *testing.T) (all []logtest.Message) {
			t.Helper()
			for _, m := range node.ReadStream(t, vhost, url, "orders") {
				read := logtest.Message{Attributes: make(map[string]string), Data: m.Body}
				for name, value := range m.Headers {
					read.Attributes[strings.TrimPrefix(name, "cloudEvents:")] = value
				}
				if m.ContentType != "" {
					read.Attributes["datacontenttype"] = m.ContentType
				}
				all = append(all, read)
			}
			return all
		},
	})
}
