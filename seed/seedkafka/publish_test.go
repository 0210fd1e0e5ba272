//go:build unix

package seedkafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

// bench is a feed and a topic.
type bench struct {
	t      *testing.T
	node   *testkafka.Node
	log    *store.Log
	topic  string
	config seed.Config
}

func newBench(t *testing.T, node *testkafka.Node, events int) *bench {
	t.Helper()
	b := &bench{t: t, node: node, log: storetest.Open(t, storetest.Databases["sqlite"](t)), topic: node.Topic(t, 1)}
	storetest.Create(t, b.log, "orders", 10)
	b.append(1, events)
	into, err := seedkafka.OpenWith(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + b.topic}, seedkafka.Options{Fenced: time.Millisecond, Silence: silence})
	must.OK(t, err)
	b.config = seed.Config{From: []string{servertest.Publish(t, b.log).URL + "/feeds/orders"}, Into: into}
	return b
}

func (b *bench) append(first, last int) {
	b.t.Helper()
	storetest.Append(b.t, b.log, "orders", storetest.Events(first, last))
	storetest.Drain(b.t, b.log, "orders")
}

// wantHistory checks that the topic has the feed's history, up to its last digest.
func (b *bench) wantHistory() {
	b.t.Helper()
	position, digest := storetest.Verify(b.t, b.log, "orders")
	wantWhole(b.t, b.node, b.topic, position)
	all := read(b.t, b.node, b.topic)
	if got := all[len(all)-1].Attributes[broker.DigestAttribute]; got != digest {
		b.t.Errorf("the last message has digest %s, the feed %s", got, digest)
	}
}

func TestARunPublishesTheHistoryOnceInOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, sharedNode(t), 25)
	must.OK(t, seed.Run(t.Context(), b.config))
	b.wantHistory()
	must.OK(t, seed.Run(t.Context(), b.config))
	b.append(26, 40)
	b.config.Follow, b.config.Until = true, 40
	must.OK(t, seed.Run(t.Context(), b.config))
	b.wantHistory()
}

func TestARunThatFollowsWaitsForABrokerThatIsAway(t *testing.T) {
	t.Parallel()
	node := testkafka.Own(t)
	node.Checkpoints(t)
	b := newBench(t, node, 25)
	at, away := make(chan int64, 1000), make(chan struct{}, 1000)
	b.config.Follow, b.config.Until = true, 100
	b.config.Progress = func(p seed.Progress) {
		if p.Target.Err != nil {
			away <- struct{}{}
		} else if len(p.Feeds) > 0 {
			at <- p.Feeds[0].Position
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- seed.Run(ctx, b.config) }()
	for position := int64(0); position < 25; {
		position = <-at
	}
	wantWhole(t, node, b.topic, 25) // so that no transaction is open, see startAfterKill
	node.Kill()
	b.append(26, 60)
	<-away
	node.Restart(t)
	b.append(61, 100)
	must.OK(t, <-done)
	b.wantHistory()
}
