// Package checkpointtest has the tests that every checkpoint.Backend must pass: what it is
// for, what it does when a call fails, and what a process leaves that dies in one.
package checkpointtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Place is a fresh place that a target is in.
type Place struct {
	// Target has a sink that keeps the events, as an inbox does.
	Target checkpoint.Target
	// Applied returns the positions of the events that the sink has got, in their order.
	Applied func(t *testing.T) []int64
	// Steal makes someone else the consumer's holder, while a session believes to be.
	Steal func(t *testing.T)
	// URL opens the same place in another process, see Main and RunDeaths.
	URL string
}

// Names of what the tests read.
const (
	consumer = "reader"
	feedID   = "urn:feed"
)

// Run runs all tests on places that newPlace makes. A target that lacks a feature must say
// so by the feature's name, in place of the feature's tests.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	for name, is := range map[string]struct {
		needs checkpoint.Feature // empty: every target has it
		test  func(*testing.T, Place)
	}{
		"a consumer resumes where it was left":                             {"", resumes},
		"a consumer has one holder at a time":                              {"", oneHolder},
		"a session that was closed applies nothing":                        {"", closedSession},
		"a holder that was overtaken writes nothing":                       {"", overtaken},
		"a step from elsewhere applies nothing":                            {"", stepFromElsewhere},
		"a step that fails leaves nothing":                                 {"", failedStep},
		"a call that fails loses nothing and applies nothing twice":        {"", failures("reading")},
		"a dry run leaves nothing":                                         {checkpoint.DryRun, dryRun},
		"parked events come back":                                          {checkpoint.Parking, parked},
		"a call that fails while parking loses nothing":                    {checkpoint.Parking, failures("parking")},
		"the checkpoint follows what an external sink acknowledges":        {"", followsExternal},
		"an inbox gives back the events as they came":                      {checkpoint.GoingBack, keepsEvents},
		"what was skipped is counted by type":                              {checkpoint.GoingBack, countsSkipped},
		"a consumer goes back and starts over":                             {checkpoint.GoingBack, goesBack},
		"a call that fails while going back leaves one place or the other": {checkpoint.GoingBack, failures("going back")},
		"what is found out of a feed is kept for the next run":             {checkpoint.ForeignFeeds, remembers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if lacks := open(t, p.Target).Lacks(is.needs); lacks != nil {
				refusedByName(t, p, is.needs, lacks)
				return
			}
			is.test(t, p)
		})
	}
}

// refusedByName makes sure that a target says what it lacks, and why.
func refusedByName(t *testing.T, p Place, feature checkpoint.Feature, err error) {
	t.Helper()
	lacks, is := errors.AsType[*checkpoint.FeatureError](err)
	if !is || lacks.Target != p.Target.Describe().Name || lacks.Feature != feature || lacks.Reason == "" || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, want the target, %q and a reason", err, feature)
	}
}

// at is the checkpoint at a position of a history in which the digest tells it.
func at(position int64) checkpoint.Checkpoint {
	c := checkpoint.Checkpoint{Consumer: consumer, Feed: "feed", FeedID: feedID, URL: "http://feed.test/", Epoch: "e", Position: position, SeedEnd: 10}
	binary.BigEndian.PutUint64(c.Digest[:], uint64(position))
	return c
}

// events are those of a history after one position and up to another.
func events(from, to int64) (all []event.Delivered) {
	for p := from + 1; p <= to; p++ {
		all = append(all, event.Delivered{Feed: "feed", FeedID: feedID, Live: p > 10, Placed: event.Placed{
			Position: p, Recorded: time.Unix(p, 0).UTC(),
			Event: event.Event{ID: fmt.Sprint(p), Source: "/s", Type: "T", Subject: fmt.Sprint("s", p%2), Time: time.Unix(p, 0).UTC(), Data: []byte("{}")},
		}})
	}
	return all
}

// step is the work that leads from one position to another.
func step(from, to int64) checkpoint.Work {
	move := func(n int) ([]checkpoint.Move, error) {
		m := checkpoint.Move{From: at(from), To: at(from + int64(n))}
		m.Kept = []feed.Place{{Epoch: "e", Position: m.To.Position, Digest: m.To.Digest}}
		return []checkpoint.Move{m}, nil
	}
	return checkpoint.Work{
		Batch: checkpoint.Batch{Consumer: consumer, Events: events(from, to), After: move},
		Moved: func(int, []checkpoint.Move, checkpoint.Outcome) {},
	}
}

// read reads the history up to a position, in steps of two events, from wherever the
// consumer is.
func read(ctx context.Context, s *checkpoint.Session, to int64) error {
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	from, err := claim(ctx, s)
	for err == nil && from < to {
		next := min(from+2, to)
		err = s.Apply(ctx, step(from, next))
		from = next
	}
	return err
}

// claim claims the consumer, begins it if it is fresh, and returns where it is.
func claim(ctx context.Context, s *checkpoint.Session) (position int64, err error) {
	if err := s.Claim(ctx, consumer); err != nil {
		return 0, err
	}
	was, found, err := s.Load(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.LoadParked(ctx); err != nil {
		return 0, err
	}
	if was.Name == "" {
		now := s.Describe().Sink
		now.Name = consumer
		return 0, s.Begin(ctx, now, []checkpoint.Checkpoint{at(0)}, true)
	}
	return found[0].Position, s.Begin(ctx, was, nil, false)
}

// open opens a place's target until the test ends.
func open(t *testing.T, of checkpoint.Target) *checkpoint.Session {
	t.Helper()
	s := checkpoint.Open(of, false)
	t.Cleanup(s.Close)
	return s
}

// holds makes sure that a place has the history up to a position: each event once, in
// order, and the checkpoint behind them.
func holds(t *testing.T, p Place, position int64) {
	t.Helper()
	s := checkpoint.Open(p.Target, false)
	defer s.Close()
	must.OK(t, s.Prepare(t.Context()))
	must.OK(t, s.Claim(t.Context(), consumer))
	was, found, err := s.Load(t.Context())
	must.OK(t, err)
	want := at(position)
	if position < 0 {
		if was.Name != "" || len(found) > 0 {
			t.Errorf("there is a consumer: %+v at %v", was, found)
		}
		want.Position = 0
	} else if len(found) != 1 || found[0].Position != want.Position || found[0].Digest != want.Digest || found[0].Epoch != want.Epoch {
		t.Errorf("checkpoints %+v, want position %d", found, position)
	}
	var all []int64
	for n := range want.Position {
		all = append(all, n+1)
	}
	if applied := p.Applied(t); !slices.Equal(applied, all) {
		t.Errorf("applied %v, want %v", applied, all)
	}
}

func resumes(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 4))
	s.Close()
	holds(t, p, 4)
	must.OK(t, read(t.Context(), s, 7))
	s.Close()
	holds(t, p, 7)
}

func oneHolder(t *testing.T, p Place) {
	first, second := open(t, p.Target), open(t, p.Target)
	must.OK(t, read(t.Context(), first, 2))
	must.OK(t, second.Prepare(t.Context()))
	if err := second.Claim(t.Context(), consumer); !errors.Is(err, checkpoint.ErrHeld) {
		t.Fatalf("the second holder: %v", err)
	}
	must.OK(t, first.Apply(t.Context(), step(2, 4)))
	first.Close()
	must.OK(t, read(t.Context(), second, 6))
	second.Close()
	holds(t, p, 6)
}

func closedSession(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 2))
	s.Close()
	if err := s.Apply(t.Context(), step(2, 4)); !errors.Is(err, checkpoint.ErrLost) {
		t.Errorf("a step of a closed session: %v", err)
	}
	holds(t, p, 2)
}

// overtaken: a session whose consumer someone else has taken is told so by everything that
// writes, and nothing is written. When it has claimed the consumer again it resumes.
func overtaken(t *testing.T, p Place) {
	ctx, s := t.Context(), open(t, p.Target)
	must.OK(t, read(ctx, s, 2))
	was, _, err := s.Load(ctx)
	must.OK(t, err)
	writes := map[string]func() error{
		"apply": func() error { return s.Apply(ctx, step(2, 4)) },
		"begin": func() error { return s.Begin(ctx, was, nil, false) },
	}
	if s.Lacks(checkpoint.GoingBack) == nil {
		writes["rewind"] = func() error { return s.Rewind(ctx, at(2), at(1)) }
		writes["reset"] = func() error { return s.Reset(ctx, []checkpoint.Checkpoint{at(2)}) }
	}
	if s.Lacks(checkpoint.ForeignFeeds) == nil {
		memory, entries := s.Memory(consumer, feedID), []checkpoint.Version{{Entry: "a", Updated: 1}}
		writes["record"] = func() error { return memory.Record(ctx, &checkpoint.Archive{URL: "u"}, entries) }
		writes["mark"] = func() error { return memory.Mark(ctx, checkpoint.Marks{Entries: entries}) }
		writes["forget"] = func() error { return memory.Forget(ctx) }
		defer func() {
			if counts, err := memory.Counts(ctx); err != nil || counts != (checkpoint.Counts{}) {
				t.Errorf("remembered: %+v, %v", counts, err)
			}
		}()
	}
	p.Steal(t)
	for name, write := range writes {
		if err := write(); !errors.Is(err, checkpoint.ErrMoved) {
			t.Errorf("%s: %v, want ErrMoved", name, err)
		}
	}
	must.OK(t, read(ctx, s, 4))
	if applied := p.Applied(t); !slices.Equal(applied, []int64{1, 2, 3, 4}) {
		t.Errorf("applied %v", applied)
	}
}

func stepFromElsewhere(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 4))
	if err := s.Apply(t.Context(), step(2, 6)); !errors.Is(err, checkpoint.ErrMoved) {
		t.Errorf("a step from position 2 of a consumer at 4: %v", err)
	}
	s.Close()
	holds(t, p, 4)
}

func failedStep(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 2))
	moves, err := step(2, 4).After(2)
	must.OK(t, err)
	failed := errors.New("failed")
	err = s.Step(t.Context(), moves, func(tx checkpoint.Tx) error {
		_, err := tx.Apply(t.Context(), step(2, 4).Batch)
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) {
		t.Errorf("the step: %v", err)
	}
	s.Close()
	holds(t, p, 2)
}

func dryRun(t *testing.T, p Place) {
	s := checkpoint.Open(p.Target, true)
	defer s.Close()
	must.OK(t, read(t.Context(), s, 4))
	s.Close()
	holds(t, p, -1)
}
