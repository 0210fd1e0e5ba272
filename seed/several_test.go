package seed_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

var year2020 = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// TestSeveralFeedsAreAppliedInTheOrderOfTime, and are so also when each run
// breaks off somewhere else, however their times lie to one another.
func TestSeveralFeedsAreAppliedInTheOrderOfTime(t *testing.T) {
	mixed := every(95, year2020, time.Hour)
	for i := range mixed { // a clock that goes back now and then, and stands still
		mixed[i] = mixed[i].Add(-time.Duration(i%7) * 90 * time.Minute).Truncate(3 * time.Hour)
	}
	for name, times := range map[string][3][]time.Time{
		"side by side":      {every(95, year2020, time.Hour), every(47, year2020, 2*time.Hour), every(30, year2020, 3*time.Hour)},
		"of equal times":    {every(95, year2020, 0), every(47, year2020, 0), every(30, year2020, 0)},
		"years apart":       {every(95, year2020, time.Hour), every(47, year2020.AddDate(5, 0, 0), time.Hour), every(30, year2020.AddDate(-5, 0, 0), time.Hour)},
		"one is empty":      {every(95, year2020, time.Hour), nil, every(30, year2020, time.Minute)},
		"of clocks at odds": {mixed, every(47, year2020, 3*time.Hour), mixed[:30]},
	} {
		t.Run(name, func(t *testing.T) {
			eachJournal(t, func(t *testing.T, j *journal) {
				s := openSource(t, testdb.SQLite(t))
				from := []string{s.create(t, "a", times[0]...), s.create(t, "b", times[1]...), s.create(t, "c", times[2]...)}
				for n := 1; ; n++ {
					slices.Reverse(from) // in which they are given does not matter
					j.failAt = n * 4
					err := seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), Prefetch: 3})
					if err == nil {
						break
					}
					if !errors.Is(err, errJournal) {
						t.Fatal(err)
					}
				}
				j.want(t, s.inTimeOrder(t, "a", "b", "c"))
			})
		})
	}
}

// TestFeedsFarApartInTimeAreNotGatheredInMemory: the one whose turn is late is
// fetched no further than a few pages ahead.
func TestFeedsFarApartInTimeAreNotGatheredInMemory(t *testing.T) {
	t.Parallel()
	s := openSource(t, testdb.SQLite(t))
	const events = 2000
	from := []string{s.create(t, "early", every(events, year2020, time.Second)...), s.create(t, "late", every(events, year2020.AddDate(1, 0, 0), time.Second)...)}
	var mu sync.Mutex
	fetched, meanwhile := map[string]int{}, -1
	count := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		name, isArchive := strings.CutPrefix(r.URL.Path, "/feeds/")
		name, _, found := strings.Cut(name, "/archive/")
		if isArchive && found {
			mu.Lock()
			if fetched[name]++; name == "early" && fetched[name] == events/10-10 {
				meanwhile = fetched["late"]
			}
			mu.Unlock()
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&count)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	must.OK(t, seed.Run(t.Context(), seed.Config{From: from, Into: seedsqlite.Open(path).Inbox(), Prefetch: 8}))
	if meanwhile < 1 || meanwhile > 20 {
		t.Errorf("%d archives of the late feed were fetched before the early one was at its end", meanwhile)
	}
	if n := len(sqliteInbox(path)(t)); n != 2*events {
		t.Errorf("inbox has %d events", n)
	}
}

// TestTheEndsOfTheFirstStartBoundTheOrder: what comes in while a seed is broken
// off is applied after it, whatever its time.
func TestTheEndsOfTheFirstStartBoundTheOrder(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		from := []string{s.create(t, "a", every(35, year2020, time.Hour)...), s.create(t, "b", every(35, year2020, time.Hour)...)}
		want := s.inTimeOrder(t, "a", "b")
		j.failAt = 17
		if err := seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), Prefetch: 2}); !errors.Is(err, errJournal) {
			t.Fatal(err)
		}
		s.addAt(t, "a", every(3, year2020.AddDate(-9, 0, 0), time.Hour)...)
		s.addAt(t, "b", every(3, year2020.AddDate(-8, 0, 0), time.Hour)...)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: from, Into: j.open()}))
		want = slices.Concat(want, linesOf("a", 36, 38, " live"), linesOf("b", 36, 38, " live"))
		j.want(t, want)
	})
}

// TestSetOfFeedsIsTheSameInEachRun, and grows only if it may.
func TestSetOfFeedsIsTheSameInEachRun(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		a, b := s.create(t, "a", every(15, year2020, time.Hour)...), s.create(t, "b", every(15, year2020, time.Hour)...)
		c := s.create(t, "c", every(5, year2020, time.Hour)...)
		read := func(add bool, from ...string) error {
			return seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), AddFeed: add})
		}
		must.OK(t, read(false, a, b))
		applied := s.inTimeOrder(t, "a", "b")
		for name, test := range map[string]struct {
			add  bool
			from []string
			want error
		}{
			"one too few":              {from: []string{a}, want: refused.ErrFewerFeeds},
			"one too many":             {from: []string{a, b, c}, want: seed.ErrNewFeed},
			"another in one's place":   {from: []string{a, c}, want: seed.ErrOtherFeed},
			"another, and it may grow": {add: true, from: []string{a, c}, want: seed.ErrOtherFeed},
			"others altogether":        {from: []string{c}, want: seed.ErrOtherFeed},
		} {
			if err := read(test.add, test.from...); !errors.Is(err, test.want) || !errors.Is(err, seed.ErrMismatch) {
				t.Errorf("%s: ended with %v", name, err)
			}
		}
		if err := read(false, a, a, b); err == nil || errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), "given twice") {
			t.Errorf("the same feed twice: ended with %v", err)
		}
		j.want(t, applied)

		must.OK(t, read(true, a, b, c))
		applied = append(applied, linesOf("c", 1, 5, "")...)
		j.want(t, applied)
		must.OK(t, read(false, c, a, b))
		must.OK(t, read(true, a, b, c))
		j.want(t, applied)
		s.addAt(t, "c", year2020)
		must.OK(t, read(false, a, b, c))
		j.want(t, append(applied, "c 6 live"))
	})
}

// TestFeedsAreFollowedEachInItsOwnOrder.
func TestFeedsAreFollowedEachInItsOwnOrder(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		from := []string{s.create(t, "a", every(15, year2020, time.Hour)...), s.create(t, "b")}
		want := s.inTimeOrder(t, "a", "b")
		reached := make(chan int64, 1000)
		f := followTotal(t, seed.Config{From: from, Into: j.open(), PollInterval: 5 * time.Millisecond, Wait: -1}, reached)
		waitTotal(t, reached, 15)
		for n := range 4 {
			s.addAt(t, "b", every(5, year2020.AddDate(-n, 0, 0), time.Hour)...)
			s.addAt(t, "a", every(7, year2020.AddDate(n, 0, 0), time.Hour)...)
			waitTotal(t, reached, int64(15+12*(n+1)))
		}
		must.OK(t, f())
		got := j.read(t)
		of := func(feed string) []string {
			return slices.DeleteFunc(slices.Clone(got[15:]), func(l string) bool { return !strings.HasPrefix(l, feed) })
		}
		if !slices.Equal(got[:15], want) || !slices.Equal(of("a"), linesOf("a", 16, 43, " live")) || !slices.Equal(of("b"), linesOf("b", 1, 20, " live")) {
			t.Errorf("applied %q", got)
		}
	})
}
