package seedkafka

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// Earlier returns the places of the messages that broker.Back names, counted in offsets before the last
// one of each partition.
func (l *log) Earlier(ctx context.Context) (places []broker.Place, err error) {
	all, err := l.boundsOf(ctx, &l.topic)
	if err != nil {
		return nil, err
	}
	for partition, b := range all {
		end := l.end.Partitions[partition].Offset
		for _, back := range broker.Back(end - b.start + 1) {
			found, err := l.placeFrom(ctx, partition, end-back, b.end)
			if err != nil {
				return nil, err
			}
			places = append(places, found...)
		}
	}
	slices.SortFunc(places, func(a, b broker.Place) int { return cmp.Compare(a.Position, b.Position) })
	return slices.CompactFunc(places, func(a, b broker.Place) bool { return a.Position == b.Position }), nil
}

// placeFrom returns the place of the feed's first message at an offset or after it, if it belongs to
// the history of the end.
func (l *log) placeFrom(ctx context.Context, partition int, from, end int64) (found []broker.Place, err error) {
	first := func(r *kgo.Record) bool {
		p, err := broker.ReadPlace(attributes(r))
		if err == nil && p.Position < l.end.Position && p.Position <= l.end.reaches(p.Generation) {
			found = append(found, p)
		}
		return false
	}
	_, err = l.scan(ctx, &l.topic, partition, from, end, l.isOurs, first)
	return found, err
}
