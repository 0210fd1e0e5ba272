package outbox_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/outbox"
)

// transaction is a caller's transaction, however it was begun.
type transaction struct {
	append           func(feed string, events ...event.Event) (outbox.Result, error)
	commit, rollback func() error
}

func viaPgx(t *testing.T, tx pgx.Tx) func(feed string, events ...event.Event) (outbox.Result, error) {
	return func(feed string, events ...event.Event) (outbox.Result, error) {
		return outbox.Append(t.Context(), tx, feed, events...)
	}
}

func viaSQL(t *testing.T, tx *sql.Tx) func(feed string, events ...event.Event) (outbox.Result, error) {
	return func(feed string, events ...event.Event) (outbox.Result, error) {
		return outbox.AppendSQL(t.Context(), tx, feed, events...)
	}
}

// mustAppend appends events, and returns what that did.
func mustAppend(t *testing.T, tx transaction, feed string, events ...event.Event) outbox.Result {
	t.Helper()
	result, err := tx.append(feed, events...)
	must.OK(t, err)
	return result
}

// eachDriver runs a test with pgx and with database/sql on both databases.
func eachDriver(t *testing.T, test func(t *testing.T, l *store.Log, begin func() transaction)) {
	t.Helper()
	t.Parallel()
	fromSQL := func(t *testing.T, db *sql.DB) func() transaction {
		t.Cleanup(func() { _ = db.Close() })
		return func() transaction {
			tx, err := db.BeginTx(t.Context(), nil)
			must.OK(t, err)
			return transaction{viaSQL(t, tx), tx.Commit, tx.Rollback}
		}
	}
	for name, open := range map[string]func(*testing.T) (url string, begin func() transaction){
		"pgx": func(t *testing.T) (string, func() transaction) {
			url := testdb.Postgres(t)
			pool, err := pgxpool.New(t.Context(), testdb.As(url, testdb.Writer))
			must.OK(t, err)
			t.Cleanup(pool.Close)
			return url, func() transaction {
				tx, err := pool.Begin(t.Context())
				must.OK(t, err)
				return transaction{viaPgx(t, tx),
					func() error { return tx.Commit(t.Context()) },
					func() error { return tx.Rollback(context.Background()) }}
			}
		},
		"database sql on PostgreSQL": func(t *testing.T) (string, func() transaction) {
			url := testdb.Postgres(t)
			db, err := sql.Open("pgx", testdb.As(url, testdb.Writer))
			must.OK(t, err)
			return url, fromSQL(t, db)
		},
		"database sql with pq": func(t *testing.T) (string, func() transaction) {
			url := testdb.Postgres(t)
			db, err := sql.Open("postgres", testdb.As(url, testdb.Writer))
			must.OK(t, err)
			return url, fromSQL(t, db)
		},
		"database sql on SQLite": func(t *testing.T) (string, func() transaction) {
			url := testdb.SQLite(t)
			path, err := sqlitedb.Path(url)
			must.OK(t, err)
			db, err := sqlitedb.OpenWriter(t.Context(), path)
			must.OK(t, err)
			return url, fromSQL(t, db)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, begin := open(t)
			l := storetest.Open(t, url)
			storetest.Create(t, l, "f", 0)
			test(t, l, begin)
		})
	}
}

func TestEventIsInTheFeedIfAndOnlyIfTheTransactionCommitted(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, begin func() transaction) {
		for n := range 6 {
			tx := begin()
			mustAppend(t, tx, "f", storetest.Events(10*n, 10*n+2)...)
			if n%2 == 0 {
				must.OK(t, tx.commit())
			} else {
				must.OK(t, tx.rollback())
			}
		}
		storetest.Drain(t, l, "f")
		var got []string
		for _, e := range storetest.Read(t, l, "f") {
			got = append(got, e.ID)
		}
		if want := "[0 1 2 20 21 22 40 41 42]"; fmt.Sprint(got) != want {
			t.Errorf("feed has %v, want %s", got, want)
		}
		storetest.Verify(t, l, "f")
	})
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, begin func() transaction) {
		tx := begin()
		mustAppend(t, tx, "f", event.Event{Type: "T"})
		must.OK(t, tx.commit())
		storetest.Drain(t, l, "f")
		e := storetest.Read(t, l, "f")[0]
		if len(e.ID) != 36 || e.Source != "/f" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
	})
}

// TestResultHasTheIDsInOrderAndHowManyAreNew, also of events that are there already
// and of those that had no id.
func TestResultHasTheIDsInOrderAndHowManyAreNew(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, begin func() transaction) {
		tx := begin()
		if result := mustAppend(t, tx, "f"); result.New != 0 || len(result.IDs) != 0 {
			t.Errorf("nothing appended: %+v", result)
		}
		first := mustAppend(t, tx, "f", event.Event{Type: "T", ID: "b"}, event.Event{Type: "T"}, event.Event{Type: "T", ID: "a"})
		if first.New != 3 || len(first.IDs) != 3 || first.IDs[0] != "b" || first.IDs[2] != "a" {
			t.Errorf("first append: %+v", first)
		}
		again := mustAppend(t, tx, "f", event.Event{Type: "T", ID: "c"}, event.Event{Type: "T", ID: "b"}, event.Event{Type: "T", ID: "c"})
		if again.New != 1 || fmt.Sprint(again.IDs) != "[c b c]" {
			t.Errorf("one new event, one that is there, and one twice: %+v", again)
		}
		must.OK(t, tx.commit())
		storetest.Drain(t, l, "f")
		for i, e := range storetest.Read(t, l, "f")[:3] {
			if e.ID != first.IDs[i] {
				t.Errorf("position %d has the id %s, the result %s", e.Position, e.ID, first.IDs[i])
			}
		}
	})
}

func TestEveryAttributeComesThrough(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, begin func() transaction) {
		want := event.Event{
			ID: `a "b" \ {c},'d' 😀`, Source: "/s", Type: "NULL", Subject: "{}", Time: storetest.Events(1, 1)[0].Time,
			DataContentType: "a/b", DataSchema: `urn:x:'(%5Cx00)'`, Extensions: map[string]string{"n": `"1" \`, "e": ""}, Data: []byte("\x00\xff\\\"'"),
		}
		for range 2 { // the second time it is there already
			tx := begin()
			mustAppend(t, tx, "f", want)
			must.OK(t, tx.commit())
		}
		storetest.Drain(t, l, "f")
		events := storetest.Read(t, l, "f")
		if got := fmt.Sprintf("%+v", events[0].Event); got != fmt.Sprintf("%+v", want) || len(events) != 1 {
			t.Errorf("%d events\n got %s\nwant %+v", len(events), got, want)
		}
	})
}

func TestAppendRefuses(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, begin func() transaction) {
		first := storetest.Events(1, 1)[0]
		first.Subject, first.DataContentType, first.DataSchema, first.Extensions = "s", "a/b", "urn:x", map[string]string{"x": "1"}
		storetest.Append(t, l, "f", []event.Event{first})
		changed := func(change func(*event.Event)) event.Event { e := first; change(&e); return e }
		conflicts := map[string]string{} // texts of errors, with what differed
		for name, test := range map[string]struct {
			feed  string
			event event.Event
			is    error
		}{
			"unknown feed":      {"nothing", first, outbox.ErrNoFeed},
			"no type":           {"f", event.Event{}, nil},
			"too large":         {"f", event.Event{Type: "T", Data: make([]byte, event.MaxSize)}, event.ErrTooLarge},
			"another type":      {"f", changed(func(e *event.Event) { e.Type = "U" }), outbox.ErrConflict},
			"another data":      {"f", changed(func(e *event.Event) { e.Data = []byte("1") }), outbox.ErrConflict},
			"another time":      {"f", changed(func(e *event.Event) { e.Time = e.Time.Add(1000) }), outbox.ErrConflict},
			"another extension": {"f", changed(func(e *event.Event) { e.Extensions = map[string]string{"x": "2"} }), outbox.ErrConflict},
			"no data":           {"f", changed(func(e *event.Event) { e.Data = nil }), outbox.ErrConflict},
			"no subject":        {"f", changed(func(e *event.Event) { e.Subject = "" }), outbox.ErrConflict},
			"no content type":   {"f", changed(func(e *event.Event) { e.DataContentType = "" }), outbox.ErrConflict},
			"no schema":         {"f", changed(func(e *event.Event) { e.DataSchema = "" }), outbox.ErrConflict},
			"no extension":      {"f", changed(func(e *event.Event) { e.Extensions = nil }), outbox.ErrConflict},
		} {
			tx := begin()
			_, err := tx.append(test.feed, test.event)
			must.OK(t, tx.rollback())
			if err == nil || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%s: %v, want %v", name, err, test.is)
			}
			if conflict, is := errors.AsType[*outbox.ConflictError](err); is {
				conflicts[err.Error()] = name
				if conflict.ID != first.ID || conflict.Source != cmp.Or(first.Source, "/f") {
					t.Errorf("%s: the conflict is of event %q of source %q", name, conflict.ID, conflict.Source)
				}
			}
		}
		if len(conflicts) != 1 {
			t.Errorf("the error tells what differs, which may not be for the caller to know: %v", conflicts)
		}
		tx := begin()
		// A time that is left out is that of the first append.
		mustAppend(t, tx, "f", changed(func(e *event.Event) { e.Time = time.Time{} }))
		must.OK(t, tx.commit())
		storetest.Drain(t, l, "f")
		storetest.Verify(t, l, "f")
	})
}

// TestAConnectionThatDoesNotSpeakUTF8IsRefused, by each driver: PostgreSQL would
// take what Go sends for other characters, and publish those.
func TestAConnectionThatDoesNotSpeakUTF8IsRefused(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	other := testdb.As(url, testdb.Writer) + "&client_encoding=LATIN1"
	pool, err := pgxpool.New(t.Context(), other)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	db, err := sql.Open("pgx", other)
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	pgxTx, err := pool.Begin(t.Context())
	must.OK(t, err)
	sqlTx, err := db.BeginTx(t.Context(), nil)
	must.OK(t, err)
	for name, appendTo := range map[string]func(string, ...event.Event) (outbox.Result, error){"pgx": viaPgx(t, pgxTx), "database/sql": viaSQL(t, sqlTx)} {
		_, err := appendTo("f", event.Event{Type: "Köln"})
		if err == nil || !strings.Contains(err.Error(), "client_encoding") {
			t.Errorf("%s: %v, want that client_encoding is not UTF8", name, err)
		}
	}
	must.OK(t, errors.Join(pgxTx.Commit(t.Context()), sqlTx.Commit()))
	storetest.Drain(t, l, "f")
	if events := storetest.Read(t, l, "f"); len(events) > 0 {
		t.Errorf("appended %v", events)
	}
}

// TestUTF8IsTakenByEachOfItsNames: PostgreSQL keeps the name as the caller wrote it.
func TestUTF8IsTakenByEachOfItsNames(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	for _, name := range []string{"UTF8", "utf-8", "UNICODE"} {
		conn, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Writer)+"&client_encoding="+name)
		must.OK(t, err)
		err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := outbox.Append(t.Context(), tx, "f", event.Event{Type: "Köln"})
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		must.OK(t, conn.Close(t.Context()))
	}
}

// TestAppendUsesNothingThatTheCallersSearchPathFinds, by each driver, nor what the
// caller's other settings make of what is sent.
func TestAppendUsesNothingThatTheCallersSearchPathFinds(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	testdb.Shadow(t, url)
	caller := testdb.As(url, testdb.Writer) + "&search_path=hostile,pg_catalog&DateStyle=German&TimeZone=Asia/Kathmandu&standard_conforming_strings=off&bytea_output=escape"
	pool, err := pgxpool.New(t.Context(), caller)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	db, err := sql.Open("pgx", caller)
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	events := storetest.Events(1, 30) // so many are asked about first by database/sql
	pgxTx, err := pool.Begin(t.Context())
	must.OK(t, err)
	defer func() { _ = pgxTx.Rollback(context.Background()) }()
	_, err = outbox.Append(t.Context(), pgxTx, "f", events...)
	must.OK(t, err)
	must.OK(t, pgxTx.Commit(t.Context()))
	for range 2 { // the second time all of them are duplicates
		sqlTx, err := db.BeginTx(t.Context(), nil) // which ends with the test's context
		must.OK(t, err)
		_, err = outbox.AppendSQL(t.Context(), sqlTx, "f", append(events, storetest.Events(31, 60)...)...)
		must.OK(t, err)
		must.OK(t, sqlTx.Commit())
	}
	storetest.Drain(t, l, "f")
	read := storetest.Read(t, l, "f")
	for i, want := range storetest.Events(1, 60) {
		if i >= len(read) || read[i].ID != want.ID || !read[i].Time.Equal(want.Time) || !bytes.Equal(read[i].Data, want.Data) {
			t.Fatalf("event %d of %d: %+v, want %+v", i, len(read), read[i], want)
		}
	}
}
