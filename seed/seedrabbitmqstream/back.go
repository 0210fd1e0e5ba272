package seedrabbitmqstream

import (
	"context"
	"slices"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// back goes back from the end through the history that the end has: in each generation only up to
// where the next one begins.
type back struct {
	log    *log
	from   placed // the earliest known message of the generation where it is
	ended  bool   // a message is not there, or not eventfeed's
	places []broker.Place
}

// at returns the message at an offset, or the first one after it that the stream still has.
func (b *back) at(ctx context.Context, offset uint64) (p placed, err error) {
	message, found, err := b.log.connection.ReadAt(ctx, b.log.to.Name, offset, lostAfter)
	if err != nil {
		return p, err
	}
	if p, err = placeOf(message); !found || err != nil || p.Feed.ID != b.log.feed.ID {
		b.ended = true
	}
	return p, nil
}

// ofHistory goes on to the generation of a message, by the markers of those after it, whose places it
// adds.
func (b *back) ofHistory(ctx context.Context, p placed) (placed, error) {
	for !b.ended && p.Generation != b.from.Generation {
		before, marker, err := b.beginning(ctx, p)
		if err != nil || b.ended {
			return p, err
		}
		b.add(marker)
		b.from = before
	}
	b.from = p
	return p, nil
}

// beginning finds the marker with which the present generation begins, and the message before it,
// given a message of an earlier generation. Not every offset has a message: some have records of the
// broker's own.
func (b *back) beginning(ctx context.Context, earlier placed) (before, marker placed, err error) {
	before, marker = earlier, b.from
	for low, high := earlier.offset, marker.offset; high-low > 1; {
		middle := low + (high-low)/2
		p, err := b.at(ctx, middle)
		switch {
		case err != nil || b.ended:
			return before, marker, err
		case p.offset >= high: // there is none in between
			high = middle
		case p.Generation == marker.Generation:
			marker, high = p, middle
		default:
			before, low = p, p.offset
		}
	}
	b.ended = !marker.isMarker
	return before, marker, nil
}

// add adds the place of a message, unless its position is not before those of later messages.
func (b *back) add(p placed) {
	limit := b.log.end.Position
	if len(b.places) > 0 {
		limit = b.places[0].Position
	}
	if p.Position < limit {
		b.places = slices.Insert(b.places, 0, p.Place)
	}
}
