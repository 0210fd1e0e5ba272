package seed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/seed"
)

// TestWhatIsParkedAndAppliedLaterIsTheHistory: random histories of two feeds with
// the same subjects, in which some events do not fit, are applied in several runs
// that are interrupted at random. The tables hold the history without those
// events and the later ones of their entities; and when the constraints are gone,
// one after the other, the parked events take their places.
func TestWhatIsParkedAndAppliedLaterIsTheHistory(t *testing.T) {
	eachLedger(t, func(t *testing.T, l ledger) {
		random := rand.New(rand.NewPCG(5, 7))
		s := newSource(t, 0)
		storetest.Create(t, s.Log, "g", 7)
		from := []string{s.URL + "/feeds/f", s.URL + "/feeds/g"}
		f := &fold{totals: map[[2]string]int{}, trails: map[[2]string]string{}}
		first, seedEnd, delivered := true, map[string]int64{}, map[string]int{}
		for round := range 6 {
			for _, feed := range []string{"f", "g"} {
				s.addRandom(t, random, feed, 40+random.IntN(60))
			}
			l.interrupted(t, random, seed.Config{From: from, OnError: seed.Park, Prefetch: 4})
			for _, feed := range []string{"f", "g"} {
				history := storetest.Read(t, s.Log, feed)
				if first {
					seedEnd[feed] = int64(len(history))
				}
				for _, e := range history[delivered[feed]:] {
					f.deliver(&folded{Placed: e, feed: feed, live: e.Position > seedEnd[feed]})
				}
				delivered[feed] = len(history)
			}
			first = false
			f.compare(t, l, fmt.Sprintf("round %d", round))
			if round < 5 && len(f.waiting) == 0 {
				t.Errorf("round %d: nothing is parked, so nothing is tested", round)
			}
			switch round {
			case 2:
				l.exec(t, l.mend["entry"])
				f.noEntry = true
			case 4:
				l.exec(t, l.mend["total"])
				f.noTotal = true
			case 1, 3, 5:
				continue
			}
			f.retry()
			done, err := retry(t.Context(), seed.Config{Into: l.target(nil)}, seed.ParkedFilter{})
			must.OK(t, err)
			if done.Left != int64(len(f.waiting)) || (done.Left == 0) != (len(done.Failed) == 0) {
				t.Errorf("round %d: retried %d, %d are left, %d listed, want %d left", round, done.Applied, done.Left, len(done.Failed), len(f.waiting))
			}
			f.compare(t, l, fmt.Sprintf("retry in round %d", round))
		}
		if len(f.waiting) != 0 {
			t.Errorf("%d events are still parked", len(f.waiting))
		}
	})
}

// addRandom appends events of few entities, and some about none.
func (s *source) addRandom(t *testing.T, random *rand.Rand, feed string, n int) {
	t.Helper()
	f, err := s.Log.Feed(t.Context(), feed)
	must.OK(t, err)
	var events []event.Event
	for i := range n {
		e := event.Event{
			ID: fmt.Sprint(f.Position, "/", i), Source: "/test", Type: "Counted", DataContentType: "application/json",
			Time: time.Date(2026, 1, 1, 0, 0, random.IntN(3600), 0, time.UTC),
			Data: fmt.Appendf(nil, `{"n":%d}`, random.IntN(3)),
		}
		if random.IntN(20) == 0 {
			e.Data = []byte(`{"n":13}`)
		}
		if subject := random.IntN(20); subject > 0 {
			e.Subject = fmt.Sprint("entity ", subject)
		}
		events = append(events, e)
	}
	storetest.Append(t, s.Log, feed, events)
	storetest.Drain(t, s.Log, feed)
}

// interrupted runs until the end is reached, and now and then ends the run, or
// the database session, in the middle of a handler.
func (l ledger) interrupted(t *testing.T, random *rand.Rand, config seed.Config) {
	t.Helper()
	for try := 0; ; try++ {
		ctx, stop := context.WithCancel(t.Context())
		calls, at, kill := 0, random.IntN(300), random.IntN(2) == 0 && l.mend["entry"][0] == 'A'
		config.Into = l.target(func(ctx context.Context, do run1, _ *event.Delivered) error {
			if calls++; calls != at || try >= 4 {
				return nil
			}
			if kill {
				return do(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			}
			stop()
			return ctx.Err()
		})
		err := seed.Run(ctx, config)
		stop()
		if err == nil {
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// fold is what a ledger must hold, computed without a database.
type fold struct {
	noEntry, noTotal bool // the constraints are gone
	entries          []string
	totals           map[[2]string]int
	trails           map[[2]string]string
	waiting          []*folded
}

type folded struct {
	event.Placed
	feed     string
	live     bool
	failed   bool
	attempts int
}

func (f *fold) blocks(e *folded) bool {
	return e.Subject != "" && slices.ContainsFunc(f.waiting, func(w *folded) bool { return w.feed == e.feed && w.Subject == e.Subject })
}

func (f *fold) deliver(e *folded) {
	if f.blocks(e) {
		f.waiting = append(f.waiting, e)
	} else if !f.apply(e) {
		e.failed = true
		e.attempts++
		f.waiting = append(f.waiting, e)
	}
}

func (f *fold) apply(e *folded) bool {
	n, key := numberOf(&e.Event), [2]string{e.feed, e.Subject}
	if n == 13 && !f.noEntry || e.Subject != "" && f.totals[key]+n > 30 && !f.noTotal {
		return false
	}
	live := ""
	if e.live {
		live = "live"
	}
	f.entries = append(f.entries, fmt.Sprintf("%s %d %d %s", e.feed, e.Position, n, live))
	if e.Subject != "" {
		f.totals[key] += n
		f.trails[key] += fmt.Sprintf("%d ", e.Position)
	}
	return true
}

func (f *fold) retry() {
	waiting := f.waiting
	f.waiting = nil
	for _, e := range waiting {
		if f.blocks(e) {
			f.waiting = append(f.waiting, e)
			continue
		}
		if e.failed = !f.apply(e); e.failed {
			e.attempts++
			f.waiting = append(f.waiting, e)
		}
	}
}

func (f *fold) contents() []string {
	slices.SortFunc(f.entries, func(a, b string) int {
		var feedA, feedB string
		var positionA, positionB int
		_, _ = fmt.Sscan(a, &feedA, &positionA)
		_, _ = fmt.Sscan(b, &feedB, &positionB)
		return 2*strings.Compare(feedA, feedB) + compare(positionA, positionB)
	})
	all := slices.Clone(f.entries)
	var totals []string
	for key, total := range f.totals {
		totals = append(totals, fmt.Sprintf("%s %s %d %s", key[0], key[1], total, f.trails[key]))
	}
	slices.Sort(totals)
	return append(all, totals...)
}

func compare(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (f *fold) compare(t *testing.T, l ledger, when string) {
	t.Helper()
	if got, want := l.contents(t), f.contents(); !slices.Equal(got, want) {
		t.Fatalf("%s: the tables hold\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var got, want []string
	for _, p := range l.parked(t) {
		got = append(got, fmt.Sprint(p.Feed, " ", p.Position, " ", p.Subject, " failed ", p.Error != "", " attempts ", p.Attempts, " live ", p.Live))
	}
	for _, e := range f.waiting {
		want = append(want, fmt.Sprint(e.feed, " ", e.Position, " ", e.Subject, " failed ", e.failed, " attempts ", e.attempts, " live ", e.live))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: parked is\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
