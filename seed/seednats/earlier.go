package seednats

import (
	"context"
	"slices"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// Earlier returns the places of the messages that broker.Back names. Those of earlier generations count up
// to the position at which the next one began.
func (l *log) Earlier(ctx context.Context) (places []broker.Place, err error) {
	info, err := l.conn.info(ctx, l.to.stream)
	if err != nil {
		return nil, l.explain(err)
	}
	later, err := l.markAt(ctx, l.last)
	if err != nil {
		return nil, err
	}
	end := later.place
	common := end.Position - 1 // the highest position that may still be of the end's history
	for _, back := range broker.Back(int64(l.last - info.State.FirstSeq + 1)) {
		at, err := l.markAt(ctx, l.last-uint64(back))
		if err != nil {
			return nil, err
		}
		if at.place.Feed.ID != end.Feed.ID || at.sequence >= later.sequence {
			continue // another one's message, or none before the later one
		}
		for start := at; start.place.Generation < later.place.Generation; {
			if start, err = l.nextGeneration(ctx, start, later); err != nil {
				return nil, err
			}
			common = min(common, start.place.Position)
		}
		if later = at; at.place.Position > 0 && at.place.Position <= common {
			places = append(places, at.place)
			common = at.place.Position - 1
		}
	}
	slices.Reverse(places)
	return places, nil
}

// mark is the sequence and the place of a message. The place is empty if eventfeed has not made the
// message.
type mark struct {
	sequence uint64
	place    broker.Place
}

// markAt returns the first message at a sequence or after it.
func (l *log) markAt(ctx context.Context, sequence uint64) (m mark, err error) {
	found, header, err := l.conn.message(ctx, l.to.stream, sequence)
	if err != nil {
		return m, l.explain(err)
	}
	m.sequence = found.Sequence
	if place, err := placeOf(header); err == nil {
		m.place = place
	}
	return m, nil
}

// nextGeneration returns the first message after another one that is of a higher generation, given a
// later message that is. Generations never decrease from message to message.
func (l *log) nextGeneration(ctx context.Context, after, later mark) (mark, error) {
	for low, high := after.sequence, later.sequence; low+1 < high; {
		middle := low + (high-low)/2
		m, err := l.markAt(ctx, middle)
		for err == nil && m.place.Feed.ID == "" && m.sequence < high { // another one's message
			m, err = l.markAt(ctx, m.sequence+1)
		}
		switch {
		case err != nil:
			return m, err
		case m.place.Generation > after.place.Generation:
			high, later = middle, m
		default:
			low = m.sequence
		}
	}
	return later, nil
}
