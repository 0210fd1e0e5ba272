//go:build unix

package seednats

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

func TestAFeedIsPublishedToAStream(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	logtest.RunFeed(t, func(t *testing.T) logtest.FeedPlace {
		t.Helper()
		p := newPlace(t, node, jetstream.StreamConfig{})
		return logtest.FeedPlace{
			Into: func() seed.Target {
				target, err := Open(p.config)
				must.OK(t, err)
				return target
			},
			Read:  p.read,
			Purge: func(t *testing.T) { t.Helper(); must.OK(t, p.stream.Purge(t.Context())) },
		}
	})
}
