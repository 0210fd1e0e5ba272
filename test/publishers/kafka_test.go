//go:build unix

package publishers_test

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

// TestPublishersToKafka has a topic of one partition, or of as many as test/brokers says.
func TestPublishersToKafka(t *testing.T) {
	t.Parallel()
	var proxy *testproxy.Faulty
	node := testkafka.OwnBehind(t, func(upstream string) string {
		proxy = testproxy.NewFaulty(t, upstream)
		return proxy.Address()
	})
	node.Checkpoints(t)
	partitions := int(setting(t, "EVENTFEED_TEST_PARTITIONS", 1))
	topic := node.Topic(t, partitions)
	logKills(t, build(t), &logUnderTest{
		perKey: partitions > 1,
		proxy:  proxy, publish: "kafka://" + proxy.Address() + "/" + topic,
		restart: func(t *testing.T) {
			t.Helper()
			node.Kill()
			node.Restart(t)
		},
		// A broker alone that is killed can forget a transaction, see ADR 54. No publisher is in one then.
		stuck: func(t *testing.T) { t.Helper(); node.AbortHanging(t, topic, "eventfeed-checkpoints") },
		target: func() (seed.Target, error) {
			return seedkafka.Open(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic})
		},
		read: func(t *testing.T) (all []logtest.Message) {
			t.Helper()
			for _, m := range node.Read(t, topic) {
				attributes := make(map[string]string)
				for name, value := range m.Headers {
					attributes[strings.TrimPrefix(name, "ce_")] = value
				}
				if contentType, has := attributes["content-type"]; has {
					attributes["datacontenttype"] = contentType
				}
				all = append(all, logtest.Message{Attributes: attributes, Data: m.Value})
			}
			return all
		},
	})
}
