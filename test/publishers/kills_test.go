//go:build unix

// Package publishers_test kills publishers and their broker at random moments, and checks by a client in
// another language that each event arrives once and in order, or, from an exchange, at least once.
// test/brokers is its long form.
package publishers_test

import (
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// TestPublishers has one node for both of its parts: a start is what costs.
func TestPublishers(t *testing.T) {
	t.Parallel()
	node, seeder := testrabbit.Own(t), build(t)
	t.Run("an old state of the source does not reach consumers unnoticed", func(t *testing.T) { restore(t, node, seeder) })
	t.Run("kills and cuts lose nothing, double nothing and change no order", func(t *testing.T) { kills(t, node, seeder) })
}

// kills publishes events to an exchange, while publishers and broker are killed. The first fault is a kill
// that finds messages at the broker whose confirmations have not reached the publisher.
func kills(t *testing.T, node *testrabbit.Node, seeder string) {
	b := newBench(t, node, newRandom(t), testdb.Postgres(t), queue)
	b.serve(t, storetest.Open(t, testdb.SQLite(t)))
	storetest.Create(t, b.log, "orders", pageSize)
	c := &chaos{source: &b.source, broker: b, proxy: testproxy.NewFaulty(t, node.Address())}
	c.other = func() { c.pause(t); b.loseSessions(t) }
	command := []string{seeder, "run", "--from", b.from, "--publish", b.exchange(c.proxy.Address()), "--into", b.into}
	figures := c.run(t, command, func() { b.killUnconfirmed(t, c) })
	t.Logf("%s; %s", figures, b.check(t))
}

// killUnconfirmed kills the publishers when the broker has messages that it could not confirm.
func (b *bench) killUnconfirmed(t *testing.T, c *chaos) {
	t.Helper()
	c.waitForEnd(t)
	c.proxy.Add("timeout", map[string]int{"timeout": 0}) // of what the broker sends
	was := b.node.Messages(t, b.vhost, queue)
	c.append(t, 10)
	c.waitUntil(t, "the broker has messages", func() bool { return b.node.Messages(t, b.vhost, queue) != was })
	c.killPublishers(t)
	c.proxy.Remove("timeout")
}

// kill kills the node, and starts it again.
func (b *bench) kill(t *testing.T) {
	t.Helper()
	b.node.Kill()
	b.node.Restart(t)
}

// check reads the queue, applies what it holds, and returns the figures.
func (b *bench) check(t *testing.T) string {
	t.Helper()
	all := b.read(t, queue)
	first := make(map[int64]message)
	doubles := 0
	for _, m := range all {
		if _, again := first[m.position]; again && !m.marker {
			doubles++
		} else if !m.marker {
			first[m.position] = m
		}
	}
	missing := 0
	for position := range int64(b.appended) {
		if _, there := first[position+1]; !there {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d events are in no message", missing, b.appended)
	}
	reader := newConsumer(t, b.log)
	for _, m := range all {
		must.OK(t, reader.take(m, func(position int64) (message, error) { return first[position], nil }))
	}
	_, digest := storetest.Verify(t, b.log, "orders")
	reader.wantState(t, storetest.Read(t, b.log, "orders"), digest)
	if doubles == 0 {
		t.Error("no message came again: the faults missed")
	}
	return fmt.Sprintf("%d messages, %d of them again, %d missing; %d events before their turn, so that the feed has to fill in", len(all), doubles, missing, reader.fetched)
}
