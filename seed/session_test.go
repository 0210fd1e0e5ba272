package seed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// odd are settings that a database may give to its sessions, and that change what
// statements make of the same event.
const odd = `
	TimeZone = 'Asia/Kathmandu', DateStyle = 'German', IntervalStyle = 'sql_standard', extra_float_digits = -3, bytea_output = 'escape', timezone_abbreviations = 'India',
	default_text_search_config = 'pg_catalog.english', xmloption = 'document', array_nulls = off, transform_null_equals = on,
	quote_all_identifiers = on, escape_string_warning = off, standard_conforming_strings = off, lock_timeout = '10ms', statement_timeout = '200ms',
	default_transaction_isolation = 'serializable', idle_in_transaction_session_timeout = '1s', synchronous_commit = off`

// oddDatabase returns the URL of a database whose sessions have settings, NAME =
// VALUE with commas between.
func oddDatabase(t *testing.T, settings string) string {
	t.Helper()
	url := testdb.Postgres(t)
	var all strings.Builder
	for s := range strings.SplitSeq(strings.ReplaceAll(settings, ",\n", ", "), ", ") {
		fmt.Fprintf(&all, "EXECUTE format('ALTER DATABASE %%I SET %s', current_database());", strings.ReplaceAll(strings.TrimSpace(s), "'", "''"))
	}
	_, err := openPool(t, url).Exec(t.Context(), "DO $$ BEGIN "+all.String()+" END $$")
	must.OK(t, err)
	return url
}

// days serves events at times that are of other days in other time zones.
func days(t *testing.T) *source {
	t.Helper()
	s := newSource(t, 0)
	var events []event.Event
	for i, at := range []string{"2024-05-01T22:30:00Z", "2024-05-01T12:00:00Z", "2024-05-02T03:30:00.25Z"} {
		when, err := time.Parse(time.RFC3339Nano, at)
		must.OK(t, err)
		events = append(events, event.Event{ID: fmt.Sprint(i + 1), Source: "/s", Type: "T", Time: when, DataContentType: "application/json", Data: []byte(`{}`)})
	}
	storetest.Append(t, s.Log, "f", events)
	storetest.Drain(t, s.Log, "f")
	return s
}

// rowOf is what depends on each of the settings.
const rowOf = `concat_ws(' ', date(%[1]s), %[1]s, interval '36:00', (1::float8 / 3), '\x41ff'::bytea, to_tsvector('The rats')::text,
	quote_ident('a'), '{NULL}'::text[], date '01/02/2024', E'\\' = '\', 1 = NULL, timestamptz '2024-05-01 10:00 IST', to_char(1234.5, 'FM9G999D9'), to_char(%[1]s, 'TMMonth'), current_setting('transaction_isolation'))`

// TestRowsAreTheSameWhateverTheSessionHas: of a projection and of a handler, on a
// pool of the caller's.
func TestRowsAreTheSameWhateverTheSessionHas(t *testing.T) {
	t.Parallel()
	s := days(t)
	setup := "CREATE TABLE IF NOT EXISTS made (id text, row text)"
	handle := func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
		_, err := tx.Exec(ctx, setup)
		for i := 0; err == nil && i < len(b.Events); i++ {
			e := &b.Events[i]
			_, err = tx.Exec(ctx, "INSERT INTO made VALUES ($1, "+fmt.Sprintf(rowOf, "$2::timestamptz")+")", e.ID, e.Time)
		}
		return err
	}
	file := setup + ";\n-- on T\nINSERT INTO made VALUES (:id, " + fmt.Sprintf(rowOf, ":time") + ");"
	var first []string
	for _, kind := range []string{"projection", "handler"} {
		for where, url := range map[string]string{
			"defaults": testdb.Postgres(t), "odd": oddDatabase(t, odd), "odd, behind a pooler": testdb.Bouncer(t, oddDatabase(t, odd)) + "&default_query_exec_mode=exec",
		} {
			pool := openPool(t, url)
			into := seedpgx.Open(pool).Handle(handle)
			if kind == "projection" {
				var err error
				into, err = seedpgx.Open(pool).Projection(seed.Projection{Name: "p.sql", Text: []byte(file)})
				must.OK(t, err)
			}
			if err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into}); err != nil {
				t.Fatalf("%s, %s: %v", kind, where, err)
			}
			got := encodedColumn(t, url, "UTF8", "SELECT row FROM made ORDER BY id")
			if first == nil {
				first = got
				t.Log(strings.Join(got, "\n"))
			}
			if len(got) != 3 || !slices.Equal(got, first) {
				t.Errorf("%s, %s:\n%q\nwant\n%q", kind, where, got, first)
			}
		}
	}
}

// TestAProjectionRunsInTheTimeZoneThatItNames, which belongs to the consumer for good.
func TestAProjectionRunsInTheTimeZoneThatItNames(t *testing.T) {
	t.Parallel()
	s := days(t)
	pool := openPool(t, oddDatabase(t, "TimeZone = 'America/New_York'"))
	run := func(zone string, accept bool) error {
		into, err := seedpgx.Open(pool).Projection(seed.Projection{Name: "p.sql", Text: []byte(zone + "CREATE TABLE days (id text, day date);\n-- on T\nINSERT INTO days VALUES (:id, date(:time));")})
		must.OK(t, err)
		return seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into, AcceptProjection: accept})
	}
	must.OK(t, run("-- timezone Europe/Berlin\n", false))
	if got := columnOf(t, pool, "SELECT id || ' ' || day FROM days ORDER BY id"); !slices.Equal(got, []string{"1 2024-05-02", "2 2024-05-01", "3 2024-05-02"}) {
		t.Errorf("days %q", got)
	}
	if got := columnOf(t, pool, "SELECT time_zone FROM eventfeed_seed.consumers"); !slices.Equal(got, []string{"Europe/Berlin"}) {
		t.Errorf("time zone %q", got)
	}
	err := run("", false)
	if !errors.Is(err, seed.ErrProjection) || !strings.Contains(err.Error(), `"Europe/Berlin", not "UTC"`) {
		t.Errorf("in another time zone: %v, want ErrProjection", err)
	}
	must.OK(t, run("", true))
	if err := run("-- timezone Nowhere/Else\n", true); err == nil || !strings.Contains(err.Error(), "Nowhere/Else") {
		t.Errorf("in a time zone that is none: %v", err)
	}
	if _, err := seedsqlite.Open("x.db").Projection(seed.Projection{Name: "p.sql", Text: []byte("-- timezone Europe/Berlin\n-- on T")}); err == nil {
		t.Error("SQLite takes a time zone")
	}
}

// TestNothingThatUsersSQLSetsReachesTheNextStep: neither of the set-up, as pg_dump
// writes it, nor of the blocks, so that each process finds the same.
func TestNothingThatUsersSQLSetsReachesTheNextStep(t *testing.T) {
	t.Parallel()
	const file = `
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;
CREATE TABLE public.found (id text PRIMARY KEY, what text);
DO $$ BEGIN PERFORM set_config('TimeZone', 'Asia/Tokyo', false), set_config('work_mem', '77MB', false); END $$;
CREATE FUNCTION public.leak() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('work_mem', '99MB', false);
END $$;
-- on T
INSERT INTO found VALUES (:id, concat_ws(' ', current_setting('search_path'), current_setting('TimeZone'), current_setting('work_mem')));
SELECT leak();`
	for name, pooled := range map[string]bool{"directly": false, "behind a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 0)
			url := oddDatabase(t, "TimeZone = 'America/New_York'")
			expected := `"$user", public UTC 4MB`
			what := "SELECT what FROM public.found ORDER BY id"
			if pooled {
				url = testdb.Bouncer(t, url) + "&default_query_exec_mode=exec"
				what = "SELECT replace(replace(what, '77MB', '4MB'), '99MB', '4MB') FROM public.found ORDER BY id" // of a server's session, which is the pooler's
			}
			pool, n := openPool(t, url), 0
			for range 2 { // processes
				into, err := seedpgx.Open(pool).Projection(seed.Projection{Name: "p.sql", Text: []byte(file)})
				must.OK(t, err)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- seed.Run(ctx, seed.Config{From: []string{s.feed()}, Into: into, Follow: true}) }()
				for range 3 { // steps
					n++
					e := storetest.Events(n, n)
					e[0].Type = "T"
					storetest.Append(t, s.Log, "f", e)
					storetest.Drain(t, s.Log, "f")
					waitForEvents(t, pool, n, ended)
				}
				stop()
				must.OK(t, <-ended)
			}
			found := columnOf(t, pool, what)
			if len(found) != n {
				t.Errorf("%d events applied", len(found))
			}
			for i, got := range found {
				if got != expected {
					t.Errorf("event %d ran with %q, want %q", i+1, got, expected)
				}
			}
		})
	}
}

// waitForEvents waits until the default consumer is at a position, while a run goes on.
func waitForEvents(t *testing.T, pool *pgxpool.Pool, position int, ended <-chan error) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var at int
		err := pool.QueryRow(t.Context(), "SELECT coalesce((SELECT max(position) FROM eventfeed_seed.checkpoints), 0)").Scan(&at)
		if err == nil && at >= position {
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("ended at position %d: %v", at, err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("at position %d after 30 s, want %d: %v", at, position, err)
		}
	}
}

// columnOf returns the texts of a column.
func columnOf(t *testing.T, pool *pgxpool.Pool, query string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query)
	must.OK(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	return all
}
