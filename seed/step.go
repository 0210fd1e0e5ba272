package seed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// A step holds the events that are fetched already, up to these bounds: large enough that
// the commit costs little, small enough that little is repeated after a crash.
const (
	maxStepEvents = 20_000
	maxStepBytes  = 32 << 20
)

// step is what one transaction applies: events in order, and the pieces of the feeds'
// histories that contain them.
type step struct {
	events  []event.Delivered
	pieces  []piece
	bytes   int
	leftOut int64
}

// piece is a part of a run: consecutive events that end at a position.
type piece struct {
	feed    *reading
	run     walk.Run
	to      int64
	first   int   // index in the step of its first event to apply
	events  int   // events to apply
	leftOut int64 // events that are left out
	whole   bool  // the piece ends the run
	atEnd   bool  // the piece ends the feed
}

func (s *step) isFull() bool {
	return int64(len(s.events))+s.leftOut >= maxStepEvents || s.bytes >= maxStepBytes
}

func (s *step) add(e event.Delivered) {
	s.events = append(s.events, e)
	s.bytes += len(e.Data)
}

// done releases the runs that are applied completely.
func (s *step) done() {
	for i := range s.pieces {
		if s.pieces[i].whole {
			s.pieces[i].run.Done()
		}
	}
}

// after returns the moves of the feeds' checkpoints for the first n events of the step.
func (s *step) after(n int) ([]checkpoint.Move, error) {
	var ends []*end
	byFeed := make(map[*reading]*end)
	for i := range s.pieces {
		p := &s.pieces[i]
		to := p.to
		if n < p.events && p.leftOut == 0 { // the piece is applied in part
			to -= int64(p.events - n)
		}
		if n < p.events && p.leftOut > 0 || n == 0 && p.events > 0 {
			break
		}
		if to > p.feed.checkpoint.Position {
			e := byFeed[p.feed]
			if e == nil {
				e = &end{}
				byFeed[p.feed] = e
				ends = append(ends, e)
			}
			e.pieces, e.to, e.leftOut = append(e.pieces, p), to, e.leftOut+p.leftOut
		}
		if n -= p.events; n < 0 {
			break
		}
	}
	moves := make([]checkpoint.Move, len(ends))
	for i, e := range ends {
		var err error
		if moves[i], err = e.move(); err != nil {
			return nil, err
		}
	}
	return moves, nil
}

// end is the position to which a feed's checkpoint moves.
type end struct {
	pieces  []*piece // the pieces up to it, in order; at least one
	to      int64
	leftOut int64
}

func (e *end) move() (m checkpoint.Move, err error) {
	last := e.pieces[len(e.pieces)-1]
	m = checkpoint.Move{From: last.feed.checkpoint, To: last.feed.checkpoint}
	place, err := last.at(e.to)
	if err != nil {
		return m, err
	}
	if m.To.Epoch != place.Epoch {
		m.To.Epoch = strings.Clone(place.Epoch) // so that it does not keep the page in memory
	}
	m.To.Position, m.To.Digest = place.Position, place.Digest
	m.To.LeftOut += e.leftOut
	m.Marks = last.feed.Marks(m.From.Position, m.To.Position)
	if client, _ := last.feed.Served(); client != nil {
		m.Kept, err = e.kept(m.From.Position)
	}
	return m, err
}

// places returns the place of an event, given its index, and the place before it in its feed.
func (s *step) places(i int) (before, at walk.Place, err error) {
	piece, _ := slices.BinarySearchFunc(s.pieces, i, func(p piece, i int) int { return p.first + p.events - 1 - i })
	p, position := &s.pieces[piece], s.events[i].Position
	if client, _ := p.feed.Served(); client == nil {
		return before, at, fmt.Errorf("feed %s: %w", s.events[i].Feed, errors.ErrUnsupported)
	}
	if before, err = p.run.At(position - 1); err != nil {
		return before, at, err
	}
	at, err = p.at(position)
	return before, at, err
}

// keptOf returns those of the places that the target keeps after a move: one for each of the
// consumer's slots.
func keptOf(m checkpoint.Move, places []walk.Place) (all []walk.Place) {
	positions := checkpoint.KeptPositions(m.From.Position, m.To.Position, true)
	for _, place := range places {
		if _, is := slices.BinarySearch(positions, place.Position); is {
			all = append(all, place)
		}
	}
	return all
}

// kept returns the places after a position that the target has to keep.
func (e *end) kept(from int64) (all []walk.Place, err error) {
	pieces := e.pieces
	last := pieces[len(pieces)-1]
	for _, position := range checkpoint.KeptPositions(from, e.to, last.atEnd && e.to == last.to) {
		for position > pieces[0].to {
			pieces = pieces[1:]
		}
		place, err := pieces[0].at(position)
		if err != nil {
			return nil, err
		}
		all = append(all, place)
	}
	return all, nil
}

// at returns the place at a position of the piece's run.
func (p *piece) at(position int64) (walk.Place, error) {
	if position == p.run.To.Position {
		return p.run.To, nil
	}
	return p.run.At(position)
}
