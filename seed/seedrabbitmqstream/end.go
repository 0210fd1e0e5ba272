package seedrabbitmqstream

import (
	"context"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/rabbitstream"
	"github.com/eventfeed/eventfeed/seed/broker"
)

const (
	// tries is how often the end is read while it moves, and pause what is between two tries.
	tries = 10
	pause = 200 * time.Millisecond
	// emptyAfter is how long a stream to which the feed was never published may show no message to
	// be empty; lostAfter, how long one with a record of the feed may show none.
	emptyAfter = 500 * time.Millisecond
	lostAfter  = 10 * time.Second
)

// End returns the place of the stream's last message, if it is the one whose id the broker has
// recorded.
func (l *log) End(ctx context.Context) (end broker.Place, found bool, err error) {
	if l.connection == nil {
		return end, false, errClosed
	}
	for try := 1; ; try++ {
		recorded, err := l.connection.LastID(ctx, l.producer(), l.to.stream)
		if err != nil {
			return end, false, l.explain(err)
		}
		l.last = id(recorded)
		patience := lostAfter
		if recorded == 0 {
			patience = emptyAfter
		}
		message, any, err := l.connection.ReadLast(ctx, l.to.stream, patience)
		switch {
		case err != nil:
			return end, false, l.explain(err)
		case !any && recorded == 0:
			return end, false, nil
		case !any:
			return end, false, l.lost(0, fmt.Errorf("it shows no message, and the broker has recorded that the feed was published to it up to position %d", l.last.position()))
		}
		end, behind, err := l.endAt(message)
		if !behind {
			return end, err == nil, err
		}
		if try == tries {
			return end, false, err
		}
		select {
		case <-ctx.Done():
			return end, false, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// endAt compares the stream's last message with the id that the broker has recorded. behind reports
// that the message may not be the last one any more: another publisher publishes, or replicas lag.
func (l *log) endAt(message rabbitstream.Message) (end broker.Place, behind bool, err error) {
	p, err := placeOf(message)
	switch {
	case err != nil:
		return end, false, l.lost(0, err)
	case p.Feed.ID != l.feed.ID:
		return p.Place, false, nil // which is told by its feed
	case l.last == 0: // the broker forgets producers beyond 255, and a copied stream has none
		l.last = id(1<<positionBits) + id(p.Position)
	case p.Position != l.last.position():
		return end, true, fmt.Errorf("the last message of %s, at offset %d, is %s, and the broker has recorded position %d: another publisher is at work, or replicas of the stream lag", l.to, p.offset, p.Place, l.last.position())
	}
	l.end = p
	return p.Place, false, nil
}

func (l *log) lost(generation int64, err error) error {
	return &broker.LostEndError{Err: fmt.Errorf("%s does not show what was published last: %w", l.to, err), Generation: generation}
}

// Earlier reads messages before the end.
func (l *log) Earlier(ctx context.Context) ([]broker.Place, error) {
	if l.connection == nil {
		return nil, errClosed
	}
	b := back{log: l, from: l.end}
	first, err := b.at(ctx, 0)
	if err != nil || b.ended {
		return nil, l.explain(err)
	}
	for _, before := range broker.Back(int64(l.end.offset - first.offset + 1)) {
		p, err := b.at(ctx, l.end.offset-uint64(before))
		if err == nil {
			p, err = b.ofHistory(ctx, p)
		}
		if err != nil {
			return nil, l.explain(err)
		}
		if b.ended {
			break
		}
		b.add(p)
	}
	return b.places, nil
}
