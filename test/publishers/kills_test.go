//go:build unix

// Package publishers_test kills publishers and their broker at random moments, and checks by a client in
// another language, and by the rule for consumers, that each event arrives once and in order.
// test/brokers is its long form.
package publishers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

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

// setting is a number from the environment, which test/brokers sets.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must.OK(t, err)
	return n
}

// chaos is a run of two publishers with one target, through a proxy that cuts and stalls.
type chaos struct {
	*bench
	proxy      *testproxy.Faulty
	publishers [2]*supervised
	atWork     int // faults that came while events were not confirmed
}

// kills publishes events, while it kills both publishers, and the broker, so many times.
func kills(t *testing.T, node *testrabbit.Node, seeder string) {
	events, times := int(setting(t, "EVENTFEED_TEST_EVENTS", 3000)), int(setting(t, "EVENTFEED_TEST_KILLS", 2))
	number := setting(t, "EVENTFEED_TEST_SEED", rand.Uint64())
	t.Logf("the moments are those of EVENTFEED_TEST_SEED=%d", number)
	c := &chaos{bench: newBench(t, node, rand.New(rand.NewPCG(number, 0)), queue), proxy: testproxy.NewFaulty(t, node.Address())}
	c.serve(t, storetest.Open(t, testdb.SQLite(t)))
	storetest.Create(t, c.log, "orders", pageSize)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	command := []string{seeder, "run", "--from", c.from, "--publish", c.exchange(c.proxy.Address()), "--into", c.into}
	for i := range c.publishers {
		// With the limit they end by themselves, should this process be killed.
		c.publishers[i] = supervise(ctx, t, append(slices.Clip(command), "--follow", "--patience", "10m")...)
	}
	started := time.Now()
	faults := c.faults(t, times)
	for i, f := range faults {
		if i%3 != 0 { // every third fault comes while the last one is being mended
			c.waitForEnd(t)
		}
		c.append(t, events*(i+1)/(len(faults)+1)-c.appended)
		f()
	}
	c.append(t, events-c.appended)
	c.waitForEnd(t)
	stop()
	for _, p := range c.publishers {
		<-p.done
	}
	took := time.Since(started)
	finish(t, command...)

	r := c.check(t)
	t.Logf("%d events in %.0f s: %d kills of both publishers, %d of the broker, %d other faults; %d of them while events were not confirmed; publishers were started %d times; %s",
		events, took.Seconds(), times+1, times, len(faults)-2*times-1, c.atWork, c.publishers[0].starts+c.publishers[1].starts, r)
}

// faults returns kills of the publishers and of the broker, and other faults of connections, in a
// random order. The first one is a kill that finds messages at the broker whose confirmations have not
// reached the publisher.
func (c *chaos) faults(t *testing.T, kills int) []func() {
	var all []func()
	for range kills {
		all = append(all, func() { c.killPublishers(t) }, func() { c.killBroker(t) })
	}
	for i := range max(3, kills) {
		all = append(all, []func(){func() { c.cut(t) }, func() { c.stall(t) }, func() { c.cutWithin(t) }}[i%3])
	}
	c.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return append([]func(){func() { c.killUnconfirmed(t) }}, all...)
}

// pause lets the publisher get to a random moment of its work.
func (c *chaos) pause(t *testing.T) {
	t.Helper()
	time.Sleep(time.Duration(c.random.Int64N(int64(150 * time.Millisecond))))
	if c.place(t) < int64(c.appended) {
		c.atWork++
	}
}

func (c *chaos) killPublishers(t *testing.T) {
	t.Helper()
	c.pause(t)
	for _, p := range c.publishers {
		p.kill()
	}
}

// killUnconfirmed kills the publishers when the broker has messages that it could not confirm.
func (c *chaos) killUnconfirmed(t *testing.T) {
	t.Helper()
	c.waitForEnd(t)
	c.proxy.Add("timeout", map[string]int{"timeout": 0}) // of what the broker sends
	was := c.node.Messages(t, c.vhost, queue)
	c.append(t, 10)
	c.waitUntil(t, "the broker has messages", func() bool { return c.node.Messages(t, c.vhost, queue) != was })
	c.killPublishers(t)
	c.proxy.Remove("timeout")
}

func (c *chaos) killBroker(t *testing.T) {
	t.Helper()
	c.pause(t)
	c.node.Kill()
	c.node.Restart(t)
}

// cut cuts all connections.
func (c *chaos) cut(t *testing.T) {
	t.Helper()
	c.pause(t)
	c.proxy.Down()
	time.Sleep(time.Duration(c.random.Int64N(int64(time.Second))))
	c.proxy.Up()
}

// stall delays what the broker sends, and loses it with the connection, in a random order.
func (c *chaos) stall(t *testing.T) {
	t.Helper()
	c.pause(t)
	for fault, milliseconds := range map[string]int{"latency": 700, "timeout": 0} {
		c.proxy.Add(fault, map[string]int{fault: milliseconds})
		time.Sleep(time.Duration(c.random.Int64N(int64(2 * time.Second))))
		c.proxy.Remove(fault)
	}
}

// cutWithin cuts connections after some bytes that the broker sends, in the midst of a confirmation.
func (c *chaos) cutWithin(t *testing.T) {
	t.Helper()
	c.proxy.Add("limit_data", map[string]int{"bytes": 1000 + c.random.IntN(2000)})
	c.pause(t)
	time.Sleep(time.Duration(c.random.Int64N(int64(2 * time.Second))))
	c.proxy.Remove("limit_data")
}

// waitForEnd waits until the publishers have published all.
func (c *chaos) waitForEnd(t *testing.T) {
	t.Helper()
	c.waitUntil(t, fmt.Sprintf("all %d events are published", c.appended), func() bool { return c.place(t) == int64(c.appended) })
}

// finish lets a publisher end by itself.
func finish(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("publisher: %v\n%s", err, out)
	}
}

// check reads the queue, applies the rule to all that it holds, and returns the figures.
func (c *chaos) check(t *testing.T) string {
	t.Helper()
	all := c.read(t, queue)
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
	for position := range int64(c.appended) {
		if _, there := first[position+1]; !there {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d events are in no message", missing, c.appended)
	}
	reader := newConsumer(t, c.log)
	for _, m := range all {
		must.OK(t, reader.take(m, func(position int64) (message, error) { return first[position], nil }))
	}
	_, digest := storetest.Verify(t, c.log, "orders")
	reader.wantState(t, storetest.Read(t, c.log, "orders"), digest)
	if doubles == 0 || c.atWork == 0 {
		t.Errorf("%d messages came again, %d faults came while events were not confirmed: the faults missed", doubles, c.atWork)
	}
	return fmt.Sprintf("%d messages, %d of them again, %d missing; %d events before their turn, so that the feed has to fill in", len(all), doubles, missing, reader.fetched)
}
