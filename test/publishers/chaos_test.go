//go:build unix

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
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

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

// brokerUnderTest is a broker, and what is published to it.
type brokerUnderTest interface {
	// kill kills the broker, and starts it again.
	kill(t *testing.T)
	// place returns the position up to which the feed is published; 0 before the first message.
	place(t *testing.T) int64
}

// chaos is a run of two publishers to one place, through a proxy that cuts and stalls.
type chaos struct {
	*source
	broker     brokerUnderTest
	proxy      *testproxy.Faulty
	publishers [2]*supervised
	other      func() // a fault of this broker's own; may be nil
	stuck      func() // what a person has to do when publishers make no progress; may be nil
	atWork     int    // faults that came while events were not confirmed
}

// newRandom returns random numbers, which EVENTFEED_TEST_SEED repeats.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	number := setting(t, "EVENTFEED_TEST_SEED", rand.Uint64())
	t.Logf("the moments are those of EVENTFEED_TEST_SEED=%d", number)
	return rand.New(rand.NewPCG(number, 0))
}

// run publishes events by two publishers, while it kills both of them, and the broker, so many times.
// command is that of a publisher. The first faults come before the others. It returns the figures.
func (c *chaos) run(t *testing.T, command []string, first ...func()) string {
	t.Helper()
	events, times := int(setting(t, "EVENTFEED_TEST_EVENTS", 3000)), int(setting(t, "EVENTFEED_TEST_KILLS", 2))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i := range c.publishers {
		// With the limit they end by themselves, should this process be killed.
		c.publishers[i] = supervise(ctx, t, append(slices.Clip(command), "--follow", "--patience", "10m")...)
	}
	started := time.Now()
	faults := slices.Concat(first, c.faults(t, times))
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
	if c.atWork == 0 {
		t.Error("no fault came while events were not confirmed: the faults missed")
	}
	return fmt.Sprintf("%d events in %.0f s: %d kills of both publishers, %d of the broker, %d other faults; %d of them while events were not confirmed; publishers were started %d times, and found another one at work %d times",
		events, took.Seconds(), times+len(first), times, len(faults)-2*times-len(first), c.atWork, c.publishers[0].starts+c.publishers[1].starts, c.publishers[0].held+c.publishers[1].held)
}

// faults returns kills of the publishers and of the broker, and other faults of connections, in a
// random order.
func (c *chaos) faults(t *testing.T, kills int) []func() {
	var all []func()
	for range kills {
		all = append(all, func() { c.killPublishers(t) }, func() { c.killBroker(t) })
		if c.other != nil {
			all = append(all, c.other)
		}
	}
	for i := range max(3, kills) {
		all = append(all, []func(){func() { c.cut(t) }, func() { c.stall(t) }, func() { c.cutWithin(t) }}[i%3])
	}
	c.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// pause lets the publisher get to a random moment of its work.
func (c *chaos) pause(t *testing.T) {
	t.Helper()
	time.Sleep(time.Duration(c.random.Int64N(int64(150 * time.Millisecond))))
	if c.broker.place(t) < int64(c.appended) {
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

func (c *chaos) killBroker(t *testing.T) {
	t.Helper()
	c.pause(t)
	c.broker.kill(t)
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

// stuckAfter is how long publishers make no progress at most that do not need a person.
const stuckAfter = 40 * time.Second

// waitForEnd waits until the publishers have published all.
func (c *chaos) waitForEnd(t *testing.T) {
	t.Helper()
	last, since := int64(-1), time.Now()
	c.waitUntil(t, fmt.Sprintf("all %d events are published", c.appended), func() bool {
		switch at := c.broker.place(t); {
		case at == int64(c.appended):
			return true
		case at != last:
			last, since = at, time.Now()
		case c.stuck != nil && time.Since(since) > stuckAfter:
			t.Logf("no progress after position %d: doing what the documentation tells a person to do", at)
			c.stuck()
			since = time.Now()
		}
		return false
	})
}

// finish lets a publisher end by itself.
func finish(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("publisher: %v\n%s", err, out)
	}
}
