//go:build unix

package seedkafka_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// publisher is a log that is claimed, with where it began.
type publisher struct {
	broker.Log
	t        *testing.T
	position int64 // 0 if nothing was published
}

// start opens and claims a log, of the feed of logtest or another one, and reads its end.
func start(t *testing.T, l broker.Log, feed broker.Feed) *publisher {
	t.Helper()
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), feed))
	must.OK(t, l.Claim(t.Context()))
	end, _, err := l.End(t.Context())
	must.OK(t, err)
	return &publisher{l, t, end.Position}
}

// publishTo publishes the events that follow, up to a position.
func (p *publisher) publishTo(position int64) {
	p.t.Helper()
	must.OK(p.t, p.Append(p.t.Context(), logtest.Messages(1, p.position, position)))
	p.position = position
}

// wantLost checks that the end of a log is lost, and that a marker begins another generation there.
func wantLost(t *testing.T, l broker.Log, texts ...string) {
	t.Helper()
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	look := func() {
		t.Helper()
		_, _, err := l.End(t.Context())
		if _, lost := errors.AsType[*broker.LostEndError](err); !lost || !errors.Is(err, seed.ErrMismatch) {
			t.Fatalf("%v", err)
		}
		for _, text := range texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%v, want %q", err, text)
			}
		}
	}
	look()
	must.OK(t, l.Claim(t.Context()))
	look()
	place := logtest.Messages(1_800_000_000, 1, 2)[0].Place()
	must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(place)}))
	must.OK(t, l.Append(t.Context(), logtest.Messages(1_800_000_000, 2, 4)))
	l.Close()
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	if end, found, err := l.End(t.Context()); err != nil || !found || end.Position != 4 || end.Generation != 1_800_000_000 {
		t.Errorf("after the marker the end is %+v, %t, %v", end, found, err)
	}
}

// transaction is one of a client that is no publisher of eventfeed, or of one that died.
func transaction(t *testing.T, node *testkafka.Node, id string, records ...*kgo.Record) *kgo.Client {
	t.Helper()
	client := node.Client(t, kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must.OK(t, client.BeginTransaction())
	must.OK(t, client.ProduceSync(t.Context(), records...).FirstErr())
	return client
}

func commit(t *testing.T, client *kgo.Client, try kgo.TransactionEndTry) {
	t.Helper()
	must.OK(t, client.EndTransaction(t.Context(), try))
}

func key(topic string) string { return "eventfeed/" + topic + "/" + logtest.Feed.ID }

// ourRecord is a message as a publisher sends it.
func ourRecord(topic string, position int64) *kgo.Record {
	m := logtest.Messages(1, position-1, position)[0]
	r := &kgo.Record{Topic: topic, Value: m.Data}
	m.Attributes(func(name, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + name, Value: []byte(value)})
	})
	return r
}

func sharedNode(t *testing.T) *testkafka.Node {
	t.Helper()
	node := testkafka.Start(t)
	node.Checkpoints(t)
	return node
}

func TestAnOpenTransactionOfAnotherPublisherHidesNoEnd(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	start(t, newLog(node, topic), logtest.Feed).publishTo(2)
	other := transaction(t, node, "other-"+topic, &kgo.Record{Topic: topic, Value: []byte("x")}, &kgo.Record{Topic: checkpoints, Key: []byte("other"), Value: []byte("x")})
	// From here on, a reader of what is committed sees no message, and no checkpoint.
	p := start(t, newLog(node, topic), logtest.Feed)
	p.publishTo(5)
	if p := start(t, newLog(node, topic), logtest.Feed); p.position != 5 {
		t.Errorf("the end is at %d", p.position)
	}
	commit(t, other, kgo.TryAbort)
	if all := read(t, node, topic); len(all) != 5 {
		t.Errorf("%d messages", len(all))
	}
}

func TestAPublisherThatDiedInATransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	for name, published := range map[string]int64{"first": 0, "later": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := node.Topic(t, 1)
			if published > 0 {
				start(t, newLog(node, topic), logtest.Feed).publishTo(published)
			}
			died := transaction(t, node, key(topic), ourRecord(topic, published+1), &kgo.Record{Topic: checkpoints, Key: []byte(key(topic)), Value: []byte(`{}`)})
			p := start(t, newLog(node, topic), logtest.Feed)
			if p.position != published {
				t.Fatalf("the end is at %d", p.position)
			}
			p.publishTo(published + 3)
			if err := died.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
				t.Error("the publisher that was overtaken could commit")
			}
			if all := read(t, node, topic); int64(len(all)) != published+3 {
				t.Errorf("%d messages", len(all))
			}
		})
	}
}

func TestATopicWithAbortedMessagesOnlyIsEmpty(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 2)
	commit(t, transaction(t, node, "x-"+topic, &kgo.Record{Topic: topic, Value: []byte("x")}), kgo.TryAbort)
	l := newLog(node, topic)
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	if end, found, err := l.End(t.Context()); found || err != nil {
		t.Errorf("%+v, %t, %v", end, found, err)
	}
}

func TestATopicWithoutACheckpointIsNotContinuedSilently(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	for name, test := range map[string]struct {
		prepare func(t *testing.T, topic string)
		text    string
	}{
		"messages of others": {func(t *testing.T, topic string) {
			t.Helper()
			must.OK(t, produce(t, node, topic))
		}, "partition 0 has messages from offset 0 on"},
		"messages in a later partition": {func(t *testing.T, topic string) {
			t.Helper()
			commit(t, transaction(t, node, "x-"+topic, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("x")}), kgo.TryCommit)
		}, "partition 1 has messages from offset 0 on"},
		"messages that retention has taken": {func(t *testing.T, topic string) {
			t.Helper()
			must.OK(t, produce(t, node, topic))
			deleteRecords(t, node, topic, 0, 1)
		}, "partition 0 has messages from offset 1 on"},
		"messages of a transaction that is open": {func(t *testing.T, topic string) {
			t.Helper()
			transaction(t, node, "x-"+topic, &kgo.Record{Topic: topic, Value: []byte("x")})
		}, "partition 0 has messages from offset 0 on"},
		"a checkpoint that was deleted": {func(t *testing.T, topic string) {
			t.Helper()
			start(t, newLog(node, topic), logtest.Feed).publishTo(3)
			must.OK(t, node.Client(t).ProduceSync(t.Context(), &kgo.Record{Topic: checkpoints, Key: []byte(key(topic))}).FirstErr())
		}, "has no checkpoint of feed orders (key eventfeed/"},
		"a checkpoint of somebody else": {func(t *testing.T, topic string) {
			t.Helper()
			must.OK(t, node.Client(t).ProduceSync(t.Context(), &kgo.Record{Topic: checkpoints, Key: []byte(key(topic)), Value: []byte("x")}).FirstErr())
		}, "is not a checkpoint of eventfeed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := node.Topic(t, 2)
			test.prepare(t, topic)
			wantLost(t, newLog(node, topic), test.text)
		})
	}
}

// produce produces a message of somebody else to partition 0.
func produce(t *testing.T, node *testkafka.Node, topic string) error {
	t.Helper()
	client := node.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr()
}

// deleteRecords does what kafka-delete-records.sh does; -1 is the end.
func deleteRecords(t *testing.T, node *testkafka.Node, topic string, partition int32, before int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, before, -1)
	_, err := node.Admin(t).DeleteRecords(t.Context(), offsets)
	must.OK(t, err)
}

func TestRetentionMayTakeTheLastMessage(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	start(t, newLog(node, topic), logtest.Feed).publishTo(5)
	deleteRecords(t, node, topic, 0, -1)
	p := start(t, newLog(node, topic), logtest.Feed)
	if p.position != 5 {
		t.Fatalf("the end is at %d", p.position)
	}
	p.publishTo(7)
	if all := read(t, node, topic); len(all) != 2 || all[0].Attributes["efposition"] != "6" {
		t.Errorf("%v", all)
	}
}

func TestATopicThatWasCreatedAgainHasLostItsEnd(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	start(t, newLog(node, topic), logtest.Feed).publishTo(5)
	_, err := node.Admin(t).DeleteTopic(t.Context(), topic)
	must.OK(t, err)
	node.Create(t, topic, 1)
	wantLost(t, newLog(node, topic), "position 5 of feed orders was published to a topic of this name with the id")
}

func TestAnotherNumberOfPartitionsIsAMismatch(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	start(t, newLog(node, topic), logtest.Feed).publishTo(5)
	_, err := node.Admin(t).CreatePartitions(t.Context(), 2, topic)
	must.OK(t, err)
	node.AwaitTopic(t, topic, 3)
	wantLost(t, newLog(node, topic), "has 3 partitions, and had 1 when position 5")
}

func TestAMessageAfterTheCheckpointIsAMismatch(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	start(t, newLog(node, topic), logtest.Feed).publishTo(5)
	commit(t, transaction(t, node, "x-"+topic, ourRecord(topic, 6)), kgo.TryAbort)
	if p := start(t, newLog(node, topic), logtest.Feed); p.position != 5 {
		t.Fatalf("after an aborted message the end is at %d", p.position)
	}
	commit(t, transaction(t, node, "x-"+topic, ourRecord(topic, 6)), kgo.TryCommit)
	wantLost(t, newLog(node, topic), "has a checkpoint of feed orders at position 5, offset 4 of partition 0, but offset 8 has a later message of the feed, position 6")
}

// TestOlderDataAreNoticedOrContinued restores older data of one topic or both, on a broker of its own.
func TestOlderDataAreNoticedOrContinued(t *testing.T) {
	t.Parallel()
	node := testkafka.Own(t)
	node.Checkpoints(t)
	onlyMessages, onlyCheckpoint, both, rewritten := node.Topic(t, 1), node.Topic(t, 1), node.Topic(t, 1), node.Topic(t, 1)
	all := []string{onlyMessages, onlyCheckpoint, both, rewritten}
	for _, topic := range all {
		start(t, newLog(node, topic), logtest.Feed).publishTo(5)
	}
	kill := func() {
		t.Helper()
		for _, topic := range append([]string{checkpoints}, all...) {
			node.AwaitCommits(t, topic)
		}
		node.Kill()
	}
	older := t.TempDir()
	restore := restorer(t, node, older)
	kill()
	restore(func(topic string) (from, to string) { return node.Partition(topic, 0), older + "/" + topic }, append(all, checkpoints)...)
	node.Restart(t)

	for _, topic := range all {
		start(t, newLog(node, topic), logtest.Feed).publishTo(9)
	}
	kill()
	back := func(topic string) (from, to string) { return older + "/" + topic, node.Partition(topic, 0) }
	restore(back, onlyMessages, rewritten)
	node.Restart(t)
	must.OK(t, node.Client(t).ProduceSync(t.Context(), others(rewritten, 20)...).FirstErr())
	wantLost(t, newLog(node, onlyMessages), "partition 0 ends at offset ", ", and position 9 of feed orders was published at offset ")
	wantLost(t, newLog(node, rewritten), "of partition 0 does not have position 9 of feed orders, which was published there")
	if p := start(t, newLog(node, both), logtest.Feed); p.position != 9 {
		t.Fatalf("the end is at %d", p.position)
	}

	kill()
	restore(back, checkpoints, both)
	node.Restart(t)
	wantLost(t, newLog(node, onlyCheckpoint), "has a checkpoint of feed orders at position 5, offset 4 of partition 0, but offset ", " has a later message of the feed, position 6")
	p := start(t, newLog(node, both), logtest.Feed)
	if p.position != 5 {
		t.Fatalf("the end of data that were restored together is at %d", p.position)
	}
	p.publishTo(12)
	if got := read(t, node, both); len(got) != 12 {
		t.Errorf("%d messages", len(got))
	}
}

func others(topic string, n int) (all []*kgo.Record) {
	for range n {
		all = append(all, &kgo.Record{Topic: topic, Value: []byte("x")})
	}
	return all
}

// restorer copies folders of partitions, while the broker is down. It removes what is at the place.
func restorer(t *testing.T, node *testkafka.Node, folder string) func(names func(string) (from, to string), topics ...string) {
	t.Helper()
	return func(names func(string) (from, to string), topics ...string) {
		t.Helper()
		for _, topic := range topics {
			from, to := names(topic)
			must.OK(t, os.RemoveAll(to))
			must.OK(t, os.CopyFS(to, os.DirFS(from)))
		}
		node.ForgetShutdown(t)
	}
}

// A status is read while a publisher runs.
func TestTheEndIsTrueWhileAPublisherRuns(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 3)
	p := start(t, newLog(node, topic), logtest.Feed)
	var publishing sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	publishing.Go(func() {
		for ctx.Err() == nil {
			p.publishTo(p.position + 20)
		}
	})
	var last int64
	for ctx.Err() == nil {
		l := newLog(node, topic)
		must.OK(t, l.Open(t.Context(), logtest.Feed))
		end, _, err := l.End(t.Context())
		must.OK(t, err)
		if end.Position < last || end.Position%20 != 0 {
			t.Errorf("position %d after %d", end.Position, last)
		}
		last = end.Position
		l.Close()
	}
	publishing.Wait()
	if last == 0 {
		t.Error("nothing was seen")
	}
}

func TestTwoFeedsShareATopic(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	one := start(t, newLog(node, topic), logtest.Feed)
	one.publishTo(3)
	other := newLog(node, topic)
	t.Cleanup(other.Close)
	feed := broker.Feed{ID: "urn:uuid:1b4e2bb4-4c4b-4a7e-9d9e-5f0a3c1d2e3f", Name: "payments"}
	must.OK(t, other.Open(t.Context(), feed))
	must.OK(t, other.Claim(t.Context()))
	if _, _, err := other.End(t.Context()); !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), "no checkpoint of feed payments") {
		t.Errorf("%v", err)
	}
	place := broker.Place{Feed: feed, Generation: 7, Epoch: "e"}
	must.OK(t, other.Append(t.Context(), []broker.Message{broker.Marker(place)}))
	one.publishTo(6)
	if p := start(t, newLog(node, topic), logtest.Feed); p.position != 6 {
		t.Errorf("the end is at %d", p.position)
	}
	other.Close()
	must.OK(t, other.Open(t.Context(), feed))
	if end, found, err := other.End(t.Context()); err != nil || !found || end != place {
		t.Errorf("%+v, %t, %v", end, found, err)
	}
}

// A transaction that no coordinator knows hangs: what it holds may become visible at any time.
func TestATransactionThatHangsIsNotPassedOver(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	// As a producer with another transactional id has it, which is not fenced.
	transaction(t, node, "hanging-"+topic, ourRecord(topic, 1))
	l := through(node, topic, node.Address())
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	must.OK(t, l.Claim(t.Context()))
	_, _, err := l.End(t.Context())
	wantAgain(t, err)
	if !strings.Contains(err.Error(), "has not ended yet") || !strings.Contains(err.Error(), "kafka-transactions.sh") {
		t.Error(err)
	}
	node.AbortHanging(t, topic)
	if p := start(t, newLog(node, topic), logtest.Feed); p.position != 0 {
		t.Errorf("the end is at %d", p.position)
	}
}
