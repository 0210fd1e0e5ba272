package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// runSQL runs statements in a log's database, in PostgreSQL as superuser. Tables are
// written as in PostgreSQL, eventfeed.events.
func runSQL(t testing.TB, url string, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		var err error
		if path, is := strings.CutPrefix(url, sqlitedb.Scheme); is {
			err = execSQLite(t.Context(), path, strings.ReplaceAll(statement, "eventfeed.", "eventfeed_"))
		} else {
			err = execPostgres(t.Context(), url, statement)
		}
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func execSQLite(ctx context.Context, path, statement string) error {
	db, err := sqlitedb.OpenWriter(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func execPostgres(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, testdb.As(url, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// versions returns the ids of each entity's events, by their versions, which must be 1 to n.
func versions(t testing.TB, l *store.Log, name string, subjects ...string) string {
	t.Helper()
	f, err := l.Feed(t.Context(), name)
	must.OK(t, err)
	var all []string
	for _, subject := range subjects {
		var ids []string
		must.OK(t, l.EntityEvents(t.Context(), f.Key, subject, 1<<40, func(e *event.Event) error {
			ids = append(ids, e.ID)
			return nil
		}))
		all = append(all, subject+fmt.Sprint(ids))
	}
	return strings.Join(all, " ")
}

// about makes events of subjects: "a1 b1 a2" are two of a and one of b, with these ids.
func about(ids string) []event.Event {
	var events []event.Event
	for id := range strings.FieldsSeq(ids) {
		events = append(events, event.Event{ID: id, Type: "T", Subject: strings.TrimRight(id, "0123456789"), Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	}
	return events
}

func TestEventsOfAFeedWithEntitiesHaveVersions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f, err := l.Create(t.Context(), store.Feed{Name: "f", Entities: true, Held: true, PageSize: 2})
		must.OK(t, err)
		if !f.Entities {
			t.Error("the feed has no entities")
		}
		storetest.Append(t, l, "f", about("a1 b1 a2"))
		storetest.Append(t, l, "f", append(about("a2 a3 b1 c1"), event.Event{Type: "T"})) // some again, and one without a subject
		storetest.GiveEntities(t, l, "f")                                                 // it has some: nothing to do, held or not
		storetest.Verify(t, l, "f")
		if got, want := versions(t, l, "f", "a", "b", "c", ""), "a[a1 a2 a3] b[b1] c[c1] []"; got != want {
			t.Errorf("held: %s, want %s", got, want)
		}
		_, err = l.Open(t.Context(), "f")
		must.OK(t, err)
		storetest.Drain(t, l, "f")
		storetest.Append(t, l, "f", about("b2 a4"))
		if position, _ := storetest.Verify(t, l, "f"); position != 6 {
			t.Errorf("position %d, want 6", position)
		}
		if got, want := versions(t, l, "f", "a", "b", "c"), "a[a1 a2 a3 a4] b[b1 b2] c[c1]"; got != want {
			t.Errorf("open: %s, want %s", got, want)
		}
		if _, err := l.Append(t.Context(), "f", []event.Event{{ID: "a1", Type: "T", Subject: "b"}}); err == nil {
			t.Error("the id of another subject's event was taken")
		}
		storetest.Verify(t, l, "f")
	})
}

// TestEachFeedHasEntitiesOfItsOwn, and those without have none.
func TestEachFeedHasEntitiesOfItsOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		storetest.CreateWithEntities(t, l, "g")
		storetest.Create(t, l, "plain", 0)
		for _, name := range []string{"f", "plain", "g", "f"} {
			storetest.Append(t, l, name, about("a1 b1"))
		}
		storetest.Append(t, l, "g", about("a2"))
		for name, want := range map[string]string{"f": "a[a1] b[b1]", "g": "a[a1 a2] b[b1]", "plain": "a[] b[]"} {
			if got := versions(t, l, name, "a", "b"); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			storetest.Verify(t, l, name)
		}
		if f, err := l.Feed(t.Context(), "plain"); f.Entities || err != nil {
			t.Errorf("the plain feed has entities, %v", err)
		}
	})
}

// TestHistoryIsNumberedByPosition, what is pending after it, and it is done once.
func TestHistoryIsNumberedByPosition(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		f := storetest.Create(t, l, "f", 0)
		storetest.Append(t, l, "f", about("b1 a1 a2"))
		storetest.Drain(t, l, "f")
		storetest.Append(t, l, "f", about("a3 c1 b2"))
		_, err := l.Sequence(t.Context(), "f", 1)
		must.OK(t, err)
		storetest.Append(t, l, "f", append(about("c2"), event.Event{Type: "T"}))
		const want = "a[a1 a2 a3] b[b1 b2] c[c1 c2]"
		for range 2 {
			storetest.GiveEntities(t, l, "f")
			if got := versions(t, l, "f", "a", "b", "c"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			storetest.Verify(t, l, "f")
		}
		// Another process may have looked at the feed before it had entities, and begin only now.
		must.OK(t, l.Write(t.Context(), time.Minute, func(tx store.Tx) error { return tx.StartNumbering(t.Context(), f.Key) }))
		must.OK(t, l.Write(t.Context(), time.Minute, func(tx store.Tx) error {
			if err := tx.StopAppends(t.Context(), f.Key); err != nil {
				return err
			}
			if _, _, err := tx.NumberPlaced(t.Context(), f.Key, 100); err != nil {
				return err
			}
			return tx.NumberPending(t.Context(), f.Key)
		}))
		if got := versions(t, l, "f", "a", "b", "c"); got != want {
			t.Errorf("numbered once more: %s, want %s", got, want)
		}
		storetest.Append(t, l, "f", about("a4 b2 c3"))
		storetest.Drain(t, l, "f")
		if position, _ := storetest.Verify(t, l, "f"); position != 10 {
			t.Errorf("position %d, want 10", position)
		}
		if got, want := versions(t, l, "f", "a", "b", "c"), "a[a1 a2 a3 a4] b[b1 b2] c[c1 c2 c3]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestEventThatCommittedLateHasItsVersionByItsPlace: without entities nothing keeps it
// from overtaking in the order of inserts.
func TestEventThatCommittedLateHasItsVersionByItsPlace(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	conn, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Writer))
	must.OK(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	late, err := conn.Begin(t.Context())
	must.OK(t, err)
	_, err = late.Exec(t.Context(), "SELECT eventfeed.append('f', 'T', 'a', '{}', id => 'a2')")
	must.OK(t, err)
	storetest.Append(t, l, "f", about("a1"))
	storetest.Drain(t, l, "f")
	must.OK(t, late.Commit(t.Context()))
	storetest.GiveEntities(t, l, "f")
	for range 2 { // pending, and placed
		storetest.Verify(t, l, "f")
		if got := versions(t, l, "f", "a"); got != "a[a1 a2]" {
			t.Error(got)
		}
		storetest.Drain(t, l, "f")
	}
}

// TestNumberingGoesOnWhereItEnded, with what was appended meanwhile.
func TestNumberingGoesOnWhereItEnded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f := storetest.Create(t, l, "f", 0)
		const events = 9000
		for n := 1; n < events; n += 1500 {
			storetest.Append(t, l, "f", storetest.Events(n, n+1499))
		}
		storetest.Drain(t, l, "f")
		before := int64(0)
		for attempt := 1; ; attempt++ {
			ctx, cancel := context.WithCancel(t.Context())
			err := l.GiveEntities(ctx, "f", func(numbered, last int64, _ []string) {
				if numbered < before {
					t.Errorf("attempt %d begins at position %d, after %d", attempt, numbered, before)
				}
				if before = numbered; numbered < last {
					cancel()
				}
			})
			cancel()
			if err == nil {
				if attempt < 3 {
					t.Errorf("it was not interrupted: attempt %d", attempt)
				}
				break
			}
			if !errors.Is(err, context.Canceled) || attempt > 10 {
				t.Fatalf("attempt %d: %v", attempt, err)
			}
			if _, _, err := l.Verify(t.Context(), "f"); err != nil {
				t.Errorf("while it is numbered: %v", err)
			}
			storetest.Append(t, l, "f", storetest.Events(events+10*attempt, events+10*attempt+9))
			storetest.Drain(t, l, "f")
		}
		storetest.Verify(t, l, "f")
		total := int64(0)
		for n := range 7 {
			must.OK(t, l.EntityEvents(t.Context(), f.Key, fmt.Sprint(n), 1<<40, func(*event.Event) error { total++; return nil }))
		}
		after, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		if total != after.Position || !after.Entities {
			t.Errorf("%d events have versions, the feed is at position %d", total, after.Position)
		}
	})
}

func TestHeldFeedIsNotNumbered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		_, err := l.Create(t.Context(), store.Feed{Name: "f", Held: true})
		must.OK(t, err)
		storetest.Append(t, l, "f", about("a1"))
		none := func(int64, int64, []string) {}
		if err := l.GiveEntities(t.Context(), "f", none); !errors.Is(err, store.ErrHeld) {
			t.Errorf("%v, want that it is held", err)
		}
		if err := l.GiveEntities(t.Context(), "none", none); !errors.Is(err, store.ErrNoFeed) {
			t.Errorf("%v, want that there is no such feed", err)
		}
		_, err = l.Open(t.Context(), "f")
		must.OK(t, err)
		must.OK(t, l.GiveEntities(t.Context(), "f", none))
		if got := versions(t, l, "f", "a"); got != "a[a1]" {
			t.Error(got)
		}
	})
}

// TestVerifyFindsWrongVersions of events, placed and pending.
func TestVerifyFindsWrongVersions(t *testing.T) {
	t.Parallel()
	const disable = "ALTER TABLE eventfeed.entity_events DISABLE TRIGGER USER"
	for name, test := range map[string]struct{ statement, says string }{
		"none":                      {"UPDATE eventfeed.entities SET version = version", ""},
		"an entity beyond its last": {"UPDATE eventfeed.entities SET version = version + 1 WHERE subject = 'a'", `"a" is at version 5 and has 4 events`},
		"an entity of no events":    {"INSERT INTO eventfeed.entities (feed, subject, version) VALUES (1, 'x', 1)", `"x" is at version 1 and has `},
		"events of no entity":       {"DELETE FROM eventfeed.entities WHERE subject = 'b'", "b"},
		"a gap":                     {"DELETE FROM eventfeed.entity_events WHERE subject = 'a' AND version = 2", `"a" has version 3 `},
		"a first one that is not 1": {"DELETE FROM eventfeed.entity_events WHERE subject = 'a' AND version = 1", `"a" has version 2 `},
		"another order":             {"UPDATE eventfeed.entity_events SET insert_no = CASE version WHEN 1 THEN 3 ELSE 1 END WHERE subject = 'a' AND version <= 2", `"a" has version 2 at position 1 after version 1 at position 3`},
		"another order, pending":    {"UPDATE eventfeed.entity_events SET insert_no = CASE version WHEN 3 THEN 6 ELSE 5 END WHERE subject = 'a' AND version > 2", `"a" has version 4 `},
		"a pending one first":       {"UPDATE eventfeed.entity_events SET insert_no = CASE version WHEN 2 THEN 5 ELSE 3 END WHERE subject = 'a' AND version IN (2, 3)", `"a" has version 3 `},
		"an event twice":            {"INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no) VALUES (1, 'a', 5, 6)", `"a"`},
		"another entity's event":    {"UPDATE eventfeed.entity_events SET insert_no = 4 WHERE subject = 'a' AND version = 4", ""},
		"no event":                  {"INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no) VALUES (1, 'x', 1, 99)", "x"},
		"an event without":          {"DELETE FROM eventfeed.entity_events WHERE subject = 'a' AND version = 4; UPDATE eventfeed.entities SET version = 3 WHERE subject = 'a'", `event "a4" of "a" has no version`},
		"a snapshot":                {"INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, digest, state, taken) VALUES (1, 'a', 'n', 'r', 2, 3, DIGEST, DIGEST, '2026-01-01T00:00:00Z')", `snapshot "n" revision "r" of "a" at version 2: it was taken of events with digest`},
		"a snapshot of lost events": {"INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, digest, state, taken) VALUES (1, 'a', 'n', 'r', 2, 99, DIGEST, DIGEST, '2026-01-01T00:00:00Z')", ""},
		"a snapshot without one":    {"INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, state, taken) VALUES (1, 'a', 'n', 'r', 2, 3, DIGEST, '2026-01-01T00:00:00Z')", ""},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
				storetest.CreateWithEntities(t, l, "f")
				storetest.Append(t, l, "f", about("a1 b1 a2 b2"))
				storetest.Drain(t, l, "f")
				storetest.Append(t, l, "f", about("a3 a4"))
				statement := test.statement
				if strings.HasPrefix(url, sqlitedb.Scheme) {
					statement = strings.ReplaceAll(statement, "DIGEST", "x'"+strings.Repeat("ab", 32)+"'")
					runSQL(t, url, "DROP TRIGGER eventfeed_entity_events_no_update", "DROP TRIGGER eventfeed_entity_events_no_delete")
				} else {
					statement = strings.ReplaceAll(statement, "DIGEST", `'\x`+strings.Repeat("ab", 32)+"'")
					runSQL(t, url, disable)
				}
				runSQL(t, url, statement)
				_, _, err := l.Verify(t.Context(), "f")
				wrong := test.says != "" || name == "another entity's event"
				kind := store.ErrDoesNotAddUp
				if name == "a snapshot" {
					kind = store.ErrSnapshot
				}
				if errors.Is(err, kind) != wrong || !wrong && err != nil || wrong && !strings.Contains(err.Error(), test.says) {
					t.Errorf("verify: %v, want %q", err, test.says)
				}
			})
		})
	}
}

// TestDigestOfASnapshotIsThatOfItsEntitysEvents, chained from nothing.
func TestDigestOfASnapshotIsThatOfItsEntitysEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		f := storetest.CreateWithEntities(t, l, "f")
		storetest.Append(t, l, "f", about("a1 b1 a2 a3 b2"))
		for subject, places := range map[string][]int{"a": {1, 3, 4}, "b": {2, 5}} {
			var chain feed.Chain
			must.OK(t, l.EntityEvents(t.Context(), f.Key, subject, 10, func(e *event.Event) error {
				hash, _ := feed.EventHash(e, nil)
				chain.Next(hash)
				literal := "x'" + chain.Digest.String() + "'"
				if !strings.HasPrefix(url, sqlitedb.Scheme) {
					literal = `'\x` + chain.Digest.String() + "'"
				}
				runSQL(t, url, fmt.Sprintf("INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, digest, state, taken) VALUES (1, '%s', 'n', '%d', %d, %d, %s, %s, '2026-01-01T00:00:00Z')",
					subject, chain.Position, chain.Position, places[chain.Position-1], literal, literal))
				return nil
			}))
		}
		storetest.Verify(t, l, "f")
		runSQL(t, url, "UPDATE eventfeed.snapshots SET digest = (SELECT s.digest FROM eventfeed.snapshots s WHERE s.subject = 'b' AND s.version = 1) WHERE subject = 'b' AND version = 2")
		if _, _, err := l.Verify(t.Context(), "f"); !errors.Is(err, store.ErrSnapshot) || !strings.Contains(err.Error(), `of "b" at version 2`) {
			t.Errorf("verify: %v", err)
		}
	})
}

// TestProgramsOfAnyLanguageGiveVersionsOnSQLite, whatever they do where an id is there.
func TestProgramsOfAnyLanguageGiveVersionsOnSQLite(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	l := storetest.Open(t, url)
	storetest.CreateWithEntities(t, l, "f")
	path, err := sqlitedb.Path(url)
	must.OK(t, err)
	db, err := sql.Open("sqlite", path)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	const columns = " eventfeed_events (feed, id, source, type, subject, time) VALUES (1, 'a%d', '/f', 'T', 'a', '2026-01-01T00:00:00Z')"
	for n, statement := range []string{
		"INSERT INTO" + columns, "INSERT OR IGNORE INTO" + columns, "INSERT INTO" + columns + " ON CONFLICT DO NOTHING",
		"INSERT OR ABORT INTO" + columns, "INSERT OR FAIL INTO" + columns, "INSERT OR ROLLBACK INTO" + columns,
	} {
		statement = fmt.Sprintf(statement, n+1)
		_, err := db.ExecContext(t.Context(), statement)
		must.OK(t, err)
		_, err = db.ExecContext(t.Context(), statement)
		if ignores := strings.Contains(statement, "IGNORE") || strings.Contains(statement, "NOTHING"); ignores != (err == nil) {
			t.Errorf("%s again: %v", statement, err)
		}
	}
	storetest.Drain(t, l, "f")
	storetest.Verify(t, l, "f")
	if got := versions(t, l, "f", "a"); got != "a[a1 a2 a3 a4 a5 a6]" {
		t.Error(got)
	}
}
