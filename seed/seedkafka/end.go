package seedkafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// End returns the place of the last checkpoint, if the topic has its message or retention took it,
// and no message of the feed after it.
func (l *log) End(ctx context.Context) (place broker.Place, found bool, err error) {
	if err := l.noteEnd(ctx); err != nil {
		return place, false, err
	}
	place, found, err = l.readEnd(ctx)
	l.endLost = isLostEnd(err)
	return place, found, err
}

// readEnd compares both topics.
func (l *log) readEnd(ctx context.Context) (place broker.Place, found bool, err error) {
	// The bounds of the topic come first: a publisher that runs meanwhile cannot add messages to
	// them whose checkpoint is not read.
	before, err := l.boundsOf(ctx, &l.topic)
	if err != nil {
		return place, false, err
	}
	l.end = newCheckpoint(l.feed, l.topic.id.String(), len(l.topic.leaders))
	committed, open, err := l.settledCheckpoint(ctx)
	if err != nil {
		return place, false, err
	}
	if committed == nil {
		return place, false, l.wantEmpty(ctx, before, open)
	}
	if err := l.adopt(committed); err != nil {
		return place, false, err
	}
	// It may have added the messages of this checkpoint, though.
	after, err := l.boundsOf(ctx, &l.topic)
	if err != nil {
		return place, false, err
	}
	for partition, ours := range l.end.Partitions {
		if ours.Offset >= after[partition].end {
			return place, false, l.lost("partition %d ends at offset %d, and position %d of feed %s was published at offset %d", partition, after[partition].end, ours.Position, l.feed.Name, ours.Offset)
		}
		read := bounds{after[partition].start, max(before[partition].end, ours.Offset+1)}
		if err := l.checkPartition(ctx, partition, read, open); err != nil {
			return place, false, err
		}
	}
	place, err = committed.place()
	return place, err == nil, err
}

// lost returns a LostEndError.
func (l *log) lost(format string, values ...any) error {
	return &broker.LostEndError{Err: fmt.Errorf("%s: "+format, append([]any{l.to}, values...)...)}
}

// settlement is how long End waits for the end of a transaction of a publisher that runs.
const settlement = 2 * time.Second

// errUnsettled reports that a transaction of the feed is open although its publisher was fenced. What
// it holds may become visible at any time, so nothing can be said of the end.
var errUnsettled = errors.New("a transaction of an earlier publisher has not ended yet; if it does not within minutes, find it with kafka-transactions.sh describe-producers, and abort it")

// settledCheckpoint is readCheckpoint after a transaction that is open at first has ended. A broker
// tells a publisher that its transaction is committed before it tells the readers of each partition,
// and goes on with that after it was started again.
func (l *log) settledCheckpoint(ctx context.Context) (committed, open *checkpoint, err error) {
	limit := settlement
	if l.claimed {
		limit = l.options.silence
	}
	committed, open, err = l.readCheckpoint(ctx)
	first := open
	for deadline := time.Now().Add(limit); err == nil && open != nil && open.offset == first.offset && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
		committed, open, err = l.readCheckpoint(ctx)
	}
	if err == nil && open != nil && l.claimed {
		err = fmt.Errorf("%s: offset %d of topic %s: %w", l.to, open.offset, l.checkpoints.name, errUnsettled)
	}
	return committed, open, err
}

// readCheckpoint returns the last checkpoint of the feed that is committed, and the one of a
// transaction that is open; nil if there is none. It reads backwards from the end in steps that grow:
// most publications have theirs near the end.
func (l *log) readCheckpoint(ctx context.Context) (committed, open *checkpoint, err error) {
	all, err := l.boundsOf(ctx, &l.checkpoints)
	if err != nil {
		return nil, nil, err
	}
	start, end := all[0].start, all[0].end
	for span := int64(1000); ; span *= 10 {
		from := max(start, end-span)
		var found *kgo.Record
		pending, err := l.scan(ctx, &l.checkpoints, 0, from, end, l.isCheckpoint, func(r *kgo.Record) bool { found = r; return true })
		if err != nil {
			return nil, nil, err
		}
		if found == nil && from > start {
			continue
		}
		if committed, err = l.decode(found); err != nil {
			return nil, nil, err
		}
		if len(pending) > 0 {
			open, err = l.decode(pending[len(pending)-1])
		}
		return committed, open, err
	}
}

func (l *log) isCheckpoint(r *kgo.Record) bool { return string(r.Key) == l.key() }

func (l *log) decode(r *kgo.Record) (*checkpoint, error) {
	if r == nil || len(r.Value) == 0 { // a tombstone: somebody has deleted the checkpoint
		return nil, nil //nolint:nilnil // there is none
	}
	c, err := decodeCheckpoint(r.Value)
	if err != nil {
		return nil, l.lost("offset %d of topic %s: %w", r.Offset, l.checkpoints.name, err)
	}
	c.offset = r.Offset
	return &c, nil
}

// wantEmpty returns a LostEndError if the topic has, or had, messages. Those of a transaction that is
// open count too, unless they are of the feed: its publisher is at its first transaction.
func (l *log) wantEmpty(ctx context.Context, topic []bounds, open *checkpoint) error {
	if open != nil {
		return nil
	}
	for partition, b := range topic {
		held := b.start
		if b.start == 0 {
			held = -1
			undecided, err := l.scan(ctx, &l.topic, partition, 0, b.end, anything, func(r *kgo.Record) bool { held = r.Offset; return false })
			if err != nil {
				return err
			}
			for _, r := range undecided {
				if !l.isOurs(r) {
					held = max(held, r.Offset)
				} else if l.claimed {
					return l.unsettled(r)
				}
			}
		}
		if held >= 0 {
			return l.lost("topic %s has no checkpoint of feed %s (key %s), but partition %d has messages from offset %d on", l.checkpoints.name, l.feed.Name, l.key(), partition, held)
		}
	}
	return nil
}

func (l *log) unsettled(r *kgo.Record) error {
	return fmt.Errorf("%s: offset %d of partition %d of topic %s: %w", l.to, r.Offset, r.Partition, r.Topic, errUnsettled)
}

func anything(*kgo.Record) bool { return true }

// adopt makes a checkpoint the end, if it is of this topic.
func (l *log) adopt(c *checkpoint) error {
	before, now, id := len(c.Partitions), len(l.topic.leaders), l.end.TopicID
	switch {
	case c.TopicID != id && c.TopicID != noTopicID && id != noTopicID:
		l.end.Begins = c.Begins
		return l.lost("the topic has the id %s; position %d of feed %s was published to a topic of this name with the id %s", l.end.TopicID, c.Position, l.feed.Name, c.TopicID)
	case before != now:
		l.end.Begins = c.Begins
		return l.lost("the topic has %d partitions, and had %d when position %d of feed %s was published: events of a subject may be in another partition now", now, before, c.Position, l.feed.Name)
	}
	l.end = c.clone()
	l.end.TopicID = id
	return nil
}

// checkPartition compares a partition with the checkpoint. open is that of a transaction of a
// publisher that runs meanwhile, or nil.
func (l *log) checkPartition(ctx context.Context, partition int, b bounds, open *checkpoint) error {
	ours := l.end.Partitions[partition]
	known := ours.Offset
	if open != nil && partition < len(open.Partitions) {
		known = max(known, open.Partitions[partition].Offset)
	}
	there := ours.Offset < b.start // retention took it, or there is none
	var mismatch error
	compare := func(r *kgo.Record) bool {
		switch {
		case r.Offset == ours.Offset:
			there = true
			mismatch = l.compare(r, partition, ours)
		case r.Offset > known:
			mismatch = l.lost("topic %s has a checkpoint of feed %s at position %d, offset %d of partition %d, but offset %d has a later message of the feed, position %s",
				l.checkpoints.name, l.feed.Name, l.end.Position, ours.Offset, partition, r.Offset, attributes(r)(broker.PositionAttribute))
		}
		return mismatch == nil
	}
	undecided, err := l.scan(ctx, &l.topic, partition, max(ours.Offset, b.start), b.end, l.isOurs, compare)
	for _, r := range undecided {
		switch {
		case err != nil:
		case l.claimed: // the broker has ended all transactions before it let this log claim, so this one hangs
			err = l.unsettled(r)
		case r.Offset == ours.Offset: // the commit is known in the topic of the checkpoints, and not yet here
			compare(r)
		}
	}
	if err != nil || mismatch != nil {
		return errorOr(err, mismatch)
	}
	if !there {
		return l.lost("offset %d of partition %d does not have position %d of feed %s, which was published there", ours.Offset, partition, ours.Position, l.feed.Name)
	}
	return nil
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (l *log) isOurs(r *kgo.Record) bool { return isOf(r, l.feed) }

// compare compares the last message of a partition with the checkpoint.
func (l *log) compare(r *kgo.Record, partition int, want last) error {
	place, err := broker.ReadPlace(attributes(r))
	if err == nil && place.Generation == want.Generation && place.Position == want.Position &&
		(place.Generation != l.end.Generation || place.Position != l.end.Position || place.Digest.String() == l.end.Digest) {
		return nil
	}
	return l.lost("offset %d of partition %d has position %d in generation %d of feed %s, digest %s; position %d in generation %d was published there",
		r.Offset, partition, place.Position, place.Generation, l.feed.Name, place.Digest, want.Position, want.Generation)
}
