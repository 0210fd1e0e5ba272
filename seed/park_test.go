package seed_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// ledger is a target with constraints that some events do not fit: no entry may
// be 13, and no total above 30.
type ledger struct {
	// target returns it with a handler that calls hook for each event, before
	// anything is written.
	target func(hook hook) seed.Target
	exec   func(t *testing.T, statement string)
	lines  func(t *testing.T, query string) []string // of one column
	mend   map[string]string                         // a constraint, and what drops it
}

type run1 = func(ctx context.Context, statement string, arguments ...any) error

// hook is what a test does in a handler, with the handler's transaction.
type hook func(ctx context.Context, do run1, e *event.Delivered) error

const ledgerTables = `
CREATE TABLE entries (feed text, position bigint, n int, live boolean, PRIMARY KEY (feed, position));
CREATE TABLE totals (feed text, subject text, total int, trail text, PRIMARY KEY (feed, subject));`

func eachLedger(t *testing.T, test func(t *testing.T, l ledger)) {
	t.Helper()
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgresLedger(t))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteLedger(t))
	})
}

func postgresLedger(t *testing.T) ledger {
	t.Helper()
	pool := newPool(t)
	l := ledger{
		exec: postgresExec(pool),
		mend: map[string]string{
			"entry": "ALTER TABLE entries DROP CONSTRAINT no13",
			"total": "ALTER TABLE totals DROP CONSTRAINT most",
		},
		target: func(h hook) seed.Target {
			return seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
				return book(ctx, func(ctx context.Context, statement string, arguments ...any) error {
					_, err := tx.Exec(ctx, statement, arguments...)
					return err
				}, b, h)
			})
		},
		lines: func(t *testing.T, query string) []string {
			rows, err := pool.Query(t.Context(), query)
			must.OK(t, err)
			all, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must.OK(t, err)
			return all
		},
	}
	for statement := range strings.SplitSeq(ledgerTables, ";") {
		l.exec(t, statement)
	}
	l.exec(t, "ALTER TABLE entries ADD CONSTRAINT no13 CHECK (n <> 13)")
	l.exec(t, "ALTER TABLE totals ADD CONSTRAINT most CHECK (total <= 30)")
	return l
}

func sqliteLedger(t *testing.T) ledger {
	t.Helper()
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	l := ledger{
		exec: sqliteExec(path),
		mend: map[string]string{"entry": "DROP TRIGGER no13", "total": "DROP TRIGGER most"},
		target: func(h hook) seed.Target {
			return seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
				return book(ctx, func(ctx context.Context, statement string, arguments ...any) error {
					_, err := tx.ExecContext(ctx, strings.ReplaceAll(statement, "$", "?"), arguments...)
					return err
				}, b, h)
			})
		},
		lines: func(t *testing.T, query string) (all []string) {
			withSQLite(t, path, func(db *sql.DB) {
				rows, err := db.QueryContext(t.Context(), query)
				must.OK(t, err)
				defer func() { _ = rows.Close() }()
				for rows.Next() {
					var line string
					must.OK(t, rows.Scan(&line))
					all = append(all, line)
				}
				must.OK(t, rows.Err())
			})
			return all
		},
	}
	l.exec(t, ledgerTables+`
		CREATE TRIGGER no13 AFTER INSERT ON entries WHEN NEW.n = 13 BEGIN SELECT RAISE(ABORT, 'no13'); END;
		CREATE TRIGGER most AFTER UPDATE ON totals WHEN NEW.total > 30 BEGIN SELECT RAISE(ABORT, 'most'); END;`)
	return l
}

// book is the handler: an entry for each event, and a total for each entity.
func book(ctx context.Context, do run1, b seed.Batch, h hook) error {
	for i := range b.Events {
		e := &b.Events[i]
		if h != nil {
			if err := h(ctx, do, e); err != nil {
				return err
			}
		}
		n := numberOf(&e.Event)
		if err := do(ctx, "INSERT INTO entries VALUES ($1, $2, $3, $4)", e.Feed, e.Position, n, e.Live); err != nil {
			return fmt.Errorf("entry: %w", err)
		}
		if e.Subject == "" {
			continue
		}
		err := do(ctx, `INSERT INTO totals VALUES ($1, $2, $3, $4) ON CONFLICT (feed, subject)
			DO UPDATE SET total = totals.total + excluded.total, trail = totals.trail || excluded.trail`,
			e.Feed, e.Subject, n, fmt.Sprintf("%d ", e.Position))
		if err != nil {
			return fmt.Errorf("total: %w", err)
		}
	}
	return nil
}

func numberOf(e *event.Event) (n int) {
	_, _ = fmt.Sscanf(string(e.Data), `{"n":%d}`, &n)
	return n
}

func (l ledger) contents(t *testing.T) []string {
	t.Helper()
	all := l.lines(t, "SELECT feed || ' ' || position || ' ' || n || ' ' || CASE WHEN live THEN 'live' ELSE '' END FROM entries ORDER BY feed, position")
	return append(all, l.lines(t, "SELECT feed || ' ' || subject || ' ' || total || ' ' || trail FROM totals ORDER BY feed, subject")...)
}

func (l ledger) parked(t *testing.T) (all []seed.ParkedEvent) {
	t.Helper()
	for p, err := range seed.Parked(t.Context(), l.target(nil), seed.ParkedFilter{}) {
		must.OK(t, err)
		all = append(all, p)
	}
	return all
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

// TestWhatIsParkedAndAppliedLaterIsTheHistory: random histories of two feeds with
// the same subjects, in which some events do not fit, are applied in several runs
// that are interrupted at random. The tables hold the history without those
// events and the later ones of their entities; and when the constraints are gone,
// one after the other, the events that were put aside take their places.
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
		if last.Parked != 2 || last.Applied != 19 || last.Types["Counted"] != 19 || last.Feeds[0].Parked != 2 || last.Feeds[0].Applied != 19 {
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
