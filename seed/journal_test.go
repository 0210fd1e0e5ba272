package seed_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// journal is a target that takes down what is applied, in its order, and fails
// where it is told to.
type journal struct {
	open   func() seed.Target
	read   func(t *testing.T) []string // "feed position", and " live" where it is
	exec   func(t *testing.T, statement string)
	failAt int // of the events handed over since this was set, the one that an error comes at; 0 for none
}

var errJournal = errors.New("the journal does not like it")

// eachJournal runs a test on both databases.
func eachJournal(t *testing.T, test func(t *testing.T, j *journal)) {
	t.Helper()
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pool := newPool(t)
		j := &journal{exec: postgresExec(pool)}
		j.exec(t, "CREATE TABLE journal (n bigserial, line text)")
		j.open = func() seed.Target {
			return seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
				return j.apply(b, func(line string) error {
					_, err := tx.Exec(ctx, "INSERT INTO journal (line) VALUES ($1)", line)
					return err
				})
			})
		}
		j.read = func(t *testing.T) []string {
			rows, err := pool.Query(t.Context(), "SELECT line FROM journal ORDER BY n")
			must.OK(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must.OK(t, err)
			return lines
		}
		test(t, j)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
		j := &journal{exec: sqliteExec(path)}
		j.exec(t, "CREATE TABLE journal (n INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT)")
		j.open = func() seed.Target {
			return seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
				return j.apply(b, func(line string) error {
					_, err := tx.ExecContext(ctx, "INSERT INTO journal (line) VALUES (?)", line)
					return err
				})
			})
		}
		j.read = func(t *testing.T) []string {
			return querySQLite(t, path, "SELECT line FROM journal ORDER BY n")
		}
		test(t, j)
	})
}

func (j *journal) apply(b seed.Batch, write func(line string) error) error {
	for i := range b.Events {
		if j.failAt--; j.failAt == 0 {
			return errJournal
		}
		if err := write(line(&b.Events[i])); err != nil {
			return err
		}
	}
	return nil
}

func line(e *event.Delivered) string {
	text := fmt.Sprint(e.Feed, " ", e.Position)
	if e.Live {
		text += " live"
	}
	return text
}

// want compares what was applied with lines.
func (j *journal) want(t *testing.T, lines []string) {
	t.Helper()
	if got := j.read(t); !slices.Equal(got, lines) {
		t.Errorf("%d events were applied, want %d; from the first difference on: %.200q, want %.200q",
			len(got), len(lines), got[differ(got, lines):], lines[differ(got, lines):])
	}
}

func differ(a, b []string) int {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return i
}

// feed makes a feed, with pages of 10 events.
func (s *source) create(t *testing.T, name string, times ...time.Time) string {
	t.Helper()
	storetest.Create(t, s.Log, name, 10)
	s.addAt(t, name, times...)
	return s.URL + "/feeds/" + name
}

// addAt adds events of these times to a feed.
func (s *source) addAt(t *testing.T, name string, times ...time.Time) {
	t.Helper()
	f, err := s.Log.Feed(t.Context(), name)
	must.OK(t, err)
	first := int(f.Position) + 1
	events := storetest.Events(first, first+len(times)-1)
	for i := range events {
		events[i].Time = times[i]
	}
	if len(events) > 0 {
		storetest.Append(t, s.Log, name, events)
		storetest.Drain(t, s.Log, name)
	}
}

// inTimeOrder is the order of several feeds' events, by its definition: again
// and again the feed whose next event has the smallest time, of those the one
// with the smallest id.
func (s *source) inTimeOrder(t *testing.T, feeds ...string) (lines []string) {
	t.Helper()
	type queue struct {
		name, id string
		events   []event.Placed
	}
	var queues []*queue
	for _, name := range feeds {
		f, err := s.Log.Feed(t.Context(), name)
		must.OK(t, err)
		queues = append(queues, &queue{name, f.ID, storetest.Read(t, s.Log, name)})
	}
	for {
		queues = slices.DeleteFunc(queues, func(q *queue) bool { return len(q.events) == 0 })
		if len(queues) == 0 {
			return lines
		}
		slices.SortFunc(queues, func(a, b *queue) int {
			if order := a.events[0].Time.Compare(b.events[0].Time); order != 0 {
				return order
			}
			return strings.Compare(a.id, b.id)
		})
		next := queues[0]
		lines = append(lines, fmt.Sprint(next.name, " ", next.events[0].Position))
		next.events = next.events[1:]
	}
}

// every returns n times, one every so often.
func every(n int, start time.Time, step time.Duration) (times []time.Time) {
	for i := range n {
		times = append(times, start.Add(time.Duration(i)*step))
	}
	return times
}

// lines are a feed's positions in order.
func linesOf(feed string, first, last int, live string) (lines []string) {
	for n := first; n <= last; n++ {
		lines = append(lines, fmt.Sprint(feed, " ", n, live))
	}
	return lines
}

// followTotal starts a run that follows, and tells how many events it has applied.
func followTotal(t *testing.T, config seed.Config, reached chan<- int64) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	config.Follow = true
	config.Progress = func(p seed.Progress) { reached <- p.Applied }
	go func() { done <- seed.Run(ctx, config) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

func waitTotal(t *testing.T, reached <-chan int64, total int64) {
	t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case n := <-reached:
			if n >= total {
				return
			}
		case <-deadline:
			t.Fatalf("%d events were not reached", total)
		}
	}
}

// sqliteLines is a target that only remembers what it was given.
func sqliteLines(path string, lines *[]string) seed.Target {
	return seedsqlite.Open(path).Handle(func(_ context.Context, _ *sql.Tx, b seed.Batch) error {
		for i := range b.Events {
			*lines = append(*lines, line(&b.Events[i]))
		}
		return nil
	})
}
