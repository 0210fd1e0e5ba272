//go:build unix

package seedkafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

func TestLog(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	node.Checkpoints(t)
	logtest.Run(t, func(t *testing.T) logtest.Place {
		topic := node.Topic(t, 1)
		return logtest.Place{
			NewLog:  func() broker.Log { return newLog(node, topic) },
			Read:    func(t *testing.T) []logtest.Message { t.Helper(); return read(t, node, topic) },
			Fences:  true,
			MaxData: 600_000,
		}
	})
}

func newLog(node *testkafka.Node, topic string) broker.Log {
	return seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic}, seedkafka.Options{Fenced: time.Millisecond})
}

// read returns the messages of a topic as kcat reads them.
func read(t *testing.T, node *testkafka.Node, topic string) (all []logtest.Message) {
	t.Helper()
	for _, m := range node.Read(t, topic) {
		attributes := make(map[string]string)
		for name, value := range m.Headers {
			if name == "content-type" {
				attributes["datacontenttype"] = value
			} else if attribute, ours := strings.CutPrefix(name, "ce_"); ours {
				attributes[attribute] = value
			} else {
				t.Errorf("header %q", name)
			}
		}
		all = append(all, logtest.Message{Attributes: attributes, Data: m.Value})
	}
	return all
}
