package checkpointtest

import (
	"context"
	"errors"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// choosy is a target, with parking and a way back, whose sink refuses the event with one id
// as its own fault.
type choosy struct {
	checkpoint.Target
	refused *string
}

func (c choosy) Open(dryRun bool) checkpoint.Backend {
	b := c.Target.Open(dryRun)
	return choosyBackend{b, b.(checkpoint.Parker), b.(checkpoint.Rewinder), c.refused}
}

type choosyBackend struct {
	checkpoint.Backend
	checkpoint.Parker
	checkpoint.Rewinder
	refused *string
}

func (b choosyBackend) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	return b.Backend.Step(ctx, moves, func(tx checkpoint.Tx) error { return do(choosyTx{tx.(checkpoint.ParkTx), b.refused}) })
}

type choosyTx struct {
	checkpoint.ParkTx
	refused *string
}

func (t choosyTx) Apply(ctx context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	for i := range b.Events {
		if e := &b.Events[i]; e.ID == *t.refused {
			return checkpoint.Outcome{}, &checkpoint.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: checkpoint.Own(errors.New("refused"))}
		}
	}
	return t.ParkTx.Apply(ctx, b)
}

// parked parks event 3, and with it the later ones of its entity, until it can be applied.
func parked(t *testing.T, p Place) {
	refused := "3"
	s := open(t, choosy{p.Target, &refused})
	var told []int64
	s.Park(func(e *event.Delivered, _ error) { told = append(told, e.Position) })
	must.OK(t, read(t.Context(), s, 6))
	var waiting []checkpoint.Parked
	must.OK(t, s.ListParked(t.Context(), checkpoint.Shelf{Consumer: consumer}, func(e checkpoint.Parked) bool {
		waiting = append(waiting, e)
		return true
	}))
	if len(told) != 1 || told[0] != 3 || len(waiting) != 2 || waiting[0].Position != 3 || waiting[0].Error != "refused" || waiting[1].Position != 5 || waiting[1].Error != "" {
		t.Fatalf("told of %v, parked %+v", told, waiting)
	}
	all := []checkpoint.Checkpoint{at(6)}
	for _, test := range []struct {
		refused       string
		applied, left int64
	}{{"3", 0, 2}, {"5", 1, 1}, {"", 1, 0}} {
		refused = test.refused
		done, err := s.Retry(t.Context(), all, checkpoint.Shelf{Consumer: consumer})
		must.OK(t, err)
		if done.Applied != test.applied || done.Left != test.left {
			t.Errorf("with %q refused: %+v", test.refused, done)
		}
	}
	s.Close()
	if applied := p.Applied(t); len(applied) != 6 {
		t.Errorf("applied %v", applied)
	}
}

// goesBack takes a consumer back, and forgets it.
func goesBack(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 6))
	kept, err := s.Kept(t.Context(), at(6))
	must.OK(t, err)
	if len(kept) != 3 || kept[2].Position != 6 || kept[2].Digest != at(6).Digest {
		t.Errorf("kept %+v", kept)
	}
	if err := s.Rewind(t.Context(), at(4), at(2)); !errors.Is(err, checkpoint.ErrMoved) {
		t.Errorf("back from where it is not: %v", err)
	}
	must.OK(t, s.Rewind(t.Context(), at(6), at(2)))
	if kept, err = s.Kept(t.Context(), at(2)); err != nil || len(kept) != 1 {
		t.Errorf("kept %+v, %v", kept, err)
	}
	s.Close()
	holds(t, p, 2)
	must.OK(t, read(t.Context(), s, 4))
	must.OK(t, s.Reset(t.Context(), []checkpoint.Checkpoint{at(4)}))
	s.Close()
	holds(t, p, -1)
}

// remembers: what one session has found out of a feed is there for the next.
func remembers(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 2))
	must.OK(t, s.Memory(consumer, feedID).Record(t.Context(), &checkpoint.Archive{URL: "u1"}, []checkpoint.Version{{Entry: "a", Updated: 1}}))
	s.Close()
	must.OK(t, read(t.Context(), s, 4))
	counts, err := s.Memory(consumer, feedID).Counts(t.Context())
	must.OK(t, err)
	if counts.Open != 1 || counts.Pending != 1 {
		t.Errorf("known: %+v", counts)
	}
}
