package seed_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// eachProjection runs a test on both databases. open opens the same one anew with a
// text.
func eachProjection(t *testing.T, test func(t *testing.T, open func(text string) seed.Target, position func() string)) {
	t.Helper()
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pool := newPool(t)
		test(t, func(text string) seed.Target {
			into, err := seedpgx.Open(pool).Projection(seed.Projection{Name: "a.sql", Text: []byte(text)})
			must.OK(t, err)
			return into
		}, func() (line string) {
			must.OK(t, pool.QueryRow(t.Context(), "SELECT string_agg(concat_ws(' ', position, skipped, left_out), ', ' ORDER BY feed) FROM eventfeed_seed.checkpoints").Scan(&line))
			return line
		})
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
		test(t, func(text string) seed.Target {
			into, err := seedsqlite.Open(path).Projection(seed.Projection{Name: "a.sql", Text: []byte(text)})
			must.OK(t, err)
			return into
		}, func() string {
			return strings.Join(querySQLite(t, path, "SELECT position || ' ' || skipped || ' ' || left_out FROM eventfeed_checkpoints ORDER BY feed"), ", ")
		})
	})
}

const seen = "CREATE TABLE seen (id text);\n-- on "

func block(types string) string { return seen + types + "\nINSERT INTO seen (id) VALUES (:id);\n" }

// TestProjectionThatMatchesNothingLeavesTheCheckpoint: so that a mended one, with
// the same tables, begins with the first event.
func TestProjectionThatMatchesNothingLeavesTheCheckpoint(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(string) seed.Target, position func() string) {
		s := openSource(t, testdb.SQLite(t))
		storetest.Create(t, s.Log, "f", 10)
		s.typed(t, 1, slices.Concat(slices.Repeat([]string{"Paid"}, 225), slices.Repeat([]string{"Sent"}, 10))...)
		run := func(text string, change func(*seed.Config)) error {
			config := seed.Config{From: []string{s.feed()}, Into: open(text), Prefetch: 2}
			change(&config)
			return seed.Run(t.Context(), config)
		}
		for name, change := range map[string]func(*seed.Config){
			"a run":         func(*seed.Config) {},
			"a dry run":     func(c *seed.Config) { c.DryRun = true },
			"a part":        func(c *seed.Config) { c.Until = 12 },
			"one to follow": func(c *seed.Config) { c.Follow = true },
		} {
			err := run(block("Payed"), change)
			nothing, is := errors.AsType[*seed.UnmatchedError](err)
			if !is || nothing.Types["Paid"] == 0 || nothing.Unmatched[0].Meant(nothing.Types) != "Paid" {
				t.Errorf("%s: %v", name, err)
			}
			if name != "a dry run" && position() != "0 0 0" {
				t.Errorf("%s: at %s", name, position())
			}
		}
		must.OK(t, run(block("Sent"), func(*seed.Config) {}))
		if position() != "235 225 0" {
			t.Errorf("mended: at %s", position())
		}
	})
}

// TestEventsThatNothingMatchesAreCommittedWithTheFirstThatHasABlock, of all feeds,
// whatever a run is told, and as if they had been committed as they came.
func TestEventsThatNothingMatchesAreCommittedWithTheFirstThatHasABlock(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(string) seed.Target, position func() string) {
		s := openSource(t, testdb.SQLite(t))
		from := []string{s.create(t, "a", every(45, year2020, time.Hour)...), s.create(t, "b", every(30, year2020, time.Hour)...)}
		var last seed.Progress
		config := seed.Config{From: from, Into: open(block("b/Counted")), AsOf: year2020.Add(40 * time.Hour), Progress: func(p seed.Progress) { last = p }}
		must.OK(t, seed.Run(t.Context(), config))
		if got := position(); got != "45 41 4, 30 0 0" {
			t.Errorf("at %s", got)
		}
		if last.Applied != 71 || last.Skipped != 41 || last.LeftOut != 4 || last.Feeds[0].Skipped != 41 || last.Feeds[0].Applied != 41 {
			t.Errorf("%+v", last)
		}
	})
}

// TestWhatIsAllowedToMatchNothing: a consumer that says so, and one that has begun.
func TestWhatIsAllowedToMatchNothing(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(string) seed.Target, position func() string) {
		s := openSource(t, testdb.SQLite(t))
		storetest.Create(t, s.Log, "f", 10)
		text := block("Later")
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(text)})) // of an empty feed
		s.typed(t, 1, "Other", "Other")
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(text), AllowUnmatched: true}))
		s.typed(t, 3, "Other")
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(text)}))
		if position() != "3 3 0" {
			t.Errorf("at %s", position())
		}
	})
}

// TestEventsThatAreAllLeftOutAreCommitted: they are later than the state that is asked for.
func TestEventsThatAreAllLeftOutAreCommitted(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(string) seed.Target, position func() string) {
		s := openSource(t, testdb.SQLite(t))
		storetest.Create(t, s.Log, "f", 10)
		s.typed(t, 1, "Later", "Other")
		config := seed.Config{From: []string{s.feed()}, Into: open(block("Later")), AsOf: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}
		must.OK(t, seed.Run(t.Context(), config))
		if position() != "2 0 2" {
			t.Errorf("at %s", position())
		}
	})
}

// TestAChangedProjectionIsToldWhatItMisses: events that were skipped before, in
// whatever run, and that it has blocks for.
func TestAChangedProjectionIsToldWhatItMisses(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(string) seed.Target, _ func() string) {
		s := openSource(t, testdb.SQLite(t))
		storetest.Create(t, s.Log, "f", 10)
		var said spoken
		run := func(text string, accept bool) error {
			return seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(text), AcceptProjection: accept, Logger: said.logger()})
		}
		s.typed(t, 1, "A", "Paid", "Other", "Paid")
		must.OK(t, run(block("A, Payed"), false))
		if said.count(`msg="events were skipped: the projection has no block for their types" skipped="3 events (Paid 2, Other 1)" block="a.sql:2: -- on Payed" meant=Paid`) != 1 {
			t.Errorf("the log: %s", said.text.String())
		}
		s.typed(t, 5, "Paid", "A")
		must.OK(t, run(block("A, Payed"), false))
		for text, want := range map[string]string{
			block("A, Paid"):    "map[Paid:3]",
			block("A, g/Paid"):  "map[]",
			block("A, f/Other"): "map[Other:1]",
			block("A"):          "map[]",
		} {
			err := run(text, false)
			changed, is := errors.AsType[*seed.ChangedError](err)
			if !is || !errors.Is(err, seed.ErrProjection) || fmt.Sprint(changed.Missed) != want {
				t.Errorf("%q: %v, want %s", text, err, want)
			}
		}
		must.OK(t, run(block("A, Paid"), true))
		if said.count(`msg="events that were skipped before the projection changed stay skipped" skipped="3 events (Paid 3)"`) != 1 {
			t.Errorf("the log: %s", said.text.String())
		}
	})
}

// TestSkippedTypesAreCountedByNameUpToABound: a producer may make them up.
func TestSkippedTypesAreCountedByNameUpToABound(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(string) seed.Target, position func() string) {
		s := openSource(t, testdb.SQLite(t))
		storetest.Create(t, s.Log, "f", 500)
		types := []string{"A"}
		for n := range 2500 {
			types = append(types, fmt.Sprint("type ", n))
		}
		s.typed(t, 1, types...)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(block("A")), Prefetch: 1}))
		if position() != "2501 2500 0" {
			t.Errorf("at %s", position())
		}
		err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(block(`"type 0", "type 1"`))})
		if changed, is := errors.AsType[*seed.ChangedError](err); !is || len(changed.Missed) > 2 {
			t.Errorf("%v", err)
		}
	})
}

// TestAProjectionIsUsedAgainAndAgain: what one run has learned of its blocks is not for the
// next one.
func TestAProjectionIsUsedAgainAndAgain(t *testing.T) {
	eachProjection(t, func(t *testing.T, open func(text string) seed.Target, position func() string) {
		s := newSource(t, 10)
		into := open("CREATE TABLE seen (id text PRIMARY KEY);\n-- on Counted\nINSERT INTO seen VALUES (:id);\n")
		for _, dryRun := range []bool{true, false} {
			_, err := run(t, seed.Config{From: []string{s.feed()}, Into: into, DryRun: dryRun})
			must.OK(t, err)
		}
		if at := position(); at != "10 0 0" {
			t.Error(at)
		}
	})
}
