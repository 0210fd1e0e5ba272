//go:build unix

package seedkafka_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

// TestAPublisherThatRunsNoticesThatItsTopicLostItsEnd, as a leader loses it that had not written it to its
// disk. The client connects again by itself, and nothing else shows it.
func TestAPublisherThatRunsNoticesThatItsTopicLostItsEnd(t *testing.T) {
	t.Parallel()
	node := testkafka.Own(t)
	node.Checkpoints(t)
	topic, older := node.Topic(t, 1), t.TempDir()
	p := start(t, newLog(node, topic), logtest.Feed)
	p.publishTo(5)
	waitForMarkers(t, node, topic, checkpoints)
	restore := restorer(t, node, older)
	node.Kill()
	restore(func(topic string) (from, to string) { return node.Partition(topic, 0), older + "/" + topic }, topic)
	node.Restart(t)
	p = start(t, newLog(node, topic), logtest.Feed)
	p.publishTo(30)
	waitForMarkers(t, node, topic, checkpoints)
	node.Kill()
	restore(func(topic string) (from, to string) { return older + "/" + topic, node.Partition(topic, 0) }, topic)
	node.Restart(t)

	err := p.Append(t.Context(), logtest.Messages(1, 30, 32))
	if err == nil {
		t.Fatalf("published after a gap: %d messages", len(read(t, node, topic)))
	}
	if got := read(t, node, topic); len(got) != 5 {
		t.Errorf("%d messages, want those that are left", len(got))
	}
	p.Close()
	wantLost(t, p.Log, "position 30 of feed orders was published at offset ") // and that a marker is the way on
}

// spied is a connection whose writes are shown before they are done.
type spied struct {
	net.Conn
	show func([]byte)
}

func (s spied) Write(b []byte) (int, error) {
	s.show(b)
	return s.Conn.Write(b)
}

func spy(show func([]byte)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return spied{c, show}, nil
	}
}

// TestACanceledAppendLeavesNoTransactionOpen, which would hold up all consumers of the topic for a minute.
func TestACanceledAppendLeavesNoTransactionOpen(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var armed atomic.Bool
	l := seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic}, seedkafka.Options{Dial: spy(func(b []byte) {
		if bytes.Contains(b, []byte(checkpoints)) && armed.CompareAndSwap(true, false) {
			cancel() // with the messages at the broker, and the checkpoint on its way
		}
	})})
	start(t, l, logtest.Feed)
	armed.Store(true)
	if err := l.Append(ctx, logtest.Messages(1, 0, 20)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	l.Close()
	waitForMarkers(t, node, topic)
}

// waitForMarkers waits until consumers see all messages of topics: until no transaction is open. It takes
// less time than the timeout of a transaction.
func waitForMarkers(t *testing.T, node *testkafka.Node, topics ...string) {
	t.Helper()
	admin := node.Admin(t)
	for deadline := time.Now().Add(50 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ends, err := admin.ListEndOffsets(t.Context(), topics...)
		must.OK(t, err)
		stable, err := admin.ListCommittedOffsets(t.Context(), topics...)
		must.OK(t, err)
		open := 0
		ends.Each(func(end kadm.ListedOffset) {
			if last, _ := stable.Lookup(end.Topic, end.Partition); end.Offset == 0 || last.Offset != end.Offset {
				open++
			}
		})
		if open == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a transaction in %d of the topics %q is open", open, topics)
		}
	}
}

func TestABatchFitsIntoASegment(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1, "segment.bytes=1048576", "max.message.bytes=8388608")
	p := start(t, newLog(node, topic), logtest.Feed)
	all := logtest.Messages(1, 0, 30)
	for i := range all {
		all[i].Data = make([]byte, 100_000)
		_, _ = rand.Read(all[i].Data)
	}
	must.OK(t, p.Append(t.Context(), all))
	all = logtest.Messages(1, 30, 31)
	all[0].Data = make([]byte, 2<<20)
	if _, is := errors.AsType[*broker.OperatorError](p.Append(t.Context(), all)); !is {
		t.Error("an event that no segment takes is no error for an operator")
	}
}

// TestAPublisherThatWasAwayWhileAnotherOnePublishedClaimsNothing: it would fence the one that is at work.
func TestAPublisherThatWasAwayWhileAnotherOnePublishedClaimsNothing(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	older := start(t, newLog(node, topic), logtest.Feed)
	older.publishTo(5)
	older.Close()
	must.OK(t, older.Open(t.Context(), logtest.Feed))
	must.OK(t, older.Claim(t.Context()))
	older.Close()
	newer := start(t, newLog(node, topic), logtest.Feed)
	newer.publishTo(8)
	must.OK(t, older.Open(t.Context(), logtest.Feed))
	if err := older.Claim(t.Context()); !errors.Is(err, seed.ErrMoved) {
		t.Errorf("%v", err)
	}
	newer.publishTo(12)
}

// A broker tells a publisher of its commit before readers see it.
func TestAPublisherThatWasAwayWhileAnotherOneCommitsClaimsNothing(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	older := start(t, newLog(node, topic), logtest.Feed)
	older.publishTo(5)
	older.Close()
	m := logtest.Messages(1, 7, 8)[0]
	last := fmt.Sprintf(`{"generation": %d, "position": %d, "digest": %q}`, m.Generation, m.Position, m.Digest)
	newer := transaction(t, node, key(topic), &kgo.Record{Topic: checkpoints, Key: []byte(key(topic)), Value: []byte(last)})
	must.OK(t, older.Open(t.Context(), logtest.Feed))
	if err := older.Claim(t.Context()); !errors.Is(err, seed.ErrMoved) {
		t.Errorf("%v", err)
	}
	commit(t, newer, kgo.TryCommit)
}
