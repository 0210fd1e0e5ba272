// Package storetest is what tests of the log and of what stands on it have in
// common: a log of their own in each database, events, and steps to the end.
package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// Databases makes a fresh database of each kind, by its name.
var Databases = map[string]func(testing.TB) string{
	"postgres": testdb.Postgres,
	"sqlite":   testdb.SQLite,
}

// Each runs a test on a fresh log in every kind of database, in parallel.
func Each(t *testing.T, test func(t *testing.T, l *store.Log, url string)) {
	t.Helper()
	t.Parallel()
	for name, database := range Databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			test(t, Open(t, url), url)
		})
	}
}

// Open opens the log of a database URL until the end of the test, in PostgreSQL
// with the rights of a server and no others.
func Open(t testing.TB, url string) *store.Log {
	t.Helper()
	var db store.Backend
	var err error
	if strings.HasPrefix(url, sqlitedb.Scheme) {
		path, pathErr := sqlitedb.Path(url)
		must.OK(t, pathErr)
		db, err = sqlite.Open(t.Context(), path, true)
	} else {
		owner, ownerErr := postgres.Open(t.Context(), url, true) // which writes nothing on a standby
		must.OK(t, ownerErr)
		owner.Close()
		db, err = postgres.Open(t.Context(), testdb.As(url, testdb.Server), false)
	}
	must.OK(t, err)
	t.Cleanup(db.Close)
	return store.New(db)
}

// Create makes a feed with pages of this many events.
func Create(t testing.TB, l *store.Log, name string, pageSize int) store.Feed {
	t.Helper()
	f, err := l.Create(t.Context(), store.Feed{Name: name, PageSize: pageSize})
	must.OK(t, err)
	return f
}

// CreateWithEntities makes a feed that has entities.
func CreateWithEntities(t testing.TB, l *store.Log, name string) store.Feed {
	t.Helper()
	f, err := l.Create(t.Context(), store.Feed{Name: name, Entities: true})
	must.OK(t, err)
	return f
}

// GiveEntities gives versions to a feed's history.
func GiveEntities(t testing.TB, l *store.Log, name string) {
	t.Helper()
	must.OK(t, l.GiveEntities(t.Context(), name, func(int64, int64, []string) {}))
}

// Events returns events numbered from first to last, the same every time.
func Events(first, last int) []event.Event {
	var events []event.Event
	for n := first; n <= last; n++ {
		events = append(events, event.Event{
			ID: fmt.Sprint(n), Source: "/test", Type: "Counted", Subject: fmt.Sprint(n % 7),
			Time: time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC), DataContentType: "application/json",
			Data: fmt.Appendf(nil, `{"n":%d}`, n),
		})
	}
	return events
}

// Append appends events in one transaction.
func Append(t testing.TB, l *store.Log, feed string, events []event.Event) {
	t.Helper()
	if _, err := l.Append(t.Context(), feed, events); err != nil {
		t.Fatal(err)
	}
}

// Drain gives all pending events their positions and seals all full pages.
func Drain(t testing.TB, l *store.Log, feed string) {
	t.Helper()
	for {
		n, err := l.Sequence(t.Context(), feed, 1000)
		must.OK(t, err)
		if n == 0 {
			break
		}
	}
	for {
		n, err := l.Seal(t.Context(), feed)
		must.OK(t, err)
		if n == 0 {
			return
		}
	}
}

// Read returns a feed's placed events in order.
func Read(t testing.TB, l *store.Log, feed string) []event.Placed {
	t.Helper()
	f, err := l.Feed(t.Context(), feed)
	must.OK(t, err)
	var events []event.Placed
	must.OK(t, l.Rows(t.Context(), f.Key, 1, f.Position, func(r *store.Row) error {
		events = append(events, r.Placed)
		return nil
	}))
	return events
}

// Verify checks a feed as the verify command does, and returns its end.
func Verify(t testing.TB, l *store.Log, feed string) (position int64, digest string) {
	t.Helper()
	position, d, err := l.Verify(context.WithoutCancel(t.Context()), feed)
	must.OK(t, err)
	return position, d.String()
}
