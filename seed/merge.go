package seed

import (
	"context"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// merge brings the events of several feeds into one order: next comes the feed
// whose next event has the smallest time, and of those the one with the
// smallest id. Each feed's own order stays. So the order hangs on nothing but
// the feeds' events, and what is held of each feed is bounded, however far the
// feeds are apart.
type merge struct {
	streams []*stream
	asOf    time.Time // events later than this are left out; zero leaves out none
	err     error     // what ended a stream
	failed  *reading  // that one's feed
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// stream is what a merge has in hand of one feed.
type stream struct {
	*reading
	last  int64 // position to end at
	runs  chan fetched
	run   walk.Run
	next  int // the run's next event
	ended bool
}

// fetched is a run, or the error that ended the walk.
type fetched struct {
	walk.Run
	err error
}

// newMerge begins to read feeds, each from its checkpoint to the position that
// last gives. Each feed is read by a goroutine of its own, until close.
func newMerge(ctx context.Context, feeds []*reading, last func(*reading) int64, asOf time.Time, ahead int) *merge {
	ctx, cancel := context.WithCancel(ctx)
	m := &merge{asOf: asOf, ctx: ctx, cancel: cancel}
	for _, f := range feeds {
		s := &stream{reading: f, last: last(f), runs: make(chan fetched, ahead)}
		if f.checkpoint.Position >= s.last {
			continue
		}
		m.streams = append(m.streams, s)
		from := f.place()
		m.running.Go(func() { s.read(ctx, from) })
	}
	return m
}

// close ends the reading, and returns when it has ended.
func (m *merge) close() {
	m.cancel()
	m.running.Wait()
}

func (s *stream) read(ctx context.Context, from walk.Place) {
	defer close(s.runs)
	for run, err := range s.Walk(ctx, from) {
		select {
		case s.runs <- fetched{run, err}:
		case <-ctx.Done():
			return
		}
	}
}

// step returns what comes next, as much as is there already and fits into one
// transaction; it waits for no more than the first event. At the end it returns
// nil, and the error that ended the reading, if one did.
func (m *merge) step() (*step, error) {
	s := &step{}
	for !s.isFull() {
		lead, second, ready := m.lead(len(s.pieces) == 0)
		if !ready || lead == nil {
			break
		}
		m.take(s, lead, second)
	}
	if len(s.pieces) == 0 {
		return nil, m.err
	}
	return s, nil
}

// lead returns the stream whose event is next, and the one that comes after it;
// nil where there is none. It is not ready where a stream's next event is not
// there yet, and wait is false, or after an error.
func (m *merge) lead(wait bool) (lead, second *stream, ready bool) {
	for _, s := range m.streams {
		if !m.fill(s, wait) {
			return nil, nil, false
		}
		switch {
		case s.ended:
		case lead == nil || s.before(lead):
			lead, second = s, lead
		case second == nil || s.before(second):
			second = s
		}
	}
	return lead, second, true
}

// fill makes sure that a stream has its next event in hand, or has ended. It
// reports whether it could.
func (m *merge) fill(s *stream, wait bool) bool {
	for m.err == nil && !s.ended && s.next == len(s.run.Events) {
		var f fetched
		var more bool
		if wait {
			f, more = <-s.runs
		} else {
			select {
			case f, more = <-s.runs:
			default:
				return false
			}
		}
		if s.ended = !more; f.err != nil {
			m.err, m.failed = f.err, s.reading
		} else if s.ended { // by itself, or because it was to end: then nothing is said of what comes next
			m.err = m.ctx.Err()
		}
		s.run, s.next = f.Run, 0
	}
	if !s.ended && m.err == nil && s.event().Position > s.last {
		s.ended = true
	}
	return m.err == nil
}

func (s *stream) event() *event.Placed { return &s.run.Events[s.next] }

// before reports whether a stream's next event comes before another one's.
func (s *stream) before(other *stream) bool {
	if order := s.event().Time.Compare(other.event().Time); order != 0 {
		return order < 0
	}
	return s.checkpoint.FeedID < other.checkpoint.FeedID
}

// take moves events of a stream into a step, up to the first one that second
// comes before.
func (m *merge) take(s *step, lead, second *stream) {
	p := piece{feed: lead.reading, run: lead.run}
	for lead.next < len(lead.run.Events) && !s.isFull() {
		e := lead.event()
		if e.Position > lead.last || second != nil && second.before(lead) {
			break
		}
		p.to = e.Position
		lead.next++
		if !m.asOf.IsZero() && e.Time.After(m.asOf) {
			p.leftOut++
			continue
		}
		p.events++
		s.add(event.Delivered{
			Placed: *e,
			Feed:   lead.checkpoint.Feed, FeedID: lead.checkpoint.FeedID,
			Live: e.Position > lead.checkpoint.SeedEnd,
		})
	}
	p.whole, p.atEnd = lead.next == len(lead.run.Events), p.to >= lead.last
	s.pieces = append(s.pieces, p)
	s.leftOut += p.leftOut
}
