//go:build unix

package seednats

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// persist publishes up to a position, which may change meanwhile, whatever happens to the broker, as a session does: after an error it
// closes the log, and continues where the log ends. at is the position that is published.
// It also returns how many errors there were.
func persist(ctx context.Context, l *log, to, at *atomic.Int64) (failures int, err error) {
	defer l.Close()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := attempt(ctx, l, to, at)
		if err == nil {
			return failures, nil
		}
		failures++
		if _, operator := errors.AsType[*broker.OperatorError](err); operator || isFinal(err) || time.Now().After(deadline) {
			return failures, fmt.Errorf("at position %d: %w", at.Load(), err)
		}
		l.Close()
	}
}

func attempt(ctx context.Context, l *log, to, at *atomic.Int64) error {
	if err := l.Open(ctx, logtest.Feed); err != nil {
		return err
	}
	end, _, err := l.End(ctx)
	if err != nil {
		return err
	}
	if end.Position < at.Load() {
		return fmt.Errorf("the end is %d, and up to %d was acknowledged: %w", end.Position, at.Load(), seed.ErrMismatch)
	}
	for at.Store(end.Position); at.Load() < to.Load(); {
		next := min(to.Load(), at.Load()+500)
		if err := l.Append(ctx, logtest.Messages(1, at.Load(), next)); err != nil {
			return err
		}
		at.Store(next)
	}
	return nil
}

func TestNothingIsLostOrDoubledWhenConnectionsAreCut(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	cut := testproxy.NewCut(t, node.Address(), -1)
	p.config.URL = "nats://" + cut.Address() + "/" + p.config.stream(t)
	l := p.newLog(t)
	var to, at atomic.Int64
	failures := 0
	for to.Load() < 3000 {
		to.Add(250)
		cut.After(rand.Int64N(20_000))
		failed, err := persist(t.Context(), l, &to, &at)
		must.OK(t, err)
		failures += failed
	}
	if failures == 0 {
		t.Error("no connection was cut")
	}
	wantPositions(t, p.read(t), 3000)
}

func TestNothingIsLostOrDoubledWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	l := p.newLog(t)
	beside := persistBeside(t, l)
	for range 4 {
		beside.await(t, beside.at.Load()+300)
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		node.Restart(t)
	}
	all, failures := beside.stop(t)
	if failures == 0 {
		t.Error("no kill was noticed")
	}
	wantPositions(t, p.read(t), all)
}

// persisting is persist that runs beside a test until it is stopped, so that it is at work whenever the
// test does something, however slow the machine is.
type persisting struct {
	to, at   atomic.Int64
	running  sync.WaitGroup
	failures int
	err      error
}

func persistBeside(t *testing.T, l *log) *persisting {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &persisting{}
	p.to.Store(math.MaxInt64)
	p.running.Go(func() { p.failures, p.err = persist(ctx, l, &p.to, &p.at) })
	t.Cleanup(func() {
		cancel()
		p.running.Wait()
	})
	return p
}

// await waits until a position is published.
func (p *persisting) await(t *testing.T, position int64) {
	t.Helper()
	for range 12_000 {
		if p.at.Load() >= position {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("position %d is not published within two minutes; at %d", position, p.at.Load())
}

// stop lets some more events be published, and returns how many there are, and how many errors there were.
func (p *persisting) stop(t *testing.T) (all int64, failures int) {
	t.Helper()
	p.to.Store(p.at.Load() + 1200)
	p.running.Wait()
	must.OK(t, p.err)
	return p.at.Load(), p.failures
}

// Three replicas: the leader of the stream is killed while messages are on their way to the others.
func TestNothingIsLostOrDoubledWhenALeaderIsKilled(t *testing.T) {
	t.Parallel()
	nodes := testnats.Cluster(t)
	client := testnats.Client(t, nodes[:]...)
	stream := testnats.CreateStream(t, client, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}, Replicas: 3})
	var hosts []string
	for _, n := range nodes {
		hosts = append(hosts, n.Address())
	}
	l := newLogOf(t, Stream{URL: "nats://" + strings.Join(hosts, ",") + "/ORDERS"})
	l.timeouts.answer = 2 * time.Second // an election takes longer than that
	p := persistBeside(t, l)
	for range 2 {
		p.await(t, p.at.Load()+700)
		leader := awaitLeader(t, nodes, stream)
		nodes[leader].Restart(t)
	}
	all, failures := p.stop(t)
	if failures == 0 {
		t.Error("no kill was noticed")
	}
	var read []logtest.Message
	for _, m := range nodes[awaitLeader(t, nodes, stream)].Read(t, "ORDERS") {
		read = append(read, logtest.Message{Attributes: m.Attributes(t), Data: m.Body})
	}
	wantPositions(t, read, all)
}

// awaitLeader returns the index of the server that leads the stream.
func awaitLeader(t *testing.T, nodes [3]*testnats.Node, stream jetstream.Stream) int {
	t.Helper()
	var last string
	for range 600 {
		info, err := stream.Info(t.Context())
		if err == nil {
			if leader := testnats.Leader(t, nodes, info); leader >= 0 {
				return leader
			}
		}
		last = fmt.Sprint(info, err)
		time.Sleep(100 * time.Millisecond)
	}
	must.OK(t, errors.New("the stream has no leader: "+last))
	return -1
}
