package seed

import (
	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// A step takes what has been fetched so far, up to these bounds: large enough
// that its commit costs nothing, small enough that little is done again after a
// crash.
const (
	maxStepEvents = 20_000
	maxStepBytes  = 32 << 20
)

// step is what one transaction applies: events in order, and the pieces of
// feeds' histories that they are from.
type step struct {
	events  []event.Delivered
	pieces  []piece
	bytes   int
	leftOut int64
}

// piece is consecutive events of a run, which end at a position.
type piece struct {
	feed    *reading
	run     walk.Run
	to      int64
	events  int   // to be applied
	leftOut int64 // the others
	whole   bool  // nothing of the run is left
}

func (s *step) isFull() bool {
	return int64(len(s.events))+s.leftOut >= maxStepEvents || s.bytes >= maxStepBytes
}

func (s *step) add(e event.Delivered) {
	s.events = append(s.events, e)
	s.bytes += len(e.Data)
}

// done gives back what has been used.
func (s *step) done() {
	for i := range s.pieces {
		if s.pieces[i].whole {
			s.pieces[i].run.Done()
		}
	}
}

// after returns the moves of the feeds' checkpoints from where they are to
// where they belong when the first n events have been applied.
func (s *step) after(n int) ([]checkpoint.Move, error) {
	var ends []*end
	byFeed := make(map[*reading]*end)
	for i := range s.pieces {
		p := &s.pieces[i]
		to := p.to
		if n < p.events && p.leftOut == 0 { // as far as it was applied
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
			e.piece, e.to, e.leftOut = p, to, e.leftOut+p.leftOut
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

// end is where a feed's checkpoint is to go.
type end struct {
	piece   *piece // that ends there
	to      int64
	leftOut int64
}

func (e *end) move() (m checkpoint.Move, err error) {
	m = checkpoint.Move{From: e.piece.feed.checkpoint, To: e.piece.feed.checkpoint}
	place := e.piece.run.To
	if e.to != place.Position {
		if place, err = e.piece.run.At(e.to); err != nil {
			return m, err
		}
	}
	m.To.Epoch, m.To.Position, m.To.Digest = place.Epoch, place.Position, place.Digest
	m.To.LeftOut += e.leftOut
	m.Marks = e.piece.feed.Marks(m.From.Position, m.To.Position)
	return m, nil
}
