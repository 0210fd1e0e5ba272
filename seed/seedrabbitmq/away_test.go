//go:build unix

package seedrabbitmq_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
)

// watched runs the bench in the background.
type watched struct {
	*bench
	stop context.CancelFunc
	done chan error

	mu   sync.Mutex
	last seed.Progress
}

// follow publishes until stop is called or the run ends.
func (b *bench) follow() *watched {
	b.t.Helper()
	w := &watched{bench: b, done: make(chan error, 1)}
	b.exchange.Patience = -1
	b.config.Follow = true
	b.config.Progress = func(p seed.Progress) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last = p
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(b.t.Context())
	b.t.Cleanup(w.stop)
	go func() { w.done <- b.runWith(ctx) }()
	return w
}

// until waits until the run has made a progress.
func (w *watched) until(what string, is func(p seed.Progress) bool) {
	w.t.Helper()
	for range 6000 {
		w.mu.Lock()
		ok := is(w.last)
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case err := <-w.done:
			w.t.Fatalf("%s: the run has ended: %v\n%s", what, err, w.logged)
		case <-time.After(10 * time.Millisecond):
		}
	}
	w.t.Fatalf("%s: not within a minute; at %+v", what, w.last)
}

func at(position int64) func(seed.Progress) bool {
	return func(p seed.Progress) bool { return len(p.Feeds) > 0 && p.Feeds[0].Position >= position }
}

// TestABrokerThatIsAwayIsWaitedFor has a node of its own, which it stops and fills.
func TestABrokerThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	node := testrabbit.Own(t)
	b := newBench(t, node, 30)
	w := b.follow()
	w.until("published", at(30))
	node.Kill()
	b.append(31, 60)
	w.until("the broker is away", func(p seed.Progress) bool { return p.Target.Err != nil })
	node.Restart(t)
	w.until("after a restart", at(60))

	node.SetDiskAlarm(t, true)
	b.append(61, 90)
	w.until("the disk is full", func(p seed.Progress) bool {
		return p.Target.Err != nil && strings.Contains(p.Target.Err.Error(), "takes no messages at the moment: low on disk")
	})
	node.SetDiskAlarm(t, false)
	w.until("the disk has room", at(90))
	w.until("the broker is available", func(p seed.Progress) bool { return p.Target.Err == nil })
	w.stop()
	must.OK(t, <-w.done)

	got := positions(t, b.read())
	for p := int64(1); p <= 90; p++ {
		if !slices.Contains(got, p) {
			t.Errorf("position %d is missing", p)
		}
	}

	node.Eval(t, "application:set_env(rabbit, max_message_size, 1000).")
	storetest.Append(t, b.log, "orders", []event.Event{{ID: "large", Source: "/s", Type: "T", DataContentType: "text/plain", Data: []byte(strings.Repeat("x", 1001))}})
	storetest.Drain(t, b.log, "orders")
	b.exchange.Patience, b.config.Until = time.Millisecond, 91
	wantOperator(t, b.run(), false, "position 91 of feed orders (event large), with 1001 bytes, is too large", "max_message_size")
}
