//go:build unix

package publishers_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seednats"
)

// TestPublishersToJetStream has a server of one node.
func TestPublishersToJetStream(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t)
	testnats.CreateStream(t, testnats.Client(t, node), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	proxy := testproxy.NewFaulty(t, node.Address())
	logKills(t, build(t), &logUnderTest{
		proxy: proxy, publish: "nats://" + proxy.Address() + "/ORDERS",
		restart: func(t *testing.T) {
			t.Helper()
			node.Kill()
			node.Restart(t)
		},
		target: func() (seed.Target, error) {
			return seednats.Open(seednats.Stream{URL: "nats://" + node.Address() + "/ORDERS"})
		},
		read: func(t *testing.T) []logtest.Message { t.Helper(); return readStream(t, node) },
	})
}

// TestPublishersToAClusterOfJetStream has three nodes, of which the leader of the stream is killed.
func TestPublishersToAClusterOfJetStream(t *testing.T) {
	t.Parallel()
	nodes := testnats.Cluster(t)
	stream := testnats.CreateStream(t, testnats.Client(t, nodes[:]...), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}, Replicas: 3})
	proxy, others := testproxy.NewFaulty(t, nodes[0].Address()), ","+nodes[1].Address()+","+nodes[2].Address()+"/ORDERS"
	logKills(t, build(t), &logUnderTest{
		proxy: proxy, publish: "nats://" + proxy.Address() + others,
		restart: func(t *testing.T) {
			t.Helper()
			leader := leaderOf(t, stream, nodes)
			leader.Kill()
			leader.Restart(t)
		},
		target: func() (seed.Target, error) {
			return seednats.Open(seednats.Stream{URL: "nats://" + nodes[0].Address() + others})
		},
		read: func(t *testing.T) []logtest.Message { t.Helper(); return readStream(t, nodes[0]) },
	})
}

// leaderOf waits until a node leads the stream, and returns it.
func leaderOf(t *testing.T, stream jetstream.Stream, nodes [3]*testnats.Node) *testnats.Node {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		info, err := stream.Info(ctx)
		cancel()
		if err != nil {
			continue // while another leader is elected
		}
		if leader := testnats.Leader(t, nodes, info); leader >= 0 {
			return nodes[leader]
		}
	}
	t.Fatal("no node leads the stream")
	return nil
}

func readStream(t *testing.T, node *testnats.Node) (all []logtest.Message) {
	t.Helper()
	for _, m := range node.Read(t, "ORDERS") {
		all = append(all, logtest.Message{Attributes: m.Attributes(t), Data: m.Body})
	}
	return all
}
