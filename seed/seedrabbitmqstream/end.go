package seedrabbitmqstream

import (
	"context"
	"fmt"
	"time"

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

// End returns the place of the stream's last message, if its id is the one that the broker has recorded.
// While another publisher publishes, it is the place of the message that was the last one meanwhile.
func (l *log) End(ctx context.Context) (end broker.Place, found bool, err error) {
	if l.connection == nil {
		return end, false, errClosed
	}
	for try := 1; ; try++ {
		end, found, behind, err := l.readEnd(ctx)
		if !behind || try == tries {
			return end, found, err
		}
		select {
		case <-ctx.Done():
			return end, false, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// readEnd reads the end once. behind reports that message and record may agree a little later.
func (l *log) readEnd(ctx context.Context) (end broker.Place, found, behind bool, err error) {
	before, err := l.lastID(ctx)
	if err != nil {
		return end, false, false, err
	}
	l.last = before
	patience := lostAfter
	if before == 0 {
		patience = emptyAfter
	}
	message, any, err := l.connection.ReadLast(ctx, l.to.Name, patience)
	switch {
	case err != nil:
		return end, false, false, l.explain(err)
	case !any && before == 0:
		return end, false, false, nil
	case !any:
		return end, false, false, l.lost(fmt.Errorf("it shows no message, and the broker has recorded that the feed was published to it up to position %d", before.position()))
	}
	p, err := placeOf(message)
	if err != nil {
		return end, false, false, l.lost(err)
	}
	if p.Feed.ID != l.feed.ID {
		return p.Place, true, false, nil // which is told by its feed
	}
	after, err := l.lastID(ctx)
	if err != nil {
		return end, false, false, err
	}
	if l.last, err = l.idBetween(before, p, after); err != nil {
		return end, false, true, err
	}
	l.end = p
	return p.Place, true, false, nil
}

func (l *log) lastID(ctx context.Context) (id, error) {
	last, err := l.connection.LastID(ctx, l.producer(), l.to.Name)
	return id(last), l.explain(err)
}

// idBetween returns the id of a message that was the last one between two questions for the last id.
func (l *log) idBetween(before id, p placed, after id) (id, error) {
	switch {
	case after == 0: // the broker forgets producers beyond 255, and a copied stream has none
		return id(1<<positionBits) + id(p.Position), nil
	case before.count() == after.count() && before.position() <= p.Position && p.Position <= after.position():
		return id(after.count()<<positionBits) + id(p.Position), nil
	}
	return 0, fmt.Errorf("the last message of %s, at offset %d, is %s, and the broker has recorded position %d: another publisher is at work, or replicas of the stream lag", l.to, p.offset, p.Place, after.position())
}

func (l *log) lost(err error) error {
	return &broker.LostEndError{Err: fmt.Errorf("%s does not show what was published last: %w", l.to, err)}
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
