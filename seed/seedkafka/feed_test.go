//go:build unix

package seedkafka_test

import (
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

func TestAFeedIsPublishedToATopic(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	logtest.RunFeed(t, func(t *testing.T) logtest.FeedPlace {
		t.Helper()
		topic := node.Topic(t, 1)
		return logtest.FeedPlace{
			Into: func() seed.Target {
				into, err := seedkafka.OpenWith(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic}, seedkafka.Options{Fenced: time.Millisecond, Silence: silence})
				must.OK(t, err)
				return into
			},
			Read: func(t *testing.T) []logtest.Message { t.Helper(); return read(t, node, topic) },
			Purge: func(t *testing.T) { // another topic of the same name: deleted messages alone are retention
				t.Helper()
				_, err := node.Admin(t).DeleteTopics(t.Context(), topic)
				must.OK(t, err)
				for tries := 0; ; tries++ { // the broker forgets it a little later
					node.Create(t, topic, 1)
					details, err := node.Admin(t).ListTopics(t.Context(), topic)
					must.OK(t, err)
					if details.Has(topic) && details[topic].Err == nil && len(read(t, node, topic)) == 0 || tries > 100 {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			},
		}
	})
}
