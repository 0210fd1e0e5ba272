//go:build unix

package seedrabbitmqstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// publish publishes the messages up to a position, in calls of some messages, and continues after the
// end after each error that may pass.
func publish(t *testing.T, l *log, to int64, step int64) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := publishOnce(t, l, to, step)
		if err == nil {
			return
		}
		l.Close()
		if _, is := errors.AsType[*broker.OperatorError](err); is || errors.Is(err, seed.ErrMismatch) || errors.Is(err, seed.ErrMoved) || time.Now().After(deadline) {
			t.Errorf("publish up to position %d: %v", to, err)
			return
		}
	}
}

func publishOnce(t *testing.T, l *log, to, step int64) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // sooner than a broker is dead that says nothing
	defer cancel()
	if err := l.Open(ctx, logtest.Feed); err != nil {
		return err
	}
	if err := l.Claim(ctx); err != nil {
		return err
	}
	end, _, err := l.End(ctx)
	for at := end.Position; err == nil && at < to; at = min(to, at+step) {
		if end.Generation > 1 {
			return fmt.Errorf("generation %d", end.Generation)
		}
		err = l.Append(ctx, logtest.Messages(1, at, min(to, at+step)))
	}
	return err
}

// wantOnce makes sure that the stream holds the messages up to a position once and in order.
func (b *bench) wantOnce(t *testing.T, to int64) {
	t.Helper()
	all := b.read(t)
	for i := range all {
		if got := all[i].Attributes[broker.PositionAttribute]; got != strconv.Itoa(i+1) {
			t.Fatalf("message %d has position %s", i+1, got)
		}
	}
	if int64(len(all)) != to {
		t.Errorf("%d messages instead of %d", len(all), to)
	}
}

func TestConnectionsThatBreakLeaveNoGapAndDoubleNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t))
	proxy := testproxy.NewFaulty(t, b.node.AddressStream())
	b.config.URL = b.at(proxy.Address())
	const to = 5_000
	ctx, stop := context.WithCancel(t.Context())
	var faults sync.WaitGroup
	faults.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
			switch i % 3 {
			case 0:
				proxy.Down()
				time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
				proxy.Up()
			case 1: // cuts within a frame
				proxy.Add("limit_data", map[string]int{"bytes": 600 + rand.IntN(3000)})
				time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
				proxy.Remove("limit_data")
			case 2: // loses what is on its way to the publisher
				proxy.Add("timeout", map[string]int{"timeout": 0})
				time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
				proxy.Remove("timeout")
				proxy.Down()
				proxy.Up()
			}
		}
	})
	publish(t, b.log(t), to, 40)
	stop()
	faults.Wait()
	b.wantOnce(t, to)
}

// TestTwoPublishersDoubleNothing also looks at their place meanwhile.
func TestTwoPublishersDoubleNothingAndLeaveNoGap(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t))
	const to = 5_000
	var publishers sync.WaitGroup
	for _, step := range []int64{70, 110} {
		publishers.Go(func() { publish(t, b.log(t), to, step) })
	}
	for look := b.log(t); ; {
		must.OK(t, look.Open(t.Context(), logtest.Feed))
		end, found, err := look.End(t.Context())
		look.Close()
		if err != nil || found && end != (broker.Place{Feed: logtest.Feed, Generation: 1, Epoch: "e1", Position: end.Position, Digest: logtest.Messages(1, end.Position-1, end.Position)[0].Digest}) {
			t.Fatalf("while they publish, the end is %v: %v", end, err)
		}
		if end.Position == to {
			break
		}
	}
	publishers.Wait()
	b.wantOnce(t, to)
}

func TestAPublisherNoticesThatAnotherOneBeganAGeneration(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t))
	older, err := b.begin(t)
	must.OK(t, err)
	must.OK(t, older.Append(t.Context(), logtest.Messages(1, 0, 10)))
	newer, err := b.begin(t)
	must.OK(t, err)
	end, _, err := newer.End(t.Context())
	must.OK(t, err)
	end.Generation, end.Position = 2, 4
	must.OK(t, newer.Append(t.Context(), []broker.Message{broker.Marker(end)}))
	if err := older.Append(t.Context(), logtest.Messages(1, 10, 12)); !errors.Is(err, seed.ErrMoved) {
		t.Errorf("%v", err)
	}
	must.OK(t, newer.Append(t.Context(), logtest.Messages(2, 4, 6)))
	if all := b.read(t); len(all) != 13 {
		t.Errorf("%d messages", len(all))
	}
}

// TestABrokerThatIsKilled also makes sure that the publisher goes back with a broker whose older data
// were restored.
func TestABrokerThatIsKilledLosesNothingThatIsNotPublishedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Own(t))
	l := b.log(t)
	const to = 5000
	done := make(chan struct{})
	go func() {
		defer close(done)
		publish(t, l, to, 30)
	}()
	for range 2 {
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		b.node.Restart(t)
	}
	<-done
	b.node.Kill()
	restore := b.node.CopyData(t)
	b.node.Restart(t)
	publish(t, l, to+1000, 500)
	if got := b.node.StreamEnd(t, b.vhost, name); got < to+1000-1 {
		t.Errorf("ends at offset %d", got)
	}
	b.node.Kill()
	restore()
	b.node.Restart(t)
	publish(t, l, to+2000, 500)
	b.wantOnce(t, to+2000)
}

func TestABrokerThatTakesNothingEndsACall(t *testing.T) {
	t.Parallel()
	node := testrabbit.Own(t)
	b := newBench(t, node)
	l, err := b.begin(t)
	must.OK(t, err)
	node.SetDiskAlarm(t, true)
	began := time.Now()
	for at := int64(0); err == nil; at++ { // what is published just after the alarm may still be taken
		err = l.Append(t.Context(), logtest.Messages(1, at, at+1))
	}
	if took := time.Since(began); took < deadAfter-time.Second {
		t.Errorf("ended after %v: %v", took, err)
	}
	if _, is := errors.AsType[*broker.OperatorError](err); is || !wantsHelp.MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
	l.Close()
	node.SetDiskAlarm(t, false)
	publish(t, l, 3000, 500)
	b.wantOnce(t, 3000)
}

var wantsHelp = regexp.MustCompile(`^position \d+ of feed orders \(event id-\d+\) waits: .*the broker has (confirmed nothing|not answered) for 25s; rabbitmq-diagnostics alarms tells`)

const deadAfter = 25 * time.Second

func TestABrokerThatIsSilentEndsWithTheContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t))
	proxy := testproxy.NewFaulty(t, b.node.AddressStream())
	b.config.URL = b.at(proxy.Address())
	l, err := b.begin(t)
	must.OK(t, err)
	proxy.Add("timeout", map[string]int{"timeout": 0})
	for _, call := range []func(context.Context) error{ // Open closes what Append needs
		func(ctx context.Context) error { return l.Append(ctx, logtest.Messages(1, 0, 1)) },
		func(ctx context.Context) error { return l.Open(ctx, logtest.Feed) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
	}
}
