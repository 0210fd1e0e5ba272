package seed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/seed"
)

// TestParkedEventsComeBackWhole: every attribute, and the data to the byte.
func TestParkedEventsComeBackWhole(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSource(t, 0)
		at := time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC)
		var events []event.Event
		for _, e := range []event.Event{
			{DataContentType: "application/json", Data: []byte(`{"a": 1.0,  "b":"\u00e4\/"}`)},
			{DataContentType: "application/json", Data: []byte(" {\r\n} ")},
			{DataContentType: "application/json", Data: []byte("no JSON \xff\x00")},
			{DataContentType: "text/plain; charset=iso-8859-1", Data: []byte("\xe4")},
			{DataContentType: "text/plain", Data: []byte("\x00\r\n")},
			{Data: []byte(`{"untyped":true}`)},
			{Subject: "ä \"quoted\"", DataSchema: "https://schema.example/1"},
			{Extensions: map[string]string{"efposition": "own", "efrecorded": "own", "n": "7", "t": "true"}},
		} {
			e.ID, e.Source, e.Type, e.Time = fmt.Sprint(len(events)), "/test", "Odd", at
			events = append(events, e)
		}
		storetest.Append(t, s.Log, "f", events)
		storetest.Drain(t, s.Log, "f")
		var came []string
		broken := true
		into := func() seed.Target {
			return l.target(func(_ context.Context, _ run1, e *event.Delivered) error {
				if broken {
					return fmt.Errorf("%w: \x00\xff%s", seed.ErrOwn, strings.Repeat("long ", 10_000))
				}
				came = append(came, fmt.Sprintf("%+v", e))
				return nil
			})
		}
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into(), OnError: seed.Park}))
		broken = false
		done, err := retry(t.Context(), seed.Config{Into: into()}, seed.ParkedFilter{})
		must.OK(t, err)
		parked := came
		came = nil
		must.OK(t, reset(t.Context(), seed.Config{Into: into(), Undone: true}, nil))
		l.exec(t, "DELETE FROM entries")
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into()}))
		if done.Applied != int64(len(events)) || !slices.Equal(parked, came) {
			t.Errorf("%d came back\n%s\nwant\n%s", done.Applied, strings.Join(parked, "\n"), strings.Join(came, "\n"))
		}
	})
}

// TestOnlyAnEventsOwnErrorsPark: after any other error nothing is applied.
func TestOnlyAnEventsOwnErrorsPark(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSource(t, 20)
		fail := errors.New("the handler does not like it")
		for name, h := range map[string]hook{
			"the handler's": func(context.Context, run1, *event.Delivered) error { return fail },
			"a table's": func(ctx context.Context, do run1, _ *event.Delivered) error {
				return do(ctx, "INSERT INTO nowhere VALUES (1)")
			},
			"the inbox's":    func(context.Context, run1, *event.Delivered) error { return checkpoint.ErrThere },
			"a late handler": nil,
		} {
			if h == nil { // it fails only when events come singly
				calls := 0
				h = func(context.Context, run1, *event.Delivered) error {
					if calls++; calls == 1 {
						return seed.ErrOwn
					}
					return fail
				}
			}
			err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(h), OnError: seed.Park, Patience: time.Millisecond})
			if err == nil || len(l.contents(t))+len(l.parked(t)) > 0 {
				t.Errorf("%s: ended with %v, %d lines, %d parked", name, err, len(l.contents(t)), len(l.parked(t)))
			}
		}
	})
}

// TestEntitiesWaitAlsoWhereRunsStop: to go on with them would break their order.
func TestEntitiesWaitAlsoWhereRunsStop(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		l.exec(t, l.mend["total"])
		s := newSource(t, 21) // of 7 entities
		var log bytes.Buffer
		config := seed.Config{From: []string{s.feed()}, Logger: slog.New(slog.NewTextHandler(&log, nil)), OnError: seed.Park}
		var last seed.Progress
		config.Progress = func(p seed.Progress) { last = p }
		config.Into = l.target(nil)
		must.OK(t, seed.Run(t.Context(), config))
		if last.Parked != 2 || last.Applied != 19 || last.Types["Counted"] != 19 || last.ParkedTypes["Counted"] != 2 || len(last.ParkedTypes) != 1 || last.Feeds[0].Parked != 2 || last.Feeds[0].Applied != 19 {
			t.Errorf("ended with %+v", last)
		}
		if n := strings.Count(log.String(), "an event cannot be applied and is parked"); n != 1 || !strings.Contains(log.String(), "position=13 id=13") {
			t.Errorf("said %d times:\n%s", n, log.String())
		}
		s.add(t, 22, 29) // 27 is of that entity
		config.OnError, config.Into = seed.Stop, l.target(nil)
		must.OK(t, seed.Run(t.Context(), config))
		if last.Parked != 1 || last.Applied != 7 {
			t.Errorf("with Stop: ended with %+v", last)
		}
	})
}

// TestGoingBackForgetsWhatIsParkedThere, so that it is not applied twice.
func TestGoingBackForgetsWhatIsParkedThere(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		l.exec(t, l.mend["total"])
		s := newSource(t, 40)
		config := func() seed.Config {
			return seed.Config{From: []string{s.feed()}, Into: l.target(nil), OnError: seed.Park, Undone: true}
		}
		must.OK(t, seed.Run(t.Context(), config())) // 13, 20, 27, 34
		forgets := func(want int64) func([]seed.Change) error {
			return func(changes []seed.Change) error {
				if len(changes) != 1 || changes[0].Parked != want {
					t.Errorf("it says %+v, want %d parked", changes, want)
				}
				return nil
			}
		}
		must.OK(t, seed.Rewind(t.Context(), config(), 20, forgets(2)))
		if parked := l.parked(t); len(parked) != 2 || parked[1].Position != 20 {
			t.Errorf("after a rewind %d are parked", len(parked))
		}
		l.exec(t, "DELETE FROM entries WHERE position > 20")
		must.OK(t, seed.Run(t.Context(), config()))
		if parked := l.parked(t); len(parked) != 4 {
			t.Errorf("read again, %d are parked", len(parked))
		}
		must.OK(t, reset(t.Context(), config(), forgets(4)))
		if parked := l.parked(t); len(parked) != 0 {
			t.Errorf("after a reset %d are parked", len(parked))
		}
	})
}

// TestRehearsalParks in its one transaction, and leaves nothing.
func TestRehearsalParks(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSource(t, 100)
		var last seed.Progress
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(nil), OnError: seed.Park,
			DryRun: true, Prefetch: 1, Progress: func(p seed.Progress) { last = p }}))
		if last.Parked == 0 || last.Applied+last.Parked != 100 || len(l.contents(t))+len(l.parked(t)) > 0 {
			t.Errorf("ended with %+v, %d lines, %d parked", last, len(l.contents(t)), len(l.parked(t)))
		}
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(nil), OnError: seed.Park}))
		lines, parked := l.contents(t), len(l.parked(t))
		l.exec(t, l.mend["entry"])
		l.exec(t, l.mend["total"])
		done, err := retry(t.Context(), seed.Config{Into: l.target(nil), DryRun: true}, seed.ParkedFilter{})
		must.OK(t, err)
		if done.Applied != int64(parked) || !slices.Equal(l.contents(t), lines) || len(l.parked(t)) != parked {
			t.Errorf("rehearsed %d of %d, %d are parked afterwards", done.Applied, parked, len(l.parked(t)))
		}
	})
}

// TestRetryOfOneEntityLeavesTheOthers as they are.
func TestRetryOfOneEntityLeavesTheOthers(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSource(t, 60)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(nil), OnError: seed.Park}))
		l.exec(t, l.mend["entry"])
		l.exec(t, l.mend["total"])
		before := len(l.parked(t))
		done, err := retry(t.Context(), seed.Config{Into: l.target(nil)}, seed.ParkedFilter{Feed: "f", Subject: "6"})
		must.OK(t, err)
		after := l.parked(t)
		if done.Left != 0 || done.Applied == 0 || len(after) != before-int(done.Applied) ||
			slices.ContainsFunc(after, func(p seed.ParkedEvent) bool { return p.Subject == "6" }) {
			t.Errorf("%+v, %d of %d are parked", done, len(after), before)
		}
		done, err = retry(t.Context(), seed.Config{Into: l.target(nil)}, seed.ParkedFilter{Feed: "g"})
		must.OK(t, err)
		if done.Applied+done.Left > 0 {
			t.Errorf("of another feed: %+v", done)
		}
	})
}

// TestManyEventsOfOneEntityWaitForTheFirst, also where they are read in parts,
// and are applied in their order.
func TestManyEventsOfOneEntityWaitForTheFirst(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSourceOfPages(t, 0, 500)
		var events []event.Event
		for i := range 1201 {
			n := 0
			if i == 0 {
				n = 13
			}
			events = append(events, event.Event{ID: fmt.Sprint(i), Source: "/test", Type: "Counted", Subject: "one",
				Time: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), Data: fmt.Appendf(nil, `{"n":%d}`, n)})
		}
		storetest.Append(t, s.Log, "f", events)
		storetest.Drain(t, s.Log, "f")
		late := time.Date(2026, 1, 1, 0, 20, 0, 0, time.UTC) // the last one is left out
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(nil), OnError: seed.Park, AsOf: late.Add(-time.Second)}))
		done, err := retry(t.Context(), seed.Config{Into: l.target(nil)}, seed.ParkedFilter{})
		must.OK(t, err)
		if done.Applied != 0 || done.Left != 1200 || len(done.Failed) != 1 || done.Failed[0].Attempts != 2 {
			t.Errorf("%d were applied, %d are left, %d failed", done.Applied, done.Left, len(done.Failed))
		}
		l.exec(t, l.mend["entry"])
		done, err = retry(t.Context(), seed.Config{Into: l.target(nil)}, seed.ParkedFilter{})
		must.OK(t, err)
		var trail strings.Builder
		for i := range 1200 {
			fmt.Fprint(&trail, i+1, " ")
		}
		if got := l.lines(t, "SELECT trail FROM totals"); done.Applied != 1200 || done.Left != 0 || len(got) != 1 || got[0] != trail.String() {
			t.Errorf("%d were applied, %d are left, in the order %.200v", done.Applied, done.Left, got)
		}
	})
}

// TestRetryThatBreaksOffLosesNothing: the parts that it has done stay done.
func TestRetryThatBreaksOffLosesNothing(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSourceOfPages(t, 700, 100)
		broken := func(context.Context, run1, *event.Delivered) error { return seed.ErrOwn }
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(broken), OnError: seed.Park}))
		l.exec(t, l.mend["entry"])
		l.exec(t, l.mend["total"])
		fail := errors.New("the handler does not like it")
		calls := 0
		_, err := retry(t.Context(), seed.Config{Into: l.target(func(context.Context, run1, *event.Delivered) error {
			if calls++; calls == 600 {
				return fail
			}
			return nil
		})}, seed.ParkedFilter{})
		if !errors.Is(err, fail) {
			t.Errorf("ended with %v", err)
		}
		if parked := len(l.parked(t)); parked != 200 || len(l.contents(t)) != 500+7 {
			t.Errorf("%d are parked, %d lines", parked, len(l.contents(t)))
		}
		done, err := retry(t.Context(), seed.Config{Into: l.target(nil)}, seed.ParkedFilter{})
		must.OK(t, err)
		if done.Applied != 200 || len(l.contents(t)) != 700+7 {
			t.Errorf("%d were applied, %d lines", done.Applied, len(l.contents(t)))
		}
	})
}

// TestParkedEventsAreNotCountedAsApplied, by type as little as in sum.
func TestParkedEventsAreNotCountedAsApplied(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		s := newSourceOfPages(t, 0, 500)
		events := storetest.Events(1, 300) // of which the 13th does not fit, either
		for i := range events {
			events[i].Subject = ""
			if i%50 == 49 {
				events[i].Type, events[i].Data = "Bad", []byte(`{"n":13}`)
			}
		}
		storetest.Append(t, s.Log, "f", events)
		storetest.Drain(t, s.Log, "f")
		var last seed.Progress
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(nil), OnError: seed.Park,
			Progress: func(p seed.Progress) { last = p }}))
		if last.Parked != 7 || last.Applied != 293 || last.Types["Counted"] != 293 || len(last.Types) != 1 {
			t.Errorf("%d were parked, %d applied, by type %v", last.Parked, last.Applied, last.Types)
		}
	})
}

// TestRetryThatWasTakenOverAppliesNothingMore is what stands behind the lock.
func TestRetryThatWasTakenOverAppliesNothingMore(t *testing.T) {
	t.Parallel()
	l := postgresLedger(t)
	s := newSourceOfPages(t, 700, 100)
	broken := func(context.Context, run1, *event.Delivered) error { return seed.ErrOwn }
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: l.target(broken), OnError: seed.Park}))
	l.exec(t, l.mend["entry"])
	l.exec(t, l.mend["total"])
	_, err := retry(t.Context(), seed.Config{Into: l.target(func(ctx context.Context, do run1, e *event.Delivered) error {
		if e.Position > 1 {
			return nil
		}
		return do(ctx, "UPDATE eventfeed_seed.checkpoints SET holder = 'someone else'")
	})}, seed.ParkedFilter{})
	if parked := len(l.parked(t)); !errors.Is(err, seed.ErrMoved) || parked != 200 {
		t.Errorf("ended with %v, %d are parked", err, parked)
	}
}
