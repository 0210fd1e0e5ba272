package seed

import (
	"context"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// merge merges the events of several feeds into one order: next comes the feed whose next
// event has the earliest time, and among equal times the feed with the smallest id. Each
// feed's own order stays. So the order depends only on the feeds' events, and the memory
// for each feed is bounded, however far apart the feeds' times are.
type merge struct {
	streams []*stream
	asOf    time.Time // events later than this are left out; zero leaves out none
	err     error     // the error that ended a stream
	failed  *reading  // the feed of that stream
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// stream is one feed of a merge, with the events that were fetched ahead.
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

// newMerge starts to read feeds, each from its checkpoint to the position that last
// returns. Each feed has its own goroutine, which runs until close.
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

// close stops the goroutines and waits for them.
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

// step returns the next events: those that are fetched already, and at most as many as fit
// into one transaction. It waits only for the first event. At the end it returns nil, and
// the error that ended a stream, if any.
func (m *merge) step() (*step, error) {
	s := &step{}
	for !s.isFull() {
		lead, second, ready := m.lead(len(s.pieces) == 0)
		if !ready || lead == nil {
			break
		}
		m.moveEvents(s, lead, second)
	}
	if len(s.pieces) == 0 {
		return nil, m.err
	}
	return s, nil
}

// lead returns the stream whose event is next, and the stream that comes after it; nil if
// there is none. ready is false after an error, and if wait is false and a stream's next
// event was not fetched yet.
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

// fill receives a stream's next event, unless the stream has one or has ended. It reports
// false after an error, or if it would have to wait and wait is false.
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
		} else if s.ended { // by itself, or because the context was canceled: then the next event is unknown
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

// moveEvents moves events of the stream lead into a step, up to the first event that comes
// after second's next one.
func (m *merge) moveEvents(s *step, lead, second *stream) {
	p := piece{feed: lead.reading, run: lead.run, first: len(s.events)}
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
