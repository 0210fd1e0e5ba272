package seed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
)

// TestUntilStopsAtThatPositionAndCanBeGoneOnFrom, within a page and at its end,
// in an archive and in the feed's own document.
func TestUntilStopsAtThatPositionAndCanBeGoneOnFrom(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		from := []string{s.create(t, "a", every(95, year2020, time.Hour)...)}
		until := func(position int64) error {
			return seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), Until: position, Prefetch: 2})
		}
		for _, position := range []int64{1, 7, 10, 11, 60, 60, 91} {
			must.OK(t, until(position))
			j.want(t, linesOf("a", 1, int(position), ""))
		}
		if err := until(90); !errors.Is(err, refused.ErrBeyond) {
			t.Errorf("before where the target is: ended with %v", err)
		}
		j.want(t, linesOf("a", 1, 91, ""))
		if err := until(96); !errors.Is(err, refused.ErrUntil) {
			t.Errorf("behind the end: ended with %v", err)
		}
		j.want(t, linesOf("a", 1, 91, "")) // nothing was applied by who could not get there
		s.addAt(t, "a", every(10, year2020, time.Hour)...)
		must.OK(t, until(96))
		must.OK(t, seed.Run(t.Context(), seed.Config{From: from, Into: j.open()}))
		j.want(t, append(linesOf("a", 1, 95, ""), linesOf("a", 96, 105, " live")...))
	})
}

// TestUntilIsWaitedForByWhoFollows.
func TestUntilIsWaitedForByWhoFollows(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		from := []string{s.create(t, "a", every(15, year2020, time.Hour)...)}
		done, reached := make(chan error, 1), make(chan int64, 1000)
		go func() {
			done <- seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), Until: 20, Follow: true, PollInterval: time.Millisecond, Wait: -1,
				Progress: func(p seed.Progress) { reached <- p.Applied }})
		}()
		waitTotal(t, reached, 15)
		s.addAt(t, "a", every(10, year2020, time.Hour)...)
		must.OK(t, <-done)
		j.want(t, append(linesOf("a", 1, 15, ""), linesOf("a", 16, 20, " live")...))
	})
}

// TestAsOfLeavesOutWhatIsLater, counts it, and is the end of that target, also
// where the first run broke off and the feeds have grown meanwhile.
func TestAsOfLeavesOutWhatIsLater(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		times := every(60, year2020, time.Hour)
		times[10], times[11], times[40] = year2020.AddDate(1, 0, 0), year2020.AddDate(1, 0, 0), year2020 // out of order
		from := []string{s.create(t, "a", times...), s.create(t, "b", every(60, year2020, time.Hour)...)}
		asOf := times[30]
		var want []string
		for _, l := range s.inTimeOrder(t, "a", "b") {
			if !slices.Contains(append(linesOf("a", 11, 12, ""), slices.Concat(linesOf("a", 32, 40, ""), linesOf("a", 42, 60, ""), linesOf("b", 32, 60, ""))...), l) {
				want = append(want, l)
			}
		}
		leftOut := int64(len(s.inTimeOrder(t, "a", "b")) - len(want))
		config := func() seed.Config { return seed.Config{From: from, Into: j.open(), AsOf: asOf, Prefetch: 2} }
		for n := 1; ; n++ {
			j.failAt = 3 * n
			err := seed.Run(t.Context(), config())
			s.addAt(t, "a", year2020) // it is no part of the history that was begun with
			if err == nil {
				break
			}
			if !errors.Is(err, errJournal) {
				t.Fatal(err)
			}
		}
		j.failAt = 0
		var last seed.Progress
		again := config()
		again.Progress = func(p seed.Progress) { last = p }
		must.OK(t, seed.Run(t.Context(), again))
		if last.Feeds[0].Position != 60 || last.Feeds[1].Position != 60 || last.Applied != 0 {
			t.Errorf("ended with %+v", last)
		}
		j.want(t, want)
		j.exec(t, "INSERT INTO journal (line) SELECT 'left out ' || sum(left_out) FROM CHECKPOINTS")
		want = append(want, fmt.Sprint("left out ", leftOut))
		j.want(t, want)

		for name, change := range map[string]func(*seed.Config){
			"going on":              func(c *seed.Config) { c.AsOf = time.Time{} },
			"another point in time": func(c *seed.Config) { c.AsOf = asOf.Add(time.Hour) },
			"following":             func(c *seed.Config) { c.AsOf, c.Follow = time.Time{}, true },
		} {
			changed := config()
			change(&changed)
			if err := seed.Run(t.Context(), changed); !errors.Is(err, refused.ErrAsOf) {
				t.Errorf("%s: ended with %v", name, err)
			}
		}
		j.want(t, want)
		other := config()
		other.Consumer, other.AsOf = "other", time.Time{}
		must.OK(t, seed.Run(t.Context(), other))
		other.Into, other.AsOf = j.open(), asOf
		if err := seed.Run(t.Context(), other); !errors.Is(err, refused.ErrAsOf) {
			t.Errorf("a point in time for who has read further: ended with %v", err)
		}
	})
}

// TestDryRunLeavesNothing but empty tables, and says what it would have done.
func TestDryRunLeavesNothing(t *testing.T) {
	eachJournal(t, func(t *testing.T, j *journal) {
		s := openSource(t, testdb.SQLite(t))
		from := []string{s.create(t, "a", every(95, year2020, time.Hour)...), s.create(t, "b", every(47, year2020, time.Hour)...)}
		dry := func(applied int64) {
			t.Helper()
			var last seed.Progress
			must.OK(t, seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), DryRun: true, Prefetch: 2, Progress: func(p seed.Progress) { last = p }}))
			if last.Applied != applied || last.Feeds[0].Position != 95 || last.Feeds[1].Position != 47 {
				t.Errorf("ended with %+v", last)
			}
		}
		dry(142)
		j.want(t, nil)
		j.failAt = 30
		if err := seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), DryRun: true}); !errors.Is(err, errJournal) {
			t.Errorf("ended with %v", err)
		}
		j.want(t, nil)
		j.failAt = 30
		if err := seed.Run(t.Context(), seed.Config{From: from, Into: j.open(), Prefetch: 2}); !errors.Is(err, errJournal) {
			t.Errorf("ended with %v", err)
		}
		was := j.read(t)
		dry(int64(142 - len(was)))
		j.want(t, was)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: from, Into: j.open()}))
		j.want(t, s.inTimeOrder(t, "a", "b"))
	})
}

// TestOneTargetIsUsedAgainAndAgain: a dry run is over when it is, and each run goes
// on where the last one has ended.
func TestOneTargetIsUsedAgainAndAgain(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s, position := newSource(t, 25), 25
		one, config := again(), seed.Config{From: []string{s.feed()}}
		config.Into = one.Target
		for _, step := range []struct {
			dry       bool
			add, want int // events of the feed, and in the target
		}{{true, 0, 0}, {false, 0, 25}, {false, 5, 30}, {true, 5, 30}, {false, 0, 35}} {
			if step.add > 0 {
				s.add(t, position+1, position+step.add)
				position += step.add
			}
			config.DryRun = step.dry
			end, err := run(t, config)
			must.OK(t, err)
			if end.Position != int64(position) {
				t.Errorf("%+v: ended at position %d", step, end.Position)
			}
			if step.want > 0 {
				wantInbox(t, again(), step.want)
			}
		}
		config.DryRun = true
		_, err := run(t, config)
		must.OK(t, err)
		if err := seed.Rewind(t.Context(), config, 1, nil); err == nil {
			t.Error("a rewind cannot be tried out")
		}
		config.DryRun = false
		must.OK(t, reset(t.Context(), config, nil))
		if left := again().inbox(t); len(left) > 0 {
			t.Errorf("after a dry run a reset has left %d events", len(left))
		}
	})
}

// TestNewsIsWhatComesBehindTheFirstEnd: what lies before it is history, also
// when it is applied much later, or once more after going back.
func TestNewsIsWhatComesBehindTheFirstEnd(t *testing.T) {
	t.Parallel()
	s := openSource(t, testdb.SQLite(t))
	from := s.create(t, "a", every(47, year2020, time.Hour)...)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	var applied []string
	config := func() seed.Config {
		return seed.Config{From: []string{from}, Into: sqliteLines(path, &applied)}
	}
	read := func(until int64, want []string) {
		t.Helper()
		applied = nil
		c := config()
		c.Until = until
		must.OK(t, seed.Run(t.Context(), c))
		if !slices.Equal(applied, want) {
			t.Errorf("applied %q, want %q", applied, want)
		}
	}
	read(20, linesOf("a", 1, 20, ""))
	s.addAt(t, "a", every(8, year2020, time.Hour)...)
	read(50, append(linesOf("a", 21, 47, ""), linesOf("a", 48, 50, " live")...))
	undone := config()
	undone.Undone = true
	must.OK(t, seed.Rewind(context.WithoutCancel(t.Context()), undone, 5, nil))
	read(0, append(linesOf("a", 6, 50, ""), linesOf("a", 51, 55, " live")...))
	undone = config()
	undone.Undone = true
	must.OK(t, reset(t.Context(), undone, nil))
	read(0, linesOf("a", 1, 55, ""))
}
