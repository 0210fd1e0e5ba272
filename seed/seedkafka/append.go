package seedkafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// A transaction has at most maxTransaction bytes of messages, or one message that is larger. After one
// that has failed, the next ones have half as many, so that a slow way to the broker, or a quota, lets
// one of them be committed in time; down to minTransaction.
const (
	maxTransaction = 8 << 20
	minTransaction = 64 << 10
)

// Append publishes messages in transactions.
func (l *log) Append(ctx context.Context, messages []broker.Message) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for len(messages) > 0 {
		records, n, refused := l.take(messages)
		if n > 0 {
			if err := l.publish(ctx, messages[:n], records); err != nil {
				return err
			}
		}
		if refused != nil {
			return refused
		}
		messages = messages[n:]
	}
	return nil
}

// take returns the records of the first n messages: as many as a transaction takes. If the next
// message is too large for the topic, refused says so.
func (l *log) take(messages []broker.Message) (records []*kgo.Record, n int, refused error) {
	for size := 0; n < len(messages); n++ {
		m := &messages[n]
		r := newRecord(l.topic.name, m)
		itself := sizeOf(r)
		if itself > l.maxBatch() {
			return records, n, l.tooLarge(m, itself)
		}
		if size += itself; n > 0 && size > l.transactionBytes() {
			break
		}
		records = append(records, l.distribute(r, m)...)
	}
	return records, n, nil
}

// distribute returns a record with its partition: that of its key. A marker goes to every partition.
func (l *log) distribute(r *kgo.Record, m *broker.Message) []*kgo.Record {
	n := len(l.topic.leaders)
	if !m.IsMarker() {
		r.Partition = int32(partitioner.Partition(r, n))
		return []*kgo.Record{r}
	}
	all := make([]*kgo.Record, n)
	for p := range all {
		c := *r
		c.Partition = int32(p)
		all[p] = &c
	}
	return all
}

// partitioner chooses the partitions that Kafka's own clients choose, by the murmur2 of the key.
var partitioner = kgo.StickyKeyPartitioner(nil).ForTopic("")

func (l *log) tooLarge(m *broker.Message, size int) error {
	need := (size + 1<<20 - 1) >> 20 << 20
	return &broker.OperatorError{
		Err:  fmt.Errorf("%s: %s takes %d bytes, and the topic takes %d (max.message.bytes)", l.to, m, size, l.maxBatch()),
		Next: l.topic.set(fmt.Sprintf("max.message.bytes=%d", need)) + ", and give consumers as much in fetch.message.max.bytes or max.partition.fetch.bytes",
	}
}

// publish publishes messages in one transaction.
func (l *log) publish(ctx context.Context, messages []broker.Message, records []*kgo.Record) error {
	if err := l.verifyEnd(ctx); err != nil {
		return err
	}
	began := time.Now()
	end, err := l.transact(ctx, messages, records)
	if err == nil {
		l.end, l.committed, l.endLost = end, end, false
		l.most = min(maxTransaction, 2*l.transactionBytes())
		return nil
	}
	l.most = max(minTransaction, l.transactionBytes()/2)
	l.client.Close() // no message is used any more
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	last := &messages[len(messages)-1]
	err = fmt.Errorf("%s: publish up to %s: %w", l.to, last, l.explain(err))
	if isFenced(err) && time.Since(began) < transactionTimeout {
		return l.waitFenced(ctx, err)
	}
	return err
}

// transact commits one transaction of records, and of the checkpoint that it returns.
func (l *log) transact(ctx context.Context, messages []broker.Message, records []*kgo.Record) (end checkpoint, err error) {
	if err := l.client.BeginTransaction(); err != nil {
		return end, err
	}
	if err := l.produce(ctx, records); err != nil {
		return end, err
	}
	end = l.end.clone()
	for i := range messages {
		end.moveTo(&messages[i])
	}
	end.keepOffsets(records)
	l.attempted = end
	if err := l.produce(ctx, []*kgo.Record{{Topic: l.checkpoints.name, Key: []byte(l.key()), Value: end.encode()}}); err != nil {
		return end, err
	}
	if err := l.unchanged(); err != nil && !l.endLost {
		l.abort(ctx)
		return end, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, l.options.silence, errSilent)
	defer cancel()
	if err := l.client.EndTransaction(limited, kgo.TryCommit); err != nil {
		return end, fmt.Errorf("commit: %w", err)
	}
	if err := l.unchanged(); err != nil && !l.endLost {
		return end, fmt.Errorf("commit: %w", err) // what it has committed, the end tells
	}
	return end, nil
}

// transactionBytes returns how many bytes of messages the next transaction has at most.
func (l *log) transactionBytes() int {
	if l.most == 0 {
		return maxTransaction
	}
	return l.most
}

// abortLimit is how long the abort of a transaction may take.
const abortLimit = 2 * time.Second

// abort aborts the transaction, so that consumers of the topic need not wait for its timeout. It has no
// result: the next Claim aborts what it could not.
func (l *log) abort(ctx context.Context) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortLimit)
	defer cancel()
	if l.client.AbortBufferedRecords(limited) == nil {
		_ = l.client.EndTransaction(limited, kgo.TryAbort)
	}
}

// isFenced reports whether another publisher has claimed the transactional id.
func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

// waitFenced returns seed.ErrMoved after a while: two publishers that a supervisor starts again at
// once would fence each other for ever.
func (l *log) waitFenced(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(l.options.fenced):
		return fmt.Errorf("%w: another publisher of the feed has claimed the topic: %w", seed.ErrMoved, err)
	}
}
