package checkpointtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// choosy is a database as target whose sink refuses the event with one id
// as its own fault.
type choosy struct {
	checkpoint.Target
	refused *string
}

func (c choosy) Open(dryRun bool) checkpoint.Backend {
	b := c.Target.Open(dryRun)
	return choosyBackend{b, b.(database), c.refused}
}

type choosyBackend struct {
	checkpoint.Backend
	database
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
	must.OK(t, s.ListParked(t.Context(), checkpoint.ParkedFilter{Consumer: consumer}, func(e checkpoint.Parked) bool {
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
		done, err := s.Retry(t.Context(), all, checkpoint.ParkedFilter{Consumer: consumer})
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

// keepsEvents: an inbox gives back the events as they came.
func keepsEvents(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 6))
	inbox := s.Backend.(checkpoint.Rewinder).Inbox()
	if n, err := inbox.Count(t.Context(), consumer, feedID, 2); err != nil || n != 4 {
		t.Errorf("%d events behind position 2, %v", n, err)
	}
	var all []event.Placed
	must.OK(t, inbox.Read(t.Context(), consumer, feedID, 2, 5, func(e *event.Placed) error {
		all = append(all, *e)
		return nil
	}))
	want := events(2, 5)
	if len(all) != len(want) {
		t.Fatalf("%+v", all)
	}
	for i, e := range all {
		w := &want[i]
		if e.Position != w.Position || !bytes.Equal(cloudevents.AppendForm(nil, &e.Event), cloudevents.AppendForm(nil, &w.Event)) {
			t.Errorf("%+v, want %+v", e, w.Placed)
		}
	}
}

// countsSkipped: what a sink has no use for is counted by type.
func countsSkipped(t *testing.T, p Place) {
	s := open(t, p.Target)
	must.OK(t, read(t.Context(), s, 2))
	for from := int64(2); from < 6; from += 2 {
		moves, err := step(from, from+2).After(2)
		must.OK(t, err)
		moves[0].To.Skipped = from
		moves[0].Skip("U", from-1)
		moves[0].Skip("T", 1)
		must.OK(t, s.Step(t.Context(), moves, func(checkpoint.Tx) error { return nil }))
	}
	all, err := s.SkippedTypes(t.Context())
	must.OK(t, err)
	want := []checkpoint.SkippedType{{Feed: "feed", FeedID: feedID, Type: "U", Events: 4}, {Feed: "feed", FeedID: feedID, Type: "T", Events: 2}}
	if !slices.Equal(all, want) {
		t.Errorf("skipped %+v, want %+v", all, want)
	}
}

// delivery is an external sink that does no more than one event each time.
type delivery struct{ got *[]int64 }

func (delivery) Start(context.Context) error { return nil }

func (d delivery) Deliver(_ context.Context, b checkpoint.Batch, acknowledged func(checkpoint.Acknowledged) error) error {
	*d.got = append(*d.got, b.Events[0].Position)
	if err := acknowledged(checkpoint.Acknowledged{Events: 1}); err != nil || len(b.Events) == 1 {
		return err
	}
	return errDelivery
}

func (delivery) Close() {}

var errDelivery = errors.New("the sink has broken off")

type delivered struct {
	checkpoint.Target
	got *[]int64
}

func (d delivered) Describe() checkpoint.Description {
	about := d.Target.Describe()
	about.External = func(checkpoint.Hold) checkpoint.External { return delivery{d.got} }
	return about
}

// followsExternal: the checkpoint follows what an external sink acknowledges, so that it
// gets each event once as long as nothing else goes wrong.
func followsExternal(t *testing.T, p Place) {
	var got []int64
	s := open(t, delivered{p.Target, &got})
	for position := range 4 {
		if err := read(t.Context(), s, 4); err != nil && !errors.Is(err, errDelivery) {
			t.Fatalf("from position %d: %v", position, err)
		}
	}
	s.Close()
	must.OK(t, s.Prepare(t.Context()))
	if position, err := claim(t.Context(), s); err != nil || position != 4 || !slices.Equal(got, []int64{1, 2, 3, 4}) {
		t.Errorf("at position %d, %v; delivered %v", position, err, got)
	}
}
