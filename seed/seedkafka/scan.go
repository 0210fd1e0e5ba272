package seedkafka

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// bounds are the first offset of a partition, and the offset after the last one that is replicated.
type bounds struct{ start, end int64 }

// boundsOf returns the bounds of the partitions of a topic.
func (l *log) boundsOf(ctx context.Context, t *topic) (all []bounds, err error) {
	err = l.bounded(ctx, "read the end of topic "+t.name, func(ctx context.Context) (err error) {
		all, err = l.listBounds(ctx, t)
		return err
	})
	return all, err
}

func (l *log) listBounds(ctx context.Context, t *topic) ([]bounds, error) {
	starts, err := l.admin.ListStartOffsets(ctx, t.name)
	if err != nil {
		return nil, err
	}
	ends, err := l.admin.ListEndOffsets(ctx, t.name)
	if err != nil {
		return nil, err
	}
	all := make([]bounds, len(t.leaders))
	for p := range all {
		start, err := listed(starts, t.name, p)
		if err != nil {
			return nil, err
		}
		end, err := listed(ends, t.name, p)
		if err != nil {
			return nil, err
		}
		all[p] = bounds{start, end}
	}
	return all, nil
}

func listed(all kadm.ListedOffsets, topic string, partition int) (int64, error) {
	found, ok := all.Lookup(topic, int32(partition))
	if ok && found.Err == nil && found.Offset >= 0 {
		return found.Offset, nil
	}
	if !ok || found.Err == nil {
		return 0, fmt.Errorf("partition %d of topic %s: the broker told no offset", partition, topic)
	}
	return 0, fmt.Errorf("partition %d of topic %s: %w", partition, topic, found.Err)
}

// scan reads a partition from an offset up to another, and calls committed with each record of a
// committed transaction that is wanted, in the order of commits, until that returns false. At the
// end it returns the records that are wanted whose transaction is open.
//
// It reads uncommitted records, and finds out by itself which are committed. The broker's own filter
// ends at the first open transaction of anybody: with it, a publisher of another feed would hide
// messages of this one that were published after.
func (l *log) scan(ctx context.Context, t *topic, partition int, from, to int64, wanted, committed func(*kgo.Record) bool) (open []*kgo.Record, err error) {
	pending := make(map[int64][]*kgo.Record) // by producer
	for offset := from; offset < to; {
		var records []*kgo.Record
		next := offset
		err := l.bounded(ctx, fmt.Sprintf("read partition %d of topic %s", partition, t.name), func(ctx context.Context) (err error) {
			for next == offset && err == nil {
				records, next, err = l.fetch(ctx, t, partition, offset)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			switch {
			case r.Offset >= to:
			case r.Attrs.IsControl():
				ended := pending[r.ProducerID]
				delete(pending, r.ProducerID)
				for _, p := range ended {
					if isCommit(r) && !committed(p) {
						return nil, nil
					}
				}
			case !wanted(r):
			case r.Attrs.IsTransactional():
				pending[r.ProducerID] = append(pending[r.ProducerID], r)
			case !committed(r):
				return nil, nil
			}
		}
		offset = next
	}
	for _, records := range pending {
		open = append(open, records...)
	}
	return open, nil
}

// isCommit reports whether a control record ends a transaction by a commit.
func isCommit(r *kgo.Record) bool {
	return len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == 1 // version, then type
}

// maxFetch is how much is read at once, in bytes. A larger batch is read whole.
const maxFetch = 4 << 20

// fetch reads records from an offset on, control records too, and returns the offset after them.
func (l *log) fetch(ctx context.Context, t *topic, partition int, offset int64) (records []*kgo.Record, next int64, err error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 500, 1, maxFetch
	ofTopic := kmsg.NewFetchRequestTopic()
	ofTopic.Topic, ofTopic.TopicID = t.name, t.id
	ofPartition := kmsg.NewFetchRequestTopicPartition()
	ofPartition.Partition, ofPartition.FetchOffset, ofPartition.PartitionMaxBytes = int32(partition), offset, maxFetch
	ofTopic.Partitions = append(ofTopic.Partitions, ofPartition)
	request.Topics = append(request.Topics, ofTopic)

	answer, err := l.client.Broker(int(t.leaders[partition])).Request(ctx, request)
	if err != nil {
		return nil, offset, err
	}
	response, ok := answer.(*kmsg.FetchResponse)
	if !ok || response.ErrorCode != 0 {
		return nil, offset, fmt.Errorf("fetch: %w", kerr.ErrorForCode(response.ErrorCode))
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, offset, fmt.Errorf("fetch: the broker did not answer for the partition")
	}
	read, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: offset, IsolationLevel: kgo.ReadUncommitted(), Topic: t.name, Partition: ofPartition.Partition,
	}, &response.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return read.Records, next, read.Err
}
